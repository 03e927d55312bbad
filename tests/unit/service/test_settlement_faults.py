"""Accounts that cannot be settled hold up no others, and are tried again."""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from orchestrator.service.settlement import LOOKED_AT_MOST, settle
from orchestrator.store.account_tables import SpanRow
from orchestrator.store.tables import RunnerRow
from tests.unit.service.accounts import AccountRig, spans
from tests.unit.service.rig import Toy


@pytest.fixture
def rig(the_toy: Toy, tmp_path: Path) -> AccountRig:
    return AccountRig(the_toy, tmp_path / "home")


BROKEN = {"ahead_s": "what?", "meter": None}
"""No number that accounts could be made with."""


def keep_accounts(rig: AccountRig, meter: dict[str, Any] | None, runner: str) -> None:
    """As they are: nothing is reported any more that would mend them."""
    with rig.store.writing() as session:
        session.execute(update(RunnerRow).where(col(RunnerRow.name) == runner).values(meter=meter))
        session.execute(update(RunnerRow).values(observe_after=rig.clock().replace(year=2027)))


def failures(told: list[MutableMapping[str, Any]], runner: str) -> int:
    return len([entry for entry in told if entry["event"] == "settlement-failed" and entry["runner"] == runner])


def test_a_fault_in_the_accounts_of_one_runner_is_logged_once_and_holds_up_no_other(
    the_toy: Toy, tmp_path: Path, told: list[MutableMapping[str, Any]]
) -> None:
    rig = AccountRig(the_toy, tmp_path / "two", runners=("a", "b"))
    rig.watch(30)
    keep_accounts(rig, BROKEN, "a")
    rig.watch(400)
    assert failures(told, "a") == 1
    settled = {row.name: row.settled_until for row in rig.rows(RunnerRow)}
    assert settled["b"] > settled["a"]


def test_one_whose_accounts_failed_is_tried_again_later_and_then_after_longer(rig: AccountRig) -> None:
    rig.watch(100)
    whole = rig.runner().meter
    keep_accounts(rig, BROKEN, "local")
    with rig.store.writing() as session:
        session.execute(update(RunnerRow).values(last_seen=rig.clock() + timedelta(seconds=300), settled_until=None))
    assert settle(rig.services) == 0
    rig.clock.advance(30)
    assert settle(rig.services) == 0
    keep_accounts(rig, whole, "local")
    rig.clock.advance(59)
    assert settle(rig.services) == 0
    rig.clock.advance(1)
    assert settle(rig.services) == 1


def test_however_many_fail_the_others_have_their_turn(
    the_toy: Toy, tmp_path: Path, told: list[MutableMapping[str, Any]]
) -> None:
    rig = AccountRig(the_toy, tmp_path / "many", runners=("local", "sound"))
    rig.watch(100)
    keep_accounts(rig, BROKEN, "local")
    many = [f"broken-{number:03}" for number in range(LOOKED_AT_MOST + 5)]
    began = rig.clock() - timedelta(days=1)
    with rig.store.writing() as session:
        row, span = rig.runner(), spans(rig)[-1]
        for name in many:
            session.add(RunnerRow(**{**row.model_dump(), "name": name, "settled_until": began}))
        session.flush()
        for name in many:
            session.add(SpanRow(**{**span.model_dump(exclude={"id"}), "runner": name}))
        waits_since = rig.clock() - timedelta(seconds=70)
        session.execute(update(RunnerRow).where(col(RunnerRow.name) == "sound").values(settled_until=waits_since))
        session.execute(update(RunnerRow).values(last_seen=rig.clock()))
    settle(rig.services)
    assert rig.runner("sound").settled_until == waits_since
    rig.clock.advance(1)
    settle(rig.services)
    assert [failures(told, name) for name in many] == [1] * len(many)
    assert rig.runner("sound").settled_until == rig.clock() - timedelta(seconds=1)
