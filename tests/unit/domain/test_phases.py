"""The life of an episode."""

from __future__ import annotations

import pytest

from orchestrator.domain.phases import ENDED, TRANSITIONS, Event, ImpossibleTransition, Phase, advance, diagram


def test_a_good_life_goes_through_every_phase_to_done() -> None:
    phase = Phase.QUEUED
    for event in (Event.ASSIGN, Event.LAUNCH, Event.STARTED, Event.ENDED, Event.COLLECTED, Event.SCORED):
        phase = advance(phase, event)
    assert phase is Phase.DONE


def test_an_ended_episode_takes_no_event_but_to_be_scored_again() -> None:
    for phase in ENDED:
        assert TRANSITIONS.get((phase, Event.RESCORE), Phase.DONE) is Phase.DONE
        for event in set(Event) - {Event.RESCORE}:
            with pytest.raises(ImpossibleTransition):
                advance(phase, event)


def test_every_phase_that_has_not_ended_can_end() -> None:
    for phase in set(Phase) - ENDED:
        reached, frontier = set[Phase](), {phase}
        while frontier:
            reached |= frontier
            frontier = {end for (start, _), end in TRANSITIONS.items() if start in frontier} - reached
        assert Phase.DONE in reached
        assert Phase.FAILED in reached


def test_the_diagram_in_the_documentation_is_the_table() -> None:
    from pathlib import Path

    text = (Path(__file__).parents[3] / "docs" / "architecture.md").read_text("utf-8")
    assert diagram() in text
