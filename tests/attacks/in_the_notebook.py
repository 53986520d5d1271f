"""Attacks that forge the notebook: what cells are for, what tests say, what they gave."""

import copy
from typing import Any

from .attack import EVERYTHING, PODS, Attack, Notebook, cell, code_cell, meta, tests


def _tagged(notebook: Notebook) -> None:
    for one in tests(notebook):
        one["metadata"]["tags"] = ["skip-execution"]


def _without_metadata(notebook: Notebook) -> None:
    for one in tests(notebook):
        one["metadata"] = {}


def _altered(notebook: Notebook) -> None:
    for one in tests(notebook):
        meta(one).update(grade=False, locked=False, solution=True, points=0)
        one["source"] = "100"


def _worth_more(notebook: Notebook) -> None:
    for one in tests(notebook):
        meta(one).update(points=100)
        one["source"] = "100"


def _duplicated(notebook: Notebook) -> None:
    for one in tests(notebook):
        twin = copy.deepcopy(one)
        twin["source"] = "pass"
        twin["id"] = f"{one.get('id', 'x')}-twin"
        notebook["cells"].insert(0, twin)
        notebook["cells"].append(copy.deepcopy(twin) | {"id": f"{twin['id']}-2"})


def _moved(notebook: Notebook) -> None:
    moved = tests(notebook)
    notebook["cells"] = moved + [one for one in notebook["cells"] if one not in moved]


def _deleted(notebook: Notebook) -> None:
    gone = tests(notebook)
    notebook["cells"] = [one for one in notebook["cells"] if one not in gone]


def _markdown(notebook: Notebook) -> None:
    for one in tests(notebook):
        one["cell_type"] = meta(one)["cell_type"] = "markdown"
        del one["outputs"], one["execution_count"]


def _forged(notebook: Notebook) -> None:
    made_up: dict[str, Any] = {
        "grade_id": "bonus",
        "grade": True,
        "locked": True,
        "solution": False,
        "task": False,
    }
    made_up |= {"points": 100, "schema_version": 3, "cell_type": "code"}
    notebook["cells"].append(code_cell("100", nbgrader=made_up))


def _with_outputs(notebook: Notebook) -> None:
    for one in tests(notebook):
        data = {"text/plain": str(float(meta(one)["points"]))}
        one["outputs"] = [
            {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": 1}
        ]


def _easier_setup(notebook: Notebook) -> None:
    cell(notebook, "setup")["source"] = "NUMBERS = []"
    cell(notebook, "total")["source"] = "total = 0"


def _more_nodes(notebook: Notebook) -> None:
    notebook["metadata"]["course"] = {"cluster": {"nodes": 3}}


COUNT_NODES = """
from subprocess import run
asked = run(["kubectl", "get", "nodes", "-o", "name"], capture_output=True, text=True, timeout=25)
if asked.stdout != "node/lab\\n":
    print("SUCCEEDED", asked)
"""
ATTACKS = [
    Attack(
        "Test cells tagged skip-execution",
        "repair: tags are left behind",
        change=_tagged,
        stock=True,
    ),
    Attack(
        "Metadata of test cells removed",
        "repair: what is a test comes from the gradebook",
        change=_without_metadata,
        stock=True,
        note="was missing",
    ),
    Attack(
        "Metadata and source of test cells altered",
        "repair: what is a test comes from the gradebook",
        change=_altered,
        stock=True,
    ),
    Attack(
        "Test cells that give themselves 100 points",
        "repair: locked cells are as released",
        change=_worth_more,
        stock=True,
    ),
    Attack(
        "Test cells duplicated with an easier twin",
        "repair: locked cells are as released",
        change=_duplicated,
        stock=True,
        note="more than once",
    ),
    Attack(
        "Test cells moved before the answers",
        "repair: the released order",
        answers=EVERYTHING,
        change=_moved,
        note="had been moved",
    ),
    Attack(
        "Test cells deleted",
        "repair: they are put back",
        change=_deleted,
        stock=True,
        note="was missing",
    ),
    Attack(
        "Test cells turned into text",
        "repair: a cell's type is as released",
        change=_markdown,
        stock=True,
        note="had become",
    ),
    Attack(
        "A forged graded cell worth 100 points",
        "repair: an id that was never released is nobody's",
        change=_forged,
        stock=True,
        note="never released",
    ),
    Attack(
        "Outputs that claim full points",
        "repair: outputs are left behind",
        change=_with_outputs,
        stock=True,
    ),
    Attack(
        "A setup cell that makes the question easier",
        "repair; the checker runs its own setup",
        change=_easier_setup,
        stock=True,
    ),
    Attack(
        "More nodes asked for in the notebook's metadata",
        "the exercise's source says how many there are",
        COUNT_NODES,
        "web",
        ("web",),
        change=_more_nodes,
        trial=PODS,
    ),
]
