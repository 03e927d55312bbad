"""Sending a message to a place that a URL names, through apprise. The URL is a secret: it is in no error or log, nor
is what a service answered, since that may quote it. apprise is imported when it is first needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestrator import logs
from orchestrator.conditions import Severity

SEND_LIMIT_S = 15
"""apprise itself bounds each connection and each answer; a service may take several."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    title: str
    body: str
    severity: Severity = "info"


class Messenger(Protocol):
    """A port: `AppriseMessenger`, or in tests `FakeMessenger`."""

    def knows(self, url: str) -> bool:
        """Whether a message can be sent there at all."""
        ...

    def send(self, url: str, letter: Letter) -> str:
        """Why it was not sent, without a word of `url`; empty if it was. Raises nothing."""
        ...


REFUSED = "the service refused it, or could not be reached"
UNKNOWN = "its URL is none that apprise can use"


class AppriseMessenger:
    def knows(self, url: str) -> bool:
        with logs.hushed():
            return _open(url) is not None

    def send(self, url: str, letter: Letter) -> str:
        with logs.hushed():
            try:
                return _send(url, letter)
            except Exception as error:  # each of its services has exceptions of its own, and their words may quote
                return f"apprise failed with {type(error).__name__}"


def _send(url: str, letter: Letter) -> str:
    from apprise import Apprise, NotifyFormat, NotifyType

    place = _open(url)
    if place is None:
        return UNKNOWN
    post = Apprise()
    post.add(place)
    kind = NotifyType.WARNING if letter.severity == "warning" else NotifyType.INFO
    sent = post.notify(title=letter.title, body=letter.body, notify_type=kind, body_format=NotifyFormat.TEXT)
    return "" if sent else REFUSED


def _open(url: str) -> Any:
    from apprise import Apprise, AppriseAsset, PersistentStoreMode

    asset = AppriseAsset(
        app_id="Matins",
        app_desc="Matins",
        app_url="",
        storage_mode=PersistentStoreMode.MEMORY,
        service_timeout=SEND_LIMIT_S,
    )
    return Apprise.instantiate(url, asset=asset)


@dataclass(kw_only=True)
class FakeMessenger:
    """`sent`: what arrived, where; `broken`: places that refuse, as often as it says."""

    sent: list[tuple[str, Letter]] = field(default_factory=list[tuple[str, Letter]])
    broken: dict[str, int] = field(default_factory=dict[str, int])
    unknown: set[str] = field(default_factory=set[str])

    def knows(self, url: str) -> bool:
        return url not in self.unknown

    def send(self, url: str, letter: Letter) -> str:
        if not self.knows(url):
            return UNKNOWN
        if self.broken.get(url, 0):
            self.broken[url] -= 1
            return REFUSED
        self.sent.append((url, letter))
        return ""
