# SPDX-License-Identifier: MIT
"""The same commands to Dovecot and to us, on copies of one Maildir: the answers
must be the same, to the letter where a client may see them."""
import shutil

import pytest

from imap_lines import Lines, transcript

PLAIN = (b'From: A <a@x.example>\r\nTo: b@y.example\r\nSubject: one\r\n'
         b'Date: Thu, 23 Jul 2020 19:30:24 +0900\r\nMessage-Id: <1@x.example>\r\n\r\nbody one\r\n')
MIXED = (b'From: C <c@x.example>\r\nTo: b@y.example, "D E" <d@z.example>\r\nCc: q@x.example\r\n'
         b'Subject: =?utf-8?q?t=C3=A4st?=\r\nMIME-Version: 1.0\r\n'
         b'Content-Type: multipart/mixed; boundary="xx"\r\n\r\npre\r\n--xx\r\n'
         b'Content-Type: text/plain; charset=utf-8\r\n\r\nhello w\xc3\xb6rld\r\n--xx\r\n'
         b'Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nFrom: z@z.example\r\n\r\ninner body\r\n'
         b'--xx\r\nContent-Type: application/octet-stream; name="a.bin"\r\n'
         b'Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--xx--\r\n')
BARE = b'Subject: three\r\n\r\nlast\r\n'

STATE = [
    'NOOP', 'NAMESPACE', 'ENABLE X-FOO', 'ENABLE', 'CHECK', 'CLOSE', 'UNSELECT', 'FETCH 1 FLAGS',
    'BLA', 'UID', 'UID BLA', 'UID FETCH 1 FLAGS', 'NOOP bla', 'SELECT', 'SELECT (a)', 'LOGIN a b',
    'AUTHENTICATE PLAIN', 'STARTTLS', 'CAPABILITY', 'LIST "" (a', 'STORE 1 FLAGS (foo"bar)',
]
MAILBOXES = [
    'CREATE foo', 'CREATE foo', 'CREATE foo.bar', 'CREATE INBOX', 'CREATE "bad&name"', 'CREATE "&AOQ-x"',
    'SUBSCRIBE foo', 'SUBSCRIBE nonexist', 'LIST "" *', 'LIST "" %', 'LIST "" ""', 'LIST "foo." ""',
    'LIST "foo." *', 'LIST "" "x*"', 'LIST "" "inbox"', 'LIST "" "INB%"', 'LIST "" "&bad"', 'LIST foo. %',
    'LIST', 'LIST ""', 'LIST "" *.*', 'LIST "" foo.%', 'LSUB "" *', 'LSUB "" %', 'LSUB "" ""',
    'LIST "" (foo foo.bar) RETURN (SUBSCRIBED CHILDREN STATUS (MESSAGES UNSEEN))',
    'LIST (SUBSCRIBED) "" *', 'LIST (SUBSCRIBED) "" * RETURN (CHILDREN)', 'LIST (SUBSCRIBED RECURSIVEMATCH) "" *',
    'LIST (RECURSIVEMATCH) "" *', 'LIST (BLA) "" *', 'LIST (REMOTE) "" *', 'LIST () "" *',
    'LIST "" * RETURN (BLA)', 'LIST "" * RETURN ()', 'LIST "" * RETURN', 'LIST "" * bla',
    'LIST "" * RETURN (SPECIAL-USE SUBSCRIBED)', 'LIST (SPECIAL-USE) "" *',
    'STATUS foo (MESSAGES UNSEEN)', 'STATUS foo (MESSAGES BLA)', 'STATUS foo ()', 'STATUS foo',
    'STATUS nonexist (MESSAGES)', 'STATUS inbox (MESSAGES UIDNEXT UNSEEN SIZE)', 'STATUS foo MESSAGES',
    'SELECT nonexist', 'SELECT foo', 'SELECT nonexist', 'SELECT foo', 'CLOSE', 'EXAMINE foo', 'EXPUNGE',
    'STORE 1 FLAGS ()', 'FETCH 1:* FLAGS', 'UID FETCH 1:* FLAGS', 'SEARCH 1:*', 'SEARCH *', 'UNSELECT',
    'UNSUBSCRIBE foo', 'UNSUBSCRIBE foo', 'UNSUBSCRIBE nonexist',
    'RENAME nonexist x', 'RENAME foo foo', 'RENAME foo foo.x', 'RENAME foo foo2', 'LIST "" *',
    'RENAME foo2 INBOX', 'DELETE foo2.bar', 'DELETE foo2', 'DELETE foo2', 'DELETE INBOX', 'DELETE nonexist',
    'CREATE a.b.c', 'LIST "" *', 'LIST "" %', 'LIST "" a.%', 'LIST "" *% RETURN (CHILDREN)', 'DELETE a.b.c',
    'CREATE foo.', 'CREATE foo.baz', 'LIST "" *', 'DELETE foo.baz', 'LIST "" *',
]
FETCHES = [
    'SELECT INBOX', 'CHECK', 'FETCH 1 BLA', 'FETCH 1', 'FETCH', 'FETCH 1:4 FLAGS', 'FETCH 4 FLAGS', 'FETCH 0 FLAGS',
    'FETCH a FLAGS', 'FETCH 1:* (FLAGS)', 'FETCH 1:* FAST', 'FETCH 1:2 ALL', 'FETCH 1:2 FULL', 'FETCH 1:* (FAST)',
    'FETCH 1:3 UID', 'FETCH 3:1 UID', 'FETCH *:2 UID', 'UID FETCH 1:3 (FLAGS)', 'UID FETCH 9 (FLAGS)',
    'UID FETCH 1:2 (FLAGS UID)', 'UID FETCH 9:* UID',
    'FETCH 1 (RFC822.HEADER RFC822.SIZE)', 'FETCH 1 (RFC822.TEXT)', 'FETCH 1 RFC822', 'FETCH 2 BODY.PEEK[]<0.10>',
    'FETCH 2 BODY.PEEK[]<1000.10>', 'FETCH 2 BODY.PEEK[]<10>', 'FETCH 2 BODY.PEEK[]<10.0>', 'FETCH 2 BODY[1]',
    'FETCH 2 BODY[9]', 'FETCH 2 BODY[1.1]', 'FETCH 2 (BODY[2.HEADER] BODY[2.TEXT] BODY[2.1] BODY[2.MIME] BODY[2])',
    'FETCH 2 (BODY[1.MIME] BODY[3.MIME] BODY[3] BODY[1.HEADER] BODY[2.1.MIME])',
    'FETCH 2 (BODY[HEADER.FIELDS (SUBJECT "from")] BODY[HEADER.FIELDS.NOT (Subject from)]<0.20>)',
    'FETCH 2 BODY[2.HEADER.FIELDS (Subject)]', 'FETCH 2 BODY[HEADER.FIELDS (nothing)]', 'FETCH 2 BODY[HEADER]',
    'FETCH 1 BODY[1]', 'FETCH 1 BODY[2]', 'FETCH 1 BODY[1.MIME]', 'FETCH 1 BODY[TEXT]<2.3>',
    'FETCH 2 BODY[HEADER.FIELDS ()]', 'FETCH 2 BODY[HEADER.FIELDS]', 'FETCH 2 BODY[MIME]', 'FETCH 2 BODY[1.FOO]',
    'FETCH 2 BODY[TEXT.1]', 'FETCH 2 BODY[', 'FETCH 2 BODY[]x', 'FETCH 2 BODY', 'FETCH 2 BODYSTRUCTURE',
    'FETCH 2 (ENVELOPE INTERNALDATE)', 'FETCH 2 (FLAGS BODY.PEEK)', 'FETCH 2 (UID BODY[TEXT] FLAGS INTERNALDATE)',
    'FETCH 3 (UID BODY[TEXT] FLAGS INTERNALDATE)', 'FETCH 1:3 (FLAGS FLAGS)', 'FETCH 1 (UID (FLAGS))', 'FETCH 1 ()',
    'FETCH 1 "FLAGS"', 'FETCH 1 (ALL FLAGS)', 'FETCH 1 FLAGS (BLA)',
    'FETCH 3 (BODYSTRUCTURE ENVELOPE BODY.PEEK[] RFC822.SIZE BODY RFC822.TEXT UID)',
    'FETCH 1:3 (INTERNALDATE FLAGS UID)',
]
STORES = [
    'SELECT INBOX', r'STORE 1 FLAGS (\Seen)', r'STORE 1 +FLAGS (\Seen)', r'STORE 1 +FLAGS \Flagged foo',
    r'STORE 1 -FLAGS (\Flagged)', r'STORE 1:3 +FLAGS.SILENT (\Answered bla2)', r'STORE 1 BLA (\Seen)',
    r'STORE 1 FLAGS (\Recent)', r'STORE 1 FLAGS (\Bla)', r'STORE 1 FLAGS (\*)', 'STORE 1 FLAGS',
    r'STORE 9 FLAGS (\Seen)', r'STORE a FLAGS (\Seen)', r'UID STORE 9 FLAGS (\Seen)', r'UID STORE 2 +FLAGS (\Draft)',
    'STORE 1:3 FLAGS ()', 'STORE 1 FLAGS ("foo bar")', 'FETCH 1:* FLAGS',
    'COPY 1 nonexist', 'COPY 9 Sent', 'COPY a Sent', 'COPY 1', 'COPY 1:2 Sent', 'UID COPY 1:9 Sent', 'UID COPY 9 Sent',
    'COPY 1:2 INBOX', 'MOVE 1 nonexist', 'MOVE 1 Sent', 'UID MOVE 9 Sent', 'EXPUNGE', r'STORE 1 +FLAGS (\Deleted)',
    'CHECK', 'EXPUNGE', 'UID EXPUNGE 1:*', 'UID EXPUNGE a', 'UID EXPUNGE', r'STORE 1 +FLAGS (\Deleted)',
    'UID EXPUNGE 1:*', 'FETCH 1:* (UID FLAGS)', 'CLOSE', 'STATUS Sent (MESSAGES UIDNEXT UNSEEN)', 'EXAMINE Sent',
    'FETCH 1:* (UID FLAGS RFC822.SIZE)', 'FETCH 1 BODY[TEXT]', 'FETCH 1 FLAGS',
]
# Not here: SENTBEFORE, which Dovecot finds true without a Date field.
SEARCHES = [
    'SELECT INBOX', 'SEARCH ALL', 'SEARCH', 'SEARCH BLA', 'SEARCH UNSEEN', 'SEARCH SEEN', 'SEARCH NEW', 'SEARCH OLD',
    'SEARCH RECENT', 'UID SEARCH UID 1:*', 'SEARCH 1:*', 'SEARCH 9', 'SEARCH 1:9', 'SEARCH 2,3', 'SEARCH NOT 2',
    'UID SEARCH 9', 'SEARCH RETURN () ALL', 'SEARCH RETURN (MIN MAX COUNT) ALL', 'UID SEARCH RETURN (ALL COUNT) ALL',
    'SEARCH RETURN (BLA) ALL', 'SEARCH RETURN (MIN) 99', 'SEARCH RETURN (ALL COUNT) 99', 'SEARCH RETURN (SAVE) ALL',
    'FETCH $ FLAGS', 'SEARCH $', 'SEARCH NOT $', 'SEARCH RETURN (SAVE MIN) ALL', 'FETCH $ UID',
    'SEARCH CHARSET UTF-8 SUBJECT test', 'SEARCH CHARSET BLA SUBJECT test', 'SEARCH CHARSET', 'SEARCH SUBJECT',
    'SEARCH SINCE bla', 'SEARCH SINCE 1-Jan-2020', 'SEARCH BEFORE 1-Jan-2021', 'SEARCH ON 23-Jul-2020',
    'SEARCH SENTON 23-Jul-2020', 'SEARCH SENTSINCE 24-Jul-2020',
    'SEARCH OR SEEN', 'SEARCH OR SEEN UNSEEN', 'SEARCH NOT', 'SEARCH (SEEN', 'SEARCH (SEEN)', 'SEARCH ()',
    'SEARCH LARGER x', 'SEARCH LARGER 100', 'SEARCH SMALLER 100', 'SEARCH HEADER Subject three',
    'SEARCH HEADER Subject', 'SEARCH HEADER "" x', 'SEARCH HEADER Cc ""', 'SEARCH HEADER X-None ""',
    'SEARCH KEYWORD $foo', 'SEARCH UNKEYWORD $Foo', 'SEARCH OLDER 1000', 'SEARCH YOUNGER 0', 'SEARCH YOUNGER 1000',
    'SEARCH TEXT ""', 'SEARCH BODY last', 'SEARCH TEXT three', 'SEARCH FROM x.example', 'SEARCH TO d@z',
    'SEARCH CC q', 'SEARCH BCC q', 'SEARCH SUBJECT ONE', 'SEARCH BODY inner', 'SEARCH BODY AAAA', 'SEARCH TEXT inner',
    b'SEARCH CHARSET UTF-8 SUBJECT {5+}\r\nt\xc3\xa4st', b'SEARCH CHARSET UTF-8 SUBJECT {5+}\r\nT\xc3\x84ST',
    b'SEARCH BODY {6+}\r\nw\xc3\xb6rld', b'SEARCH CHARSET ISO-8859-1 BODY {5+}\r\nw\xf6rld', b'SEARCH BODY w\xc3\xb6rld',
    'SEARCH SEEN FLAGGED', 'SEARCH UNDELETED UNDRAFT UNANSWERED UNFLAGGED', 'SEARCH OR (SEEN FLAGGED) NOT SUBJECT one',
]
# Not here: THREAD of nothing, which Dovecot ends with a blank.
SORTS = [
    'SORT (DATE) UTF-8 ALL', 'SELECT INBOX', 'SORT (DATE) UTF-8 ALL', 'UID SORT (REVERSE SIZE) UTF-8 2:*',
    'SORT (REVERSE DATE SUBJECT FROM TO CC SIZE ARRIVAL DISPLAYFROM DISPLAYTO) UTF-8 ALL', 'SORT (SIZE) US-ASCII 9',
    'SORT RETURN (COUNT MIN MAX ALL) (SIZE) UTF-8 ALL', 'SORT RETURN () (SIZE) UTF-8 1:2', 'SORT RETURN (MIN) (SIZE) UTF-8 9',
    'UID SORT RETURN (ALL COUNT) (REVERSE SUBJECT) UTF-8 ALL', 'SORT RETURN (ALL COUNT) (SIZE) UTF-8 9',
    'SORT RETURN (PARTIAL 2:3) (SIZE) UTF-8 ALL', 'SORT RETURN (PARTIAL 3:2) (SIZE) UTF-8 ALL',
    'SORT RETURN (PARTIAL 9:12) (SIZE) UTF-8 ALL', 'UID SORT RETURN (COUNT PARTIAL 1:1 MIN) (SIZE) UTF-8 ALL',
    'SORT RETURN (PARTIAL) (SIZE) UTF-8 ALL', 'SORT RETURN (PARTIAL 1) (SIZE) UTF-8 ALL',
    'SORT RETURN (PARTIAL 0:1) (SIZE) UTF-8 ALL', 'SORT RETURN (ALL PARTIAL 1:2) (SIZE) UTF-8 ALL',
    'SORT RETURN (PARTIAL 1:2 PARTIAL 1:2) (SIZE) UTF-8 ALL', 'SORT RETURN (BLA) (SIZE) UTF-8 ALL',
    'SORT RETURN (SAVE) (SIZE) UTF-8 2:3', 'FETCH $ UID', 'SORT RETURN (SAVE MIN) (REVERSE SIZE) UTF-8 ALL', 'FETCH $ UID',
    'SORT RETURN (SAVE MAX COUNT) (REVERSE SIZE) UTF-8 ALL', 'FETCH $ UID',
    'SORT RETURN (SAVE) (SIZE) FOO ALL', 'FETCH $ UID', 'SEARCH RETURN (PARTIAL 2:2) 1:3', 'UID SEARCH RETURN (PARTIAL 2:9 COUNT) ALL',
    'SORT () UTF-8 ALL', 'SORT (FOO) UTF-8 ALL', 'SORT DATE UTF-8 ALL', 'SORT (REVERSE) UTF-8 ALL', 'SORT ((DATE)) UTF-8 ALL',
    'SORT (REVERSE REVERSE DATE) UTF-8 ALL', 'SORT (DATE REVERSE) UTF-8 ALL', 'SORT (DATE)', 'SORT (DATE) FOO ALL',
    'SORT (DATE) UTF-8', 'SORT (DATE) (UTF-8) ALL', 'SORT', 'SORT (DATE) UTF-8 BLA', 'SORT (DATE DATE DATE) UTF-8 ALL',
    'SORT (SUBJECT) UTF-8 SUBJECT t', b'SORT (SUBJECT) ISO-8859-1 SUBJECT {4+}\r\nt\xe4st',
    'THREAD', 'THREAD FOO UTF-8 ALL', 'THREAD REFERENCES', 'THREAD REFERENCES UTF-8', 'THREAD REFERENCES FOO ALL',
    'THREAD (REFS) UTF-8 ALL', 'THREAD "REFS" UTF-8 1', 'THREAD REFERENCES UTF-8 2', 'UID THREAD REFS UTF-8 3',
    'THREAD ORDEREDSUBJECT UTF-8 ALL', 'THREAD REFERENCES UTF-8 ALL', 'FETCH 1 (X-MAILBOX X-REAL-UID FLAGS)',
    'SEARCH X-GUID foo', 'SEARCH X-MAILBOX INBOX', 'SEARCH X-REAL-UID 2', 'SEARCH NOT X-MAILBOX foo',
]
CONTEXTS = [
    'SEARCH RETURN (UPDATE) ALL', 'SELECT INBOX', 'SEARCH RETURN (CONTEXT) ALL', 'SEARCH RETURN (CONTEXT COUNT) ALL',
    'SEARCH RETURN (UPDATE COUNT) UNDELETED', 'UID SEARCH RETURN (UPDATE ALL CONTEXT) UNSEEN',
    'SEARCH RETURN (UPDATE SAVE) NOT SUBJECT zz', 'SEARCH RETURN (UPDATE MIN) 2:3', 'SORT RETURN (UPDATE) (SUBJECT) UTF-8 SEEN',
    'UID SORT RETURN (UPDATE PARTIAL 1:1) (SUBJECT) UTF-8 ALL', r'STORE 1 +FLAGS (\Seen)', r'STORE 1 -FLAGS.SILENT (\Seen)',
    r'STORE 2:3 +FLAGS.SILENT (\Deleted)', b'APPEND INBOX {11+}\r\nSubject: zz', b'APPEND INBOX (\\Seen) {11+}\r\nSubject: yy',
    'FETCH 1 BODY[TEXT]', 'EXPUNGE', 'STORE 1:3 FLAGS ()', r'UID STORE 1,4 +FLAGS (\Deleted)', 'UID EXPUNGE 4',
    'CANCELUPDATE', 'CANCELUPDATE x', 'CANCELUPDATE "x"', 'EXAMINE INBOX', 'NOOP', 'CANCELUPDATE "a5"', 'UNSELECT', 'CANCELUPDATE "a5"',
]
# Not here: a literal behind wrong flags or a wrong date, which Dovecot takes for
# a command.
APPENDS = [
    b'APPEND INBOX {3+}\r\nabc', b'APPEND nonexist {3+}\r\nabc',
    b'APPEND INBOX (\\Seen foo) "23-Jul-2020 19:30:24 +0900" {3+}\r\nabc',
    b'APPEND INBOX {3+}\r\nabc {2+}\r\nxy',
    b'APPEND INBOX', b'APPEND INBOX abc',
    b'APPEND', b'APPEND bad&name {3+}\r\nabc', b'STATUS INBOX (MESSAGES)', b'SELECT INBOX',
    b'APPEND INBOX {3+}\r\nabc', b'FETCH 1:* (FLAGS RFC822.SIZE)',
]


@pytest.fixture
def both(server, dovecot):
    """Clients of Dovecot and of us, whose INBOXes are copies."""
    shutil.rmtree(f'{dovecot.home("twin")}/Maildir', ignore_errors=True)
    first = Lines(dovecot.port('imap'), 'twin')
    first.append('INBOX', PLAIN)
    first.append('INBOX', MIXED, r'\Seen $Foo')
    first.append('INBOX', BARE, r'\Flagged')
    # What is recent only Dovecot's index knows.
    first.ok('SELECT INBOX')
    first.logout()
    server.copy_mail(dovecot, 'twin')
    clients = [Lines(dovecot.port('imap'), 'twin'), Lines(server.port('imap'), 'twin')]
    yield clients
    for client in clients:
        client.close()


@pytest.mark.parametrize('commands', [STATE, MAILBOXES, FETCHES, STORES, SEARCHES, SORTS, CONTEXTS, APPENDS], ids=[
    'state', 'mailboxes', 'fetch', 'store', 'search', 'sort', 'context', 'append'])
def test_same_answers(both, commands):
    wanted, got = (transcript(client, commands) for client in both)
    different = [(a, b) for a, b in zip(wanted, got) if a != b]
    assert not different, '\n'.join(
        f'{a[0]!r}\n  dovecot: {a[1]}\n  here:    {b[1]}' for a, b in different)


@pytest.mark.parametrize('first', ['STATUS INBOX (SIZE)', 'LIST "" INBOX RETURN (STATUS (SIZE MESSAGES))', None])
def test_the_size_counts_mails_that_others_delivered(make_server, make_dovecot, first):
    """Their names do not tell it, and nobody has looked."""
    told = []
    for server in make_server(), make_dovecot():
        for text in (PLAIN, MIXED.replace(b'\r', b''), BARE):
            server.drop_mail('alice', text)
        if first is None:
            told.append(server.doveadm('mailbox', 'status', '-u', 'alice', 'vsize', 'INBOX').stdout)
            continue
        client = Lines(server.port('imap'), 'alice')
        told.append(transcript(client, [first, 'STATUS INBOX (SIZE)', 'SELECT INBOX', 'STATUS INBOX (SIZE MESSAGES)']))
        client.logout()
    assert told[0] == told[1]
    assert str(sum(map(len, (PLAIN, MIXED, BARE)))) in str(told[0])
