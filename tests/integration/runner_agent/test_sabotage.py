"""An agent that fares badly must not get out of its verdict: whatever it leaves behind, the attempt is judged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner_agent.files import remove_tree
from runner_agent.protocol import Check, Item, LaunchSpec, Session, Turn
from tests.integration.runner_agent.rig import Rig, checks, overlay, request, sh

PASSING = 'echo "running 1 test"; echo "test adds_up ... ok"\\n'


def judged(rig: Rig, spec: LaunchSpec) -> dict[str, Any]:
    """The end of the attempt and its evidence, once it came to its end as any other."""
    status = rig.run(spec)
    assert status.exit is not None
    assert (status.exit.reason, status.exit.graded, status.exit.packed) == ("completed", True, True), status.detail
    return json.loads(rig.pull(spec)["grade/evidence.json"])


DEEP = """python3 -c "
import os
for _ in range(3000): os.mkdir('d'); os.chdir('d')" """
FILE_FOR_FOLDER = "rm -rf ci; echo x > ci; rm built; : > .gitignore; mkdir -p built/x; echo > built/x/y"
MANY = """python3 -c "
for n in range(20000): open('f' * 240 + str(n), 'w').close()" """


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("shut-tree", "chmod 000 /workspace"),
        ("dangling-home", "rm -rf $HOME; ln -s /nowhere $HOME"),
        ("shut-scratch", "rm -rf $TMPDIR; touch $TMPDIR; chmod 000 /run/matins/scratch"),
        ("encoding", "echo '*.txt working-tree-encoding=UTF-16' > .gitattributes; echo a > new.txt"),
        ("file-for-folder", FILE_FOR_FOLDER),
        ("deep", DEEP),
    ],
)
def test_what_a_session_leaves_is_recorded_and_judged(rig: Rig, name: str, script: str) -> None:
    check = Check(id="p", item="fast", kind="pattern-absent", pattern="never", paths=("**",))
    twice = (Session(turns=(Turn(say="Do it."), Turn(say="Go on."))), Session(turns=(Turn(say="Go on."),)))
    spec = rig.spec(name, f"echo 11 > speed; {script}; true", sessions=twice, checks=(check,))
    try:
        evidence = judged(rig, spec)
        assert "speed" in evidence["changed"]
        rig.link.acknowledge(request(spec))
        assert [path.name for path in rig.home.attempt(spec.attempt_id).root.iterdir()] == ["acknowledged.json"]
    finally:
        # What is nested so deep would break the next run's own tidying up.
        remove_tree(rig.home.attempt(spec.attempt_id).root)


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("link-home", "rm -rf $HOME; ln -s /nowhere $HOME"),
        ("shut-root", "chmod 000 /workspace"),
        ("shut-folder", "echo changed > ci/smoke.sh; chmod 000 ci"),
        ("shut-file", "touch -d 2001-01-01 speed; chmod 000 speed"),
        ("overlay", "echo garbage > /run/matins/scratch/overlay/kept; rm -rf checks; touch checks; chmod 500 ."),
    ],
)
def test_what_the_agents_own_tests_do_ends_no_attempt(rig: Rig, name: str, script: str) -> None:
    """Build and tests run the agent's code too, also while a hidden check is laid over the tree."""
    agent = f"cat > ci/test.sh <<'X'\n{PASSING}{script}\nX\n"
    spec = rig.spec(f"judged-{name}", agent, hidden_checks=2, items=(Item(id="fast", title="x"),), lint=())
    rig.link.launch(spec)
    rig.wait(spec, lambda status: status.phase == "awaiting-checks")
    file = overlay("checks/hidden.sh", "sh ci/test.sh; true\n")
    command = sh("sh checks/hidden.sh")
    hidden = [Check(id=f"h{n}", item="fast", kind="command", command=command, files=(file,)) for n in (1, 2)]
    rig.link.grade(checks(spec, *hidden))
    status = rig.end(spec)
    assert status.exit is not None
    assert (status.exit.reason, status.exit.graded) == ("completed", True), status.detail
    evidence = json.loads(rig.pull(spec)["grade/evidence.json"])
    assert [check["ran"] for check in evidence["checks"]] == [True, True]


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("attribute", "echo '* -diff' > .gitattributes"),
        ("nul", "printf '// \\0\\n' > source.rs"),
    ],
)
def test_no_attribute_and_no_nul_byte_hides_what_was_added(rig: Rig, name: str, script: str) -> None:
    spec = rig.spec(f"hidden-{name}", f"{script}; echo '#[allow(dead_code)]' >> source.rs")
    evidence = judged(rig, spec)
    assert [found["text"] for found in evidence["added_suppressions"]] == ["#[allow(dead_code)]"]


def test_a_diff_that_was_cut_off_says_so(rig: Rig) -> None:
    spec = rig.spec("flood-diff", "yes | head -c 3000000 > aaa.txt; echo '#[allow(dead_code)]' > zzz.rs")
    evidence = judged(rig, spec)
    assert "diff.patch is not whole" in str(evidence["problems"])


def test_more_changed_files_than_can_be_listed_leave_no_pattern_check_that_passes(rig: Rig) -> None:
    check = Check(id="p", item="fast", kind="pattern-absent", pattern="never", opened=True)
    evidence = judged(rig, rig.spec("many", MANY, checks=(check,)))
    assert evidence["checks"][0]["problem"]
    assert "more files than can be listed" in str(evidence["problems"])


def test_an_agent_cannot_take_back_what_it_said(rig: Rig) -> None:
    """Its output is a pipe: there is no file of ours behind its descriptors that it could cut off or write over."""
    twice = (Session(turns=(Turn(say="Do it."), Turn(say="Go on."))),)
    script = "echo REFUSED; for n in 1 2; do truncate -s 0 /proc/self/fd/$n; done 2>/dev/null; echo again; true"
    spec = rig.spec("rewriter", script, sessions=twice)
    judged(rig, spec)
    assert rig.pull(spec)["agent/session-1/stream.jsonl"].count(b"REFUSED") == 2
