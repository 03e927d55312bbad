"""One PostgreSQL and one Redis for the whole folder, one RabbitMQ for its own module. A test that stops or floods one
brings it back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from orchestrator.store.engine import open_store
from tests.components import need
from tests.integration.scaled.memory_runner import ADDRESS, MemoryRunner
from tests.integration.scaled.memory_worker import RINGS
from tests.integration.service.toy import make_toy
from tests.orchestrator import ScaledOrchestrator
from tests.rabbitmq import RabbitMQ, running_rabbitmq
from tests.servers import PostgreSQL, Redis, running_postgresql, running_redis

MIGRATED = "migrated"


@dataclass(frozen=True)
class Lab:
    """An orchestrator in five processes, its runner `local` with four slots, and the toy campaign."""

    matins: ScaledOrchestrator
    campaign: Path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    with running_postgresql() as server:
        open_store(server.create(MIGRATED)).close()
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    with running_redis() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    with running_rabbitmq() as server:
        yield server


@pytest.fixture
def database(postgresql: PostgreSQL) -> str:
    """The URL of a migrated database that is this test's own."""
    return postgresql.create(f"test-{uuid4().hex[:8]}", like=MIGRATED)


@pytest.fixture
def broker(redis: Redis) -> str:
    """The URL of an empty broker."""
    with redis.client() as client:
        client.flushall()
    return redis.url


@pytest.fixture
def make_lab(tmp_path: Path, database: str, broker: str) -> Iterator[Callable[..., Lab]]:
    """Starts a lab with the settings given."""
    made: list[ScaledOrchestrator] = []

    def make(**settings: str) -> Lab:
        need("bwrap", "git")
        home = tmp_path / "lab" / "home"
        campaign = make_toy(tmp_path, home / "token")
        common = {"agents_path": str(tmp_path / "agents"), "tick_s": "0.3", "observe_s": "0.3", **settings}
        home.parent.mkdir()
        matins = ScaledOrchestrator(home, database_url=database, broker_url=broker, **common)
        made.append(matins)
        matins.start().json("runner", "add", "local", "--local", "--slots", "agent=4,build=1")
        return Lab(matins=matins, campaign=campaign)

    yield make
    for matins in made:
        matins.stop()


class MemoryOrchestrator(ScaledOrchestrator):
    """Its workers reach the runner of the test; all else is as `matins` starts it."""

    worker_command = ("-m", "tests.integration.scaled.memory_worker")


@dataclass(frozen=True)
class MemoryLab(Lab):
    """An orchestrator in five processes, with a runner `local` that lives in the test."""

    runner: MemoryRunner


@pytest.fixture
def make_memory_lab(
    tmp_path: Path, database: str, broker: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., MemoryLab]]:
    """Starts a lab with so many slots, whose workers ring so often for each thing."""
    with contextlib.ExitStack() as over:

        def make(*, slots: int, rings: int = 1, **settings: str) -> MemoryLab:
            need("git")
            runner = MemoryRunner()
            port = over.enter_context(runner.serving())
            monkeypatch.setenv(ADDRESS, str(port))
            monkeypatch.setenv(RINGS, str(rings))
            home = tmp_path / "lab" / "home"
            home.parent.mkdir()
            campaign = make_toy(tmp_path, home / "token")
            common = {"agents_path": str(tmp_path / "agents"), "tick_s": "0.5", "observe_s": "0.3", **settings}
            matins = MemoryOrchestrator(home, database_url=database, broker_url=broker, **common)
            over.callback(matins.stop)
            matins.start().json("runner", "add", "local", "--local", "--slots", f"agent={slots},build=1")
            return MemoryLab(matins=matins, campaign=campaign, runner=runner)

        yield make
