# SPDX-License-Identifier: MIT
"""An SMTP and LMTP server that remembers what it was told."""
import socket
import ssl
import threading


class Sink:
    """`answers` has replies for commands by how they begin (GREETING, MAIL, RCPT TO:<x>, DATA; DOT0, DOT1 for the mail
    itself). `log` has each command, and each mail as it came."""

    def __init__(self, caps=('PIPELINING', '8BITMIME', 'CHUNKING', 'ENHANCEDSTATUSCODES',
                             'XCLIENT ADDR PORT PROTO HELO LOGIN SESSION TTL TIMEOUT'),
                 answers=None, lmtp=True, cert=None, tls_at_once=False):
        self.listener = socket.socket()
        self.listener.bind(('127.0.0.1', 0))
        self.listener.listen(50)
        self.port = self.listener.getsockname()[1]
        self.caps, self.answers, self.lmtp = list(caps), answers or {}, lmtp
        self.log, self.mails, self.tls_at_once, self.context = [], [], tls_at_once, None
        self.peers = []
        if cert:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(f'{cert}.crt', f'{cert}.key')
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            self.peers.append(peer)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def close(self):
        # Or the thread goes on accepting, by its number, what the next one listens on.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def answer(self, line, default):
        for start, reply in self.answers.items():
            if line.upper().startswith(start.upper()):
                return reply
        return default

    def secure(self, sock):
        sock = self.context.wrap_socket(sock, server_side=True)
        return sock, sock.makefile('rb')

    def serve(self, sock):
        try:
            file = sock.makefile('rb')
            if self.tls_at_once:
                sock, file = self.secure(sock)
            self.say(sock, self.answer('GREETING', '220 sink ready'))
            self.talk(sock, file)
        except OSError:
            pass

    @staticmethod
    def say(sock, reply):
        if reply is not None:  # None: silence
            sock.sendall(reply.encode() + b'\r\n')

    def talk(self, sock, file):
        recipients = 0
        while line := file.readline():
            line = line.decode('latin1').rstrip('\r\n')
            self.log.append(line)
            verb = line.split(' ')[0].upper()
            if verb in ('LHLO', 'EHLO'):
                lines = ['sink', *self.caps]
                self.say(sock, self.answer(line, '\r\n'.join(f'250{"-" if at < len(lines) - 1 else " "}{text}'
                                                             for at, text in enumerate(lines))))
            elif verb == 'STARTTLS':
                self.say(sock, '220 go on')
                sock, file = self.secure(sock)
            elif verb == 'XCLIENT':
                self.say(sock, self.answer(line, '220 sink again'))
            elif verb == 'DATA':
                reply = self.answer(line, '354 go on')
                self.say(sock, reply)
                if reply.startswith('354'):
                    self.take(sock, file, recipients)
            elif verb == 'BDAT':
                self.store(sock, file.read(int(line.split()[1])), recipients)
            elif verb == 'QUIT':
                self.say(sock, '221 bye')
                return
            else:
                if verb == 'MAIL':
                    recipients = 0
                reply = self.answer(line, '250 2.1.5 ok')
                recipients += verb == 'RCPT' and reply is not None and reply.startswith('2')
                self.say(sock, reply)

    def take(self, sock, file, recipients):
        mail = []
        while (line := file.readline()) != b'.\r\n':
            if not line:
                return
            mail.append(line[1:] if line.startswith(b'.') else line)
        self.store(sock, b''.join(mail), recipients)

    def store(self, sock, mail, recipients):
        self.mails.append(mail)
        for at in range(recipients if self.lmtp else 1):
            self.say(sock, self.answer(f'DOT{at}', f'250 2.0.0 stored {at}'))
