"""`bin/lab docs` as a person runs it."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

from lab.course import ROOT

LAB = [sys.executable, "-m", "lab", "docs"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LAB, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    done = run("--build-only", str(tmp_path))
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_it_shows_the_site_on_this_machine_alone_until_it_is_stopped() -> None:
    command = [*LAB, "--port", "0", "--no-browser"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as shown:
        assert shown.stdout
        url = shown.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
        with urllib.request.urlopen(url) as page:
            assert b"Docker and Kubernetes, hands on" in page.read()
        shown.send_signal(signal.SIGINT)
        assert shown.wait(20) == 0


def test_a_port_that_is_taken_is_named() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--port", str(port), "--no-browser")
    assert done.returncode == 1
    assert f"Port {port} on this machine cannot be used" in done.stderr
    assert "bin/lab docs --port 0" in done.stderr
