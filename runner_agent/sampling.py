"""Samples what counts energy, and what devices show, into the machine's meter.

One process at a time does, every second: the one that holds `meter.lock`. A report begins it where there is anything to
sample and nobody does; it goes on while reports come or an attempt lives, so that an orchestrator may be away.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace

from runner_agent import clock, locks, meter, metering, observation, protocol
from runner_agent.home import Home
from runner_agent.instruments import Instruments, Look
from runner_agent.meter import Moment, Sample
from runner_agent.metering import Kept
from runner_agent.power_hook import Hook

EVERY_S = 1.0
LINGER_S = 10.0
NICENESS = 10


def main(home: Home, own: str) -> int:
    os.nice(NICENESS)
    return keep(home, own, Instruments(Hook(home.power_hook)))


def look_once(home: Home, _own: str) -> int:
    """Prints a Look as JSON."""
    sources = Instruments(Hook(home.power_hook))
    print(json.dumps(protocol.to_json(sources.look(clock.monotonic_s()))))
    sources.close()
    return 0


def keep(home: Home, own: str, sources: Instruments, every_s: float = EVERY_S) -> int:
    """Samples while it is wanted, unless somebody does already. `own`: the name of this agent file. 1 where the meter
    cannot be written."""
    try:
        handle = locks.take(home.meter_lock)
    except OSError:
        return 0
    try:
        locks.sign(handle)
        kept, watch = metering.read(home), Watch(home, own, handle)
        while watch.wanted(clock.monotonic_s()):
            look = sources.look(clock.monotonic_s())
            kept = add(kept, look, metering.now(), os.urandom(16).hex())
            write(home, kept)
            clock.pause(every_s)
    except OSError:
        return 1
    finally:
        sources.close()
        locks.release(handle)
    return 0


def add(kept: Kept, look: Look, moment: Moment, fresh: str) -> Kept:
    """`kept` with what was looked up at `moment`; `fresh` names an epoch that may have to begin."""
    kept = replace(kept, seen=moment, gpus=look.gpus, problem=look.problem)
    if not look.counts:
        return kept
    sample = Sample(moment=moment, counts=look.counts, whole=look.whole)
    power_w = meter.power_w(kept.tally.last if kept.tally else None, sample)
    return replace(kept, tally=meter.advance(kept.tally, sample, fresh), drawn=moment, power_w=power_w)


def write(home: Home, kept: Kept) -> None:
    """Whole or not at all to whoever reads, by a rename. Not synchronised with the disk, once a second as it is: what a
    crash of the machine loses is of a boot that is over. Only for the holder of the lock. Raises OSError."""
    waiting = home.meter.with_name(f".{home.meter.name}")
    waiting.write_text(json.dumps(protocol.to_json(kept)))
    os.replace(waiting, home.meter)


class Watch:
    """Whether samples are wanted still. A report writes its agent file's name into `meter.asked`."""

    def __init__(self, home: Home, own: str, handle: int) -> None:
        self._home = home
        self._own = own
        self._handle = handle
        self._stamp_ns = 0
        self._until_s = 0.0

    def wanted(self, now_s: float) -> bool:
        if not self._is_our_home():
            return False
        try:
            stamp_ns, named = self._home.meter_asked.stat().st_mtime_ns, self._home.meter_asked.read_text()
        except OSError:
            stamp_ns, named = self._stamp_ns, ""
        if stamp_ns != self._stamp_ns:
            self._stamp_ns, self._until_s = stamp_ns, now_s + LINGER_S
        if named not in ("", self._own):
            return False  # Another agent file came: its next report begins its own.
        return now_s < self._until_s or self._attempt_lives()

    def _is_our_home(self) -> bool:
        """A home that was removed and made again has another lock, and somebody else may hold it."""
        try:
            return os.path.samestat(os.fstat(self._handle), self._home.meter_lock.stat())
        except OSError:
            return False

    def _attempt_lives(self) -> bool:
        return any(locks.is_held(self._home.attempt(name).alive) for name in observation.listed(self._home))
