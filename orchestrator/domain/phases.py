"""The life of an episode as one literal table. State, reason and time are three facts: only the state is here."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where an episode stands. Each comment says what is true in it and who moves it on."""

    # Committed, no runner. The planner moves it on when a runner can take it.
    QUEUED = "QUEUED"
    # A slot of a runner is leased. The planner moves it on when that runner is ready.
    ASSIGNED = "ASSIGNED"
    # An attempt with its fence is committed; the runner may or may not have heard of it. Its answer moves it on.
    LAUNCHING = "LAUNCHING"
    # The runner has the attempt. What the runner reports moves it on.
    RUNNING = "RUNNING"
    # The attempt has ended on the runner; its artifacts are being pulled and verified. The collect act moves it on.
    COLLECTING = "COLLECTING"
    # The artifacts are here. The score act moves it on.
    SCORING = "SCORING"
    # It has a verdict, valid or not.
    DONE = "DONE"
    # Infrastructure gave up; there is no verdict.
    FAILED = "FAILED"
    # Someone no longer wanted it.
    CANCELLED = "CANCELLED"


class Event(StrEnum):
    """What can happen to an episode."""

    ASSIGN = "assign"
    RELEASE = "release"
    LAUNCH = "launch"
    STARTED = "started"
    ENDED = "ended"
    COLLECTED = "collected"
    SCORED = "scored"
    RETRY = "retry"
    GIVE_UP = "give-up"
    CANCEL = "cancel"
    RESCORE = "rescore"


_P, _E = Phase, Event

TRANSITIONS: dict[tuple[Phase, Event], Phase] = {
    (_P.QUEUED, _E.ASSIGN): _P.ASSIGNED,
    (_P.QUEUED, _E.GIVE_UP): _P.FAILED,
    (_P.QUEUED, _E.CANCEL): _P.CANCELLED,
    (_P.ASSIGNED, _E.LAUNCH): _P.LAUNCHING,
    (_P.ASSIGNED, _E.RELEASE): _P.QUEUED,
    (_P.ASSIGNED, _E.GIVE_UP): _P.FAILED,
    (_P.ASSIGNED, _E.CANCEL): _P.CANCELLED,
    (_P.LAUNCHING, _E.STARTED): _P.RUNNING,
    (_P.LAUNCHING, _E.RETRY): _P.QUEUED,
    (_P.LAUNCHING, _E.GIVE_UP): _P.FAILED,
    (_P.LAUNCHING, _E.CANCEL): _P.CANCELLED,
    (_P.RUNNING, _E.ENDED): _P.COLLECTING,
    (_P.RUNNING, _E.RETRY): _P.QUEUED,
    (_P.RUNNING, _E.GIVE_UP): _P.FAILED,
    (_P.RUNNING, _E.CANCEL): _P.CANCELLED,
    (_P.COLLECTING, _E.COLLECTED): _P.SCORING,
    (_P.COLLECTING, _E.RETRY): _P.QUEUED,
    (_P.COLLECTING, _E.GIVE_UP): _P.FAILED,
    (_P.COLLECTING, _E.CANCEL): _P.CANCELLED,
    (_P.SCORING, _E.SCORED): _P.DONE,
    (_P.SCORING, _E.RETRY): _P.QUEUED,
    (_P.SCORING, _E.GIVE_UP): _P.FAILED,
    (_P.SCORING, _E.CANCEL): _P.CANCELLED,
    # Its artifacts were kept, and scoring is a pure function of them: it can be done again at any time.
    (_P.DONE, _E.RESCORE): _P.DONE,
    (_P.FAILED, _E.RESCORE): _P.DONE,
}

ENDED = frozenset({Phase.DONE, Phase.FAILED, Phase.CANCELLED})
LEASED = frozenset({Phase.ASSIGNED, Phase.LAUNCHING, Phase.RUNNING})
"""Phases in which an episode holds a slot of its runner."""


class ImpossibleTransition(ValueError):
    """The event cannot happen in that phase: a fault of the caller, never of a user."""


def advance(phase: Phase, event: Event) -> Phase:
    """The phase after `event`. Raises ImpossibleTransition."""
    try:
        return TRANSITIONS[phase, event]
    except KeyError:
        raise ImpossibleTransition(f"an episode that is {phase} cannot take the event {event!r}") from None


def diagram() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2", "    [*] --> QUEUED"]
    lines += [f"    {start} --> {end}: {event}" for (start, event), end in TRANSITIONS.items()]
    lines += [f"    {phase} --> [*]" for phase in Phase if phase in ENDED]
    return "\n".join(lines)
