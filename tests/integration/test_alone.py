# SPDX-License-Identifier: MIT
"""imap and pop3 that somebody runs himself: a session on stdin and stdout, as through ssh."""
import imaplib
import os
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from conftest import PREFIX, ROOT, as_mail_owner, mail_owner
from test_clients import needs
from terminal import run_in_terminal

BIN = f'{PREFIX}/libexec/dovetail'
MAIL = b'From: a@example.org\r\nSubject: %d\r\n\r\nbody\r\n'


@pytest.fixture
def home():
    """Of a user of the system, who has a configuration of his own."""
    with tempfile.TemporaryDirectory(prefix='dt-') as name:
        path = Path(name)
        (path / 'dovecot.conf').write_text(f'mail_location = maildir:~/Maildir\nlog_path = {path}/log\nssl = no\n')
        if ROOT:
            os.chown(path, *mail_owner())
        path.chmod(0o755)
        yield path


def run(home, *args, program='imap', data=b'', **env):
    return subprocess.run([f'{BIN}/{program}', '-c', home / 'dovecot.conf', *args], input=data, capture_output=True, timeout=60,
                          check=False, env={**os.environ, 'HOME': str(home), 'USER': 'joe', **env}, **as_mail_owner())


def log_of(home, pattern):
    """Written by a process that may outlive its output by a moment."""
    for _ in range(100):
        if (found := re.search(pattern, (home / 'log').read_text())) is not None:
            return found
        time.sleep(0.1)
    raise AssertionError((home / 'log').read_text())


def tunnel(home):
    """A command line for clients."""
    as_user = 'setpriv --reuid {} --regid {} --clear-groups '.format(*mail_owner()) if ROOT else ''
    return f'{as_user}env HOME={shlex.quote(str(home))} USER=joe {BIN}/imap -c {shlex.quote(str(home / "dovecot.conf"))}'


def test_a_session(home):
    done = run(home, data=b'a SELECT INBOX\r\nb LOGOUT\r\n', IP='192.0.2.7')
    lines = done.stdout.split(b'\r\n')
    assert re.fullmatch(rb'\* PREAUTH \[CAPABILITY IMAP4rev1 .*\] Logged in as joe', lines[0])
    assert done.returncode == 0 and done.stderr == b'' and b'b OK Logout completed' in done.stdout
    log_of(home, r'imap\(joe\)<\d+><[^>]+>: Info: Disconnected: Logged out in=26 out=\d+ ')
    assert (home / 'Maildir/cur').is_dir()


def test_what_is_large_goes_both_ways_at_once(home):
    """Neither side waits for the other to read."""
    count, mails = 300, [MAIL % i + b'x' * 20000 + b'\r\n' for i in range(3)]
    commands = [b'a%d APPEND INBOX {%d+}\r\n%s\r\n' % (i, len(mails[i % 3]), mails[i % 3]) for i in range(count)]
    commands[1:1] = [b's SELECT INBOX\r\n']
    commands += [b'f FETCH 1:* BODY[]\r\n', b'z LOGOUT\r\n']
    done = run(home, data=b''.join(commands))
    assert done.returncode == 0 and done.stdout.count(b'BODY[] {') == count
    assert len(done.stdout) > count * 20000


def test_imaplib(home):
    client = imaplib.IMAP4_stream(tunnel(home))
    assert client.state == 'AUTH'
    assert client.append('INBOX', '', None, MAIL % 7)[0] == 'OK'
    assert client.select()[1] == [b'1']
    assert client.fetch('1', '(BODY[])')[1][0][1] == MAIL % 7
    client.logout()


@needs('mbsync')
def test_mbsync(home, tmp_path):
    local = tmp_path / 'local'
    local.mkdir()
    (tmp_path / 'mbsyncrc').write_text(
        f'IMAPAccount x\nTunnel "{tunnel(home)}"\n\nIMAPStore far\nAccount x\n\nMaildirStore near\nPath {local}/\n'
        f'Inbox {local}/INBOX\n\nChannel c\nFar :far:\nNear :near:\nCreate Both\nSyncState *\n')
    run(home, data=b'a APPEND INBOX {%d+}\r\n%s\r\nb LOGOUT\r\n' % (len(MAIL % 1), MAIL % 1))
    done = subprocess.run(['mbsync', '-c', tmp_path / 'mbsyncrc', '-a'], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len([path for path in local.rglob('*') if b'Subject: 1' in (path.read_bytes() if path.is_file() else b'')]) == 1


@needs('mutt')
def test_mutt(home, tmp_path):
    rc = tmp_path / 'muttrc'
    rc.write_text(f'set tunnel="{tunnel(home)}"\nset folder=imap://x/\nset spoolfile=imap://x/INBOX\nset header_cache=""\n'
                  'set sort=subject\npush "<tag-pattern>~A<enter><tag-prefix><copy-message>' f'{tmp_path}/copied<enter>yy<exit>"\n')
    run(home, data=b'a APPEND INBOX {%d+}\r\n%s\r\nb LOGOUT\r\n' % (len(MAIL % 5), MAIL % 5))
    run_in_terminal(['mutt', '-n', '-F', rc], env=dict(os.environ, TERM='xterm', HOME=str(tmp_path)))
    assert b'Subject: 5' in (tmp_path / 'copied').read_bytes()


def test_the_client_goes_away(home):
    done = run(home, data=b'a NOOP\r\n')
    assert done.returncode == 0 and b'a OK' in done.stdout
    log_of(home, r'Info: Disconnected: Connection closed|Info: Connection closed')


def test_descriptors_that_do_not_block(home):
    """As sockets and pipes are that another program has used."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs, subprocess.Popen([f'{BIN}/imap', '-c', home / 'dovecot.conf'], stdin=theirs, stdout=theirs,
                                        env={**os.environ, 'HOME': str(home), 'USER': 'joe'}, **as_mail_owner()) as process:
        theirs.close()
        ours.settimeout(60)
        mail = MAIL % 1 + b'x' * 2000000
        ours.sendall(b'a APPEND INBOX {%d+}\r\n%s\r\ns SELECT INBOX\r\n' % (len(mail), mail))
        time.sleep(0.5)
        ours.sendall(b'f FETCH 1 BODY[]\r\nz LOGOUT\r\n')
        time.sleep(0.5)
        got = b''.join(iter(lambda: ours.recv(1000000), b''))
        assert process.wait() == 0 and mail in got and b'z OK' in got, got[-200:]


@pytest.mark.parametrize('closed', ['0', '1', '0 1', '0 1 2'])
def test_descriptors_that_are_closed(home, closed):
    """The session does not talk to itself."""
    line = f'exec {BIN}/imap -c {home}/dovecot.conf ' + ' '.join(f'{fd}>&-' for fd in closed.split())
    done = subprocess.run(['sh', '-c', line], input=b'b LOGOUT\r\n', env={**os.environ, 'HOME': str(home), 'USER': 'joe'},
                          capture_output=True, timeout=60, check=False, **as_mail_owner())
    if closed == '0':
        assert done.stdout.count(b'\r\n') == 1
    log_of(home, r'Logged out in=10 ' if closed == '1' else r'Connection closed \(No commands sent\) in=0 ')


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(home, number):
    with subprocess.Popen([f'{BIN}/imap', '-c', home / 'dovecot.conf'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env={**os.environ, 'HOME': str(home), 'USER': 'joe'}, **as_mail_owner()) as process:
        assert process.stdout.readline().startswith(b'* PREAUTH')
        children = Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()
        assert len(children) == 2
        process.send_signal(number)
        process.wait()
        for _ in range(100):
            if not any(Path(f'/proc/{child}').exists() for child in children):
                break
            time.sleep(0.1)
        else:
            raise AssertionError('processes are left')


def test_pop3(home):
    run(home, data=b'a APPEND INBOX {%d+}\r\n%s\r\nb LOGOUT\r\n' % (len(MAIL % 1), MAIL % 1))
    done = run(home, program='pop3', data=b'STAT\r\nQUIT\r\n')
    assert done.stdout == b'+OK 1 %d\r\n+OK Logging out.\r\n' % len(MAIL % 1)


def test_errors(home):
    assert run(home, 'more').returncode == 64
    done = run(home, '-o', 'mail_locatoin=maildir:~/x')
    assert done.returncode == 89 and b'mail_locatoin' in done.stderr and done.stdout == b''
    done = run(home, '-o', 'mail_location=nothing:~/x')
    assert done.stdout.startswith(b'* BYE [SERVERBUG] Internal error occurred.') and 'nothing' in (home / 'log').read_text()
    done = run(home, '-u', 'bob')
    assert done.returncode == 89 and b'auth-userdb' in done.stderr
    assert 'auth-userdb' in (home / 'log').read_text()


@pytest.mark.skipif(not ROOT, reason='is for root')
def test_somebody_else(make_server):
    """-u asks auth, and the session is the user's."""
    server = make_server('first_valid_uid = 1\n')
    done = subprocess.run([f'{BIN}/imap', '-c', server.config, '-u', 'alice'], input=b'a CREATE Mine\r\nb LOGOUT\r\n',
                          capture_output=True, timeout=60, check=False)
    assert b'Logged in as alice' in done.stdout and b'a OK' in done.stdout, done
    made = [path for path in Path(server.home('alice')).rglob('.Mine')]
    assert [path.stat().st_uid for path in made] == [mail_owner()[0]]
    done = subprocess.run([f'{BIN}/imap', '-c', server.config], input=b'', capture_output=True, timeout=60, check=False,
                          env={**os.environ, 'USER': 'root'})
    assert done.returncode == 89 and b'Mail access for users with UID 0 not permitted' in done.stderr
