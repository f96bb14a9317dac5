# SPDX-License-Identifier: MIT
"""passdb and userdb sql with SQLite, PostgreSQL and MariaDB."""
import os
import re
import threading
import time
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY, Server, finish
from databases import Mariadb, Postgres, Sqlite
from test_auth import Client, Master
from test_mechs import scram

TABLE = """\
CREATE TABLE users (username varchar(80), domain varchar(80), password varchar(200), home varchar(80), uid varchar(20), quota int,
  slow int);
INSERT INTO users VALUES ('alice', 'x.example', 'secret', '/h/alice', '7001', 10, 0);
INSERT INTO users VALUES ('o''neil', 'x.example', '{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=', '/h/o', '7002', NULL, 0);
INSERT INTO users VALUES ('twice', 'x.example', 'secret', '/h/1', '7003', 1, 0);
INSERT INTO users VALUES ('twice', 'x.example', 'secret', '/h/2', '7003', 1, 0);
INSERT INTO users VALUES ('none', 'x.example', NULL, '/h/n', 'no-such-user', 1, 0);
"""
SETTINGS = """\
# how to ask
driver = KIND
connect = CONNECT
default_pass_scheme = PLAIN
password_query = SELECT username, domain, password, \\
  home AS userdb_home FROM users WHERE username = '%n' AND domain = '%d' MORE
user_query = "SELECT home, uid, 7009 AS gid, quota FROM users WHERE username = '%n' AND domain = '%d'"
iterate_query = SELECT DISTINCT username, domain FROM users ORDER BY username
"""
EXTRA = """\
auth_mechanisms = plain scram-sha-256
auth_username_chars =
auth_verbose = yes
auth_failure_delay = 0
passdb {
  driver = sql
  args = DIR/sql.conf.ext
}
userdb {
  driver = sql
  args = DIR/sql.conf.ext
}
""" + AUTH_CLIENT + NO_PENALTY
KINDS = {'sqlite': Sqlite, 'pgsql': Postgres, 'mysql': Mariadb}


@pytest.fixture(scope='module', params=sorted(KINDS))
def database(request):
    one = KINDS[request.param]()
    one.kind = request.param
    one.sql(TABLE)
    yield one
    one.remove()


def write(server, database, connect=None, more=''):
    Path(server.dir, 'sql.conf.ext').write_text(
        SETTINGS.replace('KIND', database.kind).replace('CONNECT', connect or database.connect()).replace('MORE', more))
    server.extra = EXTRA.replace('DIR', server.dir)
    server.write_config()
    return server


@pytest.fixture
def auth(database, tls):
    one = write(Server(tls, 'passdb {\n}\n', 'imap'), database).start()
    yield one
    finish(one)


def libraries(server):
    """Those of databases that processes of auth have loaded, by whether it is a worker."""
    found = {False: set(), True: set()}
    for pid in server.pids('auth') + server.pids('auth-worker'):
        worker = '-w' in Path(f'/proc/{pid}/cmdline').read_text()
        maps = Path(f'/proc/{pid}/maps').read_text()
        found[worker] |= set(re.findall(r'lib(sqlite3|pq|mariadb|ldap|curl|gssapi_krb5)[-.\w]*\.so', maps))
    return found


def test_libraries_are_loaded_where_they_are_used(database, auth):
    assert libraries(auth)[False] == set()
    assert Client(auth).plain('alice@x.example', 'secret').startswith('OK')
    own = {'sqlite': 'sqlite3', 'pgsql': 'pq', 'mysql': 'mariadb'}[database.kind]
    found = libraries(auth)
    assert found[False] == set() and own in found[True]
    assert not found[True] & {'sqlite3', 'pq', 'mariadb'} - {own}


def test_users_of_a_database(auth):
    client, master = Client(auth), Master(auth)
    assert client.plain('alice@x.example', 'secret') == 'OK\t1\tuser=alice@x.example'
    assert client.plain('alice@x.example', 'wrong') == 'FAIL\t2\tuser=alice@x.example'
    assert client.plain('nobody@x.example', 'secret') == 'FAIL\t3\tuser=nobody@x.example'
    assert client.plain("o'neil@x.example", 'secret') == "OK\t4\tuser=o'neil@x.example"
    assert client.plain('twice@x.example', 'secret') == 'FAIL\t5\tuser=twice@x.example\tcode=temp_fail'
    assert client.plain('none@x.example', '').startswith('FAIL\t6')
    assert scram(client, 'alice@x.example', 'secret', 'sha256').startswith('OK')
    assert scram(client, 'alice@x.example', 'wrong', 'sha256').startswith('FAIL')
    assert master.ask('USER\t1\talice@x.example\tservice=lmtp') == (
        'USER\t1\talice@x.example\thome=/h/alice\tuid=7001\tgid=7009\tquota=10')
    assert master.ask("USER\t2\to'neil@x.example\tservice=lmtp") == "USER\t2\to'neil@x.example\thome=/h/o\tuid=7002\tgid=7009"
    assert master.ask('USER\t3\tnobody@x.example\tservice=lmtp') == 'NOTFOUND\t3'
    assert master.ask('USER\t4\ttwice@x.example\tservice=lmtp') == 'FAIL\t4'
    assert master.ask('USER\t5\tnone@x.example\tservice=lmtp') == 'FAIL\t5'
    assert auth.doveadm('user', '*').stdout.split() == [f'{user}@x.example' for user in ('alice', 'none', "o'neil", 'twice')]
    assert auth.wait_log(r'auth-worker\(\d+\): Info: conn unix:auth-worker \(pid=\d+,uid=\d+\): auth-worker<\d+>: '
                         r'sql\(nobody@x.example,127.0.0.1,<S>\): unknown user\n')


@pytest.mark.parametrize('name', ["x' OR '1'='1", "x\\' OR 1=1 -- ", "' UNION SELECT 'a','b','c','d' -- ", "x'; DROP TABLE users; --",
                                  "\\", "'", "''", '%n', "a\\'"])
def test_names_are_no_sql(auth, name):
    client = Client(auth)
    for user in (f'{name}@x.example', f'alice@{name}'):
        assert client.plain(user, 'c').startswith('FAIL') and 'temp_fail' not in client.plain(user, 'c')
    assert client.plain('alice@x.example', 'secret').startswith('OK')


def test_a_server_that_is_away(database, auth):
    if database.kind == 'sqlite':
        pytest.skip('is never away')
    client = Client(auth)
    assert client.plain('alice@x.example', 'secret').startswith('OK')
    database.stop()
    assert client.plain('alice@x.example', 'secret') == 'FAIL\t2\tuser=alice@x.example\tcode=temp_fail'
    assert Master(auth).ask('USER\t1\talice@x.example\tservice=lmtp') == 'FAIL\t1'
    assert auth.wait_log('sql.*Password query failed: .*[Cc]onnect')
    database.start()
    assert client.plain('alice@x.example', 'secret').startswith('OK')


def test_the_next_host_is_asked(database, make_server):
    if database.kind == 'sqlite':
        pytest.skip('has no hosts')
    one = write(make_server('passdb {\n}\n', 'imap', start=False), database, f'host=127.0.0.2 {database.connect()}').start()
    assert Client(one).plain('alice@x.example', 'secret').startswith('OK')


def test_slow_answers_hold_nobody_up(database, make_server):
    sleep = {'sqlite': None, 'pgsql': "AND (username <> 'alice' OR pg_sleep(3) IS NOT NULL)",
             'mysql': "AND (username <> 'alice' OR SLEEP(3) = 0)"}[database.kind]
    if sleep is None:
        pytest.skip('is never slow')
    one = write(make_server('passdb {\n}\n', 'imap', start=False), database, more=sleep).start()
    Client(one).plain("o'neil@x.example", 'secret')
    slow, done = Client(one), []
    thread = threading.Thread(target=lambda: done.append((slow.plain('alice@x.example', 'secret'), time.monotonic())))
    begin = time.monotonic()
    thread.start()
    assert Client(one).plain("o'neil@x.example", 'secret').startswith('OK')
    other = time.monotonic()
    thread.join()
    assert done[0][0].startswith('OK') and done[0][1] - begin > 2.9 and other < done[0][1]


@pytest.mark.parametrize('text, said', [
    ('driver = sqlite\nconnect = x\nfoo = bar\n', r'sql.conf.ext line 3: Unknown setting: foo'),
    ('driver = nosuch\nconnect = x\n', "Unknown database driver 'nosuch'"), ('connect = x\n', 'driver is not set'),
    ('driver\n', "line 1: Expecting '='")])
def test_wrong_files_are_named(make_server, text, said):
    one = make_server('passdb {\n}\n', 'imap', start=False)
    Path(one.dir, 'sql.conf.ext').write_text(text)
    one.extra = EXTRA.replace('DIR', one.dir)
    one.write_config()
    one.start()
    assert one.wait_log(said)
    one.forgive('Fatal')
    assert os.path.exists(one.dir)


def test_only_workers_need_to_read_the_file(make_server):
    """As root nobody else has to know the database's password."""
    database = Sqlite()
    database.kind = 'sqlite'
    database.sql(TABLE)
    one = write(make_server('passdb {\n}\n', 'imap', start=False), database)
    os.chmod(f'{one.dir}/sql.conf.ext', 0o600)
    one.start()
    assert Client(one).plain('alice@x.example', 'secret').startswith('OK')
    assert Client(one).plain('alice@x.example', 'wrong').startswith('FAIL')
    assert Master(one).ask('USER\t1\talice@x.example\tservice=lmtp').startswith('USER')
    database.remove()
