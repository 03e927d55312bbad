"""What an agent may use up of the machine that it runs on, and what ends it."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.machines import agent_file
from runner_agent import cgroup, journal, machine
from runner_agent.confinement import Bounds, Role, Wish
from runner_agent.control import Control
from runner_agent.journal import Journal
from runner_agent.process import Outcome, Seam, Streams
from runner_agent.quota import Watch
from runner_agent.redaction import Redaction
from tests.components import need

MIB = 1 << 20
FORKS = """
import os, time
made = 0
try:
    for _ in range(5000):
        if os.fork() == 0:
            time.sleep(300)
            os._exit(0)
        made += 1
except OSError as error:
    print(error.strerror)
print(made, flush=True)
time.sleep(WAIT)
"""


@dataclass(frozen=True)
class Bench:
    root: Path
    seam: Seam

    def run(self, *argv: str, role: Role = "agent", log_bytes: int = MIB, limit_s: float = 150.0) -> Outcome:
        wish = Wish(role=role, argv=argv, tree=str(self.root / "tree"), scratch=str(self.root / "scratch"))
        (self.root / "out").mkdir(exist_ok=True)
        return self.seam.run(wish, Streams(stdout=self.log, limit_bytes=log_bytes), limit_s)

    @property
    def log(self) -> Path:
        return self.root / "out" / "log"

    @property
    def limits_reached(self) -> list[str]:
        events = journal.read(self.root / "events.jsonl")
        return [event["limit"] for event in events if event["event"] == "limit-reached"]


def make(root: Path, *, by_kernel: bool = True, disk_bytes: int = 1 << 30) -> Bench:
    """Without `by_kernel`: as on a machine whose pids controller is out of reach."""
    need("bwrap")
    for name in ("tree", "scratch", "out"):
        (root / name).mkdir()
    leaf = cgroup.make(root.name)
    assert leaf is not None
    seam = Seam(
        machine=machine.survey(os.environ),
        attempt_id=root.name,
        agent_file=agent_file.place(agent_file.build(), root),
        bounds=Bounds(hide=(), processes=200, file_bytes=1 << 30),
        inits=root / "inits",
        control=Control(root / "cancel", 60),
        leaf=leaf,
        watch=Watch((root / "tree", root / "scratch", root / "out"), disk_bytes, count_s=0.1),
        journal=Journal(root / "events.jsonl"),
        redaction=Redaction({"API_KEY": "sk-0123456789"}),
        out=root / "out",
        bound_by_kernel=by_kernel,
    )
    return Bench(root, seam)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = make(tmp_path)
    yield made
    assert made.seam.quiesce().gone
    made.seam.close()


@pytest.mark.fault(29)
def test_a_fork_bomb_gets_no_more_processes_than_its_limit_even_as_root(bench: Bench) -> None:
    outcome = bench.run("python3", "-c", FORKS.replace("WAIT", "0"))
    said = bench.log.read_text().split()
    assert outcome.ok, said
    assert 100 < int(said[-1]) < 200
    assert bench.seam.quiesce().gone
    # The supervisor, outside of it, starts the next command as ever.
    assert bench.run("true").ok


@pytest.mark.fault(29)
def test_where_the_kernel_cannot_bound_processes_they_are_counted_and_the_command_ends(tmp_path: Path) -> None:
    bench = make(tmp_path, by_kernel=False)
    outcome = bench.run("python3", "-c", FORKS.replace("5000", "1000").replace("WAIT", "120"))
    assert outcome.limit == "processes"
    assert outcome.detail == "ended with more than 200 processes at once (limits.processes)"
    assert bench.seam.quiesce().gone
    bench.seam.close()


def test_where_memory_runs_out_an_episode_goes_before_the_runner(bench: Bench) -> None:
    own = int(Path("/proc/self/oom_score_adj").read_text())
    assert bench.run("cat", "/proc/self/oom_score_adj").ok
    assert int(bench.log.read_text()) == max(own, 500)


@pytest.mark.fault(29)
def test_a_gigabyte_of_output_is_cut_ends_the_command_and_costs_no_memory(bench: Bench) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = bench.run("sh", "-c", "trap '' TERM; head -c 1000000000 /dev/zero")
    assert (outcome.limit, outcome.result) == ("output", "failed")
    assert bench.log.stat().st_size < MIB + 100
    assert bench.log.read_bytes().endswith(b"\n[cut by the runner at 1048576 bytes]\n")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB
    assert bench.limits_reached == ["output"]


def test_all_logs_of_the_agent_are_bounded_in_sum_and_leave_the_judges_theirs(bench: Bench) -> None:
    results: list[str] = []
    for number in range(18):
        bench.log.rename(bench.root / f"log-{number}") if bench.log.exists() else None
        results.append(bench.run("head", "-c", "4000", "/dev/zero", log_bytes=4096).result)
    assert results.count("ok") == 16
    assert results[-1] == "failed"
    assert b"for all logs of its kind" in bench.log.read_bytes()
    bench.log.unlink()
    assert bench.run("head", "-c", "4000", "/dev/zero", log_bytes=4096, role="build").ok


def test_many_files_that_are_too_much_together_end_the_command(tmp_path: Path) -> None:
    bench = make(tmp_path, disk_bytes=20 * MIB)
    (tmp_path / "tree" / "base").write_bytes(b"x" * 30 * MIB)
    script = "for n in $(seq 60); do head -c 1000000 /dev/urandom > f$n; done; sleep 120"
    outcome = bench.run("sh", "-c", script)
    assert outcome.limit == "disk", outcome
    assert outcome.detail == f"ended after it had added more than {20 * MIB} bytes to the disk (limits.disk_bytes)"
    assert bench.limits_reached == ["disk"]
    # What the agent left is no reason to keep its tree from being judged.
    assert bench.run("true", role="build").ok
    assert bench.seam.quiesce().gone
    bench.seam.close()


def test_a_secret_does_not_get_into_a_log(bench: Bench) -> None:
    script = "printf sk-0123; sleep 0.3; echo 456789; printf sk-0123456789 | base64"
    assert bench.run("sh", "-c", script).ok
    # The last character of base64 holds bits of what follows, and is left.
    assert bench.log.read_text() == "[redacted API_KEY]\n[redacted API_KEY]Q==\n"


def counted(watch: Watch, limit_s: float = 120.0) -> str | None:
    """What the watch says once it has counted anew."""
    wanted, deadline = watch.counts + 2, time.monotonic() + limit_s
    found = None
    while watch.counts < wanted and found is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
        found = watch.why_stop(measuring=False)
    return found


def test_what_was_there_before_is_not_the_commands_doing_and_a_hard_link_counts_once(tmp_path: Path) -> None:
    tree, out = tmp_path / "tree", tmp_path / "out"
    tree.mkdir()
    out.mkdir()
    (tree / "base").write_bytes(b"x" * 3_000_000)
    watch = Watch((tree, out), 2_000_000, count_s=0.05)
    watch.admit("agent", tree)
    (tree / "new").write_bytes(os.urandom(1_500_000))
    for number in range(10):
        os.link(tree / "new", tree / f"link-{number}")
    assert counted(watch) is None
    (out / "log").write_bytes(os.urandom(1_000_000))
    assert counted(watch) == "disk"
    # What judges the tree begins anew, and a tree that it is handed meanwhile is not its doing either.
    watch.admit("judge", tree)
    other = tree / "copy"
    other.mkdir()
    (other / "base").write_bytes(b"x" * 5_000_000)
    watch.admit("judge", other)
    assert counted(watch) is None
    watch.close()
