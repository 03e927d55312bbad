"""What an attempt held of its machine, from its row and its journal. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from orchestrator.accounting.values import Held, Hold
from runner_agent.protocol import BUILD_SLOT

ENDED = "attempt-ended"
RESUMED = "grading-resumed"
STARTED, FINISHED = "stage-started", "stage-finished"
TAKEN, RELEASED = "gate-waited", "gate-released"
TOLD = (ENDED, RESUMED, STARTED, FINISHED, TAKEN, RELEASED)
"""The lines of a journal that say what was held."""

ANY_DEVICE = "gpu"
"""The gate of all devices; that of one is this, a dash and its id."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """A line of a journal, at the orchestrator's time."""

    at: datetime
    event: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class Tenure:
    """An attempt from its launch on. `ended`: when that was settled here, None while it lives; the machine was given
    back earlier if its journal says so. `told`: the lines that matter, in the journal's order."""

    episode_id: str
    attempt_id: str
    start: datetime
    ended: datetime | None = None
    told: tuple[Told, ...] = ()

    @property
    def over(self) -> datetime | None:
        """When it gave back all that it held; None while it holds something."""
        last = next((told for told in reversed(self.told) if told.event in (ENDED, RESUMED)), None)
        said = last.at if last is not None and last.event == ENDED else None
        known = [at for at in (said, self.ended) if at is not None]
        return max(self.start, min(known)) if known else None


def holds(tenure: Tenure, until: datetime) -> tuple[Hold, ...]:
    """All that it held up to `until`. What was taken and not given back was held as long as the attempt lasted; a
    measurement that was taken over from another attempt held nothing here."""
    end = min(until, tenure.over or until)
    return tuple(hold for hold in (*_slot(tenure, end), *_gates(tenure, end)) if hold.start < hold.end)


def _slot(tenure: Tenure, end: datetime) -> Iterator[Hold]:
    """A piece per stage. What was left out is no stage that it was in."""
    since, phase = tenure.start, ""
    for told in tenure.told:
        stage = str(told.data.get("stage", ""))
        after = {STARTED: stage, FINISHED: "" if stage == phase else phase}.get(told.event, phase)
        if after != phase:
            at = max(since, told.at)
            yield _hold(tenure, "slot", since, min(at, end), phase=phase)
            since, phase = at, after
    yield _hold(tenure, "slot", since, end, phase=phase)


def _gates(tenure: Tenure, end: datetime) -> Iterator[Hold]:
    taken: dict[str, datetime] = {}
    for told in tenure.told:
        gate = str(told.data.get("gate", ""))
        if told.data.get("reused") or not _what(gate):
            continue
        if told.event == TAKEN:
            taken[gate] = told.at
        elif told.event == RELEASED:
            held = timedelta(seconds=_seconds(told.data.get("held_s")))
            taken.pop(gate, None)
            yield _of_gate(tenure, gate, told.at - held, min(told.at, end))
    for gate, at in taken.items():
        yield _of_gate(tenure, gate, at, end)


def _of_gate(tenure: Tenure, gate: str, start: datetime, end: datetime) -> Hold:
    what = _what(gate) or "gpu"
    return _hold(tenure, what, max(start, tenure.start), end, device=gate if gate.startswith(f"{ANY_DEVICE}-") else "")


def _what(gate: str) -> Held | None:
    if gate == BUILD_SLOT:
        return "build"
    return "gpu" if gate == ANY_DEVICE or gate.startswith(f"{ANY_DEVICE}-") else None


def _hold(tenure: Tenure, what: Held, start: datetime, end: datetime, *, device: str = "", phase: str = "") -> Hold:
    return Hold(
        what=what,
        episode_id=tenure.episode_id,
        attempt_id=tenure.attempt_id,
        start=start,
        end=end,
        device=device,
        phase=phase,
    )


def _seconds(value: object) -> float:
    """0 for what is no time that anything is held."""
    return float(value) if isinstance(value, (int, float)) and 0 <= value <= MOST_HELD_S else 0.0


MOST_HELD_S = 30 * 86400.0
