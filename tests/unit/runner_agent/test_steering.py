"""What one command of the judge leaves does not steer the next."""

from __future__ import annotations

import os
from pathlib import Path

from runner_agent import steering


def file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("text")
    return path


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


def test_a_home_is_emptied_but_for_what_cargo_downloaded(tmp_path: Path) -> None:
    downloaded = {"cargo/registry/src/a.rs", "cargo/git/db/b"}
    for path in (*downloaded, "home/.profile", "tmp/x", "other/y", "loose", "cargo/config.toml", "cargo/bin/rustc"):
        file(tmp_path / path)

    steering.empty_home(tmp_path)

    assert below(tmp_path) == downloaded


def test_a_home_of_links_is_emptied_and_what_they_lead_to_is_not(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    file(outside / "registry" / "kept")
    scratch = tmp_path / "scratch"
    file(scratch / "cargo" / "config.toml")
    (scratch / "home").symlink_to(outside)
    (scratch / "cargo" / "registry").symlink_to(outside / "registry")

    steering.empty_home(scratch)

    assert below(scratch) == set()
    assert below(outside) == {"registry/kept"}


def test_a_home_of_cargo_that_is_a_link_goes_itself(tmp_path: Path) -> None:
    outside = file(tmp_path / "outside" / "config.toml").parent
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "cargo").symlink_to(outside)

    steering.empty_home(tmp_path / "scratch")

    assert below(tmp_path) == {"outside/config.toml"}


def test_settings_that_are_neither_the_commits_nor_the_bases_are_taken_out(tmp_path: Path) -> None:
    for path in (".cargo/config", ".cargo/config.toml", ".cargo/made/x", "rust-toolchain", "src/.cargo/config.toml"):
        file(tmp_path / path)

    gone = steering.take_out(tmp_path, {".cargo/config.toml"}, {".cargo/made"})

    assert gone == (".cargo/config", "rust-toolchain")
    assert below(tmp_path) == {".cargo/config.toml", ".cargo/made/x", "src/.cargo/config.toml"}


def test_a_link_to_settings_is_taken_out_and_not_followed(tmp_path: Path) -> None:
    file(tmp_path / "elsewhere" / "config.toml")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / ".cargo").symlink_to(tmp_path / "elsewhere")

    assert steering.take_out(tree, set(), set()) == (".cargo",)
    assert below(tmp_path) == {"elsewhere/config.toml"}


def test_settings_are_taken_out_of_folders_whose_rights_were_taken_away(tmp_path: Path) -> None:
    file(tmp_path / ".cargo" / "config.toml")
    (tmp_path / ".cargo").chmod(0o500)

    assert steering.take_out(tmp_path, set(), set()) == (".cargo/config.toml",)
    assert os.listdir(tmp_path / ".cargo") == []


def test_a_tree_without_settings_is_left_alone(tmp_path: Path) -> None:
    file(tmp_path / "src" / "main.rs")

    assert steering.take_out(tmp_path, set(), set()) == ()
    assert below(tmp_path) == {"src/main.rs"}
