# SPDX-License-Identifier: MIT
"""pipe, filter and execute in deliveries: programs and script services, as with Debian's Dovecot and Pigeonhole."""
import os
import re
import shutil
import time
from pathlib import Path

import pytest

from conftest import mail_owner
from imap_lines import Lines
from test_delivery_sieve import EXTRA, PIGEONHOLE, boxes, deliver, log_lines, script

PLUGIN = """
  sieve_plugins = sieve_extprograms
  sieve_extensions = +vnd.dovecot.pipe +vnd.dovecot.filter +vnd.dovecot.execute
  sieve_pipe_bin_dir = {bin}
  sieve_filter_bin_dir = {bin}
  sieve_execute_bin_dir = {bin}
  sieve_pipe_socket_dir = sockets
  sieve_filter_socket_dir = sockets
  sieve_execute_socket_dir = sockets
  sieve_execute_exec_timeout = 1s
  sieve_filter_input_eol = lf
"""
SERVICE = """
service scripted {{
  executable = script -e RECIPIENT {bin}/scripted
  user = {user}
  unix_listener sockets/scripted {{
    mode = 0666
  }}
}}
"""
PROGRAMS = {
    'save': 'env | grep -v -e ^PWD -e ^OLDPWD -e ^SHLVL -e ^_ -e ^HOST= | sort >{out}/env\n'
            'for a in "$@"; do echo "[$a]"; done >{out}/args\ncat >{out}/input\n',
    'fail': 'cat >/dev/null\necho words\nexit ${{1:-3}}\n',
    'upper': 'tr a-z A-Z\n',
    'quiet': 'exit 0\n',
    'slow': 'sleep 30 & sleep 30\n',
    'scripted': 'echo "X-Args: $*"\necho "X-To: $RECIPIENT"\necho "X-User: $USER"\ncat\n[ "$1" != fail ]\n',
    'killed': 'cat >/dev/null\nkill -9 $$\n',
}
HEAD = 'require ["vnd.dovecot.pipe", "vnd.dovecot.filter", "vnd.dovecot.execute", "copy", "fileinto", "variables",' \
       '"mailbox"];\n'
SCRIPTS = {
    'pipe': 'pipe "save" ["a b", "c"];',
    'pipecopy': 'pipe :copy "save";',
    'pipefail': 'pipe "fail";',
    'pipemissing': 'pipe "nosuch";',
    'pipekilled': 'pipe "killed";',
    'pipesocket': 'pipe "scripted" ["x", "y"];',
    'filter': 'filter "upper"; fileinto :create "upper";',
    'filterfail': 'filter "fail"; fileinto :create "unchanged";',
    'filtersocket': 'filter "scripted" "one"; fileinto :create "socket";',
    'filtersocketfail': 'if not filter "scripted" "fail" { fileinto :create "socketfail"; }',
    'filtermissing': 'filter "nosuch"; discard;',
    'filtertest': 'if filter "nosuch" { discard; }',
    'execute': 'if execute "quiet" { fileinto :create "true"; }',
    'executefail': 'if not execute "fail" "1" { fileinto :create "false"; }',
    'executeout': 'execute :input "some\ntext" :output "x" "upper"; if string "${x}" "SOME\r\nTEXT" '
                  '{ fileinto :create "output"; }',
    'executepipe': 'execute :pipe :output "x" "upper"; if string :contains "${x}" "SUBJECT: EXECUTEPIPE" '
                   '{ fileinto :create "piped"; }',
    'writable': 'if not execute "writable" { fileinto :create "writable"; }',
}


def place(server, plugin=''):
    base = Path(server.dir)
    for name in ('bin', 'out', 'run/sockets'):
        (base / name).mkdir(parents=True, exist_ok=True)
    for path in (base, base / 'bin', base / 'run', base / 'run/sockets'):
        os.chmod(path, 0o755)
    os.chmod(base / 'out', 0o777)
    for name, text in {**PROGRAMS, 'writable': 'true\n'}.items():
        path = base / 'bin' / name
        path.write_text('#!/bin/sh\numask 0\n' + text.format(out=base / 'out'))
        os.chmod(path, 0o757 if name == 'writable' else 0o755)
    import pwd
    user = pwd.getpwuid(mail_owner()[0]).pw_name
    server.extra = EXTRA.format(port=1, plugin=PLUGIN.format(bin=base / 'bin') + plugin) + \
        SERVICE.format(bin=base / 'bin', user=user)
    server.write_config()
    server.start()
    return base


def outcome(server):
    base, seen = place(server), {}
    for name, text in SCRIPTS.items():
        script(server, 'alice', HEAD + text)
        log = Path(server.home('alice'), '.dovecot.sieve.log')
        log.unlink(missing_ok=True)
        start = len(server.log_text())
        reply = deliver(server, name)
        assert server.wait_log(r'Logged out', start=start)
        # Dovecot's lines are about the mail as it is now.
        lines = [re.sub(r'program (\S+?:)\S+?/(\w+)( \(\d+\))?:', r'program \1\2:', line).replace('FILTER@EXAMPLE.ORG', 'filter@example.org')
                 for line in log_lines(server, start)]
        user = re.sub(r'\[\d.*?\]', '', log.read_text()) if log.exists() else ''
        user = re.findall(r'error: (.*)', user)
        written = {path.name: re.sub(r'(?s)^Return-Path.*?(?=From: )|/tmp/dt-\w+', '', path.read_bytes().decode())
                   for path in (base / 'out').iterdir()}
        shutil.rmtree(base / 'out')
        (base / 'out').mkdir()
        os.chmod(base / 'out', 0o777)
        seen[name] = (reply, lines, user, written)
    server.forgive()
    client = Lines(server.port('imap'), 'alice')
    for name in ('upper', 'socket', 'unchanged'):
        client.command(b'SELECT ' + name.encode())
        seen['mail ' + name] = re.sub(rb'(?s)Return-Path.*?(?=From: )|RETURN-PATH.*?(?=FROM: )|BODY\[\] \{\d+', b'',
                                        b''.join(client.command(b'FETCH 1 BODY.PEEK[]')[:-1]))
    lines = b''.join(client.command(b'LIST "" * RETURN (STATUS (MESSAGES))'))
    seen['counts'] = sorted(re.findall(rb'STATUS (\S+) \(MESSAGES (\d+)', lines))
    client.close()
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_as_pigeonhole_runs_them(make_server, make_dovecot):
    ours, theirs = outcome(make_server(start=False)), outcome(make_dovecot(start=False))
    differ = [f'{name}\n{seen}\n{theirs[name]}' for name, seen in ours.items() if seen != theirs[name]]
    assert not differ, '\n\n'.join(differ)


def test_killed_with_its_group(make_server):
    server = make_server(start=False)
    place(server)
    script(server, 'alice', HEAD + 'if not execute "slow" { fileinto :create "late"; }')
    began = time.monotonic()
    assert deliver(server, 'one').startswith('250')
    assert time.monotonic() - began < 10
    server.forgive()
    assert server.wait_log(r'program exec:\S+/slow \(\d+\): Execution timed out \(> 1000 msecs\)')
    assert [subject for subject, _ in boxes(server, 'alice')['late']] == ['one']
    mine = [path for path in Path('/proc').glob('[0-9]*/environ')
            if reads(path).find(f'HOME={server.home("alice")}\0'.encode()) >= 0 and b'RECIPIENT=' in reads(path)]
    assert mine == []


def reads(path):
    try:
        return path.read_bytes()
    except OSError:
        return b''


def test_more_output_than_allowed(make_server):
    server = make_server(start=False)
    base = place(server, '  sieve_program_max_output = 1 k\n')
    (base / 'bin' / 'endless').write_text('#!/bin/sh\nexec yes\n')
    os.chmod(base / 'bin' / 'endless', 0o755)
    script(server, 'alice', HEAD + 'if not filter "endless" { fileinto :create "whole"; }')
    assert deliver(server, 'one').startswith('250')
    server.forgive()
    assert [subject for subject, _ in boxes(server, 'alice')['whole']] == ['one']


def test_no_output_is_no_message(make_server):
    server = make_server(start=False)
    place(server)
    script(server, 'alice', HEAD + 'if not filter "quiet" { fileinto :create "whole"; }')
    assert deliver(server, 'one').startswith('250')
    server.forgive()
    assert [subject for subject, _ in boxes(server, 'alice')['whole']] == ['one']


def test_failing_try_keeps_the_mail(make_server):
    server = make_server(start=False)
    place(server)
    script(server, 'alice', HEAD + 'pipe :try "fail";')
    assert deliver(server, 'one').startswith('250')
    server.forgive()
    assert [subject for subject, _ in boxes(server, 'alice')['INBOX']] == ['one']


def test_a_script_that_fails_leaves_the_mail_as_it_came(make_server):
    server = make_server(start=False)
    place(server)
    script(server, 'alice', HEAD + 'filter "upper"; filter "nosuch";')
    assert deliver(server, 'one').startswith('250')
    server.forgive()
    assert [subject for subject, _ in boxes(server, 'alice')['INBOX']] == ['one']
