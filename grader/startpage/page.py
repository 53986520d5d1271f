"""The start page as HTML, made from what is true at this moment."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import jinja2

from grader.handin.submit import is_submitted
from grader.pages.template import code
from grader.startpage import condition, progress
from grader.startpage.notebooks import Notebook, read_notebooks
from grader.startpage.progress import Progress
from lab.finding import Finding

THEMES = ("light", "dark")
STATES = {"ok": "works", "note": "works, with a note", "bad": "does not work"}


@dataclass(frozen=True)
class Entry:
    """A row of the map."""

    notebook: Notebook
    state: str
    done: bool


_PAGES = jinja2.Environment(
    autoescape=True,
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters["code"] = code


def render(workspace: Path, base_url: str, theme: str = "") -> str:
    """The page; ``base_url`` is JupyterLab's, and ends with a slash. Keeps the progress it shows.
    ``theme`` is light, dark or anything else for what the browser prefers.

    Takes as long as engine and cluster take to answer, some ten seconds at most.
    """
    notebooks = read_notebooks(workspace)
    findings = condition.examine()
    submitted = [
        one.path
        for one in notebooks
        if one.kind == "exercise" and is_submitted(workspace, one.name)
    ]
    try:
        kept = progress.keep(workspace, notebooks, submitted)
    except OSError as error:
        kept = progress.merge(progress.load(workspace), notebooks, submitted)
        findings.append(_not_kept(error))
    entries = [_entry(one, kept.get(one.path, Progress())) for one in notebooks]
    return _PAGES.get_template("page.html.jinja").render(
        entries=entries,
        following=next((entry for entry in entries if not entry.done), None),
        findings=findings,
        broken=[finding.name for finding in findings if finding.state == "bad"],
        states=STATES,
        base_url=base_url,
        theme=theme if theme in THEMES else "",
        now=datetime.now(),
        progress_file=progress.PROGRESS,
    )


def _entry(notebook: Notebook, kept: Progress) -> Entry:
    return Entry(notebook, progress.state(notebook, kept), progress.is_done(notebook, kept))


def _not_kept(error: OSError) -> Finding:
    return Finding(
        "progress",
        "bad",
        f"`{progress.PROGRESS}` in your workspace cannot be written ({error.strerror})",
        "free some space, or make the workspace writable",
    )
