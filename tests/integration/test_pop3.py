# SPDX-License-Identifier: MIT
"""POP3 as clients and administrators meet it."""
import hashlib
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

from conftest import mail_owner
from imap_lines import Lines
from pop3_lines import NO_DELAY, Ends, Pop, fill, names

USER = 'popper'
MAILS = [(f'new/{number}.M{number}.host', b'Subject: m%d\nX-UIDL: x%d\n\nbody %d\n.dot\n' % (number, number, number))
         for number in range(1, 5)]


def bodies(server):
    """Subjects of what is left."""
    root = server.maildir(USER)
    return sorted(re.search(rb'm(\d)', (root / sub / name).read_bytes())[1]
                  for sub in ('cur', 'new') for name in os.listdir(root / sub))


@pytest.fixture
def filled(server):
    fill(server, USER, MAILS)
    return server


# --- before login -----------------------------------------------------------------


def test_greeting_and_capabilities(server):
    client = Pop(server.port('pop3'))
    assert client.greeting == b'+OK Dovecot ready.\r\n'
    common = [b'CAPA', b'TOP', b'UIDL', b'RESP-CODES', b'PIPELINING', b'AUTH-RESP-CODE', b'UTF8', b'LANG']
    assert client.multi('CAPA') == [line + b'\r\n' for line in [*common, b'STLS', b'USER', b'SASL PLAIN LOGIN']]
    assert client.multi('AUTH') == [b'PLAIN\r\n', b'LOGIN\r\n']
    assert client.command('UTF8').startswith(b'+OK')
    assert [line.split()[0] for line in client.multi('LANG')] == [b'en', b'i-default']
    assert client.command('LANG en').startswith(b'+OK en ')
    assert client.command('LANG xx').startswith(b'-ERR')
    assert client.quit() == b'+OK Logging out\r\n'
    after = Pop(server.port('pop3'), USER)
    assert after.multi('CAPA') == [line + b'\r\n' for line in common]


@pytest.mark.parametrize('commands', [
    ['USER popper', 'PASS secret'], ['user popper', 'pass secret'], ['AUTH PLAIN AHBvcHBlcgBzZWNyZXQ='],
    ['AUTH PLAIN', 'AHBvcHBlcgBzZWNyZXQ='], ['AUTH LOGIN', 'cG9wcGVy', 'c2VjcmV0']], ids=lambda commands: commands[0])
@pytest.mark.parametrize('way', ['plain', 'stls', 'pop3s'])
def test_ways_to_log_in(filled, commands, way):
    start = len(filled.log_text())
    client = Pop(filled.port('pop3s' if way == 'pop3s' else 'pop3'), tls=way == 'pop3s')
    if way == 'stls':
        assert client.command('STLS') == b'+OK Begin TLS negotiation now.\r\n'
        client.start_tls()
        assert b'STLS\r\n' not in client.multi('CAPA')
        assert client.command('STLS') == b'-ERR TLS is already active.\r\n'
    answers = [client.command(line) for line in commands]
    assert answers[-1] == b'+OK Logged in.\r\n'
    assert client.command('STAT').startswith(b'+OK 4 ')
    assert client.quit() == b'+OK Logging out.\r\n'
    mech = 'LOGIN' if 'AUTH LOGIN' in commands else 'PLAIN'
    assert filled.wait_log(rf'pop3-login: Info: Login: user=<popper>, method={mech}, rip=127\.0\.0\.1, lip=127\.0\.0\.1, '
                           rf'mpid=\d+, {"secured" if way == "plain" else "TLS"}, session=<[^>]+>\n', start=start)
    assert filled.wait_log(r'pop3\(popper\)<\d+><[^>]+>: Info: Disconnected: Logged out top=0/0, retr=0/0, del=0/4, size=\d+\n',
                           start=start)


def test_plain_input_behind_stls_is_thrown_away(server):
    client = Pop(server.port('pop3'))
    client.send(b'STLS\r\nUSER popper\r\nPASS secret\r\n')
    assert client.line() == b'+OK Begin TLS negotiation now.\r\n'
    client.start_tls()
    assert client.command('PASS secret') == b'-ERR No username given.\r\n'


def test_a_name_from_before_stls_is_forgotten(server):
    client = Pop(server.port('pop3'))
    client.command('USER popper')
    client.command('STLS')
    client.start_tls()
    assert client.command('PASS secret') == b'-ERR No username given.\r\n'


def test_what_was_sent_behind_the_login_is_not_lost(filled):
    for tls in (False, True):
        client = Pop(filled.port('pop3s' if tls else 'pop3'), tls=tls)
        client.send(b'USER popper\r\nPASS secret\r\nSTAT\r\nDELE 9\r\nQUIT\r\nNOOP\r\n')
        assert client.all() == (b'+OK\r\n+OK Logged in.\r\n+OK 4 164\r\n-ERR There\'s no message 9.\r\n+OK Logging out.\r\n')


def test_failures(make_server):
    server = make_server(NO_DELAY)
    client = Pop(server.port('pop3'))
    assert client.command('PASS secret') == b'-ERR No username given.\r\n'
    for user, password in (('popper', 'wrong'), ('nosuch', 'secret'), ('', ''), ('a\tb', 'x\x01'), ('popper', ' secret')):
        client.command(f'USER {user}')
        assert client.command(f'PASS {password}') == b'-ERR [AUTH] Authentication failed.\r\n'
    assert client.command('PASS secret') == b'-ERR No username given.\r\n'
    assert client.command('AUTH FOO') == b'-ERR [AUTH] Unsupported authentication mechanism.\r\n'
    assert client.command('AUTH PLAIN !!') == b'-ERR [AUTH] Invalid base64 data in initial response\r\n'
    client.command('AUTH PLAIN')
    assert client.command('!!') == b'-ERR [AUTH] Invalid base64 in response\r\n'
    client.command('AUTH PLAIN')
    assert client.command('*') == b'-ERR Authentication aborted by client.\r\n'
    for _ in range(2):
        assert client.command('NOOP') == b'-ERR Unknown command.\r\n'
    client.command('CAPA')
    client.rest()
    client.send(b'A\r\nB\r\nC\r\n')
    assert client.all() == b'-ERR Unknown command.\r\n' * 3 + b'-ERR Too many invalid bad commands.\r\n'
    assert server.wait_log(r'pop3-login: Info: Disconnected: Too many bad commands \(')


def test_passwords_in_the_clear_are_refused(make_server):
    server = make_server('disable_plaintext_auth = yes\n')
    client = Pop(server.port('pop3'), source='127.0.0.2')
    refused = b'-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.\r\n'
    assert client.multi('CAPA')[-2:] == [b'STLS\r\n', b'SASL\r\n']
    assert client.command('USER popper') == refused
    assert client.command('PASS secret') == refused
    assert client.command('AUTH PLAIN AHBvcHBlcgBzZWNyZXQ=') == b'-ERR [AUTH] Plaintext authentication disabled.\r\n'


def test_long_lines_end_the_connection(filled):
    client = Pop(filled.port('pop3'))
    client.send(b'USER ' + b'a' * 70000)
    assert client.all() == b'-ERR Input buffer full, aborting\r\n'
    client = Pop(filled.port('pop3'), USER)
    assert client.command('NOOP ' + 'a' * 2000) == b'+OK\r\n'
    client.send(b'NOOP ' + b'a' * 70000)
    assert client.all() == b'-ERR Input line too long.\r\n'


def test_xclient_of_trusted_proxies(make_server):
    server = make_server('login_trusted_networks = 127.0.0.0/8\n' + NO_DELAY)
    client = Pop(server.port('pop3'))
    assert client.greeting == b'+OK [XCLIENT] Dovecot ready.\r\n'
    for bad in ('ADDR=x', 'PORT=x', 'PORT=65536', 'TTL=x'):
        assert client.command(f'XCLIENT {bad}') == b'-ERR Invalid parameters\r\n'
    assert client.command('XCLIENT ADDR=192.0.2.7 PORT=99 SESSION=abc TTL=5 NEW=x') == b'+OK Updated\r\n'
    client.command('USER popper')
    assert client.command('PASS secret') == b'+OK Logged in.\r\n'
    assert server.wait_log(r'Login: user=<popper>, method=PLAIN, rip=192\.0\.2\.7, .* session=<abc>')
    other = make_server('')
    assert Pop(other.port('pop3')).command('XCLIENT ADDR=192.0.2.7') == b'+OK You are not from trusted IP - ignoring\r\n'


def test_apop_is_offered_only_with_its_mechanism(make_server):
    server = make_server('')
    client = Pop(server.port('pop3'))
    assert b'<' not in client.greeting
    assert client.command('APOP popper ' + '0' * 32) == b'-ERR APOP not enabled.\r\n'


def test_apop(make_server):
    server = make_server('auth_mechanisms = plain apop\n' + NO_DELAY)
    fill(server, USER, MAILS)
    client = Pop(server.port('pop3'))
    challenge = re.search(rb' (<[^>]+>)\r\n$', client.greeting)[1]
    assert client.multi('CAPA')[-1] == b'SASL PLAIN\r\n'  # it is no SASL mechanism
    for arguments in ('', 'popper', 'popper 0123', 'popper ' + '0' * 33, 'popper ' + 'g' * 32):
        assert client.command(f'APOP {arguments}') == b'-ERR Invalid parameters.\r\n'
    assert client.command('APOP popper ' + '0' * 32) == b'-ERR [AUTH] Authentication failed.\r\n'
    assert client.command('AUTH APOP') == b'-ERR [AUTH] Unsupported authentication mechanism.\r\n'
    digest = hashlib.md5(challenge + b'secret').hexdigest()
    assert client.command(f'APOP popper {digest}') == b'+OK Logged in.\r\n'
    client.quit()
    assert server.wait_log('Login: user=<popper>, method=APOP, ')
    again = Pop(server.port('pop3'))  # which has a challenge of its own
    assert again.command(f'APOP popper {digest}') == b'-ERR [AUTH] Authentication failed.\r\n'


def test_limit_of_connections(make_server):
    server = make_server('mail_max_userip_connections = 1\n')
    first = Pop(server.port('pop3'), USER)
    client = Pop(server.port('pop3'))
    client.send(b'USER popper\r\nPASS secret\r\n')
    assert client.all() == (b'+OK\r\n-ERR [IN-USE] Maximum number of connections from user+IP exceeded '
                            b'(mail_max_userip_connections=1)\r\n')
    first.quit()


# --- reading ----------------------------------------------------------------------


def test_mails_are_read_octet_by_octet(filled):
    client = Pop(filled.port('pop3'), USER)
    for number, (_, text) in enumerate(MAILS, 1):
        text = text.replace(b'\n', b'\r\n')
        assert client.command(f'LIST {number}') == b'+OK %d %d\r\n' % (number, len(text))
        assert b''.join(client.multi(f'RETR {number}')) == text
        assert b''.join(client.multi(f'TOP {number} 1')) == text[:text.index(b'.dot')]
    assert client.command('STAT') == b'+OK 4 164\r\n'
    client.quit()


def test_seen_is_set_by_retr(filled):
    ends = Ends(filled)
    client = Pop(filled.port('pop3'), USER)
    client.multi('RETR 2')
    client.multi('TOP 3 9')
    client.quit()
    assert ends.next().startswith('Disconnected: Logged out top=1/47, retr=1/57, ')
    client = Pop(filled.port('pop3'), USER)
    client.multi('RETR 4')
    client.close()  # without QUIT, too
    assert ends.next().startswith('Disconnected: Connection closed top=0/0, retr=1/')
    assert names(filled, USER) == ['1.M1.host:2,', '2.M2.host:2,S', '3.M3.host:2,', '4.M4.host:2,S']


def test_a_slow_reader_costs_no_memory_and_holds_up_nobody(make_server):
    server = make_server('service pop3 {\n  client_limit = 10\n  process_limit = 1\n}\n')
    text = b'Subject: big\n\n' + b'.x\n' * 2000000
    fill(server, USER, [('new/1.M1.host', text)])
    slow = Pop(server.port('pop3'), USER)
    before = server.peak_memory('pop3')
    slow.send(b'RETR 1\r\n' * 3)
    other = Pop(server.port('pop3'), USER)
    assert other.command('STAT').startswith(b'+OK 1 ')
    other.close()
    if not os.environ.get('ASAN_OPTIONS'):
        assert server.peak_memory('pop3') - before < 8 << 20
    for _ in range(3):
        assert slow.line().startswith(b'+OK ')
        assert b''.join(slow.rest()) == text.replace(b'\n', b'\r\n')
    assert slow.quit() == b'+OK Logging out.\r\n'


def test_half_a_mail_is_not_taken_for_a_whole_one(server):
    text = b'Subject: big\n\n' + b'some text\n' * 2000000
    fill(server, USER, [('new/1.M1.host', text)])
    client = Pop(server.port('pop3'), USER)
    client.send(b'RETR 1\r\n')
    assert client.line() == b'+OK 22000016 octets\r\n'
    os.truncate(next(server.maildir(USER).glob('*/1.M1.host*')), len(text) // 2)
    with pytest.raises(EOFError):
        client.rest()
    server.wait_log("pop3.*the mail's file became shorter")


def test_a_wrong_size_is_put_right_by_retr(server):
    fill(server, USER, [('new/1.M1.host,S=36,W=37', MAILS[0][1])])
    for told in 37, 41:
        client = Pop(server.port('pop3'), USER)
        assert client.command('LIST 1') == b'+OK 1 %d\r\n' % told
        assert len(b''.join(client.multi('RETR 1'))) == 41
        client.quit()


def test_new_mail_is_for_the_next_session(filled):
    client = Pop(filled.port('pop3'), USER)
    filled.drop_mail(USER, b'Subject: m9\n\nlate\n')
    assert client.command('STAT').startswith(b'+OK 4 ')
    assert client.command('RETR 5') == b"-ERR There's no message 5.\r\n"
    client.quit()
    assert Pop(filled.port('pop3'), USER).command('STAT').startswith(b'+OK 5 ')


# --- deleting ---------------------------------------------------------------------


def test_nothing_is_deleted_without_quit(filled):
    ends = Ends(filled)
    client = Pop(filled.port('pop3'), USER)
    for number in (1, 2, 3, 4):
        assert client.command(f'DELE {number}') == b'+OK Marked to be deleted.\r\n'
    assert client.command('STAT') == b'+OK 0 0\r\n'
    client.close()
    assert 'del=0/4' in ends.next()
    assert bodies(filled) == [b'1', b'2', b'3', b'4']


def test_quit_deletes(filled):
    client = Pop(filled.port('pop3'), USER)
    client.command('DELE 2')
    client.command('DELE 4')
    client.command('RSET')
    client.command('DELE 1')
    client.command('DELE 3')
    assert client.quit() == b'+OK Logging out, messages deleted.\r\n'
    assert bodies(filled) == [b'2', b'4']


def test_quit_waits_for_the_disk(filled):
    if shutil.which('strace') is None or os.getuid() != 0:
        pytest.skip('needs strace, and root')
    client = Pop(filled.port('pop3'), USER)
    client.command('DELE 2')
    pid = re.findall(r'pop3-login: Info: Login: user=<popper>.* mpid=(\d+)', filled.log_text())[-1]
    out = f'{filled.dir}/strace'
    trace = subprocess.Popen(['strace', '-f', '-o', out, '-e', 'trace=unlinkat,unlink,fsync,fdatasync,write,writev,sendmsg,sendto',
                              '-p', pid], stderr=subprocess.PIPE)
    trace.stderr.readline()
    client.quit()
    trace.terminate()
    trace.wait()
    calls = [match[1] for line in open(out, encoding='latin1') if (match := re.search(
        r'(unlinkat)\(.*2\.M2|(?:(f(?:data)?sync))\(|Logging out', line))]
    text = open(out, encoding='latin1').read()
    removed, synced, told = text.find('2.M2.host'), text.rfind('sync('), text.find('Logging out')
    assert -1 < removed < synced < told, (calls, text)


def test_an_error_at_quit_is_told(filled):
    if os.getuid() != 0:
        pytest.skip('needs root')
    client = Pop(filled.port('pop3'), USER)
    client.command('DELE 2')
    cur = filled.maildir(USER) / 'cur'
    os.chown(cur, 0, 0)
    try:
        answer = client.quit()
    finally:
        os.chown(cur, *mail_owner())
    assert re.match(rb'-ERR \[SYS/\w+\] Internal error occurred\. Refer to server log for more information\. \[', answer)
    assert bodies(filled) == [b'1', b'2', b'3', b'4']


def test_others_may_expunge_meanwhile(filled):
    first, second = (Pop(filled.port('pop3'), USER) for _ in range(2))
    uidl = second.multi('UIDL')
    first.command('DELE 2')
    first.quit()
    assert second.command('RETR 2') == b'-ERR Message 2 expunged.\r\n'
    assert second.command('TOP 2 0') == b'-ERR Message 2 expunged.\r\n'
    assert second.command('UIDL 2') == b'+OK ' + uidl[1]
    assert second.command('DELE 2') == b'+OK Marked to be deleted.\r\n'
    assert b''.join(second.multi('RETR 3')).startswith(b'Subject: m3')
    assert second.quit() == b'+OK Logging out, messages deleted.\r\n'
    third = Pop(filled.port('pop3'), USER)
    assert [line.split()[1] for line in third.multi('UIDL')] == [uidl[at].split()[1] for at in (0, 2, 3)]


# --- settings ---------------------------------------------------------------------


def test_a_lock_for_the_session(make_server):
    server = make_server('pop3_lock_session = yes\n')
    fill(server, USER, MAILS)
    lock = server.maildir(USER) / 'dovecot-pop3-session.lock'
    first = Pop(server.port('pop3'), USER)
    assert re.fullmatch(r'\d+:.+', lock.read_text())
    second = Pop(server.port('pop3'))
    second.send(b'USER popper\r\nPASS secret\r\nSTAT\r\n')
    assert second.line() == b'+OK\r\n'
    first.command('DELE 1')
    first.quit()
    assert second.line() == b'+OK Logged in.\r\n'  # it had to wait only
    assert second.line() == b'+OK 3 123\r\n'
    third = Pop(server.port('pop3'))
    third.send(b'USER popper\r\nPASS secret\r\n')
    assert third.all() == b'+OK\r\n-ERR [IN-USE] Mailbox is locked by another POP3 session.\r\n'
    second.quit()
    assert server.wait_log(r"Disconnected: Couldn't lock POP3 session ")
    lock.write_text(f'4194304:{socket.gethostname()}')  # of a process that is gone
    Pop(server.port('pop3'), USER).quit()
    deadline = time.monotonic() + 10
    while lock.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not lock.exists()


def test_mails_deleted_by_pop3_stay_for_imap(make_server):
    server = make_server('pop3_deleted_flag = $Gone\n'.replace('$Gone', '"$Gone"'))
    fill(server, USER, MAILS)
    client = Pop(server.port('pop3'), USER)
    uidl = client.multi('UIDL')
    client.command('DELE 2')
    assert client.quit() == b'+OK Logging out, messages deleted.\r\n'
    client = Pop(server.port('pop3'), USER)
    assert [line.split()[1] for line in client.multi('UIDL')] == [uidl[at].split()[1] for at in (0, 2, 3)]
    client.quit()
    imap = Lines(server.port('imap'), USER)
    imap.ok('SELECT INBOX')
    assert imap.ok('SEARCH KEYWORD $Gone')[0] == b'* SEARCH 2'
    imap.logout()


@pytest.mark.parametrize('fast, size', [('no', 41), ('yes', 36)])
def test_sizes_without_reading(make_server, fast, size):
    server = make_server(f'pop3_fast_size_lookups = {fast}\n')
    text = MAILS[0][1]
    fill(server, USER, [('new/1.M1.host', text), (f'new/2.M2.host,S={len(text)}', text), ('new/3.M3.host,S=36,W=41', text)])
    client = Pop(server.port('pop3'), USER)
    assert client.multi('LIST') == [b'1 %d\r\n' % size, b'2 %d\r\n' % size, b'3 41\r\n']
    client.quit()


@pytest.mark.parametrize('setting, error', [
    ('pop3_uidl_format = abc', "pop3_uidl_format setting doesn't contain any %% variables."),
    ('pop3_uidl_format = %u%x', 'Unknown pop3_uidl_format variable: %x'),
    ('pop3_uidl_format = %{uid}', 'Unknown pop3_uidl_format variable: %{'),
    ('pop3_delete_type = flag', 'pop3_delete_type=flag, but pop3_deleted_flag not set'),
    ('pop3_client_workarounds = foo', 'pop3_client_workarounds'),
])
def test_settings_that_cannot_be(make_server, setting, error):
    server = make_server(setting + '\n', start=False)
    result = subprocess.run([f'{server.prefix}/sbin/dovetail', '-F', '-c', server.config], capture_output=True, text=True,
                            check=False, timeout=30)
    assert result.returncode != 0 and error in result.stderr + server.log_text(), (result, server.log_text())


def test_a_flag_that_is_none_is_told_at_login(make_server):
    """Not at QUIT, when the client thinks that all is well."""
    server = make_server('pop3_deleted_flag = \\Deleted\n', 'pop3')
    server.drop_mail('popper', b'x\n')
    with pytest.raises(AssertionError, match='SYS/TEMP'):
        Pop(server.port('pop3'), 'popper')
    assert server.wait_log(r"Error: Couldn't open INBOX: pop3_deleted_flag: Invalid keyword '\\Deleted'")


def test_the_end_is_logged_with_variables_of_the_user(make_server):
    server = make_server('pop3_logout_format = s=%{service} h=%h l=%{lip} r=%{remote_ip} a=%{auth_user} u=%{user} del=%d size=%s\n', 'pop3')
    Pop(server.port('pop3'), 'popper').quit()
    home = re.escape(server.home('popper'))
    assert server.wait_log(f'Logged out s=pop3 h={home} l=127.0.0.1 r=127.0.0.1 a=popper u=popper del=0 size=0')


def test_uidls_that_cannot_be_told_end_the_session(make_server):
    server = make_server('pop3_uidl_format = %m\n')  # there is none in a Maildir
    fill(server, USER, MAILS)
    client = Pop(server.port('pop3'), USER)
    client.send(b'UIDL\r\nUIDL 1\r\n')
    assert re.fullmatch(rb'-ERR \[SYS/PERM\] Internal error occurred.*\r\n', client.all())
    assert server.wait_log("Disconnected: POP3 UIDLs couldn't be listed")


def test_mbox(make_server):
    server = make_server('mail_location = mbox:~/mail:INBOX=~/inbox\npop3_uidl_format = %m\n')
    box = f'{server.home(USER)}/inbox'
    with open(box, 'wb') as file:
        file.write(b'From a@b Sat Nov 28 20:15:24 2026\nX-UIDL: foo\nSubject: x\n\nbody\n\n'
                   b'From a@b Sat Nov 28 20:15:24 2026\nSubject: y\nReceived: zz\n\nbody2\n\n')
    os.chown(box, *mail_owner())
    client = Pop(server.port('pop3'), USER)
    assert client.multi('LIST') == [b'1 33\r\n', b'2 35\r\n']
    assert client.multi('UIDL') == [b'1 %s\r\n' % hashlib.md5().hexdigest().encode(),
                                    b'2 %s\r\n' % hashlib.md5(b'zz').hexdigest().encode()]
    assert b''.join(client.multi('RETR 1')) == b'X-UIDL: foo\r\nSubject: x\r\n\r\nbody\r\n'
    client.command('DELE 1')
    assert client.quit() == b'+OK Logging out, messages deleted.\r\n'
    with open(box, 'rb') as file:
        assert re.match(rb'From a@b .*\nSubject: y\n', file.read())


def test_idle_sessions_end_at_a_stop_and_live_through_a_reload(make_server):
    server = make_server('')
    fill(server, USER, MAILS)
    client = Pop(server.port('pop3'), USER)
    assert server.doveadm('reload').returncode == 0
    assert client.command('NOOP') == b'+OK\r\n'
    threading.Timer(0.1, server.stop).start()
    assert client.all().startswith(b'-ERR Server shutting down.')
    assert bodies(server) == [b'1', b'2', b'3', b'4']


def test_who_and_kick(filled):
    client = Pop(filled.port('pop3'), USER)
    assert re.search(r'^popper +1 pop3 ', filled.doveadm('who').stdout, re.M)
    assert filled.doveadm('kick', USER).returncode == 0
    client.all()
    filled.forgive()
