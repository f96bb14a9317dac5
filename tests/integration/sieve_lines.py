# SPDX-License-Identifier: MIT
"""A ManageSieve client that shows every octet."""
import base64
import re
import socket
import ssl

from conftest import PASSWORD

ENDS = (b'OK', b'NO', b'BYE')


def plain(user, password=PASSWORD):
    return base64.b64encode(f'\0{user}\0{password}'.encode()).decode()


def octets(data):
    return data.encode() if isinstance(data, str) else data


def quoted(text):
    return b'"' + octets(text).replace(b'\\', b'\\\\').replace(b'"', b'\\"') + b'"'


def literal(text):
    return b'{%d+}\r\n' % len(octets(text)) + octets(text)


class Sieve:
    """A connection; answers are bytes, line ends included."""

    def __init__(self, port, user=None, password=PASSWORD, source=None, timeout=30):
        self.sock = socket.create_connection(('127.0.0.1', port), timeout, source and (source, 0))
        self.buf = b''
        self.greeting = self.answer()
        if user is not None:
            answer = self.command(f'AUTHENTICATE "PLAIN" "{plain(user, password)}"')
            assert answer == b'OK "Logged in."\r\n', answer

    def start_tls(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)

    def send(self, data):
        self.sock.sendall(octets(data))

    def fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError(self.buf)
        self.buf += data

    def line(self):
        """A line with the literals in it."""
        at = 0
        while True:
            end = self.buf.find(b'\n', at)
            if end < 0:
                self.fill()
                continue
            size = re.search(rb'\{(\d+)\+?\}\r\n$', self.buf[at:end + 1])
            at = end + 1
            if size is None:
                break
            at += int(size[1])
            while len(self.buf) < at:
                self.fill()
        line, self.buf = self.buf[:at], self.buf[at:]
        return line

    def answer(self):
        lines = [self.line()]
        while not re.match(rb'(?:OK|NO|BYE)\b', lines[-1]):
            lines.append(self.line())
        return b''.join(lines)

    def command(self, text):
        self.send(octets(text) + b'\r\n')
        return self.answer()

    def ok(self, text):
        answer = self.command(text)
        assert re.search(rb'^OK\b', answer, re.M), answer
        return answer

    def put(self, name, text):
        return self.command(b'PUTSCRIPT ' + quoted(name) + b' ' + literal(text))

    def get(self, name):
        answer = self.ok(b'GETSCRIPT ' + quoted(name))
        size, rest = re.fullmatch(rb'\{(\d+)\}\r\n(.*)', answer, re.S).groups()
        assert rest[int(size):] == b'\r\nOK "Getscript completed."\r\n'
        return rest[:int(size)]

    def list(self):
        """Names; the active one as "*name"."""
        names = []
        for name, active in re.findall(rb'^"((?:[^"\\]|\\.)*)"( ACTIVE)?\r\n', self.ok('LISTSCRIPTS'), re.M):
            names.append(('*' if active else '') + re.sub(rb'\\(.)', rb'\1', name).decode())
        return names

    def at_end(self):
        try:
            return self.sock.recv(1) == b''
        except ConnectionResetError:
            return True

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
