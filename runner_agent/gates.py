"""Gates: who may use a device, or build, now. Each hands over in the order of arrival (`tickets`).

All devices have one line. An attempt for one device is in the way of those for the same one; one that may use any
device waits until all are free, and has nobody beside it.

Agent files from before there were tickets know only the lock of a device, shared or not with that of all. Who has its
turn takes those locks as well, so that an attempt of an older file and one of a newer never hold a device at once; in
which order these two come is the kernel's choice, as it was.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from runner_agent import clock, locks, tickets
from runner_agent.control import Control
from runner_agent.home import Home, gpu_gate
from runner_agent.journal import Journal
from runner_agent.protocol import BUILD_SLOT
from runner_agent.tickets import Place, Rule

LINE_MOST_S = 6 * 3600.0
"""So long a wait for its turn is not counted as the attempt's own time."""


def of_device(
    home: Home, device_uuid: str, control: Control, journal: Journal
) -> contextlib.AbstractContextManager[None]:
    """The gate of a Vulkan device; of all of them where none is named."""
    if not device_uuid:
        return gate("gpu", home.gpu_gate, control, journal)
    name = gpu_gate(device_uuid)
    return gate(name, home.gate(name), control, journal, of_all=home.gpu_gate)


def build_slot(home: Home, count: int, control: Control, journal: Journal) -> contextlib.AbstractContextManager[None]:
    """One of the machine's slots for building."""
    return slot(BUILD_SLOT, count, home.gates, control, journal)


@contextlib.contextmanager
def gate(
    name: str, path: Path, control: Control, journal: Journal, *, of_all: Path | None = None
) -> Generator[None, None, None]:
    """Waits for the gate, holds it, and journals how long both took. Raises Interrupted while waiting. `of_all`: the
    gate of all devices, which the holders of single ones share; without it this is that gate."""
    shared = [(of_all, fcntl.LOCK_SH)] if of_all is not None else []
    device = name if of_all is not None else ""
    with _held(
        name, path.with_name("line-gpu"), device, tickets.OF_DEVICES, control, journal, [(path, fcntl.LOCK_EX), *shared]
    ):
        yield


@contextlib.contextmanager
def slot(name: str, count: int, folder: Path, control: Control, journal: Journal) -> Generator[None, None, None]:
    """A gate that `count` pass at a time; `folder` is that of all gates. Journals and raises as `gate` does."""
    with _held(name, folder / f"line-{name}", "", tickets.of_capacity(count), control, journal, []):
        yield


@contextlib.contextmanager
def _held(
    name: str,
    line: Path,
    device: str,
    rule: Rule,
    control: Control,
    journal: Journal,
    older: Sequence[tuple[Path, int]],
) -> Generator[None, None, None]:
    began, check = clock.monotonic_s(), patient(control)
    with contextlib.ExitStack() as held:
        place = Place(line, device, check)
        held.callback(place.leave)
        behind = place.wait(rule, check)
        for path, kind in older:
            held.callback(locks.release, locks.wait(path, kind, check=check))
        taken = clock.monotonic_s()
        journal.record("gate-waited", gate=name, seconds=round(taken - began, 3), behind=behind)
        try:
            yield
        finally:
            held.close()
            journal.record("gate-released", gate=name, held_s=round(clock.monotonic_s() - taken, 3))


def patient(control: Control, now_s: Callable[[], float] = clock.monotonic_s) -> Callable[[], None]:
    """A check for who stands in line: how many others a machine has must not decide whether an attempt's time is up."""
    last_s, left_s = now_s(), LINE_MOST_S

    def check() -> None:
        nonlocal last_s, left_s
        now = now_s()
        spent_s, last_s = min(now - last_s, left_s), now
        left_s -= spent_s
        control.extend(spent_s)
        control.check()

    return check
