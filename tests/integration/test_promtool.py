"""The real promtool reads what is shipped for Prometheus, and runs the tests of every rule."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PROMETHEUS = Path(__file__).resolve().parents[2] / "grafana" / "prometheus"
LONGEST_S = 300
TESTS = sorted(PROMETHEUS.glob("tests/*.yml"))


def promtool(*arguments: str | Path) -> str:
    """What it said; AssertionError where it found something."""
    ran = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=LONGEST_S, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_configuration_is_one_with_its_rules_and_targets() -> None:
    said = promtool("check", "config", PROMETHEUS / "prometheus.yml")

    assert "2 rule files found" in said


def test_the_rules_are_sound_and_none_is_there_twice() -> None:
    said = promtool("check", "rules", "--lint=all", "--lint-fatal", *sorted(PROMETHEUS.glob("rules/*.yml")))

    assert said.count("SUCCESS") == 2


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_each_rule_does_what_its_tests_say(path: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", path)


def test_a_rule_that_does_something_else_is_seen(tmp_path: Path) -> None:
    shipped = shutil.copytree(PROMETHEUS, tmp_path / "prometheus")
    alerts = shipped / "rules" / "alerts.yml"
    alerts.write_text(alerts.read_text(encoding="utf-8").replace("matins:cost_usd_per_signal:1d > 5", "vector(0) > 5"))

    with pytest.raises(AssertionError, match="MatinsSignalTooDear"):
        promtool("test", "rules", shipped / "tests" / "cost.yml")
