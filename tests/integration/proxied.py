# SPDX-License-Identifier: MIT
"""A server behind a proxy, as far as a login goes; it notes what it is told."""
import socket
import ssl
import threading


class Backend:
    """`answers`: what begins a line, and what to say to it; `greeting`."""

    def __init__(self, kind='imap', tls=None, starttls=None, greeting=None, answers=()):
        self.kind, self.tls, self.starttls = kind, tls, starttls
        self.greeting = greeting or ('* OK [CAPABILITY IMAP4rev1 SASL-IR ID STARTTLS AUTH=PLAIN] hello' if kind == 'imap'
                                     else '+OK [XCLIENT] hello')
        self.answers = dict(answers)
        self.log, self.socks, self.peers = [], [], []  # peers: from where each came
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=100)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def wrap(self, sock, base):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(f'{base}.crt', f'{base}.key')
        return ctx.wrap_socket(sock, server_side=True)

    def serve(self, sock):
        try:
            self.talk(sock)
        except OSError:
            self.log.append('ERROR')

    def talk(self, sock):
        if self.tls:
            sock = self.wrap(sock, self.tls)
        self.socks.append(sock)
        self.peers.append(sock.getpeername()[0])
        sock.sendall(self.greeting.encode() + b'\r\n')
        file = sock.makefile('rb')
        while line := file.readline().decode().rstrip('\r\n'):
            self.log.append(line)
            for start, answer in self.answers.items():
                if line.startswith(start):
                    sock.sendall(answer.encode())
                    break
            else:
                reply = self.imap(line) if self.kind == 'imap' else self.pop3(line)
                sock.sendall(reply.encode() + b'\r\n')
            if self.starttls and line.upper() in ('S STARTTLS', 'STLS'):
                file.close()
                sock = self.wrap(sock, self.starttls)
                file = sock.makefile('rb')
        self.log.append('END')
        sock.close()

    @staticmethod
    def imap(line):
        tag, _, command = line.partition(' ')
        if command.startswith('CAPABILITY'):
            return f'* CAPABILITY IMAP4rev1 ID\r\n{tag} OK capability'
        if command.startswith('AUTHENTICATE') and len(command.split()) == 2:
            return '+ '
        if command.startswith('LOGIN') or command.startswith('AUTHENTICATE') or not command:
            return ('L' if not command else tag) + ' OK [CAPABILITY IMAP4rev1 X] welcome'
        return f'{tag} OK done'

    @staticmethod
    def pop3(line):
        return '+OK welcome' if line.startswith(('PASS', 'AUTH')) else '+OK'
