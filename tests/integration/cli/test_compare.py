"""`matins compare` over real HTTP."""

from __future__ import annotations

import json

from tests.integration.cli.conftest import Matins
from tests.integration.cli.fake_api import FakeApi
from tests.unit.cli.test_compare import ANSWER

PATH = "/api/v1/campaigns/decode-50/compare"


def test_compare_asks_for_what_was_named_and_prints_what_is_settled(matins: Matins, api: FakeApi) -> None:
    api.override = lambda _method, path: (200, ANSWER) if path == PATH else None
    outcome = matins("compare", "decode-50", "--by", "model", "--only", "a", "--only", "b")
    assert outcome.status == 0
    assert outcome.out.startswith("decode-50 at 3f2a91c07b1d, by agent: 18 episodes with a verdict\n")
    assert "replay:finisher does more of the items than idler\n" in outcome.out
    method, path, query = api.asked[-1]
    assert (method, path, query["by"], query["only"]) == ("GET", PATH, "model", "b")


def test_compare_as_json_is_what_the_api_says(matins: Matins, api: FakeApi) -> None:
    api.override = lambda _method, path: (200, ANSWER) if path == PATH else None
    assert json.loads(matins("compare", "decode-50", "--json").out) == ANSWER


def test_a_campaign_that_is_not_there_is_1_and_too_many_groups_are_2(matins: Matins, api: FakeApi) -> None:
    said = {"kind": "not-found", "message": "there is no campaign 'x'", "remedy": "look", "problems": []}
    for status, exit_status in ((404, 1), (422, 2)):
        api.override = lambda _method, _path, status=status: (status, {"error": said})
        outcome = matins("compare", "x")
        assert (outcome.status, outcome.out) == (exit_status, "")
        assert "there is no campaign 'x'" in outcome.err


def test_an_answer_of_another_version_is_no_traceback(matins: Matins, api: FakeApi) -> None:
    api.override = lambda _method, _path: (200, {"campaign": "decode-50"})
    outcome = matins("compare", "decode-50")
    assert (outcome.status, outcome.out) == (1, "")
    assert "same version" in outcome.err
