# SPDX-License-Identifier: MIT
"""Deliveries beside Debian's Dovecot: what the log tells of a mail, and its Delivered-To."""
import re
import time
from pathlib import Path

from lmtp_lines import Lmtp

FORMAT = r'deliver_log_format = %m|%s|%f|%e|%p|%w|%{to_envelope}|%$' + '\n'

# Message-ID, From, Subject
FIELDS = [
    (b'<one@example.org>', b'a@example.org', b'one'), (b'<abc>', b'x', b''), (b'a@b', b'<x@>', b' '),
    (b'<a@b', b'<@y>', b'=' * 81), (b' <a@b> <c@d>', b'group: a@b, c@d;', b'\xc3\xa4' * 85),
    (b'<x@y> (comment)', b'"A, B" <A@B.example>, c@d', b'=?utf-8?q?K=C3=B6ln?= x'),
    (b'(c) <"a"@b>', b'"a b"@c', b'=?x?q?y?='), (b'<a@b@c>', b'undisclosed:;', b'a' * 80),
    (b'x <a@b>', b'=?utf-8?q?=40?= <a.b@C.D>', b'a' * 77 + b'\xc3\xa4\xc3\xa4' * 3), (b'<a@b>\n <c@d>', b'a@b,c@d', b'\xff'),
    (b'<a@ b . c>', b',a@b', b'=?utf-8?b?w6TDpA==?= =?utf-8?b?w6TDpA==?='), (b'<>', b'<>', b'a\x07b'),
    (b'<' + b'a' * 100 + b'@b>', b'a' * 100 + b'@b', b'=?iso-8859-1?q?=e4?=')]
MAILS = [b'Message-ID: %s\nFrom: %s\nSubject: %s\n\nx\n' % fields for fields in FIELDS] + [b'', b'\nno header\n', b'no mail']


def delivered(server, recipients, mails):
    """The log lines in order, and the sets of Delivered-To that the files have."""
    start = len(server.log_text())
    for recipient in recipients:
        for mail in mails:
            client = Lmtp(server.port('lmtp'))
            assert client.deliver(mail, recipient, sender='a@b')[0].startswith('250')
            client.close()
    deadline = time.monotonic() + 20
    while (log := server.log_text()[start:]).count('saved mail to') < len(recipients) * len(mails):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    lines = re.findall(r'lmtp\(\w+\)<\d+><\S+>: Info: (.*)', log)
    found = set()
    for path in Path(server.dir, 'home').glob('*/Maildir/**/new/*'):
        found.add((path.relative_to(f'{server.dir}/home').parent,
                   re.search(rb'(?m)^Delivered-To: (.*)$', path.read_bytes())[1]))
    return lines, found


def test_what_the_log_tells_of_a_mail(make_server, make_dovecot):
    ours, theirs = (delivered(make(FORMAT), ['alice'], MAILS)[0] for make in (make_server, make_dovecot))
    assert ours == theirs


def test_delivered_to(make_server, make_dovecot):
    """It is the address as the MTA said it, whatever auth makes of it."""
    extra = 'auth_username_format = %Ln\nrecipient_delimiter = +-\nlmtp_save_to_detail_mailbox = yes\n'
    recipients = ['alice', 'ALICE@Example.org', 'alice+Foo@example.org', 'Bob-x']
    ours, theirs = (delivered(make(extra), recipients, MAILS[:1])[1] for make in (make_server, make_dovecot))
    assert ours == theirs and len(ours) == 4


def test_fields_on_top_of_several(make_server, make_dovecot):
    """One recipient twice has one mail, two whom aliases made one have two."""
    seen = []
    for make in (make_server, make_dovecot):
        server = make('lmtp_hdr_delivery_address = original\n')
        client = Lmtp(server.port('lmtp'))
        for recipients in (['alice>'] * 2, ['alice> ORCPT=rfc822;x@y', 'bob>'], ['bob> ORCPT=rfc822;x@y'],
                           ['carol> ORCPT=rfc822;a@b', 'carol> ORCPT=rfc822;c@d', 'carol>', 'carol> ORCPT=rfc822;a@b']):
            client.command('MAIL FROM:<s@t>')
            for recipient in recipients:
                assert client.command(f'RCPT TO:<{recipient}') == '250 2.1.5 OK'
            replies = client.data(MAILS[0], len(recipients))
            assert [reply.split('>')[0] for reply in replies] == [f'250 2.0.0 <{one.split(">")[0]}' for one in recipients]
        client.close()
        assert server.wait_log('(?s)(?:saved mail.*){7}')
        seen.append(sorted((path.parts[-4], re.sub(rb'\tid .*|\tby \S+|; .*', b'', path.read_bytes()))
                           for path in Path(server.dir, 'home').glob('*/Maildir/new/*')))
    assert seen[0] == seen[1] and len(seen[0]) == 7


def test_wrong_chunks(make_server, make_dovecot):
    """Of a mail with a hole there is none; and octets of a chunk are no commands."""
    steps = [('MAIL FROM:<a@b>', 'RCPT TO:<alice>', 'BDAT 5\r\nA: b\n', wrong, 'NOOP', 'BDAT 0 LAST', 'RSET', 'NOOP')
             for wrong in ('BDAT', 'BDAT x', 'BDAT -1', 'BDAT 3x', 'BDAT 99999999999999999999', 'BDAT 6 FOO', 'BDAT 6 LAST x')]
    seen = []
    for make in (make_server, make_dovecot):
        server, replies = make(), []
        for lines in steps:
            client = Lmtp(server.port('lmtp'))
            for line in lines:
                client.send(line.encode() + (b'' if '\r' in line else b'\r\n'))
                if not (line == 'NOOP' and ' 6 ' in replies[-1][0]):  # these are the six octets
                    replies.append((line, client.reply()))
            client.close()
        seen.append(replies)
        assert 'saved mail' not in server.log_text()
    assert seen[0] == seen[1]


def test_recipients_before_aliases(make_server, make_dovecot):
    seen = []
    for make in (make_server, make_dovecot):
        server = make('deliver_log_format = %{to_envelope} %$\n')
        client = Lmtp(server.port('lmtp'))
        client.command('MAIL FROM:<a@b>')
        for recipient in ('alice> ORCPT=rfc822;Orig+40x.y', 'bob> ORCPT=x-foo;bar', 'carol+x>'):
            assert client.command(f'RCPT TO:<{recipient}').startswith('250')
        assert [reply[:3] for reply in client.data(MAILS[0], 3)] == ['250'] * 3
        assert server.wait_log('(?s)(?:saved mail.*){3}')
        seen.append(re.findall(r'lmtp\(\w+\)<\d+><\S+ Info: (.*)', server.log_text()))
        client.close()
    assert seen[0] == seen[1]


def test_ends_and_long_lines(make_server, make_dovecot):
    """What the log says of where a session ended, and the answer to a line that is too long."""
    seen = []
    for make in (make_server, make_dovecot):
        server, replies = make(), []
        for lines in ([], ['NOOP'], ['NOOP ' + 'x' * 5000], ['LHLO x'], ['MAIL FROM:<a@b>'], ['LHLO x', 'MAIL FROM:<a@b>'],
                      ['MAIL FROM:<a@b>', 'RSET'], ['MAIL FROM:<a@b>', 'RCPT TO:<alice>']):
            start = len(server.log_text())
            client = Lmtp(server.port('lmtp'), name=None)
            replies += [client.command(line).split('\n')[0] for line in (*lines, 'QUIT')]
            client.close()
            replies.append(server.wait_log(r'Disconnect from 127\S+ (.*)', start=start)[1])
        seen.append(replies)
    assert seen[0] == seen[1]
