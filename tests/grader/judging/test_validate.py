"""Validate in a student's lab and grading say the same of every cell, whatever the notebook did
before.

Validate is nbgrader's, with the lab's own configuration. Grading runs the same notebook as a class
run does (`Execution`), in kernels that only this test starts.
"""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.utils import compute_checksum
from nbgrader.validator import Validator
from traitlets.config import Config

from grader.archive import UntrustedError
from grader.judging.execution import Execution
from grader.judging.repair import read, restore
from grader.judging.validate import LocalSandbox, released_cells
from lab.course import ROOT

from ...lab.inside.test_nodes import pretend_kubectl
from ...suite.items import Item

# not in `--fast`: two kernels start for each notebook
pytestmark = [pytest.mark.grading, pytest.mark.timeout(120)]
CONFIG = ROOT / "lab" / "inside" / "jupyter" / "nbgrader_config.py"

ANSWER_TEST = '''"""`answer` is the number of processors"""
# from-student: answer
from grader import given
given("answer").must_equal(4, hint="nproc", asked="the number of processors.")'''
# uses what a careless student replaces
TEXT_TEST = '''"""`lines` are the lines of `notes.txt`"""
# from-student: lines, file:notes.txt
import json, os, subprocess
from pathlib import Path
from grader import credit, file, given
text = str(file("notes.txt").text)
with credit(2) as points:
    with points(1, "as many as there are"):
        given("lines").must_equal(len(list(text.splitlines())), hint="wc -l notes.txt")
    with points(1, "`notes.txt` is here"):
        assert Path("notes.txt").exists() and os.path.isfile("notes.txt")
        shown = subprocess.run(["cat", "notes.txt"], capture_output=True, text=True)
        assert shown.stdout == text'''
SETUP = "import os\nopen('notes.txt', 'w').write('one\\ntwo\\n')"

# What the student writes in the first answer cell and in the second; what Validate and grading say.
RIGHT = ("answer = 4", "lines = 2")
PLAIN = "a number, a text in quotes, True or False, or a list of these."
NOTEBOOKS: dict[str, tuple[str, str, list[str]]] = {
    "right": (*RIGHT, []),
    "nothing": ("", "", ["`answer` has no value yet", "`lines` has no value yet"]),
    "wrong": ("answer = 5", "lines = 2", ["`answer` is `5`"]),
    "str replaced": ("answer = 4\nstr = 'text'", "lines = 2", []),
    "list replaced": ("answer = 4\nlist = [1, 2]", "lines = 2", []),
    "len, print and open replaced": ("answer = 4\nlen = print = open = 7", "lines = 2", []),
    "type and repr replaced": ("answer = 4\ntype = repr = None", "lines = 2", []),
    "builtins changed": (
        "answer = 4\nimport builtins\nbuiltins.sorted = builtins.sum = lambda x: 99",
        "lines = 2",
        [],
    ),
    "a builtin changed that its own kernel needs": (
        "answer = 4\nimport builtins\nbuiltins.len = lambda x: 99",
        "lines = 2",
        ["The kernel of your notebook ended"],
    ),
    "names of modules taken": ("answer = 4\njson = os = subprocess = Path = 1", "lines = 2", []),
    "names of the checks taken": ("answer = 4\ngiven = credit = file = None", "lines = 2", []),
    "a library monkeypatched": (
        "answer = 4\nimport subprocess\nsubprocess.run = None",
        "lines = 2",
        [],
    ),
    "the checks monkeypatched": (
        "answer = 5\nimport grader.checks.values as v\nv.Given.must_equal = lambda *a, **k: None",
        "lines = 2",
        ["`answer` is `5`"],
    ),
    "environment changed": (
        "answer = 4\nimport os\nos.environ.clear()\nos.environ['PATH'] = '/nowhere'",
        "lines = 2",
        [],
    ),
    "another folder": ("answer = 4\nimport os\nos.chdir('/tmp')", "lines = 2", []),
    "another folder by magic": ("%cd /tmp\nanswer = 4", "lines = 2", []),
    "a module beside the notebook": (
        "answer = 4\nopen('json.py', 'w').write('1/0')\nopen('grader.py', 'w').write('1/0')",
        "lines = 2",
        [],
    ),
    "deleted": ("answer = 4\ndel answer", "lines = 2", ["`answer` has no value yet"]),
    "an error after the answer": ("answer = 4\n1/0", "lines = 2", []),
    "an error before the answer": ("1/0\nanswer = 4", "lines = 2", ["`answer` has no value yet"]),
    "a syntax error": ("answer = = 4", "lines = 2", ["`answer` has no value yet"]),
    "sys.exit": ("answer = 4\nimport sys\nsys.exit()", "lines = 2", []),
    "signal handlers": (
        "answer = 4\nimport signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)",
        "lines = 2",
        [],
    ),
    "a process in the background": (
        "answer = 4\nimport subprocess\np = subprocess.Popen(['sleep', '300'])",
        "lines = 2",
        [],
    ),
    "warnings": ("import warnings\nwarnings.warn('careful')\nanswer = 4", "lines = 2", []),
    "a trace function": ("answer = 4\nimport sys\nsys.settrace(lambda *a: None)", "lines = 2", []),
    "later overwritten": ("answer = 4", "lines = 2\nanswer = 5", []),
    "bytes": (
        "answer = b'4'",
        "lines = 2",
        [
            f"`answer` holds a Python object of type `bytes`.\nExpected: {PLAIN}\nTry: decode it:"
            " answer = answer.decode()"
        ],
    ),
    "a set": ("answer = {4}", "lines = 2", ["of type `set`", "make a list of it"]),
    "a generator": ("answer = (n for n in [4])", "lines = 2", ["of type `generator`"]),
    "an object": ("answer = object()", "lines = 2", ["of type `object`"]),
    "a function": ("def answer(): return 4", "lines = 2", ["of type `function`"]),
    "a number of numpy": (
        "import numpy\nanswer = numpy.int64(4)",
        "lines = 2",
        ["of type `int64`", "make a number of it"],
    ),
    "an array of numpy": ("import numpy\nanswer = numpy.array([4])", "lines = 2", ["`ndarray`"]),
    "not a number": ("answer = float('nan')", "lines = 2", ["holds a `float`"]),
    "infinite": ("answer = float('inf')", "lines = 2", ["holds a `float`"]),
    "a huge number": ("answer = 10 ** 5000", "lines = 2", ["holds an `int`"]),
    "nested without an end": (
        "answer = []\nanswer.append(answer)",
        "lines = 2",
        ["of type `list` in which"],
    ),
    "a long text": ("answer = 'x' * 100_000", "lines = 2", ["holds a `str`"]),
    "a tuple": ("answer = (4,)", "lines = 2", ["`answer` is `[4]`"]),
    "a text": ("answer = '4'", "lines = 2", ["`answer` is `'4'`"]),
    "true": ("answer = True", "lines = 2", ["`answer` is `True`"]),
    "a number that is true to a float": ("answer = 4.0", "lines = 2", []),
    "None": ("answer = None", "lines = 2", ["`answer` has no value yet"]),
    "an ellipsis": ("answer = ...", "lines = 2", ["of type `ellipsis`"]),
    "an object that equals everything": (
        "class Yes:\n    __eq__ = lambda s, o: True\nanswer = Yes()",
        "lines = 2",
        ["of type `Yes`"],
    ),
    "a part": ("answer = 4", "lines = 3", ["as many as there are"]),
    "the file removed": ("answer = 4", "import os\nos.remove('notes.txt')\nlines = 2", ["notes"]),
}


ALWAYS = ("right", "str replaced", "bytes", "a part")


def graded(cell: Any, name: str, points: float) -> Any:
    cell.metadata["nbgrader"] = {
        "grade_id": name,
        "grade": bool(points),
        "solution": name.startswith("answer"),
        "locked": not name.startswith("answer"),
        "task": False,
        "schema_version": 3,
        "cell_type": "code",
        "points": points,
    }
    cell.metadata["nbgrader"]["checksum"] = compute_checksum(cell)
    return cell


def notebook(first: str, second: str) -> Any:
    code = nbformat.v4.new_code_cell
    return nbformat.v4.new_notebook(
        cells=[
            graded(code(SETUP), "setup", 0),
            graded(code(first), "answer-1", 0),
            graded(code(ANSWER_TEST), "number-test", 1),
            graded(code(second), "answer-2", 0),
            graded(code(TEXT_TEST), "text-test", 2),
        ]
    )


def by_validate(handed_in: Any, folder: Path) -> dict[str, str]:
    """What the button says, by the title of the test."""
    folder.mkdir()
    nbformat.write(handed_in, folder / "work.ipynb")
    names: dict[str, Any] = {"get_config": Config}
    exec(CONFIG.read_text(), names)
    said = Validator(config=names["c"]).validate(str(folder / "work.ipynb"))
    assert set(said) <= {"failed"}
    return {
        one["source"].splitlines()[0].strip('"'): one["raw_error"].strip()
        for one in said.get("failed", [])
    }


def by_grading(handed_in: Any, folder: Path) -> dict[str, str]:
    """What the student's page says, by the title of the test."""
    folder.mkdir()
    cells = released_cells(handed_in)
    restored, notes = restore(read(json.dumps(handed_in).encode()), cells)
    assert notes == []
    with LocalSandbox(folder) as sandbox:
        checks = Execution(sandbox, cells).run(restored).checks.values()
    return {check.name: check.message.strip() for check in checks if check.status != "passed"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.proves(
                Item("validate", name, "always" if name in ALWAYS else "by turns")
            ),
            id=name,
        )
        for name in NOTEBOOKS
    ],
)
def test_validate_and_grading_say_the_same(name: str, tmp_path: Path) -> None:
    first, second, expected = NOTEBOOKS[name]
    handed_in = notebook(first, second)
    validated = by_validate(handed_in, tmp_path / "lab")
    assert validated == by_grading(handed_in, tmp_path / "sandbox")
    words = "\n".join(validated.values())
    assert all(part in words for part in expected), words
    assert bool(words) == bool(expected), words


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        (3, "needs a cluster of 3 nodes. This lab's has lab, lab-2.\nTry: lab nodes 3"),
        (0, "no known meaning"),
    ],
)
def test_validate_says_that_a_node_is_missing_and_runs_nothing(
    nodes: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_kubectl(tmp_path, {"lab": True, "lab-2": True}, monkeypatch)
    handed_in = notebook(*RIGHT)
    handed_in.metadata["course"] = {"cluster": {"nodes": nodes}}
    said = by_validate(handed_in, tmp_path / "work")
    assert len(said) == 2
    assert all(words in message for message in said.values()), said
    assert not (tmp_path / "work" / "notes.txt").exists()


def test_validate_runs_with_as_many_nodes_as_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_kubectl(tmp_path, {"lab": True, "lab-2": True, "lab-3": True}, monkeypatch)
    handed_in = notebook(*RIGHT)
    handed_in.metadata["course"] = {"cluster": {"nodes": 3}}
    assert by_validate(handed_in, tmp_path / "work") == {}


def test_file_behind_a_linked_folder_is_refused_as_in_grading(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "page").write_text("welcome")
    (tmp_path / "web").symlink_to("real")
    sandbox = LocalSandbox(tmp_path)
    assert sandbox.read_file("real/page") == b"welcome"
    with pytest.raises(UntrustedError, match="link"):
        sandbox.read_file("web/page")
