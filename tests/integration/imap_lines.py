# SPDX-License-Identifier: MIT
"""An IMAP client that shows every line: what imaplib hides is what is tested."""
import re
import select
import socket
import ssl
import time


class Lines:
    """A connection; answers are lists of bytes, a literal with its line."""

    def __init__(self, port, user=None, password='secret', tls=False, host='127.0.0.1', timeout=30):
        self.sock = socket.create_connection((host, port), timeout=timeout)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.sock = context.wrap_socket(self.sock)
        self.buf = b''
        self.count = 0
        self.greeting = self.line()
        if user is not None:
            answer = self.command(b'LOGIN %s %s' % (user.encode(), password.encode()))
            assert b' OK ' in answer[-1], answer

    def fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError(self.buf)
        self.buf += data

    def octets(self, size):
        if len(self.buf) < size:
            # Not with fill(): it would copy a large literal again and again.
            data = bytearray(self.buf)
            while len(data) < size:
                self.buf = b''
                self.fill()
                data += self.buf
            self.buf = bytes(data)
        data, self.buf = self.buf[:size], self.buf[size:]
        return data

    def line(self):
        """One line with all its literals, without the last CRLF."""
        whole = b''
        while True:
            while b'\r\n' not in self.buf:
                self.fill()
            part = self.octets(self.buf.index(b'\r\n') + 2)
            whole += part
            literal = re.search(rb'\{(\d+)\}\r\n$', part)
            if literal is None:
                return whole[:-2]
            whole += self.octets(int(literal[1]))

    def send(self, data):
        self.sock.sendall(data)

    def until(self, tag):
        lines = []
        while not lines or not lines[-1].startswith(tag + b' '):
            lines.append(self.line())
        return lines

    def command(self, text):
        """The answers to one command, the tagged one at the end."""
        if isinstance(text, str):
            text = text.encode()
        self.count += 1
        tag = b'T%d' % self.count
        self.send(tag + b' ' + text + b'\r\n')
        return self.until(tag)

    def ok(self, text):
        lines = self.command(text)
        assert lines[-1].split(b' ')[1] == b'OK', lines
        return lines

    def append(self, mailbox, mail, flags=''):
        flags = f'({flags}) ' if flags else ''
        head = f'APPEND {mailbox} {flags}{{{len(mail)}+}}\r\n'
        return self.ok(head.encode() + mail)

    def idle(self):
        self.count += 1
        tag = b'T%d' % self.count
        self.send(tag + b' IDLE\r\n')
        while not self.line().startswith(b'+ '):
            pass
        return tag

    def done(self, tag):
        self.send(b'DONE\r\n')
        return self.until(tag)

    def quiet(self, seconds):
        """Whether nothing comes for so long."""
        return not self.buf and not select.select([self.sock], [], [], seconds)[0]

    def wait_for(self, pattern, seconds=20):
        """The first line that matches, and when it came."""
        self.sock.settimeout(seconds)
        while True:
            line = self.line()
            if re.search(pattern, line):
                return line, time.monotonic()

    def close(self):
        self.sock.close()

    def logout(self):
        lines = self.command('LOGOUT')
        self.close()
        return lines


def normalize(line):
    """What differs from run to run or on purpose is made equal."""
    line = re.sub(rb' \(\d+\.\d+ \+ \d+\.\d+( \+ \d+\.\d+)? secs\)', b'', line)
    line = re.sub(rb'^T\d+ ', b'TAG ', line)
    line = re.sub(rb'\[(UIDVALIDITY|APPENDUID|COPYUID) \d+', rb'[\1 N', line)
    line = re.sub(rb'UIDVALIDITY \d+', b'UIDVALIDITY N', line)
    line = re.sub(rb' ?MODSEQ \(\d+\) ?', b'', line)
    line = re.sub(rb'INTERNALDATE "[^"]*20[2-9]\d [^"]*"', b'INTERNALDATE NOW', line)
    line = re.sub(rb'\[MAILBOXID \(\w+\)\] (?=Create)', b'', line)
    line = re.sub(rb'\[TAG "T\d+"', b'[TAG', line)
    line = re.sub(rb'\(TAG "T\d+"\)', b'(TAG)', line)
    return line


def skipped(line):
    """Extensions that one of the two does not have."""
    return b'[HIGHESTMODSEQ' in line or line.startswith(b'* OK [MAILBOXID') or b'CAPABILITY' in line or line.startswith(b'* ID')


def transcript(client, commands):
    """[(command, [normalized answers])]; answers of LIST in order of names."""
    result = []
    for command in commands:
        lines = [normalize(line) for line in client.command(command) if not skipped(line)]
        if re.match(rb'(LIST|LSUB)\b', command if isinstance(command, bytes) else command.encode()):
            lines = sorted(lines[:-1]) + lines[-1:]
        result.append((command, lines))
    return result
