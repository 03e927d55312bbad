"""The repository that the episodes work on: a generated workspace, and the two scripts that stand for agent and GPU."""

from __future__ import annotations

from pathlib import Path

from tests.bench import workspace_gen

CRATES = 10
FUNCTIONS = 150

TIMED = """#!/bin/sh
# NAME COMMAND…: runs the command and says when it began and ended.
set -eu
name=$1
shift
began=$(date +%s.%N)
"$@"
echo "[SPAN] name=$name began=$began ended=$(date +%s.%N)" | tee -a "${PIPELINE_SPANS:-/dev/null}"
"""

TURN = """#!/bin/sh
# SECONDS CRATE LINE: an agent that thinks for so long and adds one line to one crate.
set -eu
sleep "$1"
sed -i "1i $3" "crates/$2/src/lib.rs"
"""


def make(folder: Path) -> tuple[str, ...]:
    """Writes and commits it; the crates that may be edited: the upper half, on which fewer build."""
    workspace_gen.write(folder, crates=CRATES, functions=FUNCTIONS)
    (folder / "ci").mkdir()
    (folder / "ci" / "timed.sh").write_text(TIMED)
    (folder / "ci" / "turn.sh").write_text(TURN)
    workspace_gen.commit(folder)
    libraries = sorted(path.parent.parent.name for path in folder.glob("crates/*/src/lib.rs"))
    return tuple(libraries[len(libraries) // 2 :])
