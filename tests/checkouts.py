"""A second checkout of the course, for tests that need all of it: a lab, a gradebook and a
workspace of its own.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker

from grader.exercise import edition
from lab.course import ROOT
from lab.machine.host import ensure_engine

from .conftest import free_port, logs

PARTS = (
    "lab",
    "grader",
    "course",
    "solutions",
    "assignments",
    "LICENSE",
    "LICENSES",
    "pyproject.toml",
    "requirements-image.txt",
    "nbgrader_config.py",
)


def copy_checkout(folder: Path) -> None:
    """Copy what a checkout needs to run, as it is in the working tree."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder / part)


def copy_tracked(folder: Path) -> None:
    """Copy all files that git tracks here, as they are in the working tree, into a checkout of
    their own, where git tracks them too.
    """
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    track(folder)


def unpack_edition(folder: Path) -> Path:
    """The students' edition of this course, packed and unpacked; the folder that it makes."""
    copy_tracked(folder / "checkout")
    edition.write(folder / "checkout", [], folder / "edition.tar.gz")
    with tarfile.open(folder / "edition.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / edition.TOP


def track(folder: Path) -> None:
    """Make a checkout of a folder: git tracks what is in it now."""
    for command in (["init", "--quiet"], ["add", "--all", "--force"]):
        subprocess.run(["git", *command], cwd=folder, check=True)


class Checkout:
    """A second checkout of this course, owned by somebody else; its lab has a name of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client = ensure_engine()
        self.port = str(free_port())
        self.prefix: list[
            str
        ] = []  # a command that runs its commands elsewhere, such as in another network
        self.environment = {**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"}
        where = subprocess.run(
            [sys.executable, "-c", "from lab.course import NAME; print(NAME)"],
            cwd=folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        self.name = where.stdout.strip()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [*self.prefix, sys.executable, "-m", "lab", *arguments]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def lab(self, *arguments: str, expect: int = 0) -> str:
        """Run ``bin/lab ARGUMENTS``; its standard output. Fails unless it exits with ``expect``."""
        running = self.start(*arguments)
        out, err = running.communicate(timeout=300)
        assert running.returncode == expect, out + err
        return out if expect == 0 else out + err

    def up(self) -> str:
        return self.lab("up", "--no-browser", "--port", self.port).strip()

    def container(self) -> docker.models.containers.Container:
        return self.client.containers.get(self.name)

    def evidence(self, arguments: Mapping[str, Any]) -> dict[str, bytes]:
        """The logs of its lab."""
        return logs(self.name)

    def left(self) -> list[str]:
        """What of this checkout's lab is on the machine: containers, volumes, networks."""
        listed = self.client.api.containers(
            all=True
        )  # docker-py's own list asks again for each, which may be gone by then
        containers = [
            name[1:]
            for found in listed
            for name in found["Names"]
            if name.startswith(f"/{self.name}")
        ]
        volumes = [
            found.name for found in self.client.volumes.list() if found.name.startswith(self.name)
        ]
        networks = [
            found.name for found in self.client.networks.list() if found.name.startswith(self.name)
        ]
        return containers + volumes + networks
