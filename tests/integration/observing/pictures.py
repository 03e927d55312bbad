"""`make pictures`: draws the main panels of four dashboards into docs/pictures/, from what a real Prometheus answers
about the staged service. Takes about two minutes."""

from __future__ import annotations

import math
import re
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.domain.health import Finding
from orchestrator.store.health import move_health
from tests.components import need, or_exit
from tests.integration.observing.boards import Question, questions
from tests.integration.observing.drawing import Panel, Series, draw
from tests.integration.observing.history import AWAY
from tests.integration.observing.stage import LIVE, SCRAPE_S, Stage, staged
from tests.observers import Json, Prometheus
from tests.orchestrator import wait_for
from tests.servers import running_postgresql, running_redis

FOLDER = Path(__file__).parents[3] / "docs/pictures"
WATCHED_S = 100
WAVE_S = 5
QUARANTINED_S = 35
HEAT_STEP_S = 5

MAIN: dict[str, dict[str, int]] = {
    "Fleet": {
        "Running": 1,
        "Awake": 1,
        "Oldest in the queue": 1,
        "State of each runner": 3,
        "Where machine time went": 1,
        "Stages of a wake": 1,
        "Quarantined, and why": 1,
    },
    "Episodes": {
        "Signals": 1,
        "Valid": 1,
        "Items done": 1,
        "Ended in the last hour": 1,
        "No signal, and why": 1,
        "Results by agent": 1,
        "Phases of an episode": 1,
        "Items by agent": 1,
        "Wait in the queue": 1,
    },
    "GPU": {
        "Dispatches: bubble": 1,
        "Dispatches: shader": 1,
        "Dispatches: submit": 1,
        "Newest measurement against its baseline": 2,
        "Drift of the machine": 1,
        "Clock": 1,
        "Power": 1,
        "Temperature": 1,
    },
    "Cost": {
        "Per signal": 1,
        "Spent": 1,
        "Waste": 1,
        "Cost per signal, by kind": 2,
        "By agent and kind": 1,
        "Waste by reason": 1,
        "Money for tokens": 1,
        "Idle time": 1,
    },
}
"""Panels of each dashboard, and over how many columns each is drawn."""

INSTANT = ("stat", "bargauge", "table")
SET_LABELS = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@or_exit("the pictures cannot be drawn")
def main() -> None:
    need("git", "prometheus", "node_exporter", "celery-exporter", "postgresql", "redis-server")
    with (
        tempfile.TemporaryDirectory() as folder,
        running_postgresql() as postgresql,
        running_redis() as redis,
        staged(Path(folder), postgresql.create("pictures"), redis.url) as stage,
    ):
        began = time.time()
        _play(stage)
        _draw_all(stage.prometheus, began, time.time())


def _play(stage: Stage) -> None:
    """Waves, live episodes, and a machine that is quarantined, taken back and taken out."""
    operated = {70: "resume", 85: "drain"}
    for second in range(0, WATCHED_S, WAVE_S):
        stage.wave()
        if second % 20 == 0:
            stage.matins.submit(stage.campaign, *["replay:doer"] * 3)
        if second == QUARANTINED_S:
            with stage.store.writing() as session:
                move_health(session, AWAY, Finding.WAKES_FAILED, "three wakes failed", datetime.now(UTC))
        if second in operated:
            stage.matins.matins("runner", operated[second], AWAY)
        due = time.monotonic() + WAVE_S
        wait_for(lambda due=due: time.monotonic() >= due, 2 * WAVE_S, stage.tail)


def _draw_all(prometheus: Prometheus, began: float, ended: float) -> None:
    FOLDER.mkdir(exist_ok=True)
    asked = list(questions(prometheus, prefer=LIVE))
    for name, chosen in MAIN.items():
        of_board = [one for one in asked if one.dashboard.endswith(f"/ {name}")]
        panels = [
            _panel(prometheus, [one for one in of_board if one.panel == title], began, ended, span)
            for title, span in chosen.items()
        ]
        path = FOLDER / f"{name.lower()}.svg"
        path.write_text(draw(f"Matins / {name}", panels), encoding="utf-8")
        print(f"{path}: {path.stat().st_size} bytes")


def _panel(prometheus: Prometheus, asked: Sequence[Question], began: float, ended: float, span: int) -> Panel:
    first = asked[0]
    series = [one for question in asked for one in _series(prometheus, question, began, ended)]
    assert series, f"{first.where}: no data to draw"
    return Panel(title=first.panel, kind=first.kind, unit=first.unit, series=series, states=first.states, span=span)


def _series(prometheus: Prometheus, asked: Question, began: float, ended: float) -> list[Series]:
    if asked.kind in INSTANT:
        found = [(one["metric"], [one["value"]]) for one in prometheus.query(asked.expression)]
    else:
        step_s = HEAT_STEP_S if asked.kind == "heatmap" else SCRAPE_S
        ranged = prometheus.query_range(asked.expression, began, ended, step_s)
        found = [(one["metric"], one["values"]) for one in ranged]
    return [
        Series(name=_name(asked.legend, labels), points=points)
        for labels, values in found
        if (points := [(at - began, float(text)) for at, text in values if math.isfinite(float(text))])
    ]


def _name(legend: str, labels: Json) -> str:
    return SET_LABELS.sub(lambda label: labels.get(label[1], ""), legend).strip()


if __name__ == "__main__":
    main()
