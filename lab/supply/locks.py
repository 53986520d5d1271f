"""The locks: each pin with its hashes, resolved by uv for all platforms and Pythons at once."""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lab.course import ROOT
from lab.errors import LabError

PYTHON = "3.11"  # the oldest that the course runs on; a lock holds for all newer ones as well
LOCKS = {
    "requirements.txt": (),
    "requirements-image.txt": ("image", "cluster"),
    "requirements-test.txt": ("test", "cluster", "docs"),
}


def pins(lock: Path) -> list[Requirement]:
    """What a lock holds; a package is there twice if its version depends on that of Python."""
    lines = [line for line in lock.read_text().splitlines() if re.match(r"\w", line)]
    return [Requirement(line.removesuffix("\\").strip()) for line in lines]


def refresh(*, upgrade: bool) -> list[dict[str, Any]]:
    """Write all locks from pyproject.toml; returns all their packages with their files.

    Pins stay as they are where the project's ranges allow it, unless they should be upgraded.
    """
    with tempfile.TemporaryDirectory() as folder:
        together = Path(folder) / "requirements.txt"
        if not upgrade:
            together.write_text("\n".join(str(pin) for pin in sorted(set(_all_pins()), key=str)))
        _compile(together, "--all-extras")
        for name, extras in LOCKS.items():
            chosen = [argument for extra in extras for argument in ("--extra", extra)]
            _compile(ROOT / name, *chosen, "--constraint", str(together), "--generate-hashes")
        listed = Path(folder) / "pylock.toml"
        _compile(listed, "--all-extras", "--constraint", str(together), "--format", "pylock.toml")
        found = tomllib.loads(listed.read_text())["packages"]
    return [dict(package, name=canonicalize_name(package["name"])) for package in found]


def _all_pins() -> Iterator[Requirement]:
    for name in LOCKS:
        if (ROOT / name).exists():
            yield from pins(ROOT / name)


def _compile(output: Path, *arguments: str) -> None:
    run_uv(
        *("pip", "compile", "pyproject.toml", "--universal", "--python-version", PYTHON),
        *("--no-header", "--no-annotate", "--quiet", *arguments, "--output-file", str(output)),
    )


def run_uv(*arguments: str) -> None:
    """Run uv without this machine's settings, so that no mirror decides what a lock holds."""
    done = subprocess.run(
        [sys.executable, "-m", "uv", *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("UV_")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(
            f"uv {arguments[1]} failed:\n{done.stderr.strip()}",
            "check the network, then bin/lab lock again",
        )
