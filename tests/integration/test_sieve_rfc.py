# SPDX-License-Identifier: MIT
"""Every script in the texts of the Sieve standards, run as it is printed there: it compiles, and does what the text around
it says. The texts are beside the repository (../shared/rfc); without them these tests are left out.

A case names the lines of a text. Fragments get the "require" that they leave out, and slips of the printed text are mended;
each is said where it is."""
import os
import re
import subprocess
import textwrap
import time
from pathlib import Path

import pytest

from conftest import PREFIX

FOLDERS = [above / 'shared' / 'rfc' for above in Path(__file__).resolve().parents[3:]]
TEXTS = next((folder for folder in FOLDERS if folder.exists()), FOLDERS[0])
PAGE = re.compile(r'(?:RFC \d+ .*\d{4}|\S.*\[Page \d+\]|\f)\s*$')
pytestmark = pytest.mark.skipif(not TEXTS.exists(), reason='../shared/rfc is not there')
EXTENSIONS = ('+editheader +spamtest +spamtestplus +virustest +mboxmetadata +servermetadata +vacation-seconds +duplicate '
              '+imapsieve +vnd.dovecot.debug '
              '+vnd.dovecot.environment +vnd.dovecot.report +vnd.dovecot.pipe +vnd.dovecot.filter '
              '+vnd.dovecot.execute')
CONFIG = """
log_path = /dev/stderr
mail_location = maildir:{dir}/mail
hostname = mail.example
plugin {{
  sieve_execute_bin_dir = {dir}
  sieve_filter_bin_dir = {dir}
  sieve_spamtest_status_type = score
  sieve_spamtest_status_header = X-Score
  sieve_spamtest_max_value = 10
  sieve_vacation_min_period = 0
  sieve_virustest_status_type = text
  sieve_virustest_status_header = X-Virus
  sieve_virustest_text_value1 = Clean
  sieve_virustest_text_value4 = Maybe
  sieve_virustest_text_value5 = Infected
}}
"""
KEEP = [('implicit', 'store message in folder: INBOX')]
GONE = [('do', 'discard')]


def into(*folders):
    return [('do', f'store message in folder: {name}') for name in folders]


def to(*addresses):
    return [('do', f'redirect message to: <{name}>') for name in addresses]


def notified(uri, importance=2, message=''):
    said_too = message and f' => message : {message}'
    text = f'^send notification: => method : {re.escape(uri)} => importance : {importance}{said_too}$'
    return [('do', re.compile(text))]


def lines(text, first, last):
    """Lines of a text, without heads and feet of pages."""
    rows = (TEXTS / text).read_text(errors='replace').split('\n')[first - 1:last]
    rows = [row.rstrip() for row in rows if not PAGE.match(row)]
    rows = [re.sub(r'Example:', '        ', row) for row in rows]
    return textwrap.dedent('\n'.join(rows)) + '\n'


def rejected(words):
    return [('do', re.compile(f'^reject message with reason: .*{words}'))]


def answered(words, seconds=604800, more=''):
    return [('do', re.compile(f'^send vacation message: => seconds : {seconds}{more} START MESSAGE .*{words}.* END MESSAGE$',
                              re.S))] + KEEP


def said(output):
    """What sieve-test says would be done."""
    found, part = [], None
    for line in output.splitlines():
        if line.startswith('Performed actions'):
            part = 'do'
        elif line.startswith('Implicit keep'):
            part = 'implicit'
        elif line.startswith(' * '):
            found.append([part, line[3:]])
        elif line.strip() and found and line.strip() not in ('(none)', '+ preserve implicit keep'):
            found[-1][1] += ' ' + ' '.join(line.split())
    return [tuple(action) for action in found]


def mail(head):
    return textwrap.dedent(head).lstrip('\n').rstrip('\n') + ('\n' if '\n\n' in head.strip('\n') else '\n\nbody\n')


@pytest.fixture
def place(tmp_path):
    (tmp_path / 'dovecot.conf').write_text(CONFIG.format(dir=tmp_path))
    for name in ('onvacation', 'translator'):
        program = tmp_path / name
        program.write_text('#!/bin/sh\n[ $# -gt 1 ] && exec sed "s/^body/$1-$2/"\necho "$1 is away"\n')
        program.chmod(0o755)
    return tmp_path


def run(place, script, head='', sender='joe@example.org', recipient='me@example.com', extra=(), status=0):
    path, message = place / 'x.sieve', place / 'x.eml'
    path.write_text(script)
    message.write_text(mail(head))
    done = subprocess.run([f'{PREFIX}/bin/sieve-test', '-C', '-c', place / 'dovecot.conf', '-x', EXTENSIONS, '-f', sender,
                           '-r', recipient, '-a', recipient, *extra, path, message], capture_output=True, text=True,
                          check=False, timeout=60, env={**os.environ, 'USER': 'joe', 'TZ': 'UTC'})
    assert (done.returncode == 0) == (status == 0), script + done.stderr + done.stdout
    return said(done.stdout) if status == 0 else done.stderr


# Script, and with each head of a mail what comes of it. A script is (text, first line, last line), and how it is mended:
# what it requires, and pairs of what is replaced.
def printed(text, first, last, require='', *slips, frame='%s'):
    script = frame % lines(text, first, last)
    for old, new in slips:
        assert old in script, (old, script)
        script = script.replace(old, new)
    return (f'require [{", ".join(chr(34) + r + chr(34) for r in require.split())}];\n' if require else '') + script


MARK = 'Subject: %s'
FROM = 'From: %s'
SIEVE, VARIABLES, DATE = 'sieve.rfc5228.txt', 'variables.rfc5229.txt', 'date-index.rfc5260.txt'
FLAGS, RELATIONAL, DUPLICATE = 'imap4flags.rfc5232.txt', 'relational.rfc5231.txt', 'duplicate.rfc7352.txt'
NOTIFY, VACATION, SPAM = 'notify.rfc5435.txt', 'vacation.rfc5230.txt', 'spamvirustest.rfc5235.txt'
EDIT, PROGRAMS, REJECT = 'editheader.rfc5293.txt', 'spec-bosch-sieve-extprograms.txt', 'reject-ereject.rfc5429.txt'
LARGE = 'Subject: large\n\n' + 'x' * 70 * 1024 * 2
COYOTE = 'From: coyote@desert.example.org\nTo: a@b.example\nSubject: hello\n'
MONEY = 'From: x@example.net\nTo: a@b.example\nDate: Mon, 31 Mar 1997 18:26:10 -0800\nSubject: a $$$ b\n'


def huge(sender, recipient='me@company.example.com.au', subject='x', owner='x@y.example', big=False):
    return f'From: {sender}\nTo: {recipient}\nSubject: {subject}\nSender: {owner}\n\n' + 'x\n' * (600000 if big else 1)


def flagged(folder, flags):
    return [('do', f'store message in folder: {folder} + add IMAP flags: {flags}')]


CASES = {
    '5228 2.3 #': (SIEVE, 359, 361, [(LARGE, GONE), (MARK % 'small', KEEP)]),
    '5228 2.3 /**/': (SIEVE, 367, 370, [(LARGE, GONE), (MARK % 'small', KEEP)]),
    '5228 2.4.2.4': (SIEVE, 583, 586, [(MONEY, GONE), (COYOTE, KEEP)]),
    '5228 2.5': (SIEVE, 630, 633, [(FROM % 'x@y.z', GONE), ('From: x@y.z\nDate: x', KEEP),
                                   ('From: a <fool@example.com>\nDate: x', GONE)]),
    '5228 2.7.3': (SIEVE, 861, 864, [(MARK % 'You can MAKE MONEY FAST', GONE), (MARK % 'you can Make Money Fast', KEEP)]),
    '5228 2.10.2': (SIEVE, 999, 999, [(MARK % 'x', KEEP)]),
    '5228 3.1 both': (SIEVE, 1164, 1171, [(COYOTE, GONE), (MONEY, GONE), (MARK % 'x', into('INBOX'))]),
    '5228 3.1 redirect': (SIEVE, 1187, 1193, [(COYOTE, to('acm@example.com')), (MONEY, to('postmaster@example.com')),
                                              (MARK % 'x', to('field@example.com'))]),
    '5228 3.2': (SIEVE, 1212, 1212, [(MARK % 'x', KEEP)]),
    '5228 3.2 two': (SIEVE, 1214, 1215, [(MARK % 'x', KEEP)]),
    '5228 4.1': (SIEVE, 1275, 1278, [(COYOTE, into('INBOX.harassment')), (MONEY, KEEP)]),
    '5228 4.2': (SIEVE, 1320, 1320, [(COYOTE, to('bart@example.com'))]),
    '5228 4.3': (SIEVE, 1359, 1359, [(COYOTE, into('INBOX')), (huge('a@b.c', big=True), GONE)]),
    '5228 4.3 implicit': (SIEVE, 1363, 1363, [(COYOTE, KEEP), (huge('a@b.c', big=True), GONE)]),
    '5228 4.4': (SIEVE, 1381, 1383, [(FROM % 'Who <idiot@example.com>', GONE), (COYOTE, KEEP)]),
    '5228 5.1': (SIEVE, 1451, 1453, [(FROM % '"Tim" <tim@example.com>', GONE), (FROM % 'tim@example.com', GONE),
                                     (FROM % 'tim@example.com.au', KEEP)]),
    '5228 5.4': (SIEVE, 1536, 1539, [(COYOTE, KEEP), (COYOTE, {'sender': 'tim@example.com'}, GONE),
                                     (COYOTE, {'sender': 'tim@example.org'}, KEEP)]),
    '5228 5.5': (SIEVE, 1552, 1554, [(MONEY, KEEP), (COYOTE, GONE)]),
    '5228 13': (SIEVE, 2036, 2070, [
        ('Sender: owner-ietf-mta-filters@imc.org', into('filter')), (FROM % 'X <a@Example.com>', into('INBOX')),
        ('From: a@b.c\nTo: x@y.z', into('spam')), ('From: a@b.c\nTo: me@example.com.au\nSubject: no', into('personal')),
        ('From: a@b.c\nTo: me@example.com.au\nSubject: do make some money so fast!', into('spam')),
        ('From: a@b.c\nCc: me@example.com.au\nSubject: University of diplomas', into('spam'))]),
    '5229 3.1 dollar': (VARIABLES, 163, 164, 'variables fileinto', ('"regarding ${dollar}{beep}";',
                        '"regarding ${dollar}{beep}"; fileinto "${text}";'), [(MARK % 'x', into('regarding ${beep}'))]),
    # A semicolon is missing.
    '5229 3.1 hex': (VARIABLES, 176, 180, '', ('"Ethelbert"\n', '"Ethelbert";\n'), ('    # the test', 'discard; # the test'),
                     [(MARK % 'oh dear Ethelbert!', GONE), (MARK % 'dear ${Name}', KEEP)]),
    '5229 3.2 list': (VARIABLES, 214, 218, [
        ('List-ID: The <acme@lists.example>', into('INBOX.lists.acme')), ('List-ID: x@y', KEEP),
        # As little as possible: the first of each character.
        ('List-ID: a <b <c@d@e>', into('INBOX.lists.b <c'))]),
    # "fileinfo" is "fileinto".
    '5229 3.2 rest': (VARIABLES, 233, 257, 'fileinto variables', ('fileinfo', 'fileinto'), [
        (MARK % '[acme-users] [fwd] version 1.0 is out', into('INBOX.lists.acme-users')),
        ('To: coyote@ACME.Example.COM', into('INBOX.business.ACME.Example')),
        ('To: a@b.c\nCc: Wile <wile@x.com>', into('INBOX.business.x')), ('To: a@b.com', KEEP)]),
    '5229 4': (VARIABLES, 288, 295, 'variables', [(MARK % 'x', KEEP)]),
    '5229 5': (VARIABLES, 405, 408, 'variables', ('# the', 'discard; # the'), [(MARK % 'x', GONE)]),
    '5173 5.1': ('body.rfc5173.txt', 177, 186, [('Subject: x\n\nto MAKE MONEY FAST\n', GONE),
                                                ('Subject: MAKE MONEY FAST\n\nx\n', KEEP)]),
    '5173 5.2': ('body.rfc5173.txt', 345, 359, [
        ('Subject: x\n\nwhere the missile is\n', into('secrets')),
        ('Content-Type: text/html\n\n<p>coordinates</p>\n', into('secrets')),
        ('Content-Type: audio/mp3\n\nmissile\n', into('jukebox')),
        ('Content-Type: multipart/mixed; boundary=b\n\n--b\n\nmissile\n--b\nContent-Type: Audio/MP3\n\n\n--b--\n',
         into('secrets', 'jukebox'))]),
    '5173 5.3': ('body.rfc5173.txt', 384, 390, [('Subject: x\n\nthe project schedule is\n', into('project/schedule')),
                                                ('Subject: project schedule\n\nx\n', KEEP)]),
    '3894 1': ('copy.rfc3894.txt', 65, 66, 'fileinto', [(MARK % 'x', into('unfiltered', 'INBOX'))]),
    '3894 1 discard': ('copy.rfc3894.txt', 72, 78, 'fileinto', [
        (MARK % 'MAKE MONEY FAST!!!', into('unfiltered', 'INBOX') + GONE)]),
    '3894 3': ('copy.rfc3894.txt', 121, 122, '', ('"incoming";', '"incoming"; if header "subject" "no" { discard; }'),
               [(MARK % 'x', into('incoming') + KEEP), (MARK % 'no', into('incoming') + GONE)]),
    '5260 4.4 hours': (DATE, 292, 296, [
        ('From: boss@example.com\nDate: Wed, 4 Jul 2007 09:00:00 -1100', into('urgent')),
        ('From: boss@example.com\nDate: Wed, 4 Jul 2007 16:59:59 +0900', into('urgent')),
        ('From: boss@example.com\nDate: Wed, 4 Jul 2007 17:00:00 +0900', KEEP),
        ('From: boss@example.com\nDate: Wed, 4 Jul 2007 08:59:59 +0900', KEEP)]),
    '5260 4.4 weekend': (DATE, 301, 304, '', ('date :is', 'date :originalzone :is'), [
        ('Received: from a by b; Sat, 7 Jul 2007 12:00:00 +0200\nReceived: x; Mon, 2 Jul 2007 12:00:00 +0200', into('weekend')),
        ('Received: from a by b; Mon, 2 Jul 2007 12:00:00 +0200\nReceived: x; Sat, 7 Jul 2007 12:00:00 +0200', KEEP)]),
    # The clock says which.
    '5260 5 year': (DATE, 353, 356, [(MARK % 'x', KEEP)]),
    # A comma before the block is too much.
    '5260 6': (DATE, 430, 434, '', ('-05:00",', '-05:00"'), [
        ('Received: x; Tue, 27 Feb 2007 12:00:00 +0000\nReceived: x; Mon, 26 Feb 2007 14:00:01 +0000',
         to('aftercutoff@example.org')),
        ('Received: x; Tue, 27 Feb 2007 12:00:00 +0000\nReceived: x; Mon, 26 Feb 2007 14:00:00 +0000', KEEP),
        ('Received: x; Tue, 27 Feb 2007 12:00:00 +0000', KEEP)]),
    'regex': ('draft-murchison-sieve-regex-07.txt', 204, 217, [
        ('To: me@company.com\nSubject: hello', KEEP), ('To: me@company.com\nSubject: HELLO 1', GONE),
        ('To: me+x@company.com\nSubject: hello', KEEP), ('To: you@company.com\nSubject: hello', GONE),
        ('To: me@companyxcom\nSubject: hello', GONE)]),
    '7352 4 first': (DUPLICATE, 353, 356, [('Message-ID: <a@b>', KEEP)]),
    '7352 4 second': (DUPLICATE, 358, 361, [('Message-ID: <a@b>', KEEP)]),
    '7352 4 third': (DUPLICATE, 363, 368, [('Message-ID: <a@b>', KEEP)]),
    '7352 5.1': (DUPLICATE, 490, 494, [('Message-ID: <a@b>', KEEP)]),
    '7352 5.2': (DUPLICATE, 521, 529, [(MARK % 'ALERT: on fire', into('Alerts')), (MARK % 'x', KEEP)]),
    # No server of ours has XMPP: mail it is.
    '7352 5.3': (DUPLICATE, 579, 588, '', ('xmpp:user', 'mailto:user'), [
        (MARK % 'x', notified('mailto:user@im.example.com', 2, r'\[SIEVE\] joe@example.org: x') + KEEP)]),
    '7352 5.3 Re': (DUPLICATE, 597, 613, '', ('xmpp:user', 'mailto:user'), [
        (MARK % 'Re: x', notified('mailto:user@im.example.com', 2, r'\[SIEVE\] joe@example.org: x') + KEEP)]),
    '7352 5.4': (DUPLICATE, 644, 655, [('To: support@example.com\nX-Ticket-ID: 1\nSubject: fileserver', KEEP)]),
    '5293 4': (EDIT, 90, 96, 'editheader', [(MARK % 'x', to('kim@home.example.com')),
                                            ('X-Sieve-Filtered: <kim@job.example.com>', KEEP)]),
    '5293 5': (EDIT, 139, 140, 'editheader', [('Delivered-To: bob@example.com', KEEP)]),
    '5293 6 test': (EDIT, 206, 210, 'editheader fileinto', [(MARK % 'x', into('international')),
                                                           ('X-Hello: World', into('international'))]),
    '5293 6 keep': (EDIT, 237, 239, 'editheader', [(MARK % 'x', into('INBOX'))]),
    '5183 4.1': ('environment.rfc5183.txt', 101, 101, 'environment', ('...', 'discard;'), [(MARK % 'x', KEEP)]),
    '5183 5': ('environment.rfc5183.txt', 265, 265, 'environment', ('...', 'discard;'), [(MARK % 'x', KEEP)]),
    '5232 3.1': (FLAGS, 202, 204, 'imap4flags', [
        (huge('a@b.c', big=True), [('implicit', 'store message in folder: INBOX + add IMAP flags: \\Deleted')]),
        (MARK % 'x', KEEP)]),
    '5232 3.1 variable': (FLAGS, 209, 212, 'imap4flags variables fileinto', [
        (FROM % 'boss@frobnitzm.example.edu', flagged('INBOX.From Boss', '\\Flagged')), (MARK % 'x', KEEP)]),
    '5232 3.2 two': (FLAGS, 234, 235, 'imap4flags variables', ('"\\\\Answered";', '"\\\\Answered"; keep :flags "${flagvar}";'),
                     [(MARK % 'x', flagged('INBOX', '\\Deleted \\Answered'))]),
    '5232 3.2 list': (FLAGS, 239, 239, 'imap4flags variables', (';', '; keep :flags "${flagvar}";'),
                      [(MARK % 'x', flagged('INBOX', '\\Deleted \\Answered'))]),
    '5232 3.2 one': (FLAGS, 243, 243, 'imap4flags variables', (';', '; keep :flags "${flagvar}";'),
                     [(MARK % 'x', flagged('INBOX', '\\Deleted \\Answered'))]),
    '5232 3.2 turned': (FLAGS, 247, 247, 'imap4flags variables', (';', '; keep :flags "${flagvar}";'),
                        [(MARK % 'x', flagged('INBOX', '\\Answered \\Deleted'))]),
    '5232 3.3': (FLAGS, 265, 272, 'imap4flags variables fileinto', [
        ('From: x <imap@cac.washington.example.edu>\nDisposition-Notification-To: mel@example.com', into('INBOX.imap-list')),
        ('Disposition-Notification-To: mel@example.com', KEEP)]),
    # anyof has no parentheses, and removeflag is called remove.
    '5232 appendix': (FLAGS, 442, 520, '', ('anyof address', 'address'), (' remove "', ' removeflag "'), [
        (huge('boss@company.example.com', big=True), flagged('Big messages', 'Big \\Flagged') +
         flagged('INBOX', 'Big \\Flagged')),
        (huge('x@y.z', big=True), flagged('Big messages', 'Big') + flagged('personal', 'Big')),
        (huge('grandma@example.net', big=True), flagged('Big messages', 'Big') + flagged('GrandMa', 'Big \\Answered $MDNSent') +
         flagged('personal', 'Big \\Answered $MDNSent')),
        (huge('grandma@example.net'), flagged('GrandMa', '\\Answered $MDNSent') + flagged('personal', '\\Answered $MDNSent')),
        (huge('x@y.z', owner='owner-ietf-mta-filters@example.org'), flagged('INBOX', '\\Flagged $Work')),
        (huge('x@y.z', recipient='you@company.example.com'), into('INBOX')),
        (huge('x@y.z', recipient='a@b.c'), into('spam')), (huge('x@y.z'), into('personal')),
        (huge('x@y.z', subject='make more money very fast'), into('spam'))]),
    '5490 3.1': ('mailbox-metadata.rfc5490.txt', 146, 151, [
        (MARK % 'x', rejected('not accepted'))]),
    # The semicolon after the text is missing.
    '5490 3.3': ('mailbox-metadata.rfc5490.txt', 202, 211, '', ('.\n', '.\n;\n'), [(MARK % 'x', KEEP)]),
    '5490 4.1': ('mailbox-metadata.rfc5490.txt', 262, 294, '', ('"${notif_uri}";', '"mailto:a@b.example";'), [
        ('From: A <a@b.c>\nSubject: x', notified('mailto:a@b.example', 2, r'a@b.c \[really: joe@example.org\]: x') + KEEP)]),
    '5436 5': ('notify-mailto.rfc5436.txt', 401, 409, [
        ('List-Id: knitting.example.com\nSubject: [knitting] A new sweater',
         notified('mailto:0123456789@sms.example.net?to=backup@example.com', 3, 'From knitting list: A new sweater') + KEEP),
        ('List-Id: knitting.example.com\nSubject: no', KEEP)]),
    '5435 1': (NOTIFY, 290, 315, [
        ('From: boss@example.org\nTo: sievemailinglist@example.org', 
         notified('mailto:alm@example.com', 1, '.* important') + KEEP),
        ('To: sievemailinglist@example.org\nSubject: x\nFrom: a@b.c',
         notified('mailto:alm@example.com', 3, r'\[SIEVE\] a@b.c: x') + into('INBOX.sieve')),
        (MARK % 'x', KEEP)]),
    '5435 2': (NOTIFY, 318, 345, [
        ('From: a@b.example.org\nSubject: x',
         notified('mailto:alm@example.com', 2, r'a@b.example.org \[really: joe@example.org\]: x') + KEEP),
        (MARK % 'x', KEEP)]),
    '5435 3': (NOTIFY, 348, 377, '', ('xmpp:tim@example.com?message;subject=SIEVE;body=', 'mailto:tim@example.com?body='),
               ('tel:+14085551212', 'mailto:tel@example.com'), [
        (MARK % 'x', notified('mailto:tim@example.com?body=You%20got%20mail') + KEEP),
        (MARK % 'Your dog', notified('mailto:tel@example.com') + KEEP),
        ('To: sievemailinglist@example.org\nSubject: Your dog', KEEP),
        ('To: sievemailinglist@example.org\nFrom: boss@example.org\nSubject: work',
         notified('mailto:tel@example.com', 1, 'BOSS: work') + KEEP),
        ('To: sievemailinglist@example.org\nFrom: boss@example.org\nSubject: FYI: work', KEEP)]),
    # mailto: is no address.
    '5435 4': (NOTIFY, 463, 466, 'enotify', ('stop;', 'discard;'), [(MARK % 'x', GONE)]),
    '5435 5': (NOTIFY, 529, 539, '', ('xmpp:tim@example.com?message;subject=SIEVE', 'mailto:tim@example.com'),
               ('tel:+14085551212', 'mailto:tel@example.com'), [
        (MARK % 'x', notified('mailto:tel@example.com', 2, 'You got mail') + KEEP)]),
    '5435 6': (NOTIFY, 568, 572, [(MARK % 'x', notified('mailto:tim@example.com?body=Safe%20body%26evil%3Devilbody') + KEEP)]),
    '5429 2.1': (REJECT, 232, 236, [(FROM % 'someone@example.com', rejected('no longer')), (COYOTE, KEEP)]),
    '5429 2.1.1': (REJECT, 353, 361, [(LARGE, rejected('too big.*web site')), (COYOTE, KEEP)]),
    '5429 2.2': (REJECT, 403, 411, [(COYOTE, rejected('birdseed')), (MONEY, KEEP)]),
    '5429 2.3': (REJECT, 512, 526, 'relational', [
        ('X-Score: 9', rejected('is spam')), ('X-Score: 4.5', into('Suspect')), ('X-Score: 1', KEEP), (MARK % 'x', KEEP)]),
    '5231 7': (RELATIONAL, 289, 319, [
        ('X-Priority: 1\nFrom: a@b.c', into('Priority')), ('X-Priority: 3\nFrom: a@b.c', into('From A-M')),
        ('To: a@a, a@b, a@c, a@d, a@e, a@f', into('SPAM')), ('From: Zoe <zoe@b.c>\nTo: me@foo.example.com',
                                                            into('From N-Z', 'Only me')),
        ('From: mary@b.c\nTo: ME@foo.example.com', into('From N-Z', 'Only me')), ('From: joe@b.c', into('From A-M'))]),
    '5235 spam': (SPAM, 218, 238, '', ('comparator-\n         i;', 'comparator-i;'), [
        (MARK % 'x', into('INBOX.unclassified')), ('X-Score: 0', KEEP), ('X-Score: 2.2', KEEP),
        ('X-Score: 2.3', into('INBOX.spam-trap')),
        ('X-Score: 10', into('INBOX.spam-trap'))]),
    '5235 percent': (SPAM, 289, 310, [
        (MARK % 'x', into('INBOX.unclassified')), ('X-Score: 0', into('INBOX.not-spam')),
        ('X-Score: 3.6', into('INBOX.spam-trap')), ('X-Score: 3.7', GONE), ('X-Score: 10', GONE)]),
    '5235 count': (SPAM, 326, 356, 'spamtestplus fileinto relational comparator-i;ascii-numeric', [
        (MARK % 'x', into('INBOX.unclassified')), ('X-Score: 0', into('INBOX.not-spam')),
        ('X-Score: 3.6', into('INBOX.spam-trap')), ('X-Score: 10', GONE)]),
    '5235 virus': (SPAM, 428, 442, '', ('comparator-\n         i;', 'comparator-i;'), [
        (MARK % 'x', into('INBOX.unclassified')), ('X-Virus: Clean', KEEP), ('X-Virus: Maybe', into('INBOX.quarantine')),
        ('X-Virus: Infected', GONE)]),
    'debug': ('spec-bosch-sieve-debug.txt', 124, 128, [(MARK % 'hello', KEEP)]),
    'debug envelope': ('spec-bosch-sieve-debug.txt', 134, 139, [(MARK % 'hello', KEEP)]),
    # The backslash is of no use: a quoted string has none before "$".
    'environment': ('spec-bosch-sieve-dovecot-environment.txt', 102, 105, [
        (MARK % 'x', [('do', 'store message in folder: Userjoe + create mailbox if it does not exist')])]),
    'pipe': (PROGRAMS, 457, 462, [
        (MARK % 'x', KEEP),
        (MARK % 'x', {'recipient': 'me+request@example.com'}, [('do', 'pipe message to program: request-handler')])]),
    'pipe copy': (PROGRAMS, 474, 479, [
        ('To: snailmail@example.com', [('do', 'pipe message to program: printer => arguments: A4 draft')] + KEEP),
        (MARK % 'x', KEEP)]),
    'filter': (PROGRAMS, 491, 498, [('Content-Language: nl', into('Translated')), (MARK % 'x', KEEP)]),
    'filter test': (PROGRAMS, 514, 523, [('Content-Language: nl', into('Translated')), (MARK % 'x', KEEP)]),
    'execute': (PROGRAMS, 541, 552, [('To: me@example.com', answered('me is away'))]),
    '5233 4': ('subaddress.rfc5233.txt', 189, 209, [
        (MARK % 'x', {'recipient': 'ken@example.com'}, KEEP),
        (MARK % 'x', {'recipient': 'postmaster+any@example.com'}, into('inbox.postmaster')),
        (MARK % 'x', {'recipient': 'ken+mta-filters@example.com'}, into('inbox.ietf-mta-filters')),
        (MARK % 'x', {'recipient': 'ken+foo@example.com'}, to('ken@example.net'))]),
    '6131 3 half': ('vacation-seconds.rfc6131.txt', 212, 215, [
        ('To: ts4z@landru.example.edu', answered('in a meeting', 1800))]),
    '6131 3 zero': ('vacation-seconds.rfc6131.txt', 236, 241, [
        ('To: me@example.com', answered('business day', 0, ' => handle : auto-resp'))]),
    '5230 4.2': (VACATION, 217, 222, [('To: me@example.com\nSubject: cyrus', answered('cyrus-bugs')),
                                       ('To: me@example.com', answered('call me'))]),
    '5230 4.2 subject': (VACATION, 242, 246, [
        ('To: me@example.com\nSubject: cyrus', answered('to foo', more=' => subject : .*: cyrus'))]),
    '5230 4.2 handle': (VACATION, 260, 265, [
        ('To: me@example.com\nSubject: lunch', answered('for lunch', more=' => handle : ran-away')),
        ('To: me@example.com\nSubject: dinner', answered('out', more=' => handle : ran-away'))]),
    # The semicolon at the end is missing.
    '5230 4.4': (VACATION, 343, 363, '', ('--foo--\n.\n', '--foo--\n.\n;\n'), [
        ('To: me@example.com', answered('Content-Type: multipart/alternative.*--foo--'))]),
    '5230 4.6': (VACATION, 459, 463, [('To: tjs@example.edu', answered('October 19', 23 * 86400))]),
    '5230 4.6 boss': (VACATION, 468, 474, [('From: boss@example.edu', to('pleeb@isp.example.org')),
                                           ('To: me@example.com', answered('around to it'))]),
    '5230 5.6': (VACATION, 595, 601, [('To: me@example.com\nContent-Language: en', answered('away this')),
                                       ('To: me@example.com\nContent-Language: es', answered('ausente'))]),
    '5230 5.6 ours': (VACATION, 623, 631, [
        ('To: me@example.com\nFrom: a@ourdivision.example.com', answered('fun', more=' => subject : Gone fishing')),
        ('To: me@example.com\nFrom: a@b.example', answered('quand', more=' => subject : Je suis parti .*'))]),
    # Outside of IMAP, nothing has happened that they are for.
    'report': ('spec-bosch-sieve-report.txt', 191, 199, [(MARK % 'x', KEEP), ('X-Spam-Status: not spam', KEEP)]),
    '6785 1': ('imapsieve.rfc6785.txt', 744, 751, [(MARK % 'x', KEEP)]),
    '6785 2': ('imapsieve.rfc6785.txt', 761, 772, '', ('xmpp:tim@example.com?message;subject=SIEVE', 'mailto:tim@example.com'),
               [(MARK % 'x', KEEP)]),
}


def alike(got, expected):
    return got == expected or (isinstance(expected[1], re.Pattern) and got[0] == expected[0] and expected[1].search(got[1]))


@pytest.mark.parametrize('name', CASES)
def test_printed(place, name):
    case = CASES[name]
    script = printed(*case[:-1])
    for head, *env, expected in case[-1]:
        got = run(place, script, head, **(env[0] if env else {}))
        assert len(got) == len(expected) and all(map(alike, got, expected)), (head[:300], script, got)


def strings(text, first, last):
    """Quoted strings, and what is behind their arrows."""
    for row in re.sub(r'\n\s*(?==>)', ' ', lines(text, first, last)).splitlines():
        found = re.match(r'\s*("(?:[^"\\]|\\.)*"?) *(?:->|=>) *(.*)', row)
        if found is not None:
            yield found[1], found[2]


def value_of(place, require, before, string):
    """What a string stands for."""
    script = f'require ["fileinto", {require}];\n{before}\nfileinto {string};\n'
    return run(place, script)[0][1].removeprefix('store message in folder: ')


def test_encoded_characters(place):
    found = list(strings(SIEVE, 590, 603))
    assert len(found) == 14
    for string, value in found:
        if value == 'error':
            string = string.rstrip('"') + '"'
            assert 'error: ' in run(place, f'require ["fileinto", "encoded-character"]; fileinto {string};', status=1)
        else:
            assert value_of(place, '"encoded-character"', '', string) == value.strip('"')


def test_references_of_variables(place):
    found = [*strings(VARIABLES, 101, 122), *strings(VARIABLES, 151, 156)]
    assert len(found) == 10
    for string, value in found:
        if 'unchanged' in value or 'verbatim' in value:
            value = string.replace('\\\\', '\\')
        elif '${foo}' in value:
            value = '\\FOO' if 'a backslash' in value else 'FOO'
        elif 'empty string' in value:
            value = ''
        got = value_of(place, '"variables"', 'set "company" "ACME"; set "foo" "FOO";', string.replace('"', '"<', 1))
        assert got == '<' + value.strip('"'), string


def test_modifiers(place):
    script = lines(VARIABLES, 328, 334)
    values = re.findall(r';\s*=> "(.*)"', script)
    assert len(values) == 6
    commands = re.findall(r'^.*?;', re.sub(r'^#.*\n', '', script), re.M)
    for i, value in enumerate(values):
        name = 'a' if i == 0 else 'b'
        assert value_of(place, '"variables"', '\n'.join(commands[:i + 1]), '"${%s}"' % name) == value


TESTS = [  # lines of a test, what it requires and what is before it, the mail, whether it is true
    (SIEVE, 1598, 1598, '', '', 'X-Caffeine: C8H10N4O2', False), (SIEVE, 1599, 1599, '', '', 'X-Caffeine: C8H10N4O2', True),
    (SIEVE, 1605, 1605, '', '', 'Cc: ', True), (SIEVE, 1605, 1605, '', '', 'To: x', True),
    (SIEVE, 1605, 1605, '', '', 'Cc: x', False),
    (FLAGS, 308, 308, 'imap4flags', 'setflag "A B";', '', True), (FLAGS, 312, 312, 'imap4flags', 'setflag "A B";', '', True),
    *[(FLAGS, line, line, 'imap4flags variables', 'set "MyVar" "NonJunk Junk gnus-forward $Forwarded NotJunk JunkRecorded '
       '$Junk $NotJunk";', '', line < 340) for line in (319, 320, 321, 322, 327, 331, 345, 347)],
    (FLAGS, 352, 353, 'imap4flags variables relational comparator-i;ascii-numeric', 'set "MyFlags" "A B";', '', True),
]
COUNTED = 'Received: a\nReceived: b\nSubject: example\nTo: foo@example.com, baz@example.com\nCc: qux@example.com'
TESTS += [(RELATIONAL, *where, 'relational comparator-i;ascii-numeric', '', COUNTED, true) for *where, true in (
    (216, 217, True), (231, 234, False), (241, 242, False), (246, 247, True), (253, 254, False))]


@pytest.mark.parametrize('text,first,last,require,before,head,true', TESTS)
def test_tests(place, text, first, last, require, before, head, true):
    test = re.sub(r'=> .*', '', lines(text, first, last))
    script = printed(text, first, last, require, frame=before.replace('%', '%%') + ' if %s { discard; }')
    script = re.sub(r'=> +\w+', '', script)
    assert test.strip() and (run(place, script, head)[0][1] == 'discard') == true, script


HELLO = 'X-Hello: one\nX-Hello: two\nX-Hello: three\nSubject: x'


@pytest.mark.parametrize('first,last,head,there,gone', [
    (188, 189, 'X-Hello: mine', ['mine'], ['World']), (195, 196, HELLO, ['two'], ['one', 'three']),
    (139, 140, 'Delivered-To: bob@example.com\nDelivered-To: xbob@example.com.au', ['xbob@example.com.au'],
     ['bob@example.com'])])
def test_edited_headers(place, first, last, head, there, gone):
    name = head.split(':', 1)[0]
    looks = ''.join(f'if not header :is "{name}" "{value}" {{ discard; }}\n' for value in there)
    looks += ''.join(f'if header :is "{name}" "{value}" {{ discard; }}\n' for value in gone)
    assert run(place, printed(EDIT, first, last, 'editheader') + looks, head) == KEEP


def test_current_date(place):
    """The clock is the machine's: what is true now."""
    now = time.gmtime()
    got = run(place, printed(DATE, 343, 348))
    if now.tm_min < 59:
        away = now.tm_wday > 4 or not 9 <= now.tm_hour < 17
        assert got == (to('pager@example.com') if away else KEEP)
        assert run(place, printed(DATE, 363, 366)) == into(time.strftime('%m-%Y', now))
    added = printed(DATE, 371, 373) + 'if not header :matches "processing-date" "*, * * ??:??:??*" { discard; }'
    assert run(place, added) == KEEP


INCLUDE = 'include.rfc6609.txt'


def place_scripts(place, personal, everybody):
    for folder, scripts in (('personal', personal), ('global', everybody)):
        (place / folder).mkdir()
        for name, script in scripts.items():
            (place / folder / f'{name}.sieve').write_text(script)
    return ['-o', f'sieve=file:{place}/personal', '-o', f'sieve_global={place}/global', '-o', f'sieve_dir={place}/personal']


@pytest.mark.parametrize('head,expected', [
    ('From: boss@example.com\nSubject: x', into('INBOX')), ('From: ceo@example.com\nList-ID: sieve.ietf.org', into(
        'INBOX', 'lists.sieve')),
    ('Subject: Make money', rejected('No thank')), ('Subject: $$', rejected('No thank')),
    ('Subject: XXXX', rejected('unacceptable')), ('From: money@example.com', rejected('unwelcome')),
    ('List-ID: ietf-imapext.imc.org', into('lists.imapext')), ('Subject: x', KEEP)])
def test_included_scripts(place, head, expected):
    extra = place_scripts(place, {
        'always_allow': lines(INCLUDE, 307, 314), 'spam_tests': lines(INCLUDE, 321, 330),
        'mailing_lists': lines(INCLUDE, 348, 357)}, {'spam_tests': lines(INCLUDE, 367, 373)})
    got = run(place, lines(INCLUDE, 295, 300), head, extra=extra)
    assert len(got) == len(expected) and all(map(alike, got, expected)), got


@pytest.mark.parametrize('head,expected', [
    ('Subject: earn $$ now', into('spam-$$')), ('Subject: Make money $$', into('spam-Make money')), ('Subject: x', KEEP)])
def test_variables_of_included_scripts(place, head, expected):
    extra = place_scripts(place, {'subject_tests': lines(INCLUDE, 518, 524)}, {})
    assert run(place, lines(INCLUDE, 476, 490), head, extra=extra) == expected
    assert run(place, lines(INCLUDE, 545, 547)) == KEEP
    got = run(place, lines(INCLUDE, 569, 577), 'To: me@example.com')
    assert len(got) == 2 and alike(got[0], answered('on vacation')[0])
