# SPDX-License-Identifier: MIT
"""What others do to a mailbox while a POP3 session has it open: QUIT removes the mails that the client meant, all that can
be removed, and no others."""
import subprocess

import pytest

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
