# SPDX-License-Identifier: MIT
"""What `sieve` may say: scripts put, named and made active by ManageSieve, and what deliveries make of them between two steps,
in the process that knew the user before, as with Debian's Dovecot and Pigeonhole."""
import os
import re
from pathlib import Path

import pytest

from sieve_lines import Sieve
from test_delivery_sieve import PIGEONHOLE, boxes, deliver

EXTRA = """
protocol lmtp {{
  mail_plugins = $mail_plugins sieve
}}
plugin {{
  {plugin}
}}
"""
USUAL = 'sieve = file:~/sieve;active=~/.dovecot.sieve\n  '
PLACES = {
    'usual': USUAL, 'none': '', 'empty': 'sieve =', 'no active': 'sieve = file:~/sieve', 'relative': 'sieve = file:sieve;active=.dovecot.sieve',
    'old': 'sieve = ~/.dovecot.sieve\n  sieve_dir = ~/sieve', 'old, no directory': 'sieve = ~/.dovecot.sieve',
    'absolute': 'sieve = file:{dir}/scripts/%u;active={dir}/scripts/%u.active', 'deep': 'sieve = file:~/a/b/c;active=~/a/x.sieve',
    'inside': 'sieve = file:~/sieve;active=~/sieve/active.sieve', 'default': USUAL + 'sieve_default = {dir}/d.sieve',
    'named default': USUAL + 'sieve_default = {dir}/d.sieve\n  sieve_default_name = standard',
    'no active, default': 'sieve = file:~/sieve\n  sieve_default = {dir}/d.sieve', 'blank': 'sieve = file:~/my sieve;active=~/.dovecot.sieve',
    'quota': USUAL + 'sieve_quota_max_scripts = 3\n  sieve_quota_max_storage = 1k\n  sieve_max_script_size = 600',
}
FILE = 'require "fileinto"; fileinto "%s";\n'
# What a client does; a name alone is a mail that comes then.
STEPS = ['m0', ('one', FILE % 'One'), ('two', FILE % 'Two'), 'm1', 'SETACTIVE "one"', 'LISTSCRIPTS', 'm2', 'RENAMESCRIPT "one" "uno"',
         'LISTSCRIPTS', 'm3', ('uno', FILE % 'Uno'), 'm4', 'DELETESCRIPT "uno"', 'SETACTIVE "two"', 'DELETESCRIPT "uno"', 'm5', 'SETACTIVE ""',
         'LISTSCRIPTS', 'm6', ('standard', FILE % 'Standard'), 'SETACTIVE "standard"', 'm7', 'RENAMESCRIPT "standard" "other"',
         'LISTSCRIPTS', 'SETACTIVE ""', 'DELETESCRIPT "standard"', 'GETSCRIPT "standard"', 'm8', ('three', '#' + 'x' * 590 + '\n'),
         ('four', '#' + 'x' * 700 + '\n'), 'HAVESPACE "five" 100', 'HAVESPACE "two" 100', 'LISTSCRIPTS', 'SETACTIVE "three"', 'm9']


def comparable(answer):
    answer = re.sub(rb' \[\d{4}-\d\d-\d\d [\d:]+\]', b'', answer)
    return sorted(answer.split(b'\r\n')) if b'Listscripts' in answer else answer


def life(server, plugin):
    server.extra = EXTRA.format(plugin=plugin.format(dir=server.dir))
    server.write_config()
    Path(server.dir, 'd.sieve').write_text(FILE % 'Default')
    Path(server.dir, 'scripts').mkdir()
    os.chmod(Path(server.dir, 'd.sieve'), 0o644)
    os.chmod(Path(server.dir, 'scripts'), 0o777)
    server.start()
    seen = []
    try:
        client = Sieve(server.port('sieve'), 'alice')
    except (AssertionError, EOFError):
        client = None  # who has no scripts is not let in
    for step in STEPS:
        if re.fullmatch(r'm\d', step if isinstance(step, str) else ''):
            seen.append(deliver(server, step))
        elif client is not None:
            seen.append((step, comparable(client.command(step) if isinstance(step, str) else client.put(*step))))
    if client is not None:
        client.close()
    return [*seen, boxes(server, 'alice')]


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
@pytest.mark.parametrize('place', PLACES)
def test_as_pigeonhole(make_server, make_dovecot, place):
    ours, theirs = (life(make(start=False, protocols='imap lmtp sieve'), PLACES[place]) for make in (make_server, make_dovecot))
    assert ours == theirs, '\n\n'.join(f'{mine}\n{other}' for mine, other in zip(ours, theirs) if mine != other)
