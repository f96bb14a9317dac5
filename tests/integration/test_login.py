# SPDX-License-Identifier: MIT
"""imap-login: everything before authentication, on the whole server."""
import base64
import hashlib
import os
import re
import signal
import socket
import ssl
import time
from pathlib import Path

import pytest

from conftest import NO_PENALTY, ROOT, Dovecot, Server, finish, free_ports, have_user

EXTRA = """\
listen = 127.0.0.1, 127.0.0.2
disable_plaintext_auth = yes
auth_failure_delay = 200 msecs
auth_verbose = yes
login_trusted_networks = 127.0.0.9
imap_id_log = *
# All come from one address: no penalties.
""" + NO_PENALTY
CAPS = b'IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+'
FAILED = b'NO [AUTHENTICATIONFAILED] Authentication failed.'


@pytest.fixture(scope='module')
def running_login(tls):
    one = Server(tls, EXTRA, 'imap').start()
    yield one
    finish(one)


@pytest.fixture
def login(running_login):
    yield running_login
    complaints = running_login.complaints()
    assert not complaints, '\n'.join(complaints)


@pytest.fixture(scope='module')
def other(tls):
    """Dovecot with the same configuration."""
    if not ROOT or not os.path.exists('/usr/sbin/dovecot') or not have_user('dovenull'):
        pytest.skip("needs Debian's Dovecot, and root")
    one = Dovecot(tls, EXTRA.replace('200 msecs', '1 secs'), 'imap').start()
    yield one
    one.stop()
    one.remove()


class Raw:
    """A connection that says what it is told to. From 127.0.0.1 to 127.0.0.2 it is a stranger, in 2.3's eyes."""

    def __init__(self, server, host='127.0.0.1', tls=False, source=None):
        port = server.port('imaps' if tls else 'imap')
        self.sock = socket.create_connection((host, port), 10, source_address=(source, 0) if source else None)
        if tls:
            self.start_tls()
        self.data = b''
        self.greeting = self.line()

    def start_tls(self):
        context = ssl._create_unverified_context()
        self.sock = context.wrap_socket(self.sock)

    def line(self, timeout=30):
        """The next line, b'' at the end."""
        self.sock.settimeout(timeout)
        while b'\r\n' not in self.data:
            try:
                got = self.sock.recv(65536)
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
                got = b''
            if not got:
                return b''
            self.data += got
        line, self.data = self.data.split(b'\r\n', 1)
        return line

    def send(self, text):
        self.sock.sendall(text)

    def ask(self, text, tag=b'a'):
        """What comes up to the tagged line or the end."""
        self.send(text)
        lines = []
        while True:
            lines.append(self.line())
            if not lines[-1] or lines[-1].startswith(tag + b' '):
                return lines

    def close(self):
        self.sock.close()


def b64(text):
    return base64.b64encode(text)


def test_greeting_and_commands_without_login(login):
    client = Raw(login)
    assert client.greeting == b'* OK [CAPABILITY ' + CAPS + b' STARTTLS AUTH=PLAIN AUTH=LOGIN] Dovecot ready.'
    assert client.ask(b'a capability\r\n') == [
        b'* CAPABILITY ' + CAPS + b' STARTTLS AUTH=PLAIN AUTH=LOGIN',
        b'a OK Pre-login capabilities listed, post-login capabilities have more.']
    assert client.ask(b'a NOOP\r\n') == [b'a OK NOOP completed.']
    assert client.ask(b'a ENABLE CONDSTORE\r\n')[-1] == b'a OK ENABLE ignored in non-authenticated state.'
    assert client.ask(b'a LOGOUT\r\n') == [b'* BYE Logging out', b'a OK Logout completed.']
    assert client.line() == b''
    assert login.wait_log(r'imap-login: Info: Disconnected: Aborted login by logging out \(no auth attempts in \d secs\): '
                          r'user=<>, rip=127.0.0.1, lip=127.0.0.1, secured, session=<\S+>')


WAYS = {
    'atoms': [b'a LOGIN alice secret\r\n'],
    'quoted': [b'a login "alice" "se\\cret"\r\n'],
    'literals': [b'a LOGIN {5}\r\n', b'alice {6}\r\n', b'secret\r\n'],
    'literals at once': [b'a LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n'],
    'plain': [b'a AUTHENTICATE PLAIN\r\n', b64(b'\0alice\0secret') + b'\r\n'],
    'plain at once': [b'a authenticate plain ' + b64(b'\0alice\0secret') + b'\r\n'],
    'login': [b'a AUTHENTICATE LOGIN\r\n', b64(b'alice') + b'\r\n', b64(b'secret') + b'\r\n'],
    'login at once': [b'a AUTHENTICATE LOGIN ' + b64(b'alice') + b'\r\n', b64(b'secret') + b'\r\n'],
}


@pytest.mark.parametrize('in_tls', [False, True], ids=['plain', 'tls'])
@pytest.mark.parametrize('way', WAYS)
def test_ways_to_log_in(login, way, in_tls):
    client = Raw(login, tls=in_tls)
    start = len(login.log_text())
    for step in WAYS[way][:-1]:
        client.send(step)
        assert client.line().startswith(b'+ ')
    assert re.match(rb'a OK \[CAPABILITY IMAP4rev1 .*\] Logged in$', client.ask(WAYS[way][-1])[-1])
    assert client.ask(b'b NOOP\r\n', b'b')[-1].startswith(b'b OK NOOP completed')
    assert client.ask(b'c LOGOUT\r\n', b'c')[0] == b'* BYE Logging out'
    method = 'LOGIN' if way.startswith('login') else 'PLAIN'
    assert login.wait_log(rf'imap-login: Info: Login: user=<alice>, method={method}, rip=127.0.0.1, lip=127.0.0.1, '
                          rf'mpid=\d+, {"TLS" if in_tls else "secured"}, session=<\S+>', start=start)


def test_what_was_sent_behind_the_login_is_not_lost(login):
    for tls in (False, True):
        client = Raw(login, tls=tls)
        client.send(b'a LOGIN alice secret\r\nb NOOP\r\nc LOGOUT\r\n')
        assert client.line().startswith(b'a OK ')
        assert client.line().startswith(b'b OK ')
        assert client.line() == b'* BYE Logging out'
        assert client.line().startswith(b'c OK ')
        assert client.line() == b''


def test_starttls_secures(login):
    client = Raw(login, '127.0.0.2')
    assert client.greeting.startswith(b'* OK [CAPABILITY ' + CAPS + b' STARTTLS LOGINDISABLED]')
    assert client.ask(b'a STARTTLS\r\n') == [b'a OK Begin TLS negotiation now.']
    client.start_tls()
    assert client.ask(b'a CAPABILITY\r\n')[0] == b'* CAPABILITY ' + CAPS + b' AUTH=PLAIN AUTH=LOGIN'
    assert client.ask(b'a STARTTLS\r\n') == [b'a BAD TLS is already active.']
    assert client.ask(b'a LOGIN alice secret\r\n')[-1].endswith(b'Logged in')
    client.close()


def test_plain_input_behind_starttls_is_thrown_away(login):
    client = Raw(login)
    client.send(b'a STARTTLS\r\nx LOGOUT\r\ny LOGIN {5}\r\n')
    assert client.line() == b'a OK Begin TLS negotiation now.'
    assert client.data == b''
    client.start_tls()
    assert client.ask(b'b NOOP\r\n', b'b') == [b'b OK NOOP completed.']
    client.close()


def test_passwords_in_the_clear_are_refused(login):
    client = Raw(login, '127.0.0.2')
    alert = (b'* BAD [ALERT] Plaintext authentication not allowed without SSL/TLS, but your client did it anyway. If '
             b'anyone was listening, the password was exposed.')
    assert client.ask(b'a LOGIN alice secret\r\n') == [
        alert, b'a NO [PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.']
    assert client.ask(b'a AUTHENTICATE PLAIN ' + b64(b'\0alice\0secret') + b'\r\n') == [
        b'a NO [PRIVACYREQUIRED] Plaintext authentication disabled.']
    client.close()
    assert login.wait_log(r'imap-login: Info: Login failed: Plaintext authentication disabled: user=<>, rip=127.0.0.1, '
                          r'lip=127.0.0.2, session=')


@pytest.mark.parametrize('user', ['alice', 'nosuchuser', '"a b"', '""'])
def test_failures_look_the_same(login, user):
    client = Raw(login)
    begin = time.monotonic()
    assert client.ask(f'a LOGIN {user} wrong\r\n'.encode()) == [b'a ' + FAILED]
    assert 0.19 < time.monotonic() - begin
    client.close()


def test_log_lines_of_failures(login):
    start = len(login.log_text())
    client = Raw(login)
    client.ask(b'a LOGIN bob wrong\r\n')
    client.ask(b'a LOGIN bob wrong\r\n')
    client.close()
    assert login.wait_log(r'imap-login: Info: Disconnected: Connection closed \(auth failed, 2 attempts in \d+ secs\): '
                          r'user=<bob>, method=PLAIN, rip=127.0.0.1, lip=127.0.0.1, secured, session=<\S+>', start=start)
    assert login.wait_log(r'auth: Info: passwd-file\(bob,127.0.0.1,<\S+>\): Password mismatch', start=start)
    client = Raw(login)
    client.ask(b'a LOGIN nosuchuser wrong\r\n')
    client.close()
    assert login.wait_log(r'auth: Info: passwd-file\(nosuchuser,127.0.0.1,<\S+>\): unknown user', start=start)
    client = Raw(login)
    client.send(b'a AUTHENTICATE PLAIN\r\n')
    assert client.line() == b'+ '
    client.close()
    assert login.wait_log(r"imap-login: Info: Disconnected: Connection closed \(client didn't finish SASL auth, waited "
                          r'\d secs\): user=<>, method=PLAIN, rip=', start=start)
    assert 'wrong' not in login.log_text()


def test_commands_behind_a_failure_wait_for_it(login):
    client = Raw(login)
    client.send(b'a LOGIN alice wrong\r\nb LOGIN alice secret\r\nc LOGOUT\r\n')
    assert client.line() == b'a ' + FAILED
    assert client.line().endswith(b'Logged in')
    assert client.line() == b'* BYE Logging out'
    client.close()


def test_sasl_that_goes_wrong(login):
    client = Raw(login)
    client.send(b'a AUTHENTICATE PLAIN\r\n')
    assert client.line() == b'+ '
    assert client.ask(b'*\r\n') == [b'a BAD Authentication aborted by client.']
    client.send(b'a AUTHENTICATE PLAIN\r\n')
    assert client.line() == b'+ '
    assert client.ask(b'!!!\r\n') == [b'a NO [ALERT] Invalid base64 in response']
    assert client.ask(b'a AUTHENTICATE PLAIN !!!\r\n') == [b'a BAD Invalid base64 data in initial response']
    assert client.ask(b'a AUTHENTICATE PLAIN =\r\n') == [b'a ' + FAILED]
    assert client.ask(b'a AUTHENTICATE PLAIN YWJj\r\n') == [b'a ' + FAILED]
    assert client.ask(b'a AUTHENTICATE FOO\r\n') == [b'a NO [ALERT] Unsupported authentication mechanism.']
    assert client.ask(b'a LOGIN alice secret\r\n')[-1].endswith(b'Logged in')
    client.close()
    client = Raw(login)
    client.send(b'a AUTHENTICATE PLAIN\r\n')
    assert client.line() == b'+ '
    client.send(b'A' * 20000 + b'\r\n')
    assert client.line() in (b'* BYE Authentication response too large', b'')
    client.close()


@pytest.mark.parametrize('line', [b'a FOO', b'', b'a', b'* NOOP', b'a LOGIN', b'a LOGIN x', b'a LOGIN (x) y', b'a LOGIN "x',
                                  b'a LOGIN x y z', b'a LOGIN al\0ice b', b'a SELECT INBOX', b'a UID FETCH 1 UID',
                                  b'a AUTHENTICATE', b'a ID x', b'a ' + b'(' * 5000, b'a ' + b'x' * 7000])
def test_three_bad_commands_are_too_many(login, line):
    client = Raw(login)
    for _ in range(2):
        client.send(line + b'\r\n')
        assert b' BAD ' in client.line()
    client.send(line + b'\r\n')
    assert client.line() == b'* BYE Too many invalid IMAP commands.'
    assert client.line() == b''
    client.close()


def test_literals_that_are_too_large(login):
    for text in (b'a LOGIN {99999999}\r\n', b'a LOGIN {99999999+}\r\n', b'a LOGIN {4294967297}\r\n',
                 b'a LOGIN alice {10000}\r\n'):
        client = Raw(login)
        client.send(text)
        assert client.line().startswith((b'* BYE ', b'a BAD ')), text
        client.close()


def test_trusted_networks_say_whom_they_speak_for(login):
    start = len(login.log_text())
    client = Raw(login, '127.0.0.2', source='127.0.0.9')
    assert b'AUTH=PLAIN' in client.greeting
    assert client.ask(b'a ID ("x-originating-ip" "192.0.2.7" "x-connected-ip" "192.0.2.1" "x-session-id" "sess-1" '
                      b'"name" "web")\r\n') == [b'* ID ("name" "Dovetail")', b'a OK ID completed.']
    assert client.ask(b'a LOGIN alice wrong\r\n') == [b'a ' + FAILED]
    client.close()
    assert login.wait_log(r'auth: Info: passwd-file\(alice,192.0.2.7,<sess-1>\): Password mismatch', start=start)
    assert login.wait_log(r'rip=192.0.2.7, lip=192.0.2.1, secured, session=<sess-1>', start=start)
    client = Raw(login)
    client.ask(b'a ID ("x-originating-ip" "192.0.2.8")\r\n')
    client.close()
    assert login.wait_log(r'ID sent: x-originating-ip=192.0.2.8: user=<>, rip=127.0.0.1', start=start)


def test_torture_disturbs_nobody_else(login):
    """What the issue names: wrong lines, huge literals, deep parentheses, TLS handshakes that stop half-way."""
    bystander = Raw(login)
    hello = bytes.fromhex('1603010200010001fc0303') + b'\x11' * 40
    open_ones = []
    for n in range(250):
        for kind, port, text in (('lines', 'imap', b'\x80\xff(){}[]"' * 20 + b'\r\n'), ('literal', 'imap', b'a LOGIN {4000000000}\r\n'),
                                 ('parentheses', 'imap', b'a LOGIN ' + b'(' * 3000 + b'\r\n'), ('tls', 'imaps', hello)):
            sock = socket.create_connection(('127.0.0.1', login.port(port)))
            sock.sendall(text)
            open_ones.append(sock)
    assert bystander.ask(b'a NOOP\r\n') == [b'a OK NOOP completed.']
    assert Raw(login).ask(b'a LOGIN bob secret\r\n')[-1].endswith(b'Logged in')
    assert bystander.ask(b'a LOGIN alice secret\r\n')[-1].endswith(b'Logged in')
    assert login.peak_memory('imap-login') < 100 * 1024 * 1024
    for sock in open_ones:
        sock.close()
    bystander.close()


def private_memory(server):
    total = 0
    for pid in server.pids('imap-login'):
        with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith('Private_Dirty'))
    return total * 1024


@pytest.mark.parametrize('in_tls, most', [(False, 64 * 1024), (True, 45 * 1024)], ids=['plain', 'tls'])
def test_memory_of_a_waiting_connection(login, in_tls, most):
    if os.environ.get('ASAN_OPTIONS'):
        pytest.skip('sanitizers use memory of their own')
    if not ROOT:
        pytest.skip('login processes let nobody look into them')
    first = [Raw(login, tls=in_tls) for _ in range(20)]
    before = private_memory(login)
    clients = [Raw(login, tls=in_tls) for _ in range(300)]
    used = (private_memory(login) - before) / len(clients)
    for client in first + clients:
        client.close()
    assert used < most


def test_login_survives_the_death_of_auth(login):
    client = Raw(login)
    for pid in login.pids('auth'):
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while True:
        answer = client.ask(b'a LOGIN alice secret\r\n')[-1]
        if answer.endswith(b'Logged in'):
            break
        assert answer.startswith(b'a NO [UNAVAILABLE] Temporary authentication failure. [')
        assert time.monotonic() < deadline
        time.sleep(0.3)
    client.close()
    login.forgive('killed with signal 9')


def test_nobody_is_greeted_twice(make_server):
    """Who has asked for TLS when auth comes back."""
    server = make_server(NO_PENALTY, 'imap')
    client, other = Raw(server), Raw(server)
    assert client.ask(b'a STARTTLS\r\n') == [b'a OK Begin TLS negotiation now.']
    for pid in server.pids('auth'):
        os.kill(pid, signal.SIGKILL)
    assert server.wait_log('auth: Disconnected from auth process')
    deadline = time.monotonic() + 30
    while not other.ask(b'a LOGIN alice secret\r\n')[-1].startswith(b'a OK') and time.monotonic() < deadline:
        time.sleep(0.5)  # after ten tries he is thrown out
    client.start_tls()
    assert client.ask(b'b NOOP\r\n', b'b') == [b'b OK NOOP completed.']
    server.forgive('killed with signal 9')


def test_a_tls_session_keeps_no_auth_after_a_reload(make_server):
    """Its login process stays as a proxy, which needs no auth of before."""
    one = make_server(EXTRA, 'imap')
    session, late = Raw(one, tls=True), Raw(one, tls=True)
    assert session.ask(b'a LOGIN alice secret\r\n')[-1].endswith(b'Logged in')
    before = set(one.pids('auth'))
    assert before
    one.proc.send_signal(signal.SIGHUP)
    assert one.wait_log('SIGHUP received')
    # The one that was there, too, can still log in with it.
    assert late.ask(b'a LOGIN bob secret\r\n')[-1].endswith(b'Logged in')
    deadline = time.monotonic() + 30
    while before & set(one.pids('auth')):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for client in (session, late):
        assert client.ask(b'b NOOP\r\n', b'b')[-1].startswith(b'b OK')
        client.close()
    fresh = Raw(one)
    assert fresh.ask(b'a LOGIN bob secret\r\n')[-1].endswith(b'Logged in')
    fresh.close()


def test_login_goes_on_across_reloads(make_server):
    """Connections from before a reload may log in after it, and those that did stay."""
    one = make_server(EXTRA, 'imap')
    waiting, inside, in_tls = Raw(one), Raw(one), Raw(one, tls=True)
    for client in (inside, in_tls):
        assert client.ask(b'a LOGIN alice secret\r\n')[-1].endswith(b'Logged in')
    for _ in range(2):
        assert one.doveadm('reload').returncode == 0
        time.sleep(0.7)
        fresh = Raw(one)
        assert fresh.ask(b'a LOGIN bob secret\r\n')[-1].endswith(b'Logged in')
        for client in (inside, in_tls):
            assert client.ask(b'a NOOP\r\n')[-1].startswith(b'a OK')
    answer = waiting.ask(b'a LOGIN alice secret\r\n')[-1]
    # Told to go, or served; never an error.
    assert answer == b'' or answer.endswith(b'Logged in') or b'BYE' in answer, answer


def test_connections_per_user_and_address(make_server):
    one = make_server('mail_max_userip_connections = 1\n', 'imap')
    first = Raw(one)
    assert first.ask(b'a LOGIN alice secret\r\n')[-1].endswith(b'Logged in')
    second = Raw(one)
    assert second.ask(b'a LOGIN alice secret\r\n') == [
        b'a NO [LIMIT] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=1)']
    assert second.line() == b''
    assert one.wait_log(r'imap-login: Info: Disconnected: Maximum number of connections from user\+IP exceeded '
                        r'\(mail_max_userip_connections=1\): user=<alice>, method=PLAIN, rip=')
    # Whose the others are.
    held = one.wait_log(r'imap: Info: Maximum number of connections from user\+IP exceeded .*: user=<alice>, rip=127.0.0.1, '
                        r'session=<[^>]*>: held by (\d+) <(.*)>')
    assert int(held[1]) in one.pids('imap') and one.wait_log(rf'Login: .*mpid={held[1]},.*session=<{re.escape(held[2])}>')
    first.close()


def test_ssl_no_and_required(make_server):
    one = make_server('ssl = no\n', 'imap')
    client = Raw(one)
    assert b'STARTTLS' not in client.greeting
    assert client.ask(b'a STARTTLS\r\n')[-1].startswith(b"a BAD TLS support isn't enabled")
    client.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(('127.0.0.1', one.port('imaps')), 5)
    one = make_server('ssl = required\nlisten = 127.0.0.1, 127.0.0.2\n', 'imap')
    client = Raw(one, '127.0.0.2')
    assert b'LOGINDISABLED' in client.greeting
    assert b'PRIVACYREQUIRED' in client.ask(b'a LOGIN alice secret\r\n')[-1]
    client.ask(b'a STARTTLS\r\n')
    client.start_tls()
    assert client.ask(b'a LOGIN alice secret\r\n')[-1].endswith(b'Logged in')
    client.close()


def test_variables_of_the_greeting(make_server, make_dovecot):
    extra, greetings = 'login_greeting = %{hostname} at %{lip} for %r, 100%%\n', []
    for make in (make_server, make_dovecot):
        server = make(extra, 'imap pop3 lmtp')
        for port in ('imap', 'pop3', 'lmtp'):
            with socket.create_connection(('127.0.0.1', server.port(port)), 10) as sock:
                said = sock.makefile('rb').readline()
                # LMTP's has the name of the server in front, and no addresses.
                greetings.append(re.sub(rb'\[CAPABILITY.*?\]|at .*? for [^,]*' if port == 'lmtp' else rb'\[CAPABILITY.*?\]', b'', said))
    assert greetings[:3] == greetings[3:]
    assert b' at 127.0.0.1 for 127.0.0.1, 100%' in greetings[1]


def test_what_cannot_be_expanded_for_the_log(make_server, make_dovecot):
    """An element that is broken is left out with an error, and a line is written in any case."""
    said = []
    extra = ('login_log_format_elements = user=<%u> a=%{nothing} c=%p %{if;%u;eq;alice;A}\n'
             'login_log_format = %$ %{if;x}%y: %s\n')
    for make in (make_server, make_dovecot):
        server = make(extra, 'imap')
        with socket.create_connection(('127.0.0.1', server.port('imap')), 10) as sock, sock.makefile('rwb') as file:
            file.readline()
            file.write(b'a LOGIN alice secret\r\nb LOGOUT\r\n')
            file.flush()
            file.read()
        found = server.wait_log(r'imap-login: Info: (Login.*)')
        said.append((re.sub('c=[0-9]+', 'c=', found[1]), sorted(set(re.findall('Error: Failed to expand (?:login_)?([^:]*):', server.log_text())))))
        server.forgive()
    assert said[0] == said[1]
    assert said[0][0] == 'Login UNSUPPORTED_VARIABLE_y: user=<alice>, c=, A' and len(said[0][1]) == 2


@pytest.mark.parametrize('line', ['a LOGIN alice secret', 'a AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==', 'USER alice\r\nPASS secret'])
def test_passwords_where_plain_is_no_mechanism(make_server, line):
    """auth would end the connection of a login process that asks for what it does not offer, and with it the logins of all."""
    server = make_server('auth_mechanisms = scram-sha-256\nauth_verbose = yes\n', 'imap pop3')
    port = 'pop3' if line.startswith('USER') else 'imap'
    with (socket.create_connection(('127.0.0.1', server.port(port)), 10) as other,
          socket.create_connection(('127.0.0.1', server.port(port)), 10) as sock, sock.makefile('rwb') as file):
        waiting = other.makefile('rwb')
        waiting.readline()
        waiting.write(b'AUTH SCRAM-SHA-256\r\n' if port == 'pop3' else b'a AUTHENTICATE SCRAM-SHA-256\r\n')
        waiting.flush()
        assert waiting.readline().startswith(b'+')
        file.readline()
        file.write(line.encode() + b'\r\n')
        file.flush()
        answers = [file.readline() for _ in range(line.count('\n') + 1)]
        assert b'Unsupported authentication mechanism.' in answers[-1]
        assert server.wait_log('-login: Info: Authenticate PLAIN failed: Unsupported authentication mechanism.')
        waiting.write(b'biwsbj1hbGljZSxyPW5vbmNl\r\n')  # n,,n=alice,r=nonce
        waiting.flush()
        assert waiting.readline().startswith(b'+ ')


REFERRED = """\
passdb {
  driver = passwd-file
  args = username_format=%u DIR/referred
}
submission_relay_host = 127.0.0.1
service submission-login {
  inet_listener submission {
    port = PORT
  }
}
"""


def test_referrals_as_dovecot(make_server, make_dovecot):
    """nologin with a host: each protocol says it in its own way (RFC 2221, RFC 5804)."""
    said = []
    for make in (make_server, make_dovecot):
        one, port = make('passdb {\n}\n', 'imap pop3 sieve submission', start=False), free_ports(1)[0]
        one.extra = (REFERRED + NO_PENALTY).replace('DIR', one.dir).replace('PORT', str(port))
        one.write_config()
        Path(one.dir, 'referred').write_text(''.join(f'{user}:{{PLAIN}}x:::::: nologin {fields}\n' for user, fields in (
            ('plain', 'host=o.example'), ('port', 'host=10.1.2.3 port=4190 reason=Moved'), ('dest', 'host=o.example port=143 destuser=b;c'), ('odd', 'host=o.example port=0'),
            ('none', 'reason=Closed'))))
        os.chmod(f'{one.dir}/referred', 0o644)
        one.start()
        lines = []
        for user in ('plain', 'port', 'dest', 'odd', 'none'):
            plain = base64.b64encode(f'\0{user}\0x'.encode()).decode()
            for number, command, end in ((one.port('imap'), f'a LOGIN {user} x', '* OK'), (one.port('pop3'), f'AUTH PLAIN {plain}', '+OK'),
                                         (one.port('sieve'), f'AUTHENTICATE "PLAIN" "{plain}"', 'OK'), (port, f'AUTH PLAIN {plain}', '220')):
                with socket.create_connection(('127.0.0.1', number), 60) as sock, sock.makefile('rw', newline='') as file:
                    while not file.readline().startswith(end):
                        pass
                    if end == '220':
                        file.write('EHLO x\r\n')
                        file.flush()
                        while not file.readline().startswith('250 '):
                            pass
                    file.write(command + '\r\n')
                    file.flush()
                    lines.append(file.readline())
        said.append(lines)
        assert one.wait_log('imap-login: Error: Auth service returned invalid port number: 0: user=<odd>')
    # Dovecot leaves a ";" as it is in the URL of ManageSieve.
    assert said[0] == [line.replace('sieve://b;c;', 'sieve://b%3bc;') for line in said[1]]


def test_settings_by_address(make_server):
    one = make_server('listen = 127.0.0.1, 127.0.0.2\nlogin_greeting = hello there\n'
                      'login_log_format_elements = %u %s at %l\n'
                      'local 127.0.0.2 {\n  login_greeting = other door\n  disable_plaintext_auth = no\n}\n', 'imap')
    assert Raw(one).greeting.endswith(b'] hello there')
    client = Raw(one, '127.0.0.2')
    assert client.greeting.endswith(b'] other door')
    assert client.ask(b'a LOGIN alice secret\r\n')[-1].endswith(b'Logged in')
    assert one.wait_log(r'imap-login: Info: Login: alice, imap, at, 127.0.0.2')


def test_one_process_per_connection(make_server):
    one = make_server('service imap-login {\n  service_count = 1\n}\n', 'imap')
    clients = [Raw(one) for _ in range(3)]
    assert len(one.pids('imap-login')) >= 3
    for client in clients:
        assert client.ask(b'a LOGIN alice secret\r\n')[-1].endswith(b'Logged in')
        client.close()


def answers(server, steps):
    client = Raw(server)
    lines = []
    for step in steps:
        client.send(step)
    while True:
        line = client.line()
        if not line:
            break
        lines.append(re.sub(rb'\[CAPABILITY [^]]*\] Logged in|\(\d.*secs\)', b'...', line))
    client.close()
    return lines


@pytest.mark.parametrize('steps', [
    [b'a CAPABILITY\r\n', b'b NOOP\r\n', b'c LOGOUT\r\n'],
    [b'a LOGIN alice secret\r\n', b'c LOGOUT\r\n'],
    [b'a LOGIN alice wrong\r\n', b'c LOGOUT\r\n'],
    [b'a LOGIN nosuchuser x\r\n', b'c LOGOUT\r\n'],
    [b'a AUTHENTICATE FOO\r\n', b'c LOGOUT\r\n'],
    [b'a AUTHENTICATE PLAIN =\r\n', b'c LOGOUT\r\n'],
    [b'a FOO\r\n', b'b BAR\r\n', b'c BAZ\r\n'],
    [b'GET / HTTP/1.0\r\n', b'Host: x\r\n', b'\r\n'],
    [b'a LOGIN\r\n', b'b LOGIN x\r\n', b'c NOOP\r\n', b'd LOGOUT\r\n'],
    [b'a ENABLE X\r\n', b'c LOGOUT\r\n'],
], ids=str)
def test_same_words_as_dovecot(login, other, steps):
    assert answers(login, steps) == answers(other, steps)


REASONS = """\
auth_failure_delay = 0
passdb {
  driver = passwd-file
  args = username_format=%u DIR/denied
  deny = yes
}
passdb {
  driver = passwd-file
  args = username_format=%u DIR/accounts
}
userdb {
  driver = static
  args = uid=7001 gid=7001
}
""" + NO_PENALTY


def test_why_a_login_failed_as_dovecot(make_server, make_dovecot):
    """Who was refused for no password of his is not banned for it (fail2ban looks for "auth failed"), and a denied user
    looks like a wrong password to those who have none."""
    said = []
    for make in (make_server, make_dovecot):
        one, lines = make('passdb {\n}\n', 'imap pop3', start=False), []
        one.extra = REASONS.replace('DIR', one.dir)
        one.write_config()
        for name, text in (('denied', 'denied\n'), ('accounts', 'denied:{PLAIN}x\nbroken:{PLAIN}x:::::: userdb_x=%{nothing}\n'
                                                    'away:{PLAIN}x:::::: nologin\nwrong:{PLAIN}y\n')):
            Path(one.dir, name).write_text(text)
            os.chmod(f'{one.dir}/{name}', 0o644)
        one.start()
        for user in ('denied', 'broken', 'away', 'wrong'):
            for port, line in (('imap', f'a LOGIN {user} x\r\n'), ('pop3', f'USER {user}\r\nPASS x\r\n')):
                with socket.create_connection(('127.0.0.1', one.port(port)), 60) as sock, sock.makefile('rwb') as file:
                    file.readline()
                    file.write(line.encode())
                    file.flush()
                    answer = [file.readline() for _ in range(line.count('\n'))][-1]
                lines.append(re.sub(rb'\[[^]]*:20.*', b'', answer))
                why = one.wait_log(rf'{port}-login: Info: Disconnected: [^(]*\(([^)]*)\): user=<{user}>')
                lines.append(re.sub(r'\d+ secs', 'N secs', why[1]))
        said.append(lines)
        one.forgive()
    assert said[0] == said[1]


def test_a_root_that_is_not_allowed(make_server):
    """The client hears of it, and no process ends."""
    one = make_server('passdb {\n}\n', 'imap', start=False)
    one.extra = (f'valid_chroot_dirs = {one.dir}/home\npassdb {{\n  driver = passwd-file\n  args = {one.dir}/accounts\n}}\n'
                 'userdb {\n  driver = static\n  args = uid=65534 gid=65534\n}\n' + NO_PENALTY)
    one.write_config()
    Path(one.dir, 'accounts').write_text(''.join(
        f'user{n}:{{PLAIN}}secret:::::: userdb_chroot={root}\n' for n, root in enumerate(('/tmp', f'{one.dir}/home/..', f'{one.dir}/home/../x', 'home'))))
    os.chmod(f'{one.dir}/accounts', 0o644)
    one.start()
    for n in range(4):
        with socket.create_connection(('127.0.0.1', one.port('imap')), 60) as sock, sock.makefile('rwb') as file:
            file.readline()
            file.write(b'a LOGIN user%d secret\r\n' % n)
            file.flush()
            assert file.readline().startswith(b'a NO [UNAVAILABLE] ')
        assert one.wait_log(rf'imap\(user{n}\): Error: userdb returned invalid chroot directory: ')
    assert 'Fatal' not in one.log_text()


@pytest.mark.parametrize('verbose', ['yes', 'no'])
def test_what_is_refused_at_once_as_dovecot(make_server, make_dovecot, verbose):
    """Each refusal has a line of its own with auth_verbose only; the last line tells of them anyway."""
    said = []
    for make in (make_server, make_dovecot):
        one = make(f'auth_verbose = {verbose}\ndisable_plaintext_auth = yes\n', 'imap')
        for line in ('a AUTHENTICATE XFOO', 'a LOGIN alice secret', 'a AUTHENTICATE PLAIN'):
            start = len(one.log_text())
            with socket.create_connection(('127.0.0.1', one.port('imap')), 60, source_address=('127.0.0.2', 0)) as sock:
                sock.recv(4096)
                sock.sendall(f'{line}\r\n'.encode())
                sock.recv(4096)
            assert one.wait_log('imap-login: Info: Disconnected: .* rip=127.0.0.2', start=start)
            said.append(re.findall(r'imap-login: Info: (.*): user=.* rip=127.0.0.2', re.sub(r'\d secs', '', one.log_text()[start:])))
    assert said[:3] == said[3:]


def test_tls_is_required_as_by_dovecot(make_server, make_dovecot):
    """No way to prove oneself counts without it, APOP neither; and who tried is in the log."""
    said = []
    for make in (make_server, make_dovecot):
        one = make('ssl = required\ndisable_plaintext_auth = no\nauth_verbose = yes\nauth_failure_delay = 0\n'
                   'auth_mechanisms = plain cram-md5 apop\n' + NO_PENALTY, 'imap pop3')
        for port, lines in (('imap', ['a AUTHENTICATE PLAIN']), ('imap', ['a AUTHENTICATE CRAM-MD5']),
                            ('imap', ['a AUTHENTICATE XFOO']), ('imap', ['a LOGIN alice secret']),
                            ('pop3', ['AUTH PLAIN']), ('pop3', ['USER alice', 'PASS secret']), ('pop3', ['APOP'])):
            start = len(one.log_text())
            with socket.create_connection(('127.0.0.1', one.port(port)), 60, source_address=('127.0.0.2', 0)) as sock:
                challenge = re.search(rb'<.*>', sock.recv(4096))
                for line in lines:
                    if line == 'APOP':
                        line = 'APOP alice ' + hashlib.md5(challenge[0] + b'secret').hexdigest()
                    sock.sendall(f'{line}\r\n'.encode())
                    said.append(sock.recv(4096))
            assert one.wait_log('-login: Info: Disconnected: .* rip=127.0.0.2', start=start)
            said.append(re.findall(r'-login: Info: (.*) rip=127.0.0.2', re.sub(r'\d secs', '', one.log_text()[start:])))
    half = len(said) // 2
    assert said[:half] == said[half:]
    assert said[half - 2].startswith(b'-ERR [AUTH] Authentication not allowed until SSL/TLS is enabled.')


def test_elements_of_the_log_as_dovecot(make_server, make_dovecot):
    """Those that nothing is known for are told of, not left out in silence."""
    said = []
    for make in (make_server, make_dovecot):
        one = make('login_log_format_elements = user=<%u> a=%{mech} b=%{mechanism} c=%{nothing} d=%{orig_user}\n', 'imap')
        with socket.create_connection(('127.0.0.1', one.port('imap')), 60) as sock:
            sock.recv(4096)
            sock.sendall(b'a LOGIN alice secret\r\n')
            line = one.wait_log(r'imap-login: Info: Login: (.*)')[1]
        said.append(line)
        assert one.wait_log(r"imap-login: Error: Failed to expand .*log_format_elements=c=%{nothing}: Unknown variable '%nothing'")
    assert said[0] == said[1]
