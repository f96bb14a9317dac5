# SPDX-License-Identifier: MIT
"""OBJECTID (RFC 8474), and Dovecot's X-GUID, X-MAILBOX and X-REAL-UID."""
import hashlib
import re

import pytest

from imap_lines import Lines

FIRST = b'Message-ID: <1@x>\r\nSubject: one\r\n\r\nbody\r\n'
REPLY = b'Message-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\nSubject: Re: one\r\n\r\nbody\r\n'
LATER = b'Message-ID: <3@x>\r\nReferences: <1@x>\r\n <2@x>\r\nSubject: Re: one\r\n\r\nbody\r\n'
BARE = b'Subject: nothing\r\n\r\nbody\r\n'


@pytest.fixture
def client(server):
    client = Lines(server.port('imap'), 'objects')
    yield client
    client.close()


def value(lines, word):
    """What stands behind a word in parentheses, in all answers."""
    return re.findall(rb'\b%s \(([0-9A-Za-z_-]+)\)' % word, b'\n'.join(lines))


def item(client, number, word):
    return re.search(rb'%s ("[^"]*"|[^ )]+)' % word.encode(), client.ok(f'FETCH {number} {word}')[0])[1]


def test_mailbox_ids(client):
    made, = value(client.ok('CREATE here'), b'MAILBOXID')
    other, = value(client.ok('CREATE there'), b'MAILBOXID')
    assert made != other and len(made) == 32
    assert value(client.ok('SELECT here'), b'MAILBOXID') == [made]
    assert value(client.ok('EXAMINE here'), b'MAILBOXID') == [made]
    client.ok('UNSELECT')
    assert value(client.ok('STATUS here (MESSAGES MAILBOXID)'), b'MAILBOXID') == [made]
    assert value(client.ok('LIST "" (here) RETURN (STATUS (MAILBOXID))'), b'MAILBOXID') == [made]
    client.ok('RENAME here elsewhere')
    assert value(client.ok('STATUS elsewhere (MAILBOXID)'), b'MAILBOXID') == [made]


def test_email_ids_stay_with_copies_and_moves(client):
    client.ok('CREATE copies')
    client.append('INBOX', FIRST)
    client.append('INBOX', BARE)
    client.ok('SELECT INBOX')
    ids = value(client.ok('FETCH 1:2 EMAILID'), b'EMAILID')
    assert len(set(ids)) == 2 and len(ids[0]) == 32
    guid = item(client, 1, 'X-GUID')
    assert hashlib.sha1(guid).hexdigest()[:32].encode() == ids[0]
    assert client.ok(b'SEARCH EMAILID %s' % ids[1])[0] == b'* SEARCH 2'
    assert client.ok(b'SEARCH NOT EMAILID %s' % ids[1])[0] == b'* SEARCH 1'
    assert client.ok(b'SEARCH X-GUID %s' % guid)[0] == b'* SEARCH 1'
    client.ok('COPY 1 copies')
    client.ok('MOVE 1:2 copies')
    client.ok('SELECT copies')
    assert value(client.ok('FETCH 1:3 EMAILID'), b'EMAILID') == [ids[0], *ids]
    assert item(client, 1, 'X-MAILBOX') == b'copies'
    assert item(client, 3, 'X-REAL-UID') == b'3'
    assert client.ok('SEARCH X-MAILBOX copies X-REAL-UID 2')[0] == b'* SEARCH 2'


def test_thread_ids(client):
    client.ok('CREATE threads')
    for mail in (LATER, FIRST, BARE, REPLY, BARE):
        client.append('threads', mail)
    client.ok('SELECT threads')
    ids = value(client.ok('FETCH 1:* (THREADID)'), b'THREADID')
    assert ids[0] == ids[1] == ids[3]
    assert len(set(ids)) == 3
    assert client.ok(b'SEARCH THREADID %s' % ids[0])[0] == b'* SEARCH 1 2 4'
    assert client.ok(b'UID SEARCH THREADID %s' % ids[2])[0] == b'* SEARCH 3'


def test_guids_are_those_of_dovecot(client, server, dovecot):
    """After copies and moves by us, and without our index."""
    client.ok('CREATE guids')
    client.append('INBOX', FIRST)
    client.append('INBOX', BARE)
    client.ok('SELECT INBOX')
    client.ok('COPY * guids')
    client.ok('COPY * guids')
    client.ok('MOVE 1 guids')
    client.ok('SELECT guids')
    ours = [line for line in client.ok('FETCH 1:* X-GUID') if b'FETCH' in line]
    dovecot.copy_mail(server, 'objects')
    theirs = Lines(dovecot.port('imap'), 'objects')
    theirs.ok('SELECT guids')
    assert [line for line in theirs.ok('FETCH 1:* X-GUID') if b'FETCH' in line] == ours
    theirs.close()
