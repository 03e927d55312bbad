"""The fleet lab as tests use it; the package's docstring shows how."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.components import need
from tests.fleet_lab import kernel, network
from tests.fleet_lab.machine import Machine
from tests.fleet_lab.power import Blueprint, Timing
from tests.preloaded import Place

T = TypeVar("T")

PARTS = ("root", "cgroup2", "ip", "unshare", "nsenter", "ssh", "ssh-keygen", "/usr/sbin/sshd")
START_LIMIT_S = 120.0
ANSWER_LIMIT_S = 120.0
END_LIMIT_S = 60.0


class LabError(RuntimeError):
    """The lab is gone, or would not do what was asked."""


class FleetLab:
    """`machines`: how many, or blueprints. `shared` folders are seen in every machine, read-only, at the same path.
    `uplink`: see network.build. `power`: "off", or "on" to return only once all are up."""

    address = network.ORCHESTRATOR_IP
    broadcast = network.BROADCAST
    interface = network.ORCHESTRATOR_INTERFACE

    def __init__(
        self,
        machines: int | Sequence[Blueprint] = 3,
        *,
        timing: Timing | None = None,
        shared: Iterable[Path] = (),
        uplink: bool = False,
        power: str = "off",
    ) -> None:
        need(*PARTS)
        blueprints = blueprints_for(machines, timing or Timing()) if isinstance(machines, int) else machines
        top = kernel.cgroup_top()
        assert top is not None
        self.folder = Path(tempfile.mkdtemp(prefix="matins-lab-"))
        self._group = top / self.folder.name
        self._lock = threading.Lock()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`
        self._network = self._disks = -1
        self._socket, self._theirs = socket.socketpair()
        self._lines = self._socket.makefile("r", encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._start(blueprints, shared, uplink)
            self._machines = {each.name: Machine(self, each, self._public(f"{each.name}-key")) for each in blueprints}
            if power == "on":
                self._wake_all()
        except BaseException:
            self.close()
            raise

    @property
    def machines(self) -> list[Machine]:
        return list(self._machines.values())

    def machine(self, name: str) -> Machine:
        return self._machines[name]

    @property
    def key(self) -> Path:
        """The private key that every machine's root accepts."""
        return self.folder / "key"

    @property
    def supervisor(self) -> int:
        """The pid of the process that holds the lab. Its end is the lab's end."""
        assert self._process is not None
        return self._process.pid

    def disk(self, name: str) -> Path:
        """A machine's disk, by a path that works in every process while the lab lives. Resolving it would lose it."""
        return Path(f"/proc/{os.getpid()}/fd/{self._disks}/{name}")

    @property
    def place(self) -> Place:
        """What `command` joins: the orchestrator's network namespace, and a group that ends with the lab."""
        return Place(
            group=str(self._group / "orchestrator/cgroup.procs"), network=f"/proc/{os.getpid()}/fd/{self._network}"
        )

    def command(self, *argv: str) -> list[str]:
        """`argv`, made to run in the orchestrator's network namespace and to end with the lab, detached or not."""
        join = f'echo $$ >{shlex.quote(self.place.group)} && exec "$@"'
        return ["sh", "-c", join, "lab", "nsenter", f"--net={self.place.network}", *argv]

    def run(
        self, argv: Sequence[str], *, limit_s: float | None = 300.0, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Runs it in the orchestrator's namespace; `options` are subprocess.run's."""
        options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "check": False, **options}
        return subprocess.run(self.command(*argv), timeout=limit_s, **options)

    def spawn(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Starts it in the orchestrator's namespace; `options` are Popen's."""
        return subprocess.Popen(self.command(*argv), **options)

    def call(self, act: Callable[..., T], *given: Any, **named: Any) -> T:
        """Calls a function in the orchestrator's namespace, in a thread of its own, and returns what it returns: what
        it opens and starts stays there, and can be used from here."""
        return kernel.within(self._network, act, *given, **named)

    def ask(self, verb: str, machine: str, **given: Any) -> Any:
        with self._lock:
            try:
                self._socket.sendall(json.dumps({"verb": verb, "machine": machine, **given}).encode() + b"\n")
                line = self._lines.readline()
            except OSError as error:
                raise LabError(f"the fleet lab does not answer: {error}\n{self._told()}") from error
        if not line:
            raise LabError(f"the fleet lab is gone\n{self._told()}")
        answer = json.loads(line)
        if "error" in answer:
            raise LabError(f"{verb} {machine}: {answer['error']}")
        return answer["answer"]

    def close(self) -> None:
        """Ends every machine and everything that was started here."""
        self._lines.close()
        self._socket.close()
        self._theirs.close()
        if self._process is not None:
            try:
                self._process.wait(timeout=END_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for descriptor in (self._network, self._disks):
            if descriptor >= 0:
                os.close(descriptor)
        self._network = self._disks = -1
        # The lab's process has done this already, unless it was killed.
        kernel.remove_group(self._group)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, blueprints: Sequence[Blueprint], shared: Iterable[Path], uplink: bool) -> None:
        for name in ("key", "other-key", *(f"{blueprint.name}-key" for blueprint in blueprints)):
            argv = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self.folder / name))
            subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
        self._group.mkdir()
        order = {
            "folder": str(self.folder),
            "group": str(self._group),
            "machines": [asdict(blueprint) for blueprint in blueprints],
            "shared": [str(path.absolute()) for path in shared],
            "uplink": uplink,
        }
        self._socket.settimeout(START_LIMIT_S)
        unshare = ("unshare", "--fork", "--kill-child", "--pid", "--mount-proc", "--mount", "--net", "--ipc", "--")
        theirs = self._theirs.fileno()
        self._process = subprocess.Popen(
            [*unshare, sys.executable, "-m", "tests.fleet_lab.supervisor", str(theirs), json.dumps(order)],
            pass_fds=(theirs,),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
        self._theirs.close()
        try:
            _said, descriptors, _flags, _address = socket.recv_fds(self._socket, 1, 2)
            self._network, self._disks = descriptors
        except (OSError, ValueError) as error:
            raise LabError(f"the fleet lab did not start: {error}\n{self._told()}") from error
        self._socket.settimeout(ANSWER_LIMIT_S)

    def _wake_all(self) -> None:
        for machine in self.machines:
            machine.press_button()
        for machine in self.machines:
            machine.wait_until("on")

    def _public(self, name: str) -> str:
        return " ".join((self.folder / f"{name}.pub").read_text().split()[:2])

    def _told(self) -> str:
        """What the lab's process said; it is ending."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=END_LIMIT_S)
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-4000:]


def blueprints_for(count: int, timing: Timing) -> list[Blueprint]:
    """gpu01 at 10.77.0.11 with 02:4d:41:54:00:01, and so on."""
    return [
        Blueprint(name=f"gpu{n:02}", mac=f"02:4d:41:54:00:{n:02x}", ip=f"10.77.0.{10 + n}", timing=timing)
        for n in range(1, count + 1)
    ]
