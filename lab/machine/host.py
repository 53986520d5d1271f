"""The machine's own Docker: found, or installed and started; never changed beyond that."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path

import docker
from docker.errors import DockerException

from lab.course import STATE
from lab.errors import LabError
from lab.lock import alone
from lab.progress import say, step

SYSTEMD = Path("/run/systemd/system")
SOCKET = Path("/var/run/docker.sock")
REQUEST_SECONDS = 600  # on a slow disk the first byte of a build's answer comes late


def connect() -> docker.DockerClient:
    """The engine that DOCKER_HOST, the current context or the default socket names.

    Raises LabError when none answers.
    """
    try:
        client = docker.from_env(timeout=REQUEST_SECONDS, environment=environment())
        client.ping()
    except DockerException as error:
        _go_on_as_root()
        raise LabError(
            f"No Docker engine answers on this machine ({_reason(error)}).", _start_hint()
        ) from error
    return client


def ensure_engine() -> docker.DockerClient:
    """The machine's engine; if there is none, Debian's is installed and started first."""
    environment()  # a context on another machine is an error, not a reason to start an engine here
    try:
        return connect()
    except LabError:
        if os.environ.get("DOCKER_HOST"):
            raise
    with alone("engine"):
        with suppress(LabError):
            return connect()  # another command has started it in the meantime
        if not shutil.which("dockerd"):
            _install()
        _start()
        return _wait_for_engine()


def environment() -> dict[str, str]:
    """DOCKER_HOST wins; else the socket of the CLI's current context, if it has one."""
    variables = dict(os.environ)
    if "DOCKER_HOST" not in variables and shutil.which("docker"):
        command = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
        found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        if found.startswith("unix://"):
            variables["DOCKER_HOST"] = found
        elif found:
            raise LabError(
                f"Docker's current context is on another machine ({found}), which cannot see your"
                " workspace.",
                "docker context use default, with DOCKER_CONTEXT unset; then run this again",
            )
    return variables


def _go_on_as_root() -> None:
    """Run this command again through sudo if only the socket's permissions are in the way.

    The workspace still belongs to the caller.
    """
    if not _permission_denied() or os.environ.get("DOCKER_HOST") or not shutil.which("sudo"):
        return
    say(
        "Docker's socket is not open to you (you are not in the group docker): continuing as root,"
        " through sudo ..."
    )
    kept = ["--preserve-env=KUBECONFIG"] if "KUBECONFIG" in os.environ else []
    os.execvp("sudo", ["sudo", *kept, "--", sys.executable, "-m", "lab", *sys.argv[1:]])


def machine_socket() -> str:
    """The engine's socket as its own machine sees it; LabError if that is another machine."""
    named = environment().get("DOCKER_HOST", f"unix://{SOCKET}")
    if not named.startswith("unix://"):
        raise LabError(
            f"The engine is reached at {named}, which a container here cannot share.",
            "bin/lab up without --engine host",
        )
    path = named.removeprefix("unix://")
    return (
        path
        if Path(path).is_relative_to("/var/run") or Path(path).is_relative_to("/run")
        else str(SOCKET)
    )


def _reason(error: Exception) -> str:
    text = str(error)
    if "Permission denied" in text:
        return "permission denied on its socket"
    if "No such file" in text or "Connection refused" in text:
        return "nothing listens on its socket"
    return text[:200]


def _permission_denied() -> bool:
    return SOCKET.exists() and not os.access(SOCKET, os.R_OK | os.W_OK)


def _start_hint() -> str:
    if _permission_denied():
        return (
            "sudo usermod -aG docker $USER, log out and in again (the socket belongs to the group"
            " docker); or sudo bin/lab up"
        )
    if shutil.which("dockerd"):
        return "bin/lab up, which starts it; or sudo systemctl start docker"
    return (
        "bin/lab up as root or with sudo, which installs Debian's docker.io; or install Docker"
        " Desktop, then bin/lab up"
    )


def as_root(command: list[str]) -> list[str]:
    """The command as root would run it; LabError if this user cannot become root."""
    if os.geteuid() == 0:
        return command
    if shutil.which("sudo"):
        return ["sudo", "--", *command]
    raise LabError(
        f"`{shlex.join(command)}` must run as root (you are not root, and there is no sudo).",
        f"ask an administrator to run `{shlex.join(command)}`; then run the same command again",
    )


def _install() -> None:
    if not shutil.which("apt-get"):
        raise LabError(
            "There is no Docker engine here, and this system has no apt-get to install one with.",
            "install Docker (Docker Desktop, or your distribution's own package), start it, then"
            " run bin/lab up again.",
        )
    say(
        "No Docker engine answers here: installing Debian's package [bold]docker.io[/] (as"
        " root) ..."
    )
    with step("Install docker.io"):
        run_as_root(["apt-get", "update", "-qq"], "apt-get update")
        run_as_root(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "docker.io", "iptables"],
            "apt-get install docker.io",
        )


def docker_command() -> str | None:
    """Path of the ``docker`` command, installed first if it is missing and apt has docker-cli.

    Since Debian 13 it has its own package, docker-cli; in Debian 12 it is part of docker.io.
    """
    if found := shutil.which("docker"):
        return found
    if shutil.which("apt-cache") and _apt_knows("docker-cli"):
        with step("Install docker-cli"):
            run_as_root(
                ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "docker-cli"],
                "apt-get install docker-cli",
            )
    return shutil.which("docker")


def _apt_knows(package: str) -> bool:
    return (
        subprocess.run(["apt-cache", "show", package], capture_output=True, check=False).returncode
        == 0
    )


def run_as_root(command: list[str], name: str) -> None:
    """Run a system command as root; LabError with its last lines if it fails."""
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with alone("apt") if command[0] == "apt-get" else nullcontext():
        done = subprocess.run(
            as_root(command), capture_output=True, text=True, env=variables, check=False
        )
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise LabError(
            f"{name} failed with exit status {done.returncode}:\n{last}",
            f"run `{' '.join(command)}` yourself, then run bin/lab up again.",
        )


def _start() -> None:
    if SYSTEMD.is_dir():
        say("Starting the machine's Docker engine: [bold]systemctl start docker[/] ...")
        run_as_root(["systemctl", "start", "docker"], "systemctl start docker")
        return
    log, pid = STATE / "dockerd.log", STATE / "dockerd.pid"
    STATE.mkdir(parents=True, exist_ok=True)
    say(
        "Starting the machine's Docker engine as a separate daemon (there is no systemd): log"
        f" {log}, pid file {pid} ..."
    )
    with log.open("ab") as stream:  # dockerd writes the pid file itself and refuses a second daemon
        command = as_root(["dockerd", "--pidfile", str(pid)])
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
        )


def _wait_for_engine(seconds: float = 60) -> docker.DockerClient:
    deadline = time.monotonic() + seconds
    with step("Wait for the Docker engine"):
        while True:
            try:
                return connect()
            except LabError as error:
                if time.monotonic() > deadline:
                    raise LabError(
                        f"The Docker engine was started but did not answer within {seconds:.0f} s"
                        f" ({error.what})",
                        f"read its log ({STATE / 'dockerd.log'} or `journalctl -u docker`), then"
                        " run bin/lab up again.",
                    ) from error
                time.sleep(0.1)


def owner(path: Path) -> tuple[int, int]:
    """uid and gid of the caller; for root, of the caller of sudo, else of the owner of ``path``."""
    if os.geteuid() != 0:
        return os.getuid(), os.getgid()
    if "SUDO_UID" in os.environ:
        return int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"])
    status = path.stat()
    return status.st_uid, status.st_gid
