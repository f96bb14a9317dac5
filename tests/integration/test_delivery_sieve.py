# SPDX-License-Identifier: MIT
"""Scripts at work in deliveries: where they come from, what becomes of the mail, what the log says - as with
Debian's Dovecot and Pigeonhole where that is installed."""
import os
import re
import smtplib
import subprocess
import time
from pathlib import Path

import pytest

from conftest import ROOT, mail_owner, open_up
from imap_lines import Lines
from lmtp_lines import Lmtp
from smtp_sink import Sink
from test_lmtp import give_to
from test_mbox_programs import Postfix

EXTRA = """
submission_host = 127.0.0.1:{port}
protocol lmtp {{
  mail_plugins = $mail_plugins sieve
}}
protocol lda {{
  mail_plugins = $mail_plugins sieve
}}
plugin {{
{plugin}
}}
"""
PIGEONHOLE = os.path.exists('/usr/lib/dovecot/modules/lib90_sieve_plugin.so')


def mail(name):
    return (f'From: Joe <joe@example.org>\nTo: alice@mail.example\nSubject: {name}\n'
            f'Message-ID: <{name}@example.org>\n\nbody\n').encode()


@pytest.fixture
def sink():
    one = Sink(lmtp=False)
    yield one
    one.close()


def script(server, user, text, name='.dovecot.sieve'):
    path = Path(server.home(user), name)
    if not path.parent.exists():
        path.parent.mkdir()
        os.chown(path.parent, *mail_owner())
    path.write_text(text)
    # Beside it there may be one compiled in the same second.
    path.with_suffix('.svbin').unlink(missing_ok=True)
    return path


def boxes(server, user):
    """Subjects and flags of all mails, by mailbox."""
    client = Lines(server.port('imap'), user)
    names = [re.search(rb'" (\S+)$', line)[1] for line in client.command(b'LIST "" *')[:-1]]
    found = {}
    for name in names:
        select = b''.join(client.command(b'SELECT ' + name))
        if b'* 0 EXISTS' in select:
            continue
        lines = client.command(b'FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])')[:-1]
        found[name.decode()] = [(re.search(rb'Subject: (\S+)', line)[1].decode(),
                                 sorted(set(re.search(rb'FLAGS \((.*?)\)', line)[1].decode().split()) - {r'\Recent'}))
                                for line in lines]
    client.close()
    return found


def log_lines(server, start):
    """What deliveries logged, without what differs."""
    lines = re.findall(r'(?:lmtp|lda)\(alice\).*?: ((?:Info|Error): .*)', server.log_text()[start:])
    return [re.sub(r'/tmp/dt-\w+|smtp\(.*?\): .*?TO failed|submission_host\(.*?\)', '', line) for line in lines]


def deliver(server, name, sender='joe@example.org', rcpt='alice'):
    client = Lmtp(server.port('lmtp'))
    reply = client.deliver(mail(name), rcpt, sender=sender)[0]
    client.command('QUIT')
    client.close()
    return re.sub(r' \S{22} ', ' ', reply)


SCRIPTS = {
    'keep': 'keep;',
    'fileinto': 'require ["fileinto", "imap4flags"]; fileinto :flags ["\\\\Seen", "kw"] "foo";',
    'discard': 'discard;',
    'stop': 'stop; discard;',
    'copy': 'require ["fileinto", "copy"]; fileinto :copy "copies";',
    'several': 'require "fileinto"; fileinto "a"; fileinto "b"; keep;',
    'redirect': 'redirect "x@y.example";',
    'redirects': 'require "copy"; redirect :copy "x@y.example"; redirect "z@y.example";',
    'keepflags': 'require "imap4flags"; setflag "\\\\Flagged";',
    'envelope': 'require ["envelope", "fileinto"]; if envelope "from" "joe@example.org" { fileinto "joe"; }',
    'detail': 'require ["envelope", "subaddress", "fileinto"]; if envelope :detail "to" "x" { fileinto "x"; }',
    'header': 'require "fileinto"; if header :contains "subject" "head" { fileinto "head"; }',
    'broken': 'foo bar',
    'badname': 'require "fileinto"; fileinto "a/../b";',
}


def outcome(server, sink):
    seen = {}
    for name, text in SCRIPTS.items():
        script(server, 'alice', text)
        start, mails = len(server.log_text()), len(sink.mails)
        reply = deliver(server, name, rcpt='alice+x' if name == 'detail' else 'alice')
        assert server.wait_log(r'Logged out', start=start)
        sent = [re.sub(rb'X-Sieve: .*|\tid .*|; .*', b'', text) for text in sink.mails[mails:]]
        seen[name] = (reply, log_lines(server, start), sent)
    seen['boxes'] = boxes(server, 'alice')
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_as_pigeonhole_delivers(make_server, make_dovecot, sink):
    extra = EXTRA.format(port=sink.port, plugin='')
    ours, theirs = outcome(make_server(extra), sink), outcome(make_dovecot(extra), sink)
    for name, seen in ours.items():
        assert seen == theirs[name], name


ANSWERS = {
    'vacation': ('require "vacation"; vacation :addresses "alice@mail.example" "I am away";', 'joe@example.org'),
    'unnamed': ('require "vacation"; vacation :handle "c" "I am away";', 'joe@example.org'),
    'system': ('require "vacation"; vacation :addresses "alice@mail.example" :handle "a" "x";', 'owner-x@example.org'),
    'quoted': ('require "vacation"; vacation :addresses "alice@mail.example" :handle "q" "x";', '"joe q"@example.org'),
    'null': ('require "vacation"; vacation :addresses "alice@mail.example" :handle "b" "x";', ''),
    'reject': ('require "reject"; reject "go away";', 'joe@example.org'),
    'rejectnull': ('require "reject"; reject "go away";', ''),
    'notify': ('require "enotify"; notify :message "hello" "mailto:n@y.example";', 'joe@example.org'),
    'duplicate': ('require ["duplicate", "fileinto"]; if duplicate { fileinto "twice"; }', 'joe@example.org'),
    'old': ('require ["notify", "imapflags", "copy"]; mark; notify :id "a" :normal :options "n@y.example" '
            ':message "$from$ wrote: $text[5]$"; notify :id "b" :options "o@y.example"; denotify :is "b";', 'joe@example.org'),
    'report': ('require "vnd.dovecot.report"; report "abuse" "x" "r@y.example";', 'joe@example.org'),
    'oldnull': ('require "notify"; notify :high :options "n@y.example";', ''),
}


def answers(server, sink):
    """What is said and done about each script, twice; whom mails went to, and what they are."""
    seen = {}
    for name, (text, sender) in ANSWERS.items():
        script(server, 'alice', text)
        start, mails, log = len(server.log_text()), len(sink.mails), len(sink.log)
        replies = [deliver(server, name, sender=sender) for _ in range(2)]
        assert server.wait_log(r'(?s)Logged out.*Logged out', start=start)
        lines = log_lines(server, start)
        told = [re.sub(' BODY=.*', '', line) for line in sink.log[log:] if line.startswith(('MAIL', 'RCPT'))]
        fields = [sorted(set(re.findall(rb'(?m)^(Auto-Submitted: [\w-]+|To: .*<?n?@?\S+|In-Reply-To: .*)',
                                        mail.partition(b'\r\n\r\n')[0]))) for mail in sink.mails[mails:]]
        fields = [[field for field in mail if not field.startswith(b'To:')] for mail in fields]
        seen[name] = (replies, lines, told, fields)
    seen['boxes'] = boxes(server, 'alice')
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_answers_as_pigeonhole_gives_them(make_server, make_dovecot, sink):
    extra = EXTRA.format(port=sink.port, plugin='  sieve_extensions = +imapflags +notify +vnd.dovecot.report\n')
    ours, theirs = answers(make_server(extra), sink), answers(make_dovecot(extra), sink)
    for name, seen in ours.items():
        assert seen == theirs[name], name


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_why_nobody_is_answered(make_server, make_dovecot, sink):
    """An administrator reads it in the log."""
    fields = [('Precedence: Junk', 'joe@x.example'), ('X-Auto-Response-Suppress: DR, OOF', 'joe@x.example'), ('List-Id: x', 'joe@x.example'),
              ('To: other@x.example', 'joe@x.example'), ('X-A: b', 'o@x.example'), ('X-A: b', 'list-request@x.example'),
              ('X-Auto-Response-Suppress: All', 'owner-x@x.example'), ('To: other@x.example', 'list-owner@x.example')]
    seen = []
    for make in (make_server, make_dovecot):
        server = make(EXTRA.format(port=sink.port, plugin='  sieve_vacation_use_original_recipient = yes\n'))
        script(server, 'alice', 'require "vacation"; vacation :addresses ["alice@mail.example", "O <o@x.example>"] "away";')
        for field, sender in fields:
            client, start = Lmtp(server.port('lmtp')), len(server.log_text())
            to = '' if field.startswith('To:') else 'To: alice@mail.example\n'
            assert client.deliver(f'{to}{field}\nMessage-ID: <a@b>\n\nx\n'.encode(), 'alice', sender=sender)[0].startswith('250')
            client.close()
            seen.append(server.wait_log(r'vacation action: (.*)', start=start)[1])
    assert seen[:len(fields)] == seen[len(fields):]
    assert sink.mails == []


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
@pytest.mark.parametrize('plugin', [
    'sieve_vacation_to_header_ignore_envelope = yes', 'sieve_vacation_send_from_recipient = yes',
    'sieve_vacation_send_from_recipient = yes\n  sieve_vacation_use_original_recipient = yes',
    'sieve_vacation_dont_check_recipient = yes\n  sieve_user_email = me@z.example'])
def test_who_answers_whom(make_server, make_dovecot, sink, plugin):
    """Answers go to the envelope's sender, whoever their To field names (RFC 3834 section 4)."""
    seen = []
    for make in (make_server, make_dovecot):
        server = make(EXTRA.format(port=sink.port, plugin=f'  {plugin}\n') + 'auth_username_format = %Ln\n')
        mails, log = len(sink.mails), len(sink.log)
        for at, to in enumerate(('alice@mail.example', 'other@x.example')):
            script(server, 'alice', f'require "vacation"; vacation :addresses "alice@mail.example" :handle "{at}" "away";')
            client = Lmtp(server.port('lmtp'))
            text = f'From: Joe <joe@y.example>\nTo: {to}\nSender: list@y.example\nMessage-ID: <{at}@b>\n\nx\n'
            client.command('MAIL FROM:<bounce-1@x.example>')
            client.command('RCPT TO:<alice@a.example> ORCPT=rfc822;o@a.example')
            assert client.data(text.encode())[0].startswith('250')
            client.close()
        told = [re.sub(' BODY=.*', '', line) for line in sink.log[log:] if line.startswith(('MAIL', 'RCPT'))]
        seen.append((told, [re.findall(rb'\n(?:To|From): .*', text) for text in sink.mails[mails:]]))
    assert seen[0] == seen[1] and 'RCPT TO:<bounce-1@x.example>' in seen[0][0]


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_whom_senders_and_others_are_told_of(make_server, make_dovecot, sink):
    """The recipient that the sender knows, in reports of rejections and of abuse; each has one notification."""
    seen = []
    plugin = '  sieve_plugins = sieve_extprograms\n  sieve_extensions = +vnd.dovecot.report\n'
    for make in (make_server, make_dovecot):
        server = make(EXTRA.format(port=sink.port, plugin=plugin))
        for text in ('require "reject"; reject "no";', 'require "vnd.dovecot.report"; report "abuse" "x" "r@y.example";',
                     'require "enotify"; notify "mailto:a@y.example?to=b@y.example&cc=a@y.example";'):
            script(server, 'alice', text)
            mails, log = len(sink.mails), len(sink.log)
            client = Lmtp(server.port('lmtp'))
            client.command('MAIL FROM:<joe@x.example>')
            client.command('RCPT TO:<alice> ORCPT=rfc822;known@z.example')
            assert client.data(mail('one'))[0].startswith('250')
            client.close()
            named = re.findall(rb'message to <\S+>|Final-Recipient: .*|Original-Rcpt-To: .*', b''.join(sink.mails[mails:]))
            seen.append((named, [line for line in sink.log[log:] if line.startswith('RCPT')]))
    assert seen[:3] == seen[3:]


def test_refused_by_the_protocol(make_server, sink):
    server = make_server(EXTRA.format(port=sink.port, plugin='  sieve_extensions = +ereject\n'))
    script(server, 'alice', 'require "ereject"; if header "subject" "one" { ereject "go away"; }\n'
                            'elsif header "subject" "two" { ereject text:\ngo\n\naway\n.\n; } else { ereject "weg hier, für immer"; }')
    assert deliver(server, 'one') == '550 5.7.1 <alice> go away'
    # RFC 5429 sections 2.5, 2.1.1
    assert deliver(server, 'two') == '550-5.7.1 <alice> go\n550-5.7.1 <alice> \n550 5.7.1 <alice> away'
    assert deliver(server, 'three') == "550 5.7.1 <alice> Message refused by the recipient's filter"
    assert boxes(server, 'alice') == {} and sink.mails == []


def test_answers_are_told_apart_before_variables(make_server, sink):
    """RFC 5230 section 4.2: one answer to a sender, whatever his subjects are; but another one from another line."""
    server = make_server(EXTRA.format(port=sink.port, plugin=''))
    script(server, 'alice', 'require ["vacation", "variables"];\n'
                            'if header :matches "subject" "last*" { vacation :addresses "alice@mail.example" "Not ${1}."; }\n'
                            'elsif header :matches "subject" "*" { vacation :addresses "alice@mail.example" '
                            ':subject "Away: ${1}" "I am away: ${1}."; }')
    for name in ('one', 'two', 'last one', 'last two', 'three'):
        assert deliver(server, name).startswith('250')
    assert [re.search(rb'\nSubject: (.*)\r', text)[1] for text in sink.mails] == [b'Away: one', b'Auto: last one']


def test_mail_as_scripts_changed_it(make_server, sink):
    server = make_server(EXTRA.format(port=sink.port, plugin='  sieve_extensions = +editheader\n'))
    script(server, 'alice', 'require ["editheader", "fileinto", "copy"]; fileinto :copy "before";\n'
                            'addheader "X-Sieved" "yes"; addheader "X-Word" "caf\u00e9";\n'
                            'redirect :copy "x@y.example"; deleteheader "From"; keep;')
    assert deliver(server, 'one').startswith('250')
    client = Lines(server.port('imap'), 'alice')
    found = {}
    for name in (b'before', b'INBOX'):
        client.command(b'SELECT ' + name)
        found[name] = b''.join(client.command(b'FETCH 1 BODY.PEEK[]'))
    client.close()
    assert b'X-Sieved' not in found[b'before'] and b'X-Sieved: yes' in found[b'INBOX']
    assert b'\r\nFrom:' not in found[b'INBOX'] and b'\r\nFrom:' in found[b'before']
    assert b'X-Word: =?utf-8?b?Y2Fmw6k=?=\r\n' in found[b'INBOX']
    assert b'X-Sieved: yes' in sink.mails[0] and b'\r\nFrom:' in sink.mails[0]


def test_scripts_before_and_after(make_server, sink, tmp_path):
    open_up(tmp_path)
    server = make_server(start=False)
    common = Path(server.dir, 'sieve')
    (common / 'after').mkdir(parents=True)
    plugin = (f'  sieve_before = {common}/before.sieve\n  sieve_before2 = {common}/missing.sieve\n'
              f'  sieve_after = {common}/after\n  sieve_default = {common}/default.sieve\n  sieve_global = {common}\n')
    server.extra = EXTRA.format(port=sink.port, plugin=plugin)
    server.write_config()
    (common / 'before.sieve').write_text('require ["fileinto", "copy"];\n'
                                         'if header :is "subject" "spam" { fileinto "spam"; stop; }\n'
                                         'if header :is "subject" "seen" { fileinto :copy "before"; keep; }\n')
    (common / 'after' / '1.sieve').write_text('require "fileinto"; if header :is "subject" ["after", "seen"] '
                                              '{ fileinto "after"; }\n')
    (common / 'default.sieve').write_text('require "fileinto"; if header :is "subject" "default" '
                                          '{ fileinto "default"; }\n')
    for path in common.rglob('*'):
        os.chmod(path, 0o755)
    server.start()
    for name in ('spam', 'seen', 'after', 'default', 'other'):
        assert deliver(server, name) == '250 2.0.0 <alice> Saved'
    script(server, 'bob', 'discard;')
    deliver(server, 'mine', rcpt='bob')
    deliver(server, 'spam', rcpt='bob')
    server.forgive()
    found = {name: [subject for subject, _ in mails] for name, mails in boxes(server, 'alice').items()}
    assert found == {'INBOX': ['other'], 'spam': ['spam'], 'before': ['seen'], 'after': ['seen', 'after'],
                     'default': ['default']}
    assert {name: len(mails) for name, mails in boxes(server, 'bob').items()} == {'spam': 1}


def test_active_script_in_a_directory(make_server, sink):
    server = make_server(EXTRA.format(port=sink.port, plugin='  sieve = file:~/sieve;active=~/.active.sieve\n'))
    path = script(server, 'alice', 'require "fileinto"; fileinto "one";', 'sieve/one.sieve')
    script(server, 'alice', 'require "fileinto"; fileinto "two";', 'sieve/two.sieve')
    deliver(server, 'none')
    link = Path(server.home('alice'), '.active.sieve')
    link.symlink_to(path)
    deliver(server, 'first')
    link.unlink()
    link.symlink_to('sieve/two.sieve')
    deliver(server, 'second')
    found = {name: [subject for subject, _ in mails] for name, mails in boxes(server, 'alice').items()}
    assert found == {'INBOX': ['none'], 'one': ['first'], 'two': ['second']}


def test_errors_are_for_the_user_to_read(make_server, sink):
    server = make_server(EXTRA.format(port=sink.port, plugin='  sieve_user_log = ~/my.log\n'))
    script(server, 'alice', 'require "nosuch";\nfoo;\n')
    assert deliver(server, 'one') == '250 2.0.0 <alice> Saved'
    text = Path(server.home('alice'), 'my.log').read_text()
    assert text.startswith('sieve: info: started log at ') and 'line 1' in text and 'line 2' in text
    assert server.wait_log(r"Info: sieve: Failed to compile script `\S+/\.dovecot\.sieve' \(view user logfile "
                           r"`\S+/my\.log' for more information\)")
    assert [subject for subject, _ in boxes(server, 'alice')['INBOX']] == ['one']


def test_failing_for_now_is_tried_again_and_done_once(make_server):
    sink = Sink(lmtp=False, answers={'RCPT': '451 4.1.1 later'})
    server = make_server(EXTRA.format(port=sink.port, plugin=''))
    script(server, 'alice', 'require "fileinto"; fileinto "a"; redirect "x@y.example"; fileinto "b";')
    for _ in range(3):
        assert deliver(server, 'one') == \
            '451 4.2.0 <alice> Execution of Sieve filters was aborted due to temporary failure'
    assert boxes(server, 'alice') == {}
    sink.answers = {}
    assert deliver(server, 'one') == '250 2.0.0 <alice> Saved'
    found = boxes(server, 'alice')
    assert [len(found[name]) for name in ('a', 'b')] == [1, 1] and len(sink.mails) == 1
    assert 'INBOX' not in found


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_each_address_of_a_user_is_redirected(make_server, make_dovecot, sink):
    """A mail for two of them is no loop, and nothing of it is kept; the same one again is."""
    seen = []
    for make in (make_server, make_dovecot):
        server = make(EXTRA.format(port=sink.port, plugin='') + 'auth_username_format = %Ln\n')
        script(server, 'alice', 'redirect "x@y.example";')
        client, start = Lmtp(server.port('lmtp')), len(sink.mails)
        for name in ('one', 'two', 'one'):
            client.command('MAIL FROM:<joe@example.org>')
            for rcpt in ('alice@a.example>', 'alice@b.example>', 'alice> ORCPT=rfc822;p@c.example', 'alice> ORCPT=rfc822;q@c.example'):
                assert client.command(f'RCPT TO:<{rcpt}').startswith('250')
            assert [reply[:3] for reply in client.data(mail(name), 4)] == ['250'] * 4
            seen.append((len(sink.mails) - start, len(boxes(server, 'alice').get('INBOX', []))))
        client.close()
    assert seen[:3] == seen[3:] == [(4, 0), (8, 0), (8, 4)]


def test_the_log_tells_of_scripts_that_can_not_be_found(make_server, sink):
    server = make_server(EXTRA.format(port=sink.port, plugin=''))
    os.symlink('x' * 300, f'{server.home("alice")}/.dovecot.sieve')
    assert deliver(server, 'one') == \
        '451 4.2.0 <alice> Execution of Sieve filters was aborted due to temporary failure'
    assert server.wait_log(r'lmtp\(alice\)<\d+><\S+>: Error: sieve: .*/\.dovecot\.sieve.*File name too long')


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
@pytest.mark.parametrize('address', ('pm@x.example', 'Foo Bar <pm@x.example>', '"F. \\"B\\"" <pm@x.example>', ''))
def test_postmasters_with_names_as_pigeonhole(make_server, make_dovecot, sink, address):
    seen = []
    for make in (make_server, make_dovecot):
        server = make(EXTRA.format(port=sink.port, plugin='') + f'postmaster_address = {address}\n', start=False)
        script(server, 'alice', 'require ["reject", "enotify"]; notify "mailto:z@y.example"; reject "no";')
        server.start()
        sink.mails.clear()
        deliver(server, 'one')
        seen.append([re.search(rb'(?m)^From: (.*)\r$', text)[1] for text in sink.mails])
    assert seen[0] == seen[1] and len(seen[0]) == 2


def test_lda_runs_them_too(make_server, sink):
    server = make_server(EXTRA.format(port=sink.port, plugin=''))
    script(server, 'alice', 'require "fileinto"; fileinto "lda";')
    lda = Path(server.prefix, 'libexec', 'dovetail', 'dovetail-lda')
    done = subprocess.run([lda, '-c', server.config, '-d', 'alice', '-f', 'joe@example.org'], input=mail('one'),
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [subject for subject, _ in boxes(server, 'alice')['lda']] == ['one']


def test_sendmail_gets_redirected_mail(make_server, tmp_path):
    server = make_server(start=False)
    program = Path(server.dir, 'sendmail')
    program.write_text(f'#!/bin/sh\numask 0\nid -u >{server.dir}/out/id\necho "$@" >{server.dir}/out/args\n'
                       f'cat >{server.dir}/out/mail\n')
    os.mkdir(f'{server.dir}/out')
    os.chmod(f'{server.dir}/out', 0o777)
    os.chmod(program, 0o755)
    server.extra = EXTRA.format(port=1, plugin='') + f'submission_host =\nsendmail_path = {program}\n' \
        'mail_plugins = sieve\n'
    server.write_config()
    server.start()
    script(server, 'alice', 'redirect "x@y.example";')
    assert deliver(server, 'one') == '250 2.0.0 <alice> Saved'
    assert Path(server.dir, 'out/args').read_text() == '-i -f joe@example.org -- x@y.example\n'
    assert int(Path(server.dir, 'out/id').read_text()) == mail_owner()[0]
    assert b'\n\nbody\n' in Path(server.dir, 'out/mail').read_bytes()


def test_addresses_for_smtputf8(make_server):
    """Only servers that know it get them (RFC 6531 section 3.1); else the mail stays."""
    for caps, expected in ((['SMTPUTF8'], ['MAIL FROM:<joe@example.org> SMTPUTF8', 'RCPT TO:<jos\u00e9@y.example>']),
                           ([], ['MAIL FROM:<joe@example.org>'])):
        sink = Sink(lmtp=False, caps=['PIPELINING', *caps])
        server = make_server(EXTRA.format(port=sink.port, plugin=''))
        script(server, 'alice', 'redirect "jos\u00e9@y.example";')
        assert deliver(server, 'one') == '250 2.0.0 <alice> Saved'
        sent = [line.encode('latin1').decode() for line in sink.log if line.startswith(('MAIL', 'RCPT'))]
        assert sent == expected
        assert [subject for subject, _ in boxes(server, 'alice').get('INBOX', [])] == ([] if caps else ['one'])
        sink.close()


# What of `plugin` makes no sense is as if nobody had set it; then where mail goes.
ODD = ['\n  '.join(['sieve_max_script_size = x', 'sieve_max_actions = -1', 'sieve_max_cpu_time = soon', 'sieve_user_email = x',
                    'sieve_redirect_envelope_from = me', 'sieve_notify_mailto_envelope_from = me',
                    'sieve_vacation_min_period = x', 'sieve_vacation_dont_check_recipient = maybe', 'sieve_quota_max_scripts = x',
                    'sieve_variables_max_variable_size = x']),
       'sieve_pipe_exec_timeout = x\n  sieve_trace_debug = x', 'sieve = file:~/missing', 'sieve =', 'sieve = file:',
       'sieve = file:~/missing;active=~/.dovecot.sieve', 'sieve = file:~/scripts', 'sieve = ~/other/x.sieve',
       'sieve_before = bogus:x', 'sieve_after2 = bogus:x\n  sieve_after = ~/none']


def test_settings_without_sense(make_server, make_dovecot, sink):
    """Mail arrives as with Dovecot, and the log says what is wrong."""
    seen = []
    for make in (make_server, make_dovecot):
        for plugin in ODD:
            server = make(EXTRA.format(port=sink.port, plugin=plugin), start=False)
            script(server, 'alice', '', 'scripts/one.sieve')
            script(server, 'alice', 'require ["fileinto", "mailbox"]; fileinto :create "foo";')
            server.start()
            reply = deliver(server, 'one')[:3]
            assert server.wait_log(r'Logged out')
            # The session in front is theirs alone, and so are words about the rest.
            log = set(re.findall(r"Warning: sieve: [iI]nvalid \w.*?'\w+'(?=:)", server.log_text().replace('`', "'")))
            if 'pipe' in plugin:  # Dovecot says nothing of these
                log = set()
            seen.append((plugin, reply, log, {name: len(mails) for name, mails in boxes(server, 'alice').items()}))
            server.stop()
    ours, theirs = seen[:len(ODD)], seen[len(ODD):]
    assert [f'{mine}\n{other}' for mine, other in zip(ours, theirs) if mine != other] == []


def test_a_script_that_changes_is_compiled_again(make_server, sink):
    server = make_server(EXTRA.format(port=sink.port, plugin=''))
    client = Lmtp(server.port('lmtp'))
    for name in ('one', 'two', 'three'):
        script(server, 'alice', f'require "fileinto"; fileinto "{name}";')
        client.deliver(mail(name), 'alice')
    client.close()
    found = boxes(server, 'alice')
    assert [[subject for subject, _ in found[name]] for name in ('one', 'two', 'three')] == [['one'], ['two'], ['three']]


def test_lists_of_the_user(make_server, sink):
    plugin = ('  sieve_extensions = +extlists\n  sieve_list1_name = :addrbook:default\n'
              '  sieve_list1_path = ~/friends\n  sieve_list2_name = tag:lists.example,2026:staff\n'
              '  sieve_list2_path = ~/staff\n  sieve_list3_name = urn:x:none\n  sieve_list3_path = ~/none\n'
              '  sieve_list_max_redirects = 2\n')
    server = make_server(EXTRA.format(port=sink.port, plugin=plugin))
    script(server, 'alice', '# friends\nJOE@example.org\n  ann@example.org  \n', 'friends')
    script(server, 'alice', 'a@y.example\nno address\nb@y.example\n', 'staff')
    head = 'require ["extlists", "envelope", "fileinto", "copy"];\n'
    script(server, 'alice', head + 'if address :list "from" ":addrbook:default" { fileinto "friends"; }')
    deliver(server, 'one')
    script(server, 'alice', head + 'if anyof (header :list "subject" [":addrbook:default", "urn:x:none"], '
                            'valid_ext_list "urn:x:other") { discard; }\n'
                            'if valid_ext_list ["urn:x:none", ":addrbook:default"] { fileinto "valid"; }')
    deliver(server, 'two')
    script(server, 'alice', head + 'redirect :copy :list "tag:lists.example,2026:staff"; fileinto "sent";')
    deliver(server, 'three')
    script(server, 'alice', head + 'if address :list "from" "urn:x:other" { discard; }')
    deliver(server, 'four')
    assert [line for line in sink.log if line.startswith('RCPT')] == ['RCPT TO:<a@y.example>', 'RCPT TO:<b@y.example>']
    script(server, 'alice', 'a@y.example\nb@y.example\nc@y.example\n', 'staff')
    script(server, 'alice', head + 'redirect :list "tag:lists.example,2026:staff";')
    deliver(server, 'five')
    assert server.wait_log('list tag:lists.example,2026:staff has too many members')
    server.forgive()
    found = {name: [subject for subject, _ in mails] for name, mails in boxes(server, 'alice').items()}
    assert found == {'friends': ['one'], 'valid': ['two'], 'sent': ['three'], 'INBOX': ['four', 'five']}


def dict_file(path, **scripts):
    """A dictionary in a file: each script with an id of its own."""
    lines = []
    for number, (name, text) in enumerate(scripts.items(), start=len(str(scripts))):
        lines += [f'priv/sieve/name/{name}', str(number), f'priv/sieve/data/{number}', text]
    path.write_text('\n'.join(lines) + '\n')
    os.chmod(path, 0o644)


def from_dict(server, sink):
    base, seen = Path(server.dir, 'dicts'), []
    base.mkdir()
    open_up(base)
    plugin = (f'  sieve = dict:file:{base}/own;name=main;bindir=~/bin\n  sieve_default = dict:file:{base}/other;name=fallback\n'
              f'  sieve_before = dict:file:{base}/other;name=before\n  sieve_after = dict:file:{base}/other;name=missing\n'
              f'  sieve_after2 = dict:file:{base}/other\n  sieve_global = dict:file:{base}/other\n')
    server.extra = EXTRA.format(port=sink.port, plugin=plugin)
    server.write_config()

    def send(name):
        return deliver(server, name).split(' ')[0]

    dict_file(base / 'other', before='require ["fileinto", "copy", "mailbox"]; fileinto :create :copy "before";',
              default='require ["fileinto", "copy", "mailbox"]; fileinto :create :copy "after";',
              fallback='require ["fileinto", "mailbox"]; fileinto :create "fallback";',
              common='require ["fileinto", "copy", "mailbox"]; fileinto :create :copy "common";')
    server.start()
    main = 'require ["fileinto", "mailbox", "copy", "include"]; include :global "common"; include :personal "sub"; '
    sub = 'require ["fileinto", "mailbox", "copy"]; fileinto :create :copy "%s";'
    dict_file(base / 'own', main=main + 'keep;', sub=sub % 'sub')
    seen.append(send('one'))
    seen.append(send('two'))
    # Another id is another script; of what is included, too.
    dict_file(base / 'own', main=main + 'fileinto :create "changed"; # other', sub=sub % 'sub2')
    seen.append(send('three'))
    dict_file(base / 'own', main='nonsense!')
    seen.append(send('broken'))
    seen.append((Path(server.home('alice')) / 'bin' / 'main.svbin').exists())
    seen.append(sorted((name, [subject for subject, _ in mails]) for name, mails in boxes(server, 'alice').items()))
    server.forgive()
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_scripts_from_a_dictionary_as_pigeonhole(make_server, make_dovecot, sink):
    ours, theirs = from_dict(make_server(start=False), sink), from_dict(make_dovecot(start=False), sink)
    assert ours == theirs
    assert ours[-1][0][0] == 'INBOX' and ours[-2]


def test_a_dictionary_that_is_away(make_server, sink):
    server = make_server(EXTRA.format(port=sink.port, plugin='  sieve = dict:proxy:nosuch:sieve;name=main\n'))
    assert deliver(server, 'one').startswith('451')
    server.forgive()
    with open(Path(server.dir, 'dict'), 'w') as out:
        out.write('priv/sieve/name/main\n1\n')
    server.extra = EXTRA.format(port=sink.port, plugin=f'  sieve = dict:file:{server.dir}/dict;name=main\n')
    server.write_config()
    server.doveadm('reload')
    # Its data is gone: the mail is kept.
    assert deliver(server, 'two').startswith('250')
    assert server.wait_log('no data with its id')
    server.forgive()
    assert list(boxes(server, 'alice')) == ['INBOX']
    # One who has no script there has the default one.
    dict_file(Path(server.dir, 'dict'), other='discard;')
    dict_file(Path(server.dir, 'default'), default='require "fileinto"; fileinto "default";')
    server.extra = EXTRA.format(port=sink.port, plugin=f'  sieve = dict:file:{server.dir}/dict;name=main\n'
                                                       f'  sieve_default = dict:file:{server.dir}/default\n')
    server.write_config()
    server.doveadm('reload')
    deliver(server, 'three')
    assert sorted(boxes(server, 'alice')) == ['INBOX', 'default']


def invitation(method, *lines, uid='x', seq=0):
    text = (['From: joe@example.org', 'To: alice@mail.example', 'Subject: lunch',
             f'Content-Type: text/calendar; method={method}', '', 'BEGIN:VCALENDAR', 'VERSION:2.0', f'METHOD:{method}',
             'BEGIN:VEVENT', f'UID:{uid}', f'SEQUENCE:{seq}', 'DTSTAMP:20260101T000000Z',
             'ORGANIZER:mailto:joe@example.org', 'ATTENDEE:mailto:alice@mail.example', *lines, 'END:VEVENT',
             'END:VCALENDAR', ''])
    return '\r\n'.join(text).encode()


@pytest.mark.skipif(not ROOT, reason='chroot')
def test_calendars_in_a_chroot(make_server, sink):
    """Where the module that knows calendars cannot be seen."""
    plugin = '  sieve_extensions = +processcalendar\n  sieve_processcalendar_dir = ~/calendars\n  sieve_user_email = alice@mail.example\n'
    server = make_server(EXTRA.format(port=sink.port, plugin=plugin) + 'valid_chroot_dirs = /tmp\nmail_temp_dir = /\n', start=False)
    give_to(server, 'alice', mail_owner()[0],
            f'userdb_chroot={server.home("alice")} userdb_home=/ userdb_mail=maildir:/Maildir')
    server.start()
    script(server, 'alice', 'require "processcalendar";\nprocesscalendar;\n')
    client = Lmtp(server.port('lmtp'))
    assert client.deliver(invitation('REQUEST', 'DTSTART:20260601T120000Z'), 'alice')[0].startswith('250')
    client.close()
    assert 'UID:x' in Path(server.home('alice'), 'calendars', 'default', 'x.ics').read_text()


def test_calendars(make_server, sink):
    plugin = ('  sieve_extensions = +processcalendar\n  sieve_processcalendar_dir = ~/calendars\n'
              '  sieve_processcalendar_max_objects = 3\n  sieve_user_email = alice@mail.example\n')
    server = make_server(EXTRA.format(port=sink.port, plugin=plugin))
    script(server, 'alice', 'require ["processcalendar", "variables", "fileinto", "mailbox"];\n'
                            'processcalendar :calendarid "work" :outcome "what" :reason "why";\n'
                            'fileinto :create "${what}";')
    base = Path(server.home('alice'), 'calendars')

    def send(*args, **kw):
        client = Lmtp(server.port('lmtp'))
        reply = client.deliver(invitation(*args, **kw), 'alice', sender='joe@example.org')[0]
        client.command('QUIT')
        client.close()
        assert reply.startswith('250'), reply

    series = ['DTSTART;TZID=Europe/Berlin:20260601T120000', 'RRULE:FREQ=DAILY;COUNT=9']
    send('REQUEST', *series)
    assert 'RRULE:' in (base / 'default' / 'x.ics').read_text()
    assert (base / 'default' / 'x.ics').stat().st_mode & 0o777 == 0o600
    # The zone is the system's, which the process must be able to read.
    send('CANCEL', 'RECURRENCE-ID:20260603T100000Z', seq=1)
    found = (base / 'default' / 'x.ics').read_text()
    assert 'STATUS:CANCELLED' in found and 'RECURRENCE-ID;TZID=Europe/Berlin:20260603T120000' in found
    (base / 'work').mkdir()
    os.chown(base / 'work', *mail_owner())
    send('REQUEST', *series, uid='../../x')
    assert [path.name[0] for path in (base / 'work').iterdir()] == ['=']
    send('REQUEST', *series, uid='../../x', seq=1)
    assert len(list((base / 'work').iterdir())) == 1
    for number in range(4):
        send('REQUEST', *series, uid=f'more{number}')
    assert len(list((base / 'work').iterdir())) == 3
    assert server.wait_log('may have no more')
    # A file that nobody understands is left as it is.
    (base / 'work' / 'more0.ics').write_text('nonsense')
    send('REQUEST', *series, uid='more0', seq=2)
    assert (base / 'work' / 'more0.ics').read_text() == 'nonsense'
    assert {name: len(mails) for name, mails in boxes(server, 'alice').items()} == \
        {'added': 6, 'updated': 2, 'error': 1, 'INBOX': 2}  # those for which there was no room
    server.forgive()


def test_mailboxes_by_their_ids(make_server, sink):
    server = make_server(EXTRA.format(port=sink.port, plugin=''))
    client = Lines(server.port('imap'), 'alice')
    ident = re.search(r'MAILBOXID \((\w+)\)', b''.join(client.command(b'CREATE first')).decode())[1]
    client.command(b'RENAME first second')
    client.close()
    script(server, 'alice', 'require ["mailboxid", "fileinto"];\n'
                            f'if not mailboxidexists "{ident}" {{ discard; }}\n'
                            f'if header "subject" "one" {{ fileinto :mailboxid "{ident}" "first"; }}\n'
                            'else { fileinto :mailboxid "nosuch" "other"; }\n')
    deliver(server, 'one')
    deliver(server, 'two')
    found = {name: [subject for subject, _ in mails] for name, mails in boxes(server, 'alice').items()}
    assert found == {'second': ['one'], 'other': ['two']}


def test_annotations_of_mailboxes(make_server, sink):
    server = make_server(EXTRA.format(port=sink.port, plugin='  sieve_extensions = +mboxmetadata +servermetadata\n')
                         + 'mail_attribute_dict = file:%h/attributes\nmail_server_comment = of the server\n')
    done = server.doveadm('mailbox', 'metadata', 'set', '-u', 'alice', 'INBOX', '/private/vendor/x/to', 'second')
    assert done.returncode == 0, done
    script(server, 'alice', 'require ["mboxmetadata", "servermetadata", "fileinto", "variables"];\n'
                            'if not metadataexists "INBOX" "/Private/Vendor/X/To" { discard; }\n'
                            'if metadataexists "INBOX" "/private/vendor/x/none" { discard; }\n'
                            'if metadata "nosuch" "/private/vendor/x/to" "second" { discard; }\n'
                            'if not servermetadata "/shared/comment" "of the server" { discard; }\n'
                            'if metadata :matches "INBOX" "/private/vendor/x/to" "*" { fileinto "${1}"; }\n')
    deliver(server, 'one')
    assert {name: [subject for subject, _ in mails] for name, mails in boxes(server, 'alice').items()} == {'second': ['one']}


def test_redirect_with_dsn(make_server):
    text = 'require "redirect-dsn"; redirect :notify "FAILURE,DELAY" :ret "HDRS" "x@y.example";'
    for caps, mail_end, rcpt_end in ((('8BITMIME', 'DSN'), ' RET=HDRS', ' NOTIFY=FAILURE,DELAY'), (('8BITMIME',), '', '')):
        sink = Sink(lmtp=False, caps=caps)
        server = make_server(EXTRA.format(port=sink.port, plugin='  sieve_extensions = +redirect-dsn\n'))
        script(server, 'alice', text)
        assert deliver(server, 'one').startswith('250')
        told = [line for line in sink.log if line.startswith(('MAIL', 'RCPT'))]
        assert told == [f'MAIL FROM:<joe@example.org> BODY=8BITMIME{mail_end}', f'RCPT TO:<x@y.example>{rcpt_end}']
        sink.close()


def test_answers_want_no_dsn(make_server):
    """RFC 5230 section 5.1."""
    sink = Sink(lmtp=False, caps=('8BITMIME', 'DSN'))
    server = make_server(EXTRA.format(port=sink.port, plugin=''))
    script(server, 'alice', f'require ["vacation", "copy"]; redirect :copy "x@y.example"; {VACATION} "gone";')
    assert deliver(server, 'one').startswith('250')
    assert [line for line in sink.log if line.startswith('RCPT')] == [
        'RCPT TO:<x@y.example>', 'RCPT TO:<joe@example.org> NOTIFY=NEVER']
    sink.close()


@pytest.mark.skipif(not ROOT or not os.path.exists('/usr/sbin/postfix'), reason='needs Postfix, and root')
def test_mail_from_postfix(make_server, tmp_path):
    """Postfix gives mails to lmtp, scripts decide, and Postfix does what it is told of the outcome."""
    open_up(tmp_path)
    server = make_server(EXTRA.format(port=9, plugin='') + 'auth_username_format = %Ln\n')
    postfix = Postfix(tmp_path, tmp_path)
    with open(postfix.config / 'main.cf', 'a', encoding='utf-8') as file:
        file.write(f'mailbox_transport = lmtp:inet:127.0.0.1:{server.port("lmtp")}\n')
    with open(postfix.config / 'master.cf', 'a', encoding='utf-8') as file:
        file.write('lmtp unix - - n - - lmtp\n')
    script(server, 'alice', 'require ["fileinto", "ereject", "envelope", "subaddress", "variables"];\n'
                            'if header "subject" "no" { ereject "go away"; stop; }\n'
                            'if envelope :detail :matches "to" "*" { fileinto "${1}"; }\n'
                            'if header "subject" "later" { redirect "x@y.example"; }')
    postfix.start()
    try:
        with smtplib.SMTP('127.0.0.1', postfix.port, timeout=30) as client:
            for name, to in (('yes', 'alice+lists'), ('plain', 'alice'), ('no', 'alice'), ('later', 'alice')):
                client.sendmail('', [f'{to}@localhost'], mail(name))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not all(
                word in (postfix.config / 'log').read_text() for word in ('status=bounced', 'status=deferred')):
            time.sleep(0.2)
        log = (postfix.config / 'log').read_text()
    finally:
        postfix.run('stop')
    assert log.count('status=sent') == 2 and 'said: 550 5.7.1 <alice@localhost> go away' in log, log
    assert re.search(r'status=deferred.*said: 451', log), log
    found = {name: [subject for subject, _ in mails] for name, mails in boxes(server, 'alice').items()}
    assert found == {'lists': ['yes'], 'INBOX': ['plain']}
    server.forgive()


CHAIN_HEAD = 'require ["fileinto", "imap4flags", "copy", "reject", "vacation", "mailbox"]; '
VACATION = 'vacation :addresses "alice@mail.example" '
# Name, scripts before, of the user and after, and what the mailboxes have then: flags of each mail.
CHAINS = [
    ('flags', '', 'keep :flags "\\\\Seen";', '', {'INBOX': [['\\Seen']]}),
    ('flagsbefore', 'keep :flags "\\\\Seen";', 'fileinto :copy "a";', '', {'INBOX': [['\\Seen']], 'a': [[]]}),
    ('flagslater', 'keep :flags "\\\\Seen";', 'keep :flags "\\\\Flagged";', '', {'INBOX': [['\\Flagged']]}),
    ('flagsstay', '', 'setflag "\\\\Seen"; keep;', 'addflag "\\\\Flagged";', {'INBOX': [['\\Seen']]}),
    ('filed', '', 'keep :flags "b"; fileinto :flags "a" "INBOX";', 'fileinto "c";', {'INBOX': [['a']], 'c': [[]]}),
    ('twice', '', 'fileinto :copy :flags "a" "inbox";', '', {'INBOX': [['a']]}),
    ('copied', 'fileinto :copy :flags "a" "INBOX";', 'keep;', '', {'INBOX': [['a']]}),
    ('reject', 'fileinto :copy "b";', 'keep;', 'reject "no";', {'b': [[]]}),
    ('answered', VACATION + '"one";', VACATION + '"two";', '', {'INBOX': [[]]}),
    # Of a script with a mailbox that can't be had, nothing is done.
    ('missing', 'fileinto :copy "b";', 'fileinto "c"; redirect "a@y.example"; fileinto "d/e";', '', {'INBOX': [[]], 'b': [[]]}),
    ('missingbefore', 'fileinto :copy "b"; fileinto "d/e";', 'fileinto "c";', '', {'INBOX': [[]]}),
    ('missingafter', '', 'keep;', 'redirect :copy "a@y.example"; fileinto "d/e";', {'INBOX': [[]]}),
]


def chain(server, sink):
    """Mailboxes, answers and what is told of it, by chain."""
    common, seen = Path(server.dir, 'sieve'), {}
    common.mkdir()
    server.extra = EXTRA.format(port=sink.port, plugin=f'  sieve_before = {common}/before.sieve\n'
                                                       f'  sieve_after = {common}/after.sieve\n')
    server.write_config()
    server.start()
    for name, before, own, after, _ in CHAINS:
        for path, text in ((common / 'before.sieve', before), (common / 'after.sieve', after)):
            path.write_text(CHAIN_HEAD + text)
            path.chmod(0o644)
        script(server, 'alice', CHAIN_HEAD + own)
        for left in ('Maildir', '.dovecot.lda-dupes', '.dovecot.sieve.log'):
            subprocess.run(['rm', '-rf', f'{server.home("alice")}/{left}'], check=True)
        start, mails = len(server.log_text()), len(sink.mails)
        assert deliver(server, name).startswith('250')
        assert server.wait_log('Logged out', start=start)
        log = Path(server.home('alice'), '.dovecot.sieve.log')
        lines = {line for line in log_lines(server, start) if ' sieve: ' in line
                 and not re.search('stored mail|aborted|script binaries|svbin', line)}
        told = re.findall('error: .*', log.read_text()) if log.exists() else []
        seen[name] = ({box: [flags for _, flags in sorted(mails)] for box, mails in boxes(server, 'alice').items()},
                      len(sink.mails) - mails, lines, told)
    server.forgive()
    return seen


def test_scripts_in_a_row(make_server, sink):
    seen = chain(make_server(start=False), sink)
    assert {name: found[0] for name, found in seen.items()} == {name: found for name, *_, found in CHAINS}
    assert {name for name, found in seen.items() if found[1]} == {'reject', 'answered'}
    failed = re.compile('Error: sieve: msgid=<missing.*>: fileinto action: failed to store')
    assert {name for name, found in seen.items() if any(map(failed.match, found[2]))} == {'missingbefore', 'missingafter'}
    assert seen['missing'][3][0].startswith('error: msgid=<missing@example.org>: fileinto action: failed to store into')


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_scripts_in_a_row_as_pigeonhole(make_server, make_dovecot, sink):
    ours, theirs = chain(make_server(start=False), sink), chain(make_dovecot(start=False), sink)
    for name, seen in ours.items():
        assert seen == theirs[name], name


def test_whom_a_mail_was_for(make_server, sink):
    """envelope "to" is the recipient before aliases, if the MTA tells; without any, the user at this host."""
    server = make_server(EXTRA.format(port=sink.port, plugin='') + 'lda_mailbox_autocreate = yes\n')
    script(server, 'alice', 'require ["envelope", "fileinto", "variables", "vacation", "subaddress"];\n'
                            f'{VACATION.replace(":addresses", ":handle")} "gone";\n'
                            'if envelope :detail :matches "to" "*" { fileinto "detail-${1}"; }\n'
                            'if envelope :domain :matches "to" "*.*" { fileinto "${1}"; }')
    lda = Path(server.prefix, 'libexec', 'dovetail', 'dovetail-lda')
    for args in ([], ['-a', 'x+lists@first.example', '-r', 'alice@second.example'], ['-r', 'alice@third.example']):
        done = subprocess.run([lda, '-c', server.config, '-d', 'alice', '-f', 'joe@example.org', *args], input=mail('one'),
                              capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    assert set(boxes(server, 'alice')) == {'mail', 'first', 'detail-lists'}
    assert len(sink.mails) == 1 and b'From: <alice@mail.example>' in sink.mails[0]


def test_quoted_recipients(make_server, sink):
    """Blanks in a local part that stands in quotes; and what nobody is told of."""
    server = make_server(EXTRA.format(port=sink.port, plugin=''))
    script(server, 'alice', 'require "enotify"; redirect "\\"a b\\\\\\"\\"@y.example"; notify "mailto:n@y.example";')
    client = Lmtp(server.port('lmtp'))
    text = mail('one').replace(b'Subject', b'Auto-Submitted: auto-replied\nSubject')
    assert client.deliver(text, 'alice', sender='"joe q"@example.org')[0].startswith('250')
    client.close()
    assert [line.split(' BODY')[0] for line in sink.log if line.startswith(('MAIL', 'RCPT'))] == [
        'MAIL FROM:<"joe q"@example.org>', 'RCPT TO:<"a b\\""@y.example>']
    assert server.wait_log('notify action: not sending notification for auto-submitted message')


def test_traces_of_deliveries(make_server, sink):
    """One who makes the directory gets a file of each delivery."""
    plugin = '  sieve_trace_dir = trace\n  sieve_trace_level = tests\n  sieve_trace_debug = yes\n  sieve_trace_addresses = yes\n'
    server = make_server(EXTRA.format(port=sink.port, plugin=plugin))
    script(server, 'alice', 'if header "subject" "one" { discard; }')
    assert deliver(server, 'none').startswith('250')
    trace = Path(server.home('alice'), 'trace')
    assert not trace.exists()
    trace.mkdir()
    os.chown(trace, *mail_owner())
    for name in ('one', 'two'):
        assert deliver(server, name).startswith('250')
    files = sorted(trace.iterdir(), key=lambda path: 'result: true' not in path.read_text())
    assert len(files) == 2 and all(re.fullmatch(r'\d{8}-\d{6}\.\d+\.\d+\.trace', path.name) for path in files)
    assert files[0].stat().st_mode & 0o777 == 0o600 and files[0].stat().st_uid == mail_owner()[0]
    one, two = [path.read_text() for path in files]
    assert one.startswith('Sieve trace log for message delivery:\n\n  Username: alice\n  Session ID: ')
    assert '\n  Sender: <joe@example.org>\n  Final recipient: <alice>\n  Default mailbox: INBOX\n\n' in one
    assert re.search(r"      ## User's script \S+/\.dovecot\.sieve has \d+ octets of bytecode\n", one)
    assert re.search(r'\n[0-9a-f]{8}:    1: header test\n[0-9a-f]{8}:    1:   result: true\n', one)
    assert '   1: discard action; cancel implicit keep\n' in one
    assert 'result: false' in two and 'discard' not in two and two.endswith("## Finished executing script '.dovecot'\n")
    trace.chmod(0o500)
    assert deliver(server, 'three').startswith('250')
    if ROOT:
        assert server.wait_log(r'sieve: trace: open\(.*Permission denied')


def test_a_script_for_what_is_discarded(make_server, sink):
    """It runs if nothing else keeps the mail or sends it on; a failure of it loses nothing."""
    server = make_server(start=False)
    path = Path(server.dir, 'discard.sieve')
    server.extra = EXTRA.format(port=sink.port, plugin=f'  sieve_discard = {path}\n')
    server.write_config()
    path.write_text('require ["fileinto", "mailbox"]; if header "subject" ["kept", "rejected", "flagged"] { keep; }\n'
                    'elsif header "subject" "filed" { fileinto :create "Gone"; }\n'
                    'elsif header "subject" "failed" { fileinto "a/b"; } elsif header "subject" "never" { fileinto "Never"; }')
    path.chmod(0o644)
    server.start()
    head = 'require ["fileinto", "reject", "imap4flags", "copy"]; '
    for name, text in (('kept', 'discard;'), ('filed', 'discard;'), ('failed', 'discard;'), ('gone', 'discard;'),
                       ('rejected', 'reject "no";'), ('flagged', 'setflag "\\\\Seen"; discard;'),
                       ('never', 'fileinto "in";'), ('never', 'redirect "x@y.example";'), ('never', 'keep;'),
                       ('never', 'fileinto :copy "in"; discard;')):
        script(server, 'alice', head + text)
        assert deliver(server, name).startswith('250')
    found = {name: sorted(mails) for name, mails in boxes(server, 'alice').items()}
    assert found == {'INBOX': [('failed', []), ('flagged', ['\\Seen']), ('kept', []), ('never', []), ('rejected', [])],
                     'Gone': [('filed', [])], 'in': [('never', []), ('never', [])]}
    assert server.wait_log(r'Error: sieve: Execution of script \S+/discard\.sieve failed, but implicit keep was successful')
    server.forgive()


def test_whom_mails_are_from(make_server, sink):
    plugin = ('  sieve_extensions = +vnd.dovecot.report\n  sieve_notify_mailto_envelope_from = "<notes@mail.example>"\n'
              '  sieve_report_from = recipient\n  sieve_vacation_max_subject_codepoints = 10\n')
    server = make_server(EXTRA.format(port=sink.port, plugin=plugin))
    script(server, 'alice', 'require ["enotify", "vnd.dovecot.report", "vacation"]; notify :message "one" "mailto:n@y.example";\n'
                            'notify :message "two" :from "me@mail.example" "mailto:m@y.example"; report "abuse" "x" "r@y.example";'
                            'vacation :addresses "alice@mail.example" :subject "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4" "x";')
    assert deliver(server, 'one').startswith('250')
    froms = [re.search(rb'(?m)^From: (.*)\r$', text)[1].decode() for text in sink.mails]
    assert froms == ['<notes@mail.example>', 'me@mail.example', '<alice>', '<alice@mail.example>']
    assert [line.split(' BODY')[0] for line in sink.log if line.startswith('MAIL')] == [
        'MAIL FROM:<notes@mail.example>'] * 2 + ['MAIL FROM:<>'] * 2
    # Nine of the eleven, and an ellipsis.
    assert b'Subject: =?utf-8?b?w6TDpMOkw6TDpMOkw6TDpMOk4oCm?=\r\n' in sink.mails[3]


def test_users_without_scripts(make_server, sink):
    """sieve_enabled: nothing runs, not even the administrator's scripts."""
    server = make_server(start=False)
    path = Path(server.dir, 'before.sieve')
    path.write_text('discard;')
    path.chmod(0o644)
    server.extra = EXTRA.format(port=sink.port, plugin=f'  sieve_enabled = no\n  sieve_before = {path}\n')
    server.write_config()
    server.start()
    script(server, 'alice', 'discard;')
    assert deliver(server, 'one').startswith('250')
    assert list(boxes(server, 'alice')) == ['INBOX']


def test_where_programs_are_kept(make_server, sink):
    """bindir; and one who has no script has a plain delivery."""
    server = make_server(start=False)
    common = Path(server.dir, 'sieve')
    common.mkdir()
    (common / 'before.sieve').write_text('keep;')
    for path in common, common / 'before.sieve':
        path.chmod(0o755)
    server.extra = EXTRA.format(port=sink.port, plugin='  sieve = file:~/sieve;active=~/.active.sieve;bindir=~/bin\n'
                                                       f'  sieve_before = file:{common}/before.sieve;bindir=~/global\n')
    server.write_config()
    server.start()
    path = script(server, 'alice', 'require "fileinto"; fileinto "one";', 'sieve/one.sieve')
    link = Path(server.home('alice'), '.active.sieve')
    link.symlink_to(path)
    for text in ('one', 'two'):
        path.write_text(f'require "fileinto"; fileinto "{text}";')
        assert deliver(server, text).startswith('250')
    home = Path(server.home('alice'))
    assert [file.suffix for file in (home / 'bin').iterdir()] == ['.svbin']
    assert [file.name for file in home.glob('sieve/*.svbin')] == [] and not list(home.glob('.active.svbin'))
    assert sorted(boxes(server, 'alice')) == ['one', 'two']


def test_users_who_have_none(make_server, sink):
    server = make_server(EXTRA.format(port=sink.port, plugin=''))
    assert deliver(server, 'plain').startswith('250')
    assert server.wait_log(r'lmtp\(alice\)\S*: Info: msgid=<plain@example\.org>: saved mail to INBOX')


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_extensions_that_are_the_administrators(make_server, make_dovecot, sink, tmp_path):
    """sieve_global_extensions goes over sieve_extensions: a user's script may not have them, whoever else may."""
    open_up(tmp_path)
    before = tmp_path / 'before.sieve'
    before.write_text('require ["fileinto", "copy"]; if header "subject" "global" { fileinto :copy "g"; }')
    before.chmod(0o644)
    tmp_path.chmod(0o777)
    seen = []
    for make in (make_server, make_dovecot):
        for extensions in ('', '  sieve_extensions = +fileinto\n'):
            server = make(EXTRA.format(port=sink.port, plugin=f'{extensions}  sieve_global_extensions = +fileinto\n'
                                                              f'  sieve_before = {before}\n'))
            script(server, 'alice', 'require "fileinto"; fileinto "mine";')
            deliver(server, 'global')
            seen.append(boxes(server, 'alice'))
            script(server, 'alice', 'require ["ihave"]; if ihave "fileinto" { fileinto "mine"; }')
            deliver(server, 'ihave')
            seen.append(boxes(server, 'alice'))
    assert seen[:4] == seen[4:]
    assert seen[0] == seen[2] == {'g': [('global', [])], 'INBOX': [('global', [])]}


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_recipients_without_a_domain_are_of_this_host(make_server, make_dovecot, sink):
    """In From of a vacation response."""
    seen = []
    for make in (make_server, make_dovecot):
        server = make(EXTRA.format(port=sink.port, plugin='  sieve_vacation_dont_check_recipient = yes\n'))
        script(server, 'alice', 'require "vacation"; vacation "away";')
        deliver(server, 'one')
        seen.append(re.search(rb'(?m)^From: <(.*)>\r$', sink.mails[-1])[1].partition(b'@')[::2])
    assert seen[0][0] == seen[1][0] == b'alice' and seen[0][1] == b'mail.example' and seen[1][1]
