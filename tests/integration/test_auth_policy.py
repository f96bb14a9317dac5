# SPDX-License-Identifier: MIT
"""auth_policy_*: what a policy server is asked and told, the same as by Dovecot, and what its answers lead to."""
import json
import threading
import time
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY
from http_double import Double
from test_auth import Client, without
from test_mechs import scram

EXTRA = """\
auth_mechanisms = plain scram-sha-256
auth_failure_delay = 0
auth_verbose = yes
auth_master_user_separator = *
auth_policy_server_url = URL
auth_policy_server_api_header = X-API-Key: k
auth_policy_hash_nonce = salty
MORE
passdb {
  driver = passwd-file
  args = scheme=PLAIN DIR/masters
  master = yes
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u DIR/accounts
}
userdb {
  driver = static
  args = uid=7001 gid=7002 home=/h/%u
}
""" + AUTH_CLIENT + NO_PENALTY
# What is no number refuses nobody by itself, but it is no answer either.
ODD = {'odd1': '"x"', 'odd2': '0.5', 'odd3': '""', 'odd4': 'null', 'odd5': 'true', 'odd7': '"0x"', 'odd8': '1e300', 'odd9': '99999999999999999999'}
REPLIES = {'refused': {'status': -1, 'msg': 'Go away'}, 'slow': {'status': 2, 'msg': ''}, 'late': {'status': 0}}


def answer(method, path, headers, body):
    asked = json.loads(body)
    if asked['login'] in ('text', 'broken', 'gone'):
        return {'text': (200, 'x'), 'broken': (500, ''), 'gone': None}[asked['login']]
    if asked['login'] in ODD:
        return 200, f'{{"status": {ODD[asked["login"]]}}}'
    if asked['login'] == 'later' and asked.get('session_id') == 'second':
        return 200, '{"status": -1}'
    return 200, json.dumps(REPLIES.get(asked['login'], {'status': 0}))


@pytest.fixture
def double():
    one = Double(answer)
    yield one
    one.close()


def write(server, double, more='', url='/'):
    names = 'alice refused slow later text broken gone ' + ' '.join(ODD)
    Path(server.dir, 'accounts').write_text(''.join(f'{name}:secret\n' for name in names.split()))
    Path(server.dir, 'masters').write_text('admin:adminpw\n')
    server.extra = EXTRA.replace('DIR', server.dir).replace('URL', double.url + url).replace('MORE', more)
    server.write_config()
    return server


CASES = (('alice', 'secret', ''), ('alice', 'wröng', ''), ('nobody', 'x', ''), ('Alice', 'secret', ''), ('alice*admin', 'adminpw', ''),
         ('alice*admin', 'x', ''), ('refused', 'secret', ''), ('alice', 'secret', 'scram'), ('alice', 'x', 'scram'), ('a b', 'x', ''))


def run(server, double, wanted):
    """Logins, and what the double had seen of each."""
    client, found = Client(server), []
    for user, password, how in CASES:
        if how and wanted.get(CASES[0], 3) == 3:
            continue  # Dovecot asks thrice
        del double.seen[:]
        line = scram(client, user, password, 'sha256') if how else client.plain(user, password, extra='rip=192.0.2.7\tsession=S\tclient_id=(a\tsecured=tls')
        deadline = time.monotonic() + 5
        while len(double.seen) < wanted.get((user, password, how), 3) and time.monotonic() < deadline:
            time.sleep(0.01)
        found.append((user, password, how, without(line, 'original_user=', 'auth_user=').split('\t')[0::2],
                      [(path, headers.get('X-API-Key'), json.loads(body)) for _, path, headers, body in double.seen]))
    return found


WANTED = {('alice', 'wröng', ''): 2, ('nobody', 'x', ''): 2, ('alice*admin', 'x', ''): 2, ('refused', 'secret', ''): 2, ('alice', 'x', 'scram'): 2,
          ('a b', 'x', ''): 1}


@pytest.mark.parametrize('more', ('', 'auth_policy_hash_truncate = 0\nauth_policy_hash_mech = sha1\nauth_policy_check_after_auth = no\n'
                                  'auth_policy_request_attributes = login=%{requested_username} a/b=%s a/c=%{rip} pw=%{hashed_password}',
                                  'auth_policy_hash_truncate = 17\nauth_policy_check_after_auth = no'))
def test_requests_are_those_of_dovecot(make_server, make_dovecot, double, running_dovecot, tls, more):
    ours = write(make_server('passdb {\n}\n', 'imap', start=False), double, more).start()
    theirs = write(type(running_dovecot)(tls, 'passdb {\n}\n', 'imap'), double, more)
    try:
        theirs.start()
        wanted = {**WANTED, **{key: 2 for key in CASES if 'after_auth = no' in more and key not in WANTED}}
        got = [run(one, double, wanted) for one in (ours, theirs)]
        assert [both for both in zip(*got) if both[0] != both[1]] == []
    finally:
        theirs.stop()
        theirs.remove()


def test_what_the_server_says(make_server, double):
    one = write(make_server('passdb {\n}\n', 'imap', start=False), double).start()
    client = Client(one)
    assert client.plain('refused', 'secret') == 'FAIL\t1\tuser=refused'
    assert one.wait_log('Authentication failure due to policy server refusal')
    assert client.plain('later', 'secret', extra='session=first').startswith('OK')
    assert client.plain('later', 'secret', extra='session=second').startswith('FAIL')
    for name in ('text', 'broken', 'gone'):
        assert client.plain(name, 'secret').startswith('OK'), name
    begin, got = time.monotonic(), []
    other = Client(one)
    thread = threading.Thread(target=lambda: got.append(other.plain('slow', 'secret')))
    thread.start()
    assert client.plain('alice', 'secret').startswith('OK') and not got
    thread.join()
    assert got[0].startswith('OK') and 3.5 < time.monotonic() - begin < 20  # twice two seconds
    one.forgive()


def test_servers_that_cannot_be_asked(make_server, double):
    for more, right in (('auth_policy_reject_on_fail = yes', 'FAIL'), ('', 'OK'), ('auth_policy_log_only = yes', 'OK')):
        one = write(make_server('passdb {\n}\n', 'imap', start=False), double, more).start()
        for name in ('broken', *ODD):
            assert Client(one).plain(name, 'secret').startswith(right), name
        assert Client(one).plain('refused', 'secret').startswith('OK' if 'log_only' in more else 'FAIL')
        one.stop()
    double.url = 'http://127.0.0.1:1'
    one = write(make_server('passdb {\n}\n', 'imap', start=False), double, 'auth_policy_reject_on_fail = yes').start()
    assert Client(one).plain('alice', 'secret').startswith('FAIL')
    one.forgive()
