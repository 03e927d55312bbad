"""Which brokers are told of tasks and workers: those that keep no event which nobody listens to."""

from __future__ import annotations

import pytest

from orchestrator.service.celery_app import make_app, make_ringing_app

BROKERS = {
    "redis://127.0.0.1/0": True,
    "rediss://127.0.0.1/0": True,
    "amqp://127.0.0.1//": True,
    "memory://localhost/": False,
    "sqs://": False,
}


@pytest.mark.parametrize(("broker_url", "told"), BROKERS.items())
def test_workers_and_doorbells_tell_only_a_broker_that_forgets(broker_url: str, told: bool) -> None:
    assert make_app(broker_url, 1.0).conf.worker_send_task_events is told
    assert make_ringing_app(broker_url).conf.task_send_sent_event is told
