"""Rules for the whole run: no setting leaks in from the developer's shell, and in CI nothing may be skipped."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from tests.components import in_ci

# A slow machine is no fault of a test.
settings.register_profile("matins", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("matins")

for _name in [name for name in os.environ if name.startswith("MATINS_")]:
    del os.environ[_name]

# A shell that starts the run in the background has Ctrl-C ignored, and every program that a test starts inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _skipped.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if in_ci() and _skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if in_ci() and _skipped:
        terminalreporter.section("skips are forbidden in CI")
        for nodeid in _skipped:
            terminalreporter.line(nodeid)
