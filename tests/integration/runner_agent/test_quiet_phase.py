"""One attempt is measured while another works on the same runner: real sandboxes, with and without a cgroup."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.machines import agent_file
from runner_agent import cgroup, journal, machine, quiescence
from runner_agent.confinement import Bounds, Wish
from runner_agent.control import Control
from runner_agent.isolation import Register
from runner_agent.journal import Journal
from runner_agent.process import Outcome, Seam, Streams
from runner_agent.protocol import Isolation
from tests.components import need

WAIT_S = 300.0
WALL_S = 600.0
ALLOWED = "sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status"
# Says when it ran, on which cores, and at which priority, until it is told to stop.
BEAT = f"while [ ! -e stop ]; do echo \"$(date +%s.%N) $({ALLOWED}) $(cut -d' ' -f41 /proc/self/stat)\"; done"
SMOKE = f"date +%s.%N; {ALLOWED}; head -c 20000000 /dev/zero | sha256sum > /dev/null; date +%s.%N"
SCHED_IDLE = "5"
DOOMED = """
import sys
from pathlib import Path
from tests.integration.runner_agent.test_quiet_phase import BEAT, Attempt
Attempt(Path(sys.argv[1]), "doomed", sys.argv[2] == "True").run("build", BEAT)
"""


class Counted(Control):
    extended_s = 0.0

    def extend(self, seconds: float) -> None:
        super().extend(seconds)
        self.extended_s += seconds


@dataclass
class Attempt:
    """An attempt of which only the seam is there."""

    root: Path
    name: str
    with_cgroup: bool

    def __post_init__(self) -> None:
        self.folder = self.root / self.name
        (self.folder / "tree").mkdir(parents=True)
        self.control = Counted(self.folder / "cancel", WALL_S)
        self.seam = Seam(
            machine=machine.survey(os.environ),
            attempt_id=f"{self.root.name}-{self.name}",
            agent_file=agent_file.place(agent_file.build(), self.folder),
            bounds=Bounds(hide=(), processes=4096, file_bytes=1 << 30),
            inits=self.folder / "inits",
            control=self.control,
            leaf=cgroup.make(f"{self.root.name}-{self.name}") if self.with_cgroup else None,
            journal=Journal(self.folder / "events.jsonl"),
            register=Register(self.root / "quiet", answer_limit_s=WAIT_S),
        )

    def run(self, role: str, script: str) -> Outcome:
        wish = Wish(
            role="smoke" if role == "smoke" else "build",
            argv=("sh", "-c", script),
            tree=str(self.folder / "tree"),
            scratch=str(self.folder / "scratch"),
        )
        return self.seam.run(wish, Streams(stdout=self.folder / "log", limit_bytes=1 << 26), WALL_S)

    @property
    def said(self) -> list[list[str]]:
        """The whole lines of its output, in words."""
        path = self.folder / "log"
        return [line.split() for line in path.read_text().split("\n")[:-1]] if path.exists() else []

    def events(self, name: str) -> list[dict[str, object]]:
        return [event for event in journal.read(self.folder / "events.jsonl") if event["event"] == name]


@pytest.fixture(params=[True, False], ids=["cgroup", "signals"])
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Attempt, Attempt]]:
    """One that works until it is told to stop, and one to be measured."""
    need("bwrap")
    works, measured = (Attempt(tmp_path, name, bool(request.param)) for name in ("works", "measured"))
    ended: list[Outcome] = []
    working = threading.Thread(target=lambda: ended.append(works.run("build", BEAT)))
    working.start()
    until(lambda: len(works.said) > 3)
    yield works, measured
    (works.folder / "tree" / "stop").touch()
    working.join(WAIT_S)
    assert ended[0].ok
    assert ended[0].frozen_s == pytest.approx(works.seam.frozen_s, abs=0.01)
    for attempt in (works, measured):
        assert attempt.seam.quiesce().gone
        attempt.seam.close()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def cores(text: str) -> set[int]:
    ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    return {core for part in ends for core in range(part[0], part[-1] + 1)}


@pytest.mark.parametrize("isolation", ["shared", "quiet"])
def test_what_others_run_is_elsewhere_or_stands_still_while_one_is_measured(
    pair: tuple[Attempt, Attempt], isolation: Isolation
) -> None:
    works, measured = pair
    with measured.seam.measuring(isolation):
        assert measured.run("smoke", SMOKE).ok
    # Afterwards it goes on with the priority that it had. Cores that it left it does not get back.
    before = len(works.said)
    until(lambda: len(works.said) > before and works.said[-1][2] == works.said[0][2])
    kept = measured.events("isolation-begun")[0]["cores"] if isolation == "shared" else []
    assert cores(works.said[-1][1]) == os.sched_getaffinity(0) - set(kept)  # type: ignore[call-overload]

    (began,), (allowed,), (ended,) = measured.said
    (begun,) = measured.events("isolation-begun")
    assert (begun["isolation"], begun["did_not"]) == (isolation, [])
    assert begun["made_room"] == [f"{works.root.name}-works"]
    own = cores(allowed)
    assert begun["cores"] == sorted(own)
    within = [line for line in works.said if float(began) <= float(line[0]) <= float(ended)]
    if isolation == "quiet":
        assert within == []
        assert 0 < works.seam.frozen_s == works.control.extended_s
    else:
        assert all(not cores(line[1]) & own and line[2] == SCHED_IDLE for line in within)
        assert works.seam.frozen_s == 0
    (told,) = works.events("frozen" if isolation == "quiet" else "moved-aside")
    assert told["for"] == [f"{works.root.name}-measured"]


def test_what_is_begun_meanwhile_waits_or_begins_aside(pair: tuple[Attempt, Attempt]) -> None:
    works, measured = pair
    late = Attempt(works.root, "late", works.with_cgroup)
    with measured.seam.measuring("shared"):
        assert late.run("build", f"echo now $({ALLOWED}) $(cut -d' ' -f41 /proc/self/stat)").ok
        kept = set(measured.events("isolation-begun")[0]["cores"])  # type: ignore[arg-type]
    (line,) = late.said
    assert cores(line[1]) == os.sched_getaffinity(0) - kept
    assert line[2] == SCHED_IDLE
    ended: list[Outcome] = []
    with measured.seam.measuring("quiet"):
        waiting = threading.Thread(target=lambda: ended.append(late.run("build", "echo at last")))
        waiting.start()
        until(lambda: late.seam.frozen_s > 0.2)
        assert late.said == [line]
    waiting.join(WAIT_S)
    assert ended[0].ok
    assert late.said == [line, ["at", "last"]]
    assert late.control.extended_s == late.seam.frozen_s
    assert late.seam.quiesce().gone
    late.seam.close()


def test_a_cancel_reaches_one_that_is_frozen(pair: tuple[Attempt, Attempt]) -> None:
    works, measured = pair
    late = Attempt(works.root, "late", works.with_cgroup)
    ended: list[str] = []

    def run() -> None:
        try:
            late.run("build", BEAT)
        except Exception as stop:
            ended.append(str(stop))

    running = threading.Thread(target=run)
    running.start()
    until(lambda: len(late.said) > 3)
    with measured.seam.measuring("quiet"):
        (late.folder / "cancel").touch()
        running.join(WAIT_S)
    assert ended == ["cancelled"]
    assert late.seam.quiesce().gone
    late.seam.close()


def test_what_is_frozen_ends_with_its_supervisor(pair: tuple[Attempt, Attempt]) -> None:
    works, measured = pair
    argv = (sys.executable, "-c", DOOMED, str(works.root), str(works.with_cgroup))
    folder, attempt_id = works.root / "doomed", f"{works.root.name}-doomed"
    with subprocess.Popen(argv, cwd=Path(__file__).parents[3]) as supervisor:
        until(lambda: (folder / "log").exists() and (folder / "log").stat().st_size > 0)
        with measured.seam.measuring("quiet"):
            made_room = measured.events("isolation-begun")[0]["made_room"]
            supervisor.kill()
            supervisor.wait()
            until(lambda: not quiescence.living(attempt_id, folder / "inits"))
    assert made_room == [attempt_id, f"{works.root.name}-works"]
    leaf = cgroup.find(attempt_id)
    assert leaf is None or cgroup.members(leaf) == []
    if leaf is not None:
        # Who comes after finds it thawed.
        assert cgroup.make(attempt_id) == leaf
        assert (leaf / "cgroup.freeze").read_text() == "0\n"
        cgroup.remove(leaf)
