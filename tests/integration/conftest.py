"""The files that take longest come first, so that no worker of a parallel run begins one when all else is done."""

from __future__ import annotations

import pytest

LONGEST_FIRST = (
    "test_chaos_lab.py",
    "service/test_failpoints.py",
    "fleet_lab/test_service_power.py",
    "fleet_lab/test_service_faults.py",
    "scaled/test_broker.py",
    "service/test_survival.py",
    "service/test_outcomes.py",
    "scaled/test_processes.py",
    "scaled/test_rabbitmq.py",
    "observing/test_watched.py",
    "test_chaos.py",
    "runner_agent/test_killed_anywhere.py",
    "fleet_lab/test_ordered_faults.py",
    "ansible/test_roles.py",
    "machines/test_faults.py",
)
"""By processor time and waiting together; the others follow as they come."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    file = item.path.as_posix()
    return next((place for place, name in enumerate(LONGEST_FIRST) if file.endswith(name)), len(LONGEST_FIRST))
