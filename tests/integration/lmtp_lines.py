# SPDX-License-Identifier: MIT
"""An LMTP client that shows every reply."""
import socket


class Lmtp:
    def __init__(self, port, name='client.example', timeout=20):
        self.sock = socket.create_connection(('127.0.0.1', port), timeout=timeout)
        self.file = self.sock.makefile('rb')
        self.greeting = self.reply()
        if name is not None:
            self.command(f'LHLO {name}')

    def send(self, data):
        self.sock.sendall(data)

    def reply(self):
        """All lines of one reply; b'' where the server closed."""
        lines = b''
        while True:
            line = self.file.readline()
            lines += line
            if not line or line[3:4] != b'-':
                return lines.decode().replace('\r\n', '\n').rstrip('\n')

    def command(self, text, replies=1):
        self.send(text.encode() + b'\r\n')
        answers = [self.reply() for _ in range(replies)]
        return answers[0] if replies == 1 else answers

    def data(self, mail, recipients=1):
        assert self.command('DATA').startswith('354')
        body = mail.replace(b'\r\n', b'\n').replace(b'\n', b'\r\n')
        if body.startswith(b'.'):
            body = b'.' + body
        body = body.replace(b'\r\n.', b'\r\n..')
        self.send(body + (b'' if body.endswith(b'\r\n') else b'\r\n') + b'.\r\n')
        return [self.reply() for _ in range(recipients)]

    def deliver(self, mail, *recipients, sender='sender@example.org'):
        assert self.command(f'MAIL FROM:<{sender}>').startswith('250')
        for recipient in recipients:
            assert self.command(f'RCPT TO:<{recipient}>').startswith('250')
        return self.data(mail, len(recipients))

    def close(self):
        self.file.close()
        self.sock.close()
