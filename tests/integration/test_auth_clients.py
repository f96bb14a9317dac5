# SPDX-License-Identifier: MIT
"""What a client of auth cannot make it believe: a login process, Postfix or Exim may be somebody else's by now."""
import itertools
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY, Server, finish
from test_auth import Client, Master

EXTRA = """\
auth_mechanisms = plain login external
auth_failure_delay = 0
auth_verbose = yes
auth_master_user_separator = *
passdb {
  driver = static
  args = nopassword=y
  mechanisms = none
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN DIR/accounts
}
passdb {
  driver = passwd-file
  master = yes
  args = scheme=PLAIN DIR/masters
}
userdb {
  driver = static
  args = uid=7001 gid=7001 home=/tmp
}
""" + AUTH_CLIENT + NO_PENALTY
PIDS = itertools.count(70000)  # auth refuses one that another connection still has, and it may see a close late
USER = 'USER\t3\talice\tuid=7001\tgid=7001\thome=/tmp\tauth_mech=PLAIN'


@pytest.fixture(scope='module')
def server(tls):
    one = Server(tls, 'passdb {\n}\n', 'imap')
    Path(one.dir, 'accounts').write_text('alice:secret\nbob:secret\n')
    Path(one.dir, 'masters').write_text('m:secret\n')
    one.extra = EXTRA.replace('DIR', one.dir)
    one.write_config()
    yield one.start()
    finish(one)


@pytest.mark.parametrize('word', ['', 'mech=', 'mech=none', 'mech', 'login_user=bob', 'user=bob', 'user=bob\toriginal_user=bob', 'master_user=m',
                                  'auth_user=bob', 'in_master', 'original_user=bob', 'client_pid=1', 'nopassword', 'userdb_uid=0',
                                  'requested-login-user=bob', 'skip-password-check', 'successful', 'cert_username=bob',
                                  'forward_fields=nopassword\x01ty', 'forward_fields=user=bob\x01tuserdb_uid=0'])
def test_what_is_not_for_clients_to_say(server, word):
    for password in ('secret', 'wrong'):
        login = Client(server, 'auth-login', next(PIDS))
        line = login.plain('alice', password, extra=f'rip=127.0.0.1\tsession=S\t{word}')
        if password == 'wrong':
            assert line == 'FAIL\t1\tuser=alice'
        else:
            assert '\t'.join(field for field in line.split('\t') if not field.startswith('forward_')) == 'OK\t1\tuser=alice'
            assert Master(server).ask(f'REQUEST\t3\t{login.pid}\t1\t{login.cookie}') == USER
        login.close()


def test_names_of_a_login_step_by_step(server):
    """LOGIN asks for the name, whatever is said of one before."""
    client = Client(server)
    assert client.ask('AUTH\t1\tLOGIN\tservice=imap\tuser=bob\toriginal_user=bob\trip=127.0.0.1').startswith('CONT')
    assert client.ask('CONT\t1\tYWxpY2U=') == 'CONT\t1\tUGFzc3dvcmQ6'
    assert client.ask('CONT\t1\tc2VjcmV0') == 'OK\t1\tuser=alice'


def test_who_is_proxied_has_no_session_here(make_server):
    one = make_server('passdb {\n}\n', 'imap', start=False)
    Path(one.dir, 'accounts').write_text('p:secret::::::proxy=y host=192.0.2.9\nm:secret::::::proxy_maybe=y host=192.0.2.9\nn:secret::::::nologin\n')
    Path(one.dir, 'masters').write_text('')
    one.extra = EXTRA.replace('DIR', one.dir).replace('mechanisms = none', 'mechanisms = external')
    one.write_config()
    one.start()
    login, master = Client(one, 'auth-login', next(PIDS)), Master(one)
    for number, (user, answer) in enumerate((('p', 'FAIL'), ('m', 'USER'), ('n', 'FAIL')), 1):
        assert login.plain(user, 'secret').startswith('OK')
        assert master.ask(f'REQUEST\t{number}\t{login.pid}\t{number}\t{login.cookie}').split('\t')[:2] == [answer, str(number)]


def test_passwords_for_other_servers_are_not_in_the_debug_log(make_server):
    one = make_server('passdb {\n}\n', 'imap', start=False)
    Path(one.dir, 'accounts').write_text('p:secret::::::proxy=y host=192.0.2.9 pass=of-other-server userdb_pass=of-user\n')
    Path(one.dir, 'masters').write_text('')
    one.extra = EXTRA.replace('DIR', one.dir).replace('mechanisms = none', 'mechanisms = external') + 'auth_debug = yes\n'
    one.write_config()
    one.start()
    assert 'pass=of-other-server' in Client(one).plain('p', 'secret').split('\t')
    assert 'pass=of-other-server' in Master(one).ask('PASS\t1\tp\tservice=lmtp').split('\t')
    assert 'USER\t1\tp' in Master(one).ask('USER\t1\tp\tservice=lmtp')
    assert one.wait_log(r'userdb out: .*host=192\.0\.2\.9') and 'of-other' not in one.log_text() and 'of-user' not in one.log_text()
