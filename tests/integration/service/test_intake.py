"""Bad submissions are refused with the reason, and leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.service.conftest import Lab
from tests.integration.service.toy import CAMPAIGN


def variant(lab: Lab, name: str, old: str, new: str) -> Path:
    path = lab.campaign.parent / f"{name}.toml"
    assert old in CAMPAIGN
    path.write_text(CAMPAIGN.replace(old, new))
    return path


REFUSED = {
    "unknown-base": ('base = "main"', 'base = "no-such-branch"', "no branch or tag 'no-such-branch'"),
    "unknown-commit": ('base = "main"', f'base = "{"0" * 40}"', "cannot be read"),
    "unreachable-repository": ('url = "../repo"', 'url = "../nowhere"', "cannot be read"),
    "option-as-repository": ('url = "../repo"', 'url = "--upload-pack=touch /tmp/x"', "--upload-pack"),
    "missing-secret": ('network = "none"', 'network = "none"\nsecrets = ["A_KEY"]', "secret A_KEY is not known"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_campaign_that_cannot_run_is_refused_at_submission(lab: Lab, name: str) -> None:
    old, new, reason = REFUSED[name]
    before = len(lab.matins.json("episode", "list", "--all"))
    done = lab.matins.matins("episode", "submit", str(variant(lab, name, old, new)), "--agent", "replay:idler")
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert len(lab.matins.json("episode", "list", "--all")) == before


def test_an_unknown_agent_is_refused_with_those_that_are_known(lab: Lab) -> None:
    done = lab.matins.matins("episode", "submit", str(lab.campaign), "--agent", "replay:nobody")
    assert done.returncode == 2
    assert "unknown agent 'replay:nobody'" in done.stderr
    assert "replay:doer" in done.stderr


def test_every_problem_of_a_file_is_told_at_once_with_its_line(lab: Lab) -> None:
    path = lab.campaign.parent / "broken.toml"
    path.write_text(CAMPAIGN.replace('kind = "throughput"', 'kind = "thruput"').replace("rounds = 2", "round = 2"))
    done = lab.matins.matins("campaign", "check", str(path))
    assert done.returncode == 2
    lines = path.read_text().splitlines()
    for wrong in ('kind = "thruput"', "round = 2"):
        assert f"{path.name}:{lines.index(wrong) + 1}:" in done.stderr


def test_a_campaign_with_an_item_that_the_base_passes_is_refused_by_its_preflight(lab: Lab) -> None:
    gift = variant(lab, "gift", 'run = "python3 check.py"', 'run = "true"')
    (episode,) = lab.matins.submit(gift, "replay:idler")
    ended = lab.matins.wait_until_ended([episode], 60)[episode]
    assert (ended["phase"], ended["end_reason"]) == ("FAILED", "campaign-refused")
    assert "file already passes on the base" in lab.matins.matins("episode", "explain", episode).stdout
    assert lab.matins.matins("episode", "watch", episode).returncode == 1


def test_a_campaign_whose_variable_nothing_sets_is_refused_by_its_preflight_and_with_it_set_is_not(lab: Lab) -> None:
    wanted = 'must_print = ["[GPU SUBMIT]"]'
    unplugged = variant(lab, "unplugged", 'must_print = ["[GPU PERDISPATCH]"]', wanted)
    plugged = variant(lab, "plugged", 'must_print = ["[GPU PERDISPATCH]"]', f'{wanted}\nenv = {{ TOY_PROFILE = "1" }}')
    ids = [lab.matins.submit(path, "replay:idler")[0] for path in (unplugged, plugged)]
    refused, accepted = map(lab.matins.wait_until_ended(ids, 60).get, ids)
    assert refused and accepted
    assert refused["end_reason"] == "campaign-refused"
    assert "[GPU SUBMIT]" in refused["detail"]
    assert (accepted["end_reason"], accepted["valid"]) == ("completed", True)


def test_a_wrong_token_is_told_apart_from_a_server_that_is_not_there(lab: Lab) -> None:
    from tests.orchestrator import Orchestrator

    stranger = Orchestrator(lab.folder / "stranger", token="wrong")
    stranger._environment["MATINS_URL"] = lab.matins.url
    assert stranger.matins("episode", "list").returncode == 4
    lonely = Orchestrator(lab.folder / "lonely")
    done = lonely.matins("episode", "list")
    assert done.returncode == 3
    assert "matins up" in done.stderr


def test_a_second_server_on_the_same_home_is_refused(lab: Lab) -> None:
    done = lab.matins.matins("up")
    assert done.returncode == 2
    assert "runs already" in done.stderr
