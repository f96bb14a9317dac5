# SPDX-License-Identifier: MIT
"""The Sieve tools with what people have: procmail's recipes as they are written, mailboxes that are filtered, active scripts
in odd places."""
import os
import shutil
import subprocess

import pytest

from conftest import PREFIX, as_mail_owner, mail_owner, open_up
from sieve_lines import Sieve, plain

MAIL = """From: "Joe" <joe@example.org>
To: alice@mail.example
Cc: Bob <bob@x.org>
Subject: {subject}
X-Mailer: bar
X-Enc: =?utf-8?q?h=C3=A9llo?=

body line
Second Line
hello
"""
# What it is, the subject of the mail, the recipe. Without an action: it delivers into "x".
RECIPES = [
    ('blanks behind the colon', 'hello', '* ^Subject:[ \t]+hello'),
    ('a blank, repeated', 'hello', '* ^Subject: +hello'),
    ('any character for the blank', 'hello', '* ^Subject:.hello'),
    ('some characters for it', 'hello', '* ^Subject:.+hello'),
    ('a set that the blank is in', 'hello', '* ^Subject:.*[^a-z]hello'),
    ('a blank in front', 'hello', '* ^Subject:.* hello'),
    ('a blank or an angle', 'hello', '* ^Subject:.*[ <]hello'),
    ('a group with a blank', 'hello', '* ^Subject:.*( |x)hello'),
    ('one blank is one character', 'hello', '* ^Subject: .*[^a-z]hello'),
    ('no letter in front', 'xhello', '* ^Subject:.*[^a-z]hello'),
    ('a bracket in a set', 'a]b', '* ^Subject:.*a[]x]b'),
    ('none in a set', 'a]b', '* ^Subject:.*a[^]x]b'),
    ('a line that goes on', 'a', '* ^X-Mailer: \\\n   (foo|\\\n    bar)'),
    ('not, with a variable', 'a', 'ME=joe@x.example\n:0\n* ! $ ^To:.*$ME'),
    ('a variable, not', 'a', 'ME=alice@mail.example\n:0\n* $ ! ^To:.*$ME'),
    ('a variable that means itself', 'a.b', 'A=a.b\n:0\n* $ ^Subject:.*$\\A'),
    ('and nothing else', 'axb', 'A=a.b\n:0\n* $ ^Subject:.*$\\A'),
    ('a pattern in quotes', 'axb', 'A="a\\.b"\n:0\n* $ ^Subject:.*$A'),
    ('a pattern without quotes', 'axb', 'A=a\\.b\n:0\n* $ ^Subject:.*$A'),
    ('a dollar that is none', 'a q', 'A=q\n:0\n* $ ^Subject:.*\\$A'),
    ('a value in lines', 'a', 'NL="\n"\nLOG="one\ntwo${NL}"\n:0\n* ^Subject:'),
    ('a log within a block', 'a', ':0\n{\n LOG="x\n"\n :0\n x\n}\n'),
    ('a comment of letters', 'a', ':0 # all of these: yes\n* ^Subject:\nx\n'),
    ('a comment behind a folder', 'a', ':0:\n* ^Subject:\nx   # here\n'),
    ('a folder in quotes', 'a', ':0\n* ^Subject:\n"two words"\n'),
    ('a folder with a backslash', 'a', ':0\n* ^Subject:\ntwo\\ words\n'),
    ('a folder of a variable', 'a', "A=two' words'\n:0\n* ^Subject:\n\"$A\"\n"),
    ('a folder with no variable', 'a', ":0\n* ^Subject:\n'$HOME'\n"),
    ('a folder in the folder', 'a', ':0\n* ^Subject:\n./x\n'),
    ('a value and a comment', 'a', 'A=b  # mine\n:0\n* ^Subject:\n$A\n'),
    ('an end of line in the body', 'a', ':0 B\n* ^hello$\nx\n'),
    ('lines of the body', 'a', ':0 B\n* line$second\nx\n'),
    ('no lines of the body', 'a', ':0 B\n* body[^x]*second\nx\n'),
    ('another', 'a', ':0\n* ^Subject: a\nx\n:0 E\ny\n'),
    ('or another', 'b', ':0\n* ^Subject: a\nx\n:0 E:\ny\n'),
    ('or another behind a block', 'b', ':0\n* ^Subject: a\n{ }\nLOG=x\n:0 E\n* ^Subject: c\ny\n:0 E\nz\n'),
    ('another behind a block', 'a', ':0\n* ^Subject: a\n{ }\n:0 E\n* ^Subject: c\ny\n:0 E\nz\n'),
    ('the second of three', 'c', ':0\n* ^Subject: a\n{ }\n:0 E\n* ^Subject: c\n{\n :0 c\n * ^Nope:\n x\n}\n:0 E\nz\n'),
    ('a size, of all', 'a', ':0 HB\n* > 1\n* > 100000\nx\n'),
]
# These are named, and do nothing.
UNKNOWN = [
    (':0\n* ^X-Enc:.*=\\?utf-8\\?\nx\n', [2]), ('ME=alice\n:0\n* ME ?? bob\nx\n', [3]), (':0\n* ^Subject:\n${Z:-c}\n', [3]),
    (':0 B\n* ^^hello\nx\n', [2]), ('A=$UNKNOWN\n:0\n$A/x\n', [1, 3]), ('A=x\nA=`date`\n:0\n$A\n', [2, 4]),
    (':0 fw\n| formail -I "X-A: `date`"\n', [2]), (':0\n' + '* ^X-A: b\n' * 1001 + 'x\n', [1]),
    (':0\n* .\nx\n:0 E\ny\n', [2, 4]), (':0 c\n| true\n:0 E\n* ^Subject:\ny\n', [2, 3]),
    (':0\n* ' + '|'.join(['^X-A: b'] * 500) + '\nx\n', [2]),
]


def converted(tmp_path, recipes, kind='procmailrc'):
    """The script, and the lines that are named."""
    done = subprocess.run([f'{PREFIX}/bin/sieve-import', '--from', kind], input=recipes, capture_output=True, text=True,
                          check=False, timeout=60)
    (tmp_path / 'x.sieve').write_text(done.stdout)
    return [int(line.split(': line ')[1].split(':')[0]) for line in done.stderr.splitlines()]


def decided(tmp_path, mail):
    (tmp_path / 'mail').write_text(mail)
    done = subprocess.run([f'{PREFIX}/bin/sieve-test', '-C', '-x', '+editheader', tmp_path / 'x.sieve', tmp_path / 'mail'],
                          capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return sorted(line.split(': ')[1] for line in done.stdout.splitlines() if line.startswith(' * store'))


def delivered(tmp_path, recipes, mail):
    """Where procmail puts it."""
    home = tmp_path / 'home'
    home.mkdir()
    (tmp_path / 'rc').write_text(f'MAILDIR={home}\nDEFAULT={home}/INBOX\nLOGFILE={tmp_path}/log\n{recipes}')
    os.chmod(tmp_path / 'rc', 0o600)
    subprocess.run(['procmail', tmp_path / 'rc'], input=mail, text=True, check=True, timeout=60)
    return sorted(path.name for path in home.iterdir())


@pytest.mark.skipif(shutil.which('procmail') is None, reason='needs procmail')
@pytest.mark.parametrize('subject, recipe', [row[1:] for row in RECIPES], ids=[row[0].replace(' ', '-') for row in RECIPES])
def test_as_procmail(tmp_path, subject, recipe):
    recipe = recipe if ':0' in recipe else f':0\n{recipe}'
    recipe = recipe if recipe.endswith('\n') else f'{recipe}\nx\n'
    mail = MAIL.format(subject=subject)
    assert converted(tmp_path, recipe) == []
    assert decided(tmp_path, mail) == delivered(tmp_path, recipe, mail)


@pytest.mark.parametrize('recipe, lines', UNKNOWN)
def test_what_procmail_only_knows(tmp_path, recipe, lines):
    assert converted(tmp_path, recipe) == lines
    assert decided(tmp_path, MAIL.format(subject='a')) == ['INBOX']


def test_folders_of_a_maildir(tmp_path):
    """Names on disk are not what a script has, and Dovecot's deliver has names of its own."""
    for action, name in (('.Entw&APw-rfe/', 'Entw\xfcrfe'), ('.a&b/', 'a&b'), ('| /usr/lib/dovecot/deliver -m "Junk Mail"', 'Junk Mail')):
        assert converted(tmp_path, f':0\n{action}\n') == []
        assert decided(tmp_path, MAIL.format(subject='a')) == [name]


def test_a_field_that_is_added_once(tmp_path):
    assert converted(tmp_path, ':0 fw\n| formail -a "X-Mailer: other"\n:0\n* ^X-Mailer: other\nx\n') == []
    assert decided(tmp_path, MAIL.format(subject='a')) == ['INBOX']


ACTIVE = """
plugin {
  sieve = file:~/sieve;active=~/sieve/active.sieve
  sieve_quota_max_scripts = 2
}
"""
ACTIVE_LINES = ['SETACTIVE "a"', 'LISTSCRIPTS', 'GETSCRIPT "active"', 'SETACTIVE "active"', 'RENAMESCRIPT "active" "b"',
                'DELETESCRIPT "active"', 'PUTSCRIPT "active" "keep;"', 'LISTSCRIPTS', 'PUTSCRIPT "c" {5+}\r\nstop;', 'SETACTIVE ""']


def test_the_link_is_no_script(make_server, make_dovecot):
    """It may lie among the scripts; who replaced it was without the active one."""
    said = []
    for make in (make_dovecot, make_server):
        server = make(ACTIVE, protocols='imap sieve')
        with Sieve(server.port('sieve'), 'bob') as client:
            client.put('a', 'keep;')
            # What is missing has other words.
            said.append([client.command(line).replace(b'Sieve script', b'Script').replace(b'does not exist.', b'not found')
                         for line in ACTIVE_LINES])
            client.ok('SETACTIVE "a"')
            assert client.command('RENAMESCRIPT "c" "active"').startswith(b'NO ')
            assert sorted(client.list()) == ['*a', 'c']
    assert os.readlink(server.home('bob') + '/sieve/active.sieve') == 'a.sieve'
    assert said[1] == said[0]


def test_who_has_no_scripts_is_told_at_once(make_server, make_dovecot):
    for make in (make_dovecot, make_server):
        server = make('plugin {\n  sieve =\n}\n', protocols='imap sieve')
        client = Sieve(server.port('sieve'))
        answer = client.command(f'AUTHENTICATE "PLAIN" "{plain("bob")}"')
        assert answer == b'BYE "This user cannot manage personal Sieve scripts."\r\n'


def test_kept_mails_stay_in_their_mailbox(tmp_path):
    """What sieve-filter would do names the mailbox that they are in."""
    open_up(tmp_path)
    box = tmp_path / 'Maildir/.Work/cur'
    for name in ('Maildir/cur', 'Maildir/new', 'Maildir/tmp', 'Maildir/.Work/cur', 'Maildir/.Work/new', 'Maildir/.Work/tmp'):
        (tmp_path / name).mkdir(parents=True)
    (box / '1.M1P1.h:2,S').write_text(MAIL.format(subject='hello'))
    (tmp_path / 'x.sieve').write_text('keep;')
    (tmp_path / 'dovecot.conf').write_text(f'log_path = /dev/stderr\nmail_location = maildir:{tmp_path}/Maildir\n')
    for path in (tmp_path, *tmp_path.rglob('*')):
        os.chown(path, *mail_owner())

    def stored(*args):
        done = subprocess.run([f'{PREFIX}/bin/sieve-filter', '-c', tmp_path / 'dovecot.conf', *args, tmp_path / 'x.sieve', 'Work'],
                              capture_output=True, text=True, check=False, timeout=60, **as_mail_owner(),
                              env={'HOME': str(tmp_path), 'USER': 'u', 'ASAN_OPTIONS': 'detect_leaks=0'})
        assert done.returncode == 0, done.stderr
        return [line.split(': ')[1] for line in done.stdout.splitlines() if line.startswith(' * store')]

    assert stored() == ['Work']
    assert stored('-m', 'Other') == ['Other']


@pytest.mark.parametrize('settings, folder', [
    ('', 'sieve'), ('sieve = file:%h/sieve;active=%h/.dovecot.sieve', 'sieve'), ('sieve = ~/.dovecot.sieve', 'sieve'),
    ('sieve = ~/.dovecot.sieve\n  sieve_dir = ~/mine', 'mine'), ('sieve = file:~/%d/%n;active=~/.dovecot.sieve', 'x.example/joe'),
    ('sieve_global = %h/all', 'all')])
def test_included_scripts_are_found(tmp_path, settings, folder):
    """Where deliveries find them, too."""
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / 'inc.sieve').write_text('discard;')
    (tmp_path / 'mail').write_text(MAIL.format(subject='a'))
    where = 'global' if 'global' in settings else 'personal'
    (tmp_path / 'x.sieve').write_text(f'require "include"; include :{where} "inc";')
    (tmp_path / 'dovecot.conf').write_text(f'log_path = /dev/stderr\nplugin {{\n  {settings}\n}}\n')
    for tool, more in (('sievec', []), ('sieve-test', [tmp_path / 'mail'])):
        done = subprocess.run([f'{PREFIX}/bin/{tool}', '-c', tmp_path / 'dovecot.conf', tmp_path / 'x.sieve', *more], capture_output=True,
                              text=True, check=False, timeout=60,
                              env={**os.environ, 'HOME': str(tmp_path), 'USER': 'joe@x.example'})
        assert done.returncode == 0, done.stderr
    assert ' * discard' in done.stdout


@pytest.mark.parametrize('script, line', [
    ('keep; # \0\n', 1), ('\n/* \n \0 */ keep;\n', 3), ('redirect "a@b.example\0";', 1), ('keep;', 0),
    ('require "reject";\nreject text: # \0\nno\n.\n;\n', 2), ('require "reject";\nreject text:\nno\nn\0o\n.\n;\n', 4)])
def test_nul_has_no_place_in_a_script(tmp_path, script, line):
    (tmp_path / 'x.sieve').write_text(script)
    (tmp_path / 'dovecot.conf').write_text('log_path = /dev/stderr\n')
    done = subprocess.run([f'{PREFIX}/bin/sievec', '-c', tmp_path / 'dovecot.conf', tmp_path / 'x.sieve'], capture_output=True,
                          text=True, check=False, timeout=60)
    assert (done.returncode != 0) == (line > 0)
    assert line == 0 or f'x: line {line}, ' in done.stderr and 'NUL octet in a ' in done.stderr


THUNDERBIRD = """version="9"
logging="no"
name="one"
enabled="yes"
type="17"
action="Move to folder"
actionValue="imap://a@h/X"
condition="AND ({})"
"""


@pytest.mark.parametrize('condition, meant', [
    ('from,is,joe@example.org', True), ('from,is,Joe', True), ('from,is,jo', False), ('from,is,Joe@x.org', False),
    ('from,begins with,joe@', True), ('from,begins with,Jo', True), ('from,begins with,example', False),
    ('from,ends with,example.org', True), ('from,ends with,oe', True), ('from,ends with,example', False),
    ("from,isn't,joe@example.org", False), ("from,isn't,ann@example.org", True), ('to,is,alice@mail.example', True),
    ('to or cc,is,bob@x.org', True), ('cc,begins with,Bo', True), ('cc,is,b?b@x.org', False), ('from,contains,joe@example', True)])
def test_addresses_of_thunderbird(tmp_path, condition, meant):
    assert converted(tmp_path, THUNDERBIRD.format(condition), 'thunderbird-msgFilterRules') == []
    assert decided(tmp_path, MAIL.format(subject='a')) == (['X'] if meant else ['INBOX'])
