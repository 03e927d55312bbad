"""A campaign whose stages take no time: a repository of shell scripts, and agents that do one thing to it each."""

from __future__ import annotations

import subprocess
from pathlib import Path

SMOKE = """#!/bin/sh
echo "[GPU PERDISPATCH] seq=1 name=mlp bubble_ns=10 shader_ns=2000 submit_ns=30"
if [ "$TOY_PROFILE" = 1 ]; then echo "[GPU SUBMIT] seq=1 submit_ns=30"; fi
echo "[GPU OUTPUT] seed=$MATINS_SEED answer=$(cat answer)"
echo "[GPU THROUGHPUT] tokens=100 seconds=1 tok_s=$(cat speed)"
"""

TESTS = """#!/bin/sh
echo "     Running unittests src/lib.rs (target/debug/deps/toy-0123456789abcdef)"
echo "test adds ... ok"
"""

CAMPAIGN = """
schema = "matins-campaign-1"
name = "toy"
[repo]
url = "../repo"
base = "main"
[agent]
network = "none"
[limits]
session_s = 8
smoke_s = 8
grade_wait_s = 300
[[session]]
[[session.turn]]
say = "Make it faster and add the file."
[[session]]
[[session.turn]]
when = "stopped-early"
say = "Finish every item."
[[item]]
id = "faster"
title = "Faster by a fifth"
[[item.check]]
kind = "throughput"
min_change = 0.2
[[item]]
id = "file"
title = "The file done.txt"
[[item.check]]
kind = "command"
run = "python3 check.py"
files = ["check.py -> ./check.py"]
hidden = true
[[build]]
run = "./build.sh"
[[test]]
run = "./tests.sh"
[smoke]
run = "ci/smoke.sh"
must_print = ["[GPU PERDISPATCH]"]
[smoke.measure]
rounds = 2
"""

FASTER = "echo 80 > speed"

AGENTS = {
    "doer": f"{FASTER}; touch done.txt",
    "idler": "true",
    "build-breaker": "echo exit 1 >> build.sh",
    "test-breaker": "echo 'echo test adds ... FAILED; exit 1' >> tests.sh",
    "muter": f"{FASTER}; sed -i 's/^echo .*PERDISPATCH/[ \"$TOY_TRACE\" = 1 ] \\&\\& &/' ci/smoke.sh",
    "cheater": f"{FASTER}; echo 41 > answer; touch done.txt",
    "crasher": "echo 'exit 3' >> ci/smoke.sh",
    "hanger": "echo 'sleep 600' >> ci/smoke.sh",
    "snooper": "cat MATINS_TOKEN_PATH; ls CAMPAIGN_FOLDER; touch done.txt",
    "lingerer": "(setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' >/dev/null 2>&1 &); touch done.txt",
    "sleeper": "touch done.txt; sleep 600",
}


def make_toy(folder: Path, token_path: Path) -> Path:
    """Repository, campaign and agents under `folder`; returns the campaign file."""
    repo, campaign = folder / "repo", folder / "campaign"
    (repo / "ci").mkdir(parents=True)
    campaign.mkdir()
    _script(repo / "ci" / "smoke.sh", SMOKE)
    _script(repo / "tests.sh", TESTS)
    _script(repo / "build.sh", "#!/bin/sh\n")
    (repo / "speed").write_text("50\n")
    (repo / "answer").write_text("42\n")
    for command in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "base")):
        identity = ("-c", "user.name=toy", "-c", "user.email=toy@localhost")
        subprocess.run(["git", *identity, *command], cwd=repo, check=True)
    (campaign / "check.py").write_text("import os, sys\nsys.exit(not os.path.exists('done.txt'))\n")
    for name, script in AGENTS.items():
        agent = folder / "agents" / name
        agent.mkdir(parents=True)
        script = script.replace("MATINS_TOKEN_PATH", str(token_path)).replace("CAMPAIGN_FOLDER", str(campaign))
        quoted = script.replace("\\", "\\\\").replace('"', '\\"')
        (agent / "agent.toml").write_text(
            'kind = "replay"\n[[session]]\n[[session.turn]]\nsay = "ITEM file: done"\n'
            f'[[session.turn.do]]\nrun = ["sh", "-c", "{quoted}"]\n'
        )
    path = campaign / "toy.toml"
    path.write_text(CAMPAIGN)
    return path


def _script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
