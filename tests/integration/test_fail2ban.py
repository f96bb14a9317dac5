# SPDX-License-Identifier: MIT
"""Debian's fail2ban filter for Dovecot: it finds each kind of failed login in our log, and no other."""
import base64
import re
import shutil
import socket
import ssl
import subprocess

import pytest

from proxied import Backend
from test_login_proxy import extra

needs_fail2ban = pytest.mark.skipif(shutil.which('fail2ban-regex') is None, reason='fail2ban is not installed')


def b64(text):
    return base64.b64encode(text.encode()).decode()


WRONG, GOOD = b64('\0plain\0wrong'), b64('\0plain\0secret')
IMAP_FAILURES = {
    'wrong password': ['a LOGIN plain wrong'], 'unknown user': ['a LOGIN nobody secret'],
    'odd name': ['a LOGIN "a b, rip=192.0.2.9" x'], 'sasl': [f'a AUTHENTICATE PLAIN {WRONG}'],
    'sasl in two': ['a AUTHENTICATE PLAIN', WRONG], 'digest': ['a AUTHENTICATE CRAM-MD5', b64('plain 0' + '0' * 31)],
    'many': [f'a{n} LOGIN plain wrong{n}' for n in range(10)], 'behind the proxy': ['a LOGIN away secret'],
    'twice': ['a LOGIN plain wrong', 'b LOGIN plain wrong', 'c LOGOUT']}
POP3_FAILURES = {
    'wrong password': ['USER plain', 'PASS wrong'], 'unknown user': ['USER nobody', 'PASS x'],
    'sasl': [f'AUTH PLAIN {WRONG}'], 'behind the proxy': ['USER paway', 'PASS secret']}
IMAP_OTHERS = {'login': ['a LOGIN plain secret', 'b LOGOUT'], 'sasl': [f'a AUTHENTICATE PLAIN {GOOD}'], 'nothing': [],
               'logout': ['a LOGOUT'], 'on': ['a LOGIN there secret'], 'bad command': ['a FOO']}
POP3_OTHERS = {'login': ['USER plain', 'PASS secret', 'QUIT'], 'nothing': [], 'quit': ['QUIT'],
               'on': ['USER pthere', 'PASS secret']}


def session(server, source, port, lines, host='127.0.0.1'):
    sock = socket.create_connection((host, server.port(port)), 30, source_address=(source, 0))
    if port.endswith('s'):
        sock = ssl._create_unverified_context().wrap_socket(sock)
    file = sock.makefile('rb')
    file.readline()
    for line in lines:
        sock.sendall(line.encode() + b'\r\n')
        file.readline()
    file.close()
    sock.close()


@needs_fail2ban
def test_failures_are_seen_and_nothing_else(make_server, tmp_path):
    imap, pop3 = Backend(answers={'L LOGIN "away"': 'L NO [AUTHENTICATIONFAILED] x\r\n'}), Backend('pop3', answers={
        'USER paway': '-ERR [AUTH] x\r\n'})
    there = f'proxy=y host=127.0.0.1 port={imap.port}'
    pop3_there = f'proxy=y host=127.0.0.1 port={pop3.port}'
    users = {'plain': '', 'away': there, 'there': there, 'paway': pop3_there, 'pthere': pop3_there}
    server = make_server(extra(tmp_path, users, 'listen = 127.0.0.1, 127.0.0.2\nauth_verbose = yes\n'), 'imap pop3')
    number, failures, others = 0, {}, {}
    for ports, table, found in (('imap imaps', IMAP_FAILURES, failures), ('pop3 pop3s', POP3_FAILURES, failures),
                                ('imap imaps', IMAP_OTHERS, others), ('pop3 pop3s', POP3_OTHERS, others)):
        for port in ports.split():
            for kind, lines in table.items():
                number += 1
                found[f'127.0.1.{number}'] = port, kind
                # From one's own address to it, plaintext is allowed.
                session(server, f'127.0.1.{number}', port, lines)
    plaintext = ('imap', ['a LOGIN plain secret']), ('pop3', ['USER plain'])
    server.extra += 'disable_plaintext_auth = yes\n'
    server.write_config()
    server.doveadm('reload')
    for port, lines in plaintext:
        for _ in range(30):  # a login process of before the reload may take it, and let him in
            number += 1
            session(server, f'127.0.1.{number}', port, lines, '127.0.0.2')
            if server.wait_log(rf'Disconnected: (?!Logged out).*rip=127.0.1.{number},', timeout=1):
                break
        failures[f'127.0.1.{number}'] = port, 'plaintext'
    for address in failures:
        assert server.wait_log(rf'Disconnected.*rip={address},'), failures[address]
    log = tmp_path / 'f2b.log'
    log.write_text(server.log_text())
    done = subprocess.run(['fail2ban-regex', '--print-all-matched', log, 'dovecot'], capture_output=True, text=True,
                          check=True)
    matched = done.stdout.split('Matched line(s)')[1]
    for address, kind in failures.items():
        assert re.search(rf'login: Info: Disconnected.*rip={address},', matched), kind
    for address, kind in others.items():
        assert not re.search(rf'\b{address}\b', matched), kind
    assert 'Login:' not in matched and '192.0.2.9,' not in re.sub(r'user=<[^>]*>', '', matched)
