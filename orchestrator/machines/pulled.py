"""The tar stream of `pull`, from whatever carries it: a refusal, noise or a break is an error, and never an end."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from orchestrator.errors import LinkError
from orchestrator.machines import answers

BLOCK_BYTES = 512
BUFFER_BYTES = 256 * 1024
MAGIC = slice(257, 262)

Read = Callable[[int], bytes]
Ended = Callable[[], tuple[int, bytes]]


def files(read: Read, ended: Ended) -> BinaryIO:
    """`read(n)` gives up to n bytes, none at the end; `ended()` then gives exit status and standard error.

    Raises LinkError and LinkRefused; so does reading from what is returned."""
    first = _up_to(read, BLOCK_BYTES)
    if first[:1] in (b"{", b""):
        rest = _up_to(read, answers.ANSWER_BYTES)
        exit_code, stderr = ended()
        answers.data("pull", exit_code, first + rest, stderr)
        raise LinkError("`pull` answered with neither files nor a refusal", kind="protocol")
    if first[MAGIC] != b"ustar" and first.strip(b"\0"):
        raise LinkError(f"`pull` answered with no archive but {answers.shown(first)}", kind="protocol")
    return cast(BinaryIO, io.BufferedReader(_Stream(first, read, ended), BUFFER_BYTES))


class _Stream(io.RawIOBase):
    def __init__(self, first: bytes, read: Read, ended: Ended) -> None:
        self._first = first
        self._read = read
        self._ended = ended

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._first[: len(buffer)] or self._read(len(buffer))
        self._first = self._first[len(data) :]
        if not data:
            exit_code, stderr = self._ended()
            if exit_code != 0:
                raise LinkError(f"`pull` broke off: {answers.shown(stderr)}", kind="reset")
        buffer[: len(data)] = data
        return len(data)


def _up_to(read: Read, size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0 and (part := read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
