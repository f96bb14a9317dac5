# SPDX-License-Identifier: MIT
"""Deliveries that fail for now and come again, or are there twice at once: what was done is not done twice, and what
can't be remembered is no reason to fail."""
import os
import re
import threading
import time
from pathlib import Path

import pytest

from conftest import mail_owner
from smtp_sink import Sink
from test_delivery_sieve import EXTRA, boxes, deliver, script
from test_lda import lda

REQUIRE = 'require ["fileinto", "copy", "enotify", "vnd.dovecot.report", "reject"];\n'
PLUGIN = '  sieve_extensions = +vnd.dovecot.report\n'
NOTIFY, REDIRECT = 'notify "mailto:n@y.example";', 'redirect "r@y.example";'


@pytest.fixture
def sink():
    one = Sink(lmtp=False)
    yield one
    one.close()


@pytest.fixture
def server(make_server, sink):
    return make_server(EXTRA.format(port=sink.port, plugin=PLUGIN))


def counts(server):
    return {name: len(mails) for name, mails in boxes(server, 'alice').items()}


def told(sink):
    return sorted(line for line in sink.log if line.startswith('RCPT'))


def shut(server, mailbox):
    """Nothing appears in it until what is returned is called."""
    path = server.maildir('alice') / mailbox
    for sub in (path, *(path / name for name in ('cur', 'new', 'tmp'))):
        if not sub.exists():
            sub.mkdir()
            os.chown(sub, *mail_owner())
    (path / 'new').chmod(0o555)
    return lambda: (path / 'new').chmod(0o700)


@pytest.mark.parametrize('text, mailbox, found, recipients', [
    ('fileinto :copy "a";', '.', {'INBOX': 1, 'a': 1}, []),
    ('fileinto "a"; fileinto "b"; keep;', '.b', {'INBOX': 1, 'a': 1, 'b': 1}, []),
    (NOTIFY + 'fileinto "a";', '.a', {'a': 1}, ['n']),
    (NOTIFY + 'notify "mailto:o@y.example";', '.', {'INBOX': 1}, ['n', 'o']),
    ('report "abuse" "x" "p@y.example"; keep;', '.', {'INBOX': 1}, ['p']),
    (REDIRECT + 'keep;', '.', {'INBOX': 1}, ['r']),
    (REDIRECT + 'fileinto :copy "a";', '.a', {'a': 1}, ['r'])])
def test_what_was_done_before_a_mailbox_failed(server, sink, text, mailbox, found, recipients):
    script(server, 'alice', REQUIRE + text)
    open_again = shut(server, mailbox)
    for _ in range(2):
        assert deliver(server, 'one').startswith('451')
    open_again()
    assert deliver(server, 'one').startswith('250')
    assert counts(server) == found
    assert told(sink) == [f'RCPT TO:<{name}@y.example>' for name in recipients]


@pytest.mark.parametrize('text, recipient', [
    (NOTIFY + REDIRECT, 'n@y.example'), ('report "abuse" "x" "p@y.example";' + REDIRECT, 'p@y.example')])
def test_what_was_done_before_a_server_failed(server, sink, text, recipient):
    script(server, 'alice', REQUIRE + text)
    sink.answers = {'RCPT TO:<r@': '451 4.1.1 later'}
    for _ in range(2):
        assert deliver(server, 'one').startswith('451')
    sink.answers = {}
    assert deliver(server, 'one').startswith('250')
    assert told(sink).count(f'RCPT TO:<{recipient}>') == 1
    assert len(sink.mails) == 2 and counts(server) == {}
    assert deliver(server, 'two').startswith('250')
    assert told(sink).count(f'RCPT TO:<{recipient}>') == 2


def test_what_mtas_write_with_each_try(server):
    """Postfix, Exim and LMTP proxies: when they deliver it."""
    script(server, 'alice', REQUIRE + 'fileinto "a"; fileinto "b";')
    open_again = shut(server, '.b')
    codes = []
    for at in range(3):
        if at == 2:
            open_again()
        time = f'30 Nov 2026 11:5{at}:00 +0000'
        text = (f'From joe@example.org  {time}\nReturn-path: <joe@example.org>\nEnvelope-to: alice\nDelivery-date: Mon, {time}\n'
                f'Received: from x by y\n\tid {at};\n\tMon, {time}\nSubject: one\n\nx\n')
        codes.append(lda(server, '-d', 'alice', mail=text.encode()).returncode)
    assert codes == [75, 75, 0] and counts(server) == {'a': 1, 'b': 1}


def test_a_list_is_told_once(make_server, sink):
    server = make_server(EXTRA.format(port=sink.port, plugin='  sieve_extensions = +extlists\n  sieve_list1_name = urn:x:all\n'
                                                             '  sieve_list1_path = ~/all\n'))
    script(server, 'alice', 'a@y.example\nb@y.example\n', 'all')
    script(server, 'alice', 'require ["extlists", "fileinto", "copy"]; redirect :list "urn:x:all"; fileinto :copy "a";')
    for refused in ({'RCPT TO:<b@': '451 4.1.1 later'}, {}):
        sink.answers = refused
        open_again = shut(server, '.a')
        assert deliver(server, 'one').startswith('451')
        open_again()
    assert deliver(server, 'one').startswith('250')
    assert counts(server) == {'a': 1} and len(sink.mails) == 2


def test_a_rejection_that_an_earlier_script_s_mailbox_delays(make_server, sink, tmp_path):
    server = make_server(EXTRA.format(port=sink.port, plugin='  sieve_before = {dir}/before.sieve\n'), start=False)
    server.extra = server.extra.replace('{dir}', server.dir)
    server.write_config()
    server.start()
    Path(server.dir, 'before.sieve').write_text('require ["fileinto", "copy"]; fileinto :copy "a";')
    script(server, 'alice', 'require "reject"; reject "no";')
    open_again = shut(server, '.a')
    for _ in range(2):
        assert deliver(server, 'one').startswith('451')
    open_again()
    assert deliver(server, 'one').startswith('250')
    assert counts(server) == {'a': 1} and told(sink) == ['RCPT TO:<joe@example.org>']


@pytest.mark.parametrize('spoil', [
    lambda path: path.mkdir(), lambda path: path.write_bytes(b'DTDUPES1' + bytes(3000000))])
def test_what_can_not_be_remembered_delays_nothing(server, sink, spoil):
    """It is told in the log; rather twice than never."""
    spoil(Path(server.home('alice'), '.dovetail.lda-dupes'))
    script(server, 'alice', REQUIRE + 'fileinto "a"; fileinto "b"; redirect "r@y.example";')
    assert deliver(server, 'one').startswith('250')
    assert counts(server) == {'a': 1, 'b': 1} and len(sink.mails) == 1
    assert re.search(r'lmtp\(alice\)\S+ Error: sieve: \S+/\.dovetail\.lda-dupes is ', server.log_text())


def test_mails_of_one_sender_do_not_wait_for_each_other(make_server, sink):
    """Who has his vacation message: while a mail is sent on to a slow server, the next one is, too."""
    server = make_server(EXTRA.format(port=sink.port, plugin='') + 'submission_timeout = 6 secs\n')
    script(server, 'alice', 'require "vacation"; vacation :addresses "alice@mail.example" "away"; redirect "r@y.example";')
    assert deliver(server, 'first').startswith('250')
    sink.answers = {'RCPT TO:<r@': None}  # which is silent
    threads = [threading.Thread(target=deliver, args=(server, f'm{at}')) for at in range(3)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 5
    while (waiting := told(sink).count('RCPT TO:<r@y.example>') - 1) < 3 and time.monotonic() < end:
        time.sleep(0.1)
    for thread in threads:
        thread.join()
    server.forgive()
    assert waiting == 3


@pytest.mark.parametrize('text, kept, sent', [
    ('if duplicate { discard; }', 8, 0), ('redirect "r@y.example";', 24, 8),
    ('vacation :addresses "alice@mail.example" "away";', 32, 1)])
def test_mails_that_come_twice_at_once(server, sink, text, kept, sent):
    """By two mailing lists, say: one of them is the first, whoever stores or sends it meanwhile. (Of a mail that was
    redirected already, another one is kept.)"""
    script(server, 'alice', f'require ["duplicate", "vacation"]; {text}')
    for at in range(8):
        threads = [threading.Thread(target=deliver, args=(server, f'm{at}')) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert counts(server) == {'INBOX': kept} and len(sink.mails) == sent
