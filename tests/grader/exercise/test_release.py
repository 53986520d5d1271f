"""`lab release`: what students get, and what is refused before anybody gets it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from grader.commands.release import release_command
from grader.exercise.lint import wants_cluster
from grader.exercise.release import differences, release
from lab.errors import LabError

FIXTURE = Path(__file__).parents[1] / "fixtures" / "release"
NOTEBOOK = "01-boxes/01-boxes.ipynb"
Change = Callable[[list[dict[str, Any]]], object]


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A copy of the fixture course, sources only."""
    shutil.copytree(FIXTURE / "solutions", tmp_path / "solutions")
    return tmp_path


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(course: Path, *arguments: str) -> Result:
    return CliRunner().invoke(release_command, [*arguments, "--course", str(course)])


def edit(course: Path, change: Change) -> None:
    """Apply ``change`` to the cells of the first source notebook."""
    path = course / "solutions" / NOTEBOOK
    content = json.loads(path.read_text())
    change(content["cells"])
    path.write_text(json.dumps(content, indent=1))


def test_release_gives_exactly_what_is_committed(course: Path) -> None:
    release(course)
    assert snapshot(course / "assignments") == snapshot(FIXTURE / "assignments")
    assert sorted(path.name for path in course.iterdir()) == ["assignments", "solutions"]


def test_students_get_stubs_and_no_hidden_test(course: Path) -> None:
    release(course, ["01-boxes"])
    text = (course / "assignments" / NOTEBOOK).read_text()
    cells = {cell["id"]: "".join(cell["source"]) for cell in json.loads(text)["cells"]}
    assert cells["recipe"] == "%%writefile Dockerfile\n# YOUR CODE HERE"
    assert cells["explain"] == "YOUR ANSWER HERE"
    assert "secret-expectation" not in text
    assert "HIDDEN" not in text
    assert not (course / "assignments" / "02-ports").exists()


def test_a_script_stays_executable(course: Path) -> None:
    release(course)
    assert (course / "assignments/01-boxes/start.sh").stat().st_mode & 0o111


def test_second_release_touches_no_file(course: Path) -> None:
    release(course)
    before = {path: path.stat().st_mtime_ns for path in course.rglob("*")}
    assert release(course) == []
    assert {path: path.stat().st_mtime_ns for path in course.rglob("*")} == before


def test_check_names_what_differs_and_changes_nothing(course: Path) -> None:
    release(course)
    (course / "assignments" / NOTEBOOK).write_text("edited by hand")
    (course / "assignments/01-boxes/stray.txt").write_text("left behind")
    (course / "assignments/02-ports/02-ports.ipynb").unlink()
    before = snapshot(course)
    result = run(course, "--check")
    assert result.exit_code == 1
    assert f"assignments/{NOTEBOOK}: differs" in result.output
    assert "assignments/01-boxes/stray.txt: has no source" in result.output
    assert "assignments/02-ports/02-ports.ipynb: is missing" in result.output
    assert snapshot(course) == before
    assert run(course).exit_code == 0
    assert run(course, "--check").exit_code == 0


def test_folder_without_a_source_is_removed(course: Path) -> None:
    release(course)
    shutil.rmtree(course / "solutions/02-ports")
    assert [str(one) for one in differences(course)] == [
        "assignments/02-ports/02-ports.ipynb: has no source in solutions/02-ports"
    ]
    assert "removed assignments/02-ports/02-ports.ipynb" in run(course).output
    assert not (course / "assignments/02-ports").exists()


def test_unknown_assignment_names_those_there_are(course: Path) -> None:
    with pytest.raises(
        LabError, match=r"no assignment '09-none'.*\nTry: one of: 01-boxes, 02-ports"
    ):
        release(course, ["09-none"])


def set_cell(index: int, **fields: Any) -> Change:
    return lambda cells: cells[index].update(fields)


def set_meta(index: int, **fields: Any) -> Change:
    return lambda cells: cells[index]["metadata"]["nbgrader"].update(fields)


def drop_meta(index: int, key: str) -> Change:
    return lambda cells: cells[index]["metadata"]["nbgrader"].pop(key)


STREAM = {"output_type": "stream", "name": "stdout", "text": "42"}
HIDDEN = '### BEGIN HIDDEN TESTS\nassert "secret-expectation" not in recipe\n### END HIDDEN TESTS'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_cell(1, outputs=[STREAM]), r"cell 2 \(grade_id 'recipe'\) has outputs"),
        (set_cell(1, execution_count=3), "has outputs or an execution count"),
        (set_meta(2, grade_id="recipe"), "2 cells with the grade_id 'recipe'"),
        (drop_meta(2, "points"), r"cell 3 \(grade_id 'recipe_test'\) is graded but has no points"),
        (set_meta(2, points=0), "is graded but has no points"),
        (drop_meta(1, "schema_version"), "nbgrader metadata"),
        (set_meta(1, schema_version=2), "nbgrader metadata of another version"),
        (drop_meta(1, "locked"), "'locked' is a required property"),
        (lambda cells: cells[0].pop("id"), "cell 1 has no cell id"),
        (set_cell(1, id="title"), "2 cells with the id 'title'"),
        (
            set_cell(1, source="### BEGIN SOLUTION\nFROM busybox"),
            "BEGIN SOLUTION without END SOLUTION",
        ),
        (
            set_cell(1, source="FROM busybox\n### END SOLUTION"),
            "END SOLUTION without BEGIN SOLUTION",
        ),
        (
            set_cell(2, source="### BEGIN HIDDEN TESTS\nassert 1"),
            "BEGIN HIDDEN TESTS without END HIDDEN TESTS",
        ),
        (set_cell(2, source="assert 1\n### END HIDDEN TESTS"), "END HIDDEN TESTS without BEGIN"),
        (
            set_cell(2, source=f"### BEGIN HIDDEN TESTS\n{HIDDEN}"),
            "BEGIN HIDDEN TESTS inside a HIDDEN TESTS region",
        ),
        (set_cell(1, source=HIDDEN), "is not a test cell"),
        (
            set_cell(2, source="### BEGIN HIDDEN TEST\nassert 1\n### END HIDDEN TEST"),
            "almost a marker",
        ),
        (set_cell(2, source="# begin hidden tests\nassert 1"), "almost a marker"),
        (
            set_cell(0, source=HIDDEN.split("\n")[1]),
            "can be read in the release, in 01-boxes.ipynb",
        ),
        (
            set_cell(0, metadata={"note": HIDDEN.split("\n")[1]}),
            "can be read in the release, in 01-boxes.ipynb",
        ),
        (set_cell(2, source="assert 1\nassert 'it's there'"), r"Python cannot parse: .*\(line 2\)"),
        (set_cell(0, surprise=1), "not a valid notebook"),
    ],
)
def test_a_faulty_source_is_named_and_nothing_is_released(
    course: Path, change: Change, message: str
) -> None:
    release(course)
    before = snapshot(course / "assignments")
    edit(course, change)
    with pytest.raises(LabError, match=message):
        release(course)
    assert snapshot(course / "assignments") == before
    assert sorted(path.name for path in course.iterdir()) == ["assignments", "solutions"]


def test_hidden_test_in_a_file_beside_the_notebook_is_a_leak(course: Path) -> None:
    (course / "solutions/01-boxes/notes.txt").write_text(
        'remember:\n  assert "secret-expectation" not in recipe\n'
    )
    with pytest.raises(LabError, match=r"can be read in the release, in notes\.txt"):
        release(course)
    assert not (course / "assignments").exists()


def test_a_line_that_the_visible_test_shows_as_well_is_no_leak(course: Path) -> None:
    edit(
        course,
        set_cell(
            2,
            source=(
                "assert len(recipe) > 1\n### BEGIN HIDDEN TESTS\nassert len(recipe) > 1\n"
                'assert "other" in recipe\n### END HIDDEN TESTS'
            ),
        ),
    )
    release(course)
    assert "other" not in (course / "assignments" / NOTEBOOK).read_text()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"cells": {}}', '{"cells": [1]}', '{"cells": "x"}']
)
def test_a_source_that_is_no_notebook_is_named(course: Path, content: str) -> None:
    (course / "solutions" / NOTEBOOK).write_text(content)
    with pytest.raises(LabError, match=r"01-boxes\.ipynb is not a"):
        release(course)


def test_links_and_notebooks_in_subfolders_are_refused(course: Path) -> None:
    (course / "solutions/01-boxes/passwd").symlink_to("/etc/passwd")
    (course / "solutions/01-boxes/more").mkdir()
    (course / "solutions/01-boxes/more/extra.ipynb").write_text("{}")
    with pytest.raises(LabError, match=r"(?s)more/extra\.ipynb would be lost.*passwd is a link"):
        release(course)


def test_a_failure_while_swapping_restores_what_was_there(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(course)
    before = snapshot(course / "assignments")
    edit(course, set_cell(0, source="# Boxes, second edition"))
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if target == course / "assignments/01-boxes" and not self.name.endswith(".old"):
            raise OSError("disk full")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="disk full"):
        release(course)
    assert snapshot(course / "assignments") == before


@pytest.mark.parametrize("course_metadata", [{"cluster": "yes"}, {"clusters": True}, "cluster"])
def test_a_wish_that_means_nothing_is_named(course: Path, course_metadata: Any) -> None:
    wish(course, course_metadata)
    with pytest.raises(LabError, match='has metadata "course" with no known meaning'):
        release(course)


def test_a_cluster_is_there_where_the_source_asks_for_one(course: Path) -> None:
    source = course / "solutions" / "01-boxes" / "01-boxes.ipynb"
    assert not wants_cluster(source)
    wish(course, {"cluster": True})
    release(course)
    assert wants_cluster(source)


def wish(course: Path, course_metadata: Any) -> None:
    source = course / "solutions" / "01-boxes" / "01-boxes.ipynb"
    notebook = json.loads(source.read_text())
    source.write_text(
        json.dumps({**notebook, "metadata": {**notebook["metadata"], "course": course_metadata}})
    )
