"""What is read afterwards: feedback pages, what formgrader shows, and the page on security."""

import re
from typing import Any

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from traitlets.config import Config, PyFileConfigLoader

from lab.course import ROOT

from . import table
from .conftest import WRONG, Class
from .suite import ATTACKS, the_class

marks = [pytest.mark.machine, pytest.mark.grading, pytest.mark.timeout(900)]
ACTIVE = re.compile(
    r"<(script|iframe|object|embed|form|svg)\b|<[^>]*\son\w+\s*=|<[^>]*(href|src|action)\s*=\s*[\"']?\s*(javascript|data:text)",
    re.IGNORECASE,
)
PAGE = ROOT / "docs" / "security.md"


def active(html: str) -> list[str]:
    """What in a page could act."""
    return [found.group() for found in ACTIVE.finditer(html)]


@pytest.mark.parametrize(
    "html", ["<script>x", "<b onload=x>", "<a href='javascript:x'>", "<img src=x onerror=alert(2)>"]
)
def test_active_content_is_recognised(html: str) -> None:
    assert active(html)


def each_page(graded: Class) -> dict[str, str]:
    return {student: graded.page(student) for student in graded.results}


@the_class
@pytest.mark.machine
@pytest.mark.grading
@pytest.mark.timeout(900)
def test_feedback_pages_hold_nothing_active(graded: Class) -> None:
    assert {
        student: found for student, page in each_page(graded).items() if (found := active(page))
    } == {}


@the_class
@pytest.mark.machine
@pytest.mark.grading
@pytest.mark.timeout(900)
def test_feedback_never_shows_a_hidden_test(graded: Class) -> None:
    """Neither its source, nor the values that it drew."""
    told = {
        student: re.findall(r"token_hex|hidden-canary-[0-9a-f]{16}|BEGIN HIDDEN", page)
        for student, page in each_page(graded).items()
    }
    assert {student: found for student, found in told.items() if found} == {}
    assert "The container `web` serves the pages" in graded.page(WRONG.student)


@the_class
@pytest.mark.machine
@pytest.mark.grading
@pytest.mark.timeout(900)
def test_what_formgrader_renders_holds_nothing_active(graded: Class) -> None:
    """With the course's own configuration of nbconvert."""
    exporter = HTMLExporter(config=_configuration(), template_name="basic")
    found: dict[str, Any] = {}
    for path in sorted((graded.course.root / "autograded").rglob("*.ipynb")):
        body, _ = exporter.from_notebook_node(nbformat.read(path, as_version=4))  # type: ignore[no-untyped-call]
        if acts := active(body):
            found[path.parts[-3]] = acts[:3]
    assert found == {}


def _configuration() -> Config:
    loader = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT))
    return loader.load_config()


def test_page_on_security_lists_every_attack() -> None:
    assert list(table.rows(PAGE.read_text())) == [
        (attack.name, attack.stopped_by) for attack in ATTACKS
    ]


def test_every_attack_that_stock_nbgrader_can_try_was_measured_there() -> None:
    import json

    assert set(json.loads(table.STOCK.read_text())) == {
        attack.name for attack in ATTACKS if attack.stock
    }
