# SPDX-License-Identifier: MIT
"""The index of a mail location, seen from outside."""
import os
import random
import re
import shutil
import smtplib
import struct
import subprocess
import time
from pathlib import Path

import pytest

from imap_lines import Lines

HEADER = b'DTIX'
# How often the index is damaged at random.
DAMAGES = int(os.environ.get('DOVETAIL_DAMAGES', '8'))
PAGE = 4096


def marks(home):
    """The clean marks of all headers in the file, old pages' too
    (doc/formats.md)."""
    with open(f'{home}/Maildir/dovetail.index/data.mdb', 'rb') as file:
        data = file.read()
    found, at = set(), data.find(HEADER)
    while at >= 0:
        found.add(struct.unpack('<Q', data[at + 44:at + 52])[0])
        at = data.find(HEADER, at + 1)
    return found


def wait_for_mark(home):
    deadline = time.monotonic() + 20
    while marks(home) == {0}:
        assert time.monotonic() < deadline, 'the index was not marked'
        time.sleep(0.05)


def test_processes_leave_indexes_that_survive_a_reboot(make_server):
    # They end a moment after their last session.
    server = make_server('service imap {\n  idle_kill = 1s\n}\nservice lmtp {\n  idle_kill = 1s\n}\n')
    server.drop_mail('alice', b'Subject: x\n\nx\n')
    client = Lines(server.port('imap'), 'alice')
    assert b' OK ' in client.command('SELECT INBOX')[-1]
    assert marks(server.home('alice')) == {0}
    client.command('LOGOUT')
    wait_for_mark(server.home('alice'))
    with smtplib.LMTP('127.0.0.1', server.port('lmtp'), timeout=10) as lmtp:
        lmtp.sendmail('a@x.example', ['bob'], b'Subject: x\r\n\r\nx\r\n')
    wait_for_mark(server.home('bob'))


def test_index_of_layout_fs_moves_to_where_dovecot_lists_it_not(make_server):
    server = make_server('mail_location = maildir:~/Maildir:LAYOUT=fs\n')
    root = Path(server.home('alice'), 'Maildir')
    client = Lines(server.port('imap'), 'alice')
    client.ok('APPEND INBOX {1+}\r\nx')
    client.ok('SELECT INBOX')
    client.ok('STORE 1 +FLAGS (after27 ' + ' '.join(f'k{i}' for i in range(30)) + ')')
    client.logout()
    assert server.stop()
    (root / 'tmp' / '.dovetail.index').rename(root / 'dovetail.index')
    server.start()
    client = Lines(server.port('imap'), 'alice')
    client.ok('SELECT INBOX')
    # What only the index knows is still there.
    assert b'k29' in client.command('FETCH 1 FLAGS')[0]
    client.logout()
    assert not (root / 'dovetail.index').exists()
    assert str(root / 'tmp' / '.dovetail.index') in server.doveadm('mailbox', 'path', '-u', 'alice', '-t', 'index',
                                                                   'INBOX').stdout
    assert server.doveadm('mailbox', 'path', '-u', 'alice', '-t', 'dir', 'INBOX').stdout == f'{root}\n'
    assert f'INDEX: {root}/tmp/.dovetail.index' in server.doveadm('dump', root).stdout


def look(server):
    client = Lines(server.port('imap'), 'alice')
    seen = []
    for name in ('INBOX', 'box'):
        seen += [re.sub(rb' \[UIDNEXT.*', b'', line) for line in client.command(f'SELECT {name}')[:-1]
                 if b'EXISTS' in line or b'UIDVALIDITY' in line]
        seen += [line.replace(rb' \Recent', b'') for line in client.command('FETCH 1:* (UID FLAGS BODY.PEEK[])')]
    client.logout()
    return [line for line in seen if b' OK Fetch completed' not in line]


def fill(server):
    client = Lines(server.port('imap'), 'alice')
    client.ok('CREATE box')
    for number in range(24):
        mail = b'Subject: %d\r\n\r\n%d\r\n' % (number, number)
        client.ok(f'APPEND INBOX (kw{number % 8} \\Seen) {{{len(mail)}+}}\r\n'.encode() + mail)
    for command in ('SELECT INBOX', 'COPY 1:12 box', r'STORE 5 +FLAGS \Deleted', 'EXPUNGE'):
        client.ok(command)
    client.logout()


def work(server):
    """Writes all over the index, and takes it back in the end."""
    client = Lines(server.port('imap'), 'alice')
    for command in ('SELECT box', r'STORE 1:* +FLAGS (\Answered kw0)', r'STORE 1:* -FLAGS (\Answered kw0)',
                    'UID STORE 1,9 +FLAGS (kw0)', 'SELECT INBOX', 'COPY 1:5 box',
                    'FETCH 1:* (ENVELOPE BODYSTRUCTURE)', 'STATUS box (MESSAGES UNSEEN SIZE)', 'SELECT box',
                    r'UID STORE 13:4000000000 +FLAGS (\Deleted)', 'EXPUNGE'):
        client.ok(command)
    client.logout()


def damage(file, rng):
    """What happens to disks; says what it was."""
    size = file.stat().st_size
    page = rng.randrange(size // PAGE)
    kind = rng.choice(('flip', 'flip', 'flip', 'zero', 'cut', 'stray'))
    with open(file, 'r+b') as data:
        if kind == 'cut':
            data.truncate(rng.randrange(size))
            return kind
        data.seek(page * PAGE)
        old = bytearray(data.read(PAGE))
        # Heads of pages and offsets of rows more often than what rows say.
        for _ in range(rng.choice((1, 1, 20))):
            old[rng.choice((rng.randrange(32), rng.randrange(PAGE)))] ^= 1 << rng.randrange(8)
        if kind == 'zero':
            old = bytes(PAGE)
        elif kind == 'stray':  # another page, or what it was before
            data.seek(rng.randrange(size // PAGE) * PAGE)
            old = data.read(PAGE)
        data.seek(page * PAGE)
        data.write(old)
    return f'{kind} {page}'


@pytest.mark.parametrize('location', ['maildir:~/mail', 'mbox:~/mail:INBOX=~/mail/inb'])
def test_damage_costs_one_session_at_most(make_server, monkeypatch, location):
    # malloc() and what ends a process, as without sanitizers.
    monkeypatch.setenv('ASAN_OPTIONS', 'detect_leaks=0:abort_on_error=1:allocator_may_return_null=1')
    server = make_server(f'mail_location = {location}\n')
    home = Path(server.home('alice'))
    fill(server)
    work(server)
    good = look(server)
    assert server.stop()
    server.start()
    subprocess.run(['cp', '-a', home, f'{home}.good'], check=True)
    file = next(home.glob('**/data.mdb'))
    rng = random.Random(int(os.environ.get('DOVETAIL_SEED', '3')))
    sessions = moved = 0
    for number in range(DAMAGES):
        told = f'{number}: {damage(file, rng)}\n'
        start, lost, good_ones = len(server.log_text()), 0, 0
        while lost < 2 and good_ones < 2:
            try:
                work(server)
                good_ones += 1
            except (AssertionError, EOFError, OSError) as trouble:
                lost += 1
                told += f'{trouble!r}\n'
        told += server.log_text()[start:]
        assert lost < 2 and look(server) == good, told
        assert lost == 0 or 'dovetail.index' in told, told
        sessions += lost
        moved += list(home.glob('**/*.damaged*')) != []
        shutil.rmtree(home)
        subprocess.run(['cp', '-a', f'{home}.good', home], check=True)
    print(f'{DAMAGES} damages, {moved} indexes moved, {sessions} sessions lost')
    server.forgive('imap')


@pytest.mark.parametrize('location', ['maildir:~/mail', 'mbox:~/mail:INBOX=~/mail/inb'])
def test_damage_anywhere_in_it_is_gone_after_a_session_and_loses_no_mail(make_server, location):
    server = make_server(f'mail_location = {location}\n')
    home = Path(server.home('alice'))
    fill(server)
    good = look(server)
    assert server.stop()  # with locks gone
    server.start()
    subprocess.run(['cp', '-a', home, f'{home}.good'], check=True)
    file = next(home.glob('**/data.mdb'))
    for page in range(file.stat().st_size // 4096):
        with open(file, 'r+b') as data:
            data.seek(page * 4096 + 2048)
            data.write(bytes(2048))
        look(server)
        assert look(server) == good, page
        shutil.rmtree(home)
        subprocess.run(['cp', '-a', f'{home}.good', home], check=True)
    server.forgive()


SECRET = b'Subject: unheard-of\r\nX-Trace: whereabouts\r\nX-Kept: remembered\r\n\r\nthe text itself\r\n'


@pytest.mark.parametrize('setting, told', [
    ('hdr.subject body.snippet', [b'whereabouts', b'remembered', b'unheard-of', b'the text']),
    ('body.snippet hdr.X-Trace', [b'the text', b'whereabouts']),
    ('imap.envelope', []),
])
def test_what_is_never_cached_is_in_no_index(make_server, setting, told):
    server = make_server(f'mail_never_cache_fields = {setting}\n')
    client = Lines(server.port('imap'), 'alice')
    client.append('INBOX', SECRET)
    client.ok('SELECT INBOX')
    for _ in range(2):
        for header in ('X-KEPT', 'X-TRACE', 'SUBJECT'):
            answer = client.ok(f'FETCH 1 (PREVIEW ENVELOPE BODY.PEEK[HEADER.FIELDS ({header})])')[0]
            assert b'the text' in answer and answer.count(b'unheard-of') == 1 + (header == 'SUBJECT')
        client.ok('SORT (SUBJECT) US-ASCII ALL')
        client.ok('CREATE other')
        client.ok('COPY 1 other')
        client.ok('DELETE other')
    client.logout()
    index = (server.maildir('alice') / 'dovetail.index' / 'data.mdb').read_bytes()
    words = [b'unheard-of', b'whereabouts', b'remembered', b'the text']
    assert [word for word in words if word not in index] == [word for word in words if word in told]
    assert not [name for name in ('hdr.subject', 'body.snippet') if name in setting and
                re.search(rf'{name}.*(yes|temp)', server.doveadm('mailbox', 'cache', 'decision', '-u', 'alice', 'INBOX').stdout)]
