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
from tests.unit.service.test_notifying import (
    news,
    test_another_tick_that_came_between_look_and_write_tells_it_alone,
    test_many_ends_in_a_while_are_one_message,
    test_the_price_of_a_signal_is_that_of_the_last_day,
    test_two_workers_at_one_message_send_it_once,
    test_what_is_over_and_told_is_forgotten_after_a_week,
    test_what_lasts_is_told_once_at_each_place_and_once_that_it_is_over,
)
from tests.unit.service.test_one_life import *  # noqa: F403
from tests.unit.service.test_two_ticks import *  # noqa: F403

__all__ = [
    "news",
    "rig",
    "test_another_tick_that_came_between_look_and_write_tells_it_alone",
    "test_many_ends_in_a_while_are_one_message",
    "test_the_price_of_a_signal_is_that_of_the_last_day",
    "test_two_workers_at_one_message_send_it_once",
    "test_what_is_over_and_told_is_forgotten_after_a_week",
    "test_what_lasts_is_told_once_at_each_place_and_once_that_it_is_over",
    "told",
]


@pytest.fixture(scope="module")
def the_toy(tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL) -> Toy:
    need("git")
    folder = tmp_path_factory.mktemp("toy")
    url = postgresql.create("rules", like=MIGRATED)
    with postgresql.connect("rules") as connection:
        # No test here pulls the plug of the server, so none waits for its disk.
        connection.execute("ALTER DATABASE rules SET synchronous_commit = off")
    return Toy(folder=folder, campaign=make_toy(folder, folder / "token"), store=open_store(url))
