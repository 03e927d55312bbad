"""Who is talked to over SSH, and who is not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.errors import LinkError
from orchestrator.machines import host_keys, ssh_connect
from orchestrator.machines.ssh import command
from runner_agent.protocol import ReportRequest
from tests.integration.machines.conftest import Links
from tests.integration.runner_agent.rig import Rig
from tests.sshd import Sshd, make_key

ALL = ReportRequest(cursors={})


@pytest.fixture
def own_sshd(tmp_path: Path) -> Iterator[Sshd]:
    with Sshd(tmp_path / "own-sshd") as running:
        yield running


def refused(link_call: object, kind: str) -> str:
    with pytest.raises(LinkError) as failed:
        link_call()  # type: ignore[operator]
    assert failed.value.kind == kind, failed.value
    return str(failed.value)


@pytest.mark.fault(30)
def test_a_host_that_shows_another_key_is_told_nothing(linked: Links, own_sshd: Sshd) -> None:
    pinned = own_sshd.host_key
    link = linked(own_sshd)
    assert link.report(ALL).boot_id
    logins = own_sshd.logins

    own_sshd.kill_sessions()
    own_sshd.change_host_key("ed25519")
    said = refused(lambda: link.report(ALL), "host-key-changed")
    assert host_keys.read(pinned).fingerprint in said
    assert host_keys.read(own_sshd.host_key).fingerprint in said

    own_sshd.change_host_key("ecdsa")
    assert host_keys.read(pinned).fingerprint in refused(lambda: link.report(ALL), "host-key-changed")
    assert own_sshd.logins == logins
    assert "user root" not in own_sshd.log().rpartition("Server listening")[2]

    # The new key is taken once somebody has pinned it, and not before.
    assert linked(own_sshd).report(ALL).boot_id


def test_a_scan_learns_what_the_host_would_show_and_logs_in_nowhere(sshd: Sshd) -> None:
    logins = sshd.logins
    assert ssh_connect.scan("127.0.0.1", sshd.port).text == sshd.host_key
    assert sshd.logins == logins


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_keys_of_other_types_serve_as_well(linked: Links, tmp_path: Path, kind: str) -> None:
    with Sshd(tmp_path / "other", host_key_kind=kind) as other:
        key = make_key(tmp_path / "key", kind)
        other.authorize(key)
        assert linked(other, key=key).report(ALL).boot_id


def test_a_key_that_the_account_does_not_accept_is_named(linked: Links, tmp_path: Path) -> None:
    stranger = make_key(tmp_path / "stranger")
    assert str(stranger) in refused(lambda: linked(key=stranger).report(ALL), "auth-failed")


def test_a_key_file_that_cannot_serve_is_named_with_what_to_do(linked: Links, sshd: Sshd, tmp_path: Path) -> None:
    connections = sshd.connections
    assert "cannot be read" in refused(lambda: linked(key=tmp_path / "absent").report(ALL), "key-unusable")

    locked = make_key(tmp_path / "locked", passphrase="not empty")
    assert "encrypted" in refused(lambda: linked(key=locked).report(ALL), "key-unusable")

    junk = tmp_path / "junk"
    junk.write_text("no key")
    junk.chmod(0o600)
    assert "no private key" in refused(lambda: linked(key=junk).report(ALL), "key-unusable")

    junk.chmod(0o644)
    assert "chmod 600" in refused(lambda: linked(key=junk).report(ALL), "key-unusable")
    assert sshd.connections == connections


@contextmanager
def something_else(greeting: bytes) -> Iterator[int]:
    """A port where something answers that is no SSH server, again and again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        while not stop.wait(0.02):
                            connection.sendall(greeting)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(60)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("greeting", "kinds"), [(b"220 mail.example ESMTP\r\n" * 200, {"protocol"}), (b"x" * 4096, {"protocol", "timeout"})]
)
def test_what_is_no_ssh_server_is_left_within_the_bound(linked: Links, greeting: bytes, kinds: set[str]) -> None:
    with something_else(greeting) as port:
        with pytest.raises(LinkError) as failed:
            linked(port=port, limit_s=2.0).report(ALL)
        assert failed.value.kind in kinds


def test_one_forced_command_is_all_that_an_account_has_to_allow(linked: Links, rig: Rig, tmp_path: Path) -> None:
    home = tmp_path / "home"
    script = tmp_path / "only-this"
    script.write_text(command(str(home)))
    with Sshd(tmp_path / "strict", forced=f"sh {script}") as strict:
        link = linked(strict, home=home)
        # The agent's file is not there yet: bringing it goes the same way.
        assert link.hello().boot_id
        assert link.report(ALL).attempts == ()
    assert [path.suffix for path in (home / "agent").iterdir()] == [".pyz"]
