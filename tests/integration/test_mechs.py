# SPDX-License-Identifier: MIT
"""SASL mechanisms, by clients written here, with ours and Dovecot's auth."""
import base64
import hashlib
import hmac
import os
import re
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY, ROOT, Dovecot, Server, finish, have_user
from test_auth import Client, without

EXTRA = """\
auth_mechanisms = plain login cram-md5 digest-md5 apop scram-sha-1 scram-sha-256 oauthbearer xoauth2 external anonymous
auth_verbose = yes
auth_failure_delay = 0
auth_realms = r.example s.example
auth_master_user_separator = *
auth_ssl_username_from_cert = yes
passdb {
  driver = passwd-file
  args = DIR/masters
  master = yes
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u DIR/accounts
}
""" + AUTH_CLIENT + NO_PENALTY
PLUS = 'scram-sha-1-plus scram-sha-256-plus '
USERS = """\
alice:secret
alice@r.example:secret
ext:::::::nopassword=y
gone:secret::::::nologin reason=Gone
nets:secret::::::allow_nets=10.0.0.0/8
empty:
"""


def prepare(one, extra=EXTRA):
    one.extra = extra.replace('DIR', one.dir)
    made = ''
    for name, scheme in (('cram', 'CRAM-MD5'), ('dig', 'DIGEST-MD5'), ('s1', 'SCRAM-SHA-1'), ('s256', 'SCRAM-SHA-256'),
                         ('hash', 'SSHA256')):
        done = subprocess.run([one.commands()[1], '-c', '/dev/null', 'pw', '-s', scheme, '-p', 'secret', '-u', name],
                              capture_output=True, text=True, check=True)
        made += f'{name}:{done.stdout.strip()}\n'
    Path(one.dir, 'accounts').write_text(USERS + made)
    Path(one.dir, 'masters').write_text('admin:{PLAIN}adminpw\n')
    one.write_config()
    return one


@pytest.fixture(scope='module')
def running(tls):
    one = prepare(Server(tls, 'passdb {\n}\n', 'imap'), EXTRA.replace('= plain', f'= {PLUS}plain')).start()
    yield one
    finish(one)


@pytest.fixture
def auth(running):
    yield running
    complaints = running.complaints()
    assert not complaints, '\n'.join(complaints)


@pytest.fixture(scope='module')
def other(tls):
    if not ROOT or not os.path.exists('/usr/sbin/dovecot') or not have_user('dovenull'):
        pytest.skip("needs Debian's Dovecot, and root")
    one = prepare(Dovecot(tls, 'passdb {\n}\n', 'imap')).start()
    yield one
    one.stop()
    one.remove()


def b64(octets):
    return base64.b64encode(octets).decode()


def ask(client, mech, response=None, extra=''):
    client.last += 1
    text = '' if response is None else '\tresp=' + b64(response)
    return client.ask(f'AUTH\t{client.last}\t{mech}\tservice=imap\trip=127.0.0.1{extra}{text}')


def say(client, response):
    return client.ask(f'CONT\t{client.last}\t' + b64(response))


def data(line):
    return base64.b64decode(line.split('\t')[2]) if line.startswith('CONT') else None


# Each client returns auth's last line, with "!" in front if the server could not prove itself.

def cram(client, user, password, **_):
    challenge = data(ask(client, 'CRAM-MD5'))
    return say(client, user.encode() + b' ' + hmac.new(password.encode(), challenge, 'md5').hexdigest().encode())


def scram(client, user, password, digest='sha1', authz='', gs2=None, extra='', mech=None, binding=b'', spoil=''):
    mech = mech or {'sha1': 'SCRAM-SHA-1', 'sha256': 'SCRAM-SHA-256'}[digest]
    gs2 = gs2 or (f'n,a={authz},' if authz else 'n,,')
    bare = f'n={user},r={b64(os.urandom(9))}'
    line = ask(client, mech, (gs2 + bare).encode(), extra)
    if not line.startswith('CONT'):
        return line
    first = data(line).decode()
    values = dict(part.split('=', 1) for part in first.split(','))
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), base64.b64decode(values['s']), int(values['i']))
    key = hmac.digest(salted, b'Client Key', digest)
    final = f"c={b64(gs2.encode() + binding)},r={values['r']}{spoil}"
    message = f'{bare},{first},{final}'.encode()
    signature = hmac.digest(hashlib.new(digest, key).digest(), message, digest)
    line = say(client, f'{final},p={b64(bytes(a ^ b for a, b in zip(key, signature)))}'.encode())
    proof = b'v=' + b64(hmac.digest(hmac.digest(salted, b'Server Key', digest), message, digest)).encode()
    if line.startswith('CONT'):
        return say(client, b'') if data(line) == proof else '!' + line
    if '\tresp=' in line:
        assert line.endswith('\tresp=' + b64(proof))
    return line


def digest_md5(client, user, password, realm='', authz='', qop='auth', count='00000001', a1_user=None, extra='', uri='imap/x'):
    line = ask(client, 'DIGEST-MD5', None, extra)
    nonce = re.search('nonce="([^"]*)"', data(line).decode())[1]

    def hexed(*parts):
        return hashlib.md5(b':'.join(part if isinstance(part, bytes) else part.encode() for part in parts)).hexdigest()
    a1 = [hashlib.md5(f'{a1_user or user}:{realm}:{password}'.encode()).digest(), nonce, 'cn', *([authz] if authz else [])]
    answers = [hexed(hexed(*a1), nonce, count, 'cn', qop, hexed(f'{method}:{uri}')) for method in ('AUTHENTICATE', '')]
    line = say(client, (f'charset=utf-8,username="{user}",realm="{realm}",nonce="{nonce}",nc={count},cnonce="cn",qop={qop},'
                        f'digest-uri="{uri}",response={answers[0]}' + (f',authzid="{authz}"' if authz else '')).encode())
    if not line.startswith('CONT'):
        return line
    return say(client, b'') if data(line) == b'rspauth=' + answers[1].encode() else '!' + line


def apop(client, user, password, age=0, uid=None, **_):
    words = dict(line.split('\t', 1) for line in client.hello if '\t' in line)
    challenge = f"<{int(words['SPID']):x}.{int(uid or words['CUID']):x}.{int(time.time()) - age:x}.abc@x>"
    digest = hashlib.md5((challenge + password).encode()).digest()
    return ask(client, 'APOP', f'{challenge}\0{user}\0'.encode() + digest)


def oauth(client, user, password, mech='XOAUTH2', **_):
    first = f'user={user}' if mech == 'XOAUTH2' else f'n,a={user},'
    line = ask(client, mech, f'{first}\1auth=Bearer {password}\1\1'.encode())
    if line.startswith('CONT'):
        return data(line).decode() + say(client, b'\1')
    return line


def external(client, user, password, cert='', **_):
    return ask(client, 'EXTERNAL', user.encode(), f'\tvalid-client-cert\tcert_username={cert}' if cert else '')


def anonymous(client, user, password, **_):
    return ask(client, 'ANONYMOUS', user.encode())


CASES = [(who, user, password, more) for who, more in (
    (cram, {}), (scram, {}), (scram, {'digest': 'sha256'}), (digest_md5, {}), (apop, {}), (oauth, {}),
    (oauth, {'mech': 'OAUTHBEARER'}), (anonymous, {})) for user, password in (
        ('alice', 'secret'), ('alice', 'wrong'), ('Alice', 'secret'), ('cram', 'secret'), ('dig', 'secret'), ('DIG', 'secret'),
        ('s1', 'secret'), ('s256', 'secret'), ('hash', 'secret'), ('nobody', 'x'), ('gone', 'secret'), ('nets', 'secret'),
        ('empty', ''), ('al ice', 'x'), ('alice*admin', 'adminpw'), ('nobody*admin', 'adminpw'))
    if who is not digest_md5 or '*' not in user] + [  # Dovecot's cannot
    
    (scram, 'admin', 'adminpw', {'authz': 'alice'}), (scram, 'alice', 'secret', {'authz': 'alice'}),
    (scram, 'alice', 'secret', {'extra': '\tfinal-resp-ok'}), (scram, 'al=2Cice', 'secret', {}),
    (scram, 'alice', 'secret', {'gs2': 'y,,'}), (scram, 'alice', 'secret', {'gs2': 'p=tls-unique,,'}),
    (scram, 'alice', 'secret', {'gs2': 'x,,'}), (digest_md5, 'alice', 'secret', {'realm': 'r.example'}),
    (digest_md5, 'alice', 'secret', {'realm': 'other'}), (digest_md5, 'alice@r.example', 'secret', {}),
    (digest_md5, 'alice@r.example', 'secret', {'a1_user': 'alice'}), (digest_md5, 'alice', 'secret', {'qop': 'auth-int'}),
    (digest_md5, 'alice', 'secret', {'count': '00000002'}), (digest_md5, 'alice', 'secret', {'uri': 'pop3/y'}),
    (digest_md5, 'admin', 'adminpw', {'authz': 'alice'}), (digest_md5, 'alice', 'secret', {'authz': 'alice'}),
    (digest_md5, 'alice', 'secret', {'extra': '\tfinal-resp-ok'}), (apop, 'alice', 'secret', {'uid': '999999'}),
    (external, '', '', {}), (external, '', '', {'cert': 'ext'}), (external, 'ext', '', {'cert': 'ext'}),
    (external, '', '', {'cert': 'alice'}), (external, '', '', {'cert': 'nobody'}), (external, 'alice', '', {'cert': 'ext'})]


def is_same(ours, theirs):
    if 'FAIL' in theirs:
        # What it found of a user it tells whether or not the proof was right.
        return ours.split('\t')[:2] == theirs.split('\t')[:2]
    return re.sub(r'resp=\S+', '', without(ours, 'x=')) == re.sub(r'resp=\S+', '', without(theirs, 'x='))


def test_answers_are_those_of_dovecot(auth, other):
    def both(case):
        who, user, password, more = case
        return [who(Client(one), user, password, **more) for one in (auth, other)]
    with ThreadPoolExecutor(16) as pool:  # Dovecot holds refusals back
        answers = list(pool.map(both, CASES))
    different = [(case, pair) for case, pair in zip(CASES, answers) if not is_same(*pair)]
    assert not different, '\n'.join(map(str, different))
    assert sum(pair[0].startswith('OK') for pair in answers) > 50


def test_handshake_is_that_of_dovecot(auth, other):
    ours, theirs = ([line for line in Client(one).hello if line.startswith('MECH')] for one in (auth, other))
    assert [line for line in ours if 'PLUS' not in line] == theirs
    assert 'MECH\tSCRAM-SHA-256-PLUS\tprivate\tmutual-auth\tchannel-binding' in ours


def salt(client, user, digest='256', plus=''):
    extra = '\tcb-tls-exporter=' + b64(b'x') if plus else ''
    first = ('p=tls-exporter' if plus else 'n') + f',,n={user},r=x'
    return re.search('s=([^,]*),i=4096', data(ask(client, f'SCRAM-SHA-{digest}{plus}', first.encode(), extra)).decode())[1]


def test_unknown_users_see_what_others_see(auth):
    """A salt, always the same; refused after the proof."""
    client = Client(auth)
    names = ['nobody', 'alice', 'hash', 's256', 'nets']
    salts = [salt(client, user) for user in names]
    assert salts == [salt(Client(auth), user) for user in names] and len(set(salts)) == 5
    assert {len(one) for one in salts} == {24}
    # Names as users have them; of one mechanism, bound to the channel or not.
    for user in names:
        assert salt(client, user.upper()) == salt(client, user) == salt(client, user, plus='-PLUS')
        assert salt(client, user) != salt(client, user, '1') == salt(client, user, '1', '-PLUS')
    assert scram(client, 'nobody', 'x') == f'FAIL\t{client.last}\tuser=nobody'
    assert scram(client, 'gone', 'wrong') == f'FAIL\t{client.last}\tuser=gone'  # and no reason


def test_clients_leave_while_their_password_is_hashed(auth):
    for user in ('alice', 'nobody'):
        for what in ('\nCANCEL\t{0}', '\nCONT\t{0}\tAAAA', ''):
            client = Client(auth)
            for _ in range(20):
                line = ask(client, 'SCRAM-SHA-256', f'n,,n={user},r=x'.encode())
                final = f'c=biws,{data(line).decode().split(",")[0]},p={b64(bytes(32))}'
                client.send(f'CONT\t{client.last}\t{b64(final.encode())}' + what.format(client.last))
                if 'CONT' in what:
                    assert client.line().startswith(f'FAIL\t{client.last}')
                if not what:
                    break
            client.close()
    assert scram(Client(auth), 'alice', 'secret', 'sha256').startswith('OK')


def test_master_users_prove_themselves(auth):
    for who in (cram, scram, digest_md5, apop):
        client = Client(auth)
        assert who(client, 'alice*admin', 'adminpw') == 'OK\t1\tuser=alice\toriginal_user=admin\tauth_user=admin'
        assert who(client, 'alice*admin', 'secret').startswith('FAIL')


@pytest.mark.parametrize('kind', ['tls-exporter', 'tls-server-end-point'])
@pytest.mark.parametrize('digest, mech', [('sha1', 'SCRAM-SHA-1-PLUS'), ('sha256', 'SCRAM-SHA-256-PLUS')])
def test_channel_binding(auth, kind, digest, mech):
    extra = f'\tcb-{kind}=' + b64(b'what binds\0it')
    client = Client(auth)

    def login(binding=b'what binds\0it', password='secret', **more):
        return scram(client, 'alice', password, digest, mech=mech, **{'gs2': f'p={kind},,', 'extra': extra, **more}, binding=binding)
    assert login() == 'OK\t1\tuser=alice'
    assert login(binding=b'other') == 'FAIL\t2\tuser=alice'
    assert login(binding=b'') == 'FAIL\t3\tuser=alice'
    assert login(password='wrong').startswith('FAIL\t4')
    assert login(extra='') == 'FAIL\t5'
    assert login(gs2='p=tls-unique,,') == 'FAIL\t6'
    assert login(gs2='n,,', binding=b'') == 'FAIL\t7'
    # Somebody between hid the bound mechanism from the client.
    assert scram(client, 'alice', 'secret', digest, gs2='y,,', extra=extra) == 'FAIL\t8'
    assert scram(client, 'alice', 'secret', digest, gs2='n,,', extra=extra).startswith('OK\t9')


def test_scram_checks_every_part(auth):
    client = Client(auth)
    assert scram(client, 'alice', 'secret', spoil=',x=extension') == 'OK\t1\tuser=alice'
    assert scram(client, 'alice', 'secret', spoil='x') == 'FAIL\t2\tuser=alice'
    for text in ('', 'c=biws', 'c=biws,r=x', 'c=biws,r=x,p=', 'c=biws,r=x,p=!!', 'p=x,c=biws,r=x', 'c=biws,r=x,p=AAAA'):
        assert ask(client, 'SCRAM-SHA-1', b'n,,n=alice,r=x').startswith('CONT')
        assert say(client, text.encode()) == f'FAIL\t{client.last}\tuser=alice'


def test_challenges_of_apop_are_fresh(auth):
    assert apop(Client(auth), 'alice', 'secret', age=300) == 'OK\t1\tuser=alice'
    assert apop(Client(auth), 'alice', 'secret', age=1000) == 'FAIL\t1'
    assert apop(Client(auth), 'alice', 'secret', age=-100) == 'FAIL\t1'


def test_certificates_can_be_required(make_server):
    one = make_server('passdb {\n}\n', 'imap', start=False)
    prepare(one, EXTRA + 'auth_ssl_require_client_cert = yes\n').start()
    client = Client(one)
    assert client.plain('alice', 'secret') == "FAIL\t1\treason=Client didn't present valid SSL certificate"
    assert client.plain('alice', 'secret', extra='valid-client-cert') == 'OK\t2\tuser=alice'
    assert client.plain('ext', '', extra='valid-client-cert\tcert_username=alice') == 'FAIL\t3\tuser=alice'
    assert client.plain('x', 'secret', extra='valid-client-cert\tcert_username=alice') == 'OK\t4\tuser=alice'


# --- through IMAP ---------------------------------------------------------------------------------------------------

class Imap:
    """A client of IMAP that can say what Client says to auth."""

    def __init__(self, talk):
        self.talk, self.last, self.tag = talk, 0, 'a'
        self.greeting = self.talk.readline().decode()

    def ask(self, text):
        """AUTH and CONT as commands of IMAP, its answers as those of auth."""
        words = text.split('\t')
        response = words[-1].removeprefix('resp=')
        if words[0] == 'AUTH':
            self.tag = f'a{words[1]}'
            ir = ('=' if not response else response) if 'resp=' in text else ''
            self.talk.write(f'{self.tag} AUTHENTICATE {words[2]} {ir}'.rstrip().encode() + b'\r\n')
        else:
            self.talk.write(response.encode() + b'\r\n')
        self.talk.flush()
        while True:
            line = self.talk.readline().decode().strip()
            if line.startswith('+'):
                return f'CONT\t{self.last}\t{line[2:]}'
            if line.startswith(self.tag):
                return line.split()[1].replace('NO', 'FAIL')
            assert line.startswith('* CAPABILITY') or line == '', line

    def capabilities(self):
        self.talk.write(b'c CAPABILITY\r\n')
        self.talk.flush()
        line = self.talk.readline().decode()
        assert self.talk.readline().startswith(b'c OK')
        return line.split()


def imap(server, context=None):
    sock = socket.create_connection(('127.0.0.1', server.port('imaps' if context else 'imap')), 30)
    return Imap((context.wrap_socket(sock) if context else sock).makefile('rwb'))


def any_context(**certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(**certificate)
    return context


IMAP = """\
auth_mechanisms = plain scram-sha-256 scram-sha-256-plus external
auth_failure_delay = 0
auth_ssl_username_from_cert = yes
ssl_ca = <DIR/ca.crt
ssl_verify_client_cert = yes
ssl_require_crl = no
passdb {
  driver = static
  args = password=secret
  mechanisms = scram-sha-256 scram-sha-256-plus
}
passdb {
  driver = static
  args = nopassword=y
  mechanisms = external
}
userdb {
  driver = passwd-file
  args = DIR/users
}
""" + NO_PENALTY


def openssl(*args):
    subprocess.run(['openssl', *args], check=True, capture_output=True)


@pytest.fixture(scope='module')
def over_tls(tls):
    one = Server(tls, 'passdb {\n}\n', 'imap')
    key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    openssl('req', '-x509', *key, '-days', '9', '-subj', '/CN=our CA', '-keyout', f'{one.dir}/ca.key', '-out', f'{one.dir}/ca.crt')
    openssl('req', *key, '-subj', '/CN=alice', '-keyout', f'{one.dir}/alice.key', '-out', f'{one.dir}/alice.csr')
    openssl('x509', '-req', '-in', f'{one.dir}/alice.csr', '-CA', f'{one.dir}/ca.crt', '-CAkey', f'{one.dir}/ca.key', '-days', '9',
            '-CAcreateserial', '-out', f'{one.dir}/alice.crt')
    openssl('req', '-x509', *key, '-days', '9', '-subj', '/CN=alice', '-keyout', f'{one.dir}/other.key',
            '-out', f'{one.dir}/other.crt')
    one.extra = IMAP.replace('DIR', one.dir)
    one.write_config()
    yield one.start()
    finish(one)


def test_bound_mechanisms_are_for_tls(over_tls):
    assert 'AUTH=SCRAM-SHA-256-PLUS' in imap(over_tls, any_context()).capabilities()
    plain = imap(over_tls).capabilities()
    assert 'AUTH=SCRAM-SHA-256' in plain and 'AUTH=SCRAM-SHA-256-PLUS' not in plain


def test_binding_to_the_certificate(over_tls):
    certificate = hashlib.sha256(ssl.PEM_cert_to_DER_cert(Path(f'{over_tls.tls}.crt').read_text())).digest()
    for binding, answer in ((b'x', 'FAIL'), (certificate, 'OK')):
        client = imap(over_tls, any_context())
        assert scram(client, 'alice', 'secret', 'sha256', mech='SCRAM-SHA-256-PLUS', gs2='p=tls-server-end-point,,',
                     binding=binding) == answer
    # Who hides it from a client that can is found out.
    assert scram(imap(over_tls, any_context()), 'alice', 'secret', 'sha256', gs2='y,,') == 'FAIL'
    assert scram(imap(over_tls), 'alice', 'secret', 'sha256', gs2='y,,') == 'OK'


@pytest.mark.parametrize('version', ['-tls1_2', '-tls1_3'])
def test_binding_to_the_connection(over_tls, version):
    proc = subprocess.Popen(['openssl', 's_client', '-connect', f"127.0.0.1:{over_tls.port('imaps')}", version,
                             '-keymatexport', 'EXPORTER-Channel-Binding', '-keymatexportlen', '32'],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)

    class Both:
        write, flush = proc.stdin.write, proc.stdin.flush

        @staticmethod
        def readline():
            line = proc.stdout.readline()
            if b'Keying material: ' in line:
                material.append(bytes.fromhex(line.split()[-1].decode()))
            return line if line[:1] in b'*+ac' else Both.readline()
    material = []
    try:
        client = Imap(Both)
        while not client.greeting.startswith('* OK'):
            client.greeting = Both.readline().decode()
        # TLS 1.2 exports another value without a context than with an empty one.
        answer = scram(client, 'alice', 'secret', 'sha256', mech='SCRAM-SHA-256-PLUS', gs2='p=tls-exporter,,', binding=material[0])
        assert answer == ('OK' if version == '-tls1_3' else 'FAIL')
    finally:
        proc.kill()
        proc.wait()


def test_certificates_log_in(over_tls):
    ours = {'certfile': f'{over_tls.dir}/alice.crt', 'keyfile': f'{over_tls.dir}/alice.key'}
    for response in (b'', b'alice'):
        assert ask(imap(over_tls, any_context(**ours)), 'EXTERNAL', response) == 'OK'
    assert ask(imap(over_tls, any_context(**ours)), 'EXTERNAL', b'bob') == 'FAIL'
    assert ask(imap(over_tls, any_context()), 'EXTERNAL', b'alice') == 'FAIL'
    others = {'certfile': f'{over_tls.dir}/other.crt', 'keyfile': f'{over_tls.dir}/other.key'}
    assert ask(imap(over_tls, any_context(**others)), 'EXTERNAL', b'alice') == 'FAIL'
