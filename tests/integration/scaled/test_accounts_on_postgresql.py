"""Time is kept and settled on PostgreSQL as on SQLite: the same tests, with another store under the rig."""

from __future__ import annotations

import pytest

from orchestrator.store.engine import open_store
from tests.components import need
from tests.integration.scaled.conftest import MIGRATED
from tests.integration.service.toy import make_toy
from tests.servers import PostgreSQL
from tests.unit.service.conftest import told
from tests.unit.service.rig import Toy
from tests.unit.service.test_settlement import (
    rig,
    test_a_meter_that_fell_silent_is_replaced_by_what_is_configured,
    test_an_attempt_pays_for_its_stages_and_the_rest_is_idle,
    test_attempts_that_ended_before_anybody_watched_cost_nothing_and_are_done_with,
    test_settling_twice_or_by_two_changes_nothing,
    test_what_nobody_watched_is_estimated,
)

__all__ = [
    "rig",
    "test_a_meter_that_fell_silent_is_replaced_by_what_is_configured",
    "test_an_attempt_pays_for_its_stages_and_the_rest_is_idle",
    "test_attempts_that_ended_before_anybody_watched_cost_nothing_and_are_done_with",
    "test_settling_twice_or_by_two_changes_nothing",
    "test_what_nobody_watched_is_estimated",
    "told",
]


@pytest.fixture(scope="module")
def the_toy(tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL) -> Toy:
    need("git")
    folder = tmp_path_factory.mktemp("toy")
    url = postgresql.create("accounts", like=MIGRATED)
    with postgresql.connect("accounts") as connection:
        # No test here pulls the plug of the server, so none waits for its disk.
        connection.execute("ALTER DATABASE accounts SET synchronous_commit = off")
    return Toy(folder=folder, campaign=make_toy(folder, folder / "token"), store=open_store(url))
