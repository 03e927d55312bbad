"""What a runner is sent of a campaign, and what is kept back until the agent is gone."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from orchestrator.domain.campaign import Campaign
from orchestrator.domain.campaign_file import read_campaign
from orchestrator.domain.campaign_launch import all_checks, base_key, hidden_checks, launch_spec
from runner_agent import protocol

TEXT = """\
schema = "matins-campaign-1"
name = "decode"
repo = { url = "../repo" }
agent = { network = "none" }
limits = { build_s = 100, grade_s = 50, smoke_s = 70, agent_gpu_s = 40 }

[[session]]
[[session.turn]]
say_file = "hand off.md"
[[session.turn]]
when = "stopped-early"
say = "Go on."
[[session]]
[[session.turn]]
say = "Finish."

[[item]]
id = "one"
title = "The first"
[[item.check]]
kind = "command"
run = "cargo test 'a name'"
[[item.check]]
kind = "command"
run = "checks/run.sh"
files = ["checks/hidden.rs -> crates/a/tests/", "checks/run.sh -> checks/run.sh", "checks/plain -> ./b/./other.txt"]
hidden = true
limit_s = 7
[[item]]
id = "two"
title = "The second"
[[item.check]]
kind = "pattern-absent"
pattern = "x"
paths = "@opened"
must_include = ["./src/a.rs"]
[[item.check]]
kind = "pattern-present"
pattern = "y"
paths = ["src/**"]
[[item.check]]
kind = "marker"
text = "[GPU]"
[[item.check]]
kind = "tests"
must_pass = ["t"]
[[item.check]]
kind = "throughput"

[[build]]
run = "cargo build --release"
[[lint]]
run = "cargo clippy"
limit_s = 3
[[test]]
run = "cargo test"

[smoke]
run = "ci/smoke.sh --fast"
env = { A = "1" }
must_print = ["[GPU]"]
equal = ["[OUT]"]
ceiling_tok_s = 900
isolation = "quiet"
reuse = true
preload = ["weights/7b.gguf", "/srv/models/7b.gguf"]
measure = { mode = "adaptive", max_s = 60, alpha = 0.01, smallest_effect = 0.03 }
"""
FILES = {
    "hand off.md": "Do it – all.\n".encode(),
    "checks/hidden.rs": b"unseen",
    "checks/run.sh": b"#!/bin/sh\n",
    "checks/plain": b"\x00\xff",
}
AGENT = protocol.Agent(kind="replay", name="finisher")


@pytest.fixture
def campaign() -> Campaign:
    return read_campaign(TEXT, FILES)


def launched(campaign: Campaign, **changes: Any) -> protocol.LaunchSpec:
    known: dict[str, Any] = {
        "attempt_id": "a1",
        "episode_id": "e1",
        "fence": 3,
        "kind": "episode",
        "commit": "c" * 40,
        "repo_url": "/repo",
        "agent": AGENT,
        "files": FILES,
        "hide": ["/home/me/.matins"],
    }
    return launch_spec(campaign, **{**known, **changes})


def test_the_whole_campaign_reaches_the_runner(campaign: Campaign) -> None:
    spec = launched(campaign)

    assert (spec.attempt_id, spec.episode_id, spec.fence, spec.kind) == ("a1", "e1", 3, "episode")
    assert spec.agent == AGENT
    assert [[(turn.say, turn.when) for turn in session.turns] for session in spec.sessions] == [
        [("Do it – all.\n", "always"), ("Go on.", "stopped-early")],
        [("Finish.", "always")],
    ]
    assert spec.items == (protocol.Item(id="one", title="The first"), protocol.Item(id="two", title="The second"))
    assert (spec.build_slots, launched(campaign, build_slots=3).build_slots) == (1, 3)
    assert (spec.isolation, spec.alone, launched(campaign, alone=True).alone) == ("quiet", False, True)
    assert spec.limits.agent_gpu_s == 40
    assert spec.build == (protocol.Command(argv=("cargo", "build", "--release"), limit_s=100),)
    assert spec.lint == (protocol.Command(argv=("cargo", "clippy"), limit_s=3),)
    assert spec.test == (protocol.Command(argv=("cargo", "test"), limit_s=1800),)
    assert spec.smoke.command == protocol.Command(argv=("ci/smoke.sh", "--fast"), limit_s=70)
    assert spec.smoke.env == {"A": "1"}
    assert spec.smoke.measure == protocol.Measure(mode="adaptive", max_s=60, alpha=0.01, smallest_effect=0.03)
    assert (spec.smoke.equal, spec.smoke.ceiling_tok_s) == (("[OUT]",), 900)
    assert spec.reuse
    assert spec.smoke.preload == ("weights/7b.gguf", "/srv/models/7b.gguf")
    assert spec.network == "none"
    assert spec.hide == ("/home/me/.matins",)


def test_a_launch_survives_the_way_to_the_runner(campaign: Campaign) -> None:
    spec = launched(campaign)

    assert protocol.from_json(protocol.LaunchSpec, protocol.to_json(spec)) == spec


def test_hidden_checks_stay_behind_and_are_counted(campaign: Campaign) -> None:
    spec = launched(campaign)

    assert spec.hidden_checks == 1
    assert "one/1" not in [check.id for check in spec.checks]
    assert base64.b64encode(b"unseen").decode() not in str(protocol.to_json(spec))
    assert "hidden.rs" not in str(protocol.to_json(spec))
    assert [check.id for check in hidden_checks(campaign, FILES)] == ["one/1"]


def test_checks_are_numbered_within_their_item(campaign: Campaign) -> None:
    assert [(check.id, check.kind) for check in all_checks(campaign, FILES)] == [
        ("one/0", "command"),
        ("one/1", "command"),
        ("two/0", "pattern-absent"),
        ("two/1", "pattern-present"),
        ("two/2", "marker"),
        ("two/3", "tests"),
        ("two/4", "throughput"),
    ]


def test_each_kind_of_check_carries_what_it_needs(campaign: Campaign) -> None:
    checks = {check.id: check for check in all_checks(campaign, FILES)}

    assert checks["one/0"].command == protocol.Command(argv=("cargo", "test", "a name"), limit_s=50)
    assert checks["one/1"].command == protocol.Command(argv=("checks/run.sh",), limit_s=7)
    assert (checks["two/0"].opened, checks["two/0"].paths, checks["two/0"].must_include) == (True, (), ("src/a.rs",))
    assert (checks["two/1"].opened, checks["two/1"].paths, checks["two/1"].pattern) == (False, ("src/**",), "y")
    assert checks["two/2"].text == "[GPU]"
    assert checks["two/3"].must_pass == ("t",)
    assert checks["two/4"].min_change == 0.20


def test_files_are_laid_where_the_campaign_says(campaign: Campaign) -> None:
    (check,) = hidden_checks(campaign, FILES)

    assert [(file.path, base64.b64decode(file.content), file.executable) for file in check.files] == [
        ("crates/a/tests/hidden.rs", b"unseen", False),
        ("checks/run.sh", b"#!/bin/sh\n", True),
        ("b/other.txt", b"\x00\xff", False),
    ]


def test_a_preflight_has_the_same_checks_and_nobody_who_works(campaign: Campaign) -> None:
    episode, preflight = launched(campaign), launched(campaign, kind="preflight")

    assert preflight.sessions == ()
    assert preflight.agent is None
    assert (preflight.items, preflight.checks, preflight.hidden_checks) == (
        episode.items,
        episode.checks,
        episode.hidden_checks,
    )
    assert preflight.base_key == episode.base_key


def test_a_built_base_is_shared_by_all_who_would_build_it_alike(campaign: Campaign) -> None:
    key = launched(campaign).base_key

    assert len(key) == 32
    assert launched(campaign, attempt_id="a2", fence=9, agent=None).base_key == key
    assert launched(campaign, commit="d" * 40).base_key != key
    assert launched(campaign, repo_url="/other").base_key != key
    assert launched(read_campaign(TEXT.replace("build --release", "build"), FILES)).base_key != key
    assert launched(read_campaign(TEXT.replace('run = "cargo test"', 'run = "cargo t"'), FILES)).base_key != key
    assert launched(read_campaign(with_gpu('run = "cargo test"'), FILES)).base_key != key
    assert launched(read_campaign(TEXT.replace("cargo clippy", "cargo fmt"), FILES)).base_key == key


def with_gpu(run: str) -> str:
    return TEXT.replace(f"{run}\n", f"{run}\ngpu = true\n")


@pytest.mark.parametrize("run", ["cargo build --release", "cargo clippy", "cargo test", "checks/run.sh"])
def test_a_command_that_asks_for_the_gpu_is_launched_so_and_no_other_is(run: str) -> None:
    campaign = read_campaign(with_gpu(f'run = "{run}"'), FILES)
    spec = launched(campaign)
    checks = [check.command for check in all_checks(campaign, FILES) if check.command is not None]
    commands = (*spec.build, *spec.lint, *spec.test, *checks, spec.smoke.command)

    assert [command.argv for command in commands if command.gpu] == [tuple(run.split())]


def test_words_of_commands_do_not_run_together_in_the_key() -> None:
    one = protocol.Command(argv=("a", "b c"), limit_s=1)
    other = protocol.Command(argv=("a b", "c"), limit_s=1)

    assert base_key("u", "c", [one]) != base_key("u", "c", [other])
