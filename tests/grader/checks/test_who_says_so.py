"""What a check believes: the engine, the kernel and programs of ours; no name that can be moved, no
program of the student's, no image that speaks of itself.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from grader import CheckFailed, container, image
from grader.checks import archive
from grader.checks.container.users import same_user, uid_of
from grader.checks.deadline import eventually

pytestmark = pytest.mark.engine

Start = Callable[..., str]
Build = Callable[..., str]
Docker = Callable[..., str]
SLEEP = ("busybox", "sleep", "600")
SLEEPY = 'FROM busybox\n{}\nCMD ["sleep", "600"]\n'


def test_a_name_is_looked_up_once(start: Start, docker: Docker) -> None:
    real = start("-e", "A=real", *SLEEP)
    web = container(real)
    web.must_be_running()
    docker("rename", real, f"{real}-away")
    docker("run", "-d", "--name", real, "-e", "A=other", *SLEEP)
    try:
        web.must_have_env("A=real")
        assert web.exec("sh", "-c", "echo $A").stdout == "real\n"
        assert container(real).env["A"] == "other"
    finally:
        docker("rm", "-f", f"{real}-away")


def test_a_container_that_went_away_is_not_replaced_by_the_next_of_its_name(
    start: Start, docker: Docker
) -> None:
    web = container(name := start(*SLEEP))
    web.must_be_running()
    docker("rm", "-f", name)
    docker("run", "-d", "--name", name, *SLEEP)
    with pytest.raises(CheckFailed, match="was removed while this check looked at it"):
        web.must_be_running()
    with pytest.raises(CheckFailed, match="still exists"):
        web.must_not_exist(within_seconds=0)


def test_a_tag_is_looked_up_once(build: Build, docker: Docker) -> None:
    app = image(ref := build("FROM busybox\nENV A=real\n"))
    app.must_have_env("A=real")
    docker("tag", "busybox", ref)
    app.must_have_env("A=real")
    assert not image(ref).env.get("A")


def test_a_container_that_is_gone_says_nothing_about_its_files(
    start: Start, docker: Docker
) -> None:
    web = container(name := start(*SLEEP))
    gone = web.id
    assert archive.read(gone, "/no-such-file") is None
    docker("rm", "-f", name)
    with pytest.raises(CheckFailed, match="removed while this check looked for a file"):
        archive.read(gone, "/no-such-file")


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ("", ""),
        ("USER root", ""),
        ("USER root:1000", ""),
        ("USER 0:1000", ""),
        ("USER 00", "`USER 00` means"),
        ("USER +0", "`USER +0` means"),
        ("RUN echo app:x:0:0::/:/bin/sh >> /etc/passwd\nUSER app", "`USER app` means"),
        ("RUN echo app:x:none:0::/:/bin/sh >> /etc/passwd\nUSER app", "`USER app` means"),
    ],
)
@pytest.mark.parametrize("program", ['["sleep", "600"]', '["true"]'])
def test_root_in_any_spelling(build: Build, lines: str, named: str, program: str) -> None:
    app = image(build(f"FROM busybox\n{lines}\nCMD {program}\n"))
    with pytest.raises(CheckFailed, match="run as root") as raised:
        app.must_not_run_as_root()
    assert named in raised.value.found


@pytest.mark.parametrize("user", ["1000", "1000:0", "app", "app:root", "0100"])
@pytest.mark.parametrize("program", ['["sleep", "600"]', '["true"]', "sleep 600"])
def test_other_users_in_any_spelling(build: Build, user: str, program: str) -> None:
    line = f"RUN echo app:x:1000:1000::/:/bin/sh >> /etc/passwd\nUSER {user}\nCMD {program}\n"
    image(build(f"FROM busybox\n{line}")).must_not_run_as_root()


@pytest.mark.parametrize("program", ['["sleep", "600"]', '["true"]'])
def test_a_number_is_an_id_and_no_name(build: Build, program: str) -> None:
    line = f"RUN echo 1234:x:0:0::/:/bin/sh >> /etc/passwd\nUSER 1234\nCMD {program}\n"
    image(build(f"FROM busybox\n{line}")).must_not_run_as_root()


def test_user_id_is_what_the_kernel_says(start: Start) -> None:
    web = container(start("-u", "1234:5", *SLEEP))
    assert (web.uid, web.user) == (1234, "1234:5")
    web.must_run_as("1234")


def test_a_container_that_ended_has_no_user_id(start: Start) -> None:
    web = container(start("busybox", "true"))
    web.must_have_exited()
    assert web.uid is None


def test_one_user_in_two_spellings(build: Build) -> None:
    app = image(build(SLEEPY.format("RUN echo app:x:77:0::/:/bin/sh >> /etc/passwd\nUSER 77:0")))
    app.must_run_as("app")
    app.must_run_as("77")
    with pytest.raises(CheckFailed, match="run as `77:0`"):
        app.must_run_as("root")
    with app.run() as trial:
        trial.must_run_as("app")


def test_the_engines_rule_for_users() -> None:
    passwd = "# a comment\n\nroot:x:0:0::/:/bin/sh\nnode:x:1000:1000::/:/bin/sh\n"
    assert [uid_of(user, passwd) for user in ("", "root", "node:node", "7", "nobody")] == [
        0,
        0,
        1000,
        7,
        None,
    ]
    assert same_user("nobody", "nobody", passwd)
    assert not same_user("root", "node", "node:x:0:0::/:/bin/sh\n")


def test_a_server_is_asked_by_a_client_of_ours(start: Start) -> None:
    cache = container(start("redis:alpine"))
    cache.must_serve("redis-cli ping", client="redis:alpine", printing="PONG")
    product = "redis-cli eval 'return ARGV[1] * ARGV[2]' 0 123 456"
    cache.must_serve(product, client="redis:alpine", printing="56088")
    with pytest.raises(CheckFailed) as raised:
        cache.must_serve(
            "redis-cli ping", client="redis:alpine", printing="no", env=["A=b"], within_seconds=0
        )
    assert raised.value.found == (
        f"On the network of `{cache.name}`, `redis-cli ping` printed `PONG`."
    )
    assert raised.value.hint == (
        f"docker run --rm --network container:{cache.name} -e A=b redis:alpine redis-cli ping"
    )


def test_a_client_inside_the_container_has_no_say(start: Start) -> None:
    fake = "/usr/local/bin/redis-cli"
    script = f"printf '#!/bin/sh\\necho PONG\\n' > {fake}; chmod +x {fake}; exec sleep 600"
    cache = container(start("redis:alpine", "sh", "-c", script))
    eventually(lambda: cache.must_run("redis-cli ping", printing="PONG"), 20)
    with pytest.raises(CheckFailed, match="ended with exit code 1"):
        cache.must_serve("redis-cli ping", client="redis:alpine", printing="PONG", within_seconds=0)


def test_a_server_that_stopped_is_named(start: Start) -> None:
    with pytest.raises(CheckFailed, match="is not running"):
        container(start("redis:alpine", "false")).must_serve("redis-cli ping", client="busybox")
