# SPDX-License-Identifier: MIT
"""What others do to a mailbox while a POP3 session has it open: QUIT removes the mails that the client meant, all that can
be removed, and no others. And settings that come with a user."""
import os
import re
import shutil
import subprocess

import pytest

from conftest import mail_owner, open_up
from imap_lines import Lines
from pop3_lines import NO_DELAY, Pop, fill, names

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


@pytest.fixture
def make_own(make_server, tmp_path):
    """make_own(user={setting: value}): a server whose userdb has settings of these users."""
    def make(**users):
        open_up(tmp_path)
        path, (uid, gid) = tmp_path / 'own', mail_owner()
        server = make_server(NO_DELAY + 'passdb {\n driver = static\n args = password=secret\n}\nuserdb {\n driver = passwd-file\n'
                             f' args = username_format=%u {path}\n}}\n', 'imap pop3')
        path.write_text(''.join(f'{user}::{uid}:{gid}::{server.home(user)}::'
                                + ' '.join(f'userdb_{name}={value}' for name, value in fields.items()) + '\n'
                                for user, fields in users.items()))
        return server
    return make


def test_userdb_has_settings_of_its_own(make_own):
    """Users who came from another server keep its UIDLs; what POP3 deletes stays for IMAP, where the user wants that."""
    server = make_own(popper={'pop3_deleted_flag': '$POP3Deleted', 'pop3_uidl_format': '%%u.%%v'}, alice={'pop3_enable_last': 'yes'},
                      bob={'imap_capability': '+X-OWN'})
    fill(server, USER, MAILS)
    client = session(server, 1, 2)
    assert re.match(rb'\+OK 3 3\.\d+\r\n', client.command('UIDL 3'))
    assert client.quit() == b'+OK Logging out, messages deleted.\r\n'
    assert left(server) == [1, 2, 3, 4]
    client = Pop(server.port('pop3'), USER)
    assert client.command('STAT').startswith(b'+OK 2 ')
    client.quit()
    assert Pop(server.port('pop3'), 'alice').command('LAST') == b'+OK 0\r\n'
    assert Lines(server.port('imap'), 'bob').command(b'CAPABILITY')[0].endswith(b' X-OWN')


def test_settings_of_userdb_that_cannot_be(make_own):
    server = make_own(alice={'pop3_uidl_format': 'x'}, bob={'pop3_delete_type': 'flag'}, carol={'pop3_lock_session': 'perhaps'})
    for user, why in (('alice', "pop3_uidl_format setting doesn't contain any %% variables"),
                      ('bob', 'pop3_delete_type=flag, but pop3_deleted_flag not set'),
                      ('carol', 'userdb: pop3_lock_session: Invalid boolean value: perhaps')):
        with pytest.raises(AssertionError, match=r'SYS/TEMP'):
            Pop(server.port('pop3'), user)
        assert server.wait_log(f'Error: .*{re.escape(why)}'), user
