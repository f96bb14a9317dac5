# SPDX-License-Identifier: MIT
"""POP3 clients that people use, through a wire that breaks: none leaves a mail behind, loses one, or, as far as it keeps
count of UIDLs itself, has one twice."""
import os
import poplib
import re
import shutil
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from conftest import as_mail_owner, mail_owner
from pop3_lines import fill, names
from terminal import run_in_terminal

USER = 'popper'
MARK = re.compile(rb'^X-Mark: (\d+)\r?$', re.M)
MAILS = [(f'new/{number}.M{number}.host', b'Return-Path: <a@b.example>\nFrom: a@b.example\nTo: popper@mail.example\n'
          b'Date: Thu, 01 Oct 2026 09:00:00 +0900\nMessage-ID: <%d@b.example>\nSubject: s\nX-Mark: %d\n\n'
          b'.a line\n..\n%send %d\n' % (number, number, b'0123456789\n' * size, number))
         for number, size in enumerate((1, 20, 20000, 0, 300, 50))]
# Where the wire breaks, one connection after the other; then it holds.
BREAKS = [10, 300, 900, 2500, 30000, 230000, 260000, 'quit-lost', 'quit-unheard']


class Wire:
    """A proxy that cuts connections: after so many octets from the server, or around QUIT."""

    def __init__(self, port, breaks):
        self.port_behind, self.breaks = port, list(breaks)
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            where = self.breaks.pop(0) if self.breaks else None
            server = socket.create_connection(('127.0.0.1', self.port_behind))
            quitting = threading.Event()
            for args in ((client, server, where, quitting), (server, client, where, quitting)):
                threading.Thread(target=self.copy, args=(*args, args[0] is server), daemon=True).start()

    @staticmethod
    def cut(*sockets):
        """With RST: mpop takes a mere end for more to come."""
        for one in sockets:
            try:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                one.shutdown(socket.SHUT_RD)
                one.close()
            except OSError:
                pass

    def copy(self, source, target, where, quitting, from_server):
        left = where if from_server and isinstance(where, int) else None
        try:
            while data := source.recv(65536 if left is None else min(left, 65536)):
                if not from_server and data.upper().endswith(b'QUIT\r\n'):
                    if where == 'quit-lost':
                        break
                    quitting.set()
                if from_server and where == 'quit-unheard' and quitting.is_set():
                    continue  # until the server closes
                target.sendall(data)
                if left is not None:
                    left -= len(data)
                    if left == 0:
                        break
        except OSError:
            pass
        self.cut(source, target)

    def close(self):
        self.listener.close()


def surroundings(home):
    """As somebody who may get mail: some refuse to work for root."""
    return {'env': {**os.environ, 'HOME': str(home), 'FETCHMAILHOME': str(home), 'TERM': 'xterm'}, 'cwd': home,
            **as_mail_owner()}


def run(home, *command):
    return subprocess.run([*map(str, command)], capture_output=True, timeout=40, check=False, stdin=subprocess.DEVNULL,
                          **surroundings(home))


def in_terminal(home, *command):
    return run_in_terminal(command, **surroundings(home))


def private(path, text):
    path.write_text(text)
    path.chmod(0o600)
    os.chown(path, *mail_owner())
    return path


def directory(path):
    path.mkdir(0o700, exist_ok=True)
    os.chown(path, *mail_owner())
    return path


def delivered(out):
    return [path.read_bytes() for path in sorted(out.rglob('*')) if path.is_file() and path.parent.name != 'tmp']


def fetchmail(port, home, out):
    private(home / 'rc', f'poll 127.0.0.1 protocol pop3 port {port} uidl\n  user "{USER}" password "secret" is "nobody" here\n'
            f'  sslproto ""\n  fetchall\n  mda "cat > $(mktemp {out}/XXXXXX)"\n')
    run(home, 'fetchmail', '-f', home / 'rc', '--idfile', home / 'ids', '--pidfile', home / 'pid', '--nosyslog', '-t', 20)


def getmail(port, home, out):
    for sub in ('cur', 'new', 'tmp'):
        directory(out / sub)
    private(home / 'rc', f'[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = {port}\nusername = {USER}\n'
            f'password = secret\ntimeout = 20\n[destination]\ntype = Maildir\npath = {out}/\n[options]\ndelete = true\n'
            'read_all = false\n')
    run(home, 'getmail', '--rcfile', home / 'rc', '--getmaildir', home)


def mpop(port, home, out):
    for sub in ('cur', 'new', 'tmp'):
        directory(out / sub)
    private(home / 'rc', f'account default\nhost 127.0.0.1\nport {port}\nuser {USER}\npassword secret\ntls off\nauth user\n'
            f'keep off\ndelivery maildir {out}\nuidls_file {home}/uidls\ntimeout 20\n')
    run(home, 'mpop', '-C', home / 'rc')


def curl(port, home, out):
    """A file for each UIDL, and then it is deleted."""
    url = f'pop3://127.0.0.1:{port}/'
    listing = run(home, 'curl', '-s', '-m', 20, '-u', f'{USER}:secret', url, '-X', 'UIDL')
    for line in listing.stdout.decode().split('\r\n'):
        if listing.returncode != 0 or line.count(' ') != 1:
            continue
        number, uidl = line.split(' ')
        part, whole = home / 'part', out / uidl
        if not whole.exists():
            if run(home, 'curl', '-s', '-m', 20, '-u', f'{USER}:secret', f'{url}{number}', '-o', part).returncode != 0:
                return
            part.rename(whole)
        # The numbers are others in the next session.
        run(home, 'curl', '-s', '-m', 20, '-u', f'{USER}:secret', '-I', url, '-X', f'DELE {number}')
        return


def with_poplib(port, home, out):
    del home
    try:
        client = poplib.POP3('127.0.0.1', port, timeout=20)
        client.user(USER)
        client.pass_('secret')
        for line in client.uidl()[1]:
            number, uidl = line.decode().split(' ')
            whole = out / uidl
            if not whole.exists():
                whole.write_bytes(b'\n'.join(client.retr(int(number))[1]) + b'\n')
            client.dele(int(number))
        client.quit()
    except (OSError, EOFError, poplib.error_proto):
        return


def mutt(port, home, out):
    private(home / 'rc', f'set pop_host="pop://{USER}@127.0.0.1:{port}"\nset pop_pass=secret\nset pop_delete=yes\n'
            f'set pop_authenticators=user\nset ssl_starttls=no\nset ssl_force_tls=no\nset spoolfile={out}/box\nset mbox_type=mbox\n'
            f'set folder={home}\nset move=no\nset quit=yes\nset wait_key=no\nset connect_timeout=20\nset net_inc=0\n'
            'push "<fetch-mail><exit>"\n')
    (out / 'box').touch()
    os.chown(out / 'box', *mail_owner())
    in_terminal(home, 'mutt', '-n', '-F', home / 'rc')


CLIENTS = {'mutt': mutt, 'fetchmail': fetchmail, 'getmail': getmail, 'mpop': mpop, 'curl': curl, 'poplib': with_poplib}


@pytest.mark.parametrize('broken', [False, True], ids=['whole', 'broken'])
@pytest.mark.parametrize('name', CLIENTS)
def test_nothing_is_left_lost_or_twice(server, name, broken):
    if name != 'poplib' and shutil.which(name) is None:
        pytest.skip(f'{name} is not installed')
    fill(server, USER, MAILS)
    work = Path(server.dir, f'{name}-{broken}')
    work.mkdir()
    home, out = directory(work / 'home'), directory(work / 'out')
    wire = Wire(server.port('pop3'), BREAKS if broken else [])
    for _ in range(len(BREAKS) + 20):
        CLIENTS[name](wire.port, home, out)
        if not names(server, USER):
            break
    wire.close()
    assert names(server, USER) == []
    got = [number for text in delivered(out) for number in MARK.findall(text)]
    wanted = [b'%d' % number for number in range(len(MAILS))]
    if broken and name in ('fetchmail', 'getmail', 'mutt'):
        got = set(got)  # they write down what they have seen when all went well
    assert sorted(got) == wanted
    texts = b''.join(delivered(out)).replace(b'\r\n', b'\n')
    for _, mail in MAILS:
        assert mail[mail.index(b'\n\n'):] in texts
