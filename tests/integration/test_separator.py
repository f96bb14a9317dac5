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
