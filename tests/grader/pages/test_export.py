"""Late work and the tables for course sites, with a real gradebook and no sandbox: executed
notebooks are recorded as grading records them.
"""

import csv
import io
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from nbgrader.api import Gradebook

from grader.commands.export import export_command
from grader.course import Course
from grader.gradebook.record import ensure_assignment, late_penalty, record, released_cells
from grader.judging.repair import SubmittedCell, restore
from grader.pages.export import Format, harmless, marks, read_roster, table
from lab.errors import LabError

FIXTURE = Path(__file__).parents[1] / "fixtures" / "course"
IN_TIME, LATE = b"2026-11-01 10:00:00 UTC", b"2026-11-03 10:00:00 UTC"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("released")
    shutil.copytree(FIXTURE, folder, dirs_exist_ok=True)
    made = Course(folder)
    ensure_assignment(made, "tiny")
    with Gradebook(made.db_url) as gradebook:
        gradebook.update_or_create_assignment("tiny", duedate="2026-11-02 00:00:00 UTC")
    return folder


@pytest.fixture
def course(released: Path, tmp_path: Path) -> Course:
    shutil.copytree(released, tmp_path, dirs_exist_ok=True)
    return Course(tmp_path)


def graded(course: Course, student: str, time: bytes = IN_TIME) -> None:
    """All tests passed; the answer that a person reads is there."""
    notebook, _ = restore([SubmittedCell("code", "")], released_cells(course, "tiny")["tiny"])
    next(
        cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == "q3"
    ).source = "Mine."
    record(course, "tiny", student, {"tiny": notebook}, {"timestamp.txt": time})


def rows(course: Course, form: Format, roster: Path | None = None) -> list[dict[str, str]]:
    people = read_roster(roster) if roster else None
    return list(
        csv.DictReader(io.StringIO(table("tiny", marks(course.root, "tiny"), form, people)))
    )


def test_late_work_costs_nothing_unless_the_course_says_so(course: Course) -> None:
    graded(course, "ada", LATE)
    assert late_penalty(course, "tiny", "ada") == 0


def test_a_late_submission_plugin_takes_points_off_once_and_only_when_late(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    (course.root / "half_off.py").write_text(
        "from nbgrader.plugins import BasePlugin\n"
        "class HalfOff(BasePlugin):\n"
        "    def late_submission_penalty(self, student_id, score, total_seconds_late):\n"
        "        return score / 2\n"
    )
    (course.root / "nbgrader_config.py").write_text(
        'c = get_config()\nc.AssignLatePenalties.plugin_class = "half_off.HalfOff"\n'
    )
    monkeypatch.syspath_prepend(str(course.root))
    for _ in range(2):
        graded(course, "ada", LATE)
    graded(course, "bob")
    assert (late_penalty(course, "tiny", "ada"), late_penalty(course, "tiny", "bob")) == (4, 0)
    assert [
        (row["student"], row["points"], row["late_penalty"]) for row in rows(course, "csv")
    ] == [("ada", "4", "4"), ("bob", "8", "0")]
    (row,) = (row for row in rows(course, "moodle") if row["Username"] == "ada")
    assert (row["tiny"], row["Feedback comments"]) == ("4", "4 points less for handing in late")


def test_nbgraders_own_plugin_is_configured_as_nbgrader_says(course: Course) -> None:
    (course.root / "nbgrader_config.py").write_text(
        'c = get_config()\nc.LateSubmissionPlugin.penalty_method = "zero"\n'
    )
    graded(course, "ada", LATE)
    assert late_penalty(course, "tiny", "ada") == 8
    assert rows(course, "csv")[0]["points"] == "0"


def test_marks_given_by_hand_count_and_what_waits_is_said(course: Course) -> None:
    graded(course, "ada")
    with Gradebook(course.db_url) as gradebook:
        gradebook.add_student("eve")
    assert [
        (row["student"], row["points"], row["waiting_for_a_person"]) for row in rows(course, "csv")
    ] == [("ada", "8", "1"), ("eve", "", "0")]
    with Gradebook(course.db_url) as gradebook:
        grade = gradebook.find_grade("q3", "tiny", "tiny", "ada")
        grade.manual_score, grade.needs_manual_grade = 1.5, False
        gradebook.db.commit()
    assert rows(course, "csv")[0]["points"] == "9.5"


def test_canvas_has_its_columns_and_the_points_possible(course: Course, tmp_path: Path) -> None:
    graded(course, "ada")
    graded(course, "bob")
    roster = tmp_path / "canvas.csv"
    roster.write_text(
        "\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,tiny (4711),Other (1)\n"
        "    Points Possible,,,,,10,5\n"
        '"Lovelace, Ada",11,s-11,ADA,A,,3\n"Nobody, No",12,s-12,no,A,,\n'
    )
    found = rows(course, "canvas", roster)
    assert list(found[0]) == [
        "Student",
        "ID",
        "SIS User ID",
        "SIS Login ID",
        "Section",
        "tiny (4711)",
    ]
    assert [(row["Student"].strip(), row["ID"], row["tiny (4711)"]) for row in found] == [
        ("Points Possible", "", "10"),
        ("Lovelace, Ada", "11", "8"),
    ]
    without = rows(course, "canvas")
    assert [(row["SIS Login ID"], row["tiny"]) for row in without] == [
        ("", "10"),
        ("ada", "8"),
        ("bob", "8"),
    ]


def test_no_cell_is_a_formula(course: Course) -> None:
    graded(course, "ada")
    with Gradebook(course.db_url) as gradebook:
        gradebook.update_or_create_student(
            "ada", first_name='=HYPERLINK("x")', last_name="@SUM(A1)", email="-1+1"
        )
    text = table("tiny", marks(course.root, "tiny"), "csv")
    assert {cell[:1] for row in csv.reader(io.StringIO(text)) for cell in row} & set("=@+") == set()
    assert harmless("-1+1") == "'-1+1"
    assert harmless("-1.5") == "-1.5"


def test_the_command_writes_a_file_and_names_whom_a_person_has_to_read(
    course: Course, tmp_path: Path
) -> None:
    graded(course, "ada")
    done = CliRunner().invoke(
        export_command,
        ["tiny", "--course", str(course.root), "--output", str(tmp_path / "marks.csv")],
    )
    assert done.exit_code == 0, done.output
    assert "ada" in done.stderr
    assert (tmp_path / "marks.csv").read_text().splitlines()[1].startswith("ada,")


def test_an_assignment_that_was_never_graded_is_said(course: Course) -> None:
    with pytest.raises(LabError, match="no assignment other"):
        marks(course.root, "other")
