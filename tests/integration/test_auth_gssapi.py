# SPDX-License-Identifier: MIT
"""GSSAPI and GSS-SPNEGO with tickets of a real KDC; the same answers as Dovecot's."""
import base64
import os
import re
from pathlib import Path

import gssapi
import pytest

from conftest import AUTH_CLIENT, NO_PENALTY, Server, finish
from databases import Kdc
from test_auth import Client, Master, without

EXTRA = """\
auth_mechanisms = gssapi gss-spnego plain
auth_gssapi_hostname = HOST
auth_krb5_keytab = KEYTAB
auth_failure_delay = 0
auth_verbose = yes
import_environment = KRB5_CONFIG=WHERE/krb5.conf
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%n DIR/accounts
}
userdb {
  driver = static
  args = uid=7001 gid=7002 home=/h/%n
}
""" + AUTH_CLIENT + NO_PENALTY
ACCOUNTS = 'bob:x::::::k5principals=carol@TEST.EXAMPLE,alice@TEST.EXAMPLE tag=b\nshared:x::::::k5principals=nobody@TEST.EXAMPLE\nalice:x\n'
SPNEGO = gssapi.OID.from_int_seq('1.3.6.1.5.5.2')


@pytest.fixture(scope='module')
def kdc():
    one = Kdc()
    yield one
    one.remove()


def write(server, kdc, host='localhost', keytab='keytab'):
    Path(server.dir, 'accounts').write_text(ACCOUNTS)
    server.extra = (EXTRA.replace('HOST', host).replace('KEYTAB', f'{kdc.dir}/{keytab}').replace('WHERE', kdc.dir).replace('DIR', server.dir))
    server.write_config()
    return server


@pytest.fixture(scope='module')
def auth(kdc, tls):
    one = write(Server(tls, 'passdb {\n}\n', 'imap'), kdc).start()
    yield one
    finish(one)


def credentials(user, oid):
    name = gssapi.Name(user, gssapi.NameType.user)
    return gssapi.raw.acquire_cred_with_password(name, b'secret', usage='initiate', mechs=[oid]).creds


def login(client, authz='', user='alice', host='localhost', service='imap', mech='GSSAPI', layer=1, spoil=None, rip='127.0.0.1'):
    """The whole exchange as RFC 4752 has it; the last line."""
    oid = SPNEGO if mech != 'GSSAPI' else gssapi.MechType.kerberos
    target = gssapi.Name(f'{service}@{host}', gssapi.NameType.hostbased_service)
    context = gssapi.SecurityContext(name=target, creds=gssapi.Credentials(credentials(user, oid)), mech=oid, usage='initiate',
                                     flags=gssapi.RequirementFlag.mutual_authentication | gssapi.RequirementFlag.integrity)
    client.last += 1
    proto = {'pop': 'pop3', 'smtp': 'submission'}.get(service, service)
    token = context.step()
    if spoil:
        token = spoil(token)
    line = client.ask(f'AUTH\t{client.last}\t{mech}\tservice={proto}\trip={rip}\tresp={base64.b64encode(token).decode()}')
    while not context.complete and line.startswith('CONT'):
        token = context.step(base64.b64decode(line.split('\t')[2])) or b''
        line = client.ask(f'CONT\t{client.last}\t{base64.b64encode(token).decode()}')
    if line.startswith('CONT'):
        offered = context.unwrap(base64.b64decode(line.split('\t')[2])).message
        assert offered[0] == 1 and len(offered) == 4
        answer = context.wrap(bytes([layer, 0, 0, 0]) + authz.encode(), False).message
        line = client.ask(f'CONT\t{client.last}\t{base64.b64encode(answer).decode()}')
    return '\t'.join(word for number, word in enumerate(line.split('\t')) if number != 1)


# Dovecot passes k5principals on to clients, wants tickets for "submission" of who submits, and takes answers with layers that
# were not offered: these are not among what is compared.
CASES = [dict(), dict(authz='alice'), dict(authz='alice@TEST.EXAMPLE'), dict(authz='nobody'), dict(user='bob', authz='alice'),
         dict(service='pop'), dict(host='elsewhere'), dict(spoil=lambda token: token[:-9] + b'x' * 9), dict(spoil=lambda _: b'garbage')]


def answers(server):
    client, found = Client(server), []
    for case in CASES:
        name = 'spoilt' if 'spoil' in case else str(case)
        found.append((name, without(login(client, **case), 'original_user=', 'auth_user=')))
    return found


def test_tickets(auth):
    client = Client(auth)
    assert login(client) == 'OK\tuser=alice@test.example\toriginal_user=alice@TEST.EXAMPLE'
    assert login(client, mech='GSS-SPNEGO') == 'OK\tuser=alice@test.example\toriginal_user=alice@TEST.EXAMPLE'
    assert login(client, 'alice') == 'OK\tuser=alice'
    assert login(client, 'bob') == 'OK\tuser=bob\ttag=b'  # k5principals
    assert login(client, 'shared') == 'FAIL\tuser=shared'
    assert login(client, 'nobody').startswith('FAIL')
    assert login(client, 'alice', user='bob').startswith('FAIL')
    assert login(client, service='pop').startswith('OK') and login(client, service='smtp').startswith('OK')
    assert login(client, layer=2).startswith('FAIL') and login(client, 'a\0b').startswith('FAIL')
    for spoil in (lambda token: token[:-9] + b'x' * 9, lambda _: b'', lambda _: b'garbage'):
        assert login(client, spoil=spoil).startswith('FAIL')
    assert auth.wait_log('gssapi.*: While processing incoming data: ')
    session = Client(auth, 'auth-login', 70030)
    assert login(session, 'alice').startswith('OK')
    assert 'home=/h/alice' in Master(auth).ask(f'REQUEST\t1\t70030\t1\t{session.cookie}').split('\t')


def test_answers_are_those_of_dovecot(auth, kdc, tls, running_dovecot):
    if not os.path.exists('/usr/lib/dovecot/modules/auth/libmech_gssapi.so'):
        pytest.skip("Debian's dovecot-gssapi is not there")
    theirs = write(type(running_dovecot)(tls, 'passdb {\n}\n', 'imap'), kdc)
    try:
        theirs.start()
        different = [both for both in zip(answers(auth), answers(theirs)) if both[0] != both[1]]
        assert different == []
        mechs = [[line for line in Client(one).hello if line.startswith('MECH')] for one in (auth, theirs)]
        assert mechs[0] == mechs[1]
    finally:
        theirs.stop()
        theirs.remove()


@pytest.mark.parametrize('accounts, denied, wanted', [
    ('alice:x\n', '', 'OK'), ('', '', 'OK'), ('other:x\n', 'bob:\n', 'OK'),  # a principal of that name is enough
    ('alice:x::::::allow_nets=127.0.0.0/8\n', '', 'OK'), ('alice:x::::::allow_nets=10.0.0.0/8\n', '', 'FAIL'),
    ('alice:x\n', 'alice:\n', 'FAIL'), ('', 'alice:\n', 'FAIL'), ('alice:x::::::nologin reason=Gone\n', '', 'OK nologin reason=Gone'),
    (None, '', 'FAIL code=temp_fail')])
def test_passdbs_refuse_owners_of_principals(make_server, kdc, accounts, denied, wanted):
    one = write(make_server('passdb {\n}\n', 'imap', start=False), kdc)
    deny = f'passdb {{\n  driver = passwd-file\n  args = username_format=%n {one.dir}/denied\n  deny = yes\n}}\n'
    one.extra = one.extra.replace('passdb {', deny + 'passdb {', 1)
    one.write_config()
    Path(one.dir, 'denied').write_text(denied)
    Path(one.dir, 'accounts').unlink()
    if accounts is not None:
        Path(one.dir, 'accounts').write_text(accounts)
    one.start()
    for authz in ('', 'alice'):
        words = [word for word in login(Client(one), authz).split('\t') if not word.startswith(('user=', 'original_user='))]
        assert ' '.join(words) == wanted, authz
    one.forgive()


def test_without_passdb(make_server, kdc):
    one = write(make_server('passdb {\n}\n', 'imap', start=False), kdc)
    one.extra = re.sub(r'passdb \{.*?\}\n', '', one.extra, flags=re.S)
    one.write_config()
    text = Path(one.config).read_text()
    Path(one.config).write_text(re.sub(r'passdb \{.*?\}\n', '', text, flags=re.S))
    one.start()
    assert login(Client(one), 'alice') == 'OK\tuser=alice'
    assert login(Client(one), 'bob').startswith('FAIL')


def test_names_of_hosts(make_server, kdc):
    one = write(make_server('passdb {\n}\n', 'imap', start=False), kdc, '"$ALL"', 'more.keytab').start()
    assert login(Client(one), host='elsewhere').startswith('OK')
    one = write(make_server('passdb {\n}\n', 'imap', start=False), kdc, 'localhost', 'missing').start()
    assert login(Client(one)).startswith('FAIL')
    assert one.wait_log('While acquiring service credentials: ')


@pytest.mark.parametrize('masters, wanted', (('', 'FAIL FAIL'), ('bob:x\n', 'FAIL OK'), ('bob:x::::::k5principals=alice/bob@TEST.EXAMPLE\n', 'OK OK')))
def test_masters_are_those_of_the_masterdbs(make_server, kdc, masters, wanted):
    """A principal "alice/bob" is not bob, only as the separator of masters stands in his name."""
    one = write(make_server('passdb {\n}\n', 'imap', start=False), kdc)
    master = f'passdb {{\n  driver = passwd-file\n  args = username_format=%n {one.dir}/masters\n  master = yes\n}}\n'
    one.extra = 'auth_master_user_separator = /\n' + one.extra.replace('passdb {', master + 'passdb {', 1)
    one.write_config()
    Path(one.dir, 'masters').write_text(masters)
    one.start()
    client = Client(one)
    lines = [login(client, user='alice/bob'), login(client, 'alice/bob', user='bob')]
    assert ' '.join(line.split('\t')[0] for line in lines) == wanted, lines


def test_tickets_are_of_who_has_the_certificate(make_server, kdc):
    """With auth_ssl_username_from_cert the name is the certificate's, whatever else is said."""
    one = write(make_server('passdb {\n}\n', 'imap', start=False), kdc)
    one.extra = 'auth_ssl_username_from_cert = yes\n' + one.extra
    one.write_config()
    one.start()
    cert = '127.0.0.1\tvalid-client-cert\tcert_username='
    for authz in ('', 'alice', 'bob'):
        assert login(Client(one), authz, rip=cert + 'alice').startswith('OK\tuser=alice')
        assert login(Client(one), authz, rip=cert + 'nobody').startswith('FAIL')
