# SPDX-License-Identifier: MIT
"""The separator of a namespace that names none."""
import pytest

from imap_lines import Lines


@pytest.mark.parametrize('location, separator', [
    ('maildir:~/Maildir', '.'), ('maildir:~/Maildir:LAYOUT=fs', '/'), ('maildir:~/Maildir:LAYOUT=index', '~'),
    ('mbox:~/mail:INBOX=~/inbox', '/'), ('mbox:~/mail:INBOX=~/inbox:LAYOUT=maildir++', '.')])
def test_it_is_that_of_the_layout(make_server, make_dovecot, location, separator):
    for make in (make_dovecot, make_server):
        client = Lines(make(f'mail_location = {location}\n').port('imap'), 'tree')
        assert client.ok('NAMESPACE')[0] == f'* NAMESPACE (("" "{separator}")) NIL NIL'.encode()
        client.ok(f'CREATE a{separator}b')
        assert any(line.endswith(f'"{separator}" a{separator}b'.encode()) for line in client.ok('LIST "" *'))
        client.logout()


NAMESPACE = 'mail_location = {}\nnamespace inbox {{\n  inbox = yes\n  prefix = {}\n  separator = {}\n}}\n'
MAIL = b'Subject: x\r\n\r\ntext\r\n'


@pytest.mark.parametrize('location', ['maildir:~/Maildir', 'maildir:~/Maildir:LAYOUT=fs', 'mbox:~/mail:INBOX=~/inbox'])
@pytest.mark.parametrize('prefix', ['INBOX.', 'Mail/'])
def test_inbox_with_the_prefix(make_server, make_dovecot, location, prefix):
    """Clients put it before each name; another case is another mailbox."""
    answers = []
    for make in (make_dovecot, make_server):
        client = Lines(make(NAMESPACE.format(location, prefix, prefix[-1])).port('imap'), 'tree')
        client.append(f'{prefix}INBOX', MAIL)
        told = [client.command(f'{command} {prefix}INBOX')[-1].split()[1] for command in ('CREATE', 'DELETE', 'SUBSCRIBE')]
        client.ok(f'CREATE {prefix}inbox')
        client.append(f'{prefix}inbox', MAIL)
        client.append('INBOX', MAIL)
        client.ok('CREATE ' + prefix + 'a')
        for name in ('INBOX', f'{prefix}INBOX', f'{prefix}inbox'):
            told.append(client.ok(f'STATUS {name} (MESSAGES)')[0])
            told.append([line for line in client.ok(f'SELECT {name}') if line.endswith(b' EXISTS')])
            client.ok(f'COPY 1 {prefix}a')
        client.ok(f'COPY 1 {prefix}INBOX')
        told += [client.ok('STATUS INBOX (MESSAGES)')[0], client.ok(f'STATUS {prefix}a (MESSAGES)')[0],
                 [line.rpartition(b' ')[2] for line in client.ok('LSUB "" *')[:-1]],
                 sorted(line.rpartition(b' ')[2] for line in client.ok('LIST "" *')[:-1])]
        answers.append(told)
        client.logout()
    assert answers[0] == answers[1]
