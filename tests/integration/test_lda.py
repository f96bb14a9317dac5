# SPDX-License-Identifier: MIT
"""dovetail-lda as MTAs run it."""
import os
import re
import subprocess
from pathlib import Path

import pytest

from conftest import PREFIX, ROOT, as_mail_owner, mail_owner
from test_lmtp import files, mails_in

MAIL = b'From: a@example.org\nSubject: one\nMessage-ID: <lda@example.org>\n\nbody\n'
LDA = f'{PREFIX}/libexec/dovetail/dovetail-lda'


def lda(server, *args, mail=MAIL, program=LDA, **kwargs):
    return subprocess.run([program, '-c', server.config, *args], input=mail, capture_output=True, timeout=30,
                          check=False, **kwargs)


@pytest.fixture
def alone(make_server):
    return make_server(protocols='imap lmtp')


def test_mail_is_saved_as_it_is(server):
    before = len(mails_in(server, 'lda'))
    assert lda(server, '-d', 'lda').returncode == 0
    texts = mails_in(server, 'lda')
    assert len(texts) == before + 1
    assert texts[-1] == MAIL.replace(b'\n', b'\r\n')
    assert server.wait_log(r'lda\(lda\)<\d+><\S{22}>: Info: msgid=<lda@example\.org>: saved mail to INBOX')


def test_other_names(server):
    for name in ('dovecot-lda', 'deliver'):
        assert lda(server, '-d', 'lda', program=f'{PREFIX}/libexec/dovetail/{name}').returncode == 0


def test_from_line_is_taken_off(server):
    lda(server, '-d', 'lda', mail=b'From foo@bar Thu Jan  1 00:00:00 2026\n' + MAIL)
    assert mails_in(server, 'lda')[-1] == MAIL.replace(b'\n', b'\r\n')
    lda(server, '-d', 'lda', mail=b'From: foo@bar\n\nFrom me\n')
    assert mails_in(server, 'lda')[-1] == b'From: foo@bar\r\n\r\nFrom me\r\n'


def test_line_ends_and_odd_mails(server):
    for mail in (b'Subject: x\r\n\r\nhi', b'', b'junk', b'\n', b'From', b'Subject: x\n\n' + b'y' * 300000 + b'\n'):
        assert lda(server, '-d', 'lda', mail=mail).returncode == 0
        assert mails_in(server, 'lda')[-1] == mail.replace(b'\r\n', b'\n').replace(b'\n', b'\r\n')


def test_mailbox(make_server):
    server = make_server('lda_mailbox_autocreate = no\n')
    assert lda(server, '-d', 'alice', '-m', 'lists').returncode == 0
    assert len(mails_in(server, 'alice')) == 1  # It is missing.
    assert server.wait_log(
        r"Info: msgid=<lda@example\.org>: save failed to open mailbox lists: Mailbox doesn't exist: lists")
    assert lda(server, '-d', 'alice', '-m', 'lists', '-o', 'lda_mailbox_autocreate=yes').returncode == 0
    assert len(mails_in(server, 'alice', 'lists')) == 1
    assert lda(server, '-d', 'alice', '-m', '../../etc', '-o', 'lda_mailbox_autocreate=yes').returncode == 0
    assert len(mails_in(server, 'alice')) == 2
    assert lda(server, '-d', 'alice', '-m', '').returncode == 0
    assert len(mails_in(server, 'alice')) == 3


def test_file(server):
    path = f'{server.dir}/mail'
    with open(path, 'wb') as file:
        file.write(MAIL)
    os.chmod(path, 0o644)
    assert lda(server, '-d', 'lda', '-p', path, mail=b'').returncode == 0
    assert mails_in(server, 'lda')[-1] == MAIL.replace(b'\n', b'\r\n')
    assert lda(server, '-d', 'lda', '-p', '/nonexistent').returncode == 75


def test_exit_statuses(alone):
    assert lda(alone, '-d', 'nobody-here').returncode == 67
    assert lda(alone, '-x').returncode == 64
    result = lda(alone, '-d', 'alice', 'more')
    assert result.returncode == 64 and b'Unknown argument: more' in result.stderr
    if ROOT:
        result = lda(alone)
        assert result.returncode == 64 and b'destination user parameter (-d user) not given' in result.stderr
        alone.forgive()
    assert lda(alone, '-d', 'alice', '-o', 'mail_location=foo:bar').returncode == 75
    alone.stop()
    assert lda(alone, '-d', 'alice').returncode == 75
    alone.forgive()


def test_without_a_server_for_oneself(make_server):
    """No -d: the user who runs it; nobody is asked, so no server is needed."""
    server = make_server(start=False)
    with open(server.log, 'a', encoding='utf-8'):
        os.chown(server.log, *mail_owner())
    result = lda(server, env={'HOME': server.home('carol'), 'USER': 'carol'}, **as_mail_owner())
    assert result.returncode == 0, result.stderr
    assert [path.read_bytes() for path in files(server, 'carol')] == [MAIL]
    assert re.search(r'lda\(carol\)<\d+><\S{22}>: Info: msgid=<lda@example\.org>: saved mail to INBOX',
                     server.log_text())


def test_same_as_dovecot(server, dovecot):
    """Statuses and what is saved."""
    theirs = '/usr/lib/dovecot/dovecot-lda'
    mails = [MAIL, b'From x@y Thu\n' + MAIL, b'', b'junk', b'Subject: x\r\n\r\nhi', b'>From x\nSubject: y\n\n']
    for mail in mails:
        ours = lda(server, '-d', 'spare', mail=mail)
        other = lda(dovecot, '-d', 'spare', mail=mail, program=theirs)
        assert ours.returncode == other.returncode == 0
        assert mails_in(server, 'spare')[-1] == mails_in(dovecot, 'spare')[-1]
    for args in (['-d', 'nobody-here'], ['-d', 'spare', 'more'], ['-d', 'spare', '-p', '/nonexistent']):
        assert lda(server, *args).returncode == lda(dovecot, *args, program=theirs).returncode
    server.forgive()


def test_what_the_log_tells(make_server):
    """Whose mail was refused, and that it did not go where -m says."""
    server = make_server('mail_plugins = quota sieve\nplugin {\n  quota = count:User quota\n  quota_vsizes = yes\n'
                         '  quota_rule = *:storage=2k\n}\n')
    with open(f'{server.home("alice")}/.dovecot.sieve', 'w', encoding='ascii') as file:
        file.write('keep;')
    assert lda(server, '-d', 'alice', '-m', 'a/b').returncode == 0
    assert server.wait_log(r"lda\(alice\)\S*: Info: sieve: msgid=<lda@example\.org>: failed to store into mailbox 'a/b': "
                           r"Invalid mailbox name(?s:.*)stored mail into mailbox 'INBOX'")
    assert lda(server, '-d', 'alice', '-e', mail=MAIL + b'x' * 3000 + b'\n').returncode == 77
    assert server.wait_log(r'lda\(alice\)\S*: Info: msgid=<lda@example\.org>: rejected: Quota exceeded')


def test_where_the_log_is(make_server):
    """Each level in the file of its own."""
    server = make_server('mail_debug = yes\nlog_timestamp = "at %Y "\nprotocol lda {\n  info_log_path = DIR/info\n  '
                         'debug_log_path = DIR/debug\n}\n', start=False)
    server.extra = server.extra.replace('DIR', server.dir)
    server.write_config()
    server.start()
    assert lda(server, '-d', 'alice').returncode == 0
    lines = {name: Path(server.dir, name).read_text() for name in ('info', 'debug')}
    assert re.fullmatch(r'at \d{4} lda\(alice\)\S*: Info: msgid=<lda@example.org>: saved mail to INBOX\n', lines['info'])
    assert lines['debug'].count(': Debug: ') == lines['debug'].count('\n') > 0
    assert 'lda' not in Path(server.log).read_text()


def test_senders_and_recipients_as_dovecot_logs_them(make_server, make_dovecot):
    """-f with <> or without, and no address; the recipient before aliases."""
    extra = 'deliver_log_format = %{from_envelope} %{to_envelope} %$\n'
    seen = []
    for make, program in ((make_server, None), (make_dovecot, '/usr/lib/dovecot/dovecot-lda')):
        server = make(extra)
        for args in (['f@x'], ['<f@x>'], [''], ['no addr'], ['<>'], ['local'], ['a@b@c'], ['"q r"@x'],
                     ['f@x', '-r', 'r@x'], ['f@x', '-a', 'o@x', '-r', 'r@x']):
            more = {} if program is None else {'program': program}
            assert lda(server, '-d', 'spare', '-f', *args, **more).returncode == 0
        assert server.wait_log('(?s)(?:saved mail.*){10}')
        seen.append(re.findall(r'lda\(spare\)\S+ Info: (.*)', server.log_text()))
    assert seen[0] == seen[1]


def test_addresses_of_fields(make_server, make_dovecot):
    """Sender and recipient by Return-Path and lda_original_recipient_header, with their quotes: who answers needs them."""
    extra = ('deliver_log_format = %{from_envelope}|%{to_envelope}|%$\nprotocol lda {\n'
             '  lda_original_recipient_header = X-Original-To\n}\n')
    addresses = ['a@x.y', '"q r"@x.y', r'"a\"b"@x.y', "a'b@x.y"]
    seen = []
    for make, program in ((make_server, None), (make_dovecot, '/usr/lib/dovecot/dovecot-lda')):
        server = make(extra)
        more = {} if program is None else {'program': program}
        for address in addresses:
            mail = f'Return-Path: <{address}>\nX-Original-To: {address}\nSubject: x\n\nx\n'.encode()
            assert lda(server, '-d', 'spare', mail=mail, **more).returncode == 0
        assert server.wait_log('(?s)(?:saved mail.*){4}')
        seen.append(re.findall(r'lda\(spare\)\S+ Info: (.*?)\|(.*?)\|', server.log_text()))
    assert [to for _, to in seen[0]] == [to for _, to in seen[1]] == addresses
    # Dovecot's log names no sender that only the field tells of.
    assert [sender for sender, _ in seen[0]] == addresses
