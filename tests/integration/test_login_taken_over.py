# SPDX-License-Identifier: MIT
"""A login process that somebody has taken over cannot open sessions of users who did not log in through it."""
import array
import contextlib
import os
import socket
import struct

import pytest

from conftest import NO_PENALTY
from test_auth import Client


def text(octets):
    return struct.pack('<I', len(octets)) + octets


def handover(number, pid, request, cookie, tag=b'a'):
    """What login processes send with the client's descriptor."""
    return (struct.pack('<III', number, pid, request) + text(cookie) + (text(b'127.0.0.1') + struct.pack('<I', 4000)) * 2 +
            struct.pack('<I', 0) + text(b'session') + text(tag) + text(b''))


class Login:
    def __init__(self, server, service='imap'):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(f'{server.dir}/run/login/{service}')
        self.clients = []

    def send(self, *frames):
        for frame in frames:
            here, there = socket.socketpair()
            there.setblocking(False)
            self.clients.append(here)
            fds = array.array('i', [there.fileno()])
            with contextlib.suppress(BrokenPipeError):
                self.sock.sendmsg([struct.pack('<I', len(frame)) + frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
            there.close()

    def read(self, count):
        self.sock.settimeout(10)
        out = b''
        while len(out) < count:
            try:
                got = self.sock.recv(count - len(out))
            except ConnectionResetError:
                got = b''
            if not got:
                return out
            out += got
        return out

    def answer(self):
        """(number, whether a session has it), or None at the end."""
        head = self.read(4)
        if len(head) < 4:
            return None
        body = self.read(struct.unpack('<I', head)[0])
        return struct.unpack('<I', body[:4])[0], body[4] != 0


@pytest.mark.parametrize('cookie', (b'\nUSER\t%d\talice\tservice=', b'\nUSER\t%d\talice\tservice\n', b'\nPASS\t%d\talice\tservice='))
def test_cookies_are_no_lines_for_auth(make_server, cookie):
    one = make_server('auth_failure_delay = 0\n' + NO_PENALTY, 'imap')
    for number in range(2, 8):
        login = Login(one)
        login.send(handover(1, 4711, 1, cookie % number), handover(2, 4711, 1, b'0' * 32))
        while (answer := login.answer()) is not None:
            assert not answer[1], answer
            if answer[0] == 2:
                break
        login.sock.close()
    assert 'alice' not in one.log_text(), one.log_text()
    one.forgive('Malformed message from a login process')


def test_a_token_is_worth_one_session(make_server):
    one = make_server('auth_failure_delay = 0\n' + NO_PENALTY, 'imap')
    auth = Client(one, 'auth-login', 70000 + os.getpid() % 1000)
    login, number = Login(one), 0
    for user, cookie, right in (('alice', auth.cookie.encode(), True), ('bob', b'0' * 32, False), ('bob', auth.cookie.encode()[:-1], False),
                                ('bob', b'', False)):
        assert auth.plain(user, 'secret').startswith('OK')
        for again in (False, True):
            number += 1
            login.send(handover(number, auth.pid, auth.last, cookie))
            assert login.answer() == (number, right and not again), (user, again)
