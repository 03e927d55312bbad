"""The HTTP API as calls that return JSON objects, with each way of failing as an error that has an exit status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from orchestrator.cli.connection import Connection
from orchestrator.cli.errors import CommandError, Failed, Refused, UnexpectedAnswer, Unreachable, WrongInput
from orchestrator.errors import Problem

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
SUBMIT_TIMEOUT_S = 180.0
"""Resolving `base` may fetch a large repository."""

_BAD_INPUT = frozenset({400, 413, 415, 422})
_NOT_READY = frozenset({502, 503, 504})
_LONGEST_QUOTE = 120


class Client:
    """One connection to the orchestrator. Proxies of the environment are not used: the token is not for them."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        try:
            self._http = httpx.Client(
                base_url=connection.url,
                headers={"Authorization": f"Bearer {connection.token}"} if connection.token else {},
                timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
                trust_env=False,
                # Loading certificates costs more time than most commands; nothing is redirected from http to https.
                verify=connection.url.startswith("https:"),
            )
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise WrongInput(
                f"The orchestrator's address {connection.url!r} is no URL: {error}.",
                "Set MATINS_URL to an address such as http://127.0.0.1:7437.",
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int | list[str] | None) -> dict[str, Any]:
        """The JSON object at `path`; query parameters that are None are left out."""
        params = {name: value for name, value in query.items() if value is not None}
        return self._object("GET", path, params=params)

    def get_reckoned(self, path: str, **query: str | int | list[str]) -> dict[str, Any]:
        """The same of what takes the orchestrator a while to reckon."""
        return self._object("GET", path, params=query, timeout=SUBMIT_TIMEOUT_S)

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, file: str = "") -> dict[str, Any]:
        """The JSON object that answers `body`. `file` is the input file that problems belong to."""
        return self._object("POST", path, json=dict(body or {}), timeout=SUBMIT_TIMEOUT_S, file=file)

    @contextmanager
    def download(self, path: str, *, offset: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """The bytes of a file from `offset` on, and the offset at which they really begin (0 if it cannot resume).

        An offset at or beyond the end raises Failed."""
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
        with self._failures(), self._http.stream("GET", path, headers=headers) as answer:
            if answer.status_code not in (200, 206):
                answer.read()
                raise self._refusal(answer, "")
            begins = offset if answer.status_code == 206 else 0
            if answer.status_code == 206 and not _starts_at(answer, offset):
                raise self._unexpected(answer, "it sent another part of the file than was asked for")
            yield begins, answer.iter_bytes(1 << 18)

    def _object(self, method: str, path: str, *, file: str = "", **request: Any) -> dict[str, Any]:
        with self._failures():
            answer = self._http.request(method, path, **request)
        if not answer.is_success:
            raise self._refusal(answer, file)
        body = _json(answer)
        if not isinstance(body, dict):
            raise self._unexpected(answer, f"not a JSON object but {_quoted(answer)}")
        return body

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError):  # the last: of a host's name
            raise WrongInput(
                f"The orchestrator's address {self.connection.url!r} is no HTTP URL.",
                "Set MATINS_URL to an address such as http://127.0.0.1:7437.",
            ) from None
        except httpx.TooManyRedirects as error:
            raise UnexpectedAnswer(f"{self.connection.url} redirects without end: {error}.") from None
        except httpx.DecodingError as error:
            raise UnexpectedAnswer(f"The answer of {self.connection.url} cannot be decoded: {error}.") from None
        except httpx.TransportError as error:
            raise self._unreachable(str(error) or type(error).__name__) from None

    def _unreachable(self, why: str) -> Unreachable:
        return Unreachable(
            f"No orchestrator answers at {self.connection.url}: {why}.",
            "Start it with `matins up`, or set MATINS_URL to where it runs.",
        )

    def _refusal(self, answer: httpx.Response, file: str) -> CommandError:
        error = _error(answer)
        if answer.status_code in (401, 403):
            return Refused(
                f"{self.connection.url} does not accept the token ({self.connection.token_source}).",
                "Use the MATINS_HOME of the orchestrator that runs there, or set MATINS_TOKEN to its token.",
            )
        if answer.status_code in _NOT_READY and error is not None:
            return Unreachable(f"{self.connection.url} cannot answer now: {_message(error)}", _text(error, "remedy"))
        if answer.status_code in _NOT_READY:
            return self._unreachable(f"it answers {answer.status_code} {_message(error)}".rstrip())
        if error is None:
            return self._unexpected(answer, f"status {answer.status_code} and {_quoted(answer)}")
        message, remedy = _message(error) or f"status {answer.status_code}", _text(error, "remedy")
        if answer.status_code in _BAD_INPUT:
            return WrongInput(message, remedy, _problems(error), file)
        return Failed(message, remedy)

    def _unexpected(self, answer: httpx.Response, what: str) -> UnexpectedAnswer:
        request = answer.request
        return UnexpectedAnswer(
            f"Unexpected answer to {request.method} {request.url}: {what}.",
            "Is it an orchestrator, and of the same version as this command?",
        )


def segment(name: str) -> str:
    """One part of a URL's path: nothing in it can lead elsewhere."""
    return quote(name, safe="") if name not in (".", "..") else name.replace(".", "%2E")


def _starts_at(answer: httpx.Response, offset: int) -> bool:
    return answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-")


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _error(answer: httpx.Response) -> dict[str, Any] | None:
    body = _json(answer)
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else None


def _message(error: dict[str, Any] | None) -> str:
    return _text(error or {}, "message")


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _problems(error: dict[str, Any]) -> tuple[Problem, ...]:
    listed = error.get("problems")
    if not isinstance(listed, list):
        return ()
    return tuple(
        Problem(
            line=part["line"] if isinstance(part.get("line"), int) else 0,
            where=_text(part, "where"),
            message=_text(part, "message"),
            remedy=_text(part, "remedy"),
        )
        for part in listed
        if isinstance(part, dict)
    )


def _quoted(answer: httpx.Response) -> str:
    text = " ".join(answer.text.split())
    return repr(text[:_LONGEST_QUOTE] + ("…" if len(text) > _LONGEST_QUOTE else ""))
