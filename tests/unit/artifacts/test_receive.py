"""A runner's archive is taken in as a whole and as its manifest says, or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from orchestrator.artifacts import layout, partial, sums
from orchestrator.artifacts.receive import Caps, receive
from orchestrator.errors import ArtifactError, LinkError
from runner_agent.protocol import PULL_OFFSET
from tests.unit.artifacts import folders

Entry = tuple[tarfile.TarInfo, bytes]


def file(name: str, data: bytes = b"x") -> Entry:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info, data


def special(name: str, kind: bytes, target: str = "") -> Entry:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info, b""


def tar(entries: Iterable[Entry], fmt: int = tarfile.PAX_FORMAT) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=fmt) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    stream.seek(0)
    return stream


def with_manifest(*entries: Entry) -> io.BytesIO:
    """An archive whose manifest lists its plain files, so that nothing but the entries themselves can be wrong."""
    listed = {info.name: hashlib.sha256(data).hexdigest() for info, data in entries if info.isreg()}
    return tar([file(layout.RUNNER_SUMS, layout.format_sums(listed).encode()), *entries])


def refused(stream: io.BytesIO, folder: Path, caps: Caps | None = None) -> str:
    """The refusal; the folder is not there, nothing of it is kept and nothing was written beside it."""
    with pytest.raises(ArtifactError) as refusal:
        receive(stream, folder, caps)
    assert not folder.exists()
    assert partial.held(folder) == {}
    outside = [path for path in folder.parent.parent.rglob("*") if not path.is_relative_to(folder.parent)]
    assert outside == []
    return refusal.value.message


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "episodes").mkdir()
    return tmp_path / "episodes" / "e-1"


def test_what_a_runner_streams_arrives_whole_and_verifies(tmp_path: Path) -> None:
    out = folders.write(tmp_path / "out", folders.contents())
    target = tmp_path / "campaign" / "e-1"
    received = receive(folders.streamed(out), target)
    assert not received.already
    assert received.files == len(folders.contents()) + 1
    assert sums.verify_runner(target) == []
    assert {path: (target / path).read_text() for path in folders.contents()} == folders.contents()
    assert not target.with_name("e-1.part").exists()
    checked = subprocess.run(["sha256sum", "-c", "--quiet", layout.RUNNER_SUMS], cwd=target, check=False)
    assert checked.returncode == 0


def test_receiving_twice_reads_nothing_the_second_time(tmp_path: Path) -> None:
    out = folders.write(tmp_path / "out", folders.contents())
    receive(folders.streamed(out), tmp_path / "e-1")
    again = receive(io.BytesIO(b"not a tar at all"), tmp_path / "e-1")
    assert again.already


def test_a_folder_that_was_tampered_with_is_not_taken_for_received(tmp_path: Path) -> None:
    out = folders.write(tmp_path / "out", folders.contents())
    receive(folders.streamed(out), tmp_path / "e-1")
    (tmp_path / "e-1" / "diff.patch").write_text("other")
    with pytest.raises(ArtifactError, match=r"diff\.patch is not what its checksum says"):
        receive(folders.streamed(out), tmp_path / "e-1")


def test_what_a_crash_left_half_received_is_replaced_where_it_comes_whole(folder: Path) -> None:
    part = folder.with_name("e-1.part")
    (part / "deep" / "a").mkdir(parents=True)
    (part / "deep" / "stale").write_text("half")
    (part / "a").write_text("half")
    (part / "link").symlink_to("/etc/passwd")
    receive(with_manifest(file("a", b"whole")), folder)
    assert (folder / "a").read_bytes() == b"whole"
    assert sorted(path.name for path in folder.iterdir()) == [layout.RUNNER_SUMS, "a"]


HOSTILE = {
    "parent": file("../escape"),
    "inner-parent": file("a/../../escape"),
    "absolute": file("/tmp/escape"),
    "dot": file("./a"),
    "double-slash": file("a//b"),
    "newline": file("a\nb"),
    "backslash": file("a\\b"),
    "deep": file("/".join(["d"] * 17)),
    "long-name": file("n" * 256),
    "long-path": file("/".join(["n" * 200] * 6)),
    "symlink": special("link", tarfile.SYMTYPE, "/etc/passwd"),
    "hard-link": special("link", tarfile.LNKTYPE, "a"),
    "fifo": special("pipe", tarfile.FIFOTYPE),
    "character-device": special("device", tarfile.CHRTYPE),
    "block-device": special("device", tarfile.BLKTYPE),
    "directory": special("folder", tarfile.DIRTYPE),
    "contiguous": special("contiguous", tarfile.CONTTYPE),
    "unknown": special("odd", b"Z"),
    "our-verdict": file("verifier/verdict.json"),
    "our-sums": file("SHA256SUMS"),
    "our-trajectory": file("agent/trajectory.json"),
}


@pytest.mark.fault(28)
@pytest.mark.parametrize("entry", HOSTILE.values(), ids=HOSTILE.keys())
def test_anything_but_a_plain_file_with_a_plain_name_is_refused(entry: Entry, folder: Path) -> None:
    refused(with_manifest(file("a"), entry), folder)
    # Nor is it where the manifest does not name it.
    refused(tar([file(layout.RUNNER_SUMS, b""), entry]), folder)


@pytest.mark.fault(28)
def test_a_name_that_comes_twice_is_refused(folder: Path) -> None:
    assert "comes twice" in refused(with_manifest(file("a", b"1"), file("a", b"1")), folder)
    again = file(layout.RUNNER_SUMS, b"")
    assert "comes twice" in refused(tar([again, again]), folder)
    twice = f"{'0' * 64}  a\n" * 2
    assert "twice" in refused(tar([file(layout.RUNNER_SUMS, twice.encode())]), folder)


@pytest.mark.fault(28)
@pytest.mark.parametrize(
    ("one", "other"), [("Log", "log"), ("straße", "STRASSE"), ("caf\u00e9", "cafe\u0301"), ("a/B/c", "a/b/c")]
)
def test_names_that_another_file_system_takes_for_one_are_refused(one: str, other: str, folder: Path) -> None:
    assert "case or composition" in refused(with_manifest(file(one), file(other)), folder)


@pytest.mark.fault(28)
def test_the_manifest_comes_first_or_nothing_is_taken(folder: Path) -> None:
    assert "begins with 'a'" in refused(tar([file("a")]), folder)
    assert "listed as a file" in refused(
        tar([file(layout.RUNNER_SUMS, f"{'0' * 64}  RUNNER_SHA256SUMS/a\n".encode())]), folder
    )


@pytest.mark.fault(28)
@pytest.mark.parametrize("offset", ["-1", "1e3", "0x1", "٣", "9" * 30, "7"])
def test_an_entry_that_begins_where_nothing_is_held_is_refused(offset: str, folder: Path) -> None:
    info, data = file("a", b"rest")
    info.pax_headers = {PULL_OFFSET: offset}
    refused(with_manifest((info, data)), folder)
    assert not folder.with_name("e-1.part").joinpath("a").exists()


@pytest.mark.fault(28)
@pytest.mark.parametrize("key", ["path", "size", "linkpath", "hdrcharset", "GNU.sparse.size", "MATINS.offset"])
def test_an_extended_header_that_contradicts_the_entry_leaves_no_trace_outside(key: str, folder: Path) -> None:
    info, data = file("a", b"data")
    info.pax_headers = {key: "../../escape" if key == "path" else "99999999999999"}
    with pytest.raises((ArtifactError, LinkError)):
        receive(with_manifest((info, data)), folder)
        raise LinkError("taken for the plain file that it is")
    assert [path for path in folder.parent.parent.iterdir() if path != folder.parent] == []


@pytest.mark.timeout(60)
@pytest.mark.fault(28)
def test_a_million_files_are_refused_by_the_manifest_alone(folder: Path) -> None:
    info = tarfile.TarInfo(layout.RUNNER_SUMS)
    info.size = 1_000_000 * 70
    assert "more than 20000 files" in refused(io.BytesIO(info.tobuf(tarfile.PAX_FORMAT)), folder)
    lines = b"".join(b"%064x  %d\n" % (n, n) for n in range(200_000))
    assert "more than 20000 files" in refused(tar([file(layout.RUNNER_SUMS, lines)]), folder)


@pytest.mark.fault(28)
def test_a_file_where_a_folder_is_needed_is_refused(folder: Path) -> None:
    refused(with_manifest(file("a"), file("a/b")), folder)


@pytest.mark.fault(28)
def test_a_link_followed_by_a_file_below_it_is_refused(folder: Path) -> None:
    refused(with_manifest(special("out", tarfile.SYMTYPE, "/tmp"), file("out/escape")), folder)


@pytest.mark.fault(28)
def test_more_bytes_than_the_cap_are_refused_before_they_are_written(folder: Path) -> None:
    info = tarfile.TarInfo("bomb")
    info.size = 10**12
    sums = tar([file(layout.RUNNER_SUMS, f"{'0' * 64}  bomb\n".encode())]).getvalue()[:1024]
    assert "does not fit" in refused(io.BytesIO(sums + info.tobuf(tarfile.PAX_FORMAT)), folder)
    assert "does not fit" in refused(with_manifest(file("a", b"x" * 60), file("b", b"x" * 60)), folder, Caps(bytes=100))


@pytest.mark.fault(28)
def test_more_files_than_the_cap_are_refused(folder: Path) -> None:
    many = (file(f"f{number}", b"") for number in range(20))
    assert "more than 10 files" in refused(with_manifest(*many), folder, Caps(files=10))


@pytest.mark.fault(28)
def test_an_extended_header_that_would_fill_the_memory_is_refused(folder: Path) -> None:
    info = tarfile.TarInfo("header")
    info.type = tarfile.XHDTYPE
    info.size = 8**11 - 1
    assert "header of" in refused(io.BytesIO(info.tobuf(tarfile.USTAR_FORMAT) + b"\0" * 1024), folder)


@pytest.mark.fault(28)
@pytest.mark.parametrize("kind", [tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_SPARSE])
def test_headers_that_a_runner_never_sends_are_refused(kind: bytes, folder: Path) -> None:
    assert "not a plain file" in refused(with_manifest(file("a"), special("h", kind)), folder)


@pytest.mark.fault(28)
def test_a_sparse_file_that_claims_to_be_plain_is_refused(folder: Path) -> None:
    info, data = file("sparse", b"0\n" + b"\0" * 510)
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "99999999999"}
    assert "not a plain file" in refused(with_manifest((info, data)), folder)


@pytest.mark.fault(28)
def test_a_chain_of_headers_without_end_is_refused(folder: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type = tarfile.XHDTYPE
    info.size = 0
    refused(io.BytesIO(info.tobuf(tarfile.USTAR_FORMAT) * 5000), folder)


@pytest.mark.fault(7, 28)
def test_an_archive_cut_anywhere_is_gone_on_with_from_there(tmp_path: Path) -> None:
    out = folders.write(tmp_path / "out", {"a": "1" * 700, "b/c": "2" * 700})
    whole = folders.streamed(out).getvalue()
    # Past its last file's data a tar is padding, which nobody misses.
    end = whole.rindex(b"2" * 99) + 99
    (tmp_path / "received").mkdir()
    for cut in range(0, end, 97):
        folder = tmp_path / "received" / f"e-{cut}"
        with pytest.raises((ArtifactError, LinkError)) as broken:
            receive(io.BytesIO(whole[:cut]), folder)
        assert not folder.exists()
        brought = sum(partial.held(folder).values())
        assert isinstance(broken.value, LinkError) == (brought > 0)
        rest = folders.streamed(out, partial.held(folder)).getvalue()
        assert rest.count(b"1") + rest.count(b"2") < whole.count(b"1") + whole.count(b"2") - brought + 40
        receive(io.BytesIO(rest), folder)
        assert sums.verify_runner(folder) == []


@pytest.mark.fault(7)
def test_a_file_that_changed_after_half_of_it_came_is_dropped_and_comes_anew(tmp_path: Path) -> None:
    out = folders.write(tmp_path / "out", {"a": "1" * 700, "b": "2" * 200_000})
    folder = tmp_path / "e-1"
    stream = folders.streamed(out).getvalue()
    with pytest.raises(LinkError):
        receive(io.BytesIO(stream[: stream.index(b"2" * 99) + 150_000]), folder)
    assert partial.held(folder)["b"] > 100_000
    folders.write(out, {"b": "3" * 200_000})
    with pytest.raises(ArtifactError, match="'b' is not what the manifest says"):
        receive(folders.streamed(out, partial.held(folder)), folder)
    assert partial.held(folder) == {"a": 700}
    receive(folders.streamed(out, partial.held(folder)), folder)
    assert (folder / "b").read_text() == "3" * 200_000


@pytest.mark.fault(7)
def test_a_file_that_became_shorter_or_went_is_no_hindrance(tmp_path: Path) -> None:
    out = folders.write(tmp_path / "out", {"a": "1" * 700, "b": "2" * 700, "c": "3" * 200_000})
    folder = tmp_path / "e-1"
    stream = folders.streamed(out).getvalue()
    with pytest.raises(LinkError):
        receive(io.BytesIO(stream[: stream.index(b"3" * 99) + 150_000]), folder)
    (out / "a").unlink()
    folders.write(out, {"b": "2" * 20})
    receive(folders.streamed(out, partial.held(folder)), folder)
    assert sums.verify_runner(folder) == []
    assert not (folder / "a").exists()


@pytest.mark.fault(7)
def test_a_process_killed_while_it_receives_leaves_what_came_for_the_next(tmp_path: Path) -> None:
    out = folders.write(tmp_path / "out", {"a": "1" * 300_000, "b": "2" * 3_000_000})
    stream = folders.streamed(out).getvalue()
    script = (
        "import sys; from pathlib import Path; from orchestrator.artifacts.receive import receive; "
        "receive(sys.stdin.buffer, Path(sys.argv[1]))"
    )
    folder = tmp_path / "e-1"
    argv = [sys.executable, "-c", script, str(folder)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()}) as child:
        assert child.stdin is not None
        child.stdin.write(stream[:2_500_000])
        child.stdin.flush()
        deadline = time.monotonic() + 150
        while partial.held(folder).get("b", 0) < 1_000_000:
            assert time.monotonic() < deadline
            assert child.poll() is None
        child.kill()
    held = partial.held(folder)
    assert held["a"] == 300_000
    receive(folders.streamed(out, held), folder)
    assert sums.verify_runner(folder) == []


@pytest.mark.parametrize("place", range(0, 4096, 211))
def test_a_flipped_byte_is_noticed_or_does_not_matter(place: int, tmp_path: Path) -> None:
    out = folders.write(tmp_path / "out", {"a": "1" * 700, "b/c": "2" * 700})
    data = bytearray(folders.streamed(out).getvalue())
    data[place] ^= 0x40
    folder = tmp_path / "e-1"
    try:
        receive(io.BytesIO(bytes(data)), folder)
    except (ArtifactError, LinkError):
        assert not folder.exists()
    else:
        assert (folder / "a").read_text() + (folder / "b/c").read_text() == "1" * 700 + "2" * 700


@pytest.mark.parametrize("data", [b"", b"\0" * 10240, b"hello\n", b"\x1f\x8b\x08\x00garbage"])
def test_what_is_no_archive_is_refused(data: bytes, folder: Path) -> None:
    refused(io.BytesIO(data), folder)


def test_files_and_manifest_must_agree(folder: Path) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    unsent = tar([file(layout.RUNNER_SUMS, f"{digest}  a\n{digest}  b\n".encode())])
    unlisted = tar([file(layout.RUNNER_SUMS, f"{digest}  a\n".encode()), file("a"), file("b")])
    other = tar([file(layout.RUNNER_SUMS, f"{digest}  a\n".encode()), file("a", b"y")])
    malformed = tar([file(layout.RUNNER_SUMS, b"nonsense\n"), file("a")])
    assert "was not sent" in refused(unsent, folder)
    assert "is not in the manifest" in refused(unlisted, folder)
    assert "is not what the manifest says" in refused(other, folder)
    assert "ended before" in refused(tar([]), folder)
    assert "malformed" in refused(malformed, folder)


def test_a_long_path_within_the_limits_travels(tmp_path: Path) -> None:
    name = "/".join(["n" * 120] * 4)
    out = folders.write(tmp_path / "out", {name: "deep"})
    receive(folders.streamed(out), tmp_path / "e-1")
    assert (tmp_path / "e-1" / name).read_text() == "deep"


def test_two_at_once_do_not_mix(folder: Path) -> None:
    class Meanwhile(io.BytesIO):
        """Starts a second reception of the same folder while the first is being read."""

        refusal = ""

        def read(self, size: int | None = -1) -> bytes:
            if not self.refusal:
                with pytest.raises(ArtifactError) as second:
                    receive(with_manifest(file("a", b"second")), folder)
                self.refusal = second.value.message
            return super().read(size)

    first = Meanwhile(with_manifest(file("a", b"first")).getvalue())
    receive(first, folder)
    assert "by another process" in first.refusal
    assert (folder / "a").read_bytes() == b"first"
