"""A TCP proxy on loopback that does to connections what networks do to them. Tests and the chaos driver steer it.

    with FaultProxy(target_port) as proxy:
        connect to 127.0.0.1:proxy.port
        proxy.blackhole()                      every byte of now and later is lost; nobody gets a RST or a FIN
        proxy.half_open("up")                  the same for one direction: "up" is to the target, "down" from it
        proxy.hold()                           bytes wait, and flow on after `heal`: a partition that TCP outlives
        proxy.hold_after(1000, "down")         the same once so many more bytes went that way
        proxy.stall(2.0, times=3)              the next three chunks come two seconds late (None: every one)
        proxy.reset_after(1000, "down")        a RST to both sides once so many more bytes went that way; once
        proxy.refuse()                         new connections are refused; those that are open go on
        proxy.cut()                            a RST to both sides of every open connection, now
        proxy.heal()                           new connections, and open ones that lost nothing, work again

A connection that lost bytes never works again, as its two ends no longer agree; it stays open and silent until
`cut` or the proxy's end. All methods may be called from any thread and have taken effect when they return.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

Direction = Literal["up", "down"]

CHUNK_BYTES = 32 * 1024
BOTH: frozenset[Direction] = frozenset({"up", "down"})
AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER on with 0 seconds: closing sends a RST."""


@dataclass(eq=False)
class Pair:
    """One proxied connection; `lost` are the directions that dropped bytes, `target` is absent if it began in a
    blackhole."""

    client: asyncio.StreamWriter
    target: asyncio.StreamWriter | None = None
    lost: set[Direction] = field(default_factory=set[Direction])

    def reset(self) -> None:
        for writer in (self.client, self.target):
            if writer is not None:
                with contextlib.suppress(OSError):
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                writer.transport.abort()


class FaultProxy:
    """`connections` counts those accepted; `passed` and `lost` the bytes that went on or did not, by direction."""

    def __init__(self, target_port: int, *, target_host: str = "127.0.0.1") -> None:
        self._target = (target_host, target_port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._pairs: set[Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._losing: frozenset[Direction] = frozenset()
        self._flowing = asyncio.Event()
        self._stall_s, self._stalls_left = 0.0, 0
        self._until_reset: dict[Direction, int] = {}
        self._until_hold: dict[Direction, int] = {}
        self.port = 0
        self.connections = 0
        self.passed: dict[Direction, int] = {"up": 0, "down": 0}
        self.lost: dict[Direction, int] = {"up": 0, "down": 0}

    def __enter__(self) -> Self:
        self._thread.start()
        self._flowing.set()
        self._do(self._listen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._do(self._shut)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def blackhole(self) -> None:
        self._set(losing=BOTH)

    def half_open(self, lost: Direction) -> None:
        self._set(losing=frozenset({lost}))

    def hold(self) -> None:
        self._set(flowing=False)

    def hold_after(self, count: int, direction: Direction) -> None:
        self._set(until_hold={direction: count})

    def stall(self, seconds: float, times: int | None = None) -> None:
        self._set(stall_s=seconds, stalls=-1 if times is None else times)

    def reset_after(self, count: int, direction: Direction) -> None:
        self._set(until_reset={direction: count})

    def refuse(self) -> None:
        self._do(self._deafen)

    def cut(self) -> None:
        self._do(self._reset_all)

    def heal(self) -> None:
        self._set()
        self._do(self._listen)

    def _set(
        self,
        *,
        losing: frozenset[Direction] = frozenset(),
        flowing: bool = True,
        stall_s: float = 0.0,
        stalls: int = 0,
        until_reset: dict[Direction, int] | None = None,
        until_hold: dict[Direction, int] | None = None,
    ) -> None:
        """The faults of now; what is not given is well."""

        async def change() -> None:
            self._losing = losing
            self._stall_s, self._stalls_left = stall_s, stalls
            self._until_reset = dict(until_reset or {})
            self._until_hold = dict(until_hold or {})
            self._flowing.set() if flowing else self._flowing.clear()

        self._do(change)

    def _do(self, act: Callable[[], object]) -> None:
        asyncio.run_coroutine_threadsafe(act(), self._loop).result(timeout=150)  # pyright: ignore[reportArgumentType]

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, reuse_address=True)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _deafen(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _reset_all(self) -> None:
        for pair in list(self._pairs):
            pair.reset()

    async def _shut(self) -> None:
        await self._deafen()
        await self._reset_all()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        pair = Pair(client=writer)
        self._pairs.add(pair)
        try:
            if self._losing == BOTH:
                await self._swallow(pair, reader)
            else:
                await self._join(pair, reader)
        except (OSError, asyncio.CancelledError):
            pair.reset()
        finally:
            self._pairs.discard(pair)
            self._tasks.discard(task)

    async def _swallow(self, pair: Pair, reader: asyncio.StreamReader) -> None:
        pair.lost |= BOTH
        while await reader.read(CHUNK_BYTES):
            pass
        pair.client.close()

    async def _join(self, pair: Pair, reader: asyncio.StreamReader) -> None:
        from_target, pair.target = await asyncio.open_connection(*self._target)
        await asyncio.gather(
            self._pump(pair, "up", reader, pair.target), self._pump(pair, "down", from_target, pair.client)
        )
        for writer in (pair.client, pair.target):
            writer.close()

    async def _pump(
        self, pair: Pair, way: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if self._stalls_left:
                self._stalls_left -= 1
                await asyncio.sleep(self._stall_s)
            await self._flowing.wait()
            if way in self._losing or way in pair.lost:
                pair.lost.add(way)
                self.lost[way] += len(data)
                continue
            data = data[: self._until_reset.get(way, len(data))]
            writer.write(data)
            await writer.drain()
            self.passed[way] += len(data)
            if way in self._until_hold:
                self._until_hold[way] -= len(data)
                if self._until_hold[way] <= 0:
                    self._until_hold = {}
                    self._flowing.clear()
            if way in self._until_reset:
                self._until_reset[way] -= len(data)
                if self._until_reset[way] <= 0:
                    self._until_reset = {}
                    pair.reset()
                    return
        await self._flowing.wait()
        if way in self._losing:
            pair.lost.add(way)  # the FIN is lost as well
        if way not in pair.lost and writer.can_write_eof():
            writer.write_eof()
