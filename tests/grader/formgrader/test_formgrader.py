"""An instructor's formgrader: whatever is pressed, nothing hidden is published, nothing of a
student's acts, nothing is loaded from elsewhere, and no dialog shows a traceback.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from grader.course import Course
from grader.formgrader.refusals import COMMANDS, SANDBOXES
from grader.pages import feedback

from ...attacks.on_readers import MARK, TEXTS
from ...conftest import ROOT
from ...test_browser import PATIENCE, browser
from .courses import EXERCISE, TOKEN, Server, grade, make_course, serve

__all__ = ["browser"]  # fixture
pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
HOSTILE = "\n\n".join(TEXTS.values())
NAMED = 'eve"<img src=x onerror="window.acted=1">'
PAGES = {
    "manage_assignments": "Manage Assignments",
    f"manage_submissions/{EXERCISE}": "Manage Submissions",
    "gradebook": "Manual Grading",
    f"gradebook/{EXERCISE}": "Manual Grading",
    f"gradebook/{EXERCISE}/{EXERCISE}": "Manual Grading",
    "manage_students": "Manage Students",
    "manage_students/ada": "Manage Students",
    f"manage_students/ada/{EXERCISE}": "Manage Students",
}
CLICKABLE = "a:visible, button:visible, :not(a) > .glyphicon:visible"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """Ada is honest, Eve is not; each has a file in the folder that was handed in."""
    made = make_course(tmp_path_factory.mktemp("formgrader"))
    for student, text in (("ada", "SIGTERM *asks*."), (NAMED, HOSTILE)):
        grade(made, student, text)
        for kind in ("submitted", "autograded"):
            folder = made.folder(kind, EXERCISE, student)
            (folder / "page.html").write_text("<script>window.acted = 1</script>")
            (folder / "nbgrader_config.py").write_text("open('ran', 'w')")
    return made


@pytest.fixture(scope="module")
def server(course: Course) -> Iterator[Server]:
    with serve(course) as running:
        yield running


@pytest.fixture
def web(server: Server) -> Iterator[httpx.Client]:
    """A program with the instructor's rights."""
    headers = {"Authorization": f"token {TOKEN}"}
    with httpx.Client(base_url=f"{server.url}/formgrader", headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A window of the instructor's. Afterwards it, and what it opened, asked nobody else, and
    formgrader met no error (JupyterLab may, where a test closes it while it loads).
    """
    context = browser.new_context(viewport={"width": 1360, "height": 900})
    opened, asked, errors = context.new_page(), list[str](), list[str]()
    context.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(server.entrance)
    yield opened
    elsewhere = {url for url in asked if not url.startswith((server.url, "data:", "file:"))}
    context.close()
    assert elsewhere == set()
    # an address of a test's own may lead nowhere
    assert [error for error in errors if "Failed to load resource" not in error] == []


def submission(page: Page, server: Server, course: Course, student: str) -> None:
    """Open formgrader's page of a student's submission."""
    page.goto(f"{server.url}/formgrader/manage_students/ada/{EXERCISE}")
    found = page.request.get(
        f"{server.url}/formgrader/api/submitted_notebooks/{EXERCISE}/{EXERCISE}"
    )
    ids = {one["student"]: one["id"] for one in json.loads(found.text())}
    page.goto(f"{server.url}/formgrader/submissions/{ids[student]}/")
    expect(page.locator("input.score").last).to_be_visible(timeout=PATIENCE)


def opened(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_load_state("networkidle")


def assert_nothing_was_given_away(course: Course) -> None:
    """Feedback holds our pages only; sources and released exercises are as they were."""
    files = [path for path in (course.root / "feedback").rglob("*") if path.is_file()]
    assert [path for path in files if not feedback.is_intact(path)] == []
    assert [path for path in files if "HIDDEN" in path.read_text()] == []
    assert not (course.root / "ran").exists()
    assert [entry.name for entry in (course.root / "solutions").iterdir()] == [EXERCISE]
    released = course.root / "assignments" / EXERCISE / f"{EXERCISE}.ipynb"
    assert released.read_bytes() == (ROOT / "assignments" / EXERCISE / released.name).read_bytes()


@pytest.mark.parametrize("path", PAGES)
def test_each_button_and_link_is_safe_to_press(
    path: str, page: Page, server: Server, course: Course
) -> None:
    url = f"{server.url}/formgrader/{path}"
    opened(page, url)
    expect(page.locator("h1")).to_have_text(PAGES[path])
    for heading in page.locator("th:visible").all():
        heading.click()
    count = page.locator(CLICKABLE).count()
    assert count > 3
    for number in range(count):
        opened(page, url)
        target = page.locator(CLICKABLE).nth(number)
        label = f"{number}: {target.inner_text()}"
        target.click()
        page.wait_for_load_state("networkidle")
        for dialog in page.locator(".modal").all():
            expect(dialog).to_be_visible()
            assert "Traceback" not in dialog.inner_text(), label
            expect(dialog.locator(".modal-title")).not_to_have_text("Error")
        assert len(page.context.pages) <= 2
        for other in page.context.pages[1:]:  # an exercise's folder, in JupyterLab
            other.close()
    assert_nothing_was_given_away(course)


def test_each_button_of_a_submission_is_safe_to_press(
    page: Page, server: Server, course: Course
) -> None:
    submission(page, server, course, NAMED)
    for button in page.locator("button:visible, .help, .navbar .glyphicon:visible").all():
        button.click()
        page.wait_for_load_state("networkidle")
        if page.locator(".modal").count():
            page.locator(".modal [data-dismiss]").first.click()
            expect(page.locator(".modal")).to_have_count(0, timeout=PATIENCE)
    for number in range(page.locator("a:visible").count()):
        submission(page, server, course, NAMED)
        page.locator("a:visible").nth(number).click()
        page.wait_for_load_state("networkidle")
        assert page.url.startswith(f"{server.url}/formgrader/")
    assert [frame.evaluate("window.acted") for frame in page.frames] == [None] * len(page.frames)
    assert_nothing_was_given_away(course)


def test_feedback_button_brings_marks_and_comments_to_the_page(
    page: Page, server: Server, course: Course, shots: Path | None
) -> None:
    submission(page, server, course, "ada")
    for field, text in (("#explain", "2"), ("#explain-comment", "Nearly **all** of it.")):
        with page.expect_response(lambda answer: answer.request.method == "PUT"):
            page.locator(field).fill(text)
            page.keyboard.press("Tab")
    if shots:
        page.locator(".students").last.scroll_into_view_if_needed()
        page.screenshot(path=shots / "formgrader.png")
    opened(page, f"{server.url}/formgrader/manage_submissions/{EXERCISE}")
    page.locator("tr", has_text="ada").locator(".generate-feedback a").click()
    said = page.locator(".modal-body")
    expect(said).to_contain_text("Wrote the pages of: ada.", timeout=PATIENCE)
    written = course.folder("feedback", EXERCISE, "ada") / f"{EXERCISE}.html"
    assert "Your instructor: Nearly **all** of it." in written.read_text()
    assert_nothing_was_given_away(course)


@pytest.mark.parametrize("view", ["formgrader", "feedback"])
def test_nothing_of_a_students_reaches_out_of_its_frame(
    view: str, page: Page, server: Server, course: Course
) -> None:
    """Every point of the window, and a click in every frame."""
    if view == "formgrader":
        submission(page, server, course, NAMED)
    else:
        page.goto((course.folder("feedback", EXERCISE, NAMED) / f"{EXERCISE}.html").as_uri())
        page.locator("summary", has_text="Your notebook").click()
    before = page.url
    frames = page.locator(".framed", has_text=MARK)
    assert frames.count() >= 4
    outside = page.evaluate(
        """() => [...document.querySelectorAll('.framed')].flatMap((frame) => {
            frame.scrollIntoView({block: 'center'});
            const box = frame.getBoundingClientRect(), points = [];
            for (let x = 5; x < innerWidth; x += 40) for (let y = 5; y < innerHeight; y += 20) {
              const inside = x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
              if (!inside && frame.contains(document.elementFromPoint(x, y))) points.push([x, y]);
            }
            return points; })"""
    )
    assert outside == []
    for frame in frames.all():
        frame.click()
    assert page.url == before
    assert frames.locator("a, svg, form, style, [style], [id], [title]").count() == 0
    assert page.evaluate("document.title") != "taken"


def test_student_cannot_write_a_verdict_that_looks_like_ours(
    page: Page, server: Server, course: Course
) -> None:
    """What looks like one stands below the words that say whose it is."""
    submission(page, server, course, NAMED)
    imitation = page.locator(".students", has_text="passed, 3 of 3").first
    expect(imitation.locator(".whose")).to_have_text("Student's text")
    assert imitation.evaluate("one => getComputedStyle(one).borderStyle") == "dashed"
    assert page.locator(".verdict", has_text=MARK).count() == 0
    assert page.locator("main > .students .framed .verdict").count() == 0


@pytest.mark.parametrize(
    "address",
    [
        *(
            f"/api/assignment/{EXERCISE}/{action}"
            for action in ("assign", "release", "unrelease", "collect", "release_feedback")
        ),
        f"/api/assignment/{EXERCISE}/ada/release_feedback",
        f"/api/submission/{EXERCISE}/ada/autograde",
    ],
)
def test_what_is_not_there_names_the_command_instead(
    address: str, web: httpx.Client, course: Course
) -> None:
    answer = web.post(address).json()
    assert answer == {"success": False, "log": COMMANDS[address.rpartition("/")[2]]}
    assert_nothing_was_given_away(course)


@pytest.mark.parametrize("who", ["/nobody", "/..%2Fada", ""])
def test_pages_of_nobody_are_refused_in_a_sentence(who: str, web: httpx.Client) -> None:
    assignment = EXERCISE if who else "99-none"
    answer = web.post(f"/api/assignment/{assignment}{who}/generate_feedback").json()
    assert answer["success"] is False
    assert "has not been graded for" in answer["log"]
    assert "error" not in answer


def test_no_address_runs_or_shows_what_was_handed_in(
    web: httpx.Client, course: Course, server: Server
) -> None:
    folder = course.folder("submitted", EXERCISE, "ada")
    assert web.get("", params={"path": str(folder)}).status_code == 302
    assert not (course.root / "ran").exists()
    assert not (folder / "ran").exists()
    found = web.get(f"/api/submitted_notebooks/{EXERCISE}/{EXERCISE}").json()
    for name in ("page.html", "nbgrader_config.py", f"{EXERCISE}.ipynb"):
        assert web.get(f"/submissions/{found[0]['id']}/{name}").status_code == 404


def test_address_puts_nothing_into_a_page(page: Page, server: Server) -> None:
    said: list[str] = []
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    for path in (
        "gradebook/x%5C/%3Balert(1)%2F%2F",
        "manage_students/%22%3Balert(1)%2F%2F",
        "manage_students/%3C%2Fscript%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "manage_submissions/%3Cimg%20src=x%20onerror=alert(1)%3E",
    ):
        page.goto(f"{server.url}/formgrader/{path}", wait_until="load")
        assert page.locator("script:not([src]):not([nonce])").count() == 0
    assert said == []


def test_assignment_that_is_not_there_is_not_made(web: httpx.Client, course: Course) -> None:
    assert web.put("/api/assignment/99-new", json={}).status_code == 404
    dated = {"duedate_notimezone": "2030-01-01T00:00", "duedate_timezone": "UTC"}
    assert web.put(f"/api/assignment/{EXERCISE}", json=dated).status_code == 200
    assert_nothing_was_given_away(course)


def test_validate_never_runs_a_students_notebook(server: Server, course: Course) -> None:
    for kind in ("submitted", "autograded"):
        path = course.folder(kind, EXERCISE, "ada").relative_to(course.root)
        for spelled in (f"{path}/{EXERCISE}.ipynb", f"solutions/../{path}/{EXERCISE}.ipynb"):
            answer = httpx.post(
                f"{server.url}/assignments/validate",
                data={"path": spelled},
                headers={"Authorization": f"token {TOKEN}"},
            )
            assert answer.json() == {"success": False, "value": SANDBOXES}


def test_every_page_has_a_policy(web: httpx.Client) -> None:
    for path in (*PAGES, "api/assignments", "submissions/none", "elsewhere"):
        policy = web.get(f"/{path}").headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]


def test_page_of_what_has_no_notebook_says_what_to_do(
    page: Page, server: Server, course: Course
) -> None:
    found = page.request.get(
        f"{server.url}/formgrader/api/submitted_notebooks/{EXERCISE}/{EXERCISE}"
    )
    ids = {one["student"]: one["id"] for one in json.loads(found.text())}
    notebook = course.folder("autograded", EXERCISE, "ada") / f"{EXERCISE}.ipynb"
    moved: Path = notebook.rename(notebook.with_suffix(".moved"))
    answer = page.request.get(f"{server.url}/formgrader/submissions/{ids['ada']}/")
    moved.rename(notebook)
    assert answer.status == 404
    assert f"bin/lab grade {EXERCISE}" in answer.text()
