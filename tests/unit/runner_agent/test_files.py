"""Files of the runner: what is read before it is needed."""

from __future__ import annotations

import os
from pathlib import Path

from runner_agent.files import read_ahead


def test_what_an_agent_put_in_a_programs_place_keeps_nobody_waiting(tmp_path: Path) -> None:
    program, pipe, link, folder = (tmp_path / name for name in ("program", "pipe", "link", "folder"))
    program.write_bytes(b"\x7fELF")
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    folder.mkdir()
    open_before = len(os.listdir("/proc/self/fd"))

    read_ahead([program, pipe, link, folder, tmp_path / "absent"])

    assert len(os.listdir("/proc/self/fd")) == open_before
    assert program.read_bytes() == b"\x7fELF"
