# SPDX-License-Identifier: MIT
"""Deliveries to users who have UIDs of their own: processes of the service lmtp-worker, and users who get at theirs."""
import email
import os
import signal
import smtplib
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from conftest import ROOT, open_up
from lmtp_lines import Lmtp
from test_mbox_programs import Postfix

MAIL = b'From: a@example.org\nSubject: one\nMessage-ID: <one@example.org>\n\nbody\n'
LARGE = MAIL + (b'0123456789' * 7 + b'\n') * 10000  # more than a socket holds
FIRST, GROUP = 20000, 20000

pytestmark = pytest.mark.skipif(not ROOT, reason='users with UIDs of their own')


def with_users(server, count):
    """u1, u2 and so on, and the server runs."""
    with open(f'{server.dir}/users', 'a', encoding='ascii') as file:
        for i in range(1, count + 1):
            os.mkdir(server.home(f'u{i}'), 0o700)
            os.chown(server.home(f'u{i}'), FIRST + i, GROUP)
            file.write(f'u{i}:{{PLAIN}}secret:{FIRST + i}:{GROUP}::{server.home(f"u{i}")}::\n')
    return server.start()


def mails(server, user):
    return [path for sub in ('new', 'cur') for path in Path(server.home(user), 'Maildir', sub).glob('*')]


def worker_of(server, i):
    return next((pid for pid in server.pids('lmtp-worker')
                 if f'\nUid:\t{FIRST + i}\t' in Path(f'/proc/{pid}/status').read_text()), None)


def send(client, mail, *recipients):
    """Up to the end of the data."""
    for line in ('MAIL FROM:<a@example.org>', *(f'RCPT TO:<{one}>' for one in recipients)):
        assert client.command(line).startswith('250')
    assert client.command('DATA').startswith('354')
    client.send(mail.replace(b'\n', b'\r\n') + b'.\r\n')


@pytest.mark.parametrize('mail', (MAIL, LARGE), ids=('small', 'large'))
@pytest.mark.parametrize('limit', (2, 3))
def test_fewer_processes_than_recipients(make_server, limit, mail):
    """Who waits for a process does not keep others that he does not need."""
    server = with_users(make_server(f'service lmtp-worker {{\n  process_limit = {limit}\n}}\n', start=False), 12)
    replies = {}

    def deliver(number):
        client = Lmtp(server.port('lmtp'))
        replies[number] = client.deliver(mail, *(f'u{(number * 5 + i) % 12 + 1}' for i in range(4)))
        client.close()

    threads = [threading.Thread(target=deliver, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [[reply[:3] for reply in replies[i]] for i in range(3)] == [['250'] * 4] * 3


def test_large_mails_wait_for_a_process_too(make_server):
    """Its own idle ones have the places: they go before the mail is sent."""
    server = with_users(make_server('service lmtp-worker {\n  process_limit = 2\n}\n', start=False), 4)
    client = Lmtp(server.port('lmtp'), timeout=40)
    for _ in range(2):
        assert [reply[:3] for reply in client.deliver(LARGE, 'u1', 'u2', 'u3', 'u4')] == ['250'] * 4
    client.close()


def test_a_large_mail_for_who_stands_still(make_server):
    """Who does not take it has done nothing of it: another process does, after all others."""
    server = with_users(make_server(start=False), 2)
    client = Lmtp(server.port('lmtp'), timeout=40)
    assert client.deliver(MAIL, 'u1')[0].startswith('250')
    stopped = worker_of(server, 1)
    os.kill(stopped, signal.SIGSTOP)
    assert [reply[:3] for reply in client.deliver(LARGE, 'u1', 'u2')] == ['250'] * 2
    assert server.wait_log(f'child {stopped} killed with signal 9')
    assert [len(mails(server, f'u{i}')) for i in (1, 2)] == [2, 1]
    client.close()
    server.forgive()


class Talker:
    """In the place of lmtp-worker: what a process may say that its user has taken over."""

    def __init__(self, server, data):
        path = f'{server.dir}/run/lmtp-worker'
        os.unlink(path)
        self.data = data
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            threading.Thread(target=self.talk, args=self.listener.accept()[:1], daemon=True).start()

    def talk(self, sock):
        try:
            while True:
                sock.sendall(self.data)
        except OSError:
            sock.close()


@pytest.mark.parametrize('frame', (b'l', b's', b'', b'o' + bytes(9) + b'\xff' * 8))
def test_a_worker_that_never_stops_talking(make_server, frame):
    server = with_users(make_server(start=False), 2)
    Talker(server, (struct.pack('<I', len(frame)) + frame) * 1000)
    client = Lmtp(server.port('lmtp'))
    assert [reply[:3] for reply in client.deliver(MAIL, 'u1', 'u2')] == ['451'] * 2
    assert server.wait_log('Error: user u2: lmtp-worker: Malformed answer')
    client.close()
    server.forgive()


def test_a_recipient_holds_up_no_other(make_server):
    """What is known is answered at once; the mail of one whose process stands still goes to the others meanwhile."""
    server = with_users(make_server(start=False), 4)
    client = Lmtp(server.port('lmtp'))
    assert [reply[:3] for reply in client.deliver(MAIL, 'u1', 'u2')] == ['250'] * 2
    stopped = worker_of(server, 1)
    os.kill(stopped, signal.SIGSTOP)
    try:
        send(client, MAIL, 'u2', 'u1', 'u3', 'u1+again', 'u4')
        begun = time.monotonic()
        assert client.reply().startswith('250 2.0.0 <u2>')
        assert time.monotonic() - begun < 2
        assert server.wait_log(r'lmtp\(u3\)') and server.wait_log(r'lmtp\(u4\)')
        # Nor one who has the same UID.
        assert len(mails(server, 'u1')) == 2
    finally:
        os.kill(stopped, signal.SIGCONT)
    assert [client.reply().split()[:3] for _ in range(4)] == [
        ['250', '2.0.0', f'<{one}>'] for one in ('u1', 'u3', 'u1+again', 'u4')]
    assert [len(mails(server, f'u{i}')) for i in (1, 2, 3, 4)] == [3, 2, 1, 1]
    client.close()


def test_a_delivery_that_never_ends(make_server):
    """It is given up, and what was said not to be done is not done later."""
    server = with_users(make_server('lmtp_delivery_timeout = 5s\n', start=False), 2)
    client = Lmtp(server.port('lmtp'))
    assert client.deliver(MAIL, 'u1')[0].startswith('250')
    stopped = worker_of(server, 1)
    os.kill(stopped, signal.SIGSTOP)
    send(client, MAIL, 'u1', 'u2')
    assert client.reply() == '451 4.2.0 <u1> Internal error occurred. Refer to server log for more information.'
    assert client.reply().startswith('250 2.0.0 <u2>')
    assert server.wait_log(r'lmtp\(\d+\): Error: user u1: lmtp-worker: No answer in time: killed\n')
    assert server.wait_log(f'child {stopped} killed with signal 9')
    server.forgive()
    assert client.deliver(MAIL, 'u1')[0].startswith('250')
    assert len(mails(server, 'u1')) == 2
    client.close()


def test_what_was_given_up_is_not_done_later(make_server):
    """A job that waited for a process in vain."""
    server = with_users(make_server('lmtp_delivery_timeout = 4s\nservice lmtp-worker {\n  process_limit = 2\n}\n',
                                    start=False), 3)
    others = [Lmtp(server.port('lmtp')) for _ in range(2)]
    stopped = []
    for i, client in enumerate(others):
        assert client.deliver(MAIL, f'u{i + 1}')[0].startswith('250')
        stopped.append(worker_of(server, i + 1))
        os.kill(stopped[-1], signal.SIGSTOP)
    client = Lmtp(server.port('lmtp'))
    assert client.deliver(MAIL, 'u3')[0].startswith('451')
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    assert client.deliver(MAIL, 'u3')[0].startswith('250')
    time.sleep(0.5)
    assert len(mails(server, 'u3')) == 1
    for one in (client, *others):
        one.close()
    server.forgive()


def test_who_was_let_go_and_stays(make_server):
    """A user who stops all his processes does not take the places of others."""
    server = with_users(make_server('service lmtp {\n  idle_kill = 1s\n}\n', start=False), 1)
    client = Lmtp(server.port('lmtp'))
    assert client.deliver(MAIL, 'u1')[0].startswith('250')
    stopped = worker_of(server, 1)
    os.kill(stopped, signal.SIGSTOP)
    client.close()
    assert server.wait_log(f'child {stopped} killed with signal 9')
    server.forgive()


def test_nothing_more_is_done_for_a_client_who_has_gone(make_server):
    """He sends it to all again that he heard nothing of."""
    server = with_users(make_server(start=False), 12)
    client = Lmtp(server.port('lmtp'))
    send(client, MAIL, *(f'u{i}' for i in range(1, 13)))
    client.close()
    assert server.wait_log(r'(?s)saved mail.*Disconnect from 127')
    assert 1 <= sum(len(mails(server, f'u{i}')) for i in range(1, 13)) <= 6


@pytest.mark.skipif(not os.path.exists('/usr/sbin/postfix'), reason='needs Postfix')
def test_what_postfix_tries_again(make_server, tmp_path):
    """One of several recipients is stuck, one has a home that he can't write to for now: only for those it tries again, and each has
    the mail once."""
    open_up(tmp_path)
    server = with_users(make_server('auth_username_format = %Ln\nlmtp_delivery_timeout = 5s\n', start=False), 5)
    postfix = Postfix(tmp_path, tmp_path)
    with open(postfix.config / 'main.cf', 'a', encoding='utf-8') as file:
        file.write(f'local_transport = lmtp:inet:127.0.0.1:{server.port("lmtp")}\n')
    with open(postfix.config / 'master.cf', 'a', encoding='utf-8') as file:
        file.write('lmtp unix - - n - - lmtp\n')
    os.chmod(server.home('u4'), 0o500)
    postfix.start()
    try:
        with smtplib.SMTP('127.0.0.1', postfix.port, timeout=30) as client:
            client.sendmail('', ['u2@localhost'], MAIL)
            assert server.wait_log(r'lmtp\(u2\)\S+ Info: .*saved mail')
            os.kill(worker_of(server, 2), signal.SIGSTOP)
            client.sendmail('', [f'u{i}@localhost' for i in range(1, 6)], MAIL)
        deadline = time.monotonic() + 60
        while (log := (postfix.config / 'log').read_text()).count('status=deferred') < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert log.count('status=deferred') == 2 and log.count('status=sent') == 4, log
        os.chmod(server.home('u4'), 0o700)
        postfix.run('flush')
        while (log := (postfix.config / 'log').read_text()).count('status=sent') < 6 and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        postfix.run('stop')
    assert [len(mails(server, f'u{i}')) for i in range(1, 6)] == [1, 2, 1, 1, 1], log
    server.forgive()


@pytest.mark.parametrize('size', (2000, 400000), ids=('small', 'large'))
def test_what_is_binary_is_so_for_workers(make_server, size):
    """They make base64 of it, each once for all its recipients, and the fields on top stay what they are."""
    server = with_users(make_server(start=False), 2)
    octets = os.urandom(size) + b'\r\n.\r\n\n'
    mail = b'Subject: binary\r\nContent-Transfer-Encoding: binary\r\n\r\n' + octets
    client = Lmtp(server.port('lmtp'))
    for _ in range(2):
        for line in ('MAIL FROM:<a@example.org> BODY=BINARYMIME', 'RCPT TO:<u1>', 'RCPT TO:<u2>', 'RCPT TO:<u1+x>'):
            assert client.command(line).startswith('250')
        client.send(b'BDAT 100\r\n' + mail[:100] + b'BDAT %d LAST\r\n' % (len(mail) - 100) + mail[100:])
        assert client.reply().startswith('250') and [client.reply()[:3] for _ in range(3)] == ['250'] * 3
    client.close()
    for user, count in (('u1', 4), ('u2', 2)):
        files = mails(server, user)
        assert len(files) == count
        for path in files:
            text = path.read_bytes()
            assert text.startswith(b'Return-Path: <a@example.org>\n') and b'\r' not in text
            assert email.message_from_bytes(text).get_payload(decode=True) == octets
