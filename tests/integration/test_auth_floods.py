# SPDX-License-Identifier: MIT
"""A login process that somebody has taken over keeps nobody else from auth."""
import contextlib
import os
import socket

from test_login_floods import EXTRA, log_in


def connect(one):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(f'{one.dir}/run/login/login')
    return sock


def renew(one):
    """Login processes that have yet to say to auth who they are."""
    for pid in one.pids('imap-login'):
        os.kill(pid, 9)
    one.forgive(r'service\(imap-login\): child \d+ killed with signal 9')


def test_a_process_has_few_connections(make_server):
    one = make_server(EXTRA + 'default_client_limit = 100\n', 'imap')
    log_in(one)
    with contextlib.ExitStack() as stack:
        for _ in range(120):
            with contextlib.suppress(OSError):
                stack.enter_context(connect(one))
        assert one.wait_log(f'Authentication client {os.getpid()} has too many connections')
        renew(one)
        log_in(one)


def test_nobody_takes_the_names_of_others(make_server):
    """... which are their process ids."""
    one = make_server(EXTRA, 'imap')
    log_in(one)
    for at in range(1, 400):
        with connect(one) as sock:
            sock.settimeout(10)
            while not sock.recv(4096).endswith(b'DONE\n'):
                pass
            sock.sendall(b'VERSION\t1\t2\nCPID\t%d\n' % (max(one.pids()) + at))
            assert sock.recv(1) == b''
    renew(one)
    log_in(one)
