"""Ways in which a build takes old work for new, on a package of its own, with plain cargo: for tests and a benchmark.

Each hazard is given a built base and an empty folder, and answers with what the program printed that would be measured
there without any guard, and with what the program of that tree has to print.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

FILES = {
    "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n',
    "Cargo.lock": 'version = 4\n\n[[package]]\nname = "app"\nversion = "0.1.0"\n',
    "build.rs": 'fn main() {\n    let kernels = std::fs::read_dir("kernels").unwrap().count();\n'
    '    println!("cargo::rustc-env=KERNELS={kernels}");\n}\n',
    "src/main.rs": "const SPEED: u32 = 10;\nfn main() {\n"
    '    println!("[GPU THROUGHPUT] tokens={SPEED} seconds=1 tok_s={SPEED}");\n'
    '    println!("kernels={} at={}", env!("KERNELS"), env!("CARGO_MANIFEST_DIR"));\n'
    '    println!("[MATINS TREE] {}", option_env!("MATINS_TREE").unwrap_or("none"));\n}\n',
    "kernels/a.comp": "a\n",
    "kernels/b.comp": "b\n",
    "ci/smoke.sh": "exec target/debug/app\n",
    "ci/test.sh": 'echo "running 1 test"\necho "test adds_up ... ok"\n',
    ".gitignore": "/target\n",
}
FORGED = '#!/bin/sh\necho "[GPU THROUGHPUT] tokens=99 seconds=1 tok_s=99"\n'
LONG_AGO_S = 2 * 86400.0
PROGRAM = Path("target", "debug", "app")

Seen = tuple[str, str]
Guard = Callable[[Path, set[str]], None]


def make(folder: Path) -> Path:
    """The package, built."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    cargo(folder)
    return folder


def cargo(tree: Path, env: Mapping[str, str] | None = None) -> None:
    """`cargo build` as anybody calls it, but for a target folder of the shell's."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CARGO_TARGET")}
    command = ["cargo", "build", "--quiet", "--offline"]
    subprocess.run(command, cwd=tree, env={**own, **(env or {})}, check=True, capture_output=True)


def printed(program: Path) -> str:
    """What the program prints; why it does not, if it is gone."""
    try:
        return subprocess.run([program], check=True, capture_output=True, text=True).stdout
    except FileNotFoundError:
        return "no program"


def with_speed(tree: Path, speed: int) -> None:
    path = tree / "src" / "main.rs"
    path.write_text(path.read_text().replace("SPEED: u32 = 10", f"SPEED: u32 = {speed}"))


def unguarded(_tree: Path, _changed: set[str]) -> None:
    """What a copy is given before its build by default: nothing."""


def older_content(base: Path, folder: Path, guard: Guard = unguarded) -> Seen:
    """Content from a backup or an archive comes with its old time."""
    tree = copy(base, folder / "tree")
    with_speed(tree, 5)
    past_s = (tree / "src" / "main.rs").stat().st_mtime - LONG_AGO_S
    os.utime(tree / "src" / "main.rs", (past_s, past_s))
    guard(tree, {"src/main.rs"})
    cargo(tree)
    return printed(tree / PROGRAM), "tok_s=5"


def clock_that_went_back(base: Path, folder: Path, guard: Guard = unguarded) -> Seen:
    """The base was built while the clock was ahead, so what is written now is older."""
    tree = copy(base, folder / "tree")
    shutil.rmtree(tree / "target")
    _put_ahead(tree, LONG_AGO_S)
    cargo(tree)
    _put_ahead(tree / "target", LONG_AGO_S + 60)
    with_speed(tree, 5)
    guard(tree, {"src/main.rs"})
    cargo(tree)
    return printed(tree / PROGRAM), "tok_s=5"


def removed_file(base: Path, folder: Path, guard: Guard = unguarded) -> Seen:
    """A build script that looks at a folder is not run again because one of its files is gone."""
    tree = copy(base, folder / "tree")
    (tree / "kernels" / "b.comp").unlink()
    guard(tree, {"kernels/b.comp"})
    cargo(tree)
    return printed(tree / PROGRAM), "kernels=1 "


def built_elsewhere(base: Path, folder: Path, guard: Guard = unguarded) -> Seen:
    """The build goes to another folder, and the base's program stays where it is looked for."""
    tree = copy(base, folder / "tree")
    with_speed(tree, 5)
    (tree / ".cargo").mkdir()
    (tree / ".cargo" / "config.toml").write_text(f'[build]\ntarget-dir = "{folder / "elsewhere"}"\n')
    guard(tree, {"src/main.rs", ".cargo/config.toml"})
    cargo(tree)
    return printed(tree / PROGRAM), "tok_s=5"


def committed_build(base: Path, folder: Path, guard: Guard = unguarded) -> Seen:
    """A build folder comes with the sources, and was not made of them."""
    tree = copy(base, folder / "tree")
    forge(tree / PROGRAM)
    brought = {str(path.relative_to(tree)) for path in (tree / "target").rglob("*") if path.is_file()}
    guard(tree, brought)
    cargo(tree)
    return printed(tree / PROGRAM), "tok_s=10"


def relocated(base: Path, folder: Path) -> Seen:
    """A copy at another path takes over what was built with the old one in it."""
    tree = copy(base, folder / "tree")
    cargo(tree)
    return printed(tree / PROGRAM), f"at={tree}"


def shared_target(base: Path, folder: Path) -> Seen:
    """Another tree builds into the same folder before this one is measured."""
    env = {"CARGO_TARGET_DIR": str(folder / "shared")}
    for name, speed in (("one", 5), ("two", 99)):
        tree = copy(base, folder / name)
        with_speed(tree, speed)
        cargo(tree, env)
    return printed(folder / "shared" / "debug" / "app"), "tok_s=5"


def rewritten_by_tests(base: Path, folder: Path) -> Seen:
    """Tests are code of the agent's too, and run after the build."""
    tree = copy(base, folder / "tree")
    cargo(tree)
    forge(tree / PROGRAM)
    return printed(tree / PROGRAM), "tok_s=10"


def forge(program: Path) -> None:
    """Puts another program there and into what it is linked from, with the times of the one before."""
    about = program.stat()
    program.write_text(FORGED)
    os.utime(program, ns=(about.st_atime_ns, about.st_mtime_ns))


BEFORE_A_BUILD = (older_content, clock_that_went_back, removed_file, built_elsewhere, committed_build)
"""Those that what is done to a tree before its build can cure."""
ALL = (*BEFORE_A_BUILD, relocated, shared_target, rewritten_by_tests)


def accepted(seen: Seen) -> bool:
    """Whether something was measured that the tree does not build."""
    told, expected = seen
    return "tok_s" in told and expected not in told


def _put_ahead(folder: Path, seconds: float) -> None:
    once = {path.stat().st_ino: path for path in folder.rglob("*")}
    for path in once.values():
        at_s = path.stat().st_mtime + seconds
        os.utime(path, (at_s, at_s))


def copy(base: Path, tree: Path) -> Path:
    """With all times, as a warm build needs it."""
    subprocess.run(["cp", "-a", "--", base, tree], check=True)
    return tree
