# SPDX-License-Identifier: MIT
"""Fields of the passdb that say how a login is done at another server."""
import base64
import socket
import time

import pytest

from proxied import Backend
from test_login_proxy import Line, extra, talk
from test_submission import LOGIN, Relay, begin, client

HERE = 'proxy=y host=127.0.0.1 port='
USER = base64.b64encode(b'alice').decode()
PASSWORD = base64.b64encode(b'secret').decode()


class Asking(Backend):
    """Two challenges of LOGIN."""

    asked = 0

    def reply(self, line, challenge, done):
        if 'LOGIN' in line:
            self.asked = 0
        self.asked += 1
        return challenge if self.asked < 3 else done

    def imap(self, line):
        if 'LOGIN' in line or line in (USER, PASSWORD):
            return self.reply(line, '+ VXNlcm5hbWU6', 'L OK there')
        return Backend.imap(line)

    def pop3(self, line):
        if self.kind == 'sieve':
            if line.startswith('{'):
                return ''
            return self.reply(line, '{12}\r\nVXNlcm5hbWU6', 'OK "there"')
        if 'LOGIN' in line or line in (USER, PASSWORD):
            return self.reply(line, '+ VXNlcm5hbWU6', '+OK there')
        return Backend.pop3(line)


@pytest.mark.parametrize('kind', ['imap', 'pop3', 'sieve'])
def test_login_as_mechanism(make_server, tmp_path, kind):
    """"proxy_mech=%m" of a client that came by AUTH LOGIN."""
    greeting = '"IMPLEMENTATION" "x"\r\n"SASL" "LOGIN"\r\nOK "hello"' if kind == 'sieve' else None
    backend = Asking(kind, greeting=greeting)
    server = make_server(extra(tmp_path, {'alice': f'{HERE}{backend.port} proxy_mech=LOGIN'}), f'imap {kind}')
    if kind == 'sieve':
        one = Line(server, kind)
        while not one.greeting.startswith('OK'):  # its capabilities
            one.greeting = one.read()
        plain = base64.b64encode(b'\0alice\0secret').decode()
        assert one.ask(f'AUTHENTICATE "PLAIN" "{plain}"') == 'OK "there"'
        assert backend.log == ['AUTHENTICATE "LOGIN"', '{8+}', USER, '{8+}', PASSWORD]
        return
    assert talk(server, kind, 'alice')[0 if kind == 'imap' else 1].endswith('OK there')
    said = [line for line in backend.log if not line.startswith(('I ID', 'XCLIENT'))]
    assert said[:3] == [said[0], USER, PASSWORD] and said[0].endswith(('AUTHENTICATE LOGIN', 'AUTH LOGIN'))


def test_an_empty_master_is_none(make_server, tmp_path):
    """A query may have a column for it."""
    backend = Backend()
    server = make_server(extra(tmp_path, {'alice': f'{HERE}{backend.port} master= pass=x'}), 'imap')
    assert talk(server, 'imap', 'alice')[0].startswith('a OK')
    assert 'L LOGIN "alice" "x"' in backend.log


def test_one_command_at_a_time(make_server, tmp_path):
    backend = Backend(answers={'I ID': ''})
    server = make_server(extra(tmp_path, {'alice': f'{HERE}{backend.port} proxy_nopipelining=y proxy_timeout=1'}), 'imap')
    assert talk(server, 'imap', 'alice')[0].startswith('a NO [UNAVAILABLE]')
    assert [line[:4] for line in backend.log if line not in ('END', 'ERROR')] == ['I ID']
    del backend.answers['I ID']
    assert talk(server, 'imap', 'alice')[0] == 'a OK [CAPABILITY IMAP4rev1 X] welcome'


def test_always(make_server, tmp_path):
    """To a server on this host, too."""
    backend = Backend()
    fields = f'proxy_maybe=y host=127.0.0.1 port={backend.port}'
    server = make_server(extra(tmp_path, {'alice': f'{fields} proxy_always=y', 'bob': fields}), 'imap')
    assert talk(server, 'imap', 'alice')[1] == 'b OK done'
    assert talk(server, 'imap', 'bob')[1].startswith('b OK NOOP completed')


def submission(make_server, tmp_path, fields, caps, answers=()):
    """The other server, and what it let the client be told of the login."""
    other = Relay(caps=caps, answers=dict(answers))
    server = begin(make_server, 25, extra(tmp_path, {'alice': f'{HERE}{other.port} {fields}'}))
    return other, client(server, False).command(f'AUTH PLAIN {LOGIN}')


def test_xclient_of_postfix(make_server, tmp_path):
    """Which refuses all if there is an attribute that it does not know."""
    other, answer = submission(make_server, tmp_path, 'pass=x forward_a=b',
                               ('AUTH PLAIN', 'XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT'),
                               {'AUTH': '235 2.7.0 there'})
    assert answer == '235 2.7.0 there'
    told = next(line for line in other.log if line.startswith('XCLIENT'))
    assert [word.split('=')[0] for word in told.split()] == ['XCLIENT', 'ADDR', 'PORT', 'PROTO']


def test_submission_without_a_login(make_server, tmp_path):
    other, answer = submission(make_server, tmp_path, 'proxy_noauth=y', ('XCLIENT ADDR LOGIN',))
    assert answer == '235 2.7.0 Logged in.'
    assert other.log == ['EHLO mail.example', 'XCLIENT ADDR=127.0.0.1 LOGIN=alice', 'EHLO mail.example']


def test_submission_by_login(make_server, tmp_path):
    other, answer = submission(make_server, tmp_path, 'proxy_mech=LOGIN', ('AUTH LOGIN',),
                               {'AUTH': '334 VXNlcm5hbWU6', USER: '334 UGFzc3dvcmQ6', PASSWORD: '235 2.7.0 there'})
    assert answer == '235 2.7.0 there'
    assert other.log[1:] == ['AUTH LOGIN', USER, PASSWORD]


class Flaky(Backend):
    """Does not work at once: the first connections end in a way of its own."""

    def __init__(self, kind, ends, **more):
        self.ends = list(ends)
        super().__init__(kind, **more)

    def talk(self, sock):
        if not self.ends:
            super().talk(sock)
            return
        said = self.ends.pop(0)
        sock.sendall(said.encode())
        if said.endswith('hello\r\n'):  # who is there now goes away at once
            time.sleep(0.1)
        self.log.append('AWAY')
        sock.close()


@pytest.mark.parametrize('kind, ends', [('imap', ['* OK hello\r\n', '* BYE busy\r\n']), ('pop3', ['', '-ERR busy\r\n', '+OK hello\r\n'])])
def test_a_server_that_is_being_restarted(make_server, tmp_path, kind, ends):
    """As Dovecot does: login_proxy_max_reconnects."""
    backend = Flaky(kind, ends)
    server = make_server(extra(tmp_path, {'alice': f'{HERE}{backend.port}'}), kind)
    said = talk(server, kind, 'alice')
    assert said[-1].lstrip('b ').startswith(('OK done', '+OK')), said
    assert backend.log.count('AWAY') == len(ends)
    assert server.wait_log(rf'Started proxying to <127.0.0.1> \(\d\.\d+ secs, {len(ends)} reconnects\)')


@pytest.mark.parametrize('kind, later, other', [('imap', 'L NO [UNAVAILABLE] later\r\n', 'L NO [LIMIT] many\r\n'),
                                                ('pop3', '-ERR [SYS/TEMP] later\r\n', '-ERR [IN-USE] locked\r\n')])
def test_a_server_that_cannot_for_now(make_server, tmp_path, kind, later, other):
    """Its last word is the client's; what another try would not change is said at once."""
    login = 'L LOGIN' if kind == 'imap' else 'PASS'
    backend = Backend(kind, answers={login: later})
    server = make_server(extra(tmp_path, {'alice': f'{HERE}{backend.port}'}, 'login_proxy_max_reconnects = 2\n'), kind)
    said = talk(server, kind, 'alice')
    assert later.strip().split(' ', 1)[1] in ' '.join(said)
    assert sum(line.startswith(login) for line in backend.log) == 3
    backend.answers, backend.log[:] = {login: other}, []
    talk(server, kind, 'alice')
    assert sum(line.startswith(login) for line in backend.log) == 1


def test_a_session_id_is_one_string(make_server, tmp_path):
    """That of a webmail server that we trust; what it is like is not ours to believe."""
    backend = Backend()
    server = make_server(extra(tmp_path, {'alice': f'{HERE}{backend.port}'}), 'imap')
    client = Line(server, 'imap', ('127.0.0.9', 0))
    client.sock.sendall(b'i ID ("x-session-id" "a\\" \\"x-proxy-ttl\\" \\"99\\\\")\r\n')
    while not client.read().startswith('i OK'):
        pass
    assert client.ask('a LOGIN alice secret').startswith('a OK')
    said = next(line for line in backend.log if line.startswith('I ID'))
    assert said.startswith(r'I ID ("x-session-id" "a\" \"x-proxy-ttl\" \"99\\" "x-originating-ip" "127.0.0.9"'), said


def silent():
    """A port where connections are never made, and what keeps it so."""
    listener = socket.create_server(('127.0.0.1', 0), backlog=0)
    full = [socket.socket() for _ in range(4)]
    for sock in full:
        sock.setblocking(False)
        sock.connect_ex(listener.getsockname())
    return listener.getsockname()[1], [listener, *full]


def test_nobody_waits_for_a_server_that_is_down(make_server, tmp_path):
    port, held = silent()
    backend = Backend()
    to = f'proxy=y host=127.0.0.1 port={port} proxy_timeout=4'
    server = make_server(extra(tmp_path, {
        'alice': f'{to} proxy_host_immediate_failure_after=2s', 'late': to, 'never': f'{to} proxy_host_immediate_failure_after=0',
        'odd': f'{HERE}{backend.port} proxy_host_immediate_failure_after=x'},
        'service imap-login {\n  service_count = 0\n  process_limit = 1\n}\n'), 'imap')

    def login(user):
        one = Line(server, 'imap')
        one.sock.sendall(f'a LOGIN {user} secret\r\n'.encode())
        return one, time.monotonic()

    def answer(waiting):
        assert waiting[0].read() == 'a NO [UNAVAILABLE] Account is temporarily unavailable.'
        return time.monotonic() - waiting[1]

    first = login('alice')
    time.sleep(2.5)
    second = login('alice')  # it has not failed yet
    assert answer(first) > 3.5
    at_once, late = login('alice'), login('late')
    assert answer(at_once) < 1 and server.wait_log('Host is down: user=<alice>')
    assert answer(second) > 3.5
    alone = login('alice')  # it looks whether the server is there again
    never = login('never')
    for sock in held:
        sock.close()
    assert answer(late) > 1 and answer(alone) > 0 and answer(never) > 0
    assert talk(server, 'imap', 'odd')[0] == 'a OK [CAPABILITY IMAP4rev1 X] welcome'
    assert server.wait_log("invalid proxy_host_immediate_failure_after value 'x'")
