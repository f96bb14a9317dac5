# SPDX-License-Identifier: MIT
"""Where mails go: mailboxes of an address, of -m, of scripts, and several of them."""
import re

import pytest

from imap_lines import Lines
from test_delivery_sieve import EXTRA, PIGEONHOLE, boxes, deliver, script
from test_lda import LDA, lda

SCRIPTS = ('fileinto :copy "INBOX"; keep;', 'keep; fileinto "inbox";', 'fileinto "det"; keep;', 'fileinto "INBOX";',
           'fileinto :copy "INBOX"; setflag "\\\\Seen";', 'fileinto "a"; keep; fileinto "INBOX"; keep;')


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_a_keep_elsewhere_is_no_fileinto_inbox(make_server, make_dovecot):
    """The same mailbox gets one copy (RFC 5228 section 2.10.3), but only the same."""
    seen = []
    for make, program in ((make_server, LDA), (make_dovecot, '/usr/lib/dovecot/dovecot-lda')):
        server = make(EXTRA.format(port=1, plugin='') + 'recipient_delimiter = +\nlmtp_save_to_detail_mailbox = yes\n')
        for user, by_lda in (('alice', False), ('bob', True)):
            for at, text in enumerate(SCRIPTS):
                script(server, user, f'require ["fileinto", "copy", "imap4flags"]; {text}')
                if by_lda:
                    assert lda(server, '-d', user, '-m', 'det', program=program,
                               mail=b'From: a@b\nSubject: m%d\n\nx\n' % at).returncode == 0
                else:
                    assert deliver(server, f'm{at}', rcpt=f'{user}+det').startswith('250')
            seen.append(boxes(server, user))
    for found in seen:
        assert found == seen[2]
    assert {name: len(mails) for name, mails in seen[0].items()} == {'INBOX': 5, 'det': 5, 'a': 1}


TWICE = (('keep; fileinto :copy :flags "second" "INBOX";', 'stop;'),
         ('fileinto :flags "first" "a"; addheader "X-A" "1"; fileinto :flags "second" "a";', 'stop;'),
         ('keep; fileinto :flags "first" "a";', 'fileinto :copy :flags "second" "a"; keep;'),
         ('fileinto :copy :flags "first" "INBOX";', 'fileinto :flags "second" "INBOX";'))


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_which_of_two_copies_it_is(make_server, make_dovecot):
    """The flags of one script's are the later ones, of two scripts the earlier one's."""
    seen = []
    for make in (make_server, make_dovecot):
        server = make(EXTRA.format(port=1, plugin='  sieve_extensions = +editheader\n  sieve_after = ~/after.sieve\n'))
        for at, texts in enumerate(TWICE):
            for name, text in zip(('.dovecot.sieve', 'after.sieve'), texts):
                script(server, 'alice', f'require ["fileinto", "copy", "imap4flags", "editheader"]; {text}', name)
            assert deliver(server, f'm{at}').startswith('250')
        client, found = Lines(server.port('imap'), 'alice'), []
        for box in (b'INBOX', b'a'):
            client.command(b'SELECT ' + box)
            lines = b''.join(client.command(b'FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT X-A)])'))
            found.append(re.findall(rb'first|second|X-A: 1|Subject: \w+', lines))
        client.close()
        seen.append(found)
    assert seen[0] == seen[1]
