"""A report of costs as text: the price of a signal first, then what it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.cli.answers import Cost
from orchestrator.cli.cost import Alternative, Group, Report
from orchestrator.cli.render import values
from orchestrator.cli.render.tables import Column

J_PER_KWH = 3.6e6
SMALLEST = 0.0001
S_PER_H = 3600.0
KINDS = ("hardware", "energy", "idle", "wake", "tokens")
WENT = {
    "signals": "episodes that gave a signal",
    "unfinished": "episodes that go on",
    "overhead": "preflights and canaries",
    "idle": "machines that nobody held",
}
NOBODY = "(no episode)"

Table = tuple[Sequence[Column], list[list[str]]]


def of_episode(spent: Cost) -> Iterator[str]:
    """A settled episode's, in the order of what was dearest."""
    labels = ", ".join(f"{usd(amount)} {label}" for label, amount in _dearest(spent.by_label))
    yield f"{usd(spent.usd)} USD{f': {labels}' if labels else ''}"
    for phase, amount in _dearest(spent.by_phase):
        yield f"{phase:<10} {usd(amount):>10}"


def _dearest(spent: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(((name, amount) for name, amount in spent.items() if amount), key=lambda each: (-each[1], each[0]))


def head(found: Report) -> Iterator[str]:
    yield found.says
    days = [f"{word} {day}" for word, day in (("from", found.since), ("to", found.until)) if day]
    if days:
        yield f"{' '.join(days)} (UTC, both days included)"
    if found.seconds and not found.usd:
        yield "The machines have no prices: `matins runner add` takes --price-per-hour, --watts and --price-per-kwh."
    if found.unsettled:
        yield f"Not all of it yet: {values.plural(found.unsettled, 'attempt')} not settled."


def tables(found: Report) -> Iterator[Table]:
    yield _parts(found)
    yield _phases(found)
    yield _went(found)
    yield _waste(found)
    yield _groups(found)


def tail(found: Report) -> Iterator[str]:
    yield ""
    if found.wakes and (found.wakes.ready or found.wakes.failed):
        yield f"Wakes: {found.wakes.ready} ready, {found.wakes.failed} failed."
    yield from _tokens(found)
    if found.alternatives:
        yield "What would have been cheaper, from the same log:"
        for each in found.alternatives:
            yield f"  {each.name:<13}  {_otherwise(each)}{each.says}".rstrip()


def _parts(found: Report) -> Table:
    columns = (
        Column(title="PART"),
        Column(title="LABEL"),
        Column(title="USD", right=True),
        Column(title="SHARE", right=True),
        Column(title="PER SIGNAL", right=True),
        Column(title="KWH", right=True, drop=1),
        Column(title="HOURS", right=True, drop=2),
    )
    rows = [
        [
            part.kind,
            part.label,
            usd(part.usd),
            _share(part.usd, found.usd),
            _per(part.usd, found.signals),
            _quantity(part.joules / J_PER_KWH, 4),
            _quantity(part.seconds / S_PER_H, 3),
        ]
        for part in found.parts
    ]
    return columns, rows


def _phases(found: Report) -> Table:
    columns = (
        Column(title="PHASE"),
        Column(title="USD", right=True),
        Column(title="SHARE", right=True),
        Column(title="PER SIGNAL", right=True),
        Column(title="LABELS", drop=1),
    )
    if found.by == "phase":
        return columns, []
    rows = [
        [each.phase, usd(each.usd), _share(each.usd, found.usd), _per(each.usd, found.signals), _labels(each.labels)]
        for each in found.phases
    ]
    return columns, rows


def _went(found: Report) -> Table:
    columns = (Column(title="WENT TO"), Column(title="USD", right=True), Column(title="SHARE", right=True))
    spent = [(WENT.get(what, what), amount) for what, amount in found.went.items() if amount]
    return columns, [[what, usd(amount), _share(amount, found.usd)] for what, amount in spent]


def _waste(found: Report) -> Table:
    columns = (Column(title="WASTE"), Column(title="USD", right=True), Column(title="WHY", cut=True))
    return columns, [[each.reason, usd(each.usd), each.says] for each in found.waste]


def _groups(found: Report) -> Table:
    kinds = [kind for kind in KINDS if any(group.kinds.get(kind) for group in found.groups)]
    columns = (
        Column(title=found.by.upper()),
        Column(title="USD", right=True),
        Column(title="SIGNALS", right=True),
        Column(title="PER SIGNAL", right=True),
        *(Column(title=kind.upper(), right=True, drop=1) for kind in kinds),
        Column(title="WASTE", right=True, drop=2),
    )
    return columns, [_group(group, kinds) for group in found.groups]


def _group(group: Group, kinds: Sequence[str]) -> list[str]:
    return [
        group.name or NOBODY,
        usd(group.usd),
        str(group.signals),
        values.NONE if group.usd_per_signal is None else usd(group.usd_per_signal),
        *(_amount(group.kinds.get(kind, 0.0)) for kind in kinds),
        _amount(group.waste_usd),
    ]


def _tokens(found: Report) -> Iterator[str]:
    spent = found.tokens
    if spent.prompt or spent.completion:
        cached = f" ({spent.cached:,} of them cached)" if spent.cached else ""
        yield f"Tokens: {spent.prompt:,} read{cached}, {spent.completion:,} written."
    if spent.unpriced_turns:
        turns = values.plural(spent.unpriced_turns, "turn")
        yield f"No price is known of {turns}: if they cost anything, it is in no figure here."


def _otherwise(each: Alternative) -> str:
    """Empty where it is not known."""
    if each.usd is None:
        return ""
    more = each.usd - each.actual_usd
    word = "dearer" if more > 0 else "cheaper"
    return f"{usd(each.usd)} USD, {usd(abs(more))} {word}. " if more else f"{usd(each.usd)} USD, the same. "


def usd(amount: float) -> str:
    """Four digits behind the point where the amount is small; what is smaller still is not shown as nothing."""
    if 0 < amount < SMALLEST:
        return f"<{SMALLEST}"
    return f"{amount:.4f}" if abs(amount) < 10 else f"{amount:,.2f}"


def _amount(amount: float) -> str:
    return usd(amount) if amount else values.NONE


def _quantity(amount: float, digits: int) -> str:
    if 0 < amount < 10**-digits:
        return f"<{10**-digits:.{digits}f}"
    return f"{amount:,.{digits}f}" if amount else values.NONE


def _share(amount: float, whole: float) -> str:
    return f"{100 * amount / whole:.0f} %" if whole else values.NONE


def _per(amount: float, signals: int) -> str:
    return usd(amount / signals) if signals else values.NONE


def _labels(labels: dict[str, float]) -> str:
    """The labels alone where there is one, else with what each stands for."""
    known = {label: amount for label, amount in labels.items() if amount}
    if len(known) < 2:
        return "".join(known or labels)
    return ", ".join(f"{usd(amount)} {label}" for label, amount in known.items())
