"""Every lesson, run by nbval strictly, twice in a row on one lab; it leaves nothing behind."""

import json
import shutil
import time
from collections.abc import Iterator

import pytest
from docker.models.containers import Container

from lab.machine.host import ensure_engine

from .conftest import ROOT, TestLab

LESSONS = sorted(path.name for path in (ROOT / "course").glob("*.ipynb"))
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
    "--nbval",
    "--nbval-sanitize-with",
    "/home/student/course/tests/nbval-sanitize.cfg",
    "--nbval-cell-timeout",
    "180",
]


def objects(lab: TestLab) -> dict[str, list[str]]:
    """What there is, by name: containers, networks, volumes and tagged images; and of a lesson's in
    the cluster.
    """
    listings = {
        "containers": ["docker", "ps", "-a", "--format", "{{.Names}}"],
        "networks": ["docker", "network", "ls", "--format", "{{.Name}}"],
        "volumes": ["docker", "volume", "ls", "--format", "{{.Name}}"],
        "images": ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"],
    }
    listings["in the cluster"] = ["kubectl", "get", IN_THE_CLUSTER, "-l", "lesson", "-o", "name"]
    return {kind: sorted(lab.run(*command).stdout.split()) for kind, command in listings.items()}


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


@pytest.mark.lesson
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("lesson", LESSONS)
def test_lesson_runs_twice_and_leaves_nothing(
    lesson: str, test_lab: TestLab, somebody_elses: Container
) -> None:
    before = objects(test_lab)
    for attempt in ("first", "second"):
        shutil.copy(ROOT / "course" / lesson, test_lab.workspace / "course" / lesson)
        done = test_lab.run(
            *NBVAL,
            lesson,
            user="student" if test_lab.run("id", "student").returncode == 0 else "root",
            cwd="/home/student/workspace/course",
        )
        assert done.returncode == 0, f"{attempt} run:\n{done.stdout}\n{engine_errors(test_lab)}"
        assert wait_for(before, test_lab) == before, f"{attempt} run"
    somebody_elses.reload()
    assert somebody_elses.status == "running"


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
