"""What differs from the base looks newer than all that was built, and nothing that was built comes from a commit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner_agent import freshness
from runner_agent.freshness import TooMuch

ELF = b"\x7fELF\x02\x01\x01\x00" + bytes(56)
NOW_NS = 1_800_000_000_000_000_000
HOUR_NS = 3_600_000_000_000


def file(path: Path, content: bytes | str = "text", *, at_ns: int = NOW_NS - HOUR_NS, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    os.utime(path, ns=(at_ns, at_ns))
    return path


def built(tree: Path, *, at_ns: int = NOW_NS - HOUR_NS) -> Path:
    """A cargo workspace of one package that was built at that time."""
    file(tree / "Cargo.toml", at_ns=at_ns - HOUR_NS)
    file(tree / "src" / "main.rs", at_ns=at_ns - HOUR_NS)
    file(tree / "target" / "release" / ".fingerprint" / "app" / "dep-bin", at_ns=at_ns)
    program = file(tree / "target" / "release" / "deps" / "app-1f", ELF, at_ns=at_ns, mode=0o755)
    os.link(program, tree / "target" / "release" / "app")
    return tree


def age_ns(path: Path) -> int:
    return path.lstat().st_mtime_ns


@pytest.mark.parametrize("clock_ns", [NOW_NS, NOW_NS - 5 * HOUR_NS], ids=["a-good-clock", "a-clock-that-went-back"])
def test_a_changed_file_is_newer_than_all_that_was_built_whatever_the_clock_says(tmp_path: Path, clock_ns: int) -> None:
    tree = built(tmp_path)
    file(tree / "src" / "main.rs", "older content", at_ns=NOW_NS - 9 * HOUR_NS)

    freshness.renew(tree, {"src/main.rs"}, clock_ns)

    newest_ns = max(age_ns(path) for path in (tree / "target").rglob("*") if path.is_file())
    assert age_ns(tree / "src" / "main.rs") > newest_ns


def test_what_does_not_differ_keeps_its_time_so_that_it_is_not_built_again(tmp_path: Path) -> None:
    tree = built(tmp_path)
    before = age_ns(tree / "Cargo.toml"), age_ns(tree / "src" / "main.rs")

    file(tree / "src" / "other.rs")

    freshness.renew(tree, {"src/other.rs"}, NOW_NS)

    assert (age_ns(tree / "Cargo.toml"), age_ns(tree / "src" / "main.rs")) == before


def test_a_file_that_is_gone_leaves_its_folder_and_the_manifest_of_its_package_new(tmp_path: Path) -> None:
    tree = built(tmp_path)
    file(tree / "kernels" / "kept.comp")

    assert freshness.to_touch(tree, {"kernels/gone.comp"}) == {"kernels", "Cargo.toml"}
    assert freshness.to_touch(tree, {"kernels/deep/gone.comp"}) == {"kernels", "Cargo.toml"}
    assert freshness.to_touch(tree, {"kernels/kept.comp"}) == {"kernels", "kernels/kept.comp"}
    assert freshness.to_touch(tree, {"src/main.rs", "gone"}) == {"src", "src/main.rs", "Cargo.toml"}


def test_the_bases_programs_go_before_a_build_and_what_it_links_them_from_stays(tmp_path: Path) -> None:
    tree = built(tmp_path)
    file(tree / "venv" / "bin" / "python", ELF, mode=0o755)

    assert freshness.renew(tree, set(), NOW_NS) == ("target/release/app",)

    assert not (tree / "target" / "release" / "app").exists()
    assert (tree / "target" / "release" / "deps" / "app-1f").exists()
    assert (tree / "venv" / "bin" / "python").exists()


@pytest.mark.parametrize(
    ("path", "start", "planted"),
    [
        ("src/main.rs", b"fn main", False),
        ("ci/smoke.sh", b"#!/bin/sh", False),
        ("shaders/norm.spv", b"\x03\x02\x23\x07", False),
        ("prebuilt/app", b"\x7fELF\x02\x01", True),
        ("prebuilt/libengine.rlib", b"!<arch>\n", True),
        ("prebuilt/thin.a", b"!<thin>\n", True),
        ("prebuilt/app.bc", b"BC\xc0\xde", True),
        ("target/release/.fingerprint/app/dep-bin", b"", True),
        ("target", b"", True),
        ("targets/x.json", b"{}", False),
        ("crates/a/target/x", b"", False),
    ],
)
def test_what_would_pass_for_something_built_is_known(path: str, start: bytes, planted: bool) -> None:
    assert freshness.is_planted(path, {"target", "built"}, start) is planted


def test_what_a_commit_planted_is_taken_out_and_nothing_is_reached_through_a_link(tmp_path: Path) -> None:
    tree, outside = built(tmp_path / "tree"), tmp_path / "outside"
    file(outside / "app", ELF)
    (tree / "away").symlink_to(outside)
    file(tree / "prebuilt" / "app", ELF, mode=0o755)
    (tree / "made").symlink_to("prebuilt")
    changed = {"away/app", "prebuilt/app", "made", "src/main.rs", "gone"}

    assert freshness.leave_out(tree, changed, {"made"}) == ("made", "prebuilt/app")

    assert (outside / "app").exists()
    assert not (tree / "prebuilt" / "app").exists()
    assert not (tree / "made").is_symlink()
    assert (tree / "src" / "main.rs").exists()


def test_a_planted_file_in_a_folder_that_was_shut_goes_too(tmp_path: Path) -> None:
    file(tmp_path / "shut" / "app", ELF)
    (tmp_path / "shut").chmod(0o500)

    assert freshness.leave_out(tmp_path, {"shut/app"}, set()) == ("shut/app",)
    assert not (tmp_path / "shut" / "app").exists()


def test_a_path_that_is_too_long_to_be_looked_at_is_said(tmp_path: Path) -> None:
    with pytest.raises(TooMuch, match="4096"):
        freshness.leave_out(tmp_path, {"/".join(["d" * 200] * 21 + ["app"])}, set())


def test_a_note_names_programs_and_libraries_and_no_other_file(tmp_path: Path) -> None:
    tree = built(tmp_path)
    file(tree / "target" / "release" / "deps" / "libengine.rlib", b"!<arch>\n")
    file(tree / "target" / "release" / "app.d")
    (tree / "linked").symlink_to("target/release/app")
    file(tree / ".git" / "hooks" / "post-commit", mode=0o755)
    file(tree / "bin" / "tool", mode=0o755)

    noted = freshness.note(tree)

    assert sorted(noted) == ["bin/tool", "target/release/app", "target/release/deps/app-1f"]
    assert noted["target/release/app"] == noted["target/release/deps/app-1f"]


def test_a_program_that_is_not_the_one_noted_is_named_however_its_time_was_set(tmp_path: Path) -> None:
    tree = built(tmp_path)
    program = tree / "target" / "release" / "app"
    noted, at_ns = freshness.note(tree), age_ns(program)
    assert freshness.rewritten(tree, noted) == ()

    program.unlink()
    file(program, ELF[:-1] + b"!", at_ns=at_ns, mode=0o755)
    assert freshness.rewritten(tree, noted) == ("target/release/app",)

    program.unlink()
    program.symlink_to("deps/app-1f")
    assert freshness.rewritten(tree, noted) == ("target/release/app (gone)",)

    program.unlink()
    assert freshness.rewritten(tree, noted) == ("target/release/app (gone)",)


def test_new_programs_of_tests_do_not_count_as_rewritten(tmp_path: Path) -> None:
    tree = built(tmp_path)
    noted = freshness.note(tree)
    file(tree / "target" / "release" / "deps" / "app_tests-2e", ELF, mode=0o755)

    assert freshness.rewritten(tree, noted) == ()


def test_a_note_names_in_cargos_folders_what_came_since_the_build_began_too(tmp_path: Path) -> None:
    tree = built(tmp_path)
    deps = tree / "target" / "release" / "deps"
    before = file(deps / "libbefore.rlib", b"!<arch>\n").lstat()
    after = file(deps / "libafter.rlib", b"!<arch>\n")
    while after.lstat().st_ctime_ns == before.st_ctime_ns:
        after.touch()

    noted = freshness.note(tree, since_ns=before.st_ctime_ns)

    assert "target/release/deps/libafter.rlib" in noted
    assert "target/release/deps/libbefore.rlib" not in noted


def test_programs_that_the_bases_tests_left_may_be_linked_anew(tmp_path: Path) -> None:
    tree = built(tmp_path)
    left = file(tree / "target" / "release" / "deps" / "app_tests-2e", ELF, mode=0o755)
    noted = freshness.note(tree)
    left.unlink()
    file(left, ELF[:-1] + b"!", mode=0o755)

    assert freshness.rewritten(tree, noted) == ()


def test_whoever_waits_can_give_up_while_programs_are_read(tmp_path: Path) -> None:
    def give_up() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        freshness.note(built(tmp_path), give_up)
