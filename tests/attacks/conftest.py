"""A class of attackers, and honest students before, among and after them, graded once for all
tests; a table at the end of the run.
"""

import hashlib
import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import docker
import nbformat
import pytest

from grader.course import Course
from grader.exercise.release import generate
from grader.judging.results import Result
from grader.run.classrun import plan
from grader.run.local import ensure_sandbox_image
from grader.sandbox.interface import SandboxLimits
from grader.sandbox.owners import OWNER_LABEL, owner, sweep
from lab.machine.host import ensure_engine

from ..suite.items import Item
from ..suite.plugin import Charge, chosen
from . import by_user
from .attack import EVERYTHING, TRIAL, TRIALS, Attack
from .suite import ATTACKS, ITEMS

FIXTURE = Path(__file__).parent / "fixtures" / "solutions"
LIMITS = SandboxLimits(
    cell_seconds=15, submission_seconds=60, check_seconds=20, engine_disk=384, work_disk=16
)
HONEST = [
    Attack(f"{place} honest", "", by_user.NEEDS, answers=EVERYTHING) for place in ("aa", "kk", "zz")
]
HONEST_ELSEWHERE = [
    Attack(f"{place} honest with {trial}", "", answers=tuple(TRIALS[trial].answers), trial=trial)
    for trial in TRIALS
    if trial != TRIAL
    for place in ("aa", "zz")
]
WRONG = Attack("kk wrong", "", 'open("Dockerfile", "w").write("FROM alpine")\ntotal = 1')
SECRET = "canary-of-another-student"


class Listener:
    """A service of this machine that nobody in a sandbox may reach."""

    def __init__(self) -> None:
        self.visits = 0
        self._sockets = [socket.create_server(("0.0.0.0", 0))]
        self.port = int(self._sockets[0].getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connected, _ = self._sockets[0].accept()
            self.visits += 1
            connected.close()


def shown_in(notebook: Any) -> str:
    """All that a graded notebook's own cells showed, the tests left out."""
    return "\n".join(
        str(
            output.get("text")
            or output.get("data", {}).get("text/plain")
            or output.get("evalue")
            or ""
        )
        for one in notebook.cells
        if one.cell_type == "code" and not one.metadata.get("nbgrader", {}).get("grade")
        for output in one.outputs
    )


@dataclass
class Class:
    """What came out of grading all of them."""

    course: Course
    results: dict[str, Result]
    before: dict[str, str]
    after: dict[str, str]
    left: list[str]
    visits: int
    trials: dict[str, str]  # of each student

    def autograded(self, student: str) -> Any:
        """The notebook as it was graded."""
        trial = self.trials[student]
        path = self.course.folder("autograded", trial, student) / f"{trial}.ipynb"
        return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]

    def shown(self, student: str) -> str:
        """All that the student's own cells showed."""
        return shown_in(self.autograded(student))

    def evidence(self, arguments: Mapping[str, Any]) -> dict[str, bytes]:
        """The graded notebook of the student that a test is about."""
        student = next((one.student for one in arguments.values() if isinstance(one, Attack)), None)
        return (
            {f"{student}.ipynb": nbformat.writes(self.autograded(student)).encode()}
            if student
            else {}
        )  # type: ignore[no-untyped-call]

    def page(self, student: str) -> str:
        """The feedback page."""
        return next(
            (self.course.folder("feedback", self.trials[student], student)).glob("*.html")
        ).read_text()


@pytest.fixture(scope="session")
def graded(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, charge: Charge
) -> Iterator[Class]:
    """The class, graded by two workers: the attacks that this run takes, and the honest."""
    client = ensure_engine()
    around = tmp_path_factory.mktemp("attacks")
    root = around / "course"
    (around / "secret.txt").write_text("of the machine")
    listener = Listener()
    taken = chosen(request.session)
    attacks = [attack for attack in ATTACKS if str(ITEMS[attack.name]) in taken]
    handed_in = [*HONEST, WRONG, *HONEST_ELSEWHERE, *attacks]
    release(root)
    hand_in(root, handed_in, listener.port)
    before = _files(around)
    place = ensure_sandbox_image(client)
    results: dict[str, Result] = {}
    start = time.monotonic()
    for trial in TRIALS:
        students = [one.student for one in handed_in if one.trial == trial]
        limits = (
            replace(LIMITS, cell_seconds=45, submission_seconds=90, check_seconds=40)
            if trial != TRIAL
            else LIMITS
        )
        graded = plan(root, trial, students).grade(client, place, limits, 2, lambda result: None)
        results |= {one.student: one for one in graded}
    _charge_all(charge, handed_in, results, time.monotonic() - start)
    trials = {one.student: one.trial for one in handed_in}
    yield Class(
        Course(root), results, before, _files(around), _left(client), listener.visits, trials
    )
    sweep(client)


def _charge_all(
    charge: Charge, handed_in: list[Attack], results: dict[str, Result], seconds: float
) -> None:
    """Share the seconds of the class among those who were in it; those of the honest belong to the file of the tests."""
    scale = seconds / (sum(result.seconds for result in results.values()) or 1)
    tests = Item("file", "tests/attacks/test_attacks.py")
    for one in handed_in:
        charge({ITEMS.get(one.name, tests): results[one.student].seconds * scale})


def release(root: Path) -> None:
    """Make a course whose assignments are the trials."""
    shutil.copytree(FIXTURE, root / "solutions")
    for trial in TRIALS:
        generate(root, trial, root / "assignments")


def hand_in(root: Path, attacks: list[Attack], port: int) -> None:
    """Put each of them into the course; ``port``: of the service that nobody may reach."""
    released = {
        trial: (root / "assignments" / trial / f"{trial}.ipynb").read_text() for trial in TRIALS
    }
    for attack in attacks:
        folder = root / "submitted" / attack.student / attack.trial
        folder.mkdir(parents=True)
        notebook = attack.hand_in(json.loads(released[attack.trial]))
        if attack in HONEST:
            notebook["metadata"]["canary"] = SECRET
        (folder / f"{attack.trial}.ipynb").write_text(
            json.dumps(notebook).replace("HOST_PORT", str(port))
        )
        if attack.place:
            attack.place(folder)


def _files(around: Path) -> dict[str, str]:
    """A digest of each file that grading must leave alone: all but what it writes itself."""
    written = ("gradebook.db", "autograded", "feedback")
    found = {}
    for path in sorted(around.rglob("*")):
        parts = path.relative_to(around).parts
        if len(parts) > 1 and parts[1].startswith(written):
            continue
        small = path.is_file() and not path.is_symlink() and path.stat().st_size < 1 << 28
        found["/".join(parts)] = (
            hashlib.sha256(path.read_bytes()).hexdigest() if small else str(path.lstat().st_mode)
        )
    return found


def _left(client: docker.DockerClient) -> list[str]:
    mine = {"label": f"{OWNER_LABEL}={owner()}"}
    containers, volumes = (
        client.containers.list(all=True, filters=mine),
        client.volumes.list(filters=mine),
    )
    return [one.name for one in (*containers, *volumes)]
