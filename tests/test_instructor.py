"""An instructor's evening: collect, grade, read answers in formgrader, hostile ones among them,
give marks, write the pages.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from .checkouts import Checkout, copy_checkout
from .test_browser import PATIENCE, browser, page

__all__ = ["browser", "page"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.grading, pytest.mark.timeout(400)]
EXERCISE = "00-check-your-lab"
ACTS = (
    "<script>window.acted = 1</script><img src=x onerror='window.acted = 1'><svg"
    " onload='window.acted = 1'></svg>"
)


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout in which Ada handed in the solution, and it was collected and graded."""
    folder: Path = tmp_path_factory.mktemp("course")
    copy_checkout(folder)
    made = Checkout(folder)
    workspace = folder / "ada" / "assignments" / EXERCISE
    shutil.copytree(folder / "solutions" / EXERCISE, workspace)
    made.lab("submit", EXERCISE, "--student", "ada", "--workspace", str(folder / "ada"))
    handed_in = next((folder / "ada").rglob("*.zip"))
    made.lab("collect", str(handed_in))
    yield made
    made.lab("down", "--instructor")


def open_first_submission(graded: Checkout, page: Page) -> None:
    """The formgrader page of the first submission that was graded, in a lab that runs."""
    url = graded.lab("up", "--instructor", "--no-browser", "--port", graded.port).strip()
    page.goto(url)  # the token becomes a cookie
    page.goto(f"{url.split('/lab?')[0]}/formgrader/gradebook/{EXERCISE}/{EXERCISE}")
    page.locator("table a", has_text="Submission #1").first.click()
    expect(page.locator("input.score").last).to_be_visible(timeout=PATIENCE)


def hand_in_what_acts(graded: Checkout) -> None:
    """Ada's second try: scripts in an answer, in cells of her own and in what they show."""
    folder = graded.folder / "submitted" / "ada" / EXERCISE
    path = folder / f"{EXERCISE}.ipynb"
    notebook = json.loads(path.read_text())
    answer = next(
        one
        for one in notebook["cells"]
        if one["metadata"].get("nbgrader", {}).get("grade_id") == "explain"
    )
    answer["source"] = f"In words. {ACTS}"
    shown = (
        f"from IPython.display import HTML, Markdown, display\ndisplay(HTML({ACTS!r}),"
        f" Markdown({ACTS!r}))\nprint({ACTS!r}, 'was printed')"
    )
    own = [
        {
            "cell_type": "code",
            "id": "own-code",
            "metadata": {},
            "source": shown,
            "outputs": [],
            "execution_count": None,
        },
        {
            "cell_type": "markdown",
            "id": "own-text",
            "metadata": {},
            "source": f"[press](javascript:window.acted=1) {ACTS}",
        },
    ]
    notebook["cells"] += own
    path.write_text(json.dumps(notebook))


def give(page: Page, points: str) -> None:
    """Type the mark of the last question, until the page has heard it.

    Its fields are there before its scripts listen to them.
    """
    for last in (False, False, True):
        score = page.locator("input.score").last
        expect(score).to_be_visible(timeout=PATIENCE)
        try:
            with page.expect_response(
                lambda answer: "/api/grade/" in answer.url and answer.request.method == "PUT",
                timeout=PATIENCE / 3,
            ):
                score.fill(points)
                score.press("Tab")
            return
        except PlaywrightTimeoutError:
            if last:
                raise
            page.reload()


def test_marks_given_by_hand_reach_the_student(graded: Checkout, page: Page) -> None:
    result = json.loads(graded.lab("grade", EXERCISE, "--student", "ada", "--json"))["submissions"][
        0
    ]
    assert (result["student"], result["status"]) == ("ada", "graded")
    waiting = [check for check in result["checks"] if check["status"] == "needs-grading"]
    assert waiting
    assert result["points"] == result["max_points"] - sum(check["max_points"] for check in waiting)

    open_first_submission(graded, page)
    give(page, "2")

    graded.lab("feedback", EXERCISE)
    feedback = (graded.folder / "feedback" / "ada" / EXERCISE / f"{EXERCISE}.html").read_text()
    assert f"{result['max_points']:g} of {result['max_points']:g}" in feedback

    again = json.loads(graded.lab("grade", EXERCISE, "--student", "ada", "--json"))["submissions"][
        0
    ]
    assert again["points"] == result["max_points"], "grading again keeps what was given by hand"


def test_what_a_student_hands_in_acts_in_no_instructors_browser(
    graded: Checkout, page: Page
) -> None:
    hand_in_what_acts(graded)
    graded.lab("grade", EXERCISE, "--student", "ada")
    open_first_submission(graded, page)
    expect(page.locator("pre", has_text="</svg> was printed")).to_be_visible(
        timeout=PATIENCE
    )  # all of it has been shown
    expect(page.get_by_text("In words.")).to_be_visible()
    assert [frame.evaluate("window.acted") for frame in page.frames] == [None] * len(page.frames)
    assert page.locator("a[href^='javascript:']").count() == 0

    page.goto((graded.folder / "feedback" / "ada" / EXERCISE / f"{EXERCISE}.html").as_uri())
    expect(page.locator("pre", has_text="</svg> was printed")).to_be_attached()
    assert page.evaluate("window.acted") is None
