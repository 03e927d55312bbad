"""Tokens are booked with the verdict: once, whatever dies or is done again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from orchestrator.service.again import rescore
from orchestrator.store.tables import EpisodeRow
from runner_agent.protocol import LaunchSpec
from tests.unit.service.accounts import AccountRig, settle_now, total, usd
from tests.unit.service.leavings import Leavings, leavings
from tests.unit.service.rig import POINTS, Toy

TOLD: dict[str, Any] = {"prompt_tokens": 2_000_000, "completion_tokens": 100_000, "cost_usd": 0.25}
UNTOLD: dict[str, Any] = {"prompt_tokens": 1_000_000, "completion_tokens": 100_000}
PRICES: Any = {"sage-*": {"prompt": 1.0, "completion": 10.0}}


def turns(spec: LaunchSpec) -> Leavings:
    """Two turns, of which one said what it cost."""
    left = leavings(spec)
    told = [
        {"session": 1, "turn": number, "said": "Do it.", "when": "always", "skipped": False, "why": "",
         "started_at": "2026-03-01T12:01:00Z", "finished_at": "2026-03-01T12:05:00Z", "exit_code": 0, "result": "ok",
         "message": "Done.", "opened": [], "claims": {}, "usage": {**usage, "source": "reported"}}
        for number, usage in enumerate((TOLD, UNTOLD), start=1)
    ]  # fmt: skip
    lines = "".join(json.dumps(turn) + "\n" for turn in told)
    return replace(left, files={**left.files, "agent/session-1/turns.jsonl": lines.encode()})


@pytest.fixture
def rig(the_toy: Toy, tmp_path: Path) -> AccountRig:
    rig = AccountRig(the_toy, tmp_path / "home")
    rig.leave = turns
    rig.services = replace(rig.services, settings=rig.services.settings.model_copy(update={"token_prices": PRICES}))
    return rig


def submitted(rig: AccountRig, model: str) -> str:
    (one,) = rig.submit_accepted()
    with rig.store.writing() as session:
        session.execute(update(EpisodeRow).values(model=model))
    return one


@pytest.mark.parametrize(("model", "configured"), [("sage-2", 2.0), ("other", 0.0)])
def test_what_no_agent_priced_is_priced_as_configured(rig: AccountRig, model: str, configured: float) -> None:
    one = submitted(rig, model)
    rig.run()
    assert usd(rig, kind="tokens", label="measured", episode_id=one) == pytest.approx(0.25)
    assert usd(rig, kind="tokens", label="configured") == pytest.approx(configured)
    assert total(rig, "matins_cost_usd", kind="tokens", agent="replay:doer") == pytest.approx(0.25 + configured)
    rig.watch(40)
    settle_now(rig)
    assert rig.result(one)["cost"]["by_phase"]["tokens"] == pytest.approx(0.25 + configured)


@pytest.mark.parametrize("point", [point for point in POINTS if "call" not in point])
def test_a_process_that_dies_over_the_verdict_books_them_once(rig: AccountRig, point: str) -> None:
    one = submitted(rig, "other")
    rig.doom["score"] = point
    rig.run()
    assert rig.deaths == 1
    assert usd(rig, kind="tokens", episode_id=one) == pytest.approx(0.25)


def test_judging_again_books_none_but_those_that_could_not_be_read_before(rig: AccountRig) -> None:
    one = submitted(rig, "other")
    folder = rig.home / "attempts" / rig.up_to("SCORING", one)
    (folder / "verifier").write_text("a file where a folder belongs")
    rig.run()
    assert rig.ended(one) == ("FAILED", "scoring-failed")
    assert usd(rig, kind="tokens") == 0
    (folder / "verifier").unlink()
    for _ in range(2):
        rescore(rig.services, one, "ada")
        assert usd(rig, kind="tokens", episode_id=one) == pytest.approx(0.25)
