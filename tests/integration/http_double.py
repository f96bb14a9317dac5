# SPDX-License-Identifier: MIT
"""An HTTP or HTTPS server on loopback whose answers a test decides."""
import http.server
import ssl
import threading

from conftest import free_ports


class Double:
    """`answer(method, path, headers, body)` gives (status, text) or None, which hangs up; `seen` has what was asked, `ports` by
    which connection."""

    def __init__(self, answer, tls=None):
        self.answer, self.seen, self.ports = answer, [], []
        self.port = free_ports(1)[0]
        self.lock = threading.Lock()
        double = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get('Content-Length') or 0)).decode()
                with double.lock:
                    double.ports.append(self.client_address[1])
                    double.seen.append((self.command, self.path, dict(self.headers), body))
                said = double.answer(self.command, self.path, self.headers, body)
                if said is None:
                    self.close_connection = True
                    return
                data = said[1].encode()
                self.send_response(said[0])
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = handle_any

            def log_message(self, *args):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.server = Quiet(('127.0.0.1', self.port), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(f'{tls}.crt', f'{tls}.key')
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f'{"https://localhost" if tls else "http://127.0.0.1"}:{self.port}'
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
