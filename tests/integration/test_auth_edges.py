# SPDX-License-Identifier: MIT
"""What only a confused or hostile peer says to auth, and what it gets for it."""
import base64
import hashlib
import hmac
import json
import os
import re
import socket
import time
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY, Dovecot
from http_double import Double
from imap_lines import Lines
from proxied import Backend
from test_app_password import add
from test_auth import Client, Master
from test_auth_oauth2 import oauth
from test_login_taken_over import Login, handover
from test_mechs import digest_md5, scram
from test_submission import Relay, begin, wait_for

STATIC = """\
auth_failure_delay = 0
passdb {
  driver = PASSDB
}
userdb {
  driver = static
  args = uid=7001 gid=7002 home=/h/%u
}
""" + AUTH_CLIENT + NO_PENALTY


def configured(make_server, passdb, more='', files=None, protocols='imap'):
    one = make_server('passdb {\n}\n', protocols, start=False)
    one.extra = (more + STATIC.replace('PASSDB', passdb)).replace('DIR', one.dir)
    for name, text in (files or {}).items():
        path = Path(one.dir, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace('DIR', one.dir))
        os.chmod(path, 0o644)
    one.write_config()
    return one.start()


def test_who_goes_on_after_ok_has_no_session(make_server):
    one = configured(make_server, 'static\n  args = password=secret')
    client, master = Client(one, 'auth-login', 70040), Master(one)
    for goes_on in (True, False):
        assert client.plain('alice', 'secret').startswith('OK')
        if goes_on:
            assert client.ask(f'CONT\t{client.last}\tAAAA').startswith('FAIL')
        line = master.ask(f'REQUEST\t{client.last}\t70040\t{client.last}\t{client.cookie}')
        assert line.startswith('FAIL' if goes_on else 'USER'), line
    assert '(null)' not in one.log_text()


@pytest.mark.parametrize('name, shown', ((b'a\tnologin\treason', 'a?tnologin?treason'), (b'a\nFAIL', 'a?nFAIL'), (b'a\tuser', 'a?tuser'),
                                         (b'a\1tnologin', 'a?1tnologin')))
def test_names_of_forwarded_fields_are_nothing_else(make_server, name, shown):
    one = make_server('login_trusted_networks = 127.0.0.0/8\nauth_debug = yes\n' + NO_PENALTY, 'imap')
    with socket.create_connection(('127.0.0.1', one.port('imap')), 20) as sock, sock.makefile('rb') as file:
        file.readline()
        key = b'x-forward-' + name
        sock.sendall(b'a ID ({%d+}\r\n%s "bob")\r\n' % (len(key), key))
        assert file.readline().startswith(b'* ID') and file.readline().startswith(b'a OK')
        sock.sendall(b'b LOGIN alice secret\r\n')
        assert file.readline().startswith(b'b OK')
    assert one.wait_log(re.escape(f'client passdb out: OK?1?user=alice?forward_{shown}=bob\n')), one.log_text()


def token(secret, end):
    def base64url(octets):
        return base64.urlsafe_b64encode(octets).rstrip(b'=')
    claims = {'sub': 'alice', 'email': 'alice', 'exp': end}
    text = b'.'.join(base64url(json.dumps(part).encode()) for part in ({'alg': 'HS256', 'typ': 'JWT'}, claims))
    return (text + b'.' + base64url(hmac.digest(secret, text, hashlib.sha256))).decode()


def test_tokens_are_not_remembered_beyond_their_end(make_server):
    one = configured(make_server, 'oauth2\n  args = DIR/oauth2', 'auth_mechanisms = oauthbearer\nauth_cache_size = 1M\n', {
        'oauth2': 'introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix=DIR/keys/\n',
        'keys/default/HS256/default': base64.b64encode(b'k' * 32).decode()})
    client, end = Client(one), int(time.time()) + 3
    assert oauth(client, 'alice', token(b'k' * 32, end))[0].startswith('OK')
    time.sleep(max(0, end + 0.2 - time.time()))
    assert oauth(client, 'alice', token(b'k' * 32, end))[0].startswith('FAIL')


def test_app_passwords_stay_below_their_directory(make_server):
    one = configured(make_server, 'app-password\n  args = DIR/app/%d/%n', files={'app/example/x': '', 'alice': ''})
    line = Client(one).plain('alice@..', 'x')
    assert line == 'FAIL\t1\tuser=alice@..\tcode=temp_fail'
    assert one.wait_log("the user's name cannot be in a path")


def test_policy_servers_hear_of_names_that_are_no_utf8(make_server):
    double = Double(lambda *_: (200, '{"status": -1}'))
    try:
        one = configured(make_server, 'static\n  args = password=secret',
                         f'auth_username_chars =\nauth_policy_server_url = {double.url}/\nauth_policy_hash_nonce = x\n')
        client = Client(one)
        text = base64.b64encode(b'\0al\xffice\0secret').decode()
        client.send(f'AUTH\t1\tPLAIN\tservice=imap\trip=127.0.0.1\tresp={text}')
        assert client.sock.recv(4096).startswith(b'FAIL\t1')
        assert json.loads(double.seen[0][3])['login'] == 'al?ice'
    finally:
        double.close()


def test_long_names_are_whole_at_the_other_server(make_server):
    backend, name = Backend(), 'a' * 300
    one = configured(make_server, f'static\n  args = nopassword=y proxy=y host=127.0.0.1 port={backend.port}')
    client = Lines(one.port('imap'))
    assert b' OK ' in client.command(f'LOGIN {name} secret'.encode())[-1]
    assert any(line.endswith(f'LOGIN "{name}" "secret"') for line in backend.log), backend.log


FILTERS = ['*', '*@example.com', '!alice', '!*@x *', '*@example.com !root@*', 'alice,bob', 'al?ce, bob', '[ab]lice', 'a\\*', '!', 'ALICE',
           '!alice,bob', '!root@example.com,!alice', 'alice !alice', '**', '*!*', '!?????']
NAMES = ['alice', 'bob', 'root@example.com', 'alice@example.com', 'a*', 'x@x', 'ALICE', 'A!b', '[ab]lice']
MECHS = ['plain', 'plain,login', 'login, plain', 'PLAIN', 'none', 'login', 'pla*', ',plain']


def plain_answer(one, name):
    """Dovecot's auth may hang up at its first request when the machine is busy."""
    for _ in range(5):
        client = Client(one)
        answer = client.plain(name, 'x')
        client.close()
        if answer is not None or not isinstance(one, Dovecot):
            break
        time.sleep(.5)
    return answer


def test_filters_of_passdbs_are_those_of_dovecot(make_server, make_dovecot):
    rules = [('username_filter', text) for text in FILTERS] + [('mechanisms', text) for text in MECHS]
    dbs = '\n}\npassdb {\n  driver = '.join(f'static\n  args = password=x field{number}=y\n  {name} = "%s"\n  result_success = continue-ok' %
                                          text.replace('\\', '\\\\') for number, (name, text) in enumerate(rules))
    said = []
    for make in (make_server, make_dovecot):
        one = configured(make, dbs, 'auth_username_chars =\nauth_username_format = %u\n')
        said.append({name: sorted(word for word in plain_answer(one, name).split('\t') if word.startswith('field')) for name in NAMES})
    assert said[0] == said[1]


def test_masks_of_lists(make_server):
    # Of the userdbs the static one lists nobody.
    files = {'accounts': 'alice:x\nblice:x\n[ab]lice:x\nbob:x\n'}
    one = configured(make_server, 'passwd-file\n  args = DIR/accounts\n}\nuserdb {\n  driver = passwd-file\n  args = DIR/accounts\n', files=files)
    for mask, names in (('*lice', ['[ab]lice', 'alice', 'blice']), ('[ab]lice', ['[ab]lice']), ('?ob', ['bob'])):
        master = Master(one)
        lines = [master.ask(f'LIST\t1\tservice=doveadm\tuser={mask}')]
        while not lines[-1].startswith('DONE'):
            lines.append(master.line())
        assert sorted(line.split('\t')[2] for line in lines[:-1]) == names, mask


def test_a_login_process_writes_no_header_lines(make_server):
    """What it hands over as the name of EHLO goes into Received."""
    relay = Relay()
    try:
        one = begin(make_server, relay)
        auth = Client(one, 'auth-login', 70050)
        assert auth.plain('alice', 'secret').startswith('OK')
        login = Login(one, 'submission')
        login.send(handover(1, 70050, auth.last, auth.cookie.encode(), b'x\r\nX-Evil: yes\r\n\r\n'))
        assert login.answer() == (1, True)
        sock = login.clients[0]
        sock.settimeout(20)
        with sock.makefile('rwb', buffering=0) as file:
            assert file.readline().startswith(b'235')
            for line in (b'MAIL FROM:<a@x.example>', b'RCPT TO:<b@y.example>', b'DATA', b'Subject: x\r\n\r\ntext\r\n.'):
                file.write(line + b'\r\n')
                assert file.readline()[:1] in b'23'
        assert wait_for(lambda: relay.mails)
        assert b'Received: from x??X-Evil:?yes' in relay.mails[0] and b'\nX-Evil' not in relay.mails[0], relay.mails[0]
    finally:
        relay.close()


def test_users_of_app_passwords_are_asked_for_where_the_manual_says_how(make_server):
    """result_success = continue-ok, and result_failure = return-fail behind it: who is gone or refused there has no use for one."""
    one = make_server('passdb {\n}\n', 'imap', start=False)
    os.mkdir(f'{one.dir}/app')
    users = 'alice:secret\nbob:secret::::::nologin\ncarol:secret::::::allow_nets=local,192.0.2.0/24\n'
    Path(one.dir, 'accounts').write_text(users + 'gone:secret\n')
    one.extra = ('auth_failure_delay = 0\npassdb {\n  driver = app-password\n  args = DIR/app/%u\n  result_success = continue-ok\n}\n'
                 'passdb {\n  driver = passwd-file\n  args = scheme=PLAIN DIR/accounts\n  result_failure = return-fail\n}\n'
                 'userdb {\n  driver = static\n  args = uid=7001 gid=7002 home=/h/%u\n}\n' + AUTH_CLIENT + NO_PENALTY).replace('DIR', one.dir)
    one.write_config()
    one.start()
    names = 'alice bob carol gone'.split()
    app = {name: add(one, name, 'phone', '-s', 'imap,read-only')[0] for name in names}
    Path(one.dir, 'accounts').write_text(users)
    client = Client(one, 'auth-login', 70070)
    for password, right in ((app, True), (dict.fromkeys(names, 'secret'), True), (dict.fromkeys(names, 'x'), False)):
        assert client.plain('alice', password['alice']).startswith('OK' if right else 'FAIL')
        if right:
            line = Master(one).ask(f'REQUEST\t1\t70070\t{client.last}\t{client.cookie}')
            assert ('mail_read_only=yes' in line) == (password is app), line
        assert ('nologin' in client.plain('bob', password['bob']).split('\t')) == right
        assert client.plain('carol', password['carol']).startswith('FAIL')
        assert client.plain('carol', password['carol'], extra='rip=192.0.2.1').startswith('OK' if right else 'FAIL')
        assert client.plain('gone', password['gone']).startswith('FAIL')


def test_names_of_certificates_are_for_logins(make_server):
    one = configured(make_server, 'passwd-file\n  args = scheme=PLAIN DIR/accounts',
                     'auth_ssl_username_from_cert = yes\nauth_mechanisms = plain scram-sha-1 digest-md5\n',
                     {'accounts': 'alice:secret\nbob:x\n'})
    client, master, cert = Client(one), Master(one), 'rip=127.0.0.1\tvalid-client-cert\tcert_username=alice'
    for user, authz, right in (('al', '', True), ('al', 'al', True), ('al', 'alice', True), ('bob', 'bob', True), ('al', 'bob', False)):
        assert client.plain(user, 'secret', authz, cert).startswith('OK\t%d\tuser=alice' % client.last if right else 'FAIL'), (user, authz)
    for who in (scram, digest_md5):
        for user, authz, right in (('al', 'al', True), ('al', 'alice', True), ('bob', 'bob', True), ('al', 'bob', False)):
            more = {} if who is scram else {'a1_user': user}
            answer = who(client, user, 'secret', authz=authz, extra=f'\t{cert}', **more)
            assert answer.startswith(f'OK\t{client.last}\tuser=alice' if right else 'FAIL'), (who, user, authz)
    assert master.ask(f'USER\t1\tbob\tservice=imap\t{cert}').startswith('USER\t1\tbob\t')
    assert master.ask(f'PASS\t2\tbob\tservice=imap\t{cert}') == 'PASS\t2\tuser=bob'


def test_master_users_of_themselves(make_server, make_dovecot):
    """"boss*boss" is as a master user; and no default realm makes a name of nothing."""
    said = []
    for make in (make_server, make_dovecot):
        one = make('passdb {\n}\n', 'imap', start=False)
        for name, text in (('masters', 'boss@example.com:{PLAIN}master\n'), ('accounts', 'boss@example.com:own\nalice@example.com:own\n')):
            Path(one.dir, name).write_text(text)
            os.chmod(f'{one.dir}/{name}', 0o644)
        one.extra = ('auth_default_realm = example.com\nauth_master_user_separator = *\npassdb {\n  driver = passwd-file\n  args = DIR/masters\n'
                     '  master = yes\n}\n' + STATIC.replace('PASSDB', 'passwd-file\n  args = scheme=PLAIN DIR/accounts')).replace('DIR', one.dir)
        one.write_config()
        client = Client(one.start())
        said.append([client.plain(user, password, authz)[:2] for user, password, authz in (
            ('boss*boss', 'master', ''), ('boss*boss', 'own', ''), ('alice*alice', 'own', ''), ('boss', 'own', 'boss'),
            ('*boss', 'master', ''), ('alice*', 'own', ''), ('alice*boss', 'master', ''), ('alice*boss', 'own', ''), ('*', 'own', ''))])
        master = Master(one)
        said[-1].append([master.ask(f'PASS\t{at}\t{user}\tservice=imap').split('\t')[0] for at, user in enumerate(('*boss', 'alice*boss', 'boss*boss', 'alice*alice'), 1)])
    assert said[0] == said[1], said
    assert said[0][0] == 'OK' and said[0][1] == 'FA'


@pytest.mark.parametrize('more, said', (('', 'alice|boss|master'), ('pass=x', 'alice|boss|x'), ('master=y pass=x', 'alice|y|x'), ('destuser=al', 'al|boss|master')))
def test_master_users_are_such_at_the_other_server(make_server, more, said):
    backend = Backend()
    one = configured(make_server, 'passwd-file\n  args = DIR/masters\n  master = yes\n  pass = yes\n}\npassdb {\n  driver = static\n'
                     f'  args = nopassword=y proxy=y host=127.0.0.1 port={backend.port} {more}', 'auth_master_user_separator = *\n',
                     {'masters': 'boss:{PLAIN}master\n'})
    client = Lines(one.port('imap'))  # which must not end before the log is looked at
    assert b' OK ' in client.command(b'LOGIN alice*boss master')[-1]
    assert base64.b64decode(backend.log[-1].split()[-1]).decode().replace('\0', '|') == said
