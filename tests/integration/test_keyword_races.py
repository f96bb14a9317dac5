# SPDX-License-Identifier: MIT
"""Another program names keywords in dovecot-keywords while this server is about to: who comes second takes another
letter, and no client hears of it."""
import os
import re
import time

import pytest

from conftest import mail_owner
from imap_lines import Lines

COMMANDS = {
    'STORE': 'STORE 1 +FLAGS (Ours)',
    'STORE of many': 'STORE 1:40 +FLAGS (Ours)',
    'APPEND': 'APPEND INBOX (Ours) {1+}\r\nx',
    'COPY': 'COPY 1 Other',
}


def locked(path):
    path.write_text('', encoding='ascii')
    os.chown(path, *mail_owner())


@pytest.mark.parametrize('command', COMMANDS)
def test_letter_that_was_taken_meanwhile(make_server, command):
    server = make_server()
    client = Lines(server.port('imap'), 'alice')
    client.ok('APPEND INBOX ' + ' '.join(['{1+}\r\nx'] * 40))
    client.ok('CREATE Other')
    client.ok('SELECT INBOX')
    directory = server.maildir('alice')
    if command == 'COPY':
        client.ok('STORE 1 +FLAGS (Ours)')
        directory = directory / '.Other'
    names, lock = directory / 'dovecot-keywords', directory / 'dovecot-uidlist.lock'
    locked(lock)
    client.send(b'race ' + COMMANDS[command].encode() + b'\r\n')
    time.sleep(0.5)  # it looked at the names, and waits for the lock now
    assert not names.exists()
    names.write_text('0 Theirs\n', encoding='ascii')
    os.chown(names, *mail_owner())
    lock.unlink()
    assert client.until(b'race')[-1].startswith(b'race OK ')
    assert names.read_text(encoding='ascii') == '0 Theirs\n1 Ours\n'
    letters = ''.join(re.search(r',.*?([a-z]*)$', file.name)[1] for file in (directory / 'cur').iterdir())
    client.ok(f'SELECT {"Other" if command == "COPY" else "INBOX"}')
    mails = b''.join(client.ok('FETCH 1:* (FLAGS)'))
    count = 40 if 'many' in command else 1
    assert (letters, mails.count(b'Ours'), b'Theirs' in mails) == (count * 'b', count, False)
    client.logout()


def test_a_copy_with_a_keyword_beyond_the_letters_after_names_were_changed(make_server):
    """Another server names a letter anew: the copies were there already when that was seen, and COPY failed."""
    server = make_server()
    names = server.maildir('alice') / 'dovecot-keywords'
    client = Lines(server.port('imap'), 'alice')
    text = b'Subject: x\r\n\r\nx\r\n'
    client.append('INBOX', text, ' '.join(f'k{number}' for number in range(28)))
    client.ok('CREATE other')
    client.append('other', text, 'k1 k29')
    names.write_text(names.read_text(encoding='ascii').replace('0 k0\n', '0 anew\n'), encoding='ascii')
    client.ok('SELECT other')
    client.ok('COPY 1 INBOX')
    client.ok('SELECT INBOX')
    assert b'anew k1 ' in client.ok('FETCH 1 FLAGS')[0]
    assert b'k1 k29' in client.ok('FETCH 2 FLAGS')[0]
    client.logout()
