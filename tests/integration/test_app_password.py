# SPDX-License-Identifier: MIT
"""App passwords and TOTP, in files and databases, from doveadm to a session."""
import base64
import hashlib
import hmac
import json
import os
import re
import sqlite3
import struct
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, Server, finish
from databases import Mariadb, Postgres, Sqlite
from imap_lines import Lines
from pop3_lines import NO_DELAY, Pop
from proxied import Backend
from sieve_lines import Sieve
from test_auth import Client, Master
from test_mechs import scram

EXTRA = """\
auth_mechanisms = plain login scram-sha-256 cram-md5
auth_verbose = yes
auth_cache_size = 1M
passdb {
  driver = app-password
  args = ARGS
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u DIR/users
}
userdb {
  driver = passwd-file
  args = username_format=%u DIR/users
}
""" + AUTH_CLIENT + NO_DELAY
TABLE = """\
CREATE TABLE app_passwords (username varchar(255) NOT NULL, id varchar(16) NOT NULL, name varchar(100) NOT NULL, hash varchar(255) NOT NULL,
  scopes varchar(100) NOT NULL, created bigint NOT NULL, expires bigint NOT NULL, last_used bigint NOT NULL, PRIMARY KEY (username, id));
"""
KINDS = {'sqlite': Sqlite, 'pgsql': Postgres, 'mysql': Mariadb}
STORES = ['file', 'files', *sorted(KINDS)]


def prepare(server, args):
    os.mkdir(f'{server.dir}/app')
    server.extra = EXTRA.replace('ARGS', args).replace('DIR', server.dir)
    server.write_config()
    return server


@pytest.fixture(scope='module', params=STORES)
def running(request, tls):
    one, database = Server(tls, 'passdb {\n}\n', 'imap pop3'), None
    if request.param in KINDS:
        database = KINDS[request.param]()
        database.sql(TABLE)
        if request.param == 'sqlite':
            os.chmod(database.connect(), 0o666)
        Path(one.dir, 'sql.conf.ext').write_text(f'driver = {request.param}\nconnect = {database.connect()}\n')
    args = {'file': 'DIR/app/all', 'files': 'max=5 DIR/app/%u'}.get(request.param, 'sql:DIR/sql.conf.ext')
    prepare(one, args).start()
    one.store, one.database = request.param, database
    yield one
    finish(one)
    if database is not None:
        database.remove()


@pytest.fixture
def app(running):
    yield running
    complaints = running.complaints()
    assert not complaints, '\n'.join(complaints)


def run(server, *args):
    got = server.doveadm(*args)
    assert got.returncode == 0 and not got.stderr, (args, got)
    return got.stdout


def add(server, user, name, *more):
    """The new password, and what else is said of it."""
    row = json.loads(run(server, '-f', 'json', 'app-password', 'add', '-u', user, *more, name))[0]
    assert re.match(r'([a-km-z]{4}-){6}[a-km-z]{4}$', row['password']) and re.match('[0-9a-f]{8}$', row['id'])
    return row['password'], row


def rows(server, user):
    return {row['name']: row for row in json.loads(run(server, '-f', 'json', 'app-password', 'list', '-u', user))}


def login(client, user, password, service='imap'):
    client.last += 1
    text = base64.b64encode(f'\0{user}\0{password}'.encode()).decode()
    line = client.ask(f'AUTH\t{client.last}\tPLAIN\tservice={service}\trip=127.0.0.1\tresp={text}')
    return '\t'.join(word for number, word in enumerate(line.split('\t')) if number != 1)


def test_made_used_listed_revoked(app):
    client = Client(app)
    password, row = add(app, 'alice', 'the phone')
    assert row['scopes'] == 'imap,pop3,smtp' and row['expires'] == '-'
    other, _ = add(app, 'alice', 'it\'s "é" \\ %u', '-s', 'sieve')
    assert password != other
    for typed in (password, password.replace('-', ''), password.upper(), password.replace('-', ' ')):
        assert login(client, 'alice', typed) == 'OK\tuser=alice'
    assert login(client, 'alice', 'secret') == 'OK\tuser=alice'  # the user's own goes on
    for wrong in (password[:-1] + ('a' if password[-1] != 'a' else 'b'), password[:-1], password + 'a', 'wrong', ''):
        assert login(client, 'alice', wrong) == 'FAIL\tuser=alice'
    assert login(client, 'bob', password) == 'FAIL\tuser=bob'
    assert login(client, 'nobody-here', password) == 'FAIL\tuser=nobody-here'
    assert 'the phone' in rows(app, 'alice') and rows(app, 'bob') == {}
    assert rows(app, 'alice')['it\'s "é" \\ %u']['scopes'] == 'sieve'
    run(app, 'app-password', 'revoke', '-u', 'alice', 'the phone')
    assert login(client, 'alice', password) == 'FAIL\tuser=alice'  # at once, whatever is cached
    assert app.wait_log(r"app-password\(alice,127.0.0.1\): app password 'the phone' \(\w+\) was revoked on \d{4}-")
    assert rows(app, 'alice')['the phone']['status'] == 'revoked'
    again, row = add(app, 'alice', 'the phone')
    assert login(client, 'alice', again).startswith('OK') and not login(client, 'alice', password).startswith('OK')
    run(app, 'app-password', 'revoke', '-u', 'alice', row['id'])
    assert login(client, 'alice', again) == 'FAIL\tuser=alice'
    log = app.log_text()
    assert password not in log and again not in log and password.replace('-', '') not in log


def test_scopes(app):
    client = Client(app)
    services = {'imap': 'imap', 'pop3': 'pop3', 'smtp': 'smtp', 'submission': 'smtp', 'sieve': 'sieve', 'managesieve': 'sieve', 'lmtp': None,
                'doveadm': None, 'other': None}
    for name, scopes in (('mail', 'imap,pop3'), ('send', 'smtp'), ('sort', 'sieve'), ('look', 'read-only'), ('look-imap', 'imap,read-only')):
        password, row = add(app, 'carol', name, '-s', scopes)
        wanted = 'imap,pop3,read-only' if scopes == 'read-only' else scopes
        assert row['scopes'] == wanted
        for service, scope in services.items():
            assert login(client, 'carol', password, service)[:2] == ('OK' if scope in wanted.split(',') else 'FA'), (name, service)
        run(app, 'app-password', 'revoke', '-u', 'carol', name)
    assert app.wait_log(r"app-password\(carol,127.0.0.1\): app password 'send' \(\w+\) is not for service imap, but for: smtp")
    for bad in ('imap,x', '', 'smtp,read-only', 'readonly'):
        got = app.doveadm('app-password', 'add', '-u', 'carol', '-s', bad, 'bad')
        assert got.returncode == 65 and 'Scopes are' in got.stderr and got.stdout == ''


def test_expiry(app):
    client = Client(app)
    password, row = add(app, 'twin', 'short', '-e', '2 secs')
    assert login(client, 'twin', password).startswith('OK')
    assert abs(time.mktime(time.strptime(row['expires'], '%Y-%m-%d %H:%M:%S')) - time.time()) < 10
    later, row = add(app, 'twin', 'later', '-e', '2099-02-28')
    assert row['expires'] == '2099-02-28 00:00:00'
    assert add(app, 'twin', 'at noon', '-e', '2099-02-28 12:30')[1]['expires'] == '2099-02-28 12:30:00'
    assert login(client, 'twin', later).startswith('OK')
    time.sleep(2.1)
    assert login(client, 'twin', password) == 'FAIL\tuser=twin' and rows(app, 'twin')['short']['status'] == 'expired'
    assert app.wait_log(r"app-password\(twin,127.0.0.1\): app password 'short' \(\w+\) expired on \d{4}-")
    assert add(app, 'twin', 'short')  # its name is free
    for bad in ('2099-02-30', '2020-01-01', 'x', '5', '0', '-1d', '2099-02-28x', '999999999 weeks'):
        got = app.doveadm('app-password', 'add', '-u', 'twin', '-e', bad, 'bad')
        assert got.returncode in (64, 65) and got.stdout == '', (bad, got)


def test_last_use_is_noted(app):
    client = Client(app)
    password, _ = add(app, 'reader', 'one')
    unused, _ = add(app, 'reader', 'two')
    assert rows(app, 'reader')['one']['last_used'] == '-'
    assert login(client, 'reader', password).startswith('OK')
    deadline = time.monotonic() + 10
    while rows(app, 'reader')['one']['last_used'] == '-' and time.monotonic() < deadline:
        time.sleep(0.05)
    noted = time.mktime(time.strptime(rows(app, 'reader')['one']['last_used'], '%Y-%m-%d %H:%M:%S'))
    assert abs(noted - time.time()) < 15 and rows(app, 'reader')['two']['last_used'] == '-'
    assert login(client, 'reader', unused).startswith('OK') and login(client, 'reader', password).startswith('OK')


def test_no_more_than_so_many(app):
    limit = 5 if app.store == 'files' else 20
    made = [add(app, 'hand', f'n{number}')[0] for number in range(limit)]
    got = app.doveadm('app-password', 'add', '-u', 'hand', 'one more')
    assert got.returncode == 65 and f'has {limit} app passwords' in got.stderr and got.stdout == ''
    assert got.stderr.startswith('Error: ')
    got = app.doveadm('app-password', 'add', '-u', 'hand', 'n1')
    assert got.returncode == 65 and 'There is one of that name' in got.stderr
    run(app, 'app-password', 'revoke', '-u', 'hand', 'n1')
    made[1] = add(app, 'hand', 'n1')[0]
    client = Client(app)
    assert all(login(client, 'hand', password).startswith('OK') for password in made)
    app.forgive()


def test_who_comes_and_goes_stays_bounded(app):
    if app.store not in ('file', 'sqlite'):
        pytest.skip('takes long')
    for _ in range(110):
        _, row = add(app, 'droppy', 'again')
        run(app, 'app-password', 'revoke', '-u', 'droppy', row['id'])
    assert len(json.loads(run(app, '-f', 'json', 'app-password', 'list', '-u', 'droppy'))) <= 100


def test_only_plaintext_mechanisms(app):
    client = Client(app)
    password, _ = add(app, 'mover', 'm')
    assert not scram(client, 'mover', password, 'sha256').startswith('OK')
    assert scram(client, 'mover', 'secret', 'sha256').startswith('OK')
    assert login(client, 'mover', password).startswith('OK')
    assert Master(app).ask('USER\t1\tmover\tservice=lmtp').startswith('USER\t1\tmover\t')
    assert Master(app).ask('PASS\t1\tmover\tservice=imap').startswith('PASS\t1\tuser=mover')


def test_read_only_sessions(app):
    app.drop_mail('recent', b'Subject: x\n\nbody\n')
    full, _ = add(app, 'recent', 'full')
    look, _ = add(app, 'recent', 'look', '-s', 'read-only')
    client = Lines(app.port('imap'), 'recent', look, timeout=60)
    assert b'[READ-ONLY]' in client.command(b'SELECT INBOX')[-1]
    for command in (b'STORE 1 +FLAGS (\\Deleted)', b'EXPUNGE', b'CREATE new', b'APPEND INBOX {3+}\r\na\r\n'):
        assert b' NO [NOPERM] ' in client.command(command)[-1]
    client = Pop(app.port('pop3'), 'recent', look)
    assert client.command('DELE 1').startswith(b'-ERR [SYS/PERM]')
    client.quit()
    client = Lines(app.port('imap'), 'recent', full)
    assert b'[READ-WRITE]' in client.command(b'SELECT INBOX')[-1]
    assert b' OK ' in client.command(b'STORE 1 +FLAGS (\\Seen)')[-1]
    run(app, 'app-password', 'revoke', '-u', 'recent', 'look')
    with pytest.raises(AssertionError, match='AUTHENTICATIONFAILED'):
        Lines(app.port('imap'), 'recent', look)


def closed(client):
    try:
        while client.sock.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


def test_revoking_ends_sessions(app):
    phone, row = add(app, 'whoa', 'phone')
    other, _ = add(app, 'whoa', 'other')
    gone = [Lines(app.port('imap'), 'whoa', phone), Lines(app.port('imaps'), 'whoa', phone, tls=True), Pop(app.port('pop3'), 'whoa', phone)]
    stay = [Lines(app.port('imap'), 'whoa', other), Lines(app.port('imap'), 'whoa', 'secret')]
    who = json.loads(run(app, '-f', 'json', 'who', 'whoa'))
    assert {line['service']: line['connections'] for line in who} == {'imap': '4', 'pop3': '1'}
    run(app, 'app-password', 'revoke', '-u', 'whoa', row['id'])
    assert all(map(closed, gone))
    for client in stay:
        assert b' OK ' in client.command(b'NOOP')[-1]
    assert 'whoa' in run(app, 'kick', 'whoa')  # whatever they were opened with
    assert all(map(closed, stay))
    run(app, 'app-password', 'revoke', '-u', 'whoa', 'other')  # nobody is there


def test_revoking_ends_proxied_sessions(make_server):
    """A login process passes them on: the next server knows nothing of what is revoked here."""
    other = Backend()
    app = prepare(make_server('passdb {\n}\n', 'imap', start=False), f'DIR/app/all\n  override_fields = proxy=y host=127.0.0.1 port={other.port}')
    app.start()
    phone, row = add(app, 'whoa', 'phone')
    pad, _ = add(app, 'whoa', 'pad')
    gone, stay = Lines(app.port('imap'), 'whoa', phone), Lines(app.port('imap'), 'whoa', pad)
    assert row['id'] in run(app, 'proxy', 'list')
    run(app, 'app-password', 'revoke', '-u', 'whoa', row['id'])
    assert closed(gone)
    assert b' OK ' in stay.command(b'NOOP')[-1]
    # No secret of others: clients of auth that are no login processes see nothing of it.
    assert 'app_password' not in login(Client(app), 'whoa', pad)


def test_read_only_is_not_lost_on_the_way(make_server):
    """Another server, which lets a proxy in by a password of its own, knows nothing of it."""
    other = Backend()
    app = prepare(make_server('passdb {\n}\n', 'imap pop3', start=False), 'DIR/app/all\n  override_fields = FIELDS')
    to = f'proxy=y host=127.0.0.1 port={other.port} master=proxy pass=x'
    app.extra = app.extra.replace('FIELDS', to)
    app.write_config()
    app.start()
    look, _ = add(app, 'whoa', 'look', '-s', 'read-only')
    full, _ = add(app, 'whoa', 'full')
    with pytest.raises(AssertionError, match=r'CONTACTADMIN\] Read-only app passwords'):
        Lines(app.port('imap'), 'whoa', look)
    with pytest.raises(AssertionError, match=r'AUTH\] Read-only app passwords'):
        Pop(app.port('pop3'), 'whoa', look)
    assert other.log == [] and app.wait_log(r'imap-login: Error: proxy\(whoa.*\): Read-only app password')
    Lines(app.port('imap'), 'whoa', full)
    app.extra = app.extra.replace(to, to + ' proxy_read_only=y')
    app.write_config()
    assert app.doveadm('reload').returncode == 0 and app.wait_log('SIGHUP')
    Lines(app.port('imap'), 'whoa', look)


def test_managesieve(make_server):
    one = prepare(make_server('passdb {\n}\n', 'imap sieve', start=False), 'DIR/app/all').start()
    mail, _ = add(one, 'sieve', 'mail')
    rules, _ = add(one, 'sieve', 'rules', '-s', 'sieve')
    assert Sieve(one.port('sieve'), 'sieve', rules).command('LISTSCRIPTS').endswith(b'OK "Listscripts completed."\r\n')
    with pytest.raises(AssertionError, match='Authentication failed'):
        Sieve(one.port('sieve'), 'sieve', mail)
    with pytest.raises(AssertionError, match='AUTHENTICATIONFAILED'):
        Lines(one.port('imap'), 'sieve', rules)
    assert Lines(one.port('imap'), 'sieve', mail)


def test_users_are_known(app):
    for command in (['add', '-u', 'nobody-here', 'x'], ['totp', 'enable', '-u', 'nobody-here']):
        got = app.doveadm('app-password', *command)
        assert got.returncode == 67 and "User doesn't exist: nobody-here" in got.stderr
    for bad in ('', 'x' * 65, 'a\nb', 'a\x7f'):
        got = app.doveadm('app-password', 'add', '-u', 'alice', bad)
        assert got.returncode == 65 and 'A name has' in got.stderr
    for command in (['add', '-u', 'alice'], ['add', 'x'], ['list'], ['revoke', '-u', 'alice'], ['list', '-u', 'alice', 'x'], ['add', '-x']):
        assert app.doveadm('app-password', *command).returncode == 64
    got = app.doveadm('app-password', 'revoke', '-u', 'alice', 'no such')
    assert got.returncode == 65 and 'There is no such app password' in got.stderr
    for command in ('add', 'list', 'revoke', 'totp enable', 'totp disable'):
        got = app.doveadm('app-password', *command.split(), '--help')
        assert got.stderr.startswith(f'doveadm app-password {command} [-a <master socket path>] ')


def test_forms(app):
    add(app, 'sorted', 'one')
    for form in ('flow', 'tab', 'table', 'pager', 'json'):
        text = run(app, '-f', form, 'app-password', 'list', '-u', 'sorted')
        assert 'one' in text and 'imap,pop3,smtp' in text and 'active' in text, form
    assert run(app, 'app-password', 'add', '-u', 'sorted', 'two').startswith('id: ')


# --- TOTP -----------------------------------------------------------------------

def code(secret, at=None):
    step = struct.pack('>Q', int(time.time() if at is None else at) // 30)
    out = hmac.new(base64.b32decode(secret), step, hashlib.sha1).digest()
    return f'{(struct.unpack(">I", out[out[-1] & 15:][:4])[0] & 0x7fffffff) % 1000000:06}'


def enable(server, user, *more):
    uri = run(server, 'app-password', 'totp', 'enable', '-u', user, *more).strip()
    assert uri.startswith('otpauth://totp/')
    return uri, dict(urllib.parse.parse_qsl(uri.partition('?')[2]))['secret']


def settle():
    """Not where a step ends."""
    left = 30 - time.time() % 30
    if left < 5:
        time.sleep(left + 0.1)


def test_totp(app):
    client = Client(app)
    phone, _ = add(app, 'flags', 'phone')
    assert login(client, 'flags', 'secret').startswith('OK')
    uri, secret = enable(app, 'flags', '-i', 'My Mail')
    assert uri == f'otpauth://totp/My%20Mail:flags?secret={secret}&issuer=My%20Mail&algorithm=SHA1&digits=6&period=30'
    assert len(secret) == 32
    settle()
    now = time.time()
    wrong = code(secret)[:-1] + str((int(code(secret)[-1]) + 5) % 10)
    for password in ('secret', 'secret' + wrong, 'secret' + code(secret, now - 90), 'secret' + code(secret, now + 90), code(secret, now - 60) + 'secret',
                     '', '123456', 'secret 123456'):
        assert login(client, 'flags', password) == 'FAIL\tuser=flags', password
    # An earlier step is of no use when a later one was.
    assert login(client, 'flags', 'secret' + code(secret, now - 30)) == 'OK\tuser=flags'
    assert login(client, 'flags', 'secret' + code(secret, now - 30)) == 'FAIL\tuser=flags'
    assert login(client, 'flags', 'wrong!' + code(secret, now)) == 'FAIL\tuser=flags'
    assert login(client, 'flags', 'secret' + code(secret, now)) == 'FAIL\tuser=flags'  # used up by the try before
    assert login(client, 'flags', 'secret' + code(secret, now + 30)) == 'OK\tuser=flags'
    assert login(client, 'flags', phone) == 'OK\tuser=flags'  # needs no code
    assert not scram(client, 'flags', 'secret', 'sha256').startswith('OK')
    for text in ('TOTP code is wrong or missing', 'TOTP code was used before', 'TOTP needs a plaintext mechanism'):
        assert app.wait_log(r'Info: .*app-password\(flags,127.0.0.1\): ' + text)
    assert login(client, 'alice', 'secret').startswith('OK')  # others need none
    got = app.doveadm('app-password', 'totp', 'enable', '-u', 'flags')
    assert got.returncode == 65 and 'TOTP is enabled already' in got.stderr
    assert app.doveadm('app-password', 'revoke', '-u', 'flags', 'totp').returncode == 65
    assert rows(app, 'flags')['TOTP']['scopes'] == 'totp' and secret not in run(app, 'app-password', 'list', '-u', 'flags')
    run(app, 'app-password', 'totp', 'disable', '-u', 'flags')
    assert login(client, 'flags', 'secret').startswith('OK')
    assert app.doveadm('app-password', 'totp', 'disable', '-u', 'flags').returncode == 65
    assert secret not in app.log_text()
    app.forgive()


def test_totp_through_imap(app):
    _, secret = enable(app, 'spare')
    settle()
    with pytest.raises(AssertionError, match='AUTHENTICATIONFAILED'):
        Lines(app.port('imap'), 'spare', 'secret')
    given = 'secret' + code(secret)
    assert b' OK ' in Lines(app.port('imap'), 'spare', given).command(b'SELECT INBOX')[-1]
    with pytest.raises(AssertionError, match='AUTHENTICATIONFAILED'):
        Lines(app.port('imap'), 'spare', given)
    run(app, 'app-password', 'totp', 'disable', '-u', 'spare')


def test_one_code_lets_one_in(app):
    _, secret = enable(app, 'crowd')
    settle()
    given, got = 'secret' + code(secret), []
    clients = [Client(app) for _ in range(8)]
    threads = [threading.Thread(target=lambda one=one: got.append(login(one, 'crowd', given)[:2])) for one in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == ['FA'] * 7 + ['OK']
    run(app, 'app-password', 'totp', 'disable', '-u', 'crowd')


# --- databases ----------------------------------------------------------------------

def test_a_server_that_is_away(app):
    if app.store not in ('pgsql', 'mysql'):
        pytest.skip('is never away')
    client = Client(app)
    password, _ = add(app, 'stats', 'one')
    app.database.stop()
    for given in (password, 'secret', 'wrong'):  # with TOTP, nobody can say whether a code is needed
        assert login(client, 'stats', given) == 'FAIL\tuser=stats\tcode=temp_fail'
    got = app.doveadm('app-password', 'list', '-u', 'stats')
    assert got.returncode == 65 and 'onnect' in got.stderr
    app.database.start()
    assert login(client, 'stats', password).startswith('OK') and login(client, 'stats', 'wrong') == 'FAIL\tuser=stats'
    app.forgive()


def test_slow_answers_hold_nobody_up(app, make_server):
    sleep = {'pgsql': "(username <> 'bob' OR pg_sleep(3) IS NOT NULL)", 'mysql': "(username <> 'bob' OR SLEEP(3) = 0)"}.get(app.store)
    if sleep is None:
        pytest.skip('is never slow')
    one = make_server('passdb {\n}\n', 'imap', start=False)
    Path(one.dir, 'sql.conf.ext').write_text(Path(app.dir, 'sql.conf.ext').read_text() +
                                             f"app_password_query = SELECT * FROM app_passwords WHERE username = '%u' AND {sleep}\n")
    prepare(one, 'sql:DIR/sql.conf.ext').start()
    password, other = (add(one, user, 'slow')[0] for user in ('bob', 'whoa'))
    got = []
    thread = threading.Thread(target=lambda slow=Client(one): got.append((login(slow, 'bob', password), time.monotonic())))
    begin = time.monotonic()
    thread.start()
    assert login(Client(one), 'whoa', other).startswith('OK')
    between = time.monotonic()
    thread.join()
    assert got[0][0].startswith('OK') and got[0][1] - begin > 2.9 and between < got[0][1]


def test_noting_the_last_use_waits_for_no_lock(app):
    if app.store != 'sqlite':
        pytest.skip('locks by rows')
    client = Client(app)
    password, _ = add(app, 'whob', 'one')
    db = sqlite3.connect(app.database.connect(), isolation_level=None)
    db.execute('BEGIN IMMEDIATE')
    begin = time.monotonic()
    assert login(client, 'whob', password).startswith('OK') and time.monotonic() - begin < 2
    db.execute('ROLLBACK')
    db.close()


def test_other_names_lead_around_no_code(make_server):
    """A passdb that makes another user of who logs in."""
    one = prepare(make_server('passdb {\n}\n', 'imap', start=False), 'DIR/app/all')
    with open(f'{one.dir}/users', 'a', encoding='utf-8') as file:
        file.write('alias:{PLAIN}secret::::::user=alice\nother:{PLAIN}secret::::::user=bob\n')
    one.start()
    client = Client(one)
    assert login(client, 'alias', 'secret').startswith('OK\tuser=alice') and scram(client, 'alias', 'secret', 'sha256').startswith('OK')
    _, secret = enable(one, 'alice')
    settle()
    for given in ('secret', 'secret' + code(secret)):
        assert login(client, 'alias', given) == 'FAIL\tuser=al' + ('ice' if given == 'secret' else 'ias')
    assert not scram(client, 'alias', 'secret', 'sha256').startswith('OK')
    assert login(client, 'alice', 'secret' + code(secret)).startswith('OK')
    assert login(client, 'other', 'secret').startswith('OK\tuser=bob')


# --- files ------------------------------------------------------------------------

@pytest.fixture
def filed(make_server):
    return prepare(make_server('passdb {\n}\n', 'imap', start=False), 'DIR/app/all').start()


def test_many_at_once_lose_nothing(filed):
    users, made = ['alice', 'bob', 'carol', 'reader'], []
    client = Client(filed)
    used, _ = add(filed, 'hand', 'used')

    def work(user):
        for number in range(6):
            made.append((user, add(filed, user, f'n{number}')[0]))
    threads = [threading.Thread(target=work, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert login(client, 'hand', used).startswith('OK')
    assert len(made) == 24 and all(login(client, user, password).startswith('OK') for user, password in made)
    path = Path(filed.dir, 'app', 'all')
    assert path.stat().st_mode & 0o777 == 0o600 and len(path.read_text().splitlines()) == 25
    assert os.listdir(path.parent) == ['all']
    assert all(password.replace('-', '') not in path.read_text() for _, password in made)


def test_hostile_files(filed):
    client, path = Client(filed), Path(filed.dir, 'app', 'all')
    good, _ = add(filed, 'alice', 'good')
    line = path.read_text()

    def gives(text, user='alice', password=None):
        # Another file: the time of the last login may just be written to that one.
        new, old = path.with_name('new'), path.stat()
        new.write_bytes(text if isinstance(text, bytes) else text.encode())
        new.chmod(old.st_mode & 0o777)
        os.chown(new, old.st_uid, old.st_gid)
        new.replace(path)
        return login(client, user, password or good)
    assert gives(line).startswith('OK') and gives(line.rstrip('\n')).startswith('OK')
    assert gives('#\n\n\tx\nbob\t\n' + line).startswith('OK')
    # What is broken of a user might have been his TOTP: nobody gets in.
    for broken in ('alice\t\n', 'alice\ttotp\n', line.replace('\t0\t', '\tx\t'), line.rstrip('\n') + '\tmore\n', line * 101, line[:-20],
                   line.replace('00000000000', '0')):
        assert gives(line + broken, password='secret') == 'FAIL\tuser=alice\tcode=temp_fail', broken
    assert gives(line.replace('imap,pop3,smtp', 'imap,everything')) == 'FAIL\tuser=alice'
    assert gives(line.replace('imap,pop3,smtp', 'imap,readonly')) == 'FAIL\tuser=alice'
    assert gives(line.replace('{SHA256}', '{PLAIN}')) == 'FAIL\tuser=alice'
    assert gives(line + 'alice\ttotp\t1\t0\t00000000000\ttotp\t!!!\tTOTP\n', password='secret123456') == 'FAIL\tuser=alice\tcode=temp_fail'
    assert gives(b'\0' * 1000 + b'\n' + line.encode()).startswith('OK')
    assert gives(line + 'x' * 40 * 1024 * 1024) == 'FAIL\tuser=alice\tcode=temp_fail'
    path.unlink()
    path.symlink_to('/etc/passwd')
    assert login(client, 'alice', good) == 'FAIL\tuser=alice\tcode=temp_fail'
    path.unlink()
    os.mkfifo(path)
    assert login(client, 'alice', good) == 'FAIL\tuser=alice\tcode=temp_fail'
    path.unlink()
    assert login(client, 'alice', good) == 'FAIL\tuser=alice' and login(client, 'alice', 'secret').startswith('OK')
    filed.forgive()


def test_names_that_cannot_be(filed):
    """What TOTP is called could not be revoked by its name."""
    for name, why in (('totp', 'That is the name of TOTP'), ('', '1 to 64 octets'), ('x' * 65, '1 to 64 octets'), ('a\tb', '1 to 64 octets')):
        got = filed.doveadm('app-password', 'add', '-u', 'whob', name)
        assert got.returncode == 65 and why in got.stderr, (name, got)
    assert not rows(filed, 'whob')


def test_names_lead_nowhere(make_server):
    one = prepare(make_server('passdb {\n}\n', 'imap', start=False), 'DIR/app/%u')
    one.extra = 'auth_username_chars =\n' + one.extra
    one.write_config()
    one.start()
    client = Client(one)
    for name in ('../users', '.', '..', 'a/b', '/etc/passwd', '.hidden'):
        assert login(client, name, 'secret').endswith('code=temp_fail'), name
    assert login(client, 'alice', 'secret').startswith('OK')
    one.forgive()


def test_last_use_never_hurts(filed):
    """A file that cannot be written lets users in; one that cannot be read does not."""
    client, path = Client(filed), Path(filed.dir, 'app', 'all')
    password, _ = add(filed, 'alice', 'one')
    if subprocess.run(['chattr', '+i', path], check=False).returncode == 0:
        try:
            assert login(client, 'alice', password).startswith('OK')
            assert filed.wait_log('Warning: .*app-password.alice,127.0.0.1.: last use is not noted: ')
        finally:
            subprocess.run(['chattr', '-i', path], check=True)
    path.write_bytes(b'')
    assert login(client, 'alice', password) == 'FAIL\tuser=alice'


# --- chains -------------------------------------------------------------------------

def test_without_totp_a_lost_store_stops_nobody(make_server):
    one = prepare(make_server('passdb {\n}\n', 'imap', start=False), 'totp=no DIR/none/all').start()
    assert login(Client(one), 'alice', 'secret').startswith('OK')
    os.mkdir(f'{one.dir}/none')
    os.mkdir(f'{one.dir}/none/all')
    assert login(Client(one), 'alice', 'secret').startswith('OK') and one.wait_log('app-password.*Error|Error.*app-password')
    got = one.doveadm('app-password', 'totp', 'enable', '-u', 'alice')
    assert got.returncode == 65
    one.forgive()


def test_totp_needs_the_first_place(make_server):
    one = make_server('passdb {\n}\n', 'imap', start=False)
    prepare(one, 'DIR/app/all')
    first, second = re.findall(r'passdb \{.*?^\}\n', one.extra, re.S | re.M)
    one.extra = one.extra.replace(first + second, second + first)
    one.write_config()
    one.start()
    got = one.doveadm('app-password', 'totp', 'enable', '-u', 'alice')
    assert got.returncode == 65 and 'must be the first' in got.stderr
    password, _ = add(one, 'alice', 'x')
    assert login(Client(one), 'alice', password).startswith('OK')


def test_results_and_other_passdbs(make_server):
    """deny in front, only app passwords for some users, allow_nets beside."""
    one = prepare(make_server('passdb {\n}\n', 'imap', start=False), 'DIR/app/all')
    Path(one.dir, 'denied').write_text('bob:\n')
    deny = f'passdb {{\n  driver = passwd-file\n  args = username_format=%u {one.dir}/denied\n  deny = yes\n}}\n'
    one.extra = one.extra.replace('passdb {', deny + 'passdb {', 1).replace(
        '  driver = app-password\n', '  driver = app-password\n  result_failure = return-fail\n  username_filter = alice bob\n'
        '  default_fields = userdb_extra=app\n')
    one.write_config()
    one.start()
    client = Client(one)
    alice, bob, carol = (add(one, user, 'x')[0] for user in ('alice', 'bob', 'carol'))
    assert login(client, 'alice', alice).startswith('OK') and login(client, 'alice', 'secret').startswith('FAIL')
    assert login(client, 'bob', bob) == 'FAIL\tuser=bob\tcode=user_disabled'
    assert login(client, 'carol', carol).startswith('FAIL') and login(client, 'carol', 'secret').startswith('OK')
    session = Client(one, 'auth-login', 70040)
    assert login(session, 'alice', alice).startswith('OK')
    assert 'extra=app' in Master(one).ask(f'REQUEST\t1\t70040\t1\t{session.cookie}').split('\t')
    one.forgive()


def test_master_users_have_app_passwords(make_server):
    """And need no code of the user they want to be."""
    one = prepare(make_server('passdb {\n}\n', 'imap', start=False), 'DIR/app/all')
    master = f'passdb {{\n  driver = app-password\n  args = {one.dir}/app/all\n  master = yes\n  pass = yes\n}}\n'
    one.extra = 'auth_master_user_separator = *\n' + one.extra.replace('passdb {', master + 'passdb {', 1)
    one.write_config()
    one.start()
    password, _ = add(one, 'bob', 'admin')
    enable(one, 'alice')
    client = Client(one)
    assert login(client, 'alice*bob', password) == 'OK\tuser=alice\toriginal_user=bob\tauth_user=bob'
    assert login(client, 'alice*bob', 'secret').startswith('FAIL') and login(client, 'nobody-here*bob', password).startswith('FAIL')
    assert login(client, 'alice', 'secret').startswith('FAIL')


@pytest.mark.parametrize('args, said', [('', 'args: Missing path'), ('max=51 x', 'args: max= is at most 50'), ('max=x x', 'args: max= is at most'),
                                        ('sql:DIR/none', 'none')])
def test_wrong_args_are_named(make_server, args, said):
    one = prepare(make_server('passdb {\n}\n', 'imap', start=False), args)
    if 'sql' in args:
        one.start()
        assert login(Client(one), 'alice', 'secret').endswith('code=temp_fail')
    else:
        one.start()
    assert one.wait_log(said)
    one.forgive(said)
