"""What an agent asks of its supervisor through `matins-gpu`: read from a socket, bounded in size and time. Nothing in
it can be trusted."""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from runner_agent import clock, shape
from runner_agent.gpu_client import LENGTH

REQUEST_BYTES = 256 * 1024
REQUEST_LIMIT_S = 5.0
WORDS_MOST = 4096
WORD_BYTES = 128 * 1024
"""MAX_ARG_STRLEN, see execve(2)."""
VARIABLES_MOST = 1024


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What an agent wants to be run. All paths are of its sandbox."""

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]


class Malformed(ValueError):
    """The text says what is wrong with a request."""


def receive(link: socket.socket, handles: list[int]) -> bytes:
    """A request, and in `handles` the descriptors that came with it: at most three, as the kernel closes all others.
    Raises EOFError and OSError."""
    deadline_s = clock.monotonic_s() + REQUEST_LIMIT_S
    head, received, _flags, _address = socket.recv_fds(link, LENGTH.size, 3)
    handles += received
    length = LENGTH.unpack(head)[0] if len(head) == LENGTH.size else 0
    if not 0 < length <= REQUEST_BYTES:
        raise EOFError
    text = b""
    while len(text) < length:
        link.settimeout(max(0.001, deadline_s - clock.monotonic_s()))
        piece = link.recv(length - len(text))
        if not piece:
            raise EOFError
        text += piece
    return text


def three(handles: list[int]) -> tuple[int, int, int]:
    """Raises Malformed."""
    if len(handles) != 3:
        raise Malformed("three descriptors are to be sent along")
    return handles[0], handles[1], handles[2]


def read_request(text: bytes) -> Ask:
    """Raises Malformed."""
    try:
        data: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed("it is not JSON") from error
    table = shape.table(data)
    argv, cwd, env = table.get("argv"), table.get("cwd"), table.get("env", {})
    if not shape.is_argv(argv) or len(cast("list[str]", argv)) > WORDS_MOST or not all(map(_passable, argv or ())):
        raise Malformed(f"argv should be 1 to {WORDS_MOST} words that a program can be given")
    if not isinstance(cwd, str) or not cwd.startswith("/") or len(cwd) > shape.PATH_CHARS or not _passable(cwd):
        raise Malformed("cwd should be an absolute path")
    if not isinstance(env, dict) or len(cast("dict[str, Any]", env)) > VARIABLES_MOST or not _are_variables(env):
        raise Malformed(f"env should be at most {VARIABLES_MOST} variables")
    return Ask(argv=tuple(cast("list[str]", argv)), cwd=cwd, env=cast("dict[str, str]", env))


def has_left(link: socket.socket) -> bool:
    """Whether the other side has closed the connection."""
    poll = select.poll()
    poll.register(link, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))


def _are_variables(env: Any) -> bool:
    return all(_passable(name) and _passable(value) and name != "" and "=" not in name for name, value in env.items())


def _passable(word: Any) -> bool:
    """Whether it can be a word of a command line: no NUL, no character that no bytes stand for, and not too long."""
    if not isinstance(word, str) or "\0" in word:
        return False
    try:
        return len(os.fsencode(word)) < WORD_BYTES
    except UnicodeError:
        return False
