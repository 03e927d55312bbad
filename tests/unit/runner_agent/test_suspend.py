"""The interlock: what keeps a machine awake, and what becomes of a wish for sleep."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner_agent import asleep, attempts, files, journal, locks, suspend
from runner_agent.home import Home
from runner_agent.protocol import AttemptRequest, AttemptStatus, SuspendAnswer, SuspendRequest
from runner_agent.refusal import Refused
from runner_agent.suspend import Seen, Sight
from tests.orchestrator import wait_for

RUNNING = AttemptStatus(attempt_id="a", episode_id="e", fence=1, phase="running")
QUIET = Seen(attempts=(), gates=(), logins=(), no_power="", wake="armed")
WISH = SuspendRequest(how="suspend", token="t")

AGAINST = [
    (QUIET, []),
    (replace(QUIET, wake="unknown: there is no ethtool to ask"), []),
    (replace(QUIET, attempts=(replace(RUNNING, phase="cancelled"),)), []),
    (replace(QUIET, attempts=(RUNNING,)), ["live-attempt"]),
    (replace(QUIET, attempts=(replace(RUNNING, phase="awaiting-checks"),)), ["live-attempt"]),
    (replace(QUIET, attempts=(replace(RUNNING, phase="exited"),)), ["unacknowledged-result"]),
    (replace(QUIET, attempts=(replace(RUNNING, phase="dead"),)), ["unacknowledged-result"]),
    (replace(QUIET, gates=("gpu",)), ["held-gate"]),
    (replace(QUIET, logins=("maria on pts/0",)), ["operator-login"]),
    (replace(QUIET, no_power="there is no systemctl"), ["no-power-command"]),
    (replace(QUIET, wake="disarmed: eth0 has `Wake-on: d`"), ["wake-not-armed"]),
    (
        Seen(attempts=(RUNNING,), gates=("gpu",), logins=("maria on pts/0",), no_power="none", wake="disarmed: d"),
        ["live-attempt", "held-gate", "operator-login", "no-power-command", "wake-not-armed"],
    ),
]


@pytest.mark.parametrize(("seen", "kinds"), AGAINST)
def test_each_thing_that_speaks_against_sleep_is_named(seen: Seen, kinds: list[str]) -> None:
    assert [kind for kind, _ in suspend.against(seen)] == kinds


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def agent(folder: Path) -> Path:
    """The runner agent as a folder that Python can run, as it runs the packed file."""
    shutil.copytree(Path(suspend.__file__).parent, folder / "agent" / "runner_agent")
    (folder / "agent/__main__.py").write_text("import sys\nfrom runner_agent.__main__ import main\nsys.exit(main())\n")
    return folder / "agent"


def look(*command: str, logins: tuple[str, ...] = ()) -> Sight:
    return Sight(power=lambda how: (command, ""), wake=lambda mac: "armed", logins=lambda: logins)


def events(home: Home) -> list[str]:
    return [line["event"] for line in journal.read(home.power_journal)]


def awaits(home: Home, event: str) -> dict[str, Any]:
    wait_for(lambda: event in events(home), 20, lambda: str(events(home)))
    return next(line for line in journal.read(home.power_journal) if line["event"] == event)


@pytest.fixture
def asks(tmp_path: Path, home: Home) -> Callable[..., SuspendAnswer]:
    packed = agent(tmp_path)

    def ask(sight: Sight, wish: SuspendRequest = WISH) -> SuspendAnswer:
        return suspend.suspend(home, wish, packed, sight, after_s=0.0)

    return ask


def test_an_idle_machine_says_yes_and_is_put_to_sleep_by_a_process_of_its_own(
    tmp_path: Path, home: Home, asks: Callable[..., SuspendAnswer]
) -> None:
    bed = tmp_path / "bed"
    assert asks(look("sh", "-c", f"echo $PPID >{bed}")) == SuspendAnswer(accepted=True)
    awaits(home, "done")
    assert events(home) == ["accepted", "begun", "done"]
    assert int(bed.read_text()) != 0
    with pytest.raises(Refused) as refused:
        asleep.check(home)
    assert refused.value.kind == "suspending"


def test_a_wish_that_comes_again_is_not_carried_out_again(
    tmp_path: Path, home: Home, asks: Callable[..., SuspendAnswer]
) -> None:
    sight = look("sh", "-c", f"echo x >>{tmp_path}/bed")
    for token in ("t", "t", "u"):
        assert asks(sight, replace(WISH, token=token)).accepted
    awaits(home, "done")
    # The same wish, asked again once the machine has slept, would send it back to sleep.
    files.write_json(home.asleep, {**files.read_json(home.asleep), "boot_id": "an earlier boot"})
    assert asks(sight).accepted
    assert events(home) == ["accepted", "begun", "done"]
    assert (tmp_path / "bed").read_text() == "x\n"


def test_where_the_power_command_fails_attempts_are_taken_again_and_the_journal_says_why(
    home: Home, asks: Callable[..., SuspendAnswer]
) -> None:
    assert asks(look("sh", "-c", "echo no such sleep >&2; exit 3")).accepted
    assert awaits(home, "failed")["why"] == "no such sleep"
    asleep.check(home)
    assert asks(look("true")).accepted


def test_a_machine_that_woke_meanwhile_is_not_sent_to_sleep_by_a_wish_from_before(tmp_path: Path, home: Home) -> None:
    home.root.mkdir()
    asleep.set_mark(home, WISH)
    files.write_json(home.asleep, {**files.read_json(home.asleep), "slept_s": -100.0})
    assert suspend.carry_out(home, "t", ("touch", str(tmp_path / "bed")), 0.0) == 1
    assert events(home) == ["dropped"]
    assert not (tmp_path / "bed").exists()


def test_a_machine_that_says_no_says_why_and_goes_on_working(home: Home, asks: Callable[..., SuspendAnswer]) -> None:
    answer = asks(look("true", logins=("maria on pts/0", "root on tty1")))
    assert answer.refusals == ("operator-login",)
    assert answer.why == ("somebody is logged in: maria on pts/0; somebody is logged in: root on tty1",)
    assert events(home) == ["refused"]
    asleep.check(home)


def test_a_held_gate_keeps_it_awake_and_a_free_one_does_not(home: Home, asks: Callable[..., SuspendAnswer]) -> None:
    home.gates.mkdir(parents=True)
    holder = locks.take(home.gates / "gpu-1")
    locks.release(locks.take(home.gates / "gpu-2"))
    assert asks(look("true")).why == ("the gate gpu-1 is held",)
    locks.release(holder)
    assert asks(look("true")).accepted


def test_a_launch_under_way_keeps_it_awake(home: Home, asks: Callable[..., SuspendAnswer]) -> None:
    with attempts.exclusively(home):
        assert asks(look("true")).refusals == ("launch-in-progress",)


def test_a_result_that_was_not_collected_keeps_it_awake(home: Home, asks: Callable[..., SuspendAnswer]) -> None:
    folder = home.attempt("a")
    folder.root.mkdir(parents=True)
    files.write_json(folder.origin, {"attempt_id": "a", "episode_id": "e", "fence": 1})
    folder.dead.write_text("done\n")
    assert asks(look("true")).refusals == ("unacknowledged-result",)
    attempts.acknowledge(home, AttemptRequest(attempt_id="a", episode_id="e", fence=1))
    assert asks(look("true")).accepted


def test_the_power_command_is_the_systems_own_and_missing_where_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "systemctl").write_text("#!/bin/sh\n")
    (tmp_path / "systemctl").chmod(0o755)
    command, why = suspend.power_command("power-off", {"PATH": str(tmp_path)})
    if command is not None:
        assert command[-2:] == (str(tmp_path / "systemctl"), "poweroff")
    else:
        assert "sudo" in why


def test_a_token_may_hold_a_time(asks: Callable[..., SuspendAnswer]) -> None:
    assert asks(look("true"), replace(WISH, token="gpu01-2026-01-01T00:00:00.5+00:00")).accepted


def test_a_token_that_would_be_an_option_is_refused(asks: Callable[..., SuspendAnswer]) -> None:
    with pytest.raises(Refused) as refused:
        asks(look("true"), replace(WISH, token="--fork"))
    assert refused.value.kind == "bad-request"
