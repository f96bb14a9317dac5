# SPDX-License-Identifier: MIT
"""METADATA (RFC 5464) through IMAP and doveadm, beside Dovecot, which has the same file of attributes."""
import re

import pytest

from imap_lines import Lines
from turns import Place

EXTRA = r'''
protocol imap {
  imap_metadata = yes
}
mail_attribute_dict = file:%h/dovecot-attributes
mail_server_admin = mailto:admin@x.example
mail_server_comment = hello world
namespace inbox {
  inbox = yes
  mailbox Sent {
    special_use = \Sent
    auto = create
    comment = "what was sent"
  }
}
'''
LONG = 'x' * 20
# Both answer these in the same way, but for the order of entries.
SAME = fr'''
GETMETADATA "" /shared/comment
GETMETADATA "" (/shared/comment /shared/admin /private/x)
GETMETADATA INBOX /private/comment
SETMETADATA INBOX (/private/comment "My comment")
GETMETADATA INBOX /PRIVATE/Comment
SETMETADATA INBOX (/private/comment NIL)
GETMETADATA INBOX /private/comment
SETMETADATA INBOX (/private/comment "one" /shared/comment "two")
GETMETADATA (DEPTH 1) INBOX /private
GETMETADATA (DEPTH infinity) INBOX /private
GETMETADATA (DEPTH 0) INBOX (/private /shared/comment)
SETMETADATA INBOX (/private/vendor/vendor.x/a "{LONG}" /private/vendor/vendor.x/b/c atom)
GETMETADATA (DEPTH infinity) INBOX /private/vendor
GETMETADATA (DEPTH 1) INBOX /private/vendor/vendor.x
GETMETADATA (MAXSIZE 10) INBOX (/private/vendor/vendor.x/a /private/comment)
GETMETADATA (MAXSIZE 10 DEPTH infinity) INBOX (/private)
GETMETADATA (/private/comment) INBOX
GETMETADATA INBOX
GETMETADATA
GETMETADATA INBOX ()
GETMETADATA () INBOX /private/comment
GETMETADATA nosuch /private/comment
GETMETADATA INBOX /comment
GETMETADATA INBOX comment
GETMETADATA INBOX /private//x
GETMETADATA INBOX /private/x/
GETMETADATA INBOX /private/
GETMETADATA INBOX /shared
GETMETADATA INBOX "/private/a*b"
GETMETADATA INBOX "/private/a%b"
GETMETADATA INBOX "/private/a\"b"
GETMETADATA (DEPTH 3) INBOX /private
GETMETADATA (FOO 3) INBOX /private
GETMETADATA (MAXSIZE x) INBOX /private
GETMETADATA (MAXSIZE) INBOX /private
SETMETADATA INBOX (/private/x)
SETMETADATA INBOX /private/x "1"
SETMETADATA INBOX ()
SETMETADATA INBOX
SETMETADATA nosuch (/private/x "1")
SETMETADATA INBOX (/foo/x "1")
SETMETADATA INBOX (/private/%x "1")
SETMETADATA INBOX (/private/li (a b))
SETMETADATA INBOX (/private/b "x" /bad "y" /private/c "z")
SETMETADATA INBOX (/private/num 12345)
SETMETADATA INBOX (/private/vendor/vendor.dovecot/pvt/x "1")
SETMETADATA "" (/private/comment "the server's")
GETMETADATA (DEPTH infinity) INBOX (/private /shared)
GETMETADATA Sent (/private/comment /shared/comment /private/specialuse /shared/specialuse)
SETMETADATA Sent (/private/comment "own")
SETMETADATA Sent (/private/specialuse "\\Drafts")
SETMETADATA Sent (/shared/specialuse "\\Drafts")
GETMETADATA (DEPTH infinity) Sent (/private /shared)
CREATE Foo
SETMETADATA Foo (/private/comment "sel")
EXAMINE Foo
SETMETADATA Foo (/private/comment "exam")
UNSELECT
RENAME Foo Bar
GETMETADATA (DEPTH infinity) Bar /private
DELETE Bar
CREATE Bar
GETMETADATA (DEPTH infinity) Bar /private
DELETE Bar
'''.strip().split('\n')


@pytest.fixture
def place(make_server, make_dovecot):
    theirs = make_dovecot(EXTRA)
    return Place(make_server(EXTRA), theirs, 'meta', 'maildir:~/Maildir', '.', [])


def answers(client, command):
    """The answer with entries in order, without times and numbers that differ."""
    text = b'\r\n'.join(client.command(command)).decode()
    text = re.sub(r' \([\d. +]+ secs\)', '', text)
    text = re.sub(r'\[(MAILBOXID|UIDVALIDITY) [^]]*\] ', '', text)
    entries = re.findall(r'[ (]("?/[^ ]+ (?:NIL|\{(\d+)\}\r\n.*?))(?=[ )])', text, re.S)
    if text.startswith('* METADATA'):
        return sorted(entry for entry, _ in entries)
    return text.splitlines()[-1]


def test_answers_are_those_of_dovecot(place):
    told = []
    for server in place.servers:
        client = place.connect(server)
        told.append([(command, answers(client, command)) for command in SAME])
        with open(place.home + '/dovecot-attributes', 'w', encoding='ascii'):
            pass  # the other one begins anew
        client.logout()
    for ours, theirs in zip(*told):
        assert ours == theirs


def test_what_one_set_the_other_has(place):
    values = ['plain', 'tab\tand \x01 odd', '', 'päß']
    for server, other in (place.servers, place.servers[::-1]):
        for number, value in enumerate(values):
            assert server.doveadm('mailbox', 'metadata', 'set', '-u', 'meta', 'INBOX', f'/private/{number}',
                                  value).returncode == 0
        for number, value in enumerate(values):
            got = other.doveadm('mailbox', 'metadata', 'get', '-u', 'meta', 'INBOX', f'/private/{number}')
            assert (got.returncode, got.stdout) == (0, value + '\n'), server.label


DOVEADM = r'''
set -u meta INBOX /private/a 1
set -u meta INBOX /private/vendor/x/b 2
set -u meta INBOX /shared/c 3
set -u meta -s {} /private/d 4
set -u meta -s x /private/d 4
set -u meta {} /private/d 4
get -u meta INBOX /private/a
get -u meta INBOX /private/nothing
get -u meta -s {} /shared/comment
get -u meta -s {} /private/d
list -u meta INBOX /private/vendor
unset -u meta INBOX /private/a
get -u meta INBOX /private/a
get -u meta INBOX
get -u meta nosuch /private/a
set -u meta nosuch /private/a 1
set -u meta INBOX /bad/a 1
set -u meta INBOX /private/a
list -u meta
'''.strip().split('\n')


def test_doveadm_answers_as_dovecots(place):
    for line in DOVEADM:
        told = []
        for server in place.servers:
            done = server.doveadm('mailbox', 'metadata', *['' if word == '{}' else word for word in line.split()])
            told.append((done.returncode, sorted(done.stdout.splitlines())))
        assert told[0] == told[1], line


def test_large_values_stream_and_limits_are_told(make_server):
    server = make_server(EXTRA + 'mail_attribute_max_size = 256 k\nmail_attribute_max_value_size = 50000\n')
    client = Lines(server.port('imap'), 'alice')
    for number in range(5):
        text = client.command(f'SETMETADATA INBOX (/private/{number} {{50000+}}\r\n{"v" * 50000})')[-1]
        assert b' OK ' in text
    assert b' NO [METADATA TOOMANY]' in client.command(
        f'SETMETADATA INBOX (/private/5 {{50000+}}\r\n{"v" * 50000})')[-1]
    assert b' NO [METADATA MAXSIZE 50000]' in client.command(
        f'SETMETADATA INBOX (/private/6 {{50001+}}\r\n{"v" * 50001})')[-1]
    lines = client.command('GETMETADATA (DEPTH 1) INBOX /private')
    assert sum(line.count(b'v' * 50000) for line in lines) == 5
    client.logout()


def test_is_off_unless_switched_on(server):
    client = Lines(server.port('imap'), 'alice')
    assert b'METADATA' not in client.command('CAPABILITY')[0]
    assert b' NO [CANNOT]' in client.command('GETMETADATA INBOX /private/comment')[-1]
    client.logout()
