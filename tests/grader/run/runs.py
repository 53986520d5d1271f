"""Whole runs of ``bin/lab grade``, as processes that can be stopped and killed."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from grader.course import JOURNAL, Course
from grader.run.local import ensure_sandbox_image
from grader.sandbox.owners import OWNER_LABEL
from lab.course import ROOT
from lab.machine.host import ensure_engine

from ...evidence import notebooks


class Runs:
    """Runs of ``bin/lab grade`` over one class by two workers, each in a process of its own."""

    def __init__(self, root: Path, assignment: str) -> None:
        self.course = Course(root)
        self.assignment = assignment
        self.client = ensure_engine()
        self.owners: list[int] = []
        self.image = ensure_sandbox_image(self.client).image  # one grader for all runs of a test

    def start(self, *options: str) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "lab",
            "grade",
            self.assignment,
            "--course",
            str(self.course.root),
        ]
        running = subprocess.Popen(
            [*command, "--workers", "2", *options],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "NO_COLOR": "1", "LAB_SANDBOX_IMAGE": self.image},
        )
        self.owners.append(running.pid)
        return running

    def finish(self, *options: str) -> tuple[dict[str, Any], str]:
        """A run to its end: the document that it prints, and what it says on standard error."""
        running = self.start("--json", *options)
        out, err = running.communicate(timeout=1500)
        assert running.returncode == 0, err
        return json.loads(out), err

    def evidence(self, arguments: Mapping[str, Any]) -> dict[str, bytes]:
        """The notebooks that were graded."""
        return notebooks(self.course.root)

    def graded(self) -> dict[str, str]:
        """Who is recorded, and when that was."""
        if not (self.course.root / JOURNAL).exists():
            return {}
        with sqlite3.connect(self.course.root / JOURNAL) as journal:
            # a process that writes the first one makes the file, then the tables
            made = journal.execute("SELECT 1 FROM sqlite_master WHERE name = 'graded'").fetchone()
            return dict(journal.execute("SELECT student, at FROM graded")) if made else {}

    def written(self) -> dict[str, int]:
        """When each student's executed notebook was written."""
        return {
            path.parent.parent.name: path.stat().st_mtime_ns
            for path in (self.course.root / "autograded").glob("*/*/*.ipynb")
        }

    def left(self) -> list[str]:
        """The containers and volumes of sandboxes of these runs."""
        mine = {f"{socket.gethostname()}/{pid}" for pid in self.owners}
        found = [
            *self.client.api.containers(all=True, filters={"label": OWNER_LABEL}),
            *(self.client.api.volumes(filters={"label": OWNER_LABEL})["Volumes"] or []),
        ]
        return [str(one) for one in found if one["Labels"][OWNER_LABEL] in mine]

    def until(self, condition: Callable[[], bool], running: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + 1500
        while not condition():
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)


def summary(document: dict[str, Any]) -> dict[str, tuple[str, float, str | None]]:
    return {
        one["student"]: (one["status"], one["points"], one["reason"])
        for one in document["submissions"]
    }


def failures(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Who lost points by which check, and why."""
    return [
        (one["student"], check["name"], check["message"])
        for one in document["submissions"]
        for check in one["checks"]
        if check["status"] in ("failed", "skipped")
    ]
