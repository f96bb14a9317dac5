# SPDX-License-Identifier: MIT
"""doveadm who, kick, penalty and proxy say and do the same as Dovecot's, for the same sessions."""
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from proxied import Backend
from test_login_proxy import Line, extra

FORMATS = ([], ['-f', 'flow'], ['-f', 'tab'], ['-f', 'table'], ['-f', 'json'], ['-f', 'pager'])
WHO = ([], ['-1'], ['alice'], ['al*'], ['?lice'], ['*'], ['nobody'], ['127.0.0.5'], ['127.0.0.4/31'], ['127.0.0.0/8'], ['::1'],
       ['10.0.0.0/8'], ['alice', '127.0.0.5'], ['127.0.0.6', 'alice'], ['-1', 'bob', '127.0.0.0/8'], ['-1', '127.0.0.5/32'],
       ['alice', 'bob'], ['127.0.0.5', '127.0.0.6'], ['127.0.0.5/99'], ['ALICE'], ['-x'])
# Each on what the ones before have left.
KICK = ([], ['nobody'], ['alice', '10.0.0.0/8'], ['127.0.0.9'], ['a', 'b'], ['127.0.0.5', '127.0.0.6'], ['alice', '127.0.0.5'],
        ['127.0.0.7'], ['-f', 'B?b'], ['al*'], ['*'])


class Session(Line):
    def __init__(self, server, kind, user, address):
        super().__init__(server, kind, (address, 0))
        self.name = kind, user, address
        if kind == 'imap':
            assert self.ask(f'a LOGIN {user} secret').startswith('a OK')
        else:
            self.ask(f'USER {user}')
            assert self.ask('PASS secret').startswith('+OK')

    def is_over(self):
        """Said good-bye, or just went, some time ago."""
        self.sock.settimeout(0.01)
        try:
            while self.sock.recv(4096):
                pass
        except TimeoutError:
            return False
        return True


def sessions(server):
    return [Session(server, *words) for words in (('imap', 'alice', '127.0.0.5'), ('imap', 'alice', '127.0.0.6'),
                                                  ('pop3', 'alice', '127.0.0.5'), ('imap', 'bob', '127.0.0.5'),
                                                  ('imap', 'bob', '127.0.0.7'), ('imap', 'bob', '127.0.0.8'),
                                                  ('pop3', 'u@x.example', '127.0.0.7'))]


def plain(done):
    """What doveadm said: rows and lists in order, without process ids and the widths that come from them."""
    text = re.sub(r'\b\d{3,7}\b(?!\.)', 'PID', done.stdout)
    text = re.sub(r'\(([^()]*)\)', lambda match: '(' + ' '.join(sorted(match[1].split())) + ')', text)
    text = text.replace('}],{', '},{')  # Dovecot ends its list after the first record
    if 'kicked connections' in text:  # the headline may come behind
        text = ' '.join(sorted(text.split()))
    records = re.split('\f\n?' if '\f' in text else '\n|(?<=}),', text)
    rows = sorted(re.sub(' +', ' ', record).strip('[] \n') for record in records)
    return done.returncode, [row for row in rows if row], re.sub(r'doveadm(\([^)]*\))?: ', '', done.stderr)


def config(tmp_path):
    users = {user: '' for user in ('alice', 'bob', 'u@x.example')}
    return extra(tmp_path, users, 'mail_location = maildir:~/Maildir\nmail_max_userip_connections = 0\n')


def both(make_server, make_dovecot, run):
    seen = []
    for make in (make_server, make_dovecot):
        seen.append(run(make))
    return seen


def compare(seen):
    different = [f'{key}:\n  ours   {seen[0][key]}\n  theirs {seen[1][key]}' for key in seen[0] if seen[0][key] != seen[1][key]]
    assert not different, '\n'.join(different[:5])


def test_who_and_kick(make_server, make_dovecot, tmp_path):
    def run(make):
        server, said = make(config(tmp_path), 'imap pop3'), {}
        open_ones = sessions(server)
        deadline = time.monotonic() + 20  # Dovecot's processes tell anvil of theirs later than the client
        while len(server.doveadm('who', '-1').stdout.splitlines()) <= len(open_ones) and time.monotonic() < deadline:
            time.sleep(0.05)
        for words in WHO:
            for formatter in FORMATS:
                said['who', *formatter, *words] = plain(server.doveadm(*formatter, 'who', *words))
        for words in KICK:
            for formatter in ([], ['-f', 'flow']):
                said['kick', *formatter, *words] = plain(server.doveadm(*formatter, 'kick', *words))
            time.sleep(0.5)
            said['gone', *words] = [one.name for one in open_ones if one.is_over()]
            open_ones = [one for one in open_ones if one.name not in said['gone', *words]]
            said['left', *words] = plain(server.doveadm('who', '-1'))
        for one in open_ones:
            one.close()
        server.forgive()
        return said

    compare(both(make_server, make_dovecot, run))


def test_a_new_anvil_knows_who_is_here(make_server, tmp_path):
    """Without a login that would tell it."""
    server = make_server(config(tmp_path), 'imap pop3')
    here = sessions(server)
    os.kill(server.pids('anvil')[0], signal.SIGKILL)
    deadline = time.monotonic() + 20
    while len(server.doveadm('who', '-1').stdout.splitlines()) <= len(here) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert server.doveadm('kick', 'bob').returncode == 0
    assert [one.is_over() for one in here] == [one.name[1] == 'bob' for one in here]
    assert len(server.doveadm('who', '-1').stdout.splitlines()) == 5
    server.forgive('anvil')


def test_penalties_that_are_off(make_server, tmp_path):
    """There is no socket for them, but anvil answers."""
    server = make_server(config(tmp_path), 'imap')
    got = server.doveadm('penalty')
    assert got.returncode == 0 and got.stdout.split() == ['IP', 'penalty', 'last_penalty', 'last_update'], got


def test_penalty(make_server, make_dovecot, tmp_path):
    """Who tries the same password again is not one who guesses."""
    def run(server):
        said = {}

        def try_from(address, passwords):
            for password in passwords:
                client = Line(server, 'imap', (address, 0))
                client.ask(f'a LOGIN alice {password}')
                client.close()

        with ThreadPoolExecutor() as clients:  # which are made to wait
            list(clients.map(try_from, ('127.0.0.5', '127.0.0.6', '127.1.0.7', '127.0.0.8'), ('a', 'bb', 'aba', ('a', 'secret'))))
        time.sleep(0.3)
        for words in ([], ['127.0.0.5'], ['127.0.0.0/16'], ['127.1.0.0/16'], ['10.0.0.1'], ['x'], ['127.0.0.5', '127.0.0.6'], ['-x']):
            for formatter in FORMATS:
                code, rows, errors = plain(server.doveadm(*formatter, 'penalty', *words))
                said[(*formatter, *words)] = code, [re.sub(r'PID-\d\d-\d\d|\d\d:\d\d:\d\d', 'TIME', row) for row in rows], errors
        server.forgive()
        return said

    servers = [make(config(tmp_path).replace('mode = 0\n', 'mode = 0600\n'), 'imap') for make in (make_server, make_dovecot)]
    with ThreadPoolExecutor() as both_servers:
        compare(list(both_servers.map(run, servers)))


def test_proxy(make_server, make_dovecot, tmp_path):
    """Dovecot shows the headlines of all login processes but the first as rows, and counts what the last one kicked."""
    imap, pop3 = Backend(), Backend('pop3')

    def run(make):
        users = {user: f'proxy=y host=127.0.0.1 port={imap.port}' for user in ('one', 'two', 'u@x.example', 'more', 'all', 'some')}
        users['three'] = f'proxy=y host=127.0.0.1 port={pop3.port}'
        for number, user in enumerate(users):
            users[user] += f' user_account=a{number} user_firm=f{number // 5}'
        server, said = make(extra(tmp_path, users), 'imap pop3'), {}
        open_ones = [Session(server, 'pop3' if user == 'three' else 'imap', user, f'127.0.0.{number}')
                     for number, user in enumerate(users, 5)]
        for words in ([], ['x'], ['-x']):
            for formatter in FORMATS:
                code, rows, errors = plain(server.doveadm(*formatter, 'proxy', 'list', *words))
                said['list', *formatter, *words] = code, [row for row in rows if not re.search('(dest-port|service|"service")$|dest-port"}', row)], errors
        for words in ([], ['nobody'], ['one'], ['TW*'], ['-f', 'user_account', 'a?'], ['-f', 'user_none', 'a4'], ['-f', 'account', 'a4'],
                      ['-f', 'user_account', 'a3', 'a9'], ['-f', 'user_firm', 'f1'], ['-f', 'user_account'], ['-h', '10.0.0.1'], ['x', 'three'], ['-h', '127.0.0.1']):
            for formatter in ([], ['-f', 'flow']):
                done = plain(server.doveadm(*formatter, 'proxy', 'kick', *words))
                said['kick', *formatter, *words] = re.sub(r'\d+ conn|=\d+|=\(null\)', 'N', repr(done)).partition('doveadm proxy')[0]
            time.sleep(0.5)
            said['gone', *words] = [one.name for one in open_ones if one.is_over()]
            open_ones = [one for one in open_ones if one.name not in said['gone', *words]]
        for one in open_ones:
            one.close()
        said['log'] = sorted(re.findall(r'login: Info: proxy\((\w+).*?\): (Disconnected by proxy.*?): user', server.log_text()))
        server.forgive()
        return said

    compare(both(make_server, make_dovecot, run))
