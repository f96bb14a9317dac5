# SPDX-License-Identifier: MIT
"""A client with QRESYNC (RFC 7162) that loses its connection again and again
while others change the mailbox: what it believes after each resync must be what
a client sees that fetches all."""
import os
import random
import re
import shutil
import time
from pathlib import Path

from conftest import mail_owner
from imap_lines import Lines

FLAGS = [r'\Seen', r'\Answered', r'\Flagged', r'\Draft', 'work', '$Label1']
MAIL = b'From: a@x.example\r\nSubject: %d\r\n\r\ntext\r\n'


def numbers(text):
    for part in text.split(b','):
        first, _, last = part.partition(b':')
        yield from range(int(first), int(last or first) + 1)


def as_set(uids):
    return ','.join(map(str, sorted(uids)))


def flag_set(text):
    return frozenset(text.decode().split()) - {r'\Recent'}


class Client:
    """What RFC 7162 lets a client conclude from what it is told."""

    def __init__(self, port):
        self.port, self.lines = port, None
        self.validity, self.modseq = None, None
        self.uids = []   # by sequence number; None: not known yet
        self.flags = {}  # by UID

    # --- answers --------------------------------------------------------------

    def take_fetch(self, seq, items):
        uid = int(re.search(rb'\bUID (\d+)', items)[1])
        assert self.uids[seq - 1] in (None, uid)
        self.uids[seq - 1] = uid
        flags = re.search(rb'FLAGS \(([^)]*)\)', items)
        if flags:
            self.flags[uid] = flag_set(flags[1])
        modseq = re.search(rb'MODSEQ \((\d+)\)', items)
        return int(modseq[1]) if modseq else 0

    def vanish(self, uids, earlier):
        for uid in uids:
            if uid in self.flags:
                del self.flags[uid]
            if uid in self.uids:
                self.uids.remove(uid)
            else:
                assert earlier, f'UID {uid} vanished, but was not there'

    def take(self, lines):
        """All answers to a command; then what it knows is up to modseq."""
        highest, told = None, 0
        for line in lines:
            code = re.search(rb'\[HIGHESTMODSEQ (\d+)\]', line)
            if code:
                highest = int(code[1])
            fetch = re.match(rb'\* (\d+) FETCH \((.*)\)$', line, re.S)
            gone = re.match(rb'\* VANISHED (\(EARLIER\) )?([\d:,]+)$', line)
            exists = re.match(rb'\* (\d+) EXISTS', line)
            assert b' EXPUNGE' not in line, line
            if fetch:
                told = max(told, self.take_fetch(int(fetch[1]), fetch[2]))
            elif gone:
                self.vanish(numbers(gone[2]), gone[1] is not None)
            elif exists:
                self.uids += [None] * (int(exists[1]) - len(self.uids))
        if highest is None:
            highest = max(self.modseq or 0, told)
        self.modseq = highest

    def command(self, text):
        lines = self.lines.command(text)
        assert lines[-1].split()[1] == b'OK', lines
        self.take(lines)
        return lines

    # --- connections ----------------------------------------------------------

    def fetch_new(self):
        if None in self.uids:
            known = [uid for uid in self.uids if uid is not None]
            self.command(f'UID FETCH {max(known, default=0) + 1}:* (UID FLAGS)')
        assert None not in self.uids

    def known(self, rng):
        """The optional parts of the parameter."""
        text = ''
        if self.flags and rng.random() < 0.5:
            text += f' {as_set(self.flags)}'
        if self.seen and rng.random() < 0.5:
            pairs = sorted(rng.sample(range(len(self.seen)), min(3, len(self.seen))))
            text += f' ({as_set(n + 1 for n in pairs)} {as_set(self.seen[n] for n in pairs)})'
        return text

    def connect(self, rng):
        self.lines = Lines(self.port, 'spare')
        self.lines.ok('ENABLE QRESYNC')
        self.seen = [uid for uid in self.uids if uid is not None]
        if self.validity is None:
            lines = self.lines.ok('SELECT INBOX')
        else:
            lines = self.lines.ok(f'SELECT INBOX (QRESYNC ({self.validity} {self.modseq}{self.known(rng)}))')
        # Sequence numbers are told anew: UIDs are the key until all are in place.
        self.settle(lines)
        self.fetch_new()

    def settle(self, lines):
        text = b'\n'.join(lines)
        validity = int(re.search(rb'UIDVALIDITY (\d+)', text)[1])
        if validity != self.validity:
            self.flags = {}
        self.validity = validity
        gone = re.search(rb'VANISHED \(EARLIER\) ([\d:,]+)', text)
        for uid in numbers(gone[1]) if gone else []:
            self.flags.pop(uid, None)
        # Mails that are known stand first, in the order of UIDs, then new ones.
        exists = int(re.search(rb'(\d+) EXISTS', text)[1])
        self.uids = sorted(self.flags)
        assert len(self.uids) <= exists, 'mails vanished without being told'
        self.uids += [None] * (exists - len(self.uids))
        self.take([line for line in lines if b'EXISTS' not in line and b'VANISHED' not in line])

    def drop(self):
        self.lines.close()
        self.lines = None


class World:
    def __init__(self, server, rng):
        self.server, self.rng = server, rng
        self.port = server.port('imap')
        self.other = Lines(self.port, 'spare')
        self.other.ok('SELECT INBOX')
        self.count = 0

    def messages(self):
        return int(re.search(rb'MESSAGES (\d+)', b'\n'.join(self.other.ok('STATUS INBOX (MESSAGES)')))[1])

    def pick(self):
        """Some UIDs of the other client's, as a set."""
        uids = [int(n) for n in self.other.ok('UID SEARCH ALL')[0].split()[2:]]
        return as_set(self.rng.sample(uids, min(len(uids), self.rng.randint(1, 4)))) or '1'

    # --- what others do -----------------------------------------------------------

    def store(self):
        sign = self.rng.choice(['+', '-', ''])
        self.other.ok(f'UID STORE {self.pick()} {sign}FLAGS ({" ".join(self.rng.sample(FLAGS, 2))})')

    def append(self):
        self.count += 1
        self.other.append('INBOX', MAIL % self.count, self.rng.choice(['', *FLAGS]))

    def expunge(self):
        self.other.ok(rf'UID STORE {self.pick()} +FLAGS.SILENT (\Deleted)')
        self.other.ok('EXPUNGE')

    def copy(self):
        self.other.ok(f'UID COPY {self.pick()} INBOX')

    def move(self):
        self.other.ok(f'UID MOVE {self.pick()} Elsewhere')

    def deliver(self):
        self.count += 1
        self.server.drop_mail('spare', (MAIL % self.count).replace(b'\r\n', b'\n'))
        self.other.ok('NOOP')

    def files(self):
        return sorted(Path(self.server.home('spare'), 'Maildir', 'cur').iterdir())

    def rename(self):
        files = self.files()
        if files:
            path = self.rng.choice(files)
            base, _, _ = path.name.partition(':2,')
            path.rename(path.with_name(base + ':2,' + ''.join(sorted(self.rng.sample('FRS', 2)))))

    def unlink(self):
        files = self.files()
        if len(files) > 3:
            self.rng.choice(files).unlink()

    def something(self):
        self.rng.choices([self.store, self.append, self.expunge, self.copy, self.move, self.deliver, self.rename,
                          self.unlink], [6, 4, 2, 1, 1, 2, 2, 1])[0]()

    # --- what there is ------------------------------------------------------------

    def truth(self):
        with_all = Lines(self.port, 'spare')
        with_all.ok('SELECT INBOX')
        lines = with_all.ok('UID FETCH 1:* (UID FLAGS)')
        with_all.logout()
        found = [re.match(rb'\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\)', line) for line in lines[:-1]]
        return {int(m[1]): flag_set(m[2]) for m in found if m}

    def lose_index(self):
        """As an administrator does who thinks it is broken."""
        self.other.logout()
        shutil.rmtree(Path(self.server.home('spare'), 'Maildir', 'dovetail.index'))
        self.other = Lines(self.port, 'spare')
        self.other.ok('SELECT INBOX')


def act(client, rng):
    """The client does something itself."""
    uids = [uid for uid in client.uids if uid is not None]
    if not uids or rng.random() < 0.3:
        client.command('NOOP')
        return
    uid = rng.choice(uids)
    seq = client.uids.index(uid) + 1
    flag = rng.choice(FLAGS)
    silent = rng.choice(['', '.SILENT'])
    command = rng.choice([f'STORE {seq}', f'UID STORE {uid}', f'STORE {seq} (UNCHANGEDSINCE {client.modseq})'])
    before = client.flags.get(uid)
    if rng.random() < 0.3:
        lines = client.command(rng.choice([f'FETCH {seq} (UID FLAGS)', f'UID FETCH {uid} (FLAGS)']))
    else:
        if silent and before is not None:
            client.flags[uid] = before | {flag}
        lines = client.command(f'{command} +FLAGS{silent} ({flag})')
        modified = b'[MODIFIED' in lines[-1]
        told = any(b'UID %d ' % uid in line and b'FLAGS' in line for line in lines)
        if modified and silent and not told and uid in client.flags:
            client.flags[uid] = before


def test_client_that_comes_and_goes(server):
    seed = int(os.environ.get('DOVETAIL_SEED', '7162'))
    rng = random.Random(seed)
    shutil.rmtree(f'{server.home("spare")}/Maildir', ignore_errors=True)
    server.maildir('spare')
    os.chown(server.maildir('spare'), *mail_owner())
    setup = Lines(server.port('imap'), 'spare')
    setup.ok('CREATE Elsewhere')
    setup.logout()
    world, client = World(server, rng), Client(server.port('imap'))
    for _ in range(12):
        world.append()
    deadline = time.monotonic() + 40
    for turn in range(120):
        client.connect(rng)
        assert client.flags == world.truth(), f'seed {seed}, turn {turn}'
        for _ in range(rng.randint(0, 5)):
            if rng.random() < 0.6:
                world.something()
            act(client, rng)
            client.fetch_new()
        if rng.random() < 0.3:
            client.command('NOOP')
            client.fetch_new()
            assert client.flags == world.truth(), f'seed {seed}, turn {turn}, before it goes'
        client.drop()
        for _ in range(rng.randint(0, 5)):
            world.something()
        if turn % 30 == 29:
            world.lose_index()
        if time.monotonic() > deadline:  # a slow machine: some of it is better than none
            assert turn > 5
            break
    world.other.logout()
