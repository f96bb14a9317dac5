# SPDX-License-Identifier: MIT
"""One Maildir served by Dovecot and by us in turns: both must find the same
UIDVALIDITY, UIDs, flags, keywords, dates, sizes, bodies, names and
subscriptions, whoever changed it last."""
import os
import random
import threading
import time
from pathlib import Path

import pytest

from conftest import mail_owner
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
