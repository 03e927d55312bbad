"""The link to a runner: what the orchestrator may ask of it, whatever lies between."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

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


class Link(Protocol):
    """Every call is bounded in time and raises LinkError where the runner could not be asked or its answer made no
    sense, which says nothing about the attempt, and LinkRefused where the answer is no. All may be repeated."""

    def hello(self) -> Hello:
        """What the runner is. Takes seconds."""
        ...

    def launch(self, spec: LaunchSpec) -> AttemptStatus:
        """Starts the attempt, at most once: where it is known already, its status is the answer."""
        ...

    def bundle(self, request: BundleRequest) -> BundleAnswer:
        """Brings a piece of a commit to the runner's mirror of its repository, or asks whether it is there."""
        ...

    def report(self, request: ReportRequest) -> Report:
        """All attempts, and the new bytes of those asked about."""
        ...

    def cancel(self, request: AttemptRequest) -> AttemptStatus:
        """Asks the attempt to end; one that never started never will."""
        ...

    def grade(self, request: GradeRequest) -> AttemptStatus:
        """Delivers the hidden checks to an attempt that awaits them."""
        ...

    def pull(self, request: PullRequest) -> AbstractContextManager[BinaryIO]:
        """The ended attempt's folder as an uncompressed tar stream, each file from the byte after those held. An error
        may also come while reading or leaving."""
        ...

    def acknowledge(self, request: AttemptRequest) -> None:
        """Everything was pulled, verified and committed: the runner may delete it."""
        ...

    def suspend(self, request: SuspendRequest) -> SuspendAnswer:
        """Asks the machine to sleep, which it does about a second after it said yes. No is an answer too."""
        ...

    def doctor(self, request: DoctorRequest) -> DoctorAnswer:
        """What the machine needs as a runner, and what it lacks. Takes seconds."""
        ...
