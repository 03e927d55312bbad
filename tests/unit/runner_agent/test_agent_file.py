"""The packed runner agent."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from orchestrator.machines import agent_file


def test_the_same_sources_give_the_same_bytes_and_so_the_same_name() -> None:
    first, second = (agent_file.pack(agent_file.sources()) for _ in range(2))
    assert first.content == second.content
    assert first.name == f"agent-{first.sha256[:16]}.pyz"


def test_placing_it_twice_leaves_one_file(tmp_path: Path) -> None:
    agent = agent_file.build()
    assert agent_file.place(agent, tmp_path) == agent_file.place(agent, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [agent.name]


def test_another_process_packs_the_same_bytes_whatever_its_hash_seed() -> None:
    program = "from orchestrator.machines import agent_file; print(agent_file.build().sha256)"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert told.stdout.strip() == agent_file.build().sha256


def answers(agent: Path, home: Path) -> None:
    argv = [os.path.realpath(sys.executable), "-I", "-S", str(agent), "report", "--home", str(home)]
    told = subprocess.run(argv, input=b'{"cursors": {}}', capture_output=True, timeout=150, check=False, cwd="/")
    assert (told.returncode, told.stderr) == (0, b"")
    assert b'"attempts": []' in told.stdout


def test_it_runs_with_nothing_but_the_standard_library(tmp_path: Path) -> None:
    answers(agent_file.place(agent_file.build(), tmp_path / "agent"), tmp_path)


def test_a_python_that_cannot_use_the_bytecode_runs_the_sources(tmp_path: Path) -> None:
    ours, foreign = agent_file.place(agent_file.build(), tmp_path / "agent"), tmp_path / "foreign.pyz"
    with zipfile.ZipFile(ours) as source, zipfile.ZipFile(foreign, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, b"\0" * len(content) if name.endswith(".pyc") else content)
    answers(foreign, tmp_path)
