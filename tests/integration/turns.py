# SPDX-License-Identifier: MIT
"""Dovecot and we change one mail location in turns: what both report of it must be the same after each turn."""
import hashlib
import os
import random
import re
import shutil
import smtplib
import time
from pathlib import Path

from conftest import PASSWORD, mail_owner
from imap_lines import Lines

FLAGS = [r'\Seen', r'\Answered', r'\Flagged', r'\Deleted', r'\Draft']
KEYWORDS = ['$Forwarded', '$Junk', 'work', 'Later', 'x-1', '$MDNSent']
FIELDS = b'UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[]'
MANY = 25  # mails; a mailbox with more is rather emptied than filled
DROPS = float(os.environ.get('DOVETAIL_DROPS', 0.15))  # how often the indexes are deleted before a turn


def mail(number):
    lines = ''.join(f'line {i} of {number}\r\n' for i in range(number % 7))
    return f'From: a@x.example\r\nTo: b@x.example\r\nSubject: mail {number}\r\n\r\n{lines}'.encode()


class Place:
    """A mail location that both servers serve to one user. `fields` are compared of each mail; `indexes` match the
    files of the home directory that may be deleted at any time."""

    def __init__(self, ours, theirs, user, location, separator, indexes):
        self.servers, self.user, self.separator, self.indexes = (ours, theirs), user, separator, indexes
        self.home = theirs.home(user)
        shutil.rmtree(self.home, ignore_errors=True)
        os.mkdir(self.home, 0o755)
        os.chown(self.home, *mail_owner())
        if os.path.lexists(ours.home(user)):
            os.rmdir(ours.home(user))
        os.symlink(self.home, ours.home(user))
        for server in self.servers:
            self.add_user(server, location)

    def add_user(self, server, location):
        uid, gid = mail_owner()
        path = Path(server.dir, 'users')
        lines = [line for line in path.read_text().splitlines() if not line.startswith(f'{self.user}:')]
        # Dovecot's index of names does not see that we delete one below another.
        fields = f'userdb_mail={location} userdb_mailbox_list_index=no'
        lines.append(f'{self.user}:{{PLAIN}}{PASSWORD}:{uid}:{gid}::{server.home(self.user)}::{fields}')
        path.write_text('\n'.join(lines) + '\n')
        # Dovecot looks whether the file changed once in a second.
        deadline = time.monotonic() + 10
        while server.doveadm('user', '-f', 'mail', self.user).stdout.strip() != location:
            assert time.monotonic() < deadline, server.doveadm('user', self.user)
            time.sleep(0.05)

    def connect(self, server):
        return Lines(server.port('imap'), self.user, timeout=60)

    def deliver(self, server, number, make_mail=mail):
        with smtplib.LMTP('127.0.0.1', server.port('lmtp')) as client:
            client.sendmail('a@x.example', [self.user], make_mail(number))

    def drop_indexes(self):
        for pattern in self.indexes:
            for path in Path(self.home).glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def boxes(self):
        return ['INBOX', 'Archive', f'Archive{self.separator}2020', '"Entw&APw-rfe"']

    def everything(self, server, told):
        try:
            return everything(self.connect(server))
        except AssertionError as error:
            raise AssertionError(f'{server.label}: {error} after\n{told}') from error

    def assert_same(self, history=()):
        told = '\n'.join(history[-40:])
        ours, theirs = (self.everything(server, told) for server in self.servers)
        assert ours['list'] == theirs['list'], told
        for name, value in theirs.items():
            assert ours[name] == value, f'{name}: {different(ours[name], value)} after\n{told}'


def different(ours, theirs):
    if isinstance(ours, list):
        return ours, theirs
    return ours[:2], theirs[:2], [one for one in ours[2] if one not in theirs[2]], [
        one for one in theirs[2] if one not in ours[2]]


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
    return sorted(line.rpartition(b' ')[2].strip(b'"') for line in answers[:-1] if rb'\Noselect' not in line)


def everything(client):
    listed = names(client, 'LIST')
    result = {'list': listed, 'lsub': names(client, 'LSUB')}
    for name in listed:
        result[name] = mailbox(client, '"' + name.decode() + '"')
    client.logout()
    return result


def append(client, name, number, flags='', make_mail=mail):
    text = make_mail(number)
    answers = client.command(f'APPEND {name} ({flags}) "{1 + number % 28:02}-Jan-2020 10:00:00 +0000" '
                             f'{{{len(text)}+}}\r\n'.encode() + text)
    assert b'APPENDUID' in answers[-1], answers


class Turns:
    """Random changes through either server."""

    CHANGES = {'append': 4, 'store': 6, 'expunge': 2, 'copy': 3, 'subscribe': 1, 'rename': 1}
    OTHERS = {'deliver': 2, 'drop': 1}

    def __init__(self, place, seed, drop=None, make_mail=mail):
        """`drop`(text) delivers as another program does."""
        self.place, self.random, self.number = place, random.Random(seed), 0
        self.names, self.drop_mail, self.make_mail = place.boxes(), drop, make_mail
        self.history = []

    def ok(self, client, command):
        self.history.append(f'  {command}')
        client.ok(command)

    def some_flags(self):
        return ' '.join(self.random.sample(FLAGS + KEYWORDS, self.random.randint(1, 3)))

    def some_mails(self, client):
        """A set of UIDs of a mailbox that is selected then, and how many there are."""
        self.name = self.random.choice(self.names)
        self.ok(client, f'SELECT {self.name}')
        uids = client.command('UID SEARCH ALL')[0].split()[2:]
        chosen = self.random.sample(uids, min(len(uids), self.random.randint(1, 3)))
        return b','.join(chosen).decode(), len(uids)

    def append(self, client):
        name, flags = self.random.choice(self.names), self.random.choice(['', self.some_flags()])
        self.history.append(f'  APPEND {name} ({flags})')
        append(client, name, self.number, flags, self.make_mail)

    def store(self, client):
        uids, _ = self.some_mails(client)
        if uids:
            mode = self.random.choice(['+', '-', ''])
            self.ok(client, f'UID STORE {uids} {mode}FLAGS ({self.some_flags()})')

    def expunge(self, client):
        uids, count = self.some_mails(client)
        if count > MANY:
            uids = '1:*'
        if uids:
            self.ok(client, rf'UID STORE {uids} +FLAGS (\Deleted)')
            self.ok(client, self.random.choice(['EXPUNGE', f'UID EXPUNGE {uids}', 'CLOSE']))

    def copy(self, client):
        uids, count = self.some_mails(client)
        if uids:
            how = 'MOVE' if count > MANY else self.random.choice(['COPY', 'MOVE'])
            self.ok(client, f'UID {how} {uids} {self.random.choice(self.targets())}')

    def targets(self):
        return self.names

    def subscribe(self, client):
        self.ok(client, f'{self.random.choice(["SUBSCRIBE", "UNSUBSCRIBE"])} {self.random.choice(self.names)}')

    def rename(self, client):
        """Makes, renames and deletes one mailbox, and one below it."""
        client.command('UNSELECT')  # Dovecot hangs up when the selected one goes
        old = next((name for name in self.names if name.startswith('Box')), None)
        new, below = f'Box{self.number}', f'{old}{self.place.separator}below'
        if old is None:
            self.ok(client, f'CREATE {new}')
            self.names.append(new)
        elif self.random.random() < 0.3 and below not in self.names:
            self.ok(client, f'CREATE {below}')
            self.names.append(below)
        elif self.random.random() < 0.6:
            self.ok(client, f'RENAME {old} {new}')
            self.names = [new + name[len(old):] if name.startswith(old) else name for name in self.names]
        else:
            last = [name for name in self.names if name.startswith('Box')][-1]
            self.ok(client, f'DELETE {last}')
            self.names.remove(last)

    def step(self, server, client):
        self.number += 1
        kinds = {**self.CHANGES, **self.OTHERS}
        what = self.random.choices(list(kinds), list(kinds.values()))[0]
        self.history.append(f'{self.number} {server.label} {what}')
        if what == 'deliver':
            self.place.deliver(server, self.number, self.make_mail)
        elif what == 'drop':
            self.drop_mail(self.make_mail(self.number))
        else:
            getattr(self, what)(client)

    def turn(self, steps):
        """One server alone for some steps; then both must agree."""
        if self.random.random() < DROPS:
            self.history.append('indexes deleted')
            self.place.drop_indexes()
        server = self.random.choice(self.place.servers)
        try:
            client = self.place.connect(server)
            for _ in range(steps):
                self.step(server, client)
            client.logout()
        except (AssertionError, OSError, EOFError) as error:
            raise AssertionError('\n'.join([f'{server.label}: {error!r} after', *self.history[-40:],
                                            server.console()])) from error
        self.place.assert_same(self.history)

    def begin(self, client):
        for name in self.names[1:]:
            self.ok(client, f'CREATE {name}')

    def run(self, operations, steps=4):
        client = self.place.connect(self.random.choice(self.place.servers))
        self.begin(client)
        client.logout()
        for _ in range(operations // steps):
            self.turn(steps)


def operations(few):
    """How many: $DOVETAIL_OPERATIONS for a long run."""
    return int(os.environ.get('DOVETAIL_OPERATIONS', few))
