# SPDX-License-Identifier: MIT
"""Users whose mail is on another server: imap-login and pop3-login pass them on, by fields of the passdb."""
import base64
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from certs import self_signed
from conftest import free_ports, mail_owner, open_up
from proxied import Backend
from test_auth import Master

LOGINS = {'imap': 'imap-login', 'pop3': 'pop3-login', 'sieve': 'managesieve-login', 'submission': 'submission-login'}
EXTRA = '''
login_trusted_networks = 127.0.0.9
auth_failure_delay = 0
auth_mechanisms = plain cram-md5
{more}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/proxied
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/home/%u
}}
'''


def extra(path, users, more=''):
    uid, gid = mail_owner()
    (path / 'home').mkdir(exist_ok=True)
    os.chown(path / 'home', uid, gid)
    open_up(path)
    (path / 'proxied').write_text(''.join(f'{name}:secret::::::{fields}\n' for name, fields in users.items()))
    return EXTRA.format(dir=path, uid=uid, gid=gid, more=more)


class Line:
    """A client that speaks in lines."""

    def __init__(self, server, port, source=None):
        self.sock = socket.create_connection(('127.0.0.1', server.port(port)), 30, source_address=source)
        self.file = self.sock.makefile('rb')
        self.greeting = self.read()

    def read(self):
        return self.file.readline().decode().rstrip('\r\n')

    def ask(self, line):
        self.sock.sendall(line.encode() + b'\r\n')
        return self.read()

    def close(self):
        self.file.close()
        self.sock.close()


def talk(server, kind, user):
    """A login and a command behind it."""
    client = Line(server, kind)
    if kind == 'imap':
        said = [client.ask(f'a LOGIN {user} secret'), client.ask('b NOOP')]
    else:
        said = [client.ask(f'USER {user}'), client.ask('PASS secret'), client.ask('NOOP')]
    client.close()
    return said


def without_numbers(lines):
    return [re.sub(r'(session-id" "|SESSION=|session=<)[^">\s]+|(port" "|PORT=)\d+|\d\.\d+ secs|:\d{4,5}\b|\d{4,5}\)',
                   r'\1\2N', line) for line in lines]


def test_as_dovecot_passes_on(make_server, make_dovecot, tmp_path, tls):
    """The same is said to the other server, to the client and in the log."""
    imap, pop3, no = Backend(), Backend('pop3'), Backend(answers={
        'L LOGIN "no"': 'L NO [AUTHENTICATIONFAILED] go away\r\n', 'L LOGIN "limit"': 'L NO [LIMIT] too many\r\n'})
    pop3_no = Backend('pop3', answers={'PASS': '-ERR [AUTH] go away\r\n'})
    busy, pop3_busy = Backend(greeting='* BYE busy'), Backend('pop3', greeting='-ERR busy')
    alert = Backend(answers={'L ': '* NO [ALERT] full\r\n* ID NIL\r\nL OK [CAPABILITY IMAP4rev1] in\r\n'})
    pop3_xclient = Backend('pop3', answers={'XCLIENT': '-ERR who?\r\n'})
    in_tls = Backend(tls=tls)
    quiet = Backend(
        greeting='* OK hello', answers={'C CAP': '* CAPABILITY IMAP4rev1\r\nC OK done\r\n'})
    starttls = Backend(starttls=tls)
    here = 'proxy=y host=127.0.0.1 port='
    users = {'plain': f'{here}{imap.port}', 'dest': f'{here}{imap.port} destuser=other pass=xyzzy',
             'mast': f'{here}{imap.port} master=boss pass=mpass', 'mech': f'{here}{imap.port} proxy_mech=PLAIN',
             'no': f'{here}{no.port}', 'nologin': f'{here}{imap.port} nologin=y reason=x',
             'hostip': f'proxy=y host=no.where.invalid hostip=127.0.0.1 port={imap.port}',
             'anycert': f'proxy=y host=localhost hostip=127.0.0.1 port={in_tls.port} ssl=any-cert',
             'start': f'proxy=y host=localhost hostip=127.0.0.1 port={starttls.port} starttls=any-cert',
             'maybe': 'proxy_maybe=y host=127.0.0.1', 'quiet': f'{here}{quiet.port}',
             'quoted': f'{here}{imap.port} pass=a"b\\\\c', 'refer': 'nologin=y host=other.example',
             'why': 'nologin=y host=other.example reason=moved', 'shut': 'nologin=y', 'pshut': 'nologin=y',
             'moved@a.example': 'nologin=y host=other.example', 'prefer': 'nologin=y host=other.example',
             'dest-moved': 'nologin=y host=other.example port=1143 destuser=me@b.example',
             'pcode': 'nologin=y reason=[X]y',
             'busy': f'{here}{busy.port}', 'alert': f'{here}{alert.port}', 'pbusy': f'{here}{pop3_busy.port}',
             'source': f'{here}{imap.port} source_ip=127.0.0.7', 'pxclient': f'{here}{pop3_xclient.port}',
             'pplain': f'{here}{pop3.port}', 'pdest': f'{here}{pop3.port} destuser=other pass=xyzzy',
             'pmast': f'{here}{pop3.port} master=boss pass=mpass', 'pno': f'{here}{pop3_no.port}'}
    backends = imap, pop3, no, pop3_no, in_tls, quiet, starttls, busy, pop3_busy, alert
    seen = []
    for make in (make_server, make_dovecot):
        server = make(extra(tmp_path, users, 'login_proxy_max_reconnects = 0\n'), 'imap pop3')
        for user in users:
            for backend in backends:
                backend.log.clear()
            start = len(server.log_text())
            said = talk(server, 'pop3' if user.startswith('p') and user != 'plain' else 'imap', user)
            said = [re.sub(r'\[CAPABILITY IMAP4rev1 SASL.*?\]|\(0.0.*', '', line) for line in said]
            assert server.wait_log(rf'login: Info: (Login|.*Disconnected).*user=<{user}>', start=start)
            log = re.findall(rf'login: (?:Info|Error): (.*?): user=<{user}>', server.log_text()[start:])
            log = [re.sub(r'in=\d+, out=\d+', '', line) for line in log]
            # The NOOP of "alert" is not waited for.
            told = [line for backend in backends if backend is not alert or user == 'alert'
                    for line in backend.log if line not in ('END', 'ERROR')]
            if user == 'start':
                # Dovecot says for whom it speaks before TLS, and believes what it was told before TLS.
                told = [line for line in told if line[:2] in ('S ', 'L ')]
            if user == 'alert':
                told = [line for line in told if line[:2] in ('I ', 'L ')]
            seen.append((user, without_numbers(told), said, without_numbers(log)))
    half = len(users)
    for ours, theirs in zip(seen[:half], seen[half:]):
        assert ours == theirs


def test_names_of_servers_as_dovecot(make_server, make_dovecot, tmp_path):
    """auth looks them up; one that there is not is a temporary failure."""
    imap = Backend()
    users = {'named': f'proxy=y host=localhost port={imap.port}', 'maybe': 'proxy_maybe=y host=localhost',
             'noname': 'proxy=y host=no.where.invalid', 'maynot': 'proxy_maybe=y host=no.where.invalid',
             'nologin': 'nologin=y proxy=y host=no.where.invalid', 'refer': 'nologin=y host=no.where.invalid'}
    seen = []
    for make in (make_server, make_dovecot):
        server = make(extra(tmp_path, users), 'imap')
        said = {}
        for user in users:
            client = Line(server, 'imap')
            said[user] = re.sub(r'\[(vm|[^ ]*):.*?\]|\[CAPABILITY.*?\]', '', client.ask(f'a LOGIN {user} secret'))
            client.close()
        master = Master(server)
        for user in ('named', 'noname'):
            said['PASS', user] = sorted(re.sub(r'port=\d+', '', master.ask(f'PASS\t1\t{user}\tservice=lmtp')).split('\t'))
        master.close()
        seen.append((said, set(re.findall('auth: Error: (.*)', server.log_text()))))
        assert server.wait_log(r'Started proxying to <(127.0.0.1|::1)> \(<localhost>\)')
        server.forgive()
    assert seen[0] == seen[1]


# --- what only this server is asked for --------------------------------------------------


def test_a_session_goes_through_and_waits_for_who_is_slow(make_server, tmp_path):
    """A client that reads nothing costs no memory, and gets all in the end."""
    backend = Backend()
    server = make_server(extra(tmp_path, {'plain': f'proxy=y host=127.0.0.1 port={backend.port}'}), 'imap')
    client = Line(server, 'imap')
    assert client.ask('a LOGIN plain secret').startswith('a OK [CAPABILITY IMAP4rev1 X] welcome')
    before = server.peak_memory('imap-login')
    other = backend.socks[-1]
    chunk = b'x' * 65536
    other.settimeout(1)
    sent = 0
    with pytest.raises(TimeoutError):  # the buffers of the sockets are full
        while sent < 64 << 20:
            sent += other.send(chunk)
    assert server.peak_memory('imap-login') - before < 2 << 20
    got = 0
    while got < sent:
        got += len(client.file.read1(65536))
    assert got == sent
    client.close()


def test_a_server_that_is_not_there(make_server, tmp_path):
    closed = socket.create_server(('127.0.0.1', 0))
    silent = socket.create_server(('127.0.0.1', 0))
    users = {'dead': f'proxy=y host=127.0.0.1 port={closed.getsockname()[1]}',
             'silent': f'proxy=y host=127.0.0.1 port={silent.getsockname()[1]} proxy_timeout=1',
             'nohost': 'proxy=y', 'badport': 'proxy=y host=127.0.0.1 port=x',
             'mech': 'proxy=y host=127.0.0.1 proxy_mech=XFOO', 'badtime': 'proxy=y host=127.0.0.1 proxy_timeout=x'}
    closed.close()
    server = make_server(extra(tmp_path, users, 'login_proxy_max_reconnects = 1\n'), 'imap pop3')
    for user, why in [('dead', r'connect\(127.0.0.1, \d+\) failed: Connection refused \(after [1-9] secs, 1 reconnects\)'),
                      ('silent', r'Login timed out \(after [1-9] secs\)'),
                      ('nohost', 'host not given'),
                      ('badport', 'Invalid port number: x'), ('mech', 'Unsupported SASL mechanism XFOO'),
                      ('badtime', 'Invalid proxy_timeout value x')]:
        client = Line(server, 'imap')
        assert client.ask(f'a LOGIN {user} secret') == 'a NO [UNAVAILABLE] Account is temporarily unavailable.'
        assert client.ask('b NOOP').startswith('b OK')
        assert server.wait_log(rf'imap-login: Error: proxy\({user}.*\): {why}.*: user=<{user}>'), user
        client.close()
        client = Line(server, 'pop3')
        client.ask(f'USER {user}')
        assert client.ask('PASS secret') == '-ERR [SYS/TEMP] Account is temporarily unavailable.'
        client.close()


def test_what_managesieve_servers_say_goes_to_whom_it_is_for(make_server, tmp_path):
    """Codes to the client, nonsense to the log; and referrals."""
    hello = '"IMPLEMENTATION" "x"\r\n"SASL" "PLAIN"\r\nOK "hello"'
    said = {'good': 'OK "in"', 'code': 'NO (TRYLATER) "later"', 'plain': 'NO "who are you?"', 'bye': 'BYE "gone"'}
    here = 'proxy=y host=127.0.0.1 port='
    users = {name: f'{here}{Backend("pop3", greeting=hello, answers={"AUTH": "", "": answer + chr(13) + chr(10)}).port}'
             for name, answer in said.items()}
    users['pop3'] = f'{here}{Backend("pop3").port}'
    users['moved'] = 'nologin=y host=other.example port=1143 destuser=me@b.example'
    server = make_server(extra(tmp_path, users, 'login_proxy_max_reconnects = 0\n'), 'sieve')
    for user, answer in {
            'good': 'OK "in"', 'code': 'NO (TRYLATER) "later"', 'plain': 'NO "Authentication failed."',
            'bye': 'NO (TRYLATER) "Account is temporarily unavailable."',
            'pop3': 'NO (TRYLATER) "Account is temporarily unavailable."',
            'moved': 'NO (REFERRAL sieve://me%40b.example;AUTH=PLAIN@other.example:1143) '
                     '"Try this server instead."'}.items():
        client = Line(server, 'sieve')
        while not client.read().startswith('OK'):
            pass
        response = base64.b64encode(f'\0{user}\0secret'.encode()).decode()
        assert client.ask(f'AUTHENTICATE "PLAIN" "{response}"') == answer
        client.close()
    assert server.wait_log(r'Error: proxy\(bye,.*\): Remote server sent invalid input: BYE "gone": user=')
    assert server.wait_log(r'Error: proxy\(pop3,.*\): Remote server sent invalid input: Invalid banner: \+OK .* hello: user=')


def test_one_that_comes_back_is_tried_again(make_server, tmp_path):
    late = socket.socket()
    late.bind(('127.0.0.1', 0))
    server = make_server(extra(tmp_path, {'late': f'proxy=y host=127.0.0.1 port={late.getsockname()[1]}'}), 'imap')
    client = Line(server, 'imap')
    client.sock.sendall(b'a LOGIN late secret\r\n')
    time.sleep(0.3)
    late.listen()
    sock = late.accept()[0]
    file = sock.makefile('rb')
    sock.sendall(b'* OK [CAPABILITY IMAP4rev1] hello\r\n')
    assert file.readline() == b'L LOGIN "late" "secret"\r\n'
    sock.sendall(b'* CAPABILITY IMAP4rev1 Y\r\nL OK in\r\n* OK more\r\n')
    assert [client.read() for _ in range(3)] == ['* CAPABILITY IMAP4rev1 Y', 'a OK in', '* OK more']
    for end in (file, sock, late):
        end.close()
    assert client.read() == ''
    assert server.wait_log(r'proxy\(late,127.0.0.1:\d+\): Disconnected by server \(0s idle, in=')
    client.close()


def test_loops_end(make_server, tmp_path):
    """Through itself, and through others: each proxy counts down."""
    server = make_server('', 'imap pop3', start=False)
    users = {'self': f'proxy=y host=127.0.0.1 port={server.port("imap")}',
             'loop': f'proxy=y host=127.0.0.1 port={server.port("imap")}'}
    server.extra = extra(tmp_path, users, 'listen = 127.0.0.1, 127.0.0.2\n').replace('127.0.0.9', '127.0.0.0/8')
    server.write_config()
    server.start()
    client = Line(server, 'imap')
    assert 'UNAVAILABLE' in client.ask('a LOGIN self secret')
    assert server.wait_log(r'proxy\(self,127.0.0.1:\d+\): Proxying loops to itself')
    client.close()
    # To 127.0.0.2 it is another server, which sends it to itself.
    client.sock = socket.create_connection(('127.0.0.2', server.port('imap')), 30)
    client.file = client.sock.makefile('rb')
    client.read()
    assert 'UNAVAILABLE' in client.ask('a LOGIN loop secret')
    assert server.wait_log(r'proxy\(loop,127.0.0.1:\d+\): Proxying loops to itself')
    client.ask('b ID ("x-proxy-ttl" "1")')
    client.read()
    assert 'UNAVAILABLE' in client.ask('c LOGIN loop secret')
    assert server.wait_log(r'proxy\(loop,127.0.0.1:\d+\): TTL reached zero - proxies appear to be looping\?')
    client.close()


def test_forwarded_fields_sasl_and_sources(make_server, tmp_path):
    imap, no_ir = Backend(), Backend(greeting='* OK [CAPABILITY IMAP4rev1] hello')
    pop3 = Backend('pop3')
    users = {'fields': f'proxy=y host=127.0.0.1 port={imap.port} forward_a=b forward_c="d source_ip=127.0.0.7',
             'pfields': f'proxy=y host=127.0.0.1 port={pop3.port} forward_a=b forward_c=d',
             'two': f'proxy=y host=127.0.0.1 port={no_ir.port} proxy_mech=XOAUTH2',
             'ext': f'proxy=y host=127.0.0.1 port={imap.port} proxy_mech=EXTERNAL proxy_not_trusted=y',
             'odd': f'proxy=y host=127.0.0.1 port={imap.port} pass=\xc3\xa4'}
    server = make_server(extra(tmp_path, users), 'imap pop3')
    for user in users:
        talk(server, 'pop3' if user == 'pfields' else 'imap', user)
    assert any('"x-forward-a" "b" "x-forward-c" "\\"d")' in line for line in imap.log)
    assert any(line.endswith(' FORWARD=' + base64.b64encode(b'a=b\tc=d').decode()) for line in pop3.log)
    assert no_ir.log[0] == 'L AUTHENTICATE XOAUTH2'
    assert base64.b64decode(no_ir.log[1]) == b'user=two\1auth=Bearer secret\1\1'
    assert 'L AUTHENTICATE EXTERNAL ' + base64.b64encode(b'ext').decode() in imap.log
    assert any(line.startswith('L AUTHENTICATE PLAIN ') for line in imap.log)


PASSED_ON = """
login_trusted_networks = {trusted}
passdb {{
  driver = static
  args = proxy=y host=127.0.0.1 port={port} nopassword=y destuser=u-%{{passdb:forward_to}} forward_more=1
}}
"""
TOLD = [('imap', 'a ID ("x-forward-to" "there" "x-forward-b" "c\td")'), ('imap', 'a ID ("X-Forward-to" "one" "x-forward-to" "two")'),
        ('pop3', 'XCLIENT FORWARD=' + base64.b64encode(b'to=there\tb=c').decode()), ('pop3', 'XCLIENT FORWARD=!')]


def test_fields_of_a_proxy_in_front_as_dovecot(make_server, make_dovecot):
    """auth knows them, and the next server gets them; of a stranger nothing is taken."""
    seen = []
    for make in (make_server, make_dovecot):
        for trusted, (kind, told) in [*(('127.0.0.1', one) for one in TOLD), ('192.0.2.1', TOLD[0])]:
            backend = Backend(kind)
            client = Line(make(PASSED_ON.format(port=backend.port, trusted=trusted), 'imap pop3'), kind)
            client.ask(told)
            for line in ['b LOGIN me pw'] if kind == 'imap' else ['USER me', 'PASS pw']:
                client.ask(line)
            deadline = time.monotonic() + 10
            while not any(line.startswith(('L LOGIN', 'PASS')) for line in backend.log) and time.monotonic() < deadline:
                time.sleep(0.01)
            client.close()
            log = [re.findall(r'"x-forward-\S+ "[^"]*"|FORWARD=\S+|USER .*|LOGIN.*', line) for line in backend.log]
            seen.append([line for line in log if line])
    ours, theirs = seen[:len(seen) // 2], seen[len(seen) // 2:]
    assert ours == theirs
    assert ours[0] == [['"x-forward-to" "there"', '"x-forward-b" "c\td"', '"x-forward-more" "1"'], ['LOGIN "u-there" "pw"']]
    assert ours[-1] == [['"x-forward-more" "1"'], ['LOGIN "u-" "pw"']]


@pytest.mark.parametrize('sources, used', [
    ('127.0.0.5, 127.0.0.6', ('127.0.0.5', '127.0.0.6')), ('?192.0.2.77 ::1 127.0.0.5', ('127.0.0.5',)),
    ('localhost', ('127.0.0.1',)), ('no.where.invalid 127.0.0.5', ('127.0.0.5',)), ('?192.0.2.77', ('127.0.0.1',))])
def test_where_proxies_come_from(make_server, tmp_path, sources, used):
    backend = Backend()
    server = make_server(extra(tmp_path, {'plain': f'proxy=y host=127.0.0.1 port={backend.port}'},
                               f'login_source_ips = {sources}\n'), 'imap')
    for _ in range(5):
        assert 'welcome' in talk(server, 'imap', 'plain')[0]
        assert backend.peers[-1] in used
    assert ('login_source_ips: Can\'t resolve no.where.invalid' in server.log_text()) == ('invalid' in sources)


def test_certificates_of_servers_are_held_against_their_names(make_server, tmp_path, tls):
    good, bad = Backend(tls=tls), Backend(tls=self_signed(tmp_path / 'bad', 'other.example'))
    start = Backend('pop3', starttls=tls)
    users = {'good': f'proxy=y host=localhost hostip=127.0.0.1 port={good.port} ssl=yes',
             'name': f'proxy=y host=other.name hostip=127.0.0.1 port={good.port} ssl=yes',
             'bad': f'proxy=y host=other.example hostip=127.0.0.1 port={bad.port} ssl=yes',
             'any': f'proxy=y host=x.y hostip=127.0.0.1 port={bad.port} ssl=any-cert',
             'pstart': f'proxy=y host=localhost hostip=127.0.0.1 port={start.port} starttls=yes'}
    (tmp_path / 'cas').mkdir()
    for where in (f'ssl_client_ca_file = {tls}.crt\n', f'ssl_client_ca_dir = {tmp_path}/cas\n'):
        server = make_server(extra(tmp_path, users, 'login_proxy_max_reconnects = 0\n' + where), 'imap pop3', start=False)
        hashed = os.popen(f'openssl x509 -hash -noout -in {tls}.crt').read().strip()
        link = tmp_path / 'cas' / f'{hashed}.0'
        if not link.exists():
            link.symlink_to(f'{tls}.crt')
        server.start()
        for user, right in [('good', True), ('name', False), ('bad', False), ('any', True)]:
            assert ('a OK' in talk(server, 'imap', user)[0]) == right, (where, user)
        assert talk(server, 'pop3', 'pstart')[1] == '+OK welcome'
        assert start.log[:2] == ['STLS', start.log[1]] and start.log[1].startswith('XCLIENT')
        assert server.wait_log('certificate verify failed')


class Asking(Backend):
    """Wants certificates from its clients, and notes whose they are."""

    def wrap(self, sock, base):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(f'{base}.crt', f'{base}.key')
        ctx.load_verify_locations(self.ca)
        ctx.verify_mode = ssl.CERT_REQUIRED
        sock = ctx.wrap_socket(sock, server_side=True)
        self.log.append(dict(part[0] for part in sock.getpeercert()['subject'])['commonName'])
        return sock


def test_a_proxy_shows_its_certificate(make_server, tmp_path, tls):
    """ssl_client_cert and ssl_client_key: with TLS from the beginning, and after STARTTLS."""
    own = self_signed(tmp_path / 'own', 'the.proxy')
    there, start = Asking(tls=tls), Asking(starttls=tls)
    there.ca = start.ca = f'{own}.crt'
    users = {'there': f'proxy=y host=localhost hostip=127.0.0.1 port={there.port} ssl=yes',
             'start': f'proxy=y host=localhost hostip=127.0.0.1 port={start.port} starttls=yes'}
    for with_it in (True, False):
        there.log.clear()
        start.log.clear()
        server = make_server(extra(tmp_path, users, f'ssl_client_ca_file = {tls}.crt\nlogin_proxy_max_reconnects = 0\n' + (
            f'ssl_client_cert = <{own}.crt\nssl_client_key = <{own}.key\n' if with_it else '')), 'imap')
        for user, backend in (('there', there), ('start', start)):
            assert talk(server, 'imap', user)[0].startswith('a OK' if with_it else 'a NO')
            assert ('the.proxy' in backend.log) == with_it
        server.forgive('proxy|SSL')


def test_what_a_server_says_before_its_tls_is_not_believed(make_server, tmp_path, tls):
    """Lines that somebody put in behind the answer to STARTTLS."""
    backend = Backend(starttls=tls, answers={'S STARTTLS': 'S OK go\r\nC OK done\r\nL OK injected\r\n* PREAUTH x\r\n'})
    users = {'start': f'proxy=y host=localhost hostip=127.0.0.1 port={backend.port} starttls=any-cert'}
    server = make_server(extra(tmp_path, users), 'imap')
    assert talk(server, 'imap', 'start')[0] == 'a OK [CAPABILITY IMAP4rev1 X] welcome'


@pytest.mark.parametrize('greeting', ['* PREAUTH hello', '* BYE no', 'x' * 9000, '* OK [CAPABILITY ID' + ' a' * 3000 + '] x'],
                         ids=['preauth', 'bye', 'long', 'longer'])
def test_odd_servers_harm_nobody(make_server, tmp_path, greeting):
    backend = Backend(greeting=greeting)
    server = make_server(extra(tmp_path, {'plain': f'proxy=y host=127.0.0.1 port={backend.port} proxy_timeout=3'}), 'imap')
    client = Line(server, 'imap')
    assert re.match('a (NO|OK)', client.ask('a LOGIN plain secret'))
    client.close()
    assert 'a LOGIN' not in server.log_text()


def test_clients_of_a_server_that_goes_away_leave_one_by_one(make_server, tmp_path):
    backend = Backend()
    server = make_server(extra(tmp_path, {'plain': f'proxy=y host=127.0.0.1 port={backend.port}'},
                               'login_proxy_max_disconnect_delay = 2 secs\n'), 'imap')
    clients = [Line(server, 'imap') for _ in range(20)]
    for client in clients:
        assert client.ask('a LOGIN plain secret').startswith('a OK')
    for sock in backend.socks:
        sock.shutdown(socket.SHUT_RDWR)
    since, ends = time.monotonic(), []
    for client in clients:
        threading.Thread(target=lambda one=client: ends.append((one.read(), time.monotonic() - since)), daemon=True).start()
    while len(ends) < 20 and time.monotonic() - since < 20:
        time.sleep(0.02)
    spread = [when for _, when in ends]
    assert len(spread) == 20 and max(spread) - min(spread) > 0.5 and max(spread) < 10


def test_list_and_kick(make_server, tmp_path):
    imap, pop3 = Backend(), Backend('pop3')
    users = {'one': f'proxy=y host=127.0.0.1 port={imap.port}', 'two': f'proxy=y host=127.0.0.1 port={imap.port}',
             'three': f'proxy=y host=127.0.0.1 port={pop3.port}'}
    server = make_server(extra(tmp_path, users), 'imap pop3')
    assert server.doveadm('proxy', 'list').stdout.split() == 'username proto src ip dest ip port'.split()
    clients = {name: Line(server, 'imap', (f'127.0.0.{n}', 0)) for n, name in enumerate(('one', 'two'), 5)}
    for name, client in clients.items():
        assert client.ask(f'a LOGIN {name} secret').startswith('a OK')
    clients['three'] = Line(server, 'pop3')
    clients['three'].ask('USER three')
    assert clients['three'].ask('PASS secret').startswith('+OK')
    lines = [f'one imap 127.0.0.5 127.0.0.1 {imap.port}', f'two imap 127.0.0.6 127.0.0.1 {imap.port}',
             f'three pop3 127.0.0.1 127.0.0.1 {pop3.port}']

    def listed():
        text = server.doveadm('proxy', 'list').stdout
        return sorted(' '.join(line.split()) for line in text.splitlines()[1:])

    assert listed() == sorted(lines)
    # anvil hears of them again when it was started anew.
    os.kill(server.pids('anvil')[0], 9)
    deadline = time.monotonic() + 30
    while listed() != sorted(lines) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert listed() == sorted(lines)
    server.forgive('anvil')
    assert server.doveadm('proxy', 'kick', 'nobody').stdout == '0 connections kicked\n'
    assert server.doveadm('proxy', 'kick', 'tw*').stdout == '1 connections kicked\n'
    assert clients['two'].read() == ''
    assert server.wait_log(r'imap-login: Info: proxy\(two,127.0.0.1:\d+\): Disconnected by proxy: Kicked by admin: user=<two>')
    assert clients['one'].ask('b NOOP').startswith('b OK')
    assert server.doveadm('proxy', 'kick', '-h', '127.0.0.1').stdout == '2 connections kicked\n'
    assert clients['one'].read() == '' and clients['three'].read() == ''
    assert listed() == []


@pytest.fixture
def make_names(make_server, tmp_path, monkeypatch):
    """A server for which a file has the addresses of names, and how long finding them takes."""
    if shutil.which('gcc') is None:
        pytest.skip('needs a compiler')

    def make(names, text):
        server = make_server(text + 'import_environment = $import_environment LD_PRELOAD NAMES_FILE ASAN_OPTIONS\n', 'imap', start=False)
        library, file = Path(server.dir, 'names.so'), Path(server.dir, 'names')
        subprocess.run(['gcc', '-shared', '-fPIC', '-o', library, Path(__file__).with_name('preload_names.c'), '-ldl'], check=True)
        file.write_text(names)
        file.chmod(0o644)
        monkeypatch.setenv('LD_PRELOAD', str(library))
        monkeypatch.setenv('NAMES_FILE', str(file))
        monkeypatch.setenv('ASAN_OPTIONS', os.environ.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0')
        server.start()
        monkeypatch.undo()
        return server
    return make


def test_all_addresses_of_a_name_are_tried(make_names, tmp_path):
    """At once, even if login_proxy_max_reconnects allows no second try of the same."""
    imap = Backend()
    users = {'three': f'proxy=y host=three.example port={imap.port}', 'dead': f'proxy=y host=dead.example port={imap.port}',
             'self': f'proxy_maybe=y host=self.example port={imap.port}'}
    server = make_names('three.example 0 127.0.0.2 127.0.0.3 127.0.0.1\ndead.example 0 127.0.0.2 127.0.0.3\n'
                        'self.example 0 127.0.0.2 127.0.0.1\n', extra(tmp_path, users, 'login_proxy_max_reconnects = 0\n'))
    assert talk(server, 'imap', 'three')[0].startswith('a OK')
    assert server.wait_log(r'proxy\(three,127.0.0.1:\d+\): Started proxying to <127.0.0.1> \(<three.example>\) \([01]\.\d+ secs, 2 reconnects\)')
    assert 'UNAVAILABLE' in talk(server, 'imap', 'dead')[0]
    assert server.wait_log(r'proxy\(dead,127.0.0.3:\d+\): connect\(127.0.0.3, \d+\) failed: Connection refused \(after 0 secs, 1 reconnects\)')
    imap.log.clear()
    assert talk(server, 'imap', 'self')[0].startswith('a OK') and not imap.log
    server.forgive('connect')


def test_names_that_take_long_hold_nobody_up(make_names, tmp_path):
    """More users than there are workers wait for one name: others log in, and they all end in time."""
    imap = Backend()
    users = {'slow': f'proxy=y host=slow.example port={imap.port} proxy_timeout=1', 'late': f'proxy=y host=late.example port={imap.port}',
             'fast': f'proxy=y host=fast.example port={imap.port}'}
    server = make_names('slow.example 5000 127.0.0.1\nlate.example 1500 127.0.0.1\nfast.example 0 127.0.0.1\n',
                        extra(tmp_path, users, 'auth_worker_max_count = 3\n'))
    waiting = [(user, Line(server, 'imap')) for user in ('slow', 'late') * 10]
    since = time.monotonic()
    for user, client in waiting:
        client.sock.sendall(f'a LOGIN {user} secret\r\n'.encode())
    for _ in range(3):
        assert talk(server, 'imap', 'fast')[0].startswith('a OK')
    assert time.monotonic() - since < 1
    for user, client in waiting:
        answer = client.read()
        assert answer.startswith('a OK') if user == 'late' else '[UNAVAILABLE]' in answer, (user, answer)
        client.close()
    assert time.monotonic() - since < 4
    assert server.log_text().count('auth: Error: DNS lookup for slow.example failed: Lookup timed out') == 10
    # Who goes away while he waits is forgotten.
    for _ in range(5):
        client = Line(server, 'imap')
        client.sock.sendall(b'a LOGIN slow secret\r\n')
        client.close()
    assert talk(server, 'imap', 'late')[0].startswith('a OK')
    server.forgive('DNS lookup')


def test_the_pipe_for_notices_and_the_record_of_traffic_as_dovecot(make_server, make_dovecot, tmp_path):
    """proxy_refresh, login_proxy_notify_path, login_proxy_rawlog_dir"""
    imap = Backend()
    users = {'often': f'proxy=y host=127.0.0.1 port={imap.port} proxy_refresh=1', 'wrong': f'proxy=y host=127.0.0.1 port={imap.port} proxy_refresh=x',
             'seldom': f'proxy=y host=127.0.0.1 port={imap.port} proxy_refresh=100'}
    seen = []
    for make in (make_server, make_dovecot):
        server = make(extra(tmp_path, users, 'login_proxy_rawlog_dir = /raw\n'), 'imap', start=False)
        login = Path(server.dir, 'run', 'login')
        login.mkdir(parents=True, exist_ok=True)
        os.mkfifo(login / 'proxy-notify', 0o666)
        os.chmod(login / 'proxy-notify', 0o666)
        (login / 'raw').mkdir()
        (login / 'raw').chmod(0o777)
        pipe = os.open(login / 'proxy-notify', os.O_RDWR | os.O_NONBLOCK)
        server.start()
        clients = [Line(server, 'imap') for _ in users]
        for user, client in zip(users, clients):
            assert client.ask(f'a LOGIN {user} secret').startswith('a OK')
        time.sleep(2.6)
        for client in clients:
            client.ask('b NOOP')
            client.close()
        told = os.read(pipe, 1000)
        os.close(pipe)
        assert server.wait_log('proxy.often.*Disconnected by client')
        raw = sorted(re.sub(r'^[\d.]+ |"x-[a-z-]+" "[^"]*"|\[.*?\]', '', path.read_text(), flags=re.M)
                     for path in (login / 'raw').iterdir())
        assert re.fullmatch(r'\d{8}-\d{6}\.\d+\.\d+\.(in|out)', next((login / 'raw').iterdir()).name)
        seen.append((told, raw, re.findall('imap-login: Error: (.*?):? user=', server.log_text())))
        server.forgive()
    assert seen[0] == seen[1] and seen[0][0] == b'often\noften\n'


def test_a_pipe_for_notices_that_is_not_there(make_server, tmp_path):
    imap = Backend()
    users = {name: f'proxy=y host=127.0.0.1 port={imap.port} proxy_refresh=1' for name in ('one', 'two')}
    server = make_server(extra(tmp_path, users), 'imap')
    for user in users:
        assert talk(server, 'imap', user)[0].startswith('a OK')
    assert server.log_text().count('imap-login: Error: open(proxy-notify) failed: No such file or directory') == 1
    server.forgive('proxy-notify')


CHAIN = '''
login_log_format_elements = user=<%u> forwarded=%{passdb:forward_a}+%{passdb:forward_c}
service LOGIN {
  inet_listener submission {
    port = 0
  }
  inet_listener other {
    port = PORT
  }
}
'''


@pytest.mark.parametrize('kind', ['imap', 'pop3', 'sieve', 'submission'])
def test_what_a_proxy_forwards_comes_through_another(make_server, make_dovecot, tmp_path, kind):
    """From the first proxy's passdb to the second one's, which may be Dovecot; and the number of proxies is counted."""
    ports = free_ports(2)
    listener = CHAIN.replace('LOGIN', LOGINS[kind])
    fields = {'fields': 'forward_a=b forward_c=d', 'loop': 'proxy_timeout=2'}
    for make in (make_server, make_dovecot):
        behind = {'fields': 'nologin=y', 'loop': f'proxy=y host=127.0.0.1 port={ports[0]} proxy_timeout=2'}
        (tmp_path / 'front').mkdir(exist_ok=True)
        front = extra(tmp_path / 'front', {name: f'proxy=y host=127.0.0.1 port={ports[1]} {more}'
                                           for name, more in fields.items()})
        back = extra(tmp_path, behind)
        protocols = 'imap' if kind == 'imap' else 'imap ' + kind
        trust = ('login_trusted_networks = 127.0.0.9', 'login_trusted_networks = 127.0.0.0/8')
        second = make(back.replace(*trust) + listener.replace('PORT', str(ports[1])), protocols)
        first = make_server(front.replace(*trust) + listener.replace('PORT', str(ports[0])), protocols)
        for user in fields if make is make_server else ['fields']:
            with socket.create_connection(('127.0.0.1', ports[0]), 30) as sock, sock.makefile('rb') as file:
                response = base64.b64encode(f'\0{user}\0secret'.encode()).decode()
                line = {'imap': f'a LOGIN {user} secret', 'pop3': f'AUTH PLAIN {response}',
                        'sieve': f'AUTHENTICATE "PLAIN" "{response}"', 'submission': f'AUTH PLAIN {response}'}[kind]
                while kind == 'sieve' and not file.readline().startswith(b'OK'):
                    pass
                if kind != 'sieve':
                    file.readline()
                sock.sendall(f'{line}\r\n'.encode())
                said = file.readline()
            if user == 'fields':
                assert second.wait_log('user=<fields>, forwarded=b\\+d'), (said, second.log_text())
            else:
                assert b'temporarily unavailable' in said
                looping, deadline = 'TTL reached zero - proxies appear to be looping?', time.monotonic() + 20
                while looping not in first.log_text() + second.log_text():
                    assert time.monotonic() < deadline, first.log_text() + second.log_text()
                    time.sleep(0.02)
        first.forgive()
        first.stop()
        second.stop()
