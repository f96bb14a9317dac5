# SPDX-License-Identifier: MIT
"""One Maildir served by Dovecot and by us in turns: both must find the same
UIDVALIDITY, UIDs, flags, keywords, dates, sizes, bodies, names and
subscriptions, whoever changed it last."""
import grp
import os
import random
import re
import shutil
import threading
import time
from pathlib import Path

import pytest

from conftest import ROOT, mail_owner, open_up
from imap_lines import Lines
from turns import FLAGS, KEYWORDS, Place, Turns, append, mail, operations

INDEXES = ['Maildir/dovetail.index', 'Maildir/tmp/.dovetail.index', 'Maildir/**/dovecot.index*', 'Maildir/**/dovecot.list.index*',
           'Maildir/**/dovecot.mailbox.log*']
LAYOUTS = {'maildir++': 'maildir:~/Maildir', 'fs': 'maildir:~/Maildir:LAYOUT=fs'}


@pytest.fixture(params=LAYOUTS)
def place(make_server, dovecot, request):
    """Both servers on the same home directory, without mail."""
    return Place(make_server(), dovecot, 'pair', LAYOUTS[request.param], '.' if request.param == 'maildir++' else '/',
                 INDEXES)


def make_mail(place, server):
    client, boxes = place.connect(server), place.boxes()
    for name in boxes[1:]:
        client.ok(f'CREATE {name}')
    client.ok(f'SUBSCRIBE {boxes[2]}')
    client.ok(f'SUBSCRIBE {boxes[3]}')
    for number in range(12):
        append(client, random.Random(number).choice(boxes), number, ['', r'\Seen', r'\Flagged work $Junk'][number % 3])
    client.logout()
    place.deliver(server, 100)


@pytest.mark.parametrize('first', [0, 1], ids=['dovetail', 'dovecot'])
def test_what_one_made_is_served_the_same(place, first):
    make_mail(place, place.servers[first])
    place.assert_same()


@pytest.mark.parametrize('seed', [1, 2])
def test_random_changes_in_turns_agree(place, seed):
    ours = place.servers[0]
    Turns(place, seed, lambda text: ours.drop_mail(place.user, text)).run(operations(60))


def change_at_once(place, server, seed, steps, failures):
    """Appends, stores and expunges on INBOX, while others do the same."""
    rng = random.Random(seed)
    try:
        client = place.connect(server)
        client.ok('SELECT INBOX')
        for step in range(steps):
            uids = client.command('UID SEARCH ALL')[0].split()[2:]
            what = rng.choice(['append', 'deliver', 'drop', 'store', 'store', 'expunge'])
            if what == 'append':
                append(client, 'INBOX', step, rng.choice(['', r'\Seen', 'work']))
            elif what == 'deliver':
                place.deliver(server, step)
            elif what == 'drop':
                server.drop_mail(place.user, mail(step))
            elif what == 'store' and uids:
                client.ok(f'UID STORE {rng.choice(uids).decode()} +FLAGS ({rng.choice(FLAGS[:3] + KEYWORDS)})')
            elif what == 'expunge' and len(uids) > 5:
                client.ok(rf'UID STORE {rng.choice(uids).decode()} +FLAGS (\Deleted)')
                client.command('EXPUNGE')
        client.logout()
    except (AssertionError, OSError, EOFError) as error:
        failures.append(f'{server.label}: {error!r}')


def touch_cur(place, seconds):
    """Make both read it; Dovecot wants its time to be in another second."""
    later = time.time() + seconds
    for cur in Path(place.home).glob('**/cur'):
        os.utime(cur, (later, later))


def test_the_same_are_recent(make_server, make_dovecot):
    """Who has no UID yet, in new/ or cur/, whether or not there is an index."""
    servers = make_server(), make_dovecot()

    def drop(*names):
        for server in servers:
            for name in names:
                path = server.maildir('recent') / name
                path.write_bytes(b'Subject: x\n\nx\n')
                os.chown(path, *mail_owner())

    def same(wanted):
        found = []
        for server in servers:
            client = Lines(server.port('imap'), 'recent')
            status = client.command('STATUS INBOX (MESSAGES RECENT)')[0]
            client.command('SELECT INBOX')
            found.append((status, client.command('SEARCH RECENT')[0]))
            client.logout()
        assert found[0] == found[1] and found[0][1].endswith(wanted)

    drop('cur/1.M1.x:2,S', 'new/2.M1.x')
    same(b'* SEARCH 1 2')
    drop('cur/3.M1.x:2,')
    same(b'* SEARCH 3')
    for server in servers:
        for pattern in ('dovecot.index*', 'dovecot.list.index*', 'dovetail.index/*',
                        'tmp/.dovetail.index/*'):
            for path in server.maildir('recent').glob(pattern):
                path.unlink()
    drop('cur/4.M1.x:2,', 'new/5.M1.x')
    same(b'* SEARCH 4 5')


def rights_in(home):
    """Mode and group of all that is no index, by name."""
    found = {}
    for path in Path(home).rglob('*'):
        name = re.sub(r'\d+\.M\d+.*', 'mail', str(path.relative_to(home)))
        name = re.sub(r'uidvalidity\..*', 'uidvalidity.x', name)
        if not re.search(r'index|mailbox\.log|journal|/maildirfolder|\.imap', name):
            status = path.stat()
            found[name] = oct(status.st_mode), status.st_gid
    return found


@pytest.mark.skipif(not ROOT, reason='gives directories to groups')
@pytest.mark.parametrize('format', ['maildir:~/Mail', 'maildir:~/Mail:LAYOUT=fs:CONTROL=~/control', 'mbox:~/Mail'])
@pytest.mark.parametrize('mode, group', [(0o2770, 'mail'), (0o770, 'mail'), (0o2775, 'mail'), (0o755, None)])
def test_new_files_have_the_rights_of_the_directory(make_server, make_dovecot, format, mode, group):
    """Also of the mailbox's own one, if that was given to somebody."""
    found = []
    for make in (make_server, make_dovecot):
        server = make(f'mail_location = {format}\nmail_access_groups = mail,games\n')
        root = Path(server.home('alice'), 'Mail')
        root.mkdir()
        os.chown(root, mail_owner()[0], grp.getgrnam(group).gr_gid if group else mail_owner()[1])
        os.chmod(root, mode)
        client = Lines(server.port('imap'), 'alice')
        client.ok('CREATE a')
        if 'maildir' in format:
            own = root / ('a' if 'fs' in format else '.a')
            os.chown(own, -1, grp.getgrnam('games').gr_gid)
            os.chmod(own, 0o750)
        separator = '.' if format == 'maildir:~/Mail' else '/'
        client.ok(f'CREATE b{separator}c')
        if 'maildir' in format:
            client.ok(f'CREATE a{separator}b')
        client.ok('SUBSCRIBE a')
        for name in 'INBOX', 'a':
            client.ok(rf'APPEND {name} (\Seen $work) {{14+}}' + '\r\nSubject: x\r\n\r\n')
        client.logout()
        found.append(rights_in(server.home('alice')))
        shutil.rmtree(root)
    assert found[0] == found[1]


def test_a_group_that_may_not_be_given_gets_nothing(make_server):
    server = make_server()
    if not ROOT:
        pytest.skip('gives directories to groups')
    os.chown(server.maildir('bob'), -1, grp.getgrnam('games').gr_gid)
    os.chmod(server.maildir('bob'), 0o770)
    client = Lines(server.port('imap'), 'bob')
    client.ok('CREATE a')
    client.ok('APPEND a {14+}\r\nSubject: x\r\n\r\n')
    client.logout()
    assert server.wait_log(r'imap\(bob\).*Error: fchown\(.*, group=\d+\) failed: Operation not permitted')
    made = [path for path in (server.maildir('bob') / '.a').rglob('*') if 'index' not in path.name]
    assert made and not [path for path in made if path.stat().st_mode & 0o077]


def test_both_at_the_same_time_agree_in_the_end(place):
    client = place.connect(place.servers[1])
    for keyword in KEYWORDS:
        append(client, 'INBOX', 1, keyword)
    client.logout()
    place.assert_same()
    failures = []
    threads = [threading.Thread(target=change_at_once, args=(place, place.servers[i % 2], i, 40, failures)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    # Flags whose file we renamed first, Dovecot writes when it reads cur/ the next time.
    touch_cur(place, 10)
    place.everything(place.servers[1], 'at once')
    # What one renamed within the microseconds of a change of the other is seen when cur/ changes again
    # (doc/formats.md).
    touch_cur(place, 20)
    place.assert_same()


NAMES = {'none': None, 'empty': b'', 'gap': b'0 one\n5 six\n', 'number': b'x one\n0 two\n', 'crlf': b'0 one\r\n1 two\r\n'}


@pytest.mark.parametrize('names', NAMES)
def test_letters_without_names_mean_the_same(server, dovecot, names):
    """A new keyword must not get one: it would be on all their mails."""
    told = []
    for one in server, dovecot:
        maildir = one.maildir('letters')
        for path in maildir.glob('**/*'):
            if path.is_file() and 'dovetail.index' not in path.parts:
                path.unlink()
        shutil.rmtree(maildir / 'dovetail.index', ignore_errors=True)
        for name in '1700000001.a:2,Sab', '1700000002.b:2,F':
            (maildir / 'cur' / name).write_bytes(mail(1))
        if NAMES[names] is not None:
            (maildir / 'dovecot-keywords').write_bytes(NAMES[names])
        for path in maildir.glob('**/*'):
            os.chown(path, *mail_owner())
        client = Lines(one.port('imap'), 'letters')
        client.ok('SELECT INBOX')
        client.ok('STORE 2 +FLAGS (added)')
        lines = client.ok('FETCH 1:* FLAGS')[:-1]
        told.append([sorted(re.search(rb'FLAGS \(([^)]*)\)', line)[1].replace(rb'\Recent', b'').split()) for line in lines])
        client.logout()
    assert told[0] == told[1]
    assert [b'added' in flags for flags in told[0]] == [False, True]


def test_keywords_that_both_make(make_server, make_dovecot, tmp_path):
    """Each finds a letter taken by the other when it makes a keyword in a mailbox that both have open."""
    open_up(tmp_path)
    os.chmod(tmp_path, 0o777)
    extra = f'mail_location = maildir:{tmp_path}/mail\n'
    clients = [Lines(make(extra).port('imap'), 'twin') for make in (make_server, make_dovecot)]
    for _ in range(4):
        clients[0].append('INBOX', b'Subject: x\r\n\r\ntext\r\n')
    for client in clients:
        client.ok('SELECT INBOX')
    for number, order in enumerate([(1, 0), (0, 1), (1, 0)]):
        for client in order:
            lines = clients[client].ok(f'STORE {number + 1} +FLAGS (key{number}{client})')
            assert any(f'key{number}{client}'.encode() in line for line in lines if b' FETCH ' in line), lines
    for client in clients:
        client.ok('NOOP')
        flags = re.findall(rb'FLAGS \(([^)]*)\)', b'\n'.join(client.ok('FETCH 1:3 FLAGS')))[-3:]
        assert [{flag for flag in one.split() if flag != rb'\Recent'} for one in flags] == [
            {b'key%d0' % number, b'key%d1' % number} for number in range(3)]
        client.logout()
