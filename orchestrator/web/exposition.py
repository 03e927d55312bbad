"""The text of a scrape. prometheus-client writes some 100,000 lines a second, and a fleet of 1,000 runners has twice as
many; so each line is kept, and written anew only where its value changed. What comes out is what prometheus-client
would write, byte for byte: a test holds that for both formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from prometheus_client.utils import floatToGoString

from orchestrator.accounting.families import FAMILIES, Family
from orchestrator.web.rollups import Counts, Key


@dataclass
class Written:
    """A family as it was written last. `shown`: the very mapping that it was written from, which nobody changes: a
    family is written anew from another one. `lines`: per series its value and its text, for a histogram without and
    with exemplars, else the text and how it begins. `texts`: of all its series, likewise."""

    shown: Mapping[Key, Any] | None = None
    lines: dict[Key, tuple[Any, str, str]] = field(default_factory=dict[Key, tuple[Any, str, str]])
    texts: tuple[bytes, bytes] = (b"", b"")


class Exposition:
    """Remembers the lines of the last scrape. Not for two threads at once."""

    def __init__(self) -> None:
        self._families = {name: Written() for name in FAMILIES}

    def text(self, values: Mapping[str, Mapping[Key, float]], counts: Mapping[str, Mapping[Key, Counts]]) -> bytes:
        """The text format. Only what is in one of the two is shown."""
        return self._write(values, counts, openmetrics=False)

    def openmetrics(
        self, values: Mapping[str, Mapping[Key, float]], counts: Mapping[str, Mapping[Key, Counts]]
    ) -> bytes:
        """OpenMetrics 1.0, with exemplars."""
        return self._write(values, counts, openmetrics=True) + b"# EOF\n"

    def _write(
        self,
        values: Mapping[str, Mapping[Key, float]],
        counts: Mapping[str, Mapping[Key, Counts]],
        *,
        openmetrics: bool,
    ) -> bytes:
        parts: list[bytes] = []
        for name, family in FAMILIES.items():
            written, shown = self._families[name], values.get(name, counts.get(name))
            if shown is None:
                continue
            if shown is not written.shown:
                _renew(written, family, shown)
            parts += (_head(family, openmetrics), written.texts[openmetrics])
        return b"".join(parts)


def _renew(written: Written, family: Family, shown: Mapping[Key, Any]) -> None:
    lines, told = written.lines, []
    if family.kind == "histogram":
        for key, value in shown.items():
            line = lines.get(key)
            if line is None or line[0] is not value:
                lines[key] = line = (value, *_blocks(family, key, value))
            told.append(line)
    else:
        for key, value in shown.items():
            line = lines.get(key)
            if line is None or line[0] != value:
                start = line[2] if line else f"{family.shown}{_braced(_labels(family, key))} "
                lines[key] = line = (value, f"{start}{_number(value)}\n", start)
            told.append(line)
    if len(lines) > len(shown):
        written.lines = {key: lines[key] for key in shown}
    plain = "".join([line[1] for line in told]).encode()
    other = "".join([line[2] for line in told]).encode() if family.kind == "histogram" else plain
    written.shown, written.texts = shown, (plain, other)


def _number(value: float) -> str:
    """As prometheus-client writes it, which for most numbers is as Python does."""
    return repr(float(value)) if -1e6 < value < 1e6 else floatToGoString(value)


def _head(family: Family, openmetrics: bool) -> bytes:
    name = family.name if openmetrics else family.shown
    return f"# HELP {name} {family.says}\n# TYPE {name} {family.kind}\n".encode()


def _labels(family: Family, key: Key) -> list[str]:
    return [f'{name}="{_escaped(value)}"' for name, value in sorted(zip(family.labels, key, strict=True))]


def _blocks(family: Family, key: Key, value: Counts) -> tuple[str, str]:
    """A histogram without and with its exemplars."""
    labels, name = _labels(family, key), family.name
    before = [label for label in labels if label < 'le="']
    after = labels[len(before) :]
    bounds = [*(floatToGoString(bound) for bound in family.bounds), "+Inf"]
    plain: list[str] = []
    told: list[str] = []
    for bucket, (bound, count) in enumerate(zip(bounds, accumulate(value.counts), strict=True)):
        bucketed = _braced([*before, f'le="{bound}"', *after])
        line = f"{name}_bucket{bucketed} {_number(count)}"
        plain.append(f"{line}\n")
        told.append(f"{line}{_exemplar(value.exemplars.get(str(bucket)))}\n")
    rest = _braced(labels)
    end = f"{name}_count{rest} {_number(sum(value.counts))}\n{name}_sum{rest} {_number(value.total)}\n"
    return "".join([*plain, end]), "".join([*told, end])


def _exemplar(told: Any) -> str:
    if not told:
        return ""
    episode_id, value, moment = told
    return f' # {{episode_id="{_escaped(episode_id)}"}} {_number(value)} {float(moment)}'


def _braced(labels: list[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
