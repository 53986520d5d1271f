"""Requests to the cluster's API server, through one `kubectl proxy` for as long as the kubeconfig
stays what it is.

kubectl knows every way in that a kubeconfig can describe (tokens, certificates, the cloud
providers' plugins), which a small HTTP client would have to learn one by one; but it needs a good
part of a second of processor time for each start, and a check asks dozens of times.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import tempfile
import time
from functools import cached_property
from pathlib import Path

import httpx

from grader.checks import answers
from grader.checks.answers import Answer
from grader.checks.deadline import Deadline
from grader.checks.verdict import EnvironmentProblem, quoted

START_SECONDS = 30.0
MAX_REDIRECTS = 5
MERGE = "application/merge-patch+json"
MAX_ANSWER_BYTES = 1024 * 1024  # to a change of an object
# One waits for a line that never comes: when the caller is gone, however it ended, so is the proxy.
UNTIL_THE_CALLER_ENDS = (
    'exec 3<&0; kubectl proxy --unix-socket="$0" & proxy=$!; (read -r _ <&3; kill $proxy; rm -rf'
    ' "${0%/*}") & wait $proxy'
)
COLLECTING = {"GOGC": "50", "GOMEMLIMIT": "48MiB"}  # it stays, so it has to collect its garbage


class Proxy:
    """A `kubectl proxy` on a socket in a folder that only its owner may enter."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="kubectl-proxy-")
        self._socket = Path(self._folder.name, "socket")
        self._errors = Path(self._folder.name, "errors")
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                ["sh", "-c", UNTIL_THE_CALLER_ENDS, str(self._socket)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={**os.environ, **COLLECTING},
                start_new_session=True,
            )
        atexit.register(self.stop)
        self._wait()

    def _wait(self) -> None:
        deadline = Deadline(START_SECONDS)
        while not self._socket.is_socket():
            if not self.runs or deadline.passed:
                said = (
                    self._errors.read_text(errors="replace").strip()
                    or "kubectl proxy does not start"
                )
                self.stop()
                raise EnvironmentProblem(
                    f"kubectl has no way to the cluster: {quoted(said.splitlines()[-1])}.",
                    "kubectl cluster-info",
                )
            time.sleep(0.005)

    @property
    def runs(self) -> bool:
        """Whether it can still be asked."""
        return self._process.poll() is None

    @cached_property
    def _client(self) -> httpx.Client:
        return httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self._socket)),
            base_url="http://localhost",
            trust_env=False,
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
            headers={"Accept-Encoding": "identity"},
        )

    def ask(
        self, path: str, within_seconds: float, max_bytes: int, change: object = None
    ) -> Answer:
        """What is at a path of the API, after this change to it (a merge patch), if there is one.
        Raises `answers.NoAnswerError`.
        """

        def ask(deadline: Deadline) -> Answer:
            with self._client.stream(
                "GET" if change is None else "PATCH",
                path,
                content=None if change is None else json.dumps(change),
                headers={} if change is None else {"Content-Type": MERGE},
                timeout=max(0.1, deadline.seconds_left),
            ) as response:
                return answers.read(response, deadline, max_bytes)

        return answers.in_time(ask, within_seconds)

    def stop(self) -> None:
        """Ends it; it leaves nothing behind."""
        atexit.unregister(self.stop)
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()


_latest: list[tuple[tuple[object, ...], Proxy]] = []  # at most one


def program() -> str:
    """The path of kubectl."""
    found = shutil.which("kubectl")
    if found is None:
        raise EnvironmentProblem("There is no `kubectl` here.", "work in the lab: bin/lab up")
    return found


def kubeconfig() -> tuple[object, ...]:
    """What decides which cluster kubectl asks, and as whom: equal as long as that stays."""
    named = os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")
    states = []
    for path in named.split(os.pathsep):
        try:
            found = os.stat(path)
            states.append((path, found.st_mtime_ns, found.st_ino, found.st_size))
        except OSError:
            states.append((path, 0, 0, 0))
    return (program(), *states)


def get(path: str, within_seconds: float, max_bytes: int) -> Answer:
    """What the API server answers to a GET of a path. Raises `answers.NoAnswerError`, and
    `EnvironmentProblem` where kubectl cannot ask.
    """
    return _proxy().ask(path, within_seconds, max_bytes)


def merge(path: str, change: object, within_seconds: float) -> Answer:
    """What it answers to a merge patch of the object at a path; raises as `get` does."""
    return _proxy().ask(path, within_seconds, MAX_ANSWER_BYTES, change)


def _proxy() -> Proxy:
    state = kubeconfig()
    if not _latest or _latest[0][0] != state or not _latest[0][1].runs:
        if _latest:
            _latest.pop()[1].stop()
        _latest.append((state, Proxy()))
    return _latest[0][1]
