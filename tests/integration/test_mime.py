# SPDX-License-Identifier: MIT
"""Odd messages read over IMAP give what Dovecot 2.3 gives (tests/unit/mime/golden.py)."""
import os
import sys
from pathlib import Path

from conftest import mail_owner

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
