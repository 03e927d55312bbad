"""Searching a tree that an agent wrote."""

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from runner_agent import scan
from runner_agent.globs import BadGlob, compile_glob


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for path, text in {
        "src/a.rs": "fn a() {}\n#[allow(dead_code)]\nfn b() {}\n",
        "src/deep/b.rs": "#[\n  allow(unused)\n]\n",
        "src/c.py": "allow\n",
        ".git/config": "allow\n",
        "target/debug/out.rs": "allow\n",
        "crates/target/d.rs": "allow\n",
    }.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    return tree


def search(tree: Path, pattern: str, paths: list[str] | None = None, files: list[str] | None = None) -> dict[str, Any]:
    check = {"id": "i/1", "kind": "pattern-absent", "pattern": pattern, "paths": paths, "files": files}
    (result,) = scan.scan({"tree": str(tree), "checks": [check]})["results"]
    return result


def test_matches_are_told_by_path_line_and_text(tree: Path):
    result = search(tree, r"#\[allow\(", paths=["src/**/*.rs"])
    assert result["matches"] == [{"path": "src/a.rs", "line": 2, "text": "#[allow(dead_code)]"}]
    assert result["scanned"] == ["src/a.rs", "src/deep/b.rs"]
    assert (result["id"], result["problem"], result["notes"]) == ("i/1", "", [])


def test_a_pattern_may_span_lines_and_anchors_stand_at_line_ends(tree: Path):
    assert search(tree, r"#\[\s*allow\(", paths=["src/deep/*"])["matches"][0]["line"] == 1
    assert search(tree, r"^fn b", paths=["src/*.rs"])["matches"][0]["line"] == 3


def test_without_paths_the_whole_tree_is_searched_but_for_git_and_build_output(tree: Path):
    assert search(tree, "allow")["scanned"] == ["crates/target/d.rs", "src/a.rs", "src/c.py", "src/deep/b.rs"]


def test_build_output_is_searched_where_a_glob_names_it(tree: Path):
    assert search(tree, "allow", paths=["target/**"])["scanned"] == ["target/debug/out.rs"]


def test_named_files_are_searched_and_absent_ones_noted(tree: Path):
    result = search(tree, "allow", files=["src/a.rs", "./src/c.py", "src/gone.rs"])
    assert result["scanned"] == ["src/a.rs", "src/c.py"]
    assert result["notes"] == ["src/gone.rs: No such file or directory"]
    assert result["problem"] == ""


def test_no_named_files_means_that_nothing_is_searched(tree: Path):
    assert search(tree, "allow", files=[])["scanned"] == []


def test_links_lead_nowhere(tree: Path, tmp_path: Path):
    (tmp_path / "secret.rs").write_text("allow")
    (tree / "src/link.rs").symlink_to(tmp_path / "secret.rs")
    (tree / "out").symlink_to(tmp_path)
    globbed = search(tree, "allow", paths=["**/*.rs"])
    named = search(tree, "allow", files=["src/link.rs", "out/secret.rs", "../secret.rs", str(tmp_path / "secret.rs")])
    assert "src/link.rs" not in globbed["scanned"]
    assert named["scanned"] == []
    assert len(named["notes"]) == 4


def test_pipes_and_folders_are_not_read(tree: Path):
    os.mkfifo(tree / "src/pipe.rs")
    result = search(tree, "allow", files=["src/pipe.rs", "src"])
    assert (result["scanned"], len(result["notes"])) == ([], 2)


def test_a_byte_that_makes_a_file_binary_hides_nothing(tree: Path):
    (tree / "src/a.rs").write_bytes(b"// \0\xff\n#[allow(x)]\n")
    result = search(tree, r"#\[allow", files=["src/a.rs"])
    assert result["matches"][0]["line"] == 2
    assert result["notes"] == ["src/a.rs: searched although it is binary"]


def test_a_file_too_large_to_search_is_a_problem_since_it_may_hide_anything(tree: Path):
    (tree / "src/a.rs").write_bytes(b"x" * (scan.FILE_BYTES + 1))
    assert search(tree, "allow", files=["src/a.rs"])["problem"].startswith(
        "too large to search (over 4194304 bytes): src/a.rs"
    )


def test_matches_are_bounded_and_said_to_be(tree: Path):
    (tree / "src/a.rs").write_text("allow " * 1000 + "\n" + "y" * 10_000)
    result = search(tree, "allow|y+", files=["src/a.rs"])
    assert len(result["matches"]) == scan.MATCHES
    assert len(result["matches"][0]["text"]) <= scan.TEXT_CHARS
    assert result["notes"] == ["more than 200 matches; the first 200 are shown"]


@pytest.mark.parametrize(("pattern", "paths"), [("(", ["**"]), ("a", ["[z-a]"])])
def test_a_bad_pattern_or_glob_is_a_problem_of_its_check_alone(tree: Path, pattern: str, paths: list[str]):
    checks = [{"id": "a", "pattern": pattern, "paths": paths}, {"id": "b", "pattern": "fn", "paths": ["src/a.rs"]}]
    bad, good = scan.scan({"tree": str(tree), "checks": checks})["results"]
    assert bad["problem"].startswith("the check cannot be run: ")
    assert (len(good["matches"]), good["problem"]) == (2, "")


def test_names_that_are_no_text_can_be_told(tree: Path):
    (tree / os.fsdecode(b"src/\xff.rs")).write_text("allow")
    json.dumps(search(tree, "allow", paths=["src/*"]), ensure_ascii=False).encode()


def test_a_path_through_a_linked_tree_is_still_the_tree(tree: Path, tmp_path: Path):
    (tmp_path / "alias").symlink_to(tree)
    assert search(tmp_path / "alias", "fn a", files=["src/a.rs"])["scanned"] == ["src/a.rs"]


def test_the_sub_verb_reads_a_request_and_writes_results(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    request = {"tree": str(tree), "checks": [{"id": "a", "pattern": "fn", "paths": None, "files": ["src/a.rs"]}]}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(request)))
    assert scan.main() == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["scanned"] == ["src/a.rs"]


def test_the_sub_verb_refuses_what_is_no_request(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "stdin", io.StringIO("{"))
    assert scan.main() == 2
    assert "the request cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("glob", "taken", "left"),
    [
        ("*.rs", ["a.rs"], ["src/a.rs", "a.rsx"]),
        ("**/*.rs", ["a.rs", "src/a.rs", "src/b/a.rs"], ["a.py"]),
        ("src/**", ["src/a", "src/b/c"], ["src", "lib/a"]),
        ("src/", ["src/a", "src/b/c"], ["src2/a"]),
        ("./src/?.rs", ["src/a.rs"], ["src/ab.rs"]),
        ("src/[ab].rs", ["src/a.rs"], ["src/c.rs"]),
        ("src/[!ab].rs", ["src/c.rs"], ["src/a.rs", "src//.rs"]),
        ("a+b(c).rs", ["a+b(c).rs"], ["aab(c).rs"]),
        ("src/**/**/a.rs", ["src/a.rs", "src/x/y/a.rs"], ["a.rs"]),
        ("[", ["["], []),
        ("a[]]b", ["a]b"], ["ab"]),
    ],
)
def test_globs_know_folders(glob: str, taken: list[str], left: list[str]):
    pattern = compile_glob(glob)
    assert [path for path in [*taken, *left] if pattern.fullmatch(path)] == taken


def test_a_glob_that_cannot_be_understood_is_refused():
    with pytest.raises(BadGlob):
        compile_glob("[z-a]")


def test_many_stars_cost_no_more_than_few():
    assert compile_glob("**" * 200 + "/x").fullmatch("a/" * 2000) is None
    assert compile_glob("**/" * 200 + "x").fullmatch("a/" * 2000) is None


@pytest.mark.parametrize("pattern", [r"(?:a+)+c", r"(?:a|b|ab)*c"])
def test_a_pattern_that_takes_too_long_is_stopped_and_the_file_is_named(tree: Path, pattern: str):
    (tree / "src/z.rs").write_text("ab" * 20 + "a" * 4000)
    check = {"id": "i/1", "kind": "pattern-absent", "pattern": pattern, "paths": ["src/*"], "files": None}
    (result,) = scan.scan({"tree": str(tree), "checks": [check]}, cpu_s=0.2)["results"]
    assert result["problem"] == "the expression took too long in src/z.rs: over 0.2 s in all"
