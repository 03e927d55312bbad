"""`watch` and `logs -f`: each thing once, also when the orchestrator goes away in between."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.cli.conftest import Matins, Start
from tests.integration.cli.fake_api import FakeApi, FakeEpisode

FAST = ("--every", "0.05")


def _stage(name: str, seconds: float = 1.0) -> dict[str, Any]:
    return {"event": "stage-finished", "data": {"stage": name, "result": "ok", "seconds": seconds}}


def _episode(name: str = "a1", phase: str = "DONE", **more: Any) -> FakeEpisode:
    stages = [_stage("checkout"), _stage("build", 12.3), _stage("test")]
    return FakeEpisode(id=name, phase="RUNNING", steps=stages, ends={"phase": phase, **more})


def test_watch_tells_each_stage_once_and_ends_with_the_result(matins: Matins, api: FakeApi) -> None:
    api.episodes = {"a1": _episode(first_line="4 of 4 items done.")}
    outcome = matins("episode", "watch", "a1", *FAST)
    assert outcome.status == 0
    assert outcome.out == "a1  replay:finisher  DONE  4 of 4 items done.\n"
    told = [line.split("  ", 3)[-1].strip() for line in outcome.err.splitlines()]
    assert told == ["checkout ok  1.0 s", "build ok  12.3 s", "test ok  1.0 s"]


def test_watch_says_at_once_what_a_queued_episode_waits_for(matins: Matins, api: FakeApi) -> None:
    episode = _episode()
    episode.phase = "QUEUED"
    api.episodes = {"a1": episode}
    first, second, *_ = matins("episode", "watch", "a1", *FAST).err.splitlines()
    assert first.endswith("It waits for a runner.") and second.endswith("None has the tag vulkan.")


def test_watch_of_a_failed_or_cancelled_episode_is_1(matins: Matins, api: FakeApi) -> None:
    for phase in ("FAILED", "CANCELLED"):
        api.episodes = {"a1": _episode(phase=phase, detail="the runner was lost"), "b2": _episode("b2")}
        outcome = matins("episode", "watch", "a1", "b2", *FAST)
        assert outcome.status == 1
        assert outcome.out.splitlines()[0] == f"a1  replay:finisher  {phase}  the runner was lost"


def test_watch_of_an_episode_with_a_worthless_verdict_is_0(matins: Matins, api: FakeApi) -> None:
    api.episodes = {"a1": _episode(valid=False, first_line="The instrument never fired.")}
    assert matins("episode", "watch", "a1", *FAST).status == 0


def test_watch_as_json_prints_the_final_answers(matins: Matins, api: FakeApi) -> None:
    api.episodes = {"a1": _episode()}
    outcome = matins("episode", "watch", "a1", "--json", *FAST)
    assert [episode["phase"] for episode in json.loads(outcome.out)] == ["DONE"]


def test_watch_gives_up_after_its_timeout_with_1(matins: Matins, api: FakeApi) -> None:
    api.episodes = {"a1": FakeEpisode(id="a1", phase="RUNNING", ends={"phase": "RUNNING"})}
    outcome = matins("episode", "watch", "a1", "--timeout", "0.2", *FAST)
    assert (outcome.status, outcome.out) == (1, "")
    assert "goes on without this command" in outcome.err


def test_watch_outlives_questions_that_get_no_answer_and_says_so_once(matins: Matins, api: FakeApi) -> None:
    api.episodes = {"a1": _episode()}
    asked: list[str] = []

    def drop(_method: str, path: str) -> None:
        asked.append(path)
        if len(asked) == 4:
            api.drops = 2

    api.override = drop
    outcome = matins("episode", "watch", "a1", *FAST)
    assert outcome.status == 0
    assert outcome.err.count("No orchestrator answers") == 1
    assert outcome.err.count("It answers again") == 1
    assert outcome.err.count("build ok") == 1


def test_watch_outlives_a_restart_of_the_orchestrator(api: FakeApi, start: Start) -> None:
    episode = _episode()
    last = episode.steps.pop()
    episode.ends = {"phase": "RUNNING"}
    api.episodes = {"a1": episode}
    child = start("episode", "watch", "a1", *FAST)
    assert child.stderr is not None
    _read_until(child.stderr, "build ok")
    api.stop()
    _read_until(child.stderr, "Trying again")
    episode.steps, episode.ends = [last], {"phase": "DONE"}
    api.start()
    out, err = child.communicate(timeout=150)
    assert (child.returncode, out.split()[2]) == (0, "DONE")
    assert "test ok" in err and "build ok" not in err


def test_watch_gives_up_on_an_orchestrator_that_stays_away_with_3(matins: Matins, api: FakeApi) -> None:
    api.episodes = {"a1": _episode()}
    asked: list[str] = []

    def drop(_method: str, path: str) -> None:
        asked.append(path)
        if len(asked) == 4:
            api.drops = 1000

    api.override = drop
    outcome = matins("episode", "watch", "a1", "--away-limit", "0.6", *FAST)
    assert outcome.status == 3
    assert "matins up" in outcome.err


def test_logs_prints_all_there_is(matins: Matins, api: FakeApi) -> None:
    api.episodes = {"a1": FakeEpisode(id="a1", log="line one\nline two\nünï → done\n")}
    assert matins("episode", "logs", "a1").out == "line one\nline two\nünï → done\n"


def test_logs_as_json_are_pieces_that_join_without_a_gap(matins: Matins, api: FakeApi) -> None:
    api.episodes = {"a1": FakeEpisode(id="a1", log="line one\nline two\n")}
    pieces = [json.loads(line) for line in matins("episode", "logs", "a1", "--json").out.splitlines()]
    assert "".join(piece["text"] for piece in pieces) == "line one\nline two\n"
    assert [piece["offset"] for piece in pieces[1:]] == [piece["next"] for piece in pieces[:-1]]


def test_logs_without_follow_does_not_wait_for_more(matins: Matins, api: FakeApi) -> None:
    api.episodes = {"a1": FakeEpisode(id="a1", phase="RUNNING", log="so far\n", log_ended=False)}
    assert matins("episode", "logs", "a1").out == "so far\n"


def test_logs_follow_resumes_without_gap_or_doubling(api: FakeApi, start: Start) -> None:
    first = "".join(f"line {n}\n" for n in range(20))
    second = "".join(f"line {n}\n" for n in range(20, 40))
    episode = FakeEpisode(id="a1", phase="RUNNING", log=first, log_ended=False)
    api.episodes = {"a1": episode}
    child = start("episode", "logs", "-f", "a1", *FAST)
    assert child.stdout is not None and child.stderr is not None
    read = [child.stdout.readline() for _ in range(20)]
    api.stop()
    _read_until(child.stderr, "Trying again")
    episode.log, episode.log_ended = first + second, True
    api.start()
    rest, _ = child.communicate(timeout=150)
    assert child.returncode == 0
    assert "".join(read) + rest == first + second


def test_logs_follow_begins_anew_with_a_new_attempt(api: FakeApi, start: Start) -> None:
    episode = FakeEpisode(id="a1", phase="RUNNING", log="first attempt\n", log_ended=False, attempt="one")
    api.episodes = {"a1": episode}
    child = start("episode", "logs", "-f", "a1", *FAST)
    assert child.stdout is not None
    assert child.stdout.readline() == "first attempt\n"
    episode.log, episode.attempt, episode.log_ended = "the second one, which is longer\n", "two", True
    out, err = child.communicate(timeout=150)
    assert out == "the second one, which is longer\n"
    assert err.count("A new attempt began") == 1


def _read_until(stream: Any, words: str) -> None:
    """Ends with the stream at the latest; pytest's timeout bounds it."""
    for line in stream:
        if words in line:
            return
    raise AssertionError(f"{words!r} was never said")
