"""An episode that took another's measurement is judged and shown, and counts as no further signal anywhere."""

from __future__ import annotations

import json
from dataclasses import replace

from fastapi.testclient import TestClient

from runner_agent.protocol import LaunchSpec
from tests.unit.service.leavings import Leavings, leavings
from tests.unit.service.rig import Rig
from tests.unit.web.test_api import V1
from tests.unit.web.test_compare import campaign, episodes, verdict
from tests.unit.web.test_metrics import scrape, value

REUSED = {"seq": 9, "at": "2026-03-01T12:00:00Z", "event": "smoke-reused", "from": "e-first", "attempt": "a-first"}


def reused(spec: LaunchSpec) -> Leavings:
    """What the second agent's attempt leaves: the measurement of an episode before it."""
    left = leavings(spec)
    if spec.agent is None or spec.agent.name != "idler":
        return left
    events = left.files["events.jsonl"] + json.dumps(REUSED).encode() + b"\n"
    return replace(left, files={**left.files, "events.jsonl": events})


def test_its_verdict_is_valid_and_its_items_count_and_no_signal_and_nothing_of_the_gpu_does(
    api: TestClient, rig: Rig
) -> None:
    _, second = rig.submit("replay:doer", "replay:idler")
    rig.leave = reused
    rig.run()

    seen = scrape(api).values()
    episode = api.get(f"{V1}/episodes/{second}").json()
    assert (episode["valid"], episode["reused_from"], episode["items_done"]) == (True, "e-first", 2)
    assert episode["verdict"]["throughput"]["reused_from"] == "e-first"
    for agent, count in (("replay:doer", 1), ("replay:idler", 0)):
        assert value(seen, "matins_signals_total", campaign="toy", agent=agent) == count
        assert value(seen, "matins_episodes_total", campaign="toy", agent=agent, result="valid") == 1
        assert value(seen, "matins_items_total", campaign="toy", agent=agent, status="done") == 2
    # The preflight and the first: four rounds of 100 tokens each, on a gate that was held for 8 s.
    assert value(seen, "matins_generated_tokens_total", runner="local") == 2 * 400
    assert value(seen, "matins_gpu_busy_seconds_total", runner="local") == 2 * 8
    assert value(seen, "matins_smoke_runs_total", runner="local", result="ok") == 2


def test_a_comparison_has_its_items_and_its_cost_and_not_its_speed(api: TestClient, rig: Rig) -> None:
    campaign(rig)
    own = [verdict(4, 0.5), verdict(3, 0.4)]
    episodes(rig, "a", [*own, *({**each, "reused_from": "e-first"} for each in own)])

    (group,) = api.get(f"{V1}/campaigns/toy/compare").json()["groups"]

    counted = {each["measure"]: each["episodes"] for each in group["estimates"]}
    assert counted == {"items": 4, "throughput": 2, "cost": 4, "validity": 4}
    assert (group["valid"], group["reused"], group["usd_per_signal"]) == (4, 2, 2.0)
