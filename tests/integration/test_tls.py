# SPDX-License-Identifier: MIT
"""TLS of the login processes: which certificate, which settings, and new ones while the server runs."""
import functools
import os
import re
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from certs import Authority, openssl, self_signed
from conftest import mail_owner, open_up
from imap_lines import Lines


def context(**kwargs):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    for name, value in kwargs.items():
        setattr(made, name, value)
    return made


class Client:
    """An IMAP or POP3 client in TLS."""

    def __init__(self, server, port='imaps', name=None, ctx=None, starttls=None, session=None, host='127.0.0.1'):
        sock = socket.create_connection((host, server.port(port)), 30)
        self.file = None
        if starttls is not None:
            self.plain_greeting = sock.recv(4096)
            sock.sendall(starttls)
            assert b'OK' in sock.recv(4096)
        self.sock = (ctx or context()).wrap_socket(sock, server_hostname=name, session=session)
        self.file = self.sock.makefile('rb')
        self.greeting = self.file.readline() if starttls is None else None

    def ask(self, command):
        self.sock.sendall(b'a ' + command + b'\r\n')
        while True:
            line = self.file.readline()
            if line.startswith((b'a ', b'* BYE')) or not line:
                return line

    def name(self):
        """The common name of the server's certificate."""
        der = self.sock.getpeercert(True)
        text = subprocess.run(['openssl', 'x509', '-inform', 'DER', '-noout', '-subject', '-nameopt', 'multiline'],
                              input=der, capture_output=True, check=True).stdout.decode()
        return re.search(r'commonName\s*= (.*)', text)[1]

    def close(self):
        self.file.close()
        self.sock.close()


class Plain(Client):
    def __init__(self, server, port='imap', host='127.0.0.1', source=None):
        self.sock = socket.create_connection((host, server.port(port)), 30, source_address=source)
        self.file = self.sock.makefile('rb')
        self.greeting = self.file.readline()


def cert_name(server, *args, **kwargs):
    client = Client(server, *args, **kwargs)
    try:
        return client.name()
    finally:
        client.close()


def wait_for(what, timeout=20):
    deadline = time.monotonic() + timeout
    while not what() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert what()


# --- names -----------------------------------------------------------------------


def block(base, names, more=''):
    return f'local_name {names} {{\n  ssl_cert = <{base}.crt\n  ssl_key = <{base}.key\n{more}}}\n'


@pytest.fixture(scope='module')
def certs(tmp_path_factory):
    path = tmp_path_factory.mktemp('certs')
    return {name: self_signed(path / name.replace('*', 'star'), name)
            for name in ('one.example', '*.two.example', 'several', 'by-address', 'strict')}


def named_blocks(certs):
    return (block(certs['one.example'], 'one.example', '  login_greeting = this is one\n') +
            block(certs['*.two.example'], '*.two.example') +
            block(certs['several'], '"a.three.example b.three.example"') +
            block(certs['strict'], 'strict.example', '  ssl_min_protocol = TLSv1.3\n') +
            f'local 127.0.0.2 {{\n  ssl_cert = <{certs["by-address"]}.crt\n  ssl_key = <{certs["by-address"]}.key\n}}\n')


NAMES = [(None, 'localhost'), ('one.example', 'one.example'), ('ONE.example', 'one.example'),
         ('x.one.example', 'localhost'), ('a.two.example', '*.two.example'), ('two.example', 'localhost'),
         ('a.b.two.example', 'localhost'), ('a.three.example', 'several'), ('b.three.example', 'several'),
         ('nowhere.example', 'localhost')]


def test_names_choose_certificates(make_server, certs):
    server = make_server('listen = 127.0.0.1, 127.0.0.2\n' + named_blocks(certs), 'imap pop3')
    for name, wanted in NAMES:
        assert cert_name(server, name=name) == wanted
        assert cert_name(server, 'pop3s', name=name) == wanted
        assert cert_name(server, 'imap', name=name, starttls=b'a STARTTLS\r\n') == wanted
        assert cert_name(server, 'pop3', name=name, starttls=b'STLS\r\n') == wanted
    assert cert_name(server, host='127.0.0.2') == 'by-address'
    client = Client(server, name='one.example')
    assert b'this is one' in client.greeting
    assert b'OK' in client.ask(b'LOGIN alice secret')
    client.close()
    # The version is settled after the name.
    assert cert_name(server, name='strict.example') == 'strict'
    with pytest.raises(ssl.SSLError):
        Client(server, name='strict.example', ctx=context(maximum_version=ssl.TLSVersion.TLSv1_2))
    assert cert_name(server, name='one.example', ctx=context(maximum_version=ssl.TLSVersion.TLSv1_2)) == 'one.example'


def test_names_as_dovecot_chooses(make_dovecot, certs):
    theirs = make_dovecot(named_blocks(certs), 'imap')
    for name, wanted in NAMES:
        # Dovecot holds capitals for another name.
        if name is None or name.islower():
            assert cert_name(theirs, name=name) == wanted, name


def test_a_bad_certificate_in_a_block_is_refused_at_start(make_server, certs):
    server = make_server(f'local_name bad.example {{\n  ssl_cert = <{certs["several"]}.crt\n'
                         f'  ssl_key = <{certs["one.example"]}.key\n}}\n', 'imap', start=False)
    with pytest.raises(AssertionError):
        server.start()
    assert re.search(r'line \d+: ssl_key: ', server.console())


def test_a_second_certificate_for_another_kind_of_key(make_server, make_dovecot, tmp_path):
    self_signed(tmp_path / 'rsa', 'rsa', kind='rsa')
    more = f'ssl_alt_cert = <{tmp_path}/rsa.crt\nssl_alt_key = <{tmp_path}/rsa.key\n'
    for make in (make_server, make_dovecot):
        server = make(more, 'imap')
        old = context(maximum_version=ssl.TLSVersion.TLSv1_2)
        old.set_ciphers('ECDHE-RSA-AES256-GCM-SHA384')
        assert cert_name(server, ctx=old) == 'rsa'
        old.set_ciphers('ECDHE-ECDSA-AES256-GCM-SHA384')
        assert cert_name(server, ctx=old) == 'localhost'


# --- new certificates --------------------------------------------------------------


def replace(base, name, days=30):
    """As an ACME client: by rename, one after the other."""
    self_signed(f'{base}.new', name, days)
    for kind in ('key', 'crt'):
        os.rename(f'{base}.new.{kind}', f'{base}.{kind}')


def test_new_files_are_used_by_themselves(make_server, tmp_path):
    base, link = str(tmp_path / 'cert'), tmp_path / 'live'
    self_signed(base, 'first')
    link.mkdir()
    (tmp_path / 'archive').mkdir()
    self_signed(tmp_path / 'archive/1', 'linked-first')
    for kind in ('crt', 'key'):
        (link / f'it.{kind}').symlink_to(f'../archive/1.{kind}')
    server = make_server(f'ssl_cert = <{base}.crt\nssl_key = <{base}.key\nssl_client_cert = $ssl_cert\n'
                         'ssl_client_key = $ssl_key\n' + block(link / 'it', 'linked.example'), 'imap')
    old = Client(server)
    assert b'OK' in old.ask(b'LOGIN alice secret')
    plain = Plain(server)
    assert b'OK' in plain.ask(b'LOGIN bob secret')
    replace(base, 'second')
    wait_for(lambda: cert_name(server) == 'second')
    assert cert_name(server, name='linked.example') == 'linked-first'
    assert b'OK' in old.ask(b'NOOP')
    # A symbolic link that points somewhere else now.
    self_signed(tmp_path / 'archive/2', 'linked-second')
    for kind in ('crt', 'key'):
        (link / f'new.{kind}').symlink_to(f'../archive/2.{kind}')
        os.rename(link / f'new.{kind}', link / f'it.{kind}')
    wait_for(lambda: cert_name(server, name='linked.example') == 'linked-second')
    # Nothing else was read again.
    Path(server.config).write_text('nonsense\n')
    # What does not fit is not used, and said.
    start = len(server.log_text())
    self_signed(f'{base}.other', 'other')
    os.rename(f'{base}.other.crt', f'{base}.crt')
    assert server.wait_log(r'master: Error: .* line \d+: ssl_key: .*: the certificates that were read before stay in use',
                           start=start)
    assert cert_name(server) == 'second'
    start = len(server.log_text())
    os.rename(f'{base}.key', f'{base}.gone')
    assert server.wait_log(r'master: Error: ssl_key: .*No such file.*stay in use', start=start)
    assert cert_name(server) == 'second'
    # One that is not written yet, and one whose chain is broken.
    os.rename(f'{base}.gone', f'{base}.key')
    whole = Path(f'{base}.crt').read_text()
    for text, said in (('', 'ssl_cert: File .* is empty'), (whole + '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 'ssl_cert: ')):
        start = len(server.log_text())
        Path(f'{base}.crt').write_text(text)
        assert server.wait_log(f'master: Error: .*{said}.*stay in use', start=start)
        assert cert_name(server) == 'second'
    Path(f'{base}.crt').write_text(whole)
    os.rename(f'{base}.other.key', f'{base}.key')
    wait_for(lambda: cert_name(server) == 'other')
    assert b'OK' in old.ask(b'NOOP')
    assert b'OK' in plain.ask(b'NOOP')
    assert b'OK' in Client(server).ask(b'LOGIN alice secret')
    old.close()
    plain.close()


def test_certificates_that_end_soon_are_named(make_server, tmp_path):
    base = str(tmp_path / 'cert')
    self_signed(base, 'soon', days=5)
    server = make_server(f'ssl_cert = <{base}.crt\nssl_key = <{base}.key\n', 'imap')
    assert server.wait_log(rf'master: Warning: ssl_cert: The certificate in {base}.crt expires in [45] days')
    start = len(server.log_text())
    replace(base, 'later', days=40)
    assert server.wait_log('Certificates have changed', start=start)
    assert 'expires' not in server.log_text()[start:]


# --- handshakes ---------------------------------------------------------------------


def test_alpn_is_checked_when_offered(make_server):
    server = make_server('', 'imap pop3')
    for port, name, starttls in (('imaps', 'imap', None), ('pop3s', 'pop3', None), ('imap', 'imap', b'a STARTTLS\r\n'),
                                 ('pop3', 'pop3', b'STLS\r\n')):
        offer = context()
        offer.set_alpn_protocols(['x', name])
        client = Client(server, port, ctx=offer, starttls=starttls)
        assert client.sock.selected_alpn_protocol() == name
        client.close()
        offer.set_alpn_protocols(['http/1.1', 'h2'])
        with pytest.raises(ssl.SSLError, match='(?i)no.application.protocol'):
            Client(server, port, ctx=offer, starttls=starttls)


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=['1.2', '1.3'])
@pytest.mark.parametrize('options, resumed', [('', True), ('no_ticket', False)])
def test_session_tickets(make_server, version, options, resumed):
    """Also from one process to another."""
    server = make_server(f'ssl_options = {options}\nservice imap-login {{\n  service_count = 1\n}}\n', 'imap')
    ctx = context(minimum_version=version, maximum_version=version)
    first = Client(server, ctx=ctx)
    session = first.sock.session
    first.close()
    again = Client(server, ctx=ctx, session=session)
    assert again.sock.session_reused == resumed
    assert b'OK' in again.ask(b'LOGIN alice secret')
    again.close()


# What each setting does: the settings, and how openssl(1) comes.
SETTINGS = {
    '': [['-tls1_2'], ['-tls1_3'], ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], ['-tls1_2', '-cipher', 'AES128-SHA'],
         ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA'], ['-tls1_2', '-cipher', 'eNULL:aNULL:@SECLEVEL=0']],
    'ssl_min_protocol = TLSv1.1\nssl_cipher_list = ALL:@SECLEVEL=0': [
        ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], ['-tls1', '-cipher', 'ALL:@SECLEVEL=0']],
    'ssl_min_protocol = ANY\nssl_cipher_list = ALL:@SECLEVEL=0': [['-tls1', '-cipher', 'ALL:@SECLEVEL=0']],
    'ssl_min_protocol = TLSv1.3': [['-tls1_2'], ['-tls1_3']],
    'ssl_min_protocol = LATEST': [['-tls1_2'], ['-tls1_3']],
    'ssl_min_protocol = tlsv1.3\nssl_options = no_compression,no_ticket': [['-tls1_2'], ['-tls1_3']],
    'ssl_cipher_list = ECDHE-ECDSA-AES256-GCM-SHA384': [
        ['-tls1_2'], ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'], ['-tls1_3']],
    'ssl_cipher_suites = TLS_CHACHA20_POLY1305_SHA256': [
        ['-tls1_3'], ['-tls1_3', '-ciphersuites', 'TLS_AES_128_GCM_SHA256'], ['-tls1_2']],
    'ssl_prefer_server_ciphers = yes\n'
    'ssl_cipher_list = ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256': [
        ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384']],
    'ssl_cipher_list = ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256': [
        ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384']],
    'ssl_curve_list = P-384': [['-tls1_3'], ['-tls1_3', '-groups', 'X25519'], ['-tls1_2', '-groups', 'P-384']],
    'ssl_curve_list = P-521:P-384': [['-tls1_2', '-groups', 'P-384:P-521'], ['-tls1_3', '-groups', 'P-384']],
    'ssl_cert = <{dir}/rsa.crt\nssl_key = <{dir}/rsa.key\nssl_dh = <{dir}/dh\nssl_cipher_list = DHE-RSA-AES256-GCM-SHA384': [
        ['-tls1_2']],
    'ssl_cert = <{dir}/rsa.crt\nssl_key = <{dir}/locked.key\nssl_key_password = open it': [['-tls1_2'], ['-tls1_3']],
}


def handshake(server, host, args):
    """What openssl(1) says of it; None if there was none."""
    done = subprocess.run(['openssl', 's_client', '-connect', f'{host}:{server.port("imaps")}', *args], input=b'',
                          capture_output=True, check=False, timeout=30)
    text = done.stdout.decode()
    cipher = re.search(r'New, (\S+), Cipher is (\S+)', text)
    if cipher is None or cipher[2] == '(NONE)':
        return None
    assert 'Compression: NONE' in text
    key = re.search(r'Server Temp Key: ([\w, -]+)', text)
    # OpenSSL 1.3's name for the version of all suites before it is of no use.
    return re.search(r'Protocol *: *(\S+)|New, (\S+),', text)[0], cipher[2], key and key[1]


def by_address(tmp_path):
    self_signed(tmp_path / 'rsa', 'rsa', kind='rsa')
    openssl('pkey', '-in', tmp_path / 'rsa.key', '-aes256', '-passout', 'pass:open it', '-out', tmp_path / 'locked.key')
    openssl('genpkey', '-genparam', '-algorithm', 'DH', '-pkeyopt', 'group:ffdhe3072', '-out', tmp_path / 'dh')
    hosts = [f'127.0.0.{n}' for n in range(1, len(SETTINGS) + 1)]
    extra = f'listen = {", ".join(hosts)}\n'
    for host, settings in zip(hosts, SETTINGS):
        text = settings.format(dir=tmp_path)
        extra += f'local {host} {{\n{text}\n}}\n'
    return hosts, extra


def test_settings_as_dovecot_takes_them(make_server, make_dovecot, tmp_path):
    hosts, extra = by_address(tmp_path)
    servers = make_server(extra, 'imap'), make_dovecot(extra, 'imap')
    for host, (settings, tries) in zip(hosts, SETTINGS.items()):
        for args in tries:
            ours, theirs = [handshake(server, host, args) for server in servers]
            assert ours == theirs, (settings, args)
    seen = handshake(servers[0], hosts[0], ['-tls1_3'])
    assert seen is not None and seen[1] == 'TLS_AES_256_GCM_SHA384'
    assert 'DH, 3072 bits' in handshake(servers[0], hosts[-2], ['-tls1_2'])[2]


# --- clients' certificates ------------------------------------------------------------


USERS = '''
auth_mechanisms = plain external
auth_ssl_username_from_cert = yes
auth_failure_delay = 0
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
{more}
passdb {{
  driver = static
  args = nopassword=y
  mechanisms = external
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/home/%u
}}
'''


def users(path, more):
    uid, gid = mail_owner()
    (path / 'home').mkdir()
    os.chown(path / 'home', uid, gid)
    open_up(path)
    (path / 'users').write_text('alice:secret\nbob:secret\n')
    return USERS.format(dir=path, more=more, uid=uid, gid=gid)


def login_with(server, base):
    """How a login goes that has a certificate of its own, or none, with and without a password."""
    seen = []
    for command in (b'AUTHENTICATE EXTERNAL =', b'LOGIN alice secret', b'LOGIN bob secret'):
        ctx = context()
        if base is not None:
            ctx.load_cert_chain(f'{base}.crt', f'{base}.key')
        try:
            client = Client(server, ctx=ctx)
            answer = client.ask(command)
            client.close()
        except (ssl.SSLError, OSError) as error:
            answer = type(error).__name__.encode()
        seen.append(re.sub(rb'\[CAPABILITY.*?\] ', b'', answer))
    return seen


@pytest.mark.parametrize('settings, crl', [
    ('', True), ('', False), ('ssl_require_crl = no', False),
    ('ssl_cert_username_field = x500UniqueIdentifier\nauth_ssl_require_client_cert = yes', True)])
def test_clients_certificates_as_dovecot(make_server, make_dovecot, tmp_path, settings, crl):
    ours, strange = Authority(tmp_path / 'ours'), Authority(tmp_path / 'strange')
    certs = {
        'good': ours.sign('good', '/CN=alice/x500UniqueIdentifier=bob'),
        'gone': ours.sign('gone', '/CN=alice/x500UniqueIdentifier=bob'),
        'nameless': ours.sign('nameless', '/O=nobody'),
        'strange': strange.sign('strange', '/CN=alice/x500UniqueIdentifier=bob'),
        'self': self_signed(tmp_path / 'self', 'alice'),
        'none': None,
    }
    ours.revoke(certs['gone'])
    more = f'ssl_ca = <{ours.bundle(crl)}\nssl_verify_client_cert = yes\n{settings}'
    extra = users(tmp_path, more)
    seen = [{name: login_with(make(extra, 'imap'), base) for name, base in certs.items()}
            for make in (functools.cache(make_server), functools.cache(make_dovecot))]
    # A foreign one leaves errors behind on which Dovecot ends the connection, mostly.
    assert b'OK' not in seen[0].pop('strange')[0]
    seen[1].pop('strange')
    assert seen[0] == seen[1]
    if settings == '' and crl:
        assert seen[0]['good'] == [b'a OK Logged in\r\n'] * 3
        assert b'OK' not in seen[0]['gone'][0]


def test_a_bad_certificate_harms_no_other_connection(make_server, tmp_path):
    """OpenSSL's list of errors is the whole process's."""
    ours, strange = Authority(tmp_path / 'ours'), Authority(tmp_path / 'strange')
    server = make_server(f'ssl_ca = <{ours.bundle()}\nssl_verify_client_cert = yes\n', 'imap')
    base = strange.sign('strange', '/CN=alice')
    waiting = [Client(server) for _ in range(5)]
    for _ in range(5):
        ctx = context()
        ctx.load_cert_chain(f'{base}.crt', f'{base}.key')
        assert b'OK' in Client(server, ctx=ctx).ask(b'LOGIN alice secret')
    for client in waiting:
        assert b'OK' in client.ask(b'NOOP')


def test_a_session_of_one_name_is_no_proof_for_another(make_server, tmp_path):
    """A ticket given to a client whose certificate one name's authority vouched for, shown to another name
    (as in CVE-2025-23419)."""
    one, two = Authority(tmp_path / 'one'), Authority(tmp_path / 'two')
    blocks = ''.join(f'local_name {name}.example {{\n  ssl_ca = <{authority.bundle()}\n  ssl_verify_client_cert = yes\n'
                     '}\n' for name, authority in (('one', one), ('two', two)))
    server = make_server(users(tmp_path, blocks), 'imap')
    base = one.sign('alice', '/CN=alice')
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        ctx = context(minimum_version=version, maximum_version=version)
        ctx.load_cert_chain(f'{base}.crt', f'{base}.key')
        first = Client(server, name='one.example', ctx=ctx)
        assert b'OK' in first.ask(b'AUTHENTICATE EXTERNAL =')
        session = first.sock.session
        again = Client(server, name='one.example', ctx=ctx, session=session)
        assert b'OK' in again.ask(b'AUTHENTICATE EXTERNAL =')
        other = Client(server, name='two.example', ctx=ctx, session=session)
        assert not other.sock.session_reused
        assert b'OK' not in other.ask(b'AUTHENTICATE EXTERNAL =')
        for client in (first, again, other):
            client.close()


def test_verbose_ssl_says_what_dovecot_says(make_server, make_dovecot):
    """The steps of a handshake (but for those that had to wait), and the alert of a client that does not know who signed."""
    seen = []
    for make in (make_server, make_dovecot):
        server = make('verbose_ssl = yes\n', 'imap')
        for trusting in (True, False):
            start = len(server.log_text())
            offer = context()
            if not trusting:
                offer.verify_mode = ssl.CERT_REQUIRED
            try:
                Client(server, 'imaps', ctx=offer).close()
            except ssl.SSLError:
                assert not trusting
            assert server.wait_log('SSL negotiation finished' if trusting else 'SSL alert: .*unknown CA', start=start)
            seen.append(set(re.findall(r'imap-login: Debug: (SSL(?: alert)?: (?!close|.*ret=-1).*)', server.log_text()[start:])))
    assert [a ^ b for a, b in zip(seen, seen[2:])] == [set(), set()] and len(seen[0]) > 10


def test_a_handshake_that_fails_is_logged_as_dovecot(make_server, make_dovecot):
    for make in (make_server, make_dovecot):
        server = make('', 'imap')
        with socket.create_connection(('127.0.0.1', server.port('imaps')), 30) as sock:
            sock.sendall(b'a LOGIN alice secret\r\n')
            # A login process of Dovecot's that has just begun has not met auth yet.
            end = 'no auth attempts' if server.label == 'dovetail' else '(?:no auth attempts|disconnected before auth was ready)'
            assert server.wait_log(r'Disconnected: Connection closed: SSL_accept\(\) failed: error:0A00010B:SSL routines::'
                                   rf'wrong version number \({end}')


def test_a_server_without_certificates(make_server):
    """ssl = no, and no file of TLS in the configuration at all."""
    one = make_server('ssl = no\n', 'imap', start=False)
    path = Path(one.config)
    path.write_text(re.sub(r'(?m)^ssl_(cert|key) = .*\n', '', path.read_text()))
    one.start()
    assert b' OK ' in Lines(one.port('imap'), 'alice').command(b'NOOP')[-1]
