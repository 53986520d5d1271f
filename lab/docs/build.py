"""Build the site from docs/ and the generated pages with Sphinx; each warning is an error."""

import shutil
import tempfile
import warnings
from io import StringIO
from pathlib import Path

import click
from sphinx.application import Sphinx
from sphinx.errors import SphinxError

from lab.cli import main
from lab.course import ROOT
from lab.docs import commands, lessons
from lab.errors import LabError


def build(target: Path, docs: Path = ROOT / "docs", course: Path = ROOT / "course") -> None:
    """Write the site into the folder `target`; LabError with the warnings when there are any."""
    with tempfile.TemporaryDirectory(prefix="course-docs-") as folder:
        source = Path(folder) / "source"
        shutil.copytree(docs, source)
        _generate(source, course)
        said = _run_sphinx(source, target, Path(folder) / "doctrees")
    if said:
        raise LabError(
            "The site was built with warnings, which count as errors:\n"
            + said.replace(f"{source}/", "docs/"),
            "correct the pages named above (docs/lessons and docs/commands.md are generated), then"
            " run bin/lab docs again.",
        )


def _generate(source: Path, course: Path) -> None:
    notebooks = sorted(course.glob("*.ipynb"))
    (source / "lessons").mkdir()
    for notebook in notebooks:
        text = lessons.page(notebook, source / "lessons" / "pictures")
        (source / "lessons" / f"{notebook.stem}.md").write_text(text)
    (source / "lessons.md").write_text(lessons.contents(notebooks))
    (source / "commands.md").write_text(commands.page(main))


def _run_sphinx(source: Path, target: Path, doctrees: Path) -> str:
    said = StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # MyST's own calls of Sphinx
        try:
            app = Sphinx(
                source, source, target, doctrees, "html", status=None, warning=said, freshenv=True
            )
            app.build(force_all=True)
        except SphinxError as error:
            said.write(str(error))
    return click.unstyle(said.getvalue()).strip()
