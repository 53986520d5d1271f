"""What the kubelet knows of one container: its state, and the back-off between its starts."""

import time
from dataclasses import dataclass, field

from lab.cluster.model.objects import Obj

WAITING, RUNNING, TERMINATED = "waiting", "running", "terminated"
# Seconds between restarts of a container that keeps ending, and of running that forgive all.
FIRST_BACKOFF, LONGEST_BACKOFF, FORGIVEN = 1.0, 60.0, 600.0


@dataclass
class Container:
    """One container of a Pod: its state, and when it may be started again.

    ``id`` is the engine's; ``before`` that of its predecessor, which is kept for its log.
    """

    name: str
    phase: str = WAITING
    reason: str = "ContainerCreating"
    message: str = ""
    id: str = ""
    before: str = ""
    image: str = ""
    image_id: str = ""
    hash: str = ""
    started_at: str = ""
    terminated: Obj = field(default_factory=dict)
    last: Obj = field(default_factory=dict)
    restarts: int = 0
    started: bool = False
    ready: bool = False
    retry_at: float = 0.0
    delay: float = 0.0
    attempts: int = 0

    def state(self) -> Obj:
        if self.phase == RUNNING:
            return {"running": {"startedAt": self.started_at}}
        if self.phase == TERMINATED:
            return {"terminated": self.terminated}
        return {
            "waiting": {"reason": self.reason} | ({"message": self.message} if self.message else {})
        }

    def wait(self, reason: str, message: str) -> None:
        """It does not run, for that reason; how it last ended stays known."""
        self.last = self.terminated or self.last
        self.terminated = {}
        self.phase, self.reason, self.message = WAITING, reason, message

    def schedule_restart(self, ran: float = 0.0) -> None:
        """The first restart is at once; each later one after twice the time, unless the container
        ran for long enough (seconds).
        """
        if ran > FORGIVEN:
            self.delay = 0.0
        self.retry_at = time.monotonic() + self.delay if self.delay else 0.0
        self.delay = min(max(self.delay * 2, FIRST_BACKOFF), LONGEST_BACKOFF)

    def back_off(self, pod: str) -> None:
        """Between two starts a container waits: its status says why."""
        wait = f"{self.delay / 2:g}s" if self.delay > FIRST_BACKOFF else f"{FIRST_BACKOFF:g}s"
        self.last = self.terminated or self.last
        self.phase, self.reason = WAITING, "CrashLoopBackOff"
        self.message = f"back-off {wait} restarting failed container={self.name} pod={pod}"

    @property
    def in_backoff(self) -> bool:
        return self.retry_at > time.monotonic()

    @property
    def failed(self) -> bool:
        return self.phase == TERMINATED and self.terminated.get("exitCode") != 0

    @property
    def succeeded(self) -> bool:
        return self.phase == TERMINATED and self.terminated.get("exitCode") == 0
