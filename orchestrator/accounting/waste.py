"""Where money went: to signals, or to waste, with its reason. Pure."""

from __future__ import annotations

from typing import Literal, Protocol

from orchestrator.domain.reasons import EndReason, meaning

WAKE_FAILED = "wake-failed"
"""The reason of what was spent on wakes after which the machine was not ready. No episode is charged with it."""

EPISODE = "episode"

Went = Literal["signals", "unfinished", "waste", "overhead", "idle"]


class Spent(Protocol):
    """`report.Entry`, or what has these of it."""

    @property
    def reason(self) -> str: ...
    @property
    def ended(self) -> str: ...
    @property
    def purpose(self) -> str: ...


def went_to(spent: Spent) -> Went:
    """What ended without a signal is waste, whatever it was for; a preflight or a canary that passed is overhead."""
    if spent.reason:
        return "waste"
    if not spent.purpose:
        return "idle"
    if not spent.ended:
        return "unfinished"
    if not gives_signal(spent.ended):
        return "waste"
    return "signals" if spent.purpose == EPISODE else "overhead"


def gives_signal(ended: str) -> bool:
    """Whether an attempt that ended for that reason counts; not for a reason that this version does not know."""
    reason = _known(ended)
    return reason is not None and meaning(reason).signal


def says(reason: str) -> str:
    """One sentence for a person."""
    if reason == WAKE_FAILED:
        return "The machine was woken, and did not get ready."
    known = _known(reason)
    return meaning(known).says if known else "A reason that this version does not know."


def _known(reason: str) -> EndReason | None:
    try:
        return EndReason(reason)
    except ValueError:
        return None
