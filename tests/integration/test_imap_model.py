# SPDX-License-Identifier: MIT
"""Commands made from the grammar, right ones and spoilt ones, on several sessions of one mailbox: each answer is what a
model says, and so is the mailbox. $DOVETAIL_COMMANDS makes it long."""
import os
import random
import re
import smtplib

import pytest

from imap_model import Box, some_flags, some_key, some_uids
from imap_view import View
from test_imap_wild import spoil

COMMANDS = int(os.environ.get('DOVETAIL_COMMANDS', 400))
USER = 'spare'
READING = [b'FETCH 1:* (FLAGS UID)', b'UID FETCH 1:5 BODY.PEEK[HEADER]', b'SEARCH OR SEEN (FLAGGED NOT DELETED)',
           b'UID SEARCH RETURN (MIN MAX) 1:*', b'STATUS INBOX (MESSAGES UIDNEXT)', b'NOOP', b'LIST "" *',
           b'FETCH 2 (ENVELOPE BODYSTRUCTURE)', b'FETCH 1 BODY.PEEK[]<0.20>']


def flags_of(line):
    flags = re.search(rb'FLAGS \(([^)]*)\)', line)[1].decode().split()
    return frozenset(flag for flag in flags if flag != r'\Recent')


class Play:
    def __init__(self, server, seed):
        self.server, self.dice = server, random.Random(seed)
        self.inbox, self.copies = Box(), Box()
        self.clients = [View(server.port('imap'), USER) for _ in range(4)]
        self.clients[0].ok('CREATE Copies')
        for client in self.clients:
            client.select('INBOX')
        self.number, self.reader = 0, None

    def subject(self):
        return f'm{self.number}'

    def mail(self):
        return f'From: a@x.example\r\nSubject: {self.subject()}\r\n\r\ntext\r\n'.encode()

    def append(self, client):
        flags = some_flags(self.dice)
        answer = client.append('INBOX', self.mail(), ' '.join(flags))[-1]
        assert int(re.search(rb'APPENDUID \d+ (\d+)', answer)[1]) == self.inbox.add(self.subject(), flags)

    def deliver(self, _):
        with smtplib.LMTP('127.0.0.1', self.server.port('lmtp')) as client:
            client.sendmail('a@x.example', [USER], self.mail())
        self.inbox.add(self.subject(), ())

    def store(self, client):
        text, uids = some_uids(self.inbox, self.dice)
        mode, flags = self.dice.choice(['+', '-', '']), some_flags(self.dice)
        lines = client.ok(f'UID STORE {text} {mode}FLAGS ({" ".join(flags)})')
        self.inbox.store(uids, mode, flags)
        for line in lines[:-1]:
            uid = re.search(rb'FETCH \(.*UID (\d+)', line)
            if uid and int(uid[1]) in uids:
                assert flags_of(line) == self.inbox.mails[int(uid[1])][1], line

    def expunge(self, client):
        text, uids = some_uids(self.inbox, self.dice)
        if self.dice.random() < 0.3:
            text, uids = None, set(self.inbox.mails)
        client.ok('EXPUNGE' if text is None else f'UID EXPUNGE {text}')
        self.inbox.expunge(uids)

    def copy(self, client):
        text, uids = some_uids(self.inbox, self.dice)
        move = self.dice.random() < 0.4
        answer = b'\n'.join(client.ok(f'UID {"MOVE" if move else "COPY"} {text} Copies'))
        added = self.inbox.copy(uids, self.copies)
        if added:
            last = re.search(rb'COPYUID \d+ \S+ (?:\d+[:,])*(\d+)\]', answer)
            assert int(last[1]) == added[-1], answer
        for uid in uids if move else ():
            del self.inbox.mails[uid]

    def search(self, client):
        key, uids = some_key(self.inbox, self.dice)
        found = client.ok(f'UID SEARCH {key}')[0].split()[2:]
        assert {int(uid) for uid in found} == uids, key

    def fetch(self, client):
        text, uids = some_uids(self.inbox, self.dice)
        lines = [line for line in client.ok(f'UID FETCH {text} (UID FLAGS)')[:-1] if b' FETCH (' in line]
        told = {int(re.search(rb'UID (\d+)', line)[1]): flags_of(line) for line in lines}
        assert {uid: told[uid] for uid in uids} == {uid: self.inbox.mails[uid][1] for uid in uids}

    def spoilt(self, _):
        """From a session that can change nothing, whatever it says."""
        try:
            if self.reader is None:
                self.reader = View(self.server.port('imap'), USER, timeout=0.5)
                self.reader.select('INBOX', 'EXAMINE')
            command = spoil(self.dice.choice(READING), READING, self.dice)
            self.reader.send(b'F%d ' % self.number + command + b'\r\nG%d NOOP\r\n' % self.number)
            self.reader.until(b'G%d' % self.number)
        except (EOFError, OSError):
            # It waits for a literal, or has had enough.
            self.reader.close()
            self.reader = None

    def check(self):
        for client in self.clients:
            client.ok('NOOP')
            for name, box in (('INBOX', self.inbox), ('Copies', self.copies)):
                client.select(name)
                lines = client.ok('FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])') if client.uids else []
                told = {int(re.search(rb'UID (\d+)', line)[1]):
                        (re.search(rb'Subject: (\S+)', line)[1].decode(), flags_of(line))
                        for line in lines if b'BODY[' in line}
                assert told == box.mails, name
            client.select('INBOX')

    def run(self, commands):
        kinds = {self.append: 4, self.deliver: 1, self.store: 5, self.expunge: 2, self.copy: 2, self.search: 5,
                 self.fetch: 3, self.spoilt: 5}
        for self.number in range(commands):
            client = self.dice.choice(self.clients)
            client.ok('NOOP')
            what = self.dice.choices(list(kinds), list(kinds.values()))[0]
            what(client)
            if self.number % 200 == 199:
                self.check()
        self.check()


@pytest.mark.parametrize('seed', range(2))
def test_model(make_server, seed):
    Play(make_server(), seed).run(COMMANDS)
