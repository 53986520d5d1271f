"""What grading uses of a sandbox, wherever it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Reason = Literal[
    "timeout", "out-of-memory", "kernel-died", "environment", "malformed", "over-limit"
]
ReplyStatus = Literal["ok", "error", "timeout"]
Extend = Callable[[], float]
INTERRUPT_SECONDS = 5.0  # from the interrupt of a cell to the end of a kernel that ignores it


@dataclass(frozen=True)
class SandboxLimits:
    """What one submission may use: MiB, and seconds of the student's own cells on a machine with
    time to spare; on a slow one they last longer, by its pace (``grader.checks.pace``).

    ``grading_seconds`` are for everything together, ``grading_memory`` is for reading, judging and
    writing it.
    """

    cell_seconds: float = 60
    submission_seconds: float = 600
    check_seconds: float = 120
    engine_memory: int = 1536
    engine_disk: int = 1024
    kernel_memory: int = 512
    work_disk: int = 64
    engine_pids: int = 512
    kernel_pids: int = 256
    file_bytes: int = 256_000
    grading_seconds: float = 900
    grading_memory: int = 768

    def workers_for(self, machine: Mapping[str, Any]) -> int:
        """How many sandboxes the machine of ``docker info`` carries side by side, even where each
        needs all that it may.

        >>> SandboxLimits().workers_for({"NCPU": 8, "MemTotal": 16 << 30})
        6
        """
        most = (self.engine_memory + 2 * self.kernel_memory) << 20
        return max(1, min(int(machine["NCPU"]), int(machine["MemTotal"]) // most))


@dataclass
class Reply:
    """What running one cell gave, unchecked; ``error`` is (name, value)."""

    status: ReplyStatus
    outputs: list[dict[str, Any]] = field(default_factory=list)
    error: tuple[str, str] = ("", "")
    expressions: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


class SandboxError(Exception):
    """Our side: the sandbox could not be made or was lost, through no fault of the submission."""


class KernelLostError(Exception):
    """The kernel does not answer as it should; ``timed_out``: a cell did not end."""

    def __init__(self, what: str, *, timed_out: bool = False) -> None:
        super().__init__(what)
        self.timed_out = timed_out


class StoppedError(Exception):
    """The run is being stopped: what is not finished does not count."""


class StudentKernel(Protocol):
    """The kernel that the student's cells run in."""

    def run(
        self,
        code: str,
        seconds: float,
        *,
        silent: bool = False,
        expressions: dict[str, str] | None = None,
        extend: Extend | None = None,
        grace: float = INTERRUPT_SECONDS,
    ) -> Reply:
        """Run one cell; KernelLostError when the kernel is not usable afterwards.

        Once ``seconds`` are over, ``extend`` says how many more the cell has. An interrupted one
        has ``grace`` seconds to end.
        """


class CheckerKernel(StudentKernel, Protocol):
    """The kernel that the tests run in, out of the student's reach."""

    def write(self, path: str, data: str) -> None:
        """Put a file (base64) into the kernel's folder."""


class Sandbox(Protocol):
    """One submission's: an engine and two kernels that share nothing but that engine."""

    @property
    def limits(self) -> SandboxLimits:
        """What the submission may use."""

    @property
    def student(self) -> StudentKernel:
        """Untrusted: whatever comes from there is a claim."""

    @property
    def checker(self) -> CheckerKernel:
        """Ours."""

    def bring(self, files: Mapping[str, bytes]) -> None:
        """Put a submission's files into the student's folder, before any of their code has run."""

    def read_file(self, path: str) -> bytes:
        """A file of the student's folder; FileNotFoundError, and UntrustedError for odd ones."""

    def death(self, role: str) -> Reason | None:
        """Why ``engine``, ``student`` or ``checker`` has ended; None while it runs."""

    def kill(self, role: str) -> None:
        """End one that does not answer."""
