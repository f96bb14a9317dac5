# SPDX-License-Identifier: MIT
"""How long it takes to say no says nothing of why: unknown users and wrong passwords, over many tries.
DOVETAIL_TRIES is their number of each kind."""
import os
import random
import statistics
import time
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY
from test_auth import Client

TRIES = int(os.environ.get('DOVETAIL_TRIES', '200'))
CONFIG = """\
auth_mechanisms = plain
auth_failure_delay = %s
passdb {
  driver = passwd-file
  args = username_format=%%u DIR/accounts
}
userdb {
  driver = passwd-file
  args = username_format=%%u DIR/accounts
}
""" + AUTH_CLIENT + NO_PENALTY


def times(client, users, tries):
    """How long each of the users was refused, in random order, so that the machine's ups and downs meet all alike."""
    taken = {user: [] for user in users}
    for _ in range(tries):
        for user in random.sample(users, len(users)):
            begin = time.perf_counter()
            assert client.plain(user, 'wrong').startswith('FAIL')
            taken[user].append(time.perf_counter() - begin)
    return taken


def likelier(a, b):
    """How likely one of a is to take longer than one of b: 0.5 if nothing tells them apart (Mann and Whitney's U)."""
    ranks, both = 0, sorted([(t, 0) for t in a] + [(t, 1) for t in b])
    for rank, (_, which) in enumerate(both, 1):
        ranks += rank if which == 0 else 0
    return (ranks - len(a) * (len(a) + 1) / 2) / (len(a) * len(b))


@pytest.mark.alone
@pytest.mark.parametrize('scheme,delay', [('PLAIN', '0'), ('SHA512-CRYPT', '10 msecs')])
def test_unknown_user_and_wrong_password(make_server, scheme, delay):
    server = make_server(CONFIG % delay, 'imap', start=False)
    server.extra = server.extra.replace('DIR', server.dir)
    server.write_config()
    hashed = server.doveadm('pw', '-s', scheme, '-p', 'secret').stdout.strip()
    accounts = Path(server.dir, 'accounts')
    accounts.write_text(''.join(f'user{n}:{hashed}:7001:7002::/home/user{n}\n' for n in range(20)))
    accounts.chmod(0o644)
    server.start()
    users = ['user7', 'nobody7']
    client = Client(server)
    times(client, users, 20)
    wanted = 3 * (1 / (6 * TRIES)) ** 0.5  # three standard deviations of U over its maximum
    for _ in range(3):  # other work on this machine takes time, too
        taken = times(client, users, TRIES)
        more = likelier(*taken.values()) - 0.5
        print(scheme, delay, {user: f'{statistics.median(t) * 1000:.3f} ms' for user, t in taken.items()}, f'{more:+.4f} of {wanted:.4f}')
        if abs(more) < wanted:
            break
    assert abs(more) < wanted
