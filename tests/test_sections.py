"""A lesson that was broken off can be entered at each section: the section makes what it needs.

The lessons go by turns (tests/suite).
"""

import pytest

from lab import lessontexts
from lab.course import ROOT
from lab.lessontexts import source

from .conftest import TestLab
from .lesson_sections import sections
from .test_lessons import each_of, tried_in
from .test_tasks import LESSONS, cells


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


@pytest.mark.lesson
@pytest.mark.timeout(1800)
@each_of("sections", LESSONS)
def test_a_lesson_can_be_entered_at_each_section(stem: str, test_lab: TestLab) -> None:
    assert tried_in("tests.lesson_sections", stem, test_lab) == {}
