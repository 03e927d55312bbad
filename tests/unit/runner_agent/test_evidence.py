"""What a diff shows about how the work was done; the diffs are git's own."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner_agent import evidence

BEFORE = {
    "crates/vk/src/lib.rs": (
        "pub mod queue;\n#[allow(dead_code)]\nfn old() {}\n"
        "pub fn submit(n: u32) {}\npub struct Pool;\nfn private() {}\n"
    ),
    "crates/vk/src/queue.rs": "pub fn drain() {}\n",
    "ci/gpu-smoke.sh": "#!/bin/sh\nexec target/release/smoke\n",
    ".github/workflows/gpu.yml": "jobs:\n  gpu:\n    env:\n      SET_IN_WORKFLOW: 1\n",
    "tool.py": "def report():\n    pass\n\n\ndef _inner():\n    pass\n",
}


class Tree:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._git("init", "-q")
        self.write(BEFORE)
        self._git("add", "-A")
        self._git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "base")

    def write(self, files: dict[str, str]) -> None:
        for path, text in files.items():
            (self._root / path).parent.mkdir(parents=True, exist_ok=True)
            (self._root / path).write_text(text)

    def remove(self, path: str) -> None:
        (self._root / path).unlink()

    def evidence(self, campaign_env: dict[str, str] | None = None) -> dict[str, Any]:
        self._git("add", "-A")
        listed = self._git("ls-files").split("\n")
        return evidence.from_diff(self._git("diff", "--cached", "HEAD"), self.read, lambda: listed, campaign_env or {})

    def read(self, path: str) -> str | None:
        file = self._root / path
        return file.read_text() if file.is_file() else None

    def _git(self, *argv: str) -> str:
        return subprocess.run(["git", *argv], cwd=self._root, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_an_untouched_tree_shows_nothing(tree: Tree):
    assert tree.evidence() == {
        "changed": [],
        "added_env_reads": [],
        "env_set_in": {},
        "added_suppressions": [],
        "removed_public": [],
    }


def test_changed_paths_hold_new_removed_and_renamed_ones(tree: Tree):
    tree.write({"new.txt": "x", "moved.py": BEFORE["tool.py"], "crates/vk/src/queue.rs": "pub fn drain() { }\n"})
    tree.remove("tool.py")
    assert tree.evidence()["changed"] == ["crates/vk/src/queue.rs", "moved.py", "new.txt", "tool.py"]


def test_an_instrument_behind_a_variable_that_nothing_sets(tree: Tree):
    tree.write({"crates/vk/src/queue.rs": 'pub fn drain() {\n    if std::env::var("HIDDEN").is_ok() {}\n}\n'})
    shown = tree.evidence()
    assert shown["added_env_reads"] == [{"name": "HIDDEN", "path": "crates/vk/src/queue.rs", "line": 2}]
    assert shown["env_set_in"] == {"HIDDEN": []}


def test_a_variable_that_workflow_script_or_campaign_sets(tree: Tree):
    reads = "".join(
        f'    std::env::var("{name}");\n' for name in ("SET_IN_WORKFLOW", "SET_IN_SCRIPT", "SET_IN_CAMPAIGN")
    )
    tree.write(
        {
            "crates/vk/src/queue.rs": f"pub fn drain() {{\n{reads}}}\n",
            "ci/gpu-smoke.sh": "#!/bin/sh\nexport SET_IN_SCRIPT=1\nexec target/release/smoke\n",
        }
    )
    assert tree.evidence({"SET_IN_CAMPAIGN": "1"})["env_set_in"] == {
        "SET_IN_CAMPAIGN": ["campaign"],
        "SET_IN_SCRIPT": ["ci/gpu-smoke.sh"],
        "SET_IN_WORKFLOW": [".github/workflows/gpu.yml"],
    }


def test_a_switch_of_a_script_that_only_the_script_knows(tree: Tree):
    tree.write(
        {"ci/gpu-smoke.sh": '#!/bin/sh\n[ "${TRACE_GPU:-0}" = 1 ] && extra=--trace\nexec target/release/smoke $extra\n'}
    )
    shown = tree.evidence()
    assert shown["added_env_reads"] == [{"name": "TRACE_GPU", "path": "ci/gpu-smoke.sh", "line": 2}]
    assert shown["env_set_in"] == {"TRACE_GPU": []}


def test_a_variable_named_by_a_constant_in_another_new_file(tree: Tree):
    tree.write(
        {
            "crates/vk/src/config.rs": 'pub const SWITCH: &str = "HIDDEN";\n',
            "crates/vk/src/queue.rs": "pub fn drain() {\n    std::env::var(crate::config::SWITCH);\n}\n",
        }
    )
    assert [read["name"] for read in tree.evidence()["added_env_reads"]] == ["HIDDEN"]


def test_reads_that_stood_there_before_are_not_the_agents(tree: Tree, tmp_path: Path):
    tree.write({"crates/vk/src/lib.rs": BEFORE["crates/vk/src/lib.rs"] + "fn more() {}\n"})
    assert tree.evidence()["added_env_reads"] == []


def test_added_suppressions_are_told_and_moved_ones_are_not(tree: Tree):
    text = BEFORE["crates/vk/src/lib.rs"].replace("#[allow(dead_code)]\nfn old() {}\n", "")
    text += "#[allow(dead_code)]\nfn old() {}\n#[\n    allow(unused)\n]\nfn new() {}\n// #[allow(x)]\n#![expect(y)]\n"
    tree.write(
        {
            "crates/vk/src/lib.rs": text,
            "tool.py": "def report():\n    pass  # type: ignore\n\n\ndef _inner():\n    pass\n",
        }
    )
    assert tree.evidence()["added_suppressions"] == [
        {"path": "crates/vk/src/lib.rs", "line": 7, "text": "#["},
        {"path": "crates/vk/src/lib.rs", "line": 12, "text": "#![expect(y)]"},
        {"path": "tool.py", "line": 2, "text": "pass  # type: ignore"},
    ]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("a.rs", "#[cfg_attr(not(test), allow(dead_code))]"),
        ("a.rs", '#[ignore = "slow"]'),
        ("a.c", '#pragma GCC diagnostic ignored "-Wunused"'),
        ("a.cpp", "int x; // NOLINT"),
        ("a.sh", "# shellcheck disable=SC2086"),
        ("ci/lint.sh", "cargo clippy -- -D warnings -A clippy::all"),
        ("a.ts", "// @ts-ignore"),
        ("a.go", "var x int //nolint"),
        ("Cargo.toml", 'dead_code = "allow"'),
        ("Cargo.toml", 'dead_code = { level = "allow", priority = 1 }'),
        (".cargo/config.toml", 'rustflags = ["-Adead_code"]'),
        (".cargo/config.toml", 'rustflags = ["-A", "x", "--cap-lints=allow"]'),
        (".github/workflows/gpu.yml", 'RUSTFLAGS: "-A dead_code"'),
    ],
)
def test_every_way_to_silence_a_tool_counts(tree: Tree, path: str, line: str):
    tree.write({path: f"{line}\n"})
    assert tree.evidence()["added_suppressions"] == [{"path": path, "line": 1, "text": line}]


def test_removed_public_items_are_told_and_changed_or_moved_ones_are_not(tree: Tree):
    tree.write(
        {
            "crates/vk/src/lib.rs": "pub mod queue;\npub async fn submit(n: u64) {}\n",
            "tool.py": "",
        }
    )
    tree.remove("crates/vk/src/queue.rs")
    tree.write({"crates/vk/src/ring.rs": "    pub const unsafe fn drain() {}\n"})
    assert tree.evidence()["removed_public"] == [
        {"path": "crates/vk/src/lib.rs", "text": "pub struct Pool;"},
        {"path": "tool.py", "text": "def report():"},
    ]


def test_an_item_made_private_is_removed(tree: Tree):
    tree.write({"crates/vk/src/queue.rs": "pub(crate) fn drain() {}\n"})
    assert tree.evidence()["removed_public"] == [{"path": "crates/vk/src/queue.rs", "text": "pub fn drain() {}"}]


def test_a_diff_whose_tree_is_gone_is_read_by_itself():
    diff = 'diff --git a/a.rs b/a.rs\n@@ -5,0 +6,2 @@\n+env::var("HIDDEN");\n+#[allow(x)]\n'
    shown = evidence.from_diff(diff, lambda path: None, list, {})
    assert shown["added_env_reads"] == [{"name": "HIDDEN", "path": "a.rs", "line": 6}]
    assert shown["added_suppressions"][0]["line"] == 7


def test_lists_are_bounded():
    lines = "".join(f'+env::var("V{n}"); #[allow(a{n})]\n' for n in range(3000))
    shown = evidence.from_diff(f"diff --git a/a.rs b/a.rs\n@@ -0,0 +1,3000 @@\n{lines}", lambda path: None, list, {})
    assert len(shown["added_env_reads"]) == len(shown["added_suppressions"]) == evidence.LISTED


parts = st.sampled_from(
    [
        "diff --git a/a.rs b/a.rs\n",
        "@@ -1 +1,3 @@\n",
        "+",
        "-",
        " ",
        "pub fn x()",
        'env::var("A")',
        "#[allow(",
        "\n",
        "\\",
        '"',
        "é",
    ]
)


@given(st.lists(parts), st.one_of(st.none(), st.text()))
def test_any_diff_and_any_tree_can_be_read(lines: list[str], text: str | None):
    evidence.from_diff("".join(lines), lambda path: text, lambda: ["ci/x.sh", "a.rs"], {"A": "1"})


@pytest.mark.parametrize("path", ["a.rs", "a.py", "a.h", "a.sh", "a.yml", "Cargo.toml", "Dockerfile"])
@pytest.mark.parametrize(
    "unit",
    [
        "env",
        "pub ",
        "#[",
        "# ",
        "a::",
        "X ",
        "$XYZ ",
        "for ",
        "int a ",
        "env: {",
        "A: 1\n",
        "\n",
        "A=$A ",
        "#[cfg_attr(",
        "fn a(a: b) {",
        "fn a<a>(a: ",
        "def a(a):",
        "a(char *a) {",
    ],
)
@pytest.mark.timeout(120)
def test_hostile_repetition_does_not_hang_the_reading(path: str, unit: str):
    text = unit * (50_000 // len(unit))
    lines = text.split("\n")
    diff = f"diff --git a/{path} b/{path}\n@@ -0,0 +1,{len(lines) + 1} @@\n" + "\n".join(f"+{line}" for line in lines)
    diff += '\n+env::var("A_B") os.getenv("A_B") ${A_B}\n-' + text
    assert evidence.from_diff(diff, lambda path: text, lambda: [path], {})["changed"] == [path]
