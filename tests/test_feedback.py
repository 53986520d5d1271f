"""A student's page: what a tutor would say. The notebook is recorded as grading records it; no
sandbox is needed.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from playwright.sync_api import Page, expect

from grader.course import Course
from grader.gradebook.record import ensure_assignment, record, released_cells
from grader.judging.outputs import verdict_outputs
from grader.judging.repair import SubmittedCell, restore
from grader.judging.results import Check, Result
from grader.pages import feedback
from grader.sandbox.interface import Reason

from .conftest import ROOT
from .test_browser import browser, page

__all__ = ["browser", "page"]  # fixtures
EXERCISE = "01-containers"
LATER = (
    "`later` has been started: its status is `exited`.\nExpected: `later` created, not started"
    " (status `created`).\nTry: docker rm -f later && docker create --name later busybox echo ready"
)
PARTLY = (
    "What `job` printed is right.\n`exit_code` is 0.\nExpected: the exit code of `job`.\nTry:"
    " docker inspect job"
)
HOSTILE = "<script>document.title = 'taken'</script>`<b>x</b>`"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("released")
    shutil.copytree(ROOT / "solutions" / EXERCISE, folder / "solutions" / EXERCISE)
    ensure_assignment(Course(folder), EXERCISE)
    return folder


@pytest.fixture
def course(released: Path, tmp_path: Path) -> Course:
    shutil.copytree(released, tmp_path, dirs_exist_ok=True)
    return Course(tmp_path)


def graded(
    course: Course,
    verdicts: Mapping[str, tuple[float, str, str]],
    answer: str | None = "SIGTERM asks, SIGKILL does not.",
) -> None:
    """Ada's work: all passed but ``verdicts``: {grade_id: (points, status, message)}."""
    cells = released_cells(course, EXERCISE)[EXERCISE]
    handed_in = [SubmittedCell("markdown", answer, "explain")] if answer else []
    notebook, _ = restore(handed_in, cells)
    for released_cell, cell in (
        (one, cell)
        for cell in notebook.cells
        for one in cells
        if one.metadata() == cell.metadata.get("nbgrader")
    ):
        if released_cell.is_test:
            points, status, message = verdicts.get(
                released_cell.grade_id, (released_cell.points, "passed", "")
            )
            cell.outputs = verdict_outputs(
                Check(released_cell.title, points, released_cell.points, status, message)
            )  # type: ignore[arg-type]
    record(course, EXERCISE, "ada", {EXERCISE: notebook}, {})
    feedback.write(course, EXERCISE, "ada")


def path_of(course: Course) -> Path:
    return course.folder("feedback", EXERCISE, "ada") / f"{EXERCISE}.html"


def opened(page: Page, course: Course) -> Page:
    page.goto(path_of(course).as_uri())
    return page


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_page_says_what_to_look_at_first_and_what_to_try(
    course: Course, page: Page, shots: Path | None
) -> None:
    graded(
        course,
        {
            "later-test": (0, "failed", LATER),
            "job-test": (1, "failed", PARTLY),
            "db-query-test": (
                0,
                "skipped",
                "The kernel of your notebook ended, so this check was not made.",
            ),
        },
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opened(page, course)
    expect(page.locator(".score")).to_have_text(
        "13 of 16 points so far; 3 more wait for your instructor"
    )
    expect(page.locator("main")).to_contain_text("your instructor still has to read 1")
    expect(page.locator("main")).to_contain_text(
        "Look first at: The container later is made from busybox"
    )
    failed = page.locator(".check.not-yet").first
    assert failed.locator("dt").all_inner_texts() == ["Found", "Expected", "Try"]
    assert (
        failed.locator("dd.try").inner_text()
        == "docker rm -f later && docker create --name later busybox echo ready"
    )
    assert page.locator("h2").first.inner_text() == "1 · Create (2 points)"
    expect(page.locator(".check.partly .points")).to_have_text("partly, 1 of 2")
    assert page.locator(".check.partly dt").all_inner_texts() == ["Found", "", "Expected", "Try"]
    expect(page.locator(".check.not-checked .points")).to_have_text("not checked, 1 point")
    expect(page.locator(".check.waits-for-your-instructor h3")).to_contain_text(
        "Your answer in words"
    )
    assert asked == [path_of(course).as_uri()]
    if shots:
        page.screenshot(path=shots / "feedback.png")


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_nothing_that_a_check_repeats_of_a_student_acts(course: Course, page: Page) -> None:
    graded(course, {"later-test": (0, "failed", HOSTILE)})
    opened(page, course)
    assert page.title() == f"{EXERCISE}: feedback for ada"
    assert page.locator(".check.not-yet dd code").inner_text() == "<b>x</b>"
    assert page.locator("script").count() == 0


def test_all_right_is_said_plainly(course: Course) -> None:
    graded(course, {})
    with Gradebook(course.db_url) as gradebook:
        mark = gradebook.find_grade("explain", EXERCISE, EXERCISE, "ada")
        mark.manual_score, mark.needs_manual_grade = 3, False
        gradebook.db.commit()
    feedback.write(course, EXERCISE, "ada")
    text = path_of(course).read_text()
    assert "19 of 19 points" in text
    assert "Well done" in text
    assert "Look first" not in text


def test_answer_that_nobody_has_read_yet_has_no_mark(course: Course) -> None:
    graded(course, {})
    assert "waits for your instructor, 3 points" in path_of(course).read_text()


def test_sample_answer_is_on_the_page_of_one_who_has_tried_and_learns_alone(course: Course) -> None:
    samples = {EXERCISE: {"explain": "`stop` *asks* first. <script>act()</script>"}}
    graded(course, {})
    of_the_class = path_of(course).read_text()
    feedback.write(course, EXERCISE, "ada", samples)
    alone = path_of(course).read_text()
    assert "A sample answer" not in of_the_class
    assert "<code>stop</code> <em>asks</em> first." in alone
    assert "act()" not in alone
    assert "16 of 16 points</strong>; 3 more are for you to judge" in alone
    assert "instructor" not in alone
    graded(course, {}, answer=None)
    feedback.write(course, EXERCISE, "ada", samples)
    unanswered = path_of(course).read_text()
    assert "A sample answer" not in unanswered
    assert 'Expected</dt><dd class="expected">an answer in your own words.' in unanswered
    for of_a_class in ("instructor", "hand in", "handed in"):
        assert of_a_class not in unanswered


def test_answer_that_was_not_given_says_what_to_do(course: Course) -> None:
    graded(course, {}, answer=None)
    assert "There is no answer here." in path_of(course).read_text()


def test_comment_below_a_command_reaches_the_student(course: Course) -> None:
    graded(course, {"later-test": (0, "failed", LATER)})
    with Gradebook(course.db_url) as gradebook:
        gradebook.find_comment(
            "later", EXERCISE, EXERCISE, "ada"
        ).manual_comment = "Create & start are two steps."
        gradebook.db.commit()
    feedback.write(course, EXERCISE, "ada")
    assert "Your instructor: Create &amp; start are two steps." in path_of(course).read_text()


def not_graded(course: Course, reason: Reason, *notes: str) -> str:
    checks = [Check("`web` runs", 0, 3, "skipped")]
    feedback.write_reason(course, EXERCISE, Result("ada", checks, reason, notes=[*notes]))
    return (course.folder("feedback", EXERCISE, "ada") / "not-graded.html").read_text()


def test_page_of_what_was_not_graded_gives_no_points(course: Course) -> None:
    text = not_graded(course, "environment", "the machine has no room")
    assert "Not graded" in text
    assert "There is nothing for you to do" in text
    assert "no room" not in text
    assert not re.search(r"\bof \d|not checked", text)


def test_page_of_what_could_not_be_read_says_why_and_what_to_do(course: Course) -> None:
    text = not_graded(course, "malformed", "The file is <empty>.")
    assert "The file is &lt;empty&gt;." in text
    assert "<details" not in text
    assert "hand it in again" in text
    assert "earlier hand-in" not in text


def test_page_of_what_could_not_be_read_names_the_one_that_counts(course: Course) -> None:
    graded(course, {})
    assert f"See {EXERCISE}.html" in not_graded(course, "malformed")
    feedback.write(course, EXERCISE, "ada")
    assert [path.name for path in path_of(course).parent.iterdir()] == [f"{EXERCISE}.html"]


def test_page_that_somebody_altered_is_noticed(course: Course) -> None:
    graded(course, {})
    page = path_of(course)
    assert feedback.is_intact(page)
    for text in (page.read_text().replace("19", "18"), "<html>", ""):
        page.write_text(text)
        assert not feedback.is_intact(page)


def test_name_ending_in_a_full_stop_gets_no_second_one(course: Course) -> None:
    graded(course, {"later-test": (0, "failed", LATER)})
    text = path_of(course).read_text()
    assert "Look first at" in text
    assert ".." not in text.partition("Look first at")[2].partition("</p>")[0]
