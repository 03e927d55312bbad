"""What is said of what holds, and when: each beginning and each end once, and many things in one message."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from orchestrator.conditions import Condition
from orchestrator.planning.notices import LINES_MOST, MESSAGES_MOST, Change, Notice, change, compose
from orchestrator.planning.noticing import Found
from tests.unit.planning.builders import NOW

ALL = frozenset(Condition)
QUARANTINED, DISK, ENDED = Condition.RUNNER_QUARANTINED, Condition.DISK_FILLING, Condition.EPISODE_ENDED
EVERY_S = 300.0


def found(condition: Condition = QUARANTINED, about: str = "gpu01", **changes: Any) -> Found:
    return Found(condition=condition, about=about, **{"says": f"{condition} {about}", **changes})


def notice(notice_id: int = 1, condition: Condition = QUARANTINED, about: str = "gpu01", **changes: Any) -> Notice:
    values = {"key": f"{condition}:{about}", "says": f"{condition} {about}", "began_at": NOW, "seen_at": NOW}
    return Notice(id=notice_id, condition=condition, **{**values, **changes})


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def test_what_is_new_begins() -> None:
    assert change([], [found()], wanted=ALL) == Change(begin=(found(),))


def test_what_lasts_changes_nothing() -> None:
    assert change([notice()], [found()], wanted=ALL) == Change()


def test_a_newer_cause_is_kept() -> None:
    old, later = notice(seen_at=ago(60)), found(at=NOW)
    assert change([old], [later], wanted=ALL) == Change(again=((old, NOW),))
    assert change([notice()], [found(at=ago(60))], wanted=ALL) == Change()


def test_what_does_not_hold_any_more_is_over() -> None:
    assert change([notice()], [], wanted=ALL) == Change(over=(notice(),))


def test_what_nobody_can_tell_of_goes_on() -> None:
    assert change([notice()], [], unsaid={QUARANTINED}, wanted=ALL) == Change()


def test_what_nobody_wants_to_hear_does_not_begin_and_what_lasts_of_it_is_dropped() -> None:
    assert change([], [found()], wanted={DISK}) == Change()
    assert change([notice()], [found()], wanted={DISK}) == Change(dropped=(notice(),))


def test_a_message_says_what_began() -> None:
    draft = compose([notice()], [], EVERY_S, NOW)
    assert draft is not None
    assert (draft.title, draft.body, draft.severity) == (
        "Matins: runner-quarantined",
        "runner-quarantined gpu01",
        "warning",
    )
    assert (draft.notices, draft.conditions) == ((1,), (QUARANTINED,))


def test_a_message_says_what_is_over_and_how_long_it_lasted() -> None:
    draft = compose([notice(began_at=ago(600), over_at=NOW, say="over")], [], EVERY_S, NOW)
    assert draft is not None
    assert (draft.body, draft.severity) == ("Over after 10 min: runner-quarantined gpu01", "info")


def test_what_was_over_before_anybody_was_told_is_one_line() -> None:
    draft = compose([notice(began_at=ago(40), over_at=NOW)], [], EVERY_S, NOW)
    assert draft is not None
    assert draft.body == "Began, and was over after 40 s: runner-quarantined gpu01"


def test_what_only_happened_is_never_over() -> None:
    draft = compose([notice(condition=ENDED, about="e1", over_at=NOW)], [], EVERY_S, NOW)
    assert draft is not None
    assert draft.body == "episode-ended e1"


def test_many_things_are_one_message_the_gravest_first_and_the_last_of_them_a_number() -> None:
    ends = [notice(number, ENDED, f"e{number:02}", over_at=NOW) for number in range(1, LINES_MOST + 12)]
    draft = compose([*ends, notice(99)], [], EVERY_S, NOW)
    assert draft is not None
    lines = draft.body.splitlines()
    assert lines[0] == "runner-quarantined gpu01"
    assert lines[-1] == "and 12 more"
    assert len(lines) == LINES_MOST + 1
    assert sorted(draft.notices) == [*range(1, LINES_MOST + 12), 99]
    assert (draft.title, draft.severity) == (f"Matins: {LINES_MOST + 12} things", "warning")


def test_a_condition_is_told_at_most_once_in_a_while_and_others_meanwhile() -> None:
    sent = [(ago(299), [str(QUARANTINED)])]
    assert compose([notice()], sent, EVERY_S, NOW) is None
    draft = compose([notice(), notice(2, DISK)], sent, EVERY_S, NOW)
    assert draft is not None
    assert draft.notices == (2,)
    assert compose([notice()], [(ago(300), [str(QUARANTINED)])], EVERY_S, NOW) is not None


def test_all_conditions_together_make_a_bounded_number_of_messages_in_an_hour() -> None:
    sent = [(ago(60 * number), [str(DISK)]) for number in range(1, MESSAGES_MOST + 1)]
    assert compose([notice()], sent, 0.0, NOW) is None
    assert compose([notice()], sent[1:], 0.0, NOW) is not None
    assert compose([notice()], [(ago(3600), [str(DISK)])] * MESSAGES_MOST, 0.0, NOW) is not None


def test_without_anything_to_tell_there_is_no_message() -> None:
    assert compose([], [], EVERY_S, NOW) is None


def test_what_machines_and_agents_wrote_neither_steers_a_terminal_nor_makes_lines() -> None:
    draft = compose([notice(says="\x1b[2Jgone\nforged " + "x" * 1000)], [], EVERY_S, NOW)
    assert draft is not None
    assert draft.body.startswith(" [2Jgone forged x")
    assert len(draft.body) == 400
