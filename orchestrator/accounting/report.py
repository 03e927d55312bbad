"""What was spent, on what, and what a signal cost, from lines of the ledger. Pure.

Each way of splitting (by kind and label, by phase, by where it went, by group) sums to the same whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import fsum
from typing import Literal, TypeVar

from orchestrator.accounting.waste import says, went_to

By = Literal["day", "campaign", "agent", "runner", "phase"]

KINDS = ("hardware", "energy", "idle", "wake", "tokens")
LABELS = ("measured", "estimated", "configured")
WENT = ("signals", "unfinished", "waste", "overhead", "idle")

Key = TypeVar("Key")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of the ledger, or several that are alike in all this, with the facts of their episode. `group`: what it
    is listed under, empty where no episode is charged; `ended`: why the attempt ended, or, of a wake's share, its
    episode; empty while it goes on. `reason` is the line's own. `purpose`: of the episode, "episode", "preflight" or
    "canary"; empty where none is charged."""

    group: str
    phase: str
    kind: str
    label: str
    reason: str = ""
    ended: str = ""
    purpose: str = ""
    usd: float = 0.0
    joules: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """What went to a kind of cost, of figures with one label."""

    kind: str
    label: str
    usd: float
    joules: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Phase:
    """`labels`: USD by label."""

    phase: str
    usd: float
    joules: float
    seconds: float
    labels: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Wasted:
    """`says`: one sentence for a person."""

    reason: str
    usd: float
    says: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """`name` is empty for what no episode is charged with. `kinds` and `labels`: USD by each. `usd_per_signal`: of a
    phase, its part of the price of any signal; None where there is no signal."""

    name: str
    usd: float
    signals: int
    usd_per_signal: float | None
    waste_usd: float
    kinds: dict[str, float]
    labels: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class CostReport:
    """USD, but for joules and seconds. `went`: to signals, to episodes that go on, to waste, to preflights and canaries
    that passed, to machines that nobody held. `overhead`: the latter but one, by purpose."""

    by: By
    usd: float
    joules: float
    seconds: float
    signals: int
    usd_per_signal: float | None
    says: str
    labels: dict[str, float]
    parts: tuple[Part, ...]
    phases: tuple[Phase, ...]
    went: dict[str, float]
    waste: tuple[Wasted, ...]
    overhead: dict[str, float]
    groups: tuple[Group, ...]


def report(entries: Iterable[Entry], *, by: By, signals: int, group_signals: Mapping[str, int]) -> CostReport:
    """`signals` are all valid verdicts that measured themselves, `group_signals` those of each group; a group may have
    signals and no lines. Where `by` is a phase, no signal is of a group."""
    known = list(entries)
    usd = _usd(known)
    wasted = [entry for entry in known if went_to(entry) == "waste"]
    passed = [entry for entry in known if went_to(entry) == "overhead"]
    return CostReport(
        by=by,
        usd=usd,
        joules=fsum(entry.joules for entry in known),
        seconds=fsum(entry.seconds for entry in known),
        signals=signals,
        usd_per_signal=usd / signals if signals else None,
        says=_sentence(usd, signals),
        labels=_split(known, lambda entry: entry.label, LABELS),
        parts=tuple(_parts(known)),
        phases=tuple(_phases(known)),
        went=_split(known, went_to, WENT),
        waste=tuple(
            Wasted(reason=reason, usd=spent, says=says(reason))
            for reason, spent in _dearest(_split(wasted, lambda entry: entry.reason or entry.ended))
        ),
        overhead=_split(passed, lambda entry: entry.purpose, ("preflight", "canary")),
        groups=tuple(_groups(known, by, signals, group_signals)),
    )


def _parts(entries: list[Entry]) -> Iterable[Part]:
    found = _gathered(entries, lambda entry: (entry.kind, entry.label))
    for kind, label in sorted(found, key=lambda part: (_place(part[0], KINDS), _place(part[1], LABELS))):
        alike = found[kind, label]
        yield Part(
            kind=kind,
            label=label,
            usd=_usd(alike),
            joules=fsum(entry.joules for entry in alike),
            seconds=fsum(entry.seconds for entry in alike),
        )


def _phases(entries: list[Entry]) -> Iterable[Phase]:
    found = [
        Phase(
            phase=phase,
            usd=_usd(alike),
            joules=fsum(entry.joules for entry in alike),
            seconds=fsum(entry.seconds for entry in alike),
            labels=_split(alike, lambda entry: entry.label),
        )
        for phase, alike in _gathered(entries, lambda entry: entry.phase).items()
    ]
    return sorted(found, key=lambda phase: (-phase.usd, phase.phase))


def _groups(entries: list[Entry], by: By, signals: int, group_signals: Mapping[str, int]) -> Iterable[Group]:
    found = _gathered(entries, lambda entry: entry.group)
    for name in group_signals if by != "phase" else ():
        found.setdefault(name, [])
    for name in sorted(found, key=lambda name: (not name, name)):
        alike, own = found[name], 0 if by == "phase" else group_signals.get(name, 0)
        over = signals if by == "phase" else own
        yield Group(
            name=name,
            usd=_usd(alike),
            signals=own,
            usd_per_signal=_usd(alike) / over if over else None,
            waste_usd=_usd(entry for entry in alike if went_to(entry) == "waste"),
            kinds=_split(alike, lambda entry: entry.kind),
            labels=_split(alike, lambda entry: entry.label),
        )


def _sentence(usd: float, signals: int) -> str:
    if signals:
        return f"A signal cost {usd / signals:.4f} USD: {usd:.4f} USD over {signals} signal{'s' * (signals != 1)}."
    if usd:
        return f"No price per signal: {usd:.4f} USD were spent, and no episode gave a signal."
    return "Nothing was spent, and no episode gave a signal."


def _gathered(entries: Iterable[Entry], key: Callable[[Entry], Key]) -> dict[Key, list[Entry]]:
    found: defaultdict[Key, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[key(entry)].append(entry)
    return found


def _split(entries: Iterable[Entry], key: Callable[[Entry], str], always: tuple[str, ...] = ()) -> dict[str, float]:
    """USD by key, `always` first."""
    found = _gathered(entries, key)
    return {name: _usd(found.get(name, ())) for name in (*always, *sorted(found.keys() - {*always}))}


def _dearest(spent: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(spent.items(), key=lambda each: (-each[1], each[0]))


def _place(name: str, order: tuple[str, ...]) -> int:
    return order.index(name) if name in order else len(order)


def _usd(entries: Iterable[Entry]) -> float:
    return fsum(entry.usd for entry in entries)
