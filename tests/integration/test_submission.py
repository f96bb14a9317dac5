# SPDX-License-Identifier: MIT
"""Mail submission: users log in, and what they send goes to a relay: a sink of ours, Postfix, beside Debian's Dovecot."""
import base64
import os
import random
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from conftest import NO_PENALTY, ROOT, free_ports, open_up
from lmtp_lines import Lmtp
from smtp_sink import Sink
from test_login_proxy import extra as proxy_extra
from test_mbox_programs import Postfix

CAPS = ('PIPELINING', '8BITMIME', 'ENHANCEDSTATUSCODES')
ALL_CAPS = (*CAPS, 'BINARYMIME', 'CHUNKING', 'DSN', 'SIZE 100000', 'VRFY')
LOGIN = base64.b64encode(b'\0alice\0secret').decode()
EXTRA = '''
auth_failure_delay = 0
login_greeting = ready.
service submission-login {{
  inet_listener submission {{
    port = {ports[0]}
  }}
  inet_listener submissions {{
    port = {ports[1]}
    ssl = yes
  }}
}}
submission_relay_host = 127.0.0.1
submission_relay_port = {relay}
{more}
'''
needs_submissiond = pytest.mark.skipif(not os.path.exists('/usr/lib/dovecot/submission'),
                                       reason='dovecot-submissiond is not installed')


class Relay(Sink):
    """One that a test can take away."""

    def __init__(self, **kwargs):
        self.socks = []
        super().__init__(lmtp=False, **{'caps': CAPS, **kwargs})

    def serve(self, sock):
        self.socks.append(sock)
        super().serve(sock)

    def drop(self):
        for sock in self.socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def vanish(self):
        self.close()
        self.drop()


class Stuck(Relay):
    """Goes away in the middle of a mail."""

    def take(self, sock, file, recipients):
        file.read(100)
        sock.shutdown(socket.SHUT_RDWR)
        raise OSError


def begin(make, relay, more='', protocols='submission'):
    """A server whose submission ports are server.smtp and server.smtps."""
    ports = free_ports(2)
    server = make(NO_PENALTY + EXTRA.format(ports=ports, relay=getattr(relay, 'port', relay), more=more), protocols)
    server.smtp, server.smtps = ports
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(('127.0.0.1', server.smtp), 5).close()
            return server
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise AssertionError(server.console())


def client(server, login=True):
    one = Lmtp(server.smtp, None)
    if login:
        one.command('EHLO there.example')
        assert one.command(f'AUTH PLAIN {LOGIN}') == '235 2.7.0 Logged in.'
    return one


def send(one, mail=b'Subject: x\n\n..text\n', to=('b@y.example',)):
    """All replies of a transaction."""
    return [one.command('MAIL FROM:<a@x.example>'), *[one.command(f'RCPT TO:<{name}>') for name in to],
            *one.data(mail)]


def codes(replies):
    return [reply[:3] for reply in replies]


def wait_for(done, seconds=20):
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.02)
    return done()


def test_a_mail_goes_to_the_relay(make_server):
    relay = Relay()
    server = begin(make_server, relay)
    context = ssl._create_unverified_context()
    for connect in (lambda: smtplib.SMTP('127.0.0.1', server.smtp, 'me.example', timeout=30),
                    lambda: smtplib.SMTP_SSL('127.0.0.1', server.smtps, 'me.example', timeout=30, context=context)):
        with connect() as smtp:
            if 'starttls' in smtp.ehlo()[1].decode().lower():
                smtp.starttls(context=context)
            smtp.login('alice', 'secret')
            smtp.sendmail('a@x.example', ['b@y.example'], 'Subject: hello\n\n.dot\n..dots\nend')
            with pytest.raises(smtplib.SMTPServerDisconnected):
                smtp.docmd('QUIT')
                smtp.docmd('NOOP')
        assert re.fullmatch(
            rb'Received: from me.example \(\[127.0.0.1\]\)\r\n\tby mail.example with ESMTPSA\r\n\tid [\w+/]{22}\r\n'
            rb'\t\(envelope-from <a@x.example>\)\r\n\tfor <b@y.example>; [^\r\n]+\r\n'
            rb'Subject: hello\r\n\r\n.dot\r\n..dots\r\nend\r\n', relay.mails[-1]), relay.mails
    assert server.wait_log(r'submission-login: Info: Login: user=<alice>, method=\w+-?\w*, rip=127.0.0.1, lip=127.0.0.1, '
                           r'mpid=\d+, TLS, session=<')
    assert server.wait_log(r'submission\(alice\)<\d+><[^>]+>: Info: Successfully relayed message: from=<a@x.example>, '
                           r"size=37, id=[\w+/]{22}, nrcpt=1, reply=`250 2.0.0 stored 0'")
    assert server.wait_log(r'submission\(alice\)<\d+><[^>]+>: Info: Disconnected: Logged out \(state=READY\) in=\d+ out=\d+')
    assert wait_for(lambda: relay.log.count('QUIT') == 2), relay.log


SAID_BEFORE = ('FOO', 'HELP', 'MAIL FROM:<a@b>', 'RCPT TO:<a@b>', 'DATA', 'BDAT 3', 'VRFY', 'VRFY x', 'NOOP', 'NOOP x', 'RSET',
               'RSET x', 'EXPN x', 'HELO', 'HELO x y', 'EHLO', 'EHLO [192.0.2.1]', 'EHLO a_b', 'STARTTLS x',
               'XCLIENT ADDR=192.0.2.1', 'AUTH', 'AUTH FOO', 'AUTH PLAIN a b', 'AUTH PLAIN', '*', 'AUTH PLAIN', '!!!',
               'AUTH PLAIN !!!!', 'AUTH PLAIN AGEAYgA=', 'AUTH PLAIN =', 'AUTH LOGIN', 'YQ==', 'YQ==', 'AUTH LOGIN YQ==',
               'YQ==', 'AUTH CRAM-MD5', '*', 'NOOP ' + 'x' * 70000, 'MAIL', 'QUIT x', f'AUTH PLAIN {LOGIN}')
SAID_BEHIND = ('AUTH PLAIN', 'STARTTLS', 'XCLIENT ADDR=192.0.2.1', 'FOO', 'HELP', 'NOOP x', 'EHLO x', 'HELO', 'RCPT TO:<q@q>',
               'DATA', 'BDAT', 'BDAT x', 'RSET', 'MAIL', 'MAIL x', 'MAIL FROM:x', 'MAIL FROM: <x@y>', 'MAIL FROM:<x@y> FOO',
               'MAIL FROM:<x@y> SMTPUTF8', 'MAIL FROM:<ü@y>', 'MAIL FROM:<x@ü>',
               'MAIL FROM:<x@y> BODY=FOO', 'MAIL FROM:<x@y> BODY', 'MAIL FROM:<x@y> SIZE=x',
               'MAIL FROM:<x@y> SIZE=99500', 'MAIL FROM:<x@y> SIZE=50000000', 'MAIL FROM:<x@y> RET=x',
               'MAIL FROM:<x@y> RET', 'MAIL FROM:<x@y> ENVID=a+b', 'MAIL FROM:<x@y> ENVID',
               'MAIL FROM:<x@y> BODY=8BITMIME RET=HDRS ENVID=e AUTH=<> SIZE=10', 'MAIL FROM:<x@y>', 'DATA',
               'RCPT TO:<>', 'RCPT TO:<ü@q>', 'RCPT TO:<q>', 'RCPT TO: <q@q>', 'RCPT TO:q@q', 'RCPT TO:<q@q> FOO',
               'RCPT TO:<q@q> NOTIFY=FOO',
               'RCPT TO:<q@q> NOTIFY=NEVER,DELAY', 'RCPT TO:<q@q> NOTIFY', 'RCPT TO:<q@q> ORCPT=x',
               'RCPT TO:<bad@q>', 'RCPT TO:<q@q> NOTIFY=FAILURE,SUCCESS ORCPT=rfc822;a@b', 'RCPT TO:<postmaster>', 'DATA x',
               'DATA', 'Subject: x\r\n\r\ntext\r\n.', 'VRFY', 'VRFY x', 'MAIL FROM:<"a b"@y>', 'RSET',
               'MAIL FROM:<x@y> BODY=BINARYMIME', 'RCPT TO:<q@q>', 'DATA', 'BDAT 5\r\nabc', 'BDAT 0 LAST',
               'MAIL FROM:<>', 'EHLO y', 'RCPT TO:<q@q>', 'NOOP ' + 'x' * 70000, 'QUIT')
# A MAIL that is refused, or a refusal in two lines, would end Dovecot's process.
ANSWERS = {'VRFY': '252 2.1.5 maybe', 'RCPT TO:<bad': '550 5.1.1 no'}


def talk(server):
    """Code and status of all replies."""
    one = client(server, False)
    found = {'greeting': one.greeting[:4]}
    for number, line in enumerate(SAID_BEFORE + SAID_BEHIND):
        reply = one.command(line)
        status = re.match(r'\d{3}[- ](\d\.\d\.\d+)?', reply[reply.rfind('\n') + 1:])
        found[number, line[:60]] = status and status[0].replace('-', ' ')
    return found


@needs_submissiond
def test_replies_are_dovecots(make_server, make_dovecot):
    """The same relay behind both."""
    found = []
    for make in make_server, make_dovecot:
        found.append(talk(begin(make, Relay(caps=ALL_CAPS, answers=ANSWERS), 'auth_mechanisms = plain login cram-md5\n')))
    ours, theirs = found
    assert None not in ours.values(), ours
    # NOOP and RSET they pass on; ours says so itself.
    differ = {at: (ours[at], theirs[at]) for at in ours if ours[at] != theirs[at] and at[1][:4] not in ('NOOP', 'RSET')}
    assert not differ, differ


def test_nothing_said_in_plain_counts_in_tls(make_server):
    """Commands behind STARTTLS in the clear, cut anywhere, and half a command before it (CVE-2021-33515)."""
    server = begin(make_server, Relay())
    injected = b'STARTTLS\r\n' + b'EHLO evil\r\nNOOP\r\n' * 2
    for cut in range(len(b'STARTTLS\r\n'), len(injected) + 1, 3):
        sock = socket.create_connection(('127.0.0.1', server.smtp), 30)
        assert sock.recv(4096).startswith(b'220')
        sock.sendall(injected[:cut])
        answer = b''
        while b'\n' not in answer:
            answer += sock.recv(1)
        assert answer.startswith(b'220 2.0.0')
        secure = ssl._create_unverified_context().wrap_socket(sock)
        secure.sendall(b'FOO\r\n')
        assert secure.recv(4096).startswith(b'500 5.5.1'), cut
        secure.sendall(f'AUTH PLAIN {LOGIN}\r\n'.encode())
        assert secure.recv(4096).startswith(b'235')
        secure.close()


FAILURES = {
    'greeting 421': ({'GREETING': '421 4.3.2 go away'}, '421 4.4.0', '421 4.3.2 go away'),
    'greeting never': ({'GREETING': None}, '421 4.4.0', 'did not answer for 2 seconds'),
    'MAIL 421': ({'MAIL': '421 4.3.0 closing'}, '421 4.3.0', 'Lost connection to relay server: 421 4.3.0 closing'),
    'MAIL never': ({'MAIL': None}, '421 4.4.0', 'did not answer for 2 seconds'),
    'MAIL 4xx': ({'MAIL': '451 4.3.0 later'}, '451 4.3.0 later', None),
    'MAIL 5xx without status': ({'MAIL': '550 no'}, '550 5.0.0 no', None),
    'RCPT in two lines': ({'RCPT': '450-4.2.1 wait\r\n450 4.2.1 please'}, '450-4.2.1 wait\n450 4.2.1 please', None),
    'DATA 4xx': ({'DATA': '451 4.7.1 no'}, '451 4.7.1 no', "Failed to relay message: .*reply=`451 4.7.1 no'"),
    'the mail 5xx': ({'DOT0': '554 5.7.1 spam'}, '554 5.7.1 spam', "Failed to relay message: .*reply=`554 5.7.1 spam'"),
    'the mail never': ({'DOT0': None}, '421 4.4.0', 'did not answer for 2 seconds'),
    'no sense': ({'MAIL': 'hello'}, '421 4.4.0', "the server's reply makes no sense"),
}


def test_what_the_relay_fails_at_is_said_and_logged(make_server):
    relay = Relay()
    server = begin(make_server, relay, 'submission_relay_connect_timeout = 2s\nsubmission_relay_command_timeout = 2s\n')
    for kind, (relay.answers, expected, logged) in FAILURES.items():
        start = len(server.log_text())
        one, reply = client(server), ''
        for line in ('MAIL FROM:<a@x>', 'RCPT TO:<b@y>', 'DATA', 'text\r\n.'):
            reply = one.command(line)
            if reply[0] not in '23':
                break
        assert reply.startswith(expected), (kind, reply)
        if logged:
            assert server.wait_log(logged, start=start), kind
        if expected.startswith('421'):
            assert one.reply() == '' and server.wait_log(r'Disconnected: (Lost connection|Failed to connect) to relay server',
                                                         start=start), kind
        else:  # the session goes on
            relay.answers = {}
            one.command('RSET')
            assert codes(send(one)) == ['250', '250', '250'], kind


def test_a_relay_that_is_not_there(make_server):
    server = begin(make_server, free_ports(1)[0])
    one = client(server)
    assert one.command('EHLO x').startswith('421 4.4.0 mail.example Failed to connect to relay server (connect)')
    assert one.reply() == ''
    assert server.wait_log(r'Error: smtp-client: conn 127.0.0.1:\d+ \[1\]: connect\(127.0.0.1:\d+\) failed: Connection refused')


def test_no_relay_at_all(make_server):
    server = begin(make_server, 25, 'submission_relay_host =\n')
    one = client(server, False)
    assert one.command(f'AUTH PLAIN {LOGIN}').startswith('451 4.3.5')
    assert one.reply() == ''
    assert server.wait_log(r'Error: No relay host configured for submission proxy \(submission_relay_host is unset\)')
    server.forgive()


def test_a_relay_that_goes_away(make_server):
    """In the middle of a mail nobody hears 250; between two mails nobody notices."""
    relay = Stuck()
    server = begin(make_server, relay)
    one = client(server)
    one.command('MAIL FROM:<a@x>')
    one.command('RCPT TO:<b@y>')
    assert one.data(b'x' * 70 + b'\n' + b'y' * 300000 + b'\n')[0].startswith('421 4.4.0 mail.example Lost connection')
    assert server.wait_log(r'Disconnected: Lost connection to relay server \(connection lost\) \(unfinished DATA command\)')
    assert relay.mails == []
    relay.take = lambda *args: Sink.take(relay, *args)
    one = client(server)
    assert codes(send(one)) == ['250', '250', '250']
    relay.drop()
    time.sleep(0.3)
    assert codes(send(one)) == ['250', '250', '250'] and len(relay.mails) == 2
    one.command('MAIL FROM:<a@x>')
    relay.vanish()
    assert one.command('RCPT TO:<b@y>').startswith('421 4.4.0 mail.example Lost connection')


class Hasty(Relay):
    """Answers before the mail has ended, and goes on."""

    def take(self, sock, file, recipients):
        file.readline()
        self.say(sock, '552 5.3.4 too large')
        time.sleep(0.2)
        super().take(sock, file, 0)


def test_a_relay_that_does_not_wait_for_the_end(make_server):
    """What is said behind its answer would be text of the mail to it."""
    relay = Hasty()
    server = begin(make_server, relay)
    one = client(server)
    assert send(one, b'RSET\n' * 2000000)[-1] == '552 5.3.4 too large'
    relay.take = lambda *args: Sink.take(relay, *args)
    assert codes(send(one)) == ['250', '250', '250']
    assert relay.log.count('EHLO mail.example') == 2 and 'RSET' not in relay.log


@pytest.mark.parametrize('go_on, lines', [('354 go on', 2000000), ('354 go on\r\n250 2.0.0 stored', 1)])
def test_no_mail_is_sent_before_its_end(make_server, go_on, lines):
    """A relay says that it has the mail while it is still being sent, or before."""
    relay = Relay(answers={'DATA': go_on})

    def take(sock, file, recipients):
        if lines > 1:
            file.readline()
            relay.say(sock, '250 2.0.0 stored')
            time.sleep(0.2)
        Sink.take(relay, sock, file, recipients)

    relay.take = take
    server = begin(make_server, relay)
    one = client(server)
    assert send(one, b'text\n' * lines)[-1].startswith('421 4.4.0 mail.example Lost connection to relay server')
    assert server.wait_log('Error: smtp-client: conn')


def test_a_session_that_is_killed_within_a_mail(make_server):
    relay = Relay()
    server = begin(make_server, relay)
    one = client(server)
    one.command('MAIL FROM:<a@x>')
    one.command('RCPT TO:<b@y>')
    assert one.command('DATA').startswith('354')
    one.send(b'half a mail\r\n')
    pid = int(server.wait_log(r'mpid=(\d+)')[1])
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ConnectionResetError):
        assert one.reply() == ''
        raise ConnectionResetError
    assert server.wait_log(f'child {pid} killed with signal 9')
    server.forgive()
    assert codes(send(client(server))) == ['250', '250', '250']
    assert len(relay.mails) == 1


def test_commands_all_at_once(make_server):
    """The relay hears the recipients at once, too, and each answer comes in its turn."""
    relay = Relay(answers={'RCPT TO:<no': '550-5.1.1 no\r\n550 5.1.1 such'})
    server = begin(make_server, relay)
    one = Lmtp(server.smtp, None)
    one.send(f'EHLO x\r\nAUTH PLAIN {LOGIN}\r\nNOOP\r\nRSET\r\n'.encode())
    assert codes([one.reply() for _ in range(4)]) == ['250', '235', '250', '250']
    names = [f'r{n}@y' if n % 3 else f'no{n}@y' for n in range(60)]
    one.send(b'MAIL FROM:<a@x>\r\n' + b''.join(f'RCPT TO:<{name}>\r\n'.encode() for name in names) +
             b'RCPT TO:bad\r\nRCPT TO:<last@y>\r\nDATA\r\n')
    replies = [one.reply() for _ in range(len(names) + 4)]
    assert codes(replies) == ['250', *['250' if n % 3 else '550' for n in range(60)], '501', '250', '354'], replies
    one.send(b'Subject: x\r\n\r\ntext\r\n.\r\nRCPT TO:<behind@y>\r\nMAIL FROM:<c@x>\r\nRCPT TO:<no@y>\r\nDATA\r\nRSET\r\nQUIT\r\n')
    assert codes([one.reply() for _ in range(7)]) == ['250', '503', '250', '550', '554', '250', '221']
    assert one.reply() == ''
    assert [line for line in relay.log if line.startswith('RCPT')][:60] == [f'RCPT TO:<{name}>' for name in names]
    assert b'for <' not in relay.mails[0] and relay.mails[0].endswith(b'\r\ntext\r\n')
    # MAIL and RCPT in one go, when MAIL is refused.
    relay.answers = {'MAIL': '451 4.3.0 later', 'RCPT': '503 5.5.1 no MAIL'}
    one = client(server)
    one.send(b'MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nDATA\r\nRSET\r\n')
    assert codes([one.reply() for _ in range(5)]) == ['451', '503', '503', '503', '250']


def test_what_is_refused_costs_nothing(make_server):
    """However often; nor do recipients for whom the relay takes its time."""
    relay = Relay(answers={'RCPT TO:<no': '550 5.1.1 no'})
    server = begin(make_server, relay)
    one = client(server)
    pid = int(server.wait_log(r'mpid=(\d+)')[1])

    def rounds(count):
        for _ in range(count):
            one.send(b'MAIL FROM:<a@x> SIZE=99999999\r\n' * 50 + b'MAIL FROM:<a@x\r\n' + b'NOOP\r\n')
            assert codes([one.reply() for _ in range(52)]) == ['552'] * 50 + ['501', '250']
        one.command('MAIL FROM:<a@x>')
        for _ in range(count):
            one.send(b'RCPT TO:<no@y>\r\n' * 300)
            assert codes([one.reply() for _ in range(300)]) == ['550'] * 300
        one.command('RSET')
        return int(re.search(r'VmRSS:\s+(\d+)', Path(f'/proc/{pid}/status').read_text())[1])

    rounds(10)
    before = rounds(2)
    grown = rounds(20) - before
    # Sanitizers keep what is freed.
    assert grown < 500 or 'libasan' in Path(f'/proc/{pid}/maps').read_text(), grown


def test_sessions_in_one_process(make_server):
    """Each waits for the relay alone, and has its own prefix in the log."""
    relay = Relay()
    answer = relay.answer
    relay.answer = lambda line, default: (time.sleep(0.05), answer(line, default))[1]
    server = begin(make_server, relay, 'service submission {\n  client_limit = 10\n  process_limit = 1\n}\n')
    clients = [client(server) for _ in range(5)]
    for line in 'MAIL FROM:<a@x>', 'RCPT TO:<b@y>', 'DATA', 'text\r\n.':
        for one in clients:
            one.send(line.encode() + b'\r\n')
        assert codes([one.reply() for one in clients]) == ['354' if line == 'DATA' else '250'] * 5
    assert server.wait_log("(.*Successfully relayed.*\n){5}")
    assert len(set(re.findall(r'submission\(alice\)<(\d+)><', server.log_text()))) == 1
    assert len(set(re.findall(r'submission\(alice\)<\d+><([^>]+)>: Info: Success', server.log_text()))) == 5
    clients[0].command('MAIL FROM:<a@x>')
    clients[0].command('RCPT TO:<b@y>')
    clients[0].command('DATA')
    clients[0].sock.shutdown(socket.SHUT_RDWR)
    assert server.wait_log(r'Info: Disconnected: Connection closed \(unfinished DATA command\) \(state=DATA\) in=\d+ out=')


class Odd(Relay):
    """Answers something else now and then."""

    odd = ('421 4.3.0 bye', '550-5.1.1 x\r\n550 y', '451 later', 'garbage', '250', '354 go', '250-a\r\n250 b', '', '2' * 5000)
    chance = random.Random(1)

    def answer(self, line, default):
        return self.chance.choice(self.odd) if self.chance.random() < 0.03 else default


PIECES = ([b'MAIL FROM:<a@b>', b'RCPT TO:<c@d>', b'RCPT TO:<e@d>', b'DATA', b'x\r\n.', b'RCPT TO:<behind@d>'],
          [b'MAIL FROM:<a@b> BODY=BINARYMIME', b'RCPT TO:<c@d>', b'BDAT 5\r\nabc', b'BDAT 0 LAST', b'BDAT 3\r\nabc'],
          [b'EHLO x'], [b'RSET'], [b'VRFY a'], [b'BDAT 10'], [b'BDAT 18446744073709551615'], [b'AUTH PLAIN', b'*'], [b'FOO'],
          [b'XCLIENT ADDR=192.0.2.1 HELO=a+20b'], [b'DATA'], [b'.'], [b'A' * 9000], [b'\0\r'], [b'STARTTLS x'], [b'QUIT x'])


def test_nothing_in_any_order_harms(make_server):
    """Commands, a few of them broken, some without waiting, to a relay that is not always right."""
    relay, chance = Odd(caps=ALL_CAPS), random.Random(2)
    server = begin(make_server, relay, f'''
submission_relay_command_timeout = 1s
submission_relay_connect_timeout = 1s
login_trusted_networks = 127.0.0.1
mail_max_userip_connections = 0
service submission {{
  client_limit = {chance.randrange(1, 4)}
}}
''')
    end = time.monotonic() + (120 if os.environ.get('DOVETAIL_LONG') == '1' else 10)
    while time.monotonic() < end:
        with socket.create_connection(('127.0.0.1', server.smtp), 5) as sock:
            sock.settimeout(chance.choice([0.02, 0.02, 0.3]))
            try:
                if chance.random() < 0.8:
                    sock.sendall(f'EHLO x\r\nAUTH PLAIN {LOGIN}\r\n'.encode())
                for line in sum(chance.choices(PIECES, [9, 9, *[1] * (len(PIECES) - 2)], k=chance.randrange(1, 6)), []):
                    line = bytearray(line + chance.choice([b'\r\n'] * 60 + [b'\n', b'\r', b'']))
                    if line and chance.random() < 0.05:
                        line[chance.randrange(len(line))] = chance.randrange(256)
                    sock.sendall(line)
                    if chance.random() < 0.4:
                        sock.recv(65536)
                if chance.random() < 0.5:
                    time.sleep(0.1)
            except OSError:
                pass
    relay.answer = lambda line, default: default
    assert codes(send(client(server))) == ['250', '250', '250'] and len(relay.mails) > 10


def test_large_mails_and_limits(make_server):
    relay = Relay(caps=(*CAPS, 'SIZE 5000000'))
    server = begin(make_server, relay, 'submission_max_recipients = 3\n')
    one = client(server)
    mail = b'Subject: large\n\n' + b''.join(b'.' * (n % 80) + b'%d\n' % n for n in range(60000))
    assert codes(send(one, mail)) == ['250', '250', '250']
    assert relay.mails[0].endswith(mail.replace(b'\n', b'\r\n'))
    replies = send(one, b'z' * 70 + b'\n' + (b'y' * 900 + b'\n') * 6000)
    assert replies[-1].startswith('552 5.2.3') and len(relay.mails) == 1
    assert codes(one.command(line) for line in ['MAIL FROM:<a@x>', *[f'RCPT TO:<{n}@y>' for n in range(5)]]) == [
        '250', '250', '250', '250', '451', '451']
    assert one.command('RSET')[:3] == '250'
    # Octets of a mail that is too large for a BDAT are no commands.
    one.command('MAIL FROM:<a@x>')
    one.command('RCPT TO:<b@y>')
    one.send(b'BDAT 6000000 LAST\r\n' + b'QUIT\r\n' * 1000000)
    assert one.reply().startswith('552 5.2.3')
    assert codes(send(one)) == ['250', '250', '250']
    # Only CRLF.CRLF ends a mail, and the relay gets no bare LF.
    one.command('MAIL FROM:<a@x>')
    one.command('RCPT TO:<b@y>')
    one.command('DATA')
    one.send(b'a\n.\nMAIL FROM:<evil@x>\r\n.\r\n')
    assert one.reply()[:3] == '250'
    assert relay.mails[-1].endswith(b'\r\na\r\n.\r\nMAIL FROM:<evil@x>\r\n')


def test_no_place_for_a_large_mail(make_server):
    relay = Relay()
    one = client(server := begin(make_server, relay, 'mail_temp_dir = /nonexistent\n'))
    assert send(one, b'y' * 300000 + b'\n')[-1] == '451 4.3.0 Temporary internal failure' and not relay.mails
    assert server.wait_log(r'Error: Failed to receive a mail: open\(/nonexistent, O_TMPFILE\)')
    assert codes(send(one)) == ['250', '250', '250'] and len(relay.mails) == 1


def test_extensions_as_the_relay_has_them(make_server):
    relay = Relay(caps=ALL_CAPS)
    server = begin(make_server, relay, 'submission_client_workarounds = whitespace-before-path mailbox-for-path\n')
    one = client(server)
    assert one.command('EHLO x').split('\n')[1:] == [
        '250-8BITMIME', '250-BINARYMIME', '250-CHUNKING', '250-DSN', '250-ENHANCEDSTATUSCODES', '250-PIPELINING',
        '250-VRFY', f'250 SIZE {100000 - 1024}']
    for line in ('MAIL FROM:<a@x> BODY=BINARYMIME RET=HDRS ENVID=e1', 'RCPT TO: <b@y> NOTIFY=FAILURE,DELAY',
                 'RCPT TO:c@y ORCPT=rfc822;o+2B@y'):
        assert one.command(line)[:3] == '250'
    binary = bytes(range(256)) + b'\n.\n\r.\r\n'
    one.send(b'BDAT %d\r\n' % len(binary) + binary)
    assert one.reply() == f'250 2.0.0 Added {len(binary)} octets'
    assert one.command('RCPT TO:<d@y>').startswith('503')
    one.send(b'BDAT 2 LAST\r\nzz')
    assert one.reply() == '250 2.0.0 stored 0'
    assert relay.log[1:4] == ['MAIL FROM:<a@x> BODY=BINARYMIME RET=HDRS ENVID=e1', 'RCPT TO:<b@y> NOTIFY=FAILURE,DELAY',
                              'RCPT TO:<c@y> ORCPT=rfc822;o+2B@y']
    assert relay.mails[0].endswith(binary + b'zz')
    # A relay that has none of them; a relay that is not asked.
    server = begin(make_server, Relay(caps=()))
    one = client(server)
    assert one.command('EHLO x').split('\n')[1:] == [
        '250-CHUNKING', '250-ENHANCEDSTATUSCODES', '250-PIPELINING', f'250 SIZE {40 * 1024 * 1024}']
    assert one.command('VRFY x')[:3] == '252'
    for line in ('MAIL FROM:<a@x> BODY=8BITMIME', 'MAIL FROM:<a@x> RET=FULL', 'MAIL FROM:<a@x> BODY=BINARYMIME'):
        assert one.command(line)[:3] == '555'
    relay = Relay()
    server = begin(make_server, relay, 'submission_backend_capabilities = DSN\nsubmission_max_mail_size = 1 M\n')
    one = Lmtp(server.smtp, 'x')
    assert one.command('EHLO x').split('\n')[1:4] == ['250-DSN', '250-AUTH PLAIN LOGIN', '250-CHUNKING']
    one.command(f'AUTH PLAIN {LOGIN}')
    assert one.command('EHLO x').endswith('250 SIZE 1048576') and not relay.log
    assert codes(send(one)) == ['250', '250', '250']


def test_the_way_to_the_relay(make_server, tls):
    """Login, TLS and its certificate, XCLIENT, and a name with several addresses."""
    relay = Relay(caps=(*CAPS, 'STARTTLS', 'AUTH LOGIN PLAIN'), cert=tls, answers={'AUTH': '235 2.7.0 ok'})
    login = 'submission_relay_user = us\nsubmission_relay_password = "s p"\nsubmission_relay_ssl = starttls\n'
    server = begin(make_server, relay, login + f'submission_relay_host = localhost\nssl_client_ca_file = {tls}.crt\n')
    assert codes(send(client(server))) == ['250', '250', '250']
    hello = 'EHLO mail.example'
    plain = base64.b64encode(b'\0us\0s p').decode()
    assert relay.log[:6] == [hello, 'STARTTLS', hello, f'AUTH PLAIN {plain}', hello, 'MAIL FROM:<a@x.example> AUTH=alice']
    relay.answers = {'AUTH': '535 5.7.8 wrong'}
    one = client(server)
    assert one.command('NOOP').startswith('421 4.4.0 mail.example Failed to connect')
    assert server.wait_log('Error: smtp-client: .*Authentication failed: 535 5.7.8 wrong')
    # Nobody vouches for it.
    server = begin(make_server, relay, login)
    assert client(server).command('NOOP').startswith('421 4.4.0')
    assert server.wait_log('Error: smtp-client: .*certificate')
    # One that is too long at rest; what was said to it is on record.
    relay = Relay()
    record = Path(server.dir, 'record')
    record.mkdir()
    os.chmod(record, 0o777)
    server = begin(make_server, relay, f'submission_relay_max_idle_time = 1s\nsubmission_relay_rawlog_dir = {record}\n')
    one = client(server)
    assert codes(send(one)) == ['250', '250', '250'] and relay.log.count(hello) == 1
    time.sleep(1.5)
    assert codes(send(one)) == ['250', '250', '250'] and relay.log.count(hello) == 2
    assert sum(path.read_bytes().count(b'RCPT TO:<b@y.example>') for path in record.iterdir()) == 2


def test_a_relay_that_is_told_who_it_is(make_server, tls):
    relay = Relay(caps=(*CAPS, 'XCLIENT ADDR PORT PROTO HELO LOGIN SESSION'), cert=tls, tls_at_once=True)
    server = begin(make_server, relay, 'submission_relay_ssl = smtps\nsubmission_relay_ssl_verify = no\n'
                   'submission_relay_trusted = yes\n')
    assert codes(send(client(server))) == ['250', '250', '250']
    assert re.match(r'XCLIENT HELO=there.example PROTO=ESMTP LOGIN=alice SESSION=\S+ PORT=\d+ ADDR=127.0.0.1$', relay.log[1])


def test_who_is_here(make_server):
    relay = Relay()
    server = begin(make_server, relay, 'mail_max_userip_connections = 2\n')
    one, two = client(server), client(server)
    assert re.search(r'^alice\s+2\s+submission\s+\(', server.doveadm('who').stdout, re.M)
    three = Lmtp(server.smtp, 'x')
    assert three.command(f'AUTH PLAIN {LOGIN}').startswith('421 4.7.0 Maximum number of connections')
    assert server.doveadm('kick', 'alice').returncode == 0
    assert wait_for(lambda: 'submission' not in server.doveadm('who').stdout)
    assert one.reply()[:3] in ('421', '') and two.reply()[:3] in ('421', '')
    # In a sandbox, both.
    start = len(server.log_text())
    one = client(server)
    pids = [int(server.wait_log(r'mpid=(\d+)', start=start)[1])]
    pids += [pid for pid in server.pids() if server.comm(pid) == 'submission-logi'][1:]  # the template is none
    found = {re.search(r'^Seccomp:\s+(\d)', Path(f'/proc/{pid}/status').read_text(), re.M)[1] for pid in pids}
    assert found in ({'2'}, {'0'}), found  # none where sanitizers want more calls
    server.doveadm('reload')
    assert codes(send(one)) == ['250', '250', '250']


def test_behind_haproxy_and_webmail(make_server):
    relay = Relay(caps=CAPS)
    port = free_ports(1)[0]
    server = begin(make_server, relay, f'''
haproxy_trusted_networks = 127.0.0.1
login_trusted_networks = 127.0.0.0/8
service submission-login {{
  inet_listener proxied {{
    port = {port}
    haproxy = yes
  }}
}}
''')
    one = Lmtp.__new__(Lmtp)
    one.sock = socket.create_connection(('127.0.0.1', port), timeout=20)
    one.file = one.sock.makefile('rb')
    one.send(b'PROXY TCP4 192.0.2.7 192.0.2.8 4000 587\r\n')
    assert one.reply().startswith('220')
    one.command('EHLO far.example')
    one.command(f'AUTH PLAIN {LOGIN}')
    assert codes(send(one)) == ['250', '250', '250']
    assert b'from far.example ([192.0.2.7])' in relay.mails[-1]
    one = Lmtp(server.smtp, None)
    assert '250-XCLIENT ' in one.command('EHLO webmail')
    assert one.command('XCLIENT ADDR=x') == '501 5.5.4 Invalid ADDR parameter'
    assert one.command('XCLIENT ADDR=IPV6:2001:db8::9 PORT=77 HELO=user+2Eexample SESSION=abc TTL=3').startswith('220')
    one.command('EHLO webmail')
    one.command(f'AUTH PLAIN {LOGIN}')
    assert codes(send(one)) == ['250', '250', '250']
    assert b'from user.example ([IPv6:2001:db8::9])' in relay.mails[-1]
    assert server.wait_log('Login: user=<alice>, method=PLAIN, rip=2001:db8::9, .*session=<abc>')


def test_passed_on_to_another_server(make_server, tmp_path, tls):
    """As imap-login does, by fields of the passdb."""
    other = Relay(caps=('STARTTLS', 'AUTH PLAIN', 'XCLIENT ADDR PORT HELO SESSION PROTO TTL FORWARD'), cert=tls,
                  answers={'AUTH': '235-2.7.0 welcome\r\n235 2.7.0 there', 'NOOP': '250 2.0.0 over there'})
    to = f'proxy=y host=127.0.0.1 port={other.port} pass=other'
    server = begin(make_server, 25, proxy_extra(tmp_path, {
        'alice': f'{to} starttls=any-cert forward_a=b', 'bob': f'{to} destuser=robert proxy_not_trusted=y'},
        'login_proxy_max_reconnects = 0\n'))
    one = Lmtp(server.smtp, 'me.example')
    one.command('EHLO me.example')
    assert one.command(f'AUTH PLAIN {LOGIN}') == '235 2.7.0 there'
    assert one.command('NOOP') == '250 2.0.0 over there'
    hello = 'EHLO mail.example'
    assert other.log[:3] == [hello, 'STARTTLS', hello] and other.log[4] == hello
    assert re.match(r'XCLIENT HELO=me.example ADDR=127.0.0.1 PORT=\d+ SESSION=\S+ PROTO=ESMTP TTL=4 FORWARD=\S+$', other.log[3])
    assert base64.b64decode(other.log[5].split()[2]).split(b'\0')[1:] == [b'alice', b'other']
    assert server.wait_log(r'submission-login: Info: proxy\(alice,127.0.0.1:\d+\): Started proxying to <127.0.0.1>')
    assert 'alice' in server.doveadm('proxy', 'list').stdout
    # Refusals are the other server's.
    bob = base64.b64encode(b'\0bob\0secret').decode()
    for answer, said in (('535-5.7.8 no\r\n535 5.7.8 never', '535 5.7.8 never'), ('454 4.7.0 later', '454 4.7.0 later'),
                         ('334 ', '535 5.7.8 Authentication failed.')):
        other.answers, other.log[:] = {'AUTH': answer}, []
        one = Lmtp(server.smtp, None)
        assert one.command(f'AUTH PLAIN {bob}') == said
        assert [line[:7] for line in other.log] == ['EHLO ma', 'AUTH PL']
        assert one.command('QUIT')[:3] == '221'
    assert server.wait_log(r'submission-login: Info: Disconnected: Aborted login by logging out \(proxy dest auth failed\)')
    other.caps = []
    assert Lmtp(server.smtp, None).command(f'AUTH PLAIN {bob}').startswith('454 4.7.0 Account is temporarily')
    assert server.wait_log('Error: proxy.*Authentication support not advertised')


def test_nobody_sends_mail(make_server):
    """ANONYMOUS is for who reads."""
    server = begin(make_server, 1, 'auth_mechanisms = plain anonymous\nauth_anonymous_username = alice\n',
                   'imap pop3 sieve submission')
    for port, greeting, line, answer in [
            (server.port('imap'), 'AUTH=ANONYMOUS', 'a AUTHENTICATE ANONYMOUS =', 'a OK '),
            (server.port('pop3'), '', 'AUTH ANONYMOUS =', '+OK Logged in.'),
            (server.port('sieve'), '"SASL" "PLAIN"', 'AUTHENTICATE "ANONYMOUS" "="', 'NO "Unsupported'),
            (server.smtp, '', 'AUTH ANONYMOUS =', '504 5.5.4 Unsupported')]:
        with socket.create_connection(('127.0.0.1', port), 30) as sock:
            assert greeting in sock.recv(4096).decode()
            sock.sendall(line.encode() + b'\r\n')
            assert sock.recv(4096).decode().startswith(answer)


def test_who_may_not_log_in_is_told(make_server, tmp_path):
    server = begin(make_server, 25, proxy_extra(tmp_path, {'alice': 'nologin', 'bob': 'nologin reason=Gone'}))
    for user, why in ('alice', 'Login disabled for this user'), ('bob', 'Gone'):
        login = base64.b64encode(b'\0%s\0secret' % user.encode()).decode()
        assert Lmtp(server.smtp, None).command(f'AUTH PLAIN {login}') == f'525 5.7.13 {why}'


def test_idle_and_wrong_clients_are_told_and_leave(make_server):
    server = begin(make_server, Relay(), 'login_timeout = 1s\nlogin_max_attempts = 3\n')
    idle, wrong, bad = (client(server, False) for _ in range(3))
    for _ in range(3):
        assert wrong.command('AUTH PLAIN AGEAYg==')[:3] == '535'
    assert wrong.reply() == '421 4.3.2 mail.example Too many failed logins.' and wrong.reply() == ''
    assert codes(bad.command('FOO') for _ in range(11)) == [*['500'] * 10, '421']
    assert bad.reply() == '' and server.wait_log(r'Disconnected: Too many invalid commands. \(no auth attempts')
    assert idle.reply() == '421 4.4.2 mail.example Disconnected for inactivity.' and idle.reply() == ''
    one = client(server)
    assert codes(one.command('FOO') for _ in range(11)) == [*['500'] * 10, '421'] and one.reply() == ''


def test_tls_is_required(make_server):
    server = begin(make_server, Relay(), 'disable_plaintext_auth = yes\nssl = required\nlisten = 127.0.0.1, 127.0.0.2\n')
    one = Lmtp.__new__(Lmtp)
    one.sock = socket.create_connection(('127.0.0.2', server.smtp), 20, ('127.0.0.1', 0))
    one.file = one.sock.makefile('rb')
    one.reply()
    reply = one.command('EHLO x')
    assert 'STARTTLS' in reply and 'AUTH' not in reply
    for line in (f'AUTH PLAIN {LOGIN}', 'AUTH LOGIN', 'MAIL FROM:<a@x>'):
        assert one.command(line) == '530 5.7.0 TLS required.'


needs_fail2ban = pytest.mark.skipif(shutil.which('fail2ban-regex') is None, reason='fail2ban is not installed')


@needs_fail2ban
def test_fail2ban_sees_failed_logins(make_server, tmp_path):
    server = begin(make_server, Relay())
    one = Lmtp(server.smtp, None)
    for password in (b'\0alice\0wrong', b'\0nobody\0secret'):
        assert one.command('AUTH PLAIN ' + base64.b64encode(password).decode())[:3] == '535'
    one.command('QUIT')
    send(client(server))
    assert server.wait_log(r'submission-login: Info: Disconnected: Aborted login by logging out \(auth failed, 2 attempts')
    text = [f'Nov 29 10:00:00 mx dovecot: {line.split(" ", 3)[3]}' for line in server.log_text().splitlines() if ': ' in line]
    (tmp_path / 'log').write_text('\n'.join(text) + '\n')
    done = subprocess.run(['fail2ban-regex', str(tmp_path / 'log'), '/etc/fail2ban/filter.d/dovecot.conf'],
                          capture_output=True, text=True, check=False)
    assert re.search(r'Failregex: 1 total', done.stdout), done.stdout


@pytest.mark.skipif(not ROOT or not os.path.exists('/usr/sbin/postfix'), reason='needs Postfix, and root')
@pytest.mark.parametrize('program', ['smtplib', 'curl', 'swaks', 'msmtp'])
def test_clients_and_postfix(make_server, tmp_path, program):
    """Programs as users have them send through Postfix, into a mailbox of its own."""
    if program != 'smtplib' and shutil.which(program) is None:
        pytest.skip(f'{program} is not installed')
    open_up(tmp_path)
    spool = tmp_path / 'spool'
    spool.mkdir()
    os.chmod(spool, 0o1777)
    postfix = Postfix(tmp_path, spool).start()
    try:
        server = begin(make_server, postfix)
        mail = tmp_path / 'mail'
        mail.write_text('From: a@x.example\nTo: nobody@localhost\nSubject: sent\n\n.text\n')
        if program == 'smtplib':
            with smtplib.SMTP('127.0.0.1', server.smtp, timeout=30) as smtp:
                smtp.starttls(context=ssl._create_unverified_context())
                smtp.login('alice', 'secret')
                assert smtp.sendmail('a@x.example', ['nobody@localhost'], mail.read_text()) == {}
        else:
            done = subprocess.run({
                'curl': ['curl', '-sSk', '--ssl-reqd', '-u', 'alice:secret', '--mail-from', 'a@x.example', '--mail-rcpt',
                         'nobody@localhost', '-T', str(mail), f'smtp://127.0.0.1:{server.smtp}/me'],
                'swaks': ['swaks', '-s', '127.0.0.1', '-p', str(server.smtps), '-tlsc', '-a', 'LOGIN', '-au', 'alice',
                          '-ap', 'secret', '-f', 'a@x.example', '-t', 'nobody@localhost', '-d', f'@{mail}'],
                'msmtp': ['msmtp', '-C', '/dev/null', '--host=127.0.0.1', f'--port={server.smtp}', '--tls=on',
                          '--tls-certcheck=off', '--auth=plain', '--user=alice', '--passwordeval=echo secret',
                          '--from=a@x.example', 'nobody@localhost'],
            }[program], input=mail.read_text() if program == 'msmtp' else None, capture_output=True, text=True,
                timeout=60, check=False)
            assert done.returncode == 0, (done.stdout, done.stderr)
        assert server.wait_log("Successfully relayed message: from=<a@x.example>.*reply=`250 2.0.0 Ok: queued as ")
        assert wait_for(lambda: 'status=sent' in postfix.log()), postfix.log()
        assert '.text\n' in (spool / 'nobody').read_text() or '\n..text' not in (spool / 'nobody').read_text()
    finally:
        postfix.run('stop')
