"""The decision of how a process is confined, against literal command lines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from runner_agent.confinement import Bind, Bounds, Place, Role, SandboxUnavailable, Wish, plan_process
from runner_agent.machine import Entry, Machine, siblings_of

MACHINE = Machine(
    bwrap="/usr/bin/bwrap",
    python="/usr/bin/python3.11",
    entries=(
        Entry(name="bin", link="usr/bin"),
        Entry(name="dev"),
        Entry(name="etc"),
        Entry(name="home"),
        Entry(name="opt"),
        Entry(name="proc"),
        Entry(name="root"),
        Entry(name="run"),
        Entry(name="tmp"),
        Entry(name="usr"),
    ),
    home="/home/ada",
    homes=("/home", "/home/ada"),
    toolchains=("/home/ada/.cargo/bin", "/home/ada/.rustup"),
    secret_files=("/etc/shadow",),
    secret_folders=("/etc/ssh",),
    devices=("/dev/dri",),
    resolver=None,
    path=("/home/ada/.cargo/bin", "/usr/bin"),
    rustup_home="/home/ada/.rustup",
    uid=1001,
    gid=1002,
    cores=(0, 1, 2, 3),
)
WISH = Wish(role="agent", argv=("agent", "--print"), tree="/h/tree", scratch="/h/scratch")
BOUNDS = Bounds(hide=("/opt/matins", "/home/ada/.matins"), processes=100, file_bytes=1000)


def pairs(argv: tuple[str, ...], option: str, values: int = 1) -> list[tuple[str, ...]]:
    return [argv[n + 1 : n + 1 + values] for n, word in enumerate(argv) if word == option]


def test_the_whole_command_line_of_an_agent_without_network() -> None:
    assert " ".join(plan_process(MACHINE, WISH, BOUNDS).argv) == (
        "/usr/bin/bwrap --unshare-user --uid 1001 --gid 1002 --unshare-pid --unshare-ipc --unshare-uts"
        " --hostname runner --unshare-net --cap-drop ALL --die-with-parent --new-session"
        " --symlink usr/bin /bin --ro-bind /etc /etc --ro-bind /opt /opt --ro-bind /usr /usr"
        " --proc /proc --dev /dev"
        " --tmpfs /tmp --tmpfs /run --tmpfs /var/tmp --tmpfs /home --tmpfs /home/ada"
        " --ro-bind /home/ada/.cargo/bin /home/ada/.cargo/bin --ro-bind /home/ada/.rustup /home/ada/.rustup"
        " --tmpfs /etc/ssh --tmpfs /opt/matins --ro-bind /dev/null /etc/shadow"
        " --bind /h/tree /workspace --bind /h/scratch /run/matins/scratch --chdir /workspace -- agent --print"
    )


def test_the_environment_is_built_from_nothing_and_what_was_asked_for() -> None:
    assert plan_process(MACHINE, replace(WISH, env={"KEY": "value"}), BOUNDS).env == {
        "PATH": "/home/ada/.cargo/bin:/usr/bin",
        "HOME": "/run/matins/scratch/home",
        "TMPDIR": "/run/matins/scratch/tmp",
        "CARGO_HOME": "/run/matins/scratch/cargo",
        "LANG": "C.UTF-8",
        "RUSTUP_HOME": "/home/ada/.rustup",
        "KEY": "value",
    }


def test_what_steers_a_loader_reaches_the_confined_program_only() -> None:
    plan = plan_process(MACHINE, replace(WISH, env={"LD_PRELOAD": "/workspace/x.so"}), BOUNDS)
    assert "LD_PRELOAD" not in plan.env
    assert pairs(plan.argv, "--setenv", 2) == [("LD_PRELOAD", "/workspace/x.so")]


def test_a_machine_without_bubblewrap_runs_nothing() -> None:
    with pytest.raises(SandboxUnavailable, match=r"SANDBOX_UNAVAILABLE.*install the package `bubblewrap`"):
        plan_process(replace(MACHINE, bwrap=None), WISH, BOUNDS)


def test_a_hidden_folder_at_the_top_is_not_shown_at_all() -> None:
    argv = plan_process(MACHINE, WISH, replace(BOUNDS, hide=("/opt",))).argv
    assert "/opt" not in argv


def test_a_hidden_folder_inside_a_toolchain_is_covered_and_a_hidden_toolchain_absent() -> None:
    inside = plan_process(MACHINE, WISH, replace(BOUNDS, hide=("/home/ada/.rustup/tmp",))).argv
    assert ("/home/ada/.rustup/tmp",) in pairs(inside, "--tmpfs")
    plan = plan_process(MACHINE, WISH, replace(BOUNDS, hide=("/home/ada/.cargo",)))
    assert not any(part.startswith("/home/ada/.cargo") for part in plan.argv)
    assert plan.env["PATH"] == "/usr/bin"


def test_names_that_only_begin_like_a_hidden_folder_stay() -> None:
    machine = replace(MACHINE, entries=(*MACHINE.entries, Entry(name="optional")))
    argv = plan_process(machine, WISH, replace(BOUNDS, hide=("/opt",))).argv
    assert ("/optional", "/optional") in pairs(argv, "--ro-bind", 2)


def test_network_is_kept_only_when_it_was_asked_for() -> None:
    assert "--unshare-net" not in plan_process(MACHINE, replace(WISH, network="full"), BOUNDS).argv


def test_a_tree_that_is_only_read_is_bound_read_only_and_binds_come_last() -> None:
    wish = replace(WISH, tree_writable=False, binds=(Bind(source="/h/shadow", target="/run/matins/s", writable=True),))
    argv = plan_process(MACHINE, wish, BOUNDS).argv
    assert ("/h/tree", "/workspace") in pairs(argv, "--ro-bind", 2)
    assert pairs(argv, "--bind", 2) == [("/h/scratch", "/run/matins/scratch"), ("/h/shadow", "/run/matins/s")]


def test_root_does_not_stay_root_inside() -> None:
    argv = plan_process(replace(MACHINE, uid=0, gid=0), WISH, BOUNDS).argv
    assert (pairs(argv, "--uid"), pairs(argv, "--gid")) == ([("1000",)], [("1000",)])


def test_the_resolver_behind_a_link_into_run_is_shown() -> None:
    real = "/run/systemd/resolve/stub-resolv.conf"
    argv = plan_process(replace(MACHINE, resolver=real), WISH, BOUNDS).argv
    assert argv.index("/run") < argv.index(real)


@pytest.mark.parametrize(("role", "niceness"), [("agent", 10), ("build", 10), ("tool", 10), ("smoke", 0)])
def test_all_but_what_is_measured_stand_back(role: Role, niceness: int) -> None:
    plan = plan_process(MACHINE, replace(WISH, role=role), BOUNDS)
    assert (plan.niceness, plan.place) == (niceness, Place())
    assert (plan.processes, plan.file_bytes) == (100, 1000)


def test_where_memory_runs_out_what_is_measured_goes_after_agents_and_builds() -> None:
    agent, build, tool, smoke = (
        plan_process(MACHINE, replace(WISH, role=role), BOUNDS).out_of_memory for role in get_args(Role)
    )
    assert 1000 > agent == build > tool == smoke > 0


def test_a_process_is_started_where_it_was_told() -> None:
    place = Place(cores=(3,), idle=True)
    assert plan_process(MACHINE, WISH, BOUNDS, place).place == place


@pytest.mark.parametrize(
    ("role", "without", "with_gpu"),
    [("agent", False, True), ("build", False, True), ("tool", False, True), ("smoke", True, True)],
)
def test_only_the_smoke_test_has_a_device_and_what_asks_for_it(role: Role, without: bool, with_gpu: bool) -> None:
    plans = [plan_process(MACHINE, replace(WISH, role=role, gpu=gpu), BOUNDS) for gpu in (False, True)]
    assert [bool(pairs(plan.argv, "--dev-bind", 2)) for plan in plans] == [without, with_gpu]


def test_what_an_agent_sets_in_its_environment_reaches_its_command_and_not_bubblewrap() -> None:
    plan = plan_process(MACHINE, replace(WISH, env={"KEY": "k"}, own_env={"LOCPATH": "/workspace"}), BOUNDS)
    assert (plan.env["KEY"], "LOCPATH" in plan.env) == ("k", False)
    assert pairs(plan.argv, "--setenv", 2) == [("LOCPATH", "/workspace")]


def test_programs_that_are_shown_come_first_on_the_path_and_a_command_runs_where_it_was_asked_for() -> None:
    plan = plan_process(MACHINE, replace(WISH, programs=("/run/matins/bin",), cwd="/workspace/crates"), BOUNDS)
    assert plan.env["PATH"].startswith("/run/matins/bin:/home/ada/.cargo/bin")
    assert pairs(plan.argv, "--chdir") == [("/workspace/crates",)]


@pytest.mark.parametrize(
    ("lists", "cores", "siblings"),
    [
        ({0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3"}, (0, 1, 2, 3), ((0, 1), (2, 3))),
        ({0: "0,4", 1: "1,5", 4: "0,4", 5: "1,5"}, (0, 1, 4, 5), ((0, 4), (1, 5))),
        ({0: "0,4", 1: "1,5"}, (0, 1), ((0,), (1,))),
        ({0: "nonsense"}, (0, 7), ((0,), (7,))),
    ],
)
def test_the_threads_of_a_core_are_found_among_those_that_may_be_used(
    tmp_path: Path, lists: dict[int, str], cores: tuple[int, ...], siblings: tuple[tuple[int, ...], ...]
) -> None:
    for core, text in lists.items():
        path = tmp_path / f"cpu{core}" / "topology" / "thread_siblings_list"
        path.parent.mkdir(parents=True)
        path.write_text(f"{text}\n")
    assert siblings_of(cores, tmp_path) == siblings
