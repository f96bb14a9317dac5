# SPDX-License-Identifier: MIT
"""Delivery over LMTP (RFC 2033) on the whole server."""
import email
import os
import random
import re
import signal
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from conftest import PREFIX, ROOT, mail_owner
from imap_lines import Lines
from lmtp_lines import Lmtp

MAIL = b'From: a@example.org\nSubject: one\nMessage-ID: <one@example.org>\n\nbody\n'


def mails_in(server, user, mailbox='INBOX'):
    """What a client reads there, in order."""
    client = Lines(server.port('imap'), user)
    select = b''.join(client.command(b'SELECT ' + mailbox.encode()))
    count = int(re.search(rb'\* (\d+) EXISTS', select)[1])
    texts = []
    if count:
        for line in client.command(b'FETCH 1:* BODY.PEEK[]')[:-1]:
            texts.append(re.search(rb'BODY\[\] \{\d+\}\r\n(.*)\)$', line, re.S)[1])
    client.close()
    return texts


def without_trace(text):
    """A delivered mail without the fields that delivery puts on top."""
    return re.sub(rb'^(?:(?:Return-Path|Delivered-To|Received):.*\r\n(?:[ \t].*\r\n)*)*', b'', text, count=1)


def files(server, user):
    maildir = Path(server.home(user), 'Maildir')
    return [path for sub in ('new', 'cur') for path in (maildir / sub).glob('*')]


@pytest.fixture
def lmtp(server):
    client = Lmtp(server.port('lmtp'))
    yield client
    client.close()


def test_greeting_and_extensions(server):
    client = Lmtp(server.port('lmtp'), name=None)
    assert client.greeting == '220 mail.example Dovecot ready.'
    assert client.command('LHLO there') == '\n'.join([
        '250-mail.example', '250-8BITMIME', '250-BINARYMIME', '250-CHUNKING',
        '250-ENHANCEDSTATUSCODES', '250-PIPELINING', '250-SIZE 0', '250 STARTTLS'])
    client.close()


def test_fields_on_top(lmtp, server):
    lmtp.deliver(MAIL, 'twin')
    text = mails_in(server, 'twin')[-1].decode()
    assert re.match(
        r'Return-Path: <sender@example\.org>\r\n'
        r'Delivered-To: twin\r\n'
        r'Received: from client\.example \(\[127\.0\.0\.1\]\)\r\n'
        r'\tby mail\.example with LMTP\r\n'
        r'\tid \S{22}\r\n'
        r'\t\(envelope-from <sender@example\.org>\)\r\n'
        r'\tfor <twin>; \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\r\n'
        r'From: a@example\.org\r\n', text)


def test_recipients_are_not_told_of_each_other(lmtp, server):
    replies = lmtp.deliver(MAIL, 'lmtp1', 'lmtp2', 'lmtp1+detail')
    assert [re.sub(r'(<.*?>) \S{22}', r'\1 ID', reply) for reply in replies] == [
        '250 2.0.0 <lmtp1> ID Saved', '250 2.0.0 <lmtp2> ID:R2 Saved', '250 2.0.0 <lmtp1+detail> ID:R3 Saved']
    text = mails_in(server, 'lmtp2')[-1]
    assert b'lmtp1' not in text and b'Delivered-To' not in text
    replies = lmtp.deliver(MAIL, 'lmtp1')
    assert re.search(r' \S{22}:T2 Saved$', replies[0])


def test_one_mail_for_a_recipient_named_twice(lmtp, server):
    before = len(mails_in(server, 'lmtp2'))
    replies = lmtp.deliver(MAIL, 'lmtp2', 'lmtp1', 'lmtp2')
    assert replies[0] == replies[2] and replies[0].startswith('250 2.0.0 <lmtp2>')
    assert len(mails_in(server, 'lmtp2')) == before + 1


def test_log_lines(server):
    start = len(server.log_text())
    client = Lmtp(server.port('lmtp'))
    client.deliver(MAIL, 'lmtp1')
    client.deliver(b'Subject: x\n\n', 'lmtp1')
    client.command('QUIT')
    assert server.wait_log(r'lmtp\(\d+\): Info: Disconnect from 127\.0\.0\.1: Logged out \(state=READY\)', start=start)
    log = server.log_text()[start:]
    assert re.search(r'lmtp\(\d+\): Info: Connect from 127\.0\.0\.1\n', log)
    assert re.search(r'lmtp\(lmtp1\)<\d+><\S{22}>: Info: msgid=<one@example\.org>: saved mail to INBOX\n', log)
    assert re.search(r'lmtp\(lmtp1\)<\d+><\S{22}:T2>: Info: msgid=unspecified: saved mail to INBOX\n', log)


def test_unknown_user(lmtp):
    lmtp.command('MAIL FROM:<a@b>')
    assert lmtp.command('RCPT TO:<nobody@example.org>') == \
        "550 5.1.1 <nobody@example.org> User doesn't exist: nobody@example.org"
    assert lmtp.command('DATA') == '503 5.5.0 No valid recipients'


def compare(server, dovecot, scripts):
    """Line by line the same, but for SIZE and BINARYMIME, which only we announce and take."""
    for script in scripts:
        ours, theirs = Lmtp(server.port('lmtp'), None), Lmtp(dovecot.port('lmtp'), None)
        for line in script:
            our, their = ours.command(line), theirs.command(line)
            if line.startswith('LHLO') and our.startswith('250'):
                our = our.replace('\n250-SIZE 0', '').replace('\n250-BINARYMIME', '')
            assert our == their, line
            if not our or our.startswith('421'):
                break
        ours.close()
        theirs.close()


def test_commands_as_dovecot_answers_them(server, dovecot):
    scripts = [
        ['HELO x', 'EHLO x', 'LHLO', 'LHLO a b', 'NOOP', 'NOOP x', 'VRFY', 'VRFY x', 'EXPN x', 'RSET', 'RSET x',
         'FOO', '', 'DATA', 'RCPT TO:<alice>', 'AUTH PLAIN', 'QUIT x', 'QUIT'],
        ['LHLO a', 'MAIL', 'MAIL FROM', 'MAIL FROM:', 'MAIL FROM:a@b', 'MAIL FROM: <a@b>', 'MAIL FROM:<a@b',
         'MAIL FROM:<a@b>x', 'MAIL FROM:<a@b> FOO=BAR', 'MAIL FROM:<a@b> BODY=FOO'],
        ['LHLO a', 'MAIL FROM:<a@b> BODY=8BITMIME', 'RCPT TO:alice', 'RCPT TO:<>', 'RCPT TO:<alice> FOO=BAR',
         'RCPT TO:<alice> ORCPT=rfc822;x', 'RCPT TO:<nobody>', 'RCPT TO:<"no body"@x>', 'RSET', 'DATA',
         'MAIL FROM:<>', 'RCPT TO:<nobody>', 'DATA', 'RSET', 'QUIT'],
        ['LHLO a', 'MAIL FROM:<a@b>', 'BDAT 0', 'RCPT TO:<alice>', 'DATA', 'BDAT 0 LAST', 'RSET', 'DATA'],
        ['LHLO a'] + ['wrong'] * 12,
    ]
    compare(server, dovecot, scripts)


def test_parameters_as_dovecot_answers_them(server, dovecot):
    compare(server, dovecot, [
        ['LHLO a', 'MAIL FROM:<a@b> =x', 'MAIL FROM:<a@b> BODY', 'MAIL FROM:<a@b> BODY=7bit body=8BITMIME',
         'MAIL FROM:<a@b> RET=FULL', 'MAIL FROM:<a@b> AUTH=<>',
         'MAIL FROM:<a@b> SMTPUTF8', 'XCLIENT ADDR=10.1.2.3', 'MAIL FROM:<a@b> BODY=7bit',
         'RCPT TO:<alice> NOTIFY=NEVER', 'RCPT TO:<alice> ORCPT=foo', 'RCPT TO:<alice> ORCPT=rfc822;',
         'RCPT TO:<alice> ORCPT=;x', 'RCPT TO:<alice> ORCPT=rfc822;x+2', 'RCPT TO:<alice> XRCPTFORWARD=YQ==',
         'RCPT TO:<alice> XRCPTFORWARD=YQ', 'RCPT TO:<alice> ORCPT=rf+c;x', 'RCPT TO:<alice> ORCPT=utf-8;x@y',
         'RCPT TO:<alice> ORCPT=rfc822;al+2Bice', 'XCLIENT ADDR=10.1.2.3'],
        ['LHLO a', 'MAIL FROM:<a@b>', 'RCPT TO:<alice> ORCPT', 'RCPT TO:<alice> ORCPT=rfc822;a ORCPT=rfc822;b',
         'RCPT TO:<alice> ORCPT=x400;a+0D+0Ab', 'RCPT TO:<alice> ORCPT=utf-8;\u00e9@b']])


def test_senders_that_are_no_addresses(make_server, make_dovecot):
    """Their mail arrives, as from nobody."""
    seen = []
    for make in (make_server, make_dovecot):
        server = make()
        client = Lmtp(server.port('lmtp'))
        replies = []
        for sender in ('a@b@c', '@', 'a@', '@a', 'a"b@c', 'a\\@b@c', '<a@b', 'a@b,c@d', 'a@[b', 'a(b)@c', '\u00e9@x.y', 'a@b>c', 'a b@c> x',
                       'a@..', 'a@b..c', 'a@b.', 'a@[]'):
            replies.append(client.command(f'MAIL FROM:<{sender}>')[:3])
            if replies[-1] == '250':
                client.command('RCPT TO:<alice>')
                assert client.data(MAIL)[0].startswith('250')
        client.close()
        seen.append((replies, [re.findall(rb'Return-Path: (.*)\r', mail) for mail in mails_in(server, 'alice')]))
    assert seen[0] == seen[1]
    assert seen[0][1] == [[b'<>']] * 15


def test_xclient_as_dovecot_answers_it(make_server, make_dovecot):
    extra = 'login_trusted_networks = 127.0.0.1\nlogin_greeting = Hello.\nlmtp_hdr_delivery_address = original\n'
    ours, theirs = make_server(extra), make_dovecot(extra)
    compare(ours, theirs, [
        ['XCLIENT', 'XCLIENT FOO=bar', 'XCLIENT FOO', 'XCLIENT PORT=x', 'XCLIENT PORT=99999', 'XCLIENT =x',
         'XCLIENT ADDR=foo', 'XCLIENT ADDR=[UNAVAILABLE]', 'XCLIENT PROTO=FOO', 'XCLIENT TTL=x', 'XCLIENT TIMEOUT=x',
         'XCLIENT HELO=+zz', 'XCLIENT HELO=a(b LOGIN=+00', 'XCLIENT ADDR=IPV6:::1 SESSION=+01+0A', 'NOOP', 'LHLO a',
         'XCLIENT TIMEOUT=0 TTL=0', 'MAIL FROM:<a@b>', 'XCLIENT ADDR=::1', 'RCPT TO:<alice> XRCPTFORWARD=+zz',
         'RCPT TO:<alice> XRCPTFORWARD=a+3Db+00',
         'RCPT TO:<alice> XRCPTFORWARD=YQ', 'RCPT TO:<alice> XRCPTFORWARD=YQ+3D+3D', 'RCPT TO:<alice> XRCPTFORWARD=$$$',
         'RCPT TO:<alice> XRCPTFORWARD=YQ==']])
    texts = []
    for server in (ours, theirs):
        client = Lmtp(server.port('lmtp'))
        assert client.command('XCLIENT ADDR=10.1.2.3 PORT=99 PROTO=LMTP HELO=there LOGIN=joe SESSION=abc+2Bdef TTL=3 '
                              'TIMEOUT=20') == '220 mail.example Hello.'
        client.command('LHLO client')
        client.command('MAIL FROM:<a@b>')
        client.command('RCPT TO:<alice+x> ORCPT=rfc822;orig@x')
        assert client.data(MAIL) == ['250 2.0.0 <alice+x> abc+def Saved']
        assert client.deliver(MAIL, 'alice') == ['250 2.0.0 <alice> abc+def:T2 Saved']
        client.close()
        assert server.wait_log(r'Disconnect from 10\.1\.2\.3: Connection closed')
        texts.append([re.sub(rb';[^\r]*', b'', text) for text in mails_in(server, 'alice')])
    assert texts[0] == texts[1]
    assert b'Delivered-To: orig@x\r\nReceived: from client ([10.1.2.3])\r\n' in texts[0][0]


def test_auth_is_asked_once_in_a_second(make_server):
    server = make_server('auth_debug = yes\nlogin_trusted_networks = 127.0.0.1\n')
    client, began = Lmtp(server.port('lmtp')), time.monotonic()
    for _ in range(20):
        client.deliver(MAIL, 'carol')
    took = time.monotonic() - began
    client.command('XCLIENT ADDR=10.1.2.3')
    client.command('LHLO there')
    client.deliver(MAIL, 'carol')
    asked = r'master in: USER.\d+.carol.*rip='
    assert server.wait_log(asked + r'10\.1\.2\.3')
    assert len(re.findall(asked + r'127\.0\.0\.1', server.log_text())) <= 1 + took
    users = Path(server.dir, 'users')
    users.write_text(re.sub(r'carol:.*\n', '', users.read_text()))
    time.sleep(1.1)
    client.command('MAIL FROM:<>')
    assert client.command('RCPT TO:<carol>') == "550 5.1.1 <carol> User doesn't exist: carol"
    client.close()


def test_pipelined_session(server):
    client = Lmtp(server.port('lmtp'), None)
    client.send(b'LHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<alice>\r\nRCPT TO:<nobody>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\n'
                b'MAIL FROM:<>\r\nRSET\r\nQUIT\r\n')
    codes = [client.reply().split()[0] for _ in range(9)]
    assert codes == ['250-mail.example', '250', '250', '550', '354', '250', '250', '250', '221']
    assert mails_in(server, 'alice')[-1].endswith(b'\r\n\r\n.dot\r\n')


def test_chunks(server):
    client = Lmtp(server.port('lmtp'))
    client.command('MAIL FROM:<a@b>')
    client.command('RCPT TO:<bob>')
    client.send(b'BDAT 18\r\nSubject: x\r\n\r\nabc\r')
    assert client.reply() == '250 2.0.0 Added 18 octets'
    client.send(b'BDAT 9 LAST\r\n\n.\r\nxyz\r\n')
    assert client.reply().endswith(' Saved')
    assert mails_in(server, 'bob')[-1].endswith(b'\r\n\r\nabc\r\n.\r\nxyz\r\n')
    client.send(b'BDAT 3\r\nabcNOOP\r\n')
    assert client.reply() == '503 5.5.0 MAIL needed first'
    assert client.reply() == '250 2.0.0 OK'
    assert client.command('BDAT 0 LAST') == '503 5.5.0 Previous data chunk failed, issue RSET first'
    assert client.command('RSET') == '250 2.0.0 OK'
    client.close()


def test_binary_mime(make_server):
    """RFC 3030: what is binary is in base64 for whoever reads it."""
    server = make_server('lmtp_max_message_size = 3000\n')
    octets = bytes(range(256)) * 4 + b'\r\n.\r\n\r\r\n'
    head = (b'Subject: binary\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="=b"\r\n'
            b'Content-Transfer-Encoding: binary\r\n\r\n--=b\r\n\r\ntext\r\n--=b\r\nContent-Type: application/x\r\n'
            b'Content-Transfer-Encoding: binary\r\n\r\n')
    mail = head + octets + b'\r\n--=b--\r\n'
    client = Lmtp(server.port('lmtp'))
    assert client.command('MAIL FROM:<a@b> BODY=BINARYMIME') == '250 2.1.0 OK'
    assert client.command('RCPT TO:<alice>').startswith('250') and client.command('RCPT TO:<bob>').startswith('250')
    assert client.command('DATA') == '503 5.5.0 BINARYMIME needs BDAT'
    cut = mail.index(b'\r\n.\r\n') + 1
    client.send(b'BDAT %d\r\n' % cut + mail[:cut])
    assert client.reply() == f'250 2.0.0 Added {cut} octets'
    client.send(b'BDAT %d LAST\r\n' % (len(mail) - cut) + mail[cut:])
    assert [client.reply()[:3] for _ in range(2)] == ['250'] * 2
    for user in ('alice', 'bob'):
        text = mails_in(server, user)[0]
        message = email.message_from_bytes(text)
        assert message['Content-Transfer-Encoding'] == '8bit' and message['Subject'] == 'binary'
        parts = message.get_payload()
        assert parts[0].get_payload() == 'text' and parts[1].get_payload(decode=True) == octets
    # The limit is for what comes.
    assert client.command('MAIL FROM:<a@b> BODY=binarymime') == '250 2.1.0 OK'
    assert client.command('RCPT TO:<alice>').startswith('250')
    client.send(b'BDAT 3001 LAST\r\n' + b'x' * 3001)
    assert client.reply().startswith('552 5.3.4 <alice>')
    client.close()


def test_starttls(server):
    client = Lmtp(server.port('lmtp'))
    client.command('MAIL FROM:<plain@b>')
    client.send(b'STARTTLS\r\nRSET\r\n')  # What comes before the handshake does not count.
    assert client.reply() == '220 2.0.0 Begin TLS negotiation now.'
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client.sock = context.wrap_socket(client.sock)
    client.file = client.sock.makefile('rb')
    assert client.command('RCPT TO:<bob>') == '503 5.5.0 MAIL needed first'
    assert 'STARTTLS' not in client.command('LHLO there')
    assert client.deliver(MAIL, 'bob')[0].startswith('250')
    text = mails_in(server, 'bob')[-1]
    assert re.search(rb'\r\n\t\(using TLSv1\.3 with cipher \S+ \(.*\)\)\r\n\tby mail\.example with LMTPS\r\n', text)
    client.close()


def test_only_crlf_dot_crlf_ends_the_data(lmtp, server):
    lmtp.command('MAIL FROM:<a@b>')
    lmtp.command('RCPT TO:<carol>')
    lmtp.command('DATA')
    lmtp.send(b'Subject: x\r\n\r\none\n.\nMAIL FROM:<evil@b>\n\r\n.\r\n')
    assert lmtp.reply().startswith('250 2.0.0 <carol>')
    assert lmtp.command('NOOP') == '250 2.0.0 OK'
    assert b'evil' in mails_in(server, 'carol')[-1]


def test_a_thousand_mails_for_two_users_over_ten_connections(server):
    """All of them can be read, byte for byte."""
    rng = random.Random(1)
    lines = [b'From line', b'.', b'..', b'', b'\xc3\xa4 text', b'-- ', b'x' * 990, b'From me', b'tab\there']
    sent = {'lmtp1': [], 'lmtp2': []}
    before = {user: len(mails_in(server, user)) for user in sent}
    failures = []

    def run(number):
        client = Lmtp(server.port('lmtp'))
        for at in range(100):
            user = 'lmtp1' if (number + at) % 2 else 'lmtp2'
            body = b'\n'.join(rng.choice(lines) for _ in range(rng.randrange(30)))
            mail = b'Subject: %d/%d\n\n%s\n' % (number, at, body)
            reply = client.deliver(mail, user)[0]
            if not reply.startswith('250 '):
                failures.append(reply)
            sent[user].append(mail.replace(b'\n', b'\r\n'))
        client.command('QUIT')
        client.close()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    for user, mails in sent.items():
        found = [without_trace(text) for text in mails_in(server, user)[before[user]:]]
        assert len(found) == 500
        assert sorted(found) == sorted(mails)


def test_large_mail_needs_little_memory(server):
    client = Lmtp(server.port('lmtp'), timeout=60)
    client.deliver(b'Subject: small\n\n', 'stats', 'tree')
    before = server.peak_memory('lmtp')
    mail = b'Subject: large\n\n' + (b'0123456789' * 7 + b'\n') * 700000
    assert all(reply.startswith('250') for reply in client.deliver(mail, 'stats', 'tree'))
    client.close()
    # The address sanitizer keeps what was freed.
    if b'__asan_init' not in Path(PREFIX, 'libexec', 'dovetail', 'lmtp').read_bytes():
        assert server.peak_memory('lmtp') < before + 2 * 1024 * 1024
    largest = max(files(server, 'tree'), key=lambda path: path.stat().st_size)
    assert largest.read_bytes().endswith(mail)


def test_what_is_refused_costs_nothing(make_server):
    """However often it is tried."""
    server = make_server('lmtp_max_recipients = 100\n', 'lmtp')
    client = Lmtp(server.port('lmtp'))

    def rounds(count):
        for _ in range(count):
            client.send(b'MAIL FROM:<a@x.example> SIZE=x\r\n' * 500)
            assert {client.reply()[:3] for _ in range(500)} == {'501'}
        assert client.command('MAIL FROM:<a@x.example>').startswith('250')
        client.send(b'RCPT TO:<nobody@x.example>\r\n' * 101 + b'RCPT TO:<alice> X=y\r\n' * 500 * count)
        assert [client.reply()[:3] for _ in range(101)] == ['550'] * 100 + ['452']
        assert {client.reply()[:3] for _ in range(500 * count)} == {'452'}
        assert client.command('RSET').startswith('250')
        return server.peak_memory('lmtp')

    before = rounds(2)
    grown = rounds(40) - before
    client.close()
    if b'__asan_init' not in Path(PREFIX, 'libexec', 'dovetail', 'lmtp').read_bytes():
        assert grown < 500_000


def test_killed_process_loses_no_acknowledged_mail(make_server):
    server = make_server()
    acknowledged, stop = [], threading.Event()

    def run(number):
        at = 0
        while not stop.is_set():
            try:
                client = Lmtp(server.port('lmtp'))
                while not stop.is_set():
                    subject = f'{number}-{at}'
                    at += 1
                    if client.deliver(f'Subject: {subject}\n\nx\n'.encode(), 'alice')[0].startswith('250'):
                        acknowledged.append(subject)
            except (OSError, AssertionError):
                continue

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 4
    kills = 0
    while time.monotonic() < deadline:
        # Not so often that the server waits before it starts more of them.
        time.sleep(0.4)
        victims = [pid for pid in server.pids() if 'lmtp' in Path(f'/proc/{pid}/cmdline').read_bytes().decode()]
        if len(victims) > 1:
            os.kill(random.choice(victims[1:]), signal.SIGKILL)
            kills += 1
    stop.set()
    for thread in threads:
        thread.join()
    server.forgive('killed with signal 9')
    assert kills > 3 and len(acknowledged) > 50
    found = {re.search(rb'Subject: (\S+)', text)[1].decode() for text in mails_in(server, 'alice')}
    assert set(acknowledged) <= found


def test_wrong_lines_harm_only_their_connection(server):
    good = Lmtp(server.port('lmtp'))
    rng = random.Random(2)
    for _ in range(100):
        bad = Lmtp(server.port('lmtp'))
        for _ in range(10):
            bad.send(bytes(rng.randrange(256) for _ in range(rng.randrange(200))).replace(b'\n', b'') + b'\r\n')
        bad.close()
    bad = Lmtp(server.port('lmtp'))
    bad.send(b'BDAT 99999999999999999999\r\nBDAT 18446744073709551615 LAST\r\n' + b'x' * 100000)
    bad.close()
    bad = Lmtp(server.port('lmtp'))
    bad.send(b'MAIL FROM:<' + b'a' * 200000 + b'>\r\n')
    assert bad.reply() == '500 5.5.2 Line too long'
    bad.close()
    assert good.deliver(MAIL, 'alice')[0].startswith('250')
    good.close()


def test_detail_mailbox(make_server):
    server = make_server('lmtp_save_to_detail_mailbox = yes\nlda_mailbox_autocreate = yes\n'
                         'lda_mailbox_autosubscribe = yes\n')
    client = Lmtp(server.port('lmtp'))
    client.deliver(MAIL, 'alice+lists')
    client.deliver(MAIL, 'alice+../../etc')
    client.deliver(MAIL, 'alice')
    assert len(mails_in(server, 'alice', 'lists')) == 1
    assert len(mails_in(server, 'alice')) == 2
    lsub = Lines(server.port('imap'), 'alice').command(b'LSUB "" *')
    assert any(line.endswith(b' lists') for line in lsub)


def test_sizes_and_limits(make_server):
    server = make_server('lmtp_max_message_size = 1000\nlmtp_max_recipients = 2\n')
    client = Lmtp(server.port('lmtp'), None)
    assert '\n250-SIZE 1000\n' in client.command('LHLO a')
    assert client.command('MAIL FROM:<> SIZE=1001').startswith('552 5.3.4')
    assert client.command('MAIL FROM:<> SIZE=x').startswith('501')
    head = b'Subject: x\n\n'
    assert client.deliver(head + b'x' * (1000 - len(head) - 1) + b'\n', 'alice')[0].startswith('250')
    assert client.deliver(head + b'x' * (1001 - len(head) - 1) + b'\n', 'alice')[0].startswith('552 5.3.4')
    assert client.deliver(b'x' * 10000, 'alice')[0].startswith('552 5.3.4')
    assert client.command('MAIL FROM:<>').startswith('250')
    assert [client.command('RCPT TO:<alice>')[:9] for _ in range(3)] == ['250 2.1.5', '250 2.1.5', '452 4.5.3']
    assert len(mails_in(server, 'alice')) == 1


def test_delivery_address_and_received(make_server):
    server = make_server('lmtp_hdr_delivery_address = original\nlmtp_add_received_header = no\n')
    client = Lmtp(server.port('lmtp'))
    client.deliver(MAIL, 'alice+x')
    client.command('MAIL FROM:<a@b>')
    client.command('RCPT TO:<alice> ORCPT=rfc822;al+2Bice')
    client.data(MAIL)
    one, two = mails_in(server, 'alice')
    assert one.startswith(b'Return-Path: <sender@example.org>\r\nFrom:')
    assert two.startswith(b'Return-Path: <a@b>\r\nDelivered-To: al+ice\r\nFrom:')


def test_user_concurrency_limit(make_server):
    server = make_server('lmtp_user_concurrency_limit = 1\n')
    first, second = Lmtp(server.port('lmtp')), Lmtp(server.port('lmtp'))
    for client in (first, second):
        client.command('MAIL FROM:<>')
    assert first.command('RCPT TO:<alice>').startswith('250')
    # anvil hears of a delivery, and of its end, a moment later.
    deadline = time.monotonic() + 10
    while (answer := second.command('RCPT TO:<alice>')).startswith('250') and time.monotonic() < deadline:
        second.command('RSET')
        second.command('MAIL FROM:<>')
    assert answer == '451 4.3.0 <alice> Too many concurrent deliveries for user'
    assert second.command('RCPT TO:<bob>').startswith('250')
    first.command('RSET')
    while not (answer := second.command('RCPT TO:<alice>')).startswith('250') and time.monotonic() < deadline:
        time.sleep(0.01)
    assert answer.startswith('250')


def test_limits_while_anvil_is_away(make_server):
    """Each command is done once, though nothing had to be waited for."""
    server = make_server('lmtp_user_concurrency_limit = 5\n')
    client = Lmtp(server.port('lmtp'))
    client.command('MAIL FROM:<>')
    assert client.command('RCPT TO:<alice>').startswith('250')
    client.command('RSET')
    for pid in server.pids('anvil'):
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)
    client.send(b'MAIL FROM:<>\r\nRCPT TO:<alice>\r\nNOOP\r\nVRFY x\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nRSET\r\n')
    replies = [client.reply() for _ in range(7)]
    assert [reply[:9] for reply in replies] == [
        '250 2.1.0', '250 2.1.5', '250 2.0.0', '252 2.3.3', '354 OK', '250 2.0.0', '250 2.0.0']
    assert client.command('QUIT') == '221 2.0.0 Bye'
    client.close()
    server.forgive('anvil')


def test_temporary_failures(make_server):
    server = make_server()
    client = Lmtp(server.port('lmtp'))
    os.chmod(server.home('alice'), 0o500)
    alice, bob = client.deliver(MAIL, 'alice', 'bob')
    assert alice == '451 4.2.0 <alice> Internal error occurred. Refer to server log for more information.'
    assert bob.startswith('250 2.0.0 <bob>')
    assert server.wait_log(r'lmtp\(alice\)<\d+><\S{22}>: Error: msgid=<one@example\.org>: save failed to '
                           r'(open mailbox )?INBOX: ')
    os.chmod(server.home('alice'), 0o700)
    assert client.deliver(MAIL, 'alice')[0].startswith('250')


@pytest.mark.skipif(not ROOT, reason='mounts a file system')
def test_full_disk(make_server):
    server = make_server()
    home = server.home('alice')
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=2m', 'none', home], check=False).returncode != 0:
        pytest.skip('may not mount')
    try:
        os.chown(home, *mail_owner())
        client = Lmtp(server.port('lmtp'))
        assert client.deliver(MAIL, 'alice')[0].startswith('250')
        mail = b'Subject: large\n\n' + b'x' * 3000000 + b'\n'
        assert client.deliver(mail, 'alice') == ['452 4.3.1 <alice> Not enough disk space']
        assert client.deliver(MAIL, 'alice')[0].startswith('250')
        client.close()
        assert len(mails_in(server, 'alice')) == 2
    finally:
        server.stop()
        subprocess.run(['umount', home], check=False)


@pytest.mark.skipif(not ROOT, reason='users with groups of their own')
def test_no_user_has_the_groups_of_the_last_one(make_server):
    """A process that delivers to one after the other; alice's and carol's group may write to both homes."""
    server = make_server(start=False)
    uid, gid = mail_owner()
    ids = {'alice': (uid, 4001), 'bob': (uid - 1, gid), 'carol': (uid - 1, 4001)}
    lines = Path(server.dir, 'users').read_text().splitlines()
    for i, line in enumerate(lines):
        fields = line.split(':')
        fields[2:4] = map(str, ids.get(fields[0], (uid, gid)))
        lines[i] = ':'.join(fields)
    Path(server.dir, 'users').write_text('\n'.join(lines) + '\n')
    for user in ids:
        os.chown(server.home(user), 0, 4001)
        os.chmod(server.home(user), 0o770)
    server.start()
    client = Lmtp(server.port('lmtp'))
    for _ in range(3):
        assert client.deliver(MAIL, 'alice')[0].startswith('250')
        assert client.deliver(MAIL, 'bob')[0].startswith('451 4.2.0')
        assert client.deliver(MAIL, 'carol')[0].startswith('250')
    alice, bob, carol = client.deliver(MAIL, 'alice', 'bob', 'carol')
    assert (alice[:3], bob[:3], carol[:3]) == ('250', '451', '250')
    client.close()
    server.wait_log(r'lmtp\(bob\).*Error: .*Permission denied')


def lmtp_processes(server, name):
    """Process titles begin with the path that "dovetail/lmtp" is."""
    found = []
    for pid in server.pids():
        words = Path(f'/proc/{pid}/cmdline').read_bytes().split(b'\0')
        if words[0].decode() == f'dovetail/{name}' and words[1] != b'template':
            found.append(pid)
    return found


def uids(pid):
    """Real, effective, saved, of the file system."""
    return [int(n) for n in re.search(r'^Uid:(.*)', Path(f'/proc/{pid}/status').read_text(), re.M)[1].split()]


def index_of(pid):
    return 'data.mdb' in Path(f'/proc/{pid}/maps').read_text()


def give_to(server, user, uid, more=''):
    lines = Path(server.dir, 'users').read_text().splitlines()
    for i, line in enumerate(lines):
        fields = line.split(':')
        if fields[0] == user:
            fields[2] = str(uid)
            fields[7:] = [more]
        lines[i] = ':'.join(fields)
    Path(server.dir, 'users').write_text('\n'.join(lines) + '\n')
    os.chown(server.home(user), uid, -1)


@pytest.mark.skipif(not ROOT, reason='users with UIDs of their own')
def test_who_opens_an_index_can_not_become_root(make_server):
    """A user who wrote an index that takes over who opens it gets nothing but what is his. Each UID has a process, which
    stays for the next mail."""
    server = make_server(start=False)
    uid, _ = mail_owner()
    give_to(server, 'bob', uid - 1)
    server.start()
    client = Lmtp(server.port('lmtp'))
    large = b'Subject: large\n\n' + b'x' * 70 * 10000 + b'\n'
    for _ in range(3):
        assert [r[:3] for r in client.deliver(MAIL, 'alice', 'bob', 'carol')] == ['250'] * 3
        assert [r[:3] for r in client.deliver(large, 'alice', 'bob')] == ['250'] * 2
    workers = lmtp_processes(server, 'lmtp-worker')
    busy = [pid for pid in workers if index_of(pid)]
    assert sorted(uids(pid) for pid in busy) == [[uid - 1] * 4, [uid] * 4]
    for pid in busy:
        # Nor can it take what comes for others.
        sockets = [os.readlink(f'/proc/{pid}/fd/{n}') for n in os.listdir(f'/proc/{pid}/fd')]
        listening = re.findall(r' 00010000 \d+ \d+ +(\d+) ', Path('/proc/net/unix').read_text())
        assert listening and not {f'socket:[{inode}]' for inode in listening} & set(sockets)
    assert not any(index_of(pid) for pid in lmtp_processes(server, 'lmtp'))
    # One that was killed meanwhile is no loss.
    for pid in busy:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    assert [r[:3] for r in client.deliver(MAIL, 'alice', 'bob')] == ['250'] * 2
    client.close()
    server.forgive('killed with signal 9')
    assert len(mails_in(server, 'bob')) == 7


@pytest.mark.skipif(not ROOT, reason='users with UIDs of their own')
def test_a_slow_recipient_between_two_of_one_worker(make_server):
    """It has got the mail with the first of them, and not again with the other."""
    server = make_server(start=False)
    uid, _ = mail_owner()
    give_to(server, 'bob', uid - 1)
    server.start()
    client = Lmtp(server.port('lmtp'))
    assert client.deliver(MAIL, 'bob')[0].startswith('250')
    lock = server.maildir('bob') / 'dovecot-uidlist.lock'
    lock.write_text('')
    os.chown(lock, uid - 1, -1)
    timer = threading.Timer(2.5, lock.unlink, kwargs={'missing_ok': True})
    timer.start()
    begun = time.monotonic()
    assert [r[:3] for r in client.deliver(MAIL, 'alice', 'bob', 'carol')] == ['250'] * 3
    assert time.monotonic() - begun > 1.5
    timer.join()
    client.close()


@pytest.mark.skipif(not ROOT, reason='becomes somebody else')
def test_where_all_users_are_one_lmtp_becomes_that(make_server):
    uid, gid = mail_owner()
    server = make_server(f'''\
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={{dir}}/%u
}}
''', start=False)
    config = Path(server.config)
    config.write_text(config.read_text().replace('{dir}/%u', f'{server.dir}/home/%u'))
    server.start()
    client = Lmtp(server.port('lmtp'))
    before = lmtp_processes(server, 'lmtp')
    for _ in range(3):
        assert [r[:3] for r in client.deliver(MAIL, 'alice', 'bob')] == ['250'] * 2
    assert [uids(pid) for pid in before if index_of(pid)] == [[uid] * 4]
    assert lmtp_processes(server, 'lmtp-worker') == []
    client.close()


@pytest.mark.skipif(not ROOT, reason='chroot')
def test_users_in_a_chroot(make_server):
    server = make_server('valid_chroot_dirs = /tmp\nmail_temp_dir = /\n', start=False)
    uid, _ = mail_owner()
    give_to(server, 'alice', uid, f'userdb_chroot={server.home("alice")} userdb_home=/ userdb_mail=maildir:/Maildir')
    server.start()
    client = Lmtp(server.port('lmtp'))
    assert [r[:3] for r in client.deliver(MAIL, 'alice', 'bob')] == ['250'] * 2
    client.close()
    assert len(files(server, 'alice')) == 1


def test_client_workarounds(make_server):
    server = make_server('lmtp_client_workarounds = whitespace-before-path mailbox-for-path\n')
    client = Lmtp(server.port('lmtp'))
    assert client.command('MAIL FROM: <a@b>').startswith('250')
    assert client.command('RCPT TO: <alice>').startswith('250')
    assert client.command('RCPT TO:bob').startswith('250')


def test_unix_socket_says_local(make_server):
    import socket
    server = make_server()
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(f'{server.dir}/run/lmtp')
    sock.recv(1000)
    sock.sendall(b'QUIT\r\n')
    assert sock.recv(1000) == b'221 2.0.0 Bye\r\n'
    sock.close()
    assert server.wait_log(r'lmtp\(\d+\): Info: Disconnect from local: Logged out \(state=GREETING\)')


def test_record_of_the_traffic(make_server):
    server = make_server(start=False)
    os.mkdir(f'{server.dir}/raw')
    if ROOT:
        os.chown(f'{server.dir}/raw', *mail_owner())
    server.extra = f'lmtp_rawlog_dir = {server.dir}/raw\n'
    server.write_config()
    server.start()
    client = Lmtp(server.port('lmtp'))
    client.deliver(MAIL, 'alice')
    client.send(b'QU')
    client.send(b'IT\r\n')
    assert client.reply().startswith('221')
    assert client.reply() == ''  # It was written down before it closed.
    names = sorted(os.listdir(f'{server.dir}/raw'))[-2:]
    came, went = (Path(server.dir, 'raw', name).read_bytes() for name in names)
    assert re.fullmatch(r'\d{8}-\d{6}\.\d+\.\d+\.in', names[0])
    assert all(re.match(rb'\d{10}\.\d{6} ', line) for line in came.splitlines() + went.splitlines())
    assert re.sub(rb'(?m)^\S+ ', b'', came).startswith(b'LHLO client.example\r\nMAIL FROM:<sender@example.org>\r\n')
    assert came.endswith(b' QUIT\r\n') and went.endswith(b' 221 2.0.0 Bye\r\n')
