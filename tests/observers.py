"""Who watches Matins from outside, as real programs on free loopback ports: Prometheus, node_exporter on a recorded
machine, celery-exporter. Each starts and stops like the servers of tests/servers.py."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.components import CELERY_EXPORTER_PYTHON, node_exporter
from tests.recorded_gpu import write_proc, write_sys
from tests.servers import Server

ANSWER_LIMIT_S = 60.0

Json = dict[str, Any]


class QueryError(AssertionError):
    """Prometheus refused an expression; the message has both."""


class WebServer(Server):
    """One that is asked over HTTP; it is there once `health` answers."""

    health = "/metrics"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def target(self) -> str:
        """What a scrape configuration names."""
        return f"127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}{self.health}", timeout=20).status_code == 200
        except httpx.TransportError:
            return False


class NodeExporter(WebServer):
    """On the machine of tests/recorded_gpu.py."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._sys, self._proc = write_sys(folder / "sys"), write_proc(folder / "proc")

    def command(self) -> list[str]:
        recorded = [f"--path.sysfs={self._sys}", f"--path.procfs={self._proc}"]
        kept = ("drm", "hwmon", "cpu", "meminfo", "loadavg", "filesystem", "diskstats", "uname")
        chosen = ["--collector.disable-defaults", *(f"--collector.{name}" for name in kept)]
        return [str(node_exporter()), f"--web.listen-address={self.target}", *recorded, *chosen]


class CeleryExporter(WebServer):
    """danihodovic's, of `make .venv-exporter/.stamp`, beside one broker."""

    health = "/health"

    def __init__(self, folder: Path, broker_url: str) -> None:
        super().__init__(folder)
        self._broker_url = broker_url

    def command(self) -> list[str]:
        # Workers answer no remote control, so the queue has to be named.
        options = ["--broker-url", self._broker_url, "--queues", "matins", "--retry-interval", "1"]
        listens = ["--host", "127.0.0.1", "--port", str(self.port)]
        return [str(CELERY_EXPORTER_PYTHON), "-c", "from src.cli import cli; cli()", *options, *listens]


class Prometheus(WebServer):
    """Its configuration is `config`; files beside it, such as rules, are `files` by name."""

    health = "/-/ready"

    def __init__(self, folder: Path, config: str, files: Mapping[str, str]) -> None:
        super().__init__(folder)
        for name, text in {**files, "prometheus.yml": config}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def command(self) -> list[str]:
        return [
            "prometheus",
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={self.target}",
            "--log.level=warn",
        ]

    def get(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer. Raises QueryError."""
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=ANSWER_LIMIT_S)
        body = answer.json()
        if body["status"] != "success":
            raise QueryError(f"{parameters or path}: {body.get('error')}")
        return body["data"]

    def query(self, expression: str) -> list[Json]:
        """What it is now, per series."""
        return self.get("query", query=expression)["result"]

    def value(self, expression: str) -> float | None:
        """Of the only series; None if there is none."""
        found = self.query(expression)
        assert len(found) < 2, f"{expression}: {found}"
        return float(found[0]["value"][1]) if found else None

    def query_range(self, expression: str, start_s: float, end_s: float, step_s: float) -> list[Json]:
        """How it went, per series; times are seconds since the epoch."""
        times = {"start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:g}"}
        return self.get("query_range", query=expression, **times)["result"]

    def metric_names(self) -> set[str]:
        return set(self.get("label/__name__/values"))

    def alerts(self) -> dict[str, list[Json]]:
        """Those that fire, by name: their labels."""
        fires: dict[str, list[Json]] = {}
        for alert in self.get("alerts")["alerts"]:
            if alert["state"] == "firing":
                fires.setdefault(alert["labels"]["alertname"], []).append(alert["labels"])
        return fires


@contextlib.contextmanager
def running(*servers: Server) -> Iterator[None]:
    """Killed at the end: none of them holds anything that has to be kept."""
    try:
        for server in servers:
            server.start()
        yield
    finally:
        for server in servers:
            with contextlib.suppress(AssertionError, OSError):
                server.kill()
