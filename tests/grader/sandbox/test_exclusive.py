"""While a cell runs in the checker's kernel, nobody else changes the cluster."""

import json
from collections.abc import Iterator

import pytest

from grader.run.local import ensure_sandbox_image
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.interface import SandboxLimits
from lab.machine.host import ensure_engine

from .shells import shell

pytestmark = [pytest.mark.machine, pytest.mark.grading, pytest.mark.timeout(300)]
MAY = "kubectl auth can-i {} || true"
AS_STUDENT = " --as=student --as-group=course:students"
HELD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "held", "finalizers": ["example.org/mine"]},
    "spec": {"containers": [{"name": "c", "image": "busybox"}]},
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[DockerSandbox]:
    client = ensure_engine()
    with DockerSandbox(client, ensure_sandbox_image(client), SandboxLimits(), nodes=1) as made:
        begun = "from grader.checks import exclusive; exclusive.watch()"
        assert made.checker.run(begun, 30, silent=True).status == "ok"
        yield made


@pytest.mark.parametrize("what", ["create pods", "get secrets", "get pods --subresource=exec"])
def test_student_may_do_nothing_until_the_cell_has_ended(sandbox: DockerSandbox, what: str) -> None:
    assert shell(sandbox.student, MAY.format(what)) == "yes"
    assert shell(sandbox.checker, MAY.format(what + AS_STUDENT)) == "no"
    assert shell(sandbox.student, MAY.format(what)) == "yes"


def test_a_cell_that_fails_or_is_stopped_gives_the_rights_back(sandbox: DockerSandbox) -> None:
    assert sandbox.checker.run("raise ValueError", 30).status == "error"
    assert shell(sandbox.student, MAY.format("create pods")) == "yes"
    assert sandbox.checker.run("import time; time.sleep(60)", 2).status == "timeout"
    assert shell(sandbox.student, MAY.format("create pods")) == "yes"


def test_finalizer_of_a_student_does_not_hold_what_a_setup_cell_deletes(
    sandbox: DockerSandbox,
) -> None:
    made = f"echo '{json.dumps(HELD)}' | kubectl create -f -"
    assert shell(sandbox.student, made) == "pod/held created"
    deleted = shell(sandbox.checker, "kubectl delete pod held --now --timeout=30s")
    assert deleted == 'pod "held" deleted' or deleted.startswith('pod "held" deleted from')


def test_student_cannot_answer_the_moves_of_the_checker(sandbox: DockerSandbox) -> None:
    """A process of theirs gives other labels to each Pod that it sees."""
    loop = "while sleep 0.1; do kubectl label pods --all mine=yes --overwrite; done"
    shell(sandbox.student, f"nohup bash -c '{loop}' > /dev/null 2>&1 & echo $! > /tmp/loop")
    run = "kubectl run fresh --image=busybox --image-pull-policy=IfNotPresent -- sleep 600"
    labels = "sleep 3; kubectl get pod fresh -o jsonpath={.metadata.labels}"
    assert "mine" not in shell(sandbox.checker, f"{run} > /dev/null; {labels}")
    assert "mine" in shell(sandbox.student, labels)
    shell(sandbox.student, "kill $(cat /tmp/loop)")
