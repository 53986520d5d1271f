"""A lesson that was broken off can be entered at each section: the section makes what it needs.

The lessons go by turns (tests/suite).
"""

import json

import pytest

from lab import lessontexts
from lab.course import ROOT
from lab.lessontexts import source

from .conftest import TestLab
from .lesson_sections import sections
from .lesson_tasks import put_solved
from .suite.items import Item
from .test_lessons import at_rest, wait_for
from .test_tasks import CLEAN_UP, LESSONS, cells


def test_a_section_begins_at_its_heading_also_within_a_cell() -> None:
    texts = ["## One", "What appeared.\n\n## Two\n\nNext.", "no heading: ## Three"]
    found = sections(
        [
            {"cell_type": kind, "source": [text]}
            for text in texts
            for kind, text in [("markdown", text), ("code", f"# {text[:4]}")]
        ]
    )
    assert [(heading, [source(cell) for cell in cells]) for heading, cells in found] == [
        ("One", ["# ## O"]),
        ("Two", ["# What", "# no h"]),
    ]


@pytest.mark.parametrize("stem", LESSONS)
def test_a_section_that_starts_from_something_begins_with_what_makes_it(stem: str) -> None:
    file = ROOT / "course" / lessontexts.FOLDER / f"{stem}.toml"
    written = lessontexts.read(file).sections
    code = {cell["id"]: source(cell) for cell in cells(stem) if cell["cell_type"] == "code"}
    called = [text for text in code.values() if text.startswith("section(")]
    assert called == [f'section("{key}")' for key in written], "each once, in their order"
    firsts = [source(found[0]) for _, found in sections(cells(stem))]
    assert set(called) <= set(firsts), "the first code cell below a heading"
    for one in written.values():
        assert one.there or one.variables, f"{one.key} does not say how to see whether it is there"
        before = list(code)[: list(code.values()).index(f'section("{one.key}")')]
        assert [name for name in before if name in one.cells] == one.cells, (
            f"{one.key}: cells above it, in their order"
        )


def each_lesson() -> pytest.MarkDecorator:
    items = [
        Item("sections", stem, "always" if stem == LESSONS[0] else "by turns") for stem in LESSONS
    ]
    marked = [
        pytest.param(item.name, marks=pytest.mark.proves(item), id=item.name) for item in items
    ]
    return pytest.mark.parametrize("stem", marked)


@pytest.mark.lesson
@pytest.mark.timeout(1800)
@each_lesson()
def test_a_lesson_can_be_entered_at_each_section(stem: str, test_lab: TestLab) -> None:
    test_lab.run("docker", "image", "prune", "--force")
    before = at_rest(test_lab)
    put_solved(f"{stem}.ipynb", test_lab.workspace)
    user = "student" if test_lab.run("id", "student").returncode == 0 else "root"
    lesson = f"/home/student/workspace/course/{stem}.ipynb"
    done = test_lab.run("python", "-m", "tests.lesson_sections", lesson, user=user)
    clean_up = ["python", "-c", CLEAN_UP.format(number=stem[:2])]
    test_lab.run(*clean_up, user=user, cwd="/home/student/workspace/course")
    for kind in ("volume", "image"):
        test_lab.run("docker", kind, "prune", "--force")
    left = wait_for(before, test_lab)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout.splitlines()[-1]) == {}
    assert left == before
