# SPDX-License-Identifier: MIT
"""passdb and userdb checkpassword, here and in Dovecot with the same program."""
import os
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY, ROOT, Dovecot, Server, finish, have_user
from test_auth import Client, Master, without
from test_mechs import cram

PROGRAM = """\
#!/usr/bin/python3
import os, sys, time
user, password = os.read(3, 1000).split(b'\\0')[:2]
users = {b'alice': b'secret', b'tab': b's', b'slow': b'secret'}
if user == b'broken':
    sys.exit(111)
if user == b'dies':
    os.kill(os.getpid(), 9)
if user == b'slow':
    time.sleep(2)
if user not in users:
    sys.exit(3)
if os.environ.get('AUTHORIZED') == '1':
    os.environ['AUTHORIZED'] = '2'
elif users[user] != password:
    sys.exit(1)
os.environ.update(USER=user.decode(), HOME='/h/' + user.decode(), userdb_uid='7001', userdb_gid='7002', quota='10',
                  userdb_mail='maildir:/m' + ('\\t' if user == b'tab' else ''), EXTRA='userdb_uid userdb_gid userdb_mail quota none',
                  none2='x')
os.environ['EXTRA'] += ' ip'
if os.environ.get('AUTHORIZED') == '2' and user != b'tab':
    os.environ['EXTRA'] += ' password'
    os.environ['password'] = '{PLAIN}' + users[user].decode()
os.environ['ip'] = os.environ.get('TCPREMOTEIP', '-') + os.environ['SERVICE'] + os.environ['PROTO']
os.execv(sys.argv[2], sys.argv[2:])
"""
EXTRA = """\
auth_mechanisms = plain cram-md5
auth_verbose = yes
auth_failure_delay = 0
passdb {
  driver = checkpassword
  args = DIR/check argument
}
userdb {
  driver = prefetch
}
userdb {
  driver = checkpassword
  args = DIR/check argument
}
""" + AUTH_CLIENT + NO_PENALTY


def prepare(one):
    Path(one.dir, 'check').write_text(PROGRAM)
    os.chmod(f'{one.dir}/check', 0o755)
    one.extra = EXTRA.replace('DIR', one.dir)
    one.write_config()
    return one.start()


@pytest.fixture(scope='module')
def auth(tls):
    one = prepare(Server(tls, 'passdb {\n}\n', 'imap'))
    yield one
    finish(one)


def test_a_program_checks(auth):
    client, master = Client(auth), Master(auth)
    assert client.plain('alice', 'secret') == 'OK\t1\tuser=alice\tquota=10\tip=127.0.0.1imapTCP'
    assert client.plain('alice', 'wrong') == 'FAIL\t2\tuser=alice'
    assert client.plain('nobody', 'x') == 'FAIL\t3\tuser=nobody'
    assert client.plain('broken', 'x') == 'FAIL\t4\tuser=broken\tcode=temp_fail'
    assert client.plain('dies', 'x') == 'FAIL\t5\tuser=dies\tcode=temp_fail'
    assert client.plain('slow', 'secret').startswith('OK\t6')
    assert master.ask('USER\t1\talice\tservice=lmtp') == 'USER\t1\talice\thome=/h/alice\tuid=7001\tgid=7002\tmail=maildir:/m'
    assert master.ask('USER\t2\tnobody\tservice=lmtp') == 'NOTFOUND\t2'
    assert master.ask('USER\t3\tbroken\tservice=lmtp') == 'FAIL\t3'
    assert master.ask('USER\t4\ttab\tservice=lmtp').endswith('mail=maildir:/m\1t')


@pytest.mark.skipif(not ROOT or not os.path.exists('/usr/sbin/dovecot') or not have_user('dovenull'),
                    reason="needs Debian's Dovecot, and root")
def test_answers_are_those_of_dovecot(auth, tls):
    other = prepare(Dovecot(tls, 'passdb {\n}\n', 'imap'))
    try:
        # It takes status 3 for no answer where a password is checked.
        for user, password in (('alice', 'secret'), ('alice', 'wrong'), ('broken', 'x'), ('tab', 's')):
            ours, theirs = (Client(one).plain(user, password) for one in (auth, other))
            assert sorted(without(ours, 'x=').split('\t')) == sorted(without(theirs, 'x=').split('\t'))
        for user in ('alice', 'nobody', 'broken', 'tab'):
            ours, theirs = (Master(one).ask(f'USER\t1\t{user}\tservice=lmtp') for one in (auth, other))
            assert sorted(without(ours, 'x=').split('\t')) == sorted(without(theirs, 'x=').split('\t'))
            ours, theirs = (Master(one).ask(f'PASS\t1\t{user}\tservice=lmtp\trip=127.0.0.1') for one in (auth, other))
            assert sorted(without(ours, 'x=').split('\t')) == sorted(without(theirs, 'x=').split('\t')), user
        for user, password in (('alice', 'secret'), ('alice', 'wrong'), ('tab', 's')):
            ours, theirs = (cram(Client(one), user, password) for one in (auth, other))
            # Dovecot tells the fields of a user whose password was wrong.
            count = None if theirs.startswith('OK') else 1
            assert sorted(without(ours, 'x=').split('\t')[:count]) == sorted(without(theirs, 'x=').split('\t')[:count]), user
    finally:
        other.stop()
        other.remove()


def test_who_is_there(make_server):
    """userdb static asks the program."""
    one = make_server('passdb {\n}\n', 'imap', start=False)
    Path(one.dir, 'check').write_text(PROGRAM)
    os.chmod(f'{one.dir}/check', 0o755)
    head, _, _ = EXTRA.partition('userdb {')
    one.extra = (head + 'userdb {\n  driver = static\n  args = uid=7001 gid=7002 home=/h/%u\n}\n' + AUTH_CLIENT).replace('DIR', one.dir)
    one.write_config()
    one.start()
    master = Master(one)
    assert 'home=/h/alice' in master.ask('USER\t1\talice\tservice=lmtp').split('\t')
    assert master.ask('USER\t2\tnobody\tservice=lmtp') == 'NOTFOUND\t2'
    assert master.ask('USER\t3\tbroken\tservice=lmtp') == 'FAIL\t3'
