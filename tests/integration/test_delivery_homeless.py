# SPDX-License-Identifier: MIT
"""Deliveries to users who have no home: what would be below it fails for now, as in Dovecot, and nothing else does."""
import re
from pathlib import Path

import pytest

from conftest import mail_owner
from lmtp_lines import Lmtp
from test_delivery_mails import MAIL, lda, needs_pigeonhole

EXTRA = """passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} allow_all_users=yes
}}
mail_location = maildir:{dir}/home/%u/Maildir
sendmail_path = {dir}/sendmail
protocol lmtp {{
  mail_plugins = sieve
}}
protocol lda {{
  mail_plugins = sieve
}}
plugin {{
{plugin}
}}
"""
SCRIPTS = {
    'into': 'require ["fileinto", "mailbox"]; fileinto :create "Into";', 'discard': 'discard;', 'broken': 'stopp;',
    'global': 'require ["fileinto", "include"]; include :global "into";',
    'away': 'require "vacation"; vacation :addresses "alice@mail.example" "away";'}
# What `plugin` says, and whether it can be done.
LOCATIONS = [
    ('', False), ('sieve =', True), ('sieve_default = DIR/into.sieve', False), ('sieve =\nsieve_default = DIR/into.sieve', True),
    ('sieve_before = DIR/into.sieve', False), ('sieve =\nsieve_before = DIR/into.sieve', True),
    ('sieve =\nsieve_before = ~/x.sieve', False), ('sieve =\nsieve_after = x.sieve', False),
    ('sieve = DIR/none.sieve', True), ('sieve = DIR/none.sieve\nsieve_default = DIR/into.sieve', True),
    ('sieve = DIR/none.sieve\nsieve_default = ~/x.sieve', False), ('sieve = DIR/into.sieve\nsieve_default = ~/x.sieve', True),
    ('sieve = DIR/into.sieve', True), ('sieve = file:DIR/dir;active=DIR/into.sieve', True),
    ('sieve = file:DIR/dir;active=~/into.sieve', False), ('sieve = file:DIR/dir', False),
    ('sieve = file:~/dir;active=DIR/into.sieve', False), ('sieve = file:DIR/into.sieve;bindir=~/x', False),
    ('sieve = x.sieve', False), ('sieve = DIR/discard.sieve', True), ('sieve = DIR/discard.sieve\nsieve_discard = ~/x', False),
    ('sieve = DIR/global.sieve\nsieve_global = DIR', True), ('sieve = DIR/global.sieve\nsieve_global = ~/x', True)]


def make_homeless(make, plugin, **kwargs):
    uid, gid = mail_owner()
    server = make('passdb x', 'lmtp', start=False, **kwargs)
    server.extra = EXTRA.format(uid=uid, gid=gid, dir=server.dir, plugin=plugin.replace('DIR', server.dir))
    server.write_config()
    for name, text in SCRIPTS.items():
        Path(server.dir, f'{name}.sieve').write_text(text + '\n')
    Path(server.dir, 'dir').mkdir()
    sendmail = Path(server.dir, 'sendmail')
    sendmail.write_text(f'#!/bin/sh\ncat >>{server.home("alice")}/sent\n')
    sendmail.chmod(0o755)
    return server.start()


def deliver(server):
    client = Lmtp(server.port('lmtp'))
    reply = client.deliver(MAIL % b'', 'alice')[0]
    client.close()
    return reply[:3]


def boxes(server):
    root = Path(server.home('alice'), 'Maildir')
    return sorted(str(path.relative_to(root).parent) for path in root.glob('**/new/*'))


@pytest.mark.parametrize('plugin, done', LOCATIONS)
def test_scripts_below_no_home(make_server, plugin, done):
    server = make_homeless(make_server, plugin)
    assert deliver(server) == ('250' if done else '451')
    assert lda(server, MAIL % b'').returncode == (0 if done else 75)
    if not done:
        assert re.search(r'Error: sieve: file storage: Sieve storage (active script path|path|bindir) .* is relative to home directory',
                         server.log_text()) and boxes(server) == []


@needs_pigeonhole
@pytest.mark.parametrize('plugin, done', LOCATIONS[::2])
def test_dovecot_does_the_same(make_server, make_dovecot, plugin, done):
    seen = []
    for make in (make_server, make_dovecot):
        server = make_homeless(make, plugin)
        seen.append((deliver(server), boxes(server)))
    assert seen[0] == seen[1] and (seen[0][0] == '250') == done


def test_answers_are_remembered_beside_the_mail(make_server):
    server = make_homeless(make_server, 'sieve =\nsieve_default = DIR/away.sieve')
    assert [deliver(server) for _ in range(3)] == ['250'] * 3 and boxes(server) == ['new'] * 3
    assert server.wait_log('discarded duplicate vacation response')
    assert Path(server.home('alice'), 'sent').read_text().count('Auto-Submitted: ') == 1
    assert Path(server.home('alice'), 'Maildir', '.dovetail.lda-dupes').exists()
    assert server.doveadm('mailbox', 'list', '-u', 'alice').stdout.split() == ['INBOX']


def test_the_servers_log_has_what_the_user_has_no_log_for(make_server):
    server = make_homeless(make_server, 'sieve = DIR/broken.sieve\nsieve_user_log = ~/x.log')
    assert deliver(server) == '250' and boxes(server) == ['new']
    assert server.wait_log(r"Error: sieve: broken: line 1.*stopp")
