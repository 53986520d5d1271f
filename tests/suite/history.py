"""What git knows of this checkout: its commits, their files, and what is not committed."""

import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PROVED = "tests/proved.json"


class NoHistoryError(Exception):
    """The history cannot be read: the text says why and what to do."""


@dataclass(frozen=True)
class Tree:
    """The files of one commit, by path; the values are what git calls their contents (blob ids)."""

    root: Path
    commit: str
    files: dict[str, str] = field(repr=False)

    def __hash__(self) -> int:
        return hash((self.root, self.commit))

    def below(self, folder: str) -> list[str]:
        return [path for path in self.files if path.startswith(f"{folder}/")]

    @cache  # noqa: B019  (a few trees, for as long as the run lasts)
    def read(self, path: str) -> str:
        """The text of a file; empty where there is none."""
        return git(self.root, "show", f"{self.commit}:{path}") if path in self.files else ""


class History:
    """The history of HEAD when the run begins. Raises NoHistoryError where it is not whole."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            shallow = git(root, "rev-parse", "--is-shallow-repository").strip() == "true"
        except NoHistoryError as error:
            raise NoHistoryError(
                f"{root} has no git history that can be read ({error}).\n"
                "Expected: a clone, whose commits say which part of the suite has its turn.\n"
                "Try: git clone; or name what to run, which needs no history: bin/lab test tests"
            ) from None
        if shallow:
            raise NoHistoryError(
                f"{root} is a shallow clone: older commits are missing.\n"
                "Expected: all commits. They say which part of the suite has its turn, and whether "
                f"{PROVED} is true.\n"
                "Try: git fetch --unshallow (in CI: a checkout with fetch-depth 0)"
            )
        # Children come before their parents, so the place in this list is how long ago a commit is.
        self.commits = git(root, "rev-list", "--topo-order", "HEAD").split()
        self.age = {commit: place for place, commit in enumerate(self.commits)}

    @property
    def head(self) -> str:
        return self.commits[0]

    @cache  # noqa: B019
    def tree(self, commit: str) -> Tree:
        listed = git(self.root, "ls-tree", "-r", "-z", "--full-tree", commit).split("\0")
        rows = [line.partition("\t") for line in listed if line]
        return Tree(self.root, commit, {path: facts.split()[2] for facts, _, path in rows})

    def changed(self) -> list[str]:
        """What differs from HEAD or is not committed, but for the proofs themselves."""
        status = git(
            self.root,
            "--no-optional-locks",
            "status",
            "--porcelain",
            "-z",
            "--no-renames",
            "--untracked-files=all",
        )
        return sorted({line[3:] for line in status.split("\0") if line} - {PROVED})

    def moved_on(self) -> bool:
        """Whether HEAD is another commit by now."""
        return git(self.root, "rev-parse", "HEAD").strip() != self.head

    @cache  # noqa: B019
    def same_files(self, commit: str) -> bool:
        """Whether a commit holds the same files as HEAD, but for the proofs themselves."""
        differs = git(self.root, "diff", "--name-only", commit, self.head).splitlines()
        return set(differs) <= {PROVED}


def git(root: Path, *arguments: str) -> str:
    """What git prints. Raises NoHistoryError with its complaint."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise NoHistoryError("git is not installed") from None
    if done.returncode:
        raise NoHistoryError(done.stderr.strip() or f"git {' '.join(arguments)} failed")
    return done.stdout
