"""A class is graded for real: each submission in a sandbox on the machine's engine. Nobody's
mistake costs anybody else.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import nbformat
import pytest
from nbgrader.api import Gradebook

from grader.course import Course
from grader.exercise.release import generate
from grader.judging.results import Check, Result, document
from grader.run.classrun import Run, plan
from grader.run.local import ensure_sandbox_image
from grader.sandbox.containers import SandboxImage
from grader.sandbox.interface import SandboxLimits
from grader.sandbox.owners import OWNER_LABEL, owner, sweep
from lab.machine.host import ensure_engine

from .submissions import SUBMISSIONS, UNREADABLE, cell

pytestmark = [pytest.mark.machine, pytest.mark.grading]

FIXTURE = Path(__file__).parents[1] / "fixtures" / "course"
LIMITS = SandboxLimits(cell_seconds=8, submission_seconds=60, check_seconds=20)
WEB, ANSWER, DOCKERFILE, BY_HAND = range(4)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    root = tmp_path_factory.mktemp("class")
    shutil.copytree(FIXTURE / "solutions", root / "solutions")
    generate(root, "tiny", root / "assignments")
    released = nbformat.read(root / "assignments" / "tiny" / "tiny.ipynb", as_version=4)
    for student, change in SUBMISSIONS.items():
        notebook = nbformat.from_dict(json.loads(json.dumps(released)))
        change(notebook)
        hand_in(root, student, json.dumps(notebook).encode())
    for student, content in UNREADABLE.items():
        hand_in(root, student, content)
    (root / "submitted" / "missing" / "tiny").mkdir(parents=True)
    (root / "submitted" / "nothing").mkdir()
    return Course(root)


def hand_in(root: Path, student: str, content: bytes) -> None:
    folder = root / "submitted" / student / "tiny"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.ipynb").write_bytes(content)


@pytest.fixture(scope="module")
def client() -> docker.DockerClient:
    return ensure_engine()


@pytest.fixture(scope="module")
def place(client: docker.DockerClient) -> SandboxImage:
    return ensure_sandbox_image(client)


@pytest.fixture(scope="module")
def grade(client: docker.DockerClient, place: SandboxImage) -> Callable[[Run], dict[str, Result]]:
    def run(planned: Run) -> dict[str, Result]:
        return {
            result.student: result
            for result in planned.grade(client, place, LIMITS, 2, lambda result: None)
        }

    return run


@pytest.fixture(scope="module")
def results(course: Course, grade: Callable[[Run], dict[str, Result]]) -> dict[str, Result]:
    return grade(plan(course.root, "tiny"))


def points(result: Result) -> list[float]:
    return [check.points for check in result.checks]


def test_right_answers_earn_all_points_but_those_given_by_hand(results: dict[str, Result]) -> None:
    right = results["right"]
    assert (points(right), right.reason, right.max_points) == ([3, 3, 2, 0], None, 10)
    assert [check.status for check in right.checks] == [
        "passed",
        "passed",
        "passed",
        "needs-grading",
    ]
    assert right.checks[WEB].name == "The container `web` is running"
    assert right.notes == []


def test_untouched_release_earns_nothing_and_says_why(results: dict[str, Result]) -> None:
    released = results["released"]
    assert (released.points, released.reason) == (0, None)
    assert {check.status for check in released.checks} == {"failed"}
    assert all(len(check.message.splitlines()) == 3 for check in released.checks)


def test_partly_right_answer_earns_a_part_with_its_message(results: dict[str, Result]) -> None:
    wrong = results["wrong"]
    assert points(wrong) == [0, 2, 0, 0]
    assert wrong.checks[ANSWER].message == "2 of the 3 names are there."
    assert (
        wrong.checks[DOCKERFILE].message.splitlines()[1]
        == "Expected: FROM busybox in its first line."
    )


def test_standard_error_and_warnings_cost_nothing(results: dict[str, Result]) -> None:
    assert points(results["noisy"]) == [3, 3, 2, 0]


@pytest.mark.parametrize(
    ("student", "reason"),
    [
        ("killer", "kernel-died"),
        ("bomb", "out-of-memory"),
        ("stubborn", "timeout"),
        ("liar", "kernel-died"),
    ],
)
def test_loss_of_the_kernel_keeps_what_was_earned_before(
    results: dict[str, Result], student: str, reason: str
) -> None:
    lost = results[student]
    assert (lost.reason, lost.checks[WEB].points) == (reason, 3)
    assert lost.checks[ANSWER].status == "skipped"
    assert lost.graded


def test_kernel_cannot_kill_what_drives_it(results: dict[str, Result]) -> None:
    spared = results["parent-killer"]
    assert (points(spared), spared.reason) == ([3, 0, 0, 0], None)


def test_file_written_before_the_kernel_ended_still_counts(results: dict[str, Result]) -> None:
    assert results["killer"].checks[DOCKERFILE].points == 2


def test_endless_cell_is_stopped_and_the_next_ones_run(results: dict[str, Result]) -> None:
    assert (results["loop"].reason, points(results["loop"])) == ("timeout", [3, 3, 2, 0])


def test_endless_output_is_stopped_by_time_or_memory(results: dict[str, Result]) -> None:
    flood = results["flood"]
    assert flood.reason in ("timeout", "out-of-memory")
    assert (flood.checks[WEB].points, flood.checks[DOCKERFILE].points) == (3, 2)


def test_value_that_json_cannot_hold_is_not_taken(results: dict[str, Result]) -> None:
    message = results["not-a-number"].checks[ANSWER].message
    assert "holds a `float` that is too large, or no number" in message


@pytest.mark.parametrize("student", ["test-twice", "forged", "skipped", "easier"])
def test_tampered_test_earns_what_an_honest_notebook_would(
    results: dict[str, Result], student: str
) -> None:
    assert (points(results[student]), results[student].max_points) == ([0, 3, 2, 0], 10)


@pytest.mark.parametrize(
    ("student", "note"),
    [
        ("test-twice", "more than once"),
        ("forged", "never released"),
        ("upside-down", "had been moved"),
    ],
)
def test_repairs_are_told_to_the_instructor(
    results: dict[str, Result], student: str, note: str
) -> None:
    assert any(note in one for one in results[student].notes)


def test_deleted_tests_come_back_and_find_nothing(results: dict[str, Result]) -> None:
    assert (points(results["without-tests"]), results["without-tests"].max_points) == (
        [0, 0, 0, 0],
        10,
    )
    assert sum("was missing" in note for note in results["without-tests"].notes) == 4


def test_reordered_cells_are_graded_in_released_order(results: dict[str, Result]) -> None:
    assert points(results["upside-down"]) == [3, 3, 2, 0]


@pytest.mark.parametrize("student", [*UNREADABLE, "missing", "nothing"])
def test_what_is_no_notebook_is_not_graded_and_says_why(
    results: dict[str, Result], student: str
) -> None:
    result = results[student]
    assert (result.graded, result.reason, result.max_points) == (False, "malformed", 10)
    assert {check.status for check in result.checks} == {"skipped"}


def test_document_is_the_promised_one(results: dict[str, Result]) -> None:
    written: dict[str, Any] = json.loads(
        json.dumps(document("tiny", 1.23456, list(results.values())), allow_nan=False)
    )
    assert set(written) == {"version", "assignment", "seconds", "submissions"}
    assert {tuple(one) for one in written["submissions"]} == {
        ("student", "status", "reason", "points", "max_points", "late_penalty", "seconds", "checks")
    }
    assert {tuple(check) for one in written["submissions"] for check in one["checks"]} == {
        ("name", "points", "max_points", "status", "message")
    }


def test_gradebook_holds_the_graded_and_only_them(
    course: Course, results: dict[str, Result]
) -> None:
    with Gradebook(course.db_url) as gradebook:
        held = {
            submission.student.id: submission
            for submission in gradebook.assignment_submissions("tiny")
        }
        assert set(held) == {student for student, result in results.items() if result.graded}
        assert {student: submission.score for student, submission in held.items()} == {
            student: results[student].points for student in held
        }
        assert held["right"].needs_manual_grade


def test_page_has_the_three_lines_and_no_hidden_test(
    course: Course, results: dict[str, Result]
) -> None:
    page = (course.folder("feedback", "tiny", "released") / "tiny.html").read_text()
    assert "Try: docker run -d --name web IMAGE" in page
    assert "must_be_running" in page
    assert "must_run_image" not in page


def test_page_has_nothing_active(course: Course, results: dict[str, Result]) -> None:
    page = (course.folder("feedback", "tiny", "active") / "tiny.html").read_text()
    assert not [
        word
        for word in ("<script", "onerror=", 'href="javascript', "<iframe")
        if word in page.lower()
    ]
    assert "&lt;script&gt;alert(5)" in page


def test_unreadable_submission_gets_a_page_as_well(
    course: Course, results: dict[str, Result]
) -> None:
    assert (
        "could not be read as a notebook"
        in (course.folder("feedback", "tiny", "truncated") / "not-graded.html").read_text()
    )


def test_nothing_of_a_sandbox_is_left(
    client: docker.DockerClient, results: dict[str, Result]
) -> None:
    mine = {"label": f"{OWNER_LABEL}={owner()}"}
    assert client.containers.list(all=True, filters=mine) == []
    assert client.volumes.list(filters=mine) == []


def test_mark_given_by_hand_stays_until_the_answer_changes(
    course: Course, results: dict[str, Result], grade: Callable[[Run], dict[str, Result]]
) -> None:
    with Gradebook(course.db_url) as gradebook:
        mark = gradebook.find_grade("q3", "tiny", "tiny", "right")
        mark.manual_score, mark.needs_manual_grade = 1.5, False
        gradebook.db.commit()
    again = grade(plan(course.root, "tiny", ["right"]))["right"]
    assert again.checks[BY_HAND] == Check("q3", 1.5, 2, "passed", "Graded by a person.")
    path = course.folder("submitted", "tiny", "right") / "tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    cell(notebook, "q3").source += " Or is it?"
    nbformat.write(notebook, path)
    changed = grade(plan(course.root, "tiny", ["right"]))["right"]
    assert (changed.checks[BY_HAND].points, changed.checks[BY_HAND].status) == (
        1.5,
        "needs-grading",
    )


def test_leftovers_of_a_grader_that_is_gone_are_swept(
    client: docker.DockerClient, place: SandboxImage
) -> None:
    gone = owner().rpartition("/")[0] + "/4194999"  # above the kernel's largest process id
    left = client.containers.create(
        place.image, ["true"], labels={OWNER_LABEL: gone}, network_disabled=True
    )
    ours = client.volumes.create(labels={OWNER_LABEL: owner()})
    try:
        sweep(client)
        assert client.containers.list(all=True, filters={"id": left.id}) == []
        assert client.volumes.list(filters={"name": ours.name})
    finally:
        ours.remove(force=True)


@pytest.fixture(scope="module", autouse=True)
def _clean(client: docker.DockerClient) -> Iterator[None]:
    yield
    sweep(client)
