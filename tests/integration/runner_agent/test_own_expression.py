"""A campaign's own regular expression reads the smoke log in the sandbox, in a process that a clock can stop."""

from __future__ import annotations

import json
from pathlib import Path

from runner_agent.protocol import Smoke
from tests.integration.runner_agent.rig import Rig, sh


def test_a_campaign_s_own_expression_reads_the_smoke_log(tmp_path: Path) -> None:
    rig = Rig.make(tmp_path)
    own = Smoke(command=sh("echo speed 41.5; echo speed none"), throughput=r"speed (?P<tok_s>\S+)", dispatches="")
    spec = rig.spec("own-expression", smoke=own)
    status = rig.run(spec)
    assert rig.stage(status, "smoke") == "ok"
    runs = [json.loads(line) for line in rig.pull(spec)["smoke/throughput.jsonl"].splitlines()]
    assert {run["side"] for run in runs} == {"baseline", "candidate"}
    assert {run["tok_s"] for run in runs} == {41.5}
    assert not [event for event in rig.events(spec) if event["event"] == "expression-stopped"]
