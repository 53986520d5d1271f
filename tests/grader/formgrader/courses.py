"""A graded course, and a JupyterLab server with the instructor's extensions in it, as the lab runs
it; no engine is needed.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from grader.course import Course
from grader.gradebook.record import ensure_assignment, record, released_cells
from grader.judging.outputs import notebook_outputs, verdict_outputs
from grader.judging.repair import SubmittedCell, restore
from grader.judging.results import Check
from grader.pages import feedback

from ...conftest import ROOT, free_port

EXERCISE = "01-containers"
TOKEN = "of-this-test"
FAILED = "`web` has ended.\nExpected: `web` running.\nTry: docker logs web"


def make_course(folder: Path) -> Course:
    """A course with one exercise, which nobody has handed in."""
    shutil.copytree(ROOT / "solutions" / EXERCISE, folder / "solutions" / EXERCISE)
    shutil.copytree(ROOT / "assignments" / EXERCISE, folder / "assignments" / EXERCISE)
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    course = Course(folder)
    ensure_assignment(course, EXERCISE)
    return course


def grade(
    course: Course,
    student: str,
    text: str,
    shows: dict[str, object] | None = None,
    attachments: dict[str, dict[str, str]] | None = None,
) -> None:
    """Record a hand-in as grading does: one check failed, an answer that waits for a person, and a
    cell of the student's own that showed something.
    """
    cells = released_cells(course, EXERCISE)[EXERCISE]
    own = [
        SubmittedCell("markdown", text, "explain"),
        SubmittedCell("markdown", text, None, attachments or {}),
        SubmittedCell("raw", text),
        SubmittedCell("code", f"# {text}\nprint('of my own')"),
    ]
    notebook, _ = restore(own, cells)
    tests = {cell.grade_id: cell for cell in cells if cell.is_test}
    for cell in notebook.cells:
        test = tests.get(cell.metadata.get("nbgrader", {}).get("grade_id", ""))
        if test:
            points, status = (
                (0.0, "failed") if test.grade_id == "later-test" else (test.points, "passed")
            )
            cell.outputs = verdict_outputs(
                Check(test.title, points, test.points, status, FAILED if not points else "")  # type: ignore[arg-type]
            )
        elif cell.cell_type == "code" and "of my own" in cell.source:
            cell.outputs = notebook_outputs(
                [shows or {"output_type": "stream", "name": "stdout", "text": text}]
            )
    submitted = course.folder("submitted", EXERCISE, student)
    submitted.mkdir(parents=True, exist_ok=True)
    shutil.copy(course.root / "assignments" / EXERCISE / f"{EXERCISE}.ipynb", submitted)
    record(course, EXERCISE, student, {EXERCISE: notebook}, {})
    feedback.write(course, EXERCISE, student)


@dataclass(frozen=True)
class Server:
    """A server that runs; ``url`` ends without a slash."""

    url: str
    log: Path

    @property
    def entrance(self) -> str:
        """An address that lets a browser in."""
        return f"{self.url}/formgrader?token={TOKEN}"


@contextmanager
def serve(course: Course) -> Iterator[Server]:
    """The instructor's server in the course's folder."""
    port, log, settings = free_port(), course.root / ".server.log", course.root / ".jupyter"
    settings.mkdir(exist_ok=True)
    shutil.copy(ROOT / "lab" / "inside" / "jupyter" / "jupyter_server_config.py", settings)
    command = [sys.executable, "-m", "jupyterlab", f"--IdentityProvider.token={TOKEN}"]
    clean = {
        "JUPYTER_CONFIG_DIR": str(settings),
        "PYTHONPATH": str(ROOT),
        "LAB_INSTRUCTOR": "yes",
        "LAB_ADDRESS": "127.0.0.1",
        "LAB_PORT": str(port),
    }
    with log.open("wb") as out:
        running = subprocess.Popen(
            command, cwd=course.root, env={**os.environ, **clean}, stdout=out, stderr=out
        )
    server = Server(f"http://127.0.0.1:{port}", log)
    try:
        wait_for(server, running)
        yield server
    finally:
        running.terminate()
        running.wait(30)


def wait_for(server: Server, running: subprocess.Popen[bytes]) -> None:
    """Until it answers."""
    end = time.monotonic() + 120
    while time.monotonic() < end and running.poll() is None:
        try:
            urlopen(f"{server.url}/api/status?token={TOKEN}", timeout=5)
            return
        except (URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(server.log.read_text())
