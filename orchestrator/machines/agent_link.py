"""The verbs of a link that runs the agent file: each is one request in JSON and one answer, whatever carries them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any, BinaryIO

from orchestrator.machines import answers
from runner_agent import protocol
from runner_agent.protocol import (
    AttemptRequest,
    AttemptStatus,
    BundleAnswer,
    BundleRequest,
    DoctorAnswer,
    DoctorRequest,
    GradeRequest,
    Hello,
    LaunchSpec,
    PullRequest,
    Report,
    ReportRequest,
    SuspendAnswer,
    SuspendRequest,
)

CALL_LIMIT_S = 60.0
SURVEY_LIMIT_S = 120.0
"""Of `hello` and `doctor`, which look at the whole machine."""
PULL_LIMIT_S = 3600.0
BUNDLE_LIMIT_S = 600.0
"""Of `bundle`: with the last piece git unpacks it."""


class AgentLink(ABC):
    """A link over something that can carry a request to the runner and its answer back. `limit_s` bounds each call but
    the surveys, `bundle` and `pull`."""

    def __init__(self, limit_s: float = CALL_LIMIT_S) -> None:
        self._limit_s = limit_s
        self._survey_limit_s = max(SURVEY_LIMIT_S, limit_s)

    @abstractmethod
    def _ask(self, verb: str, request: Any, limit_s: float) -> dict[str, Any]:
        """The answer to one request, as JSON data. Raises LinkError and LinkRefused."""

    @abstractmethod
    def _stream(self, verb: str, request: Any) -> AbstractContextManager[BinaryIO]:
        """The answer to one request, as the bytes of its files. Raises LinkError and LinkRefused, also while reading
        and on leaving."""

    def hello(self) -> Hello:
        return answers.message(Hello, self._ask("hello", {}, self._survey_limit_s))

    def launch(self, spec: LaunchSpec) -> AttemptStatus:
        return answers.message(AttemptStatus, self._call("launch", spec))

    def bundle(self, request: BundleRequest) -> BundleAnswer:
        return answers.message(BundleAnswer, self._ask("bundle", protocol.to_json(request), BUNDLE_LIMIT_S))

    def report(self, request: ReportRequest) -> Report:
        return answers.message(Report, self._call("report", request))

    def cancel(self, request: AttemptRequest) -> AttemptStatus:
        return answers.message(AttemptStatus, self._call("cancel", request))

    def grade(self, request: GradeRequest) -> AttemptStatus:
        return answers.message(AttemptStatus, self._call("grade", request))

    def acknowledge(self, request: AttemptRequest) -> None:
        self._call("acknowledge", request)

    def suspend(self, request: SuspendRequest) -> SuspendAnswer:
        return answers.message(SuspendAnswer, self._call("suspend", request))

    def doctor(self, request: DoctorRequest) -> DoctorAnswer:
        return answers.message(DoctorAnswer, self._ask("doctor", protocol.to_json(request), self._survey_limit_s))

    def pull(self, request: PullRequest) -> AbstractContextManager[BinaryIO]:
        return self._stream("pull", protocol.to_json(request))

    def _call(self, verb: str, request: object) -> dict[str, Any]:
        return self._ask(verb, protocol.to_json(request), self._limit_s)
