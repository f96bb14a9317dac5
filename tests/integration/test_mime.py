# SPDX-License-Identifier: MIT
"""Odd messages read over IMAP give what Dovecot 2.3 gives (tests/unit/mime/golden.py)."""
import os
import sys
from pathlib import Path

from conftest import mail_owner
from imap_lines import Lines

UNIT = Path(__file__).parent.parent / 'unit' / 'mime'
sys.path.insert(0, str(UNIT))
import golden  # noqa: E402  pylint: disable=wrong-import-position


def records(data):
    at = 0
    while at < len(data):
        end = data.index(b'\n', at)
        name, mail, expected = data[at:end].split()
        middle = end + 1 + int(mail)
        at = middle + int(expected)
        yield name.decode(), data[end + 1:middle], data[middle:at]


def test_structures_and_sections_are_as_dovecots(make_server):
    server = make_server()
    wanted = list(records((UNIT / 'golden.dat').read_bytes()))
    path = server.maildir('alice') / 'cur'
    for number, (_, mail, _) in enumerate(wanted):
        file = path / f'{1000000 + number}.M1P1.x:2,'
        file.write_bytes(mail)
        os.chown(file, *mail_owner())
    imap = golden.Imap(server.port('imap'), 'alice', 'secret')
    differ = [name for number, (name, _, expected) in enumerate(wanted, 1)
              if golden.expected(imap, number) != expected]
    assert differ == []


def test_no_literal_has_a_nul(server):
    """Not even one of some fields; Dovecot sends 0x80, too."""
    server.drop_mail('bob', b'Subject: a\0b\r\nX-Other: c\0d\r\n\r\ne\0f\r\n')
    client = Lines(server.port('imap'), 'bob')
    client.ok('SELECT INBOX')
    for section, wanted in [('HEADER.FIELDS (SUBJECT)', b'Subject: a\x80b\r\n\r\n'),
                            ('HEADER.FIELDS.NOT (SUBJECT)', b'X-Other: c\x80d\r\n\r\n'),
                            ('HEADER.FIELDS (X-OTHER)', b'X-Other: c\x80d\r\n\r\n'), ('TEXT', b'e\x80f\r\n')]:
        for _ in range(2):  # the second time, the fields are in the cache
            assert client.ok(f'FETCH * BODY.PEEK[{section}]')[0].endswith(b'}\r\n' + wanted + b')')
    client.logout()
