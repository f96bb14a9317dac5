# SPDX-License-Identifier: MIT
"""passdbs with deny = yes let nobody through but whom they do not know, as Dovecot's."""
import os
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY, ROOT
from test_auth import Client, Master
from test_mechs import cram

EXTRA = """\
auth_mechanisms = plain cram-md5
auth_failure_delay = 0
passdb {
  driver = DRIVER
  deny = yes
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN DIR/accounts
}
userdb {
  driver = static
  args = uid=7001 gid=7001 home=/tmp
}
""" + AUTH_CLIENT + NO_PENALTY
# And who comes in: bob and daemon are in the file, daemon is an account of the system without a password.
DRIVERS = {
    'passwd-file\n  args = DIR/denied': 'alice',
    'passwd-file\n  args = DIR/denied\n  override_fields = allow_nets=10.0.0.1': 'alice',
    'passwd-file\n  args = DIR/denied\n  username_filter = bob': 'alice daemon',
    'static\n  args = password=x': '',
    'pam\n  args = dovetail-no-such-service': '',
    'passwd': 'alice bob',
    'shadow': 'alice bob',
    'checkpassword\n  args = DIR/status0': '',
    'checkpassword\n  args = DIR/status1': '',
    'checkpassword\n  args = DIR/status111': None,
    'sql\n  args = DIR/sql.conf.ext': None,
    'sql\n  args = DIR/sql.conf.ext\n  result_internalfail = continue': None,
}


def answers(one, driver):
    Path(one.dir, 'accounts').write_text('alice:secret\nbob:secret\ndaemon:secret\n')
    Path(one.dir, 'denied').write_text('bob:x\ndaemon\n')
    Path(one.dir, 'sql.conf.ext').write_text('driver = sqlite\nconnect = /nonexistent/db\npassword_query = SELECT 1 AS password\n')
    for status in (0, 1, 111):
        Path(one.dir, f'status{status}').write_text('#!/bin/sh\n' + (f'exit {status}\n' if status else 'exec "$@"\n'))
        os.chmod(f'{one.dir}/status{status}', 0o755)
    one.extra = EXTRA.replace('DRIVER', driver).replace('DIR', one.dir)
    one.write_config()
    one.start()
    found, master = {}, Master(one)
    for number, user in enumerate(('alice', 'bob', 'daemon'), 1):
        client = Client(one)
        line = client.plain(user, 'secret')
        found[user] = line.split('\t')[0], 'code=temp_fail' in line, 'code=user_disabled' in line
        line = cram(client, user, 'secret')
        found[user, 'cram'] = line.split('\t')[0], 'code=temp_fail' in line
        found[user, 'user'] = master.ask(f'USER\t{number}\t{user}\tservice=lmtp').split('\t')[0]
    one.stop()
    return found


@pytest.mark.skipif(not ROOT, reason='asks shadow and PAM')
@pytest.mark.parametrize('driver', DRIVERS, ids=lambda text: text.replace('DIR/', '').replace('\n  ', ' '))
def test_who_is_denied(make_server, make_dovecot, driver):
    ours = answers(make_server('passdb {\n}\n', 'imap', start=False), driver)
    wanted = DRIVERS[driver]
    for user in ('alice', 'bob', 'daemon'):
        if wanted is None:
            assert ours[user] == ('FAIL', True, False), user
        else:
            assert ours[user] == (('OK', False, False) if user in wanted else ('FAIL', False, True)), user
    for _ in range(3):  # on a busy machine Dovecot loses a program of checkpassword now and then
        theirs = answers(make_dovecot('passdb {\n}\n', 'imap', start=False), driver)
        if ours == theirs:
            break
    assert ours == theirs
