"""One attempt on a runner whose disk becomes full before it ends.

`python -m tests.integration.runner_agent.full_disk DIR` prints what the runner says of it; DIR is to be a small disk of
its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from runner_agent import protocol
from runner_agent.protocol import LaunchSpec
from tests.integration.runner_agent.rig import Rig


def fill(path: Path) -> None:
    """To the last byte."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(os.urandom(65_536)):
            pass


def main(disk: Path) -> None:
    rig = Rig.make(disk)
    spec: LaunchSpec = rig.spec("full", "echo 11 > speed", hidden_checks=1)
    spec = replace(spec, limits=replace(spec.limits, grade_wait_s=10.0))
    rig.link.launch(spec)
    rig.wait(spec, lambda status: status.phase == "awaiting-checks")
    # More than once: what is freed meanwhile is taken, too.
    for number in range(3):
        fill(disk / f"filler-{number}")
    status = rig.end(spec)
    print(json.dumps({"status": protocol.to_json(status), "events": rig.events(spec)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
