# SPDX-License-Identifier: MIT
"""Mailboxes in mbox files: what the mbox_* settings say, and what others do to the files."""
import contextlib
import fcntl
import os
import re
import shutil
import smtplib
import struct
import subprocess
import time
from pathlib import Path

import pytest

from conftest import PASSWORD, Server, finish, mail_owner
from cpu_time import settled
from imap_lines import Lines
from pop3_lines import Pop

FROM = b'From a@x.example  Sat Nov 28 20:15:24 2026\n'


def mail(number, extra=b''):
    return FROM + b'From: a@x.example\nSubject: %d\n%s\nbody %d\n\n' % (number, extra, number)


@pytest.fixture(scope='module')
def server(tls):
    one = Server(tls, 'mail_location = mbox:~/mail:INBOX=~/inbox\n').start()
    yield one
    finish(one)


class User:
    """A user with settings of his own."""

    count = 0

    def __init__(self, server, settings):
        User.count += 1
        self.server, self.name = server, f'mbox{User.count}'
        self.home = Path(server.home(self.name))
        self.inbox = self.home / 'inbox'
        uid, gid = mail_owner()
        for path in self.home, self.home / 'mail':
            path.mkdir()
            os.chown(path, uid, gid)
        fields = ' '.join(f'userdb_{name}={value}' for name, value in settings.items())
        with open(f'{server.dir}/users', 'a', encoding='utf-8') as file:
            file.write(f'{self.name}:{{PLAIN}}{PASSWORD}:{uid}:{gid}::{self.home}::{fields}\n')
        deadline = time.monotonic() + 10
        while server.doveadm('user', '-f', 'home', self.name).stdout.strip() != str(self.home):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def write(self, text, name='inbox'):
        path = self.home / name
        path.write_bytes(text)
        os.chown(path, *mail_owner())
        return path

    def connect(self, mailbox=None):
        client = Lines(self.server.port('imap'), self.name)
        if mailbox is not None:
            client.ok(f'SELECT {mailbox}')
        return client


@pytest.fixture
def user(server):
    """user(mails=3, **settings) with so many mails in the INBOX"""

    def make(mails=3, **settings):
        one = User(server, settings)
        one.write(b''.join(map(mail, range(1, mails + 1))))
        return one

    return make


def append_answer(client, mailbox):
    text = b'A: b\r\n\r\nx\r\n'
    return client.command(f'APPEND {mailbox} {{{len(text)}+}}\r\n'.encode() + text)[-1]


def flags(client):
    return [set(re.search(rb'FLAGS \(([^)]*)\)', line)[1].split()) - {rb'\Recent'}
            for line in client.ok('FETCH 1:* FLAGS')[:-1]]


def uids(client):
    return client.ok('UID SEARCH ALL')[0].split()[2:]


# --- when flags are written -----------------------------------------------------------------

def test_flags_are_written_by_check_and_at_the_end(user):
    one = user()
    client = one.connect('INBOX')
    client.ok(r'STORE 2 +FLAGS (\Flagged)')
    assert b'X-Status' not in one.inbox.read_bytes()
    client.ok('CHECK')
    assert one.inbox.read_bytes().count(b'X-Status: F\n') == 1
    client.ok(r'STORE 3 +FLAGS (\Answered)')
    one.connect().ok('STATUS INBOX (UNSEEN)')
    assert b'X-Status: A' not in one.inbox.read_bytes()
    client.ok('UNSELECT')
    assert one.inbox.read_bytes().count(b'X-Status: A\n') == 1


def test_flags_are_written_at_once_if_so_told(user):
    one = user(mbox_lazy_writes='no')
    client = one.connect('INBOX')
    client.ok(r'STORE 2 +FLAGS (\Flagged)')
    assert one.inbox.read_bytes().count(b'X-Status: F\n') == 1


def test_flags_of_a_mail_change_nothing_else(user):
    one = user(200)
    client = one.connect('INBOX')
    client.ok('CHECK')
    before = one.inbox.read_bytes()
    client.ok(r'STORE 100 +FLAGS (\Flagged $Junk)')
    client.ok('CHECK')
    after = one.inbox.read_bytes()
    assert len(before) == len(after)
    different = [at for at in range(len(before)) if before[at] != after[at]]
    # The name of the keyword in the first one, and the flags.
    assert len(different) < 150
    client.ok(rf'STORE 1:* +FLAGS ({" ".join(f"keyword-{number}" for number in range(40))})')
    client.ok('CHECK')
    assert len(flags(one.connect('INBOX'))[199]) == 40


# --- what others did is seen -----------------------------------------------------------------

def change_and_append(one, number):
    """Another program sets a flag of the first mail, and a mail comes."""
    text = one.inbox.read_bytes()
    assert b'X-UID: 1 ' in text
    at = text.index(b'X-UID: 1 ')
    end = text.index(b'\n', at)
    text = text[:end - 12] + b'\nX-Status: F' + text[end:]
    one.inbox.write_bytes(text + mail(number))


@pytest.mark.parametrize('settings, at_noop, at_select', [
    ({}, False, True),
    ({'mbox_dirty_syncs': 'no'}, True, True),
    ({'mbox_very_dirty_syncs': 'yes'}, False, False),
], ids=['default', 'not-dirty', 'very-dirty'])
def test_dirty_syncs(user, settings, at_noop, at_select):
    one = user(**settings)
    client = one.connect('INBOX')
    client.ok('CHECK')
    change_and_append(one, 4)
    assert b'* 4 EXISTS' in client.ok('NOOP')
    assert (rb'\Flagged' in flags(client)[0]) is at_noop
    assert (rb'\Flagged' in flags(one.connect('INBOX'))[0]) is at_select
    assert uids(client) == [b'1', b'2', b'3', b'4']


def test_a_file_cut_off_or_replaced(user):
    one = user(5)
    client = one.connect('INBOX')
    client.ok('CHECK')
    text = one.inbox.read_bytes()
    third = text.index(b'From a@x', text.index(b'body 2'))
    os.truncate(one.inbox, third + 10)
    lines = client.ok('NOOP')
    assert b'* 5 EXPUNGE' in lines and b'* 4 EXPUNGE' in lines
    # "From a@x.e" is the last line of the second one now.
    assert uids(client) == [b'1', b'2']
    one.inbox.write_bytes(text[:third] + mail(6))
    client.ok('NOOP')
    assert uids(client) == [b'1', b'2', b'6']
    one.write(mail(7) + mail(8), 'new')
    os.rename(one.home / 'new', one.inbox)
    client.command('NOOP')
    again = one.connect('INBOX')
    assert [b'Subject: %d' % number in line for number, line in zip((7, 8), again.ok(
        'FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]')[:-1])] == [True, True]


def test_what_is_cut_off_in_the_middle_of_a_mail_is_told(user):
    one = user(3)
    client = one.connect('INBOX')
    client.ok('CHECK')
    text = one.inbox.read_bytes()
    os.truncate(one.inbox, text.rindex(b'body 3') + 2)
    assert b'\r\n\r\nbo' in client.ok('FETCH 3 BODY.PEEK[]')[0] or uids(client) == [b'1', b'2', b'3']
    assert b'bo)' in b''.join(one.connect('INBOX').ok('FETCH 3 BODY.PEEK[TEXT]'))
    one.server.forgive()


# --- locks ---------------------------------------------------------------------------------------

@contextlib.contextmanager
def fcntl_lock(path):
    with open(path, 'r+b') as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def flock_lock(path):
    with open(path, 'r+b') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def dot_lock(path):
    lock = Path(f'{path}.lock')
    lock.write_text(str(os.getpid()), encoding='ascii')
    yield
    lock.unlink(missing_ok=True)


LOCKS = {'fcntl': fcntl_lock, 'lockf': fcntl_lock, 'flock': flock_lock, 'dotlock': dot_lock, 'dotlock_try': dot_lock}


@pytest.mark.parametrize('kind', LOCKS)
def test_locks_of_others_are_waited_for(user, kind):
    one = user(mbox_read_locks=kind, mbox_write_locks=kind, mbox_lock_timeout='200ms')
    client = one.connect()
    with LOCKS[kind](one.inbox):
        assert b'[INUSE]' in client.command('SELECT INBOX')[-1]
        assert b'[INUSE]' in append_answer(client, 'INBOX')
    client.ok('SELECT INBOX')
    others = {'fcntl', 'flock', 'dotlock'} - {kind, kind.replace('_try', ''), kind.replace('lockf', 'fcntl')}
    for other in others:
        with LOCKS[other](one.inbox):
            client.append('INBOX', b'A: b\r\n\r\nx\r\n')
    assert not Path(f'{one.inbox}.lock').exists()
    one.server.forgive()


def test_who_waits_for_a_file_lets_others_use_the_index(user):
    one = user()
    waiting, other = one.connect(), one.connect()
    waiting.ok('CREATE work')
    waiting.ok('SELECT INBOX')
    other.append('work', b'A: b\r\n\r\nx\r\n')
    other.ok('SELECT work')
    for command in [b'APPEND INBOX {3+}\r\n\r\nx', rb'UID EXPUNGE 1', rb'UID MOVE 2 work', rb'UID MOVE 3 INBOX']:
        waiting.ok(r'UID STORE 1 +FLAGS (\Deleted)')
        with open(one.inbox, 'r+b') as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            waiting.send(b'T99 ' + command + b'\r\n')
            assert waiting.quiet(0.2)
            other.sock.settimeout(5)
            other.ok(r'STORE 1 FLAGS (\Flagged)')
            other.ok(r'STORE 1 FLAGS ()')
            assert waiting.quiet(0)
        assert waiting.until(b'T99')[-1].startswith(b'T99 OK ')


def pending(before, after, start):
    """A journal that says: from `start` on the file is to be as `after`."""
    head = struct.pack('<8sIII4xQQQQ16s64s64s', b'DTMBOXJ3', 1, 64, 64, start, len(after) - start, 0, len(before),
                       b'', before[start - 64:start], before[start:start + 64])
    return head.ljust(512, b'\0') + after[start:]


def test_a_write_that_was_interrupted_is_finished_before_a_mail_is_read(user):
    one = user()
    one.write(b''.join(mail(number) + b'text\n' * 100 + b'\n' for number in (1, 2, 3)))
    client, other = one.connect('INBOX'), one.connect('INBOX')
    body = other.ok('FETCH 2 BODY.PEEK[]')[0]
    other.ok('UNSELECT')
    before = one.inbox.read_bytes()
    start = before.index(b'text\n')
    after = before[:start] + b'more\n' * 30 + before[start:]
    path = one.write(pending(before, after, start), 'mail/.imap/INBOX/dovetail-mbox-journal')
    # It came as far as the second mail.
    at = after.index(b'Subject: 2')
    one.write(after[:at] + before[at:] + bytes(len(after) - len(before)))
    assert client.ok('FETCH 2 BODY.PEEK[]')[0] == body
    assert one.inbox.read_bytes() == after and path.stat().st_size == 512


def test_a_dotlock_that_is_old_is_broken(user):
    one = user(mbox_dotlock_change_timeout='2s', mbox_lock_timeout='200ms')
    client = one.connect()
    lock = Path(f'{one.inbox}.lock')
    lock.write_text(f'{os.getpid()}', encoding='ascii')
    os.utime(lock, (time.time() - 60, time.time() - 60))
    os.utime(one.inbox, (time.time() - 60, time.time() - 60))
    client.append('INBOX', b'A: b\r\n\r\nx\r\n')
    assert not lock.exists()
    assert one.server.wait_log('Breaking stale lock')
    one.server.forgive()


@pytest.mark.parametrize('kind', ['dotlock', 'dotlock_try'])
def test_where_no_dotlock_can_be_made(user, kind):
    one = user(mbox_write_locks=f'{kind} fcntl')
    os.chmod(one.home, 0o555)
    client = one.connect()
    answer = append_answer(client, 'INBOX')
    assert (b' OK ' in answer) is (kind == 'dotlock_try'), answer
    os.chmod(one.home, 0o755)
    one.server.forgive()


# --- others ----------------------------------------------------------------------------------------

def test_a_file_that_may_only_be_read_says_so(user):
    one = user()
    one.inbox.write_bytes(mail(1))
    os.chmod(one.inbox, 0o444)
    client = one.connect()
    assert b'NO [NOPERM] Permission denied' in append_answer(client, 'INBOX')
    assert b'[READ-ONLY]' in client.ok('SELECT INBOX')[-1]
    assert b'Subject: 1' in client.ok('FETCH 1 BODY[HEADER]')[0]
    client.logout()


def saved_mail(number, uid):
    """As mutt saves it from another mailbox, or a sender made it."""
    return mail(number, b'Date: Sat, 28 Nov 2026 20:15:%02d +0000\nX-UID: %d\n' % (number, uid))


def test_uids_of_another_mailbox_are_nobodys_in_a_file_that_may_only_be_read(user):
    """They cannot be written over, and would give each mail a new UID at each look, or the text of another one."""
    one = user(0)
    one.write(saved_mail(1, 2) + saved_mail(2, 1) + saved_mail(3, 9))
    os.chmod(one.inbox, 0o444)
    for number in range(3):
        os.utime(one.inbox, (10**9 + number, 10**9 + number))
        client = one.connect('INBOX')
        assert uids(client) == [b'1', b'2', b'3']
        told = client.ok('FETCH 1:* BODY.PEEK[TEXT]')[:-1]
        assert [re.search(rb'body \d', line)[0] for line in told] == [b'body 1', b'body 2', b'body 3']
        client.logout()


def test_a_mail_with_a_uid_of_another_mailbox_takes_one_uid(user):
    one = user(2)
    client = one.connect('INBOX')
    with one.inbox.open('ab') as file:
        file.write(saved_mail(3, 1))
    client.ok('NOOP')
    assert uids(client) == [b'1', b'2', b'3']
    client.logout()
    client = one.connect('INBOX')
    assert uids(client) == [b'1', b'2', b'3']
    client.logout()


def test_mails_that_others_moved_are_found_by_the_first_of_them(user):
    """A session that has not looked since reads them where they are now; to search for each costs the square of it."""
    one = user(3000)
    client = one.connect('INBOX')
    text = one.inbox.read_bytes()
    one.inbox.write_bytes(text[text.index(b'\nFrom ') + 1:])
    os.utime(one.inbox, (10**9, 10**9))
    before = settled(one.server)
    told = client.ok('FETCH 2:3000 BODY.PEEK[TEXT]')[:-1]
    assert [int(re.search(rb'body (\d+)', line)[1]) for line in told if b'BODY' in line] == list(range(2, 3001))
    assert settled(one.server) - before < 3 * 10**9
    client.logout()


def test_a_copy_has_the_sender_of_its_mail(user):
    """Other programs show and answer it; a mail need not have a Return-Path."""
    one = user(2)
    client = one.connect('INBOX')
    client.ok('CREATE kept')
    client.ok('COPY 1 kept')
    client.ok('MOVE 2 kept')
    assert append_answer(client, 'kept').split()[1] == b'OK'
    client.logout()
    lines = re.findall(rb'^From \S+', (one.home / 'mail/kept').read_bytes(), re.M)
    assert lines == [b'From a@x.example', b'From a@x.example', b'From MAILER-DAEMON']


def test_why_there_is_no_mail_is_told_by_pop3(user):
    one = user(0)
    one.write(b'no mbox\n')
    for mode, reason in ((0o600, b"Mailbox isn't a valid mbox file"), (0, b'Permission denied')):
        os.chmod(one.inbox, mode)
        client = Pop(one.server.port('pop3'))
        client.command(f'USER {one.name}')
        assert client.command(f'PASS {PASSWORD}') == b'-ERR [SYS/PERM] ' + reason + b'\r\n'


def test_mails_of_one_length_of_which_one_went(user):
    """The new end of the file begins where a mail does, and is not all that is new. cron's mails are like that."""
    one = user(10)
    client = one.connect('INBOX')
    client.ok(r'STORE 1:* +FLAGS (\Seen)')
    client.logout()
    client = one.connect('INBOX')
    mails = re.split(rb'(?m)^(?=From a@x)', one.inbox.read_bytes())[1:]
    new = mail(77)[:-1]
    new += b'x' * (len(mails[3]) - len(new) - 1) + b'\n'
    assert len({len(text) for text in (*mails[3:-1], new)}) == 1
    one.inbox.write_bytes(b''.join(mails[:3] + mails[4:]) + new + mail(78))
    told = client.ok('NOOP')
    assert b'* 4 EXPUNGE' in told and b'* 11 EXISTS' in told, told
    subjects = re.findall(rb'UID (\d+) .*?Subject: (\d+)', b'\n'.join(client.ok('FETCH 1:* (UID BODY.PEEK[HEADER])')), re.S)
    assert subjects[-2:] == [(b'11', b'77'), (b'12', b'78')], subjects
    client.ok('SELECT INBOX')
    again = re.findall(rb'UID (\d+) .*?Subject: (\d+)', b'\n'.join(client.ok('FETCH 1:* (UID BODY.PEEK[HEADER])')), re.S)
    assert again == subjects
    client.logout()


def test_pop3_says_it_when_its_flag_cannot_be_written(make_server):
    """With an index in memory nothing else keeps the flag."""
    server = make_server(f'mail_location = mbox:~/mail:INBOX=~/inbox:INDEX=MEMORY\npop3_deleted_flag = {"Gone" * 12}\n')
    uid, gid = mail_owner()
    home = server.home('alice')
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size=64k,uid={uid},gid={gid},mode=755', 'tmpfs', home],
                      check=False).returncode != 0:
        pytest.skip('may not mount')
    try:
        inbox, filler = Path(home, 'inbox'), Path(home, 'filler')
        inbox.write_bytes(mail(1) + mail(2))
        os.chown(inbox, uid, gid)
        Pop(server.port('pop3'), 'alice').quit()
        # The next octet needs another page.
        inbox.write_bytes(inbox.read_bytes()[:-1] + b'x' * (-inbox.stat().st_size % 4096) + b'\n')
        for full in (True, False):
            client = Pop(server.port('pop3'), 'alice')
            client.command('DELE 1')
            if full:
                with contextlib.suppress(OSError), filler.open('wb', buffering=0) as file:
                    while file.write(b'x' * 4096):
                        pass
            answer = client.command('QUIT')
            client.close()
            assert answer.startswith(b'-ERR [SYS' if full else b'+OK'), (full, answer)
            filler.unlink(missing_ok=True)
            assert (b'Gone' in inbox.read_bytes()) != full
        server.forgive()
    finally:
        server.stop()
        subprocess.run(['umount', home], check=False)


def test_why_there_is_no_mail_is_told_by_lmtp(make_server):
    """But not what is wrong in the configuration."""
    server = make_server('mail_location = mbox:~/mail:INBOX=~/inbox\n')
    inbox = Path(server.home('alice'), 'inbox')
    inbox.write_bytes(b'no mbox\n')
    os.chown(inbox, *mail_owner())
    uid, gid = mail_owner()
    with open(f'{server.dir}/users', 'a', encoding='ascii') as file:
        file.write(f'odd:{{PLAIN}}x:{uid}:{gid}::/tmp::userdb_mail=mbox:/secret:LAYOUT=x\n')
    for name, text in (('alice', b"Mailbox isn't a valid mbox file"), ('odd', b'Internal error occurred.')):
        with smtplib.LMTP('127.0.0.1', server.port('lmtp')) as client, pytest.raises(smtplib.SMTPDataError) as failed:
            client.sendmail('a@x.example', [name], b'Subject: x\r\n\r\nx\r\n')
        assert failed.value.smtp_code == 451 and failed.value.smtp_error.startswith(b'4.2.0 <%s> %s' % (name.encode(), text))


def test_what_others_did_is_told_when_a_store_finds_it(user):
    """The write of the flags looks at the file, and what it brings in has the modseq of the session's own change."""
    one = user(4, mbox_lazy_writes='no')
    client = one.connect('INBOX')
    text = one.inbox.read_bytes()
    one.inbox.write_bytes(text[:text.rindex(b'\nFrom ') + 1] + mail(55) + mail(66))
    os.utime(one.inbox, (10**9, 10**9))
    told = client.ok(r'STORE 1 +FLAGS (\Flagged)') + client.ok('NOOP')
    assert b'* 4 EXPUNGE' in told and b'* 6 EXISTS' in told, told
    assert uids(client) == [b'1', b'2', b'3', b'5', b'6']
    client.logout()


@pytest.mark.parametrize('text', [
    b'A: b\r\n\r\ntext', b'A: b\r\n\r\ntext\r', b'A: b', b'Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\ntext',
    b'Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\none\r\n--q\r\n\r\ntwo',
])
def test_a_mail_that_ends_within_a_line_is_described_as_it_is(user, text):
    """A file has whole lines only; what is learnt of the mail on the way must be of what is in it."""
    one = user(0)
    client = one.connect()
    append = f'APPEND INBOX {{{len(text)}+}}\r\n'.encode() + text
    assert client.command(append)[-1].split()[1] == b'OK'
    told = []
    for _ in range(2):
        client.ok('SELECT INBOX')
        told.append(client.ok('FETCH 1 BODYSTRUCTURE') + client.ok('FETCH 1 (RFC822.SIZE BODY.PEEK[1] BODY.PEEK[])'))
        client.logout()
        shutil.rmtree(one.home / 'mail/.imap')
        client = one.connect()
    assert [line for line in told[0] if b'OK' not in line] == [line for line in told[1] if b'OK' not in line]
    client.logout()


@pytest.mark.parametrize('lazy, old', [('no', 3), ('yes', 0)])
def test_mails_are_old_to_other_programs_when_they_were_seen(user, lazy, old):
    one = user(3, mbox_lazy_writes=lazy)
    client = one.connect('INBOX')
    assert one.inbox.read_bytes().count(b'\nStatus: O') == old
    assert rb'\Recent' in client.ok('FETCH 3 FLAGS')[0]
    client.logout()
    assert one.inbox.read_bytes().count(b'\nStatus: O') == 3


def test_keywords_that_clients_cannot_read_are_none(user):
    """The first mail of an mbox brings a list of them, whoever sent it."""
    one = user(0)
    one.write(b'From a@x.example  Sat Nov 28 10:00:00 2020\nX-IMAPbase: 1700000000 0000000009 b(c "q ok [x] {5}\nX-UID: 5\n'
              b'X-Keywords: ok\nSubject: x\n\nx\n\n')
    client = one.connect()
    told = client.ok('SELECT INBOX')[0]
    assert told == rb'* FLAGS (\Answered \Flagged \Deleted \Seen \Draft ok [x])'
    assert flags(client) == [{b'ok'}]
    client.ok('STORE 1 +FLAGS (new)')
    client.logout()
    assert b'X-IMAPbase: 1700000000 0000000009 ok [x] new' in one.inbox.read_bytes()


def test_a_small_mailbox_is_in_the_index_as_all_are(user):
    """It is no mailbox's own file, and other sessions' would not go when one ends."""
    one = user(3, mbox_min_index_size='1M')
    client = one.connect('INBOX')
    client.ok(r'STORE 2 +FLAGS (\Flagged work)')
    modseq = re.search(rb'HIGHESTMODSEQ (\d+)', client.ok('STATUS INBOX (HIGHESTMODSEQ)')[0])[1]
    other = one.connect('INBOX')
    other.logout()
    assert b'COPYUID' in client.ok('COPY 1 INBOX')[-1]
    client.logout()
    client = one.connect('INBOX')
    answers = client.ok(b'FETCH 1:* (FLAGS) (CHANGEDSINCE ' + modseq + b')')[:-1]
    assert [line for line in answers if b'FETCH' in line] == answers[1:] and b'* 4 FETCH' in answers[1]  # the copy
    client.logout()


def test_only_mailboxes_are_listed(user):
    one = user()
    root = one.home / 'mail'
    one.write(mail(1), 'mail/box')
    one.write(b'\0\1\2binary' * 1000, 'mail/binary')
    one.write(mail(1), 'mail/box.lock')
    (root / 'dir').mkdir()
    one.write(mail(1), 'mail/dir/below')
    os.mkfifo(root / 'fifo')
    os.symlink('box', root / 'link')
    os.symlink('nowhere', root / 'dangling')
    os.symlink('.', root / 'loop')
    for path in root, root / 'dir', root / 'fifo':
        os.chown(path, *mail_owner())
    for link in 'link', 'dangling', 'loop':
        os.chown(root / link, *mail_owner(), follow_symlinks=False)
    client = one.connect()
    names = {line.rpartition(b' ')[2].strip(b'"'): line for line in client.ok('LIST "" *')[:-1]}
    assert {b'INBOX', b'box', b'binary', b'dir', b'dir/below', b'link'} <= names.keys()
    assert not {b'fifo', b'dangling', b'box.lock'} & names.keys()
    assert b'\\Noselect' in names[b'dir'] and b'\\NoInferiors' in names[b'box']
    for name in 'binary', 'dir', 'fifo', 'dangling', 'box.lock':
        assert b' NO ' in client.command(f'SELECT {name}')[-1], name
    assert b' NO ' in client.command('CREATE box/below')[-1]
    assert b' NO ' in client.command('CREATE dir')[-1] or b'dir' in names
    client.ok('SELECT link')
    client.ok('RENAME dir other')
    client.ok('SELECT other/below')
    client.ok('UNSELECT')
    client.ok('DELETE other/below')
    assert (root / 'binary').read_bytes() == b'\0\1\2binary' * 1000
    one.server.forgive()


BIG = int(os.environ.get('DOVETAIL_BIG', 8 << 20))


def test_a_large_mailbox(user):
    """$DOVETAIL_BIG, in octets, for more than 2 GB."""
    one = user(0)
    with open(one.inbox, 'wb') as file:
        count = 0
        line = b'The quick brown fox jumps over the lazy dog, and on.\n'
        while file.tell() < BIG:
            count += 1
            file.write(mail(count, b'Status: O\n')[:-2] + b'\n' + line * (BIG // 200 // len(line)) + b'\n')
        last = file.tell()
        file.write(mail(count + 1, b'Status: O\n'))
    client = Lines(one.server.port('imap'), one.name, timeout=600)
    client.ok('SELECT INBOX')
    client.ok(r'STORE * +FLAGS (\Flagged)')
    client.ok(r'STORE 1 +FLAGS (\Flagged)')
    client.ok('CHECK')
    size = one.inbox.stat().st_size
    with open(one.inbox, 'rb') as file:
        file.seek(last)
        assert b'X-Status: F' in file.read()
    for number in (1, count // 2, count, count + 1):
        assert b'Subject: %d\r\n' % number in client.ok(f'FETCH {number} BODY.PEEK[HEADER]')[0]
    assert b'body %d\r\n' % (count + 1) in client.ok('FETCH * BODY.PEEK[TEXT]')[0]
    sizes = [int(re.search(rb'RFC822.SIZE (\d+)', line)[1]) for line in client.ok('FETCH 1:* RFC822.SIZE')[:-1]]
    assert sum(sizes) > BIG and len(sizes) == count + 1
    client.append('INBOX', b'Subject: new\r\n\r\nx\r\n')
    client.ok(r'STORE * +FLAGS (\Seen)')
    client.ok('CHECK')
    assert b'Subject: new\r\n' in client.ok('FETCH * BODY.PEEK[HEADER]')[0]
    assert one.inbox.stat().st_size < size + 1000
    assert one.server.peak_memory('imap') < 300 << 20


def test_many_mails_with_long_headers_come_at_once(user):
    """More header than is kept between the two looks at them."""
    who = user(0)
    client = who.connect('INBOX')
    field = b'X-Much: ' + b'x' * 700 + b'\r\nFrom a@x.example Sat Nov 28 20:15:24 2026\r\n'
    texts = [b'Subject: %d\r\n%s\r\n%s' % (i, field * (i * 20), b'body' * i) for i in range(1, 26)]
    client.ok(b'APPEND INBOX ' + b' '.join(b'(\\Seen) {%d+}\r\n%s' % (len(text), text) for text in texts))
    for seq, text in enumerate(texts, 1):
        answer = client.ok(b'FETCH %d (RFC822.SIZE BODY.PEEK[])' % seq)[0]
        stored = text.replace(b'\r\nFrom ', b'\r\n>From ') + b'\r\n'
        assert b'RFC822.SIZE %d BODY[] {%d}\r\n' % (len(stored), len(stored)) in answer
        assert stored in answer
    # What others find in the file is the same.
    before = client.ok(b'UID FETCH 1:* (RFC822.SIZE)')
    client.ok(b'LOGOUT')
    os.utime(who.inbox)
    assert who.connect('INBOX').ok(b'UID FETCH 1:* (RFC822.SIZE)')[:-1] == before[:-1]


def test_what_looks_like_the_uids_of_the_mailbox_is_text(user):
    """The last UID is written where X-IMAPbase is, not where a mail speaks of it."""
    who = user(0)
    client = who.connect('INBOX')
    text = b'Subject: X-IMAPbase: 1234567890 1234567890\r\nTo: X-IMAP: 1 1234567890\r\n\r\nX-IMAPbase: 1 2345678901\r\n'
    client.append('INBOX', text)
    client.append('INBOX', mail(2))
    client.ok('STORE 1 +FLAGS (work)')  # another name in X-IMAPbase
    client.ok('CHECK')
    client.append('INBOX', mail(3))
    assert text in client.ok('FETCH 1 BODY.PEEK[]')[0]
    uid_next = int(re.search(rb'UIDNEXT (\d+)', client.ok('STATUS INBOX (UIDNEXT)')[0])[1])
    assert re.search(rb'^X-IMAPbase: \d+ %010d work\n' % (uid_next - 1), who.inbox.read_bytes(), re.M)


def test_large_mails_are_read_whole_and_in_parts(user):
    """More of them than one temporary file holds."""
    who, texts = user(0), []
    for i in range(1, 21):
        texts.append(b'Subject: %d\r\n\r\n' % i + b'line %05d\r\n' % i * (20000 + i))
    who.write(b''.join(FROM + text.replace(b'\r\n', b'\n') + b'\n' for text in texts))
    client = who.connect('INBOX')
    for seq, answer in enumerate(client.ok('FETCH 1:* (ENVELOPE BODY.PEEK[])')[:-1], 1):
        assert texts[seq - 1] in answer
    for seq in 1, 2, 20, 2, 19:
        at = seq * 9000
        assert client.ok(f'FETCH {seq} BODY.PEEK[]<{at}.5000>')[0].endswith(texts[seq - 1][at:at + 5000] + b')')
    client.ok('CREATE copies')
    client.ok('COPY 3:5 copies')
    client.ok('SELECT copies')
    assert texts[3] in client.ok('FETCH 2 BODY.PEEK[]')[0]
