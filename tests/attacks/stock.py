"""The same hand-ins on stock nbgrader, where that does no harm: those that stay within their own
process and notebook.

    python -m tests.attacks.stock

measures them and writes ``stock.json`` beside this file: points gained over an honest hand-in, by
attack. Everything runs in one throw-away container of the lab image, without network, as user 1000,
one submission after the other. The assignment is the trial with its tests in stock style: in the
student's kernel, with assert and unittest.
"""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from grader.run.local import ensure_sandbox_image
from lab.machine.host import ensure_engine

from .attack import TRIAL, Attack, Notebook, cell, meta
from .suite import ATTACKS

RESULTS = Path(__file__).parent / "stock.json"
SOURCE = Path(__file__).parent / "fixtures" / "solutions" / TRIAL / f"{TRIAL}.ipynb"
WORK = "/tmp/stock"
TESTS = {
    "total-test": "from unittest import TestCase\nTestCase().assertEqual(total, sum(NUMBERS))",
    "web-page-test": "### BEGIN HIDDEN TESTS\nassert total == 16\n### END HIDDEN TESTS",
    "file-test": 'assert open("Dockerfile").read() == "FROM busybox\\n"',
}
WORTH = {"total-test": ("total", 3.0), "web-page-test": ("total", 2.0), "file-test": ("file", 2.0)}
HONEST = Attack("honest", "", answers=("total", "file"))
NOTHING = Attack("nothing", "")
# All students, one by one, by nbgrader's own interface. Prints {student: {"points": number or null,
# "active": …}}.
GRADE = f"""
import json, os, pathlib, re, sys
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config
os.chdir("{WORK}")
os.environ["PATH"] = os.path.dirname(sys.executable) + ":" + os.environ["PATH"]
config = Config()
config.CourseDirectory.root = "{WORK}"
config.ExecutePreprocessor.timeout = 20
api = NbGraderAPI(config=config)
api.generate_assignment("{TRIAL}")
found = {{}}
for student in sorted(os.listdir("submitted")):
    graded = api.autograde("{TRIAL}", student)["success"]
    api.generate_feedback("{TRIAL}", student)
    with Gradebook("sqlite:///{WORK}/gradebook.db") as gradebook:
        points = gradebook.find_submission("{TRIAL}", student).score if graded else None
    pages = "".join(page.read_text() for page in pathlib.Path("feedback", student).glob("*/*.html"))
    found[student] = {{"points": points, "active": bool(re.search(r"<script>alert|<img[^>]* onerror=", pages))}}
print(json.dumps(found))
"""


def released_in_stock_style() -> Notebook:
    """The source notebook of the trial with tests that run in the student's kernel, and without the
    question that needs an engine.
    """
    notebook: Notebook = json.loads(SOURCE.read_text())
    notebook["cells"] = [
        one
        for one in notebook["cells"]
        if meta(one)["grade_id"] not in ("web-text", "web", "web-test")
    ]
    for name, source in TESTS.items():
        cell(notebook, name)["source"] = source
    return notebook


def handed_in(attack: Attack) -> bytes:
    """The notebook of an attacker."""
    notebook = released_in_stock_style()
    for one in notebook["cells"]:
        if meta(one)["solution"]:
            one["source"] = "# YOUR CODE HERE"
    return json.dumps(attack.hand_in(notebook)).encode()


def measure() -> dict[str, Any]:
    """{attack: {"gained": points over an honest hand-in, or null where nbgrader did not grade it,
    "active": …}}.
    """
    client = ensure_engine()
    attacks = [HONEST, NOTHING, *(attack for attack in ATTACKS if attack.stock)]
    files = {
        f"submitted/{attack.student}/{TRIAL}/{TRIAL}.ipynb": handed_in(attack) for attack in attacks
    }
    files |= {
        f"source/{TRIAL}/{TRIAL}.ipynb": json.dumps(released_in_stock_style()).encode(),
        "grade.py": GRADE.encode(),
    }
    options: dict[str, Any] = {
        "network_disabled": True,
        "mem_limit": "1g",
        "pids_limit": 256,
        "user": "1000:1000",
    }
    container = client.containers.create(
        ensure_sandbox_image(client).image,
        ["sleep", "1800"],
        entrypoint="",
        environment={"HOME": WORK},
        cap_drop=["ALL"],
        init=True,
        **options,
    )
    try:
        container.put_archive("/tmp", _packed(files))
        container.start()
        found = _graded(container)
        return {attack.name: _gained(attack, found[attack.student]) for attack in attacks}
    finally:
        container.remove(force=True)


def _graded(container: Any) -> dict[str, dict[str, Any]]:
    command = ["/opt/lab/venv/bin/python", f"{WORK}/grade.py"]
    _, (said, errors) = container.exec_run(command, demux=True, workdir=WORK)
    if not said:
        raise RuntimeError((errors or b"").decode()[-2000:])
    graded: dict[str, dict[str, Any]] = json.loads(said.splitlines()[-1])
    return graded


def _gained(attack: Attack, found: dict[str, Any]) -> dict[str, Any]:
    honest = sum(points for (question, points) in WORTH.values() if question in attack.answers)
    return {
        "gained": None if found["points"] is None else found["points"] - honest,
        "active": found["active"],
    }


def _packed(files: dict[str, bytes]) -> bytes:
    with tarfile.open(fileobj=(spool := io.BytesIO()), mode="w") as archive:
        folders = {
            str(parent)
            for path in files
            for parent in Path("stock", path).parents
            if str(parent) != "."
        }
        for folder in sorted(folders):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, 1000, 1000
            archive.addfile(entry)
        for path, content in files.items():
            entry = tarfile.TarInfo(f"stock/{path}")
            entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o644, 1000, 1000
            archive.addfile(entry, io.BytesIO(content))
    return spool.getvalue()


if __name__ == "__main__":
    measured = measure()
    assert measured["honest"]["gained"] == measured["nothing"]["gained"] == 0, measured
    RESULTS.write_text(
        json.dumps(
            {name: one for name, one in measured.items() if name not in ("honest", "nothing")},
            indent=2,
        )
        + "\n"
    )
    print(json.dumps(measured, indent=2))
