"""An exercise that asks for three nodes is graded on three, whatever the hand-in asks for."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from grader.course import RELEASE, SOURCE, SUBMITTED
from grader.exercise.release import release
from grader.run.classrun import plan
from grader.run.local import ensure_sandbox_image
from grader.sandbox.interface import SandboxLimits
from lab.machine.host import ensure_engine

from .submissions import cell

pytestmark = [pytest.mark.machine, pytest.mark.grading, pytest.mark.timeout(300)]

NAME = "nodes"
WISH = {"cluster": {"nodes": 3}}
# in both kernels, before the student has done anything
SETUP = """import json, subprocess
def get(*words):
    done = subprocess.run(["kubectl", "get", *words, "-o", "json"], capture_output=True, check=True)
    return json.loads(done.stdout)
def ready():
    return sorted(
        node["metadata"]["name"]
        for node in get("nodes")["items"]
        if ("Ready", "True") in [(c["type"], c["status"]) for c in node["status"]["conditions"]]
    )
AT_FIRST = ready()"""
FROM_THE_START = '''"""Three nodes are there from the start"""
assert AT_FIRST == ["lab", "lab-2", "lab-3"], AT_FIRST'''
ELSEWHERE = '''"""The Pod runs on the third node, and there is no fourth"""
assert ready() == ["lab", "lab-2", "lab-3"], ready()
pod = get("pod", "far")
assert (pod["spec"]["nodeName"], pod["status"]["phase"]) == ("lab-3", "Running"), pod["status"]
assert pod["status"]["podIP"].startswith("10.244.2."), pod["status"]'''
FOURTH = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "lab-4", "annotations": {"lab/power": "on"}},
}
ON_THE_THIRD = {"spec": {"nodeSelector": {"kubernetes.io/hostname": "lab-3"}}}
ANSWER = f"""%%bash
echo '{json.dumps(FOURTH)}' > node.json
for verb in create apply "apply --server-side"; do
  kubectl $verb -f node.json && exit 1
done
kubectl delete node lab-2 && exit 1
kubectl run far --image=busybox --overrides='{json.dumps(ON_THE_THIRD)}' -- sleep 600
kubectl wait --for=condition=Ready pod/far --timeout=60s"""


def new_cell(grade_id: str, source: str, points: float = 0.0) -> Any:
    solution = grade_id == "answer"
    meta = {
        "grade_id": grade_id,
        "grade": bool(points),
        "solution": solution,
        "locked": not solution,
        "task": False,
        "schema_version": 3,
    }
    return new_code_cell(
        source, id=grade_id, metadata={"nbgrader": meta | ({"points": points} if points else {})}
    )


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course with one exercise and one hand-in."""
    source = tmp_path / SOURCE / NAME / f"{NAME}.ipynb"
    source.parent.mkdir(parents=True)
    cells = [
        new_cell("setup", SETUP),
        new_cell("start-test", FROM_THE_START, 1),
        new_cell("answer", "### BEGIN SOLUTION\n### END SOLUTION"),
        new_cell("answer-test", ELSEWHERE, 2),
    ]
    nbformat.write(new_notebook(cells=cells, metadata={"course": WISH}), source)
    release(tmp_path)
    notebook = nbformat.read(tmp_path / RELEASE / NAME / f"{NAME}.ipynb", as_version=4)
    notebook.metadata.course = {"cluster": {"nodes": 10}}
    cell(notebook, "answer").source = ANSWER
    handed_in = tmp_path / SUBMITTED / "ada" / NAME / f"{NAME}.ipynb"
    handed_in.parent.mkdir(parents=True)
    nbformat.write(notebook, handed_in)
    return tmp_path


def test_three_nodes_are_ready_and_no_hand_in_changes_that(course: Path) -> None:
    client = ensure_engine()
    image = ensure_sandbox_image(client)
    [ada] = plan(course, NAME).grade(client, image, SandboxLimits(), 1, lambda _: None)
    assert (ada.points, ada.reason) == (3, None), ada
