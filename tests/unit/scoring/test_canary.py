"""A canary: what a machine does with a base that is known to be good. No item and no check has a say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.domain.reasons import EndReason
from orchestrator.scoring.evidence import Evidence
from orchestrator.scoring.judge import judge_canary
from tests.unit.scoring.episodes import PERDISPATCH, SPEC, ended, idler, logs, runs

BARE = replace(SPEC, items=())


def base(**changes: Any) -> Evidence:
    sound = {"rounds": runs("candidate", 19.0, 19.4), "logs": logs("candidate", PERDISPATCH), "checks": {}, "tests": {}}
    return replace(idler(), **{**sound, **changes})


def test_a_machine_whose_every_instrument_fires_passes() -> None:
    found = judge_canary(base(), BARE, ended(session="skipped"))
    assert (found.passed, found.reason, found.problem) == (True, EndReason.COMPLETED, "")


@pytest.mark.parametrize(
    ("evidence", "results", "reason", "words"),
    [
        ({"logs": logs("candidate", "")}, {}, EndReason.MARKER_MISSING, "[GPU PERDISPATCH] never appeared"),
        ({"rounds": runs("candidate", None)}, {}, EndReason.NO_THROUGHPUT, "no throughput could be read"),
        ({"logs": ()}, {}, EndReason.MALFORMED_RESULT, "no smoke log"),
        ({}, {"smoke": "crashed"}, EndReason.SMOKE_CRASHED, "The smoke test"),
        ({}, {"baseline": "failed"}, EndReason.BASE_FAILED, "does not build on this runner"),
        ({}, {"build": "failed"}, EndReason.BUILD_FAILED, "does not build"),
    ],
)
def test_what_is_missing_first_is_named(
    evidence: dict[str, Any], results: dict[str, Any], reason: EndReason, words: str
) -> None:
    found = judge_canary(base(**evidence), BARE, ended(**results))
    assert (found.passed, found.reason) == (False, reason)
    assert words in found.problem
