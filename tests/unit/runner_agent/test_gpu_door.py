"""What an agent may ask of its supervisor, and how that is bounded."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner_agent import journal
from runner_agent.child import Outcome
from runner_agent.confinement import Wish
from runner_agent.control import Control
from runner_agent.gpu_door import Budget, Door, at_hand, inside, judge
from runner_agent.gpu_request import REQUEST_BYTES, Ask, Malformed, read_request
from runner_agent.journal import Journal
from runner_agent.process import Seam

WISH = Wish(role="agent", argv=("agent",), tree="/h/tree", scratch="/h/scratch", env={"API_KEY": "s3cret"})
WAIT_S = 60.0


def outcome(exit_code: int | None, limit: str = "", detail: str = "") -> Outcome:
    result = "ok" if exit_code == 0 else "failed"
    return Outcome(
        result=result, exit_code=exit_code, seconds=1, started_at="", finished_at="", limit=limit, detail=detail
    )


def request(**changes: Any) -> bytes:
    return json.dumps({"argv": ["true"], "cwd": "/workspace", "env": {}, **changes}).encode()


def test_a_request_is_read() -> None:
    found = read_request(request(argv=["a", "", "ü"], cwd="/workspace/b", env={"A": "1"}))
    assert found == Ask(argv=("a", "", "ü"), cwd="/workspace/b", env={"A": "1"})


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        request(argv=[]),
        request(argv=[""]),
        request(argv="true"),
        request(argv=["a", 1]),
        request(argv=["a\0b"]),
        request(argv=["\ud912"]),
        request(argv=["x" * 200_000]),
        request(argv=["x"] * 5000),
        request(cwd="relative"),
        request(cwd="/\0"),
        request(cwd=None),
        request(env=[]),
        request(env={"A": 1}),
        request(env={"": "1"}),
        request(env={"A=B": "1"}),
        request(env={"A": "\0"}),
        request(env={str(number): "" for number in range(2000)}),
    ],
)
def test_what_no_program_could_be_given_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        read_request(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused(text: bytes) -> None:
    with contextlib.suppress(Malformed):
        read_request(text)


def test_the_command_has_the_devices_and_what_the_agent_set_but_no_door_and_no_secret_on_its_command_line() -> None:
    env = {"API_KEY": "s3cret", "CORTEX": "1", "PWD": "/", "MATINS_ATTEMPT": "x"}
    wish = inside(WISH, Ask(argv=("smoke",), cwd="/workspace/crates", env=env))
    assert (wish.role, wish.gpu, wish.argv, wish.cwd) == ("agent", True, ("smoke",), "/workspace/crates")
    assert wish.own_env == {"CORTEX": "1"}
    assert wish.binds == ()
    shown = at_hand(WISH, Path("/h/bin"), Path("/h/gpu.sock"))
    assert [bind.target for bind in shown.binds] == ["/run/matins/bin", "/run/matins/gpu.sock"]
    assert not any(bind.writable for bind in shown.binds)


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (outcome(0), (0, "")),
        (outcome(3), (3, "")),
        (outcome(None, detail="ended by SIGSEGV"), (70, "ended by SIGSEGV")),
        (outcome(None, limit="gone"), (70, "nobody waited for the command any more")),
        (None, (70, "nobody waited for the command any more")),
        (
            outcome(None, limit="time"),
            (75, "ended: the 9 s that this attempt may use the GPU (limits.agent_gpu_s) are spent"),
        ),
    ],
)
def test_the_wrapper_ends_as_the_command_did_and_says_what_a_status_cannot(
    ended: Outcome | None, expected: tuple[int, str]
) -> None:
    assert judge(ended, Budget(most_s=9)) == expected


class Hands:
    """A seam that runs nothing: it notes what it is asked, and waits until `over` or until nobody waits any more."""

    def __init__(self) -> None:
        self.lent: list[tuple[Wish, float]] = []
        self.over = True
        self.writes = b""

    def lend(self, wish: Wish, ends: tuple[int, int, int], limit_s: float, gone: Callable[[], bool]) -> Outcome:
        self.lent.append((wish, limit_s))
        os.write(ends[1], self.writes)
        while not self.over:
            if gone():
                return outcome(None, limit="gone")
            time.sleep(0.01)
        return outcome(0)


@contextlib.contextmanager
def opened(folder: Path, hands: Hands, most_s: float = 60.0) -> Iterator[Budget]:
    budget, control, book = Budget(most_s=most_s), Control(folder / "cancel", 600), Journal(folder / "events.jsonl")
    with Door(
        path=folder / "gpu.sock",
        wish=WISH,
        seam=cast("Seam", hands),
        gate=lambda _: contextlib.nullcontext(),
        budget=budget,
        control=control,
        journal=book,
    ):
        yield budget


def connected(folder: Path) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(WAIT_S)
    link.connect(str(folder / "gpu.sock"))
    return link


def asked(folder: Path, text: bytes, handles: tuple[int, ...]) -> socket.socket:
    link = connected(folder)
    socket.send_fds(link, [struct.pack("!I", len(text))], list(handles))
    link.sendall(text)
    return link


def answer(link: socket.socket) -> dict[str, Any]:
    with link, link.makefile("rb") as lines:
        return json.loads(lines.readline())


def test_a_command_writes_into_the_very_descriptors_of_who_asked(tmp_path: Path) -> None:
    hands = Hands()
    hands.writes = b"from the command"
    reading, writing = os.pipe()
    with opened(tmp_path, hands) as budget:
        assert answer(asked(tmp_path, request(), (0, writing, writing))) == {"exit_code": 0, "said": ""}
    assert os.read(reading, 100) == b"from the command"
    assert hands.lent[0][1] == 60.0
    (told,) = journal.read(tmp_path / "events.jsonl")
    assert (told["event"], told["argv0"], told["exit_code"]) == ("agent-gpu", "true", 0)
    assert told["left_s"] == round(60.0 - budget.held_s, 3)
    os.close(reading)
    os.close(writing)


def test_what_is_spent_is_refused_before_the_line_is_joined(tmp_path: Path) -> None:
    hands = Hands()
    with opened(tmp_path, hands, most_s=5.0) as budget:
        budget.held_s = 5.0
        told = answer(asked(tmp_path, request(), (0, 1, 2)))
    assert told["exit_code"] == 75
    assert "limits.agent_gpu_s" in told["said"]
    assert hands.lent == []


def test_a_bad_request_is_told_why_and_the_next_is_served(tmp_path: Path) -> None:
    hands = Hands()
    with opened(tmp_path, hands):
        assert answer(asked(tmp_path, b"nonsense", (0, 1, 2)))["exit_code"] == 64
        assert answer(asked(tmp_path, request(), (0, 1)))["exit_code"] == 64
        assert answer(asked(tmp_path, request(), (0, 1, 2)))["exit_code"] == 0


def test_who_sends_too_much_or_leaves_at_once_keeps_nobody_else_out(tmp_path: Path) -> None:
    hands = Hands()
    with opened(tmp_path, hands):
        connected(tmp_path).close()
        with connected(tmp_path) as link:
            link.sendall(struct.pack("!I", REQUEST_BYTES + 1))
            assert link.recv(1) == b""
        assert answer(asked(tmp_path, request(), (0, 1, 2)))["exit_code"] == 0


def test_more_descriptors_than_three_are_not_taken_over(tmp_path: Path) -> None:
    hands = Hands()
    before = len(os.listdir("/proc/self/fd"))
    with opened(tmp_path, hands):
        assert answer(asked(tmp_path, request(), (0, 1, 2, *[0] * 50)))["exit_code"] == 0
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # the journal's


def test_a_command_ends_with_who_asked_for_it(tmp_path: Path) -> None:
    hands = Hands()
    hands.over = False
    with opened(tmp_path, hands) as budget:
        link = asked(tmp_path, request(), (0, 1, 2))
        until(lambda: bool(hands.lent))
        link.close()
        until(lambda: budget.held_s > 0)
    assert journal.read(tmp_path / "events.jsonl")[0]["exit_code"] == 70


def test_the_turns_end_ends_what_it_asked_for(tmp_path: Path) -> None:
    hands = Hands()
    hands.over = False
    with opened(tmp_path, hands):
        links = [asked(tmp_path, request(), (0, 1, 2)) for _ in range(3)]
        until(lambda: bool(hands.lent))
    assert len(hands.lent) == 1
    assert not (tmp_path / "gpu.sock").exists()
    for link in links:
        link.close()


def test_a_fault_of_the_runner_reaches_the_attempt(tmp_path: Path) -> None:
    class Faulty(Hands):
        def lend(self, wish: Wish, ends: tuple[int, int, int], limit_s: float, gone: Callable[[], bool]) -> Outcome:
            raise RuntimeError("a process outlived SIGKILL")

    with (
        pytest.raises(RuntimeError, match="outlived"),
        opened(tmp_path, Faulty()),
        asked(tmp_path, request(), (0, 1, 2)) as link,
    ):
        assert link.recv(1) == b""


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
