"""*Validate* in a student's own lab: the notebook is run as grading runs it, by the same code, in
two kernels. So both say the same of every cell, whatever it does to the kernel that it runs in.
"""

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor  # type: ignore[import-untyped]

from grader.archive import UntrustedError
from grader.exercise.cells import ReleasedCell
from grader.exercise.cluster import nodes_wanted
from grader.judging.execution import Execution
from grader.judging.outputs import error_output
from grader.judging.pace import LOAD_SECONDS
from grader.sandbox.channel import Channel, Kernel
from grader.sandbox.interface import KernelLostError, Reason, SandboxError, SandboxLimits
from lab.errors import LabError
from lab.inside.nodes import check_ready

# Longer than in grading, where all images are at hand: here a cell may have to pull one.
LIMITS = SandboxLimits(cell_seconds=300, submission_seconds=1800)
# As in a sandbox: a file of the student's must not pass for a library of the tests'.
CHECKERS_OWN = {"PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1"}


class Validate(NbGraderPreprocessor):  # type: ignore[misc]
    """Takes the place of nbgrader's ``Execute`` when a student validates."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Run all cells; the outputs of test cells are the verdicts on them.

        They say so instead where the exercise asks for more nodes than the lab's cluster has.
        """
        tests = {cell.grade_id: cell for cell in released_cells(nb)}
        try:
            _check_nodes(nb)
            with LocalSandbox(Path.cwd()) as sandbox:
                checks = Execution(sandbox, list(tests.values())).run(nb).checks
        except (SandboxError, LabError) as error:
            for cell in nb.cells:
                if cell.get("metadata", {}).get("nbgrader", {}).get("grade"):
                    cell.outputs = [error_output("EnvironmentProblem", str(error))]
            return nb, resources
        for cell in nb.cells:
            check = checks.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
            if check and check.status != "passed":  # a part of the points needs its words, too
                cell.outputs = [error_output("CheckFailed", check.message)]
        return nb, resources


def released_cells(notebook: NotebookNode) -> list[ReleasedCell]:
    """The cells of an exercise as the notebook's metadata describe them."""
    known = (cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id"))
    return [_released(cell, cell.metadata["nbgrader"]) for cell in known]


def _released(cell: NotebookNode, meta: Mapping[str, Any]) -> ReleasedCell:
    return ReleasedCell(
        meta["grade_id"],
        cell.cell_type,
        cell.source,
        bool(meta.get("locked")),
        bool(meta.get("grade")),
        bool(meta.get("solution")),
        bool(meta.get("task")),
        float(meta.get("points") or 0),
        meta.get("checksum"),
    )


def _check_nodes(notebook: NotebookNode) -> None:
    """LabError when the lab's cluster has too few. One is there without being asked for."""
    try:
        nodes = nodes_wanted(notebook.metadata.get("course", {}))
    except ValueError as error:
        raise LabError(f"The notebook {error}", "Property Inspector → Advanced Tools") from error
    if nodes > 1:
        check_ready(nodes)


class LocalSandbox:
    """A context manager: the student's kernel in their folder, the checker's in one of its own.

    It keeps no one out, and need not: it is the student's own lab.
    """

    limits = LIMITS

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kernels: dict[str, LocalKernel] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            own = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            self._kernels["student"] = stack.enter_context(LocalKernel(self._folder, {}))
            self._kernels["checker"] = stack.enter_context(LocalKernel(own, CHECKERS_OWN))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def student(self) -> Kernel:
        """The kernel of the student's cells."""
        return self._kernels["student"].kernel

    @property
    def checker(self) -> Kernel:
        """The kernel of the tests."""
        return self._kernels["checker"].kernel

    def bring(self, files: Mapping[str, bytes]) -> None:
        """The files are there."""

    def read_file(self, path: str) -> bytes:
        """A file of the student's folder, under the same rules as in grading."""
        found = self._folder / path
        if not os.path.lexists(found):
            raise FileNotFoundError(path)
        between = list(found.relative_to(self._folder).parents)[:-1]
        if any((self._folder / folder).is_symlink() for folder in between):
            raise UntrustedError("reached through a link")
        if found.is_symlink() or not found.is_file():
            raise UntrustedError("not a regular file")
        if found.stat().st_size > self.limits.file_bytes:
            raise UntrustedError(f"larger than {self.limits.file_bytes // 1000} kB")
        return found.read_bytes()

    def death(self, role: str) -> Reason | None:
        """Why a kernel has ended; the engine is the lab's, and lives on."""
        kernel = self._kernels.get(role)
        return "kernel-died" if kernel and kernel.ended() else None

    def kill(self, role: str) -> None:
        """End a kernel that does not answer."""
        self._kernels[role].kill()


class LocalKernel:
    """A relay (``grader/sandbox/inside/relay.py``) as a process of this container."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "grader.sandbox.inside.relay", str(folder)]
        self._process = subprocess.Popen(
            command,
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            cwd="/",
            env={**os.environ, **environment},
            start_new_session=True,
        )
        theirs.close()
        self.kernel = Kernel(Channel(_Framed(ours)))

    def __enter__(self) -> Self:
        try:
            self.kernel.wait_until_ready(time.monotonic() + LOAD_SECONDS)
        except KernelLostError as error:
            self.kill()
            raise SandboxError(f"A kernel did not start: {error}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kernel.channel.close()  # the relay ends with its input, and ends the shell
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()

    def ended(self) -> bool:
        """Whether it has."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        return self._process.poll() is not None

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class _Framed:
    """A socket whose data come as Docker frames them."""

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain
        self.settimeout = plain.settimeout
        self.sendall = plain.sendall
        self.shutdown = plain.shutdown
        self.close = plain.close

    def recv(self, most: int) -> bytes:
        data = self._plain.recv(most)
        return struct.pack(">BxxxL", 1, len(data)) + data if data else b""
