"""Lessons as pages: all that a reader of the notebook sees."""

from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup, Tag
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lab.course import ROOT
from lab.docs import lessons

NOTEBOOKS = sorted((ROOT / "course").glob("*.ipynb"))


def article(site: Path, notebook: Path) -> Tag:
    page = BeautifulSoup((site / "lessons" / f"{notebook.stem}.html").read_text(), "html.parser")
    found = page.select_one("article")
    assert found
    return found


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_page_has_each_command_and_each_output(site: Path, notebook: Path) -> None:
    page = article(site, notebook)
    shown = squeezed(page.get_text())
    cells = [
        cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"
    ]
    outputs = [output for cell in cells for output in cell.outputs]
    hidden = [cell for cell in cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
    for cell in cells:
        if cell not in hidden and not cell.source.startswith("quiz("):
            assert squeezed(cell.source) in shown
    for output in outputs:
        if output.output_type == "stream":
            assert squeezed(output.text) in shown
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert len(page.select("pre.mermaid")) == kinds.count("text/vnd.mermaid")
    assert len(page.select("img")) == kinds.count("image/png")
    predictions = [cell for cell in cells if cell.source.startswith("predict(")]
    assert len(page.select(".predict")) == len(predictions)
    assert "predict(" not in page.get_text()


def test_the_list_of_lessons_has_them_all(site: Path) -> None:
    page = BeautifulSoup((site / "lessons.html").read_text(), "html.parser")
    links = {str(link["href"]) for link in page.select("article a[href]")}
    assert {f"lessons/{notebook.stem}.html" for notebook in NOTEBOOKS} <= links
    assert "What do I install, and what talks to what?" in page.get_text()


def write(tmp_path: Path, *cells: nbformat.NotebookNode) -> Path:
    notebook = tmp_path / "03-small.ipynb"
    first = new_markdown_cell("# 03 · Small")
    nbformat.write(new_notebook(cells=[first, *cells]), notebook)
    return notebook


def test_answers_of_a_self_check_are_folded_away(tmp_path: Path) -> None:
    (tmp_path / "lesson-texts").mkdir()
    (tmp_path / "lesson-texts" / "03-small.toml").write_text(
        '[[quiz]]\nquestion = "Which?"\ntype = "multiple_choice"\nanswers = [\n'
        '{ answer = "this", correct = false, feedback = "No." },\n'
        '{ answer = "that", correct = true, feedback = "Yes." },\n]\n'
    )
    page = lessons.page(write(tmp_path, new_code_cell('quiz("03")')), tmp_path)
    box = BeautifulSoup(page, "html.parser").select_one(".question")
    assert box
    folded = box.select_one("details")
    assert folded
    assert [item.get_text() for item in folded.select("li")] == ["that Yes."]
    folded.decompose()
    assert sorted(item.get_text() for item in box.select("li")) == ["that", "this"]
    assert "Yes." not in box.get_text()


def test_what_a_command_printed_cannot_break_the_page(tmp_path: Path) -> None:
    printed = "```\n</pre><script>alert(1)</script>\n````\n"
    cell = new_code_cell("%%shell\ncat x", outputs=[new_output("stream", text=printed)])
    page = lessons.page(write(tmp_path, cell), tmp_path)
    assert f"`````{{code-block}} text\n:class: output\n:force:\n\n{printed.strip()}\n`````" in page


def test_prediction_is_text(tmp_path: Path) -> None:
    text = "Predict: Is 1 < 2 & 3?\n  ( ) <b>yes</b>\n  ( ) no"
    output = new_output("display_data", {"text/plain": text})
    cell = new_code_cell("predict(...)", metadata={"jupyter": {"source_hidden": True}})
    cell.outputs = [output]
    box = BeautifulSoup(lessons.page(write(tmp_path, cell), tmp_path), "html.parser")
    assert [item.get_text() for item in box.select(".predict li")] == ["<b>yes</b>", "no"]
    assert "Is 1 < 2 & 3?" in box.get_text()


def test_a_failure_that_stays_on_screen_is_shown(tmp_path: Path) -> None:
    failure = new_output("error", ename="CheckFailed", evalue="It is not there.", traceback=[])
    page = lessons.page(write(tmp_path, new_code_cell("x", outputs=[failure])), tmp_path)
    assert "CheckFailed: It is not there." in page
