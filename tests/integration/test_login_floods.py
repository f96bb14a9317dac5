# SPDX-License-Identifier: MIT
"""A login process that somebody has taken over keeps nobody else out, and the master from nothing."""
import array
import contextlib
import ctypes
import imaplib
import os
import re
import resource
import socket
import struct
import threading
import time

import pytest

from conftest import NO_PENALTY, ROOT
from test_auth import Client
from test_login_taken_over import Login, handover

EXTRA = 'auth_failure_delay = 0\nmail_max_userip_connections = 0\n' + NO_PENALTY


def log_in(one):
    with imaplib.IMAP4('127.0.0.1', one.port('imap'), timeout=10) as client:
        client.login('alice', 'secret')


@contextlib.contextmanager
def flood(sock, octets):
    """Send `octets` again and again, from a thread."""
    over = threading.Event()

    def work():
        with contextlib.suppress(OSError):
            while not over.is_set():
                octets(sock)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_answers_that_nobody_reads_hold_nobody_up(make_server):
    one = make_server(EXTRA, 'imap')
    login, null = Login(one), socket.socketpair()
    frame = handover(1, 4711, 1, b'0' * 32)
    passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [null[0].fileno()]))]
    with flood(login.sock, lambda sock: sock.sendmsg([struct.pack('<I', len(frame)) + frame], passed)):
        time.sleep(1)
        for _ in range(3):
            log_in(one)
    one.forgive('.')


def test_a_process_has_few_connections(make_server):
    one = make_server(EXTRA, 'imap')
    logins = [Login(one) for _ in range(20)]
    assert one.wait_log('has too many connections')
    log_in(one)
    still = 0
    for login in logins:
        login.send(handover(1, 4711, 1, b'0' * 32))
        still += login.answer() is not None
    assert still == 3


def test_a_manager_without_descriptors_waits(make_server):
    one = make_server(EXTRA + 'service imap {\n  process_min_avail = 1\n}\n', 'imap')
    log_in(one)
    manager = sorted(one.pids('imap'))[1]  # of the zygote's children the first
    limits = resource.prlimit(manager, resource.RLIMIT_NOFILE)
    resource.prlimit(manager, resource.RLIMIT_NOFILE, (len(os.listdir(f'/proc/{manager}/fd')), limits[1]))
    login = Login(one)
    time.sleep(2)
    assert len(re.findall('accept', one.log_text())) in (1, 2, 3)
    resource.prlimit(manager, resource.RLIMIT_NOFILE, limits)
    login.send(handover(1, 4711, 1, b'0' * 32))
    assert login.answer() == (1, False)


@pytest.mark.parametrize('kind', ('file', 'null', 'datagram', 'pipe', 'directory'))
def test_only_connections_are_handed_over(make_server, kind):
    one = make_server(EXTRA, 'imap')
    auth = Client(one, 'auth-login', 70000 + os.getpid() % 1000)
    assert auth.plain('alice', 'secret').startswith('OK')
    fds = {'file': lambda: [os.open(one.config, os.O_RDONLY)], 'null': lambda: [os.open('/dev/null', os.O_RDWR)], 'pipe': os.pipe,
           'datagram': lambda: [socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach()], 'directory': lambda: [os.open('/', os.O_RDONLY)]}[kind]()
    login = Login(one)
    frame = handover(1, auth.pid, auth.last, auth.cookie.encode())
    login.sock.sendmsg([struct.pack('<I', len(frame)) + frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds[:1]))])
    assert login.answer() is None
    for fd in fds:
        os.close(fd)
    assert 'alice' not in one.log_text()
    one.forgive('Malformed message from a login process')


def control(pid):
    """The socket of a process that leads to who started it: one of a pair, without names."""
    pidfd, syscall = os.pidfd_open(pid), ctypes.CDLL(None, use_errno=True).syscall
    for fd in sorted(map(int, os.listdir(f'/proc/{pid}/fd'))):
        if not os.readlink(f'/proc/{pid}/fd/{fd}').startswith('socket'):
            continue
        sock = socket.socket(fileno=syscall(438, pidfd, fd, 0))  # pidfd_getfd()
        with contextlib.suppress(OSError):
            if sock.family == socket.AF_UNIX and sock.getpeername() == '':
                os.close(pidfd)
                return sock
        sock.close()
    raise AssertionError('there is none')


@pytest.mark.skipif(not ROOT, reason='takes a descriptor of another process')
@pytest.mark.parametrize('limit', (1, 2))
def test_who_never_stops_talking(make_server, limit):
    """... to the master, or to the template between."""
    one = make_server(EXTRA + f'service imap-login {{\n  process_limit = {limit}\n  service_count = 0\n  client_limit = 2\n}}\n', 'imap')
    log_in(one)
    sock = control(max(one.pids('imap-login')))
    # "Connections are dropped", or what nobody asked for.
    frame = struct.pack('<I', 1) + b'd' if limit == 1 else struct.pack('<I', 29) + b'l' + b'\0' * 28
    sock.setblocking(True)
    with flood(sock, lambda one: one.send(frame * 500)):
        if limit == 1:
            assert 'anvil' in one.doveadm('service', 'status', 'anvil', timeout=10).stdout
        else:
            clients = [socket.create_connection(('127.0.0.1', one.port('imap')), 10) for _ in range(3)]
            assert all(client.recv(4) == b'* OK' for client in clients)
    one.forgive('.')
