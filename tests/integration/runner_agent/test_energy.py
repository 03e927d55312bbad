"""The energy that a real runner reports, counted from an operator's hook."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orchestrator.machines import agent_file
from orchestrator.machines.local import LocalLink
from runner_agent.protocol import Meter, ReportRequest
from tests.orchestrator import wait_for

WATTS = 100.0
LIMIT_S = 60.0
ASKED = ReportRequest(cursors={})


def samplers(home: Path) -> list[int]:
    """The processes that sample, or are about to see that another does."""
    words = [b"meter", b"--home", str(home).encode()]
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "cmdline").read_bytes().split(b"\0")[-4:-1] == words:
                found.append(int(folder.name))
    return found


def test_many_reports_at_once_and_a_killed_sampler_neither_double_nor_lower_what_a_hook_counts(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    hook = home / "power-hook"
    hook.write_text(f"#!/bin/sh\necho watts={WATTS}\n")
    hook.chmod(0o755)
    agent_file.place(agent_file.build(), home / "agent")
    link = LocalLink(home)
    began_s = time.monotonic()
    seen: list[Meter] = []

    def report(times: int) -> None:
        with ThreadPoolExecutor(times) as pool:
            told = [report.meter for report in pool.map(link.report, [ASKED] * times)]
        seen.extend(sorted((meter for meter in told if meter is not None), key=lambda meter: meter.covered_s))

    def covers_more_than(seconds: float) -> bool:
        report(1)
        return bool(seen) and seen[-1].covered_s > seconds

    report(4)
    wait_for(lambda: covers_more_than(0.0), LIMIT_S, lambda: f"{seen[-3:]}")
    for pid in samplers(home):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    report(1)
    before_s = seen[-1].covered_s
    wait_for(lambda: covers_more_than(before_s), LIMIT_S, lambda: f"{seen[-3:]}")

    last = seen[-1]
    assert last.whole
    assert set(last.joules) == {"plug"}
    for epoch in {meter.epoch for meter in seen}:
        counted = [meter.joules["plug"] for meter in seen if meter.epoch == epoch]
        assert counted == sorted(counted)
    assert abs(last.joules["plug"] - WATTS * last.covered_s) < 1e-6 * last.joules["plug"]
    assert last.covered_s <= time.monotonic() - began_s
    readings = link.report(ASKED).readings
    assert readings
    assert readings.power_w in (WATTS, None)
