"""Other graders at the same work: the same notebooks, a real engine with the same images, the same checks.

Each runs in a container of the lab image, made for the measurement and removed afterwards; only grading is timed.
"""

import io
import json
import tarfile
import time
from pathlib import Path
from typing import Self

import docker
from docker.models.containers import Container

from grader.bench.classes import PointsLostError, full_points
from grader.sandbox import Place
from lab import engine
from lab.course import LABEL, NAME
from lab.errors import LabError

COURSE = "/srv/course"
START_SECONDS = 180
CONFIG = """c = get_config()
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.course_id = "bench"
"""
POINTS = """import json, sys
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as book:
    print(json.dumps([one.score for one in book.assignment_submissions(sys.argv[1])]))
"""


class StockNbgrader:
    """`nbgrader autograde` as it comes, in a lab of its own: one process for the class, one after the other, tests in the student's kernel."""

    def __init__(self, client: docker.DockerClient, place: Place) -> None:
        self._client = client
        self._place = place
        self._name = f"{NAME}-bench"
        self._lab: Container

    def __enter__(self) -> Self:
        self._remove()
        volumes = {
            f"{self._name}-engine": {"bind": engine.OUR_VOLUME, "mode": "rw"},
            str(self._place.registry): {"bind": "/template", "mode": "ro"},
        }
        environment = {"LAB_UID": "1000", "LAB_GID": "1000", "LAB_FOLDER": "/srv", "JUPYTER_TOKEN": self._name}
        self._client.volumes.create(f"{self._name}-engine", labels={LABEL: self._name})
        self._lab = engine.start(
            self._client, self._place.image, self._name, ["/usr/local/lib/lab/start", "lab"],
            volumes=volumes, environment=environment, hub=False,
        )  # fmt: skip
        self._wait()
        return self

    def __exit__(self, *error: object) -> None:
        self._remove()

    def seconds_to_grade(self, course: Path, assignment: str) -> float:
        """Seconds of `nbgrader autograde`, from its start to its end. Raises PointsLostError unless each submission earns its points."""
        self._run("rm", "-rf", COURSE)
        self._lab.put_archive("/srv", _packed(course))
        self._run("nbgrader", "generate_assignment", assignment)
        start = time.perf_counter()
        self._run("nbgrader", "autograde", assignment)
        seconds = time.perf_counter() - start
        points = json.loads(self._run("python", "-W", "ignore", "-c", POINTS, assignment).splitlines()[-1])
        expected = [full_points(course, assignment)] * len(list((course / "submitted").iterdir()))
        if points != expected:
            raise PointsLostError(
                f"nbgrader gave {points}, and not {expected}: not the work to measure.", "bin/lab bench again"
            )
        return seconds

    def _run(self, *command: str) -> str:
        folder = COURSE if command[0] != "rm" else "/"
        done = engine.run(self._lab, list(command), workdir=folder)
        if done.exit_code:
            raise LabError(
                f"`{' '.join(command)}` failed:\n{done.text[-2000:]}", "bin/lab doctor; then bin/lab bench again"
            )
        return done.text

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._lab.logs(tail=1).decode().strip().endswith(" ready"):
            self._lab.reload()
            if self._lab.status != "running" or time.monotonic() > deadline:
                raise LabError(f"A lab did not start:\n{self._lab.logs(tail=6).decode()}", "bin/lab doctor")
            time.sleep(0.2)

    def _remove(self) -> None:
        if found := engine.find(self._client, self._name):
            found.remove(force=True, v=True)
        for volume in self._client.volumes.list(filters={"label": f"{LABEL}={self._name}"}):
            volume.remove(force=True)


def _packed(course: Path) -> bytes:
    with tarfile.open(fileobj=(spool := io.BytesIO()), mode="w") as archive:
        for folder in ("solutions", "submitted"):
            archive.add(course / folder, f"course/{folder}")
        entry = tarfile.TarInfo("course/nbgrader_config.py")
        entry.size = len(CONFIG)
        archive.addfile(entry, io.BytesIO(CONFIG.encode()))
    return spool.getvalue()
