"""The gate of a device."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from runner_agent import journal, locks
from runner_agent.control import Control, Interrupted
from runner_agent.gates import gate
from runner_agent.journal import Journal


def test_one_holder_at_a_time_and_both_times_are_journalled(tmp_path: Path) -> None:
    control, book = Control(tmp_path / "cancel", 60), Journal(tmp_path / "events.jsonl")
    inside = threading.Event()
    order: list[str] = []

    def second() -> None:
        own = Journal(tmp_path / "second.jsonl")
        inside.set()
        with gate("gpu", tmp_path / "gpu", control, own):
            order.append("second")

    waiting = threading.Thread(target=second)
    with gate("gpu", tmp_path / "gpu", control, book):
        waiting.start()
        inside.wait(60)
        order.append("first")
    waiting.join(60)
    assert order == ["first", "second"]
    events = [(event["event"], event["gate"]) for event in journal.read(tmp_path / "events.jsonl")]
    assert events == [("gate-waited", "gpu"), ("gate-released", "gpu")]


def test_a_cancel_ends_the_wait(tmp_path: Path) -> None:
    control, book = Control(tmp_path / "cancel", 60), Journal(tmp_path / "events.jsonl")
    with gate("gpu", tmp_path / "gpu", control, book):
        (tmp_path / "cancel").touch()
        with pytest.raises(Interrupted), gate("gpu", tmp_path / "gpu", control, book):
            pass


def test_the_wall_limit_interrupts_unless_time_was_added_or_all_is_settled(tmp_path: Path) -> None:
    control = Control(tmp_path / "cancel", 0)
    assert control.why_stop() == "wall-limit"
    control.extend(60)
    assert control.why_stop() is None
    (tmp_path / "cancel").touch()
    assert control.why_stop() == "cancelled"
    control.settle()
    control.check()


def test_holders_of_two_devices_pass_each_other_and_one_of_all_devices_waits_for_both(tmp_path: Path) -> None:
    control, of_all = Control(tmp_path / "cancel", 60), tmp_path / "gpu"
    books = [Journal(tmp_path / f"{name}.jsonl") for name in "abc"]
    order: list[str] = []

    def any_device() -> None:
        with gate("gpu", of_all, control, books[2]):
            order.append("any")

    waiting = threading.Thread(target=any_device)
    with gate("gpu-1", tmp_path / "gpu-1", control, books[0], of_all=of_all):
        with gate("gpu-2", tmp_path / "gpu-2", control, books[1], of_all=of_all):
            waiting.start()
            order.append("both")
        assert not locks.is_held(tmp_path / "gpu-2")
        assert locks.is_held(tmp_path / "gpu-1")
        order.append("one")
    waiting.join(60)
    assert order == ["both", "one", "any"]
    # What a device was held for is told once, not once more for the gate of all.
    assert [event["gate"] for event in journal.read(tmp_path / "a.jsonl")] == ["gpu-1", "gpu-1"]


def test_one_device_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    control, of_all = Control(tmp_path / "cancel", 60), tmp_path / "gpu"
    with gate("gpu-1", tmp_path / "gpu-1", control, Journal(tmp_path / "a.jsonl"), of_all=of_all):
        (tmp_path / "cancel").touch()
        second = gate("gpu-1", tmp_path / "gpu-1", control, Journal(tmp_path / "b.jsonl"), of_all=of_all)
        with pytest.raises(Interrupted), second:
            pass
