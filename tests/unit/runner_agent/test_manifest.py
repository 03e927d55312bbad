"""The manifest of an episode folder and the stream of its files."""

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from runner_agent import manifest
from runner_agent.manifest import Artifact, ManifestError
from runner_agent.protocol import PULL_OFFSET


@pytest.fixture
def out(tmp_path: Path) -> Path:
    out = tmp_path / "out"
    for path, text in {"b.log": "bee", "a/one.json": "{}", "a/empty": "", "a/sp ace ä.txt": "x"}.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(text)
    return out


def names(out: Path) -> list[str]:
    return [path for _, path in manifest.read_sums((out / manifest.SUMS).read_text())]


def unpack(out: Path) -> dict[str, bytes]:
    held = io.BytesIO()
    manifest.stream(out, held)
    held.seek(0)
    with tarfile.open(fileobj=held, mode="r|") as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member))}


def test_sha256sum_verifies_what_was_written(out: Path):
    assert manifest.write_sums(out) == 4
    done = subprocess.run(["sha256sum", "--strict", "-c", manifest.SUMS], cwd=out, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_names_are_sorted_and_the_manifest_does_not_name_itself(out: Path):
    manifest.write_sums(out)
    assert names(out) == ["a/empty", "a/one.json", "a/sp ace ä.txt", "b.log"]
    first = (out / manifest.SUMS).read_bytes()
    manifest.write_sums(out)
    assert (out / manifest.SUMS).read_bytes() == first


def test_what_is_no_regular_file_is_left_out_and_listed(out: Path):
    (out / "link").symlink_to("/etc/passwd")
    (out / "folder-link").symlink_to("/etc")
    os.mkfifo(out / "a/pipe")
    (out / "a/new\nline").write_text("x")
    (out / "a/back\\slash").write_text("x")
    (out / os.fsdecode(b"a/\xff")).write_text("x")
    manifest.write_sums(out)
    assert names(out) == ["a/empty", "a/one.json", "a/sp ace ä.txt", "b.log", "omitted.json"]
    listed = json.loads((out / manifest.OMITTED).read_text())
    assert listed["count"] == 6
    assert {each["path"]: each["why"] for each in listed["omitted"]} == {
        "a/back\\slash": "its name cannot stand in a manifest",
        "a/new\nline": "its name cannot stand in a manifest",
        "a/\\xff": "its name cannot stand in a manifest",
        "a/pipe": "not a regular file",
        "folder-link": "a symbolic link",
        "link": "a symbolic link",
    }


def test_the_list_of_what_was_left_out_goes_when_nothing_is(out: Path):
    (out / "link").symlink_to("b.log")
    manifest.write_sums(out)
    (out / "link").unlink()
    manifest.write_sums(out)
    assert not (out / manifest.OMITTED).exists()


def test_the_stream_carries_the_manifest_and_then_exactly_what_it_names(out: Path):
    manifest.write_sums(out)
    (out / "later.txt").write_text("not named")
    held = unpack(out)
    assert list(held) == [manifest.SUMS, *names(out)]
    assert held["b.log"] == b"bee"


@pytest.mark.fault(7)
def test_of_what_is_held_only_the_rest_comes(out: Path):
    manifest.write_sums(out)
    stream = io.BytesIO()
    manifest.stream(out, stream, {"b.log": 1, "a/one.json": 2, "a/sp ace ä.txt": 99, manifest.SUMS: 5, "never": 3})
    stream.seek(0)
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        came = {
            member.name: (member.pax_headers.get(PULL_OFFSET), file.read())
            for member in tar
            if (file := tar.extractfile(member))
        }
    assert came == {
        manifest.SUMS: (None, (out / manifest.SUMS).read_bytes()),
        "a/empty": (None, b""),
        "a/sp ace ä.txt": (None, b"x"),
        "b.log": ("1", b"ee"),
    }


def test_the_stream_tells_nothing_of_owner_or_time(out: Path):
    manifest.write_sums(out)
    held = io.BytesIO()
    manifest.stream(out, held)
    with tarfile.open(fileobj=io.BytesIO(held.getvalue())) as tar:
        assert {(member.mtime, member.uid, member.uname, member.mode) for member in tar} == {(0, 0, "", 0o644)}


@pytest.mark.parametrize("swap", ["link", "pipe", "gone"])
def test_a_file_that_was_swapped_after_the_manifest_stops_the_stream(out: Path, swap: str):
    manifest.write_sums(out)
    (out / "b.log").unlink()
    if swap == "link":
        (out / "b.log").symlink_to("/etc/passwd")
    elif swap == "pipe":
        os.mkfifo(out / "b.log")
    with pytest.raises(ManifestError, match=r"b\.log"):
        manifest.stream(out, io.BytesIO())


@pytest.mark.parametrize(
    "line",
    [
        "x  b.log",
        "0" * 64 + " b.log",
        "0" * 64 + "  /etc/passwd",
        "0" * 64 + "  a/../../b",
        "0" * 64 + "  ",
        "\\" + "0" * 64 + "  a",
    ],
)
def test_a_manifest_with_a_malformed_line_is_refused(line: str):
    with pytest.raises(ManifestError, match="line 2 is malformed"):
        manifest.read_sums("0" * 64 + f"  good\n{line}\n")


def test_artifacts_are_told_with_what_became_of_them(out: Path):
    (out / "hollow").mkdir()
    manifest.artifacts(
        out,
        [
            Artifact(source="/workspace/b.log", destination="b.log"),
            Artifact(source="/workspace/a", destination="a", type="directory"),
            Artifact(source="x", destination="a/empty"),
            Artifact(source="x", destination="hollow", type="directory"),
            Artifact(source="x", destination="absent"),
            Artifact(source="x", destination="smoke", type="directory", skipped=True),
        ],
    )
    told = json.loads((out / "artifacts/manifest.json").read_text())
    assert [each["status"] for each in told] == ["ok", "ok", "empty", "empty", "failed", "skipped"]
    assert told[1] == {"source": "/workspace/a", "destination": "a", "type": "directory", "status": "ok"}
