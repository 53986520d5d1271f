"""What hadolint advises about a Dockerfile."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from grader.checks.deadline import allowed
from grader.checks.verdict import EnvironmentProblem

TIMEOUT_SECONDS = 20
# no configuration of the student's: neither beside the Dockerfile nor at home
CLEAN_ENVIRONMENT = {"LANG": "C.UTF-8", "HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent"}


@dataclass(frozen=True)
class Finding:
    """One piece of advice: `level` is `error`, `warning`, `info` or `style`; `code` names the rule
    (`DL3006`).
    """

    code: str
    line: int
    level: str
    message: str


def findings(text: str) -> list[Finding]:
    """hadolint's findings on a Dockerfile's text, by line; comments that switch rules off have no
    effect.
    """
    command = [_program(), "--format", "json", "--no-fail", "--disable-ignore-pragma", "-"]
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=allowed(TIMEOUT_SECONDS),
            cwd="/",
            env=CLEAN_ENVIRONMENT,
        )
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise EnvironmentProblem(
            f"hadolint did not work ({type(error).__name__}).", "bin/lab doctor"
        ) from None
    return sorted(
        (Finding(f["code"], f["line"], f["level"], f["message"]) for f in found),
        key=lambda f: f.line,
    )


def _program() -> str:
    beside = Path(sys.executable).parent / "hadolint"
    program = str(beside) if beside.exists() else shutil.which("hadolint")
    if program is None:
        raise EnvironmentProblem(
            "hadolint is not installed here.", "run this in the lab: bin/lab up."
        )
    return program
