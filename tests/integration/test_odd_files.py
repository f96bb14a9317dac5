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
