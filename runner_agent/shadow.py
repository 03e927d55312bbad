"""The runner's own git directory over an agent's tree: what a session did is recorded where no agent can write.

All git here runs in the sandbox, with the tree read-only while it is read, since a tree's content is the agent's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runner_agent import files, git
from runner_agent.confinement import MIRROR, SHADOW, TREE, Bind, Wish
from runner_agent.control import InfrastructureFault
from runner_agent.evidence import SOURCE_SUFFIXES
from runner_agent.process import Outcome, Seam, Streams

BRANCH = "refs/heads/matins"
START = "refs/heads/start"
LIMIT_S = 300.0
OUT = "/run/matins/out"
MADE = "matins-made.json"
LISTING_FACTOR = 4
"""A listing may be so much longer than a log."""
# The tree's own attributes must not decide what is recorded and shown: an encoding can make git take in nothing at all,
# and `-diff`, like a NUL byte, hides a file's text. These have the last word (gitattributes(5)). What evidence is read
# from is text whatever it holds.
ATTRIBUTES = "\n".join(
    [
        "* !diff -text !eol !crlf !ident !filter !working-tree-encoding !whitespace !merge",
        *(f"*{suffix} diff" for suffix in SOURCE_SUFFIXES),
        "",
    ]
)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Paths, sorted. An agent chooses how many and how long: `whole` is false where some did not fit."""

    paths: tuple[str, ...]
    whole: bool


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """One attempt's shadow repository over the base commit."""

    seam: Seam
    folder: Path
    mirror: Path
    base: str
    scratch: Path
    log: Path
    log_bytes: int

    def make(self, tree: Path) -> None:
        """Starts the history at the base commit, whose objects stay in the mirror, and marks what the agent is handed:
        a build of the base may have left files, and these are none of the agent's changes."""
        self._must(tree, "init", "--quiet", "--bare", SHADOW, bare=True)
        alternates = self.folder / "objects" / "info" / "alternates"
        alternates.parent.mkdir(parents=True, exist_ok=True)
        alternates.write_text(f"{MIRROR}/objects\n")
        attributes = self.folder / "info" / "attributes"
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text(ATTRIBUTES)
        self._must(tree, "symbolic-ref", "HEAD", BRANCH)
        self._must(tree, "update-ref", BRANCH, self.base)
        self._must(tree, "read-tree", self.base)
        self._add(tree)
        # Exits with 1 where the build left nothing behind.
        self._run(tree, ("commit", "--quiet", "--no-verify", "--message", "left by the base's build"), self._noise())
        self._must(tree, "update-ref", START, BRANCH)
        ignored = ("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z")
        made = self._paths(tree, *ignored, errors="surrogateescape")
        files.write_json(self.folder / MADE, [path.rstrip("/") for path in made.paths])

    def commit(self, tree: Path, message: str) -> tuple[str, str]:
        """Commits the tree as it stands, changed or not; returns the hash, and why the tree could not be taken in or an
        empty text: then the commit holds what the last one held. A file that cannot be read is left out."""
        problem = self._add(tree)
        self._must(tree, "commit", "--quiet", "--no-verify", "--allow-empty", "--message", message)
        return self.head(tree), problem

    def head(self, tree: Path) -> str:
        return self._text(tree, "rev-parse", "--verify", "--end-of-options", BRANCH).strip()

    def put(self, tree: Path, *, over: str = START) -> None:
        """Makes the tracked files of `tree`, which holds about the commit `over`, those of the last commit. Only files
        that differ are written, so a build that follows rebuilds these and no others. Untracked files that are not
        ignored go."""
        self._must(tree, "read-tree", over)
        # Exits with 1 where files differ from `over`, which is no failure here.
        self._run(tree, ("update-index", "-q", "--refresh"), self._noise())
        self._must(tree, "reset", "--quiet", "--hard", BRANCH, writable=True)
        self._must(tree, "clean", "--quiet", "-ffd", writable=True)

    def made(self) -> frozenset[str]:
        """What the base's build made and git ignores: the paths of files, and of folders that hold nothing else."""
        return frozenset(files.read_json(self.folder / MADE) or ())

    def tree_id(self, tree: Path) -> str:
        """The hash of the last commit's tree."""
        return self._text(tree, "rev-parse", "--verify", "--end-of-options", f"{BRANCH}^{{tree}}").strip()

    def drifted(self, tree: Path, within: tuple[str, ...] = ()) -> Listing:
        """The tracked files of `tree`, over which the last commit was put, that are not as they are there; of all, or
        of those paths."""
        wanted = ("diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", BRANCH, "--", *within)
        return self._paths(tree, *wanted, errors="surrogateescape")

    def restore(self, tree: Path, paths: Iterable[str]) -> None:
        """Makes these files of `tree`, over which the last commit was put, what they are there. One that cannot be
        stays, and has drifted still."""
        wanted = "".join(f"{path}\0" for path in paths).encode(errors="surrogateescape")
        streams = Streams(stdout=self.log, limit_bytes=self.log_bytes, stdin=wanted)
        self._run(tree, ("checkout-index", "--force", "--quiet", "-z", "--stdin"), streams, writable=True)

    def left(self, tree: Path) -> Listing:
        """The files that the base's own build wrote over or added, and that git does not ignore."""
        wanted = ("diff", "--name-only", "--no-renames", "-z", self.base, START, "--")
        return self._paths(tree, *wanted, errors="surrogateescape")

    def changed(self, tree: Path, errors: str = "replace") -> Listing:
        """The paths that the agent changed."""
        wanted = ("diff", "--name-only", "--no-renames", "-z", START, BRANCH, "--")
        return self._paths(tree, *wanted, errors=errors)

    def listing(self, tree: Path, within: tuple[str, ...] = ()) -> Listing:
        """The paths of the last commit; all, or those that are there or below."""
        return self._paths(tree, "ls-tree", "-r", "--name-only", "-z", BRANCH, "--", *within)

    def contents(self, tree: Path) -> Listing:
        """The files of the last commit, each as mode, kind and hash, a tab, and its path."""
        return self._paths(tree, "ls-tree", "-r", "-z", BRANCH, errors="surrogateescape")

    def text(self, tree: Path, path: str) -> str | None:
        """A file of the last commit, or None."""
        target = self.log.with_name("shadow-blob")
        target.unlink(missing_ok=True)
        outcome = self._run(tree, ("show", "--no-textconv", f"{BRANCH}:{path}"), Streams(
            stdout=target, stderr=self.log, limit_bytes=self.log_bytes, exact=True
        ))  # fmt: skip
        return target.read_bytes().decode(errors="replace") if outcome.ok else None

    def write_diff(self, tree: Path, target: Path) -> Outcome:
        """What the agent changed, as text, at most `log_bytes`."""
        plain = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", START, BRANCH, "--")
        return self._run(tree, plain, Streams(stdout=target, stderr=self.log, limit_bytes=self.log_bytes))

    def write_bundle(self, tree: Path, out: Path) -> Outcome:
        """`out`/commits.bundle: the session commits, on top of the base."""
        wanted = ("bundle", "create", "--quiet", f"{OUT}/commits.bundle", f"{self.base}..{BRANCH}")
        binds = (Bind(source=str(out), target=OUT, writable=True),)
        return self._run(tree, wanted, self._noise(), binds=binds)

    def _add(self, tree: Path) -> str:
        """Takes the tree into the index. Why that failed, or an empty text; git exits with 1 over single files."""
        outcome = self._run(tree, ("add", "--all", "--ignore-errors", "--", "."), self._noise())
        # A git that was killed leaves its lock; nobody else uses this repository.
        (self.folder / "index.lock").unlink(missing_ok=True)
        return "" if outcome.exit_code in (0, 1) and outcome.result in ("ok", "failed") else self._why(outcome)

    def _paths(self, tree: Path, *arguments: str, errors: str = "replace") -> Listing:
        """The paths that git lists with a NUL after each; with errors="surrogateescape" as the file system has them."""
        target = self.log.with_name("shadow-answer")
        target.unlink(missing_ok=True)
        limit_bytes = LISTING_FACTOR * self.log_bytes
        # Exact: a file named after a secret must not get out of being looked at.
        streams = Streams(stdout=target, stderr=self.log, limit_bytes=limit_bytes, exact=True)
        outcome = self._run(tree, arguments, streams)
        text = target.read_bytes()
        cut = len(text) > limit_bytes
        if not cut:
            self._check(outcome, arguments)
        listed = text[:limit_bytes].rpartition(b"\0")[0].decode(errors=errors)
        return Listing(paths=tuple(sorted(part for part in listed.split("\0") if part)), whole=not cut)

    def _text(self, tree: Path, *arguments: str) -> str:
        target = self.log.with_name("shadow-answer")
        target.unlink(missing_ok=True)
        streams = Streams(stdout=target, stderr=self.log, limit_bytes=self.log_bytes, exact=True)
        self._check(self._run(tree, arguments, streams), arguments)
        return target.read_bytes().decode(errors="replace")

    def _must(self, tree: Path, *arguments: str, bare: bool = False, writable: bool = False) -> None:
        self._check(self._run(tree, arguments, self._noise(), bare=bare, writable=writable), arguments)

    def _noise(self) -> Streams:
        return Streams(stdout=self.log, limit_bytes=self.log_bytes)

    def _check(self, outcome: Outcome, arguments: tuple[str, ...]) -> None:
        if not outcome.ok:
            raise InfrastructureFault(f"git {arguments[0]} on the tree failed: {self._why(outcome)}")

    def _why(self, outcome: Outcome) -> str:
        tail = self.log.read_bytes()[-400:].decode(errors="replace").strip()
        return f"{outcome.detail}; git said: {tail}"

    def _run(
        self,
        tree: Path,
        arguments: tuple[str, ...],
        streams: Streams,
        *,
        binds: tuple[Bind, ...] = (),
        bare: bool = False,
        writable: bool = False,
    ) -> Outcome:
        self.folder.mkdir(exist_ok=True)
        env = git.QUIET if bare else {**git.QUIET, "GIT_DIR": SHADOW, "GIT_WORK_TREE": TREE}
        own = (
            Bind(source=str(self.mirror), target=MIRROR),
            Bind(source=str(self.folder), target=SHADOW, writable=True),
        )
        wish = Wish(
            role="tool",
            argv=git.command(*arguments),
            tree=str(tree),
            tree_writable=writable,
            scratch=str(self.scratch),
            env=env,
            binds=(*own, *binds),
        )
        return self.seam.run(wish, streams, LIMIT_S)
