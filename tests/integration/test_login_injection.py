# SPDX-License-Identifier: MIT
"""What clients say before login never makes lines of the protocol between the login process and auth: for one that is
broken auth ends the connection of all who log in through that process."""
import socket

import pytest

from conftest import NO_PENALTY, free_ports

PROTOCOLS = 'imap pop3 sieve submission'
EXTRA = """\
auth_mechanisms = plain login external
auth_failure_delay = 0
login_max_input = 64k
submission_relay_host = 127.0.0.1
service submission-login {
  inet_listener submission {
    port = PORT
  }
}
""" + NO_PENALTY
RIGHT = b'AGFsaWNlAHNlY3JldA=='
# Where SASL's initial response goes, and what a mechanism's start, a response and the refusal look like.
PLACES = {
    'imap': (b'* OK', b'a AUTHENTICATE %b {%d+}\r\n%b\r\n', b'a AUTHENTICATE PLAIN\r\n', b'+', b'%b\r\n', (b'a BAD', b'a NO')),
    'pop3': (b'+OK', b'AUTH %b %b\r\n', b'AUTH PLAIN\r\n', b'+', b'%b\r\n', (b'-ERR',)),
    'sieve': (b'OK', b'AUTHENTICATE "%b" {%d+}\r\n%b\r\n', b'AUTHENTICATE "PLAIN"\r\n', b'""', b'"%b"\r\n', (b'NO',)),
    'submission': (b'220', b'AUTH %b %b\r\n', b'AUTH PLAIN\r\n', b'334', b'%b\r\n', (b'5',)),
}
BAD = [b'AAAA\nFOO', b'\n', b'AAAA\r\nCPID', b'AA\rAA', b'AA\tAA', b'AAAA\tresp=AAAA', b'AA\0AA', b'AA AA', b'AA\1nAA', b'\xff',
       b'AAAA=AAAA', b'A' * 11000, b'A' * 20000, b'A' * 30000]


class Lines:
    def __init__(self, port, greeting):
        self.sock = socket.create_connection(('127.0.0.1', port), 10)
        self.file = self.sock.makefile('rb')
        self.until(greeting)

    def until(self, *starts):
        while True:
            line = self.file.readline()
            if not line or line.startswith(starts):
                return line

    def ask(self, text, *starts):
        self.sock.sendall(text)
        return self.until(*starts)


def initial(form, mech, text):
    return form % ((mech, len(text), text) if b'%d' in form else (mech, text))


@pytest.mark.parametrize('protocol', PLACES)
def test_responses_that_are_no_base64(make_server, protocol):
    port = free_ports(1)[0]
    server = make_server(EXTRA.replace('PORT', str(port)), PROTOCOLS)
    port = port if protocol == 'submission' else server.port(protocol)
    greeting, form, start, go_on, response, refused = PLACES[protocol]
    other = Lines(port, greeting)
    assert other.ask(start, go_on, *refused).startswith(go_on)
    for mech in (b'PLAIN', b'EXTERNAL'):
        for bad in BAD:
            client = Lines(port, greeting)
            said = client.ask(initial(form, mech, bad), *refused)
            assert not said or (b'emporary' not in said and b'UNAVAILABLE' not in said), (bad[:20], said)
            client.sock.close()
    for bad in (b'A' * 11000, b'A' * 20000, b'A' * 30000):
        client = Lines(port, greeting)
        client.ask(start, go_on)
        assert b'emporary' not in client.ask(response % bad, *refused), len(bad)
        client.sock.close()
    # Who was in the midst of it goes on.
    assert other.ask(response % RIGHT, go_on, b'a ', b'+OK', b'OK', b'235', *refused).startswith((b'a OK', b'+OK', b'OK', b'235'))
    assert 'Disconnected from auth' not in server.log_text()
