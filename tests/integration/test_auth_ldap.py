# SPDX-License-Identifier: MIT
"""passdb and userdb ldap with OpenLDAP's slapd."""
import os
import re
import signal
import threading
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY, Server, finish
from databases import Slapd
from test_auth import Client, Master, without
from test_mechs import scram

LDIF = """\
dn: dc=x
objectClass: dcObject
objectClass: organization
o: x
dc: x

dn: ou=users,dc=x
objectClass: organizationalUnit
ou: users
"""
ENTRY = """
dn: uid=UID,ou=users,dc=x
objectClass: inetOrgPerson
objectClass: posixAccount
uid: UID
cn: CN
sn: UID
mail: UID@x.example
uidNumber: 7001
gidNumber: 7002
homeDirectory: /h/UID
userPassword: PASSWORD
"""
SETTINGS = """\
uris = ldap://127.0.0.1:PORT
dn = cn=root,dc=x
dnpass = rootpw
base = ou=users,dc=x
default_pass_scheme = PLAIN
user_filter = (&(objectClass=posixAccount)(uid=%n))
pass_filter = (&(objectClass=posixAccount)(|(uid=%n)(mail=%u)))
pass_attrs = uid=user,userPassword=password,homeDirectory=userdb_home=/x%$,=tag=%n-%{ldap:cn}-%{ldap:nosuch:none}
user_attrs = homeDirectory=home, uidNumber=uid, gidNumber=gid, =mail=maildir:/m/%{ldap:uid}
iterate_filter = (objectClass=posixAccount)
"""
EXTRA = """\
auth_mechanisms = plain scram-sha-256
auth_username_chars =
auth_verbose = yes
auth_failure_delay = 0
passdb {
  driver = ldap
  args = DIR/ldap.conf.ext
}
userdb {
  driver = ldap
  args = DIR/ldap.conf.ext
}
""" + AUTH_CLIENT + NO_PENALTY
BIND = 'auth_bind = yes\n'
TEMPLATE = 'auth_bind = yes\nauth_bind_userdn = uid=%n,ou=users,dc=x\n'
STARTTLS = BIND + 'tls = yes\ntls_require_cert = hard\ntls_ca_cert_file = TLS/server.crt\nuris = ldap://127.0.0.1:PORT\n'


@pytest.fixture(scope='module')
def slapd():
    one = Slapd()
    sha = '{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ='
    one.add(LDIF + ''.join(ENTRY.replace('UID', uid).replace('PASSWORD', password).replace('CN', f'{uid} 100%n')
                           for uid, password in (('alice', 'secret'), ('bob', sha), ('a(b)*', 'secret'), ('c,d', 'secret'))
                           ).replace('uid=c,d', 'uid=c\\,d'))
    yield one
    one.remove()


def write(server, slapd, more=''):
    text = (SETTINGS + more).replace('PORT', str(slapd.port)).replace('TLS', slapd.dir)
    Path(server.dir, 'ldap.conf.ext').write_text(text)
    server.extra = EXTRA.replace('DIR', server.dir)
    server.write_config()
    return server


@pytest.fixture(scope='module', params=['passwords', 'bind', 'template', 'starttls', 'ldaps'])
def auth(request, slapd, tls):
    one = Server(tls, 'passdb {\n}\n', 'imap')
    one.kind = request.param
    write(one, slapd, {'passwords': '', 'bind': BIND, 'template': TEMPLATE, 'starttls': STARTTLS,
                       'ldaps': STARTTLS.replace('tls = yes\n', '').replace('ldap://', 'ldaps://').replace('PORT', str(slapd.tls_port))
                       }[request.param]).start()
    yield one
    finish(one)


def test_users_of_a_directory(auth):
    client, master = Client(auth), Master(auth)
    more = '' if auth.kind == 'template' else '\ttag=alice-alice 100%n-none'
    assert client.plain('alice', 'secret') == 'OK\t1\tuser=alice' + more
    assert client.plain('alice', 'wrong') == 'FAIL\t2\tuser=alice'
    assert client.plain('alice', '').startswith('FAIL\t3') and client.plain('nobody', 'secret') == 'FAIL\t4\tuser=nobody'
    assert client.plain('bob', 'secret').startswith('OK\t5\tuser=bob')
    assert client.plain('a(b)*', 'secret').startswith('OK\t6')
    assert client.plain('a*', 'secret').startswith('FAIL\t7') and client.plain('*)(uid=*', 'secret').startswith('FAIL\t8')
    assert client.plain('c,d', 'secret').startswith('OK\t9')
    assert 'temp_fail' not in ''.join(client.plain(name, 'x') for name in ('\\', '(', 'x,dc=x', 'a=b', 'ä', ' x', '#'))
    if auth.kind != 'template':
        assert client.plain('alice@x.example', 'secret').split('\t')[2:4] == ['user=alice', 'tag=alice-alice 100%n-none']
        assert scram(client, 'alice', 'secret', 'sha256').startswith('OK')
    assert master.ask('USER\t1\talice\tservice=lmtp') == 'USER\t1\talice\thome=/h/alice\tuid=7001\tgid=7002\tmail=maildir:/m/alice'
    assert master.ask('USER\t2\tnobody\tservice=lmtp') == 'NOTFOUND\t2'
    assert sorted(auth.doveadm('user', '*').stdout.split()) == ['a(b)*', 'alice', 'bob', 'c,d']
    # In turn: the connection is whose it has to be.
    for _ in range(3):
        assert client.plain('alice', 'secret').startswith('OK')
        assert master.ask('USER\t3\tbob\tservice=lmtp').startswith('USER\t3\tbob\thome=/h/bob')


@pytest.mark.parametrize('more', ['', BIND, TEMPLATE])
def test_a_server_that_is_away_or_hangs(slapd, make_server, more):
    one = write(make_server('passdb {\n}\n', 'imap', start=False), slapd, more).start()
    client = Client(one)
    assert client.plain('alice', 'secret').startswith('OK')
    slapd.stop()
    assert client.plain('alice', 'secret') == 'FAIL\t2\tuser=alice\tcode=temp_fail'
    assert Master(one).ask('USER\t1\talice\tservice=lmtp') == 'FAIL\t1'
    assert one.wait_log("ldap.*Can't contact LDAP server")
    slapd.start()
    assert client.plain('alice', 'secret').startswith('OK')
    os.kill(slapd.proc.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, slapd.proc.pid, os.WSTOPPED | os.WNOWAIT)  # all its threads are
    answer = []
    thread = threading.Thread(target=lambda: answer.append(Client(one).plain('alice', 'secret')))
    thread.start()
    thread.join(0.5)
    early = list(answer)
    os.kill(slapd.proc.pid, signal.SIGCONT)
    thread.join()
    assert not early and answer[0].startswith('OK')


def test_certificates_of_strangers_are_refused(slapd, make_server):
    one = write(make_server('passdb {\n}\n', 'imap', start=False), slapd,
                STARTTLS.replace('tls_ca_cert_file = TLS/server.crt\n', '')).start()
    assert Client(one).plain('alice', 'secret') == 'FAIL\t1\tuser=alice\tcode=temp_fail'


def test_settings_of_libldap(slapd, make_server):
    """ldaprc_path and debug_level are libldap's own."""
    one = make_server('passdb {\n}\n', 'imap', start=False)
    Path(one.dir, 'ldaprc').write_text(f'TLS_CACERT {slapd.dir}/server.crt\n')
    write(one, slapd, STARTTLS.replace('tls_require_cert = hard\ntls_ca_cert_file = TLS/server.crt\n',
                                           f'ldaprc_path = {one.dir}/ldaprc\ndebug_level = 1\n')).start()
    assert Client(one).plain('alice', 'secret') == 'OK\t1\tuser=alice\ttag=alice-alice 100%n-none'
    assert one.wait_log('auth-worker: .*ldap_')


ODD = """
dn: uid=many,ou=users,dc=x
objectClass: inetOrgPerson
objectClass: posixAccount
uid: many
uid: more
cn: carLicense
sn: many
carLicense: pointed
mail: one@x.example
mail: two@x.example
uidNumber: 7001
gidNumber: 7002
homeDirectory: /h/many
userPassword: secret

dn: uid=nopw,ou=users,dc=x
objectClass: inetOrgPerson
objectClass: posixAccount
uid: nopw
cn: nopw
sn: nopw
uidNumber: 7001
gidNumber: 7002
homeDirectory: /h/nopw
"""


@pytest.fixture(scope='module')
def odd(slapd):
    slapd.add(ODD)
    return slapd


@pytest.mark.parametrize('changes', [
    dict(user_attrs='=home=/%L{ldap:CN}/%{ldap:mail}/%{ldap:no:d}/%{ldap_ptr:cn}, !carLicense, uidNumber=uid, mail=m=<%$>%n, =d=%{ldap_dn}'),
    dict(pass_attrs='uid=user,userPassword=password,=allow_nets=%{nothing}', user_attrs='uid=x,=y=%{nothing}'),
    dict(pass_attrs='uid=user'), dict(pass_attrs='uid=user,=nopassword=y'), dict(pass_attrs='uid=user,userPassword=password,=nopassword=y'),
    dict(pass_attrs='uid=user', auth_bind='yes'), dict(base='uid=%n,ou=users,dc=x', scope='base'), dict(iterate_attrs='mail=user')])
def test_entries_as_dovecot(odd, make_server, make_dovecot, changes):
    if not os.path.exists('/usr/lib/dovecot/modules/auth/libauthdb_ldap.so'):
        pytest.skip("Debian's dovecot-ldap is not there")
    said = []
    for make in (make_server, make_dovecot):
        one = write(make('passdb {\n}\n', 'imap', start=False), odd)
        text = SETTINGS.replace('PORT', str(odd.port)).replace(',=tag=%n-%{ldap:cn}-%{ldap:nosuch:none}', '')
        for name, value in changes.items():
            text = re.sub(f'(?m)^{name} = .*\n', '', text) + f'{name} = {value}\n'
        Path(one.dir, 'ldap.conf.ext').write_text(text)
        one.start()
        client, master, lines = Client(one), Master(one), []
        for user, password in (('alice', 'secret'), ('alice', 'x'), ('many', 'secret'), ('nopw', 'x'), ('nopw', ''), ('nobody', 'x')):
            lines.append(without(client.plain(user, password), 'original_user='))
        for user in ('alice', 'many', 'nopw', 'nobody'):
            lines += [without(master.ask(f'{what}\t1\t{user}\tservice=imap')) for what in ('USER', 'PASS')]
        said.append([lines, sorted(one.doveadm('user', '*').stdout.split())])
        one.forgive()
    if 'pass_attrs' in changes and 'nothing' in changes['pass_attrs']:
        # Dovecot goes on with UNSUPPORTED_VARIABLE_nothing: here nothing that cannot be expanded decides.
        assert all('UNSUPPORTED' in line or line[:4] in ('FAIL', 'NOTF') for line in said[1][0])
        assert [line.split('\t')[0] for line in said[0][0]] == ['FAIL'] * 12 + ['NOTFOUND'] * 2
    else:
        assert said[0] == said[1]


def test_domains_in_the_base_as_dovecot(slapd, make_server, make_dovecot):
    """%Dd makes "a,dc=b" of "a.b"; what the user wrote makes no components."""
    bases = []
    for make in (make_server, make_dovecot):
        one = write(make('passdb {\n}\n', 'imap', start=False), slapd)
        path = Path(one.dir, 'ldap.conf.ext')
        path.write_text(re.sub('base = .*', 'base = ou=users,dc=%Dd', path.read_text()).replace('%{ldap:nosuch:none}', 'none'))
        one.extra += 'auth_debug = yes\n'
        one.write_config()
        one.start()
        client = Client(one)
        assert client.plain('alice@x', 'secret').startswith('OK')
        assert client.plain('alice@a.b.example', 'secret').startswith('FAIL') and client.plain('alice@x,dc=y', 'secret').startswith('FAIL')
        bases.append([base.lower() for base in re.findall(r'search: base=(.*?) (?:scope|filter)=', one.log_text())])
        one.stop()
    assert bases[0] == ['ou=users,dc=x', 'ou=users,dc=a,dc=b,dc=example', 'ou=users,dc=x\\2cdc\\3dy'] == bases[1]


def test_what_was_asked_is_in_the_log(slapd, make_server):
    one = write(make_server('passdb {\n}\n', 'imap', start=False), slapd, 'base = ou=away,dc=x\n').start()
    assert Client(one).plain('alice', 'secret') == 'FAIL\t1\tuser=alice\tcode=temp_fail'
    assert one.wait_log(r'ldap_search\(base=ou=away,dc=x filter=\(&\(objectClass=posixAccount\).*uid=alice.*\) failed: No such object')


def test_several_values_are_told(odd, make_server):
    one = write(make_server('passdb {\n}\n', 'imap', start=False), odd).start()
    assert Client(one).plain('many', 'secret').startswith('OK')
    assert one.wait_log(r"auth-worker\(\d+\): Warning: .*ldap\(many,.*Multiple values found for 'uid', using value 'many'")
    assert {'many', 'more'} < set(one.doveadm('user', '*').stdout.split())


@pytest.mark.parametrize('text, said', [('base = x\nuris = y\nscope = tree\n', 'Unknown scope option: tree'),
                                        ('uris = y\n', 'No base given'), ('base = x\nuris = y\ndebug_level = much\n', 'debug_level is no number'),
                                        ('base = x\n', 'No uris or hosts set'), ('base = x\nuris = nope://h\n', 'ldap_initialize.. failed with uris nope://h'),
                                        ('base = x\nuris = ldap://h\nauth_bind = maybe\n', 'Invalid boolean: maybe'),
                                        ('base = x\nuris = ldap://h\nldap_version = 4\n', 'ldap_version is 2 or 3, not 4'),
                                        ('base = x\nuris = ldap://h\nldap_version = 2\ntls = yes\n', 'tls=yes requires ldap_version=3'),
                                        ('base = x\nuris = ldaps://h\ntls = yes\n', "Don't use both tls=yes and ldaps URI"),
                                        ('base = x\nuris = ldap://h\ntls_require_cert = often\n', "Unknown tls_require_cert value 'often'"),
                                        ('base = x\nuris = ldap://h\nuser_attrs = @mail=dn\n', 'subqueries .@mail=dn. are not supported'),
                                        ('base = x\n\nnope = y\n', 'ldap.conf.ext line 3: Unknown setting: nope')])
def test_wrong_files_are_named(make_server, text, said):
    one = make_server('passdb {\n}\n', 'imap', start=False)
    Path(one.dir, 'ldap.conf.ext').write_text(text)
    one.extra = EXTRA.replace('DIR', one.dir)
    one.write_config()
    one.start()
    assert one.wait_log(said)
    one.forgive('Fatal')
