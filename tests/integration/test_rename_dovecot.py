# SPDX-License-Identifier: MIT
"""RENAME from one namespace to another, done by Dovecot and by us."""
import os
import random
import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from imap_lines import Lines, transcript

NAMESPACES = '''
mail_location = maildir:~/Maildir
namespace inbox {
  inbox = yes
  separator = /
}
namespace work {
  prefix = work/
  separator = /
  location = maildir:~/work
}
namespace fs {
  prefix = fs/
  separator = /
  location = maildir:~/fs:LAYOUT=fs
}
namespace far {
  prefix = far/
  separator = /
  location = maildir:~/far:INDEX=~/far-index:CONTROL=~/far-control
}
namespace box {
  prefix = box/
  separator = /
  location = mbox:~/box
}
namespace spool {
  prefix = spool/
  separator = /
  location = mbox:~/spool
}
'''
SETUP = ['CREATE a', 'CREATE a/b', 'CREATE a/b/c', 'CREATE work/w', 'CREATE fs/f/g', 'CREATE far/x', 'CREATE box/m',
         'CREATE spool/s/t']


def fill(client):
    for command in SETUP:
        client.ok(command)
    for name in ('INBOX', 'a', 'a/b', 'a/b/c', 'work/w', 'fs/f/g', 'far/x', 'box/m', 'spool/s/t'):
        for number in range(3):
            text = b'Subject: %s %d\r\n\r\nx\r\n' % (name.encode(), number)
            client.ok(b'APPEND %s (\\Seen kw%d) {%d+}\r\n%s' % (name.encode(), number, len(text), text))
    client.ok('SUBSCRIBE a')
    client.ok('SUBSCRIBE a/b')


def state(client):
    seen = {}
    for line in client.ok('LIST "" *')[:-1]:
        name = line.rpartition(b' ')[2].strip(b'"')
        if b'noselect' in line.lower() or b'nonexistent' in line.lower():
            seen[name] = 'none'
            continue
        answers = client.command(b'EXAMINE ' + name)
        mails = []
        if b'* 0 EXISTS' not in answers:
            mails = client.command('FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])')[:-1]
        seen[name] = [re.sub(rb'\\Recent ?', b'', line).replace(b' )', b')') for line in mails]
    seen['LSUB'] = sorted(client.ok('LSUB "" *')[:-1])
    return seen


# What Dovecot does, too, and what only we do: it makes no parents there, leaves what is below a level behind where
# nobody sees it, and has no RENAME of INBOX.
SAME = ['RENAME a work/a', 'RENAME a/b work/b', 'RENAME work/w w', 'RENAME a fs/a', 'RENAME fs/f/g g', 'RENAME fs/f/g work/g',
        'RENAME a far/a', 'RENAME far/x x', 'RENAME a box/a', 'RENAME box/m m',
        'RENAME box/m spool/m', 'RENAME spool/s/t box/t', 'RENAME spool/s/t box/s/t', 'RENAME box/m spool/s/t', 'RENAME a work/w', 'RENAME no work/no',
        'RENAME a work/x/y']
MORE = {
    'RENAME a fs/q/a': {b'fs/q/a': b'a', b'fs/q/a/b': b'a/b', b'fs/q/a/b/c': b'a/b/c'},
    'RENAME spool/s box/s': {b'box/s/t': b'spool/s/t'},
    'RENAME fs/f f': {b'f/g': b'fs/f/g'},
    'RENAME INBOX work/i': {b'work/i': b'INBOX'},
}


def after(server, command):
    """The answer, and all that is there then."""
    client = Lines(server.port('imap'), 'alice')
    fill(client)
    before = state(client)
    answer = re.sub(rb'^T\d+ | \(0.*', b'', client.command(command)[-1])
    seen = state(client)
    client.logout()
    return answer, before, seen


def changed(answer, before, seen):
    return (answer, {name: mails for name, mails in seen.items() if before.get(name) != mails},
            [name for name in before if name not in seen])


@pytest.fixture(name='wipe')
def fixture_wipe(make_server, make_dovecot):
    """Two servers, whose mail goes with each call."""
    servers = make_server(NAMESPACES), make_dovecot(NAMESPACES)

    def wipe():
        for server in servers:
            for path in Path(server.home('alice')).iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return servers
    return wipe


def test_rename_to_another_namespace_is_dovecots(wipe):
    for command in SAME:
        ours, theirs = (changed(*after(server, command)) for server in wipe())
        assert ours == theirs, command


def test_rename_moves_what_dovecot_does_not(wipe):
    for command, moved in MORE.items():
        server = wipe()[0]
        answer, before, seen = after(server, command)
        assert answer == b'OK Rename completed', command
        for name, old in moved.items():
            assert seen[name] == before[old], command
            assert old == b'INBOX' or old not in seen, command


DIRNAME = '''
mail_location = maildir:~/Maildir
namespace inbox {
  inbox = yes
  separator = /
}
namespace fs {
  prefix = fs/
  separator = /
  location = maildir:~/fs:LAYOUT=fs:DIRNAME=mm
}
'''


def test_inbox_of_a_namespace_that_is_not_inboxs_is_a_mailbox_like_others(make_server, make_dovecot):
    commands = ['CREATE fs/INBOX', 'CREATE fs/INBOX/sub', 'RENAME fs/INBOX fs/foo', 'STATUS fs/foo (MESSAGES)', 'CREATE fs/q',
                'RENAME fs/q fs/INBOX', 'LIST "" fs*', 'DELETE fs/INBOX', 'LIST "" fs*']
    told = []
    for server in make_server(DIRNAME), make_dovecot(DIRNAME):
        client = Lines(server.port('imap'), 'alice')
        told.append(transcript(client, commands))
        client.logout()
    assert told[0] == told[1]


def change(client, name):
    """More keywords than the files have room for, and a history."""
    client.ok(f'SELECT {name}')
    for number in range(10):
        client.ok(f'STORE 1 +FLAGS ({" ".join(f"w{number * 3 + i}" for i in range(3))})')
    client.ok(r'STORE 2 +FLAGS (\Deleted)')
    client.ok('EXPUNGE')
    client.ok('UNSELECT')


def history(client, name):
    client.ok('ENABLE QRESYNC')
    modseq = int(re.search(rb'HIGHESTMODSEQ (\d+)', b''.join(client.ok(f'SELECT {name}')))[1])
    answers = client.ok('UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1)')[:-1], client.ok(
        f'UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq - 1} VANISHED)')[:-1]
    client.ok('UNSELECT')
    return modseq, answers


@pytest.mark.parametrize('here, there', [('a', 'work/a'), ('work/w', 'fs/q'), ('box/m', 'spool/m')])
def test_what_only_the_index_knows_goes_along(make_server, here, there):
    server = make_server(NAMESPACES)
    client = Lines(server.port('imap'), 'alice')
    fill(client)
    change(client, here)
    before = history(client, here)
    assert b'w29' in before[1][0][0] and any(b'VANISHED' in line for line in before[1][1])
    client.ok(f'RENAME {here} {there}')
    assert history(client, there) == before
    client.logout()


def test_rename_within_one_index_of_two_namespaces_is_refused(make_server):
    server = make_server(NAMESPACES.replace('~/work', '~/work:INDEX=~/far-index').replace(':CONTROL=~/far-control', ''))
    client = Lines(server.port('imap'), 'alice')
    client.ok('CREATE far/x')
    assert b'NO [CANNOT]' in client.command('RENAME far/x work/x')[-1]
    client.logout()


def test_the_new_place_counts_for_autoexpunge(make_server):
    server = make_server(NAMESPACES + '''namespace work {
  mailbox Trash {
    autoexpunge = 4s
  }
}
''')
    server.drop_mail('alice', b'Subject: x\n\nx\n')
    client = Lines(server.port('imap'), 'alice')
    client.ok('CREATE old')
    client.ok('SELECT INBOX')
    client.ok('MOVE 1 old')
    time.sleep(4.5)
    client.ok('UNSELECT')
    client.ok('RENAME old work/Trash')
    client.logout()
    client = Lines(server.port('imap'), 'alice')
    assert b'* 1 EXISTS' in client.ok('SELECT work/Trash')
    client.logout()


def test_kill_leaves_each_mailbox_whole_on_one_side(make_server):
    """The process dies at any moment; what is below may be left behind, mails are never split or doubled."""
    server = make_server(NAMESPACES)
    client = Lines(server.port('imap'), 'alice')
    fill(client)
    good = {name: mails for name, mails in state(client).items() if name in (b'a', b'a/b', b'a/b/c')}
    client.logout()
    rng = random.Random(4)
    for number in range(12):
        here, there = ('', 'work/') if number % 2 == 0 else ('work/', '')
        start = len(server.log_text())
        client = Lines(server.port('imap'), 'alice')
        pid = server.wait_log(r'Login: .*mpid=(\d+)', start=start)[1]
        client.send(f'x RENAME {here}a {there}a\r\n'.encode())
        time.sleep(rng.random() * 0.01)
        os.kill(int(pid), signal.SIGKILL)
        client = Lines(server.port('imap'), 'alice')
        seen = state(client)
        for name, mails in good.items():
            places = [place for place in (name, b'work/' + name) if seen.get(place, 'none') != 'none']
            assert len(places) == 1 and seen[places[0]] == mails, (number, name, places)
        for name in sorted(good):  # those that were left behind
            if seen.get(here.encode() + name, 'none') != 'none':
                client.ok(b'RENAME ' + here.encode() + name + b' ' + there.encode() + name)
                seen = state(client)
        client.logout()
    server.forgive('killed with signal 9')
