"""A runner in memory that several worker processes reach: it lives in the test, behind a socket.

Everything but the runner is real then, and an episode takes no longer than the acts that it needs.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, BinaryIO

from orchestrator.domain.runner import Address
from orchestrator.errors import LinkError, LinkRefused
from orchestrator.machines.fake import FakeLink
from orchestrator.settings import Settings
from tests.unit.service.leavings import leavings

ADDRESS = "TEST_RUNNER_PORT"
KEY = b"test"
STEP_S = 0.05
HELD_LIMIT_S = 300.0
LIVING = ("running", "awaiting-checks")


class MemoryRunner:
    """Answers calls one at a time, and moves every attempt on by a step each STEP_S. `starts` counts real starts."""

    def __init__(self) -> None:
        self.link = FakeLink()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._answers = threading.Event()
        self._answers.set()
        self._asked = threading.Event()

    def hold(self) -> None:
        """From now on nobody gets an answer, until `release`. Returns once somebody waits for one."""
        self._answers.clear()
        self._asked.clear()
        assert self._asked.wait(HELD_LIMIT_S), "nobody asks the runner"

    def release(self) -> None:
        self._answers.set()

    def call(self, verb: str, request: Any) -> tuple[str, Any]:
        """("ok", answer) or ("refused", its kind and message): errors of ours do not survive pickling."""
        with self._lock:
            try:
                if verb == "pull":
                    with self.link.pull(request) as stream:
                        return "ok", stream.read()
                return "ok", getattr(self.link, verb)(*([] if request is None else [request]))
            except LinkRefused as refused:
                return "refused", (refused.refusal, refused.message)

    @property
    def starts(self) -> Counter[str]:
        with self._lock:
            return Counter(self.link.starts)

    def started_episodes(self) -> Counter[str]:
        """How often an attempt of each episode was started."""
        with self._lock:
            return Counter(self.link.attempts[one].status.episode_id for one in self.link.starts)

    def _step(self) -> None:
        with self._lock:
            for attempt_id, known in list(self.link.attempts.items()):
                if known.status.phase not in LIVING or known.spec is None:
                    continue
                if known.cancel_asked:
                    self.link.finish(attempt_id, {"diff.patch": b""}, reason="cancelled", detail="cancelled")
                elif known.checks is None:
                    self.link.await_checks(attempt_id)
                else:
                    left = leavings(known.spec)
                    self.link.finish(attempt_id, left.files, reason=left.reason, stages=left.stages)

    def _walk(self) -> None:
        while not self._over.wait(STEP_S):
            self._step()

    def _answer(self, caller: Connection) -> None:
        with caller, contextlib.suppress(OSError, EOFError):
            verb, request = caller.recv()
            self._asked.set()
            self._answers.wait()
            caller.send(self.call(verb, request))

    def _listen(self, listener: Listener) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError, EOFError, AuthenticationError):
                threading.Thread(target=self._answer, args=(listener.accept(),), daemon=True).start()

    @contextlib.contextmanager
    def serving(self) -> Iterator[int]:
        """The port at which workers reach it."""
        with Listener(("127.0.0.1", 0), backlog=64, authkey=KEY) as listener:
            threading.Thread(target=self._walk, daemon=True).start()
            threading.Thread(target=self._listen, args=(listener,), daemon=True).start()
            try:
                yield int(listener.address[1])
            finally:
                self._over.set()
                self.release()


class RemoteLink:
    """The link of a worker to the runner in the test."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        return lambda request=None: self._call(verb, request)

    @contextlib.contextmanager
    def pull(self, request: Any) -> Iterator[BinaryIO]:
        yield io.BytesIO(self._call("pull", request))

    def _call(self, verb: str, request: Any) -> Any:
        try:
            with Client(("127.0.0.1", self._port), authkey=KEY) as runner:
                runner.send((verb, request))
                outcome, answer = runner.recv()
        except (OSError, EOFError, AuthenticationError) as error:
            raise LinkError(f"the runner of the test is gone: {error}") from None
        if outcome == "refused":
            raise LinkRefused(*answer)
        return answer


def open_remote_link(_settings: Settings) -> Callable[[Address], Any]:
    link = RemoteLink(int(os.environ[ADDRESS]))
    return lambda _address: link
