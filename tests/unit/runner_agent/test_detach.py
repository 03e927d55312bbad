"""How a supervisor is started, decided from what the machine offers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner_agent.detach import Surroundings, choose, unit_command

ROOT = Surroundings(booted=True, systemd_run="/usr/bin/systemd-run", uid=0, lingers=False, own_manager=False)
USER = replace(ROOT, uid=1000, lingers=True, own_manager=True)


@pytest.mark.parametrize(
    ("found", "way"),
    [
        (ROOT, "system-unit"),
        (USER, "user-unit"),
        # Without linger the account's own systemd ends with its last session, and the attempt with it.
        (replace(USER, lingers=False), "fork"),
        (replace(USER, own_manager=False), "fork"),
        (replace(ROOT, booted=False), "fork"),
        (replace(ROOT, systemd_run=None), "fork"),
        (replace(USER, booted=False), "fork"),
    ],
)
def test_a_unit_where_one_would_outlive_the_session_else_a_fork(found: Surroundings, way: str) -> None:
    assert choose(found) == way


COMMAND = ("/usr/bin/python3", "-I", "-S", "/home/a $b/agent.pyz", "supervise")


def test_the_call_of_systemd_run() -> None:
    assert unit_command("system-unit", "/usr/bin/systemd-run", "matins-a-1f", "a /home", COMMAND) == (
        "/usr/bin/systemd-run",
        "--quiet",
        "--no-ask-password",
        "--collect",
        "--unit=matins-a-1f",
        "--service-type=exec",
        "--property=OOMPolicy=continue",
        "--property=TasksMax=infinity",
        "--setenv=MATINS_SUPERVISOR=a /home",
        "--",
        "/usr/bin/python3",
        "-I",
        "-S",
        "/home/a $$b/agent.pyz",
        "supervise",
    )


def test_an_account_that_is_not_root_asks_its_own_systemd() -> None:
    assert unit_command("user-unit", "systemd-run", "u", "m", COMMAND)[:2] == ("systemd-run", "--user")
