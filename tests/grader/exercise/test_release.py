"""`lab release`: what students get, and what is refused before anybody gets it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from grader.commands.release import release_command
from grader.exercise.lint import sample_answers
from grader.exercise.release import differences, release
from lab.course import ROOT
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


def test_folder_whose_name_means_others_as_a_pattern_is_taken_as_it_is(course: Path) -> None:
    root = course.parent / "course [ab]"
    shutil.copytree(course, root)
    release(root)
    assert snapshot(root / "assignments") == snapshot(FIXTURE / "assignments")


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
        (set_meta(2, locked=False), "a test that is not locked"),
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


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("recipe == 1", "ends with a value that no one looks at: `recipe == 1`"),
        ("assert recipe\nFalse", "ends with a value that no one looks at: `False`"),
        ("recipe.startswith('FROM')", "ends with a value"),
        ("not recipe", "ends with a value"),
        (
            "from grader import container\ncontainer('web').running",
            "ends with a value that no one looks at",
        ),
        (
            "from grader import credit\nwith credit(3) as points:\n    pass",
            r"`credit\(3\)`, but the cell gives 2 in all",
        ),
        (
            "from grader import credit\nwith credit(2):\n    pass\nwith credit(2):\n    pass",
            "2 `credit` blocks",
        ),
        (
            "from grader import container\ncontainer('web').must_mounts('a:/b')",
            "calls `must_mounts`, which no check has. Did you mean `must_mount`",
        ),
        (
            "from grader import containr",
            "imports `containr` from grader.* Did you mean `container`",
        ),
        ("import containr", "imports the module `containr`.* Did you mean `container`"),
        ("import container", "write `from grader import container`"),
        ("import jsno", "imports the module `jsno`.* Did you mean `json`"),
        ("container('web').must_exist()", "uses `container` and does not import it"),
        ("# from-students: total\nassert total", "almost a directive: '# from-students: total'"),
        ("#from student: total\nassert total", "almost a directive"),
        ("    # from-student: total", "almost a directive"),
        ("# from-student: file:../x", "takes 'file:../x' from the student"),
        ("# from-student: the total", "takes 'the total' from the student"),
        (
            "from grader import given\ngiven('total').must_equal(3, hint='')",
            "looks at the student's variable `total`, which does not reach it",
        ),
        (
            "# from-student: file:Dockerfil\nfrom grader import dockerfile\n"
            "dockerfile().must_parse()",
            "looks at the student's file `Dockerfile`, which does not reach it",
        ),
        (
            "from grader import file\nfile('web/page').must_exist()",
            "add '# from-student: file:web/page'",
        ),
        (
            "from grader import container\ncontainer('db').must_run('psql -c 1', printing='1')",
            "runs `psql` inside the student's container",
        ),
        (
            "from grader import container\ndb = container('db')\nname = 'x'\n"
            "db.exec('sh', '-c', f'redis-cli get {name}')",
            "runs `redis-cli` inside the student's container",
        ),
        (
            "from grader import image\nfrom subprocess import run\n"
            "run(['docker', 'build', '-q', '-t', 'mine', '.'])\nimage('mine').must_exist()",
            "builds an image under a name",
        ),
        ("%shell docker build --tag=mine .", "builds an image under a name"),
        (
            "from grader import container\ncontainer('web').must_exist()\n"
            "container('web').must_be_running()",
            r'has container\("web"\) 2 times',
        ),
    ],
)
def test_a_test_that_fails_or_passes_or_believes_everybody_is_named(
    course: Path, source: str, message: str
) -> None:
    edit(course, set_cell(2, source=source))
    with pytest.raises(LabError, match=message):
        release(course)


@pytest.mark.parametrize(
    "source",
    [
        "# from-student: total\nfrom grader import given\ngiven('total').must_equal(3, hint='')",
        "# From students we take nothing here.\nassert True",
        "recipe = 2\nrecipe",
        "from grader import *\ncontainer('web').must_exist()",
        "# from-student: file:Dockerfile\nfrom grader import dockerfile\ndockerfile().must_parse()",
        "from grader import given\ngiven('made', 3).must_equal(3, hint='docker build -t mine .')",
        "from grader import credit\nwith credit(2) as points:\n    with points(2):\n        pass",
        "from grader import container\ncontainer('db').must_serve('psql', client='postgres')",
        "from grader import container\ncontainer('web').must_run('wget -qO- localhost')",
        "import yaml\nassert yaml",
        "from subprocess import run\nrun(['docker', 'build', '-q', '.'], check=True)",
    ],
)
def test_a_sound_test_is_released(course: Path, source: str) -> None:
    edit(course, set_cell(2, source=source))
    release(course)


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


def test_sample_answers_are_those_that_students_give_in_words() -> None:
    path = "solutions/01-containers/01-containers.ipynb"
    samples = sample_answers(ROOT / path)
    assert list(samples) == ["explain"]
    assert samples["explain"].startswith("`docker stop` sends SIGTERM")
    assert "SOLUTION" not in samples["explain"]
