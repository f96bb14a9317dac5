# SPDX-License-Identifier: MIT
"""A POP3 client that shows every octet, and helpers of the POP3 tests."""
import os
import re
import shutil
import socket
import ssl
import time

from conftest import NO_PENALTY, mail_owner

END = b'THE-END'
NO_DELAY = 'auth_failure_delay = 0\n' + NO_PENALTY


class Pop:
    """A connection; answers are bytes, line ends included."""

    def __init__(self, port, user=None, password='secret', tls=False, source=None, timeout=30):
        self.sock = socket.create_connection(('127.0.0.1', port), timeout, source and (source, 0))
        if tls:
            self.start_tls()
        self.buf = b''
        self.greeting = self.line()
        if user is not None:
            assert self.command(f'USER {user}') == b'+OK\r\n'
            answer = self.command(f'PASS {password}')
            assert answer == b'+OK Logged in.\r\n', answer

    def start_tls(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def line(self):
        while b'\n' not in self.buf:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError(self.buf)
            self.buf += data
        line, self.buf = re.match(rb'([^\n]*\n)(.*)', self.buf, re.S).groups()
        return line

    def command(self, text):
        """The first line of the answer."""
        self.send(text + ('\r\n' if isinstance(text, str) else b'\r\n'))
        return self.line()

    def rest(self):
        """The lines of a long answer, dots undone."""
        data = bytearray(b'\n' + self.buf)
        end = data.find(b'\n.\r\n')
        while end < 0:
            more = self.sock.recv(1 << 20)
            if not more:
                raise EOFError(bytes(data[-200:]))
            data += more
            end = data.find(b'\n.\r\n', max(0, len(data) - len(more) - 4))
        self.buf = bytes(data[end + 4:])
        return [line[1:] if line.startswith(b'.') else line for line in re.findall(rb'[^\n]*\n', bytes(data[1:end + 1]))]

    def multi(self, text):
        first = self.command(text)
        assert first.startswith(b'+OK'), first
        return self.rest()

    def all(self):
        """What comes until the server closes."""
        data = self.buf
        self.buf = b''
        while True:
            try:
                more = self.sock.recv(65536)
            except ConnectionResetError:
                return data
            if not more:
                return data
            data += more

    def quit(self):
        answer = self.command('QUIT')
        assert self.all() == b''
        return answer

    def close(self):
        self.sock.close()


def pipelined(port, user, commands, leave=True):
    """All octets that the server sends for `commands` at once, and then QUIT, or the connection is cut."""
    client = Pop(port, user)
    client.send(b''.join(command + b'\r\n' for command in commands) + (b'QUIT' if leave else END) + b'\r\n')
    if leave:
        return client.all()
    got = b''
    try:
        while not got.endswith(END + b'\r\n'):
            got += client.line()
    except EOFError:
        pass
    client.close()
    return got


def fill(server, user, mails):
    """Make it these mails, whose file names are given: 'new/1.a.host'."""
    shutil.rmtree(f'{server.home(user)}/Maildir', ignore_errors=True)
    root = server.maildir(user)
    for when, (name, text) in enumerate(mails):
        path = root / name
        path.write_bytes(text)
        os.chown(path, *mail_owner())
        os.utime(path, (1700000000 + when, 1700000000 + when))


def names(server, user):
    """Base names and flags of what is there, sizes left out."""
    root = server.maildir(user)
    return sorted(re.sub(r',[SW]=\d+', '', name) for sub in ('cur', 'new') for name in os.listdir(root / sub))


class Ends:
    """What the log says at the end of sessions, one after the other."""

    def __init__(self, server):
        self.server, self.at = server, len(server.log_text())

    def next(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            match = re.compile(r'pop3\(.*?: Info: (Disconnected: .*)\n').search(self.server.log_text(), self.at)
            if match:
                self.at = match.end()
                return match[1]
            time.sleep(0.005)
        return None
