# SPDX-License-Identifier: MIT
"""A login process that somebody has taken over keeps nobody else from auth and anvil."""
import array
import contextlib
import os
import socket
import struct

import pytest

from imap_lines import Lines
from test_auth import Client, Master
from test_login_floods import EXTRA, log_in
from test_login_taken_over import Login, handover


def connect(one, name='login'):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(f'{one.dir}/run/login/{name}')
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
        assert one.wait_log(f'Login process {os.getpid()} has too many connections')
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


def test_requests_that_wait_leave_memory_for_others(make_server):
    """auth keeps all of them until their clients have said the rest."""
    one = make_server(EXTRA, 'imap')
    forward = ''.join('\tforward_fields=' + '\1t'.join(f'{a:x}_{b:x}' for b in range(40)) for a in range(60))
    client, answers = Client(one, 'login/login', os.getpid()), []
    for at in range(1, 1001):
        answers.append(client.ask(f'AUTH\t{at}\tPLAIN\tservice=imap{forward}'))
        if at > 1 and answers[-1].startswith('FAIL'):
            break
    assert answers[-1] == f'FAIL\t{at}\tcode=temp_fail' and at > 50
    assert set(answer.split('\t')[0] for answer in answers[:-1]) == {'CONT'}
    assert one.wait_log(fr'Authentication client {os.getpid()} has too many requests: {at - 1} of \d+ kB')
    log_in(one)
    # Those that it has go on, and then there is room again.
    for done in range(1, 10):
        assert client.ask(f'CONT\t{done}\tAGFsaWNlAHNlY3JldA==').startswith('OK')
        client.send(f'CANCEL\t{done}')
    assert client.plain('alice', 'wrong').startswith('FAIL\t1\tuser')


@pytest.mark.parametrize('who, name, line', [
    (Client, 'login/login', b'CONT\t7\t\n'), (Master, 'auth-userdb', b'USER\t7\tnobody\tservice=imap\n')])
def test_who_reads_no_answers_is_not_heard(make_server, who, name, line):
    one = make_server(EXTRA, 'imap')
    client, sent = who(one, name), 0
    client.sock.settimeout(2)
    with contextlib.suppress(TimeoutError):
        while sent < 50_000_000:
            sent += client.sock.send((line * 10000)[sent % len(line):])
    assert sent < 5_000_000
    log_in(one)
    client.sock.settimeout(30)
    got = b''
    while got.count(b'\n') < sent // len(line):
        got += client.sock.recv(1 << 20)
    assert len(set(got.splitlines())) == 1


def test_anvil_is_there_for_others(make_server):
    one = make_server(EXTRA + 'default_client_limit = 100\n', 'imap')
    log_in(one)
    with connect(one, 'anvil') as sock:
        sock.sendall(b'VERSION\tanvil\t1\t0\n')
        for first in range(0, 70000, 1000):
            with contextlib.suppress(OSError):
                sock.sendall(b''.join(b'PROXY\t%d\tu\timap\t\t192.0.2.1\t143\n' % n for n in range(first, first + 1000)))
        assert one.wait_log('Anvil client input error: Invalid parameters to PROXY')
        assert one.doveadm('who').returncode == 0
    with contextlib.ExitStack() as stack:
        for _ in range(130):
            stack.enter_context(connect(one, 'anvil'))
        assert one.doveadm('who').returncode == 0


def test_connections_that_block_hold_up_nobody_else(make_server):
    """Whoever hands a connection over has it still, and may make it wait at any time."""
    one = make_server(EXTRA + 'service imap {\n  client_limit = 10\n  process_limit = 1\n}\n', 'imap')
    auth, login = Client(one, 'auth-login', 70080), Login(one)
    assert auth.plain('alice', 'secret').startswith('OK')
    frame = handover(1, 70080, auth.last, auth.cookie.encode())
    here, there = socket.socketpair()
    there.setblocking(False)
    passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [there.fileno()]))]
    login.sock.sendmsg([struct.pack('<I', len(frame)) + frame], passed)
    assert login.answer() == (1, True)
    other = Lines(one.port('imap'), 'alice')
    assert len(one.pids('imap')) == 3, one.pids('imap')  # template, manager, one worker
    there.setblocking(True)
    here.sendall(b'a SELECT INBOX\r\n')
    here.settimeout(20)
    assert here.recv(1)
    assert b' OK ' in other.command(b'NOOP')[-1]
    here.settimeout(1)
    with contextlib.suppress(TimeoutError):  # nobody reads the answers
        here.sendall(b'b NOOP\r\n' * 100000)
    assert b' OK ' in other.command(b'NOOP')[-1]


def test_who_asks_for_much_at_once_gets_all_of_it(make_server):
    """Some questions at a time, however slow their database is."""
    one = make_server('userdb {\n  driver = passwd\n  args = blocking=yes\n}\n', 'imap')
    master = Master(one, 'auth-userdb')
    master.sock.settimeout(60)
    master.send('\n'.join(f'USER\t{number}\tnobody\tservice=imap' for number in range(1, 1501)))
    answers = [master.line().split('\t') for _ in range(1500)]
    assert {answer[0] for answer in answers} == {'USER'}
    assert sorted(int(answer[1]) for answer in answers) == list(range(1, 1501))
