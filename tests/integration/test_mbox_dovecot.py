# SPDX-License-Identifier: MIT
"""Mailboxes in mbox files served by Dovecot and by us in turns, while others
append to them: both must find the same UIDVALIDITY, UIDs, flags, keywords,
dates, sizes, bodies, names and subscriptions, whoever changed them last."""
import contextlib
import os
import random
import re
import smtplib
import threading
from pathlib import Path

import pytest

import turns
from conftest import mail_owner
from imap_lines import Lines
from mbox_files import drop_mail
from pop3_lines import Pop
from turns import FLAGS, KEYWORDS, Place, Turns, append, operations

LOCATION = 'mbox:~/mail:INBOX=~/inbox'
INDEXES = ['mail/.imap/dovetail.index', 'mail/**/dovecot.index*', '.imap/**/dovecot.index*', 'mail/**/dovecot.list.index*',
           'mail/dovecot.mailbox.log*']


def mail(number):
    text = turns.mail(number)
    if number % 5 == 0:
        # Dovecot gets lost in mails with a real "From " line, which it writes as well.
        text += b'\r\nFrom here on\r\n>From a@x.example Sat Nov 28 20:15:24 2026\r\n'
    return text


class MboxPlace(Place):
    def boxes(self):
        return ['INBOX', 'Archive', f'Old{self.separator}2020', '"Entw&APw-rfe"']

    def inbox(self):
        return f'{self.home}/inbox'

    def drop_indexes(self):
        """Dovecot writes files of which it cannot read the keywords of the first mail again."""
        heads = [path.read_bytes().split(b'\n\n', 1)[0] for path in Path(self.home).glob('mail/**/*')
                 if path.is_file() and '.imap' not in path.parts]
        heads.append(Path(self.inbox()).read_bytes().split(b'\n\n', 1)[0])
        known = all(b'X-Keywords' not in head.partition(b'X-IMAPbase')[0] for head in heads)
        self.indexes = INDEXES if known else INDEXES[:1]
        super().drop_indexes()

    def everything(self, server, told):
        result = super().everything(server, told)
        for name, value in result.items():
            if name not in ('list', 'lsub'):
                validity, uid_next, mails = value
                # A file without mails has no UIDVALIDITY, if it never had any.
                result[name] = (None if uid_next == b'1' else validity, uid_next if mails else None, mails)
        return result


def known(client):
    """UIDNEXT of INBOX, and how many mails."""
    answer = client.command('STATUS INBOX (UIDNEXT MESSAGES)')[0]
    return [int(re.search(word + rb' (\d+)', answer)[1]) for word in (b'UIDNEXT', b'MESSAGES')]


def remind(client, path):
    """A mail of another program that Dovecot expunges with the first look at it has its UID in Dovecot's index only:
    put the last one where others look for it, as the test below wants it."""
    uid_next, count = known(client)
    text = Path(path).read_bytes()
    last = re.search(rb'^X-IMAP(?:base)?: \d+ (\d{10})', text, re.M)
    wanted = uid_next - 1 - (count - len(re.findall(rb'^X-UID: ', text, re.M)))
    if last and wanted > int(last[1]):
        with open(path, 'r+b') as file:
            file.seek(last.start(1))
            file.write(b'%010d' % wanted)


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
        if server.label == 'dovecot':
            remind(client, self.place.inbox())
        touch_all(self.place.home, 10**9 + self.number)

    def begin(self, client):
        """A file that never had mail has no UIDVALIDITY: each server has its own."""
        super().begin(client)
        for name in self.names:
            append(client, name, 1)


LAYOUTS = {'fs': (LOCATION, '/'),
           # The file's own name there would be a mailbox's for Dovecot.
           'maildir++': (f'{LOCATION}:LAYOUT=maildir++:SUBSCRIPTIONS=subscriptions', '.')}


@pytest.fixture(params=LAYOUTS)
def place(request, make_server, dovecot):
    """Both servers on the same home directory, without mail."""
    location, separator = LAYOUTS[request.param]
    return MboxPlace(make_server(), dovecot, 'pair', location, separator, INDEXES)


def listed(client):
    """With their attributes; others tell more of them than must be."""
    lines = [re.sub(rb' ?\\(un)?marked', b'', line, flags=re.I) for line in client.command('LIST "" *')[:-1]]
    return sorted(line.lower().replace(b'( ', b'(').replace(b'"', b'') for line in lines)


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


@pytest.mark.parametrize('maker', [0, 1], ids=['ours', 'dovecot'])
def test_what_one_made_is_served_the_same_by_the_other(place, maker):
    make_mail(place, place.servers[maker])
    place.assert_same()
    ours, theirs = (listed(place.connect(server)) for server in place.servers)
    # Without its index of names, Dovecot lacks parents in maildir++.
    assert [line for line in ours if place.separator == '/' or rb'\noselect' not in line] == theirs


def test_maildirplus_files_are_those_of_dovecot(make_server, make_dovecot):
    """Also INBOX and subscriptions, and what a rename or deletion leaves."""
    told, files = [], []
    for make in make_server, make_dovecot:
        # With its index of names, what was deleted is listed still.
        server = make('mail_location = mbox:~/mail:LAYOUT=maildir++\nmailbox_list_index = no\n')
        client = Lines(server.port('imap'), 'alice')
        for name in 'a', 'a.b', 'a.b.c', 'ab', 'c.d', 'c.d.e', 'INBOX.x', 'gone', 'gone.child':
            client.ok(f'CREATE {name}')
            client.append(name, mail(1))
        client.append('INBOX', mail(1))
        for command in 'SUBSCRIBE a.b', 'RENAME a z', 'RENAME c y.c', 'DELETE gone', 'RENAME INBOX.x x':
            client.ok(command)
        told.append([line for line in listed(client) if b'subscriptions' not in line and rb'\noselect' not in line])
        for line in told[-1]:
            assert b'MESSAGES 1)' in client.ok(b'STATUS %s (MESSAGES)' % line.rpartition(b' ')[2])[0]
        client.logout()
        files.append(sorted(path.name for path in Path(server.home('alice'), 'mail').iterdir() if path.is_file()))
    assert told[0] == told[1]
    assert files[0] == files[1] == sorted(['.subscriptions', '.INBOX', '.z', '.z.b', '.z.b.c', '.ab', '.y.c.d', '.y.c.d.e',
                                           '.x', '.gone.child'])


def test_maildirplus_is_renamed_whole_or_not_at_all(make_server):
    client = Lines(make_server('mail_location = mbox:~/mail:LAYOUT=maildir++\n').port('imap'), 'alice')
    for name in 'a', 'a.b', 'a.c', 'a.d', 'z.c':
        client.ok(f'CREATE {name}')
    before = listed(client)
    assert b'NO [ALREADYEXISTS]' in client.command('RENAME a z')[-1]
    assert listed(client) == before
    client.ok('RENAME a y')
    assert [line.rpartition(b' ')[2] for line in listed(client) if b' y' in line] == [b'y', b'y.b', b'y.c', b'y.d']
    for name in 'imap', 'subscriptions', 'a.lock':
        assert b'NO [CANNOT]' in client.command(f'CREATE {name}')[-1]
    client.logout()


def touch_all(home, seconds):
    """Dovecot sees a change by seconds and size only: make them differ."""
    for directory, _, files in os.walk(home):
        if '.imap' not in directory:
            for name in files:
                with contextlib.suppress(FileNotFoundError):  # a lock, or a journal
                    os.utime(os.path.join(directory, name), (seconds, seconds))


def test_dovecot_alone_forgets_uids_with_its_index(place):
    """Why remind() is needed."""
    server = place.servers[1]
    client = place.connect(server)
    append(client, 'INBOX', 1)
    for number in 2, 3:
        client.ok('SELECT INBOX')
        client.ok(r'STORE 1:* +FLAGS (\Deleted)')
        client.ok('CLOSE')
        if number == 2:
            drop_mail(place.inbox(), mail(number))
    with_index = known(client)
    client.logout()
    place.drop_indexes()
    assert (with_index, known(place.connect(server))) == ([3, 0], [2, 0])


@pytest.mark.parametrize('seed', [1, 2])
def test_random_changes_in_turns_agree(place, seed):
    MboxTurns(place, seed, lambda text: drop_mail(place.inbox(), text), mail).run(operations(80))


def one_change(place, server, client, rng, step):
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


def change_at_once(place, server, seed, steps, failures):
    """Appends, stores and expunges on INBOX, while others do the same."""
    rng = random.Random(seed)
    try:
        client = place.connect(server)
        client.ok('SELECT INBOX')
        for step in range(steps):
            try:
                one_change(place, server, client, rng, step)
            except (AssertionError, smtplib.SMTPDataError) as error:
                # A file that became shorter and then longer has only grown to Dovecot, which finds no mails where they
                # were, says so, and looks again: "Next message unexpectedly corrupted", "Message body offset lookup
                # failed". So do two Dovecots alone, with an index each.
                if server.label != 'dovecot' or 'Internal error' not in repr(error):
                    raise
        client.logout()
    except (AssertionError, OSError, EOFError, smtplib.SMTPException) as error:
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
    assert not failures, place.servers[1].console()
    place.assert_same()


FROM = b'From a@x.example  Sat Nov 28 20:15:24 2026\n'
HEAD = FROM + b'From: a@x.example\nSubject: s\n'
FILES = {
    'plain': (HEAD + b'\nbody\n\n') * 2,
    'crlf': ((HEAD + b'\nbody\nmore\n\n') * 2).replace(b'\n', b'\r\n'),
    'mixed': HEAD + b'\nbody\n\n' + (HEAD + b'\nbody\n\n').replace(b'\n', b'\r\n') + HEAD + b'\r\nbody\r\n\n',
    'no-blank-between': (HEAD + b'\nbody\n') * 3,
    'blanks-between': (HEAD + b'\nbody\n\n\n\n') * 3,
    'no-end': HEAD + b'\nbody\n\n' + HEAD + b'\nbody',
    'empty-bodies': (HEAD + b'\n\n') * 3 + HEAD + b'\n',
    'no-empty-line': HEAD + HEAD + HEAD + b'\n',
    'cut-in-header': HEAD + b'\nbody\n\n' + FROM + b'From: a@x.example\nSubj',
    'only-from': FROM + FROM + b'\n' + FROM,
    'quoted': HEAD + b'\n>From a@x.example  Sat Nov 28 20:15:24 2026\n>>From b\nFrom c\n\n' + HEAD + b'\nx\n\n',
    'unquoted': HEAD + b'\ntext\n\nFrom a@x.example  Sat Nov 28 20:15:24 2026\nSubject: t\n\nx\n\n',
    'dates': b''.join(b'From a@x %s\nSubject: s\n\nx\n\n' % date for date in [
        b'Sat Nov 28 20:15:24 2026', b'Sat Nov 28 20:15 2026', b'Sat Nov 28 20:15:24 +0100 2026',
        b'Sat Nov 28 20:15:24 2026 +0100', b'Sat Nov 28 20:15:24 CET 2026', b'Sat, 28 Nov 2026 20:15:24 +0100',
        b'Sat Nov  8 20:15:24 2026']) + b'From a@x Nov 28\nx\n\n',
    'senders': b''.join(b'From %s Sat Nov 28 20:15:24 2026\nSubject: s\n\nx\n\n' % sender for sender in [
        b'', b'"a b"@x.example', b'-', b'a@x.example ', b'MAILER-DAEMON']),
    'length': HEAD + b'Content-Length: 58\n\ntext\n\nFrom a@x.example  Sat Nov 28 20:15:24 2026\nin body\n' + b'\n' +
    HEAD + b'\nx\n\n',
    'length-short': HEAD + b'Content-Length: 2\n\nbody\n\n' + HEAD + b'Content-Length: 0\n\nbody\n\n' + HEAD + b'\nx\n\n',
    'length-long': HEAD + b'Content-Length: 50\n\nbody\n\n' + HEAD + b'Content-Length: 99999999999999\n\nx\n\n',
    'length-odd': b''.join(HEAD + b'Content-Length: %s\n\nbody\n\n' % text for text in [
        b'-1', b'x', b'', b'18446744073709551616', b' 5 ']),
    'flags': b''.join(HEAD + text + b'\nx\n\n' for text in [
        b'Status: RO\n', b'Status: O\nX-Status: AFTD\n', b'X-Status: D\nStatus: R\n', b'Status: \n', b'Status: OR\nStatus: x\n',
        b'status: ro\nx-status: a\n', b'X-Keywords: a b\n']),
    'keywords': FROM + b'X-IMAPbase: 1700000000 0000000007 a bb $c\nX-UID: 3\nX-Keywords: a $c\n\nx\n\n' +
    HEAD + b'X-UID: 5\nX-Keywords: bb unknown\n\nx\n\n' + HEAD + b'X-UID: 6\nX-Keywords:   bb  a\n\nx\n\n',
    'keywords-folded': FROM + b'X-IMAPbase: 1700000000 0000000007 a\n bb\n\t$c\nX-UID: 3\nX-Keywords: a\n $c\n\nx\n\n' +
    HEAD + b'X-UID: 5\nX-Keywords:\n bb\n\ta \n\nx\n\n',
    'keywords-first': FROM + b'X-UID: 3\nX-Keywords: a $c\nX-IMAPbase: 1700000000 0000000007 a bb $c\n\nx\n\n' +
    HEAD + b'X-UID: 5\nX-Keywords: bb\n\nx\n\n',
    'uids': FROM + b'X-IMAPbase: 1700000000 0000000009\nX-UID: 3\n\nx\n\n' + b''.join(
        HEAD + b'X-UID: %d\n\nx\n\n' % uid for uid in [5, 4, 7, 7, 9]) + HEAD + b'\nx\n\n',
    'uid-too-high': FROM + b'X-IMAPbase: 1700000000 0000000003\nX-UID: 3\n\nx\n\n' + HEAD + b'X-UID: 5\n\nx\n\n',
    'pseudo': b'From MAILER_DAEMON  Sat Nov 28 20:15:24 2026\nSubject: DATA\nX-IMAP: 1700000000 0000000004 k\nStatus: RO\n'
    b'\nThis text.\n\n' + HEAD + b'X-UID: 2\nX-Keywords: k\n\nx\n\n' + HEAD + b'\ny\n\n',
    'pseudo-only': b'From MAILER_DAEMON  Sat Nov 28 20:15:24 2026\nSubject: DATA\nX-IMAP: 1700000000 0000000004 k\nStatus: '
    b'RO\n\nThis text.\n\n',
    'pseudo-within': FROM + b'X-IMAPbase: 1700000000 0000000004\nX-UID: 1\nStatus: O\n\nx\n\n' +
    HEAD + b'X-IMAP: 1700000001 0000000009\nX-UID: 2\nStatus: O\n\nx\n\n' + HEAD + b'X-UID: 3\nStatus: O\n\ny\n\n',
    'base-bad': FROM + b'X-IMAPbase: x y\nX-UID: 3\n\nx\n\n' + HEAD + b'X-UID: 4\n\nx\n\n',
    'folded': HEAD + b'X-Fold: a\n b\n\tc\nX-Keywords: a\n b\nStatus: R\n O\n\nx\n\n',
    'colon': HEAD + b'no colon here\nX-A : b\n: c\nStatus : R\n\nx\n\n',
    'nul': HEAD + b'X-A: a\0b\n\nx\0y\n\n' + HEAD + b'\nx\n\n',
    'eight-bit': HEAD + b'X-A: \xe4\xff\n\n\xe4\xff\n\n',
    'long-line': HEAD + b'X-Long: ' + b'a' * 70000 + b'\n\n' + b'b' * 70000 + b'\n\n' + HEAD + b'\nx\n\n',
}


# Dovecot counts the end of the line that is cut off twice, loses its way in the file when it writes these flags,
# believes some UIDs that are higher than what X-IMAPbase says, and does not know what is named behind its use.
OTHERWISE = {'cut-in-header', 'flags', 'uid-too-high', 'keywords-first'}


def put_files(server):
    root = f'{server.home("alice")}/mail'
    os.mkdir(root)
    for name, text in FILES.items():
        with open(f'{root}/{name}', 'wb') as file:
            file.write(text)
    for path in [root, *(f'{root}/{name}' for name in FILES)]:
        os.chown(path, *mail_owner())


def test_handmade_files_are_read_the_same(make_server, make_dovecot):
    servers = [make(f'mail_location = {LOCATION}\n') for make in (make_server, make_dovecot)]
    clients = []
    for server in servers:
        put_files(server)
        clients.append(Lines(server.port('imap'), 'alice', timeout=60))
    different = {}
    for name in FILES:
        (_, ours_next, ours), (_, theirs_next, theirs) = (turns.mailbox(client, name, 'SELECT') for client in clients)
        if (ours_next, ours) != (theirs_next, theirs):
            different[name] = [ours_next, *ours], [theirs_next, *theirs]
    assert different.keys() == OTHERWISE, '\n'.join(
        f'{name}\n' + '\n'.join(map(str, ours)) + '\n--\n' + '\n'.join(map(str, theirs))
        for name, (ours, theirs) in different.items())


def test_subscriptions_are_told_the_same(make_server, make_dovecot):
    told = []
    for server in [make(f'mail_location = {LOCATION}\n') for make in (make_server, make_dovecot)]:
        client = Lines(server.port('imap'), 'bob')
        for command in ['CREATE f', 'CREATE sub/g', 'SUBSCRIBE f', 'SUBSCRIBE sub', 'SUBSCRIBE sub/g', 'SUBSCRIBE INBOX']:
            client.ok(command)
        told.append([sorted(client.command(f'LSUB "" {pattern}')[:-1]) for pattern in '*%'])
        client.logout()
    assert told[0] == told[1]


def header_for_md5(rng):
    """Fields that mbox_md5 knows, others, and ours, in any order."""
    names = [b'Received', b'received', b'Date', b'DATE', b'Message-ID', b'Delivered-To', b'X-Delivery-ID', b'From', b'Subject',
             b'Status', b'X-UID', b'X-Keywords', b'Content-Length', b'Return-Path', b'Message-Id ']
    values = [b'', b' x', b' y\n  folded', b'\ttab', b'no blank', b' <a@b>  ', b' a\r', b' 7', b' \n\tz\n q', b' \xe4']
    fields = [rng.choice(names) + b':' + rng.choice(values) for _ in range(rng.randint(0, 7))]
    return b''.join(field + b'\n' for field in fields)


@pytest.mark.parametrize('kind', ['apop3d', 'all'])
def test_the_sum_of_a_header_is_the_same(make_server, make_dovecot, kind):
    """What POP3 shows as %m, and what finds mails whose UID is not in the file."""
    rng = random.Random(kind)
    text = b''.join(FROM + header_for_md5(rng) + b'\nbody\n\n' for _ in range(300))
    told = []
    for make in make_server, make_dovecot:
        server = make(f'mail_location = {LOCATION}\npop3_uidl_format = %m\nmbox_md5 = {kind}\n')
        path = f'{server.home("alice")}/inbox'
        Path(path).write_bytes(text)
        os.chown(path, *mail_owner())
        told.append(Pop(server.port('pop3'), 'alice').multi('UIDL'))
    assert len({line.split()[1] for line in told[0]}) > 100
    assert [(ours, theirs, text.split(FROM)[1 + number]) for number, (ours, theirs) in enumerate(zip(*told))
            if ours != theirs] == []


@pytest.mark.parametrize('location', ['mbox:~/other', 'mbox:~/other:LAYOUT=maildir++', 'maildir:~/other',
                                      'maildir:~/other:LAYOUT=fs'])
def test_a_mailbox_called_inbox_in_another_namespace_is_listed(make_server, location):
    """Also where the separator is in "./INBOX", as we call it among ourselves."""
    server = make_server(f'namespace other {{\n  prefix = o.\n  separator = .\n  location = {location}\n}}\n'
                         'namespace inbox {\n  separator = .\n}\n')
    client = Lines(server.port('imap'), 'alice')
    for name in 'o.INBOX', 'o.a':
        client.ok(f'CREATE {name}')
    assert [line.rpartition(b' ')[2] for line in listed(client) if b' o.' in line] == [b'o.a', b'o.inbox']
    client.logout()
