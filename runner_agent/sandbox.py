"""A sandbox from outside: what has to be in order before it is made, who is in it, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import IO

from runner_agent import files, quiescence
from runner_agent.control import InfrastructureFault

TERM_GRACE_S = 3.0
KILL_GRACE_S = 10.0


class Sandbox:
    """What bubblewrap told of the sandbox it made; nothing, for a process that runs in none."""

    def __init__(self, info: IO[bytes] | None) -> None:
        self._info = info

    def _read(self, key: str) -> int | None:
        if self._info is None:
            return None
        try:
            # pread: the descriptor's position is shared with bubblewrap.
            return int(json.loads(os.pread(self._info.fileno(), 4096, 0))[key])
        except (ValueError, KeyError):
            return None

    def init(self) -> int | None:
        """The sandbox's process 1, by the machine's numbers."""
        return self._read("child-pid")

    def ask_to_end(self) -> None:
        """SIGTERM to every process in the sandbox but its init, which would take the others with it at once."""
        namespace = self._read("pid-namespace")
        if namespace is None:
            return
        for pid in quiescence.inhabitants(namespace):
            if pid != self.init():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGTERM)


def open_up(tree: Path, scratch: Path) -> None:
    """Makes both folders fit to be entered and written, whatever the last command did to them: it could take rights
    away and put links where folders were, so that nothing would start any more and no verdict be reached. The folders
    themselves are mounts in the sandbox and cannot be replaced there."""
    scratch.mkdir(parents=True, exist_ok=True)
    parts = [scratch / name for name in ("home", "tmp", "cargo")]
    for folder in (tree, scratch, *parts):
        if folder in parts and (folder.is_symlink() or not folder.is_dir()):
            folder.unlink(missing_ok=True)
            folder.mkdir()
        files.open_up(folder)


def end(child: subprocess.Popen[bytes], sandbox: Sandbox) -> None:
    """SIGTERM to all, a moment to tidy up, then SIGKILL: bubblewrap's death takes its whole pid namespace with it."""
    sandbox.ask_to_end()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=TERM_GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait(timeout=KILL_GRACE_S)


def clear(sandbox: Sandbox, attempt_id: str) -> None:
    """What a command left running in its sandbox ends before anything else begins."""
    init = sandbox.init()
    if init is None:
        return
    if not quiescence.end_sandbox(init, attempt_id):
        raise InfrastructureFault(
            f"process {init}, the init of a sandbox, outlived SIGKILL; look for processes in state D on this runner"
        )
    # A supervisor is a subreaper: bubblewrap's orphan became its child.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(init, 0)
