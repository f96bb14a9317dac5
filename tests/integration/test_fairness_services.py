# SPDX-License-Identifier: MIT
"""Where one process has several sessions (client_limit), one that keeps it busy leaves turns for the others."""
import os
import re
import socket
import threading
import time

import pytest

from conftest import NO_PENALTY, Server, finish, mail_owner
from imap_lines import Lines
from lmtp_lines import Lmtp
from sieve_lines import Sieve, literal

EXTRA = """\
service imap {
  client_limit = 10
  process_limit = 1
}
service managesieve {
  client_limit = 10
  process_limit = 1
}
""" + NO_PENALTY
MAILS = 600


def mail(number):
    lines = ''.join(f'line {line} of {number}\r\n' for line in range(60))
    return f'From: a@x.example\r\nSubject: {number}\r\nX-{number % 7}: y\r\n\r\n{lines}'.encode()


@pytest.fixture(scope='module')
def one(tls):
    one = Server(tls, EXTRA, 'imap lmtp sieve').start()
    cur = one.maildir('crowd') / 'cur'
    for number in range(MAILS):
        (cur / f'{1600000000 + number}.{number}.x:2,').write_bytes(mail(number))
        os.chown(cur / f'{1600000000 + number}.{number}.x:2,', *mail_owner())
    yield one
    finish(one)


class Busy:
    """Sends `text` on a connection in a thread, and reads all answers up to one that matches `last`."""

    def __init__(self, sock, text, last):
        self.sock, self.text, self.last = sock, text, re.compile(last, re.M)
        self.sender = threading.Thread(target=self.send)
        self.reader = threading.Thread(target=self.read)
        self.over = False

    def send(self):
        try:
            self.sock.sendall(self.text)
        except OSError:
            pass  # it was ended

    def read(self):
        end = b''
        try:
            while data := self.sock.recv(1 << 18):
                end = end[-200:] + data
                if self.last.search(end[-2000:]):
                    break
        except OSError:
            pass
        self.over = True

    def __enter__(self):
        self.sender.start()
        self.reader.start()
        return self

    def __exit__(self, *_):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sender.join()
        self.reader.join()
        self.sock.close()


def longest_wait(busy, ask, seconds=1.2):
    """The longest that ask() takes while `busy` is, and how long that was."""
    longest, since = 0, time.monotonic()
    with busy:
        time.sleep(0.1)
        while not busy.over and time.monotonic() < since + seconds:
            asked = time.monotonic()
            ask()
            longest = max(longest, time.monotonic() - asked)
            time.sleep(0.01)
    return longest, time.monotonic() - since


def imap(one):
    client = Lines(one.port('imap'), 'crowd', timeout=60)
    client.ok('SELECT INBOX')
    return client


UPDATED = ' '.join(f'NOT BODY zq{number}' for number in range(150))
FIELDS = ' '.join(f'BODY.PEEK[HEADER.FIELDS (X-{number})]' for number in range(250))


@pytest.mark.parametrize('before, commands', [
    ([], b'a SEARCH BODY zq\r\n' * 3000),
    ([], b'a FETCH 1:* (' + FIELDS.encode() + b')\r\n'),
    (['SEARCH RETURN (UPDATE COUNT) ' + UPDATED], b'a STORE 1:* +FLAGS.SILENT (\\Answered)\r\n'),
], ids=['many commands', 'much output', 'updates'])
def test_imap(one, before, commands):
    client, other = imap(one), imap(one)
    for command in before:
        client.ok(command)
    longest, all_of_it = longest_wait(Busy(client.sock, commands + b'z NOOP\r\n', rb'^z OK'), lambda: other.ok('NOOP'))
    assert longest < max(0.5, all_of_it / 3), all_of_it
    other.command('STORE 1:* -FLAGS.SILENT (\\Answered)')


def test_managesieve(one):
    client, other = Sieve(one.port('sieve'), 'crowd'), Sieve(one.port('sieve'), 'crowd')
    script = b'PUTSCRIPT "x" ' + literal('require "fileinto";\r\nfileinto "y";\r\n') + b'\r\n'
    longest, all_of_it = longest_wait(Busy(client.sock, script * 3000 + b'LOGOUT\r\n', rb'^BYE'),
                                      lambda: other.command('NOOP'))
    assert longest < max(0.5, all_of_it / 3), all_of_it
    other.sock.close()


LONG = b'a SEARCH %s\r\n' % b' '.join(b'NOT BODY zq%d' % number for number in range(1500))


def test_nobody_searches_for_who_left(one):
    client = imap(one)
    client.send(LONG)
    time.sleep(0.2)
    client.sock.close()
    assert one.wait_log(r'Connection closed \(SEARCH running for', timeout=3)


def test_kicked_with_more_commands_to_come(one):
    client = imap(one)
    client.send(b'a SEARCH BODY zq\r\n' * 3000)
    client.until(b'a')
    since = time.monotonic()
    assert one.doveadm('kick', 'crowd').returncode == 0
    with pytest.raises((EOFError, ConnectionResetError)):
        while True:
            client.line()
    assert time.monotonic() - since < 3


def test_a_process_that_stops_gets_no_more_sessions(one):
    client = imap(one)
    client.send(LONG)
    time.sleep(0.2)
    assert one.doveadm('kick', 'crowd').returncode == 0
    time.sleep(0.5)
    imap(one).ok('NOOP')
    client.sock.close()


def test_mistakes_fill_no_disk(one):
    start = len(one.log_text())
    client = Sieve(one.port('sieve'), 'crowd')
    client.send(b'GETSCRIPT "nope"\r\n' * 200)
    assert [client.answer().startswith(b'NO ') for _ in range(200)] == [True] * 200
    client.command('LOGOUT')
    assert one.wait_log('Logged out', start=start)
    assert one.log_text()[start:].count("Sieve script `nope' not found") == 50
    lmtp = Lmtp(one.port('lmtp'))
    for _ in range(5):
        lmtp.command('MAIL FROM:<@@@>')
        lmtp.command('RSET')
    lmtp.command('QUIT')
    assert one.wait_log('Disconnect from 127.0.0.1: Logged out', start=start)
    assert one.log_text()[start:].count('no address, taken as <>') == 1
