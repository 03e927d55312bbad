"""A comparison as text: each group, then each pair with what is settled."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from orchestrator.cli import terminal
from orchestrator.cli.compare import Compared, Comparison, Counted, Estimate, Group
from orchestrator.cli.render import values

INDENT = 12


def lines(found: Compared, width: int | None = None) -> Iterator[str]:
    """Within `width` characters, if there is one, but for names that are longer."""
    head = f"{found.campaign} at {found.commit[:12]}, by {found.by}: {_verdicts(found.episodes.judged)}"
    yield from _wrapped("", head, width)
    for group in found.groups:
        yield ""
        yield from _group(group, found, width)
    yield ""
    yield from _comparisons(found, width)
    yield from _cost(found, width)
    yield from _left_out(found.episodes, width)


def _cost(found: Compared, width: int | None) -> Iterator[str]:
    if any(each.measure == "cost" for group in found.groups for each in group.estimates):
        whole = "Cost is all that an episode cost: machines, energy, its share of wakes, tokens."
        tokens = "Cost is what agents reported of their tokens: all that it cost is not known of every episode."
        yield ""
        yield from _wrapped("", whole if found.cost == "whole" else tokens, width)


def _verdicts(count: int) -> str:
    return f"{values.plural(count, 'episode')} with a verdict"


def _group(group: Group, found: Compared, width: int | None) -> Iterator[str]:
    invalid = sum(group.invalid.values())
    reasons = ", ".join(f"{count} {reason}" for reason, count in group.invalid.items())
    beside = f", beside {invalid} invalid ({reasons})" if invalid else ""
    reused = f" ({group.reused} with the measurement of another)" if group.reused else ""
    yield from _wrapped("", f"{group.name}: {group.valid} valid{reused}{beside}", width)
    for each in group.estimates:
        per_signal = group.usd_per_signal if each.measure == "cost" else None
        signal = f", {per_signal:.2f} USD per signal" if per_signal is not None else ""
        text = f"{_size(each.measure, each.mean, found.items_total)} {_doubt(each, found)}{signal}"
        yield from _wrapped(f"  {each.measure:<{INDENT}}", text, width)


def _doubt(each: Estimate, found: Compared) -> str:
    count = values.plural(each.episodes, "episode")
    if each.low is not None and each.high is not None:
        return f"{_ends(each.measure, each.low, each.high, found.items_total)} in {count}"
    return f"in {count}, all alike" if each.alike else f"in {count}, too few for an interval"


def _comparisons(found: Compared, width: int | None) -> Iterator[str]:
    if not found.comparisons:
        yield from _wrapped("", f"There is nothing to compare: that takes verdicts on two {found.by}s.", width)
        return
    count, confidence = len(found.comparisons), 100 * (1 - found.alpha)
    head = (
        f"{values.plural(count, 'comparison')}; p corrected for all of them (Holm), each interval at {confidence:g} %"
    )
    yield from _wrapped("", head, width)
    for each in found.comparisons:
        yield ""
        within = f", {each.within}" if each.within else ""
        yield from _wrapped(f"{each.measure:<{INDENT}}", f"{each.first} against {each.second}{within}", width)
        yield from _wrapped(" " * INDENT, _numbers(each, found), width)
        yield from _wrapped(" " * INDENT, each.says, width)


def _numbers(each: Comparison, found: Compared) -> str:
    size = _size(each.measure, each.difference, found.items_total, signed=True)
    interval = ""
    if each.low is not None and each.high is not None:
        interval = f" {_ends(each.measure, each.low, each.high, found.items_total, signed=True)}"
    return f"{size}{interval}, p {'< 0.0001' if each.p_holm < 0.0001 else f'= {each.p_holm:.2g}'}"


def _left_out(counted: Counted, width: int | None) -> Iterator[str]:
    waiting = ", ".join(f"{count} {phase}" for phase, count in counted.without_verdict.items())
    parts = [
        f"{sum(counted.without_verdict.values())} without a verdict ({waiting})" if waiting else "",
        f"{counted.not_chosen} not chosen" if counted.not_chosen else "",
        f"{counted.of_other_versions} of other versions of the campaign" if counted.of_other_versions else "",
    ]
    if any(parts):
        yield ""
        yield from _wrapped("", f"Not in it: {'; '.join(part for part in parts if part)}", width)


def _size(measure: str, value: float, items_total: int | None, *, signed: bool = False) -> str:
    return f"{_number(measure, value, items_total, signed=signed)}{_unit(measure, items_total, signed=signed)}"


def _ends(measure: str, low: float, high: float, items_total: int | None, *, signed: bool = False) -> str:
    ends = [_number(measure, end, items_total, signed=signed) for end in (low, high)]
    return f"[{ends[0]}, {ends[1]}]"


def _number(measure: str, value: float, items_total: int | None, *, signed: bool) -> str:
    sign = "+" if signed or measure == "throughput" else ""
    if measure == "cost":
        return f"{value:{sign}.2f}"
    if measure == "items" and items_total:
        return f"{value * items_total:{sign}.1f}"
    return f"{100 * value:{sign}.1f}"


def _unit(measure: str, items_total: int | None, *, signed: bool) -> str:
    if measure == "items" and items_total:
        return f" of {items_total}"
    if measure == "cost":
        return " USD"
    return " points" if signed and measure != "throughput" else " %"


def _wrapped(head: str, text: str, width: int | None) -> Iterator[str]:
    said = terminal.one_line(text)
    if width is None:
        yield (head + said).rstrip()
        return
    yield from textwrap.wrap(
        said, max(width, 40), initial_indent=head, subsequent_indent=" " * (len(head) or 2),
        break_on_hyphens=False, break_long_words=False,
    )  # fmt: skip
