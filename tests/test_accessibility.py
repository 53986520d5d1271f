"""The course for everybody: axe-core looks at what is ours, light and dark, and a reader without a
mouse works through a lesson.
"""

import json
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Frame, Locator, Page, ViewportSize, expect

from grader.course import Course
from grader.pages import report
from grader.pages.summary import summarise

from .conftest import TestLab
from .grader.pages.test_report import CLASS, Pair
from .test_browser import PATIENCE, browser, open_notebook, page, wait_for_kernel
from .test_docs_browser import ADDRESS, Visit, site
from .test_feedback import LATER, PARTLY, course, graded, path_of, released
from .test_lesson_browser import DARK, LESSON, begin_anew, first_task, go_on, seen
from .test_start_page import open_jupyterlab, theme

__all__ = ["browser", "course", "page", "released", "site"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

# By rule: how many elements axe-core blames for it that are not the course's. None may be added.
NOT_OURS = tomllib.loads(Path(__file__).with_name("accessibility.toml").read_text())
# Of a notebook in JupyterLab: what the course wrote, and what its cells showed.
OURS = ".jp-RenderedMarkdown, .jp-OutputArea-output"
GRAVE = {"serious", "critical"}
# JupyterLab's body is 0 pixels high, so that axe-core takes all for hidden and looks at no colours.
# A colour that is on its way to another one is nobody's.
READY = """document.body.style.minHeight = '100vh';
for (const one of document.getAnimations()) {
  if (one.effect.getComputedTiming().endTime === Infinity) one.cancel(); else one.finish();
}"""
GREY_ON_WHITE = "it => { it.style.background = '#fff'; it.style.color = '#ddd'; }"
LIGHT = "JupyterLab Light"
ACTIVE = re.compile(r"\bjp-mod-active\b")
TALL = ViewportSize(width=1360, height=12_000)

EVERYTHING = [
    "# For everybody\n\nEach kind of output that a lesson has.\n\n## Outputs",
    'predict("everybody", "Which one do you choose?", ["The first", "The second", "The third"])',
    'outcome("everybody", "The second", why="It is in the middle.")',
    "%%shell --expect-exit any\necho http://localhost:8080 answers\nls /nowhere",
    "%%shell\nls /nowhere",
    'layer_plot("busybox")',
    'version_02 = ""\ncheck("02-version")',
    "quiz([dict(question='Which of them?', type='multiple_choice', answers=["
    "dict(answer='<code>one</code>', correct=False, feedback='It is another.'),"
    "dict(answer='two', correct=True, feedback='It is this one.')])])",
    'engine_map(label="lesson=99")',
]


def faults(shown: Page | Frame, only: str = "", without: str = "") -> Counter[str]:
    """How many elements axe-core blames, by rule; of the whole page each, of an application (with
    ``only`` or ``without`` what these select) the serious and critical ones.
    """
    parts = (("include", only), ("exclude", without))
    context = {name: css.split(", ") for name, css in parts if css}
    shown.evaluate(READY)
    options = {"resultTypes": ["violations"], "preload": False}  # nothing is fetched again
    found = Axe().run(shown, context=context or None, options=options).response["violations"]
    if context:
        found = [rule for rule in found if rule["impact"] in GRAVE]
    for rule in found:  # a failed test shows it
        for node in rule["nodes"]:
            print(rule["id"], node["target"], node["html"][:200], node["failureSummary"])
    return Counter({rule["id"]: len(rule["nodes"]) for rule in found})


def in_both(page: Page) -> list[Counter[str]]:
    """The faults of a page that follows the browser's colour scheme."""
    both = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        both.append(faults(page))
    return both


def test_axe_would_find_something(page: Page) -> None:
    page.set_content("<html lang=en><title>x</title><main><h1>x</h1><img src=x></main>")
    assert faults(page) == {"image-alt": 1}
    assert faults(page, only="main") == {"image-alt": 1}
    assert faults(page, without="main") == {}


def test_axe_finds_nothing_on_a_feedback_page(course: Course, page: Page) -> None:
    graded(
        course,
        {
            "later-test": (0, "failed", LATER),
            "job-test": (1, "failed", PARTLY),
            "db-query-test": (0, "skipped", "This check was not made."),
        },
    )
    page.goto(path_of(course).as_uri())
    page.locator("details.notebook > summary").press("Enter")
    expect(page.locator("details.notebook .released").first).to_be_visible()
    assert in_both(page) == [{}, {}]


def test_axe_finds_nothing_on_a_class_report(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(report.page(summarise("tiny", CLASS, [Pair("ada", "dan", 0.93, 0.88)])))
    page.goto(file.as_uri())
    assert in_both(page) == [{}, {}]


def test_axe_finds_nothing_of_ours_in_the_documentation(browser: Browser, site: Path) -> None:
    visit = Visit(browser, site)
    for name in ("index", "notebook", f"lessons/{LESSON}"):
        visit.page.goto(f"{ADDRESS}{name}.html")
        expect(visit.page.locator("pre.mermaid:not(:has(> svg))")).to_have_count(0)
        for mode in ("light", "dark"):
            visit.page.evaluate(f"document.documentElement.dataset.theme = '{mode}'")
            assert faults(visit.page) - Counter(NOT_OURS["documentation"]) == {}, name
    visit.page.context.close()


def test_the_start_page_for_everybody(page: Page, test_lab: TestLab) -> None:
    course = open_jupyterlab(page, test_lab)
    (frame,) = [one for one in page.frames if one.parent_frame]
    assert faults(frame) == {}
    with theme(page, DARK):
        expect(course.locator("html")).to_have_css("color-scheme", "dark", timeout=PATIENCE)
        (frame,) = [one for one in page.frames if one.parent_frame]
        assert faults(frame) == {}
    page.reload()
    expect(course.locator("h1")).to_be_visible(timeout=PATIENCE)
    following = course.locator(".next a")
    tab_to(page, following)
    page.keyboard.press("Enter")
    expect(page.locator(".jp-NotebookPanel .jp-Cell").first).to_be_focused(timeout=PATIENCE)


def tab_to(page: Page, element: Locator, key: str = "Tab") -> None:
    """Press Tab (or Shift+Tab) until the element has the focus: a few times are enough."""
    for _ in range(6):
        page.keyboard.press(key)
        if element.evaluate("it => it === it.ownerDocument.activeElement"):
            return
    raise AssertionError(f"{key} does not lead there")


def open_for_keys(page: Page, lab: TestLab, path: str) -> Locator:
    """A notebook that hears keys: its first cell has the focus without a click."""
    panel = open_notebook(page, lab, path)
    expect(panel.locator(".jp-Cell").first).to_be_focused(timeout=PATIENCE)
    return panel


@pytest.fixture
def every_output(page: Page, test_lab: TestLab) -> Locator:
    """A notebook of all kinds of outputs, run to its end."""
    kinds = ["markdown", *["code"] * (len(EVERYTHING) - 1)]
    more: list[dict[str, Any]] = [
        {"metadata": {}},
        *[
            {"metadata": {"tags": ["raises-exception"]}, "outputs": [], "execution_count": None}
            for _ in EVERYTHING[1:]
        ],
    ]
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "cells": [
            {"cell_type": kind, "id": f"cell-{n}", "source": source, **rest}
            for n, (kind, source, rest) in enumerate(zip(kinds, EVERYTHING, more, strict=True))
        ],
    }
    (test_lab.workspace / "course" / "everybody.ipynb").write_text(json.dumps(notebook))
    panel = open_for_keys(page, test_lab, "course/everybody.ipynb")
    has_run = panel.locator(".jp-InputPrompt", has_text=re.compile(r"\[\d+\]"))
    for number in range(len(EVERYTHING)):  # the first is text
        page.keyboard.press("Shift+Enter")
        expect(panel.locator(".jp-Cell").nth(number + 1)).to_have_class(ACTIVE, timeout=PATIENCE)
        expect(has_run).to_have_count(number, timeout=PATIENCE)
    expect(panel.get_by_text("The same as text")).to_have_count(2, timeout=PATIENCE)
    return panel


def test_every_kind_of_output_for_everybody(every_output: Locator, page: Page) -> None:
    words = every_output.get_by_text("The same as text")
    page.keyboard.press("Escape")  # out of the cell that JupyterLab puts below the last one
    tab_to(page, words.last, "Shift+Tab")
    page.keyboard.press("Enter")
    expect(every_output.get_by_text("(nothing here yet)")).to_be_visible()
    answer_the_quiz(page, every_output.locator(".Quiz"))
    bring_all_into_view(every_output)
    for name in (LIGHT, DARK):
        with theme(page, name):
            expect(words).to_have_count(2, timeout=PATIENCE)  # the pictures are drawn again
            assert faults(page, only=OURS) == {}
            assert faults(page, without=OURS) - Counter(NOT_OURS["jupyterlab"]) == {}
    found: Counter[str] = Counter()
    for _ in range(20):  # with its old theme, JupyterLab draws the text once more
        every_output.locator(".jp-RenderedMarkdown p").evaluate(GREY_ON_WHITE)
        if found := faults(page, only=OURS):
            break
        page.wait_for_timeout(500)
    assert found == {"color-contrast": 1}


def bring_all_into_view(panel: Locator) -> None:
    """JupyterLab draws, and axe-core judges, only the cells that are in view."""
    panel.page.set_viewport_size(TALL)
    panel.locator(".jp-WindowedPanel-outer").evaluate("it => it.scrollTo(0, 0)")
    for edge in ("first", "last"):
        expect(getattr(panel.locator(".jp-Cell"), edge)).to_be_in_viewport(timeout=PATIENCE)


def answer_the_quiz(page: Page, quiz: Locator) -> None:
    """By keys, first wrong, then right; colours are not needed to see which is which."""
    options, feedback = quiz.locator("input"), quiz.locator(".Feedback")
    tab_to(page, options.last, "Shift+Tab")
    page.keyboard.press("ArrowUp")
    expect(options.first).to_be_focused()
    expect(feedback).to_be_empty()  # to move is not to answer
    for text, sign in (("It is another.", "Not so"), ("It is this one.", "Right")):
        page.keyboard.press("Space")
        expect(feedback).to_have_text(text)
        assert sign in feedback.evaluate("it => getComputedStyle(it, '::before').content")
        page.keyboard.press("ArrowDown")


def test_a_lesson_by_keyboard_alone(page: Page, test_lab: TestLab) -> None:
    begin_anew(test_lab)
    panel = open_for_keys(page, test_lab, f"course/{LESSON}.ipynb")

    options = panel.locator(".widget-radio-box").first.locator("input")
    go_on(panel, seen(options))
    tab_to(page, options.last, "Shift+Tab")  # back to the question; then choose
    page.keyboard.press("ArrowUp")
    expect(options.nth(1)).to_be_checked()
    page.keyboard.press("Shift+Enter")
    wait_for_kernel(panel)
    expect(options.nth(1)).to_be_checked(timeout=PATIENCE)
    go_on(panel, seen(panel.get_by_text("You predicted")))

    go_on(panel, seen(panel.get_by_text("Not yet")))
    solution = page.locator("details", has_text="A solution")
    tab_to(page, solution.locator("summary"), "Shift+Tab")
    page.keyboard.press("Enter")
    expect(solution.locator("pre")).to_be_visible()
    missed = panel.locator(".jp-Cell", has=solution)
    written = missed.locator("xpath=preceding-sibling::*[contains(@class, 'jp-CodeCell')][1]")
    tab_to(page, missed, "Shift+Tab")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(written.locator(".cm-content")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(first_task().solution)
    for _ in range(2):
        page.keyboard.press("Shift+Enter")
        wait_for_kernel(panel)
    expect(panel.get_by_text("✓ That is it.")).to_be_visible(timeout=PATIENCE)
    bring_all_into_view(panel)
    for name in (LIGHT, DARK):
        with theme(page, name):
            assert faults(page, only=OURS) == {}
