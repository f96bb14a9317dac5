# SPDX-License-Identifier: MIT
"""An auth that is left over from before a reload asks workers of after it nothing that means something else to them."""
import contextlib
import os
import signal
import sqlite3
import time
from pathlib import Path

from conftest import AUTH_CLIENT, NO_PENALTY
from test_auth import Client, Master

BASE = "auth_mechanisms = plain\nauth_failure_delay = 0\nauth_verbose = yes\nauth_master_user_separator = *\n"
MASTERS = "passdb {\n  driver = sql\n  args = DIR/masters.conf.ext\n  master = yes\n}\n"
USERS = "passdb {\n  driver = sql\n  args = DIR/users.conf.ext\n}\n"
HOMES = "userdb {\n  driver = sql\n  args = DIR/users.conf.ext\n}\n"
OTHERS = "userdb {\n  driver = sql\n  args = DIR/masters.conf.ext\n}\n"
QUERIES = """\
driver = sqlite
connect = DIR/db
default_pass_scheme = PLAIN
password_query = SELECT pw AS password FROM TABLE WHERE name = '%u'
user_query = SELECT '/TABLE' AS home, 7 AS uid, 8 AS gid FROM users WHERE name = '%u'
"""


def write(server, *blocks):
    server.extra = (BASE + ''.join(blocks) + AUTH_CLIENT + NO_PENALTY).replace('DIR', server.dir)
    server.write_config()


def workers(server):
    """Those idle now would still do the old one's work."""
    return {pid for pid in server.pids() if b'auth-worker' in Path(f'/proc/{pid}/cmdline').read_bytes()}


def test_databases_that_changed_places(make_server):
    one = make_server('passdb {\n}\n', 'imap', start=False)
    os.chmod(one.dir, 0o777)
    with sqlite3.connect(f'{one.dir}/db') as db:
        for table, user in (('users', 'alice'), ('users', 'bob'), ('masters', 'admin')):
            db.execute(f'CREATE TABLE IF NOT EXISTS {table} (name, pw)')
            db.execute(f'INSERT INTO {table} VALUES (?, ?)', (user, 'secret'))
    os.chmod(f'{one.dir}/db', 0o666)
    for table in ('users', 'masters'):
        Path(one.dir, f'{table}.conf.ext').write_text(QUERIES.replace('DIR', one.dir).replace('TABLE', table))
    write(one, MASTERS, USERS, HOMES, OTHERS)
    one.start()
    client, master = Client(one), Master(one)
    assert client.plain('bob*admin', 'secret').startswith('OK')
    assert client.plain('bob*alice', 'secret').startswith('FAIL')
    before, old = set(one.pids('auth')), workers(one)
    write(one, USERS, MASTERS, OTHERS, HOMES)
    start = len(one.log_text())
    assert one.doveadm('reload').returncode == 0
    assert one.wait_log('reload|SIGHUP', start=start)
    time.sleep(1)
    new = Client(one)
    assert new.plain('bob*admin', 'secret').startswith('OK') and set(one.pids('auth')) - before
    for pid in old & workers(one):
        with contextlib.suppress(ProcessLookupError):  # the first one's children go with it
            os.kill(pid, signal.SIGKILL)
    one.forgive('killed with signal 9')
    time.sleep(0.3)
    # The old one still answers, but must not be misled.
    for _ in range(2):
        for name in ('bob*alice', 'alice*bob'):
            assert client.plain(name, 'secret').startswith('FAIL'), name
    assert '/masters' not in master.ask('USER\t1\talice\tservice=imap')
    assert new.plain('alice', 'secret').startswith('OK') and new.plain('bob*alice', 'secret').startswith('FAIL')
