"""The real messenger and the fake one keep the same rules; the real one, to a real server, writes no word of a URL."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from orchestrator import logs
from orchestrator.machines.messenger import REFUSED, UNKNOWN, AppriseMessenger, FakeMessenger, Letter, Messenger
from orchestrator.settings import load
from tests.orchestrator import free_port
from tests.receiver import Receiver

LETTER = Letter(title="Matins: wake-failing", body="gpu01 failed to wake <2> times\nand 12 more", severity="warning")


@dataclass(frozen=True, kw_only=True)
class Post:
    """A messenger, a place that it reaches, how to have that refuse once, and what arrived there."""

    messenger: Messenger
    url: str
    refuse: Callable[[], None]
    bodies: Callable[[], list[str]]


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(params=["apprise", "fake"])
def post(request: pytest.FixtureRequest, receiver: Receiver) -> Post:
    if request.param == "fake":
        fake = FakeMessenger(unknown={"nosuch://host", "json://"})
        return Post(
            messenger=fake,
            url=receiver.url,
            refuse=lambda: fake.broken.update({receiver.url: 1}),
            bodies=lambda: [letter.body for _, letter in fake.sent],
        )

    def refuse() -> None:
        receiver.refusing = 1

    return Post(messenger=AppriseMessenger(), url=receiver.url, refuse=refuse, bodies=receiver.bodies)


def test_a_message_arrives_as_it_was_written(post: Post) -> None:
    assert post.messenger.send(post.url, LETTER) == ""
    assert post.bodies() == [LETTER.body]


def test_a_refusal_is_said_without_what_was_answered_and_the_next_message_arrives(post: Post) -> None:
    post.refuse()
    assert post.messenger.send(post.url, LETTER) == REFUSED
    assert post.messenger.send(post.url, LETTER) == ""
    assert len(post.bodies()) == 1


@pytest.mark.parametrize("url", ["nosuch://host", "json://"])
def test_a_url_that_is_no_place_is_known_as_such_before_anything_is_sent(post: Post, url: str) -> None:
    assert post.messenger.knows(post.url)
    assert not post.messenger.knows(url)
    assert post.messenger.send(url, LETTER) == UNKNOWN


def test_title_and_severity_arrive_with_it(receiver: Receiver) -> None:
    assert AppriseMessenger().send(receiver.url, LETTER) == ""
    (message,) = receiver.taken
    assert (message["title"], message["type"]) == (LETTER.title, "warning")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """All that is logged, at the lowest level, as the service would write it."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    logs.configure(load({"log_level": "debug", "log_format": "json"}), stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def test_nothing_of_a_url_is_logged_whatever_becomes_of_the_message(receiver: Receiver, written: io.StringIO) -> None:
    messenger = AppriseMessenger()
    receiver.refusing = 1
    assert messenger.send(receiver.url, LETTER) == REFUSED
    assert messenger.send(receiver.url, LETTER) == ""
    assert messenger.send(receiver.url_at(free_port()), LETTER) == REFUSED
    assert messenger.send("geheim://127.0.0.1", LETTER) == UNKNOWN
    logging.getLogger("orchestrator").debug("the log itself works")
    text = written.getvalue()
    assert "the log itself works" in text
    assert not [word for word in (*receiver.secrets, "geheim", "127.0.0.1") if word in text]


def test_what_those_libraries_log_at_any_time_is_not_written(written: io.StringIO) -> None:
    for name in logs.INDISCREET_LIBRARIES:
        logging.getLogger(f"{name}.connectionpool").critical("POST /geheim")
    with logs.hushed():
        logging.getLogger("somebody.else").critical("geheim")
    assert "geheim" not in written.getvalue()
    logging.getLogger("somebody.else").critical("not any more")
    assert "not any more" in written.getvalue()
