# SPDX-License-Identifier: MIT
"""CONDSTORE, QRESYNC, SAVEDATE and PREVIEW: the same commands to Dovecot and to
us, on copies of one Maildir.

Modseqs are others in each. After each command a second client asks for the
highest one; {m3} in a command is what it was after the third, and in answers a
modseq counts by the first command after which it was the highest or below."""
import base64
import re
import shutil

import pytest

from imap_lines import Lines, normalize

HEAD = b'From: A <a@x.example>\r\nMIME-Version: 1.0\r\n'
MAILS = [HEAD + b'Subject: m%d\r\n\r\nbody %d\r\n' % (n, n) for n in range(1, 9)]

# "> command" is another client's.
CONDSTORE = [
    'SELECT INBOX (CONDSTORE)', r'STORE 1 +FLAGS (\Flagged)', 'FETCH 1:2 (FLAGS MODSEQ UID)', 'STORE 2 +FLAGS (foo)',
    'STORE 2 -FLAGS.SILENT (foo)', 'STORE 2 -FLAGS.SILENT (foo)', r'UID STORE 2 +FLAGS.SILENT (\Answered)',
    'FETCH 3 BODY[TEXT]', 'FETCH 3 (MODSEQ BODY[TEXT])', 'FETCH 4 (MODSEQ BODY[TEXT])',
    r'STORE 1:3 (UNCHANGEDSINCE {m0}) +FLAGS (\Draft)', r'STORE 1:3 (UNCHANGEDSINCE {m2}) +FLAGS (\Draft)',
    r'UID STORE 1:3 (UNCHANGEDSINCE {m12}) +FLAGS.SILENT (\Seen)', 'STORE 1 (UNCHANGEDSINCE 0) FLAGS ()',
    'STORE 1 (UNCHANGEDSINCE 9223372036854775807) FLAGS ()',
    r'STORE 1 (UNCHANGEDSINCE 9223372036854775808) FLAGS (\Seen)',
    'STORE 1 (UNCHANGEDSINCE 18446744073709551615) FLAGS ()',
    r'STORE 1 (UNCHANGEDSINCE 18446744073709551616) FLAGS (\Seen)', r'STORE 1 (UNCHANGEDSINCE -1) FLAGS (\Seen)',
    r'STORE 1 (UNCHANGEDSINCE) FLAGS (\Seen)', r'STORE 1 (UNCHANGEDSINCE x) FLAGS (\Seen)',
    r'STORE 1 (FOO 1) FLAGS (\Seen)', r'STORE 1 () FLAGS.SILENT (\Seen)',
    'FETCH 1:* (FLAGS) (CHANGEDSINCE {m7})', 'UID FETCH 1:* (FLAGS) (CHANGEDSINCE {m16})',
    'FETCH 1:* MODSEQ (CHANGEDSINCE 0)', 'FETCH 1:* FLAGS (CHANGEDSINCE 9223372036854775807)',
    'FETCH 1:* FLAGS (CHANGEDSINCE 9223372036854775808)', 'FETCH 1:* FLAGS (CHANGEDSINCE 18446744073709551616)',
    'FETCH 1:* FLAGS (CHANGEDSINCE)', 'FETCH 1:* FLAGS (CHANGEDSINCE a)', 'FETCH 1:* FLAGS (FOO)',
    'FETCH 1:* FLAGS ()', 'FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)', 'UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)',
    'SEARCH MODSEQ {m7}', 'SEARCH MODSEQ "/flags/\\\\seen" all {m12}', 'SEARCH MODSEQ "/flags/\\\\seen" priv {m12} SEEN',
    'SEARCH MODSEQ "/flags/\\\\seen" foo {m7}', 'SEARCH MODSEQ foo', 'SEARCH MODSEQ', 'SEARCH MODSEQ 0',
    'SEARCH MODSEQ 9223372036854775807', 'SEARCH MODSEQ 18446744073709551615', 'SEARCH MODSEQ 18446744073709551616',
    'UID SEARCH MODSEQ {m12} UNSEEN', 'SEARCH RETURN (MIN) MODSEQ 1', 'SEARCH RETURN (MAX) MODSEQ 1',
    'SEARCH RETURN (MIN MAX) MODSEQ 1', 'SEARCH RETURN (ALL COUNT) MODSEQ {m12}',
    'SEARCH RETURN (COUNT) MODSEQ 9223372036854775807', 'SEARCH RETURN (MIN) ALL',
    'SORT (REVERSE ARRIVAL) UTF-8 MODSEQ {m12}', 'STATUS INBOX (SIZE HIGHESTMODSEQ UIDNEXT)', 'COPY 1 INBOX', 'NOOP',
    r'STORE 4 +FLAGS.SILENT (\Deleted)', 'EXPUNGE', 'NOOP', r'> STORE 1:2 +FLAGS (\Flagged)', 'NOOP',
    r'> STORE 1 -FLAGS (\Flagged)', r'STORE 1:2 (UNCHANGEDSINCE {m60}) +FLAGS.SILENT (\Answered)', 'NOOP',
    'EXAMINE INBOX (CONDSTORE FOO)', 'EXAMINE INBOX (CONDSTORE)', 'STORE 1 (UNCHANGEDSINCE 1) FLAGS ()',
    'SELECT INBOX ((CONDSTORE))', 'ENABLE CONDSTORE X-FOO', 'ENABLE X-FOO',
]
# Not here: modseqs of the future, which we take for those of an index that was lost.
QRESYNC = [
    'SELECT INBOX (QRESYNC (1 1))', 'SELECT INBOX (CONDSTORE)', 'ENABLE QRESYNC', 'ENABLE QRESYNC CONDSTORE',
    r'STORE 2 +FLAGS (\Deleted)', 'EXPUNGE', r'STORE 1 +FLAGS.SILENT (\Flagged)',
    r'UID STORE 3:4 +FLAGS.SILENT (\Deleted)', 'CLOSE',
    'SELECT INBOX (QRESYNC ({v} {m3}))', 'SELECT INBOX (QRESYNC ({v} {m7}))', 'SELECT INBOX (QRESYNC ({v} {m6}))',
    'SELECT INBOX (QRESYNC ({v} {m3} 1:3))', 'SELECT INBOX (QRESYNC (1 {m3}))', 'SELECT INBOX (QRESYNC ({v} {m9}))',
    'SELECT INBOX (QRESYNC ({v} {m3} 1:5,9:100 (1:3 1:3)))', 'SELECT INBOX (QRESYNC (0 {m3}))',
    'SELECT INBOX (QRESYNC ({v} 18446744073709551616))', 'SELECT INBOX (QRESYNC ({v} a))',
    'SELECT INBOX (QRESYNC (4294967296 1))', 'SELECT INBOX (QRESYNC ({v}))', 'SELECT INBOX (QRESYNC ())',
    'SELECT INBOX (QRESYNC)', 'SELECT INBOX (QRESYNC 1)', 'SELECT INBOX (QRESYNC ({v} 1 *))',
    'SELECT INBOX (QRESYNC ({v} 1 1:*))', 'SELECT INBOX (QRESYNC ({v} 1 1:3 (1:2 1)))',
    'SELECT INBOX (QRESYNC ({v} 1 1:3 (1:* 1:*)))', 'SELECT INBOX (QRESYNC ({v} 1 1:3 ()))',
    'SELECT INBOX (QRESYNC ({v} 1 1:3 (1 1 1)))', 'SELECT INBOX (FOO)', 'SELECT INBOX FOO',
    'EXAMINE INBOX (QRESYNC ({v} {m7}))', 'UID FETCH 1:* (FLAGS) (CHANGEDSINCE {m7} VANISHED)',
    'UID FETCH 1:3 (FLAGS) (VANISHED CHANGEDSINCE {m3})', 'UID FETCH 1:4 (UID) (CHANGEDSINCE 1 VANISHED)',
    'UID FETCH 100:200 (UID) (CHANGEDSINCE 1 VANISHED)', 'UID FETCH 1:4 (FLAGS) (VANISHED)',
    'FETCH 1:4 (FLAGS) (CHANGEDSINCE 1 VANISHED)', 'SELECT INBOX', 'UID MOVE 6 Trash', 'CREATE Trash',
    'UID MOVE 6 Trash', b'APPEND INBOX {3+}\r\nabc', 'UID COPY 1 INBOX', 'FETCH 1 BODY[TEXT]',
    r'STORE 1:2 +FLAGS (\Draft)', 'UID EXPUNGE 1:*', r'> STORE 1,3 +FLAGS (\Deleted)', 'NOOP', '> EXPUNGE',
    'FETCH 2 (UID)', 'NOOP', r'> STORE 1 +FLAGS.SILENT (\Deleted)', '> EXPUNGE', r'UID STORE 7 +FLAGS (\Flagged)',
    b'> APPEND INBOX {3+}\r\nabc', 'NOOP', 'UNSELECT', 'SELECT INBOX (QRESYNC ({v} {m40} 1:8))',
]


def text(body, kind='text/plain; charset=utf-8', encoding=None):
    fields = b'Content-Type: %s\r\n' % kind.encode()
    if encoding is not None:
        fields += b'Content-Transfer-Encoding: %s\r\n' % encoding.encode()
    return HEAD + fields + b'\r\n' + body


def html(body):
    return text(body, 'text/html; charset=utf-8')


def multipart(subtype, *parts):
    body = b''.join(b'--xx\r\nContent-Type: %s\r\n\r\n%s\r\n' % part for part in parts)
    return text(body + b'--xx--\r\n', f'multipart/{subtype}; boundary=xx')


# Not here, on purpose: controls and '<' or '&' that begin nothing, digests, a
# Content-Type that is none (tests/unit/mime/test_preview.c).
PREVIEWS = [
    text(b'  hello \t world\r\n\r\n\r\n  second   line\r\n\tthird\r\n'), text(b'abcdefghi ' * 40), text(b'x' * 500),
    text('äöü€𝄞 '.encode() * 100), text(b'y' * 199 + b' zzzz'), text(b''), text(b' \r\n\t\r\n'),
    text(b'> quoted line\r\n> another\r\nreal text\r\n'), text(b'> quoted line\r\n> another\r\n'),
    text(b'On Monday x wrote:\r\n> quoted\r\n\r\nreal text\r\nmore\r\n> q2\r\nafter\r\n'),
    text(b'>> deep\r\n >space quote\r\ntext\r\n'), text(b'> ' + b'q' * 300 + b'\r\n'), text(b'> aa bb cc\r\n' * 40),
    text('a\u00a0\u00a0b\u2003c\u200bd\ufeffe\r\n'.encode()), text(b'gr\xfc\xdfe', 'text/plain; charset=iso-8859-1'),
    text(b'=C3=A4=20=20b=\r\nc', encoding='quoted-printable'),
    text(base64.b64encode('hällo wörld'.encode()), encoding='base64'), text(b'abc', encoding='x-foo'),
    text('hällo wörld'.encode('utf-16-le'), 'text/plain; charset=utf-16le'),
    text('日本語テスト'.encode('iso-2022-jp'), 'text/plain; charset=iso-2022-jp'), text(b'a\rb\rc'),
    text(b' \r\n' * 1000 + b'text'), text('😀'.encode() * 199 + b'ab'), text(b'say "hi" \\ back\r\n'),
    html(b'<html><head><title>T</title><style>b{}</style></head><body><p>Hello <b>b</b></p><p>next</p></body></html>'),
    html(b'a<br>b<br/>c<hr>d<div>e</div>f<td>g</td><td>h</td>'), html(b'a<b>b</b>c<span>d</span>e<i> f</i>'),
    html(b'&lt;a&gt; &amp; &quot; &nbsp;x&nbsp;&nbsp;y &euro; &#8364; &#x20ac; &auml; &hellip;&alefsym;'),
    html(b'a<!-- comment > still --> b<!doctype x> c'), html(b'x<script>var a="</b>";if(a<b)</script>y'),
    html(b'before<blockquote>quoted <blockquote>deep</blockquote> text</blockquote>after'),
    html(b'<blockquote>quoted text</blockquote>'), html(b'hello <b world'), html(b'<a href="a>b" title=\'c>d\'>l</a> e'),
    html(b'<style>' + b'x{} ' * 50000 + b'</style>text'), html(b'a<p>&gt; q</p>text'), html(b'a\r\n&gt; q\r\ntext'),
    html(b'&gt; q<br>text'), html(b'a</blockquote>b<blockquote>c'), html(b'a<stylex>x</stylex>b'),
    multipart('alternative', (b'text/plain', b'plain'), (b'text/html', b'<p>html</p>')),
    multipart('alternative', (b'text/html', b'<p>html</p>'), (b'text/plain', b'plain')),
    multipart('alternative', (b'text/plain', b''), (b'text/html', b'<p>html</p>')),
    multipart('alternative', (b'text/calendar', b'BEGIN'), (b'text/html', b'<p>html</p>')),
    multipart('alternative', (b'text/html', b'<p>html</p>'), (b'text/calendar', b'BEGIN')),
    multipart('mixed', (b'text/html', b'<p>html</p>'), (b'text/plain', b'plain')),
    multipart('mixed', (b'image/png', b'PNG'), (b'text/plain', b'plain')),
    multipart('mixed', (b'text/css', b'b{}'), (b'text/plain', b'plain')),
    multipart('mixed', (b'message/rfc822', b'Subject: i\r\n\r\ninner'), (b'text/plain', b'plain')),
    multipart('report', (b'message/delivery-status', b'A: b'), (b'text/plain', b'plain')),
    text(b'Subject: inner\r\n\r\ninner body\r\n', 'message/rfc822'), text(b'PNG', 'image/png'),
    text(b'BEGIN:VCALENDAR', 'text/calendar'), HEAD + b'\r\nno type',
]
PREVIEW_COMMANDS = [
    'SELECT INBOX (CONDSTORE)', 'FETCH 1 PREVIEW', 'FETCH 1 SNIPPET', 'FETCH 1 (UID PREVIEW (LAZY) FLAGS)',
    'FETCH 1 PREVIEW (LAZY)', 'FETCH 1 (PREVIEW (LAZY=FUZZY))', 'FETCH 1 (PREVIEW (FUZZY))', 'FETCH 1 (SNIPPET (LAZY))',
    'FETCH 1 (PREVIEW (FOO))', 'FETCH 1 (PREVIEW ())', 'FETCH 1 (PREVIEW "LAZY")', 'FETCH 1 (PREVIEW UID SNIPPET FLAGS)',
    'FETCH 1 (BODY.PEEK[TEXT] ENVELOPE PREVIEW MODSEQ FLAGS BODYSTRUCTURE RFC822.SIZE)', 'FETCH 1:* (PREVIEW)',
    'FETCH 1:* (UID PREVIEW (LAZY))', 'FETCH 1 (SAVEDATE UID)', 'FETCH 1 (FLAGS SAVEDATE UID INTERNALDATE)',
    'SEARCH SAVEDATESUPPORTED', 'SEARCH NOT SAVEDATESUPPORTED', 'SEARCH SAVEDSINCE 1-Jan-2020',
    'SEARCH SAVEDBEFORE 1-Jan-2020', 'SEARCH SAVEDON 1-Jan-2020', 'SEARCH SAVEDON x', 'SEARCH SAVEDSINCE',
]


class Player:
    """Plays commands to one server."""

    def __init__(self, server):
        port = server.port('imap')
        self.client, self.other, self.marker = (Lines(port, 'twin') for _ in range(3))
        self.other.ok('SELECT INBOX')
        self.validity = None
        self.marks = []
        self.mark()

    def mark(self):
        answer = b'\n'.join(self.marker.ok('STATUS INBOX (HIGHESTMODSEQ UIDVALIDITY)'))
        self.marks.append(int(re.search(rb'HIGHESTMODSEQ (\d+)', answer)[1]))
        self.validity = re.search(rb'UIDVALIDITY (\d+)', answer)[1].decode()

    def fill(self, command):
        return re.sub(rb'\{(?:m(\d+)|v)\}', lambda m: b'%d' % self.marks[int(m[1])] if m[1] else self.validity.encode(),
                      command)

    def show(self, modseq):
        return next((b'm%d' % i for i, mark in enumerate(self.marks) if modseq <= mark), b'%d' % modseq)

    def normalize(self, line):
        line = re.sub(rb'MODSEQ (\(?)(\d+)', lambda m: b'modseq ' + m[1] + self.show(int(m[2])), line)
        line = re.sub(rb'(SAVEDATE|INTERNALDATE) "[^"]*"', rb'\1 NOW', line)
        return normalize(line)

    def play(self, commands):
        result = []
        for command in commands:
            filled = self.fill(command if isinstance(command, bytes) else command.encode())
            client = self.client
            if filled.startswith(b'> '):
                client, filled = self.other, filled[2:]
            lines = client.command(filled)
            self.mark()
            if client is self.client:
                # OBJECTID is ours alone.
                result.append((command, [self.normalize(line) for line in lines
                                         if not line.startswith(b'* OK [MAILBOXID')]))
        return result

    def close(self):
        for client in (self.client, self.other, self.marker):
            client.close()


@pytest.fixture
def both(request, server, dovecot):
    shutil.rmtree(f'{dovecot.home("twin")}/Maildir', ignore_errors=True)
    first = Lines(dovecot.port('imap'), 'twin')
    for mail in request.param:
        first.append('INBOX', mail)
    # What is recent only Dovecot's index knows; from here on it keeps modseqs.
    first.ok('SELECT INBOX (CONDSTORE)')
    first.logout()
    server.copy_mail(dovecot, 'twin')
    players = [Player(dovecot), Player(server)]
    yield players
    for player in players:
        player.close()


@pytest.mark.parametrize(('both', 'commands'), [
    (MAILS, CONDSTORE), (MAILS, QRESYNC), (PREVIEWS, PREVIEW_COMMANDS)], ids=['condstore', 'qresync', 'preview'],
    indirect=['both'])
def test_same_answers(both, commands):
    wanted, got = (player.play(commands) for player in both)
    different = [(a, b) for a, b in zip(wanted, got) if a != b]
    assert not different, '\n'.join(
        f'{a[0]!r}\n  dovecot: {a[1]}\n  here:    {b[1]}' for a, b in different)
