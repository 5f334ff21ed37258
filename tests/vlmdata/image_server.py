"""A web server on this machine that behaves as badly as a test asks."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """Answers with what the server's routes say, and remembers what was asked."""

    protocol_version = "HTTP/1.1"
    server: ImageServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        try:
            self.server.routes[self.path.partition("?")[0]](self)
        except OSError:  # the other side has gone, as it may
            self.close_connection = True

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer; `content_length=` lies about its size."""
        self.send_response(status)
        for name, value in ({"content_length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def reset(self) -> None:
        """End the connection the rude way."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


class ImageServer(ThreadingHTTPServer):
    """Routes by path. `released` is set when the test is over, for answers that never come."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes: dict[str, Callable[[Handler], None]] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.released = threading.Event()
        self.scheme = "http"

    def route(self, path: str) -> Callable[[Callable[[Handler], None]], Callable[[Handler], None]]:
        def add(answer: Callable[[Handler], None]) -> Callable[[Handler], None]:
            self.routes[path] = answer
            return answer

        return add

    def answers(self, path: str, status: int, body: bytes = b"", **headers: str) -> None:
        self.routes[path] = lambda handler: handler.answer(status, body, **headers)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.server_port}{path}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        with suppress(OSError):
            super().finish_request(request, client_address)


@contextmanager
def serving(certificate: str | None = None, key: str | None = None) -> Iterator[ImageServer]:
    """A server under way, with TLS where a certificate is given."""
    server = ImageServer()
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.scheme = "https"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
