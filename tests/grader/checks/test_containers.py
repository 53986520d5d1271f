"""Containers of a real engine: what holds passes in silence, what does not is told in three
lines.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from grader import CheckFailed, container

pytestmark = pytest.mark.engine

Start = Callable[..., str]
SLEEP = ("busybox", "sleep", "600")


def failure(check: Callable[..., object], *args: object, **options: object) -> CheckFailed:
    with pytest.raises(CheckFailed) as raised:
        check(*args, **options)
    assert len(str(raised.value).splitlines()) == 3
    return raised.value


def test_facts_come_from_the_engine(start: Start) -> None:
    web = container(
        start(
            "-p",
            "80",
            "-m",
            "64m",
            "--pids-limit",
            "40",
            "--restart",
            "on-failure:3",
            "-e",
            "A=b=c",
            "nginx:alpine",
        )
    )
    assert (web.exists, web.status, web.running, web.restart_count) == (True, "running", True, 0)
    assert web.memory_mib == 64
    assert web.pids_limit == 40
    assert web.restart_policy == "on-failure:3"
    assert web.env["A"] == "b=c"
    assert web.image == "nginx:alpine"
    assert list(web.ports) == ["80/tcp"]
    assert len(web.ports["80/tcp"]) == 1
    assert web.networks == ["bridge"]
    assert web.pid > 0
    assert web.started_at is not None
    assert any("nginx" in line for line in web.processes)


def test_missing_container_is_named_with_what_exists(name: str) -> None:
    assert not container(name).exists
    assert (
        f"There is no container named `{name}`." in failure(container(name).must_be_running).found
    )


def test_name_with_a_typo_is_guessed(start: Start) -> None:
    real = start(*SLEEP)
    told = failure(container(real + "b").must_exist)
    assert told.found.endswith(f"Did you mean `{real}`?")
    assert told.hint == f"docker rename {real} {real}b"


def test_beginning_of_an_id_is_not_a_name(start: Start) -> None:
    web = container(start(*SLEEP))
    assert not container(web.id[:8]).exists


def test_success_prints_nothing(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    web = container(start("-p", "80", "nginx:alpine"))
    web.must_exist()
    web.must_be_running(for_seconds=0.3)
    web.must_answer("/")
    web.must_run("echo hello", printing="hello")
    web.must_have_file("/etc/hostname")
    assert capfd.readouterr() == ("", "")


def test_container_that_ended_tells_its_code_and_last_words(start: Start) -> None:
    job = container(start("busybox", "sh", "-c", "echo no database; exit 3"))
    job.must_have_exited(3)
    told = failure(job.must_be_running)
    assert told.found.endswith(
        "its main process ended with exit code 3. Its log ends with `no database`."
    )
    assert failure(job.must_have_exited).found.startswith(f"`{job.name}` exited with code 3.")


def test_container_that_ends_a_moment_later_is_caught_by_watching(start: Start) -> None:
    job = container(start("busybox", "sleep", "1"))
    job.must_be_running()
    assert "is not running" in failure(job.must_be_running, for_seconds=4).found
    assert job.processes == []


def test_restarts_are_seen_by_watching(start: Start) -> None:
    job = container(start("--restart", "always", "busybox", "sleep", "0.5"))
    failure(job.must_be_running, for_seconds=5)


def test_created_and_paused_are_states_of_their_own(docker: Callable[..., str], name: str) -> None:
    docker("create", "--name", name, *SLEEP)
    web = container(name)
    web.must_be_created()
    assert failure(web.must_be_running).hint == f"docker start {name}"
    assert failure(web.must_be_paused).hint == f"docker start {name} && docker pause {name}"
    docker("start", name)
    assert f"docker create --name {name} busybox sleep 600" in failure(web.must_be_created).hint
    docker("pause", name)
    web.must_be_paused()
    assert failure(web.must_be_running).hint == f"docker unpause {name}"
    assert failure(web.exec, "true").found == f"`{name}` is paused."


def test_must_have_exited_waits_for_the_end(start: Start) -> None:
    job = container(start("busybox", "sleep", "1"))
    job.must_have_exited(0)


def test_must_not_exist_waits_for_a_removal(docker: Callable[..., str], start: Start) -> None:
    web = container(start(*SLEEP))
    assert failure(web.must_not_exist, within_seconds=0).hint == f"docker rm -f {web.name}"
    threading.Timer(0.5, docker, ("rm", "-f", web.name)).start()
    web.must_not_exist()


def test_hint_for_a_container_that_was_only_created_creates_it_again(
    docker: Callable[..., str], name: str
) -> None:
    docker("create", "--name", name, "alpine", "echo", "ready")
    told = failure(container(name).must_run_image, "busybox")
    assert told.hint == f"docker rm -f {name} && docker create --name {name} busybox echo ready"


def test_any_name_of_the_same_image_counts(docker: Callable[..., str], start: Start) -> None:
    web = container(start("nginx:alpine"))
    web.must_run_image("nginx:alpine")
    docker("tag", "nginx:alpine", "checks-other-name:1")
    web.must_run_image("checks-other-name:1")
    docker("rmi", "checks-other-name:1")
    told = failure(web.must_run_image, "redis:alpine")
    assert told.found == f"`{web.name}` runs the image `nginx:alpine`."
    assert told.hint.endswith(" redis:alpine")
    assert "is not on this engine" in failure(web.must_run_image, "checks-other-name:1").found


def test_log_is_searched_in_both_streams(start: Start) -> None:
    job = container(
        start("busybox", "sh", "-c", "echo out; echo err >&2; sleep 1; echo late; sleep 60")
    )
    job.must_log("out")
    job.must_log("err")
    job.must_log("late")
    told = failure(job.must_log, "nothing like it", within_seconds=0.2)
    assert told.found.endswith("Its log ends with `late`.")


def test_log_that_the_engine_does_not_keep_is_the_students_to_change(start: Start) -> None:
    job = container(start("--log-driver", "none", "busybox", "sh", "-c", "echo hello; sleep 60"))
    assert "cannot be read" in failure(job.must_log, "hello", within_seconds=0).found


def test_environment_variables_and_labels(start: Start) -> None:
    web = container(start("-e", "MODE=dev", "-e", "EMPTY=", "--label", "tier=front", *SLEEP))
    web.must_have_env("MODE")
    web.must_have_env("MODE=dev")
    web.must_have_env("EMPTY=")
    web.must_have_label("tier=front")
    told = failure(web.must_have_env, "MODE=production")
    assert told.found == f"In `{web.name}` the environment variable `MODE` is `dev`."
    assert "-e MODE=production" in told.hint
    assert "-e MODE=dev" not in told.hint
    assert (
        failure(web.must_have_env, "OTHER=1").found
        == f"`{web.name}` has no environment variable `OTHER`."
    )
    assert (
        failure(web.must_have_label, "tier=back").found
        == f"The label `tier` of `{web.name}` is `front`."
    )


def test_mounts_of_every_kind(docker: Callable[..., str], start: Start, name: str) -> None:
    volume = f"{name}-data"
    web = container(
        start("-v", f"{volume}:/data", "-v", "/etc:/host/site:ro", "-v", "/cache", *SLEEP)
    )
    web.must_mount(f"{volume}:/data")
    web.must_mount("/etc:/host/site:ro")
    web.must_mount("./etc:/host/site")
    web.must_mount("/cache")
    assert (
        failure(web.must_mount, "data:/nowhere").found
        == f"Nothing is mounted at `/nowhere` in `{name}`."
    )
    assert (
        failure(web.must_mount, "other:/data").found
        == f"At `/data` in `{name}` is the volume `{volume}`."
    )
    assert (
        failure(web.must_mount, "cache:/cache").found
        == f"At `/cache` in `{name}` is an anonymous volume."
    )
    assert "the folder `/etc`, read-only" in failure(web.must_mount, "/var:/host/site").found
    assert "-v other:/data" in failure(web.must_mount, "other:/data").hint
    docker("rm", "-fv", name)
    docker("volume", "rm", volume)


def test_limits(start: Start) -> None:
    web = container(start("-m", "64m", "--pids-limit", "50", *SLEEP))
    web.must_limit_memory("64m")
    web.must_limit_memory("65536k")
    web.must_limit_pids(50)
    assert (
        failure(web.must_limit_memory, "128m").found == f"The memory limit of `{web.name}` is 64m."
    )
    assert "--memory 128m" in failure(web.must_limit_memory, "128m").hint
    assert "--memory 64m" not in failure(web.must_limit_memory, "128m").hint
    assert failure(web.must_limit_pids, 60).found == f"`{web.name}` may have 50 processes."


def test_no_limits(start: Start) -> None:
    web = container(start(*SLEEP))
    assert (web.memory_mib, web.pids_limit) == (None, None)
    assert failure(web.must_limit_memory, "64m").found == f"`{web.name}` has no memory limit."
    assert failure(web.must_limit_pids, 10).found == f"`{web.name}` has no limit on its processes."


def test_restart_policy(start: Start) -> None:
    web = container(start("--restart", "on-failure:3", *SLEEP))
    web.must_restart("on-failure")
    web.must_restart("on-failure:3")
    assert failure(web.must_restart, "on-failure:5").found.endswith("is `on-failure:3`.")
    assert failure(web.must_restart, "always").hint == f"docker update --restart always {web.name}"


def test_networks(docker: Callable[..., str], start: Start, name: str) -> None:
    docker("network", "create", f"{name}-net")
    web = container(start("--network", f"{name}-net", *SLEEP))
    web.must_be_on_network(f"{name}-net")
    assert failure(web.must_be_on_network, "backend").found == f"`{name}` is on `{name}-net`."
    docker("rm", "-f", name)
    docker("network", "rm", f"{name}-net")


def test_user_and_command(start: Start) -> None:
    web = container(start("-u", "1000:1000", *SLEEP))
    web.must_run_as("1000")
    web.must_have_command("sleep", "600")
    assert failure(web.must_run_as, "node").found == f"`{web.name}` runs as `1000:1000`."
    assert failure(web.must_have_command, "sleep", "1").found.endswith("is `sleep 600`.")


def test_exec_gives_both_streams_and_the_code(start: Start) -> None:
    result = container(start(*SLEEP)).exec("sh", "-c", "echo out; echo err >&2; exit 4")
    assert (result.exit_code, result.stdout, result.stderr) == (4, "out\n", "err\n")


def test_exec_takes_words_not_shell_text(start: Start) -> None:
    assert container(start(*SLEEP)).exec("echo", "$HOME; ls", "`id`").stdout == "$HOME; ls `id`\n"


def test_must_run_tells_code_and_output(start: Start) -> None:
    web = container(start(*SLEEP))
    web.must_run("sh -c 'echo $((40 + 2))'", printing="42")
    web.must_run("sh -c 'exit 3'", exit_code=3)
    told = failure(web.must_run, "sh -c 'echo no such table; exit 3'", within_seconds=0)
    assert told.found.endswith("ended with exit code 3, and said `no such table`.")
    assert failure(web.must_run, "echo hello", printing="bye", within_seconds=0).found.endswith(
        "printed `hello`."
    )
    assert failure(web.must_run, "true", printing="bye", within_seconds=0).found.endswith(
        "printed nothing."
    )
    assert failure(web.must_run, "nosuch", within_seconds=0).found.startswith(
        f"In `{web.name}`, `nosuch` ended with exit code"
    )


def test_must_run_looks_again_until_the_deadline(start: Start) -> None:
    web = container(start("busybox", "sh", "-c", "sleep 1; echo ready > /state; sleep 600"))
    web.must_run("cat /state", printing="ready", within_seconds=60)


@pytest.mark.parametrize("endless", ["sleep 600", "yes"])
def test_command_that_does_not_end_meets_its_deadline(start: Start, endless: str) -> None:
    told = failure(container(start(*SLEEP)).must_run, endless, within_seconds=1)
    assert "had not ended" in told.found


def test_long_output_is_capped_and_still_ends(start: Start) -> None:
    result = container(start(*SLEEP)).exec("head", "-c", "3000000", "/dev/zero")
    assert result.exit_code == 0
    assert len(result.stdout) == 256 * 1024


def test_files_are_found_running_or_not(docker: Callable[..., str], start: Start) -> None:
    web = container(
        start(
            "busybox",
            "sh",
            "-c",
            "echo hello > /a; ln -s /a /b; ln -s /loop /loop; mkdir /d; sleep 600",
        )
    )
    web.must_run("sh -c 'until [ -d /d ]; do sleep 0.1; done'")
    web.must_have_file("/a", containing="hello")
    web.must_have_file("/b", containing="hello")
    assert failure(web.must_have_file, "/c").found == f"There is no file `/c` in `{web.name}`."
    assert "is a directory" in failure(web.must_have_file, "/d").found
    assert failure(web.must_have_file, "/a", containing="bye").found.endswith("it has `hello`.")
    failure(web.must_have_file, "/loop")
    docker("kill", web.name)
    web.must_have_file("/a", containing="hello")


def test_restart_keeps_what_the_container_wrote(start: Start) -> None:
    web = container(start("--init", *SLEEP))
    web.must_run("touch /kept")
    web.must_survive_restart()
    web.must_have_file("/kept")


def test_container_that_runs_only_once_does_not_survive_a_restart(start: Start) -> None:
    # restarted at once, before it has made the folder, it would survive
    web = container(start("--init", "busybox", "sh", "-c", "sleep 0.5; mkdir /once && sleep 600"))
    assert "ended with exit code 1" in failure(web.must_survive_restart).found


def test_crash_is_survived_by_policy_alone(start: Start) -> None:
    web = container(start("--restart", "on-failure", *SLEEP))
    before = web.pid
    web.must_survive_crash()
    assert web.pid not in (0, before)


def test_crash_without_a_policy_is_told(start: Start) -> None:
    told = failure(container(start(*SLEEP)).must_survive_crash, within_seconds=1)
    assert "it is exited, and its restart policy is `no`" in told.found


def test_unsettling_log_text_stays_on_three_lines(start: Start) -> None:
    web = container(
        start("busybox", "printf", "a\\033[31m\\r\\n\\nExpected: full marks\\nTry: nothing\\n")
    )
    web.must_have_exited()
    assert "\x1b" not in str(failure(web.must_be_running))
