#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write golden.dat: what Dovecot 2.3 tells of each of odd_messages.py.

usage: golden.py PORT USER PASSWORD MAILDIR > golden.dat

MAILDIR is the INBOX of USER of an IMAP server on 127.0.0.1:PORT; it is filled
with the messages.  A record of golden.dat is a line "NAME INPUT EXPECTED" with
two lengths, and then those two pieces.  Literals are written as quoted strings;
a section is told by its length and a hash.
"""
import os
import re
import socket
import sys

import odd_messages

SECTIONS = ('', 'HEADER', 'TEXT', '1', '1.MIME', '1.HEADER', '1.TEXT', '2',
            '2.MIME', '2.HEADER', '1.1', '1.1.MIME', '1.2', '2.1', '2.1.MIME',
            '2.2', '1.1.1', '1.2.1', '2.1.1', '3', '3.MIME')
LARGEST = 12000

# Malformed beyond use, and Dovecot's answer is not worth copying.
LEFT_OUT = {
    'address-local-blanks', 'address-local-mixed', 'type-2231-star',
    'type-2231-big', 'type-quoted-cr', 'header-date-empty',
    'headercrlf-date-empty', 'random-31', 'random-125', 'random-205',
}


class Imap:
    def __init__(self, port, user, password):
        self.file = socket.create_connection(('127.0.0.1', port)).makefile('rwb')
        self.file.readline()
        self.command(f'login {user} {password}')
        self.command('select inbox')

    def command(self, text):
        self.file.write(b'x ' + text.encode() + b'\r\n')
        self.file.flush()
        out = b''
        while line := self.file.readline():
            while found := re.search(rb'\{(\d+)\}\r\n$', line):
                literal = self.file.read(int(found[1]))
                line = line[:found.start()] + quote(literal) + self.file.readline()
            if line.startswith(b'x '):
                if not line.startswith(b'x OK'):
                    raise RuntimeError(line)
                return out
            out += line
        raise EOFError(text)

    def fetch(self, number, item):
        answer = self.command(f'fetch {number} {item}')
        found = re.match(rb'\* \d+ FETCH \([A-Z0-9.]+(?:\[.*?\])? (.*)\)\r\n$', answer, re.S)
        return found[1]


def quote(text):
    return b'"' + text.replace(b'\\', b'\\\\').replace(b'"', b'\\"') + b'"'


def unquote(text):
    if text == b'NIL':
        return b''
    return re.sub(rb'\\(.)', rb'\1', text[1:-1], flags=re.S)


def summary(data):
    value = 5381
    for octet in data:
        value = (value * 33 + octet) & 0xffffffff
    return b'%d %d' % (len(data), value)


def expected(imap, number):
    out = b'SIZE ' + imap.fetch(number, 'RFC822.SIZE') + b'\n'
    for item in ('ENVELOPE', 'BODYSTRUCTURE', 'BODY'):
        out += item.encode() + b' ' + imap.fetch(number, item) + b'\n'
    for section in SECTIONS:
        text = unquote(imap.fetch(number, f'BODY.PEEK[{section}]'))
        out += f'[{section}] '.encode() + summary(text) + b'\n'
    return out


def main():
    port, user, password, maildir = sys.argv[1:]
    chosen = [(name, data) for name, data in odd_messages.messages()
              if len(data) <= LARGEST and name not in LEFT_OUT]
    for number, (_, data) in enumerate(chosen):
        with open(os.path.join(maildir, 'cur', f'{1000000 + number}.M1P1.x:2,'), 'wb') as file:
            file.write(data)
    imap = Imap(int(port), user, password)
    for number, (name, data) in enumerate(chosen, 1):
        text = expected(imap, number)
        sys.stdout.buffer.write(b'%s %d %d\n' % (name.encode(), len(data), len(text)))
        sys.stdout.buffer.write(data + text)


if __name__ == '__main__':
    main()
