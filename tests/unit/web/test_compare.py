"""`GET /api/v1/campaigns/{name}/compare`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from orchestrator.store.tables import CampaignRow, EpisodeRow
from tests.unit.planning.builders import NOW
from tests.unit.service.rig import Rig
from tests.unit.store.rows import campaign_row
from tests.unit.web.test_api import V1, error

NAMED = '\n[compare]\nsubgroups = ["runner"]\n'


def campaign(rig: Rig, campaign_id: str = "c1", *, more: str = "", days: int = 0) -> None:
    row = campaign_row().model_dump() | {
        "id": campaign_id,
        "key": campaign_id,
        "name": "toy",
        "text": rig.toy.bundle().text + more,
        "files": dict(rig.toy.bundle().files),
        "submitted_at": NOW + timedelta(days=days),
    }
    with rig.services.store.writing() as session:
        session.add(CampaignRow(**row))


def episodes(
    rig: Rig, agent: str, results: list[Mapping[str, Any] | None], campaign_id: str = "c1", **row: Any
) -> None:
    with rig.services.store.writing() as session:
        for n, result in enumerate(results):
            values = {
                "id": f"{campaign_id}-{agent}-{n}-{row.get('runner', '')}",
                "campaign_id": campaign_id,
                "kind": "episode",
                "agent": agent,
                "phase": "DONE" if result else "QUEUED",
                "phase_since": NOW,
                "submitted_at": NOW,
                "runner": "local",
                "result": result,
                "end_reason": "completed" if result and result["valid"] else "marker-missing",
                **row,
            }
            session.add(EpisodeRow(**values))


def verdict(done: int, change: float = 0.5, usd: float = 1.0, valid: bool = True) -> dict[str, Any]:
    return {"valid": valid, "items_done": done, "items_total": 4, "change": change, "agent_usd": usd}


BAD = verdict(0, valid=False)
GOOD = [verdict(4 - n % 2, 1.0 + n / 100) for n in range(8)]
POOR = [verdict(n % 2, 0.1 + n / 100, 0.0) for n in range(8)]


def ask(api: TestClient, **query: Any) -> dict[str, Any]:
    answer = api.get(f"{V1}/campaigns/toy/compare", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_agents_are_compared_and_what_is_not_in_it_is_counted(api: TestClient, rig: Rig) -> None:
    campaign(rig)
    episodes(rig, "finisher", [*GOOD, BAD, None])
    episodes(rig, "idler", POOR)
    found = ask(api)
    assert (found["campaign"], found["by"], found["items_total"], found["alpha"]) == ("toy", "agent", 4, 0.05)
    assert found["episodes"] == {
        "judged": 17, "not_chosen": 0, "without_verdict": {"QUEUED": 1}, "of_other_versions": 0,
    }  # fmt: skip
    finisher, idler = found["groups"]
    assert (finisher["name"], finisher["valid"], finisher["invalid"]) == ("finisher", 8, {"marker-missing": 1})
    assert finisher["usd_per_signal"] == pytest.approx(9 / 8)
    items = finisher["estimates"][0]
    assert (items["measure"], items["episodes"], items["mean"]) == ("items", 8, 3.5 / 4)
    assert [each["measure"] for each in idler["estimates"]] == ["items", "throughput", "validity"], (
        "its cost is unknown"
    )
    says = {each["measure"]: (each["finding"], each["says"]) for each in found["comparisons"]}
    assert says["items"] == ("higher", "finisher does more of the items than idler")
    assert says["throughput"] == ("higher", "finisher gains more throughput than idler")
    assert says["validity"][0] == "open"
    assert says["validity"][1].startswith("not enough episodes: about ")
    assert ask(api) == found, "asked again it says the same"


def test_all_that_episodes_cost_counts_once_it_is_settled_of_each(api: TestClient, rig: Rig) -> None:
    def settled(usd: float) -> dict[str, Any]:
        return verdict(1) | {"cost": {"usd": usd, "settled": True}}

    campaign(rig)
    episodes(rig, "a", [settled(3.0), settled(5.0)])
    found = ask(api)
    assert (found["cost"], found["groups"][0]["usd_per_signal"]) == ("whole", 4.0)
    episodes(rig, "b", [verdict(1, usd=2.0)])
    found = ask(api)
    assert (found["cost"], [group["usd_per_signal"] for group in found["groups"]]) == ("tokens", [1.0, 2.0])


def test_models_are_compared_where_they_are_asked_for(api: TestClient, rig: Rig) -> None:
    campaign(rig)
    episodes(rig, "finisher", [verdict(1), verdict(2)], model="large")
    episodes(rig, "idler", [verdict(1)])
    assert [group["name"] for group in ask(api, by="model")["groups"]] == ["(no model)", "large"]


def test_only_those_named_are_compared(api: TestClient, rig: Rig) -> None:
    campaign(rig)
    for agent in ("a", "b", "c"):
        episodes(rig, agent, [verdict(1), verdict(2)])
    found = ask(api, only=["a", "c"])
    assert [group["name"] for group in found["groups"]] == ["a", "c"]
    assert found["episodes"]["not_chosen"] == 2
    said = error(api.get(f"{V1}/campaigns/toy/compare", params={"only": ["a", "z"]}), 422)
    assert said["message"] == "campaign toy has no verdict on agent z"
    assert said["remedy"] == "those that it has: a, b, c"


def test_more_comparisons_than_can_be_told_apart_are_refused(api: TestClient, rig: Rig) -> None:
    campaign(rig)
    for n in range(9):
        episodes(rig, f"a{n}", [verdict(1)])
    said = error(api.get(f"{V1}/campaigns/toy/compare"), 422)
    assert said["message"] == "campaign toy has 9 agents, which makes 144 comparisons: too many to tell apart"
    assert len(ask(api, only=[f"a{n}" for n in range(8)])["comparisons"]) == 112


def test_subgroups_are_those_that_the_campaign_names(api: TestClient, rig: Rig) -> None:
    campaign(rig, more=NAMED)
    for agent in ("a", "b"):
        for runner in ("one", "two"):
            episodes(rig, agent, [verdict(1), verdict(2)], runner=runner)
    found = ask(api)
    assert found["subgroups"] == ["runner"]
    assert {each["within"] for each in found["comparisons"]} == {"", "runner one", "runner two"}


def test_episodes_of_another_version_of_the_campaign_stay_out(api: TestClient, rig: Rig) -> None:
    campaign(rig, "c1")
    campaign(rig, "c2", days=1)
    campaign(rig, "c3", days=2)
    episodes(rig, "a", [verdict(1), verdict(2)], "c1")
    episodes(rig, "a", [verdict(3)], "c2")
    episodes(rig, "a", [None], "c3")
    found = ask(api)
    assert (found["episodes"]["judged"], found["episodes"]["of_other_versions"]) == (1, 2)
    assert found["groups"][0]["estimates"][0]["mean"] == 3 / 4


def test_a_campaign_without_verdicts_has_nothing_to_compare(api: TestClient, rig: Rig) -> None:
    campaign(rig)
    episodes(rig, "a", [None])
    found = ask(api)
    assert (found["groups"], found["comparisons"], found["items_total"]) == ([], [], None)


def test_an_unknown_campaign_is_404_and_an_unknown_way_422(api: TestClient, rig: Rig) -> None:
    assert "no campaign 'nope'" in error(api.get(f"{V1}/campaigns/nope/compare"), 404)["message"]
    campaign(rig)
    error(api.get(f"{V1}/campaigns/toy/compare", params={"by": "weather"}), 422)
