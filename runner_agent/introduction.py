"""How the runner introduces itself: what `hello` can see, and what its sandbox and its proof of quiescence rest on."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from runner_agent import cgroup, hello, protocol
from runner_agent.home import Home
from runner_agent.machine import Machine

NO_SANDBOX = "bubblewrap (bwrap) is not on PATH; install the package `bubblewrap`"
PROBE = ("--ro-bind", "/", "/", "--unshare-user", "--unshare-pid", "--proc", "/proc", "--", "true")
PROBE_LIMIT_S = 10.0


def sandbox_problem(machine: Machine) -> str:
    """Why nothing can be confined here, or an empty text. A kernel may forbid what bubblewrap needs."""
    if machine.bwrap is None:
        return NO_SANDBOX
    try:
        tried = subprocess.run(
            (machine.bwrap, *PROBE), stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_LIMIT_S, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"bubblewrap cannot be run: {error}"
    if tried.returncode == 0:
        return ""
    said = tried.stderr[-200:].decode(errors="replace").strip()
    return f"bubblewrap cannot make a sandbox here ({said}); allow unprivileged user namespaces"


def introduce(
    home: Home, machine: Machine, agent_file: Path, attempts: tuple[str, ...], environ: Mapping[str, str]
) -> protocol.Hello:
    """Takes seconds: devices and tools are asked."""
    problem = sandbox_problem(machine)
    leaf = cgroup.make(f"hello-{os.getpid()}")
    if leaf is not None:
        cgroup.remove(leaf)
    return hello.hello(
        home.root,
        str(agent_file),
        hashlib.sha256(agent_file.read_bytes()).hexdigest()[:16],
        attempts,
        "" if problem else "bubblewrap",
        problem,
        "process-scan" if leaf is None else "cgroup2",
        ":".join(machine.path),
        environ,
    )
