"""An instructor's evening: collect, grade, read one answer in formgrader, give marks, write the pages."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .checkouts import Checkout, copy_checkout
from .test_browser import PATIENCE, browser, page

__all__ = ["browser", "page"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.grading, pytest.mark.timeout(400)]
EXERCISE = "00-check-your-lab"


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


def test_marks_given_by_hand_reach_the_student(graded: Checkout, page: Page) -> None:
    result = json.loads(graded.lab("grade", EXERCISE, "--json"))["submissions"][0]
    assert (result["student"], result["status"]) == ("ada", "graded")
    waiting = [check for check in result["checks"] if check["status"] == "needs-grading"]
    assert waiting
    assert result["points"] == result["max_points"] - sum(check["max_points"] for check in waiting)

    url = graded.lab("up", "--instructor", "--no-browser", "--port", graded.port).strip()
    page.goto(url)  # the token becomes a cookie
    page.goto(f"{url.split('/lab?')[0]}/formgrader/gradebook/{EXERCISE}/{EXERCISE}")
    page.locator("table a", has_text="Submission #1").first.click()
    score = page.locator("input.score").last
    expect(score).to_be_visible(timeout=PATIENCE)
    score.fill("2")
    with page.expect_response(lambda answer: "/api/grade/" in answer.url and answer.request.method == "PUT"):
        score.press("Tab")

    graded.lab("feedback", EXERCISE)
    feedback = (graded.folder / "feedback" / "ada" / EXERCISE / f"{EXERCISE}.html").read_text()
    assert f"{result['max_points']:g} of {result['max_points']:g}" in feedback

    again = json.loads(graded.lab("grade", EXERCISE, "--json"))["submissions"][0]
    assert again["points"] == result["max_points"], "grading again keeps what was given by hand"
