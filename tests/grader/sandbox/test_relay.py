"""Cells run as in JupyterLab, behind a relay that is spoken to as a sandbox's is."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from grader.judging.execution import NUMBERS
from grader.sandbox.inside.relay import MAX_OUTPUT_CHARS

pytestmark = pytest.mark.timeout(60)


@dataclass
class Ran:
    """One cell's outputs and how it ended."""

    outputs: list[dict[str, Any]]
    done: dict[str, Any]

    @property
    def printed(self) -> str:
        return "".join(output["text"] for output in self.outputs if output.get("name") == "stdout")


class Relay:
    """The relay's process, without a container."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "grader.sandbox.inside.relay", str(folder)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.more: list[float] = []  # what it is told when a cell's time is over
        assert self.next() == {"event": "ready"}

    def next(self) -> dict[str, Any]:
        assert self.process.stdout
        return dict(json.loads(self.process.stdout.readline()))

    def ask(self, **request: Any) -> Ran:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"id": 1, **request}) + "\n")
        self.process.stdin.flush()
        outputs = []
        while (message := self.next())["event"] != "done":
            if message["event"] == "late":
                self.process.stdin.write(json.dumps({"more": self.more.pop(0)}) + "\n")
                self.process.stdin.flush()
                continue
            outputs.append(message["output"])
        return Ran(outputs, message)

    def run(self, code: str, timeout: float = 20, **more: Any) -> Ran:
        return self.ask(op="run", code=code, timeout=timeout, **more)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    made = Relay(tmp_path)
    yield made
    assert made.process.stdin
    made.process.stdin.close()
    made.process.wait(10)


def test_cell_gets_more_time_where_there_is_more(relay: Relay) -> None:
    relay.more = [0.3, 20]
    cell = "import time\ntime.sleep(1)\nprint('done')"
    ran = relay.run(cell, timeout=0.2, asks=True)
    assert (ran.printed, ran.done["status"]) == ("done\n", "ok")
    assert relay.more == []


def test_cell_is_interrupted_where_there_is_no_more_time(relay: Relay) -> None:
    relay.more = [0.2, 0]
    assert relay.run("while True: pass", timeout=0.2, asks=True).done["status"] == "timeout"
    assert relay.run("print('goes on')").printed == "goes on\n"


def test_interrupted_cell_has_its_grace(relay: Relay) -> None:
    cell = "import time\ntry:\n    time.sleep(60)\nfinally:\n    time.sleep(1.5)"
    assert relay.run(cell, timeout=0.2, grace=30).done["status"] == "timeout"
    assert relay.run(cell, timeout=0.2, grace=0.3).done["status"] == "dead"


def test_what_is_shown_and_printed_stays_in_order(relay: Relay) -> None:
    cell = """
import subprocess, sys
from IPython.display import Markdown, display
print("one", end=" ", flush=True)
subprocess.run(["echo", "two"])
print("three", file=sys.stderr)
display(Markdown("four"))
print("five")
6
"""
    ran = relay.run(cell)
    shown = [
        output.get("text") or output["data"].get("text/markdown") or output["data"]["text/plain"]
        for output in ran.outputs
    ]
    assert "|".join(shown).replace("|\n", "\n") == "one two\n|three\n|four|five\n|6"
    assert ran.outputs[-1]["output_type"] == "execute_result"
    assert ran.done["status"] == "ok"


def test_errors_have_name_value_and_traceback(relay: Relay) -> None:
    ran = relay.run("def f():\n    return 1 / 0\nf()")
    assert (ran.done["status"], ran.done["error"]) == (
        "error",
        ["ZeroDivisionError", "division by zero"],
    )
    assert ran.outputs[-1]["ename"] == "ZeroDivisionError"
    assert "line 2" in re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(ran.outputs[-1]["traceback"]))
    assert relay.run("x = (").done["error"][0] == "SyntaxError"
    mute = "class Mute(Exception):\n    def __str__(self): raise ValueError\nraise Mute"
    assert relay.run(mute).done["status"] == "error"
    assert relay.run("print('goes on')").printed == "goes on\n"


def test_expressions_are_claims_of_the_cells_variables(relay: Relay) -> None:
    relay.run("x = [1, 2]")
    claims = relay.run("", silent=True, expressions={"x": "repr(x)", "y": "y"}).done["expressions"]
    assert claims["x"]["data"]["text/plain"] == repr("[1, 2]")
    assert claims["y"]["ename"] == "NameError"


def test_cells_run_in_an_event_loop(relay: Relay) -> None:
    relay.run(
        "import asyncio\nasync def later():\n    await asyncio.sleep(0.05)\n    return"
        " 'later'\ntask = asyncio.create_task(later())"
    )
    assert relay.run("print(await task)").printed == "later\n"


def test_magics_figures_and_system_commands_work(relay: Relay) -> None:
    assert relay.run("%%bash\necho from bash").printed == "from bash\n"
    assert relay.run("!echo from a system command").printed.strip() == "from a system command"
    drawn = relay.run("%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert [output["data"]["image/png"][:8] for output in drawn.outputs] == ["iVBORw0K"]


@pytest.mark.parametrize(
    "cell",
    [
        "while True: pass",
        "import time; time.sleep(60)",
        "import asyncio; await asyncio.sleep(60)",
        "!sleep 60",
    ],
)
def test_a_cell_is_interrupted_at_its_limit_and_the_next_one_runs(relay: Relay, cell: str) -> None:
    relay.run("kept = 1")
    assert relay.run(cell, timeout=0.3).done["status"] == "timeout"
    assert relay.run("print(kept)").printed == "1\n"


def test_a_cell_that_ignores_its_interrupt_ends_the_shell(relay: Relay) -> None:
    stubborn = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    assert relay.run(stubborn, timeout=0.3).done["status"] == "dead"
    assert relay.process.wait(10) == 137


@pytest.mark.parametrize(
    ("cell", "status"), [("import os; os._exit(0)", 1), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_the_end_of_the_shell_is_told(relay: Relay, cell: str, status: int) -> None:
    assert relay.run(cell).done["status"] == "dead"
    assert relay.process.wait(10) == status


def test_endless_output_is_cut_and_said_once(relay: Relay) -> None:
    ran = relay.run("while True: print('x' * 1000)", timeout=1)
    assert ran.done["status"] == "timeout"
    assert len(json.dumps(ran.outputs)) < MAX_OUTPUT_CHARS + 10_000
    assert ran.printed.count("the rest of the output was left out") == 1


def test_what_runs_on_between_cells_belongs_to_none(relay: Relay) -> None:
    relay.run("import subprocess\nlate = subprocess.Popen('sleep 0.3; echo late', shell=True)")
    relay.run("late.wait()", silent=True)
    assert relay.run("print('now')").printed == "now\n"


def test_forked_processes_do_not_speak_for_the_cell(relay: Relay) -> None:
    cell = """
import os, sys
if not (child := os.fork()):
    print("from the child", file=sys.stderr)
    os._exit(0)
os.waitpid(child, 0)
print("from the parent", file=sys.stderr)
"""
    ran = relay.run(cell)
    assert "".join(output["text"] for output in ran.outputs) == "from the child\nfrom the parent\n"


def test_files_are_written_below_the_folder(relay: Relay, tmp_path: Path) -> None:
    assert (
        relay.ask(op="write", path="web/Dockerfile", data="RlJPTSBidXN5Ym94").done["status"] == "ok"
    )
    assert (tmp_path / "web" / "Dockerfile").read_text() == "FROM busybox"
    assert relay.run("print(open('web/Dockerfile').read())").printed == "FROM busybox\n"


PART = """
with credit(3) as points:
    with points(1):
        pass
    with points(2):
        raise CheckFailed("found", "expected", "hint")
"""
SWALLOWED = """
try:
    with credit(1) as points:
        with points(1):
            raise CheckFailed("found", "expected", "hint")
except CheckFailed:
    pass
"""


def test_number_of_a_check_comes_apart_from_its_output(relay: Relay) -> None:
    asked = {"code": "", "silent": True, "expressions": {"numbers": NUMBERS}}
    relay.run("from grader import CheckFailed, credit")
    given = {}
    for cell in (
        PART,
        PART.rstrip() + ";",
        f"print('x' * {MAX_OUTPUT_CHARS})\n{PART}",
        SWALLOWED,
        f"{PART}\nraise ValueError",
        "1",
        f"print('x' * {MAX_OUTPUT_CHARS})\n2",
        "True",
        "'2'",
        "x = 3",
    ):
        relay.run(cell)
        values = relay.run(**asked).done["expressions"]  # type: ignore[arg-type]
        given[cell] = values["numbers"]["data"]["text/plain"]
    assert list(given.values()) == [
        "[1]",
        "[1]",
        "[1]",
        "[None]",
        "[1]",
        "[1.0]",
        "[2.0]",
        "[]",
        "[]",
        "[]",
    ]
