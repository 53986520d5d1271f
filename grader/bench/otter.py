"""Otter-Grader at the same work, as far as it goes here.

Otter grades in one fresh container per submission, several at a time. Its own image is built from
Ubuntu on Docker Hub with conda and a browser, and holds no engine, so here its command (`otter
run`) works in our containers: a fresh sandbox for each submission, with the lab's Python and
`otter-grader` from the package index. What our test cells ask becomes tests of Otter's
exception-based format, which it runs in the student's kernel after the last cell; the sandbox is
not made ahead, as Otter makes its containers when their turn comes.
"""

import io
import json
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Self

import docker
from docker.errors import DockerException

from grader.bench.classes import PointsLostError, full_points
from grader.sandbox.containers import SandboxImage
from grader.sandbox.docker import PYTHON, DockerSandbox
from grader.sandbox.interface import SandboxLimits
from lab.course import LABEL, NAME
from lab.errors import LabError
from lab.inside.guard.containers import WORK
from lab.machine import containers

VERSION = "7.0.0"
MEMORY_MIB = 1024  # Otter's own kernel and libraries need more than ours
DOCKERFILE = f"""FROM {{image}}
RUN pip install --quiet --disable-pip-version-check otter-grader=={VERSION}
"""
TEST = """OK_FORMAT = False
import ast
from otter.test_files import test_case

name = {name!r}
points = {points!r}


@test_case()
def test(env):
    cell = ast.parse({source!r}, name)
    last = cell.body.pop() if isinstance(cell.body[-1], ast.Expr) else None
    exec(compile(cell, name, "exec"), env)
    credit = last and eval(compile(ast.Expression(last.value), name, "eval"), env)
    assert credit is None or credit >= points, "only a part of the points: " + str(credit)
"""


class OtterGrader:
    """A context manager that holds the image with Otter in it."""

    def __init__(self, client: docker.DockerClient, place: SandboxImage) -> None:
        self._client = client
        self._place = place
        self._image = f"{NAME}-bench-otter"

    def __enter__(self) -> Self:
        dockerfile = DOCKERFILE.format(image=self._place.image).encode()
        self._client.images.build(
            fileobj=io.BytesIO(dockerfile),
            tag=self._image,
            labels={LABEL: self._image},
            rm=True,
            forcerm=True,
        )
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(DockerException):  # an error of the measurement says more
            self._client.images.remove(self._image, force=True)

    def seconds_to_grade(self, course: Path, assignment: str, containers: int) -> float:
        """Seconds for the class. Raises PointsLostError when a submission lost points."""
        notebooks = [
            split(one / assignment / f"{assignment}.ipynb")
            for one in sorted((course / "submitted").iterdir())
        ]
        expected = full_points(course, assignment)
        start = time.perf_counter()
        with ThreadPoolExecutor(containers) as pool:
            points = list(pool.map(lambda pair: self._points(*pair), notebooks))
        seconds = time.perf_counter() - start
        if set(points) != {expected}:
            raise PointsLostError(
                f"Otter gave {points}, and not {expected} each: not the work to measure.",
                "bin/lab bench again",
            )
        return seconds

    def _points(self, notebook: bytes, autograder: bytes) -> float:
        """What `otter run` gives one submission in a container of its own."""
        place = SandboxImage(self._image, self._place.template, self._place.registry)
        with DockerSandbox(self._client, place, SandboxLimits(kernel_memory=MEMORY_MIB)) as sandbox:
            sandbox.bring({"submission.ipynb": notebook, "autograder.zip": autograder})
            container = self._client.containers.get(sandbox.container("student"))
            command = [
                PYTHON,
                "-m",
                "otter",
                "run",
                "-a",
                "autograder.zip",
                "submission.ipynb",
                "--no-logo",
            ]
            done = containers.run(container, command, user=str(sandbox.users.student), workdir=WORK)
            if done.exit_code:
                raise LabError(f"otter run failed:\n{done.text[-2000:]}", "bin/lab bench again")
            results = json.loads(sandbox.read_file("results.json"))
        lost = [
            test for test in results["tests"] if test.get("score", 0.0) < test.get("max_score", 0.0)
        ]
        if lost:
            raise PointsLostError(
                f"Otter's checks failed: not the work to measure. {json.dumps(lost)}",
                "bin/lab bench again",
            )
        return float(sum(test.get("score", 0.0) for test in results["tests"]))


def split(path: Path) -> tuple[bytes, bytes]:
    """A submission as Otter wants it: the notebook, and its tests as an autograder.zip."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    claims = [(cell, cell["metadata"].get("nbgrader", {})) for cell in notebook["cells"]]
    is_test = [bool(claim.get("grade") and not claim.get("solution")) for _, claim in claims]
    spool = io.BytesIO()
    with zipfile.ZipFile(spool, "w") as archive:
        archive.writestr("otter_config.json", json.dumps({"pdf": False, "lang": "python"}))
        for number, ((cell, claim), test) in enumerate(zip(claims, is_test, strict=True)):
            if test:
                name, source = f"q{number:03}", "".join(cell["source"])
                archive.writestr(
                    f"tests/{name}.py",
                    TEST.format(name=name, points=claim["points"], source=source),
                )
    notebook["cells"] = [cell for (cell, _), test in zip(claims, is_test, strict=True) if not test]
    return json.dumps(notebook).encode(), spool.getvalue()
