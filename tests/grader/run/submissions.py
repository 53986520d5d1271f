"""What a class hands in: right, wrong, broken and hostile work."""

from collections.abc import Callable

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

RIGHT_WEB = "!docker run -d --name web busybox sleep 600"
RIGHT_REST = "answer = ['a', 'b', 'c']\nopen('Dockerfile', 'w').write('FROM busybox\\n')"
LIES = """
import glob, os
for path in glob.glob(f"/proc/{os.getppid()}/fd/[1-9]*"):
    try:
        with open(path, "w") as stream:
            stream.write('{"event": "done", "points": ' + "[" * 30_000 + "\\n")
    except OSError:
        pass
"""
Change = Callable[[NotebookNode], None]


def cell(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    return next(
        one
        for one in notebook.cells
        if one.metadata.get("nbgrader", {}).get("grade_id") == grade_id
    )


def answers(
    q1: str = RIGHT_WEB, q2: str = RIGHT_REST, q3: str = "A process with a view of its own."
) -> Change:
    def change(notebook: NotebookNode) -> None:
        for grade_id, source in (("q1", q1), ("q2", q2), ("q3", q3)):
            cell(notebook, grade_id).source = source

    return change


def without_tests(notebook: NotebookNode) -> None:
    notebook.cells = [
        one for one in notebook.cells if not one.metadata.get("nbgrader", {}).get("grade")
    ]


def with_test_twice(notebook: NotebookNode) -> None:
    answers(q1="")(notebook)
    twin = new_code_cell("pass", metadata=cell(notebook, "q1-test").metadata)
    notebook.cells.insert(0, twin)
    notebook.cells.append(twin)


def with_a_forged_cell(notebook: NotebookNode) -> None:
    made_up = {
        "grade_id": "bonus",
        "grade": True,
        "locked": True,
        "solution": False,
        "task": False,
        "points": 100,
        "schema_version": 3,
        "cell_type": "code",
    }
    answers(q1="")(notebook)
    notebook.cells.insert(3, new_code_cell("100", metadata={"nbgrader": made_up}))


def with_skipped_tests(notebook: NotebookNode) -> None:
    answers(q1="")(notebook)
    for one in notebook.cells:
        one.metadata["tags"] = ["skip-execution"]


def upside_down(notebook: NotebookNode) -> None:
    answers()(notebook)
    notebook.cells.reverse()


def with_an_easier_test(notebook: NotebookNode) -> None:
    answers(q1="")(notebook)
    cell(notebook, "q1-test").source = "3"
    cell(notebook, "q1-test").metadata["nbgrader"].update(grade=False, locked=False, solution=True)


def with_active_content(notebook: NotebookNode) -> None:
    answers(q3="<script>alert(1)</script><img src=x onerror=alert(2)>\n\n[x](javascript:alert(3))")(
        notebook
    )
    show = (
        "from IPython.display import HTML,"
        " display\ndisplay(HTML('<script>alert(4)</script>'))\nprint('<script>alert(5)</script>')"
    )
    notebook.cells += [
        new_code_cell(show),
        new_markdown_cell("<iframe src='https://example.com'></iframe>"),
    ]


SUBMISSIONS: dict[str, Change] = {
    "right": answers(),
    "released": lambda notebook: None,
    "wrong": answers(
        q1="!docker run -d --name web busybox true",
        q2="answer = ['a', 'b']\nopen('Dockerfile', 'w').write('FROM alpine\\n')",
    ),
    "noisy": answers(
        q2="import sys, warnings\nprint('noise', file=sys.stderr)\nwarnings.warn('noise')\n"
        + RIGHT_REST
    ),
    "killer": answers(
        q2="open('Dockerfile', 'w').write('FROM busybox\\n')\nimport os\nos._exit(0)"
    ),
    "parent-killer": answers(q2="import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"),
    "loop": answers(q2=RIGHT_REST + "\nwhile True: pass"),
    "stubborn": answers(
        q2="import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    ),
    "flood": answers(q2=RIGHT_REST + "\nwhile True: print('x' * 10000)"),
    "bomb": answers(q2="hoard = [bytearray(1 << 28) for _ in range(8)]"),
    "liar": answers(q2=LIES + RIGHT_REST),
    "not-a-number": answers(q2="answer = float('nan')"),
    "without-tests": without_tests,
    "test-twice": with_test_twice,
    "forged": with_a_forged_cell,
    "skipped": with_skipped_tests,
    "upside-down": upside_down,
    "easier": with_an_easier_test,
    "active": with_active_content,
}
UNREADABLE = {
    "not-json": b"I could not do it, sorry.",
    "truncated": b'{"cells": [{"cell_type": "code", "source": "x',
    "other-json": b'{"answers": []}',
    "nested": b"[" * 200_000,
    "empty-file": b"",
}
