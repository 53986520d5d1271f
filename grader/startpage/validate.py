"""Keeps what *Validate* found in an exercise, for the start page."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor  # type: ignore[import-untyped]

from grader.judging.validate import released_cells
from grader.startpage import progress
from grader.startpage.notebooks import course_paths
from lab.notebook.passed import looks


class KeepChecks(NbGraderPreprocessor):  # type: ignore[misc]
    """Comes after ``grader.judging.validate.Validate`` and changes nothing."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """nbgrader runs this in the folder of an exercise, which its notebook is named for."""
        folder = Path.cwd()
        workspace = Path(os.environ.get("LAB_FOLDER", folder)).resolve()
        notebook = folder / f"{folder.name}.ipynb"
        path = os.path.relpath(notebook, workspace)
        errors = {
            cell.metadata.get("nbgrader", {}).get("grade_id"): output.ename
            for cell in nb.cells
            for output in cell.get("outputs", ())
            if output.output_type == "error"
        }
        if path in course_paths(workspace) and "EnvironmentProblem" not in errors.values():
            cells = released_cells(nb)
            # what is only looked at when work is graded is not counted as passed
            tests = {cell.grade_id for cell in cells if cell.is_test and looks(cell.source)}
            passed = len(tests - errors.keys())
            # the page says when progress cannot be kept; Validate must not fail for that
            with suppress(OSError):
                progress.keep_checks(workspace, path, passed=passed, checks=len(tests))
        return nb, resources
