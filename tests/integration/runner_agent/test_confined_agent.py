"""What a process of an episode sees, has and may do."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from runner_agent.protocol import Agent
from tests.integration.runner_agent.rig import Rig, sh

LOOK = """
for path in "$@"; do if [ -e "$path" ]; then echo "sees $path"; fi; done
for path in / /usr /etc /run/matins/agent /sys; do
    if touch "$path/written" 2> /dev/null && [ -e "$path/written" ] && [ "$path" != / ]; then echo "writes $path"; fi
done
echo "capabilities $(grep CapEff /proc/self/status | tr -d '\\t')"
echo "processes $(ls /proc | grep -c '^[0-9]')"
env | cut -d= -f1 | sort | tr '\\n' ' '
"""


def look(rig: Rig, name: str, *paths: Path, **changes: object) -> list[str]:
    argv = ["sh", "-c", LOOK, "look", *map(str, paths)]
    agent = Agent(
        kind="command", name="command:look", config={"kind": "command", "argv": argv}, secrets={"API_KEY": "s3cret"}
    )
    spec = rig.spec(name, agent=agent, build=(sh("env | cut -d= -f1 | sort | tr '\\n' ' '"),), **changes)
    rig.run(spec)
    files = rig.pull(spec)
    assert not any(b"s3cret" in content for content in files.values())
    return [*files["agent/session-1/stream.jsonl"].decode().splitlines(), files["logs/build-1.log"].decode()]


def test_an_agent_sees_neither_runner_nor_hidden_folders_and_writes_only_its_own(rig: Rig, tmp_path: Path) -> None:
    # /tmp is the sandbox's own anyway; a hidden folder has to be absent from what is shown, too.
    hidden = Path("/usr/share")
    token = tmp_path / "token"
    token.write_text("secret")
    home = Path(os.path.expanduser("~")) / ".config"
    shown = look(rig, "look", rig.home.root, token, hidden / "doc", home, Path("/etc/passwd"), hide=(str(hidden),))
    assert [line for line in shown if line.startswith(("sees", "writes"))] == ["sees /etc/passwd"]
    assert "capabilities CapEff:0000000000000000" in shown
    assert int(next(line for line in shown if line.startswith("processes")).split()[1]) < 10
    agent_names, build_names = shown[-2].split(), shown[-1].split()
    assert "API_KEY" in agent_names
    common = {"CARGO_HOME", "HOME", "LANG", "MATINS_ATTEMPT", "MATINS_TREE", "PATH", "PWD", "TMPDIR"}
    assert set(build_names) - {"RUSTUP_HOME"} == common
    assert {name for name in agent_names if name not in common} - {"RUSTUP_HOME"} == {
        "API_KEY", "MATINS_AGENT_DIR", "MATINS_PROMPT", "MATINS_SESSION", "MATINS_TURN",
    }  # fmt: skip


def test_without_network_only_the_loopback_device_is_there(rig: Rig) -> None:
    spec = rig.spec("offline", "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", network="none")
    rig.run(spec)
    assert rig.pull(spec)["agent/session-1/stream.jsonl"].split() == [b"lo"]


def test_git_configuration_hooks_and_attributes_of_the_tree_run_nothing(rig: Rig) -> None:
    script = """
    git init -q . 2> /dev/null
    printf '#!/bin/sh\\ntouch /workspace/owned\\n' > hook.sh; chmod +x hook.sh
    mkdir -p .git/hooks; for hook in pre-commit post-checkout post-index-change; do cp hook.sh .git/hooks/$hook; done
    git config core.fsmonitor /workspace/hook.sh
    git config filter.evil.clean /workspace/hook.sh; git config filter.evil.smudge /workspace/hook.sh
    git config diff.evil.textconv /workspace/hook.sh; git config diff.external /workspace/hook.sh
    echo '* filter=evil diff=evil' > .gitattributes
    """
    spec = rig.spec("hooks", script, build=(sh("test ! -e owned"),))
    status = rig.run(spec)
    assert rig.stage(status, "build") == "ok"
    assert b"owned" not in rig.pull(spec)["diff.patch"].replace(b"/workspace/owned", b"")


def test_unreadable_and_odd_files_of_an_agent_fail_nothing(rig: Rig) -> None:
    script = """
    mkdir shut nested; echo x > shut/file; chmod 000 shut; mkfifo pipe; ln -s /etc/passwd link
    (cd nested && git init -q . 2> /dev/null); echo 'ok' > "$(printf 'new\\nline')"; echo 15 > speed
    """
    spec = rig.spec("odd", script)
    status = rig.run(replace(spec, limits=spec.limits))
    assert status.exit is not None
    assert status.exit.reason == "completed"
    assert "speed" in json.loads(rig.pull(spec)["grade/evidence.json"])["changed"]
    assert not rig.home.attempt(spec.attempt_id).tree.exists()
