"""The course as a person meets it: JupyterLab in a real browser (Debian's chromium, without a
screen).
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from lab.machine.host import run_as_root

from .conftest import TestLab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
NOT_RUN = re.compile(r"^\[\s*\]")  # the prompt of a cell that nobody has run
PATIENCE = 60_000  # ms; a kernel starts slowly on a busy machine
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; Debian's package is installed first where it is missing."""
    if not shutil.which("chromium"):
        run_as_root(["apt-get", "update", "-qq"], "apt-get update")
        run_as_root(
            [
                "apt-get",
                "install",
                "-y",
                "-qq",
                "--no-install-recommends",
                "chromium",
                "fonts-dejavu",
            ],
            "apt-get install chromium",
        )
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window of an ordinary size."""
    context = browser.new_context(viewport={"width": 1360, "height": 900})
    context.set_default_timeout(PATIENCE)
    made = context.new_page()
    # Networks come and go beside these tests, and Chromium then gives up its connections for a
    # moment. JupyterLab says so, connects again, and its dialog would stay in the way.
    lost = made.locator(".jp-Dialog", has_text="Server Connection Error")
    made.add_locator_handler(lost, lambda: lost.get_by_role("button", name="Close").click())
    yield made
    context.close()


def address(lab: TestLab, path: str) -> str:
    """URL of one page of JupyterLab, with the token; ``reset`` starts with an empty workbench."""
    parts = urlsplit(lab.url)
    return f"{parts.scheme}://{parts.netloc}/lab/tree/{path}?{parts.query}&reset"


def open_notebook(page: Page, lab: TestLab, path: str) -> Locator:
    """Open a notebook and wait for its kernel; returns its panel."""
    page.goto(address(lab, path))
    panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    wait_for_kernel(panel)
    return panel


def wait_for_kernel(panel: Locator, patience: int = PATIENCE) -> None:
    """Until the notebook's kernel has nothing to do.

    The indicator says so before there is a kernel, too, and what is run then is lost; the status
    bar does not.
    """
    idle = panel.page.locator(".jp-StatusBar-TextItem", has_text="| Idle")
    expect(idle).to_be_visible(timeout=patience)
    expect(panel.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute(
        "data-status", "idle", timeout=patience
    )


def run_cell(panel: Locator, text: str) -> Locator:
    """Run the code cell that contains ``text``, as a person does: click, Shift+Enter; returns the
    cell.

    On a busy machine JupyterLab once did not hear the key; why is not known. Then the page is
    opened again, as a person would do.
    """
    cell = panel.locator(".jp-CodeCell", has_text=text).first
    prompt = cell.locator(".jp-InputPrompt").first
    for last in (False, False, True):
        cell.scroll_into_view_if_needed()
        editor = cell.locator(".cm-content")
        editor.click()
        # to this cell, even when the notebook has drawn it anew since the click
        editor.press("Shift+Enter")
        try:
            expect(prompt).not_to_have_text(NOT_RUN, timeout=PATIENCE / 3)
            break
        except AssertionError:
            if last:
                raise
            panel.page.reload()
            wait_for_kernel(panel)
    expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=PATIENCE)
    return cell


def test_a_lesson_opens_and_a_cell_runs(page: Page, test_lab: TestLab, tmp_path: Path) -> None:
    panel = open_notebook(page, test_lab, "course/02-how-docker-runs-a-container.ipynb")
    expect(panel.locator("h1").first).to_contain_text("How Docker runs a container")
    run_cell(panel, "clean_start(")
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.keyboard.type("%%shell\ndocker run --rm busybox echo seen-in-the-browser")
    page.keyboard.press("Shift+Enter")
    expect(panel.locator(".jp-OutputArea-output", has_text="seen-in-the-browser")).to_be_visible(
        timeout=PATIENCE
    )


def test_a_live_diagram_is_drawn(page: Page, test_lab: TestLab, shots: Path | None) -> None:
    panel = open_notebook(page, test_lab, "course/02-how-docker-runs-a-container.ipynb")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    diagram = panel.locator(".jp-RenderedMermaid img, .jp-RenderedMermaid svg").first
    expect(diagram).to_be_visible(timeout=2 * PATIENCE)
    diagram.scroll_into_view_if_needed()
    picture = page.screenshot()
    assert len(picture) > 20_000
    if shots:
        wait_for_kernel(panel, 2 * PATIENCE)  # until then, cells above may still grow
        diagram.evaluate("drawn => drawn.scrollIntoView({block: 'center'})")
        page.wait_for_timeout(1500)
        page.screenshot(path=shots / "lesson.png")


def test_the_assignment_list_offers_the_exercises(page: Page, test_lab: TestLab) -> None:
    # a notebook that is still to open would cover the list
    open_notebook(page, test_lab, "course/01-what-is-docker.ipynb")
    page.get_by_role("menuitem", name="Nbgrader").click()
    page.get_by_role("menuitem", name="Assignment List").click()
    listing = page.locator(
        "#nbgrader-assignment-list, .nbgrader-assignment-list, #assignment_list"
    ).first
    expect(listing).to_contain_text("00-check-your-lab", timeout=PATIENCE)
    expect(listing.get_by_role("button", name="Submit").first).to_be_visible()


def test_validate_tells_what_is_missing(page: Page, test_lab: TestLab) -> None:
    open_notebook(page, test_lab, "assignments/00-check-your-lab/00-check-your-lab.ipynb")
    page.get_by_role("button", name="Validate").click()
    dialog = page.locator(".jp-Dialog", has_text="failed")
    expect(dialog).to_contain_text("Try:", timeout=2 * PATIENCE)
