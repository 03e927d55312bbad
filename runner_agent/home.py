"""Where things lie in a runner's home. Paths only; nothing here touches the disk."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def is_name(text: str) -> bool:
    """Whether an id may become a file name: no separator, no leading dot, at most 128 characters."""
    return _NAME.fullmatch(text) is not None


def gpu_gate(device_uuid: str) -> str:
    """The name of the gate of one Vulkan device."""
    return f"gpu-{device_uuid}"


@dataclass(frozen=True)
class Home:
    """The runner's home folder."""

    root: Path

    @property
    def measured(self) -> Path:
        return self.root / "measured"

    @property
    def measured_lock(self) -> Path:
        return self.root / "measured.lock"

    @property
    def meter(self) -> Path:
        return self.root / "meter.json"

    @property
    def meter_lock(self) -> Path:
        return self.root / "meter.lock"

    @property
    def meter_asked(self) -> Path:
        return self.root / "meter.asked"

    @property
    def power_hook(self) -> Path:
        return self.root / "power-hook"

    @property
    def launch_lock(self) -> Path:
        return self.root / "launch.lock"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.jsonl"

    @property
    def agents(self) -> Path:
        return self.root / "agent"

    @property
    def workspaces(self) -> Path:
        return self.root / "workspaces.json"

    @property
    def incoming(self) -> Path:
        return self.root / "incoming"

    @property
    def asleep(self) -> Path:
        return self.root / "asleep"

    @property
    def power_journal(self) -> Path:
        return self.root / "power.jsonl"

    @property
    def failpoints(self) -> Path:
        return self.root / "failpoints"

    @property
    def fences(self) -> Path:
        return self.root / "fences"

    @property
    def attempts(self) -> Path:
        return self.root / "attempts"

    @property
    def gates(self) -> Path:
        return self.root / "gates"

    @property
    def gpu_gate(self) -> Path:
        return self.gates / "gpu"

    @property
    def quiet(self) -> Path:
        return self.root / "quiet"

    def gate(self, name: str) -> Path:
        return self.gates / name

    def attempt(self, attempt_id: str) -> AttemptFolder:
        return AttemptFolder(self.attempts / attempt_id)

    def mirror(self, url: str) -> Path:
        return self.root / "mirrors" / f"{hashlib.sha256(url.encode()).hexdigest()[:24]}.git"

    def base(self, key: str) -> BaseFolder:
        return BaseFolder(self.root / "bases" / key)


@dataclass(frozen=True)
class BaseFolder:
    """A checked-out and built base tree, shared by every attempt on that base."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root.with_name(f"{self.root.name}.lock")

    @property
    def tree(self) -> Path:
        return self.root / "tree"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def tests(self) -> Path:
        return self.root / "tests.json"

    @property
    def ready(self) -> Path:
        return self.root / "ready.json"


@dataclass(frozen=True)
class AttemptFolder:
    """One attempt's folder; that it exists is the guard against a second start."""

    root: Path

    @property
    def launch(self) -> Path:
        return self.root / "launch.json"

    @property
    def origin(self) -> Path:
        return self.root / "origin.json"

    @property
    def handover(self) -> Path:
        return self.root / "handover.sock"

    @property
    def gpu_socket(self) -> Path:
        return self.root / "gpu.sock"

    @property
    def programs(self) -> Path:
        return self.root / "bin"

    @property
    def reserve(self) -> Path:
        return self.root / "reserve"

    @property
    def alive(self) -> Path:
        return self.root / "alive.lock"

    @property
    def identity(self) -> Path:
        return self.root / "identity.json"

    @property
    def events(self) -> Path:
        return self.root / "events.jsonl"

    @property
    def log(self) -> Path:
        return self.root / "supervisor.log"

    @property
    def cancel(self) -> Path:
        return self.root / "cancel"

    @property
    def checks(self) -> Path:
        return self.root / "checks.json"

    @property
    def exit(self) -> Path:
        return self.root / "exit.json"

    @property
    def ungraded_exit(self) -> Path:
        return self.root / "exit-ungraded.json"

    @property
    def tombstone(self) -> Path:
        return self.root / "cancelled.json"

    @property
    def acknowledged(self) -> Path:
        return self.root / "acknowledged.json"

    @property
    def inits(self) -> Path:
        return self.root / "inits"

    @property
    def dead(self) -> Path:
        return self.root / "dead"

    @property
    def told(self) -> Path:
        return self.root / "told"

    @property
    def agent(self) -> Path:
        return self.root / "agent"

    @property
    def shadow(self) -> Path:
        return self.root / "shadow.git"

    @property
    def tree(self) -> Path:
        return self.root / "tree"

    @property
    def judged(self) -> Path:
        return self.root / "judged"

    @property
    def baseline(self) -> Path:
        return self.root / "baseline"

    @property
    def layers(self) -> Path:
        return self.root / "layers"

    @property
    def scratch(self) -> Path:
        return self.root / "scratch"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def ungraded_out(self) -> Path:
        return self.root / "out-ungraded"
