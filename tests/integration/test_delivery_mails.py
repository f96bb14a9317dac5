# SPDX-License-Identifier: MIT
"""Odd mails and scripts in real deliveries: what is kept, sent and answered."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import PREFIX
from lmtp_lines import Lmtp
from smtp_sink import Sink
from test_delivery_sieve import EXTRA, PIGEONHOLE, boxes, script
from test_sieve_programs import HEAD, place

MAIL = b'From: Joe <joe@example.org>\nTo: alice@mail.example\nSubject: one\nMessage-ID: <one@example.org>\n%s\nbody\n'
needs_pigeonhole = pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")


@pytest.fixture
def sink():
    one = Sink(lmtp=False)
    yield one
    one.close()


def deliver(server, mail, sender='joe@example.org'):
    client = Lmtp(server.port('lmtp'))
    reply = client.deliver(mail, 'alice', sender=sender)[0]
    client.close()
    return re.sub(r' \S{22} ', ' ', reply)


def lda(server, mail, *args):
    program = f'{PREFIX}/libexec/dovetail/dovetail-lda' if server.label == 'dovetail' else '/usr/lib/dovecot/dovecot-lda'
    return subprocess.run([program, '-c', server.config, '-d', 'alice', '-f', 'joe@example.org', *args],
                          input=mail, capture_output=True, check=False, timeout=60)


def stored(server, folder=''):
    return [path.read_bytes() for path in Path(server.home('alice'), 'Maildir', folder, 'new').glob('*')]


def test_redirected_mails_lose_nothing(make_server, sink):
    """What is no field stays, if it comes first, too; but a blank line goes on with no field that loops are known by."""
    server = make_server(EXTRA.format(port=sink.port, plugin=''))
    script(server, 'alice', 'redirect "r@y.example";')
    second = MAIL.replace(b'one@', b'two@')
    for mail, rest in ((b'no field\n' + MAIL % b'', b'\r\nno field\r\nFrom: Joe <joe@'),
                       (b' blank first\n' + second % b'', b'\r\n blank first\r\nFrom: Joe <joe@'),
                       (b'not one\nfield here\n', b'\r\nnot one\r\nfield here\r\n\r\n'), (b'\nbody\n', b'\r\n\r\nbody\r\n')):
        assert lda(server, mail).returncode == 0
        sent = sink.mails.pop()
        assert rest in sent
        assert b'X-Sieve-Redirected-From: alice@mail.example\r\n' in sent
        assert b'X-Sieve-Redirected-From: alice@mail.example\r\n blank' not in sent


def test_a_filter_has_the_last_word(make_server):
    """What it gives is the mail, without an empty line that it did not write."""
    server = make_server(start=False)
    base = place(server)
    for name, output in (('headonly', 'Subject: x\\n'), ('text', 'no header'), ('two', 'Subject: x\\n\\nbody')):
        path = base / 'bin' / name
        path.write_text(f'#!/bin/sh\ncat >/dev/null\nprintf "{output}"\n')
        path.chmod(0o755)
        script(server, 'alice', HEAD + f'filter "{name}"; fileinto :create "{name}";')
        assert deliver(server, MAIL % b'').startswith('250')
        assert stored(server, f'.{name}') == [output.replace('\\n', '\n').encode()]


@needs_pigeonhole
def test_what_is_not_done_is_told(make_server, make_dovecot, sink):
    """Of a script with a mailbox that can't be; in the order of the script, and not of the keep that is done anyway."""
    texts = ['fileinto "x/../y"; fileinto :create "b"; keep;', 'keep; fileinto :create "a"; fileinto "x/../y"; fileinto :create "b";',
             'redirect :copy "r@y.example"; fileinto "x/../y"; keep;']
    seen = []
    for make in (make_server, make_dovecot):
        server = make(EXTRA.format(port=sink.port, plugin=''))
        for text in texts:
            script(server, 'alice', 'require ["fileinto", "mailbox", "copy"]; ' + text)
            start = len(server.log_text())
            assert deliver(server, MAIL % b'').startswith('250')
            assert server.wait_log('implicit keep was successful', start=start)
            seen.append(re.findall(r'sieve: (msgid.*)', server.log_text()[start:]))
        assert list(boxes(server, 'alice')) == ['INBOX']
    assert seen[:3] == seen[3:] and not sink.mails


@needs_pigeonhole
def test_rejected_mails_are_not_piped(make_server, make_dovecot):
    """RFC 5429 section 2.2: what a program has got is delivered. (The other way round, Pigeonhole crashes.)"""
    for server in (make_server(start=False), make_dovecot(start=False)):
        base = place(server)
        texts = ['reject "no"; pipe "save";', 'reject "no"; pipe :copy "save";', 'pipe "save"; reject "no";']
        for text in texts[:2] if server.label == 'dovecot' else texts:
            script(server, 'alice', HEAD.replace('require [', 'require ["reject", ') + text)
            assert deliver(server, MAIL % b'') == '250 2.0.0 <alice> Saved'
            assert len(stored(server)) == 1
            shutil.rmtree(Path(server.home('alice'), 'Maildir'))
        assert not list((base / 'out').iterdir())


@needs_pigeonhole
def test_an_empty_name_is_inbox(make_server, make_dovecot, sink):
    """As variables may have it; the rest of the script is done."""
    for make in (make_server, make_dovecot):
        server = make(EXTRA.format(port=sink.port, plugin=''))
        script(server, 'alice', 'require ["variables", "fileinto", "copy", "mailbox"]; redirect :copy "r@y.example"; fileinto :create "${none}";')
        assert deliver(server, MAIL % b'').startswith('250')
        assert len(stored(server)) == 1 and len(sink.mails) == 1
        sink.mails.clear()
