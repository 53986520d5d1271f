"""A lesson entered at each of its sections, as somebody does whose browser was closed in between.

Inside a lab, ``python -m tests.lesson_sections course/NN-name.ipynb`` begins each section in a
kernel of its own, after a clean start, and prints as JSON what went wrong, by heading.
"""

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.lessontexts import CLEAN_START, source

from .lesson_tasks import Cells

HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


def sections(cells: Cells) -> Iterator[tuple[str, Cells]]:
    """Heading and code cells of each section that has any, without the one of the clean start."""
    heading, found = "", []
    for cell in cells:
        headings = HEADING.findall(source(cell)) if cell["cell_type"] == "markdown" else []
        if headings:  # what stands above it in its cell still reads the section before
            if heading and found:
                yield heading, found
            heading, found = headings[-1], []
        elif cell["cell_type"] == "code":
            found.append(cell)
    if heading and found:
        yield heading, found


def run(path: Path) -> dict[str, str]:
    """Enter a lesson at each of its sections: what went wrong, by heading."""
    # only inside a lab
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    [start] = [cell for cell in notebook.cells if cell.get("id") == CLEAN_START]

    async def entered(cells: list[Any]) -> str:
        notebook.cells = [start, *cells]
        client = NotebookClient(
            notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}
        )
        async with client.async_setup_kernel():
            await client.async_execute_cell(start, 0)
        async with client.async_setup_kernel():  # a new one knows no variables
            for number, cell in enumerate(cells, 1):
                try:
                    await client.async_execute_cell(cell, number)
                except CellExecutionError as error:
                    return f"{cell.get('id')}: {error}"
        return ""

    async def all_sections() -> dict[str, str]:
        each = list(sections(notebook.cells))
        said = {heading: await entered(cells) for heading, cells in each}
        return {heading: wrong for heading, wrong in said.items() if wrong}

    return asyncio.run(all_sections())


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]))))
