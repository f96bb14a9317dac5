# SPDX-License-Identifier: MIT
"""Clients of auth that ask and take it back, again and again: it costs auth no memory, and others few workers."""
import base64
import os
import re
import threading
import time
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY
from test_auth import Client

EXTRA = """\
auth_mechanisms = plain scram-sha-256 digest-md5
auth_failure_delay = 0
auth_worker_max_count = 4
passdb {
  driver = passwd-file
  args = username_format=%u DIR/accounts
}
userdb {
  driver = static
  args = uid=7001 gid=7002 home=/h
}
""" + AUTH_CLIENT + NO_PENALTY
# doveadm pw -s SHA512-CRYPT -r 200000: a worker needs a while for it.
SLOW = '{SHA512-CRYPT}$6$rounds=200000$saltsaltsaltsalt$x'
ACCOUNTS = f'alice:{{PLAIN}}secret\nslow:{SLOW}\n'
SCRAM = base64.b64encode(b'n,,n=alice,r=abc').decode()
PLAIN = base64.b64encode(b'\0slow\0x').decode()


def start(make_server):
    one = make_server('passdb {\n}\n', 'imap', start=False)
    one.extra = EXTRA.replace('DIR', one.dir)
    Path(one.dir, 'accounts').write_text(ACCOUNTS)
    one.write_config()
    return one.start()


def memory(one):
    return max(int(re.search(r'VmRSS:\s+(\d+)', Path(f'/proc/{pid}/status').read_text())[1]) * 1024
               for pid in one.pids('auth'))


class Loop:
    """Somebody who does so until told otherwise, and reads what comes."""

    def __init__(self, one, mech, response):
        self.client, self.over = Client(one), False
        ids = range(1, 51)
        self.text = (''.join(f'AUTH\t{at}\t{mech}\tservice=imap{response}\n' for at in ids) +
                     ''.join(f'CANCEL\t{at}\n' for at in ids)).encode()
        self.threads = [threading.Thread(target=self.send), threading.Thread(target=self.read)]

    def send(self):
        while not self.over:
            self.client.sock.sendall(self.text)

    def read(self):
        while self.client.sock.recv(1 << 20):
            pass

    def __enter__(self):
        self.client.sock.settimeout(60)
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.threads[0].join()
        self.client.sock.shutdown(2)
        self.threads[1].join()


def seconds(work, *args):
    since = time.monotonic()
    assert work(*args).startswith(('OK', 'FAIL'))
    return time.monotonic() - since


@pytest.mark.parametrize('mech, response', [
    ('SCRAM-SHA-256', f'\tresp={SCRAM}'), ('DIGEST-MD5', ''), ('PLAIN', f'\tresp={PLAIN}')])
def test_others_are_served_meanwhile(make_server, monkeypatch, mech, response):
    monkeypatch.setenv('ASAN_OPTIONS', os.environ.get('ASAN_OPTIONS', '') + ':quarantine_size_mb=0')
    one = start(make_server)
    other = Client(one)
    alone, before = seconds(other.plain, 'slow', 'wrong'), memory(one)
    with Loop(one, mech, response):
        time.sleep(1)
        for _ in range(3):
            assert seconds(other.plain, 'alice', 'secret') < 3
            assert seconds(other.plain, 'slow', 'wrong') < 3 + 10 * alone
        assert memory(one) < before + 10_000_000
