"""What the same work would have cost otherwise, from the same log. Pure.

Both are reckoned from the ledger, machine by machine: what was spent stays, but for what would have been otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from math import fsum

from orchestrator.accounting.settle import JOULES_PER_KWH, SECONDS_PER_H
from orchestrator.accounting.values import Amount, Hold, Line
from orchestrator.domain.runner import Prices

ALWAYS_ON = "always on"
SERIAL = "serial phases"
BUSY = ("gpu", "build")
WAKING = ("wake", "failed-wake")
IN_LINE = ("build", "lint", "test", "smoke")
"""Stages in which an attempt stands in line for a build slot or a gate, if it does not have it."""


@dataclass(frozen=True, kw_only=True)
class Alone:
    """What the attempts on a machine would have needed of it one after another: `seconds`, in `busy_s` of which each
    held a gate or a build slot."""

    seconds: float = 0.0
    busy_s: float = 0.0

    def __add__(self, other: Alone) -> Alone:
        return Alone(seconds=self.seconds + other.seconds, busy_s=self.busy_s + other.busy_s)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine's part of the log: its sums in the ledger, `held` by attempts, `busy` and `quiet` parts of that, asleep
    and waking; and how long its attempts would have taken alone, None if that is not known."""

    prices: Prices
    held: Amount
    busy: Amount
    quiet: Amount
    asleep: Amount
    waking: Amount
    alone: Alone | None

    @property
    def idle_w(self) -> float:
        """As configured, else as it drew when agents worked and nothing was built or measured."""
        return self.prices.idle_w or self.quiet_w

    @property
    def quiet_w(self) -> float:
        """While agents worked and nothing was built or measured: as it was, else as configured."""
        return _watts(self.quiet) or self.prices.idle_w

    @property
    def busy_w(self) -> float:
        """As it was, else as configured."""
        return _watts(self.busy) or self.prices.busy_w


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """`usd` is all that would have been spent, None if that is not known, beside `actual_usd`, all that was."""

    name: str
    usd: float | None
    usd_per_signal: float | None
    actual_usd: float
    says: str


def alone(holds: Iterable[Hold]) -> Alone:
    """Of attempts on one machine. Holds of one attempt that overlap count once, and it would not stand in line."""
    of_attempts: defaultdict[tuple[str, str], list[Hold]] = defaultdict(list)
    for hold in holds:
        if hold.what != "slot" or hold.phase not in IN_LINE:
            of_attempts[hold.episode_id, hold.attempt_id].append(hold)
    return Alone(
        seconds=fsum(_covered_s(own) for own in of_attempts.values()),
        busy_s=fsum(_covered_s(hold for hold in own if hold.what != "slot") for own in of_attempts.values()),
    )


def machine(lines: Iterable[Line], prices: Prices, alone: Alone | None) -> Machine:
    """From the lines of one machine, or sums of them."""
    known = list(lines)
    held = [line for line in known if line.charge.kind in ("hardware", "energy")]
    return Machine(
        prices=prices,
        held=_sum(held),
        busy=_sum(line for line in held if line.charge.phase in BUSY),
        quiet=_sum(line for line in held if line.charge.phase not in BUSY),
        asleep=_sum(line for line in known if line.charge.phase == "asleep"),
        waking=_sum(line for line in known if line.charge.phase in WAKING),
        alone=alone,
    )


def alternatives(machines: Iterable[Machine], usd: float, signals: int) -> tuple[Alternative, ...]:
    """`usd`: all that was spent, tokens too, in the time that the machines' parts are of."""
    known = list(machines)
    awake = fsum([usd, *(_awake_usd(each) for each in known)])
    serial = None if any(each.alone is None for each in known) else fsum([usd, *(_serial_usd(each) for each in known)])
    return (
        _alternative(ALWAYS_ON, awake, usd, signals, "No machine sleeps or is woken: asleep and waking it would idle."),
        _alternative(SERIAL, serial, usd, signals, "Each attempt has its machine alone, and the next begins after it."),
    )


def _alternative(name: str, usd: float | None, actual_usd: float, signals: int, says: str) -> Alternative:
    return Alternative(
        name=name,
        usd=usd,
        usd_per_signal=usd / signals if usd is not None and signals else None,
        actual_usd=actual_usd,
        says=says if usd is not None else f"{says} How long each held it is not known.",
    )


def _awake_usd(machine: Machine) -> float:
    """What is spent on top: the hardware costs as much asleep."""
    slept = machine.asleep + machine.waking
    return _energy_usd(slept.seconds * machine.idle_w - slept.joules, machine.prices)


def _serial_usd(machine: Machine) -> float:
    """What is spent on top: the whole machine for as long as each attempt held anything of it."""
    alone = machine.alone or Alone()
    joules = alone.busy_s * machine.busy_w + (alone.seconds - alone.busy_s) * machine.quiet_w
    hardware = alone.seconds * machine.prices.hardware_usd_per_h / SECONDS_PER_H
    return hardware + _energy_usd(joules, machine.prices) - machine.held.usd


def _energy_usd(joules: float, prices: Prices) -> float:
    return joules * prices.energy_usd_per_kwh / JOULES_PER_KWH


def _watts(amount: Amount) -> float | None:
    return amount.joules / amount.seconds if amount.seconds else None


def _covered_s(holds: Iterable[Hold]) -> float:
    """Seconds in which any of them lasted."""
    covered_s = 0.0
    until: datetime | None = None
    for hold in sorted(holds, key=lambda hold: hold.start):
        since = hold.start if until is None else max(hold.start, until)
        if hold.end > since:
            covered_s += (hold.end - since).total_seconds()
            until = hold.end
    return covered_s


def _sum(lines: Iterable[Line]) -> Amount:
    known = [line.amount for line in lines]
    return Amount(
        usd=fsum(each.usd for each in known),
        joules=fsum(each.joules for each in known),
        seconds=fsum(each.seconds for each in known),
    )
