"""An agent that says what its turns cost, and `limits.budget_usd`."""

from __future__ import annotations

import json
from dataclasses import replace

from runner_agent.protocol import Agent, LaunchSpec, Session, Turn
from tests.integration.runner_agent.rig import Rig


def paid(rig: Rig, name: str, budget_usd: float, *costs: tuple[float, ...]) -> LaunchSpec:
    """A recorded agent: for each session, what each of its turns costs."""
    sessions = [{"turn": [{"say": "Done.", "usage": {"cost_usd": usd}} for usd in turns]} for turns in costs]
    spec = rig.spec(name)
    return replace(
        spec,
        agent=Agent(kind="replay", name="replay:paid", config={"kind": "replay", "session": sessions}),
        sessions=tuple(Session(turns=tuple(Turn(say="Go on.") for _ in turns)) for turns in costs),
        limits=replace(spec.limits, budget_usd=budget_usd),
    )


def held(files: dict[str, bytes], session: int) -> list[bool]:
    lines = files[f"agent/session-{session}/turns.jsonl"].splitlines()
    return [not json.loads(line)["skipped"] for line in lines]


def test_once_the_budget_is_spent_no_turn_begins_and_the_tree_is_judged(rig: Rig) -> None:
    spec = paid(rig, "spends", 1.0, (0.25, 0.75, 0.5, 0.5), (0.5,))
    status = rig.run(spec)
    assert status.exit is not None
    assert held(rig.pull(spec), 1) == [True, True, False]
    (spent,) = [event for event in rig.events(spec) if event["event"] == "budget-spent"]
    assert (spent["session"], spent["turn"], spent["usd"], spent["budget_usd"]) == (1, 3, 1.0, 1.0)
    assert spent["why"] == "the agent told 1 USD, and limits.budget_usd is 1"
    assert [stage.result for stage in status.exit.stages if stage.stage == "session"] == ["ok", "skipped"]
    assert (status.exit.reason, rig.stage(status, "smoke")) == ("completed", "ok")
