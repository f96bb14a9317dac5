# SPDX-License-Identifier: MIT
"""What auth remembers: the same steps here and in Dovecot, with a database that changes below both."""
import os
import sqlite3
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY, Server, finish
from test_auth import Client, Master
from test_mechs import scram

EXTRA = """\
auth_mechanisms = plain scram-sha-256
auth_failure_delay = 0
auth_cache_size = 1M
auth_cache_ttl = TTL
auth_cache_negative_ttl = NEGATIVE
passdb {
  driver = sql
  args = DIR/sql.conf.ext
}
userdb {
  driver = sql
  args = DIR/sql.conf.ext
}
""" + AUTH_CLIENT + NO_PENALTY
SETTINGS = """\
driver = sqlite
connect = DIR/db
default_pass_scheme = PLAIN
password_query = SELECT pw AS password, '%s' AS service FROM users WHERE name = '%u'
user_query = SELECT home, 7 AS uid, 8 AS gid FROM users WHERE name = '%u'
"""


class Steps:
    def __init__(self, server, ttl, negative):
        self.server, self.path, self.number = server, f'{server.dir}/db', 0
        os.chmod(server.dir, 0o777)  # SQLite's journal
        self.sql('CREATE TABLE users (name, pw, home)')
        os.chmod(self.path, 0o666)
        Path(server.dir, 'sql.conf.ext').write_text(SETTINGS.replace('DIR', server.dir))
        server.extra = EXTRA.replace('DIR', server.dir).replace('TTL', ttl).replace('NEGATIVE', negative)
        server.write_config()
        server.start()
        self.client, self.master = Client(server), Master(server)

    def sql(self, *args):
        with sqlite3.connect(self.path) as db:
            db.execute(*args)

    def set(self, user, password):
        self.drop(user)
        self.sql("INSERT INTO users VALUES (?, ?, '/h')", (user, password))

    def drop(self, user):
        self.sql('DELETE FROM users WHERE name = ?', (user,))

    def login(self, user, password, service='imap'):
        line = self.client.plain(user, password, extra=f'rip=127.0.0.1\tsession=S\tservice={service}')
        return line.split('\t')[0] + line.partition('\tservice=')[2]

    def scram(self, user, password):
        return scram(self.client, user, password, 'sha256').split('\t')[0]

    def user(self, user):
        self.number += 1
        return self.master.ask(f'USER\t{self.number}\t{user}\tservice=imap').split('\t')[0]

    def flush(self, *users):
        return int(self.server.doveadm('auth', 'cache', 'flush', *users).stdout.split()[0])


# A step and what comes of it; with a third word where Dovecot answers otherwise: it refuses from memory whatever differs from
# the old password once one was wrong, so that a password that was changed after a slip of the finger does not work for an hour; with
# '*' it depends on its clock.
LONG = [
    ('set a one', None), ('login a one', 'OKimap'), ('set a two', None), ('login a one', 'OKimap'), ('login a two', 'OKimap'),
    ('login a one', 'FAIL'), ('login a two', 'OKimap'), ('login a two pop3', 'OKpop3'), ('flush a', 2), ('flush a', 0),
    ('set b one', None), ('login b one', 'OKimap'), ('login b x', 'FAIL'), ('set b two', None), ('login b two', 'OKimap', 'FAIL'),
    ('flush', 1), ('login b one', 'FAIL'), ('login b two', 'OKimap'),
    ('login c one', 'FAIL'), ('set c one', None), ('login c one', 'FAIL'), ('flush c', 1), ('login c one', 'OKimap'),
    ('set d one', None), ('login d x', 'FAIL'), ('set d x', None), ('login d x', 'FAIL'), ('flush d', 1), ('login d x', 'OKimap'),
    ('user e', 'NOTFOUND'), ('set e p', None), ('user e', 'NOTFOUND'), ('flush e nobody', 1), ('user e', 'USER'), ('drop e', None),
    ('user e', 'USER'), ('login e p', 'FAIL'), ('flush e', 2), ('user e', 'NOTFOUND'),
    ('set f p', None), ('login f p', 'OKimap'), ('drop f', None), ('login f p', 'OKimap'), ('login f q', 'FAIL'),
    ('login f p', 'FAIL'), ('flush nobody', 0),
    ('set g {NOPE}x', None), ('login g p', 'FAIL'), ('set g p', None), ('login g p', 'FAIL'), ('flush g', 1), ('login g p', 'OKimap')]
# What is stored of a password that was changed, Dovecot goes on with; here one failure is enough to look it up again.
STORED = [
    ('set a one', None), ('scram a one', 'OK'), ('set a two', None), ('scram a one', 'OK'), ('scram a two', 'FAIL'),
    ('scram a two', 'OK', 'FAIL'), ('scram a one', 'FAIL', 'OK'), ('scram a two', 'OK', 'FAIL'),
    ('drop a', None), ('scram a two', 'OK', 'FAIL'), ('flush a', 1), ('scram a two', 'FAIL'), ('set a two', None), ('scram a two', 'FAIL'),
    ('flush', 1), ('scram a two', 'OK'), ('login a two', 'OKimap')]
NOT_NEGATIVE = [
    ('login c one', 'FAIL'), ('set c one', None), ('login c one', 'OKimap'), ('drop c', None), ('login c one', 'OKimap'),
    ('set c two', None), ('login c x', 'FAIL'), ('set c x', None), ('login c x', 'OKimap', '*'), ('flush', 1), ('user c', 'USER')]
NOTHING = [
    ('set a one', None), ('login a one', 'OKimap'), ('set a two', None), ('login a one', 'FAIL'), ('login a two', 'OKimap'),
    ('login c x', 'FAIL'), ('set c x', None), ('login c x', 'OKimap'), ('user d', 'NOTFOUND'), ('set d x', None), ('user d', 'USER'),
    ('flush', 0)]


@pytest.mark.parametrize('ttl, negative, steps', [('1h', '1h', LONG), ('1h', '0', NOT_NEGATIVE), ('0', '1h', NOTHING), ('1h', '1h', STORED)],
                         ids=('long', 'not negative', 'nothing', 'stored'))
@pytest.mark.parametrize('peer', (False, True), ids=('dovetail', 'dovecot'))
def test_steps(tls, request, peer, ttl, negative, steps):
    if peer:
        request.getfixturevalue('running_dovecot')
        if not os.path.exists('/usr/lib/dovecot/modules/auth/libdriver_sqlite.so'):
            pytest.skip("Debian's dovecot-sqlite is not there")
    server = (type(request.getfixturevalue('running_dovecot')) if peer else Server)(tls, 'passdb {\n}\n', 'imap')
    try:
        run, got = Steps(server, ttl, negative), []
        for step, *_ in steps:
            name, *args = step.split()
            got.append((step, getattr(run, name)(*args)))
        for at, (step, *said) in enumerate(steps):
            if said[-1 if peer else 0] != '*':
                assert got[at] == (step, said[-1 if peer else 0])
    finally:
        if peer:
            server.stop()
            server.remove()
        else:
            finish(server)
