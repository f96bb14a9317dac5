# SPDX-License-Identifier: MIT
"""Generated ManageSieve sessions with Dovecot's and ours: what they answer must be the same, octet by octet, and so must be
what they leave behind. DOVETAIL_SESSIONS says how many there are."""
import os
import random
import re

import pytest

from conftest import NO_PENALTY, Dovecot, Server, finish, mail_owner, need_dovecot
from sieve_lines import Sieve, literal, plain, quoted

SESSIONS = int(os.environ.get('DOVETAIL_SESSIONS', 8))
CONFIG = """
auth_mechanisms = plain login cram-md5
login_greeting = Ready.
auth_failure_delay = 0
protocol sieve {
  managesieve_implementation_string = Test
  managesieve_sieve_capability = fileinto
  managesieve_notify_capability = mailto
  managesieve_logout_format = put=%{put_bytes}/%{put_count} get=%{get_bytes}/%{get_count} \
check=%{check_bytes}/%{check_count} del=%{deleted_count} ren=%{renamed_count}
}
plugin {
  sieve_max_script_size = 200
  sieve_quota_max_scripts = 5
  sieve_quota_max_storage = 500
}
""" + NO_PENALTY
END = r'managesieve\(.*: Info: Disconnected: Logged out (.*)\n'
USERS = ['sieve', 'alice', 'bob', 'carol']
NAMES = ['a', 'b', 'c', 'd e', 'f', '\xe9', '..', 'a.sieve', 'q"u\\o']
BAD_NAMES = ['', 'a/b', 'x\x7fy', 'x\x85y', '\u2028', 'n' * 300]
SCRIPTS = ['keep;', 'discard;\r\n', '', 'stop;\n' * 10, '#' + 'x' * 150 + '\n', '#' + 'x' * 199 + '\n',
           'require "fileinto"; fileinto "x";\n', '/* { */ keep;']
BAD_SCRIPTS = ['foo;\n', 'keep', 'keep;\nfoo;\nkeep;\n', 'if true keep;', 'fileinto "x";', '"', 'keep;\r\n\r\nredirect "x y";\r\n',
               'require "nonesuch";\n', 'require ["a1","a2","a3","a4","a5","a6","a7"];']
ODD = ['', ' NOOP', 'foo', 'foo bar', 'NOOP x', 'NOOP "a" "b"', 'NOOP  "a" ', 'LOGOUT x', 'GETSCRIPT', 'GETSCRIPT x', 'SETACTIVE',
       'LISTSCRIPTS "x"', 'CAPABILITY x', 'STARTTLS', 'AUTHENTICATE "PLAIN"', 'UNAUTHENTICATE', 'RENAMESCRIPT "a"', 'PUTSCRIPT "a"',
       'PUTSCRIPT "a" "" ""', 'CHECKSCRIPT', 'HAVESPACE "a"', 'HAVESPACE "a" "1"', 'HAVESPACE "a" -1', 'HAVESPACE "a" 1 2',
       'HAVESPACE "a/" 5', 'NOOP "x', 'NOOP ("x")', b'NOOP "\xff"', b'NOOP "a\0"', 'NOOP {x}', 'NOOP {3}abc', 'NOOP "a\rb"', 'noop ""',
       'DELETESCRIPT "a" "b"', 'XCLIENT ADDR=1.2.3.4']


@pytest.fixture(scope='module')
def both(tls):
    need_dovecot()
    if not os.path.exists('/usr/lib/dovecot/managesieve'):
        pytest.skip("needs Debian's dovecot-managesieved")
    servers = [one(tls, CONFIG, 'sieve').start() for one in (Dovecot, Server)]
    yield servers
    servers[0].stop()
    servers[0].remove()
    finish(servers[1])


def name(rng):
    return quoted(rng.choice(BAD_NAMES if rng.random() < 0.08 else NAMES))


def text(rng):
    kind = rng.random()
    one = rng.choice(BAD_SCRIPTS) if kind < 0.2 else '#' * rng.choice([201, 5000]) + '\n' if kind < 0.25 else rng.choice(SCRIPTS)
    return quoted(one) if rng.random() < 0.2 and '\n' not in one and len(one) < 1000 else literal(one)


def command(rng):
    kind = rng.choice(['PUTSCRIPT'] * 6 + ['CHECKSCRIPT'] * 2 + ['SETACTIVE'] * 4 + ['GETSCRIPT'] * 3 + ['LISTSCRIPTS'] * 4 +
                      ['DELETESCRIPT'] * 4 + ['RENAMESCRIPT'] * 4 + ['HAVESPACE'] * 3 + ['NOOP', 'CAPABILITY'] + ['odd'] * 3)
    if kind == 'odd':
        odd = rng.choice(ODD)
        return odd if isinstance(odd, bytes) else odd.encode()
    arguments = {
        'PUTSCRIPT': lambda: [name(rng), text(rng)], 'CHECKSCRIPT': lambda: [text(rng)],
        'SETACTIVE': lambda: [b'""' if rng.random() < 0.3 else name(rng)], 'RENAMESCRIPT': lambda: [name(rng), name(rng)],
        'HAVESPACE': lambda: [name(rng), b'%d' % rng.choice([0, 1, 100, 200, 201, 500, 99999999999])],
        'NOOP': lambda: [quoted('tag "\\')],
    }.get(kind, lambda: [name(rng)] if kind in ('GETSCRIPT', 'DELETESCRIPT') else [])()
    word = kind.lower() if rng.random() < 0.1 else kind
    return b' '.join([word.encode(), *arguments])


def comparable(answer):
    """Without what may differ: the order of names, words and columns of the compiler, times, names that are none."""
    lines = answer.split(b'\r\n')
    if b'OK "Listscripts completed."' in lines:
        lines = sorted(lines)
    answer = b'\r\n'.join(lines)
    report = re.match(rb'(NO|OK \(WARNINGS\)) \{\d+\}\r\n', answer)
    if report:
        places = re.findall(rb'^((?:[^:\r\n]+: )?line \d+)(?:, column \d+)?: (error|warning)', answer, re.M)
        return report[1], places[:1]
    answer = re.sub(rb"^(NO \"Invalid .* `).*('\.\"\r\n)$", rb'\1\2', answer)
    answer = re.sub(rb'^"(SIEVE|OWNER)".*\r\n', b'', answer, flags=re.M)
    return re.sub(rb' \[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\]', b'', answer)


def left(server, user):
    """What the home has at the end."""
    home = server.home(user)
    found = {}
    for path in (f'{home}/.dovecot.sieve', f'{home}/sieve'):
        if os.path.islink(path):
            found[path[len(home):]] = os.readlink(path)
        elif os.path.isdir(path):
            for file in os.listdir(path):
                if file.endswith('.sieve'):
                    with open(f'{path}/{file}', 'rb') as one:
                        found[file] = (one.read(), os.stat(one.fileno()).st_mode)
    return found


def clear(servers, user):
    for server in servers:
        os.system(f"rm -rf '{server.home(user)}/sieve' '{server.home(user)}/.dovecot.sieve'")


@pytest.mark.parametrize('seed', range(SESSIONS))
def test_sessions(both, seed):
    rng = random.Random(seed)
    user = USERS[seed % len(USERS)]
    clear(both, user)
    clients = [Sieve(server.port('sieve'), user) for server in both]
    starts = [len(server.log_text()) for server in both]
    wrong = 0
    for _ in range(40):
        line = command(rng)
        answers = [client.command(line) for client in clients]
        got = [comparable(answer) for answer in answers]
        assert got[0] == got[1], (line, answers)
        # Only the first errors in a row are the same.
        wrong = wrong + 1 if b'"Error in' in answers[0] else 0
        if wrong > 10:
            break
    for client in clients:
        assert client.command('LOGOUT') == b'OK "Logout completed."\r\n'
        client.close()
    assert left(both[0], user) == left(both[1], user)
    ends = [server.wait_log(END, start=start)[1] for server, start in zip(both, starts)]
    assert ends[0] == ends[1]


BEFORE = [
    ['CAPABILITY', 'NOOP', 'NOOP "x"', 'NOOP {1}\r\nx', 'noop x', 'LOGOUT'],
    ['foo', 'NOOP', '', 'LISTSCRIPTS'],
    ['LOGOUT x', 'XCLIENT ADDR=1.2.3.4', 'XCLIENT', 'NOOP {100000+}'],
    ['NOOP "a', b'NOOP "\xff"', 'NOOP "x"'],
    [b'NOOP "a\0"', 'NOOP {x}', 'NOOP "x"'],
    ['AUTHENTICATE', 'AUTHENTICATE PLAIN', 'AUTHENTICATE "NOPE"', 'AUTHENTICATE "PLAIN" "%"'],
    # Then Dovecot says "Authentication failed." once more, later.
    ['AUTHENTICATE "PLAIN"', '"*"'],
    ['AUTHENTICATE "PLAIN"', '*'],
    ['AUTHENTICATE "PLAIN"', '"%%%"'],
    ['AUTHENTICATE "LOGIN"', quoted('YWxpY2U='), literal('d3Jvbmc='), 'NOOP', f'AUTHENTICATE "PLAIN" "{plain("alice", "wrong")}"',
     f'AUTHENTICATE "PLAIN" "{plain("alice")}"', 'LOGOUT'],
    ['AUTHENTICATE "LOGIN" "YWxpY2U="', '"c2VjcmV0"', 'NOOP "in"'],
]


@pytest.mark.parametrize('lines', BEFORE)
def test_before_login(both, lines):
    """Everything up to the end of the connection."""
    said = []
    for server in both:
        with Sieve(server.port('sieve')) as client:
            got = [client.greeting]
            for line in lines:
                client.send((line if isinstance(line, bytes) else line.encode()) + b'\r\n')
                got.append(client.answer() if line == 'CAPABILITY' else client.line())
                if got[-1].startswith(b'BYE'):
                    assert client.at_end()
                    break
            said.append(got)
    assert said[0] == said[1]


def test_files_in_the_home(both):
    """Links and files that users make themselves."""
    uid, gid = mail_owner()
    said = []
    clear(both, 'bob')
    for server in both:
        home = server.home('bob')
        with Sieve(server.port('sieve'), 'bob') as client:
            got = [client.put('one', 'keep;')]
            for target in ('sieve/nosuch.sieve', f'{home}/sieve/one.sieve', '../alice/one.sieve', 'sieve/../sieve/one.sieve'):
                os.symlink(target, f'{home}/.dovecot.sieve')
                got += [client.command('LISTSCRIPTS'), client.command('DELETESCRIPT "one"')[:12], client.command('SETACTIVE ""')]
                client.put('one', 'keep;')
            with open(f'{home}/.dovecot.sieve', 'w', encoding='ascii') as file:
                file.write('# mine\n')
            os.chown(f'{home}/.dovecot.sieve', uid, gid)
            got += [client.command('SETACTIVE "one"'), client.get('dovecot.orig')]
            os.symlink('one.sieve', f'{home}/sieve/link.sieve')
            os.symlink('../../alice/x.sieve', f'{home}/sieve/out.sieve')
            os.symlink('loop.sieve', f'{home}/sieve/loop.sieve')
            got += [client.get('link'), client.command('GETSCRIPT "nosuch"')]
            for name_ in ('out', 'loop'):
                got.append(client.command(f'GETSCRIPT "{name_}"').split()[0])
            got += [client.put('out', 'stop;'), client.get('out'), sorted(client.list())]
            said.append([comparable(one) if isinstance(one, bytes) else one for one in got])
    assert said[0] == said[1]


DEFAULTS = [
    [('put', 'main', 'stop;'), 'LISTSCRIPTS', 'SETACTIVE ""', 'LISTSCRIPTS', 'DELETESCRIPT "main"', 'LISTSCRIPTS'],
    ['DELETESCRIPT "main"', 'SETACTIVE "main"', ('put', 'a', 'keep;'), 'SETACTIVE "a"', ('put', 'main', 'stop;'), 'LISTSCRIPTS',
     'SETACTIVE ""', 'DELETESCRIPT "main"', 'DELETESCRIPT "main"', 'LISTSCRIPTS'],
    ['RENAMESCRIPT "main" "x"', 'LISTSCRIPTS', 'SETACTIVE ""', 'LISTSCRIPTS', 'DELETESCRIPT "main"', 'GETSCRIPT "x"'],
]


def default_session(server, lines):
    said = []
    os.system(f"rm -rf '{server.home('bob')}/sieve' '{server.home('bob')}/.dovecot.sieve'")
    with Sieve(server.port('sieve'), 'bob') as client:
        for line in lines:
            said.append(comparable(client.command(line) if isinstance(line, str) else client.put(*line[1:])))
    return said


def with_default(server):
    path = f'{server.dir}/default.sieve'
    with open(path, 'w', encoding='ascii') as file:
        file.write('keep;')
    os.chmod(path, 0o644)
    server.extra += f'plugin {{\n  sieve_default = {path}\n  sieve_default_name = main\n}}\n'
    server.write_config()
    return server.start()


def test_default_script_that_is_changed(make_server):
    """PUTSCRIPT of the one at work: the new one is at work."""
    server = with_default(make_server(start=False, protocols='imap sieve'))
    said = default_session(server, DEFAULTS[0])
    assert b'"main" ACTIVE' in said[1] and b'"main"' in said[3] and b'ACTIVE' not in said[3] and said[5] == said[1]
    assert default_session(server, DEFAULTS[1])[0] == b'NO (ACTIVE) "Cannot delete the active Sieve script."\r\n'


def test_default_script_as_theirs(make_server, make_dovecot):
    servers = [with_default(make(start=False, protocols='imap sieve')) for make in (make_dovecot, make_server)]
    for lines in DEFAULTS:
        theirs, ours = [default_session(server, lines) for server in servers]
        assert ours == theirs
