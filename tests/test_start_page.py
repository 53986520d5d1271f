"""The start page as a reader meets it: JupyterLab's first tab, in a real browser."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import FrameLocator, Locator, Page, expect

from grader.startpage.notebooks import read_notebook
from grader.startpage.progress import PROGRESS
from lab.machine import workspace

from .conftest import ROOT, TestLab
from .test_browser import PATIENCE, browser, page, run_cell, wait_for_kernel

__all__ = ["browser", "page"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
LESSON = "course/09-ports.ipynb"
NOTEBOOK = ".jp-NotebookPanel:not(.lm-mod-hidden)"
TAB = ".lm-DockPanel-tabBar .lm-TabBar-tab"


@pytest.fixture(autouse=True)
def nothing_begun(test_lab: TestLab) -> None:
    """The lab serves other tests, too: here the reader is new."""
    folder = test_lab.workspace
    owner = folder.stat()
    (folder / PROGRESS).unlink(missing_ok=True)
    for path in folder.glob("course/*.ipynb"):
        path.unlink()
    workspace.update(folder, (owner.st_uid, owner.st_gid))


def open_jupyterlab(page: Page, lab: TestLab) -> FrameLocator:
    """As ``bin/lab up`` opens it, with nothing open from before; returns the start page."""
    page.goto(f"{lab.url}&reset")
    course = page.frame_locator('iframe[title="Course"]')
    expect(course.locator("h1")).to_be_visible(timeout=PATIENCE)
    return course


def row(course: FrameLocator, path: str) -> Locator:
    """A notebook's row in the map."""
    return course.locator("tr", has=course.locator(f'a[data-path="{path}"]'))


def test_jupyterlab_opens_with_the_page_in_front(
    page: Page, test_lab: TestLab, shots: Path | None
) -> None:
    course = open_jupyterlab(page, test_lab)
    expect(page.locator(TAB)).to_have_text(["Course"])
    expect(course.locator("h2")).to_have_text(["Lessons and exercises", "The lab", "Help"])
    expect(row(course, "course/01-what-is-docker.ipynb")).to_contain_text("comes next")
    expect(course.locator("tr", has_text="engine")).to_contain_text("works")
    if shots:
        page.screenshot(path=shots / "start.png")


def test_keys_open_a_lesson_and_what_is_run_counts(page: Page, test_lab: TestLab) -> None:
    course = open_jupyterlab(page, test_lab)
    expect(row(course, LESSON)).to_contain_text("not begun")
    course.locator(f'a[data-path="{LESSON}"]').press("Enter")
    panel = page.locator(NOTEBOOK)
    wait_for_kernel(panel)
    expect(panel.locator("h1").first).to_contain_text("Port mapping")
    run_cell(panel, "clean_start(")  # the one cell before the first heading
    wait_for_kernel(panel)
    page.locator(TAB, has_text="Course").click()
    sections = len(read_notebook(ROOT, LESSON).sections)
    begun = f"begun: 1 of {sections} sections run"
    expect(row(course, LESSON)).to_contain_text(begun, timeout=PATIENCE)


def test_an_address_that_names_a_notebook_opens_that_alone(page: Page, test_lab: TestLab) -> None:
    page.goto(test_lab.url.replace("/lab?", f"/lab/tree/{LESSON}?") + "&reset")
    wait_for_kernel(page.locator(NOTEBOOK))
    expect(page.locator(TAB)).to_have_text([LESSON.removeprefix("course/")])


def test_a_closed_page_is_opened_again_from_the_launcher(page: Page, test_lab: TestLab) -> None:
    course = open_jupyterlab(page, test_lab)
    page.locator(TAB, has_text="Course").locator(".lm-TabBar-tabCloseIcon").click()
    page.locator(".jp-LauncherCard", has_text="Course").click()
    expect(course.locator("h1")).to_be_visible(timeout=PATIENCE)


@contextmanager
def theme(page: Page, name: str) -> Iterator[None]:
    """JupyterLab in another theme; the lab keeps that, so it is changed back."""
    choose_theme(page, name)
    try:
        yield
    finally:
        choose_theme(page, "JupyterLab Light")


def choose_theme(page: Page, name: str) -> None:
    """By the menu, as a reader does."""
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.locator(".lm-Menu-itemLabel").get_by_text("Theme", exact=True).click()
    page.locator(".lm-Menu-itemLabel").get_by_text(name, exact=True).click()
    light = "true" if name.endswith("Light") else "false"
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", light, timeout=PATIENCE)


def colours(course: FrameLocator) -> tuple[int, int]:
    """Brightness of text and background, 0 to 255."""
    shown = course.locator("body").evaluate(
        "body => [getComputedStyle(body).color, getComputedStyle(body).backgroundColor]"
    )
    text, background = (max(map(int, re.findall(r"\d+", one)[:3])) for one in shown)
    return text, background


def test_it_is_dark_in_a_dark_theme(page: Page, test_lab: TestLab, shots: Path | None) -> None:
    course = open_jupyterlab(page, test_lab)
    root = course.locator("html")
    expect(root).to_have_css("color-scheme", "light", timeout=PATIENCE)
    text, background = colours(course)
    assert text < 64 < 192 < background
    with theme(page, "JupyterLab Dark"):
        expect(root).to_have_css("color-scheme", "dark", timeout=PATIENCE)
        text, background = colours(course)
        assert background < 64 < 192 < text
        if shots:
            page.screenshot(path=shots / "start-dark.png")
