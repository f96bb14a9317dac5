# SPDX-License-Identifier: MIT
"""Recipients that LMTP passes on to other servers (lmtp_proxy)."""
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from conftest import mail_owner
from lmtp_lines import Lmtp
from smtp_sink import Sink

MAIL = b'From: a@example.org\nSubject: one\n\n..body\n'
EXTRA = """
lmtp_proxy = yes
login_trusted_networks = 127.0.0.1
ssl_client_ca_file = {tls}.crt
lmtp_verbose_replies = no
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/proxied
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {dir}/proxied
}}
"""


def configure(server, users):
    """`users`: names with the fields of the passdb."""
    uid, gid = mail_owner()
    lines = [f'{name}:{{PLAIN}}secret:{uid}:{gid}::{server.home("alice")}::{fields}' for name, fields in users.items()]
    Path(server.dir, 'proxied').write_text('\n'.join(lines) + '\n')
    server.extra = EXTRA.format(dir=server.dir, tls=server.tls)
    server.write_config()
    return server.start()


@pytest.fixture
def proxying(make_server):
    return lambda users: configure(make_server(start=False), users)


def to(sink, more=''):
    return f'proxy=y host=127.0.0.1 port={sink.port} {more}'


def commands(sink):
    """What came, without what differs from run to run."""
    lines = [re.sub(r' SESSION=\S+| PORT=\d+', '', line) for line in sink.log]
    return [line for line in lines if not line.startswith(('DATA', 'BDAT'))]


def wait_for(what, timeout=20):
    deadline = time.monotonic() + timeout
    while not what() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert what()


def test_as_dovecot_passes_on(proxying, make_dovecot):
    """The same commands, mails and answers."""
    seen = []
    for start in (proxying, None):
        one = Sink()
        two = Sink(answers={'RCPT TO:<bob': '550 5.7.1 <other> no bob here', 'DOT0': '452 4.2.2 full',
                            'DOT1': '452 4.2.2 <dom> full'})
        smtp = Sink(lmtp=False)
        users = {'alice': '', 'first': to(one), 'second': to(two), 'bob': to(two),
                 'dest': to(two, 'destuser=other@dom'), 'smtp': to(smtp, 'protocol=smtp'),
                 'dead': 'proxy=y host=127.0.0.1 port=1', 'self': 'proxy=y host=127.0.0.1',
                 'maybe': 'proxy_maybe=y host=127.0.0.1', 'nohost': 'proxy=y', 'badport': 'proxy=y host=127.0.0.1 port=x',
                 'hostip': f'proxy=y host=nowhere.invalid hostip=127.0.0.1 port={one.port}'}
        if start is None:
            server = make_dovecot('')
            server.stop()
            configure(server, users)
        else:
            server = start(users)
        client = Lmtp(server.port('lmtp'), 'there')
        answers = [client.command('MAIL FROM:<a@b> BODY=8BITMIME')]
        wanted = [*users, 'nobody', 'dest+x', 'alice']
        answers += [client.command(f'RCPT TO:<{name}>') for name in wanted]
        accepted = sum(answer.startswith('250') for answer in answers[1:])
        answers += client.data(MAIL, accepted)
        assert client.command('QUIT').startswith('221')
        client.close()
        assert server.wait_log(r'Disconnect from .*Logged out')
        for sink in (one, two, smtp):
            wait_for(lambda sink=sink: sink.log.count('QUIT') == sum(line.startswith('MAIL') for line in sink.log))
        answers = [re.sub(r'(<\S+> |session=)[\w+/]{22}', r'\1ID', answer) for answer in answers]
        mails = [re.sub(rb'id \S+|; .*', b'', mail) for sink in (one, two, smtp) for mail in sink.mails]
        log = re.findall(r'(?:Sent|Failed to send) message to .*?(?= \(\d+/)|(?<=rcpt )\w+: [Pp]rox.*|(?<=\]: )connect\(.*',
                         server.log_text())
        log = sorted(re.sub(r':\d{4,}', ':PORT', line) for line in log)
        seen.append((answers, [sorted(commands(sink)) for sink in (one, two, smtp)], mails, log))
    for ours, theirs in zip(*seen):
        assert ours == theirs
    assert len(seen[0][2]) == 4 and '<dom>' not in str(seen[0][0])


def test_one_connection_for_all_recipients_of_a_server(proxying):
    sink = Sink()
    server = proxying({f'u{n}': to(sink) for n in range(20)})
    client = Lmtp(server.port('lmtp'))
    replies = client.deliver(MAIL, *[f'u{n}' for n in range(20)])
    assert [re.sub(r' \S{22}', '', reply) for reply in replies] == \
        ['250 2.0.0 <u0> Saved'] + [f'250 2.0.0 <u{n}>:R{n + 1} Saved' for n in range(1, 20)]
    assert len(sink.mails) == 1 and len(sink.peers) == 1
    assert sink.mails[0].endswith(b'\r\n\r\n..body\r\n')
    assert b'Return-Path' not in sink.mails[0] and b'Delivered-To' not in sink.mails[0]


def test_what_leaves_has_no_bare_line_ends(proxying):
    """Two mails may not become of one on the way (SMTP smuggling)."""
    sink = Sink()
    server = proxying({'u': to(sink)})
    client = Lmtp(server.port('lmtp'))
    client.command('MAIL FROM:<a@b>')
    client.command('RCPT TO:<u>')
    client.command('DATA')
    client.send(b'Subject: x\r\n\r\na\n.\nb\r.\rc\r\n..\r\nd\r\r\n.\r\n')
    assert client.reply().startswith('250 2.0.0')
    body = sink.mails[0].partition(b'\r\n\r\n')[2]
    assert body == b'a\r\n.\r\nb . c\r\n.\r\nd\r\n'


def test_what_is_binary_is_passed_on_in_base64(proxying):
    sink = Sink()
    client = Lmtp(proxying({'u': to(sink)}).port('lmtp'))
    client.command('MAIL FROM:<a@b> BODY=BINARYMIME')
    client.command('RCPT TO:<u>')
    mail = b'Content-Transfer-Encoding: binary\r\n\r\n\0\n.\r\n'
    client.send(b'BDAT %d LAST\r\n' % len(mail) + mail)
    assert client.reply().startswith('250 2.0.0')
    assert 'MAIL FROM:<a@b> BODY=8BITMIME' in sink.log
    assert sink.mails[0].endswith(b'Content-Transfer-Encoding: base64\r\n\r\nAAouDQo=\r\n')


def test_xclient_and_forwarded_fields(proxying):
    sink = Sink(caps=['XRCPTFORWARD', 'XCLIENT ADDR TTL SESSION LOGIN'])
    server = proxying({'u': to(sink, 'forward_foo=bar forward_x=y')})
    client = Lmtp(server.port('lmtp'))
    client.command('XCLIENT ADDR=10.1.2.3 LOGIN=joe+40 TTL=3 SESSION=s+2Bs')
    client.command('LHLO client')
    client.command('MAIL FROM:<a@b>')
    assert client.command('RCPT TO:<u> ORCPT=rfc822;o+2Bo@x XRCPTFORWARD=aa+3Dbbb+09cc+3Ddd') == '250 2.1.5 ok'
    assert sink.log[1] == 'XCLIENT LOGIN=joe@ SESSION=s+2Bs:P1 TTL=2 ADDR=10.1.2.3'
    assert sink.log[4] == 'RCPT TO:<u> ORCPT=rfc822;o+2Bo@x XRCPTFORWARD=aa+3Dbbb+09cc+3Ddd+09foo+3Dbar+09x+3Dy'
    assert client.command('RCPT TO:<u+2> ORCPT=x400;any+20thing') == '250 2.1.5 ok'
    assert sink.log[5] == 'RCPT TO:<u+2> ORCPT=x400;any+20thing XRCPTFORWARD=foo+3Dbar+09x+3Dy'
    client.close()
    client = Lmtp(server.port('lmtp'))
    client.command('XCLIENT TTL=0')
    client.command('LHLO client')
    client.command('MAIL FROM:<a@b>')
    assert client.command('RCPT TO:<u>') == '554 5.4.6 <u> Proxying appears to be looping (TTL=0)'


STATIC = """
lmtp_proxy = yes
login_trusted_networks = 127.0.0.1
passdb {{
  driver = static
  args = proxy=y host=127.0.0.1 port={port} nopassword=y destuser=%u-%{{passdb:forward_to}} forward_more=1
}}
"""


def test_forwarded_fields_as_dovecot(make_server, make_dovecot):
    """auth knows them, and the next server gets them."""
    seen = []
    for make in (make_server, make_dovecot):
        sink = Sink(caps=['PIPELINING', 'ENHANCEDSTATUSCODES', 'XRCPTFORWARD', 'XCLIENT ADDR'])
        client = Lmtp(make(STATIC.format(port=sink.port), protocols='lmtp').port('lmtp'))
        client.command('MAIL FROM:<a@b>')
        for value in ('to+3Dthere', 'a+3Db+09to+3Dx-y+09c', 'bGFuZw'):
            assert client.command(f'RCPT TO:<u@{value[0]}> XRCPTFORWARD={value}') == '250 2.1.5 ok'
        seen.append([line for line in sink.log if line.startswith('RCPT')])
        client.close()
    assert seen[0] == seen[1]
    assert seen[0][0] == 'RCPT TO:<u@t-there> ORCPT=rfc822;u@t XRCPTFORWARD=to+3Dthere+09more+3D1'


def test_a_proxy_that_waits_no_longer(proxying):
    sink = Sink(answers={'RCPT': None})
    client = Lmtp(proxying({'u': to(sink)}).port('lmtp'))
    client.command('XCLIENT TIMEOUT=1')
    client.command('LHLO client')
    client.command('MAIL FROM:<a@b>')
    assert client.command('RCPT TO:<u>').startswith('451 4.4.0 Proxy failed (timed out,')


def test_tls(proxying, tls):
    at_once, later = Sink(cert=tls, tls_at_once=True), Sink(cert=tls, caps=['STARTTLS', 'XCLIENT ADDR'])
    plain = Sink()
    server = proxying({
        'smtps': f'proxy=y host=localhost hostip=127.0.0.1 port={at_once.port} ssl=yes',
        'starttls': f'proxy=y host=localhost hostip=127.0.0.1 port={later.port} starttls=yes',
        'wrong': f'proxy=y host=other.example hostip=127.0.0.1 port={at_once.port} ssl=yes',
        'any': f'proxy=y host=other.example hostip=127.0.0.1 port={at_once.port} ssl=any-cert',
        'plain': to(plain, 'starttls=yes'), 'notls': to(plain, 'ssl=yes')})
    client = Lmtp(server.port('lmtp'))
    assert [reply[:9] for reply in client.deliver(MAIL, 'smtps', 'starttls', 'any')] == ['250 2.0.0'] * 3
    assert later.log[:3] == ['LHLO mail.example', 'STARTTLS', 'LHLO mail.example']
    client.command('MAIL FROM:<a@b>')
    for name in ('wrong', 'plain', 'notls'):
        assert client.command(f'RCPT TO:<{name}>').startswith('451 4.4.0 Proxy failed (connect, session=')
    assert server.wait_log(r'Error: lmtp-client: conn 127\.0\.0\.1:\d+ \[\d+\]: .*certificate verify failed')
    assert server.wait_log(r"Requested STARTTLS, but server doesn't support it")
    assert not any(line.startswith('MAIL') for line in plain.log)


def test_servers_that_fail(proxying):
    """Nobody is told of success, and each hears of his own server."""
    full = Sink(answers={'DOT0': '452-4.2.2 very\r\n452 4.2.2 full'})
    quiet = Sink(answers={'DOT0': None})
    refusing = Sink(answers={'MAIL': '451 4.1.8 bad sender'})
    no_data = Sink(answers={'DATA': '554 5.9.9 no'})
    away = Sink(answers={'GREETING': '421 4.3.2 go away'})
    silent = Sink(answers={'RCPT': None})
    nonsense = Sink(answers={'RCPT': 'what?'})
    good = Sink()
    server = proxying({'full': to(full), 'quiet': to(quiet, 'proxy_timeout=1'), 'refusing': to(refusing),
                       'nodata': to(no_data), 'away': to(away), 'silent': to(silent, 'proxy_timeout=1'),
                       'nonsense': to(nonsense), 'good': to(good), 'alice': ''})
    client = Lmtp(server.port('lmtp'))
    client.command('MAIL FROM:<a@b>')
    assert client.command('RCPT TO:<refusing>') == '451 4.1.8 <refusing> bad sender'
    assert client.command('RCPT TO:<away>').startswith('451 4.4.0 Proxy failed (connection lost,')
    assert client.command('RCPT TO:<silent>').startswith('451 4.4.0 Proxy failed (timed out,')
    assert client.command('RCPT TO:<nonsense>').startswith('451 4.4.0 Proxy failed (bad reply,')
    for name in ('full', 'quiet', 'nodata', 'good', 'alice'):
        assert client.command(f'RCPT TO:<{name}>').startswith('250')
    replies = client.data(MAIL, 5)
    assert replies[0] == '452 4.2.2 <full> very full'
    assert replies[1].startswith('451 4.4.0 Proxy failed (timed out,')
    assert replies[2] == '554 5.9.9 <nodata> no'
    assert replies[3].startswith('250 2.0.0 <good>') and replies[4].startswith('250 2.0.0 <alice>')
    assert client.command('NOOP') == '250 2.0.0 OK'


def test_replies_that_must_not_be_taken_at_their_word(proxying):
    """Success before there is a mail, 421 for one connection, what is no answer; a server that has no mail at all."""
    sinks = {'early': Sink(answers={'DATA': '250 2.0.0 ok'}), 'closing': Sink(answers={'RCPT': '421 4.3.2 bye'}),
             'closing2': Sink(answers={'DATA': '421 4.3.2 bye'}), 'one': Sink(answers={'DOT0': '421 4.3.2 full'}),
             'mail3': Sink(answers={'MAIL': '354 go'}), 'rcpt3': Sink(answers={'RCPT': '354 go'}),
             'dot3': Sink(answers={'DOT0': '354 go'}), 'other': Sink(answers={'RCPT': '550 4.1.1 which?'}),
             'never': Sink(answers={'GREETING': '554 5.3.2 no mail here'}), 'later': Sink(answers={'LHLO': '450 4.3.2 x'}),
             'hello': Sink(answers={'GREETING': '250 hello'}), 'distrust': Sink(answers={'XCLIENT': '550 5.7.1 who?'})}
    server = proxying({**{name: to(sink) for name, sink in sinks.items()}, 'two': to(sinks['one'])})
    client = Lmtp(server.port('lmtp'))
    client.command('MAIL FROM:<a@b>')
    replies = {name: client.command(f'RCPT TO:<{name}>') for name in (*sinks, 'two')}
    accepted = [name for name, reply in replies.items() if reply.startswith('250')]
    assert accepted == ['early', 'closing2', 'one', 'dot3', 'distrust', 'two']
    lost, bad = '451 4.4.0 Proxy failed (connection lost,', '451 4.4.0 Proxy failed (bad reply,'
    assert replies['closing'].startswith(lost)
    assert all(replies[name].startswith(bad) for name in ('mail3', 'rcpt3', 'hello'))
    assert replies['other'] == '550 5.0.0 <other> which?'
    assert replies['never'] == '554 5.3.2 <never> no mail here'
    assert replies['later'] == '450 4.3.2 <later> x'
    replies = dict(zip(accepted, client.data(MAIL, len(accepted))))
    assert replies['early'].startswith(bad) and replies['dot3'].startswith(bad)
    assert replies['closing2'].startswith(lost) and replies['one'].startswith(lost)
    assert all(replies[name].startswith('250 2.0.0') for name in ('distrust', 'two'))
    assert sinks['early'].mails == [] and len(sinks['distrust'].mails) == 1


def test_a_client_that_goes_away(proxying):
    """In the middle of anything; the server goes on."""
    silent, sink = Sink(answers={'RCPT': None}), Sink(answers={'DOT0': None})
    server = proxying({'silent': to(silent), 'slow': to(sink), 'alice': ''})
    for name in ('silent', 'slow'):
        client = Lmtp(server.port('lmtp'))
        client.command('MAIL FROM:<a@b>')
        client.send(f'RCPT TO:<{name}>\r\nDATA\r\nx: y\r\n\r\n.\r\n'.encode())
        wait_for(lambda: (silent if name == 'silent' else sink).log[-1:] != [])
        client.close()
    assert Lmtp(server.port('lmtp')).deliver(MAIL, 'alice')[0].startswith('250')


class Slow(Sink):
    """Answers a mail when it may."""

    def __init__(self):
        self.begun, self.may = threading.Event(), threading.Event()
        super().__init__()

    def store(self, sock, mail, recipients):
        self.begun.set()
        self.may.wait(20)
        super().store(sock, mail, recipients)


def test_a_mail_under_way_is_answered_before_the_end(proxying):
    """Or its client would send it again."""
    sink = Slow()
    server = proxying({'u': to(sink)})
    client, idle = Lmtp(server.port('lmtp')), Lmtp(server.port('lmtp'))
    timer = threading.Timer(1.5, sink.may.set)

    def stop():
        sink.begun.wait(20)
        for pid in server.pids('lmtp'):
            os.kill(pid, signal.SIGTERM)
        timer.start()

    thread = threading.Thread(target=stop)
    thread.start()
    assert client.deliver(MAIL, 'u')[0].startswith('250 2.0.0 <u>')
    assert client.reply() == idle.reply() == '421 4.3.2 mail.example Server shutting down.'
    assert client.reply() == ''
    thread.join()


def test_a_server_that_takes_longer_than_a_client_may(proxying):
    sink = Slow()
    server = proxying({'u': to(sink)})
    server.stop()
    server.extra += 'lmtp_timeout = 1s\n'
    server.write_config()
    server.start()
    client = Lmtp(server.port('lmtp'))
    timer = threading.Timer(3, sink.may.set)
    timer.start()
    assert client.deliver(MAIL, 'u')[0].startswith('250 2.0.0 <u>')
    assert client.reply() == '421 4.4.2 mail.example Disconnected for inactivity'
    timer.join()


def test_large_mail(proxying):
    sink = Sink()
    server = proxying({'u': to(sink), 'v': to(sink)})
    mail = b'Subject: large\n\n' + b'.0123456789' * 6 + b'\n' + (b'0123456789' * 7 + b'\n') * 150000
    client = Lmtp(server.port('lmtp'), timeout=60)
    assert all(reply.startswith('250') for reply in client.deliver(mail, 'u', 'v'))
    assert sink.mails[0].endswith(mail.replace(b'\n', b'\r\n'))
