"""Connections over SSH: the pinned host key or none, one key file, no agent, no configuration, no password.

Paramiko's own limits are not relied upon: after a blackhole they were seen to be passed by far.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
from paramiko.pkey import UnknownKeyType
from paramiko.ssh_exception import IncompatiblePeer

from orchestrator.domain.runner import Address
from orchestrator.errors import BadInput, LinkError
from orchestrator.machines import host_keys
from orchestrator.machines.host_keys import HostKey
from orchestrator.machines.ssh_watchdog import Watchdog

CONNECT_LIMIT_S = 15.0
NEVER_S = 1e9
MAKE_ONE = "make one without a passphrase for Matins: ssh-keygen -t ed25519 -N '' -f FILE"

KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, "connect-refused"),
    (socket.gaierror, "unknown-host"),
    (TimeoutError, "timeout"),
    (ConnectionError, "reset"),
    (EOFError, "reset"),
    (OSError, "unreachable"),
    (paramiko.SSHException, "protocol"),
)
"""The first that an error, or what it arose from, is."""


def connect(address: Address, limit_s: float = CONNECT_LIMIT_S) -> paramiko.Transport:
    """A transport on which the host has shown the pinned key and the account has accepted ours. Raises LinkError."""
    pinned = host_keys.read(address.host_key)
    key = load_key(Path(address.key_path))
    where = f"{address.user}@{address.host}:{address.port}"
    with _negotiated(address.host, address.port, limit_s, pinned) as transport:
        try:
            # A partial success, as where a second factor is asked for, is none.
            left = transport.auth_publickey(address.user, key)
        except paramiko.AuthenticationException as error:
            if not transport.is_active():  # paramiko calls that a failed login too
                raise EOFError("the connection broke during the login") from error
            left = [str(error)]
        if left or not transport.is_authenticated():
            raise LinkError(
                f"{where} does not accept the key {address.key_path} ({key.fingerprint}); "
                "put its public half into the account's ~/.ssh/authorized_keys",
                kind="auth-failed",
            )
        return transport


def scan(host: str, port: int, limit_s: float = CONNECT_LIMIT_S) -> HostKey:
    """The key that the host offers now, which proves nothing until somebody compared it. Raises LinkError."""
    with _negotiated(host, port, limit_s, None) as transport:
        shown = _shown_key(transport)
        transport.close()
        return shown


def load_key(path: Path) -> paramiko.PKey:
    """A private key that only its owner can read. Raises LinkError."""
    try:
        if stat.S_IMODE(os.stat(path).st_mode) & 0o077:
            raise LinkError(f"the key {path} can be read by others; run: chmod 600 {path}", kind="key-unusable")
        return paramiko.PKey.from_path(path)
    except OSError as error:
        raise LinkError(f"the key {path} cannot be read: {error.strerror}", kind="key-unusable") from None
    except (TypeError, paramiko.PasswordRequiredException):
        raise LinkError(
            f"the key {path} is encrypted, and nobody is there to ask; {MAKE_ONE}", kind="key-unusable"
        ) from None
    except (ValueError, paramiko.SSHException, UnknownKeyType) as error:
        # Paramiko 5.1 also fails with "Invalid key curve identifier" on every other ECDSA key without a comment.
        said = f"{path} is no private key that can be used ({error}); {MAKE_ONE}"
        raise LinkError(said, kind="key-unusable") from None


@contextlib.contextmanager
def translated(where: str, watchdog: Watchdog) -> Iterator[None]:
    """Whatever goes wrong with the wire, as LinkError with its kind."""
    try:
        yield
    except (LinkError, BadInput):
        raise
    except Exception as error:
        # Once a transport was closed under it, paramiko may raise anything.
        if watchdog.reason:
            raise LinkError(f"{where}: {watchdog.reason}", kind="timeout") from error
        if not isinstance(error, (OSError, EOFError, paramiko.SSHException)):
            raise
        said = str(error) or type(error).__name__
        raise LinkError(f"{where}: {said}", kind=_kind(error)) from error


def shut(transport: paramiko.Transport) -> None:
    """Ends a transport without waiting for anything, so that whoever hangs on it is freed."""
    with contextlib.suppress(OSError):
        transport.sock.shutdown(socket.SHUT_RDWR)
    transport.close()
    transport.sock.close()


@contextlib.contextmanager
def _negotiated(host: str, port: int, limit_s: float, pinned: HostKey | None) -> Iterator[paramiko.Transport]:
    """A transport before anybody was named on it, on which the host has shown the pinned key, or any without one.
    Until it leaves this, it is closed on any error and when the time is over."""
    where = f"{host}:{port}"
    opened: list[paramiko.Transport] = []
    begun = time.monotonic()

    def close() -> None:
        for transport in opened:
            shut(transport)

    with Watchdog(close, limit_s) as watchdog:
        try:
            with translated(where, watchdog):
                connection = _socket(host, port, begun + limit_s)
                transport = paramiko.Transport(connection)
                transport.auth_timeout = transport.channel_timeout = NEVER_S
                opened.append(transport)
                if pinned is not None:
                    transport.get_security_options().key_types = host_keys.TYPES[pinned.kind]
                _negotiate(transport, where, pinned)
                yield transport
                if watchdog.reason:
                    raise LinkError(f"{where}: {watchdog.reason}", kind="timeout")
        except BaseException:
            close()
            raise


def _negotiate(transport: paramiko.Transport, where: str, pinned: HostKey | None) -> None:
    try:
        transport.start_client()
    except IncompatiblePeer as error:
        if pinned is None or "host key" not in str(error):
            raise
        raise LinkError(
            f"{where} has no host key of the pinned type {pinned.kind} ({pinned.fingerprint}); {_advice()}",
            kind="host-key-changed",
        ) from error
    if pinned is None:
        return
    shown = _shown_key(transport)
    if not hmac.compare_digest(shown.blob, pinned.blob):
        raise LinkError(
            f"{where} shows the host key {shown.fingerprint}, but {pinned.fingerprint} was pinned; {_advice()}",
            kind="host-key-changed",
        )


def _advice() -> str:
    return (
        "nothing was sent, as somebody may stand between; if the machine has a new key, "
        "pin that by the same `matins runner add` with --host-key"
    )


def _shown_key(transport: paramiko.Transport) -> HostKey:
    key = transport.get_remote_server_key()
    return HostKey(kind=key.get_name(), blob=key.asbytes())


def _socket(host: str, port: int, deadline: float) -> socket.socket:
    """The first address that answers. Each gets what is left of the time."""
    failure: OSError | None = None
    for family, kind, protocol, _, place in _resolve(host, port, deadline):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(max(0.01, deadline - time.monotonic()))
            connection.connect(place)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except OSError as error:
            connection.close()
            failure = error
    raise failure or OSError(f"{host} has no address")


def _resolve(host: str, port: int, deadline: float) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    """In a thread that can be left behind: a resolver keeps no limit that we could set."""
    found: list[object] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error if isinstance(error, OSError) else socket.gaierror(f"{host!r} is no name of a host"))

    thread = threading.Thread(target=look_up, name="ssh-resolve", daemon=True)
    thread.start()
    thread.join(max(0.01, deadline - time.monotonic()))
    if not found:
        raise TimeoutError(f"the name {host} was not resolved in time")
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]  # pyright: ignore[reportReturnType]


def _kind(error: BaseException) -> str:
    arose: BaseException | None = error
    while arose is not None:
        for kind, name in KINDS[:-2]:
            if isinstance(arose, kind):
                return name
        arose = arose.__cause__ or arose.__context__
    return next(name for kind, name in KINDS if isinstance(error, kind))
