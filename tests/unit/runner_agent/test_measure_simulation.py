"""How often the rule is wrong on streams of which the truth is known: a small part of tests/bench/ab.py."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runner_agent.measure.decision import WARM_UP_ROUNDS
from runner_agent.measure.order import seed, sides
from tests.simulation import stopping
from tests.simulation.noise import NEVER_S, Noise, read, stream
from tests.simulation.noise_fit import fit

NOISES = [noise for noise in read(Path(__file__).parents[2] / "bench" / "ab_noise.json") if not noise.stress]
STREAMS = 400
SEED = "small 1"


def at_most(count: int, of: int, rate: float) -> float:
    """The probability of so few successes."""
    return math.fsum(math.comb(of, k) * rate**k * (1 - rate) ** (of - k) for k in range(count + 1))


def calls(change: float, noises: Iterable[Noise], streams: int) -> list[str]:
    made = (stream(noise, f"{SEED} {number}", change) for noise in noises for number in range(streams))
    return [stopping.matins(each).call for each in made]


def test_equal_trees_are_called_different_less_often_than_alpha_allows() -> None:
    found = calls(0.0, NOISES, STREAMS // len(NOISES))
    wrong = sum(call in ("faster", "slower") for call in found)
    print("seed", SEED, "wrong", wrong, "of", len(found))
    # So few would be seen in less than one of twenty such tests if the rate were above 0.05.
    assert at_most(wrong, len(found), 0.05) < 0.05


def test_a_repeated_t_test_is_wrong_far_more_often_on_the_same_streams() -> None:
    made = [stream(noise, f"{SEED} {number}") for noise in NOISES for number in range(20)]
    wrong = sum(stopping.naive(each).call != "inconclusive" for each in made)
    assert 1 - at_most(wrong - 1, len(made), 0.05) < 1e-6


def test_five_per_cent_are_found_before_the_window_ends() -> None:
    found = calls(0.05, NOISES, 40)
    missed = sum(call != "faster" for call in found)
    assert missed <= 0.05 * len(found)


def test_what_is_much_slower_is_never_called_faster() -> None:
    assert set(calls(-0.2, NOISES, 10)) == {"slower"}


def test_a_block_of_two_rounds_has_each_side_first_once_and_the_base_begins() -> None:
    for key in ("a", "b", "c"):
        firsts = [sides(number, key, WARM_UP_ROUNDS)[0] for number in range(1, 42)]
        assert firsts[0] == firsts[1] == "baseline"
        assert all(set(pair) == {"baseline", "candidate"} for pair in zip(firsts[1::2], firsts[2::2], strict=True))
    orders = {tuple(sides(number, key)[0] for number in range(3, 30)) for key in ("a", "b", "c")}
    assert len(orders) == 3


def test_each_round_has_a_prompt_of_its_own() -> None:
    drawn = [seed(number, key) for key in ("a", "b") for number in range(1, 500)]
    assert len(set(drawn)) == len(drawn)
    assert all(0 <= value < 2**31 for value in drawn)
    assert seed(3, "a") == drawn[2]


def test_a_noise_that_no_field_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.json"
    path.write_text(json.dumps({"noises": [{"name": "a", "where": "b", "pink": 1}]}))
    with pytest.raises(KeyError, match="pink"):
        read(path)


def leave(path: Path, noise: Noise, key: str, window_s: float) -> None:
    """A run as the smoke stage leaves it."""
    made = stream(noise, key, 0.0, window_s)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    lines: list[str] = []
    for pair in made.pairs:
        for side in sides(pair.round, key, WARM_UP_ROUNDS):
            value = {"baseline": pair.baseline, "candidate": pair.candidate}[side]
            lines.append(json.dumps({"round": pair.round, "side": side, "tok_s": value, "at": at.isoformat()}))
            at += timedelta(seconds=noise.run_s)
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines) + "\n")


def test_a_noise_can_be_fitted_to_what_runs_left(tmp_path: Path) -> None:
    true = Noise(name="t", where="t", run_s=3.0, white=0.03, common=0.05, common_s=40.0, own=0.0, drift=0.0, side=0.0)
    for number in range(8):
        leave(tmp_path / str(number) / "smoke" / "throughput.jsonl", true, f"fit {number}", 1200.0)
    found = fit(tmp_path, name="fitted")
    assert (found.name, found.where) == ("fitted", "fitted to 8 A/A runs of 200 rounds")
    assert found.run_s == 3.0
    assert found.white == pytest.approx(true.white, rel=0.15)
    assert found.common == pytest.approx(true.common, rel=0.3)
    assert 20 < found.common_s < 80
    assert found.own < 0.01
    assert found.dip_every_s == NEVER_S


def test_a_folder_without_runs_says_so(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no throughput\.jsonl with 8 rounds of both sides in 0 files"):
        fit(tmp_path, name="none")
