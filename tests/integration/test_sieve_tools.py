# SPDX-License-Identifier: MIT
"""sievec and sieve-test as administrators use them on their own scripts."""
import os
import subprocess
from pathlib import Path

import pytest

from conftest import PREFIX, mail_owner

CONFIG = """
log_path = /dev/stderr
hostname = mail.example
plugin {{
{plugin}
}}
"""
MAIL = 'From: joe@example.org\nTo: alice@mail.example\nSubject: hello\n\nbody\n'
UNKNOWN = "Warning: sieve: ignored unknown extension '%s' while configuring available extensions"


@pytest.fixture
def tool(tmp_path):
    (tmp_path / 'mail').write_text(MAIL)

    def run(name, text, *args, plugin=''):
        (tmp_path / 'dovecot.conf').write_text(CONFIG.format(plugin=plugin))
        script = tmp_path / 'x.sieve'
        if not script.exists() or script.read_text() != text:
            script.write_text(text)
        paths = [script] + ([tmp_path / 'mail'] if name == 'sieve-test' else [])
        return subprocess.run([f'{PREFIX}/bin/{name}', '-c', tmp_path / 'dovecot.conf', *args, *paths], capture_output=True,
                              text=True, check=False, timeout=60, env={**os.environ, 'USER': 'joe'})

    return run


GLOBAL = 'require ["vnd.dovecot.pipe", "editheader"]; addheader "X-A" "b"; pipe "learn";'


def test_scripts_of_the_administrator(tool):
    plugin = '  sieve_plugins = sieve_extprograms\n  sieve_global_extensions = +vnd.dovecot.pipe +editheader\n'
    for name in ('sievec', 'sieve-test'):
        done = tool(name, GLOBAL, plugin=plugin)
        assert done.returncode == 0, done.stderr
    assert ' * pipe message to program: learn\n' in done.stdout
    assert tool('sievec', GLOBAL).returncode != 0


@pytest.mark.parametrize('text, there', [
    ('+editheader -fileinto', 'editheader envelope -fileinto'), ('editheader fileinto', 'editheader fileinto -envelope'),
    # One sign, and the others are added to what there is.
    ('editheader -fileinto', 'editheader envelope -fileinto'), ('+envelope editheader', 'editheader fileinto envelope'),
    ('', 'fileinto envelope -editheader')])
def test_names_of_extensions(tool, text, there):
    for name in there.split():
        done = tool('sievec', f'require "{name.lstrip("-")}";', plugin=f'  sieve_extensions = {text}\n' if text else '')
        assert (done.returncode == 0) == (name[0] != '-'), (name, done.stderr)
        assert 'Warning' not in done.stderr


def test_options_of_pigeonhole(tool, tmp_path):
    """Its plug-ins are built in; debug_log needs no setting, and none takes it away."""
    text = 'require "vnd.dovecot.debug"; debug_log "hi";'
    assert tool('sievec', text, '-P', 'sieve_extprograms', '-P', 'sieve_imapsieve').returncode == 0
    done = tool('sievec', text, '-P', 'other')
    assert done.returncode == 89 and "Plugin 'other' not found" in done.stderr
    assert 'DEBUG: hi' in tool('sieve-test', text, '-x', 'fileinto').stderr
    done = subprocess.run([f'{PREFIX}/bin/sieve-dump', '-h', tmp_path / 'x.svbin'], capture_output=True, text=True, check=True)
    assert '00000000  44 54 73 69 65 76 65 0a  0' in done.stdout and '\n* x (' in done.stdout


@pytest.mark.parametrize('text, line, words', [
    ('addheader "X-A" "b";', 1, "adding header field 'X-A' is forbidden"),
    ('addheader "X-B" "b";', 0, ''), ('deleteheader "X-B";', 1, "deleting header field 'X-B' is forbidden"),
    ('deleteheader "X-A";', 0, ''), ('\ndeleteheader "Received";', 2, "deleting header field 'Received' is forbidden"),
    ('notify :options "a=b" "mailto:a@b.example";', 1, "method 'mailto' accepts no options"),
    ('notify "mailto:a@b.example,A@b.example";', 1, "ignored duplicate recipient 'A@b.example'"),
    ('notify "mailto:a@b.example?body=a&body=b";', 1, "second header field 'body'"),
    ('set "a" "' + 'x' * 5000 + '";', 1, 'too long (5000 octets)'),
    ('vacation :mime "X-A: é\n\nb";', 1, 'the header of the :mime reason'), ('vacation :mime "X-A: e\n\né";', 0, '')])
def test_warnings(tool, text, line, words):
    """What is done otherwise than it is written is told when compiling."""
    done = tool('sievec', f'require ["editheader", "enotify", "variables", "vacation"]; {text}',
                plugin='  sieve_extensions = +editheader\n  sieve_editheader_forbid_add = X-A\n'
                       '  sieve_editheader_forbid_delete = X-B\n')
    assert done.returncode == 0, done.stderr
    if line == 0:
        assert done.stderr == ''
    else:
        assert done.stderr.startswith(f'x: line {line}, column ') and 'warning: ' in done.stderr and words in done.stderr


def test_extensions_that_are_unknown(tool):
    done = tool('sieve-test', 'keep;', plugin='  sieve_extensions = +nosuch +imapsieve +editheader\n')
    assert done.returncode == 0 and UNKNOWN % 'nosuch' in done.stderr and 'imapsieve' not in done.stderr
    assert UNKNOWN % 'other' in tool('sieve-test', 'keep;', '-x', '+other').stderr


def test_what_ihave_was_told_is_asked_again(tool):
    """RFC 5463: a program that was compiled without an extension is not used with it, nor the other way round."""
    text = 'require ["ihave", "fileinto"]; if ihave "regex" { fileinto "with"; } else { fileinto "without"; }'
    for compiled, run, kept in (('-regex', '+regex', 'with'), ('+regex', '-regex', 'without')):
        assert tool('sievec', text, '-x', compiled).returncode == 0
        assert f' folder: {kept}\n' in tool('sieve-test', text, '-x', run).stdout


def test_where_mail_is_kept(tool):
    assert ' * store message in folder: Lists\n' in tool('sieve-test', 'keep;', '-m', 'Lists').stdout
    done = tool('sieve-test', 'stop;', '-m', 'Lists').stdout
    assert done.endswith('Implicit keep:\n\n * store message in folder: Lists\n\n')


def test_where_it_runs(tool):
    text = ('require ["environment", "vnd.dovecot.environment", "fileinto", "variables"];'
            'fileinto "${env.host} ${env.vnd.dovecot.username}";')
    assert ' folder: mail.example joe\n' in tool('sieve-test', text, plugin='  sieve_extensions = '
                                                 '+vnd.dovecot.environment\n').stdout


def test_mailboxes_that_there_are(tool, tmp_path):
    """Those of -l, and nothing is stored without -e."""
    text = ('require ["mailbox", "fileinto", "environment"];'
            'if not environment "location" "MS" { discard; } elsif mailboxexists "Work" { fileinto "there"; } else { stop; }')
    for name in ('cur', 'new', 'tmp'):
        (tmp_path / 'mails' / '.Work' / name).mkdir(parents=True)
    assert 'folder: there\n' not in tool('sieve-test', text).stdout
    done = tool('sieve-test', text, '-l', f'maildir:{tmp_path}/mails')
    assert ' * store message in folder: there\n' in done.stdout, done.stderr
    assert not list((tmp_path / 'mails').glob('*/???/*'))


TRACED = """require ["fileinto", "variables", "vacation"];
set "first" "a"; set "second" "b";
if header :matches "subject" "hell*" {
  fileinto "${second}";
}
redirect "a@b.example";
"""
LINES = [(1, "## Started executing script 'x'"), (3, '   2: set command'), (3, """   2:   assign 'first' [0] = "a\""""),
         (3, '   2: set command'), (3, """   2:   assign 'second' [1] = "b\""""), (4, '   3: header test'),
         (5, "   3:   value 'hello' with key 'hell*' => 1"), (4, '   3:   result: true'), (3, '   4: fileinto command'),
         (1, "   4: fileinto action; store message in mailbox 'b'"), (3, '   6: redirect command'),
         (1, "   6: redirect action; forward message to 'a@b.example'"), (1, "## Finished executing script 'x'")]


def test_traces(tool):
    for level, name in ((1, 'actions'), (3, 'commands'), (4, 'tests'), (5, 'matching')):
        done = tool('sieve-test', TRACED, '-t', '-', '-T', f'level={name}')
        lines = done.stdout.partition('\nPerformed')[0].splitlines()
        assert [line if line[:4].strip() else line.strip() for line in lines if line] == [
            text for least, text in LINES if least <= level], name
    done = tool('sieve-test', 'require "reject"; reject "a";\nreject "b";', '-t', '-')
    assert done.stdout.splitlines()[-1].startswith('   2: error: duplicate reject')


def test_inbox_is_there(tool):
    done = tool('sieve-test', 'require "mailbox"; if not mailboxexists "INBOX" { discard; }\n'
                              'if mailboxexists "nosuch" { discard; }')
    assert ' * discard' not in done.stdout


def test_programs_that_a_test_asks(tool, tmp_path):
    """They are run without -e, too."""
    program = tmp_path / 'answer'
    program.write_text('#!/bin/sh\necho "$1 is away"\n')
    program.chmod(0o755)
    plugin = (f'  sieve_plugins = sieve_extprograms\n  sieve_extensions = +vnd.dovecot.execute\n'
              f'  sieve_execute_bin_dir = {tmp_path}\n}}\nmail_location = maildir:{tmp_path}/mail\nplugin {{\n')
    done = tool('sieve-test', 'require ["vnd.dovecot.execute", "variables", "fileinto"];\n'
                              'if execute :output "v" "answer" "joe" { fileinto "of ${v}"; }', plugin=plugin)
    assert ' * store message in folder: of joe is away' in done.stdout, done.stderr


@pytest.mark.parametrize('recipient, there', [
    ('alice', 'alice: alice'), ('alice+work@mail.example', 'alice+work@mail.example: alice+work'), ('a b', None), ('', None),
    ('a@', None)])
def test_recipients(tool, recipient, there):
    """A user's name is one, as in deliveries."""
    text = ('require ["envelope", "variables", "fileinto"]; if envelope :matches "to" "*" { set "all" "${1}"; }\n'
            'if envelope :localpart :matches "to" "*" { fileinto "${all}: ${1}"; }')
    for option in '-r', '-a':
        done = tool('sieve-test', text, option, recipient)
        if there is None:
            assert done.returncode == 89 and 'Invalid address' in done.stderr
        else:
            assert f' * store message in folder: {there}\n' in done.stdout, done.stderr


def test_texts_move_no_cursor(tool):
    """Scripts and mails are others', the terminal is the administrator's."""
    out = tool('sieve-test', 'require ["fileinto", "vacation", "encoded-character"];\nfileinto "${hex:1b}[2J\u00e9";\n'
               'vacation :subject "${hex:1b}s" :handle "${hex:c2 9b}h" text:\none${hex:1b}\ntwo\n.\n;').stdout
    assert '\x1b' not in out and '\x9b' not in out
    assert ' * store message in folder: ?[2J\u00e9\n' in out and '\none?\ntwo\n' in out


def test_no_extensions_at_all(tool):
    assert tool('sievec', 'require "fileinto";', plugin='  sieve_extensions =\n').returncode
    assert tool('sievec', 'require "comparator-i;octet"; keep;', plugin='  sieve_extensions =\n').returncode == 0


OWN = """passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = passwd-file
  args = {dir}/people
}}
plugin {{
  sieve = file:~/scripts;active=~/.dovecot.sieve
  sieve_max_redirects = 2
}}
"""
REDIRECTS = ''.join(f'redirect "{i}@mail.example";' for i in range(2))


def test_somebody_else(make_server):
    """-u asks auth, as Debian's do: home, settings and uid are the user's; without it they are those of who runs it."""
    uid, gid = mail_owner()
    server = make_server('passdb x', 'lmtp', start=False)
    server.extra = OWN.format(dir=server.dir)
    server.write_config()
    home = Path(server.home('bob'))
    (home / 'scripts').mkdir(parents=True)
    (home / 'scripts/mine.sieve').write_text('require "fileinto"; fileinto "Mine";')
    script, mail = home / 'x.sieve', home / 'mail'
    script.write_text(f'require "include"; include :personal "mine"; {REDIRECTS}')
    mail.write_text(MAIL)
    for path in (home, *home.rglob('*')):
        os.chown(path, uid, gid)
    Path(server.dir, 'people').write_text(f'bob@mail.example:x:{uid}:{gid}::{home}::userdb_sieve_max_redirects=1\n'
                                          f'carol:x:{uid}:{gid}::{home}::\n')
    server.start()

    def run(name, *args):
        files = [script, mail] if name == 'sieve-test' else [script]
        return subprocess.run([f'{PREFIX}/bin/{name}', '-c', server.config, *args, *files], capture_output=True, text=True,
                              check=False, timeout=60, env={**os.environ, 'HOME': server.dir})

    for args in (), ('-e', '-l', f'maildir:{home}/Mails'):
        done = run('sieve-test', '-u', 'carol', *args)
        assert done.returncode == 0, done.stderr
    assert Path(home, 'Mails/.Mine').stat().st_uid == uid
    assert ' * store message in folder: Mine\n' in run('sieve-test', '-u', 'carol').stdout
    done = run('sieve-test', '-u', 'bob@mail.example')
    assert 'exceeds policy limit (> 1)' in done.stderr, done.stderr
    assert run('sievec', '-u', 'carol').returncode == 0
    assert script.with_suffix('.svbin').stat().st_uid == uid
    script.with_suffix('.svbin').unlink()
    assert 'mine' in run('sieve-test').stderr
    done = run('sievec', '-u', 'nobody@mail.example')
    assert done.returncode == 89 and 'nobody@mail.example' in done.stderr
