"""`matins cost report` over real HTTP."""

from __future__ import annotations

import json

import pytest

from tests.integration.cli.conftest import Matins
from tests.integration.cli.fake_api import COST, FakeApi

PATH = "/api/v1/cost"


def test_a_report_asks_for_what_was_named_and_prints_the_price_of_a_signal(matins: Matins, api: FakeApi) -> None:
    named = ("--since", "2026-11-01", "--until", "2026-11-21", "--by", "day", "--campaign", "c", "--runner", "r")
    outcome = matins("cost", "report", *named)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith("0.5000 USD for 4 signals: 0.1250 USD per signal\n")
    assert "hardware  configured  0.5000" in outcome.out
    method, path, query = api.asked[-1]
    assert (method, path) == ("GET", PATH)
    assert query == {"since": "2026-11-01", "until": "2026-11-21", "by": "day", "campaign": "c", "runner": "r"}


def test_a_report_as_json_is_what_the_api_says(matins: Matins) -> None:
    assert json.loads(matins("cost", "report", "--json").out) == COST


@pytest.mark.parametrize("given", [("--since", "yesterday"), ("--by", "weather"), ("--until", "2026-13-01")])
def test_what_makes_no_sense_is_2_with_a_sentence(matins: Matins, given: tuple[str, str]) -> None:
    outcome = matins("cost", "report", *given)
    assert (outcome.status, outcome.out) == (2, "")
    assert given[1] in outcome.err and "Traceback" not in outcome.err


def test_a_name_that_the_orchestrator_does_not_know_is_2(matins: Matins, api: FakeApi) -> None:
    said = {"kind": "bad-input", "message": "there is no agent 'x'", "remedy": "those there are: y", "problems": []}
    api.override = lambda _method, path: (422, {"error": said}) if path == PATH else None
    outcome = matins("cost", "report", "--agent", "x")
    assert (outcome.status, outcome.out) == (2, "")
    assert "there is no agent 'x'" in outcome.err and "those there are: y" in outcome.err


def test_an_answer_of_another_version_is_no_traceback(matins: Matins, api: FakeApi) -> None:
    api.override = lambda _method, path: (200, {"usd": 1.0}) if path == PATH else None
    outcome = matins("cost", "report")
    assert (outcome.status, outcome.out) == (1, "")
    assert "same version" in outcome.err
