# SPDX-License-Identifier: MIT
"""doveadm sieve: what it prints and returns, the same as Dovecot's, on the scripts of ManageSieve."""
import json
import os
import re
import subprocess

import pytest

from conftest import Dovecot, Server, finish, mail_owner, need_dovecot
from sieve_lines import Sieve

# Words, and what stdin has; {user} stands for -u.
STEPS = [
    ('list {user}', ''), ('list {user} x', ''), ('put {user} one', 'keep;'), ('list {user}', ''),
    ('put {user} -a two', 'discard;'), ('list {user}', ''), ('get {user} one', ''), ('get {user} nope', ''), ('get {user}', ''),
    ('put {user} empty', ''), ('put {user} bad', 'foo;\nbar;\n'), ('activate {user} nope', ''), ('activate {user} one', ''),
    ('activate {user} one', ''), ('list {user}', ''), ('delete {user} one', ''), ('delete {user} two nope', ''),
    ('delete {user} -a one', ''), ('delete {user}', ''), ('deactivate {user}', ''), ('deactivate {user} x', ''),
    ('rename {user} empty x', ''), ('rename {user} nope y', ''), ('rename {user} x x', ''), ('rename {user} x', ''),
    ('rename {user} x a/b', ''), ('put {user} a/b', 'keep;'), ('put {user} -a warn', 'require "include"; include "nosuch";'),
    ('put {user}', ''), ('list -u nobody', ''), ('list {user}', ''),
    ('delete {user} -a x', ''), ('activate {user} warn', ''), ('list {user}', ''), ('list -u b*b', ''), ('get -u b*b warn', ''),
]
# It holds for ManageSieve.
QUOTA = 'plugin {\n  sieve_quota_max_scripts = 1\n}\n'
FORMATS = ['flow', 'tab', 'table', 'pager', 'json']


def run(server, words, text='', options=()):
    return subprocess.run([server.commands()[1], '-c', server.config, *options, 'sieve', *words.format(user='-u bob').split()],
                          input=text, capture_output=True, text=True, timeout=60, check=False)


def shown(done):
    """The compiler has words and columns of its own; usage names more options; scripts have no order."""
    errors = re.sub(r', column \d+', '', done.stderr)
    errors = re.sub(r'(sieve: \w+(?:: line \d+)?: ).*', r'\1', errors)
    errors = re.sub(r'(?m)^doveadm sieve (\w+) .*', r'usage: \1', errors)
    return done.returncode, sorted(done.stdout.splitlines()), sorted(set(errors.splitlines()))


@pytest.fixture(scope='module')
def ours(tls):
    server = Server(tls, QUOTA, 'sieve').start()
    yield server
    finish(server)


def test_as_dovecot(tls, ours):
    need_dovecot()
    if not os.path.exists('/usr/lib/dovecot/modules/doveadm/lib10_doveadm_sieve_plugin.so'):
        pytest.skip("needs Debian's dovecot-sieve")
    theirs = Dovecot(tls, QUOTA, 'sieve' if os.path.exists('/usr/lib/dovecot/managesieve') else 'imap').start()
    try:
        for words, text in STEPS:
            got = [shown(run(server, words, text)) for server in (theirs, ours)]
            assert got[0] == got[1], words
        for server in (theirs, ours):
            assert run(server, 'deactivate {user}').returncode == 0
        for form in FORMATS:
            for words in ('list {user}', 'get {user} warn'):
                if (form, words[:3]) == ('tab', 'get'):
                    continue  # the last tab is there or not
                got = [run(server, words, options=('-f', form)).stdout for server in (theirs, ours)]
                assert got[0] == got[1], (form, words)
    finally:
        theirs.stop()
        theirs.remove()


def test_scripts_of_managesieve(ours):
    with Sieve(ours.port('sieve'), 'carol') as session:
        session.put('a', 'keep;')
        session.ok('SETACTIVE "a"')
        assert run(ours, 'list -u carol').stdout == 'a ACTIVE\n'
        assert run(ours, 'put -u carol -a b', '# \xe4\nstop;').returncode == 0
        assert session.list() == ['a', '*b']
        assert session.get('b') == '# \xe4\nstop;'.encode()
        assert run(ours, 'get -u carol b').stdout == 'sieve script:\n# \xe4\nstop;'
        assert run(ours, 'delete -u carol -a b').returncode == 0
        assert session.list() == ['a']
        uid = mail_owner()[0]
        assert os.stat(f"{ours.home('carol')}/sieve/a.sieve").st_uid == uid


def test_many_users(ours):
    for user in ('whoa', 'whob'):
        assert run(ours, f'put -u {user} -a both', 'keep;').returncode == 0
    done = run(ours, 'list -u who?', options=('-f', 'json'))
    assert json.loads(done.stdout) == [{'username': user, 'script': 'both', 'active': 'ACTIVE'} for user in ('whoa', 'whob')]
    with open(f'{ours.dir}/names', 'w', encoding='ascii') as file:
        file.write('whoa\nwhob\n')
    assert run(ours, f'get -F {ours.dir}/names both').stdout.count('keep;') == 2
    assert run(ours, f'delete -F {ours.dir}/names -a both').returncode == 0
    assert run(ours, 'list -A').returncode == 0


def test_file(ours):
    path = f'{ours.dir}/script'
    with open(path, 'w', encoding='ascii') as file:
        file.write('discard;\n')
    assert run(ours, f'put -u alice file {path}').returncode == 0
    assert run(ours, 'get -u alice file').stdout == 'sieve script:\ndiscard;\n'
    assert run(ours, f'put -u alice file {path}x').returncode == 75
