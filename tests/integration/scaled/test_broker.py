"""The broker may lose, double, reorder or garble anything: the database is asked again. All is real but the runner,
which lives in the test, so that a hundred episodes take seconds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.scaled.conftest import MemoryLab
from tests.orchestrator import wait_for
from tests.servers import Redis

QUEUE = "matins"
GARBAGE: tuple[bytes, ...] = (
    b"no message at all",
    b"\xff\xfe\x00",
    b"null",
    b"[]",
    b'{"body": "x"}',
    b'{"body": "e30=", "content-type": "application/x-python-serialize", "headers": {}, "properties": {}}',
)
MESSAGE = (
    '{"body": "%s", "content-encoding": "utf-8", "content-type": "application/json", "headers": {"lang": "py",'
    ' "task": "%s", "id": "1", "root_id": "1"}, "properties": {"correlation_id": "1", "delivery_mode": 2,'
    ' "delivery_info": {"exchange": "", "routing_key": "matins"}, "priority": 0, "body_encoding": "base64",'
    ' "delivery_tag": "%s"}}'
)
# In base64: [[], {}, {}], then [["x", 7], {"y": 1}, {}], then no JSON.
BODIES = ("W1tdLCB7fSwge31d", "W1sieCIsIDddLCB7InkiOiAxfSwge31d", "e25vIEpTT04=")
TASKS = ("matins.nothing", "matins.perform", "matins.observe", "matins.tick")
MALFORMED = (
    *GARBAGE,
    *((MESSAGE % (body, task, f"{task}-{place}")).encode() for place, body in enumerate(BODIES) for task in TASKS),
)


def done_once(lab: MemoryLab, ids: list[str], limit_s: float) -> None:
    """All end as DONE, and no attempt and no episode was started twice."""

    def phases() -> dict[str, str]:
        listed = lab.matins.get("episodes?limit=1000&kind=")["episodes"]
        return {one["id"]: one["phase"] for one in listed}

    wait_for(lambda: set(phases().values()) <= {"DONE", "FAILED", "CANCELLED"}, limit_s, lab.matins.tail)
    assert {phase for one, phase in phases().items() if one in ids} == {"DONE"}, phases()
    started = lab.runner.started_episodes()
    assert set(ids) <= set(started)
    assert set(started.values()) == {1}
    assert set(lab.runner.starts.values()) == {1}


def submit_many(lab: MemoryLab, count: int) -> list[str]:
    submitted = lab.matins.matins("episode", "submit", str(lab.campaign), "--agent", "replay:doer", "-n", str(count))
    assert submitted.returncode == 0, submitted.stderr
    ids = [one["id"] for one in lab.matins.get("episodes?limit=1000")["episodes"]]
    assert len(ids) == count
    return ids


@pytest.mark.fault(11)
def test_a_hundred_episodes_end_once_though_the_broker_forgets_everything_and_dies(
    make_memory_lab: Callable[..., MemoryLab], redis: Redis
) -> None:
    lab = make_memory_lab(slots=25)
    ids = submit_many(lab, 100)
    for share in (5, 25):
        wait_for(lambda share=share: len(lab.runner.starts) > share, 60, lab.matins.tail)
        with redis.client() as client:
            client.flushall()
    wait_for(lambda: len(lab.runner.starts) > 50, 60, lab.matins.tail)
    redis.kill()
    redis.start()
    done_once(lab, ids, 200)


@pytest.mark.fault(12, 13)
def test_every_doorbell_rung_five_times_starts_each_attempt_once(make_memory_lab: Callable[..., MemoryLab]) -> None:
    lab = make_memory_lab(slots=4, rings=5)
    ids = lab.matins.submit(lab.campaign, *["replay:doer"] * 6)
    done_once(lab, ids, 120)


@pytest.mark.fault(14)
def test_what_is_no_message_is_thrown_away_and_the_work_goes_on(
    make_memory_lab: Callable[..., MemoryLab], redis: Redis
) -> None:
    lab = make_memory_lab(slots=4)
    with redis.client() as client:
        client.lpush(QUEUE, *MALFORMED)
    ids = lab.matins.submit(lab.campaign, *["replay:doer"] * 2)
    done_once(lab, ids, 120)
    with redis.client() as client:
        wait_for(lambda: client.llen(QUEUE) == 0, 30, lab.matins.tail)
    assert all(worker.runs() for worker in lab.matins.workers)


@pytest.mark.fault(1, 3)
def test_a_submission_while_the_broker_is_gone_is_taken_at_once_and_done_when_it_is_back(
    make_memory_lab: Callable[..., MemoryLab], redis: Redis
) -> None:
    lab = make_memory_lab(slots=4)
    redis.kill()
    (one,) = lab.matins.submit(lab.campaign, "replay:doer")
    assert lab.matins.episode(one)["phase"] == "QUEUED"
    assert lab.matins.api.says("ring-lost")
    redis.start()
    done_once(lab, [one], 120)
