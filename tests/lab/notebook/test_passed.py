"""A check that is passed says so; one that is not, or is none, says nothing of the kind."""

import pytest

from lab.course import ROOT
from lab.notebook.passed import remark

from .conftest import RunCell

CHECK = '"""It is there"""\nfrom grader import container\n\n'
LATER = "# This check looks at your container when your work is graded.\n"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (f"{CHECK}assert True", "✓ passed\n"),
        (f"{CHECK}{LATER}", "… looked at when your work is graded\n"),
        (
            f"{CHECK}{LATER}assert True",
            "✓ passed so far; the rest is looked at when your work is graded\n",
        ),
        (f'"""a text"""\nassert True  # {CHECK!r}', ""),
        ("print('It is there')", "It is there\n"),
        ("from grader import container\nassert True", ""),
    ],
)
def test_a_passed_check_says_so(cell: RunCell, source: str, says: str) -> None:
    ran = cell(source)
    assert (ran.output, ran.error) == (says, None)


def test_a_failed_check_says_only_why(cell: RunCell) -> None:
    assert "passed" not in cell(f"{CHECK}assert False, 'It is not there.'").output


def test_a_check_that_shows_its_points_says_no_more(cell: RunCell) -> None:
    ran = cell(
        f"{CHECK}from grader import credit\nwith credit(1) as points:\n  with points(1):\n    pass"
    )
    assert "passed" not in ran.output
    assert cell(f"{CHECK}2").output.count("passed") == 0


def test_the_exercises_checks_say_which_of_the_two_they_are() -> None:
    from nbformat import read

    said = {
        remark(one.source)
        for path in (ROOT / "assignments").glob("*/*.ipynb")
        for one in read(path, as_version=4).cells  # type: ignore[no-untyped-call]
        if one.metadata.get("nbgrader", {}).get("points")
        and one.cell_type == "code"
        and "with credit(" not in one.source
    }
    assert said == {
        "✓ passed",
        "✓ passed so far; the rest is looked at when your work is graded",
        "… looked at when your work is graded",
    }
