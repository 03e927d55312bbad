"""What is added to a received folder: readable by others, finite, the same each time, and verified."""

from __future__ import annotations

import json
import math
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from orchestrator.artifacts import layout, reader, sums
from orchestrator.artifacts.derive import derive
from orchestrator.artifacts.facts import Facts
from orchestrator.artifacts.receive import receive
from orchestrator.domain.reasons import EndReason
from orchestrator.scoring.verdict import Verdict
from runner_agent.protocol import ExitRecord
from tests.unit.artifacts import folders
from tests.unit.artifacts.atif_model import Trajectory
from tests.unit.scoring.episodes import SPEC, ended

FACTS = Facts(
    episode_id=folders.LAUNCH["episode_id"],
    attempt_id="a-1",
    campaign="decode-4",
    agent="replay:finisher",
    agent_version="0.1.0",
    model=None,
    runner="here",
    submitted_at="2026-03-01T11:59:00Z",
)


def received(tmp_path: Path, changes: Mapping[str, str | None] | None = None) -> Path:
    """A finisher's folder as pulled; `changes` gives files another text, None takes one away."""
    files = {**folders.contents(), **(changes or {})}
    out = folders.write(tmp_path / "out", {path: text for path, text in files.items() if text is not None})
    folder = tmp_path / "decode-4" / "e-1"
    receive(folders.streamed(out), folder)
    return folder


def derived(folder: Path, facts: Facts = FACTS, exit: ExitRecord | None = None) -> Verdict:
    return derive(folder, facts, SPEC, exit or ended()).verdict


def load(folder: Path, path: str) -> Any:
    return json.loads((folder / path).read_text())


def everything(folder: Path) -> dict[str, bytes]:
    return {path: (folder / path).read_bytes() for path in sums.files(folder)}


def test_the_finished_folder_verifies_for_us_and_for_sha256sum(tmp_path: Path) -> None:
    folder = received(tmp_path)
    verdict = derived(folder)
    assert (verdict.valid, verdict.items_done) == (True, 4)
    assert sums.verify(folder) == []
    for name in (layout.SUMS, layout.RUNNER_SUMS):
        subprocess.run(["sha256sum", "-c", "--quiet", "--strict", name], cwd=folder, check=True)


def test_a_change_an_addition_and_a_loss_are_each_named(tmp_path: Path) -> None:
    folder = received(tmp_path)
    derived(folder)
    (folder / "verifier/reward.json").write_text("{}")
    (folder / "extra").write_text("")
    (folder / "diff.patch").unlink()
    problems = "\n".join(sums.verify(folder))
    assert "verifier/reward.json is not what its checksum says" in problems
    assert "extra is not in SHA256SUMS" in problems
    assert "diff.patch is missing" in problems


def test_a_rescore_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = received(tmp_path)
    derived(folder)
    before = everything(folder)
    derived(folder)
    assert everything(folder) == before


def test_a_rescore_with_another_specification_rewrites_what_depends_on_it(tmp_path: Path) -> None:
    folder = received(tmp_path)
    derived(folder)
    derive(folder, FACTS, replace(SPEC, must_print=("[NEVER]",)), ended())
    assert load(folder, layout.VERDICT)["reason"] == "marker-missing"
    assert (folder / layout.EXCEPTION).exists()
    derived(folder)
    assert load(folder, layout.VERDICT)["reason"] == "completed"
    assert not (folder / layout.EXCEPTION).exists()
    assert sums.verify(folder) == []


def test_our_own_documents_say_schema_and_never_schema_version(tmp_path: Path) -> None:
    folder = received(tmp_path)
    derived(folder)
    assert load(folder, layout.VERDICT)["schema"] == "matins-verdict-1"
    for path in sums.files(folder):
        if path.endswith(".json") and not path.startswith("agent/trajectory"):
            assert "schema_version" not in (folder / path).read_text(), path


def test_the_verdict_holds_what_the_contract_names(tmp_path: Path) -> None:
    folder = received(tmp_path)
    derive(folder, FACTS, SPEC, ended())
    verdict = load(folder, layout.VERDICT)
    assert {"valid", "items_done", "items_total", "items", "throughput", "flags", "quality", "cost"} <= verdict.keys()
    assert {"id", "status", "claimed", "evidence"} <= verdict["items"][0].keys()
    assert {"baseline", "candidate", "change", "low", "high", "verdict"} <= verdict["throughput"].keys()
    assert verdict["cost"] == {"usd": 0.01, "by_phase": {"session": 0.01}, "turns_unreported": 1, "agent_gpu_s": 0.0}


def test_the_reward_of_a_signal_is_its_score(tmp_path: Path) -> None:
    folder = received(tmp_path)
    derived(folder)
    reward = load(folder, layout.REWARD)
    assert (reward["score"], reward["items_done"], reward["items_total"], reward["valid"]) == (1.0, 4, 4, 1)
    assert all(math.isfinite(value) for value in reward.values())


def test_no_signal_has_no_score_and_its_reason_stands_where_harbor_looks(tmp_path: Path) -> None:
    folder = received(tmp_path, {f"smoke/candidate-{n}.log": folders.SUBMIT for n in (1, 2, 3)})
    verdict = derived(folder)
    assert verdict.reason is EndReason.MARKER_MISSING
    assert load(folder, layout.REWARD) == {"valid": 0, "items_total": 4}
    result = load(folder, layout.RESULT)
    assert result["verifier_result"] is None
    assert result["exception_info"]["exception_type"] == "MarkerMissing"
    assert "[GPU PERDISPATCH] never appeared" in (folder / layout.EXCEPTION).read_text()


def test_an_agent_out_of_time_keeps_its_reward_under_the_name_that_harbor_knows(tmp_path: Path) -> None:
    folder = received(tmp_path)
    derived(folder, exit=ended(session="timed-out"))
    result = load(folder, layout.RESULT)
    assert result["exception_info"]["exception_type"] == "AgentTimeoutError"
    assert result["verifier_result"]["rewards"]["score"] == 1.0


def test_the_exception_that_a_failing_runner_left_is_kept(tmp_path: Path) -> None:
    folder = received(tmp_path, {"exception.txt": "Traceback: the runner's own"})
    derived(folder, exit=ended(reason="infrastructure", detail="a fault of the runner itself"))
    assert (folder / layout.EXCEPTION).read_text() == "Traceback: the runner's own"
    assert sums.verify(folder) == []


def test_the_result_has_harbors_keys_and_types(tmp_path: Path) -> None:
    folder = received(tmp_path)
    derived(folder)
    result = load(folder, layout.RESULT)
    assert str(uuid.UUID(result["id"])) == result["id"] == FACTS.episode_id
    assert result["task_id"] == {
        "path": "decode-4",
        "git_url": folders.LAUNCH["repo_url"],
        "git_commit_id": folders.LAUNCH["commit"],
    }
    assert result["config"] == load(folder, layout.CONFIG)
    assert result["agent_info"] == {"name": "replay:finisher", "version": "0.1.0", "model_info": None}
    assert result["agent_result"]["n_input_tokens"] == 1200
    assert result["agent_result"]["cost_usd"] == 0.01
    assert result["environment_setup"] == {"started_at": "2026-03-01T12:00:00Z", "finished_at": "2026-03-01T12:01:00Z"}
    assert result["agent_execution"] == {"started_at": "2026-03-01T12:01:00Z", "finished_at": "2026-03-01T12:09:00Z"}


def test_an_id_that_is_no_uuid_gets_the_same_uuid_each_time(tmp_path: Path) -> None:
    folder = received(tmp_path)
    derived(folder, facts=replace(FACTS, episode_id="ep-17"))
    first = load(folder, layout.RESULT)["id"]
    derived(folder, facts=replace(FACTS, episode_id="ep-17"))
    assert load(folder, layout.RESULT)["id"] == first == str(uuid.UUID(first))


def chain(folder: Path) -> Iterator[Trajectory]:
    """The trajectories as a reader follows them, from the first by continued_trajectory_ref."""
    name: str | None = "trajectory.json"
    while name is not None:
        trajectory = Trajectory.model_validate_json((folder / "agent" / name).read_text())
        yield trajectory
        name = trajectory.continued_trajectory_ref


def test_the_sessions_are_valid_trajectories_that_lead_from_one_to_the_next(tmp_path: Path) -> None:
    folder = received(tmp_path)
    derived(folder, facts=replace(FACTS, model="m-1"))
    first, second = chain(folder)
    assert first.session_id == second.session_id == FACTS.episode_id
    assert first.trajectory_id != second.trajectory_id
    assert first.continued_trajectory_ref == "trajectory-session-2.json"
    assert [step.source for step in first.steps] == ["user", "agent", "system"]
    assert first.steps[1].message == "Half of it."
    assert [call.function_name for call in first.steps[1].tool_calls or []] == ["open", "patch", "run"]
    assert first.final_metrics is not None
    assert (first.final_metrics.total_prompt_tokens, first.final_metrics.total_cached_tokens) == (1200, 1000)
    assert second.final_metrics is not None
    assert second.final_metrics.total_cost_usd is None


def test_an_episode_without_a_turn_has_a_valid_trajectory_that_says_so(tmp_path: Path) -> None:
    folder = received(tmp_path, {f"agent/session-{n}/turns.jsonl": None for n in (1, 2)})
    derived(folder)
    (only,) = chain(folder)
    assert "No turn was held" in only.steps[0].message


@pytest.mark.parametrize(
    "stream", ["", "not json\n", '{"type": "run"}\n', '{"type": "open", "path": 7}\n[1]\n', "{" * 10000]
)
def test_a_stream_of_any_kind_gives_a_valid_trajectory(stream: str, tmp_path: Path) -> None:
    folder = received(tmp_path, {"agent/session-1/stream.jsonl": stream})
    derived(folder)
    assert len(list(chain(folder))) == 2


def test_the_dispatches_are_a_table_of_one_row_each(tmp_path: Path) -> None:
    folder = received(tmp_path)
    derived(folder)
    rows = pyarrow.parquet.read_table(folder / layout.DISPATCHES).to_pylist()
    assert len(rows) == 6
    assert rows[0] == {
        "round": 1,
        "side": "baseline",
        "seq": 1,
        "name": "norm",
        "bubble_ns": 4210,
        "shader_ns": 88120,
        "submit_ns": 10350,
    }


def test_the_trace_shows_stages_by_the_clock_and_dispatches_in_sequence(tmp_path: Path) -> None:
    folder = received(tmp_path, {"smoke/candidate-1.log": folders.PERDISPATCH * 2 + folders.SUBMIT})
    derived(folder)
    events = load(folder, layout.TRACE)["traceEvents"]
    stages = {event["name"]: (event["ts"], event["dur"]) for event in events if event.get("cat") == "stage"}
    assert stages["session"] == (60e6, 480e6)
    gpu = [event for event in events if event.get("cat") == "dispatch" and event["pid"] == 3 and event["tid"] == 1]
    assert [event["dur"] for event in gpu] == [88.12, 88.12]
    assert gpu[1]["ts"] == pytest.approx(gpu[0]["ts"] + 88.12 + 4.21)


def test_the_lock_names_what_the_request_was_resolved_to(tmp_path: Path) -> None:
    folder = received(tmp_path)
    derived(folder)
    lock = load(folder, layout.LOCK)
    assert lock["commit"] == folders.LAUNCH["commit"]
    assert lock["os"] == "Debian 12"
    assert len(lock["specification_sha256"]) == 64


DAMAGED: list[tuple[str, str | None, EndReason]] = [
    ("grade/evidence.json", None, EndReason.MALFORMED_RESULT),
    ("grade/evidence.json", '{"graded": true, "che', EndReason.MALFORMED_RESULT),
    ("grade/evidence.json", "[]", EndReason.MALFORMED_RESULT),
    ("grade/evidence.json", "{}", EndReason.UNGRADED),
    ("grade/evidence.json", "9" * 6000, EndReason.MALFORMED_RESULT),
    ("grade/evidence.json", "[" * 100_000, EndReason.MALFORMED_RESULT),
    ("tests.json", None, EndReason.MALFORMED_RESULT),
    ("tests.json", "{", EndReason.MALFORMED_RESULT),
    ("smoke/throughput.jsonl", None, EndReason.NO_THROUGHPUT),
    ("smoke/throughput.jsonl", "\0\n{\n", EndReason.NO_THROUGHPUT),
    ("smoke/throughput.jsonl", '{"round":1,"side":"candidate","tok_s":NaN,"exit_code":0}\n', EndReason.NO_THROUGHPUT),
    (
        "smoke/throughput.jsonl",
        '{"round":1,"side":"candidate","tok_s":1e999,"exit_code":0}\n',
        EndReason.NO_THROUGHPUT,
    ),
    ("events.jsonl", "{", EndReason.COMPLETED),
    ("launch.json", "{", EndReason.COMPLETED),
    ("launch.json", '{"limits": {"wall_s": NaN}, "repo_url": "\\ud800"}', EndReason.COMPLETED),
    ("hello.json", None, EndReason.COMPLETED),
    ("agent/session-1/turns.jsonl", "{\n", EndReason.COMPLETED),
]


@pytest.mark.parametrize(
    ("path", "text", "reason"), DAMAGED, ids=[f"{n}-{path}" for n, (path, _, _) in enumerate(DAMAGED)]
)
def test_a_damaged_file_gives_a_verdict_and_a_folder_that_verifies(
    path: str, text: str | None, reason: EndReason, tmp_path: Path
) -> None:
    folder = received(tmp_path, {path: text})
    assert derived(folder).reason is reason
    assert sums.verify(folder) == []
    assert all(math.isfinite(value) for value in load(folder, layout.REWARD).values())
    assert list(chain(folder))


def test_damage_that_does_not_prevent_judging_is_told(tmp_path: Path) -> None:
    folder = received(tmp_path, {"events.jsonl": "{\n" * 10})
    problems = derived(folder).problems
    assert problems[0].startswith("events.jsonl line 1 is not JSON")
    assert problems[-1] == "events.jsonl: 7 more lines like that"


def test_a_link_in_the_folder_is_never_followed(tmp_path: Path) -> None:
    folder = received(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text(folders.PERDISPATCH)
    (folder / "smoke/candidate-9.log").symlink_to(secret)
    assert all(log.round != 9 for log in reader.read(folder).logs)
    assert any("candidate-9.log" in problem for problem in sums.verify_runner(folder))


def test_how_it_was_kept_apart_and_what_the_agent_took_of_the_gpu_are_in_the_verdict(tmp_path: Path) -> None:
    told = [
        {"event": "agent-gpu", "argv0": "smoke", "held_s": 2.5, "left_s": 7.5, "exit_code": 0},
        {"event": "agent-gpu", "argv0": "smoke", "held_s": 1.5, "left_s": 6.0, "exit_code": 1},
        {"event": "isolation-begun", "isolation": "quiet", "cores": [1], "made_room": ["a-2"], "did_not": ["a-3"]},
        {"event": "isolation-ended", "held_s": 9.0, "sharing": ["a-2", "a-4"]},
    ]
    events = folders.contents()["events.jsonl"]
    lines = [json.dumps({"seq": 100 + n, "at": "2026-03-01T12:00:00Z", **each}) for n, each in enumerate(told)]
    folder = received(tmp_path, {"events.jsonl": events + "".join(f"{line}\n" for line in lines)})
    derived(folder)
    verdict = load(folder, "verifier/verdict.json")
    assert verdict["conditions"]["apart"] == {
        "isolation": "quiet",
        "cores": [1],
        "made_room": ["a-2"],
        "did_not": ["a-3"],
        "beside": [],
        "sharing": ["a-2", "a-4"],
    }
    assert verdict["cost"]["agent_gpu_s"] == 4.0
