"""The text of a scrape. prometheus-client writes some 100,000 lines a second, and a fleet of 1,000 runners has twice as
many; so each line is kept, and written anew only where its value changed. What comes out is what prometheus-client
would write, byte for byte: a test holds that for both formats."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from prometheus_client.utils import floatToGoString

from orchestrator.accounting.families import FAMILIES, Family
from orchestrator.web.rollups import Counts, Key


class Exposition:
    """Remembers the lines of the last scrape. Not for two threads at once."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[Key, tuple[Any, str]]] = {}
        self._blocks: dict[str, dict[Key, tuple[Counts, str, str]]] = {}

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
        parts: list[str] = []
        for name, family in FAMILIES.items():
            if name in values:
                parts += (_head(family, openmetrics), self._samples(family, values[name]))
            elif name in counts:
                parts += (_head(family, openmetrics), self._histograms(family, counts[name], openmetrics))
        return "".join(parts).encode()

    def _samples(self, family: Family, values: Mapping[Key, float]) -> str:
        kept = self._lines.setdefault(family.name, {})
        for key, value in values.items():
            line = kept.get(key)
            if line is None:
                kept[key] = (value, f"{family.shown}{_braced(_labels(family, key))} {floatToGoString(value)}\n")
            elif line[0] != value:
                kept[key] = (value, f"{line[1].rpartition(' ')[0]} {floatToGoString(value)}\n")
        if len(kept) > len(values):
            self._lines[family.name] = kept = {key: kept[key] for key in values}
        return "".join([kept[key][1] for key in values])

    def _histograms(self, family: Family, values: Mapping[Key, Counts], openmetrics: bool) -> str:
        kept = self._blocks.setdefault(family.name, {})
        for key, value in values.items():
            block = kept.get(key)
            if block is None or block[0] is not value:
                kept[key] = (value, *_blocks(family, key, value))
        return "".join([kept[key][2] if openmetrics else kept[key][1] for key in values])


def _head(family: Family, openmetrics: bool) -> str:
    name = family.name if openmetrics else family.shown
    return f"# HELP {name} {family.says}\n# TYPE {name} {family.kind}\n"


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
        line = f"{name}_bucket{bucketed} {floatToGoString(count)}"
        plain.append(f"{line}\n")
        told.append(f"{line}{_exemplar(value.exemplars.get(str(bucket)))}\n")
    rest = _braced(labels)
    end = f"{name}_count{rest} {floatToGoString(sum(value.counts))}\n{name}_sum{rest} {floatToGoString(value.total)}\n"
    return "".join([*plain, end]), "".join([*told, end])


def _exemplar(told: Any) -> str:
    if not told:
        return ""
    episode_id, value, moment = told
    return f' # {{episode_id="{_escaped(episode_id)}"}} {floatToGoString(value)} {float(moment)}'


def _braced(labels: list[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
