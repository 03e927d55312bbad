"""The numbers that an operator may set for planning."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Policy:
    """`attempts_max` bounds the attempts of one episode. Where and after which pause is in the table of reasons."""

    attempts_max: int = 3
