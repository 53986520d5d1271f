"""Every lesson, run by nbval strictly, twice on one lab; it leaves nothing behind.

The second runs go by turns, and those on a busy machine only with ``--all`` (tests/suite).
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from docker.models.containers import Container

from lab.machine.host import ensure_engine

from .busy import busy_processes
from .conftest import ROOT, TestLab
from .lesson_tasks import put_solved
from .suite.items import Item, Turn

LESSONS = sorted(path.name for path in (ROOT / "course").glob("*.ipynb"))
REST_SECONDS = 2.0
WHERE = "/home/student/workspace/course"
CLEAN_UP = """
from lab.notebook import clean_start
clean_start("{number}", cluster=True)
"""
HAVE_RUN: set[str] = set()  # in the lab of this process
IN_THE_CLUSTER = (
    "deployments,replicasets,pods,services,configmaps,secrets,jobs,persistentvolumeclaims"
)
NBVAL = [
    "python",
    "-m",
    "pytest",
    "-q",
    "-p",
    "no:cacheprovider",
    # Nothing of the checkout's own tests: of the course the lab's image holds only what runs there.
    "--noconftest",
    "--rootdir",
    ".",
    "-c",
    "/dev/null",
    "--nbval",
    "--nbval-sanitize-with",
    "/home/student/course/tests/nbval-sanitize.cfg",
    "--nbval-cell-timeout",
    "180",
]


def objects(lab: TestLab) -> dict[str, list[str]]:
    """What there is, by name: containers, networks, volumes and tagged images; the cluster's nodes,
    and of a lesson's in the cluster.
    """
    listings = {
        "containers": ["docker", "ps", "-a", "--format", "{{.Names}}"],
        "networks": ["docker", "network", "ls", "--format", "{{.Name}}"],
        "volumes": ["docker", "volume", "ls", "--format", "{{.Name}}"],
        "images": ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"],
    }
    listings["nodes"] = ["kubectl", "get", "nodes", "-o", "name"]
    listings["in the cluster"] = ["kubectl", "get", IN_THE_CLUSTER, "-l", "lesson", "-o", "name"]
    return {kind: sorted(lab.run(*command).stdout.split()) for kind, command in listings.items()}


def at_rest(lab: TestLab, seconds: float = 60) -> dict[str, list[str]]:
    """What there is, once nothing comes or goes: of what a test before made, the cluster takes away
    the last containers and networks after its objects.
    """
    deadline = time.monotonic() + seconds
    found, since = objects(lab), time.monotonic()
    while time.monotonic() - since < REST_SECONDS and time.monotonic() < deadline:
        time.sleep(0.5)
        if (now := objects(lab)) != found:
            found, since = now, time.monotonic()
    return found


def user_of(lab: TestLab) -> str:
    """As whom a reader's notebook runs."""
    return "student" if lab.run("id", "student").returncode == 0 else "root"


def wait_for(
    before: dict[str, list[str]], lab: TestLab, seconds: float = 60
) -> dict[str, list[str]]:
    """What there is, as soon as it is what there was before: the cluster's network goes a little
    after its last Pod.
    """
    deadline = time.monotonic() + seconds
    while (found := objects(lab)) != before and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def tried_in(module: str, stem: str, lab: TestLab) -> Any:
    """What a module of the tests says of a lesson, as JSON; run in the lab, on the lesson with its
    tasks solved. Whatever it does, nothing is left behind.
    """
    lab.run("docker", "image", "prune", "--force")
    before = at_rest(lab)
    put_solved(f"{stem}.ipynb", lab.workspace)
    user = user_of(lab)
    done = lab.run("python", "-m", module, f"{WHERE}/{stem}.ipynb", user=user)
    # what its last cells would have removed
    lab.run("python", "-c", CLEAN_UP.format(number=stem[:2]), user=user, cwd=WHERE)
    # a wrong answer may remove a container and leave the volume that its image asked for
    for kind in ("volume", "image"):
        lab.run("docker", kind, "prune", "--force")
    left = wait_for(before, lab)
    assert done.returncode == 0, done.stdout
    assert left == before
    return json.loads(done.stdout.splitlines()[-1])


def each_of(kind: str, stems: Sequence[str]) -> pytest.MarkDecorator:
    """Lessons as parameters: the first is always run, the others by turns."""
    items = [Item(kind, stem, "always" if stem == stems[0] else "by turns") for stem in stems]
    marked = [
        pytest.param(item.name, marks=pytest.mark.proves(item), id=item.name) for item in items
    ]
    return pytest.mark.parametrize("stem", marked)


def engine_errors(lab: TestLab) -> str:
    """What the lab's engine complained of last: nbval shows no cell's standard error."""
    log = lab.run("grep", "-E", "level=error|returned error", "/var/log/lab/dockerd.log").stdout
    return "The engine's last errors:\n" + "\n".join(log.splitlines()[-8:])


@pytest.fixture(scope="module")
def somebody_elses(test_lab: TestLab) -> Iterator[Container]:
    """A container on the machine's own engine, which no lesson may touch."""
    client = ensure_engine()
    image = client.containers.get(test_lab.name).image
    assert image is not None
    container = client.containers.run(
        image.id, ["sleep", "3600"], detach=True, labels={"lesson": "04"}
    )
    yield container
    container.remove(force=True)


def each_lesson(kind: str) -> pytest.MarkDecorator:
    """Each lesson as an item of this kind; of the second runs one is in every run of the suite, and
    a busy machine would disturb the tests that run beside it.
    """

    def item(lesson: str) -> Item:
        turn: Turn = "always" if lesson == LESSONS[0] or kind == "lesson" else "by turns"
        turn = "all only" if kind == "busy machine" else turn
        return Item(kind, lesson.removesuffix(".ipynb"), turn)

    marked = [pytest.param(one, marks=pytest.mark.proves(item(one)), id=one) for one in LESSONS]
    return pytest.mark.parametrize("lesson", marked)


def run(lesson: str, lab: TestLab, somebody_elses: Container) -> None:
    """Run a lesson; it passes, leaves nothing, and touches nothing else."""
    before = at_rest(lab)
    put_solved(lesson, lab.workspace)
    done = lab.run(*NBVAL, lesson, user=user_of(lab), cwd="/home/student/workspace/course")
    HAVE_RUN.add(lesson)
    assert done.returncode == 0, f"{done.stdout}\n{engine_errors(lab)}"
    assert wait_for(before, lab) == before
    somebody_elses.reload()
    assert somebody_elses.status == "running"


@pytest.mark.lesson
@pytest.mark.timeout(1800)
@each_lesson("lesson")
def test_lesson_runs_and_leaves_nothing(
    lesson: str, test_lab: TestLab, somebody_elses: Container
) -> None:
    run(lesson, test_lab, somebody_elses)


@pytest.mark.lesson
@pytest.mark.timeout(1800)
@each_lesson("second run")
def test_lesson_runs_again_and_leaves_nothing(
    lesson: str, test_lab: TestLab, somebody_elses: Container
) -> None:
    if lesson not in HAVE_RUN:
        run(lesson, test_lab, somebody_elses)
    run(lesson, test_lab, somebody_elses)


@pytest.mark.lesson
@pytest.mark.timeout(1800)
@each_lesson("busy machine")
def test_lesson_runs_on_a_busy_machine(
    lesson: str, test_lab: TestLab, somebody_elses: Container
) -> None:
    with busy_processes(os.cpu_count() or 1):
        run(lesson, test_lab, somebody_elses)


@pytest.mark.lesson
def test_a_cell_that_fails_fails_the_build(test_lab: TestLab) -> None:
    broken = json.loads((ROOT / "course" / LESSONS[0]).read_text())
    shell_cells = [
        cell for cell in broken["cells"] if "".join(cell["source"]).startswith("%%shell")
    ]
    shell_cells[0]["source"] = (
        "%%shell\ndocker run --rm no-such-image-anywhere | cat\necho unreached"
    )
    shell_cells[0]["outputs"] = []
    (test_lab.workspace / "course" / "broken.ipynb").write_text(json.dumps(broken))
    done = test_lab.run(*NBVAL, "broken.ipynb", cwd="/home/student/workspace/course")
    (test_lab.workspace / "course" / "broken.ipynb").unlink()
    assert done.returncode == 1, done.stdout
    assert "1 failed" in done.stdout or "failed" in done.stdout.splitlines()[-1]
