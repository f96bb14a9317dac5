# SPDX-License-Identifier: MIT
"""One Maildir served by Dovecot and by us in turns: both must find the same
UIDVALIDITY, UIDs, flags, keywords, dates, sizes, bodies, names and
subscriptions, whoever changed it last."""
import hashlib
import os
import random
import re
import shutil
import smtplib
import threading

import pytest

from imap_lines import Lines

FLAGS = [r'\Seen', r'\Answered', r'\Flagged', r'\Deleted', r'\Draft']
KEYWORDS = ['$Forwarded', '$Junk', 'work', 'Later', 'x-1', '$MDNSent']
BOXES = ['INBOX', 'Archive', 'Archive.2020', '"Entw&APw-rfe"']
FIELDS = b'UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[]'


def mail(number):
    lines = ''.join(f'line {i} of {number}\r\n' for i in range(number % 7))
    return f'From: a@x.example\r\nTo: b@x.example\r\nSubject: mail {number}\r\n\r\n{lines}'.encode()


@pytest.fixture
def pair(make_server, dovecot):
    """Both servers on the same home directory, without mail."""
    ours = make_server()
    home = dovecot.home('pair')
    shutil.rmtree(f'{home}/Maildir', ignore_errors=True)
    os.rmdir(ours.home('pair'))
    os.symlink(home, ours.home('pair'))
    return ours, dovecot


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
    return validity, uid_next, mails


def names(client, command):
    answers = client.command(f'{command} "" *')
    return sorted(line.rpartition(b' ')[2].strip(b'"') for line in answers[:-1])


def everything(server):
    client = connect(server)
    listed = names(client, 'LIST')
    result = {'list': listed, 'lsub': names(client, 'LSUB')}
    for name in listed:
        result[name] = mailbox(client, '"' + name.decode() + '"')
    client.logout()
    return result


def assert_same(pair):
    ours, theirs = everything(pair[0]), everything(pair[1])
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert ours[name] == value, name


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
    ok(client, 'SUBSCRIBE Archive.2020')
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
    ok(client, 'SUBSCRIBE Archive.2020')
    ok(client, f'SUBSCRIBE {BOXES[3]}')
    for number in range(12):
        append(client, random.Random(number).choice(BOXES), number, ['', r'\Seen', r'\Flagged work $Junk'][number % 3])
    client.logout()
    deliver(pair[0], 100)
    assert_same(pair)


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
            server.drop_mail('pair', mail(self.number))
        elif what == 'index':
            shutil.rmtree(f'{self.pair[1].home("pair")}/Maildir/dovetail.index', ignore_errors=True)
        else:
            client = connect(server)
            getattr(self, what)(client)
            client.logout()


@pytest.mark.parametrize('seed', [1, 2])
def test_random_changes_in_turns_agree(pair, seed):
    client = connect(pair[seed % 2])
    for name in BOXES[1:]:
        ok(client, f'CREATE {name}')
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
                server.drop_mail('pair', mail(step))
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
