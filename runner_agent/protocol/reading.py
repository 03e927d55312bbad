"""Messages to JSON data and back."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from typing import Any, Literal, TypeVar

T = TypeVar("T")


class MalformedMessage(ValueError):
    """A message lacks a field or holds a wrong type; the text names the field."""


def to_json(value: Any) -> Any:
    """A message as JSON data: dataclasses become objects, tuples lists."""
    return dataclasses.asdict(value)


def from_json(kind: type[T], data: Any) -> T:
    """A message from JSON data; unknown keys are ignored. Raises MalformedMessage."""
    return _read(kind, data, kind.__name__)


def _read(kind: Any, data: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, data, where)
    if kind is Any:
        return data
    if origin is Literal:
        return _expect(data in arguments, data, where, " | ".join(map(str, arguments)))
    if origin is types.UnionType or origin is typing.Union:
        return None if data is None else _read(arguments[0], data, where)
    if origin is tuple:
        _expect(isinstance(data, (list, tuple)), data, where, "a list")
        return tuple(_read(arguments[0], part, f"{where}[{n}]") for n, part in enumerate(data))
    if origin is dict:
        _expect(isinstance(data, dict), data, where, "an object")
        return {_read(arguments[0], k, where): _read(arguments[1], v, f"{where}.{k}") for k, v in data.items()}
    if kind is float:
        _expect(isinstance(data, (int, float)) and not isinstance(data, bool), data, where, "a number")
        return float(data)
    exact = isinstance(data, kind) and (kind is bool or not isinstance(data, bool))
    return _expect(exact, data, where, kind.__name__)


def _read_dataclass(kind: Any, data: Any, where: str) -> Any:
    _expect(isinstance(data, dict), data, where, "an object")
    hints = _hints(kind)
    values: dict[str, Any] = {}
    for part in dataclasses.fields(kind):
        if part.name in data:
            values[part.name] = _read(hints[part.name], data[part.name], f"{where}.{part.name}")
        elif part.default is dataclasses.MISSING and part.default_factory is dataclasses.MISSING:
            raise MalformedMessage(f"{where}.{part.name} is missing")
    return kind(**values)


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _expect(holds: bool, data: Any, where: str, what: str) -> Any:
    if not holds:
        raise MalformedMessage(f"{where} should be {what}, not {type(data).__name__} {str(data)[:80]!r}")
    return data
