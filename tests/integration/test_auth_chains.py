# SPDX-License-Identifier: MIT
"""Random chains of passdbs and userdbs give the same answers here and in Dovecot.

DOVETAIL_CHAINS=100 makes more of them, DOVETAIL_SEED others. One in some hundreds differs for what is Dovecot's own
fault: behind override_fields = user=%u, fields of a passwd-file that refuses the password may stay (seed 43, chain 38)."""
import base64
import os
import random
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY, ROOT, Dovecot, Server, finish, have_user
from test_auth import Client, Master, without

CHAINS = int(os.environ.get('DOVETAIL_CHAINS', 4))
SEED = int(os.environ.get('DOVETAIL_SEED', 1))
BASE = """\
auth_mechanisms = plain login
auth_failure_delay = 0
auth_master_user_separator = *
%ss""" + AUTH_CLIENT + NO_PENALTY
RULES = 'return-ok return return-fail continue continue-ok continue-fail'.split()
# Who has which password in which file: "-" is not there.
FILES = {'a': 'both:one only1:one bad:{FOO}x u@x.example:one root:one deny:one fields:one',
         'b': 'both:two only2:two bad:one u@x.example:two root:two host:two',
         'c': 'both:three admin:adminpw only3:three',
         'd': 'deny:x only3:x'}
EXTRA = {'fields': 'userdb_mail=m host=h1 nodelay', 'host': 'proxy host=192.0.2.1 nologin reason=Away', 'both': 'tag=%u'}
LOGINS = [(user, password) for user in ('both', 'only1', 'only2', 'bad', 'u@x.example', 'root', 'deny', 'fields', 'host', 'nobody')
          for password in ('one', 'two')] + [('both', 'three'), ('only3', 'three'), ('both*admin', 'adminpw'), ('both*admin', 'x'),
                                              ('nobody*admin', 'adminpw'), ('only2*admin', 'adminpw')]


def passdb(rnd, number):
    lines = ['driver = passwd-file', f'args = scheme=PLAIN username_format=%u DIR/{rnd.choice("abbaac")}']
    if rnd.random() < 0.15:
        lines = ['driver = static', rnd.choice(('args = nopassword=y', 'args = password=two host=s'))]
    for name in ('success', 'failure', 'internalfail'):
        if rnd.random() < 0.4:
            lines.append(f'result_{name} = {rnd.choice(RULES)}')
    for chance, choices in ((0.3, ('skip = authenticated', 'skip = unauthenticated')), (0.1, ('mechanisms = login', 'mechanisms = plain none')),
                            (0.2, ('username_filter = !*@*', 'username_filter = *@x.example', 'username_filter = only1 both !root')),
                            (0.3, ('override_fields = host=o userdb_mail=o', 'override_fields = user=%u', 'override_fields = p=%{passdb:host}')),
                            (0.3, ('default_fields = host=d userdb_mail=d', 'default_fields = allow_nets=10.0.0.0/8'))):
        if rnd.random() < chance:
            lines.append(rnd.choice(choices))
    if rnd.random() < (0.3 if number == 0 else 0.12):
        lines = ['driver = passwd-file', 'args = DIR/d', 'deny = yes']
    return lines


def userdb(rnd):
    lines = ['driver = passwd-file', f'args = username_format=%u DIR/{rnd.choice("abc")}']
    if rnd.random() < 0.3:
        lines = rnd.choice((['driver = static', 'args = uid=5001 gid=5002 home=/s/%u'], ['driver = prefetch'],
                            ['driver = static', 'args = uid=5001 gid=5002 home=/s/%u allow_all_users=yes']))
    for name in ('success', 'failure', 'internalfail'):
        if rnd.random() < 0.3:
            lines.append(f'result_{name} = {rnd.choice(RULES)}')
    for chance, choices in ((0.2, ('skip = found', 'skip = notfound')), (0.3, ('override_fields = mail=o', 'override_fields = home=/o/%u')),
                            (0.3, ('default_fields = mail=d', 'default_fields = home=/d/%n'))):
        if rnd.random() < chance:
            lines.append(rnd.choice(choices))
    return lines


def chain(rnd):
    blocks = []
    if rnd.random() < 0.5:
        blocks.append(['passdb', 'driver = passwd-file', 'args = scheme=PLAIN DIR/c', 'master = yes',
                       *(['pass = yes'] if rnd.random() < 0.5 else [])])
    dbs = [passdb(rnd, number) for number in range(rnd.randint(1, 4))]
    # One that is for the authenticated only is no passdb where it is the first: without others there are none.
    if all('skip = unauthenticated' in db for db in dbs):
        dbs.append(['driver = passwd-file', 'args = scheme=PLAIN username_format=%u DIR/a'])
    blocks += [['passdb', *db] for db in dbs]
    blocks += [['userdb', *userdb(rnd)] for _ in range(rnd.randint(1, 3))]
    return ''.join(f'{name} {{\n' + ''.join(f'  {line}\n' for line in lines) + '}\n' for name, *lines in blocks)


def write(server, text):
    server.extra = BASE.replace('%ss', text).replace('DIR', server.dir)
    for name, users in FILES.items():
        lines = [f"{user}:{password}:7001:700{index}::/home/{name}/{user}::{EXTRA.get(user, '')}\n"
                 for index, (user, password) in enumerate(word.rsplit(':', 1) for word in users.split())]
        Path(server.dir, name).write_text(''.join(lines))
    server.write_config()


def answers(server):
    client, found = Client(server), {}
    for number, (user, password) in enumerate(LOGINS):
        response = base64.b64encode(f'\0{user}\0{password}'.encode()).decode()
        client.send(f'AUTH\t{number}1\tPLAIN\tservice=imap\trip=127.0.0.1\tresp={response}')
    for _ in LOGINS:  # Dovecot holds refusals back
        line = client.line()
        found[LOGINS[int(line.split('\t')[1][:-1] or 0)]] = line
    master = Master(server)
    for number, user in enumerate(('both', 'only1', 'only2', 'only3', 'u@x.example', 'root', 'fields', 'nobody'), 1):
        for command in ('USER', 'PASS'):
            master.send(f'{command}\t{number}\t{user}\tservice=imap\trip=127.0.0.1')
            line = master.line()
            found[command, user] = line
    return found


def plain_form(line, is_pass):
    """What is compared: fields in any order, a failure without what it says of the user."""
    # Dovecot shows nopassword of a passdb that refuses the user, if its refusal counts as success.
    words = without(line, 'original_user=', 'auth_user=', 'auth=', 'nopassword=').split('\t')
    if words[0] == 'FAIL':
        words = words[:2] + [word for word in words if word.startswith('code=')]
    return words[:2] + sorted(words[2:]) if words[0] != 'NOTFOUND' or not is_pass else ['FAIL', words[1]]


@pytest.mark.skipif(not ROOT or not os.path.exists('/usr/sbin/dovecot') or not have_user('dovenull'),
                    reason="needs Debian's Dovecot, and root")
def test_random_chains(tls):
    rnd, different = random.Random(SEED), []
    ours, theirs = Server(tls, 'passdb {\n}\n', 'imap'), Dovecot(tls, 'passdb {\n}\n', 'imap')
    try:
        for number in range(CHAINS):
            text, got = chain(rnd), []
            for server in (ours, theirs):
                write(server, text)
                server.stop()
                server.start()
                got.append(answers(server))
            lines = [f'{" ".join(key)}: ours {got[0][key]!r}, theirs {got[1][key]!r}' for key in got[0]
                     if plain_form(got[0][key], key[0] == 'PASS') != plain_form(got[1][key], key[0] == 'PASS')]
            if lines:
                different.append('\n'.join([f'chain {number}', text, *lines]))
    finally:
        theirs.stop()
        theirs.remove()
        finish(ours)
    assert not different, '\n'.join(different)
