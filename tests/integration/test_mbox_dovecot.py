# SPDX-License-Identifier: MIT
"""Mailboxes in mbox files served by Dovecot and by us in turns, while others
append to them: both must find the same UIDVALIDITY, UIDs, flags, keywords,
dates, sizes, bodies, names and subscriptions, whoever changed them last."""
import contextlib
import fcntl
import os
import random
import re
import threading
import time

import pytest

import turns
from turns import FLAGS, KEYWORDS, Place, Turns, append, operations

LOCATION = 'mbox:~/mail:INBOX=~/inbox'
INDEXES = ['mail/.imap/dovetail.index', 'mail/**/dovecot.index*', 'mail/**/dovecot.list.index*',
           'mail/dovecot.mailbox.log*']


def mail(number):
    text = turns.mail(number)
    if number % 5 == 0:
        # Dovecot gets lost in mails with a real "From " line, which it writes as well.
        text += b'\r\nFrom here on\r\n>From a@x.example Sat Nov 28 20:15:24 2026\r\n'
    return text


class MboxPlace(Place):
    def boxes(self):
        return ['INBOX', 'Archive', 'Old/2020', '"Entw&APw-rfe"']

    def inbox(self):
        return f'{self.home}/inbox'

    def everything(self, server, told):
        result = super().everything(server, told)
        for name, value in result.items():
            if name not in ('list', 'lsub'):
                validity, uid_next, mails = value
                # A file without mails has no UIDVALIDITY, if it never had any.
                result[name] = (None if uid_next == b'1' else validity, uid_next if mails else None, mails)
        return result


class MboxTurns(Turns):
    def rename(self, client):
        """A mailbox has none below it."""
        client.command('UNSELECT')
        old, new = next((name for name in self.names if name.startswith('Box')), None), f'Box{self.number}'
        if old is None:
            self.ok(client, f'CREATE {new}')
            append(client, new, self.number)
            self.names.append(new)
        elif self.random.random() < 0.7:
            self.ok(client, f'RENAME {old} {new}')
            self.names[self.names.index(old)] = new
        else:
            self.ok(client, f'DELETE {old}')
            self.names.remove(old)

    def targets(self):
        """Dovecot gets lost when a mail is moved to where it is."""
        return [name for name in self.names if name != self.name]

    def step(self, server, client):
        super().step(server, client)
        client.command('UNSELECT')  # writes flags
        touch_all(self.place.home, 10**9 + self.number)

    def begin(self, client):
        """A file that never had mail has no UIDVALIDITY: each server has its own."""
        super().begin(client)
        for name in self.names:
            append(client, name, 1)


@pytest.fixture
def place(make_server, dovecot):
    """Both servers on the same home directory, without mail."""
    return MboxPlace(make_server(), dovecot, 'pair', LOCATION, '/', INDEXES)


def make_lock(lock):
    deadline = time.monotonic() + 20
    while True:
        try:
            return os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            assert time.monotonic() < deadline
            time.sleep(0.002)


def drop_mail(path, text):
    """Append as other programs do: with both kinds of locks, in the usual order."""
    body = text.replace(b'\r\n', b'\n').replace(b'\nFrom ', b'\n>From ')
    with open(path, 'ab') as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        make_lock(f'{path}.lock')
        file.write(b'From out@x.example  Sat Nov 28 20:15:24 2026\n' + body + b'\n')
        file.flush()
        os.unlink(f'{path}.lock')


def listed(client):
    """With their attributes; others tell more of them than must be."""
    lines = [re.sub(rb' ?\\(un)?marked', b'', line, flags=re.I) for line in client.command('LIST "" *')[:-1]]
    return sorted(line.lower().replace(b'( ', b'(').replace(b'"', b'') for line in lines)


def make_mail(place, server):
    client, boxes = place.connect(server), place.boxes()
    for name in boxes[1:]:
        client.ok(f'CREATE {name}')
    client.ok('SUBSCRIBE Old/2020')
    client.ok(f'SUBSCRIBE {boxes[3]}')
    for number in range(12):
        append(client, random.Random(number).choice(boxes), number, ['', r'\Seen', r'\Flagged work $Junk'][number % 3])
    client.logout()
    place.deliver(server, 100)


@pytest.mark.parametrize('maker', [0, 1], ids=['ours', 'dovecot'])
def test_what_one_made_is_served_the_same_by_the_other(place, maker):
    make_mail(place, place.servers[maker])
    place.assert_same()
    assert listed(place.connect(place.servers[0])) == listed(place.connect(place.servers[1]))


def touch_all(home, seconds):
    """Dovecot sees a change by seconds and size only: make them differ."""
    for directory, _, files in os.walk(home):
        if '.imap' not in directory:
            for name in files:
                with contextlib.suppress(FileNotFoundError):  # a lock, or a journal
                    os.utime(os.path.join(directory, name), (seconds, seconds))


@pytest.mark.parametrize('seed', [1, 2])
def test_random_changes_in_turns_agree(place, seed):
    MboxTurns(place, seed, lambda text: drop_mail(place.inbox(), text), mail).run(operations(80))


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
                drop_mail(place.inbox(), mail(step))
            elif what == 'store' and uids:
                client.ok(f'UID STORE {rng.choice(uids).decode()} +FLAGS ({rng.choice(FLAGS[:3] + KEYWORDS)})')
            elif what == 'expunge' and len(uids) > 5:
                client.ok(rf'UID STORE {rng.choice(uids).decode()} +FLAGS (\Deleted)')
                client.command('EXPUNGE')
        client.logout()
    except (AssertionError, OSError, EOFError) as error:
        failures.append(f'{server.label}: {error!r}')


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
    place.assert_same()
