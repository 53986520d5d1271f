"""What is read afterwards: feedback pages, what formgrader shows, and the page on security."""

import re

import pytest
from bs4 import BeautifulSoup
from markupsafe import escape
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode

from grader.archive import printable
from grader.pages import feedback
from grader.pages.notebook import shown, students_text
from grader.pages.template import PAGES
from lab.course import ROOT

from . import on_readers, table
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


def as_formgrader_shows_it(graded: Class, student: str) -> str:
    return in_formgrader(graded.autograded(student))


def in_formgrader(notebook: NotebookNode) -> str:
    """The cells of a graded notebook, as formgrader's page of a submission has them."""
    cells = PAGES.get_template("cells.html.jinja").module
    return "".join(
        str(part(cell, "Student's"))
        for cell in shown(notebook)
        for part in (cells.source, cells.outputs)  # type: ignore[attr-defined]
    )


def each_view(graded: Class) -> dict[tuple[str, str], str]:
    """All that a person may read of a hand-in, by (student, which)."""
    pages = each_page(graded).items()
    formgrader = {
        (student, "formgrader"): as_formgrader_shows_it(graded, student)
        for student, result in graded.results.items()
        if result.graded
    }
    return {(student, "feedback"): page for student, page in pages} | formgrader


def faults(html: str) -> list[str]:
    """What a reader could be misled by: attributes, links and loaded things of a student's."""
    soup, found = BeautifulSoup(html, "html.parser"), []
    for element in soup.select(".framed *"):
        allowed = {"src", "alt"} if element.name == "img" else set()
        highlighted = element.find_parent(class_="highlight") or "highlight" in element.get(
            "class", []
        )
        found += [
            f"{element.name} {name}={value}"
            for name, value in element.attrs.items()
            if name not in allowed and not (highlighted and name == "class")
        ]
        if element.name in ("a", "svg", "math", "style", "script", "form", "input", "dialog"):
            found.append(element.name)
        if element.name == "img" and not str(element.get("src", "data:")).startswith("data:image/"):
            found.append(str(element))
    for frame in soup.select(".framed"):
        frame.decompose()
    if on_readers.MARK in soup.get_text():
        found.append(f"{on_readers.MARK} outside of a frame")
    return found


@the_class
@pytest.mark.machine
@pytest.mark.grading
@pytest.mark.timeout(900)
def test_what_formgrader_renders_holds_nothing_active(graded: Class) -> None:
    views = each_view(graded)
    assert {whose: found[:3] for whose, html in views.items() if (found := active(html))} == {}


@the_class
@pytest.mark.machine
@pytest.mark.grading
@pytest.mark.timeout(900)
def test_what_a_student_wrote_is_in_a_frame_and_keeps_nothing(graded: Class) -> None:
    # a name stands above the page, on purpose
    named = next(one.student for one in on_readers.ATTACKS if on_readers.MARK in one.named)
    views = {
        whose: html.replace(str(escape(named)), "").replace(str(escape(printable(named))), "")
        for whose, html in each_view(graded).items()
    }
    assert {whose: found[:3] for whose, html in views.items() if (found := faults(html))} == {}


@the_class
@pytest.mark.machine
@pytest.mark.grading
@pytest.mark.timeout(900)
def test_folder_of_feedback_holds_our_pages_only(graded: Class) -> None:
    folders = {
        student: graded.course.folder("feedback", graded.trials[student], student)
        for student in graded.results
    }
    found = {
        student: [path.name for path in folder.iterdir() if not feedback.is_intact(path)]
        for student, folder in folders.items()
    }
    assert {student: names for student, names in found.items() if names} == {}


@pytest.mark.parametrize("name", [*on_readers.TEXTS])
def test_text_is_shown_without_what_misleads(name: str) -> None:
    framed = '<div class="framed">{}</div>'.format
    text = students_text(on_readers.TEXTS[name])
    assert faults(framed(text)) == []
    assert (on_readers.MARK in text) == (name not in on_readers.LEFT_OUT)


@pytest.mark.parametrize(
    "name", [name for name in on_readers.TEXTS if name not in on_readers.SHOWN_SAFELY]
)
def test_text_would_mislead_if_nothing_cleaned_it(name: str) -> None:
    """The control: the renderer's own HTML of the same text, in the same frame."""
    html = MarkdownWithMath(renderer=IPythonRenderer(escape=False)).render(on_readers.TEXTS[name])
    assert faults(f'<div class="framed">{html}</div>')


def test_page_on_security_lists_every_attack() -> None:
    listed = list(table.rows(PAGE.read_text()))
    assert [(name, *rest) for name, _, *rest in listed] == [
        (attack.name, attack.stopped_by, table.control_of(attack.name)) for attack in ATTACKS
    ]
    assert [(name, points) for name, points, *_ in listed if points != "0"] == []
    assert table.counted() in PAGE.read_text()


def test_every_attack_that_stock_nbgrader_can_try_was_measured_there() -> None:
    import json

    assert set(json.loads(table.STOCK.read_text())) == {
        attack.name for attack in ATTACKS if attack.stock
    }
