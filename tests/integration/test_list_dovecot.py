# SPDX-License-Identifier: MIT
"""One tree of mailboxes, changed by Dovecot and by us in turns, in all layouts:
both must list the same names with the same attributes, and find the mail of
each."""
import os
import random
import re
import subprocess

import pytest

from conftest import mail_owner
from imap_lines import Lines

LOCATIONS = {
    'maildir++': ('.', ''),
    'control': ('.', ':CONTROL=~/control:INDEX=~/index'),
    'inbox': ('.', ':INBOX=~/inbox:CONTROL=~/control:UTF-8:SUBSCRIPTIONS=subs'),
    'fs': ('/', ':LAYOUT=fs'),
    'fs-utf8': ('/', ':LAYOUT=fs:UTF-8:CONTROL=~/control:INDEX=~/index:VOLATILEDIR=~/volatile'),
    'fs-inbox': ('/', ':LAYOUT=fs:INBOX=~/inbox:CONTROL=~/control'),
    'fs-dirname': ('/', ':LAYOUT=fs:DIRNAME=mAildir'),
    'fs-dirname-control': ('/', ':LAYOUT=fs:DIRNAME=mAildir:CONTROL=~/control'),
    'fs-fulldirname': ('/', ':LAYOUT=fs:FULLDIRNAME=mAildir:CONTROL=~/control'),
    'fs-no-noselect': ('/', ':LAYOUT=fs:NO-NOSELECT'),
}
LISTS = ['LIST "" *', 'LIST "" %', 'LSUB "" *', 'LSUB "" %', 'LIST (SUBSCRIBED) "" *',
         'LIST (SUBSCRIBED RECURSIVEMATCH) "" %', 'LIST "" (% %{sep}%) RETURN (CHILDREN SUBSCRIBED SPECIAL-USE)',
         'LIST "" a{sep}%', 'LIST "" "*b"', 'LSUB "" a{sep}*', 'LIST (SPECIAL-USE) "" *']
LEVELS = ['a', 'b', 'Entw&APw-rfe', 'd &- e']
MAIL = b'Subject: x\r\n\r\ntext\r\n'


@pytest.fixture
def pair(make_server, make_dovecot):
    """Two servers on one home directory with that location."""
    def make(options, namespaces=''):
        extra = f'mail_location = maildir:~/Maildir{options}\n{namespaces}'
        # What its list index remembers of deleted mailboxes is not always so; without it, maildir++ lacks parents.
        index = 'no' if 'LAYOUT=fs' in options else 'yes'
        theirs, ours = make_dovecot(extra + f'mailbox_list_index = {index}\n'), make_server(extra)
        home = theirs.home('pair')
        os.rmdir(ours.home('pair'))
        os.symlink(home, ours.home('pair'))
        return ours, theirs
    return make


def answers(client, command):
    """Without tag and time; in any order."""
    lines = client.command(command)
    assert b' OK ' in lines[-1], (command, lines)
    return sorted(one_answer(line, 'LIST (SUBSCRIBED' in command) for line in lines[:-1])


def one_answer(line, subscribed):
    """Order of attributes and quotes don't matter. \\Marked is a hint that only Dovecot gives; \\Noselect of what is
    subscribed only we do."""
    match = re.fullmatch(rb'\* (\w+) \(([^)]*)\) (\S+) (.*?)( \("?CHILDINFO.*)?', line)
    kind, attributes, separator, name, rest = match.groups()
    rest = rest and rest.replace(b'"', b'').replace(b' (CHILDINFO (SPECIAL-USE))', b'')
    attributes = sorted(word for word in attributes.lower().split()
                        if not word.endswith(b'marked') and not (subscribed and word == rb'\noselect'))
    return name.strip(b'"'), kind, attributes, separator, rest


def seen(server, sep, more=()):
    client = Lines(server.port('imap'), 'pair')
    result = {command: answers(client, command.format(sep=sep)) for command in [*LISTS, *more]}
    for name, _, attributes, _, _ in result[LISTS[0]]:
        if rb'\noselect' not in attributes and rb'\nonexistent' not in attributes:
            line = client.command(b'STATUS "' + name + b'" (MESSAGES UIDNEXT UIDVALIDITY)')[0]
            result[name] = line.rpartition(b'(')[2] if line.startswith(b'*') else line
    client.logout()
    return result


def assert_same(servers, sep, did='', more=()):
    ours, theirs = (seen(server, sep, more) for server in servers)
    for key, value in theirs.items():
        if ours.get(key) != value:
            only = [[item for item in a if item not in b] if isinstance(a, list) else a
                    for a, b in ((ours.get(key), value), (value, ours.get(key)))]
            pytest.fail(f'{key} differs after {did}:\nours: {only[0]}\ntheirs: {only[1]}', pytrace=False)
    assert ours.keys() == theirs.keys(), did


class Turns:
    def __init__(self, servers, sep, seed, careful, prefixes=('',)):
        self.servers, self.sep, self.careful, self.prefixes = servers, sep, careful, prefixes
        self.random = random.Random(seed)

    def name(self):
        return (self.random.choice(self.prefixes) +
                self.sep.join(self.random.choices(LEVELS, k=self.random.choice([1, 1, 2, 2, 3]))))

    def command(self):
        name, other = self.name(), self.name()
        what = self.random.choices(['create', 'level', 'delete', 'rename', 'subscribe', 'unsubscribe', 'append'],
                                   [5, 1, 3, 3, 3, 1, 3])[0]
        if what == 'level':
            return f'CREATE "{name}{self.sep}"'.encode()
        if what == 'rename':
            return f'RENAME "{name}" "{other}"'.encode()
        if what == 'append':
            return f'APPEND "{name}" {{{len(MAIL)}+}}\r\n'.encode() + MAIL
        return f'{what.upper()} "{name}"'.encode()

    def leaves_parent(self, client, command):
        """Dovecot's list index shows a deleted mailbox as if it were there, as long as it has children. With
        FULLDIRNAME=, its RENAME leaves the children's control files behind, where nobody looks for them."""
        if not self.careful or not command.startswith((b'DELETE', b'RENAME')):
            return False
        name = command.split(b'"')[1]
        return len(client.command(b'LIST "" "' + name + self.sep.encode() + b'%"')) > 1

    def turn(self, commands, more=()):
        server = self.random.choice(self.servers)
        client = Lines(server.port('imap'), 'pair')
        did = [server.label]
        for _ in range(commands):
            command = self.command()
            if self.leaves_parent(client, command):
                continue
            answer = client.command(command)[-1]
            assert b'SERVERBUG' not in answer, (did, command, answer)
            did.append((command.decode().split('\r')[0], answer.decode().split('(0')[0]))
        client.logout()
        assert_same(self.servers, self.sep, did, more)


@pytest.mark.parametrize('kind', LOCATIONS)
def test_both_list_what_either_changed(pair, kind):
    sep, options = LOCATIONS[kind]
    servers = pair(options)
    assert_same(servers, sep)
    turns = Turns(servers, sep, kind, sep == '.' or kind == 'fs-fulldirname')
    for _ in range(12):
        turns.turn(6)


NAMESPACES = """\
namespace inbox {
  prefix = INBOX/
  separator = /
  mailbox Sent {
    auto = subscribe
    special_use = \\Sent
  }
  mailbox Drafts {
    auto = create
    special_use = \\Drafts
  }
}
namespace compat {
  alias_for = INBOX/
  prefix = previous/
  separator = /
  hidden = yes
  list = no
}
namespace archive {
  prefix = Archive/
  location = maildir:~/archive:LAYOUT=fs:INDEX=~/archive-index
  separator = /
  list = children
}
namespace work {
  prefix = INBOX/Work/
  location = maildir:~/work:LAYOUT=fs:CONTROL=~/work-control:INDEX=~/work-index:UTF-8
  separator = /
  subscriptions = no
}
namespace hidden {
  prefix = .hidden/
  location = maildir:~/hidden:LAYOUT=fs:INDEX=~/hidden-index
  separator = /
  hidden = yes
  list = no
}
"""
PREFIXES = ['INBOX/', 'Archive/', 'INBOX/Work/', '.hidden/', 'previous/']


COMPAT = """\
namespace inbox {
  prefix = INBOX.
  separator = .
}
namespace compat {
  alias_for = INBOX.
  prefix =
  separator = .
  hidden = HIDDEN
  list = LISTED
}
namespace archive {
  prefix = A.
  location = maildir:~/archive
  separator = .
}
"""
NAMES = ['Other', 'Oth*', 'Other*', 'Other%', 'Sent', 'Sent*', '*ent', '*', '%', 'Other.sub', 'Other.*', 'Oth%.sub',
         'INBOX', 'INBOX*', 'inbox', 'S*t', '%.sub', 'INBOX.Other', 'INBOX.Other.sub', 'A', 'A.x', 'nosuch']


@pytest.mark.parametrize('hidden, listed', [('yes', 'no'), ('no', 'yes')])
def test_alias_without_prefix_of_a_namespace_that_has_one(pair, hidden, listed):
    """As servers that came from Courier have it."""
    servers = pair('', COMPAT.replace('HIDDEN', hidden).replace('LISTED', listed))
    maker = Lines(servers[1].port('imap'), 'pair')
    for command in ['CREATE INBOX.Sent', 'CREATE Other', 'CREATE INBOX.Other.sub', 'CREATE A.x', 'SUBSCRIBE Sent',
                    'SUBSCRIBE INBOX.Other', 'SUBSCRIBE A.x']:
        maker.ok(command)
    maker.logout()
    commands = ['NAMESPACE', 'LIST "Other." *', 'LIST "" (Other Sent)', 'LIST (SUBSCRIBED) "" Other',
                *(f'{kind} "" "{name}"' for name in NAMES for kind in ('LIST', 'LSUB'))]
    told = []
    for server in servers:
        client = Lines(server.port('imap'), 'pair')
        told.append([(command, answers(client, command) if command != 'NAMESPACE' else client.command(command)[0])
                     for command in commands])
        client.logout()
    for ours, theirs in zip(*told):
        assert ours == theirs


def test_namespaces(pair):
    servers = pair(':LAYOUT=fs:INDEX=~/index', NAMESPACES)
    told = [client.command('NAMESPACE')[0] for client in (Lines(server.port('imap'), 'pair') for server in servers)]
    assert told[0] == told[1]
    more = [command for prefix in PREFIXES
            for command in (f'LIST "" "{prefix}*"', f'LIST "{prefix}" %', f'LSUB "" "{prefix}*"')]
    turns = Turns(servers, '/', 5, False, PREFIXES)
    for _ in range(12):
        turns.turn(6, more)


@pytest.mark.parametrize('maker', [0, 1])
def test_mail_in_the_root_of_a_namespace_and_in_its_inbox(pair, maker):
    servers = pair('', 'namespace archive {\n  prefix = A/\n  location = maildir:~/archive\n}\n'
                   'namespace inbox {\n  separator = /\n}\nnamespace archive {\n  separator = /\n}\n'
                   'plugin {\n  lazy_expunge = A/\n}\nprotocol imap {\n  mail_plugins = lazy_expunge\n}\n')
    client = Lines(servers[maker].port('imap'), 'pair')
    client.command(f'APPEND INBOX {{{len(MAIL)}+}}\r\n'.encode() + MAIL)
    for command in ['CREATE A', 'SUBSCRIBE A', 'CREATE A/b', 'SUBSCRIBE A/b', 'SELECT INBOX', 'COPY 1 A', 'COPY 1 A',
                    r'STORE 1 +FLAGS \Deleted', 'EXPUNGE', 'SUBSCRIBE A/INBOX']:
        client.ok(command)
    assert_same(servers, '/')
    answer = client.command('STATUS A/INBOX (MESSAGES)') + client.command('STATUS A (MESSAGES)')
    assert answer[0] == b'* STATUS A/INBOX (MESSAGES 1)' and answer[2] == b'* STATUS A (MESSAGES 2)'
    assert b' NO ' in client.command('DELETE A')[-1]
    for command in ['UNSUBSCRIBE A', 'DELETE A/INBOX']:
        client.ok(command)
    client.logout()
    assert_same(servers, '/')


def alias_of_all(name, prefix):
    return (f'namespace {name} {{\n  prefix = {prefix}\n  separator = /\n  hidden = yes\n  list = no\n  alias_for =\n'
            '  inbox = no\n}\n')


@pytest.mark.parametrize('maker', [0, 1])
def test_names_of_before_for_the_namespace_without_prefix(pair, maker):
    """What Dovecot's documentation has for clients of UW-IMAP: "alias_for =" is not the same as none, and a prefix may
    begin as no mailbox does."""
    servers = pair(':LAYOUT=fs', 'namespace inbox {\n  separator = /\n}\n' + alias_of_all('one', 'mail/') +
                   alias_of_all('two', '~/mail/') + alias_of_all('three', '/home/pair/mail/'))
    client = Lines(servers[maker].port('imap'), 'pair')
    for command in ['CREATE mail/a', 'CREATE "~/mail/b"', 'SUBSCRIBE mail/a', 'SUBSCRIBE "~/mail/b"', 'CREATE c',
                    'RENAME "/home/pair/mail/c" mail/d', 'APPEND "~/mail/b" {3+}\r\nx\r\n', 'SELECT mail/b',
                    'COPY 1 "/home/pair/mail/d"']:
        client.ok(command)
    client.logout()
    assert_same(servers, '/', more=[command for prefix in ('mail/', '~/mail/', '/home/pair/mail/')
                                    for command in (f'LIST "{prefix}" *', f'LIST "" "{prefix}%"', f'LSUB "{prefix}" *')])
    for server in servers:
        client = Lines(server.port('imap'), 'pair')
        for name in ('b', 'mail/b', '~/mail/d', '/home/pair/mail/d'):
            assert b'(MESSAGES 1)' in client.command(f'STATUS "{name}" (MESSAGES)')[0]
        assert b' NO ' in client.command('CREATE "~/other"')[-1]
        client.logout()


@pytest.mark.parametrize('maker', [0, 1])
def test_levels_can_be_subscribed(pair, maker):
    """What is listed with \\Noselect, and the root of a namespace."""
    servers = pair(':LAYOUT=fs', 'namespace public {\n  prefix = Public/\n  location = maildir:~/public:LAYOUT=fs\n'
                   '  separator = /\n}\nnamespace inbox {\n  separator = /\n}\n')
    client = Lines(servers[maker].port('imap'), 'pair')
    for command in ['CREATE a/b/c', 'CREATE Public/k', 'SUBSCRIBE a', 'SUBSCRIBE a/b', 'UNSUBSCRIBE a/b',
                    'SUBSCRIBE a/b/c']:
        client.ok(command)
    assert b' NO ' in client.command('SUBSCRIBE a/x')[-1]
    client.logout()
    assert_same(servers, '/')
    client = Lines(servers[maker].port('imap'), 'pair')
    client.ok('SUBSCRIBE Public')
    client.logout()
    for server in servers:
        client = Lines(server.port('imap'), 'pair')
        assert any(line.endswith(b' Public') for line in client.command('LIST (SUBSCRIBED) "" *'))


def by_name(server):
    client = Lines(server.port('imap'), 'pair')
    result = {}
    for name, _, attributes, _, _ in answers(client, 'LIST "" *'):
        client.ok(b'EXAMINE "' + name + b'"')
        result[name] = [re.sub(rb' ?\\Recent', b'', line)
                        for line in client.command('FETCH 1:* (UID FLAGS BODY.PEEK[])')[:-1] if b'FETCH' in line]
    client.logout()
    return result


# As doc/formats.md has them.
TO_US = r"""(printf 'V\t1\n'; {doveadm} -f tab mailbox status -u pair guid '*' | tail -n +2 | awk -F'\t' '{{print $2 "\t" $1}}') \
    >dovetail.names"""
TO_DOVECOT = r"""awk -F'\t' 'NR > 1 { to = $2; gsub("/", ".", to); print $1, (to == "INBOX" ? "INBOX" : "." to) }' dovetail.names |
    while read -r guid name; do
        if [ "$name" = INBOX ]; then mv "$guid"/* .; else mv "$guid" "$name"; fi
    done"""


def test_names_of_layout_index_go_along_when_told(pair, make_dovecot):
    ours, theirs = pair(':LAYOUT=index', 'namespace inbox {\n  separator = /\n}\n')
    client = Lines(theirs.port('imap'), 'pair')
    for name in ('a', 'a/b', '"d &- e"', 'Entw&APw-rfe'):
        client.ok(f'CREATE {name}')
    for name in ('INBOX', 'a/b', 'Entw&APw-rfe'):
        for flags in ('', r'\Seen work'):
            client.ok(f'APPEND {name} ({flags}) {{{len(MAIL)}+}}\r\n'.encode() + MAIL)
    client.logout()
    good = by_name(theirs)
    # What cannot be known is not guessed.
    client = Lines(ours.port('imap'), 'pair')
    assert b' NO ' in client.command('SELECT INBOX')[-1]
    assert b' NO ' in client.command('CREATE new')[-1]
    client.logout()
    assert 'dovecot.list.index' in ours.log_text()
    ours.forgive()
    root = f'{theirs.home("pair")}/Maildir'
    subprocess.run(TO_US.format(doveadm=f'doveadm -c {theirs.config}'), shell=True, cwd=root, check=True)
    os.chown(f'{root}/dovetail.names', *mail_owner())
    assert by_name(ours) == good
    # And back, with one more.
    client = Lines(ours.port('imap'), 'pair')
    client.ok('CREATE a/later')
    client.ok(f'APPEND a/later {{{len(MAIL)}+}}\r\n'.encode() + MAIL)
    client.logout()
    good = by_name(ours)
    assert ours.stop() and theirs.stop()
    subprocess.run(TO_DOVECOT, shell=True, cwd=root, check=True)
    other = make_dovecot('mail_location = maildir:~/Maildir:UTF-8\nnamespace inbox {\n  separator = /\n}\n')
    os.rmdir(other.home('pair'))
    os.symlink(theirs.home('pair'), other.home('pair'))
    assert by_name(other) == good
    ours.start()
    theirs.start()
