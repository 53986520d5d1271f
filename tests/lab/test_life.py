"""The life of a lab on this machine: up, up again, killed, half gone, reset, down."""

import fcntl
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from lab.build import image as images
from lab.build.base_image import hub_answers
from lab.version import version

from ..checkouts import Checkout, copy_checkout

pytestmark = [pytest.mark.machine, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    folder = tmp_path_factory.mktemp("checkout")
    copy_checkout(folder)
    if os.geteuid() == 0:
        os.chown(folder, 12345, 12345)
    made = Checkout(folder)
    yield made
    made.lab("down")


def answers(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return int(answer.status)


def test_up_opens_the_course_and_again_changes_nothing(checkout: Checkout) -> None:
    url = checkout.up()
    assert answers(url) == 200
    before = checkout.container().attrs["State"]["StartedAt"]
    begun = time.monotonic()
    assert checkout.up() == url
    assert time.monotonic() - begun < 30
    assert checkout.container().attrs["State"]["StartedAt"] == before


def test_commands_in_the_lab_are_real(checkout: Checkout) -> None:
    assert checkout.lab("sh", "docker", "run", "--rm", "busybox", "echo", "ok") == "ok\n"
    assert "exit status" not in checkout.lab("sh", "sh", "-c", "exit 7", expect=7)
    status = json.loads(checkout.lab("status", "--json"))
    assert (status["running"], status["version"]) == (True, version())


def test_files_belong_to_the_person_on_the_host(checkout: Checkout) -> None:
    checkout.lab("sh", "touch", "course/mine.txt")
    wanted = (checkout.folder).stat().st_uid
    assert {path.lstat().st_uid for path in (checkout.folder / "workspace").rglob("*")} == {wanted}


def test_memory_and_process_limits_are_enforced(checkout: Checkout) -> None:
    bomb = "dd if=/dev/zero of=/dev/null bs=200M count=1"
    checkout.lab(
        "sh", "docker", "run", "--rm", "--memory", "32m", "busybox", "sh", "-c", bomb, expect=137
    )
    forks = "for i in $(seq 20); do sleep 1 & done; wait"
    assert "fork" in checkout.lab(
        "sh", "docker", "run", "--rm", "--pids-limit", "10", "busybox", "sh", "-c", forks, expect=2
    )


def test_build_and_compose_work(checkout: Checkout) -> None:
    script = (
        "printf 'FROM busybox\\nRUN <<E\\necho built > /f\\nE\\nCMD cat /f\\n' | docker build -q -t"
        " life - && docker run --rm life && docker image rm life >/dev/null"
    )
    assert "built" in checkout.lab("sh", "sh", "-c", script)
    assert checkout.lab("sh", "docker", "compose", "version", "--short").startswith("2.")


def test_the_machines_own_containers_are_never_touched(checkout: Checkout) -> None:
    image = checkout.container().image
    own = checkout.client.containers.run(
        image.id, ["sleep", "600"], name=f"somebody-elses-{os.getpid()}", detach=True
    )
    try:
        checkout.lab(
            "sh",
            "sh",
            "-c",
            "docker ps -aq | xargs -r docker rm -f; docker system prune --all --force --volumes",
        )
        checkout.lab("reset")
        own.reload()
        assert own.status == "running"
        assert "busybox" in checkout.lab("sh", "docker", "images", "--format", "{{.Repository}}")
    finally:
        own.remove(force=True)


def test_reset_keeps_work_and_progress(checkout: Checkout) -> None:
    (checkout.folder / "workspace/course/notes.md").write_text("mine")
    done = {"course/01-what-is-docker.ipynb": {"done": True}}
    (checkout.folder / "workspace/.progress.json").write_text(json.dumps(done))
    checkout.lab(
        "sh", "docker", "run", "-d", "--name", "gone-after-reset", "busybox", "sleep", "600"
    )
    checkout.lab("reset")
    assert (checkout.folder / "workspace/course/notes.md").read_text() == "mine"
    assert checkout.lab("sh", "docker", "ps", "-aq") == ""
    with urllib.request.urlopen(checkout.up().replace("/lab?", "/course?"), timeout=60) as answer:
        assert b"1 of " in answer.read().partition(b" lessons done")[0][-10:]


def test_a_stopped_or_half_started_lab_comes_back_with_its_engine(checkout: Checkout) -> None:
    checkout.lab("sh", "docker", "run", "-d", "--name", "kept", "busybox", "sleep", "600")
    checkout.container().kill()
    assert "not running" in checkout.lab("status", expect=3)
    assert answers(checkout.up()) == 200
    assert "kept" in checkout.lab("sh", "docker", "ps", "-a", "--format", "{{.Names}}")


@contextmanager
def heeded(how: signal.Signals) -> Iterator[None]:
    """What is started meanwhile does not ignore the signal, although this run may (`nohup`)."""
    if how is signal.SIGKILL:
        yield
        return
    before = signal.signal(how, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(how, before)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_a_command_ends_with_its_client(checkout: Checkout, how: signal.Signals) -> None:
    mark = f"{4000 + how}.25"
    with heeded(how):
        running = checkout.start("sh", "sh", "-c", f"echo started; exec sleep {mark}")
    assert running.stdout
    assert running.stdout.readline() == "started\n"
    running.send_signal(how)
    running.wait()
    wait_until_gone(checkout, mark)


def test_a_command_ends_with_the_reader_of_its_output(checkout: Checkout) -> None:
    running = checkout.start("sh", "yes", "read-no-more")
    assert running.stdout
    running.stdout.readline()
    running.stdout.close()
    assert running.wait() == 128 + signal.SIGPIPE
    wait_until_gone(checkout, "read-no-more")


def test_a_shell_ends_with_its_terminal_and_what_ignores_that_goes_on(checkout: Checkout) -> None:
    main, replica = pty.openpty()
    with heeded(signal.SIGHUP):
        running = subprocess.Popen(
            [sys.executable, "-m", "lab", "sh"],
            cwd=checkout.folder,
            env=checkout.environment,
            stdin=replica,
            stdout=replica,
            stderr=replica,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
    os.close(replica)
    os.write(main, b"nohup sleep 4301.25 &\nsleep 4302.25\n")
    for mark in ("4301.25", "4302.25"):
        while not runs(checkout, mark):
            assert running.poll() is None
            os.set_blocking(main, False)
            with suppress(BlockingIOError):
                os.read(main, 65536)
            time.sleep(0.1)
    os.close(main)
    running.wait()
    wait_until_gone(checkout, "4302.25")
    assert runs(checkout, "4301.25")


def runs(checkout: Checkout, mark: str) -> bool:
    """Whether a process in the lab has this among its arguments."""
    return checkout.container().exec_run(["pgrep", "-f", mark]).exit_code == 0


def wait_until_gone(checkout: Checkout, mark: str) -> None:
    deadline = time.monotonic() + 60
    while runs(checkout, mark):
        assert time.monotonic() < deadline, f"{mark} goes on"
        time.sleep(0.1)


def test_what_a_command_leaves_in_the_background_goes_on(checkout: Checkout) -> None:
    checkout.lab("sh", "sh", "-c", "sleep 4303.25 > /dev/null 2>&1 & echo left")
    assert runs(checkout, "4303.25")


@pytest.mark.parametrize("seconds", [0.5, 1.5, 3, 5])
def test_an_up_that_was_killed_is_completed_by_the_next(checkout: Checkout, seconds: float) -> None:
    checkout.lab("down")
    running = checkout.start("up", "--no-browser", "--port", checkout.port)
    time.sleep(seconds)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert answers(checkout.up()) == 200


def test_a_taken_port_is_said(checkout: Checkout) -> None:
    with closing(socket.socket()) as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        other = checkout.lab("up", "--no-browser", "--port", str(holder.getsockname()[1]), expect=1)
    assert "is taken by another program" in other
    assert "bin/lab up --port" in other


def test_down_leaves_nothing(checkout: Checkout) -> None:
    checkout.up()
    checkout.lab("down")
    assert checkout.left() == []
    assert (checkout.folder / "workspace/course").is_dir()


def test_on_the_machines_own_engine_only_what_the_course_labelled_is_removed(
    checkout: Checkout,
) -> None:
    image = images.ensure_lab_image(checkout.client, hub=hub_answers(checkout.client))
    own = checkout.client.containers.run(
        image, ["sleep", "600"], name=f"not-the-courses-{os.getpid()}", detach=True
    )
    try:
        options = ["--no-browser", "--engine", "host", "--port", checkout.port]
        assert answers(checkout.lab("up", *options).strip()) == 200
        assert own.name in checkout.lab("sh", "docker", "ps", "--format", "{{.Names}}"), (
            "it is the machine's engine"
        )
        web = f"{checkout.name}-web"
        sleep = ["--entrypoint", "sleep", image, "600"]
        checkout.lab("sh", "docker", "run", "-d", "--name", web, *sleep)
        checkout.lab("sh", "docker", "volume", "create", f"{checkout.name}-data")
        checkout.lab("sh", "docker", "network", "create", f"{checkout.name}-net")
        assert checkout.lab("sh", "docker", "exec", web, "echo", "inside") == "inside\n"
        assert len(checkout.left()) == 4
        checkout.lab("down")
        assert checkout.left() == []
        own.reload()
        assert own.status == "running"
    finally:
        own.remove(force=True)
