# SPDX-License-Identifier: MIT
"""Passdbs that hang, or are not there: whose users can be found elsewhere log in meanwhile, the others are told that it
is temporary. (SQL, LDAP and OAuth2 have their servers in files of their own.)"""
import os
import socket
import time
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY, ROOT
from test_auth import Client

EXTRA = """\
auth_failure_delay = 0
auth_username_chars =
auth_worker_max_count = 5
passdb {
  driver = passwd-file
  args = username_format=%u DIR/fast
}
DRIVER
userdb {
  driver = static
  args = uid=7001 gid=7001 home=/h/%u
}
""" + AUTH_CLIENT + NO_PENALTY
DICT = """\
uri = proxy:DIR/dict:users
key passdb {
  key = passdb/%u
  format = json
}
passdb_objects = passdb
"""
PROGRAM = """\
#!/bin/sh
sleep 2
exit 1
"""


def start(make_server, driver, args, files=()):
    server = make_server('passdb {\n}\n', 'imap', start=False)
    os.chmod(server.dir, 0o755)
    passdb = f'passdb {{\n  driver = {driver}\n  args = {args}\n}}'
    server.extra = EXTRA.replace('DRIVER', passdb).replace('DIR', server.dir)
    Path(server.dir, 'fast').write_text('fast:{PLAIN}secret\n')
    for name, text in files:
        Path(server.dir, name).write_text(text.replace('DIR', server.dir))
        os.chmod(Path(server.dir, name), 0o755)
    server.write_config()
    return server


def waits_for_nobody(server, answers, most):
    """Three users for whom the passdb takes long, and many whom it does not concern."""
    slow = [Client(server) for _ in range(3)]
    since = time.monotonic()
    for client in slow:
        client.send(f'AUTH\t1\tPLAIN\tservice=imap\tresp={answers[0]}')
    fast = Client(server)
    for number in range(1, 21):
        assert fast.plain('fast', 'secret') == f'OK\t{number}\tuser=fast'
    assert time.monotonic() - since < 1
    for client in slow:
        assert client.line(most) == answers[1]


ALICE = 'AGFsaWNlAHNlY3JldA=='


def test_a_dict_server_that_hangs_and_one_that_is_gone(make_server):
    server = start(make_server, 'dict', 'DIR/dict.conf', [('dict.conf', DICT)])
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(f'{server.dir}/dict')
    os.chmod(f'{server.dir}/dict', 0o666)
    silent.listen(10)
    server.start()
    waits_for_nobody(server, (ALICE, 'FAIL\t1\tuser=alice\tcode=temp_fail'), 60)
    silent.close()
    os.unlink(f'{server.dir}/dict')
    assert Client(server).plain('alice', 'secret') == 'FAIL\t1\tuser=alice\tcode=temp_fail'
    server.forgive()


def test_a_program_that_hangs_and_one_that_is_gone(make_server):
    server = start(make_server, 'checkpassword', 'DIR/check', [('check', PROGRAM)]).start()
    waits_for_nobody(server, (ALICE, 'FAIL\t1\tuser=alice'), 30)
    os.unlink(f'{server.dir}/check')
    assert Client(server).plain('alice', 'secret') == 'FAIL\t1\tuser=alice\tcode=temp_fail'
    server.forgive()


@pytest.mark.skipif(not ROOT, reason='needs root')
def test_pam_that_hangs_and_modules_that_are_gone(make_server):
    service = Path('/etc/pam.d/dovetail-slow')
    try:
        service.write_text('auth required pam_exec.so /bin/sleep 2\nauth required pam_deny.so\n')
        server = start(make_server, 'pam', 'dovetail-slow').start()
        waits_for_nobody(server, (ALICE, 'FAIL\t1\tuser=alice'), 30)
        service.write_text('auth required pam_of_nobody.so\n')
        assert Client(server).plain('alice', 'secret') == 'FAIL\t1\tuser=alice\tcode=temp_fail'
        server.forgive()
    finally:
        service.unlink()
