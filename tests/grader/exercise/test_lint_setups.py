"""What `lab release` says of setup cells that work with a cluster."""

import json
from pathlib import Path
from typing import Any

import pytest

from grader.exercise.lint import problems

TEST = '"""It is right"""\nassert made'


def cell(grade_id: str, source: str, **meta: Any) -> dict[str, Any]:
    known = {"grade": False, "locked": True, "solution": False, "task": False, "schema_version": 3}
    return {
        "cell_type": "code",
        "id": grade_id,
        "execution_count": None,
        "outputs": [],
        "metadata": {"nbgrader": {"grade_id": grade_id, **known, **meta}},
        "source": source,
    }


def said(folder: Path, setup: str, test: str = TEST) -> list[str]:
    cells = [cell("setup", setup), cell("it-test", test, grade=True, points=1)]
    path = folder / "a.ipynb"
    path.write_text(
        json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    return [one for one in problems(path) if "setup" in one]


@pytest.mark.parametrize(
    "reads",
    [
        "kubectl get pod web -o jsonpath='{.metadata.uid}'",
        "kubectl get pods -l cargo -o json | jq -c .items",
        "kubectl -n default get pods 2> /dev/null",
        "kubectl exec web -- cat /tmp/drawn",
        "kubectl get pods \\\n  -o name",
    ],
)
@pytest.mark.parametrize(
    "magic", ["%%shell --capture made\necho first\n", "%shell --capture made "]
)
def test_value_that_is_read_back_is_named(tmp_path: Path, magic: str, reads: str) -> None:
    (one,) = said(tmp_path, magic + reads)
    assert "keeps in `made`, which a test believes, what it reads from the cluster" in one
    assert "setup" in one


@pytest.mark.parametrize(
    "setup",
    [
        "%%shell --capture made\nkubectl run web --image=busybox -o jsonpath='{.metadata.uid}'",
        "%%shell --capture made\necho $RANDOM\nkubectl get pods > /dev/null",
        "%%shell --capture made\nuntil [ $(kubectl get pods -o name | wc -l) = 3 ]; do :; done",
        "%%shell --capture other\nkubectl get pods",
        "%%shell\nkubectl get pods",
    ],
)
def test_value_of_its_own_is_no_problem(tmp_path: Path, setup: str) -> None:
    assert said(tmp_path, setup) == []


@pytest.mark.parametrize(
    "waits", ["kubectl delete pod web --now", "kubectl rollout status deployment/web"]
)
def test_endless_wait_is_named(tmp_path: Path, waits: str) -> None:
    (one,) = said(tmp_path, f"%%shell\n{waits} > /dev/null")
    assert "may wait for ever" in one
    assert said(tmp_path, f"%%shell\n{waits} --timeout=30s > /dev/null") == []
