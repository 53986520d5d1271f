"""A lesson's notebook as a page to read: its text, its commands and the outputs stored with it."""

import base64
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import nbformat

from lab import lessontexts

LANGUAGES = {
    "Dockerfile": "docker",
    ".py": "python",
    ".js": "javascript",
    ".yaml": "yaml",
    ".yml": "yaml",
}
HOW_TO_READ = """\
:::{{note}}
This is lesson {number} to read, with the output its commands had when the course was made. In the
lab you run them yourself: [`bin/lab up`](../start.md), then open `course/{name}.ipynb`.
:::
"""


def page(notebook: Path, pictures: Path) -> str:
    """The lesson in Markdown; its pictures are written into the folder `pictures`."""
    cells = nbformat.read(notebook, as_version=4).cells  # type: ignore[no-untyped-call]
    parts = [part for cell in cells for part in _cell(cell, notebook, pictures)]
    number = notebook.stem.partition("-")[0]
    parts.insert(1, HOW_TO_READ.format(number=number, name=notebook.stem))
    return "\n\n".join(parts) + "\n"


def contents(notebooks: list[Path]) -> str:
    """The page that lists the lessons, each with the question it opens with."""
    rows = [
        "# Lessons",
        "Read them here, or run them in the lab. Each opens with a question.",
        "| lesson | question |",
    ]
    table = [rows.pop(), "| --- | --- |"]
    for notebook in notebooks:
        first = nbformat.read(notebook, as_version=4).cells[0].source  # type: ignore[no-untyped-call]
        title, _, rest = first.removeprefix("# ").partition("\n")
        question = re.search(r"\*\*(.+?)\*\*", rest)
        table.append(
            f"| [{title}](lessons/{notebook.stem}.md) | {question[1] if question else ''} |"
        )
    return "\n\n".join([*rows, "\n".join(table)]) + "\n"


def _cell(cell: Any, notebook: Path, pictures: Path) -> Iterator[str]:
    if cell.cell_type == "markdown":
        yield cell.source
        return
    if cell.source.startswith("quiz("):
        yield _quiz(notebook)
        return
    if task := re.match(r'check\("(.+)"\)', cell.source):
        yield _folded("One way to write it", _texts(notebook).tasks[task[1]].solution)
        return
    if not cell.metadata.get("jupyter", {}).get("source_hidden"):
        yield _fence(_language(cell.source), cell.source, "command")
    printed = ""
    for output in cell.outputs:
        if output.output_type == "stream":  # one stream comes in pieces
            printed += output.text
            continue
        if printed:
            yield _fence("text", printed, "output")
            printed = ""
        yield _output(output, f"{notebook.stem}-{cell.id}", pictures)
    if printed:
        yield _fence("text", printed, "output")


def _output(output: Any, name: str, pictures: Path) -> str:
    if output.output_type == "error":
        return _fence("text", f"{output.ename}: {output.evalue}", "output")
    data = output.data
    text = data.get("text/plain", "")
    if "text/vnd.mermaid" in data:
        return (
            _fence("mermaid", data["text/vnd.mermaid"]) + "\n\n" + _folded("The same as text", text)
        )
    if "image/png" in data:
        pictures.mkdir(parents=True, exist_ok=True)
        (pictures / f"{name}.png").write_bytes(base64.b64decode(data["image/png"]))
        return f"![{escape(text.splitlines()[0])}](pictures/{name}.png)\n\n" + _folded(
            "The same as text", text
        )
    if text.startswith("Predict: "):
        return _prediction(text)
    if text.startswith(("What happened: ", "You predicted: ")):
        facts = (line.partition(": ") for line in text.splitlines())
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(fact)}</dd>" for name, _, fact in facts)
        return f'<dl class="outcome">{rows}</dl>'
    return _fence("text", text, "output")


def _language(source: str) -> str:
    first = source.partition("\n")[0]
    if first.startswith("%%shell"):
        return "bash"
    if first.startswith("%%writefile"):
        return next(
            (language for end, language in LANGUAGES.items() if first.endswith(end)), "text"
        )
    return "ipython3"


def _fence(language: str, text: str, style: str = "") -> str:
    ticks = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", text)), 3)
    text = text.rstrip("\n")
    if not style:
        return f"{ticks}{language}\n{text}\n{ticks}"
    return f"{ticks}{{code-block}} {language}\n:class: {style}\n:force:\n\n{text}\n{ticks}"


def _folded(summary: str, text: str) -> str:
    lines = escape(text).replace("\n\n", "\n&#8203;\n")  # an empty line would end the block of HTML
    return f"<details><summary>{summary}</summary><pre>{lines}</pre></details>"


def _prediction(text: str) -> str:
    question, *options = text.removeprefix("Predict: ").split("\n  ( ) ")
    items = "".join(f"<li>{escape(option)}</li>" for option in options)
    return _box("predict", "Predict", f"<p>{escape(question)}</p><ul>{items}</ul>")


def _quiz(notebook: Path) -> str:
    """The questions, their answers folded away; their texts are HTML, as jupyterquiz has them."""
    questions = _texts(notebook).quiz
    return "\n\n".join(_box("question", "Question", _question(each)) for each in questions)


def _texts(notebook: Path) -> lessontexts.LessonTexts:
    return lessontexts.read(notebook.parent / lessontexts.FOLDER / f"{notebook.stem}.toml")


def _question(question: dict[str, Any]) -> str:
    answers = question["answers"]
    choices = [answer["answer"] for answer in answers] if "choice" in question["type"] else []
    listed = f"<ul>{''.join(f'<li>{choice}</li>' for choice in choices)}</ul>" if choices else ""
    right = "".join(
        f"<li><strong>{answer.get('answer', answer.get('value', ''))}</strong>"
        f" {answer.get('feedback', '')}</li>"
        for answer in answers
        if answer.get("correct")
    )
    folded = f"<details><summary>Answer</summary><ul>{right}</ul></details>"
    return f"<p>{question['question']}</p>{listed}{folded}"


def _box(style: str, title: str, inside: str) -> str:
    return f'<div class="admonition {style}"><p class="admonition-title">{title}</p>{inside}</div>'
