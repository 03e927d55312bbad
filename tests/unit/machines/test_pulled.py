"""A pulled stream ends well, or not at all."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable

import pytest

from orchestrator.errors import LinkError, LinkRefused
from orchestrator.machines import pulled


def archive(size: int = 100_000) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("log")
        info.size = size
        tar.addfile(info, io.BytesIO(b"x" * size))
    return buffer.getvalue()


def wire(data: bytes, piece: int = 1000) -> Callable[[int], bytes]:
    source = io.BytesIO(data)
    return lambda size: source.read(min(size, piece))


def test_a_whole_archive_comes_through_byte_by_byte() -> None:
    data = archive()
    assert pulled.files(wire(data), lambda: (0, b"")).read() == data


@pytest.mark.parametrize("kept", [0, 300, 512, 60_000])
def test_an_archive_that_breaks_off_is_an_error_of_the_link(kept: int) -> None:
    with pytest.raises(LinkError):
        pulled.files(wire(archive()[:kept]), lambda: (-1, b"gone")).read()


def test_a_refusal_keeps_its_kind() -> None:
    said = {"schema": "matins-link-1", "error": {"kind": "not-ended", "message": "still running"}}
    with pytest.raises(LinkRefused) as refused:
        pulled.files(wire(json.dumps(said).encode()), lambda: (1, b""))
    assert refused.value.refusal == "not-ended"


@pytest.mark.parametrize("noise", [b"Welcome to gpu1\n" * 100, b"Welcome", b"\x7fELF" * 500])
def test_noise_is_no_archive_and_is_quoted(noise: bytes) -> None:
    with pytest.raises(LinkError, match="no archive"):
        pulled.files(wire(noise), lambda: (0, b""))
