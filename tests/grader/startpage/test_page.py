"""What the start page says of a workspace, and that a real lab serves it to its reader alone."""

import json
import re
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from grader.startpage import condition, page
from grader.startpage.progress import PROGRESS, keep_checks
from lab.course import ROOT

from ...conftest import TestLab
from .workspaces import exercise, lesson, write

EXERCISE = "assignments/01-try/01-try.ipynb"
LESSON = "course/09-ports.ipynb"


@pytest.fixture
def nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine and no cluster is where this process looks for them."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    monkeypatch.setenv("LAB_CLUSTER", "own")


def row(html: str, path: str) -> str:
    """The text of a notebook's row in the map."""
    rows = re.findall(r"<tr.*?</tr>", html, re.DOTALL)
    (found,) = [one for one in rows if f'data-path="{path}"' in one]
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


@pytest.mark.usefixtures("nothing_answers")
def test_the_first_that_is_not_done_comes_next(tmp_path: Path) -> None:
    write(tmp_path, "course/01-first.ipynb", lesson(1), ("A", [True]))
    write(tmp_path, EXERCISE, exercise(1, "lesson 01"), ("A", [False]))
    write(tmp_path, "course/02-second.ipynb", lesson(2), ("A", [True, False]))
    html = page.render(tmp_path, "/")
    assert row(html, "course/01-first.ipynb").endswith("1 done")
    assert row(html, EXERCISE).endswith("20 comes next not begun")
    assert row(html, "course/02-second.ipynb").endswith("2 begun: 0 of 1 sections run")
    assert "1 of 2 lessons done" in html
    assert "0 of 1 exercises submitted" in html
    (tmp_path / "hand-in").mkdir()
    (tmp_path / "hand-in" / "ada-01-try-20260101T120000Z.zip").touch()
    keep_checks(tmp_path, EXERCISE, passed=1, checks=2)
    html = page.render(tmp_path, "/")
    assert row(html, EXERCISE).endswith("submitted, validated: 1 of 2 checks passed")
    assert "comes next" in row(html, "course/02-second.ipynb")


@pytest.mark.usefixtures("nothing_answers")
def test_nothing_comes_next_when_all_is_done(tmp_path: Path) -> None:
    write(tmp_path, "course/01-first.ipynb", lesson(1), ("A", [True]))
    html = page.render(tmp_path, "/")
    assert "comes next" not in html
    assert "All lessons are done" in html


@pytest.mark.usefixtures("nothing_answers")
def test_an_empty_workspace_is_told_how_to_get_lessons(tmp_path: Path) -> None:
    html = page.render(tmp_path, "/")
    assert "There are no lessons" in html
    assert "bin/lab up" in html


@pytest.mark.usefixtures("nothing_answers")
def test_what_a_notebook_says_is_text_and_not_html(tmp_path: Path) -> None:
    write(tmp_path, "course/01-first.ipynb", lesson(1, "<script>acted()</script> `<b>`"))
    html = page.render(tmp_path, "/base/")
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert 'href="/base/lab/tree/course/01-first.ipynb"' in html


@pytest.mark.usefixtures("nothing_answers")
def test_what_does_not_answer_is_named_at_the_top_with_what_to_do(tmp_path: Path) -> None:
    findings = condition.examine()
    assert [(one.name, one.state) for one in findings] == [("engine", "bad"), ("cluster", "bad")]
    assert all("bin/lab reset" in one.todo for one in findings)
    html = page.render(tmp_path, "/")
    assert "engine, cluster" in html.partition("Lessons and exercises")[0]


@pytest.mark.usefixtures("nothing_answers")
def test_progress_that_cannot_be_kept_is_shown_and_named(tmp_path: Path) -> None:
    write(tmp_path, "course/01-first.ipynb", lesson(1), ("A", [True]))
    (tmp_path / PROGRESS).mkdir()
    html = page.render(tmp_path, "/")
    assert row(html, "course/01-first.ipynb").endswith("1 done")
    assert f"<code>{PROGRESS}</code> in your workspace cannot be written" in html


@pytest.mark.usefixtures("nothing_answers")
@pytest.mark.parametrize(
    ("theme", "root"),
    [("dark", ' style="color-scheme: dark">'), ("", ">"), ("red; } <script>", ">")],
)
def test_only_a_theme_that_is_known_is_taken(theme: str, root: str, tmp_path: Path) -> None:
    assert f'<html lang="en"{root}' in page.render(tmp_path, "/", theme)


@pytest.mark.usefixtures("nothing_answers")
def test_nothing_is_loaded_and_nothing_runs(tmp_path: Path) -> None:
    write(tmp_path, "course/01-first.ipynb", lesson(1), ("A", [True]))
    html = page.render(tmp_path, "/")
    assert re.findall(r"<(?:script|link|img|iframe)\b|\bsrc=|url\(|https?:", html) == []


def ask(
    lab: TestLab, path: str, *, token: bool = True, method: str = "GET", body: Any = None
) -> tuple[str, str]:
    """The address that answered in the end, and its answer."""
    parts = urlsplit(lab.url)
    headers = {"Authorization": f"token {parse_qs(parts.query)['token'][0]}"} if token else {}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{parts.netloc}{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=200) as answer:
        return answer.url, answer.read().decode()


@pytest.mark.machine
def test_a_lab_serves_it_to_those_who_have_the_token(test_lab: TestLab) -> None:
    address, html = ask(test_lab, "/course")
    assert address.endswith("/course")
    assert "Lesson 01 · What is Docker?" in html
    assert re.search(r"Docker \d+\.\d+[^<]* answers", html)
    assert "1 of 1 node ready" in html
    address, html = ask(test_lab, "/course", token=False)
    assert "/login" in address
    assert "Lesson 01" not in html


@pytest.mark.machine
def test_what_was_run_counts_from_the_moment_it_is_saved(test_lab: TestLab) -> None:
    notebook = json.loads((ROOT / LESSON).read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for ran in (True, False):
        for cell in code:
            cell |= {"execution_count": 1 if ran else None, "outputs": []}
        saved = {"type": "notebook", "content": notebook}
        ask(test_lab, f"/api/contents/{LESSON}", method="PUT", body=saved)
    _, html = ask(test_lab, "/course")
    assert row(html, LESSON).endswith(" done")


@pytest.mark.machine
@pytest.mark.timeout(300)
def test_the_button_validate_is_heard_of(test_lab: TestLab) -> None:
    path = "assignments/00-check-your-lab/00-check-your-lab.ipynb"
    _, said = ask(test_lab, "/assignments/validate", method="POST", body={"path": path})
    assert json.loads(said)["success"]
    _, html = ask(test_lab, "/course")
    # a fourth check looks at something only when work is graded
    assert row(html, path).endswith("validated: 0 of 3 checks passed")


@pytest.mark.machine
def test_an_image_that_was_removed_is_named_with_the_way_back(test_lab: TestLab) -> None:
    removed = test_lab.run("docker", "image", "rm", "--force", "hello-world")
    assert removed.returncode == 0, removed.stdout
    try:
        _, html = ask(test_lab, "/course")
        assert "removed: hello-world" in html
        assert "<code>docker pull hello-world</code>" in html
    finally:
        test_lab.run("docker", "pull", "hello-world")
    _, html = ask(test_lab, "/course")
    assert "removed:" not in html
