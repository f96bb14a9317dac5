# SPDX-License-Identifier: MIT
"""What others do to a mailbox while a POP3 session has it open: QUIT removes the mails that the client meant, all that can
be removed, and no others."""
import os
import shutil
import subprocess

import pytest

from conftest import mail_owner
from pop3_lines import Pop, fill, names

USER = 'popper'
MAILS = [(f'cur/{100 + at}.M{at}.host:2,', b'Subject: %d\n\ntext\n' % at) for at in range(1, 5)]


def place(server, number):
    return server.maildir(USER) / MAILS[number - 1][0]


def session(server, *deleted):
    client = Pop(server.port('pop3'), USER)
    for number in deleted:
        assert client.command(f'DELE {number}') == b'+OK Marked to be deleted.\r\n'
    return client


def left(server):
    """Numbers in the names of the files."""
    return [int(name.split('.')[1][1:]) for name in names(server, USER)]


def test_a_directory_in_place_of_a_mail_keeps_no_others(server):
    fill(server, USER, MAILS)
    client = session(server, 1, 2, 3)
    path = place(server, 2)
    path.unlink()
    path.mkdir()
    assert client.quit() == b'+OK Logging out, messages deleted.\r\n'
    path.rmdir()
    assert left(server) == [4]


def test_a_mail_that_stays_keeps_no_others(server):
    """RFC 1939 section 6: "-ERR some deleted messages not removed"."""
    fill(server, USER, MAILS)
    client = session(server, 1, 2, 3)
    path = place(server, 2)
    if subprocess.run(['chattr', '+i', path], capture_output=True, check=False).returncode != 0:
        pytest.skip('needs a file system with immutable files, and root')
    start = len(server.log_text())
    try:
        assert client.quit().startswith(b'-ERR [SYS/PERM] ')
    finally:
        subprocess.run(['chattr', '-i', path], check=True)
    assert left(server) == [2, 4]
    assert server.wait_log(r'Logged out top=0/0, retr=0/0, del=0/4', start=start)
    client = Pop(server.port('pop3'), USER)
    assert client.command('STAT').startswith(b'+OK 2 ')
    client.quit()


def write_mbox(server, validity, ids):
    path = f'{server.home(USER)}/inbox'
    with open(path, 'w', encoding='ascii') as file:
        for uid, name in enumerate(ids, 1):
            base = f'X-IMAPbase: {validity} {len(ids):010}\n' if uid == 1 else ''
            file.write(f'From a@b Mon Jan  1 00:00:00 2024\n{base}X-UID: {uid}\nMessage-ID: <{name}@x>\n\ntext\n\n')
    os.chown(path, *mail_owner())
    return path


def test_mails_of_another_mailbox_stay(make_server):
    """One with another UIDVALIDITY took its place: its UIDs are those of other mails."""
    server = make_server('mail_location = mbox:~/mail:INBOX=~/inbox\n')
    shutil.rmtree(f'{server.home(USER)}/mail', ignore_errors=True)
    write_mbox(server, 1000, ['a', 'b', 'c'])
    client = session(server, 2)
    path = write_mbox(server, 2000, ['d', 'e', 'f'])
    assert client.quit().startswith(b'-ERR [SYS/TEMP] ')
    with open(path, encoding='ascii') as file:
        assert file.read().count('Message-ID') == 3
    client = Pop(server.port('pop3'), USER)
    assert client.multi('UIDL') == [b'%d %08x000007d0\r\n' % (uid, uid) for uid in (1, 2, 3)]
    client.quit()
