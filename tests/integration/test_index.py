# SPDX-License-Identifier: MIT
"""The index of a mail location, seen from outside."""
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
    assert f'INDEX: {root}/tmp/.dovetail.index' in server.doveadm('dump', root).stdout


def look(server):
    client = Lines(server.port('imap'), 'alice')
    seen = []
    for name in ('INBOX', 'box'):
        seen += [re.sub(rb' \[UIDNEXT.*', b'', line) for line in client.command(f'SELECT {name}')[:-1]
                 if b'EXISTS' in line or b'UIDVALIDITY' in line]
        seen += [line.replace(rb' \Recent', b'') for line in client.command('FETCH 1:* (FLAGS BODY.PEEK[])')]
    client.logout()
    return [line for line in seen if b' OK Fetch completed' not in line]


@pytest.mark.parametrize('location', ['maildir:~/mail', 'mbox:~/mail:INBOX=~/mail/inb'])
def test_damage_anywhere_in_it_is_gone_after_a_session_and_loses_no_mail(make_server, location):
    server = make_server(f'mail_location = {location}\n')
    home = Path(server.home('alice'))
    client = Lines(server.port('imap'), 'alice')
    client.ok('CREATE box')
    for number in range(24):
        mail = b'Subject: %d\r\n\r\n%d\r\n' % (number, number)
        client.ok(f'APPEND INBOX (kw{number % 8} \\Seen) {{{len(mail)}+}}\r\n'.encode() + mail)
    for command in ('SELECT INBOX', 'COPY 1:12 box', r'STORE 5 +FLAGS \Deleted', 'EXPUNGE'):
        client.ok(command)
    client.logout()
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
