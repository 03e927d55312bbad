"""Panels drawn plainly as one SVG, in light and dark as the reader's system has it. Pure: figures in, text out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, COLUMNS, GAP, HEAD, TALL, SHORT = 960, 3, 12, 24, 150, 76
CELL = (WIDTH - GAP * (COLUMNS + 1)) / COLUMNS
LEFT = 44
LEGEND_MOST, BARS_MOST, ROWS_MOST = 4, 7, 5
PALETTE = ("#3b82c4", "#d9822b", "#3a9a5b", "#c0504d", "#8064a2", "#8a8a2e", "#4bacc6", "#b0628f")
STATE_COLOURS = {
    "dark-purple": "#5b3c88",
    "purple": "#8064a2",
    "red": "#c0392b",
    "orange": "#d9822b",
    "yellow": "#d8b62c",
    "light-blue": "#86b9e0",
    "dark-blue": "#2c4f86",
    "semi-dark-yellow": "#a98a1f",
    "green": "#2f8f4e",
    "super-light-green": "#9fd8ae",
    "text": "#888888",
}
STYLE = """
  svg { background: #ffffff; font: 11px system-ui, sans-serif; }
  text { fill: #24292f; } .dim { fill: #6b7280; } .title { font-weight: 600; font-size: 12px; }
  .big { font-size: 30px; font-weight: 600; } .box { fill: #f6f8fa; stroke: #d0d7de; } .axis { stroke: #d0d7de; }
  .line { fill: none; stroke-width: 1.5; } .heat { fill: #d9622b; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; } text { fill: #e6edf3; } .dim { fill: #9aa4af; }
    .box { fill: #161b22; stroke: #30363d; } .axis { stroke: #30363d; } .heat { fill: #f0883e; }
  }
"""

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Series:
    """`points`: seconds since the beginning, and values; of what is asked once, one point."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """`kind`: Grafana's word. `states`: of a state timeline, word and colour of each value. `span`: columns."""

    title: str
    kind: str
    unit: str
    series: Sequence[Series]
    states: dict[float, tuple[str, str]] = field(default_factory=dict[float, tuple[str, str]])
    span: int = 1


def draw(heading: str, panels: Sequence[Panel]) -> str:
    """The SVG, WIDTH wide."""
    parts: list[str] = []
    top = 40.0
    for row in _rows(panels):
        left, high = float(GAP), SHORT if all(panel.kind == "stat" for panel in row) else TALL
        for panel in row:
            width = CELL * panel.span + GAP * (panel.span - 1)
            parts.append(f'<g transform="translate({left:.0f},{top:.0f})">{_panel(panel, width, high)}</g>')
            left += width + GAP
        top += high + GAP
    height = top
    first = f'<text class="title" x="{GAP}" y="25" style="font-size:15px">{escape(heading)}</text>'
    size = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
    body = "\n".join([first, *parts])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{STYLE}</style>\n{body}\n</svg>\n'


def _rows(panels: Sequence[Panel]) -> list[list[Panel]]:
    rows: list[list[Panel]] = []
    for panel in panels:
        if not rows or sum(one.span for one in rows[-1]) + panel.span > COLUMNS:
            rows.append([])
        rows[-1].append(panel)
    return rows


def shown(value: float, unit: str) -> str:
    """A figure as people read it."""
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "currencyUSD":
        return f"${value:.3f}" if abs(value) < 10 else f"${value:.0f}"
    sign = {"s": "s", "watt": "W", "hertz": "Hz", "celsius": "°C", "bytes": "B", "joule": "J", "ops": "/s"}.get(
        unit, ""
    )
    if unit in ("s", "celsius") and abs(value) >= 1:
        return f"{value:.3g} {sign}" if abs(value) < 1000 else f"{value:.0f} {sign}"
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "µ")):
        if abs(value) >= factor * 0.9995:
            return f"{value / factor:.3g} {prefix}{sign}".rstrip()
    return f"0 {sign}".rstrip()


def _panel(panel: Panel, width: float, high: float) -> str:
    box = f'<rect class="box" width="{width:.0f}" height="{high}" rx="4"/>'
    title = f'<text class="title" x="8" y="16">{escape(panel.title)}</text>'
    return box + title + KINDS[panel.kind](panel, width)


def _stat(panel: Panel, width: float) -> str:
    value = panel.series[0].points[-1][1]
    return f'<text class="big" x="{width / 2:.0f}" y="56" text-anchor="middle">{shown(value, panel.unit)}</text>'


def _lines(panel: Panel, width: float) -> str:
    series = [one for one in panel.series if any(v for _, v in one.points)] or panel.series
    times = [t for one in series for t, _ in one.points]
    values = [v for one in series for _, v in one.points]
    low, high = min(0.0, *values), max(0.0, *values)
    high = high if high > low else low + 1
    place = _places((min(times), max(times)), (low, high), width, TALL - 42)
    parts = [_axes(panel.unit, low, high, width, min(times), max(times))]
    for number, one in enumerate(series):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, one.points))
        parts.append(f'<polyline class="line" stroke="{PALETTE[number % len(PALETTE)]}" points="{path}"/>')
    return "".join(parts) + _legend([one.name for one in series], width)


def _places(times: Point, values: Point, width: float, bottom: float) -> Callable[[Point], Point]:
    span_t, span_v = (times[1] - times[0]) or 1, (values[1] - values[0]) or 1

    def place(point: Point) -> Point:
        x = LEFT + (point[0] - times[0]) / span_t * (width - LEFT - 10)
        return x, bottom - (point[1] - values[0]) / span_v * (bottom - HEAD - 6)

    return place


def _axes(unit: str, low: float, high: float, width: float, first: float, last: float) -> str:
    bottom = TALL - 42
    parts = [f'<line class="axis" x1="{LEFT}" y1="{bottom}" x2="{width - 10:.0f}" y2="{bottom}"/>']
    for y, value in ((bottom, low), (HEAD + 12, high)):
        parts.append(f'<text class="dim" x="{LEFT - 4}" y="{y}" text-anchor="end">{shown(value, unit)}</text>')
    return "".join(parts) + _times(width, first, last, bottom + 12)


def _times(width: float, first: float, last: float, y: float) -> str:
    return (
        f'<text class="dim" x="{LEFT}" y="{y}">{first:.0f} s</text>'
        f'<text class="dim" x="{width - 10:.0f}" y="{y}" text-anchor="end">{last:.0f} s</text>'
    )


def _legend(names: Sequence[str], width: float) -> str:
    more = f" +{len(names) - LEGEND_MOST}" if len(names) > LEGEND_MOST else ""
    shares = (width - 20) / min(len(names), LEGEND_MOST)
    parts: list[str] = []
    for number, name in enumerate(names[:LEGEND_MOST]):
        x = 10 + number * shares
        text = _short(name + (more if number == LEGEND_MOST - 1 else ""), shares - 14)
        parts.append(f'<rect x="{x:.0f}" y="{TALL - 15}" width="8" height="8" fill="{PALETTE[number]}"/>')
        parts.append(f'<text class="dim" x="{x + 11:.0f}" y="{TALL - 7}">{escape(text)}</text>')
    return "".join(parts)


def _short(text: str, width: float) -> str:
    most = max(3, int(width / 5.6))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _bars(panel: Panel, width: float) -> str:
    ordered = sorted(panel.series, key=lambda one: -one.points[-1][1])
    ranked = [one for one in ordered if one.points[-1][1] > 0][:BARS_MOST]
    most = max((one.points[-1][1] for one in ranked), default=1.0)
    parts: list[str] = []
    for number, one in enumerate(ranked):
        y, value = HEAD + 8 + number * 16, one.points[-1][1]
        long = (width - 195) * value / most
        parts.append(f'<text class="dim" x="118" y="{y + 9}" text-anchor="end">{escape(_short(one.name, 100))}</text>')
        parts.append(f'<rect x="124" y="{y}" width="{long:.1f}" height="11" fill="{PALETTE[0]}"/>')
        parts.append(f'<text x="{128 + long:.0f}" y="{y + 9}">{shown(value, panel.unit)}</text>')
    return "".join(parts)


def _states(panel: Panel, width: float) -> str:
    times = [t for one in panel.series for t, _ in one.points]
    first, last = min(times), max(times)
    high = min(20.0, (TALL - 72) / len(panel.series) - 1)
    step = (width - 70) / ((last - first) or 1)
    parts: list[str] = []
    for number, one in enumerate(panel.series):
        y = HEAD + 4 + number * (high + 3)
        parts.append(f'<text class="dim" x="52" y="{y + high - 5:.0f}" text-anchor="end">{escape(one.name)}</text>')
        for start, end, value in _runs(one.points, last):
            x, long = 60 + (start - first) * step, (end - start) * step
            colour = STATE_COLOURS.get(panel.states.get(value, ("", ""))[1], "#888888")
            parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{long:.1f}" height="{high:.1f}" fill="{colour}"/>')
    here = sorted({v for one in panel.series for _, v in one.points})
    for number, (word, colour) in enumerate(panel.states[v] for v in here if v in panel.states):
        x = 60 + number * 88
        parts.append(f'<rect x="{x}" y="{TALL - 15}" width="8" height="8" fill="{STATE_COLOURS.get(colour, "#888")}"/>')
        parts.append(f'<text class="dim" x="{x + 11}" y="{TALL - 7}">{escape(word)}</text>')
    return "".join(parts) + _times(width, first, last, TALL - 24)


def _runs(points: Sequence[Point], last: float) -> list[tuple[float, float, float]]:
    """Start, end and value of stretches of one value."""
    runs: list[tuple[float, float, float]] = []
    for place, (at, value) in enumerate(points):
        until = points[place + 1][0] if place + 1 < len(points) else last
        if runs and runs[-1][2] == value:
            runs[-1] = (runs[-1][0], until, value)
        else:
            runs.append((at, until, value))
    return runs


def _heat(panel: Panel, width: float) -> str:
    """Of cumulative buckets, what each has more than the one below."""
    buckets = sorted((float(one.name.replace("+Inf", "inf")), dict(one.points)) for one in panel.series)
    cells: dict[tuple[int, float], float] = {}
    for row, (_, counts) in enumerate(buckets):
        below = buckets[row - 1][1] if row else {}
        cells |= {(row, at): counts[at] - below.get(at, 0.0) for at in counts if counts[at] - below.get(at, 0.0) > 0}
    rows = sorted({row for row, _ in cells}) or [0]
    times = sorted({at for _, counts in buckets for at in counts})
    most = max(cells.values(), default=1.0)
    high = (TALL - HEAD - 42) / (rows[-1] - rows[0] + 1)
    step = (width - LEFT - 10) / len(times)
    column = {at: number for number, at in enumerate(times)}
    parts = [
        f'<rect class="heat" x="{LEFT + column[at] * step:.1f}" y="{TALL - 38 - (row - rows[0] + 1) * high:.1f}" '
        f'width="{step:.1f}" height="{high:.1f}" opacity="{math.sqrt(count / most):.2f}"/>'
        for (row, at), count in cells.items()
    ]
    for row in (rows[0], rows[-1]):
        y = TALL - 38 - (row - rows[0] + 0.3) * high
        top = buckets[row][0]
        text = shown(top, panel.unit) if math.isfinite(top) else "more"
        parts.append(f'<text class="dim" x="{LEFT - 4}" y="{y:.0f}" text-anchor="end">{text}</text>')
    return "".join(parts) + _times(width, times[0], times[-1], TALL - 24)


def _table(panel: Panel, width: float) -> str:
    names = [one.name for one in panel.series][:ROWS_MOST]
    lines = (
        f'<text x="10" y="{HEAD + 16 + number * 18}">{escape(_short(name, width - 20))}</text>'
        for number, name in enumerate(names)
    )
    return "".join(lines)


KINDS: dict[str, Callable[[Panel, float], str]] = {
    "stat": _stat,
    "timeseries": _lines,
    "bargauge": _bars,
    "state-timeline": _states,
    "heatmap": _heat,
    "table": _table,
}
