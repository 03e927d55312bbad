"""What the benchmark of a build beside a smoke run says."""

from __future__ import annotations

from tests.bench.slowdown import figures


def test_a_slow_down_is_the_median_beside_a_build_over_the_median_alone() -> None:
    seconds = {
        "pinned_quiet_s": [2.0, 1.0, 9.0],
        "pinned_loaded_s": [2.2, 2.1, 2.0],
        "frozen_loaded_s": [2.0, 2.0, 2.0],
        "unpinned_quiet_s": [1.0, 1.0, 1.0],
        "unpinned_loaded_s": [2.5, 2.0, 2.0],
    }
    told = dict(part.split("=") for part in figures(seconds).removeprefix("bench slowdown ").split())
    shown = ("rounds", "pinned", "isolation_quiet", "unpinned", "pinned_loaded_s", "pinned_quiet_spread")
    assert [told[name] for name in shown] == ["3", "+0.050", "+0.000", "+1.000", "2.100", "1.000:9.000"]
