"""When the disk is counted, and when an attempt has taken too much of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner_agent.quota import Count, Disk, floor_bytes, is_due, is_low, written

GIB = 1 << 30


def last(*, at_s: float = 100.0, took_s: float = 0.1, added: int = 0, free: int = 50 * GIB) -> Count:
    return Count(at_s=at_s, took_s=took_s, added_bytes=added, free_bytes=free)


@pytest.mark.parametrize(
    ("since_s", "took_s", "dropped", "measuring", "due"),
    [
        (1.0, 0.01, 0, False, False),
        (2.1, 0.01, 0, False, True),
        (10.0, 1.0, 0, False, False),  # a fiftieth of the time at most
        (49.1, 1.0, 0, False, True),
        (1.0, 0.01, 6 * GIB, False, True),  # more than half of what is left went somewhere
        (8.0, 1.0, 6 * GIB, False, False),
        (9.1, 1.0, 6 * GIB, False, True),
        (99.0, 0.01, 9 * GIB, True, False),  # a measurement is left alone
        (1.0, 0.01, 11 * GIB, True, True),
    ],
)
def test_counting_costs_little_and_comes_in_time(
    since_s: float, took_s: float, dropped: int, measuring: bool, due: bool
) -> None:
    count = last(took_s=took_s)
    now_s, free = count.at_s + since_s, count.free_bytes - dropped
    assert is_due(count, now_s, free, 10 * GIB, measuring=measuring) is due


@pytest.mark.parametrize(
    ("disk", "low"),
    [
        (Disk(bytes=100 * GIB, free_bytes=GIB, inodes=0, free_inodes=0), False),
        (Disk(bytes=100 * GIB, free_bytes=GIB - 1, inodes=0, free_inodes=0), True),
        (Disk(bytes=40 << 20, free_bytes=3 << 20, inodes=0, free_inodes=0), False),
        (Disk(bytes=40 << 20, free_bytes=1 << 20, inodes=0, free_inodes=0), True),
        (Disk(bytes=100 * GIB, free_bytes=50 * GIB, inodes=1000, free_inodes=9), True),
        (Disk(bytes=100 * GIB, free_bytes=50 * GIB, inodes=1000, free_inodes=10), False),
    ],
)
def test_the_floor_is_a_gibibyte_or_a_share_of_a_small_disk(disk: Disk, low: bool) -> None:
    assert is_low(disk) is low
    assert floor_bytes(disk) <= GIB


def test_of_a_tree_in_layers_only_what_was_written_counts(tmp_path: Path) -> None:
    tree, layers = tmp_path / "tree", tmp_path / "layers"
    assert written(tree, layers) == tree
    (layers / "judged").mkdir(parents=True)
    assert written(tree, layers) == tree
    (layers / "tree").mkdir()
    assert written(tree, layers) == layers / "tree"
    assert written(tree, None) == tree
