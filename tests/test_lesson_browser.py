"""A lesson as a reader works through it, by key presses, in a real browser: a prediction, a cell of
their own, a quiz; a section entered, and a machine that fails.
"""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from lab.course import ROOT
from lab.lessontexts import Task
from lab.machine import workspace

from .conftest import TestLab
from .lesson_tasks import CHOICES, texts_of
from .test_browser import PATIENCE, browser, open_notebook, page, wait_for_kernel
from .test_lessons import CLEAN_UP, WHERE
from .test_start_page import theme

__all__ = ["browser", "page"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
LESSON = "02-how-docker-runs-a-container"
MACHINES = "17-why-kubernetes"
DARK = "JupyterLab Dark"


def begin_anew(lab: TestLab) -> None:
    """The lesson, as somebody finds it who has not begun: no kernel remembers a choice, either."""
    parts = urlsplit(lab.url)
    kernels = f"{parts.scheme}://{parts.netloc}/api/kernels"
    for kernel in json.load(urllib.request.urlopen(f"{kernels}?{parts.query}")):
        address = f"{kernels}/{kernel['id']}?{parts.query}"
        urllib.request.urlopen(urllib.request.Request(address, method="DELETE"))
    owner = lab.workspace.stat()
    (lab.workspace / CHOICES).unlink(missing_ok=True)
    (lab.workspace / "course" / f"{LESSON}.ipynb").unlink(missing_ok=True)
    workspace.update(lab.workspace, (owner.st_uid, owner.st_gid))


@pytest.fixture
def panel(page: Page, test_lab: TestLab) -> Locator:
    """The lesson, in the hands of somebody with a mouse."""
    begin_anew(test_lab)
    opened = open_notebook(page, test_lab, f"course/{LESSON}.ipynb")
    opened.locator(".jp-Cell").first.click()
    return opened


def go_on(panel: Locator, until: Callable[[], bool], patience: int = PATIENCE) -> None:
    """Shift+Enter, cell after cell, until something is there; a cell may take `patience` ms."""
    for _ in range(60):
        panel.page.keyboard.press("Shift+Enter")
        wait_for_kernel(panel, patience)
        if until():
            return
    raise AssertionError("the lesson was run to its end")


def seen(locator: Locator) -> Callable[[], bool]:
    """Whether it is there, with a moment for the browser to draw it."""

    def look() -> bool:
        locator.page.wait_for_timeout(300)
        return locator.count() > 0

    return look


def picture(page: Page, name: str, shots: Path | None) -> None:
    """A picture for the docs, light and dark, where some are wanted."""
    if shots:
        page.wait_for_timeout(1000)
        page.screenshot(path=shots / f"{name}.png")
        with theme(page, DARK):
            page.wait_for_timeout(1000)
            page.screenshot(path=shots / f"{name}-dark.png")


def test_a_prediction_is_kept(
    panel: Locator, page: Page, test_lab: TestLab, shots: Path | None
) -> None:
    options = panel.locator(".widget-radio-box").first.locator("input")
    go_on(panel, seen(options))
    expect(panel.locator(".jp-InputPlaceholder", has_text="predict(").first).to_be_hidden()
    options.nth(1).check()
    page.keyboard.press("Shift+Enter")  # a click made the question's cell the active one
    wait_for_kernel(panel)
    expect(options.nth(1)).to_be_checked(timeout=PATIENCE)
    file = test_lab.workspace / CHOICES
    for _ in range(100):  # the kernel hears of it a moment later
        if file.exists():
            break
        page.wait_for_timeout(100)
    assert list(json.loads(file.read_text())) == ["02-alone"]
    picture(page, "prediction", shots)
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.locator(".lm-Menu-itemLabel").get_by_text("Restart Kernel…", exact=True).click()
    page.locator(".jp-Dialog").get_by_role("button", name="Confirm Kernel Restart").click()
    wait_for_kernel(panel)
    panel.locator(".jp-Cell").first.click()
    go_on(panel, seen(panel.locator(".widget-radio-box input:checked")))
    expect(options.nth(1)).to_be_checked(timeout=PATIENCE)
    go_on(panel, seen(panel.get_by_text("You predicted")))


def first_task() -> Task:
    return next(iter(texts_of(LESSON).values()))


def test_a_reader_writes_and_is_told_at_once(
    panel: Locator, page: Page, shots: Path | None
) -> None:
    task = first_task()
    go_on(panel, seen(panel.get_by_text("Not yet")))  # nothing was written
    expect(panel.get_by_text(task.hints[0].replace("`", ""), exact=False)).to_be_visible()
    solution = panel.locator("details", has_text="A solution").locator("pre")
    expect(solution).to_be_hidden()
    picture(page, "your-turn-missed", shots)
    missed = panel.locator(".jp-Cell", has=panel.page.get_by_text("Not yet")).first
    written = missed.locator("xpath=preceding-sibling::*[contains(@class, 'jp-CodeCell')][1]")
    written.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    # an editor that completes brackets and indents would change what is typed
    page.keyboard.insert_text(task.solution)
    page.keyboard.press("Shift+Enter")
    wait_for_kernel(panel)
    page.keyboard.press("Shift+Enter")
    wait_for_kernel(panel)
    expect(panel.get_by_text("✓ That is it.")).to_be_visible(timeout=PATIENCE)
    picture(page, "your-turn-passed", shots)


def test_shell_cells_look_like_shell(panel: Locator, page: Page) -> None:
    cell = panel.locator(".jp-CodeCell", has_text="docker image ls").first
    cell.scroll_into_view_if_needed()
    expect(cell.locator(".cm-content")).to_have_attribute("data-language", "shell")


def test_questions_can_be_read_in_a_dark_theme(panel: Locator, page: Page) -> None:
    with theme(page, DARK):
        panel.locator(".jp-Cell").first.click()  # the menu has the keys
        options = panel.locator(".widget-radio-box").first.locator("label")
        go_on(panel, seen(options))
        text, background = (
            max(int(one) for one in re.findall(r"\d+", options.first.evaluate(script))[:3])
            for script in (
                "it => getComputedStyle(it).color",
                "it => getComputedStyle(it.closest('.jp-Notebook')).backgroundColor",
            )
        )
        assert background < 64 < 160 < text


@pytest.fixture
def machines(page: Page, test_lab: TestLab) -> Iterator[Locator]:
    """The lesson that switches a machine off, without outputs; its section about machines comes
    first, as the browser draws no cell that is far below.
    """
    content = json.loads((ROOT / "course" / f"{MACHINES}.ipynb").read_text())
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    first = [cell["id"] for cell in content["cells"]].index("machines-text")
    content["cells"] = content["cells"][first:] + content["cells"][:first]
    (test_lab.workspace / "course" / f"{MACHINES}.ipynb").write_text(json.dumps(content))
    opened = open_notebook(page, test_lab, f"course/{MACHINES}.ipynb")
    opened.locator(".jp-Cell").first.click()
    yield opened
    test_lab.run("python", "-c", CLEAN_UP.format(number="17"), cwd=WHERE)


@pytest.mark.timeout(1200)
def test_a_machine_fails_and_the_reader_sees_what_users_saw(
    machines: Locator, page: Page, shots: Path | None
) -> None:
    cell = machines.locator(".jp-CodeCell", has_text="lab nodes --off")
    plot = cell.locator(".jp-OutputArea-output img").first
    go_on(machines, seen(plot), 5 * PATIENCE)
    expect(machines.get_by_text("✓ This section starts from")).to_be_attached()
    expect(cell.get_by_text("Node lab-2: NotReady")).to_be_attached(timeout=PATIENCE)
    assert plot.evaluate("it => it.naturalWidth") > 600
    happened = re.compile(r"What happened\s*for a while some wait in vain")
    go_on(machines, seen(machines.locator(".jp-CodeCell", has_text=happened)))
    cell.evaluate("it => it.scrollIntoView({block: 'start'})")
    picture(page, "machine-off", shots)
