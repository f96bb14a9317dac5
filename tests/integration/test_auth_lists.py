# SPDX-License-Identifier: MIT
"""LIST of very many users, to readers who are slow or do not read at all."""
import os
import re
import sqlite3
import time
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY
from test_auth import Client, Master

COUNT = 200_000
NAMES = [f'user{number:06}@example.org' for number in range(COUNT)]
BASE = """\
passdb {
  driver = passwd-file
  args = scheme=PLAIN DIR/few
}
service auth {
  vsz_limit = 0
}
""" + AUTH_CLIENT + NO_PENALTY
FILE = """\
userdb {
  driver = passwd-file
  args = DIR/many
}
"""
SQL = """\
auth_worker_max_count = 4
userdb {
  driver = sql
  args = DIR/sql.conf
}
"""
SQL_CONF = """\
driver = sqlite
connect = DIR/users.db
iterate_query = SELECT userid AS user FROM users
user_query = SELECT 1000 AS uid, 1000 AS gid, '/h' AS home FROM users WHERE userid = '%u'
"""


def start(make_server, userdb, more=''):
    one = make_server('passdb {\n}\n', 'imap', start=False)
    one.extra = (BASE + userdb + more).replace('DIR', one.dir)
    Path(one.dir, 'few').write_text('alice:secret\n')
    Path(one.dir, 'many').write_text(''.join(f'{name}:x:1000:1000::/h\n' for name in NAMES))
    Path(one.dir, 'sql.conf').write_text(SQL_CONF.replace('DIR', one.dir))
    with sqlite3.connect(f'{one.dir}/users.db') as db:
        db.execute('CREATE TABLE users (userid TEXT PRIMARY KEY)')
        db.executemany('INSERT INTO users VALUES (?)', [(name,) for name in NAMES])
    one.write_config()
    return one.start()


def memory(one, name='auth'):
    """What the largest of its processes has in use, in bytes: auth and its workers."""
    return max(int(re.search(r'VmRSS:\s+(\d+)', Path(f'/proc/{pid}/status').read_text())[1]) * 1024
               for pid in one.pids(name))


def names(master, question):
    """The answers to a LIST; the last is DONE's rest."""
    found = []
    while True:
        line = master.line(60).split('\t')
        assert line[1] == str(question), line
        found.append(line[2])
        if line[0] == 'DONE':
            return found


@pytest.mark.parametrize('userdb', [FILE, SQL], ids=['file', 'sql'])
def test_all_are_listed_once(make_server, userdb):
    one = start(make_server, userdb)
    master = Master(one, 'auth-userdb')
    master.send('LIST\t1\tservice=doveadm')
    time.sleep(1)  # it waits for who reads late
    assert sorted(names(master, 1)) == ['', *NAMES]
    assert one.doveadm('user', '*').stdout.split() == NAMES
    master.send('LIST\t2\tservice=doveadm\tuser=user00000?@*')
    assert sorted(names(master, 2)) == ['', *NAMES[:10]]


@pytest.mark.parametrize('userdb', [FILE, SQL], ids=['file', 'sql'])
def test_who_does_not_read_costs_little(make_server, monkeypatch, userdb):
    monkeypatch.setenv('ASAN_OPTIONS', os.environ.get('ASAN_OPTIONS', '') + ':quarantine_size_mb=0')
    one = start(make_server, userdb)
    assert Master(one, 'auth-userdb').ask(f'USER\t1\t{NAMES[0]}\tservice=imap').startswith('USER')
    before, silent = memory(one), [Master(one, 'auth-userdb') for _ in range(10)]
    for master in silent:
        for number in range(1, 6):
            master.send(f'LIST\t{number}\tservice=doveadm')
    time.sleep(3)
    assert Client(one).plain('alice', 'secret').startswith('OK')
    assert Master(one, 'auth-userdb').ask(f'USER\t1\t{NAMES[0]}\tservice=imap').startswith('USER')
    assert memory(one) < before + 10_000_000


def test_a_file_that_changes_meanwhile(make_server):
    """Others may be missed, or come twice, but none is made up."""
    one = start(make_server, FILE)
    master = Master(one, 'auth-userdb')
    master.send('LIST\t1\tservice=doveadm')
    time.sleep(1)
    found = []
    for text in (''.join(f'{name}:x:1000:1000::/h\n' for name in NAMES[1000:]), 'last:x:1000:1000::/h\n'):
        os.unlink(f'{one.dir}/many')
        Path(one.dir, 'many').write_text(text)
        assert Master(one, 'auth-userdb').ask(f'USER\t1\t{NAMES[0]}\tservice=imap') == 'NOTFOUND\t1'
        found = names(master, 1) if found else [master.line().split('\t')[2] for _ in range(20000)]
        assert set(found) < {'', *NAMES}
