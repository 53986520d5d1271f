"""Other graders at the same work: the same notebooks, a real engine with the same images, the same
checks.

Each runs in a container of the lab image, made for the measurement and removed afterwards; only
grading is timed.
"""

import io
import json
import tarfile
import time
from pathlib import Path

from grader.bench.classes import PointsLostError, full_points
from grader.bench.labs import BenchLab

COURSE = "/srv/course"
CONFIG = """c = get_config()
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.course_id = "bench"
"""
POINTS = """import json, sys
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as book:
    print(json.dumps([one.score for one in book.assignment_submissions(sys.argv[1])]))
"""


class StockNbgrader(BenchLab):
    """`nbgrader autograde` as it comes, in a lab of its own."""

    def seconds_to_grade(self, course: Path, assignment: str) -> float:
        """Seconds. Raises PointsLostError when a submission lost points."""
        self.run("rm", "-rf", COURSE)
        self.container.put_archive("/srv", _packed(course))
        self.run("nbgrader", "generate_assignment", assignment, folder=COURSE)
        start = time.perf_counter()
        self.run("nbgrader", "autograde", assignment, folder=COURSE)
        seconds = time.perf_counter() - start
        points = json.loads(
            self.run(
                "python", "-W", "ignore", "-c", POINTS, assignment, folder=COURSE
            ).splitlines()[-1]
        )
        expected = [full_points(course, assignment)] * len(list((course / "submitted").iterdir()))
        if points != expected:
            raise PointsLostError(
                f"nbgrader gave {points}, and not {expected}: not the work to measure.",
                "bin/lab bench again",
            )
        return seconds


def _packed(course: Path) -> bytes:
    with tarfile.open(fileobj=(spool := io.BytesIO()), mode="w") as archive:
        for folder in ("solutions", "submitted"):
            archive.add(course / folder, f"course/{folder}")
        entry = tarfile.TarInfo("course/nbgrader_config.py")
        entry.size = len(CONFIG)
        archive.addfile(entry, io.BytesIO(CONFIG.encode()))
    return spool.getvalue()
