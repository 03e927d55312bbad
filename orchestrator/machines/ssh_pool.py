"""One transport per runner and process, shared by the calls that are under way, closed when none came for a while."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import paramiko

from orchestrator.errors import LinkError
from orchestrator.machines.ssh_connect import CONNECT_LIMIT_S, shut, translated
from orchestrator.machines.ssh_watchdog import Watchdog

IDLE_S = 60.0
OPEN_LIMIT_S = 10.0
OPEN_SHARE = 0.25
"""Of a call's time, at most: a connection that went silent must leave enough to make another."""
CHANNELS_MOST = 8
"""At once over one transport; OpenSSH refuses more than its MaxSessions, 10 unless changed."""

_pools: weakref.WeakSet[Pool]


class Pool:
    """`connect` makes a transport within the seconds it is given, or raises LinkError."""

    def __init__(self, where: str, connect: Callable[[float], paramiko.Transport], idle_s: float = IDLE_S) -> None:
        self._where = where
        self._connect = connect
        self._idle_s = idle_s
        self._begin()
        _pools.add(self)

    @contextlib.contextmanager
    def channel(self, limit_s: float) -> Iterator[paramiko.Channel]:
        """A channel on which nothing was asked yet, had within `limit_s`. Raises LinkError.

        A transport that turns out to be dead is replaced once, since nothing was sent over it."""
        deadline = time.monotonic() + limit_s
        if not self._seats.acquire(timeout=limit_s):
            raise LinkError(f"{self._where}: {CHANNELS_MOST} calls are under way already", kind="timeout")
        try:
            with self._counted():
                channel = self._open(deadline, min(OPEN_LIMIT_S, limit_s * OPEN_SHARE))
                try:
                    yield channel
                finally:
                    channel.close()
        finally:
            self._seats.release()

    def close(self) -> None:
        """Ends the transport; a later call makes another."""
        with self._lock:
            transport, self._transport = self._transport, None
        if transport is not None:
            shut(transport)

    def abandon(self) -> None:
        """After a fork, in the child: the parent's transport is not ours to use or to end."""
        transport = self._transport
        self._begin()
        if transport is not None:
            transport.active = False  # pyright: ignore[reportAttributeAccessIssue]
            transport.sock.close()  # our copy of the descriptor only

    def _begin(self) -> None:
        self._connecting = threading.Lock()
        self._lock = threading.Lock()
        self._seats = threading.BoundedSemaphore(CHANNELS_MOST)
        self._transport: paramiko.Transport | None = None
        self._users = 0
        self._used_at = time.monotonic()

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                self._used_at = time.monotonic()

    def _open(self, deadline: float, within_s: float) -> paramiko.Channel:
        transport, fresh = self._have(deadline)
        try:
            return self._open_on(transport, min(within_s, deadline - time.monotonic()))
        except LinkError:
            shut(transport)
            if fresh:
                raise
        return self._open_on(self._have(deadline)[0], deadline - time.monotonic())

    def _open_on(self, transport: paramiko.Transport, within_s: float) -> paramiko.Channel:
        limit_s = max(0.01, within_s)
        with Watchdog(lambda: shut(transport), limit_s) as watchdog, translated(self._where, watchdog):
            return transport.open_session()

    def _have(self, deadline: float) -> tuple[paramiko.Transport, bool]:
        """The transport, and whether it was made just now."""
        if not self._connecting.acquire(timeout=max(0.01, deadline - time.monotonic())):
            raise LinkError(f"{self._where}: another call has been connecting for too long", kind="timeout")
        try:
            if (known := self._transport) is not None and known.is_active():
                return known, False
            made = self._connect(min(CONNECT_LIMIT_S, max(0.01, deadline - time.monotonic())))
            self._transport = made
            self._expire_in(made, self._idle_s)
            return made, True
        finally:
            self._connecting.release()

    def _expire_in(self, transport: paramiko.Transport, seconds: float) -> None:
        timer = threading.Timer(seconds, self._expire, (transport,))
        timer.daemon = True
        timer.start()

    def _expire(self, transport: paramiko.Transport) -> None:
        with self._lock:
            if self._transport is not transport or not transport.is_active():
                return
            rest_s = self._idle_s if self._users else self._used_at + self._idle_s - time.monotonic()
            if rest_s > 0:
                self._expire_in(transport, rest_s)
                return
            self._transport = None
        shut(transport)


_pools = weakref.WeakSet()
os.register_at_fork(after_in_child=lambda: [pool.abandon() for pool in list(_pools)] and None)
