"""Which way of copying a built tree is taken, from what was seen to work."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from runner_agent import btrfs, files, snapshots
from runner_agent.home import Home
from runner_agent.snapshots import Facts, Method, fitting, order

NO = "not here"


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (Facts(btrfs="", reflink="", overlay=""), ("btrfs", "reflink", "overlay", "copy")),
        (Facts(btrfs=NO, reflink="", overlay=""), ("reflink", "overlay", "copy")),
        (Facts(btrfs=NO, reflink="", overlay=NO), ("reflink", "copy")),
        (Facts(btrfs=NO, reflink=NO, overlay=""), ("overlay", "copy")),
        (Facts(btrfs="", reflink=NO, overlay=NO), ("btrfs", "copy")),
        (Facts(btrfs=NO, reflink=NO, overlay=NO), ("copy",)),
    ],
)
def test_what_works_is_tried_in_the_order_of_what_it_costs_and_a_copy_always_is(
    facts: Facts, wanted: tuple[Method, ...]
) -> None:
    assert order(facts) == wanted


@pytest.mark.parametrize(
    ("built", "subvolume", "wanted"),
    [
        (True, True, ("btrfs", "reflink", "overlay", "copy")),
        (True, False, ("reflink", "overlay", "copy")),
        (False, True, ("btrfs", "reflink", "copy")),
        (False, False, ("reflink", "copy")),
    ],
)
def test_nothing_lies_on_a_base_that_will_be_made_again_and_only_subvolumes_have_snapshots(
    built: bool, subvolume: bool, wanted: tuple[Method, ...]
) -> None:
    assert fitting(("btrfs", "reflink", "overlay", "copy"), built=built, subvolume=subvolume) == wanted


def test_a_finding_holds_for_one_boot_and_one_account(tmp_path: Path) -> None:
    home = Home(tmp_path)
    known = Facts(btrfs=NO, reflink=NO, overlay="", boot_id="boot", uid=0)
    assert snapshots.recall(home, "boot", 0) is None
    files.write_json(home.workspaces, vars(known))
    assert snapshots.recall(home, "boot", 0) == known
    assert snapshots.recall(home, "next", 0) is None
    assert snapshots.recall(home, "boot", 1000) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"btrfs": ""}', '{"of another version": 1}'])
def test_a_finding_that_cannot_be_read_is_made_anew(tmp_path: Path, text: str) -> None:
    home = Home(tmp_path)
    home.workspaces.write_text(text)
    assert snapshots.recall(home, "boot", 0) is None


def test_a_probe_says_why_and_leaves_nothing_behind(tmp_path: Path) -> None:
    found = snapshots.probe(tmp_path, "no namespace", "boot", os.getuid())
    # Whatever this machine has: without a namespace of its own nothing is mounted.
    assert found.overlay == "no namespace"
    assert replace(found, btrfs="", reflink="") == Facts(
        btrfs="", reflink="", overlay="no namespace", boot_id="boot", uid=os.getuid()
    )
    assert list(tmp_path.iterdir()) == []


def test_a_plain_folder_is_no_subvolume(tmp_path: Path) -> None:
    assert not btrfs.is_subvolume(tmp_path)
    assert not btrfs.is_subvolume(tmp_path / "absent")
