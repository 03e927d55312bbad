"""The scaled set-up with a history and a live machine, and everybody who watches it: what the tests of dashboards and
alerts look at, and what the pictures of the documentation are drawn from."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from orchestrator.store.engine import Store, open_store
from tests.integration.observing.history import ASLEEP, DRIFTED, add_machines, add_wave
from tests.integration.observing.observed_runner import ObservedRunner
from tests.integration.scaled.memory_runner import ADDRESS
from tests.integration.service.toy import make_toy
from tests.observers import CeleryExporter, NodeExporter, Prometheus, running
from tests.orchestrator import ScaledOrchestrator, wait_for

PROMETHEUS = Path(__file__).parents[3] / "grafana/prometheus"
LIVE = "desk"
SCRAPE_S = 1
WAVE_EVERY = timedelta(seconds=5)
CELERY_SCRAPE_S = 5
"""The exporter asks all workers twice, and waits a second for each answer."""

THERE = ("sum(matins_episodes_total) > 0", "celery_worker_up", "node_uname_info")
"""What has been scraped once the stage is set, by job."""

PRICES = ("--price-per-hour", "0.095", "--watts", "asleep=3,idle=60,busy=420,rest=45", "--price-per-kwh", "0.3")


class WatchedOrchestrator(ScaledOrchestrator):
    """One process of each kind; its worker reaches the runner of the test."""

    def _make_parts(self) -> list[Any]:
        self.api = self._part("api")
        self.workers = [self._part("worker", "worker-1", ("-m", "tests.integration.observing.worker"))]
        self.beats = [self._part("beat", "beat-1")]
        return [self.api, *self.workers, *self.beats]


@dataclass(frozen=True)
class Stage:
    """`wave()` lets more episodes end on its machines; `waves` has the moments at which it did."""

    matins: ScaledOrchestrator
    prometheus: Prometheus
    store: Store
    campaign: Path
    waves: list[datetime]

    def wave(self) -> None:
        now = datetime.now(UTC)
        with self.store.writing() as session:
            add_wave(session, len(self.waves), now, (LIVE, ASLEEP, DRIFTED))
        self.waves.append(now)

    def go_on(self) -> None:
        """A wave every few seconds: rates are of half a minute, and whoever looks may take longer."""
        if datetime.now(UTC) - self.waves[-1] > WAVE_EVERY:
            self.wave()

    def tail(self) -> str:
        return f"{self.matins.tail()}\nprometheus:\n{self.prometheus.tail()}"


@contextlib.contextmanager
def staged(folder: Path, database_url: str, broker_url: str) -> Iterator[Stage]:
    """Everything runs, and the first wave is in Prometheus."""
    with contextlib.ExitStack() as over:
        store = over.enter_context(contextlib.closing(open_store(database_url)))
        with store.writing() as session:
            add_machines(session, datetime.now(UTC))
        matins, campaign = _start_matins(over, folder, database_url, broker_url)
        node, celery = NodeExporter(_folder(folder, "node")), CeleryExporter(_folder(folder, "celery"), broker_url)
        over.enter_context(running(node, celery))
        files = _files(node.target, celery.target)
        config = _config(matins.url.removeprefix("http://"))
        prometheus = Prometheus(_folder(folder, "prometheus"), config, files)
        stage = Stage(matins=matins, prometheus=prometheus, store=store, campaign=campaign, waves=[])
        stage.wave()
        over.enter_context(running(prometheus))
        wait_for(lambda: all(prometheus.query(one) for one in THERE), 60, stage.tail)
        yield stage


def _start_matins(
    over: contextlib.ExitStack, folder: Path, database_url: str, broker_url: str
) -> tuple[ScaledOrchestrator, Path]:
    home = _folder(folder, "lab") / "home"
    campaign = make_toy(folder, home / "token")
    settings = {
        "agents_path": str(folder / "agents"),
        "tick_s": "0.5",
        "observe_s": "0.5",
        "preflight_on": "first-runner",
    }
    with _environment(ADDRESS, str(over.enter_context(ObservedRunner().serving()))):
        matins = WatchedOrchestrator(home, database_url=database_url, broker_url=broker_url, **settings)
    over.callback(matins.stop)
    matins.start().json("runner", "add", LIVE, "--local", "--slots", "agent=4,build=1", *PRICES)
    return matins, campaign


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def _folder(above: Path, name: str) -> Path:
    folder = above / name
    folder.mkdir()
    return folder


def _config(target: str) -> str:
    """The one that ships, with the addresses of the test, and times that a test can wait for."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] |= {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"}
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    jobs["matins"]["static_configs"][0]["targets"] = [target]
    jobs["celery"] |= dict.fromkeys(("scrape_interval", "scrape_timeout"), f"{CELERY_SCRAPE_S}s")
    return yaml.safe_dump(config)


def _files(node: str, celery: str) -> dict[str, str]:
    rules = {f"rules/{path.name}": _soon(path.read_text(encoding="utf-8")) for path in PROMETHEUS.glob("rules/*.yml")}
    return {
        **rules,
        "targets/node.yml": yaml.safe_dump([{"targets": [node], "labels": {"runner": LIVE}}]),
        "targets/celery.yml": yaml.safe_dump([{"targets": [celery]}]),
    }


def _soon(rules: str) -> str:
    """Alerts fire as soon as they may; what has to hold for them is left as it is."""
    return re.sub(r"^(\s+for:) \w+$", r"\1 0s", rules, flags=re.MULTILINE)
