# SPDX-License-Identifier: MIT
"""ManageSieve: login, TLS, commands, what is stored and what is logged."""
import base64
import hashlib
import hmac
import os
import re
import smtplib
import threading
import time

import pytest

from conftest import NO_PENALTY, Server, finish, mail_owner, open_up
from proxied import Backend
from sieve_lines import Sieve, literal, plain, quoted

QUOTAS = """
auth_mechanisms = plain login cram-md5 scram-sha-256
login_trusted_networks = 127.0.0.9
auth_failure_delay = 0
protocol lmtp {
  mail_plugins = sieve
}
protocol sieve {
  managesieve_max_line_length = 4 k
  managesieve_logout_format = bytes=%i/%o put=%{put_bytes}/%{put_count} get=%{get_bytes}/%{get_count} \
check=%{check_bytes}/%{check_count} del=%{deleted_count} ren=%{renamed_count}
}
plugin {
  sieve_max_script_size = 100 k
  sieve_quota_max_scripts = 20
  sieve_quota_max_storage = 300 k
}
""" + NO_PENALTY


@pytest.fixture(scope='module')
def sieve_server(tls):
    server = Server(tls, QUOTAS, 'imap lmtp sieve').start()
    yield server
    finish(server)


@pytest.fixture
def user(sieve_server):
    """A user without scripts."""
    home = sieve_server.home('alice')
    os.system(f"rm -rf '{home}/sieve' '{home}/.dovecot.sieve'")
    return 'alice'


@pytest.fixture
def sieve(sieve_server, user):
    with Sieve(sieve_server.port('sieve'), user) as session:
        yield session


def capabilities(answer):
    return dict(re.findall(rb'^"([^"]*)"(?: "([^"]*)")?\r$', answer, re.M))


# --- before login -----------------------------------------------------------------------

def test_capabilities(sieve_server):
    with Sieve(sieve_server.port('sieve')) as before:
        assert before.greeting.endswith(b'OK "Dovecot ready."\r\n')
        found = capabilities(before.greeting)
        assert found[b'SASL'] == b'PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256'
        assert found[b'VERSION'] == b'1.0' and b'STARTTLS' in found and b'XCLIENT' not in found
        assert capabilities(before.command('CAPABILITY')) == found
        before.ok(f'AUTHENTICATE "PLAIN" "{plain("alice")}"')
        after = capabilities(before.command('CAPABILITY'))
        # What login says without knowing the engine is what the engine can do.
        assert after[b'SIEVE'] == found[b'SIEVE']
        assert after[b'NOTIFY'] == found[b'NOTIFY'] == b'mailto'
        assert after[b'OWNER'] == b'alice' and b'OWNER' not in found  # RFC 5804 section 1.7
        assert after[b'MAXREDIRECTS'] == b'4' and b'SASL' not in after and b'STARTTLS' not in after


def test_starttls(sieve_server):
    with Sieve(sieve_server.port('sieve')) as client:
        assert client.command('STARTTLS') == b'OK "Begin TLS negotiation now."\r\n'
        client.start_tls()
        greeting = client.answer()
        assert greeting.endswith(b'OK "TLS negotiation successful."\r\n')
        assert b'STARTTLS' not in capabilities(greeting)
        assert client.command('STARTTLS') == b'NO "TLS is already active."\r\n'
        client.ok(f'AUTHENTICATE "PLAIN" "{plain("alice")}"')
        client.ok('LOGOUT')
    sieve_server.wait_log(r'managesieve-login: Info: Login: user=<alice>, method=PLAIN, .*, TLS, ')


@pytest.mark.parametrize('cut', range(0, 40, 3))
def test_nothing_is_taken_from_before_tls(sieve_server, cut):
    """CVE-2021-33515: whatever came in plain behind STARTTLS is nobody's."""
    data = b'STARTTLS\r\nNOOP "injected"\r\nNOOP "more"\r\n'
    with Sieve(sieve_server.port('sieve')) as client:
        client.send(data[:cut])
        if 0 < cut < 10:
            time.sleep(0.05)
        client.send(data[cut:] if cut < 10 else b'')
        assert client.answer() == b'OK "Begin TLS negotiation now."\r\n'
        client.start_tls()
        assert client.answer().endswith(b'OK "TLS negotiation successful."\r\n')
        assert client.command('NOOP "mine"') == b'OK (TAG "mine") "Done"\r\n'


def test_sasl(sieve_server):
    port = sieve_server.port('sieve')
    response = plain('alice')
    for given in (f'AUTHENTICATE "PLAIN" {{{len(response)}+}}\r\n{response}', f'authenticate "plain" "{response}"'):
        with Sieve(port) as client:
            assert client.command(given) == b'OK "Logged in."\r\n'
    for reply in (quoted(response), literal(response)):
        with Sieve(port) as client:
            client.send('AUTHENTICATE "PLAIN"\r\n')
            assert client.line() == b'""\r\n'
            assert client.command(reply) == b'OK "Logged in."\r\n'
    with Sieve(port) as client:
        client.send('AUTHENTICATE "LOGIN"\r\n')
        assert client.line() == b'"VXNlcm5hbWU6"\r\n'
        client.send('"YWxpY2U="\r\n')
        assert client.line() == b'"UGFzc3dvcmQ6"\r\n'
        assert client.command('"c2VjcmV0"') == b'OK "Logged in."\r\n'


def test_cram_md5(sieve_server):
    with Sieve(sieve_server.port('sieve')) as client:
        client.send('AUTHENTICATE "CRAM-MD5"\r\n')
        challenge = base64.b64decode(client.line().strip()[1:-1])
        digest = hmac.new(b'secret', challenge, hashlib.md5).hexdigest()
        assert client.command(quoted(base64.b64encode(b'alice ' + digest.encode()))) == b'OK "Logged in."\r\n'


def scram(client, user):
    """SCRAM-SHA-256 up to the client's proof; what the server's answer is to prove itself with (RFC 5804 section 2.1)."""
    bare = f'n={user},r=abcdefgh'
    client.send(f'AUTHENTICATE "SCRAM-SHA-256" "{b64("n,," + bare)}"\r\n')
    first = base64.b64decode(re.search(rb'[A-Za-z0-9+/=]{20,}', client.line())[0]).decode()
    values = dict(part.split('=', 1) for part in first.split(','))
    salted = hashlib.pbkdf2_hmac('sha256', b'secret', base64.b64decode(values['s']), int(values['i']))
    key = hmac.digest(salted, b'Client Key', 'sha256')
    final = f'c=biws,r={values["r"]}'
    message = f'{bare},{first},{final}'.encode()
    signature = hmac.digest(hashlib.sha256(key).digest(), message, 'sha256')
    client.send(f'"{b64(final + ",p=" + b64(bytes(a ^ b for a, b in zip(key, signature))))}"\r\n')
    return b64('v=' + b64(hmac.digest(hmac.digest(salted, b'Server Key', 'sha256'), message, 'sha256')))


def b64(data):
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def test_what_sasl_says_last_comes_with_ok(sieve_server, make_server, tmp_path):
    """In one answer, so that no client takes the empty response behind it for a command."""
    with Sieve(sieve_server.port('sieve')) as client:
        proof = scram(client, 'alice')
        assert client.line() == f'OK (SASL "{proof}") "Logged in."\r\n'.encode()
        client.ok('NOOP')
    there = Backend('sieve', greeting='"SASL" "PLAIN"\r\nOK "hi"', answers={'AUTHENTICATE': '', '': 'OK "Logged in there."\r\n'})
    (tmp_path / 'users').write_text(f'away:{{PLAIN}}secret::::::proxy=y host=127.0.0.1 port={there.port} pass=x\n')
    open_up(tmp_path)
    server = make_server(f'auth_mechanisms = plain scram-sha-256\npassdb {{\n  driver = passwd-file\n  args = {tmp_path}/users\n}}\n', 'sieve')
    with Sieve(server.port('sieve')) as client:
        proof = scram(client, 'away')
        assert client.line() == f'OK (SASL "{proof}") "Logged in."\r\n'.encode()
    with Sieve(server.port('sieve')) as client:
        assert client.command(f'AUTHENTICATE "PLAIN" "{plain("away")}"') == b'OK "Logged in there."\r\n'


def test_sasl_is_refused(sieve_server):
    with Sieve(sieve_server.port('sieve')) as client:
        def exchange(reply):
            client.send('AUTHENTICATE "PLAIN"\r\n')
            assert client.line() == b'""\r\n'
            return client.command(reply)

        assert exchange('"*"') == b'NO "Authentication aborted by client."\r\n'
        assert exchange('*') == b'NO "Invalid AUTHENTICATE client response."\r\n'
        assert exchange('NOOP "x"') == b'NO "Invalid AUTHENTICATE client response."\r\n'
        assert exchange('"%%%"') == b'NO "Invalid base64 in response"\r\n'
        assert exchange(quoted(plain('alice', 'wrong'))) == b'NO "Authentication failed."\r\n'
        assert client.command('AUTHENTICATE "PLAIN" ""') == b'NO "Authentication failed."\r\n'
        assert client.command('AUTHENTICATE "PLAIN" "%"') == b'NO "Invalid base64 data in initial response"\r\n'
        assert client.command('AUTHENTICATE "NOPE"') == b'NO "Unsupported authentication mechanism."\r\n'
        assert client.command('NOOP') == b'OK "NOOP Completed"\r\n'
        assert exchange(quoted(plain('alice'))) == b'OK "Logged in."\r\n'


def test_plaintext_needs_tls(make_server):
    server = make_server('disable_plaintext_auth = yes\nauth_mechanisms = plain cram-md5\n', 'sieve')
    with Sieve(server.port('sieve'), source='127.0.0.2') as client:
        assert capabilities(client.greeting)[b'SASL'] == b'CRAM-MD5'
        assert client.command(f'AUTHENTICATE "PLAIN" "{plain("alice")}"') == \
            b'NO (ENCRYPT-NEEDED) "Plaintext authentication disabled."\r\n'
        client.ok('STARTTLS')
        client.start_tls()
        assert capabilities(client.answer())[b'SASL'] == b'PLAIN CRAM-MD5'
        client.ok(f'AUTHENTICATE "PLAIN" "{plain("alice")}"')


def test_bad_commands_before_login(sieve_server):
    bad = b'NO "Error in MANAGESIEVE command received by server."\r\n'
    with Sieve(sieve_server.port('sieve')) as client:
        assert client.command('LISTSCRIPTS') == bad
        assert client.command('NOOP x') == b'NO "Invalid echo tag."\r\n'
        assert client.command(b'NOOP "a\0b"') == b'NO "NULs not allowed in strings"\r\n'
        assert client.command('foo') == b'BYE "Too many invalid MANAGESIEVE commands."\r\n'
        assert client.at_end()
    with Sieve(sieve_server.port('sieve')) as client:
        assert client.command('NOOP {100000+}') == b'BYE "Literal size too large"\r\n'
    with Sieve(sieve_server.port('sieve')) as client:
        client.send(b'NOOP "' + b'a' * 100000)
        assert client.answer() == b'BYE "Input buffer full, aborting"\r\n'
    sieve_server.wait_log(r'managesieve-login: Info: Disconnected: Too many invalid commands. \(no auth attempts')
    with Sieve(sieve_server.port('sieve')) as client:
        assert client.command('LOGOUT') == b'OK "Logout completed."\r\n'
        assert client.at_end()
    sieve_server.wait_log(r'managesieve-login: Info: Disconnected: Aborted login by logging out \(no auth attempts in')


def test_xclient(sieve_server):
    with Sieve(sieve_server.port('sieve')) as client:
        assert client.command('XCLIENT ADDR=192.0.2.9') == b'NO "You are not from trusted IP"\r\n'
    with Sieve(sieve_server.port('sieve'), source='127.0.0.9') as client:
        assert b'XCLIENT' in capabilities(client.greeting)
        assert client.command('XCLIENT ADDR=192.0.2.9 PORT=5 TTL=3 FOO=bar SESSION=abcdef') == b'OK "Updated"\r\n'
        client.ok(f'AUTHENTICATE "PLAIN" "{plain("alice")}"')
    sieve_server.wait_log(r'managesieve-login: Info: Login: user=<alice>, .*rip=192\.0\.2\.9, .*session=<abcdef>')


# --- after login ------------------------------------------------------------------------

def test_scripts(sieve, sieve_server):
    home = sieve_server.home('alice')
    assert sieve.list() == []
    assert sieve.put('b', 'keep;') == b'OK "PUTSCRIPT completed."\r\n'
    assert sieve.command('PUTSCRIPT "a" "discard;"') == b'OK "PUTSCRIPT completed."\r\n'
    assert sieve.list() == ['a', 'b']
    assert sieve.get('a') == b'discard;'
    assert sieve.command('SETACTIVE "a"') == b'OK "Setactive completed."\r\n'
    assert sieve.command('SETACTIVE "a"') == b'OK "Script is already active."\r\n'
    assert os.readlink(f'{home}/.dovecot.sieve') == 'sieve/a.sieve'
    assert sieve.command('DELETESCRIPT "a"') == b'NO (ACTIVE) "Cannot delete the active Sieve script."\r\n'
    assert sieve.command('RENAMESCRIPT "a" "b"') == \
        b'NO (ALREADYEXISTS) "A sieve script with that name already exists."\r\n'
    assert sieve.command('RENAMESCRIPT "a" "c"') == b'OK "Renamescript completed."\r\n'
    assert sieve.list() == ['b', '*c']
    assert os.readlink(f'{home}/.dovecot.sieve') == 'sieve/c.sieve'
    assert sieve.command('DELETESCRIPT "b"') == b'OK "Deletescript completed."\r\n'
    assert sieve.command('SETACTIVE ""') == b'OK "Active script is now deactivated."\r\n'
    assert sieve.command('SETACTIVE ""') == b'OK "No scripts currently active."\r\n'
    for command in ('GETSCRIPT "x"', 'DELETESCRIPT "x"', 'SETACTIVE "x"', 'RENAMESCRIPT "x" "y"'):
        assert sieve.command(command) == b'NO (NONEXISTENT) "Sieve script `x\' not found"\r\n'
    assert sieve.list() == ['c']


def test_any_text_survives(sieve):
    text = ('# ' + 'x' * 70 + '\r\n') * 1300 + 'keep;\n# \xe4 "\\ {5}\r\n'
    assert sieve.put('long "name" \\ \xe9', text) == b'OK "PUTSCRIPT completed."\r\n'
    assert sieve.list() == ['long "name" \\ \xe9']
    assert sieve.get('long "name" \\ \xe9') == text.encode()


def test_examples_of_rfc5804(sieve_server, user):
    """The sessions of section 2, one after the other; words in any case, strings in either form."""
    with Sieve(sieve_server.port('sieve')) as session:
        assert capabilities(session.greeting)[b'VERSION'] == b'1.0'
        assert session.command('StartTls').startswith(b'OK')
        session.start_tls()
        assert b'STARTTLS' not in capabilities(session.answer())
        assert session.command('Authenticate "PLAIN" "QJIrweAPyo6Q1T9xu"').startswith(b'NO')
        session.ok(f'Authenticate "PLAIN" "{plain(user)}"')

        assert session.command('HAVESPACE "mine" 999999').startswith(b'NO (QUOTA/MAXSIZE) ')
        assert session.command('HAVESPACE "mine" 435').startswith(b'OK')
        bad = literal('#comment\r\nNoSuchCommand\r\n')
        for command in (b'Putscript "bad" ' + bad, b'CheckScript ' + bad):
            assert re.match(rb'NO \{\d+\}\r\n.*line 2', session.command(command), re.S)
        sent = 'require ["fileinto", "envelope"];\r\n\r\nif envelope :contains "to" "ann+sent" {\r\n  fileinto "sent";\r\n}\r\n'
        assert session.put('sorts', sent).startswith(b'OK')
        answer = session.put('forwards', 'require "vacation";\r\nredirect "ann@cell.example";\r\nvacation :days 0 "x";\r\n')
        assert re.match(rb'OK \(WARNINGS\) \{\d+\}\r\nforwards: line 3, ', answer)

        for name in ('summer', 'clever"script', 'main'):
            assert session.put(name, 'keep;').startswith(b'OK')
        assert session.command('Setactive "main"').startswith(b'OK')
        assert session.list() == ['clever"script', 'forwards', '*main', 'sorts', 'summer']
        for command in ('Setactive "baz"', 'Setactive {3+}\r\nbaz'):
            assert session.command(command).startswith(b'NO (NONEXISTENT) ')
        mine = '# this is my script\r\nrequire "reject";\r\nreject "I reject all";\r\n'
        session.put('mine', mine)
        assert session.command('Getscript "mine"').startswith(b'{%d}\r\n%s\r\nOK' % (len(mine), mine.encode()))
        assert session.command('Deletescript "summer"').startswith(b'OK')
        assert session.command('Deletescript "main"').startswith(b'NO (ACTIVE) ')
        assert session.command('Setactive ""').startswith(b'OK')
        assert session.command('Renamescript "main" "bar"').startswith(b'OK')
        assert session.command('Renamescript "mine" "bar"').startswith(b'NO (ALREADYEXISTS) ')
        assert session.list() == ['bar', 'clever"script', 'forwards', 'mine', 'sorts']

        assert session.command('NOOP').startswith(b'OK "')
        assert session.command('NOOP "STARTTLS-SYNC-42"') == b'OK (TAG "STARTTLS-SYNC-42") "Done"\r\n'
        assert session.command('Logout').startswith(b'OK')
        assert session.at_end()


def test_names(sieve):
    for name in (b'', b'a/b', b'a\tb', b'\x7f', b'\xc2\x85', b'\xe2\x80\xa8', b'a' * 250):
        answer = sieve.put(name, 'keep;')
        assert answer.startswith(b'NO "Invalid Sieve script name `'), (name, answer)
        answer = sieve.command(b'GETSCRIPT ' + quoted(name))
        assert answer.startswith(b'NO "Invalid script name `'), (name, answer)
    assert sieve.command(b'PUTSCRIPT {2+}\r\na\n "keep;"').startswith(b'NO "Invalid Sieve script name `')
    for name in (b'..', b'.', b'tmp', b'a b', b'a' * 249, b'\xc3\xa9'):
        assert sieve.put(name, 'keep;') == b'OK "PUTSCRIPT completed."\r\n', name


def test_errors_name_their_lines(sieve):
    answer = sieve.put('s', 'keep;\r\nfoo;\r\nbar;\r\n')
    assert re.match(rb'NO \{(\d+)\}\r\n', answer)
    assert re.search(rb'^s: line 2, column 1: error: .*foo', answer, re.M)
    assert re.search(rb'^s: line 3, column 1: error: .*bar', answer, re.M)
    assert sieve.list() == []
    answer = sieve.command(b'CHECKSCRIPT ' + literal('\r\n'.join(f'foo{n};' for n in range(20))))
    assert re.findall(rb'^line (\d+)', answer, re.M) == [b'1', b'2', b'3', b'4', b'5']
    assert sieve.command('CHECKSCRIPT "keep;"') == b'OK "Script checked successfully."\r\n'
    answer = sieve.put('w', 'require "include"; include "later"; keep;')
    assert answer.startswith(b'OK (WARNINGS) {') and b'w: line 1, column' in answer and b'warning: ' in answer
    answer = sieve.command('SETACTIVE "w"')
    assert answer.startswith(b'NO {') and b'later' in answer
    sieve.put('later', 'stop;')
    sieve.ok('SETACTIVE "w"')
    assert sieve.list() == ['later', '*w']


def test_what_is_included_may_come_later(sieve):
    """RFC 6609 section 3.2: nothing that others can change yet is an error at upload, but SETACTIVE tells it."""
    def include(name):
        return f'require "include"; include "{name}";'

    for name, other, words in (('self', 'self', b"included personal script 'self' does not exist"),
                               ('self', 'self', b'it includes itself'), ('one', 'two', b"script 'two' does not exist"),
                               ('three', 'one', b"one: line 1, column 28: warning: included personal script 'two'"),
                               ('two', 'one', b"script 'two'"), ('two', 'one', b'it includes itself')):
        answer = sieve.put(name, include(other))
        assert answer.startswith(b'OK (WARNINGS) {') and words in answer, answer
    for name in ('self', 'one', 'two', 'three'):
        answer = sieve.command(f'SETACTIVE "{name}"')
        assert answer.startswith(b'NO {') and b'circular include' in answer, answer


def test_quota(sieve, sieve_server):
    large = b'NO (QUOTA/MAXSIZE) "Script is too large (max 102400 bytes)."\r\n'
    assert sieve.command('HAVESPACE "a" 102400') == b'OK "Putscript would succeed."\r\n'
    assert sieve.command('HAVESPACE "a" 102401') == large
    assert sieve.command('HAVESPACE "a" 99999999999999999999999') == large
    # Told before it comes, and passed over when it does.
    sieve.send('PUTSCRIPT "a" {102408+}\r\n')
    assert sieve.answer() == large
    assert sieve.command(b'LOGOUT\r\n' * 12801 + b'\r\nNOOP "x"') == b'OK (TAG "x") "Done"\r\n'
    with Sieve(sieve_server.port('sieve'), 'alice') as session:
        session.send(b'PUTSCRIPT "a" ' + literal(b'LOGOUT\r\n' * 12801) + b'\r\n')
        assert session.answer() == large
        assert session.command(b'CHECKSCRIPT ' + literal(b'#' * 102401)) == large
        for name in 'abc':
            assert session.put(name, '#' * 100000 + '\n') == b'OK "PUTSCRIPT completed."\r\n'
        full = b'NO (QUOTA/MAXSTORAGE) "Script storage quota exceeded (max 307200 bytes)."\r\n'
        assert session.put('d', '#' * 10000 + '\n') == full
        assert session.command('HAVESPACE "d" 10000') == full
        assert session.put('a', 'keep;') == b'OK "PUTSCRIPT completed."\r\n'
        for number in range(17):
            assert session.put(f'n{number}', '') == b'OK "PUTSCRIPT completed."\r\n'
        many = b'NO (QUOTA/MAXSCRIPTS) "Script count quota exceeded (max 20 scripts)."\r\n'
        assert session.put('x', '') == many
        assert session.command('HAVESPACE "x" 1') == many
        assert session.put('a', 'stop;') == b'OK "PUTSCRIPT completed."\r\n'


def test_wrong_arguments(sieve):
    def answer(command):
        got = sieve.command(command)
        assert got.startswith(b'NO "'), got
        return got[4:-3].decode()

    error = 'Error in MANAGESIEVE command '
    assert answer('foo bar') == error + 'FOO: Unknown command.'
    assert answer('AUTHENTICATE "PLAIN"') == error + 'AUTHENTICATE: Unknown command.'
    assert answer('STARTTLS') == error + 'STARTTLS: Unknown command.'
    assert answer('UNAUTHENTICATE') == error + 'UNAUTHENTICATE: Unknown command.'
    assert answer('XCLIENT ADDR=1.2.3.4') == error + 'XCLIENT: Unknown command.'
    assert answer('') == error + ': Unknown command.'
    assert answer('LOGOUT "x"') == error + 'LOGOUT: Too many arguments.'
    assert answer('GETSCRIPT') == error + 'GETSCRIPT: Missing arguments.'
    assert answer('GETSCRIPT abc') == error + 'GETSCRIPT: Invalid arguments.'
    assert answer('PUTSCRIPT "a"') == error + 'PUTSCRIPT: Invalid arguments.'
    assert answer('PUTSCRIPT "a" "" ""') == error + 'PUTSCRIPT: Too many command arguments.'
    assert answer('HAVESPACE "a" x') == 'Invalid scriptsize argument.'
    assert answer('HAVESPACE "a" "1"') == 'Invalid scriptsize argument.'
    assert answer('HAVESPACE "a" 0') == 'Cannot upload empty script.'
    assert answer('HAVESPACE "a/" 1') == 'Invalid script name.'
    assert answer('NOOP ("x")') == error + 'NOOP: Invalid characters in atom'
    assert answer(b'NOOP "\xff"') == error + 'NOOP: Invalid UTF-8 character in quoted-string.'
    assert answer(b'NOOP "' + b'x' * 5000 + b'"') == error + 'NOOP: Too long argument.'
    assert sieve.command('NOOP') == b'OK "NOOP Completed"\r\n'
    assert sieve.command('NOOP "t\\\\a\\"g"') == b'OK (TAG "t\\\\a\\"g") "Done"\r\n'
    assert sieve.command('NOOP {3+}\r\na\r\n') == b'OK (TAG {3}\r\na\r\n) "Done"\r\n'
    assert sieve.command('NOOP {5000+}') == b'BYE "Literal size too large"\r\n'


def test_too_many_bad_commands(sieve):
    sieve.send('foo\r\n' * 19 + 'NOOP\r\n' + 'foo\r\n' * 30)
    answers = [sieve.answer() for _ in range(41)]
    assert answers[19] == b'OK "NOOP Completed"\r\n'
    assert answers[-1] == b'BYE "Too many invalid MANAGESIEVE commands."\r\n'
    assert sieve.at_end()


def test_pipelining(sieve):
    """All at once, in pieces, a script among the commands."""
    data = b'NOOP "1"\r\nPUTSCRIPT "p" ' + literal('keep;\r\n') + \
        b'\r\nGETSCRIPT "p"\r\nLISTSCRIPTS\r\nNOOP "2"\r\n'
    expected = b'OK (TAG "1") "Done"\r\nOK "PUTSCRIPT completed."\r\n{7}\r\nkeep;\r\n\r\nOK "Getscript completed."\r\n' \
        b'"p"\r\nOK "Listscripts completed."\r\nOK (TAG "2") "Done"\r\n'
    for step in (1, 7, 1000):
        for at in range(0, len(data), step):
            sieve.send(data[at:at + step])
        got = b''
        while len(got) < len(expected):
            got += sieve.line()
        assert got == expected


def test_slow_reader(sieve):
    """Answers wait for the client, and what it says waits for them."""
    sieve.put('a', '#' * 100000 + '\n')
    thread = threading.Thread(target=sieve.send, args=(b'GETSCRIPT "a"\r\n' * 300,))
    thread.start()
    time.sleep(0.3)
    for _ in range(300):
        assert len(sieve.answer()) > 100000
    thread.join()


def test_log(sieve_server, user):
    with Sieve(sieve_server.port('sieve'), user) as session:
        session.put('a', 'keep;')
        session.get('a')
        session.command('CHECKSCRIPT "keep; "')
        session.ok('RENAMESCRIPT "a" "b"')
        session.ok('DELETESCRIPT "b"')
        session.command('GETSCRIPT "nope"')
        session.ok('LOGOUT')
    name = r'managesieve\(alice\)<\d+><[^>]+>: Info: '
    sieve_server.wait_log(name + r'Disconnected: Logged out bytes=\d+/\d+ put=5/1 get=5/1 check=6/1 del=1 ren=1\n')
    sieve_server.wait_log(name + r"Failed to retrieve script `nope': Sieve script `nope' not found\n")
    with Sieve(sieve_server.port('sieve'), user):
        pass
    sieve_server.wait_log(name + r'Connection closed bytes=0/\d+ put=0/0')


def test_user_ip_limit_and_who(make_server):
    server = make_server('protocol sieve {\n  mail_max_userip_connections = 1\n}\n', 'sieve imap')
    with Sieve(server.port('sieve'), 'alice'):
        who = server.doveadm('who').stdout
        assert re.search(r'^alice +1 sieve ', who, re.M), who
        with Sieve(server.port('sieve')) as other:
            assert other.command(f'AUTHENTICATE "PLAIN" "{plain("alice")}"') == \
                b'NO "Maximum number of connections from user+IP exceeded (mail_max_userip_connections=1)"\r\n'


def test_rawlog(make_server):
    """All that is said after login, in two files of the user's; in TLS, too."""
    server = make_server('rawlog_dir = %h/raw\n', 'sieve imap')
    directory = f"{server.home('alice')}/raw"
    with Sieve(server.port('sieve'), 'alice') as session:
        session.ok('LOGOUT')
    os.mkdir(directory)
    os.chown(directory, *mail_owner())
    with Sieve(server.port('sieve')) as session:
        session.ok('STARTTLS')
        session.start_tls()
        session.answer()
        session.ok(f'AUTHENTICATE "PLAIN" "{plain("alice")}"')
        session.put('a', 'keep;')
        session.ok('LOGOUT')

    def said():
        texts = {}
        for name in os.listdir(directory):
            with open(f'{directory}/{name}', 'rb') as file:
                texts[name.rsplit('.', 1)[1]] = re.sub(rb'(?m)^\d+\.\d{6} ', b'', file.read())
        return texts

    # The session may write its last line after the client has read it.
    deadline = time.monotonic() + 10
    while b'Logout' not in said().get('out', b'') and time.monotonic() < deadline:
        time.sleep(0.02)
    assert said() == {
        'in': b'PUTSCRIPT "a" {5+}\r\nkeep;\r\nLOGOUT\r\n',
        'out': b'OK "Logged in."\r\nOK "PUTSCRIPT completed."\r\nOK "Logout completed."\r\n'}


def test_shutdown(make_server):
    server = make_server('', 'sieve')
    with Sieve(server.port('sieve'), 'alice') as session, Sieve(server.port('sieve')) as other:
        server.stop()
        assert session.answer() == b'BYE "Server shutting down."\r\n'
        assert other.answer() == b'BYE "Server shutting down."\r\n'


# --- with deliveries --------------------------------------------------------------------

def deliver(server, user):
    with smtplib.LMTP('127.0.0.1', server.port('lmtp')) as client:
        client.sendmail('joe@example.org', [user], b'Subject: x\r\n\r\nbody\r\n')


def mails(server, user, folder):
    path = os.path.join(server.home(user), 'Maildir', folder, 'new')
    return len(os.listdir(path)) if os.path.isdir(path) else 0


def test_the_active_script_is_run(sieve_server, sieve):
    before = mails(sieve_server, 'alice', '')
    sieve.put('box', 'require ["fileinto", "mailbox"]; fileinto :create "Sorted";')
    sieve.ok('SETACTIVE "box"')
    deliver(sieve_server, 'alice')
    assert (mails(sieve_server, 'alice', '.Sorted'), mails(sieve_server, 'alice', '')) == (1, before)
    sieve.put('box', 'discard;')
    deliver(sieve_server, 'alice')
    assert (mails(sieve_server, 'alice', '.Sorted'), mails(sieve_server, 'alice', '')) == (1, before)
    sieve.ok('SETACTIVE ""')
    deliver(sieve_server, 'alice')
    assert mails(sieve_server, 'alice', '') == before + 1


def test_what_lies_in_the_home(sieve_server, user):
    """A script written by hand is kept; links lead nowhere else."""
    home = sieve_server.home(user)
    uid, gid = mail_owner()
    with open(f'{home}/.dovecot.sieve', 'w', encoding='ascii') as file:
        file.write('# mine\n')
    os.chown(f'{home}/.dovecot.sieve', uid, gid)
    with Sieve(sieve_server.port('sieve'), user) as session:
        session.put('a', 'keep;')
        os.symlink('/etc/passwd', f'{home}/sieve/out.sieve')
        os.mkfifo(f'{home}/sieve/fifo.sieve')
        internal = rb'NO \(TRYLATER\) "Internal error occurred\. Refer to server log for more information\. \[.*\]"\r\n'
        assert re.fullmatch(internal, session.command('GETSCRIPT "out"'))
        assert re.fullmatch(internal, session.command('GETSCRIPT "fifo"'))
        assert session.list() == ['a', 'out']
        session.ok('SETACTIVE "a"')
        assert session.list() == ['*a', 'dovecot.orig', 'out']
        assert session.get('dovecot.orig') == b'# mine\n'
        os.unlink(f'{home}/sieve/fifo.sieve')


def test_two_sessions_at_once(sieve_server, user):
    """Whatever comes between, a script is whole."""
    texts = [f'# {letter * 30000}\nkeep;\n' for letter in 'ab']
    failures = []

    def write(text):
        with Sieve(sieve_server.port('sieve'), user) as session:
            for _ in range(20):
                session.put('s', text)
                if session.get('s').decode() not in texts:
                    failures.append('torn')
                session.command('SETACTIVE "s"')

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert os.listdir(f'{sieve_server.home(user)}/sieve/tmp') == []


def test_scripts_of_a_dictionary_are_only_run(make_server):
    server = make_server(extra='plugin {\n  sieve = dict:file:/nonexistent/scripts\n}\n', protocols='sieve')
    with Sieve(server.port('sieve'), 'alice') as session:
        for command in ('LISTSCRIPTS', 'PUTSCRIPT "a" "keep;"', 'SETACTIVE "a"', 'GETSCRIPT "a"', 'DELETESCRIPT "a"'):
            assert session.command(command).startswith(b'NO (TRYLATER)'), command
        assert session.command('CHECKSCRIPT "keep;"').startswith(b'OK')
    assert server.wait_log("scripts of dict: and ldap: can't be listed or changed")
    server.forgive()


@pytest.mark.parametrize('extensions', ['+editheader -vacation +nosuch', 'fileinto vnd.dovecot.report', '-regex', '', None])
@pytest.mark.parametrize('kept', ['+vnd.dovecot.report -copy +body', None])
def test_capabilities_follow_the_extensions(make_server, extensions, kept):
    server = make_server('plugin {\n' + (f'  sieve_extensions = {extensions}\n' if extensions is not None else '')
                         + (f'  sieve_global_extensions = {kept}\n' if kept is not None else '') + '}\n', 'sieve')
    with Sieve(server.port('sieve')) as before:
        found = set(capabilities(before.greeting)[b'SIEVE'].split())
        before.ok(f'AUTHENTICATE "PLAIN" "{plain("alice")}"')
        # Login doesn't know which there are.
        assert set(capabilities(before.command('CAPABILITY'))[b'SIEVE'].split()) == found - {b'nosuch'}


def test_kinds_of_lists(make_server):
    """RFC 6134: the schemes of external lists, where scripts can ask for them."""
    server = make_server('plugin {\n  sieve_extensions = +extlists\n  sieve_list1_name = tag:example.org,2026:a\n'
                         '  sieve_list2_name = TAG:b\n  sieve_list3_name = :addrbook:default\n'
                         '  sieve_list4_name = ldap://x/\n}\n', 'sieve')
    with Sieve(server.port('sieve')) as session:
        assert capabilities(session.greeting)[b'EXTLISTS'] == b'urn tag ldap'
        session.ok(f'AUTHENTICATE "PLAIN" "{plain("alice")}"')
        assert capabilities(session.command('CAPABILITY'))[b'EXTLISTS'] == b'urn tag ldap'
    with Sieve(make_server('', 'sieve').port('sieve')) as session:
        assert b'EXTLISTS' not in capabilities(session.greeting)
