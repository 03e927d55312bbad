"""RabbitMQ as the broker of API, two workers and two beats at PostgreSQL: what holds with Redis holds with it. One node
for the module; all is real but the runner, which lives in the test."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import BadInput
from orchestrator.service.parts import need_broker
from orchestrator.settings import Settings
from tests.integration.scaled.conftest import MemoryLab
from tests.integration.scaled.test_broker import BODIES, GARBAGE, TASKS, done_once, submit_many
from tests.orchestrator import wait_for
from tests.rabbitmq import RabbitMQ
from tests.servers import PASSWORD

JSON = {"content_type": "application/json", "content_encoding": "utf-8"}
MALFORMED: tuple[tuple[bytes, dict[str, Any]], ...] = (
    *((body, {}) for body in GARBAGE),
    *((body, JSON) for body in GARBAGE),
    (b"\x80\x04N.", {"content_type": "application/x-python-serialize", "content_encoding": "binary"}),
    (b"[[], {}, {}]", {"content_type": "application/json", "content_encoding": "no-such-code"}),
    *(
        (base64.b64decode(body), {**JSON, "application_headers": {"lang": "py", "task": task, "id": task}})
        for body in BODIES
        for task in TASKS
    ),
)


@pytest.fixture
def broker(rabbitmq: RabbitMQ) -> str:
    """The URL of an empty broker, which is then that of the labs."""
    rabbitmq.forget()
    return rabbitmq.url


@pytest.mark.fault(11, 13, 14)
def test_episodes_end_once_though_the_broker_brings_rubbish_forgets_everything_and_dies(
    make_memory_lab: Callable[..., MemoryLab], rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    lab = make_memory_lab(slots=10)
    ids = submit_many(lab, 20)
    rabbitmq.put(*MALFORMED)
    wait_for(lambda: len(lab.runner.starts) > 5, 60, lab.matins.tail)
    rabbitmq.purge()
    wait_for(lambda: len(lab.runner.starts) > 10, 60, lab.matins.tail)
    rabbitmq.kill()
    rabbitmq.start()
    done_once(lab, ids, 200)
    out = tmp_path / "out"
    assert lab.matins.matins("episode", "pull", ids[0], "--out", str(out)).returncode == 0
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=out / "toy" / ids[0], check=True)
    assert all(part.runs() for part in lab.matins.parts)
    # Nothing but the main thread of a worker reads from its connection: two would read halves of frames.
    assert not any(worker.says("UnexpectedFrame") for worker in lab.matins.workers)


@pytest.mark.fault(1)
def test_a_submission_while_the_broker_answers_nothing_is_taken_and_done_when_it_answers_again(
    make_memory_lab: Callable[..., MemoryLab], rabbitmq: RabbitMQ
) -> None:
    lab = make_memory_lab(slots=4)
    rabbitmq.freeze()
    try:
        (one,) = lab.matins.submit(lab.campaign, "replay:doer")
        assert lab.matins.api.says("ring-lost")
        wait_for(lambda: all(beat.says("ring-lost") for beat in lab.matins.beats), 30, lab.matins.tail)
        assert lab.matins.episode(one)["phase"] == "QUEUED"
    finally:
        rabbitmq.thaw()
    done_once(lab, [one], 120)


def test_a_worker_that_acknowledges_too_late_or_dies_with_a_message_in_hand_loses_nothing(
    make_memory_lab: Callable[..., MemoryLab], rabbitmq: RabbitMQ
) -> None:
    """Its only thread waits for a runner, and the next message for that thread: for longer than RabbitMQ allows, which
    takes the message back and closes the channel. The worker opens another, and is killed with a message there."""
    lab = make_memory_lab(slots=4, worker_threads="1", claim_s="5")
    worker, other = lab.matins.workers
    other.stop()
    (one,) = lab.matins.submit(lab.campaign, "replay:doer")
    lab.runner.hold()
    before = rabbitmq.timeouts()
    wait_for(lambda: rabbitmq.timeouts() > before, 60, rabbitmq.tail)
    # Only what its one consumer has no room for waits.
    wait_for(lambda: rabbitmq.consumers() == 1 and rabbitmq.waiting() > 0, 60, lab.matins.tail)
    worker.kill()
    lab.runner.release()
    for part in (worker, other):
        part.start()
    done_once(lab, [one], 120)


UNUSABLE = {
    "nobody listens": (lambda url: f"{url.rsplit(':', 1)[0]}:1/matins", "Connection refused"),
    "another password": (lambda url: url.replace(PASSWORD, f"{PASSWORD}x"), "ACCESS_REFUSED"),
    "another virtual host": (lambda url: f"{url}x", "vhost matinsx not found"),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_broker_that_cannot_be_used_is_told_with_what_to_do(what: str, broker: str) -> None:
    change, expected = UNUSABLE[what]
    with pytest.raises(BadInput) as raised:
        need_broker(Settings(broker_url=change(broker)))
    assert expected in raised.value.message
    assert "MATINS_BROKER_URL" in raised.value.remedy
    assert PASSWORD not in str(raised.value)
