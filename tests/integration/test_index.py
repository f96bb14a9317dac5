# SPDX-License-Identifier: MIT
"""The index of a mail location, seen from outside."""
import struct
import time

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


def test_a_session_leaves_an_index_that_survives_a_reboot(make_server):
    # The process ends a moment after its session.
    server = make_server('service imap {\n  idle_kill = 1s\n}\n')
    server.drop_mail('alice', b'Subject: x\n\nx\n')
    client = Lines(server.port('imap'), 'alice')
    assert b' OK ' in client.command('SELECT INBOX')[-1]
    assert marks(server.home('alice')) == {0}
    client.command('LOGOUT')
    deadline = time.monotonic() + 20
    while marks(server.home('alice')) == {0}:
        assert time.monotonic() < deadline, 'the index was not marked'
        time.sleep(0.05)
