"""The checker against forged histories: it finds each kind of violation, and is quiet about honest ones."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.checker import KINDS, Account, check
from tests.unit.chaos.histories import Event, World, honest

ATTEMPT = ("a1", "e1", 1)
SECOND = ("a2", "e1", 2)


def kinds(world: World, **more: object) -> set[str]:
    return {violation.kind for violation in check(world.text(), **more)}  # type: ignore[arg-type]


def ran(world: World, runner: str = "r", attempt: tuple[str, str, int] = ATTEMPT) -> None:
    for event in ("accepted", "started", "ended", "acknowledged"):
        world.write(runner, event, *attempt)


def test_a_plain_history_has_no_violation() -> None:
    world = World()
    ran(world)
    assert check(world.text(), submitted={"e1": Account(phase="DONE", reason="completed")}) == []


def test_a_launch_that_was_cut_off_may_be_accepted_again() -> None:
    world = World()
    world.write("r", "accepted", *ATTEMPT)
    ran(world)
    assert kinds(world) == set()


def test_a_retry_on_another_runner_after_the_proof_of_death_is_no_overlap() -> None:
    world = World()
    for event in ("accepted", "started", "found-dead"):
        world.write("r", event, *ATTEMPT)
    ran(world, "s", SECOND)
    assert kinds(world) == set()


def test_a_retry_before_the_proof_of_death_is_an_overlap_even_if_the_first_was_dead() -> None:
    world = World()
    world.write("r", "accepted", *ATTEMPT)
    world.write("r", "started", *ATTEMPT)
    ran(world, "s", SECOND)
    world.write("r", "found-dead", *ATTEMPT)
    assert kinds(world) == {"overlap"}


def test_two_runners_on_one_host_are_compared_by_its_boot_clock() -> None:
    world = World()
    lines: list[Event] = []
    for runner, event, attempt in (
        ("r", "accepted", ATTEMPT),
        ("r", "started", ATTEMPT),
        ("r", "ended", ATTEMPT),
        ("s", "accepted", SECOND),
        ("s", "started", SECOND),
        ("s", "ended", SECOND),
    ):
        lines.append({**world.write(runner, event, *attempt), "boot_id": "one-host", "at": "2026-01-01T00:00:00+00:00"})
    for place, line in enumerate(lines):
        line["boottime_s"] = 100 + place / 1000
    world.ledgers = {"r": lines[:3], "s": lines[3:]}
    assert kinds(world) == set()
    lines[4]["boottime_s"] = lines[2]["boottime_s"] - 0.0005
    assert kinds(world) == {"overlap"}


def test_a_reboot_ends_what_ran_and_a_retry_after_it_is_honest() -> None:
    world = World()
    world.write("r", "accepted", *ATTEMPT)
    world.write("r", "started", *ATTEMPT)
    world.reboot("r")
    world.write("r", "accepted", *SECOND)
    world.write("r", "started", *SECOND)
    world.write("r", "ended", *SECOND)
    assert kinds(world) == set()


def test_an_attempt_that_resumes_grading_lives_twice_but_not_at_once() -> None:
    world = World()
    for event in ("accepted", "started", "ended", "resumed", "ended", "acknowledged"):
        world.write("r", event, *ATTEMPT)
    assert kinds(world) == set()


def test_a_supervisor_killed_between_its_exit_record_and_its_last_line_is_vouched_for_by_the_runner() -> None:
    world = World()
    world.write("r", "accepted", *ATTEMPT)
    world.write("r", "started", *ATTEMPT)
    world.write("r", "acknowledged", *ATTEMPT, phase="exited")
    assert check(world.text(), submitted={"e1": Account(phase="DONE", reason="completed")}) == []
    world.write("r", "ended", *ATTEMPT)
    assert kinds(world) == {"acknowledged-early"}


def test_a_retry_while_an_older_attempt_is_being_graded_is_an_overlap() -> None:
    world = World()
    for event in ("accepted", "started", "ended", "resumed"):
        world.write("r", event, *ATTEMPT)
    world.write("s", "accepted", *SECOND)
    world.write("s", "started", *SECOND)
    world.write("r", "ended", *ATTEMPT)
    world.write("s", "ended", *SECOND)
    assert kinds(world) == {"overlap"}


def test_an_attempt_that_still_runs_has_not_vanished() -> None:
    world = World()
    world.write("r", "accepted", *ATTEMPT)
    world.write("r", "started", *ATTEMPT)
    assert kinds(world) == {"vanished"}
    assert kinds(world, alive=frozenset({"a1"})) == set()


def test_what_an_operator_declared_dead_overlaps_with_nothing() -> None:
    world = World()
    world.write("r", "accepted", *ATTEMPT)
    world.write("r", "started", *ATTEMPT)
    ran(world, "s", SECOND)
    world.write("r", "ended", *ATTEMPT)
    assert kinds(world) == {"overlap"}
    assert kinds(world, declared_dead=frozenset({"a1"})) == set()


FORGED = {
    "started-twice": [("r", "accepted", *ATTEMPT), ("r", "started", *ATTEMPT), ("r", "started", *ATTEMPT)],
    "overlap": [
        *(("r", event, *ATTEMPT) for event in ("accepted", "started")),
        *(("s", event, *SECOND) for event in ("accepted", "started")),
        ("r", "ended", *ATTEMPT),
        ("s", "ended", *SECOND),
    ],
    "fence": [
        *(("r", event, "a2", "e1", 2) for event in ("accepted", "started", "ended")),
        *(("r", event, "a1", "e1", 1) for event in ("accepted", "started", "ended")),
    ],
    "identity": [("r", "accepted", *ATTEMPT), ("r", "started", "a1", "e2", 1), ("r", "ended", "a1", "e2", 1)],
    "unasked-start": [("r", "started", *ATTEMPT), ("r", "ended", *ATTEMPT)],
    "started-after-burial": [("r", event, *ATTEMPT) for event in ("buried", "accepted", "started", "ended")],
    "rose-from-the-dead": [("r", event, *ATTEMPT) for event in ("accepted", "started", "found-dead", "ended")],
    "acknowledged-early": [("r", event, *ATTEMPT) for event in ("accepted", "started", "acknowledged", "ended")],
    "vanished": [("r", "accepted", *ATTEMPT)],
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_history_is_found_out_with_the_lines_that_show_it(kind: str) -> None:
    world = World()
    for line in FORGED[kind]:
        world.write(*line)
    found = {violation.kind: violation for violation in check(world.text())}
    assert kind in found
    assert found[kind].lines, "a violation without its history convinces nobody"
    assert "a1" in str(found[kind])


def test_two_attempts_on_two_runners_that_share_a_fence_are_found() -> None:
    world = World()
    ran(world, "r", ("a1", "e1", 1))
    ran(world, "s", ("a2", "e1", 1))
    assert kinds(world) == {"fence"}


def test_one_attempt_started_on_two_runners_is_found() -> None:
    world = World()
    ran(world, "r", ATTEMPT)
    ran(world, "s", ATTEMPT)
    assert "started-twice" in kinds(world)


BROKEN = {
    "no JSON": "{",
    "no object": "[]",
    "a missing field": '{"event": "accepted"}',
    "an unknown event": json.dumps({**World().write("r", "born", *ATTEMPT)}),
    "a fence that is a text": json.dumps({**World().write("r", "refused", *ATTEMPT), "fence": "1"}),
    "a time of day without a zone": json.dumps(
        {**World().write("r", "refused", *ATTEMPT), "at": "2026-01-01T00:00:00"}
    ),
    "a start without a process": json.dumps({**World().write("r", "refused", *ATTEMPT), "event": "started"}),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_line_that_cannot_be_relied_on_is_a_violation(what: str) -> None:
    (found,) = check({"r": BROKEN[what] + "\n"})
    assert found.kind == "malformed-line"
    assert "line 1 of r" in found.sentence


ACCOUNTS = [
    (Account(phase="CANCELLED", reason="cancelled"), True),
    (Account(phase="FAILED", reason="campaign-refused"), True),
    (Account(phase="FAILED"), False),
    (Account(phase="DONE", reason="completed"), False),
    (Account(phase="QUEUED"), False),
    (Account(phase=""), False),
]


@pytest.mark.parametrize(("account", "explained"), ACCOUNTS)
def test_an_acknowledged_submission_that_no_runner_saw_must_be_explained(account: Account, explained: bool) -> None:
    found = {violation.kind for violation in check({}, submitted={"e1": account})}
    assert found == (set() if explained else {"lost-submission"})


def test_every_kind_has_a_forged_history() -> None:
    assert KINDS.keys() == {*FORGED, "malformed-line", "lost-submission"}


@given(honest())
def test_no_interleaving_of_honest_histories_has_a_violation(history: tuple[World, dict[str, Account]]) -> None:
    world, accounts = history
    assert [str(violation) for violation in check(world.text(), submitted=accounts)] == []


def _at(lines: list[Event], event: str) -> list[int]:
    return [place for place, line in enumerate(lines) if line["event"] == event]


MUTATIONS = ("second start", "lost end", "start unasked", "stale fence", "late end", "second attempt", "torn line")


@given(honest(), st.sampled_from(MUTATIONS), st.data())
def test_one_forged_line_anywhere_in_an_honest_history_is_found(
    history: tuple[World, dict[str, Account]], mutation: str, data: st.DataObject
) -> None:
    world, _ = history
    ran(world, "runner-0", ("forged", "forged-episode", 7))
    runner = data.draw(st.sampled_from([name for name, lines in world.ledgers.items() if _at(lines, "started")]))
    lines = world.ledgers[runner]
    place = data.draw(st.sampled_from(_at(lines, "started")))
    start = lines[place]
    attempt = (start["attempt_id"], start["episode_id"], start["fence"])
    expected = forge(world, runner, place, attempt, mutation)
    assert expected in kinds(world)


def forge(world: World, runner: str, place: int, attempt: tuple[str, str, int], mutation: str) -> str:
    """Break the history of the attempt that starts at `place`; the kind of violation that must be found."""
    lines = world.ledgers[runner]
    start = lines[place]
    match mutation:
        case "second start":
            lines.insert(place + 1, {**start, "pid": start["pid"] + 100_000})
            return "started-twice"
        case "lost end":
            others = [line for line in lines if line["attempt_id"] != attempt[0]]
            lines[:] = [{**line, "boot_id": start["boot_id"]} for line in (*others, start)]
            return "vanished"
        case "start unasked":
            lines[:] = [line for line in lines if (line["event"], line["attempt_id"]) != ("accepted", attempt[0])]
            return "unasked-start"
        case "stale fence":
            world.write(runner, "accepted", f"{attempt[0]}-stale", attempt[1], attempt[2] - 1)
            return "fence"
        case "late end":
            world.write(runner, "found-dead", *attempt)
            world.write(runner, "ended", *attempt)
            return "rose-from-the-dead"
        case "second attempt":
            moment = {key: start[key] for key in ("at", "boot_id", "boottime_s")}
            for event in ("accepted", "started"):
                forged = world.write(f"{runner}-twin", event, f"{attempt[0]}-twin", attempt[1], attempt[2] + 100)
                forged.update(moment, boottime_s=start["boottime_s"] + 0.001)
            return "overlap"
        case _:
            lines[place] = {key: value for key, value in start.items() if key != "boottime_s"}
            return "malformed-line"
