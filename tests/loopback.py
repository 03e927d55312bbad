"""An HTTP server for tests that can always be told to stop."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ACCEPT_S = 0.5


class LoopbackServer(ThreadingHTTPServer):
    """On 127.0.0.1. A connection that was given up before it could be taken is waited for no longer than `ACCEPT_S`:
    the standard library's would wait for the next one, and its `shutdown` with it."""

    daemon_threads = True

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.socket.settimeout(ACCEPT_S)
