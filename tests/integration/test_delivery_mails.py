# SPDX-License-Identifier: MIT
"""Odd mails and scripts in real deliveries: what is kept, sent and answered."""
import os
import re
import shutil
import subprocess
from email.header import decode_header, make_header
from pathlib import Path

import pytest

from conftest import PREFIX, mail_owner
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


@needs_pigeonhole
def test_answers_go_to_a_name(make_server, make_dovecot, sink):
    """The one that the sender has in the mail; in encoded words if it must."""
    froms = [b'From: Joe B <joe@example.org>', b'From: =?utf-8?q?J=C3=B6_B?= <joe@example.org>', b'From: "A, \\"B\\"" <JOE@example.org>',
             b'From: F X <joe@example.org>\nSender: S X <joe@example.org>', b'From: x@y.z, Joe B <joe@example.org>',
             b'From: Other One <o@example.org>', b'From: F X <joe@example.org>\nReply-To: R X <joe@example.org>', b'X-A: none']
    seen = []
    for make in (make_server, make_dovecot):
        server = make(EXTRA.format(port=sink.port, plugin=''))
        for number, line in enumerate(froms):
            script(server, 'alice', f'require "vacation"; vacation :handle "{number}" :addresses "alice@mail.example" "away";')
            mails = len(sink.mails)
            assert deliver(server, b'To: alice@mail.example\n' + line + b'\n\nx\n').startswith('250')
            to = re.search(r'\r\nTo: (.*?)\r\n(?! )', sink.mails[mails].decode(), re.S)[1]
            seen.append(str(make_header(decode_header(to.replace('\r\n', '')))).lower())
    assert seen[:len(froms)] == seen[len(froms):] and seen[0] == '"joe b" <joe@example.org>'


@needs_pigeonhole
def test_programs_are_not_told_of_rejections(make_server, make_dovecot, sink):
    """RFC 3834 section 2: or two of them would tell each other for ever."""
    seen = []
    for make in (make_server, make_dovecot):
        server = make(EXTRA.format(port=sink.port, plugin=''))
        script(server, 'alice', 'require "reject"; reject "go away";')
        for value in (b'auto-replied', b'No', b'auto-generated; x=y'):
            start, mails = len(server.log_text()), len(sink.mails)
            reply = deliver(server, MAIL % (b'Auto-Submitted: %s\n' % value))
            assert server.wait_log('reject action: rejected', start=start)
            if value != b'No':
                assert server.wait_log('discarded: go away', start=start)
            seen.append((reply, len(sink.mails) - mails, re.findall(r': Info: (msgid.*)', server.log_text()[start:])))
    assert seen[:3] == seen[3:]
    assert [sent for _, sent, _ in seen[:3]] == [0, 1, 0]


def test_what_a_program_said_comes_back_if_there_is_no_room(make_server, sink):
    """Nobody tells it, so the MTA does (and nothing goes on and on: its report is from <>)."""
    plugin = '  quota = count\n  quota_vsizes = yes\n  quota_rule = *:bytes=1\n'
    server = make_server(EXTRA.format(port=sink.port, plugin=plugin) + 'mail_plugins = quota\nprotocol lda {\n  mail_plugins = quota sieve\n}\n')
    run = lda(server, MAIL % b'Auto-Submitted: auto-replied\n')
    assert run.returncode == 77 and b'Quota exceeded' in run.stderr and not sink.mails
    assert lda(server, MAIL % b'').returncode == 0 and len(sink.mails) == 1


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


def test_no_answer_is_better_than_one_to_each_mail(make_server, sink):
    """Where nobody can remember who got one; but one that could not be sent is sent with the next mail."""
    server = make_server(EXTRA.format(port=sink.port, plugin=''))
    script(server, 'alice', 'require "vacation"; vacation :addresses "alice@mail.example" "away";')
    server.maildir('alice')
    dupes = Path(server.home('alice'), '.dovetail.lda-dupes')
    sink.answers['RCPT'] = '450 later'
    assert deliver(server, MAIL % b'').startswith('250')
    assert server.wait_log('vacation action: failed to send') and not sink.mails
    del sink.answers['RCPT']
    kept = dupes.read_bytes()
    dupes.unlink()
    os.chmod(server.home('alice'), 0o555)
    assert deliver(server, MAIL % b'').startswith('250') and server.wait_log(r'sieve: open\(\S+lda-dupes\): Permission denied')
    assert not sink.mails and len(stored(server)) == 2
    os.chmod(server.home('alice'), 0o755)
    dupes.write_bytes(kept)
    os.chown(dupes, *mail_owner())
    assert deliver(server, MAIL % b'').startswith('250') and deliver(server, MAIL % b'').startswith('250')
    assert len(sink.mails) == 1


def test_the_log_tells_of_scripts_that_can_not_be_read(make_server, sink):
    """To whom else than the user whose they are."""
    server = make_server(EXTRA.format(port=sink.port, plugin=''))
    script(server, 'alice', 'discard;').chmod(0)
    assert deliver(server, MAIL % b'').startswith('250') and len(stored(server)) == 1
    assert server.wait_log(r'Error: sieve: open\(\S+/\.dovecot\.sieve\): Permission denied')
