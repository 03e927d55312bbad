"""A service on loopback that takes messages over HTTP, and refuses some if told to."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self

from tests.loopback import LoopbackServer

PASSWORD, PATH = "geheim-im-wort", "geheim-im-pfad"


class Receiver:
    """`refusing`: how many messages are still refused; `taken`: those that were taken, `refused`: how many were not."""

    def __init__(self, refusing: int = 0) -> None:
        self.refusing = refusing
        self.refused = 0
        self.taken: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._server = LoopbackServer(0, self._handler())

    @property
    def url(self) -> str:
        """For apprise; with secrets in it."""
        return self.url_at(self._server.server_port)

    def url_at(self, port: int) -> str:
        return f"json://ada:{PASSWORD}@127.0.0.1:{port}/{PATH}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """As they stand in the URL and as they are sent."""
        return PASSWORD, PATH, base64.b64encode(f"ada:{PASSWORD}".encode()).decode()

    def bodies(self) -> list[str]:
        return [str(message["message"]) for message in self.taken]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, message: dict[str, Any]) -> int:
        with self._lock:
            if self.refusing > 0:
                self.refusing -= 1
                self.refused += 1
                return 500
            self.taken.append(message)
            return 200

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status = receiver._take(json.loads(text))
                # An answer that quotes the request, as some do.
                answer = f"{self.path} {self.headers.get('Authorization')}".encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Nothing: it is no part of what is tested."""

        return Handler
