# SPDX-License-Identifier: MIT
"""Sites that Dovecot served for years: what their clients and scripts saw, they see."""
import pytest

from imap_lines import Lines

PREFIXED = """\
namespace inbox {
  prefix = INBOX.
  separator = .
}
namespace archive {
  prefix = "#archive."
  separator = .
  location = maildir:~/archive
}
"""


@pytest.mark.parametrize('extra', ['', PREFIXED, 'namespace inbox {\n  separator = /\n}\n'])
def test_the_separator_is_told_without_a_namespace(make_server, make_dovecot, extra):
    """LIST "" "" is how clients learn it, and no namespace need have an empty prefix."""
    told = []
    for server in (make_server(extra), make_dovecot(extra)):
        client = Lines(server.port('imap'), 'alice')
        told.append([client.command(f'LIST "{ref}" ""')[:-1]
                     for ref in ('', 'INBOX', 'INBOX.', 'INBOX.a.b', 'INBOX/a/b', 'foo', 'foo.bar', 'foo/bar',
                                 '#archive.', '#archive.a.b', '#archive', '#archive/a')])
        client.logout()
    assert told[0] == told[1]
