# SPDX-License-Identifier: MIT
"""mail_read_only: IMAP and POP3 sessions that change nothing; mail arrives all the same."""
import os
import smtplib

import pytest

from imap_lines import Lines
from pop3_lines import Pop

USER = 'alice'


@pytest.fixture(scope='module')
def one(tls):
    from conftest import Server, finish
    server = Server(tls, 'mail_read_only = yes\npop3_save_uidl = yes\nimap_metadata = yes\nmail_attribute_dict = file:%h/attributes\n').start()
    yield server
    finish(server)


def files(server):
    root = server.maildir(USER)
    return sorted(str(path.relative_to(root)) for path in root.rglob('*') if path.is_file() and 'index' not in str(path)), \
        [(root / name).read_bytes() for name in ('subscriptions',) if (root / name).exists()]


def test_imap_changes_nothing(one):
    for number in range(3):
        one.drop_mail(USER, b'Subject: m%d\n\nbody\n' % number)
    client = Lines(one.port('imap'), USER)
    answer = client.command(b'SELECT INBOX')
    assert b'[READ-ONLY]' in answer[-1] and any(b'PERMANENTFLAGS ()' in line for line in answer), answer
    before = files(one)
    for command in (b'STORE 1 +FLAGS (\\Seen)', b'STORE 1 FLAGS (x)', b'UID STORE 1 -FLAGS.SILENT (\\Seen)', b'EXPUNGE', b'UID EXPUNGE 1:*',
                    b'COPY 1 INBOX', b'MOVE 1 INBOX', b'CREATE new', b'CREATE INBOX.new', b'DELETE old', b'RENAME INBOX other', b'SUBSCRIBE INBOX',
                    b'UNSUBSCRIBE INBOX', b'APPEND INBOX {3+}\r\na\r\n', b'SETMETADATA "" (/private/comment "x")',
                    b'SETMETADATA INBOX (/private/comment "x")'):
        answer = client.command(command)
        assert b' NO [NOPERM] ' in answer[-1], (command, answer)
    assert b' OK ' in client.command(b'FETCH 1:3 (FLAGS BODY[])')[-1]
    assert not any(b'\\Seen' in line for line in client.command(b'FETCH 1:3 FLAGS'))
    assert b' OK ' in client.command(b'CLOSE')[-1]
    assert files(one) == before
    assert client.command(b'STATUS INBOX (MESSAGES UNSEEN)')[0].endswith(b'(MESSAGES 3 UNSEEN 3)')


def test_idle_goes_on_and_mail_arrives(one):
    client = Lines(one.port('imap'), USER)
    client.command(b'SELECT INBOX')
    with smtplib.LMTP('127.0.0.1', one.port('lmtp')) as lmtp:
        lmtp.sendmail('a@x.example', [USER], 'Subject: new\n\nbody\n')
    assert any(b'EXISTS' in line for line in client.command(b'NOOP'))


def test_pop3_changes_nothing(one):
    one.drop_mail(USER, b'Subject: one\n\nbody\n')
    client = Pop(one.port('pop3'), USER)
    before, stat = files(one), client.command('STAT')
    assert client.command('DELE 1') == b'-ERR [SYS/PERM] Mailbox is read-only.\r\n'
    assert client.command('RETR 1').startswith(b'+OK')
    client.rest()
    client.multi('UIDL')
    assert client.quit() == b'+OK Logging out.\r\n'
    client = Pop(one.port('pop3'), USER)
    assert client.command('STAT') == stat and files(one)[1] == before[1]
    assert not [name for name in files(one)[0] if os.path.basename(name).endswith('S')]
