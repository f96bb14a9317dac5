# SPDX-License-Identifier: MIT
"""Clients who say more than a login process can answer leave turns for those who come after them."""
import socket
import ssl
import threading
import time

import pytest

from conftest import NO_PENALTY

EXTRA = """\
auth_failure_delay = 0
service imap-login {
  service_count = 0
  process_min_avail = 1
  process_limit = 1
}
service pop3-login {
  service_count = 0
  process_limit = 1
}
""" + NO_PENALTY
NEVER = {'imap': b'a CAPABILITY\r\n' * 500, 'pop3': b'CAPA\r\n' * 500}


def connect(one, kind):
    sock = socket.create_connection(('127.0.0.1', one.port(kind)), 20)
    if not kind.endswith('s'):
        return sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(sock)


class Flood:
    """Says the same without end, and reads the answers."""

    def __init__(self, one, kind):
        self.sock, self.text, self.over = connect(one, kind), NEVER[kind.rstrip('s')], False
        self.thread = threading.Thread(target=self.work)

    def work(self):
        self.sock.setblocking(False)
        left = self.text
        while not self.over:
            idle = True
            try:
                left = left[self.sock.send(left):] or self.text
                idle = False
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                pass
            except OSError:
                return
            try:
                if not self.sock.recv(1 << 18):
                    return
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if idle:
                    time.sleep(0.0001)
            except OSError:
                return

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over = True
        self.thread.join()
        self.sock.close()


@pytest.mark.parametrize('kind', ['imap', 'imaps', 'pop3', 'pop3s'])
def test_a_flood_of_commands(make_server, kind):
    one = make_server(EXTRA, 'imap pop3')
    with Flood(one, kind):
        time.sleep(1)
        for _ in range(3):
            since = time.monotonic()
            with connect(one, kind) as other:
                assert other.recv(1000).startswith((b'* OK', b'+OK'))
                other.sendall(b'a LOGIN alice secret\r\n' if kind.startswith('imap') else b'USER alice\r\n')
                assert b'OK' in other.recv(1000)
            print(kind, time.monotonic() - since)
            assert time.monotonic() - since < 5
