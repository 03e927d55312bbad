"""`GET /api/v1/cost`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete

from orchestrator.store.account_tables import CostRow
from orchestrator.store.tables import AttemptRow, CampaignRow, EpisodeRow, RunnerRow, WakeRow
from tests.unit.service.rig import Rig
from tests.unit.store.rows import campaign_row
from tests.unit.web.test_api import V1, error

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
VALID = {"valid": True, "agent_tokens": {"prompt": 100, "completion": 10, "cached": 40}, "turns_unpriced": 2}


@pytest.fixture
def ledger(rig: Rig) -> Rig:
    """A valid episode of 3 USD, an invalid one of 2, a preflight of 1; idle time of 4 and a failed wake of 0.5."""
    with rig.services.store.writing() as session:
        session.add(CampaignRow(**campaign_row().model_dump()))
    episode(rig, "good", "replay:finisher", result=VALID)
    episode(rig, "bad", "replay:idler", end_reason="marker-missing", result={"valid": False})
    episode(rig, "preflight", "preflight", kind="preflight")
    for episode_id, usd in (("good", 2.0), ("bad", 2.0), ("preflight", 1.0)):
        line(rig, usd, episode_id=episode_id, attempt_id=f"{episode_id}-1", phase="gpu", kind="hardware", seconds=60.0)
    energy = {"phase": "gpu", "kind": "energy", "label": "measured", "joules": 500.0}
    line(rig, 1.0, "2026-11-21", episode_id="good", attempt_id="good-1", **energy)
    line(rig, 4.0, phase="idle", kind="idle")
    line(rig, 0.5, phase="failed-wake", kind="wake", reason="wake-failed")
    return rig


def episode(rig: Rig, name: str, agent: str, **row: Any) -> None:
    values = {
        "kind": "episode",
        "phase": "DONE",
        "end_reason": "completed",
        "runner": "local",
        "attempt_id": f"{name}-1",
        "ended_at": NOON,
        **row,
    }
    with rig.services.store.writing() as session:
        session.add(EpisodeRow(id=name, campaign_id="c1", agent=agent, phase_since=NOON, submitted_at=NOON, **values))
        session.flush()
        attempt = {"ended": values["end_reason"], "ended_at": NOON, "costed": True}
        session.add(AttemptRow(id=f"{name}-1", episode_id=name, runner="local", fence=1, created_at=NOON, **attempt))


def line(rig: Rig, usd: float, day: str = "2026-11-20", **values: Any) -> None:
    with rig.services.store.writing() as session:
        session.add(CostRow(**{"day": day, "runner": "local", "label": "configured", "usd": usd, **values}))


def ask(api: TestClient, **query: Any) -> dict[str, Any]:
    answer = api.get(f"{V1}/cost", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def groups(found: dict[str, Any]) -> dict[str, tuple[float, int]]:
    return {group["name"]: (group["usd"], group["signals"]) for group in found["groups"]}


def test_all_cost_over_the_valid_signals_with_each_part_labelled(api: TestClient, ledger: Rig) -> None:
    found = ask(api)
    assert (found["usd"], found["signals"], found["episodes"], found["usd_per_signal"]) == (10.5, 1, 2, 10.5)
    assert [(part["kind"], part["label"], part["usd"]) for part in found["parts"]] == [
        ("hardware", "configured", 5.0),
        ("energy", "measured", 1.0),
        ("idle", "configured", 4.0),
        ("wake", "configured", 0.5),
    ]
    assert found["went"] == {"signals": 3.0, "unfinished": 0.0, "waste": 2.5, "overhead": 1.0, "idle": 4.0}
    assert [(each["reason"], each["usd"]) for each in found["waste"]] == [("marker-missing", 2.0), ("wake-failed", 0.5)]
    assert found["overhead"] == {"preflight": 1.0, "canary": 0.0}
    assert found["tokens"] == {"prompt": 100, "completion": 10, "cached": 40, "unpriced_turns": 2}


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("agent", {"replay:finisher": (3.0, 1), "replay:idler": (2.0, 0), "preflight": (1.0, 0), "": (4.5, 0)}),
        ("campaign", {"decode": (6.0, 1), "": (4.5, 0)}),
        ("runner", {"local": (10.5, 1)}),
        ("day", {"2026-11-20": (9.5, 1), "2026-11-21": (1.0, 0)}),
        ("phase", {"gpu": (6.0, 0), "idle": (4.0, 0), "failed-wake": (0.5, 0)}),
    ],
)
def test_it_is_listed_by_what_was_asked_for(
    api: TestClient, ledger: Rig, by: str, expected: dict[str, tuple[float, int]]
) -> None:
    found = ask(api, by=by)
    assert groups(found) == expected
    assert sum(group["usd"] for group in found["groups"]) == pytest.approx(found["usd"])


def test_days_are_both_included(api: TestClient, ledger: Rig) -> None:
    of_day = ask(api, since="2026-11-21", until="2026-11-21")
    assert (of_day["usd"], of_day["signals"], of_day["usd_per_signal"]) == (1.0, 0, None)
    assert ask(api, until="2026-11-20")["usd"] == 9.5
    assert ask(api, since="2026-11-20", until="9999-12-31")["usd"] == 10.5


def test_of_an_agent_is_what_its_episodes_are_charged_with(api: TestClient, ledger: Rig) -> None:
    assert groups(ask(api, agent="replay:finisher")) == {"replay:finisher": (3.0, 1)}
    assert ask(api, campaign="decode")["usd"] == 6.0
    assert ask(api, episode=["good", "preflight"])["usd"] == 4.0


def test_what_was_spent_without_a_signal_has_no_price_per_signal(api: TestClient, ledger: Rig) -> None:
    found = ask(api, agent="replay:idler")
    assert found["usd_per_signal"] is None
    assert "no episode gave a signal" in found["says"]


def test_a_measurement_of_another_episode_is_no_signal(api: TestClient, ledger: Rig) -> None:
    episode(ledger, "again", "replay:finisher", result=VALID | {"reused_from": "good"})
    line(ledger, 0.0, episode_id="again", attempt_id="again-1", phase="build", kind="hardware", seconds=1.0)
    assert (ask(api)["signals"], ask(api)["episodes"]) == (1, 3)


def test_a_signal_from_before_there_was_a_ledger_makes_no_other_cheap(api: TestClient, ledger: Rig) -> None:
    episode(ledger, "old", "replay:finisher", result=VALID)
    assert (ask(api)["signals"], ask(api)["usd_per_signal"]) == (1, 10.5)


def test_a_verdict_that_was_made_anew_counts(api: TestClient, ledger: Rig) -> None:
    with ledger.services.store.writing() as session:
        row = session.get(EpisodeRow, "bad")
        assert row is not None
        row.end_reason, row.result = "completed", VALID
    found = ask(api)
    assert (found["signals"], found["went"]["waste"]) == (2, 0.5)


def test_what_is_not_settled_yet_is_said(api: TestClient, ledger: Rig) -> None:
    assert ask(api)["unsettled"] == 0
    with ledger.services.store.writing() as session:
        row = session.get(AttemptRow, "good-1")
        assert row is not None
        row.costed = False
    assert ask(api)["unsettled"] == 1
    assert ask(api, agent="replay:idler")["unsettled"] == 0


def test_wakes_are_counted(api: TestClient, ledger: Rig) -> None:
    with ledger.services.store.writing() as session:
        for minute, failed in ((1, None), (2, None), (3, "link")):
            at = NOON.replace(minute=minute)
            wake = {"runner": "local", "slept": "suspend", "started_at": at, "ended_at": at, "stages": []}
            session.add(WakeRow(**wake, failed_stage=failed))
    assert ask(api)["wakes"] == {"ready": 2, "failed": 1}
    assert ask(api, since="2026-11-21")["wakes"] == {"ready": 0, "failed": 0}
    assert ask(api, agent="replay:idler")["wakes"] is None, "a wake is of a machine"


def test_an_empty_ledger_has_a_report(api: TestClient, rig: Rig) -> None:
    found = ask(api)
    assert (found["usd"], found["signals"], found["groups"], found["parts"]) == (0.0, 0, [], [])


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"agent": "nobody"}, "there is no agent 'nobody'"),
        ({"campaign": "nope"}, "there is no campaign 'nope'"),
        ({"runner": "nowhere"}, "there is no runner 'nowhere'"),
        ({"since": "2026-11-21", "until": "2026-11-20"}, "since 2026-11-21 is later than until 2026-11-20"),
        ({"since": "yesterday"}, "query.since"),
        ({"by": "weather"}, "query.by"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    api: TestClient, ledger: Rig, query: dict[str, str], message: str
) -> None:
    assert message in error(api.get(f"{V1}/cost", params=query), 422)["message"]


def test_a_name_that_is_not_known_is_answered_with_those_that_are(api: TestClient, ledger: Rig) -> None:
    said = error(api.get(f"{V1}/cost", params={"agent": "nobody"}), 422)
    assert said["remedy"] == "those there are: preflight, replay:finisher, replay:idler"


def test_what_would_have_been_cheaper_is_reckoned_from_the_same_ledger(api: TestClient, ledger: Rig) -> None:
    with ledger.services.store.writing() as session:
        row = session.get(RunnerRow, "local")
        assert row is not None
        row.prices = {"idle_w": 100.0, "asleep_w": 0.0, "hardware_usd_per_h": 0.0, "energy_usd_per_kwh": 1.0}
        row.settled_until = NOON
    line(ledger, 0.0, phase="asleep", kind="idle", seconds=36_000.0)
    awake, serial = ask(api)["alternatives"]
    assert (awake["name"], awake["usd"], awake["actual_usd"]) == ("always on", pytest.approx(11.5), 10.5)
    assert serial["name"] == "serial phases"
    assert ask(api, agent="replay:finisher")["alternatives"] == [], "nobody is charged with an idle machine"


def test_alone_each_attempt_would_have_had_the_whole_machine(api: TestClient, ledger: Rig) -> None:
    """Two attempts that shared an hour of a machine would have taken two."""
    with ledger.services.store.writing() as session:
        row = session.get(RunnerRow, "local")
        assert row is not None
        row.prices = {"hardware_usd_per_h": 3.0}
        row.settled_until = NOON + timedelta(hours=1)
        session.execute(delete(CostRow))
        for name in ("good-1", "bad-1"):
            attempt = session.get(AttemptRow, name)
            assert attempt is not None
            attempt.ended_at = NOON + timedelta(hours=1)
    for name in ("good", "bad"):
        half = {"phase": "slot", "kind": "hardware", "seconds": 1800.0}
        line(ledger, 1.5, episode_id=name, attempt_id=f"{name}-1", **half)
    _, serial = ask(api)["alternatives"]
    assert (serial["actual_usd"], serial["usd"]) == (3.0, pytest.approx(6.0))
    assert ask(api, until="2026-11-19")["alternatives"] == [], "nothing was spent then"
