"""A tiny repository with a history, for the tests of what goes by turns."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from lab.course import ROOT

from .history import History

NOTEBOOK = {
    "cells": [
        {"cell_type": "code", "source": ["from grader import CheckFailed, container, credit"]}
    ]
}
FILES = {
    "grader/checks/__init__.py": "from grader.checks.containers import Container, container\n"
    "from grader.checks.images import image\nfrom grader.checks.partial import credit\n"
    "from grader.checks.verdict import CheckFailed\nfrom grader.checks.files import file\n"
    "from grader.checks.pods import pod",
    "grader/checks/containers.py": "from grader.checks.container.ports import Ports",
    "grader/checks/container/ports.py": "from grader.checks import engine\nimport json",
    "grader/checks/images.py": "from grader.checks.engine import engine",
    "grader/checks/files.py": "from grader.checks.engine import engine",
    "grader/checks/pods.py": "",
    "grader/checks/engine.py": "",
    "grader/checks/partial.py": "",
    "grader/checks/verdict.py": "",
    "solutions/01-boxes/01-boxes.ipynb": json.dumps(NOTEBOOK),
    "solutions/01-boxes/start.sh": "",
    "solutions/010-other/010-other.ipynb": json.dumps(NOTEBOOK),
    "tests/wrong/01-boxes.toml": "",
    "tests/attacks/reach.py": "",
    "course/01-hello.ipynb": json.dumps(
        {"cells": [{"cell_type": "code", "source": ["cat apps/page/Dockerfile"]}]}
    ),
    "course/apps/page/Dockerfile": "",
    "course/apps/other/Dockerfile": "",
}


class Repository:
    """A work tree, with git in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        who = {
            f"GIT_{role}_{what}": "a@b"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        # A hook of git's, or a worktree, may have set these for another repository.
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("GIT_")
        } | who
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)

    def commit(self, files: dict[str, str] | None = None) -> str:
        """A commit with these files changed; its name."""
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    (tmp_path / "clone").mkdir()
    made = Repository(tmp_path / "clone")
    made.commit(FILES)
    return made


@pytest.fixture(scope="session")
def own_history() -> History:
    """That of this checkout."""
    return History(ROOT)
