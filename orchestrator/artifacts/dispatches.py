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
    sink = io.BytesIO()
    columns = [
        pyarrow.chunked_array([pyarrow.array(_column(part, each.name), each.type) for part in parts], each.type)
        for each in schema
    ]
    table = pyarrow.table(columns, schema=schema)
    format_.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _column(part: Part, key: str) -> Sequence[object]:
    if key in ("round", "side"):
        return [getattr(part, key)] * len(part.name)
    column: Sequence[object] | None = getattr(part, key)
    return [None] * len(part.name) if column is None else column
