"""A small orchestrator over real HTTP that says exactly what a test tells it to, and can go away and come back."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.loopback import LoopbackServer

TOKEN = "fake-token"
PREFIX = "/api/v1"
Json = dict[str, Any]

COST: Json = {
    "by": "agent",
    "usd": 0.5,
    "signals": 4,
    "episodes": 5,
    "usd_per_signal": 0.125,
    "says": "0.5000 USD for 4 signals: 0.1250 USD per signal",
    "parts": [{"kind": "hardware", "label": "configured", "usd": 0.5, "seconds": 3600.0, "joules": 0.0}],
    "phases": [],
    "went": {},
    "waste": [],
    "groups": [],
    "wakes": {},
    "tokens": {},
}
"""A report of what episodes cost, settled."""


@dataclass(kw_only=True)
class FakeEpisode:
    """`steps` are events that are revealed one a question; after the last one the episode ends with `ends`."""

    id: str
    agent: str = "replay:finisher"
    campaign: str = "decode"
    phase: str = "QUEUED"
    steps: list[Json] = field(default_factory=list)
    ends: Json = field(default_factory=lambda: {"phase": "DONE"})
    events: list[Json] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    log: str = ""
    log_ended: bool = True
    attempt: str | None = None
    more: Json = field(default_factory=dict)

    def summary(self) -> Json:
        base = {"id": self.id, "campaign": self.campaign, "agent": self.agent, "phase": self.phase, "kind": "episode"}
        return base | {"submitted_at": "2026-11-21T08:00:00.000Z"} | self.more

    def step(self) -> None:
        if self.steps:
            event = self.steps.pop(0)
            self.events.append({"seq": len(self.events) + 1, "at": "2026-11-21T08:00:01Z", "source": "runner"} | event)
        if not self.steps and self.phase not in ("DONE", "FAILED", "CANCELLED"):
            self.phase = self.ends["phase"]
            self.more |= self.ends

    def seal(self) -> None:
        """Give its files a SHA256SUMS that holds."""
        self.files.pop("SHA256SUMS", None)
        lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(self.files.items())]
        self.files["SHA256SUMS"] = "".join(lines).encode()


Answer = tuple[int, Any]


class FakeApi:
    """`override` answers first where it wants to; `cuts` breaks the connection of a file after so many bytes, once;
    `damage` changes a byte of a file so many times; `drops` is how many questions get no answer."""

    def __init__(self, port: int = 0) -> None:
        self.token: str | None = TOKEN
        self.episodes: dict[str, FakeEpisode] = {}
        self.runners: list[Json] = []
        self.host_key: Json = {}
        self.settings: list[Json] = [{"name": "tick_s", "value": "1.0", "source": "default"}]
        self.problems: list[Json] = []
        self.asked: list[tuple[str, str, Json]] = []
        self.ranges: list[str | None] = []
        self.cuts: dict[str, int] = {}
        self.damage: dict[str, int] = {}
        self.on_submit: Callable[[Json], list[FakeEpisode]] = lambda _body: []
        self.drops = 0
        self.override: Callable[[str, str], Answer | bytes | None] = lambda _method, _path: None
        self._server: LoopbackServer | None = None
        self._thread: threading.Thread | None = None
        self._port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen, on the same port as before if it ran already."""
        api = self

        class Handler(_Handler):
            fake = api

        server = LoopbackServer(self._port, Handler)
        self._port = server.server_address[1]
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None and self._thread is not None:
            server.shutdown()
            server.server_close()
            self._thread.join(60)

    def away(self) -> bool:
        """Whether the next question gets no answer: connections outlive the server that took them."""
        if self._server is not None and self.drops > 0:
            self.drops -= 1
            return True
        return self._server is None

    def answer(self, method: str, path: str, query: Json, body: Json) -> Answer:
        parts = [unquote(part) for part in path.removeprefix(PREFIX).strip("/").split("/")]
        match method, parts:
            case "GET", ["health"]:
                return 200, {"version": "0.1.0", "started_at": "2026-11-21T08:00:00Z"}
            case "GET", ["config"]:
                return 200, {"settings": self.settings}
            case "GET", ["cost"]:
                return 200, COST
            case "GET", ["runners"]:
                return 200, {"runners": self.runners}
            case "GET", ["runners", name]:
                found = next((runner for runner in self.runners if runner["name"] == name), None)
                return (200, found) if found else _error(404, f"there is no runner {name!r}")
            case "POST", ["runners", "host-key"]:
                return 200, self.host_key
            case "POST", ["runners"]:
                return self._add_runner(body)
            case "POST", ["campaigns", "check"]:
                return self._refusal() or (200, {"name": "decode", "items": [{}] * 4, "sessions": 2, "warnings": []})
            case "POST", ["episodes"]:
                return self._refusal() or self._submit(body)
            case "GET", ["episodes"]:
                return 200, {"episodes": [episode.summary() for episode in self.episodes.values()]}
            case _, ["episodes", name, *rest]:
                found = [episode for episode in self.episodes.values() if episode.id.startswith(name)]
                if len(found) != 1:
                    return _error(404, f"there is no episode {name!r}", "see `matins episode list`")
                return self._episode(method, found[0], rest, query)
        return 404, {"detail": "Not Found"}

    def _refusal(self) -> Answer | None:
        return (
            (422, {"error": {"kind": "bad-input", "message": "bad", "problems": self.problems}})
            if self.problems
            else None
        )

    def _submit(self, body: Json) -> Answer:
        made = self.on_submit(body)
        self.episodes |= {episode.id: episode for episode in made}
        return 201, {"episodes": [e.summary() for e in made], "campaign": "decode", "commit": "c0ffee" * 6 + "c0ff"}

    def _add_runner(self, body: Json) -> Answer:
        if any(runner["name"] == body["name"] for runner in self.runners):
            return _error(409, f"there is a runner {body['name']!r} already")
        self.runners.append({"state": "unknown", **body, "running": []})
        return 201, self.runners[-1]

    def _episode(self, method: str, episode: FakeEpisode, rest: list[str], query: Json) -> Answer:
        match method, rest:
            case "GET", []:
                return 200, episode.summary()
            case "GET", ["events"]:
                episode.step()
                new = [event for event in episode.events if event["seq"] > int(query.get("after", 0))]
                ended = episode.phase in ("DONE", "FAILED", "CANCELLED")
                return 200, {"events": new, "next": new[-1]["seq"] if new else int(query["after"]), "ended": ended}
            case "GET", ["logs"]:
                offset = int(query.get("offset", 0))
                text = episode.log[offset : offset + 7]
                answer = {"text": text, "offset": offset, "next": offset + len(text)}
                return 200, answer | {"ended": episode.log_ended and not text, "attempt": episode.attempt}
            case "GET", ["explain"]:
                return 200, {"state": episode.phase, "lines": ["It waits for a runner.", "None has the tag vulkan."]}
            case "POST", ["cancel"]:
                episode.phase = "CANCELLED"
                return 200, episode.summary()
            case "GET", ["files"]:
                if not episode.files:
                    return _error(409, f"episode {episode.id} is {episode.phase}: it has no artifacts yet")
                return 200, {"campaign": episode.campaign, "files": [_listed(*file) for file in episode.files.items()]}
        return 404, {"detail": "Not Found"}

    def file(self, path: str) -> tuple[str, bytes] | None:
        parts = [unquote(part) for part in path.removeprefix(f"{PREFIX}/episodes/").split("/")]
        episode = self.episodes.get(parts[0])
        name = "/".join(parts[2:])
        if episode is None or len(parts) < 3 or parts[1] != "files" or name not in episode.files:
            return None
        data = episode.files[name]
        if self.damage.get(name, 0) > 0:
            self.damage[name] -= 1
            data = bytes([data[0] ^ 1]) + data[1:]
        return name, data


class _Handler(BaseHTTPRequestHandler):
    fake: FakeApi
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def _handle(self, method: str) -> None:
        split = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        query = {name: found[-1] for name, found in parse_qs(split.query, keep_blank_values=True).items()}
        if self.fake.away():
            self.close_connection = True
            return
        self.fake.asked.append((method, split.path, query | body))
        said = self.fake.override(method, split.path)
        if isinstance(said, bytes):
            self._send(200, said, "text/html")
        elif said is not None:
            self._send(said[0], json.dumps(said[1]).encode())
        elif self.fake.token and self.headers.get("Authorization") != f"Bearer {self.fake.token}":
            self._send(401, json.dumps(_error(401, "the token is missing or wrong")[1]).encode())
        elif (file := self.fake.file(split.path)) is not None:
            self._send_file(*file)
        else:
            status, answer = self.fake.answer(method, split.path, query, body)
            self._send(status, json.dumps(answer).encode())

    def _send(self, status: int, content: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_file(self, name: str, data: bytes) -> None:
        asked = self.headers.get("Range")
        self.fake.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(data) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        cut = self.fake.cuts.pop(name, None)
        self.wfile.write(data[start : start + cut] if cut is not None else data[start:])
        self.close_connection = cut is not None

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _listed(path: str, data: bytes) -> Json:
    sha256 = None if path == "SHA256SUMS" else hashlib.sha256(data).hexdigest()
    return {"path": path, "size": len(data), "sha256": sha256}


def _error(status: int, message: str, remedy: str = "") -> Answer:
    return status, {"error": {"kind": "error", "message": message, "remedy": remedy, "problems": []}}
