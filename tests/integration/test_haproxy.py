# SPDX-License-Identifier: MIT
"""Connections that HAProxy passes on (haproxy = yes)."""
import re
import shutil
import socket
import ssl
import struct
import subprocess
import time
from pathlib import Path

import pytest

from conftest import free_ports

EXTRA = '''
haproxy_trusted_networks = 127.0.0.1
haproxy_timeout = 1 secs
auth_failure_delay = 0
disable_plaintext_auth = yes
auth_ssl_username_from_cert = yes
login_log_format_elements = user=<%u> method=%m rip=%r lip=%l %c %k name=%{{local_name}} rport=%b real=%{{real_rip}}
service imap-login {{
  inet_listener proxied {{
    address = 127.0.0.1, 127.0.0.2
    port = {0}
    haproxy = yes
  }}
  inet_listener proxieds {{
    port = {1}
    haproxy = yes
    ssl = yes
  }}
}}
'''


def v2(tlvs=b'', command=1, length=None):
    body = socket.inet_aton('192.0.2.1') + socket.inet_aton('192.0.2.2') + struct.pack('>HH', 4000, 143) + tlvs
    return (b'\r\n\r\n\0\r\nQUIT\n' + bytes([0x20 | command, 0x11]) +
            struct.pack('>H', len(body) if length is None else length) + body)


def tlv(kind, value):
    return bytes([kind]) + struct.pack('>H', len(value)) + value


def ssl_tlv(flags=1, verify=0, name=None):
    inner = tlv(0x21, b'TLSv1.3') + (tlv(0x22, name) if name else b'')
    return tlv(0x20, bytes([flags]) + struct.pack('>I', verify) + inner)


def talk(port, head, wrap=False, host='127.0.0.1'):
    """The greeting and the answer to a login; b'' if the connection was closed."""
    sock = socket.create_connection((host, port), 10, source_address=('127.0.0.1', 0))
    out = []
    try:
        sock.sendall(head)
        if wrap:
            sock = ssl._create_unverified_context().wrap_socket(sock)
        file = sock.makefile('rb')
        out.append(file.readline())
        sock.sendall(b'a LOGIN alice secret\r\n')
        line = file.readline()
        while line and not line.startswith(b'a '):
            line = file.readline()
        out.append(re.sub(rb'\[CAPABILITY.*?\] ', b'', line))
    except (ConnectionError, ssl.SSLError):
        out.append(b'')
    sock.close()
    return b'LOGINDISABLED' in out[0], out[-1]


HEADERS = {
    'plain': v2(), 'tls': v2(ssl_tlv()), 'no tls': v2(ssl_tlv(0)), 'name': v2(ssl_tlv() + tlv(2, b'host.example')),
    'cert': v2(ssl_tlv(3, 0, b'alice')), 'local': v2(command=0), 'v1': b'PROXY TCP4 192.0.2.1 192.0.2.2 4000 143\r\n',
    'unknown': b'PROXY UNKNOWN\r\n', 'six': b'PROXY TCP6 2001:db8::1 2001:db8::2 4000 143\r\n',
}
HOSTILE = [b'PROXY  TCP4 192.0.2.1 192.0.2.2 4000 143\r\n', b'PROXY TCP4 192.0.2.1 192.0.2.2 0 143\r\n',
           b'PROXY TCP4 192.0.2.1 192.0.2.2 4000 143 \r\n', b'PROXY TCP4 192.0.2.1 192.0.2.2 4000 143 x\r\n', b'PROXY TCP4 300.0.2.1 192.0.2.2 4000 143\r\n', b'GET / HTTP/1.0\r\n', v2(b'\x20\0\xff\1'), v2(tlv(0x20, b'\1')),
           v2(tlv(0xee, b'x' * 2000)), v2(length=65535), b'PROXY TCP4 ' + b' ' * 300, b'\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0',
           b'PROXY TCP4 192.0.2.1 192.0.2.2 4000 143\n' + b'x' * 100]


def seen(server, ports):
    found = {}
    for name, head in HEADERS.items():
        for port, wrap in ((ports[0], False), (ports[1], True)):
            start = len(server.log_text())
            answer = talk(port, head, wrap)
            what = 'Login:' if b'a OK' in answer[1] else 'Disconnected:'
            match = server.wait_log(rf'imap-login: Info: ({what}).*(user=.*)', start=start, timeout=10)
            assert match, (name, wrap, answer, server.log_text()[start:])
            # Of Dovecot, a session may be gone before its login is told.
            found[name, wrap] = answer, re.sub(r'rport=\d{5}|secured, |TLSv1.3 .*bits\), |(?<=TLS): Connection closed', '', match[2])
    return found


def ticks(server):
    """CPU time of the login processes, in ticks of 10 ms."""
    fields = [Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split() for pid in server.pids('imap-login')]
    return sum(int(one[11]) + int(one[12]) for one in fields)


def test_as_dovecot_takes_it(make_server, make_dovecot):
    results = []
    for make in (make_server, make_dovecot):
        ports = free_ports(2)
        results.append(seen(make(EXTRA.format(*ports), 'imap'), ports))
    for key, ours in results[0].items():
        assert ours == results[1][key], key
    assert results[0]['tls', False] == ((False, b'a OK Logged in\r\n'), results[0]['tls', False][1])
    assert results[0]['plain', False][0][0]


def whom_it_takes_him_for(server, port, head):
    """Of somebody who says that he speaks for another: whether he may send passwords, and his address in the log."""
    sock = socket.create_connection(('127.0.0.1', port), 10)
    file = sock.makefile('rb')
    sock.sendall(head)
    file.readline()
    sock.sendall(b'a ID ("x-originating-ip" "198.51.100.7")\r\na LOGIN alice wrong\r\na LOGOUT\r\n')
    may = b'PRIVACYREQUIRED' not in file.read()
    sock.close()
    found = server.wait_log(r'imap-login: Info: \S.* logging out.*rip=([0-9.]*)', timeout=10)
    server.forgive()
    return may, found[1]


@pytest.mark.parametrize('trusted', ('127.0.0.1', '192.0.2.1', '127.0.0.1 192.0.2.1'))
@pytest.mark.parametrize('head', ('plain', 'local'))
def test_trusted_is_who_speaks_as_in_dovecot(make_server, make_dovecot, trusted, head):
    found = []
    for make in (make_server, make_dovecot):
        ports = free_ports(2)
        server = make(EXTRA.format(*ports) + f'login_trusted_networks = {trusted}\n', 'imap')
        found.append(whom_it_takes_him_for(server, ports[0], HEADERS[head]))
    speaks = '192.0.2.1' if head == 'plain' else '127.0.0.1'
    assert found[0] == (speaks in trusted, '198.51.100.7' if speaks in trusted else speaks)
    assert found[0] == found[1]


def test_hostile_headers(make_server):
    ports = free_ports(2)
    server = make_server(EXTRA.format(*ports), 'imap')
    for head in HOSTILE:
        assert talk(ports[0], head)[1] == b'', head
    # A certificate that the proxy could not verify names nobody.
    assert talk(ports[0], v2(ssl_tlv(3, 1, b'bob')))[1] == b'a OK Logged in\r\n'
    # Octet by octet, and whole behind it.
    sock = socket.create_connection(('127.0.0.1', ports[0]), 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for octet in v2(ssl_tlv()) + b'a LOGIN alice secret\r\n':
        sock.sendall(bytes([octet]))
    assert b'OK' in sock.recv(1000)
    sock.close()
    # Nothing, or half of one, costs no more than haproxy_timeout, and no CPU.
    waiting = [socket.create_connection(('127.0.0.1', ports[0]), 10) for _ in range(50)]
    for sock in waiting:
        sock.sendall(b'PROXY TCP4 192')
    before = ticks(server)
    for sock in waiting:
        assert sock.recv(10) == b''
    assert ticks(server) - before < 50
    assert server.wait_log('haproxy: Client disconnected: Timed out')
    stranger = socket.create_connection(('127.0.0.2', ports[0]), 10, source_address=('127.0.0.3', 0))
    assert stranger.recv(10) == b''
    assert server.wait_log(r'haproxy: Client disconnected: IP is not trusted by haproxy_trusted_networks '
                           r'\(rip=127.0.0.3\)')
    assert talk(ports[0], v2(ssl_tlv()))[1] == b'a OK Logged in\r\n'


@pytest.mark.skipif(shutil.which('haproxy') is None, reason='HAProxy is not installed')
def test_real_haproxy(make_server, tls, tmp_path):
    ports = free_ports(5)
    server = make_server(EXTRA.format(*ports), 'imap')
    pem = tmp_path / 'pem'
    with open(f'{tls}.crt') as crt, open(f'{tls}.key') as key:
        pem.write_text(crt.read() + key.read())
    to = {ports[2]: ('', f'127.0.0.1:{ports[0]} send-proxy'), ports[3]: ('', f'127.0.0.1:{ports[0]} send-proxy-v2'),
          ports[4]: (f'ssl crt {pem}', f'127.0.0.1:{ports[0]} send-proxy-v2-ssl-cn proxy-v2-options authority,ssl check')}
    text = 'defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n'
    for port, (how, target) in to.items():
        text += f'listen l{port}\n  bind 127.0.0.1:{port} {how}\n  server s {target}\n'
    (tmp_path / 'cfg').write_text(text)
    proxy = subprocess.Popen(['haproxy', '-db', '-f', tmp_path / 'cfg'], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(('127.0.0.1', ports[4])).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        assert talk(ports[2], b'')[0] and talk(ports[3], b'')[0]
        ctx = ssl._create_unverified_context()
        sock = ctx.wrap_socket(socket.create_connection(('127.0.0.1', ports[4]), 10), server_hostname='some.example')
        assert b'LOGINDISABLED' not in sock.recv(1000)
        sock.sendall(b'a LOGIN alice secret\r\n')
        assert server.wait_log(r'Login: user=<alice>, method=PLAIN, rip=127.0.0.1, lip=127.0.0.1, secured, '
                               r'name=some.example')
        sock.close()
    finally:
        proxy.terminate()
        proxy.wait()
