# SPDX-License-Identifier: MIT
"""Sixteen at once on one mailbox: IMAP sessions, LMTP, doveadm, and other programs that deliver and set flags. Each
session's view must be right at any time, no mail may be lost or doubled, and in the end all see the same.

$DOVETAIL_SECONDS makes it long."""
import collections
import os
import random
import re
import smtplib
import threading
import time
from pathlib import Path

import pytest

from conftest import mail_owner
from imap_view import View
from mbox_files import drop_mail, locked

SECONDS = float(os.environ.get('DOVETAIL_SECONDS', 4))
USER = 'crowd'
FLAGS = [r'\Seen', r'\Flagged', r'\Answered', 'work', '$Junk']


def mail(name):
    return f'From: a@x.example\r\nSubject: {name}\r\n\r\nThis is {name}.\r\n'.encode()


class Member:
    """Does something again and again in a thread of its own."""

    def __init__(self, server, number, end):
        self.server, self.number, self.end = server, number, end
        self.random = random.Random(number)
        self.count, self.failure = 0, None
        self.kept = []  # names of mails that must be there in the end, once
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            self.begin()
            while time.monotonic() < self.end:
                self.count += 1
                self.act()
        except Exception as error:  # pylint: disable=broad-except
            self.failure = f'{type(self).__name__} {self.number}: {error!r}'

    def begin(self):
        pass

    def name(self):
        return f'mail-{self.number}-{self.count}'


class Lmtp(Member):
    def act(self):
        with smtplib.LMTP('127.0.0.1', self.server.port('lmtp'), timeout=60) as client:
            client.sendmail('a@x.example', [USER], mail(self.name()))
        self.kept.append(self.name())


class Doveadm(Member):
    def act(self):
        done = self.server.doveadm('mailbox', 'status', '-u', USER, 'messages uidnext', 'INBOX')
        assert done.returncode == 0, done.stderr


class Dropper(Member):
    """Another program's delivery."""

    def act(self):
        self.server.drop_mail(USER, mail(self.name()))
        self.kept.append(self.name())
        time.sleep(0.02)


class Flagger(Member):
    """Another program that marks mails as replied to, by renaming their files."""

    def act(self):
        cur = self.server.maildir(USER) / 'cur'
        names = [name for name in os.listdir(cur) if re.search(r':2,[A-Z]*$', name) and 'R' not in name]
        if names:
            name = self.random.choice(names)
            base, _, flags = name.rpartition(',')
            try:
                os.rename(cur / name, cur / f'{base},{"".join(sorted(flags + "R"))}')
            except FileNotFoundError:
                pass
        time.sleep(0.05)


class MboxDropper(Dropper):
    def act(self):
        drop_mail(inbox(self.server), mail(self.name()))
        self.kept.append(self.name())
        time.sleep(0.02)


class MboxFlagger(Member):
    """Another program that marks mails as replied to, in the blanks behind their UIDs."""

    def act(self):
        with locked(inbox(self.server)) as file:
            text = file.read()
            places = [one.end() for one in re.finditer(rb'^X-UID: \d+ {14,}(?=\n(?!Status|X-Status))', text, re.M)]
            if places:
                file.seek(self.random.choice(places) - 12)
                file.write(b'\nX-Status: A')
        time.sleep(0.05)


class Imap(Member):
    """Deletes only what it saved for that."""

    def begin(self):
        self.client = View(self.server.port('imap'), USER, timeout=60)
        self.client.select('INBOX')
        self.own, self.victims = [], []

    def act(self):
        what = self.random.choices(
            [self.append, self.store, self.store_uid, self.fetch, self.search, self.remove, self.move, self.noop,
             self.idle, self.again], [4, 3, 3, 3, 2, 3, 2, 3, 1, 1])[0]
        what()

    def append(self):
        keep = self.random.random() < 0.5
        name = self.name() if keep else f'victim-{self.number}-{self.count}'
        answer = self.client.append('INBOX', mail(name), self.random.choice(['', *FLAGS]))[-1]
        uid = int(re.search(rb'APPENDUID \d+ (\d+)', answer)[1])
        if keep:
            self.kept.append(name)
        (self.own if keep else self.victims).append(uid)

    def flags(self):
        return f'{self.random.choice("+-")}FLAGS ({self.random.choice(FLAGS)})'

    def store(self):
        if self.client.uids:
            # NO, if somebody else expunged it.
            self.client.command(f'STORE {self.random.randint(1, len(self.client.uids))} {self.flags()}')

    def store_uid(self):
        known = [uid for uid in self.client.uids if uid]
        if known:
            self.client.command(f'UID STORE {self.random.choice(known)} {self.flags()}')

    def fetch(self):
        if self.client.uids:
            first = self.random.randint(1, len(self.client.uids))
            what = self.random.choice(['(UID FLAGS)', '(UID RFC822.SIZE BODY.PEEK[])', '(UID ENVELOPE)'])
            self.client.command(f'FETCH {first}:{first + self.random.randint(0, 9)} {what}')

    def search(self):
        self.client.ok(self.random.choice(['SEARCH UNSEEN', 'UID SEARCH KEYWORD work', 'SEARCH SUBJECT mail']))

    def remove(self):
        if self.victims:
            uid = self.victims.pop(self.random.randrange(len(self.victims)))
            self.client.ok(rf'UID STORE {uid} +FLAGS (\Deleted)')
            self.client.ok(self.random.choice(['EXPUNGE', f'UID EXPUNGE {uid}', 'NOOP']))

    def move(self):
        if self.own and self.random.random() < 0.5:
            self.client.ok(f'UID MOVE {self.own.pop()} Archive')
        elif self.victims:
            self.client.ok(f'UID COPY {self.victims[-1]} INBOX')

    def noop(self):
        self.client.ok('NOOP')

    def idle(self):
        tag = self.client.idle()
        self.client.quiet(0.1)
        self.client.done(tag)

    def again(self):
        self.client.select('INBOX')


def content(client, name):
    """[(UID, flags, subject)]."""
    client.select(name)
    lines = client.ok('FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])')[:-1] if client.uids else []
    found = [line for line in lines if b'BODY[' in line]
    return [(re.search(rb'UID (\d+)', line)[1],
             sorted(flag for flag in re.search(rb'FLAGS \(([^)]*)\)', line)[1].split() if flag != rb'\Recent'),
             re.search(rb'Subject: (\S+)', line)[1].decode()) for line in found]


def inbox(server):
    return Path(server.home(USER), 'inbox')


def make_maildir(make_server, location=''):
    server = make_server(location)
    server.maildir(USER)  # one makes the directories, not sixteen
    return server


def make_memory(make_server):
    """Each session has an index of its own, and what they agree on is in the files."""
    return make_maildir(make_server, 'mail_location = maildir:~/Maildir:INDEX=MEMORY\n')


def make_mbox(make_server):
    server = make_server('mail_location = mbox:~/mail:INBOX=~/inbox\n')
    inbox(server).touch()
    os.chown(inbox(server), *mail_owner())
    return server


def maildir_count(server):
    return sum(len(os.listdir(server.maildir(USER) / sub)) for sub in ('new', 'cur'))


def mbox_count(server):
    return len(re.findall(rb'^Subject: (?:mail|victim)-', inbox(server).read_bytes(), re.M))


FORMATS = {'maildir': (make_maildir, maildir_count, Dropper, Flagger),
           'maildir-memory': (make_memory, maildir_count, Dropper, Flagger),
           'mbox': (make_mbox, mbox_count, MboxDropper, MboxFlagger)}


@pytest.mark.parametrize('form', FORMATS)
def test_all_agree(make_server, form):
    make, count, dropper, flagger = FORMATS[form]
    server = make(make_server)
    first = View(server.port('imap'), USER, timeout=60)
    first.ok('CREATE Archive')
    first.select('INBOX')
    end = time.monotonic() + SECONDS
    kinds = [Imap] * 9 + [Lmtp] * 2 + [Doveadm] + [dropper] * 2 + [flagger] * 2
    members = [kind(server, number, end) for number, kind in enumerate(kinds)]
    for member in members:
        member.thread.join()
    assert not [member.failure for member in members if member.failure]
    # Those that were there all the time see what one sees who comes now.
    there, archive = content(first, 'INBOX'), content(first, 'Archive')
    for member in members:
        if isinstance(member, Imap):
            member.client.ok('NOOP')
            member.client.ok('FETCH 1:* (UID)')
            assert [b'%d' % uid for uid in member.client.uids] == [one[0] for one in there]
            assert content(member.client, 'INBOX') == there
            member.client.logout()
    assert count(server) == len(there)
    found = collections.Counter(one[2] for one in there + archive)
    kept = [name for member in members for name in member.kept]
    assert len(kept) > 20
    assert {name: found[name] for name in kept if found[name] != 1} == {}
    first.logout()
