"""The rules that the service keeps on SQLite, kept on PostgreSQL: the same tests, with another store under the rig."""

from __future__ import annotations

import pytest

from orchestrator.store.engine import open_store
from tests.components import need
from tests.integration.scaled.conftest import MIGRATED
from tests.integration.service.toy import make_toy
from tests.servers import PostgreSQL
from tests.unit.service.conftest import rig, told
from tests.unit.service.rig import Toy
from tests.unit.service.test_cancelling import *  # noqa: F403
from tests.unit.service.test_one_life import *  # noqa: F403
from tests.unit.service.test_two_ticks import *  # noqa: F403

__all__ = ["rig", "told"]


@pytest.fixture(scope="module")
def the_toy(tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL) -> Toy:
    need("git")
    folder = tmp_path_factory.mktemp("toy")
    url = postgresql.create("rules", like=MIGRATED)
    with postgresql.connect("rules") as connection:
        # No test here pulls the plug of the server, so none waits for its disk.
        connection.execute("ALTER DATABASE rules SET synchronous_commit = off")
    return Toy(folder=folder, campaign=make_toy(folder, folder / "token"), store=open_store(url))
