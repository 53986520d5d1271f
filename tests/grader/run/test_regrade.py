"""One question is graded again: its check is stored, and nobody's other marks move."""

import json
import shutil
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from grader.course import Course
from grader.exercise.cells import ReleasedCell
from grader.judging.repair import SubmittedCell, restore
from grader.judging.results import Check, Outcome, Result
from grader.judging.work import Executed
from grader.run.classrun import plan
from grader.run.local import ensure_sandbox_image
from grader.run.regrade import keep_others
from grader.sandbox.interface import SandboxLimits
from lab.errors import LabError
from lab.machine.host import ensure_engine

FIXTURE = Path(__file__).parents[1] / "fixtures" / "course"
PASSED = Check("t", 2, 2, "passed")
FAILED = Check("t", 0, 2, "failed", "Not yet.")


def released(grade_id: str) -> ReleasedCell:
    return ReleasedCell(
        grade_id,
        "code",
        "check()",
        locked=True,
        graded=True,
        solution=False,
        task=False,
        points=2.0,
        checksum="0",
    )


def test_only_the_named_check_changes_in_result_and_notebook() -> None:
    notebook, _ = restore([SubmittedCell("code", "")], [released("one"), released("two")])
    executed = Executed(notebook, Outcome({"one": FAILED, "two": FAILED}))
    kept = keep_others(executed, Outcome({"one": PASSED, "two": PASSED}), ["two"])
    assert kept.outcome.checks == {"one": PASSED, "two": FAILED}
    assert kept.notebook.cells[1].outputs == []


def test_check_that_is_worth_something_else_now_counts_as_it_is() -> None:
    notebook, _ = restore([], [released("one")])
    executed = Executed(notebook, Outcome({"one": FAILED}))
    kept = keep_others(executed, Outcome({"one": Check("t", 5, 5, "passed")}), ["two"])
    assert kept.outcome.checks == {"one": FAILED}


@pytest.fixture
def course(tmp_path: Path) -> Course:
    shutil.copytree(FIXTURE / "solutions", tmp_path / "solutions")
    shutil.copytree(FIXTURE / "solutions" / "tiny", tmp_path / "submitted" / "ada" / "tiny")
    return Course(tmp_path)


def change_checks(course: Course, *changes: tuple[str, str]) -> None:
    """The instructor edits test cells."""
    path = course.folder("solutions", "tiny") / "tiny.ipynb"
    notebook = json.loads(path.read_text())
    for grade_id, source in changes:
        cell = next(
            one
            for one in notebook["cells"]
            if one["metadata"].get("nbgrader", {}).get("grade_id") == grade_id
        )
        cell["source"] = source
    path.write_text(json.dumps(notebook))


def test_what_is_no_check_is_named_with_those_that_are(course: Course) -> None:
    with pytest.raises(LabError, match="no check q1"):
        plan(course.root, "tiny", questions=["q1"])


@pytest.mark.machine
@pytest.mark.grading
@pytest.mark.timeout(600)
def test_corrected_check_is_graded_again_and_other_marks_stay(course: Course) -> None:
    client = ensure_engine()
    place = ensure_sandbox_image(client)

    def grade(*questions: str) -> Result:
        (result,) = plan(course.root, "tiny", questions=questions).grade(
            client, place, SandboxLimits(), 1, lambda result: None
        )
        return result

    assert [check.points for check in grade().checks] == [3, 3, 2, 0]
    with Gradebook(course.db_url) as gradebook:
        by_hand = gradebook.find_grade("q3", "tiny", "tiny", "ada")
        by_hand.manual_score, by_hand.needs_manual_grade = 1.5, False
        gradebook.db.commit()
    change_checks(
        course, ("q1-test", "1"), ("q2-test", "raise AssertionError('Now it is ' + 'wrong.')")
    )
    again = grade("q1-test")
    assert [check.points for check in again.checks] == [1, 3, 2, 1.5]
    with Gradebook(course.db_url) as gradebook:
        assert gradebook.find_submission("tiny", "ada").score == 7.5
    assert (
        "Now it is wrong"
        not in (course.folder("feedback", "tiny", "ada") / "tiny.html").read_text()
    )
    assert [check.points for check in grade().checks] == [1, 0, 2, 1.5], (
        "the exercise has changed: all of it counts now"
    )
