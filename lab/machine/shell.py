"""``bin/lab sh``: a command in the lab at this terminal, which ends when its client does."""

import secrets
import subprocess
import sys

import docker

from lab.errors import LabError
from lab.machine import host
from lab.machine.lifeline import CLIENT, ENDED
from lab.seat import Seat


def enter(client: docker.DockerClient, name: str, command: list[str]) -> int:
    """Run a command in the lab of this name as the student, at this terminal; returns its exit
    status, or 128 and the number of the signal that ended the client.

    It uses the docker command line, which handles terminals: raw mode, window size, signals.
    """
    docker_command = host.docker_command()
    if docker_command is None:
        raise LabError(
            "`bin/lab sh` needs the docker command, which is not on PATH.",
            "use a terminal in JupyterLab (File > New > Terminal).",
        )
    seat = Seat.from_container(client.containers.get(name))
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    mark = secrets.token_hex(8)
    options = [
        "--interactive",
        *terminal,
        "--user",
        str(seat.user[0]),
        "--env",
        "HOME=/home/student",
        "--env",
        f"{CLIENT}={mark}",
        "--workdir",
        seat.folder,
    ]
    called = [docker_command, "exec", *options, name, *(command or ["bash", "-l"])]
    # as a terminal that closes and `timeout` say it
    how = "HUP" if terminal else "TERM"
    lifeline = subprocess.Popen(
        [sys.executable, "-m", "lab.machine.lifeline", name, mark, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # what ends this process and its terminal leaves it alone
    )
    with lifeline:
        status = subprocess.run(called, env=host.environment(), check=False).returncode
        if status >= 0:
            lifeline.communicate(ENDED)
    return status if status >= 0 else 128 - status
