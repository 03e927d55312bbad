"""Messages of a real server, through the real apprise, to a service on loopback that is not always well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.orchestrator import Orchestrator, wait_for
from tests.receiver import Receiver

WITHIN_S = 60.0


def test_a_message_arrives_once_after_refusal_and_death_and_no_secret_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No disk is all free, so with that bound the condition holds from the start; without one it is over."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    home = tmp_path / "home"
    with Receiver(refusing=1) as receiver:
        matins = Orchestrator(
            home, notify=receiver.url, notify_on="disk-filling", notify_every_s="0", log_level="debug", tick_s="0.3"
        )
        try:
            matins.start(disk_free_min_ratio="1")
            # Killed before it has noted that it was sent, it would send it once more.
            wait_for(lambda: matins.parts[0].says("message-sent"), WITHIN_S, matins.tail)
            assert receiver.refused == 1
            matins.kill()
            matins.start(disk_free_min_ratio="0")
            wait_for(lambda: len(receiver.taken) > 1, WITHIN_S, matins.tail)

            began = receiver.bodies()[0]
            assert began.startswith("The disk of MATINS_HOME has ")
            assert [body.partition(": ")[2] for body in receiver.bodies()[1:]] == [began]

            sent = matins.matins("notify", "test")
            receiver.refusing = 1
            refused = matins.matins("notify", "test", "--json")
            shown = matins.matins("config", "show")
            assert (sent.returncode, refused.returncode) == (0, 1), sent.stderr + refused.stderr
            assert json.loads(refused.stdout)["places"][0]["sent"] is False
            assert "********" in shown.stdout
            assert [message["title"] for message in receiver.taken[2:]] == ["Matins: a test"]
        finally:
            matins.stop()
    outputs = sent.stdout + sent.stderr + refused.stdout + refused.stderr + shown.stdout
    written = [outputs.encode(), *(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())]
    assert not [secret for secret in receiver.secrets for text in written if secret.encode() in text]


def test_a_url_that_cannot_be_used_keeps_the_server_from_starting_and_is_not_repeated(tmp_path: Path) -> None:
    matins = Orchestrator(tmp_path / "home", notify="json://127.0.0.1/ geheim://wort@host")
    ended = matins.matins("up")
    assert ended.returncode == 2
    assert "place 2 of 2 cannot be told" in ended.stderr
    assert "geheim" not in ended.stderr + ended.stdout
