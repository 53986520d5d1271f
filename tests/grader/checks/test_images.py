"""Images of a real engine, and throw-away containers of them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from grader import CheckFailed, image
from grader.checks import throwaway

pytestmark = pytest.mark.engine

Build = Callable[..., str]
HELLO = 'FROM busybox\nRUN echo hello > /greeting\nCMD ["cat", "/greeting"]\n'


def failure(check: Callable[..., object], *args: object, **options: object) -> CheckFailed:
    with pytest.raises(CheckFailed) as raised:
        check(*args, **options)
    assert len(str(raised.value).splitlines()) == 3
    return raised.value


def throwaways() -> str:
    return subprocess.check_output(
        ["docker", "ps", "-aq", "--filter", "label=grader.throwaway"], text=True
    )


def test_facts_come_from_the_engine(build: Build) -> None:
    ref = build(
        "FROM busybox\nENV A=b\nLABEL c=d\nEXPOSE 80\nUSER 1000\nWORKDIR /app\nENTRYPOINT"
        ' ["echo"]\nCMD ["hi"]\n'
    )
    app = image(ref)
    assert app.exists
    assert app.tags == [ref]
    assert app.env["A"] == "b"
    assert app.labels["c"] == "d"
    assert app.exposed_ports == ["80/tcp"]
    assert (app.user, app.workdir, app.entrypoint, app.command) == (
        "1000",
        "/app",
        ["echo"],
        ["hi"],
    )
    assert app.size_mib > 0
    assert app.layers[: len(image("busybox").layers)] == image("busybox").layers
    assert app.history[0].startswith("CMD")


def test_missing_image_is_guessed(build: Build) -> None:
    ref = build(HELLO)
    told = failure(image(ref.replace("1.0", "1")).must_exist)
    assert f"Did you mean `{ref}`?" in told.found
    assert told.hint == f"docker tag {ref} {ref.replace('1.0', '1')}"
    image("me/nothing-like-it").must_not_exist()
    assert failure(image(ref).must_not_exist).hint == f"docker rmi {ref}"


def test_command_in_shell_form_differs(build: Build) -> None:
    app = image(build("FROM busybox\nCMD cat /greeting\n"))
    told = failure(app.must_have_command, ["cat", "/greeting"])
    assert "`/bin/sh -c 'cat /greeting'` (3 words)" in told.found
    assert 'CMD ["cat", "/greeting"]' in told.hint


def test_settings(build: Build) -> None:
    app = image(
        build(
            'FROM busybox\nENV A=b\nLABEL c=d\nEXPOSE 80\nWORKDIR /app\nENTRYPOINT ["echo"]\nCMD'
            ' ["hi"]\n'
        )
    )
    app.must_have_command(["hi"])
    app.must_have_entrypoint(["echo"])
    app.must_expose(80)
    app.must_expose("80/tcp")
    app.must_have_env("A=b")
    app.must_have_label("c")
    app.must_have_workdir("/app/")
    app.must_run_as("root")
    app.must_be_smaller_than_mib(1000)
    app.must_be_based_on("busybox")
    app.must_be_built()
    assert "exposes 80/tcp" in failure(app.must_expose, 443).found
    assert failure(app.must_have_env, "A=c").found.startswith("The environment variable `A`")
    assert "has no label `x`" in failure(app.must_have_label, "x=1").found
    assert "start in `/app`" in failure(app.must_have_workdir, "/srv").found
    assert "run as root" in failure(app.must_not_run_as_root).found
    assert "run as `root`" in failure(app.must_run_as, "node").found
    assert "less than 0.1 MiB" in failure(app.must_be_smaller_than_mib, 0.1).expected
    assert "lowest layers differ" in failure(app.must_be_based_on, "nginx:alpine").found
    assert "made by docker build" in failure(app.must_be_committed).found


def test_user_other_than_root(build: Build) -> None:
    app = image(build("FROM busybox\nUSER 1000:1000\n"))
    app.must_not_run_as_root()
    app.must_run_as("1000")


def test_commit_is_told_from_build(docker: Callable[..., str], name: str) -> None:
    docker("run", "--name", name, "busybox", "touch", "/made-by-hand")
    ref = f"{name}:1"
    docker("commit", name, ref)
    try:
        image(ref).must_be_committed()
        image(ref).must_contain_file("/made-by-hand")
        assert "not made by a Dockerfile" in failure(image(ref).must_be_built).found
    finally:
        docker("rmi", ref)


def test_two_names_of_one_image(docker: Callable[..., str], build: Build) -> None:
    one, other = build(HELLO), build("FROM busybox\n")
    docker("tag", one, other)
    image(one).must_be_same_as(other)
    assert failure(image(one).must_be_same_as, "busybox").hint == f"docker tag busybox {one}"


def test_files_are_found_without_running_anything(build: Build) -> None:
    app = image(build('FROM busybox\nRUN echo hello > /a && mkdir /d\nCMD ["no-such-program"]\n'))
    app.must_contain_file("/a", containing="hello")
    app.must_not_contain_file("/b")
    assert "There is no file `/b`" in failure(app.must_contain_file, "/b").found
    assert "is a directory" in failure(app.must_contain_file, "/d").found
    assert "contains the directory `/d`" in failure(app.must_not_contain_file, "/d").found
    assert "does not contain `bye`" in failure(app.must_contain_file, "/a", containing="bye").found
    assert throwaways() == ""


def test_what_it_prints(build: Build) -> None:
    app = image(build(HELLO))
    app.must_print(containing="hello")
    app.must_print(containing="42", args=["echo", "42"])
    app.must_print(containing="", args=["false"], exit_code=1)
    assert failure(app.must_print, containing="bye").found.endswith("printed `hello`.")
    assert (
        "exit code 1" in failure(app.must_print, containing="", args=["sh", "-c", "exit 1"]).found
    )
    assert (
        "still runs after 1 s"
        in failure(app.must_print, containing="", args=["sleep", "60"], within_seconds=1).found
    )
    assert (
        "executable file not found"
        in failure(app.must_print, containing="", args=["no-such-program"]).found
    )
    assert throwaways() == ""


def test_what_a_slow_engine_has_lost_is_asked_for_again(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under load it may close the log of a container before it has read all."""
    kept = throwaway.read_log
    lost = iter([True, True])
    monkeypatch.setattr(
        throwaway,
        "read_log",
        lambda *name, **which: "" if next(lost, False) else kept(*name, **which),
    )
    image(build(HELLO)).must_print(containing="hello")


def test_a_user_that_does_not_exist_is_the_students_to_repair(build: Build) -> None:
    ref = build('FROM busybox\nUSER nobody-made-me\nCMD ["true"]\n')
    with pytest.raises(CheckFailed, match="nobody-made-me"), image(ref).run():
        pytest.fail("it cannot start")
    assert "nobody-made-me" in failure(image(ref).must_print, containing="hello").found
    assert throwaways() == ""


def test_printing_has_no_network(build: Build) -> None:
    image(build(HELLO)).must_print(containing="lo", args=["ls", "/sys/class/net"])
    failure(image(build(HELLO)).must_print, containing="eth0", args=["ls", "/sys/class/net"])


def test_throwaway_answers_on_a_port_drawn_by_the_engine(build: Build) -> None:
    app = image(build("FROM nginx:alpine\nRUN echo hello > /usr/share/nginx/html/index.html\n"))
    with app.run(publish="80") as trial:
        trial.must_answer("/", containing="hello")
        with app.run(publish="80", env=["A=b"]) as second:
            second.must_have_env("A=b")
            assert second.ports != trial.ports
    assert throwaways() == ""


def test_failure_of_a_throwaway_speaks_of_the_image(build: Build) -> None:
    ref = build('FROM busybox\nCMD ["sh", "-c", "echo no port; exit 1"]\n')
    with pytest.raises(CheckFailed) as raised, image(ref).run(publish="80") as trial:  # noqa: PT012
        trial.must_have_exited(1)
        trial.must_be_running()
    assert raised.value.found.startswith(f"A container of `{ref}` is not running")
    assert raised.value.hint == f"docker run --rm -p 80 {ref}"
    assert throwaways() == ""


def test_throwaway_is_bounded(build: Build) -> None:
    with image(build(HELLO)).run("sleep", "60") as trial:
        assert trial.memory_mib == 256
        assert trial.pids_limit == 128


def test_throwaway_of_an_image_that_is_gone_is_the_students_to_repair() -> None:
    with (
        pytest.raises(CheckFailed, match="could be started"),
        throwaway.created("no-such-image", "me/app", []),
    ):
        pytest.fail("there is no such image")
    failure(throwaway.wait, "no-such-container", "me/app", 0)


def test_program_of_ours_needs_an_image_of_the_course(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throwaway, "TOOL_IMAGES", ("no-such-image", "nor-this"))
    with pytest.raises(CheckFailed, match="None of the images"):
        throwaway.kill(1)
