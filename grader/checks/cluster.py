"""The Kubernetes cluster as checks ask it, and whose fault it is when an answer fails.

Objects are read as the API's JSON, and changed with kubectl. What kubectl prints for people is
quoted, never read.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any, cast

from grader.checks import answers, api_server
from grader.checks.deadline import allowed, in_time
from grader.checks.verdict import CheckFailed, EnvironmentProblem, quoted

Json = dict[str, Any]

REQUEST_SECONDS = 30.0
MAX_OUTPUT_BYTES = 8 * 1024 * 1024  # a page that never ends must not fill the checker's memory
MAX_WORDS = 300


class ClusterRefusedError(Exception):
    """The cluster answers, and says no; `str()` is what it said."""


@dataclass(frozen=True)
class Done:
    """How kubectl ended: its exit code (None: stopped at the deadline), and what it printed, at
    most 8 MiB of it.
    """

    exit_code: int | None
    stdout: str
    stderr: str

    @property
    def cut(self) -> bool:
        """Whether it printed more than is read."""
        return len(self.stdout.encode()) >= MAX_OUTPUT_BYTES


def kubectl(
    *arguments: str, stdin: str = "", within_seconds: float = REQUEST_SECONDS, merged: bool = False
) -> Done:
    """Runs kubectl with the caller's own kubeconfig; `merged` puts standard error into standard
    output, as a terminal does.
    """
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as errors:
        source.write(stdin.encode())
        source.seek(0)
        process = subprocess.Popen(
            [api_server.program(), *arguments],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else errors,
        )
        stdout, exit_code = _heard(process, within_seconds)
        errors.seek(0)
        stderr = errors.read(MAX_OUTPUT_BYTES)
    return Done(exit_code, stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace"))


def _heard(process: subprocess.Popen[bytes], within_seconds: float) -> tuple[bytes, int | None]:
    """What it prints until it ends, has printed too much, or its time is over (exit code None)."""
    ended, late = threading.Event(), threading.Event()

    def watch() -> None:
        if not in_time(ended.wait, within_seconds):
            late.set()
            process.kill()

    threading.Thread(target=watch, daemon=True).start()
    try:
        with cast("IO[bytes]", process.stdout) as out:
            printed = out.read(MAX_OUTPUT_BYTES)
        process.wait()  # one that still prints meets a closed pipe
    finally:
        ended.set()
        process.kill()
    return printed, None if late.is_set() else process.returncode


def answer(*arguments: str, stdin: str = "") -> str:
    """What kubectl prints when it succeeds. `ClusterRefusedError`, or `EnvironmentProblem` if the
    cluster cannot be reached, `CheckFailed` for more than is read.
    """
    done = kubectl(*arguments, stdin=stdin)
    if done.cut:
        raise _too_long(arguments[-1])
    if done.exit_code == 0:
        return done.stdout
    raise _refusal(
        words(done)
        if done.exit_code is not None
        else f"no answer within {allowed(REQUEST_SECONDS):.3g} s"
    )


def get(path: str) -> str:
    """What is at a path of the API server; raises as `answer` does."""
    try:
        found = api_server.get(path, REQUEST_SECONDS, MAX_OUTPUT_BYTES)
    except answers.NoAnswerError as error:
        raise _refusal(f"the API server {error}") from None
    if len(found.text.encode()) >= MAX_OUTPUT_BYTES:
        raise _too_long(path)
    if 200 <= found.status < 300:
        return found.text
    raise _refusal(quoted(_said(found), MAX_WORDS))


def _said(found: answers.Answer) -> str:
    """What an answer means, as kubectl words it where the API server itself refused."""
    try:
        said = json.loads(found.text)
        return f"Error from server ({said['reason']}): {said['message']}"
    except (ValueError, KeyError, TypeError, RecursionError):  # a Pod's answer may be anything
        first = next((line.strip() for line in found.text.splitlines() if line.strip()), "")
        return f"status {found.status}" + (f": {first}" if first else "")


def _too_long(what: str) -> CheckFailed:
    """What is there is somebody's making, and no fault of the cluster."""
    return CheckFailed(
        f"What the cluster says about `{what}` is longer than {MAX_OUTPUT_BYTES >> 20} MiB.",
        "fewer objects, or smaller ones.",
        "kubectl get all",
    )


def _refusal(said: str) -> ClusterRefusedError | EnvironmentProblem:
    """A request that failed, by whose fault it did."""
    if is_there():
        return ClusterRefusedError(said)
    return EnvironmentProblem(
        f"The Kubernetes cluster does not answer: {said}.",
        "run `kubectl cluster-info`; if the cluster is down, `bin/lab up` starts it again.",
    )


def is_there() -> bool:
    """Whether an API server answers that it is ready. Everybody may ask that."""
    try:
        return api_server.get("/readyz", REQUEST_SECONDS, MAX_OUTPUT_BYTES).status == 200
    except answers.NoAnswerError:
        return False


def words(done: Done) -> str:
    """The last line that kubectl or the program it ran said, quoted."""
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return quoted(lines[-1].strip() if lines else "nothing", MAX_WORDS)


def objects(path: str) -> list[Json]:
    """The objects of a collection, such as `/api/v1/namespaces/default/pods`.

    Single objects are found in their collection too: that they are not there is then an answer like
    others, and no error text.
    """
    try:
        listed = json.loads(get(path))
        return [dict(item) for item in listed["items"]]
    except (ClusterRefusedError, ValueError, KeyError) as error:
        raise EnvironmentProblem(
            f"The Kubernetes cluster does not list {quoted(path)}: {error}",
            "kubectl auth can-i --list",
        ) from None


def namespace() -> str:
    """The namespace that kubectl works in when nobody names one: the kubeconfig's own, which need
    not be `default`.
    """
    return _namespace(api_server.kubeconfig())


@lru_cache(maxsize=1)
def _namespace(_kubeconfig: tuple[object, ...]) -> str:
    done = kubectl("config", "view", "--minify", "--output=json")
    if done.exit_code != 0:
        raise EnvironmentProblem(
            f"No cluster is chosen: {words(done)}.", "kubectl config get-contexts"
        )
    return str(json.loads(done.stdout)["contexts"][0]["context"].get("namespace") or "default")
