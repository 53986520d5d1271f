"""The last results of a class, from a real gradebook and journal; nothing is run."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from grader.course import JOURNAL, Course
from grader.gradebook.journal import Entry, Journal, Refused
from grader.gradebook.record import record
from grader.judging.outputs import verdict_outputs
from grader.judging.results import Check, Outcome, Result
from grader.pages import feedback
from grader.run.grading import Grading, find_unchanged
from grader.run.judged_by import JudgedBy
from grader.run.results import last_results
from grader.run.submission import Assignment, Submission
from grader.sandbox.containers import SandboxImage
from grader.sandbox.interface import SandboxLimits

FIXTURE = Path(__file__).parents[1] / "fixtures" / "course"


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """Ada's work is recorded as a run records it; the others have handed in since."""
    shutil.copytree(FIXTURE, tmp_path, dirs_exist_ok=True)
    for student in ("ada", "bob", "carla", "dan"):
        shutil.copytree(tmp_path / "solutions" / "tiny", tmp_path / "submitted" / student / "tiny")
    (tmp_path / "submitted" / "bob" / "tiny" / "tiny.ipynb").write_text("I could not do it, sorry.")
    (tmp_path / "submitted" / "carla" / "tiny" / "tiny.ipynb").unlink()
    course = Course(tmp_path)
    assignment = Assignment.open(course, "tiny")
    repaired = Submission.read(assignment, "ada").repaired(assignment)
    cells = {cell.grade_id: cell for cell in assignment.cells["tiny"]}
    checks = {
        name: Check(cell.title, cell.points, cell.points, "passed")
        for name, cell in cells.items()
        if cell.is_test
    }
    for cell in repaired.notebooks["tiny"].cells:
        if check := checks.get(cell.metadata.get("nbgrader", {}).get("grade_id")):
            cell.outputs = verdict_outputs(check)
    record(course, "tiny", "ada", repaired.notebooks, repaired.files)
    Journal(tmp_path / JOURNAL).keep("tiny", "ada", "key", Entry({"tiny": Outcome(checks)}, 4.5))
    return course


def test_recorded_points_come_with_the_marks_given_by_hand_since(course: Course) -> None:
    with Gradebook(course.db_url) as gradebook:
        by_hand = gradebook.find_grade("q3", "tiny", "tiny", "ada")
        by_hand.manual_score, by_hand.needs_manual_grade = 1.5, False
        gradebook.db.commit()
    ada = last_results(course.root, "tiny")[0]
    assert (ada.student, ada.reason, ada.seconds) == ("ada", None, 4.5)
    assert [check.points for check in ada.checks] == [3, 3, 2, 1.5]


def test_work_that_cannot_be_read_is_the_students_affair_and_says_why(course: Course) -> None:
    results = {result.student: result for result in last_results(course.root, "tiny")}
    assert results["bob"].reason == "malformed"
    assert "not a notebook" in results["bob"].notes[0]
    assert results["carla"].reason == "malformed"
    assert results["carla"].notes == ["The notebook tiny.ipynb is missing."]


def test_work_that_can_be_graded_and_was_not_is_ours(course: Course) -> None:
    results = {result.student: result for result in last_results(course.root, "tiny")}
    assert results["dan"].reason == "environment"
    assert "bin/lab grade" in results["dan"].notes[0]


def test_a_broken_hand_in_after_a_graded_one_is_malformed_and_says_whose_the_mark_is(
    course: Course,
) -> None:
    (course.folder("submitted", "tiny", "ada") / "tiny.ipynb").write_text("{")
    ada = last_results(course.root, "tiny")[0]
    assert ada.reason == "malformed"
    assert ada.notes[-1] == "The mark in the gradebook is of an earlier hand-in."


def test_work_that_went_over_a_limit_stays_so_until_it_changes(course: Course) -> None:
    assignment = Assignment.open(course, "tiny")
    work = Submission.read(assignment, "dan").work_key
    Journal(course.root / JOURNAL).refuse("tiny", "dan", Refused(work, "over-limit", "Too much."))
    results = {result.student: result for result in last_results(course.root, "tiny")}
    assert (results["dan"].reason, results["dan"].notes) == ("over-limit", ["Too much."])
    (course.folder("submitted", "tiny", "dan") / "notes.txt").write_text("another try")
    results = {result.student: result for result in last_results(course.root, "tiny")}
    assert results["dan"].reason == "environment"


def test_class_of_which_nothing_was_graded_has_no_results(course: Course) -> None:
    (course.root / JOURNAL).unlink()
    assert last_results(course.root, "tiny") == []


@pytest.fixture
def unchanged(course: Course) -> Callable[[], Result | None]:
    """What a run finds of Ada's work, which was graded and has a page."""
    assignment = Assignment.open(course, "tiny")
    judged_by = JudgedBy.now(course, "tiny", SandboxImage("lab", "t", "r"), SandboxLimits())
    entry = Journal(course.root / JOURNAL).latest("tiny")["ada"]
    key = Submission.read(assignment, "ada").key(judged_by)
    Journal(course.root / JOURNAL).keep("tiny", "ada", key, entry)
    feedback.write(course, "tiny", "ada")
    return lambda: find_unchanged(Grading(assignment, judged_by), "ada")


def test_page_that_another_program_wrote_is_written_again(
    course: Course, unchanged: Callable[[], Result | None]
) -> None:
    page = course.folder("feedback", "tiny", "ada") / "tiny.html"
    ours = page.read_text()
    assert (found := unchanged())
    assert found.notes == []
    page.write_text("<script>BEGIN HIDDEN TESTS</script>")
    assert (found := unchanged())
    assert found.unchanged
    assert "tiny.html" in found.notes[0]
    assert page.read_text() == ours


def test_nothing_else_stays_beside_the_page(
    course: Course, unchanged: Callable[[], Result | None]
) -> None:
    folder = course.folder("feedback", "tiny", "ada")
    feedback.write_reason(course, "tiny", Result("ada", [], "malformed"))
    (folder / "index.html").write_text("<script>of a student</script>")
    assert unchanged()
    assert [path.name for path in folder.iterdir()] == ["tiny.html"]
