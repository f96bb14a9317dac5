# SPDX-License-Identifier: MIT
"""Quotas as with Dovecot's quota plugin: the same answers, and the same mails refused with the same words, through every
way a mail can come. Where Dovecot is installed, it is asked the same questions."""
import concurrent.futures
import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from conftest import ROOT, Dovecot, open_up
from imap_lines import Lines, normalize
from lmtp_lines import Lmtp
from smtp_sink import Sink

EXTRA = """
mail_plugins = $mail_plugins quota
protocol imap {{
  mail_plugins = quota, imap_quota
}}
plugin {{
  quota_vsizes = yes
  {plugin}
}}
{more}
"""
LIMIT = "quota = count:User quota\n  quota_rule = *:storage=10k\n"
FULL = 'Quota exceeded (mailbox for user is full)'
WARNING = """
service quota-warning {{
  executable = script {program}
  user = {user}
  unix_listener quota-warning {{
    mode = 0666
  }}
}}
"""


def extra(plugin=LIMIT, more=''):
    return EXTRA.format(plugin=plugin, more=more)


def mail(octets, name='x'):
    """A mail that has so many octets when it is stored by IMAP."""
    head = f'From: Joe <joe@example.org>\r\nTo: alice\r\nSubject: {name}\r\nMessage-ID: <{name}@example.org>\r\n\r\n'
    return (head + 'y' * (octets - len(head) - 2) + '\r\n').encode()


def append(client, mailbox, *sizes):
    parts = b''.join(b' {%d+}\r\n' % size + mail(size) for size in sizes)
    return client.command(b'APPEND ' + mailbox.encode() + parts)


def deliver(server, octets, *rcpts, name='x', sender='joe@example.org'):
    """The replies to RCPT, then those to the mail."""
    client = Lmtp(server.port('lmtp'))
    assert client.command(f'MAIL FROM:<{sender}>').startswith('250')
    replies = [client.command(f'RCPT TO:<{rcpt}>') for rcpt in rcpts or ('alice',)]
    taken = sum(reply.startswith('250') for reply in replies)
    if taken:
        replies += client.data(mail(octets, name), taken)
    client.close()
    return [re.sub(r' \S{22}(:R\d+)? Saved', ' Saved', reply) for reply in replies]


def lda(server, octets, *options, user='alice', name='x'):
    program = '/usr/lib/dovecot/dovecot-lda' if isinstance(server, Dovecot) else f'{server.prefix}/libexec/dovetail/dovetail-lda'
    done = subprocess.run([program, '-c', server.config, '-d', user, '-f', 'joe@example.org', *options],
                          input=mail(octets, name).replace(b'\r\n', b'\n'), capture_output=True, check=False)
    return done.returncode, done.stderr


def used(server, user='alice'):
    client = Lines(server.port('imap'), user)
    lines = [line for line in client.ok('GETQUOTAROOT INBOX') if line.startswith(b'* QUOTA ')]
    client.close()
    return lines


def told(lines):
    """What a command answered, without what has nothing to do with quotas."""
    return [re.sub(rb'\[MAILBOXID \(\w+\)\] ', b'', normalize(line)) for line in lines
            if re.match(rb'T\d+ |\* (QUOTA|OK \[COPYUID)', line)]


def with_both(make_server, make_dovecot, text, questions, protocols='imap lmtp'):
    """What each answers to questions(server), a list of pairs."""
    ours = questions(make_server(text, protocols))
    theirs = questions(make_dovecot(text, protocols))
    for (asked, mine), (_, other) in zip(ours, theirs, strict=True):
        assert mine == other, asked
    return ours


def asker(*commands):
    def questions(server):
        client = Lines(server.port('imap'), 'alice')
        seen = []
        for at in commands:
            if isinstance(at, tuple):
                seen.append((at, told(append(client, *at))))
            elif at.startswith('lmtp '):
                seen.append((at, deliver(server, int(at[5:]))))
            elif at.startswith('lda '):
                seen.append((at, lda(server, int(at[4:]), '-e')))
            elif at.startswith('doveadm '):
                done = server.doveadm(*at.split()[1:])
                seen.append((at, (done.returncode, done.stdout)))
            else:
                seen.append((at, told(client.command(at))))
        client.close()
        return seen
    return questions


CASES = {
    'limits': (LIMIT + 'quota_rule2 = Trash:storage=+10%%\n quota_rule3 = Junk:ignore\n quota_rule4 = T*2:storage=+5k',
               asker('GETQUOTAROOT INBOX', 'GETQUOTAROOT no.such', 'GETQUOTAROOT ""', 'GETQUOTA "User quota"', 'GETQUOTA x',
                     'GETQUOTA ""', 'GETQUOTAROOT', 'GETQUOTA a b', 'SETQUOTA "User quota" (STORAGE 10)', 'SETQUOTA x',
                     'CREATE Trash', 'CREATE Junk', 'CREATE Box', 'CREATE T2',
                     ('INBOX', 1000), ('INBOX', 5000), ('INBOX', 4000), ('INBOX', 3000), ('INBOX', 300), 'GETQUOTAROOT INBOX',
                     ('Trash', 1000), ('Trash', 500), ('T2', 4000), ('Junk', 5000), ('INBOX', 50000), ('INBOX', 3000, 3000),
                     'GETQUOTAROOT Junk', 'SELECT Junk', 'COPY 1 INBOX', 'COPY 1 Junk', 'MOVE 1 INBOX', 'SELECT INBOX',
                     'COPY 1 Box', 'MOVE 1 Box', 'GETQUOTAROOT INBOX', 'STORE 1:2 +FLAGS (\\Deleted)', 'EXPUNGE',
                     'GETQUOTAROOT INBOX', 'doveadm quota get -u alice', 'doveadm -f json quota get -u alice',
                     'doveadm -f flow quota get -u alice', 'doveadm -f tab quota get -u alice', 'doveadm quota get -A',
                     'doveadm -f pager quota get -u bob', 'doveadm quota recalc -u alice', 'doveadm quota get -u nosuch')),
    'counts': ('quota = count:N\n quota_rule = *:messages=3',
               asker(('INBOX', 1000), ('INBOX', 1000, 1000, 1000), ('INBOX', 1000, 1000), ('INBOX', 100), 'lmtp 100',
                     'GETQUOTAROOT INBOX', 'doveadm quota get -u alice')),
    'roots': ('quota = count:A:noenforcing\n quota_rule = *:storage=1k\n quota2 = count:B:hidden\n quota2_rule = *:storage=10k\n'
              'quota3 = count:C',
              asker(('INBOX', 4000), 'GETQUOTAROOT INBOX', 'GETQUOTA A', 'GETQUOTA B', 'GETQUOTA C', ('INBOX', 8000),
                    'doveadm quota get -u alice')),
    'none': ('quota = count:A', asker('GETQUOTAROOT INBOX', 'GETQUOTA A', ('INBOX', 40000))),
    'empty': ('quota =', asker('GETQUOTAROOT INBOX', 'GETQUOTA A')),
    'maildir': ('quota = maildir:M\n quota_rule = ?:storage=10k', asker(('INBOX', 9000), ('INBOX', 3000), 'GETQUOTAROOT INBOX')),
    'words': (LIMIT + 'quota_exceeded_message = No room for %u, go away', asker(('INBOX', 40000), 'lmtp 40000', 'lda 40000')),
    'grace': (LIMIT, asker('lmtp 8000', 'lmtp 3500', 'lmtp 3000', 'lmtp 300', 'GETQUOTAROOT INBOX', 'lda 300')),
    'grace2k': (LIMIT + 'quota_grace = 2k', asker(('INBOX', 9000), ('INBOX', 3000), 'lmtp 3000', 'lmtp 300')),
    'grace0': (LIMIT + 'quota_grace = 0', asker('lmtp 8000', 'lmtp 2600', 'lmtp 2000')),
    'size': (LIMIT + 'quota_max_mail_size = 5k', asker(('INBOX', 4000), ('INBOX', 6000), 'GETQUOTAROOT INBOX')),
}


@pytest.mark.parametrize('name', CASES)
def test_as_dovecot_answers(make_server, make_dovecot, name):
    plugin, questions = CASES[name]
    with_both(make_server, make_dovecot, extra(plugin), questions)


SPACES = """
namespace pub {
  type = public
  prefix = Pub/
  separator = /
  location = maildir:%h/pub
  list = yes
  subscriptions = no
}
namespace arch {
  prefix = Arch/
  separator = /
  location = maildir:~/Arch
  list = yes
  subscriptions = no
}
namespace inbox {
  separator = /
}
"""
ROOTS = {
    'private': 'quota = count:A\n quota_rule = *:storage=10k',
    'each': 'quota = count:A:ns=\n quota_rule = *:storage=10k\n quota2 = count:B:ns=Arch/\n quota2_rule = *:storage=4k',
    'public': 'quota = count:A\n quota_rule = *:storage=10k\n quota2 = count:B:ns=Pub/\n quota2_rule = *:storage=4k',
}


@pytest.mark.parametrize('name', ROOTS)
def test_namespaces_as_dovecot(make_server, make_dovecot, name):
    questions = asker('CREATE Pub/x', 'CREATE Arch/x', ('INBOX', 1000), ('Pub/x', 2000), ('Arch/x', 3000), 'GETQUOTAROOT INBOX',
                      'GETQUOTAROOT Pub/x', 'GETQUOTAROOT Arch/x', 'GETQUOTA A', 'GETQUOTA B', ('INBOX', 9000), ('Pub/x', 9000),
                      ('Arch/x', 9000), 'SELECT INBOX', 'COPY 1 Arch/x', 'MOVE 1 Arch/x', 'MOVE 1 Pub/x', 'SELECT Pub/x',
                      'MOVE 1 INBOX', 'MOVE 1 Arch/x', 'SELECT Arch/x', 'MOVE 1 INBOX', 'doveadm quota get -u alice')
    with_both(make_server, make_dovecot, extra(ROOTS[name], SPACES), questions)


def test_capability_and_switches(make_server):
    server = make_server(extra().replace(' imap_quota', ''), 'imap')
    client = Lines(server.port('imap'), 'alice')
    assert not re.search(rb' QUOTA\b', client.ok('CAPABILITY')[0])
    assert b'BAD' in client.command('GETQUOTAROOT INBOX')[-1]
    assert b'[OVERQUOTA]' in append(client, 'INBOX', 11000)[-1]
    client.close()
    assert server.doveadm('quota', 'get', '-u', 'alice').returncode == 0
    server = make_server(extra(), 'imap')
    client = Lines(server.port('imap'), 'alice')
    assert re.search(rb' QUOTA$', client.ok('CAPABILITY')[0])
    client.close()
    client = Lines(server.port('imap'))
    client.send(b'A LOGIN alice secret\r\n')
    assert re.search(rb' QUOTA\]', client.until(b'A')[-1])
    client.close()


def test_userdb_and_protocols_override(make_server):
    server = make_server(extra(LIMIT, 'protocol lmtp {\n plugin {\n quota_rule = *:storage=30k\n }\n}'), 'imap lmtp', start=False)
    users = Path(server.dir, 'users')
    users.write_text(re.sub(r'^(bob:.*)$', r'\1userdb_quota_rule=*:bytes=2000', users.read_text(), flags=re.M))
    server.start()
    assert used(server, 'bob') == [b'* QUOTA "User quota" (STORAGE 0 2)']
    assert used(server) == [b'* QUOTA "User quota" (STORAGE 0 10)']
    client = Lines(server.port('imap'), 'bob')
    assert b'[OVERQUOTA]' in append(client, 'INBOX', 2001)[-1]
    client.close()
    assert deliver(server, 25000)[-1].startswith('250')
    assert deliver(server, 2300, 'bob')[-1] == f'552 5.2.2 <bob> {FULL}'


def test_a_client_that_waits_is_told_before_it_sends(make_server, make_dovecot):
    """Also in the middle of several mails, of which none is kept."""
    said = []
    for make in make_server, make_dovecot:
        client = Lines(make(extra(), 'imap').port('imap'), 'alice')
        client.send(b'a APPEND INBOX {20000}\r\n')
        lines = [client.line()]
        client.send(b'b APPEND INBOX {3000+}\r\n' + mail(3000) + b' {9000}\r\n')
        lines.append(client.line())
        client.send(b'c APPEND INBOX {9000}\r\n')
        lines.append(client.line()[:1])
        client.send(mail(9000) + b'\r\n')
        said.append([normalize(line) for line in lines + client.until(b'c') + client.ok('STATUS INBOX (MESSAGES)')])
        client.close()
    assert said[0] == said[1]
    assert [line[:8] for line in said[0][:3]] == [b'a NO [OV', b'b NO [OV', b'+']


def test_a_message_from_a_file_is_one_line(make_server, tmp_path):
    path = tmp_path / 'message'
    path.write_text('Mailbox full,\nsee\r\nhttp://x.example\n')
    open_up(path)
    server = make_server(extra(LIMIT + f'quota_exceeded_message = <{path}'), 'imap lmtp')
    client = Lines(server.port('imap'), 'alice')
    assert b'NO [OVERQUOTA] Mailbox full, see  http://x.example' in append(client, 'INBOX', 11000)[-1]
    client.close()
    assert deliver(server, 12000)[-1] == '552 5.2.2 <alice> Mailbox full, see  http://x.example'


def test_doveadm_stops_too(make_server):
    server = make_server(extra(), 'imap')
    done = server.doveadm('save', '-u', 'alice', input=mail(11000).decode())
    assert (done.returncode, FULL in done.stderr) == (73, True)
    assert server.doveadm('save', '-u', 'alice', input=mail(6000).decode()).returncode == 0
    server.doveadm('mailbox', 'create', '-u', 'alice', 'a')
    done = server.doveadm('copy', '-u', 'alice', 'a', 'mailbox', 'INBOX', 'all')
    assert (done.returncode, FULL in done.stderr) == (73, True)
    assert server.doveadm('move', '-u', 'alice', 'a', 'mailbox', 'INBOX', 'all').returncode == 0
    done = server.doveadm('import', '-u', 'alice', f'maildir:{server.home("alice")}/Maildir', 'b', 'all')
    assert (done.returncode, FULL in done.stderr) == (73, True)
    assert used(server) == [b'* QUOTA "User quota" (STORAGE 6 10)']
    done = make_server('', 'imap').doveadm('quota', 'get', '-u', 'alice')
    assert (done.returncode, 'Quota not enabled' in done.stderr) == (68, True)


def test_same_maildir_same_sum(make_server, make_dovecot):
    """What Dovecot and other programs left is counted as Dovecot does."""
    server, other = make_server(extra(), 'imap lmtp'), make_dovecot(extra(), 'imap lmtp')
    client = Lines(other.port('imap'), 'alice')
    client.ok('CREATE a')
    client.ok('CREATE a.b')
    for mailbox, size in (('INBOX', 1500), ('a', 2500), ('a.b', 900)):
        append(client, mailbox, size)
    client.close()
    other.drop_mail('alice', mail(700).replace(b'\r\n', b'\n'))
    server.copy_mail(other, 'alice')
    # The delivery comes first: it has to look at all of it.
    assert deliver(server, 6000)[-1].startswith('552')
    assert deliver(other, 6000)[-1].startswith('552')
    assert used(server) == used(other) == [b'* QUOTA "User quota" (STORAGE 6 10)']
    server.drop_mail('alice', mail(1000).replace(b'\r\n', b'\n'))
    assert used(server) == [b'* QUOTA "User quota" (STORAGE 7 10)']


def test_many_at_once_keep_the_limit(make_server):
    server = make_server(extra('quota = count:x\n quota_rule = *:storage=40k:messages=30\n quota_grace = 0'), 'imap lmtp')

    def by_lmtp(number):
        return [deliver(server, 1000, name=f'{number}.{at}')[-1][:3] == '250' for at in range(8)]

    def by_imap(number):
        client = Lines(server.port('imap'), 'alice')
        client.command(f'CREATE box{number}')
        taken = [b' OK ' in append(client, f'box{number}', 1000)[-1] for _ in range(8)]
        client.close()
        return taken

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        taken = sum(sum(done) for done in pool.map(lambda at: (by_imap if at % 2 else by_lmtp)(at), range(8)))
    assert taken == 30
    assert used(server)[0].endswith(b' MESSAGE 30 30)')


@pytest.mark.parametrize('temporary', ['no', 'yes'])
def test_refused_at_rcpt(make_server, make_dovecot, temporary):
    text = extra(LIMIT, f'quota_full_tempfail = {temporary}\nprotocol lmtp {{\n lmtp_rcpt_check_quota = yes\n}}')
    ours = with_both(make_server, make_dovecot, text, lambda server: [
        (at, deliver(server, *at)) for at in ((10000, 'alice'), (350, 'alice'), (200, 'alice'), (200, 'bob', 'alice', 'bob'))])
    code = '452 4.2.2' if temporary == 'yes' else '552 5.2.2'
    assert ours[2][1] == [f'{code} <alice> {FULL}']


STATUS = """
service quota-status {
  executable = quota-status -p postfix
  unix_listener quota-status {
    mode = 0666
  }
}
"""


def policy(server, *requests):
    """One connection; what is said of each request."""
    answers = []
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(f'{server.dir}/run/quota-status')
        for request in requests:
            sock.sendall(b''.join(b'%s=%s\n' % (name.encode(), str(value).encode()) for name, value in request.items()) + b'\n')
            answer = b''
            while not answer.endswith(b'\n\n'):
                answer += sock.recv(1000) or b'EOF\n\n'
            answers.append((request, answer))
    return answers


def ask_policy(server):
    assert [deliver(server, size)[-1][:3] for size in (10000, 350)] == ['250', '250']
    return policy(server, {'request': 'smtpd_access_policy', 'recipient': 'alice', 'size': 10}, {'recipient': 'alice'},
                  {'recipient': 'alice+x', 'size': 5}, {'recipient': 'bob', 'size': 10, 'sender': 'x'}, {'recipient': 'bob', 'size': 11000},
                  {'recipient': 'bob', 'size': 11500}, {'recipient': 'bob', 'size': 8000}, {'recipient': 'nosuch', 'size': 1},
                  {'recipient': 'bob', 'size': 'x'})


WORDS = """quota_status_success = DUNNO
  quota_status_nouser = 550 5.1.1 nobody
  quota_status_overquota = "552 5.2.2 %u is full"
  quota_status_toolarge = 552 5.2.3 too large
  quota_max_mail_size = 7k
"""


@pytest.mark.parametrize('words', ['', WORDS])
def test_postfix_asks_as_dovecot(make_server, make_dovecot, words):
    ours = with_both(make_server, make_dovecot, extra(LIMIT + words.replace('7k', '11k'), STATUS), ask_policy)
    assert ours[0][1] == (b'action=552 5.2.2 alice is full\n\n' if words else b'action=554 5.2.2 %s\n\n' % FULL.encode())


def test_policy_requests_are_bounded(make_server):
    server = make_server(extra(LIMIT, STATUS))
    for junk in (b'x' * 70000, b'a=b\n' * 20000):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(f'{server.dir}/run/quota-status')
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(junk)
                assert sock.recv(100) == b''
        assert server.wait_log('Client sent too long a request')
    assert policy(server, {'recipient': '', 'size': 1}, {'size': 1}, {'recipient': 'bob'})[2][1] == b'action=OK\n\n'


# --- scripts ----------------------------------------------------------------------------

SIEVE = """
submission_host = 127.0.0.1:{port}
quota_full_tempfail = {temporary}
protocol lmtp {{
  mail_plugins = $mail_plugins sieve
}}
protocol lda {{
  mail_plugins = $mail_plugins sieve
}}
"""
ACTIONS = {
    # what the MTA is told of each action with a full quota
    'keep': ('keep;', False),
    'fileinto': ('require ["fileinto", "mailbox"]; fileinto :create "foo";', False),
    'two': ('require ["fileinto", "mailbox"]; fileinto :create "foo"; fileinto :create "Junk";', False),
    'other way': ('require ["fileinto", "mailbox"]; fileinto :create "Junk"; fileinto :create "foo";', False),
    'flags': ('require "imap4flags"; setflag "\\\\Seen"; keep;', False),
    'edited': ('require "editheader"; addheader "X-New" "y"; keep;', False),
    'junk': ('require ["fileinto", "mailbox"]; fileinto :create "Junk";', True),
    'redirect': ('redirect "x@y.example";', True),
    'discard': ('discard;', True),
    'reject': ('require "reject"; reject "no";', True),
    # Pigeonhole sends these although it refuses the mail
    'vacation': ('require "vacation"; vacation :addresses "alice@mail.example" "I am away";', False),
    'copy': ('require "copy"; redirect :copy "x@y.example";', False),
    'notify': ('require "enotify"; notify :message "hello" "mailto:n@y.example";', False),
}
SENDS_ANYWAY = ('vacation', 'copy', 'notify')


def write_script(server, text):
    path = Path(server.home('alice'), '.dovecot.sieve')
    path.write_text(text)
    path.with_suffix('.svbin').unlink(missing_ok=True)


def counts(server):
    client = Lines(server.port('imap'), 'alice')
    lines = client.ok('LIST "" * RETURN (STATUS (MESSAGES))')
    client.close()
    return sorted(line for line in lines if b'STATUS' in line and b' 0)' not in line)


def act(server, sink):
    """Replies, how many mails went out, and what is stored, action by action."""
    assert [deliver(server, size)[-1][:3] for size in (10000, 350)] == ['250', '250']
    seen, sessions = [], 3  # one looked whether the port is open
    for name, (text, _) in ACTIONS.items():
        assert server.wait_log(r'(?s)(Disconnect from.*?){%d}' % sessions)
        write_script(server, text)
        sent = len(sink.mails)
        start = len(server.log_text())
        reply = deliver(server, 500, name=name.replace(' ', ''))[-1]
        sessions += 1
        assert server.wait_log(r'(?s)(Disconnect from.*?){%d}' % sessions)
        lines = re.findall(r'lmtp\(alice\).*?: (\w+: .*(?:full|abort|implicit keep).*)', server.log_text()[start:])
        seen.append((name, (reply, sorted(re.sub(r'/tmp/dt-\w+', '', line) for line in lines), counts(server),
                            'sends' if name in SENDS_ANYWAY else len(sink.mails) - sent)))
    return seen


@pytest.fixture
def sink():
    one = Sink(lmtp=False)
    yield one
    one.close()


@pytest.mark.skipif(not os.path.exists('/usr/lib/dovecot/modules/lib90_sieve_plugin.so'), reason="needs Debian's dovecot-sieve")
def test_full_quota_in_each_action(make_server, make_dovecot, sink):
    plugin = LIMIT + 'quota_rule2 = Junk:ignore\n'
    text = extra(plugin, SIEVE.format(port=sink.port, temporary='no'))
    ours = with_both(make_server, make_dovecot, text, lambda server: act(server, sink))
    for name, (reply, *_) in ours:
        assert reply == ('250 2.0.0 <alice> Saved' if ACTIONS[name][1] else f'552 5.2.2 <alice> {FULL}'), name


def refuse_large(server):
    seen = []
    for script, octets in (('', 600), (ACTIONS['fileinto'][0], 600), ('keep;', 600), ('require "fileinto"; fileinto "..";', 400)):
        write_script(server, script)
        reply = deliver(server, octets)[-1]
        # Dovecot has the MTA try again, for days and in vain.
        seen.append((script, reply.replace('451 4.2.0', '552 5.2.3') if isinstance(server, Dovecot) else reply))
    log = Path(server.home('alice'), '.dovecot.sieve.log').read_text()
    return [*seen, ('log', re.sub(r' at \d.*', '', log))]


@pytest.mark.skipif(not os.path.exists('/usr/lib/dovecot/modules/lib90_sieve_plugin.so'), reason="needs Debian's dovecot-sieve")
def test_too_large_a_mail_is_refused_for_good(make_server, make_dovecot):
    text = extra(LIMIT + 'quota_max_mail_size = 500', SIEVE.format(port=1, temporary='no'))
    ours = with_both(make_server, make_dovecot, text, refuse_large)
    for _, reply in ours[:3]:
        assert reply == '552 5.2.3 <alice> Mail size is larger than the maximum size allowed by server configuration'
    assert "\nerror: msgid=<x@example.org>: fileinto action: failed to store into mailbox '..': " in ours[-1][1]


def test_nothing_is_sent_or_stored_of_a_refused_mail(make_server, sink):
    server = make_server(extra(LIMIT + 'quota_rule2 = Junk:ignore\n', SIEVE.format(port=sink.port, temporary='yes')))
    deliver(server, 10000)
    deliver(server, 350)
    before = counts(server)
    for name, (text, taken) in ACTIONS.items():
        if taken:
            continue
        write_script(server, text)
        for _ in range(2):
            assert deliver(server, 500, name=name.replace(' ', ''))[-1] == f'452 4.2.2 <alice> {FULL}', name
    assert counts(server) == before
    assert not sink.mails
    # With room again, the retry delivers once, and sends what it should.
    server.doveadm('expunge', '-u', 'alice', 'mailbox', 'INBOX', 'all')
    write_script(server, ACTIONS['other way'][0])
    assert deliver(server, 500)[-1].startswith('250')
    assert counts(server) == [b'* STATUS Junk (MESSAGES 1)', b'* STATUS foo (MESSAGES 1)']
    write_script(server, ACTIONS['vacation'][0])
    assert deliver(server, 500, name='vacation')[-1].startswith('250')
    assert len(sink.mails) == 1


def test_a_full_mailbox_falls_back_to_inbox(make_server, sink):
    server = make_server(extra('quota = count:x\n quota_rule = *:storage=10k\n quota_rule2 = small:storage=-90%%\n quota_grace = 0',
                               SIEVE.format(port=sink.port, temporary='no')))
    write_script(server, 'require ["fileinto", "mailbox", "copy"]; fileinto :create "big"; fileinto :create "small"; '
                         'redirect :copy "x@y.example";')
    assert deliver(server, 2000)[-1].startswith('250')
    assert counts(server) == [b'* STATUS INBOX (MESSAGES 1)']
    assert not sink.mails
    assert server.wait_log("fileinto action: store into mailbox 'big' aborted")


def test_stores_of_a_script_need_room_together(make_server, sink):
    server = make_server(extra(LIMIT + 'quota_grace = 0', SIEVE.format(port=sink.port, temporary='no')))
    write_script(server, 'require ["fileinto", "mailbox", "copy"]; fileinto :create "a"; fileinto :create "b"; '
                         'redirect :copy "x@y.example";')
    assert deliver(server, 4000, name='one')[-1].startswith('250')
    assert counts(server) == [b'* STATUS a (MESSAGES 1)', b'* STATUS b (MESSAGES 1)']
    # Either would have room.
    assert deliver(server, 1200, name='two')[-1].startswith('250')
    assert counts(server) == [b'* STATUS INBOX (MESSAGES 1)', b'* STATUS a (MESSAGES 1)', b'* STATUS b (MESSAGES 1)']
    # Nor does it send, then.
    assert len(sink.mails) == 1


def test_lda_bounces_or_fails(make_server, sink):
    server = make_server(extra(LIMIT + 'quota_grace = 0', f'submission_host = 127.0.0.1:{sink.port}\n'
                               'rejection_subject = No: %s\nrejection_reason = For <%t>: %r\n'))
    assert lda(server, 11000, '-e') == (77, FULL.encode() + b'\n')
    assert lda(server, 11000) == (0, b'')
    assert b'Subject: No: x' in sink.mails[0]
    assert f'For <alice@mail.example>: {FULL}'.encode() in sink.mails[0] or f'For <alice>: {FULL}'.encode() in sink.mails[0]
    assert re.search(rb'report-type=delivery-status', sink.mails[0])
    assert re.search(rb'Final-Recipient: rfc822; alice(@mail.example)?\r\nAction: failed\r\nStatus: 5.2.2\r\n', sink.mails[0])
    assert counts(server) == []
    server = make_server(extra(LIMIT, 'quota_full_tempfail = yes'))
    assert lda(server, 12000)[0] == 75
    # For scripts that warn of a full quota.
    assert lda(server, 12000, '-o', 'plugin/quota=count:User quota:noenforcing')[0] == 0


# --- warnings ---------------------------------------------------------------------------

@pytest.fixture
def warned(tmp_path):
    """A program for warnings, and what it was run with."""
    path = Path(f'/tmp/dt-warn-{os.getpid()}')
    path.mkdir()
    path.chmod(0o777)
    program = path / 'warn.sh'
    program.write_text(f'#!/bin/sh\necho "$@" >> {path}/told\n')
    program.chmod(0o755)
    (path / 'told').write_text('')
    (path / 'told').chmod(0o666)
    yield program
    shutil.rmtree(path)


def service(program):
    owner = 'nobody' if ROOT else os.environ.get('USER', 'nobody')
    return WARNING.format(program=program, user=owner)


def wait_told(program, count):
    deadline = time.monotonic() + 10
    while True:
        lines = (program.parent / 'told').read_text().splitlines()
        if len(lines) >= count or time.monotonic() > deadline:
            return lines
        time.sleep(0.02)


def cross(server, program):
    """Up and down over the limits."""
    (program.parent / 'told').write_text('')
    seen = []
    client = Lines(server.port('imap'), 'alice')
    for size, lines in ((4000, 0), (1500, 1), (800, 1), (2500, 2), (1200, 3)):
        assert b' OK ' in append(client, 'INBOX', size)[-1]
        seen.append((size, wait_told(program, lines)))
    client.ok('CREATE a')
    client.ok('SELECT INBOX')
    client.ok('COPY 3 a')  # over 100 %
    client.ok('MOVE 4 a')
    client.ok('STORE 1 +FLAGS (\\Deleted)')
    client.ok('EXPUNGE')
    seen.append(('EXPUNGE', wait_told(program, 4)))
    client.close()
    return seen


def test_warnings_as_dovecot(make_server, make_dovecot, warned):
    text = extra('quota = count:x\n quota_rule = *:storage=10k\n quota_rule2 = a:storage=+100%%\n'
                 'quota_warning = storage=95%% quota-warning 95 %u\n quota_warning2 = storage=80%% quota-warning 80 %u\n'
                 'quota_warning3 = -storage=100%% quota-warning below %u\n quota_warning4 = storage=50%% quota-warning fifty %u\n',
                 service(warned))
    ours = with_both(make_server, make_dovecot, text, lambda server: cross(server, warned))
    assert ours[-1][1] == ['fifty alice', '80 alice', '95 alice', 'below alice']


def test_the_flag_of_userdb_is_checked(make_server, warned):
    server = make_server(extra(LIMIT + 'quota_over_flag_value = TRUE\n quota_over_script = quota-warning mismatch %u\n',
                               service(warned)), 'imap lmtp')
    client = Lines(server.port('imap'), 'alice')
    append(client, 'INBOX', 10000)
    client.close()
    assert deliver(server, 500)[-1].startswith('250')
    assert wait_told(warned, 1) == []
    Lines(server.port('imap'), 'alice').logout()
    assert wait_told(warned, 1) == ['mismatch alice']


def test_a_warning_that_cannot_be_sent_is_logged(make_server):
    server = make_server(extra(LIMIT + 'quota_warning = storage=1k nosuch x'), 'imap')
    client = Lines(server.port('imap'), 'alice')
    assert b' OK ' in append(client, 'INBOX', 2000)[-1]
    assert server.wait_log(r'Error: quota: program unix:.*nosuch.*No such file')
    client.close()


def test_bad_settings_are_named(make_server):
    server = make_server(extra(LIMIT + 'quota_rule2 = a:storage=5X'), 'imap lmtp')
    client = Lines(server.port('imap'))
    client.send(b'A LOGIN alice secret\r\n')
    assert server.wait_log('Failed to initialize quota: Invalid quota root quota: Invalid rule a:storage=5X: Unknown unit: X')
    client.close()
    assert deliver(server, 500)[-1].startswith('451 4.2.0')


def test_what_counts_otherwise_is_told(make_server):
    server = make_server(extra('quota = maildir:M\n quota_rule = *:storage=10k\n quota2 = fs:Disk\n quota3 = dict:D:%d:proxy::q\n'
                               'quota_set = dict:proxy::q'), 'imap')
    said = server.console()
    where = rf'{re.escape(server.config)} line \d+: '
    for line in ('quota: maildir is read as count: usage comes from the index, limits from quota_rule',
                 'quota2: fs is not supported: this root is left out, and nobody is told of such limits',
                 "quota3: dict of `%d': what it counts is each user's own here", 'quota_set is ignored: not supported'):
        assert re.search(where + re.escape(line), said), said
    client = Lines(server.port('imap'), 'alice')
    assert client.ok('GETQUOTAROOT INBOX')[0] == b'* QUOTAROOT INBOX M D'
    client.close()
