"""Processes that do not want to go, on machines with and without a cgroup of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.machines import agent_file
from runner_agent import cgroup, machine, quiescence
from runner_agent.confinement import Bounds, Wish
from runner_agent.control import Control
from runner_agent.process import Seam, Streams
from tests.components import need

# A daemon: forked twice, a session of its own, deaf to SIGTERM and SIGHUP.
STUBBORN = """
trap '' TERM HUP
(setsid sh -c 'trap "" TERM HUP; while :; do date >> heartbeat; sleep 0.05; done' > /dev/null 2>&1 &) &
while [ ! -s heartbeat ]; do sleep 0.02; done
"""


def seam(tmp_path: Path, leaf: Path | None) -> Seam:
    return Seam(
        machine=machine.survey(os.environ),
        attempt_id=tmp_path.name,
        agent_file=agent_file.place(agent_file.build(), tmp_path),
        bounds=Bounds(hide=(), processes=4096, file_bytes=1 << 30),
        inits=tmp_path / "inits",
        control=Control(tmp_path / "cancel", 60),
        leaf=leaf,
    )


def wish(tmp_path: Path, *argv: str) -> Wish:
    (tmp_path / "tree").mkdir(exist_ok=True)
    return Wish(role="agent", argv=argv, tree=str(tmp_path / "tree"), scratch=str(tmp_path / "scratch"))


def streams(tmp_path: Path) -> Streams:
    return Streams(stdout=tmp_path / "log", limit_bytes=100_000)


@pytest.mark.parametrize("with_cgroup", [True, False])
def test_a_daemon_dies_with_the_command_that_left_it_behind(tmp_path: Path, with_cgroup: bool) -> None:
    need("bwrap")
    leaf = cgroup.make(tmp_path.name) if with_cgroup else None
    confined = seam(tmp_path, leaf)
    outcome = confined.run(wish(tmp_path, "sh", "-c", STUBBORN), streams(tmp_path), 150)
    beats = (tmp_path / "tree" / "heartbeat").read_bytes()
    proof = confined.quiesce()
    assert outcome.ok
    assert (proof.gone, proof.killed) == (True, 0)
    assert proof.method == ("cgroup2" if leaf else "process-scan")
    assert quiescence.living(tmp_path.name, tmp_path / "inits") == []
    assert (tmp_path / "tree" / "heartbeat").read_bytes() == beats
    confined.close()
    assert cgroup.find(tmp_path.name) is None


def test_a_command_deaf_to_every_request_ends_at_its_limit(tmp_path: Path) -> None:
    need("bwrap")
    deaf = "trap '' TERM; while :; do sleep 0.1; done"
    outcome = seam(tmp_path, None).run(wish(tmp_path, "sh", "-c", deaf), streams(tmp_path), 0.3)
    assert (outcome.result, outcome.detail) == ("timed-out", "ended after its limit of 0.3 s")
    assert quiescence.living(tmp_path.name, tmp_path / "inits") == []


def test_a_command_that_is_asked_to_end_may_tidy_up(tmp_path: Path) -> None:
    need("bwrap")
    tidy = "trap 'echo tidied; exit 0' TERM; echo waiting; while :; do sleep 0.05; done"
    outcome = seam(tmp_path, None).run(wish(tmp_path, "sh", "-c", tidy), streams(tmp_path), 3.0)
    assert outcome.result == "timed-out"
    assert "tidied" in (tmp_path / "log").read_text()


def test_a_cgroup_is_killed_whole(tmp_path: Path) -> None:
    leaf = cgroup.make(tmp_path.name)
    if leaf is None:
        assert quiescence.prove(tmp_path.name, tmp_path / "inits").method == "process-scan"
        return
    # Without its marker and outside every sandbox: only its cgroup tells whose it is.
    enter = f"echo $$ > {leaf}/cgroup.procs; {STUBBORN}"
    subprocess.run(["sh", "-c", enter], cwd=tmp_path, timeout=150, check=True)
    proof = quiescence.prove(tmp_path.name, tmp_path / "inits")
    assert (proof.method, proof.gone) == ("cgroup2", True)
    assert proof.killed >= 1
    assert cgroup.members(leaf) == []
    cgroup.remove(leaf)


def test_a_daemon_outside_every_sandbox_is_found_by_its_marker(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], quiescence.MARKER: tmp_path.name}
    subprocess.run(["sh", "-c", STUBBORN], env=env, cwd=tmp_path, timeout=150, check=True)
    proof = quiescence.prove(tmp_path.name, tmp_path / "inits")
    assert (proof.method, proof.gone) == ("process-scan", True)
    assert proof.killed >= 1
    assert quiescence.living(tmp_path.name, tmp_path / "inits") == []


def test_a_sandbox_is_found_by_its_init_but_a_stranger_with_its_number_is_not(tmp_path: Path) -> None:
    inits = tmp_path / "inits"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        quiescence.note_init(inits, child.pid)
        assert quiescence.living("nobody", inits) == [child.pid]
        pid, start, boot = inits.read_text().split()
        inits.write_text(f"{pid} {int(start) - 1} {boot}\n{pid} {start} another-boot\n")
        assert quiescence.living("nobody", inits) == []
        child.communicate(b"\n")
