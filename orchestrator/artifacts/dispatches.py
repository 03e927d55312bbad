"""The dispatches of the smoke runs as a table."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.scoring.evidence import Side

NUMBERS = ("seq", "bubble_ns", "shader_ns", "submit_ns")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One dispatch; times in nanoseconds, None where the format does not tell them."""

    round: int
    side: Side
    seq: int | None
    name: str
    bubble_ns: int | None
    shader_ns: int | None
    submit_ns: int | None


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some dispatches of one smoke log in order, as columns of equal length; a column that the format does not tell is
    None. Numbers fit 64 bits."""

    round: int
    side: Side
    seq: Sequence[int | None] | None
    name: Sequence[str]
    bubble_ns: Sequence[int | None] | None
    shader_ns: Sequence[int | None] | None
    submit_ns: Sequence[int | None] | None

    def rows(self) -> Iterator[Row]:
        """Each dispatch by itself."""
        columns = (getattr(self, key) or itertools.repeat(None) for key in NUMBERS)
        for name, seq, bubble_ns, shader_ns, submit_ns in zip(self.name, *columns, strict=False):
            yield Row(
                round=self.round,
                side=self.side,
                seq=seq,
                name=name,
                bubble_ns=bubble_ns,
                shader_ns=shader_ns,
                submit_ns=submit_ns,
            )


def rows(parts: Iterable[Part]) -> Iterator[Row]:
    """Every dispatch, in the order of rounds and lines."""
    return (row for part in parts for row in part.rows())


def parquet(parts: Sequence[Part]) -> bytes:
    """The dispatches as Parquet; the same ones give the same bytes."""
    import pyarrow
    from pyarrow import parquet as format_

    schema = pyarrow.schema(
        [
            pyarrow.field("round", pyarrow.int32(), nullable=False),
            pyarrow.field("side", pyarrow.string(), nullable=False),
            pyarrow.field("seq", pyarrow.uint64()),
            pyarrow.field("name", pyarrow.string(), nullable=False),
            pyarrow.field("bubble_ns", pyarrow.uint64()),
            pyarrow.field("shader_ns", pyarrow.uint64()),
            pyarrow.field("submit_ns", pyarrow.uint64()),
        ]
    )
    columns = {
        "round": [part.round for part in parts for _ in part.name],
        "side": [part.side for part in parts for _ in part.name],
        "name": [name for part in parts for name in part.name],
        **{key: list(itertools.chain.from_iterable(_filled(part, key) for part in parts)) for key in NUMBERS},
    }
    sink = io.BytesIO()
    table = pyarrow.table([pyarrow.array(columns[each.name], each.type) for each in schema], schema=schema)
    format_.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _filled(part: Part, key: str) -> Sequence[int | None]:
    column: Sequence[int | None] | None = getattr(part, key)
    return [None] * len(part.name) if column is None else column
