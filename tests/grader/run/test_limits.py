"""What grading one submission may use, and that it is nobody else's concern: graded for real, each
in a process of its own.
"""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path

import docker
import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from grader.archive import printable
from grader.course import Course
from grader.exercise.release import generate
from grader.judging.results import Result
from grader.run.classrun import plan
from grader.run.local import CONTEXT, warm_up
from grader.run.results import last_results
from grader.sandbox.containers import SandboxImage
from grader.sandbox.interface import SandboxLimits
from lab.course import ROOT

from .runs import Runs
from .submissions import RIGHT_REST, answers, cell

pytestmark = [pytest.mark.machine, pytest.mark.grading, pytest.mark.timeout(900)]

FIXTURE = Path(__file__).parents[1] / "fixtures" / "course"
Change = Callable[[NotebookNode], None]


def course_of(root: Path, work: dict[str, Change], name: str, source: Path) -> Course:
    shutil.copytree(source / name, root / "solutions" / name)
    generate(root, name, root / "assignments")
    for student, change in work.items():
        path = root / "assignments" / name / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        change(notebook)
        folder = root / "submitted" / student / name
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / f"{name}.ipynb")  # type: ignore[no-untyped-call]
    return Course(root)


class Class:
    """Anna and Zoe are right; Eve, between them, does what the test is about."""

    def __init__(self, root: Path, eve: Change) -> None:
        work = {"anna": answers(), "eve": eve, "zoe": answers()}
        self.course = course_of(root, work, "tiny", FIXTURE / "solutions")

    def grade(
        self,
        client: docker.DockerClient,
        place: SandboxImage,
        limits: SandboxLimits,
        *students: str,
    ) -> dict[str, Result]:
        """With one worker, so that whoever stops it is in Zoe's way."""
        run = plan(self.course.root, "tiny", students)
        results = run.grade(client, place, limits, 1, lambda _: None)
        return {result.student: result for result in results}


def others_are_unharmed(results: dict[str, Result]) -> bool:
    return all(
        (results[name].points, results[name].reason) == (8, None) for name in ("anna", "zoe")
    )


def test_a_submission_ends_in_its_time_and_what_is_there_is_graded(
    tmp_path: Path, client: docker.DockerClient, place: SandboxImage
) -> None:
    limits = SandboxLimits(cell_seconds=600, submission_seconds=600, grading_seconds=60)
    eve = answers(q2=RIGHT_REST + "\nwhile True: pass")
    results = Class(tmp_path, eve).grade(client, place, limits)
    assert results["eve"].reason == "timeout"
    first, second, *_ = results["eve"].checks
    assert (first.points, second.status) == (3, "skipped")
    assert "1 minutes in all" in second.message
    assert results["eve"].seconds < 60 + 30, "its own waiting for a sandbox does not count"
    assert others_are_unharmed(results)


def very_many_cells(notebook: NotebookNode) -> None:
    answers()(notebook)
    notebook.cells += [new_markdown_cell(f"|a|\n|-|\n|*{number}*|") for number in range(9900)]


def test_a_page_that_takes_too_long_is_stopped_and_the_report_says_why(
    tmp_path: Path, client: docker.DockerClient, place: SandboxImage
) -> None:
    group = Class(tmp_path, very_many_cells)
    # On any machine, Eve's page takes more than three times as long as grading somebody like Anna.
    seconds = 2.2 * group.grade(client, place, SandboxLimits(), "anna")["anna"].seconds
    results = group.grade(client, place, SandboxLimits(grading_seconds=seconds), "eve")
    assert (results["eve"].reason, results["eve"].graded) == ("over-limit", False)
    assert f"Grading it took more than {seconds / 60:.3g} minutes" in results["eve"].notes[0]
    assert others_are_unharmed(group.grade(client, place, SandboxLimits(), "anna", "zoe"))
    page = group.course.folder("feedback", "tiny", "eve") / "not-graded.html"
    assert "Hand in something smaller" in page.read_text()
    last = {result.student: result.reason for result in last_results(group.course.root, "tiny")}
    assert last == {"anna": None, "eve": "over-limit", "zoe": None}
    assert group.grade(client, place, SandboxLimits())["eve"].points == 8
    assert not page.exists(), "it is graded now"


def test_memory_for_grading_has_a_limit_that_ends_one_process(
    tmp_path: Path, client: docker.DockerClient, place: SandboxImage
) -> None:
    """Of 15 million characters, Python makes 300 MiB of empty lists."""
    group = Class(tmp_path, answers())
    path = group.course.folder("submitted", "tiny", "eve") / "tiny.ipynb"
    notebook = json.loads(path.read_text())
    notebook["metadata"]["lists"] = [[]] * 5_000_000
    path.write_text(json.dumps(notebook, separators=(",", ":")))
    results = group.grade(client, place, SandboxLimits(grading_memory=300))
    assert (results["eve"].reason, results["eve"].graded) == ("over-limit", False)
    assert results["eve"].notes == [
        "Grading it needed more than 300 MiB of memory and was stopped."
    ]
    assert others_are_unharmed(results)


def test_what_a_notebook_shows_needs_little_memory(
    tmp_path: Path, client: docker.DockerClient, place: SandboxImage
) -> None:
    """A thousand cells that each print what one may print, within the usual limits."""

    def shows(notebook: NotebookNode) -> None:
        answers()(notebook)
        notebook.cells += [new_code_cell("print('x' * 298_000)") for _ in range(1000)]

    results = Class(tmp_path, shows).grade(client, place, SandboxLimits(grading_memory=400))
    assert results["eve"].points == 8
    assert any("was left out of this page" in note for note in results["eve"].notes)
    assert others_are_unharmed(results)


def children_of(process: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == process:
            found.append(int(status.parent.name))
    return found


def test_a_process_that_is_killed_costs_nobody_anything(
    tmp_path: Path, client: docker.DockerClient, place: SandboxImage
) -> None:
    group = Class(tmp_path, answers(q2="import time; time.sleep(20)\n" + RIGHT_REST))
    warm_up()
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]

    def kill_eve() -> None:
        deadline = time.monotonic() + 300
        seen: dict[int, float] = {}
        while time.monotonic() < deadline:
            for child in children_of(server):
                seen.setdefault(child, time.monotonic())
            if len(seen) == 2:  # Anna's, then Eve's
                time.sleep(3)
                os.kill(max(seen, key=lambda child: seen[child]), signal.SIGKILL)
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill_eve)
    killer.start()
    results = group.grade(client, place, SandboxLimits())
    killer.join()
    assert (results["eve"].reason, results["eve"].graded) == ("environment", False)
    assert "was killed" in results["eve"].notes[0]
    assert others_are_unharmed(results)
    assert group.grade(client, place, SandboxLimits())["eve"].points == 8


def test_the_warm_process_has_no_threads() -> None:
    """Forking one that has would copy locks that nobody opens again."""
    warm_up()
    first = CONTEXT.Process(target=int)  # it begins when all is imported
    first.start()
    first.join()
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    assert first.exitcode == 0
    assert len(list(Path(f"/proc/{server}/task").iterdir())) == 1


ODD = ["e\x1b]0;PWNED\x07", "f\nanna: 100 of 8", os.fsdecode(b"g\xff"), "h\u202eanna"]


def test_folders_with_names_that_no_student_has_reach_no_terminal(tmp_path: Path) -> None:
    course = course_of(tmp_path, {"[a]nna": answers()}, "tiny", FIXTURE / "solutions")
    for name in ODD:
        shutil.copytree(
            course.folder("submitted", "tiny", "[a]nna"), course.folder("submitted", "tiny", name)
        )
    odd_file = course.folder("submitted", "tiny", "[a]nna") / "x\x1b[2J\nanna: 100.txt"
    odd_file.write_text("x")
    runs = Runs(tmp_path, "tiny")
    document, said = runs.finish()
    reasons = {one["student"]: one["reason"] for one in document["submissions"]}
    assert reasons == {"[a]nna": None} | {printable(name): "malformed" for name in ODD}
    assert all(char.isprintable() or char == "\n" for char in said)
    assert not any(line.startswith("anna: 100") for line in said.splitlines())
    assert runs.left() == []


SQUAT = """import docker, threading, time
docker.from_env().containers.create("busybox", ["echo", "ready"], name="later")
def squat():
    mine = docker.from_env()
    while True:
        try:
            mine.containers.create("busybox", name="bell")
        except Exception:  # refused, as a rule; a connection that breaks stops it no more
            pass
for _ in range(4):
    threading.Thread(target=squat, daemon=True).start()
time.sleep(1)
"""


def test_a_name_that_a_setup_cell_needs_and_the_student_takes_costs_what_depends_on_it(
    tmp_path: Path, client: docker.DockerClient, place: SandboxImage
) -> None:
    name = "01-containers"
    path = ROOT / "solutions" / name / f"{name}.ipynb"
    solution = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]

    def squats(notebook: NotebookNode) -> None:
        for question in ("cache", "job"):
            cell(notebook, question).source = cell(solution, question).source
        cell(notebook, "later").source = SQUAT

    course = course_of(tmp_path, {"eve": squats}, name, ROOT / "solutions")
    limits = SandboxLimits(check_seconds=40)
    [eve] = plan(course.root, name).grade(client, place, limits, 1, lambda _: None)
    assert eve.graded, eve.notes
    assert [check.points for check in eve.checks][:2] == [1, 1], "what does not depend on it"
    said = (eve.notes, eve.reason, [check.points for check in eve.checks])
    assert any("could not be set up after your cells had run" in note for note in eve.notes), said
