# SPDX-License-Identifier: MIT
"""Mails that scripts send, as octets: what they have must be fit for every server on their way."""
import email.header

import pytest

from lmtp_lines import Lmtp
from smtp_sink import Sink
from test_delivery_sieve import EXTRA, script

IDS = ' '.join(f'<{n}.{"r" * 40}@example.org>' for n in range(40))
MAIL = ('From: joe@example.org\nTo: alice@mail.example\nMessage-ID: <last@example.org>\n'
        + 'Subject: ' + '\n '.join(['word ' * 12] * 30) + '\nReferences: ' + IDS.replace('> ', '>\n ')
        + '\n\nbody\n').encode()

SCRIPTS = {
    'vacation': 'require "vacation"; vacation :addresses "alice@mail.example" :from "Älice \\"x\\" <alice@mail.example>" "away";',
    'vacation with a subject': 'require "vacation"; vacation :addresses "alice@mail.example" :handle "a" :subject "'
                               + 'long ' * 50 + '" "away";',
    'notify': 'require "enotify"; notify :from "Älice <alice@mail.example>" :message "' + 'long ' * 400
              + '" "mailto:n@y.example?X-A=' + 'long%20' * 300 + '";',
    'notify with the subject': 'require "enotify"; notify "mailto:n@y.example";',
    'reject': 'require "reject"; reject "no";',
    'report': 'require "vnd.dovecot.report"; report "abuse" "x" "r@y.example";',
}


@pytest.fixture
def sink():
    one = Sink(lmtp=False)
    yield one
    one.close()


def test_fields_have_no_long_lines_and_are_ascii(make_server, sink):
    """Subjects and references of mails that came in many lines were one line of thousands of octets in the answer, which
    servers refuse; a name in :from was sent as it was."""
    server = make_server(EXTRA.format(port=sink.port, plugin='  sieve_extensions = +vnd.dovecot.report\n'))
    for name, text in SCRIPTS.items():
        script(server, 'alice', text)
        client = Lmtp(server.port('lmtp'))
        assert client.deliver(MAIL, 'alice', sender='joe@example.org')[0].startswith('250')
        client.close()
        head = sink.mails.pop().partition(b'\r\n\r\n')[0]
        assert head.isascii(), name
        assert max(map(len, head.split(b'\r\n'))) <= 78, (name, head)
        if b'lice' in head and ':from' in text:
            line = next(line for line in head.decode().replace('\r\n ', ' ').split('\r\n') if line.startswith('From: '))
            assert str(email.header.make_header(email.header.decode_header(line))).startswith('From: Älice')
            assert line.endswith(' <alice@mail.example>')
