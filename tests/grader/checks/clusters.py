"""The cluster that KUBECONFIG names, in a namespace that is made for the tests and removed after
them: the checks must not need `default`.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grader import CheckFailed


def kubectl(*arguments: str, stdin: str = "") -> str:
    """What kubectl prints; it must succeed."""
    done = subprocess.run(
        ["kubectl", *arguments], input=stdin, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


@contextmanager
def own_namespace() -> Iterator[None]:
    """Kubectl, and with it the checks, works in a new namespace for as long as the block runs."""
    before, name = os.environ.get("KUBECONFIG"), f"checks-{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "kubeconfig")
        copy.write_text(kubectl("config", "view", "--raw", "--flatten", "--minify"))
        os.environ["KUBECONFIG"] = str(copy)
        kubectl("create", "namespace", name)
        kubectl("config", "set-context", "--current", f"--namespace={name}")
        try:
            yield
        finally:
            kubectl("delete", "namespace", name, "--wait=false")
            if before is None:
                del os.environ["KUBECONFIG"]
            else:
                os.environ["KUBECONFIG"] = before


def told_at_last(check: Callable[..., object], expected: str, *arguments: object) -> CheckFailed:
    """What the check says as soon as it says ``expected``; what it says at the end when it never
    does. How soon a Pod has failed depends on what else the machine does.
    """
    deadline = time.monotonic() + 90
    while True:
        with pytest.raises(CheckFailed) as raised:
            check(*arguments, within_seconds=1)
        if expected in raised.value.found or time.monotonic() > deadline:
            assert len(str(raised.value).splitlines()) == 3
            return raised.value
