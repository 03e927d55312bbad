"""How calls over SSH are made: over one connection, by no fork's, whatever the account's shell says meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.errors import LinkError
from orchestrator.machines.ssh import SshLink, command
from orchestrator.machines.ssh_pool import CHANNELS_MOST
from runner_agent.protocol import PullRequest, ReportRequest
from tests.integration.machines.conftest import Links
from tests.integration.runner_agent.rig import Rig
from tests.orchestrator import wait_for
from tests.sshd import Sshd

ALL = ReportRequest(cursors={})
NOTHING = PullRequest(attempt_id="none", episode_id="none", fence=1)


@dataclass(frozen=True, kw_only=True)
class Shell:
    """An account whose commands are all replaced by a script."""

    script: Path
    link: SshLink

    def says(self, script: str) -> None:
        self.script.write_text(script)


@pytest.fixture(scope="module")
def odd_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sshd, Path]]:
    folder = tmp_path_factory.mktemp("odd")
    with Sshd(folder, forced=f"sh {folder}/script") as running:
        yield running, folder / "script"


@pytest.fixture
def shell(odd_sshd: tuple[Sshd, Path], linked: Links) -> Shell:
    running, script = odd_sshd
    return Shell(script=script, link=linked(running, limit_s=60.0))


def protocol_error(link: SshLink) -> str:
    with pytest.raises(LinkError) as failed:
        link.report(ALL)
    assert failed.value.kind == "protocol", failed.value
    return str(failed.value)


AS_ASKED = 'exec sh -c "$SSH_ORIGINAL_COMMAND"'


def test_a_greeting_before_the_answer_is_quoted(shell: Shell) -> None:
    shell.says(f"echo Welcome to gpu1; {AS_ASKED}")
    assert "Welcome to gpu1" in protocol_error(shell.link)


def test_a_runner_without_python_is_told_apart(shell: Shell) -> None:
    shell.says("PATH=/nowhere; python3")
    assert "python3: not found" in protocol_error(shell.link)


def test_an_answer_without_end_is_cut(shell: Shell) -> None:
    shell.says("exec cat /dev/zero")
    assert "more than" in protocol_error(shell.link)


def test_an_answer_of_a_million_brackets_is_no_answer(shell: Shell) -> None:
    shell.says("head -c 1000000 /dev/zero | tr '\\0' '['")
    assert "[[[[" in protocol_error(shell.link)


def test_much_on_standard_error_blocks_nothing(shell: Shell) -> None:
    shell.says(f"head -c 8000000 /dev/zero >&2; {AS_ASKED}")
    assert shell.link.report(ALL).boot_id


def test_an_answer_without_a_known_end_is_none(shell: Shell) -> None:
    shell.says('echo \'{"schema": "matins-link-1"}\'; kill -9 $$')
    assert "status -1" in protocol_error(shell.link)


def test_a_runner_that_does_not_keep_the_agent_has_refused_nothing(shell: Shell) -> None:
    shell.says(f"cd /; exec {command('/proc/nowhere')}")
    assert "/proc/nowhere" in protocol_error(shell.link)
    shell.says(
        """cat > /dev/null; echo '{"schema": "matins-link-1", "error": {"kind": "no-agent", "message": "gone"}}'"""
    )
    assert "does not take" in protocol_error(shell.link)


def test_what_comes_instead_of_artifacts_is_not_taken_for_them(shell: Shell) -> None:
    shell.says("head -c 100000 /dev/urandom")
    with pytest.raises(LinkError, match="no archive"), shell.link.pull(NOTHING):
        pass


def test_many_calls_at_once_share_one_connection(linked: Links, sshd: Sshd) -> None:
    link, logins = linked(), sshd.logins
    with ThreadPoolExecutor(CHANNELS_MOST + 4) as pool:
        answers = list(pool.map(link.report, [ALL] * (CHANNELS_MOST + 4)))
    assert len({answer.boot_id for answer in answers}) == 1
    assert sshd.logins == logins + 1


def test_a_connection_that_died_meanwhile_is_replaced_unnoticed(linked: Links, sshd: Sshd) -> None:
    link, logins = linked(), sshd.logins
    link.report(ALL)
    sshd.kill_sessions()
    assert link.report(ALL).boot_id
    assert sshd.logins == logins + 2


def test_an_idle_connection_is_closed(linked: Links, sshd: Sshd) -> None:
    link = linked(idle_s=0.2)
    link.report(ALL)
    wait_for(lambda: not sshd.sessions(), 20, sshd.log)
    assert link.report(ALL).boot_id


FORK = """
import os, sys
from orchestrator.domain.runner import Address
from orchestrator.machines.ssh import SshLink
from runner_agent.protocol import ReportRequest
port, user, key, host_key, home = sys.argv[1:]
link = SshLink(Address(runner="r", kind="ssh", host="127.0.0.1", port=int(port), user=user, key_path=key,
                       host_key=host_key, home=home))
ask = lambda: link.report(ReportRequest(cursors={}))
ask()
child = os.fork()
if child == 0:
    ask()
    link.close()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
ask()
"""


def test_a_fork_makes_its_own_connection_and_leaves_its_parents_alone(sshd: Sshd, rig: Rig) -> None:
    logins = sshd.logins
    argv = (str(sshd.port), sshd.user, str(sshd.key), sshd.host_key, str(rig.home.root))
    done = subprocess.run([sys.executable, "-c", FORK, *argv], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert sshd.logins == logins + 2
