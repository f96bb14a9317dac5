# SPDX-License-Identifier: MIT
"""What should not be among mail: other kinds of files where ours belong, names that nobody of us makes. The rest is
served, clients are not told paths, and the log says what is wrong."""
import os
import shutil
from pathlib import Path

import pytest

from conftest import mail_owner
from imap_lines import Lines

MAIL = b'From: a@x.example\r\nSubject: x\r\n\r\ntext\r\n'


def put(path, kind):
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == 'directory':
        path.mkdir()
    elif kind == 'huge':
        path.touch()
        os.truncate(path, 1 << 32)
    else:
        path.write_text('text')
    os.chown(path, *mail_owner())


@pytest.mark.parametrize(('name', 'kind', 'command', 'told', 'logged'), [
    ('dovecot-keywords', 'directory', 'SELECT INBOX', '[CANNOT] The file system does not allow it', 'is not a regular file'),
    ('dovecot-keywords', 'huge', 'SELECT INBOX', '[LIMIT] The file system does not allow it', 'is too large'),
    ('subscriptions', 'directory', 'LSUB "" *', '[CANNOT] The file system does not allow it', 'is not a regular file'),
    ('dovetail.index', 'file', 'SELECT INBOX', '[SERVERBUG] Internal error', ': Not a directory'),
    ('new', 'file', 'SELECT INBOX', '[SERVERBUG] Internal error', 'is not a directory'),
], ids=lambda value: value.split(' ')[0] if '[' not in value else '')
def test_a_file_of_another_kind_is_named_in_the_log_only(make_server, name, kind, command, told, logged):
    server = make_server()
    client = Lines(server.port('imap'), 'alice')
    client.append('INBOX', MAIL, 'keyword')
    client.logout()
    put(Path(server.home('alice'), 'Maildir', name), kind)
    client = Lines(server.port('imap'), 'alice')
    answer = client.command(command)[-1].decode()
    assert f'NO {told}' in answer and server.home('alice') not in answer
    assert server.wait_log(f'imap.alice.*Error: .*{name}.*{logged}'), server.log_text()
    client.logout()
    server.forgive()


def test_a_name_without_room_for_flags(make_server):
    """Of a deliverer; all of the mailbox could not be selected, or be flagged at once."""
    server = make_server()
    maildir = server.maildir('alice')
    for path in maildir / 'new' / ('1.' + 'n' * 253), maildir / 'cur' / ('2.' + 'c' * 250 + ':2,'), maildir / 'new' / '3.plain':
        path.write_bytes(MAIL)
        os.chown(path, *mail_owner())
    client = Lines(server.port('imap'), 'alice')
    assert b'* 3 EXISTS' in client.ok('SELECT INBOX')
    client.ok(r'STORE 1:* +FLAGS (\Seen \Flagged)')
    client.ok('CREATE other')
    client.ok('COPY 1:* other')
    assert b'MESSAGES 3 UNSEEN 0' in client.ok('STATUS other (MESSAGES UNSEEN)')[0]
    client.logout()
    assert sorted(path.name.partition(':')[2] for path in maildir.glob('cur/*')) == ['2,FS'] * 3
    assert server.wait_log('renamed 1.n* to .*, for flags do not fit behind it')
    server.forgive()


@pytest.mark.parametrize('kind', ['link', 'fifo'])
@pytest.mark.parametrize('name', ['dovecot-uidlist.tmp', 'dovecot-keywords.tmp'])
def test_files_that_are_written_anew_are_new_ones(make_server, name, kind):
    """A link let the server's rights write over another file, and a FIFO held up everybody who wanted the mailbox."""
    server = make_server()
    home = Path(server.home('alice'))
    client = Lines(server.port('imap'), 'alice')
    client.append('INBOX', MAIL, 'keyword')
    (home / 'other').write_text('text')
    os.chown(home / 'other', *mail_owner())
    if kind == 'fifo':
        os.mkfifo(home / 'Maildir' / name)
    else:
        (home / 'Maildir' / name).symlink_to(home / 'other')
    for lost in 'dovecot-uidlist', 'dovecot-keywords':
        (home / 'Maildir' / lost).unlink()
    server.drop_mail('alice', MAIL)
    client.ok('SELECT INBOX')
    client.ok('STORE 1:2 +FLAGS (another)')
    client.logout()
    assert (home / 'other').read_text() == 'text'
    assert len((home / 'Maildir' / 'dovecot-uidlist').read_text().splitlines()) == 3
    assert (home / 'Maildir' / 'dovecot-keywords').read_text() == '0 keyword\n1 another\n'


def test_the_last_uidvalidity_is_written_to_no_other_file(make_server):
    server = make_server()
    home = Path(server.home('alice'))
    server.maildir('alice')
    (home / 'other').write_text('text')
    os.chown(home / 'other', *mail_owner())
    (home / 'Maildir' / 'dovecot-uidvalidity').symlink_to(home / 'other')
    client = Lines(server.port('imap'), 'alice')
    assert b' NO ' in client.command('CREATE new')[-1] + client.command('SELECT INBOX')[-1]
    client.logout()
    assert (home / 'other').read_text() == 'text'
    server.forgive()


def test_what_lies_where_an_mbox_has_its_control_files_is_no_missing_mailbox(make_server):
    server = make_server('mail_location = mbox:~/mail\n')
    client = Lines(server.port('imap'), 'alice')
    client.append('INBOX', MAIL)
    put(Path(server.home('alice'), 'mail', '.imap', 'INBOX'), 'file')
    assert b' NO [SERVERBUG] ' in client.command(b'APPEND INBOX {%d+}\r\n%s' % (len(MAIL), MAIL))[-1]
    assert b'* 1 EXISTS' in client.ok('SELECT INBOX')
    client.logout()
    assert server.wait_log('Error: .*/.imap/INBOX/.*: Not a directory')
    server.forgive()


@pytest.mark.parametrize(('name', 'command', 'location'), [
    ('subscriptions', 'LSUB "" *', ''), ('dovetail.names', 'LIST "" *', ':LAYOUT=index')])
def test_a_version_to_come_is_told_to_the_log_only(make_server, name, command, location):
    server = make_server(f'mail_location = maildir:~/Maildir{location}\n')
    client = Lines(server.port('imap'), 'alice')
    client.ok('CREATE new')
    client.logout()
    (Path(server.home('alice'), 'Maildir') / name).write_text('V\t9\n\nA\n')
    client = Lines(server.port('imap'), 'alice')
    answer = client.command(command)[-1]
    assert b' NO [SERVERBUG] ' in answer and server.home('alice').encode() not in answer
    client.logout()
    assert server.wait_log(f'Error: .*{name}: unknown version')
    server.forgive()


@pytest.mark.parametrize('uid', [4294967293, 4294967294])
def test_mails_with_the_last_uids_can_be_read(make_server, uid):
    """A mailbox that has no index yet said that no UIDs were left, though none was wanted."""
    server = make_server()
    maildir = server.maildir('alice')
    server.drop_mail('alice', MAIL)
    name = next((maildir / 'new').iterdir()).name
    (maildir / 'dovecot-uidlist').write_text(f'3 V1 N{uid + 1} G00000000000000000000000000000001\n{uid} :{name}\n')
    os.chown(maildir / 'dovecot-uidlist', *mail_owner())
    client = Lines(server.port('imap'), 'alice')
    client.ok('SELECT INBOX')
    assert client.ok('UID SEARCH ALL')[0] == b'* SEARCH %d' % uid
    client.ok(r'STORE 1 +FLAGS (\Seen)')
    client.ok('CREATE other')
    client.ok('MOVE 1 other')
    client.logout()
