# SPDX-License-Identifier: MIT
"""Commands with something wrong in them, from several sessions on one mailbox: whatever comes, other connections
go on, no process ends badly, and the mailbox stays one."""
import random
import re

import pytest

import test_imap_dovecot as right
from imap_lines import Lines

PIECES = [b' ', b'(', b')', b'"', b'{', b'}', b'{5+}\r\nhello', b'\\', b'*', b':', b',', b'1', b'4294967295', b'0', b'NIL',
          b'BODY[', b']', b'<0.5>', b'\x00', b'\xff', b'&', b'$', b'NOT', b'OR', b'UID']


def commands():
    known = right.STATE + right.MAILBOXES + 3 * (right.FETCHES + right.STORES)
    known += 2 * right.SEARCHES + right.SORTS + right.APPENDS
    known += [b'APPEND INBOX {%d+}\r\n' % len(right.MIXED) + right.MIXED] * 40
    known += ['SELECT INBOX'] * 30 + ['IDLE\r\nDONE'] * 10
    return [command if isinstance(command, bytes) else command.encode() for command in known]


def spoil(command, known, dice):
    for _ in range(dice.choice((0, 0, 1, 1, 2, 4))):
        at = dice.randrange(len(command) + 1)
        how = dice.randrange(4)
        if how == 0:
            command = command[:at] + dice.choice(PIECES) + command[at:]
        elif how == 1:
            command = command[:at] + command[at + dice.randrange(1, 4):]
        elif how == 2:
            other = dice.choice(known)
            begin = dice.randrange(len(other))
            command = command[:at] + other[begin:begin + dice.randrange(20)] + command[at:]
        else:
            command = command[:at] + bytes([dice.randrange(256)]) + command[at + 1:]
    return command


@pytest.mark.parametrize('seed', range(3))
def test_spoilt_commands(server, seed):
    dice, known = random.Random(seed), commands()
    witness = Lines(server.port('imap'), 'stats')
    clients = [None] * 3
    for number in range(400):
        at = dice.randrange(len(clients))
        try:
            if clients[at] is None:
                clients[at] = Lines(server.port('imap'), 'tree')
                clients[at].ok('SELECT INBOX')
                clients[at].sock.settimeout(0.5)
            client = clients[at]
            client.send(b'F%d ' % number + spoil(dice.choice(known), known, dice) + b'\r\nG%d NOOP\r\n' % number)
            client.until(b'G%d' % number)
        except (EOFError, OSError):
            # It waits for a literal, or has had enough.
            assert clients[at] is not None, 'no login'
            clients[at].close()
            clients[at] = None
        if number % 50 == 0:
            witness.ok('NOOP')
    for client in clients:
        if client is not None:
            client.close()
    witness.logout()
    one, two = (Lines(server.port('imap'), 'tree') for _ in range(2))
    views = []
    for client in (one, two):
        lines = client.ok('EXAMINE INBOX')
        count = int(next(re.search(rb'\* (\d+) EXISTS', line)[1] for line in lines if b'EXISTS' in line))
        lines = client.ok('FETCH 1:* (UID FLAGS RFC822.SIZE)')[:-1] if count else []
        views.append([re.sub(rb' ?\\Recent', b'', line) for line in lines])
        assert len(views[-1]) == count
        client.logout()
    assert views[0] == views[1]
