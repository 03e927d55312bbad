"""What the report of costs asks of the database, asked of PostgreSQL: the same tests, with another store under them."""

from __future__ import annotations

import pytest

from orchestrator.store.engine import open_store
from tests.components import need
from tests.integration.scaled.conftest import MIGRATED
from tests.integration.service.toy import make_toy
from tests.servers import PostgreSQL
from tests.unit.service.conftest import rig, told
from tests.unit.service.rig import Toy
from tests.unit.web.conftest import api, stranger
from tests.unit.web.test_cost import (
    ledger,
    test_a_measurement_of_another_episode_is_no_signal,
    test_all_cost_over_the_valid_signals_with_each_part_labelled,
    test_alone_each_attempt_would_have_had_the_whole_machine,
    test_days_are_both_included,
    test_it_is_listed_by_what_was_asked_for,
    test_wakes_are_counted,
)

__all__ = [
    "api",
    "ledger",
    "rig",
    "stranger",
    "test_a_measurement_of_another_episode_is_no_signal",
    "test_all_cost_over_the_valid_signals_with_each_part_labelled",
    "test_alone_each_attempt_would_have_had_the_whole_machine",
    "test_days_are_both_included",
    "test_it_is_listed_by_what_was_asked_for",
    "test_wakes_are_counted",
    "told",
]


@pytest.fixture(scope="module")
def the_toy(tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL) -> Toy:
    need("git")
    folder = tmp_path_factory.mktemp("toy")
    url = postgresql.create("costs", like=MIGRATED)
    return Toy(folder=folder, campaign=make_toy(folder, folder / "token"), store=open_store(url))
