"""Attacks by amount: on what drives the run, on what reads its results, and on whose fault it is."""

from typing import Any

from .attack import EVERYTHING, Attack, Notebook, code_cell

FIRST_TWO = ("total", "web")
SURROGATES = r"""
from IPython.display import display
display({"text/plain": "\ud800"}, raw=True)
display({"text/plain": "x", "\udfff": "\ud800"}, metadata={"\ud800": "\ud800"}, raw=True)
print("\ud800")
try:
    raise ValueError("\ud800")
except ValueError as error:
    get_ipython().showtraceback()
"""
FLOOD_OF_LABELS = """
import json, http.client, socket, os
class Engine(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("@STUDENT@/docker.sock")
body = json.dumps({"Image": "busybox", "Cmd": ["true"], "Labels": {"flood": "x" * 900_000}})
for number in range(150):
    engine = Engine("engine")
    engine.request("POST", "/containers/create", body, {"Content-Type": "application/json"})
    if engine.getresponse().status != 201:
        break
"""


def many_outputs(notebook: Notebook) -> None:
    """The outputs of one cell are within its limit; there are very many cells."""
    notebook["cells"] += [code_cell("print('x' * 298_000)") for _ in range(100)]


def many_claims(notebook: Notebook) -> None:
    notebook["cells"] += [
        {
            "cell_type": "markdown",
            "metadata": {"nbgrader": {"grade_id": f"bonus-{number}\x1b[2J", "points": 100}},
            "source": "",
        }
        for number in range(9000)
    ]


def long_code(notebook: Notebook) -> None:
    notebook["cells"].append(code_cell("'" + "a " * 900_000 + "'"))


def odd_attachments(notebook: Notebook) -> None:
    picture: dict[str, Any] = {"image/png": "iVBORw0KGgo="}
    notebook["cells"].append(
        {
            "cell_type": "markdown",
            "metadata": {"\ud800": "\ud800"},
            "source": "![x](attachment:x)",
            "attachments": {"\ud800": picture, "x": picture},
        }
    )


ATTACKS = [
    Attack(
        "A hundred cells that each print all they may",
        "what a whole notebook shows has a limit",
        answers=EVERYTHING,
        change=many_outputs,
        note="show more than 3,000,000 characters",
    ),
    Attack(
        "Thousands of cells that claim to be tests",
        "notes of a kind are counted",
        answers=EVERYTHING,
        change=many_claims,
        note="And 8,980 more of these",
    ),
    Attack(
        "A cell of two million characters",
        "only the first cells of a page are highlighted",
        answers=EVERYTHING,
        change=long_code,
    ),
    Attack(
        "Output that UTF-8 has no form for",
        "texts are made recordable as they come in",
        SURROGATES,
        "file",
        EVERYTHING,
    ),
    Attack(
        "Names of pictures that UTF-8 has no form for",
        "texts are made recordable as they come in",
        answers=EVERYTHING,
        change=odd_attachments,
    ),
    Attack(
        "A variable that UTF-8 has no form for",
        "texts are made recordable as they come in",
        r"total = '\ud800'",
        answers=("web", "file"),
    ),
    Attack(
        "Containers with labels of a megabyte each",
        "what the student's objects stop is the student's, and the rest is graded",
        FLOOD_OF_LABELS,
        "file",
        EVERYTHING,
        reason=(None, "out-of-memory"),
        attempts=False,
    ),
]
