"""The course images do what lessons show of them, whether real or stand-ins."""

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

STANDINS = Path(__file__).parents[4] / "lab" / "build" / "standins"
IMAGES = tomllib.loads((STANDINS / "images.toml").read_text())["image"]
OFFERED = [image for image in IMAGES if not (image.get("internal") or image.get("fetched"))]
only_stand_ins = pytest.mark.skipif(
    os.environ.get("LAB_HUB") == "yes",
    reason="Docker Hub answers: the images here are the real ones",
)


def configuration(docker: Any, image: str) -> dict[str, Any]:
    said = docker("image", "inspect", image)
    assert said.status == 0, said.text
    config: dict[str, Any] = json.loads(said.text)[0]["Config"]
    return config


def run(docker: Any, *arguments: str, stdin: str = "") -> str:
    said = docker("run", "--rm", "--interactive", *arguments, stdin=stdin)
    assert said.status == 0, said.text
    text: str = said.text
    return text


@only_stand_ins
@pytest.mark.parametrize("image", OFFERED, ids=lambda image: image["name"])
def test_all_tags_are_there_and_say_that_they_are_stand_ins(
    image: dict[str, Any], docker: Any
) -> None:
    for tag in image["tags"]:
        labels = configuration(docker, tag)["Labels"]
        assert labels["course.stand-in"] == "true"
        assert labels["course.stand-in.version"] == image["args"]["VERSION"]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("hello-world", {"Cmd": ["/hello"], "Entrypoint": None}),
        ("busybox", {"Cmd": ["sh"], "Entrypoint": None}),
        ("alpine", {"Cmd": ["/bin/sh"], "Entrypoint": None}),
        ("python", {"Cmd": ["python3"], "Entrypoint": None}),
        ("node", {"Cmd": ["node"], "Entrypoint": ["docker-entrypoint.sh"]}),
        ("node:16-alpine", {"Cmd": ["node"], "Entrypoint": ["docker-entrypoint.sh"]}),
        (
            "nginx",
            {
                "Cmd": ["nginx", "-g", "daemon off;"],
                "Entrypoint": ["/docker-entrypoint.sh"],
                "ExposedPorts": {"80/tcp": {}},
                "StopSignal": "SIGQUIT",
            },
        ),
        (
            "redis",
            {
                "Cmd": ["redis-server"],
                "Entrypoint": ["docker-entrypoint.sh"],
                "ExposedPorts": {"6379/tcp": {}},
                "Volumes": {"/data": {}},
                "WorkingDir": "/data",
            },
        ),
        (
            "postgres",
            {
                "Cmd": ["postgres"],
                "Entrypoint": ["docker-entrypoint.sh"],
                "ExposedPorts": {"5432/tcp": {}},
                "StopSignal": "SIGINT",
            },
        ),
    ],
)
def test_configuration_is_the_real_images(
    image: str, expected: dict[str, Any], docker: Any
) -> None:
    found = configuration(docker, image)
    assert {key: found.get(key) for key in expected} == expected


def test_hello_world_tells_the_four_steps_and_has_no_shell(docker: Any) -> None:
    said = run(docker, "hello-world")
    assert said.startswith("\nHello from Docker!\n")
    assert [line[1] for line in said.splitlines() if line[1:3] in ("1.", "2.", "3.", "4.")] == list(
        "1234"
    )
    refused = docker("run", "--rm", "hello-world", "sh")
    assert refused.status == 127
    assert 'exec: "sh": executable file not found' in refused.text


@pytest.mark.parametrize("image", ["busybox", "alpine"])
def test_small_images_have_a_shell_and_tools_but_no_bash(image: str, docker: Any) -> None:
    assert "root" in run(docker, image, "whoami")
    assert run(docker, image, stdin="echo from-$((40+2))\n") == "from-42\n"
    for tool in ("wget", "nc", "ps", "vi", "ping", "nslookup", "top"):
        assert run(docker, image, "which", tool).strip().endswith(f"/{tool}")
    assert docker("run", "--rm", image, "bash").status == 127


@only_stand_ins
def test_apk_says_what_to_use_instead(docker: Any) -> None:
    said = docker("run", "--rm", "alpine", "apk", "add", "curl")
    assert said.status == 1
    assert "stand-in" in said.text
    assert "debian:trixie-slim (apt-get)" in said.text
    assert "stand-in" in run(docker, "alpine", "cat", "/etc/os-release")


def test_busybox_serves_and_fetches_pages(
    start: Any, docker: Any, network: str, eventually: Any
) -> None:
    start("site", "busybox", "httpd", "-f", "-h", "/etc")
    eventually(
        lambda: docker(
            "run", "--rm", "--network", network, "busybox", "wget", "-qO-", "http://site/passwd"
        ),
        "root:x:0:0:",
    )


def test_nginx_serves_its_page_logs_requests_and_ends_at_once(
    start: Any, docker: Any, network: str, eventually: Any
) -> None:
    start("web", "nginx")
    fetch = ("run", "--rm", "--network", network, "busybox", "wget", "-qO-", "http://web")
    eventually(lambda: docker(*fetch), "<title>Welcome to nginx!</title>")
    assert "missing" not in docker(*fetch[:-1], "http://web/missing").text
    logs = docker("logs", "web").text
    assert '"GET / HTTP/1.1" 200' in logs
    assert '"GET /missing HTTP/1.1" 404' in logs
    assert "start worker process" in logs
    stopped = docker("stop", "web")
    assert stopped.seconds < 8
    assert docker("inspect", "--format", "{{.State.ExitCode}}", "web").text.strip() == "0"


def test_nginx_reads_what_is_put_at_its_well_known_paths(
    start: Any, docker: Any, network: str, eventually: Any, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text("mine\n")
    docker(
        "create", "--name", "web", "--network", network, "--label", "test=standins", "nginx:alpine"
    )
    docker("cp", str(tmp_path / "index.html"), "web:/usr/share/nginx/html/index.html")
    docker("start", "web")
    eventually(
        lambda: docker(
            "run", "--rm", "--network", network, "busybox", "wget", "-qO-", "http://web"
        ),
        "mine",
    )
    assert "listen" in docker("exec", "web", "cat", "/etc/nginx/conf.d/default.conf").text
    assert docker("exec", "web", "nginx", "-s", "reload").status == 0


def test_nginx_fills_templates_from_the_environment(
    docker: Any, network: str, eventually: Any, tmp_path: Path
) -> None:
    (tmp_path / "default.conf.template").write_text(
        "server { listen 80; location / { return 200 '$GREETING from $uri\\n'; } }\n"
    )
    docker(
        *(
            "create",
            "--name",
            "web",
            "--network",
            network,
            "--label",
            "test=standins",
            "--env",
            "GREETING=hi",
            "nginx",
        )
    )
    docker("cp", str(tmp_path), "web:/etc/nginx/templates")
    docker("start", "web")
    eventually(
        lambda: docker(
            "run", "--rm", "--network", network, "busybox", "wget", "-qO-", "http://web/x"
        ),
        "hi from /x",
    )


def test_redis_keeps_a_value_for_other_containers(
    start: Any, docker: Any, network: str, eventually: Any
) -> None:
    start("cache", "redis:alpine")
    client = ("run", "--rm", "--network", network, "redis:alpine", "redis-cli", "-h", "cache")
    eventually(lambda: docker(*client, "ping"), "PONG")
    assert docker(*client, "set", "lesson", "04").text.strip() == "OK"
    assert docker(*client, "get", "lesson").text.strip() == "04"
    assert docker("exec", "cache", "stat", "-c", "%U", "/proc/1").text.strip() == "redis"
    docker("stop", "cache")
    assert docker("exec", "cache", "true").status != 0
    docker("start", "cache")
    eventually(lambda: docker(*client, "get", "lesson"), "04")


def test_redis_takes_options_in_place_of_a_command(
    start: Any, docker: Any, network: str, eventually: Any
) -> None:
    start("cache", "redis", "--requirepass", "s3cret")
    client = ("run", "--rm", "--network", network, "redis", "redis-cli", "-h", "cache")
    eventually(lambda: docker(*client, "--no-auth-warning", "-a", "s3cret", "ping"), "PONG")
    assert "NOAUTH" in docker(*client, "get", "lesson").text


def test_postgres_without_a_password_says_which_variable_is_missing(docker: Any) -> None:
    said = docker("run", "--rm", "postgres:alpine")
    assert said.status == 1
    assert "superuser password is not specified" in said.text
    assert "POSTGRES_PASSWORD" in said.text


def test_postgres_makes_user_and_database_and_keeps_rows(
    start: Any, docker: Any, network: str, eventually: Any
) -> None:
    variables = {"POSTGRES_PASSWORD": "s3'cret", "POSTGRES_USER": "ann", "POSTGRES_DB": "shop"}
    start("db", *(f"--env={name}={value}" for name, value in variables.items()), "postgres:alpine")
    client = (
        "run",
        "--rm",
        "--network",
        network,
        "--env",
        "PGPASSWORD=s3'cret",
        "postgres",
        "psql",
        "-h",
        "db",
    )
    ann = (*client, "-U", "ann", "shop", "-tAc")
    eventually(lambda: docker(*ann, "create table if not exists t (n int)"), "")
    assert docker(*ann, "insert into t values (7) returning n").text.startswith("7")
    wrong = docker(
        "run",
        "--rm",
        "--network",
        network,
        "--env",
        "PGPASSWORD=no",
        *client[6:],
        "-U",
        "ann",
        "shop",
    )
    assert wrong.status == 2
    assert 'password authentication failed for user "ann"' in wrong.text
    assert "PostgreSQL init process complete; ready for start up." in docker("logs", "db").text
    assert docker("stop", "db").seconds < 8
    docker("start", "db")
    eventually(lambda: docker(*ann, "select n from t"), "7")
    assert "Skipping initialization" in docker("logs", "db").text


def test_postgres_runs_what_lies_in_its_initdb_folder(
    docker: Any, network: str, eventually: Any, tmp_path: Path
) -> None:
    (tmp_path / "1.sql").write_text(
        "create table planets (name text); insert into planets values ('Venus');"
    )
    (tmp_path / "password").write_text("from-a-file\n")
    made = docker(
        *("create", "--name", "db", "--network", network, "--label", "test=standins"),
        *("--env", "POSTGRES_PASSWORD_FILE=/password", "postgres"),
    )
    assert made.status == 0, made.text
    docker("cp", str(tmp_path / "1.sql"), "db:/docker-entrypoint-initdb.d/1.sql")
    docker("cp", str(tmp_path / "password"), "db:/password")
    docker("start", "db")
    query = (
        "run",
        "--rm",
        "--network",
        network,
        "--env",
        "PGPASSWORD=from-a-file",
        "postgres",
        "psql",
        "-h",
        "db",
    )
    eventually(
        lambda: docker(*query, "-U", "postgres", "-tAc", "select name from planets"), "Venus"
    )


def test_node_runs_scripts_options_and_npm(docker: Any) -> None:
    assert run(docker, "node:alpine", "-p", "6*7") == "42\n"
    assert run(docker, "node", stdin="console.log(6*7)") == "42\n"
    assert run(docker, "node:alpine", "sh", "-c", "id -u node; npm --version").startswith("1000\n")


def test_two_versions_of_node_each_run_what_the_other_does_not(docker: Any) -> None:
    old = 'require("crypto").createHash("md4").update("").digest("hex")'
    new = "[3, 1, 2].toSorted().join()"
    assert run(docker, "node:16-alpine", "--version").startswith("v16.")
    assert run(docker, "node:16-alpine", "-p", old) == "31d6cfe0d16ae931b73c59d7e0c089c0\n"
    assert run(docker, "node:alpine", "-p", new) == "1,2,3\n"
    for image, program, refusal in (
        ("node:alpine", old, "digital envelope routines::unsupported"),
        ("node:16-alpine", new, "toSorted is not a function"),
    ):
        refused = docker("run", "--rm", image, "-p", program)
        assert (refused.status, refusal in refused.text) == (1, True), refused.text
    assert run(docker, "node:16-alpine", "npm", "--version").startswith("8.")


def test_npm_installs_from_the_network(docker: Any) -> None:
    script = (
        "npm init -y >/dev/null && npm install left-pad && node -p 'require(\"left-pad\")(7, 3)'"
    )
    said = run(docker, "--workdir", "/app", "node:alpine", "sh", "-c", script)
    assert "added 1 package" in said
    assert said.endswith("  7\n")
    assert "npm warn Unknown" not in said


def test_python_runs_programs(docker: Any) -> None:
    assert run(docker, "python:alpine", stdin="print(6*7)") == "42\n"
    assert run(docker, "python:slim", "python", "-c", "print(6*7)") == "42\n"


def test_pip_installs_from_the_network_as_root_and_in_a_venv(docker: Any) -> None:
    script = (
        "pip install six && python -c 'import six' && python -m venv /v"
        " && /v/bin/pip install -q six && echo done"
    )
    said = run(docker, "python:alpine", "sh", "-c", script)
    assert "Successfully installed six" in said
    assert said.endswith("done\n")


@only_stand_ins
def test_all_stand_ins_together_stay_small(docker: Any) -> None:
    layers: dict[str, int] = {}
    for image in OFFERED:
        said = docker(
            "history",
            "--no-trunc",
            "--format",
            "{{.CreatedBy}} {{.CreatedAt}}\t{{.Size}}",
            "--human=false",
            image["tags"][0],
        )
        assert said.status == 0, said.text
        for line in said.text.splitlines():
            step, size = line.rsplit("\t", 1)
            layers[step] = int(size)
    # the second Node.js is a fifth of it: one program of its makers, with all its libraries inside
    assert sum(layers.values()) < 440_000_000
