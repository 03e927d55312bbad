"""A comparison as text."""

from __future__ import annotations

from typing import Any

from orchestrator.cli.answers import read
from orchestrator.cli.compare import Compared
from orchestrator.cli.render.compare import lines

ANSWER: dict[str, Any] = {
    "campaign": "decode-50",
    "commit": "3f2a91c07b1d5e6f",
    "by": "agent",
    "alpha": 0.05,
    "items_total": 7,
    "episodes": {"judged": 18, "without_verdict": {"QUEUED": 2, "FAILED": 1}, "of_other_versions": 5},
    "groups": [
        {
            "name": "replay:finisher",
            "valid": 8,
            "invalid": {"marker-missing": 1},
            "usd_per_signal": 1.35,
            "estimates": [
                {"measure": "items", "episodes": 8, "mean": 1.0, "alike": True},
                {"measure": "throughput", "episodes": 8, "mean": 2.61, "low": 2.4, "high": 2.8},
                {"measure": "cost", "episodes": 9, "mean": 1.2, "low": 1.0, "high": 1.5},
                {"measure": "validity", "episodes": 9, "mean": 8 / 9, "low": 0.52, "high": 0.997},
            ],
        },
        {
            "name": "idler",
            "valid": 2,
            "invalid": {},
            "estimates": [{"measure": "items", "episodes": 2, "mean": 0.5}],
        },
    ],
    "comparisons": [
        {
            "measure": "items",
            "first": "replay:finisher",
            "second": "idler",
            "difference": 0.5,
            "low": 0.4,
            "high": 0.6,
            "p_holm": 0.00001,
            "says": "replay:finisher does more of the items than idler",
        },
        {
            "measure": "validity",
            "within": "runner gpu01",
            "first": "replay:finisher",
            "second": "idler",
            "difference": -0.11,
            "p_holm": 0.62,
            "says": "not enough episodes: about 12 more would settle it (5 of replay:finisher, 7 of idler)",
        },
    ],
}

SHOWN = """\
decode-50 at 3f2a91c07b1d, by agent: 18 episodes with a verdict

replay:finisher: 8 valid, beside 1 invalid (1 marker-missing)
  items       7.0 of 7 in 8 episodes, all alike
  throughput  +261.0 % [+240.0, +280.0] in 8 episodes
  cost        1.20 USD [1.00, 1.50] in 9 episodes, 1.35 USD per signal
  validity    88.9 % [52.0, 99.7] in 9 episodes

idler: 2 valid
  items       3.5 of 7 in 2 episodes, too few for an interval

2 comparisons; p corrected for all of them (Holm), each interval at 95 %

items       replay:finisher against idler
            +3.5 of 7 [+2.8, +4.2], p < 0.0001
            replay:finisher does more of the items than idler

validity    replay:finisher against idler, runner gpu01
            -11.0 points, p = 0.62
            not enough episodes: about 12 more would settle it (5 of
            replay:finisher, 7 of idler)

Cost is what agents reported of their tokens: all that it cost is not known of
  every episode.

Not in it: 3 without a verdict (2 QUEUED, 1 FAILED); 5 of other versions of the
  campaign"""


def shown(width: int | None = None, **changed: Any) -> list[str]:
    return list(lines(read(Compared, ANSWER | changed), width))


def test_a_comparison_reads_well_at_80_columns() -> None:
    text = "\n".join(shown(80))
    assert text == SHOWN
    assert max(map(len, text.splitlines())) <= 80


def test_what_is_piped_is_not_broken() -> None:
    assert len(shown(None)) == len(shown(80)) - 3


def test_it_is_said_what_cost_is() -> None:
    assert "Cost is all that an episode cost: machines, energy, its share of wakes, tokens." in shown(cost="whole")
    assert not [line for line in shown(groups=ANSWER["groups"][1:]) if line.startswith("Cost")], "none has a cost"


def test_a_name_is_never_broken_and_steers_no_terminal() -> None:
    group = {"name": "x\x1b[2J" * 30, "valid": 1, "invalid": {}, "estimates": []}
    text = "\n".join(shown(80, groups=[group]))
    assert "\x1b" not in text
    assert r"x\x1b[2Jx\x1b[2J" in text


def test_one_group_alone_is_shown_and_told_what_a_comparison_takes() -> None:
    text = "\n".join(shown(80, comparisons=[], groups=ANSWER["groups"][:1]))
    assert "There is nothing to compare: that takes verdicts on two agents." in text
