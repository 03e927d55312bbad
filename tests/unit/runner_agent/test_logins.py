"""Who counts as logged in."""

from __future__ import annotations

from runner_agent import logins
from runner_agent.logins import Process

AGENT = "/usr/bin/python3.11 -I -S /home/m/.matins-runner/agent/agent-0123456789abcdef.pyz report --home /home/m"
DOOR = 'python3 -I -S -c """The one program…""" SCHEMA = "matins-link-1" .matins-runner'


def record(kind: int, pid: int, line: str, user: str) -> bytes:
    return logins.RECORD.pack(kind, pid, line.encode(), b"", user.encode(), b"").ljust(logins.RECORD_BYTES, b"\0")


def alive(*found: Process) -> dict[int, Process]:
    return {process.pid: process for process in found}


def test_a_login_record_counts_while_its_process_lives() -> None:
    records = record(7, 10, "pts/0", "maria") + record(7, 11, "tty1", "old") + record(6, 12, "tty2", "LOGIN")
    assert logins.recorded(records + b"torn", frozenset({10, 12})) == ["maria on pts/0"]


def test_a_session_counts_that_has_a_terminal_or_a_screen() -> None:
    def told(**fields: str) -> str:
        return logins.session("\n".join(f"{name}={value}" for name, value in fields.items()), frozenset({7}))

    assert told(UID="1000", USER="maria", CLASS="user", TTY="pts/0", LEADER="7", STATE="active") == "maria on pts/0"
    assert told(UID="1000", USER="maria", CLASS="user", TYPE="wayland", STATE="online") == "maria on wayland"
    assert told(UID="1000", USER="maria", CLASS="user", TYPE="tty", SERVICE="sshd", STATE="active") == ""
    assert told(UID="110", USER="gdm", CLASS="greeter", TTY="tty1", STATE="online") == ""
    assert told(UID="1000", USER="maria", CLASS="user", TTY="pts/0", LEADER="8", STATE="active") == ""
    assert told(UID="1000", USER="maria", CLASS="user", TTY="pts/0", LEADER="7", STATE="closing") == ""


def test_an_ssh_session_with_a_terminal_is_somebody() -> None:
    found = alive(Process(pid=5, parent=1, command="sshd: maria@pts/3"))
    assert logins.over_ssh(found, 99) == ["maria on pts/3"]


def test_an_ssh_command_that_is_not_the_agent_is_somebody() -> None:
    found = alive(
        Process(pid=5, parent=1, command="sshd-session: maria@notty"),
        Process(pid=6, parent=5, command="rsync --server . /data"),
    )
    assert logins.over_ssh(found, 99) == ["maria over ssh, running 'rsync --server . /data'"]


def test_the_orchestrators_connections_are_nobody() -> None:
    found = alive(
        Process(pid=1, parent=0, command="/sbin/init"),
        # An idle connection, one that asks for a report, one that just came to the door.
        Process(pid=5, parent=1, command="sshd: matins@notty"),
        Process(pid=6, parent=1, command="sshd: matins@notty"),
        Process(pid=7, parent=6, command=AGENT),
        Process(pid=8, parent=1, command="sshd: matins@notty"),
        Process(pid=9, parent=8, command=DOOR),
        # The way by which this very question came, whatever shell lies between.
        Process(pid=20, parent=1, command="sshd: matins [priv]"),
        Process(pid=21, parent=20, command="sshd: matins@notty"),
        Process(pid=22, parent=21, command="fish -c whatever"),
        Process(pid=23, parent=22, command="python3 something"),
    )
    assert logins.over_ssh(found, 23) == []


def test_a_process_without_a_command_line_is_over() -> None:
    found = alive(Process(pid=5, parent=1, command="sshd: m@notty"), Process(pid=6, parent=5, command=""))
    assert logins.over_ssh(found, 99) == []
