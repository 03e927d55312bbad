"""One stage for the folder: a PostgreSQL, a Redis, the service, and who watches it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.components import need
from tests.integration.observing.stage import Stage, staged
from tests.integration.scaled.conftest import MIGRATED, postgresql, redis
from tests.servers import PostgreSQL, Redis

__all__ = ["postgresql", "redis"]


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL, redis: Redis) -> Iterator[Stage]:
    need("git", "prometheus", "node_exporter", "celery-exporter")
    database = postgresql.create("observed", like=MIGRATED)
    with staged(tmp_path_factory.mktemp("observed"), database, redis.url) as made:
        yield made
