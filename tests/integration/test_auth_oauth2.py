# SPDX-License-Identifier: MIT
"""passdb oauth2 against a token server that is a test double, and with tokens that carry their own proof."""
import base64
import json
import re
import threading
import time
import urllib.parse
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from conftest import AUTH_CLIENT, NO_PENALTY, certificate
from http_double import Double
from test_auth import Client, Master

EXTRA = """\
auth_mechanisms = plain oauthbearer xoauth2
auth_failure_delay = 0
auth_verbose = yes
auth_username_chars =
passdb {
  driver = oauth2
  mechanisms = MECHS
  args = DIR/oauth2.conf.ext
}
userdb {
  driver = static
  args = uid=7001 gid=7002 home=/h/%u
}
""" + AUTH_CLIENT + NO_PENALTY
TOKENS = {'good': {'email': 'alice', 'scope': 'mail openid', 'active': True, 'team': 'red'}, 'other': {'email': 'bob', 'scope': 'mail', 'active': True},
          'asleep': {'email': 'alice', 'scope': 'mail', 'active': False}, 'narrow': {'email': 'alice', 'scope': 'web', 'active': True},
          'nobody': {'scope': 'mail', 'active': True}, 'aud': {'email': 'alice', 'aud': ['x', 'mail'], 'active': True},
          'a b&c=d/%': {'email': 'alice', 'scope': 'mail', 'active': True}}


def answer(method, path, headers, body):
    where, _, query = path.partition('?')
    form = dict(urllib.parse.parse_qsl(body))
    token = {'/info': urllib.parse.unquote(query.partition('=')[2]), '/post': form.get('token'),
             '/auth': (headers.get('Authorization') or '')[7:]}.get(where)
    if where == '/grant':
        if form != {'grant_type': 'password', 'client_id': 'id', 'client_secret': 's&t', 'scope': 'mail', 'username': 'alice', 'password': 'pässword &'}:
            return 401, '{"error": "invalid_grant"}'
        return 200, '{"access_token": "good", "token_type": "bearer"}'
    if token == 'slow':
        time.sleep(3)
        return 200, '{}'
    if token in ('huge', 'text', 'broken', 'list', 'gone', 'moved'):
        return {'huge': (200, '{"email": "' + 'x' * 100000 + '"}'), 'text': (200, 'hello'), 'broken': (500, '{}'), 'list': (200, '[1]'),
                'gone': None, 'moved': (302, '{}')}[token]
    return (200, json.dumps(TOKENS[token])) if token in TOKENS else (401, '{"error": "invalid_token"}')


@pytest.fixture(scope='module')
def double():
    one = Double(answer)
    yield one
    one.close()


@pytest.fixture
def prepare(make_server):
    def make(text, mechs='oauthbearer xoauth2 plain none', start=True):
        one = make_server('passdb {\n}\n', 'imap', start=False)
        one.extra = EXTRA.replace('DIR', one.dir).replace('MECHS', mechs)
        Path(one.dir, 'oauth2.conf.ext').write_text(text.replace('DIR', one.dir))
        one.write_config()
        return one.start() if start else one
    return make


COMMON = 'scope = mail\nactive_attribute = active\nactive_value = true\npass_attrs = team=%{oauth2:team} userdb_mail=maildir:~/%{oauth2:email}\n'


def oauth(client, user, token, mech='OAUTHBEARER'):
    """The answer, and what a client is told before a refusal."""
    client.last += 1
    text = f'n,a={user},\1auth=Bearer {token}\1\1' if mech == 'OAUTHBEARER' else f'user={user}\1auth=Bearer {token}\1\1'
    line = client.ask(f'AUTH\t{client.last}\t{mech}\tservice=imap\trip=127.0.0.1\tresp={base64.b64encode(text.encode()).decode()}')
    told = None
    if line.startswith('CONT'):
        told = json.loads(base64.b64decode(line.split('\t')[2]))
        line = client.ask(f'CONT\t{client.last}\tAQ==')
    return '\t'.join(word for number, word in enumerate(line.split('\t')) if number != 1), told


@pytest.mark.parametrize('mode', ('tokeninfo_url = URL/info?token=\n', 'introspection_mode = get\nintrospection_url = URL/info?token=\n',
                                  'introspection_mode = post\nintrospection_url = URL/post\n',
                                  'introspection_mode = auth\nintrospection_url = URL/auth\n'), ids=('tokeninfo', 'get', 'post', 'auth'))
def test_tokens(prepare, double, mode):
    one = prepare(COMMON + mode.replace('URL', double.url) + 'openid_configuration_url = https://x.example/openid\n')
    client = Client(one)
    refused = {'status': 'invalid_token', 'openid-configuration': 'https://x.example/openid'}
    for mech in ('OAUTHBEARER', 'XOAUTH2'):
        assert oauth(client, 'alice', 'good', mech) == ('OK\tuser=alice\tteam=red', None)
        assert oauth(client, 'alice', 'aud', mech)[0].startswith('OK')
    for token in ('other', 'asleep', 'narrow', 'nobody', 'unknown'):
        assert oauth(client, 'alice', token) == ('FAIL\tuser=alice', refused), token
    for token in ('huge', 'text', 'broken', 'list', 'gone', 'moved'):
        assert oauth(client, 'alice', token) == ('FAIL\tuser=alice\tcode=temp_fail', None), token
    if mode.startswith('intro') and 'auth' not in mode or 'tokeninfo' in mode:
        assert oauth(client, 'alice', 'a b&c=d/%')[0].startswith('OK')
    assert client.plain('alice', 'good').startswith('OK')  # a token as password
    assert client.plain('bob', 'good').startswith('FAIL')
    assert 'good' not in one.log_text().replace('user account', '')
    login = Client(one, 'auth-login', 70020)
    assert oauth(login, 'alice', 'good')[0].startswith('OK')
    assert 'mail=maildir:~/alice' in Master(one).ask(f'REQUEST\t3\t70020\t1\t{login.cookie}').split('\t')
    one.forgive()


@pytest.mark.parametrize('mode', ('get', 'post', 'auth'))
def test_tokens_that_are_not_active(prepare, double, mode):
    """RFC 7662: nobody need say so with active_attribute."""
    url = double.url + {'get': '/info?token='}.get(mode, '/' + mode)
    one = prepare(f'introspection_mode = {mode}\nintrospection_url = {url}\n')
    client = Client(one)
    assert oauth(client, 'alice', 'good')[0] == 'OK\tuser=alice'
    assert oauth(client, 'alice', 'asleep')[0] == 'FAIL\tuser=alice'
    assert one.wait_log('oauth2 failed: Token is not active')


def test_passwords_are_granted(prepare, double):
    one = prepare(COMMON + f'grant_url = {double.url}/grant\nuse_grant_password = yes\nclient_id = id\nclient_secret = s&t\n'
                  f'introspection_url = {double.url}/auth\nintrospection_mode = auth\n', 'plain')
    client = Client(one)
    assert client.plain('alice', 'pässword &') == 'OK\t1\tuser=alice\tteam=red'
    assert client.plain('alice', 'wrong') == 'FAIL\t2\tuser=alice'
    assert client.plain('nobody', 'pässword &') == 'FAIL\t3\tuser=nobody'
    assert oauth(client, 'alice', 'good')[0] == 'FAIL\tuser=alice\tcode=temp_fail'  # mechanisms = plain
    assert 'pässword' not in one.log_text()


def test_introspection_completes(prepare, double):
    def count(path):
        return sum(seen[1].startswith(path) for seen in double.seen)
    one = prepare(COMMON + f'tokeninfo_url = {double.url}/info?token=\nintrospection_url = {double.url}/auth\nintrospection_mode = auth\n')
    before = count('/auth')
    assert oauth(Client(one), 'alice', 'good')[0].startswith('OK') and count('/auth') == before
    one = prepare(COMMON + f'tokeninfo_url = {double.url}/info?token=\nintrospection_url = {double.url}/auth\nintrospection_mode = auth\n'
                  'force_introspection = yes\nusername_format = %Lu\n')
    assert oauth(Client(one), 'alice', 'good')[0].startswith('OK') and count('/auth') == before + 1


@pytest.mark.alone
def test_slow_and_absent_servers(prepare, double):
    one = prepare(COMMON + f'tokeninfo_url = {double.url}/info?token=\ntimeout_msecs = 1000\n')
    slow, client = Client(one), Client(one)
    begin, got = time.monotonic(), []
    thread = threading.Thread(target=lambda: got.append(oauth(slow, 'alice', 'slow')))
    thread.start()
    assert oauth(client, 'alice', 'good')[0].startswith('OK')
    assert time.monotonic() - begin < 0.9 or not got
    thread.join()
    assert got == [('FAIL\tuser=alice\tcode=temp_fail', None)] and time.monotonic() - begin < 2.9
    Path(one.dir, 'oauth2.conf.ext').write_text('tokeninfo_url = http://127.0.0.1:1/?\n')
    one.stop()
    one.start()
    assert oauth(Client(one), 'alice', 'good') == ('FAIL\tuser=alice\tcode=temp_fail', None)
    one.forgive()


def test_certificates_are_verified(prepare, tmp_path):
    tls = certificate(str(tmp_path / 'peer'))
    double = Double(answer, tls)
    try:
        for text, wanted in (('', 'FAIL'), (f'tls_ca_cert_file = {tls}.crt\n', 'OK'), ('tls_allow_invalid_cert = yes\n', 'OK')):
            for host, right in (('localhost', wanted), ('127.0.0.1', 'FAIL' if 'allow' not in text else 'OK')):
                one = prepare(f'tokeninfo_url = https://{host}:{double.port}/info?token=\n{text}')
                for path in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
                    path.chmod(path.stat().st_mode | 0o755)
                assert oauth(Client(one), 'alice', 'good')[0].startswith(right), (host, text)
                one.forgive()
                one.stop()
    finally:
        double.close()


def test_limits_debug_and_rawlog(prepare, double):
    """Each setting of how Dovecot asks its server has its effect, or a warning with file and line."""
    text = f'tokeninfo_url = {double.url}/info?token=\ndebug = yes\nrawlog_dir = DIR/raw\nmax_idle_time_msecs = 5000\n'
    one = prepare(text + 'max_parallel_connections = 3\nmax_pipelined_requests = 2\n', start=False)
    raw = Path(one.dir, 'raw')
    raw.mkdir()
    raw.chmod(0o777)
    one.start()
    before, client = len(double.ports), Client(one)
    assert oauth(client, 'alice', 'good')[0].startswith('OK') and oauth(client, 'alice', 'nothing')[0].startswith('FAIL')
    assert len(set(double.ports[before:])) == 1  # the connection was kept
    assert one.wait_log(r'oauth2.conf.ext line 5: max_parallel_connections has no effect: ')
    assert one.wait_log(r'oauth2.conf.ext line 6: max_pipelined_requests has no effect: ')
    assert one.wait_log(r'Debug: .*oauth2\(alice,127.0.0.1\): http: GET http://127.0.0.1:\d+/info: status 401 \(\d+ us\)')
    assert 'token=' not in one.log_text()
    sent, got = sorted(raw.glob('*.out')), sorted(raw.glob('*.in'))
    assert len(sent) == len(got) == 2 and sent[0].stat().st_mode & 0o777 == 0o600
    assert re.match(rb'\d+\.\d{6} GET /info\?token=good HTTP/1.1\r\n\d+\.\d{6} Host: ', sent[0].read_bytes())
    assert re.match(rb'\d+\.\d{6} HTTP/1.1 200 OK\r\n', got[0].read_bytes()) and b'"email": "alice"' in got[0].read_bytes()
    assert [path.name[:-4] for path in sent] == [path.name[:-3] for path in got]
    one.forgive('has no effect')
    one.stop()
    one = prepare(f'tokeninfo_url = {double.url}/info?token=\nmax_idle_time_msecs = 0\n')
    before, client = len(double.ports), Client(one)
    assert all(oauth(client, 'alice', 'good')[0].startswith('OK') for _ in range(2))
    assert len(set(double.ports[before:])) == 2 and 'http:' not in one.log_text()


# --- tokens that are signed ---------------------------------------------------

def b64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).rstrip(b'=').decode()


RSA, EC, EC384 = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
SECRET = b'not so secret' * 3


def pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def jwt(alg='RS256', head=None, spoil=None, key=None, **claims):
    now = int(time.time())
    payload = {'sub': 'alice', 'exp': now + 60, 'iat': now - 1, 'email': 'alice', **claims}
    text = f"{b64({'alg': alg, 'typ': 'JWT', **(head or {})})}.{b64({name: value for name, value in payload.items() if value is not None})}"
    digest = {'256': hashes.SHA256(), '384': hashes.SHA384(), '512': hashes.SHA512()}.get(alg[2:], hashes.SHA256())
    if alg[:2] == 'RS':
        signature = (key or RSA).sign(text.encode(), padding.PKCS1v15(), digest)
    elif alg[:2] == 'PS':
        signature = (key or RSA).sign(text.encode(), padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    elif alg[:2] == 'ES':
        size = 48 if alg == 'ES384' else 32
        r, s = decode_dss_signature((EC384 if size == 48 else EC).sign(text.encode(), ec.ECDSA(digest)))
        signature = r.to_bytes(size, 'big') + s.to_bytes(size, 'big')
    else:
        mac = hmac.HMAC(key or SECRET, digest)
        mac.update(text.encode())
        signature = mac.finalize()
    if spoil:
        return spoil(text, signature)
    return f'{text}.{b64(signature)}'


@pytest.fixture
def local(prepare):
    one = prepare('introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix=DIR/keys/\nissuers = me you\nusername_attribute = email\n'
                  'pass_attrs = team=%{oauth2:team}\n', start=False)
    for name, key in (('default/RS256/default', pem(RSA)), ('default/RS512/a%2fb', pem(RSA)), ('default/PS256/default', pem(RSA)), ('default/PS512/default', pem(RSA)), ('default/ES256/default', pem(EC)),
                      ('app/ES384/k', pem(EC384)), ('default/HS256/default', base64.b64encode(SECRET)),
                      ('default/HS512/default', base64.b64encode(SECRET) + b'\n'), ('default/ES512/default', pem(RSA))):
        path = Path(one.dir, 'keys', name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(key)
    Path(one.dir, 'keys', 'outside').write_bytes(base64.b64encode(SECRET))
    return one.start()


def test_signed_tokens(local):
    client = Client(local)
    good = [jwt(iss='me'), jwt('RS512', {'kid': 'a/b'}, iss='you'), jwt('ES256', iss='me'), jwt('ES384', {'kid': 'k'}, azp='app', iss='me'),
            jwt('PS256', iss='me'), jwt('PS512', iss='me', email='ALICE'), jwt('HS256', iss='me'), jwt('HS512', iss='me', nbf=time.time() - 1.5, team='blue')]
    for number, token in enumerate(good):
        assert oauth(client, 'alice', token)[0].startswith('OK\tuser=alice'), number
    assert oauth(client, 'alice', good[-1])[0] == 'OK\tuser=alice\tteam=blue'
    now = int(time.time())
    bad = {'no issuer': jwt(), 'other issuer': jwt(iss='him'), 'expired': jwt(iss='me', exp=now - 1), 'no exp': jwt(iss='me', exp=None),
           'text as exp': jwt(iss='me', exp='x'), 'not yet': jwt(iss='me', nbf=now + 30), 'from the future': jwt(iss='me', iat=now + 30),
           'no sub': jwt(iss='me', sub=None), 'other user': jwt(iss='me', email='bob'), 'unknown key': jwt('RS256', {'kid': 'x'}, iss='me'),
           'other azp': jwt(iss='me', azp='app'), 'outside': jwt('HS256', {'kid': '../../../outside'}, iss='me'),
           'outside by azp': jwt('HS256', {'kid': 'outside'}, iss='me', azp='../..'), 'dots': jwt('HS256', {'kid': '..'}, iss='me'),
           'no algorithm': jwt('none', iss='me', spoil=lambda text, _: text + '.'), 'none, signed': jwt('none', iss='me'),
           'HMAC with the public key': jwt('HS256', iss='me', key=pem(RSA)), 'wrong kind of key': jwt('ES512', iss='me'),
           'other RSA key': jwt(iss='me', key=rsa.generate_private_key(65537, 2048)),
           'spoilt': jwt(iss='me', spoil=lambda text, signature: f'{text}.{b64(signature[:-1] + bytes([signature[-1] ^ 1]))}'),
           'short': jwt('ES256', iss='me', spoil=lambda text, signature: f'{text}.{b64(signature[:-1])}'),
           'zeros': jwt('ES256', iss='me', spoil=lambda text, signature: f'{text}.{b64(bytes(64))}'),
           'long key': jwt('RS256', {'kid': 'x' * 300}, iss='me'), 'critical': jwt('HS256', {'crit': ['x']}, iss='me'),
           'PSS by the key of RS256': jwt('PS256', iss='me', spoil=lambda text, _: text + '.' + jwt('RS256', iss='me').split('.')[2]),
           'four parts': jwt(iss='me') + '.x', 'no payload': 'x..y', 'no JSON': f"{b64(b'x')}.{b64(b'y')}.{b64(b'z')}", 'plain': 'token'}
    for name, token in bad.items():
        assert oauth(client, 'alice', token)[0] == 'FAIL\tuser=alice', name
    assert local.wait_log(r'oauth2\(alice,127.0.0.1\): oauth2 failed: Token has expired')


@pytest.mark.parametrize('text, complaint', [('', 'tokeninfo_url or introspection_url is needed'), ('introspection_mode = x\n', 'introspection_mode must be'),
                                             ('introspection_mode = local\n', 'local_validation_key_dict is not set'),
                                             ('tokeninfo_url = x\nuse_grant_password = yes\n', 'grant_url is not set'), ('x = y\n', 'Unknown setting: x'),
                                             ('tokeninfo_url = x\nmax_idle_time_msecs = a\n', 'max_idle_time_msecs is no number')])
def test_bad_files_are_named(prepare, text, complaint):
    one = prepare(text)
    assert one.wait_log(f'oauth2.conf.ext.*{complaint}')
    one.forgive('oauth2.conf.ext')
