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
    family is written anew from another one. Per series, in its order: key, value, text, and for a histogram the text
    with exemplars, else how the text begins. `texts`: of all series, by whether with exemplars; made when asked for."""

    shown: Mapping[Key, Any] | None = None
    keys: list[Key] = field(default_factory=list[Key])
    values: list[Any] = field(default_factory=list[Any])
    plain: list[str] = field(default_factory=list[str])
    other: list[str] = field(default_factory=list[str])
    texts: dict[bool, bytes] = field(default_factory=dict[bool, bytes])

    def text(self, exemplars: bool) -> bytes:
        if exemplars not in self.texts:
            self.texts[exemplars] = "".join(self.other if exemplars else self.plain).encode()
        return self.texts[exemplars]


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
            parts += (_head(family, openmetrics), written.text(openmetrics and family.kind == "histogram"))
        return b"".join(parts)


def _renew(written: Written, family: Family, shown: Mapping[Key, Any]) -> None:
    """Looking for each key in a dictionary would take longer than all else, and most often the keys are the same."""
    keys, values = list(shown), list(shown.values())
    if keys != written.keys:
        _arrange(written, keys)
    pairs = enumerate(zip(values, written.values, strict=True))
    for at in [at for at, (value, before) in pairs if value is not before and value != before]:
        if family.kind == "histogram":
            written.plain[at], written.other[at] = _blocks(family, keys[at], values[at])
        else:
            start = written.other[at] or f"{family.shown}{_braced(_labels(family, keys[at]))} "
            written.plain[at], written.other[at] = f"{start}{_number(values[at])}\n", start
    written.shown, written.values, written.texts = shown, values, {}


def _arrange(written: Written, keys: list[Key]) -> None:
    """Series came or went: what was written of the others stays."""
    lines = zip(written.values, written.plain, written.other, strict=True)
    kept = dict(zip(written.keys, lines, strict=True))
    told = [kept.get(key, (None, "", "")) for key in keys]
    written.keys = keys
    written.values, written.plain, written.other = ([line[part] for line in told] for part in range(3))


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
