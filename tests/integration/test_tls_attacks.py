# SPDX-License-Identifier: MIT
"""What testssl and its like look for, and connections that want to cost much: with DOVETAIL_LONG=1 as many as the
goals say, else a short form."""
import os
import random
import re
import resource
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from conftest import NO_PENALTY, open_up

LONG = os.environ.get('DOVETAIL_LONG') == '1'


def s_client(server, port, *args, data=b'', starttls=None):
    command = ['openssl', 's_client', '-connect', f'127.0.0.1:{server.port(port)}', *args]
    if starttls:
        command += ['-starttls', starttls]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as done:
        seen = b''
        if data and not starttls:  # after the greeting
            while b'ready.' not in seen and (line := done.stdout.readline()):
                seen += line
        return (seen + done.communicate(data, 30)[0]).decode(errors='replace')


WAYS = [('imaps', None), ('pop3s', None), ('imap', 'imap'), ('pop3', 'pop3')]


@pytest.mark.parametrize('port, starttls', WAYS)
def test_old_versions_compression_and_renegotiation(server, port, starttls):
    for version in ('-tls1', '-tls1_1'):
        assert 'Cipher is (NONE)' in s_client(server, port, version, '-cipher', 'ALL:@SECLEVEL=0', starttls=starttls)
    for cipher in ('NULL', 'aNULL', 'EXPORT', 'RC4', 'kRSA', 'PSK', 'SRP', 'DES', '3DES'):
        text = s_client(server, port, '-tls1_2', '-cipher', f'{cipher}:@SECLEVEL=0', starttls=starttls)
        assert 'Cipher is (NONE)' in text or 'no cipher match' in text or 'Error with command' in text, cipher
    text = s_client(server, port, '-tls1_2', '-comp', starttls=starttls)
    assert 'Compression: NONE' in text and 'Secure Renegotiation IS supported' in text
    # "R" asks for a new handshake: refused, and nothing else happens.
    text = s_client(server, port, '-tls1_2', '-legacy_renegotiation', data=b'R\n', starttls=starttls)
    assert 'RENEGOTIATING' in text and 'no renegotiation' in text


@pytest.mark.parametrize('port, stls, probe', [('imap', b'a STARTTLS\r\n', b'b NOOP\r\n'),
                                               ('pop3', b'STLS\r\n', b'CAPA\r\n')])
def test_nothing_said_in_plain_counts_in_tls(server, port, stls, probe):
    """Commands behind STARTTLS in the clear, cut anywhere; and half commands before it (CVE-2021-33515)."""
    injected = stls + probe * 3
    for cut in range(len(stls), len(injected), 5):
        sock = socket.create_connection(('127.0.0.1', server.port(port)), 30)
        greeting = sock.recv(4096)
        assert greeting
        sock.sendall(injected[:cut])
        answer = b''
        while b'\n' not in answer:
            answer += sock.recv(1)
        # What comes now is TLS, and no answer to what was put in.
        secure = ssl._create_unverified_context().wrap_socket(sock)
        secure.sendall(b'z NOOP\r\n' if port == 'imap' else b'NOOPX\r\n')
        assert secure.recv(4096).startswith(b'z OK' if port == 'imap' else b'-ERR'), cut
        secure.close()


def memory(server, name):
    """Private memory of the processes of that name, in bytes."""
    total = 0
    for pid in server.pids(name):
        text = Path(f'/proc/{pid}/smaps_rollup').read_text()
        total += sum(int(kb) for kb in re.findall(r'Private_\w+:\s+(\d+)', text)) * 1024
    return total


def test_half_open_handshakes_cost_nothing(make_server):
    """A client that says hello by halves, or nothing at all, costs no TLS state; others log in meanwhile."""
    count = 5000 if LONG else 400
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard < 20000 else 20000, hard))
    server = make_server(f'service imap-login {{\n  client_limit = {count + 100}\n}}\nlogin_timeout = 60 secs\n', 'imap')
    try:
        good(server)
        before = memory(server, 'imap-login')
        waiting = []
        for n in range(count):
            sock = socket.create_connection(('127.0.0.1', server.port('imaps')), 30)
            # A record of 512 octets that never comes whole.
            sock.sendall((b'\x16\x03\x01\x02\x00\x01' + b'x' * 100)[:(n * 7) % 100])
            waiting.append(sock)
        for _ in range(3):
            since = time.monotonic()
            good(server)
            assert time.monotonic() - since < 5
        assert (memory(server, 'imap-login') - before) / count < 16 * 1024
        for sock in waiting:
            sock.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def good(server):
    """A login in TLS."""
    sock = ssl._create_unverified_context().wrap_socket(
        socket.create_connection(('127.0.0.1', server.port('imaps')), 30))
    sock.recv(4096)
    sock.sendall(b'a LOGIN alice secret\r\n')
    answer = b''
    while b'a ' not in answer:
        answer += sock.recv(4096)
    assert b'a OK' in answer
    sock.close()


def login_time(server, user, password, source=None):
    sock = socket.create_connection(('127.0.0.1', server.port('imap')), 60, source_address=source)
    sock.recv(4096)
    since = time.perf_counter()
    sock.sendall(f'a LOGIN {user} {password}\r\n'.encode())
    answer = sock.recv(4096)
    took = time.perf_counter() - since
    sock.close()
    return took, b'a OK' in answer


@pytest.mark.alone
def test_failed_logins_from_everywhere_delay_no_good_one(make_server):
    """Each is held for auth_failure_delay, from an address of its own."""
    seconds, rate = (20, 1000) if LONG else (2, 100)
    server = make_server('auth_failure_delay = 2 secs\nservice imap-login {\n  client_limit = 5000\n}\n', 'imap')
    assert login_time(server, 'alice', 'secret')[1]
    over, held = time.monotonic() + seconds, []

    def attack():
        sent, since = 0, time.monotonic()
        while time.monotonic() < over:
            sent += 1
            sock = socket.create_connection(('127.0.0.1', server.port('imap')), 60,
                                            source_address=(f'127.1.{sent // 250 % 250}.{sent % 250 + 1}', 0))
            sock.sendall(b'a LOGIN user%d wrong\r\n' % sent)
            held.append(sock)
            while sent > (time.monotonic() - since) * rate and time.monotonic() < over:
                time.sleep(0.001)
            while len(held) > 3 * rate:
                held.pop(0).close()

    thread = threading.Thread(target=attack)
    thread.start()
    times = []
    while thread.is_alive():
        took, well = login_time(server, 'alice', 'secret', ('127.9.0.1', 0))
        assert well
        times.append(took)
        time.sleep(0.05)
    thread.join()
    for sock in held:
        sock.close()
    assert times and sorted(times)[len(times) // 2] < 0.5 and max(times) < 2, times


def differ(ones, others):
    """By how many standard deviations a sign test tells the two apart, and their medians in milliseconds."""
    higher = sum(one > other for one, other in zip(ones, others))
    return abs(2 * higher - len(ones)) / len(ones) ** 0.5, *(sorted(seen)[len(seen) // 2] * 1000 for seen in (ones, others))


@pytest.mark.alone
def test_time_does_not_tell_whether_a_user_exists(make_server, tmp_path):
    """Each answer comes auth_failure_delay after the attempt, to the microsecond, whether there is no such user, or the
    hash of his password takes nothing or many milliseconds. Chance alone exceeds 5 deviations once in a million runs."""
    count = 10000 if LONG else 200
    slow = subprocess.run(['openssl', 'passwd', '-6', 'secret'], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / 'users').write_text(f'fast:{{PLAIN}}secret\nslow:{{SHA512-CRYPT}}{slow}\n')
    open_up(tmp_path)
    server = make_server(f'auth_failure_delay = 30 msecs\n{NO_PENALTY}passdb {{\n  driver = passwd-file\n'
                         f'  args = username_format=%u {tmp_path}/users\n}}\n', 'imap')
    for known in ('fast', 'slow'):
        times = {known: [], 'nobo': []}
        for _ in range(count // 2):
            for user in random.sample(sorted(times), 2):
                took, well = login_time(server, user, 'wrong')
                assert not well and took >= 0.0295
                times[user].append(took)
        deviations, *medians = differ(*times.values())
        print(f'{known} and nobody: {deviations:.1f} deviations, medians %.3f and %.3f ms' % tuple(medians))
        assert deviations < 5, medians
        assert min(medians) < 45
