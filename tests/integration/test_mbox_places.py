# SPDX-License-Identifier: MIT
"""Mails of an mbox that others moved or took while a session believes in them."""
import random
import re
from pathlib import Path

import pytest

from imap_lines import Lines


def mail(number):
    return f'Subject: m{number}\r\n\r\nThis is {number}.\r\n'.encode() + b'x' * (number % 700) + b'\r\n'


def octets_read(server):
    pid = re.findall(r'Login: user=<alice>.*mpid=(\d+)', server.log_text())[-1]
    return int(re.search(r'rchar: (\d+)', Path(f'/proc/{pid}/io').read_text())[1])


@pytest.mark.parametrize('order', ['same', 'other'])
def test_many_are_looked_for_in_one_pass(make_server, order):
    """Each was searched for in the whole file."""
    server = make_server('mail_location = mbox:~/mail:INBOX=~/inbox\n')
    client = Lines(server.port('imap'), 'alice', timeout=60)
    for start in 0, 200, 400:
        parts = b''.join(b' {%d+}\r\n' % len(mail(n)) + mail(n) for n in range(start, start + 200))
        client.ok(b'APPEND INBOX' + parts)
    client.ok('SELECT INBOX')
    client.ok('CHECK')
    path = Path(server.home('alice'), 'inbox')
    text = path.read_bytes()
    parts = re.split(rb'(?m)^(?=From )', text)[1:]
    rng = random.Random(1)
    kept = sorted(rng.sample(range(600), 300))
    if order == 'other':
        rng.shuffle(kept)
    with open(path, 'r+b') as file:
        file.truncate()
        file.write(b''.join(parts[n] for n in kept))
    before = octets_read(server)
    lines = client.command('FETCH 1:* (UID BODY.PEEK[])')
    assert b'[EXPUNGEISSUED]' in lines[-1]
    found = {}
    for line in lines[:-1]:
        match = re.fullmatch(rb'\* \d+ FETCH \(UID (\d+) BODY\[\] \{\d+\}\r\n(.*)\)', line, re.S)
        if match and match[2]:
            found[int(match[1])] = match[2]
    assert found == {n + 1: mail(n) for n in kept}
    if order == 'same':
        assert octets_read(server) - before < 20 * len(text)
    client.ok('NOOP')
    client.logout()
