"""Lines of defence, and how each is taken out of a running sandbox, or of what drives it.

An attack that gains or harms nothing may also be one that was badly tried. So the same hand-in is
graded once more with one line of defence missing, and then it has to gain, to get at something, or
to harm. Attacks that fall by the same line are of one kind.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import docker
import pytest
from markupsafe import Markup
from nbformat import NotebookNode, from_dict

from grader.exercise.cells import ReleasedCell
from grader.judging import execution, repair
from grader.judging.inputs import Inputs
from grader.judging.validate import released_cells
from grader.pages import notebook as notebook_pages
from grader.sandbox import channel, containers
from grader.sandbox.docker import SOCKETS, WORK, DockerSandbox
from grader.sandbox.files import only_file, pack

from .conftest import SECRET

CANARY = b"hidden-canary-of-a-test"
# The engine without its guard: whatever comes to the first socket goes to the second.
STRAIGHT = """
import os, socket, sys, threading
listen, engine = sys.argv[1:]
os.umask(0o111)
os.path.exists(listen) and os.unlink(listen)
listener = socket.socket(socket.AF_UNIX)
listener.bind(listen)
listener.listen(64)
def copy(source, sink):
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
while True:
    there, _ = listener.accept()
    up = socket.socket(socket.AF_UNIX)
    up.connect(engine)
    for ends in ((there, up), (up, there)):
        threading.Thread(target=copy, args=ends, daemon=True).start()
"""


@dataclass(frozen=True)
class Defence:
    """One line of defence: what to replace in the driver before a sandbox is made, and what to do
    to the sandbox before anything runs in it.

    ``limits``: fields of SandboxLimits that are others without it.
    """

    name: str
    replace: Callable[[pytest.MonkeyPatch], None] = lambda _: None
    open_up: Callable[[docker.DockerClient, DockerSandbox], None] = lambda *_: None
    limits: Mapping[str, Any] = field(default_factory=dict)
    unrepaired: bool = False


def as_claimed(notebook: dict[str, Any]) -> tuple[NotebookNode, tuple[ReleasedCell, ...]]:
    """A notebook that is believed: what a cell is for, says and is worth is what stands in it.

    As in nbclient, a cell tagged skip-execution is not run.
    """
    for one in notebook["cells"]:
        one["source"] = "".join(one["source"])
    believed: NotebookNode = from_dict(notebook)  # type: ignore[no-untyped-call]
    skipped = {
        cell.metadata["nbgrader"]["grade_id"]
        for cell in believed.cells
        if "skip-execution" in cell.metadata.get("tags", []) and "nbgrader" in cell.metadata
    }
    cells = (
        replace(cell, source="") if cell.grade_id in skipped else cell
        for cell in released_cells(believed)
    )
    return believed, tuple(cells)


def _one_kernel(client: docker.DockerClient, sandbox: DockerSandbox) -> None:
    sandbox.checker = sandbox.student


def _no_crossing(patch: pytest.MonkeyPatch) -> None:
    """Tests find the student's own objects, as they are."""

    def hand_over(run: execution.Execution, inputs: Inputs) -> dict[str, str]:
        for path in inputs.files:
            run._hand_over_file(path)
        return {}

    patch.setattr(execution.Execution, "_hand_over", hand_over)


def _trusting(patch: pytest.MonkeyPatch) -> None:
    """The driver believes whatever arrives, and overlooks what it does not understand."""

    def parse(text: bytes | str) -> dict[str, Any]:
        with suppress(ValueError, RecursionError):
            value = json.loads(text)
            if isinstance(value, dict):
                return value
        return {}

    def answered(
        kernel: channel.Kernel, request: dict[str, Any], seconds: float, *rest: Any
    ) -> Any:
        kernel.channel.send({"id": 1, **request, "asks": False})
        start = time.monotonic()
        outputs = []
        while True:
            message = kernel.channel.receive(start + seconds + channel.GRACE_SECONDS)
            if message.get("event") == "output":
                outputs.append(message["output"])
            elif message.get("event") == "done":
                reply = {**message, "status": "ok"}
                if message.get("status") in ("error", "timeout", "dead"):
                    reply = message
                return channel._reply(reply, outputs, time.monotonic() - start, seconds)

    patch.setattr(channel, "parse_object", parse)
    patch.setattr(channel, "MAX_LINE_BYTES", 1 << 30)
    patch.setattr(channel.Kernel, "_answered", answered)


def _anything_shown(patch: pytest.MonkeyPatch) -> None:
    """Outputs and texts go into the notebook as the student's kernel gave them."""

    def as_they_came(raw: list[dict[str, Any]]) -> list[NotebookNode]:
        return [from_dict({"metadata": {}, **one}) for one in raw]  # type: ignore[no-untyped-call]

    patch.setattr(execution, "notebook_outputs", as_they_came)
    patch.setattr(repair, "make_showable", lambda source, *rest: source)
    patch.setattr(repair, "keep_pictures", lambda attached: attached or {})


class EscapedError(Exception):
    """What the student wrote has run where the gradebook is."""


def _evaluated(patch: pytest.MonkeyPatch) -> None:
    """A value that a kernel claims is evaluated, not parsed."""

    def ends(status: int) -> None:
        raise EscapedError

    def value_of(claim: Any) -> str:
        return str(eval(claim["data"]["text/plain"]))

    patch.setattr(os, "_exit", ends)
    patch.setattr(execution, "value_of", value_of)


def _files_as_found(patch: pytest.MonkeyPatch) -> None:
    """A file of the student's folder is whatever a program finds under its name."""

    def read(sandbox: DockerSandbox, path: str) -> bytes:
        api = sandbox._api
        words = ["head", "-c", "20000", f"{WORK}/{path}"]
        handle = api.exec_create(sandbox.container("student"), words)["Id"]
        return bytes(api.exec_start(handle))

    patch.setattr(DockerSandbox, "read_file", read)


def _networked(patch: pytest.MonkeyPatch) -> None:
    """The engine's container, whose network both kernels share, is on the machine's bridge."""
    real = containers.host_config

    def bridged(api: Any, **options: Any) -> dict[str, Any]:
        if options.get("network_mode") == "none":
            options["network_mode"] = "bridge"
        return real(api, **options)

    patch.setattr(containers, "host_config", bridged)


def _privileged(patch: pytest.MonkeyPatch) -> None:
    """The kernels' containers without a seccomp filter and without no-new-privileges."""
    from grader.sandbox import docker as sandboxes

    real = sandboxes.host_config

    def loose(api: Any, **options: Any) -> dict[str, Any]:
        return real(api, **{**options, "security_opt": ["seccomp=unconfined"]})

    patch.setattr(sandboxes, "host_config", loose)


def in_engine(
    client: docker.DockerClient, sandbox: DockerSandbox, *words: str, detach: bool = False
) -> bytes:
    """Run a program in the engine's container, as its user with the checker's group."""
    user = f"{sandbox.users.student}:{sandbox.users.checker}"
    handle = client.api.exec_create(sandbox.container("engine"), list(words), user=user)["Id"]
    return bytes(client.api.exec_start(handle, detach=detach) or b"")


def _unguarded(client: docker.DockerClient, sandbox: DockerSandbox) -> None:
    """The student's socket leads straight to the engine."""
    listen, engine = (f"{SOCKETS[role]}/docker.sock" for role in ("student", "checker"))
    in_engine(client, sandbox, "python3", "-c", STRAIGHT, listen, engine, detach=True)
    _wait(client, sandbox, f"curl -sf --unix-socket {listen} http://engine/info | grep -q rootless")


def _wait(client: docker.DockerClient, sandbox: DockerSandbox, condition: str) -> None:
    script = f"for _ in $(seq 100); do {condition} && echo holds && exit; sleep 0.1; done"
    assert b"holds" in in_engine(client, sandbox, "bash", "-c", script)


def _administrator(client: docker.DockerClient, sandbox: DockerSandbox) -> None:
    """The student has the credentials of the cluster's administrator."""
    api = client.api
    chunks, _ = api.get_archive(sandbox.container("checker"), f"{SOCKETS['checker']}/kubeconfig")
    files = {"kubeconfig": only_file(chunks, 100_000)}
    packed = pack(files, sandbox.users.student)
    api.put_archive(sandbox.container("student"), SOCKETS["student"], packed)


def _within_reach(client: docker.DockerClient, sandbox: DockerSandbox) -> None:
    """What is not theirs lies in a folder of their container."""
    book = {"cells": [], "metadata": {"canary": SECRET}}
    files = {
        "tests/test.py": CANARY,
        "submitted/other.ipynb": json.dumps(book).encode(),
        "gradebook.db": b"",
    }
    client.api.put_archive(sandbox.container("student"), WORK, pack(files, sandbox.users.student))
    handle = client.api.exec_create(
        sandbox.container("student"), ["cp", "-r", f"{WORK}/.", "/home/student"]
    )["Id"]
    client.api.exec_start(handle)


def _in_checker(code: str) -> Callable[[docker.DockerClient, DockerSandbox], None]:
    """Checks that believe more: code for the checker's kernel, before its first test."""

    def open_up(client: docker.DockerClient, sandbox: DockerSandbox) -> None:
        reply = sandbox.checker.run(code, 60)
        assert reply.status == "ok", reply.error

    return open_up


def _unframed(patch: pytest.MonkeyPatch) -> None:
    """What a student wrote is shown as Markdown and HTML are usually shown."""

    def text(source: str, attachments: Any = None) -> str:
        return notebook_pages._markdown(source, attachments)

    patch.setattr(notebook_pages, "students_text", text)
    patch.setattr(notebook_pages, "_plain", Markup)


def _as_they_came(patch: pytest.MonkeyPatch) -> None:
    """Texts that UTF-8 has no form for stay what they are."""
    patch.setattr(channel, "_recordable", lambda value: value)


ITS_OWN_WORD = """
from grader.checks import images
from grader.checks.verdict import CheckFailed
def must_not_run_as_root(self):
    if self.user in ("", "root", "0"):
        raise CheckFailed("root", "", "")
images.Image.must_not_run_as_root = must_not_run_as_root
"""
IT_RUNS = """
from grader.checks import containers
containers.Container.must_serve = lambda self, *command, **more: self.must_be_running()
"""
ANY_ANSWER = """
from grader.checks import containers
serve = containers.Container.must_serve
def must_serve(self, *command, **more):
    serve(self, *command, **{**more, "printing": "PONG"})
containers.Container.must_serve = must_serve
"""
TAGS = """
from grader.checks import images, references, throwaway
from grader.checks.container import facts
for module in (references, images, throwaway, facts):
    if hasattr(module, "genuine_id"):
        module.genuine_id = lambda ref: None
"""
REPAIR = Defence("notebooks are repaired", unrepaired=True)
TWO_KERNELS = Defence("tests run in a kernel of their own", _no_crossing, _one_kernel)
PARSED = Defence("claims are parsed strictly", _evaluated)
STRICT = Defence("messages are claims", _trusting)
CLEANED = Defence("outputs are cleaned", _anything_shown)
COLLECTED = Defence("only regular files are collected", _files_as_found)
GUARD = Defence("the guard", open_up=_unguarded)
ROLE = Defence("the student's role", open_up=_administrator)
NO_NETWORK = Defence("no network", _networked)
RIGHTS = Defence("no rights", _privileged)
NOT_THERE = Defence("what is not theirs is not there", open_up=_within_reach)
MEMORY = Defence("a limit of memory", limits={"kernel_memory": 6144})
FRAMES = Defence("texts stand in frames", _unframed)
RECORDABLE = Defence("texts are made recordable", _as_they_came)
KERNELS_WORD = Defence("the kernel says who runs", open_up=_in_checker(ITS_OWN_WORD))
A_CLIENT = Defence("a client asks", open_up=_in_checker(IT_RUNS))
WORKED_OUT = Defence("answers are worked out", open_up=_in_checker(ANY_ANSWER))
GENUINE = Defence("course images are known by id", open_up=_in_checker(TAGS))
