"""The one exception tree, split by what the caller does next.

Every message says what happened, to what, and what to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One fault of an input file: its line (from 1; 0 where no line applies), the key, what is wrong, the remedy."""

    line: int
    where: str
    message: str
    remedy: str


class MatinsError(Exception):
    """Anything Matins reports. `remedy` is a sentence that says what to do; `exit_status` is how a command that cannot
    go on ends."""

    kind = "error"
    exit_status = 1

    def __init__(self, message: str, remedy: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.problems = problems


class BadInput(MatinsError):
    """The sender must change what was sent; nothing was stored."""

    kind = "bad-input"
    exit_status = 2


class BadSetting(BadInput):
    """A setting, or a file that settings come from, is not usable. One line: name, value, what is wrong, source."""

    kind = "bad-setting"


class NotFound(MatinsError):
    """No such thing; the sender named something that does not exist."""

    kind = "not-found"


class Conflict(MatinsError):
    """The thing exists, but is not in a state in which that can be done."""

    kind = "conflict"


class Unavailable(MatinsError):
    """The database cannot be used now: nothing was stored, and the same may be asked again later."""

    kind = "unavailable"
    exit_status = 3


class NotAllowed(MatinsError):
    """The token is missing or wrong."""

    kind = "not-allowed"
    exit_status = 4


class LinkError(MatinsError):
    """A runner could not be asked, or its answer made no sense: ask again later. It says nothing about the attempt.
    `kind` is one of `LINK_ERRORS`, and a label of `matins_link_errors_total`."""

    def __init__(self, message: str, *, kind: str = "unreachable") -> None:
        super().__init__(message)
        self.kind = kind


LINK_ERRORS: dict[str, str] = {
    "unreachable": "no way to it, or no more is known",
    "unknown-host": "its name cannot be looked up",
    "connect-refused": "nothing listens at its port",
    "timeout": "no answer within the bound",
    "reset": "the connection broke",
    "auth-failed": "the account does not accept the key",
    "key-unusable": "the key file cannot be used",
    "host-key-changed": "the host shows another key than the pinned one",
    "bad-address": "what is stored of it cannot be used",
    "protocol": "it answered something else than Matins' runner agent would",
}


class LinkRefused(MatinsError):
    """The runner answered, and the answer is no. `refusal` is one of `runner_agent.protocol.RefusalKind`."""

    kind = "refused"

    def __init__(self, refusal: str, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal


class ArtifactError(MatinsError):
    """Pulled bytes are not what the runner's manifest says, or break the rules for archives."""

    kind = "artifact"
