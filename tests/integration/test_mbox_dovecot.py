# SPDX-License-Identifier: MIT
"""Mailboxes in mbox files served by Dovecot and by us in turns, while others
append to them: both must find the same UIDVALIDITY, UIDs, flags, keywords,
dates, sizes, bodies, names and subscriptions, whoever changed them last."""
import fcntl
import glob
import contextlib
import hashlib
import os
import random
import re
import shutil
import smtplib
import threading
import time

import pytest

from imap_lines import Lines

FLAGS = [r'\Seen', r'\Answered', r'\Flagged', r'\Deleted', r'\Draft']
KEYWORDS = ['$Forwarded', '$Junk', 'work', 'Later', 'x-1', '$MDNSent']
BOXES = ['INBOX', 'Archive', 'Old/2020', '"Entw&APw-rfe"']
LOCATION = 'mail_location = mbox:~/mail:INBOX=~/inbox\n'
FIELDS = b'UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[]'


def mail(number):
    lines = ''.join(f'line {i} of {number}\r\n' for i in range(number % 7))
    if number % 5 == 0:
        # Dovecot gets lost in mails with a real "From " line, which it writes as well.
        lines += '\r\nFrom here on\r\n>From a@x.example Sat Nov 28 20:15:24 2026\r\n'
    return f'From: a@x.example\r\nTo: b@x.example\r\nSubject: mail {number}\r\n\r\n{lines}'.encode()


@pytest.fixture
def pair(make_server, make_dovecot):
    """Both servers on the same home directory, without mail."""
    ours, theirs = make_server(LOCATION), make_dovecot(LOCATION)
    os.rmdir(ours.home('pair'))
    os.symlink(theirs.home('pair'), ours.home('pair'))
    return ours, theirs


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


def connect(server):
    return Lines(server.port('imap'), 'pair')


def one_mail(line):
    """UID, flags, date, size, digest of the text."""
    head, body = re.fullmatch(rb'\* \d+ FETCH \((.*?) ?BODY\[\] \{\d+\}\r\n(.*)\)', line, re.S).groups()
    flags = re.search(rb'FLAGS \(([^)]*)\)', head)[1].split()
    return (int(re.search(rb'UID (\d+)', head)[1]),
            sorted(flag.lower() for flag in flags if flag != rb'\Recent'),
            re.search(rb'INTERNALDATE ("[^"]+")', head)[1],
            int(re.search(rb'RFC822.SIZE (\d+)', head)[1]),
            hashlib.sha256(body).hexdigest()[:12])


def mailbox(client, name, command='EXAMINE'):
    answers = client.command(f'{command} {name}')
    assert b' OK ' in answers[-1], answers
    text = b'\n'.join(answers)
    validity = re.search(rb'UIDVALIDITY (\d+)', text)[1]
    uid_next = re.search(rb'UIDNEXT (\d+)', text)[1]
    exists = int(re.search(rb'(\d+) EXISTS', text)[1])
    mails = []
    if exists:
        mails = [one_mail(line) for line in client.command(b'FETCH 1:* (' + FIELDS + b')')[:-1]
                 if b'BODY[] {' in line]
    assert len(mails) == exists
    client.command('UNSELECT')
    # A file without mails has no UIDVALIDITY, if it never had any.
    return (None if uid_next == b'1' else validity, uid_next if exists else None, *mails)


def names(client, command):
    answers = client.command(f'{command} "" *')
    return sorted(line.rpartition(b' ')[2].strip(b'"') for line in answers[:-1] if b'Noselect' not in line)


def listed(client):
    """With their attributes; others tell more of them than must be."""
    lines = [re.sub(rb' ?\\(un)?marked', b'', line, flags=re.I) for line in client.command('LIST "" *')[:-1]]
    return [line.lower().replace(b'( ', b'(').replace(b'"', b'') for line in lines]


def everything(server):
    client = connect(server)
    result = {'list': sorted(listed(client)), 'lsub': names(client, 'LSUB')}
    for name in names(client, 'LIST'):
        result[name] = mailbox(client, '"' + name.decode() + '"')
    client.logout()
    return result


def assert_same(pair):
    ours, theirs = everything(pair[0]), everything(pair[1])
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert ours[name][:2] == value[:2], name
        assert '\n'.join(map(str, ours[name][2:])) == '\n'.join(map(str, value[2:])), name


def append(client, name, number, flags=''):
    text = mail(number)
    answers = client.command(f'APPEND {name} ({flags}) "{1 + number % 28:02}-Jan-2020 10:00:00 +0000" '
                             f'{{{len(text)}+}}\r\n'.encode() + text)
    assert b'APPENDUID' in answers[-1], answers


def ok(client, command):
    answers = client.command(command)
    assert b' OK ' in answers[-1], (command, answers[-1])


def deliver(server, number):
    with smtplib.LMTP('127.0.0.1', server.port('lmtp')) as client:
        client.sendmail('a@x.example', ['pair'], mail(number))


def test_what_dovecot_made_is_served_the_same(pair):
    client = connect(pair[1])
    for name in BOXES[1:]:
        ok(client, f'CREATE {name}')
    ok(client, 'SUBSCRIBE Old/2020')
    ok(client, f'SUBSCRIBE {BOXES[3]}')
    for number in range(12):
        append(client, random.Random(number).choice(BOXES), number, ['', r'\Seen', r'\Flagged work $Junk'][number % 3])
    client.logout()
    deliver(pair[1], 100)
    assert_same(pair)


def test_what_we_made_is_served_the_same_by_dovecot(pair):
    client = connect(pair[0])
    for name in BOXES[1:]:
        ok(client, f'CREATE {name}')
    ok(client, 'SUBSCRIBE Old/2020')
    ok(client, f'SUBSCRIBE {BOXES[3]}')
    for number in range(12):
        append(client, random.Random(number).choice(BOXES), number, ['', r'\Seen', r'\Flagged work $Junk'][number % 3])
    client.logout()
    deliver(pair[0], 100)
    assert_same(pair)


def touch_all(home, seconds):
    """Dovecot sees a change by seconds and size only: make them differ."""
    for directory, _, files in os.walk(home):
        if '.imap' not in directory:
            for name in files:
                with contextlib.suppress(FileNotFoundError):  # a lock, or a journal
                    os.utime(os.path.join(directory, name), (seconds, seconds))


class Turns:
    """Random changes through either server."""

    def __init__(self, pair, seed):
        self.pair, self.random, self.number = pair, random.Random(seed), 0
        self.boxes = list(BOXES)

    def some_flags(self):
        return ' '.join(self.random.sample(FLAGS + KEYWORDS, self.random.randint(1, 3)))

    def some_mails(self, client, name):
        """A set of UIDs, of a mailbox that is selected then."""
        ok(client, f'SELECT {name}')
        uids = client.command('UID SEARCH ALL')[0].split()[2:]
        if not uids:
            return None
        chosen = self.random.sample(uids, min(len(uids), self.random.randint(1, 3)))
        return b','.join(chosen).decode()

    def append(self, client):
        append(client, self.random.choice(self.boxes), self.number, self.random.choice(['', self.some_flags()]))

    def store(self, client):
        uids = self.some_mails(client, self.random.choice(self.boxes))
        if uids:
            mode = self.random.choice(['+', '-', ''])
            ok(client, f'UID STORE {uids} {mode}FLAGS ({self.some_flags()})')

    def expunge(self, client):
        uids = self.some_mails(client, self.random.choice(self.boxes))
        if uids:
            ok(client, rf'UID STORE {uids} +FLAGS (\Deleted)')
            ok(client, self.random.choice(['EXPUNGE', f'UID EXPUNGE {uids}', 'CLOSE']))

    def copy(self, client):
        uids = self.some_mails(client, self.random.choice(self.boxes))
        if uids:
            ok(client, f'UID {self.random.choice(["COPY", "MOVE"])} {uids} {self.random.choice(self.boxes)}')

    def subscribe(self, client):
        ok(client, f'{self.random.choice(["SUBSCRIBE", "UNSUBSCRIBE"])} {self.random.choice(self.boxes)}')

    def rename(self, client):
        new = f'Box{self.number}'
        old = next((name for name in self.boxes if name.startswith('Box')), None)
        if old is None:
            ok(client, f'CREATE {new}')
            append(client, new, self.number)
            self.boxes.append(new)
        elif self.random.random() < 0.7:
            ok(client, f'RENAME {old} {new}')
            self.boxes[self.boxes.index(old)] = new
        else:
            ok(client, f'DELETE {old}')
            self.boxes.remove(old)

    def step(self):
        self.number += 1
        server = self.random.choice(self.pair)
        what = self.random.choices(
            ['append', 'store', 'expunge', 'copy', 'subscribe', 'rename', 'deliver', 'drop', 'index'],
            [4, 6, 2, 3, 1, 1, 2, 1, 0.5])[0]
        if what == 'deliver':
            deliver(server, self.number)
        elif what == 'drop':
            drop_mail(f'{server.home("pair")}/inbox', mail(self.number))
        elif what == 'index':
            home = self.pair[1].home('pair')
            shutil.rmtree(f'{home}/mail/.imap/dovetail.index', ignore_errors=True)
            for path in glob.glob(f'{home}/mail/**/.imap/*/dovecot.index*', recursive=True):
                os.unlink(path)
        else:
            client = connect(server)
            getattr(self, what)(client)
            client.logout()
        touch_all(server.home('pair'), 10**9 + self.number)


@pytest.mark.parametrize('seed', [1, 2])
def test_random_changes_in_turns_agree(pair, seed):
    client = connect(pair[seed % 2])
    # A file that never had mail has no UIDVALIDITY: each server has its own.
    for name in BOXES:
        if name != 'INBOX':
            ok(client, f'CREATE {name}')
        append(client, name, 1)
    client.logout()
    turns = Turns(pair, seed)
    for _ in range(12):
        for _ in range(8):
            turns.step()
        assert_same(pair)


def change_at_once(server, seed, steps, failures):
    """Appends, stores and expunges on INBOX, while others do the same."""
    rng = random.Random(seed)
    try:
        client = connect(server)
        ok(client, 'SELECT INBOX')
        for step in range(steps):
            uids = client.command('UID SEARCH ALL')[0].split()[2:]
            what = rng.choice(['append', 'deliver', 'drop', 'store', 'store', 'expunge'])
            if what == 'append':
                append(client, 'INBOX', step, rng.choice(['', r'\Seen', 'work']))
            elif what == 'deliver':
                deliver(server, step)
            elif what == 'drop':
                drop_mail(f'{server.home("pair")}/inbox', mail(step))
            elif what == 'store' and uids:
                ok(client, f'UID STORE {rng.choice(uids).decode()} +FLAGS ({rng.choice(FLAGS[:3] + KEYWORDS)})')
            elif what == 'expunge' and len(uids) > 5:
                ok(client, rf'UID STORE {rng.choice(uids).decode()} +FLAGS (\Deleted)')
                client.command('EXPUNGE')
        client.logout()
    except (AssertionError, OSError, EOFError) as error:
        failures.append(f'{server.label}: {error!r}')


def test_both_at_the_same_time_agree_in_the_end(pair):
    client = connect(pair[1])
    for keyword in KEYWORDS:
        append(client, 'INBOX', 1, keyword)
    client.logout()
    assert_same(pair)
    failures = []
    threads = [threading.Thread(target=change_at_once, args=(pair[i % 2], i, 40, failures)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert_same(pair)
