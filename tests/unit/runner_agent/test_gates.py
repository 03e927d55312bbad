"""The gates of devices, and of those who build."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from runner_agent import journal, locks, tickets
from runner_agent.control import Control, Interrupted
from runner_agent.gates import LINE_MOST_S, gate, of_device, patient, slot
from runner_agent.home import Home, gpu_gate
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


def test_the_journal_says_how_many_were_in_the_way(tmp_path: Path) -> None:
    control = Control(tmp_path / "cancel", 600)

    def wait_for_it(name: str) -> None:
        with gate("gpu", tmp_path / "gpu", control, Journal(tmp_path / name)):
            pass

    threads = [threading.Thread(target=wait_for_it, args=(name,)) for name in ("1", "2")]
    with gate("gpu", tmp_path / "gpu", control, Journal(tmp_path / "0")):
        for standing, thread in enumerate(threads, 2):
            thread.start()
            until_in_line(tmp_path / "line-gpu", standing)
    for thread in threads:
        thread.join(60)
    assert [journal.read(tmp_path / name)[0]["behind"] for name in "012"] == [0, 1, 2]


def test_a_slot_lets_as_many_build_as_it_counts(tmp_path: Path) -> None:
    control, book = Control(tmp_path / "cancel", 60), Journal(tmp_path / "a.jsonl")
    with slot("build", 2, tmp_path, control, book), slot("build", 2, tmp_path, control, book):
        (tmp_path / "cancel").touch()
        with pytest.raises(Interrupted), slot("build", 2, tmp_path, control, book):
            pass
        (tmp_path / "cancel").unlink()
        # Who builds keeps nobody from the device.
        with gate("gpu", tmp_path / "gpu", control, book):
            pass
    with slot("build", 2, tmp_path, control, book):
        pass
    told = [(event["event"], event["gate"], event.get("behind")) for event in journal.read(tmp_path / "a.jsonl")]
    assert told == [
        ("gate-waited", "build", 0),
        ("gate-waited", "build", 0),
        ("gate-waited", "gpu", 0),
        ("gate-released", "gpu", None),
        ("gate-released", "build", None),
        ("gate-released", "build", None),
        ("gate-waited", "build", 0),
        ("gate-released", "build", None),
    ]


@pytest.mark.parametrize("gpu", ["", "1"], ids=("any device", "one device"))
def test_an_attempt_of_an_older_agent_file_which_knows_the_lock_alone_is_waited_for(tmp_path: Path, gpu: str) -> None:
    home, control = Home(tmp_path), Control(tmp_path / "cancel", 60)
    home.gates.mkdir()
    book = Journal(tmp_path / "a.jsonl")
    older = locks.take(home.gpu_gate if not gpu else home.gate(gpu_gate(gpu)))
    (tmp_path / "cancel").touch()
    with pytest.raises(Interrupted), of_device(home, gpu, control, book):
        pass
    (tmp_path / "cancel").unlink()
    locks.release(older)
    with of_device(home, gpu, control, book), pytest.raises(BlockingIOError):
        # Nor does one begin beside it.
        locks.take(home.gpu_gate)


def test_waiting_for_others_is_not_the_attempts_time_within_a_bound(tmp_path: Path) -> None:
    control = Control(tmp_path / "cancel", 0)
    times_s = iter([0.0, LINE_MOST_S - 1000, 10 * LINE_MOST_S, 20 * LINE_MOST_S])
    check = patient(control, lambda: next(times_s))
    check()
    assert control.why_stop() is None
    check()
    check()
    assert control.left_s <= LINE_MOST_S


def until_in_line(line: Path, standing: int) -> None:
    """Returns once so many stand in line."""
    deadline = time.monotonic() + 60
    while sum(tickets.read(path.name) is not None for path in line.iterdir()) < standing:
        assert time.monotonic() < deadline, f"{standing} never stood in line"
        time.sleep(0.005)
