"""The agent's own way to the GPU. In its sandbox there is no device, but a socket on which `matins-gpu` (`gpu_client`)
asks for a command to be run with it. It is run in a sandbox like the agent's, with the devices, while the attempt holds
their gate, in the line of all others and as long as the attempt's budget lasts.

One command at a time; who comes meanwhile waits in the socket's backlog. All that comes over the socket was written by
an agent: it is bounded in size and time, it is never given to a shell, and of the program's environment nothing reaches
bubblewrap, which runs outside.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from runner_agent import clock, shape
from runner_agent.child import Outcome
from runner_agent.confinement import AGENT_FILE, GPU_SOCKET, PROGRAMS, Bind, SandboxUnavailable, Wish
from runner_agent.control import Control, InfrastructureFault, Interrupted, StopReason
from runner_agent.gpu_client import FAILED
from runner_agent.gpu_request import REQUEST_LIMIT_S, Ask, Malformed, has_left, read_request, receive, three
from runner_agent.journal import Journal
from runner_agent.process import Seam

PROGRAM = "matins-gpu"
BACKLOG = 8
ANSWER_LIMIT_S = 5.0
CLOSE_LIMIT_S = 30.0
ARGV0_CHARS = 200
SPENT = 75
MISUSED = 64
OWN = ("PWD", "OLDPWD", "SHLVL", "_")
"""What a shell says of itself is not said to the command."""

Gate = Callable[[Control], contextlib.AbstractContextManager[None]]


@dataclass(kw_only=True)
class Budget:
    """Seconds that an attempt's agent may hold the GPU, and has."""

    most_s: float
    held_s: float = 0.0

    @property
    def left_s(self) -> float:
        return max(0.0, self.most_s - self.held_s)


class Door:
    """Open while the agent runs, in a `with` statement. `wish` is the agent's own, `gate` that of its device."""

    def __init__(
        self,
        *,
        path: Path,
        wish: Wish,
        seam: Seam,
        gate: Gate,
        budget: Budget,
        control: Control,
        journal: Journal,
    ) -> None:
        """The socket is made at `path`."""
        self._path = path
        self._wish = wish
        self._seam = seam
        self._gate = gate
        self._budget = budget
        self._control = control
        self._journal = journal
        self._closed = threading.Event()
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._serve, name="gpu door", daemon=True)
        self._listener = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Door:
        self._path.unlink(missing_ok=True)
        handle = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # A name that fits into the 108 bytes of a socket's address.
            self._listener.bind(f"/proc/self/fd/{handle}/{self._path.name}")
        finally:
            os.close(handle)
        self._listener.listen(BACKLOG)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends what still runs. Raises what went wrong with the runner meanwhile."""
        self._closed.set()
        # Wakes the thread that waits for a connection.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(CLOSE_LIMIT_S)
        self._listener.close()
        self._path.unlink(missing_ok=True)
        if self._thread.is_alive():
            raise InfrastructureFault(f"a command of {PROGRAM} did not end within {CLOSE_LIMIT_S:g} s")
        if self._fault is not None and error is None:
            raise self._fault

    def _serve(self) -> None:
        try:
            while not self._closed.is_set():
                try:
                    link, _address = self._listener.accept()
                except OSError:
                    return
                with link:
                    self._attend(link)
        except Interrupted:
            return  # whoever runs the agent is interrupted, too
        except Exception as fault:  # it must reach the attempt, which has no eye on this thread
            self._fault = fault

    def _attend(self, link: socket.socket) -> None:
        """One connection, from its request to its answer. Raises what is no doing of the agent."""
        handles: list[int] = []
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: [os.close(handle) for handle in handles])
            try:
                link.settimeout(REQUEST_LIMIT_S)
                text = receive(link, handles)
            except (OSError, EOFError):
                return  # nobody is there to be answered
            try:
                exit_code, said = self._run(read_request(text), three(handles), link)
            except Malformed as error:
                exit_code, said = MISUSED, f"the request was refused: {error}"
            except (SandboxUnavailable, OSError) as fault:
                exit_code, said = FAILED, f"the command could not be run: {fault}"
        link.settimeout(ANSWER_LIMIT_S)
        with contextlib.suppress(OSError):
            link.sendall(json.dumps({"exit_code": exit_code, "said": said}).encode() + b"\n")

    def _run(self, asked: Ask, ends: tuple[int, int, int], link: socket.socket) -> tuple[int, str]:
        """The exit status, and what is to be said besides."""
        budget = self._budget
        if budget.left_s <= 0:
            return SPENT, f"the {budget.most_s:g} s that this attempt may use the GPU (limits.agent_gpu_s) are spent"

        def gone() -> bool:
            return self._closed.is_set() or has_left(link)

        argv0 = shape.clean(asked.argv[0][:ARGV0_CHARS])
        began_s = clock.monotonic_s()
        outcome: Outcome | None = None
        held_s = waited_s = 0.0
        try:
            with self._gate(Beside(self._control, gone)):
                taken_s = clock.monotonic_s()
                waited_s = taken_s - began_s
                try:
                    outcome = self._seam.lend(inside(self._wish, asked), ends, budget.left_s, gone)
                finally:
                    held_s = clock.monotonic_s() - taken_s - (outcome.frozen_s if outcome else 0.0)
                    budget.held_s += held_s
        except Left:
            waited_s = clock.monotonic_s() - began_s
        code, said = judge(outcome, budget)
        self._journal.record(
            "agent-gpu",
            argv0=argv0,
            waited_s=round(waited_s, 3),
            held_s=round(held_s, 3),
            exit_code=code,
            left_s=round(budget.left_s, 3),
        )
        return code, said


class Left(Exception):
    """Whoever waited for the gate is there no more."""


class Beside(Control):
    """The attempt's control for who waits beside it: it gives up, too, when nobody waits for it any more, and its waits
    are the agent's own time."""

    def __init__(self, control: Control, gone: Callable[[], bool]) -> None:
        self._control = control
        self._gone = gone

    def extend(self, seconds: float) -> None:
        del seconds

    def why_stop(self) -> StopReason | None:
        return self._control.why_stop()

    def check(self) -> None:
        self._control.check()
        if self._gone():
            raise Left


def judge(outcome: Outcome | None, budget: Budget) -> tuple[int, str]:
    """The exit status of the wrapper, and what it says. A shell tells a signal as 128 + its number; so does bubblewrap
    of what it runs."""
    if outcome is None or outcome.limit == "gone":
        return FAILED, "nobody waited for the command any more"
    if outcome.limit == "time":
        return SPENT, f"ended: the {budget.most_s:g} s that this attempt may use the GPU (limits.agent_gpu_s) are spent"
    if outcome.exit_code is None:
        return FAILED, outcome.detail
    return outcome.exit_code, ""


def lay_out(folder: Path, python: str) -> None:
    """Makes the folder of programs that the sandbox of an agent has on its PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / PROGRAM
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(python)} -I -S {AGENT_FILE} gpu "$@"\n')
    path.chmod(0o755)


def at_hand(wish: Wish, programs: Path, gpu_socket: Path) -> Wish:
    """An agent's command that finds `matins-gpu` and the socket."""
    binds = (Bind(source=str(programs), target=PROGRAMS), Bind(source=str(gpu_socket), target=GPU_SOCKET))
    return replace(wish, programs=(PROGRAMS, *wish.programs), binds=(*wish.binds, *binds))


def inside(wish: Wish, asked: Ask) -> Wish:
    """What is run for `asked`: as the agent is, without the socket (it would wait for itself), with the devices, and
    with what the agent has set in its environment besides."""
    own = {
        name: value
        for name, value in asked.env.items()
        if wish.env.get(name) != value and name not in OWN and not name.startswith("MATINS_")
    }
    return replace(wish, argv=asked.argv, cwd=asked.cwd, own_env=own, gpu=True)
