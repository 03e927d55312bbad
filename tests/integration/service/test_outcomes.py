"""What becomes of an episode, by what its agent did. Real server, real runner agent, real sandbox; a toy to work on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner_agent.measure.sequence import LEAST
from tests.integration.service.conftest import Lab
from tests.integration.service.toy import AGENTS, CAMPAIGN
from tests.orchestrator import Json, wait_for

ALL_END_WITHIN_S = 240.0


@pytest.fixture(scope="module")
def outcomes(lab: Lab) -> Iterator[dict[str, Json]]:
    """Every agent's episode, ended; by the agent's name."""
    names = list(AGENTS)
    ids = lab.matins.submit(lab.campaign, *(f"replay:{name}" for name in names))
    ended = lab.matins.wait_until_ended(ids, ALL_END_WITHIN_S)
    yield {name: ended[one] for name, one in zip(names, ids, strict=True)}


def seen(episode: Json) -> tuple[str, str, bool | None, int | None]:
    return episode["phase"], episode["end_reason"], episode["valid"], episode["items_done"]


def test_work_that_was_done_is_counted(outcomes: dict[str, Json]) -> None:
    doer = outcomes["doer"]
    assert seen(doer) == ("DONE", "completed", True, 2)
    assert (doer["baseline_tok_s"], doer["tok_s"]) == (50, 80)


def test_an_idle_agent_is_a_valid_zero(outcomes: dict[str, Json]) -> None:
    assert seen(outcomes["idler"]) == ("DONE", "completed", True, 0)


def test_a_broken_build_is_a_valid_zero_and_says_so(outcomes: dict[str, Json]) -> None:
    assert seen(outcomes["build-breaker"]) == ("DONE", "build-failed", True, 0)


def test_failing_tests_keep_the_tree_from_the_gpu(outcomes: dict[str, Json]) -> None:
    assert seen(outcomes["test-breaker"])[:3] == ("DONE", "tests-failed", True)
    assert {s["stage"]: s["result"] for s in outcomes["test-breaker"]["stages"]}["smoke"] == "skipped"


def test_an_instrument_behind_a_variable_that_nothing_sets_is_no_signal_and_says_why(
    outcomes: dict[str, Json],
) -> None:
    muter = outcomes["muter"]
    assert seen(muter)[:3] == ("DONE", "marker-missing", False)
    assert muter["first_line"].startswith("INVALID: ")
    assert "[GPU PERDISPATCH]" in muter["first_line"]
    assert muter["first_line"].endswith("; TOY_TRACE is read in ci/smoke.sh:2 and set nowhere")


@pytest.fixture(scope="module")
def held(lab: Lab) -> dict[str, Json]:
    """Two that are faster, measured until that is settled and held to the output of the base."""
    campaign = lab.campaign.with_name("held.toml")
    measured = 'equal = ["[GPU OUTPUT]"]\n[smoke.measure]\nmode = "adaptive"\nmax_s = 600'
    named = CAMPAIGN.replace('name = "toy"', 'name = "held"')
    campaign.write_text(named.replace("[smoke.measure]\nrounds = 2", measured))
    names = ("doer", "cheater")
    ids = lab.matins.submit(campaign, *(f"replay:{name}" for name in names))
    ended = lab.matins.wait_until_ended(ids, ALL_END_WITHIN_S)
    return {name: ended[one] for name, one in zip(names, ids, strict=True)}


def test_an_adaptive_measurement_ends_when_the_change_is_settled(lab: Lab, held: dict[str, Json]) -> None:
    doer = held["doer"]
    assert seen(doer) == ("DONE", "completed", True, 2)
    found = doer["verdict"]["throughput"]
    assert (found["verdict"], found["samples"]) == ("faster", LEAST)
    events = lab.matins.events(doer["id"])
    looks = [event["data"]["settled"] for event in events if event["event"] == "smoke-look"]
    assert looks == [False] * (len(looks) - 1) + [True]
    (ended,) = (event["data"] for event in events if event["event"] == "smoke-ended")
    assert ended["why"].startswith("settled: faster, +60.0%")


def test_a_faster_tree_that_computes_something_else_is_judged_without_a_speed(lab: Lab, held: dict[str, Json]) -> None:
    cheater = held["cheater"]
    assert seen(cheater) == ("DONE", "completed", True, 1)
    found = cheater["verdict"]["throughput"]
    assert (found["verdict"], found["change"]) == ("inconclusive", None)
    assert found["reason"].startswith("the output differs in round 1: output 1 is '[GPU OUTPUT] seed=")
    assert found["reason"] in cheater["first_line"]
    (ended,) = (event["data"] for event in lab.matins.events(cheater["id"]) if event["event"] == "smoke-ended")
    assert (ended["rounds"], ended["why"]) == (1, found["reason"])


def test_a_smoke_test_that_crashes_or_hangs_is_no_signal(outcomes: dict[str, Json]) -> None:
    assert seen(outcomes["crasher"])[:3] == ("DONE", "smoke-crashed", False)
    assert seen(outcomes["hanger"])[:3] == ("DONE", "smoke-timed-out", False)


def test_an_agent_over_its_time_is_judged_by_the_tree_it_left(outcomes: dict[str, Json]) -> None:
    assert seen(outcomes["sleeper"]) == ("DONE", "agent-time-limit", True, 1)


def test_what_the_agent_left_running_is_killed_before_anything_is_measured(lab: Lab, outcomes: dict[str, Json]) -> None:
    lingerer = outcomes["lingerer"]
    assert seen(lingerer) == ("DONE", "completed", True, 1)
    order = [event["event"] for event in lab.matins.events(lingerer["id"])]
    assert order.index("quiesced") < order.index("smoke-round")


def test_the_agent_sees_neither_the_token_nor_the_hidden_checks(lab: Lab, outcomes: dict[str, Json]) -> None:
    log = lab.matins.matins("episode", "logs", outcomes["snooper"]["id"]).stdout
    token = (lab.matins.home / "token").read_text().strip()
    assert "No such file" in log
    assert token not in log
    assert str(lab.campaign.parent / "check.py") not in log


def test_every_outcome_keeps_its_logs_and_a_folder_that_verifies(
    lab: Lab, outcomes: dict[str, Json], tmp_path: Path
) -> None:
    ids = [episode["id"] for episode in outcomes.values()]
    pulled = lab.matins.matins("episode", "pull", *ids, "--out", str(tmp_path))
    assert pulled.returncode == 0, pulled.stderr
    for one in ids:
        folder = tmp_path / "toy" / one
        assert (folder / "SHA256SUMS").is_file()
        assert (folder / "verifier" / "verdict.json").is_file()
        assert (folder / "agent" / "session-1" / "stream.jsonl").is_file()


def test_the_runner_keeps_only_a_note_once_the_results_are_acknowledged(lab: Lab, outcomes: dict[str, Json]) -> None:
    kept = lab.matins.home / "runners" / "local" / "attempts"
    folders = [kept / attempt["id"] for episode in outcomes.values() for attempt in episode["attempts"]]

    def left() -> set[str]:
        return {path.name for folder in folders for path in folder.iterdir()}

    wait_for(lambda: left() == {"acknowledged.json"}, 30, lambda: str(left()))


def test_watch_exits_with_1_for_an_episode_that_failed_only(lab: Lab, outcomes: dict[str, Json]) -> None:
    assert lab.matins.matins("episode", "watch", outcomes["doer"]["id"]).returncode == 0


def test_metrics_count_what_happened(lab: Lab, outcomes: dict[str, Json]) -> None:
    import httpx

    told = (
        'matins_signals_total{agent="replay:doer",campaign="toy"} 1.0',
        'matins_invalid_total{campaign="toy",reason="marker-missing"} 1.0',
        'matins_items_total{agent="replay:doer",campaign="toy",status="done"} 2.0',
        "matins_exporter_refresh_success 1.0",
        'matins_generated_tokens_total{runner="local"}',
    )

    def missing() -> list[str]:
        text = httpx.get(f"{lab.matins.url}/metrics").text
        return [line for line in told if line not in text]

    # The next tick counts them.
    wait_for(lambda: not missing(), 30, lambda: str(missing()))
