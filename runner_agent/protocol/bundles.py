"""A commit that is brought to a runner which cannot fetch it: `bundle`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BundleRequest:
    """A piece (`data`, base64) of a git bundle of `refs/matins/<commit>`, from byte `offset` of its `bytes`. Without a
    `sha256`, which is the whole bundle's, it only asks what is there."""

    repo_url: str
    commit: str
    sha256: str = ""
    bytes: int = 0
    offset: int = 0
    data: str = ""


@dataclass(frozen=True, kw_only=True)
class BundleAnswer:
    """`present`: the commit is in the mirror. Else `tips` are commits that are, or `held_bytes` of the bundle are here:
    the next piece begins there."""

    present: bool
    held_bytes: int = 0
    tips: tuple[str, ...] = ()
