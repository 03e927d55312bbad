"""Processes at a gate, killed with SIGKILL wherever they stand: it is free at once, and the order stays."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner_agent import tickets

WAIT_S = 60.0
PROGRAM = """
import sys
from pathlib import Path
from runner_agent import gates
from runner_agent.control import Control
from runner_agent.home import Home
from runner_agent.journal import Journal

root, name, what = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
control, journal = Control(root / f"{name}.cancel", 600), Journal(root / f"{name}.jsonl")
builds = what.startswith("build")
held = gates.build_slot(Home(root), int(what[5:]), control, journal) if builds else gates.of_device(
    Home(root), what.partition("gpu")[2], control, journal)
with held:
    with open(root / "order", "a") as order:
        order.write(name + "\\n")
    print("in", flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Line:
    """Processes that queue up below `root`, and end when they are let go, killed, or with the test."""

    root: Path
    ends: contextlib.ExitStack

    def come(self, name: str, what: str = "gpu") -> subprocess.Popen[str]:
        """Returns once it stands in line."""
        before = self.standing(what)
        process = subprocess.Popen(
            (sys.executable, "-c", PROGRAM, str(self.root), name, what),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ends.enter_context(process)
        self.ends.callback(process.kill)
        deadline = time.monotonic() + WAIT_S
        while len(self.standing(what) - before) == 0:
            assert time.monotonic() < deadline, f"{name} never came"
            time.sleep(0.005)
        return process

    def standing(self, what: str) -> frozenset[int]:
        line = self.root / "gates" / ("line-build" if what.startswith("build") else "line-gpu")
        found = (tickets.read(path.name) for path in line.iterdir()) if line.is_dir() else ()
        return frozenset(ticket.number for ticket in found if ticket is not None)

    def order(self) -> list[str]:
        return (self.root / "order").read_text().split()


@pytest.fixture
def line(tmp_path: Path) -> Generator[Line, None, None]:
    with contextlib.ExitStack() as ends:
        yield Line(tmp_path, ends)


def gets_in(process: subprocess.Popen[str]) -> None:
    """Returns once it holds the gate."""
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"


def ends(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(WAIT_S) == 0


def dies(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    assert process.wait(WAIT_S) == -signal.SIGKILL


def test_holder_first_waiter_and_one_in_the_middle_die_and_the_rest_go_on_in_order(line: Line) -> None:
    holder, first, second, middle, fourth, last = (line.come(name) for name in ("h", "1", "2", "m", "4", "5"))
    gets_in(holder)
    dies(first)
    dies(middle)
    dies(holder)
    for process in (second, fourth, last):
        gets_in(process)
        ends(process)
    assert line.order() == ["h", "2", "4", "5"]
    assert not line.standing("gpu")


def test_who_wants_all_devices_comes_after_those_before_it_and_before_those_behind_it(line: Line) -> None:
    one, other = line.come("a", "gpu1"), line.come("b", "gpu2")
    gets_in(one)
    gets_in(other)
    of_all, behind = line.come("all"), line.come("c", "gpu1")
    dies(one)
    assert line.order() == ["a", "b"]
    ends(other)
    gets_in(of_all)
    dies(of_all)
    gets_in(behind)
    ends(behind)
    assert line.order() == ["a", "b", "all", "c"]


def test_a_build_slot_is_free_once_its_holder_is_killed(line: Line) -> None:
    first, second, third, fourth = (line.come(str(number), "build2") for number in range(1, 5))
    gets_in(first)
    gets_in(second)
    dies(second)
    gets_in(third)
    ends(first)
    gets_in(fourth)
    assert sorted(line.order()[:2]) == ["1", "2"]
    assert line.order()[2:] == ["3", "4"]
