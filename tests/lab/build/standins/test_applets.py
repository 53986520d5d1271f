"""The stand-ins have the commands that the real images have, and these do what they do there."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from .test_course_images import only_stand_ins, run

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]
REAL = tomllib.loads(Path(__file__).with_name("applets.toml").read_text())
MISSING = 'for name; do which "$name" > /dev/null || echo "$name"; done'


@only_stand_ins
@pytest.mark.parametrize(
    ("image", "like"),
    [
        ("busybox", "busybox"),
        ("alpine", "alpine"),
        ("nginx:alpine", "alpine"),
        ("node:alpine", "alpine"),
        ("postgres:alpine", "alpine"),
        ("python:alpine", "alpine"),
        ("redis:alpine", "alpine"),
    ],
)
def test_every_applet_of_the_real_image_is_there(image: str, like: str, docker: Any) -> None:
    applets = REAL[like]["applets"].split()
    said = run(docker, "--entrypoint", "sh", image, "-c", MISSING, "sh", *applets)
    assert said.split() == sorted(REAL[like]["missing"])


@pytest.mark.parametrize("image", ["busybox", "alpine", "nginx:alpine"])
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("printenv HOME", "/root\n"),
        ("nohup nice -n 5 nice 2> /dev/null", "5\n"),
        ("echo abcd | split -b 2 - /tmp/part-; cat /tmp/part-ab", "cd"),
        ("printf 'a\\nb\\n' > /tmp/1; printf 'b\\nc\\n' > /tmp/2; comm -12 /tmp/1 /tmp/2", "b\n"),
        ("sleep 60 & until pgrep sleep > /tmp/pid; do :; done; wc -l < /tmp/pid", "1\n"),
        ("sleep 60 & until pkill sleep; do :; done; { wait $!; echo $?; } 2> /dev/null", "143\n"),
        (
            "sleep 60 > /tmp/held & until fuser /tmp/held > /tmp/by; do :; done; wc -w < /tmp/by",
            "1\n",
        ),
        ("sleep 60 > /tmp/held & until lsof | grep -q /tmp/held; do :; done; echo held", "held\n"),
        ("nc -z 127.0.0.1 9 || echo closed", "closed\n"),
        ("nc -lk -p 99 & until nc -z 127.0.0.1 99; do :; done; echo open", "open\n"),
    ],
)
def test_tools_do_what_their_names_say(image: str, script: str, expected: str, docker: Any) -> None:
    assert run(docker, "--entrypoint", "sh", image, "-c", script) == expected
