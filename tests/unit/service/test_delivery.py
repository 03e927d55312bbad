"""A commit that is brought to a runner over its link."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import BadInput, LinkError
from orchestrator.machines.fake import FakeLink
from orchestrator.service.delivery import deliver, how
from runner_agent.protocol import BundleAnswer, BundleRequest

HOST = "https://host/repo.git"


@pytest.mark.parametrize(
    ("wanted", "kind", "url", "chosen"),
    [
        ("fetch", "local", "/srv/repo", "fetch"),
        ("fetch", "local", HOST, "fetch"),
        ("fetch", "ssh", HOST, "fetch"),
        ("fetch", "ssh", "git@host:repo.git", "fetch"),
        ("fetch", "ssh", "/srv/repo", "push"),
        ("fetch", "ssh", "file:///srv/repo", "push"),
        ("push", "ssh", HOST, "push"),
        ("push", "local", HOST, "push"),
    ],
)
def test_a_commit_is_brought_where_that_is_asked_for_or_the_repository_is_a_folder_here(
    wanted: str, kind: str, url: str, chosen: str
) -> None:
    assert how(wanted, kind, url) == chosen  # type: ignore[arg-type]


class Counting(FakeLink):
    """`broken`: so many pieces are taken and not answered for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[BundleRequest] = []
        self.broken = 0

    def bundle(self, request: BundleRequest) -> BundleAnswer:
        self.asked.append(request)
        said = super().bundle(request)
        if request.sha256 and self.broken:
            self.broken -= 1
            raise LinkError("the connection broke", kind="reset")
        return said


class Deaf(FakeLink):
    def bundle(self, request: BundleRequest) -> BundleAnswer:
        return BundleAnswer(present=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    add(folder, "one")
    return folder


def git(folder: Path, *words: str) -> str:
    own = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgSign=false")
    return subprocess.run(["git", "-C", str(folder), *own, *words], check=True, capture_output=True, text=True).stdout


def add(folder: Path, text: str) -> str:
    """Commits text that does not pack well; returns the commit."""
    (folder / text).write_text("".join(f"{text}{number * number * 7919:x}\n" for number in range(1000)))
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", text)
    return git(folder, "rev-parse", "HEAD").strip()


def sent(link: Counting) -> list[BundleRequest]:
    return [asked for asked in link.asked if asked.sha256]


def test_a_commit_travels_in_pieces_and_only_once(tmp_path: Path, repository: Path) -> None:
    link, commit = Counting(), git(repository, "rev-parse", "HEAD").strip()
    deliver(link, tmp_path / "home", str(repository), commit, piece_bytes=1000)
    assert (str(repository), commit) in link.commits
    pieces = sent(link)
    assert len(pieces) > 3
    assert [piece.offset for piece in pieces] == list(range(0, pieces[0].bytes, 1000))

    deliver(link, tmp_path / "home", str(repository), commit)
    assert sent(link) == pieces


def test_a_second_commit_brings_only_what_is_new(tmp_path: Path, repository: Path) -> None:
    link, first = Counting(), git(repository, "rev-parse", "HEAD").strip()
    deliver(link, tmp_path / "home", str(repository), first)
    (repository / "small").write_text("small\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "small")
    second = git(repository, "rev-parse", "HEAD").strip()
    deliver(link, tmp_path / "home", str(repository), second)
    whole, thin = (piece.bytes for piece in sent(link))
    assert thin < whole / 4


def test_a_commit_that_no_branch_names_any_more_is_brought(tmp_path: Path, repository: Path) -> None:
    link, lost = Counting(), add(repository, "two")
    git(repository, "reset", "-q", "--hard", "HEAD~1")
    deliver(link, tmp_path / "home", str(repository), lost)
    assert (str(repository), lost) in link.commits


def test_a_sender_that_was_cut_off_does_not_begin_anew(tmp_path: Path, repository: Path) -> None:
    link, commit = Counting(), git(repository, "rev-parse", "HEAD").strip()
    link.broken = 1
    with pytest.raises(LinkError):
        deliver(link, tmp_path / "home", str(repository), commit, piece_bytes=1000)
    deliver(link, tmp_path / "home", str(repository), commit, piece_bytes=1000)
    assert (str(repository), commit) in link.commits
    # The first piece came; the second sender offers it once more, and hears that it is there.
    assert [piece.offset for piece in sent(link)][:3] == [0, 0, 1000]


def test_a_runner_that_takes_nothing_is_not_asked_for_ever(tmp_path: Path, repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD").strip()
    with pytest.raises(LinkError, match="holds 0 of the"):
        deliver(Deaf(), tmp_path / "home", str(repository), commit)


def test_a_repository_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere"):
        deliver(FakeLink(), tmp_path / "home", str(tmp_path / "nowhere"), "0" * 40)
