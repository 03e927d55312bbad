"""The conditions of a measurement as text."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.cli.answers import Apart, Conditions, Spread
from orchestrator.cli.render import values


def conditions(found: Conditions | None) -> Iterator[str]:
    """A line with what was told, then how it was kept apart, what else was there, and each run that does not count."""
    if found is None or not found.samples:
        return
    told = [
        _spread("clock", found.sm_mhz, "MHz"),
        _spread("power", found.power_w, "W"),
        _spread("temperature", found.temperature_c, "°C"),
        _spread("CPU clock", found.cpu_mhz, "MHz"),
        _spread("load", found.load_1m, "", digits=1),
        _throttled(found),
    ]
    device = f"{found.device}: " if found.device else ""
    count = values.plural(found.samples, "sample")
    yield f"  held     {device}{', '.join(part for part in told if part)} ({count})"
    if found.apart is not None:
        yield f"  apart    {_apart(found.apart)}"
    if found.tenants:
        yield f"  beside   {', '.join(found.tenants)}"
    for each in found.discarded:
        yield f"  void     round {each.round}, {each.side}: {each.why}"


def _apart(found: Apart) -> str:
    one = len(found.cores) == 1
    cores = f"{'core' if one else 'cores'} {', '.join(map(str, found.cores))} to itself" if found.cores else "any core"
    others = "were frozen" if found.isolation == "quiet" else "made room"
    parts = [
        f"{found.isolation}: {cores}",
        f"{values.plural(len(found.made_room), 'other attempt')} {others}" if found.made_room else "",
        f"not so {', '.join(found.did_not)}" if found.did_not else "",
        f"beside the measurement of {', '.join(found.beside)}" if found.beside else "",
    ]
    return "; ".join(part for part in parts if part)


def _throttled(found: Conditions) -> str:
    if found.throttled_s is None:
        return ""
    limited = f", {found.limited_s:g} s at its limit" if found.limited_s else ""
    return f"throttled {found.throttled_s:g} s{limited}"


def _spread(name: str, found: Spread | None, unit: str, digits: int = 0) -> str:
    """The median, and in brackets from where to where."""
    if found is None:
        return ""
    median, least, most = (f"{value:.{digits}f}" for value in (found.median, found.least, found.most))
    return f"{name} {median} [{least}, {most}] {unit}".rstrip()
