"""A grading run that is killed or stopped goes on where it was: nothing is graded twice, nothing is
lost, no sandbox is left.
"""

import json
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from nbgrader.api import Gradebook

from grader.course import Course
from grader.sandbox.owners import BORN_LABEL, OWNER_LABEL, owner, sweep
from lab.course import ROOT
from lab.machine.host import ensure_engine

from .runs import Runs, failures, summary

pytestmark = [pytest.mark.machine, pytest.mark.grading, pytest.mark.timeout(600)]

NAME = "00-check-your-lab"
STUDENTS = [f"student-{number}" for number in range(6)]
POINTS = 6.0  # of 8: two are given by hand


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    shutil.copytree(ROOT / "solutions" / NAME, tmp_path / "solutions" / NAME)
    for student in STUDENTS:
        shutil.copytree(ROOT / "solutions" / NAME, tmp_path / "submitted" / student / NAME)
    made = Runs(tmp_path, NAME)
    yield made
    sweep(made.client)


EVERYBODY = dict.fromkeys(STUDENTS, ("graded", POINTS, None))


def in_the_gradebook(course: Course) -> dict[str, float]:
    with Gradebook(course.db_url) as gradebook:
        return {one.student.id: one.score for one in gradebook.assignment_submissions(NAME)}


def test_run_killed_again_and_again_comes_to_its_end(runs: Runs) -> None:
    """Killed while the first is graded, while grades are being written, and when some are done."""
    moments: list[Callable[[], bool]] = [
        lambda: bool(runs.left()),
        lambda: any((runs.course.root).glob(".grading-*/out/*/*/*.ipynb")) or bool(runs.graded()),
        lambda: len(runs.graded()) >= 3,
    ]
    for moment in moments:
        before, notebooks = runs.graded(), runs.written()
        running = runs.start()
        runs.until(moment, running)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        assert before.items() <= runs.graded().items(), (
            "what was recorded is recorded still, and was not graded again"
        )
        assert {student: notebooks[student] for student in before}.items() <= runs.written().items()
    before, notebooks = runs.graded(), runs.written()
    assert 3 <= len(before) < len(STUDENTS)
    document, said = runs.finish()
    assert summary(document) == EVERYBODY, failures(document)
    assert f"{len(before)} unchanged, {len(STUDENTS) - len(before)} graded" in said
    assert before.items() <= runs.graded().items()
    assert {student: notebooks[student] for student in before}.items() <= runs.written().items()
    assert in_the_gradebook(runs.course) == dict.fromkeys(STUDENTS, POINTS)
    assert runs.left() == []
    assert list(runs.course.root.glob(".grading-*")) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_run_leaves_no_sandbox_and_keeps_what_was_graded(
    runs: Runs, how: signal.Signals
) -> None:
    running = runs.start()
    runs.until(lambda: len(runs.graded()) >= 1 and bool(runs.left()), running)
    begun = time.monotonic()
    running.send_signal(how)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "again to continue" in said
    assert time.monotonic() - begun < 40
    assert runs.left() == []
    kept = runs.graded()
    assert 1 <= len(kept) < len(STUDENTS)
    assert set(in_the_gradebook(runs.course)) == set(kept)
    document, _ = runs.finish()
    assert summary(document) == EVERYBODY, failures(document)
    assert kept.items() <= runs.graded().items()


def test_only_what_has_changed_is_graded_again(runs: Runs) -> None:
    document, _ = runs.finish()
    assert summary(document) == EVERYBODY, failures(document)
    first = runs.graded()
    late = runs.course.folder("submitted", NAME, "student-1") / f"{NAME}.ipynb"
    notebook = json.loads(late.read_text())
    cell = next(
        one
        for one in notebook["cells"]
        if one["metadata"].get("nbgrader", {}).get("grade_id") == "kernel"
    )
    cell["source"] = "pass"
    late.write_text(json.dumps(notebook))
    shutil.rmtree(runs.course.folder("feedback", NAME, "student-2"))
    document, said = runs.finish()
    assert "4 unchanged, 2 graded" in said
    assert summary(document) == {**EVERYBODY, "student-1": ("graded", POINTS - 2, None)}, failures(
        document
    )
    again = {student for student, at in runs.graded().items() if first[student] != at}
    assert again == {"student-1", "student-2"}
    with Gradebook(runs.course.db_url) as gradebook:
        mark = gradebook.find_grade("explain", NAME, NAME, "student-3")
        mark.manual_score, mark.needs_manual_grade = 1.5, False
        gradebook.db.commit()
    document, said = runs.finish("--student", "student-3")
    assert "1 unchanged, 0 graded" in said
    assert summary(document) == {"student-3": ("graded", POINTS + 1.5, None)}, (
        "marks given by hand since count"
    )
    _, said = runs.finish("--student", "student-3", "--regrade")
    assert "unchanged" not in said
    assert runs.graded()["student-3"] != first["student-3"]


def test_leftovers_of_another_process_with_the_same_number_are_swept() -> None:
    client: docker.DockerClient = ensure_engine()
    # we did not start in the first tick
    other = client.volumes.create(labels={OWNER_LABEL: owner(), BORN_LABEL: "1"})
    unknown = client.volumes.create(labels={OWNER_LABEL: f"{owner()}-of-another-version"})
    try:
        sweep(client)
        assert client.volumes.list(filters={"name": other.name}) == []
        assert client.volumes.list(filters={"name": unknown.name})
    finally:
        unknown.remove(force=True)
