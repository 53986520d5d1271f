"""Ports of containers of a real engine: what is published, and what answers there."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable

import pytest

from grader import container

from .test_containers import Start, failure

pytestmark = pytest.mark.engine


def test_unpublished_port_names_the_missing_flag(start: Start) -> None:
    name = start("nginx:alpine")
    told = failure(container(name).must_publish, "8080:80")
    assert str(told).splitlines() == [
        f"`{name}` is running, but its port 80 is not published to your machine.",
        "Expected: host port 8080 → container port 80.",
        (
            f"Try: docker rm -f {name} && docker run -d --name {name} --label course.tests=checks"
            " -p 8080:80 nginx:alpine"
        ),
    ]


def test_swapped_ports_are_recognised(start: Start, free_port: int) -> None:
    web = container(start("-p", f"{free_port}:80", "nginx:alpine"))
    told = failure(web.must_publish, f"80:{free_port}")
    assert "the two ports are the other way round" in told.found
    assert f"-p 80:{free_port}" in told.hint
    assert f"-p {free_port}:80" not in told.hint


def test_port_on_another_host_port_is_told(start: Start, free_port: int) -> None:
    web = container(start("-p", f"{free_port}:80", "nginx:alpine"))
    web.must_publish(f"{free_port}:80")
    web.must_publish("80")
    assert failure(web.must_publish, "9:80").found.endswith(
        f"its port 80 is published on host port {free_port}."
    )


def test_port_clash_shows_the_engines_reason(
    docker: Callable[..., str], start: Start, free_port: int
) -> None:
    start("-p", f"{free_port}:80", "nginx:alpine")
    other = f"checks-clash-{free_port}"
    docker("create", "--name", other, "-p", f"{free_port}:80", "nginx:alpine")
    try:
        with pytest.raises(AssertionError, match="already allocated"):
            docker("start", other)
        told = failure(container(other).must_be_running)
        assert "could not start" in told.found
        assert "already allocated" in told.found
    finally:
        docker("rm", "-f", other)


def test_answers_are_polled_to_the_deadline(start: Start, free_port: int) -> None:
    late = "sleep 2; echo '<h1>Hello</h1>' > /tmp/index.html; exec httpd -f -p 80 -h /tmp"
    web = container(start("-p", f"{free_port}:80", "busybox", "sh", "-c", late))
    web.must_answer(f"http://localhost:{free_port}", containing="Hello")
    told = failure(web.must_answer, "/", containing="Goodbye", within_seconds=1)
    assert told.found.endswith(
        "answered with status 200, but without `Goodbye`, it says `<h1>Hello</h1>`."
    )
    assert (
        "answered with status 404" in failure(web.must_answer, "/nothing", within_seconds=1).found
    )


def test_program_on_another_port_is_explained(start: Start, free_port: int) -> None:
    web = container(start("-p", f"{free_port}:81", "nginx:alpine"))
    told = failure(web.must_answer, f"http://localhost:{free_port}", within_seconds=1)
    assert "closed it without an HTTP answer" in told.found
    assert "container port you published (81)" in told.hint


def test_answer_of_another_program_does_not_count(start: Start) -> None:
    """A server of the student's own on the right port of the machine is not the container's
    answer.
    """
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        told = failure(
            container(start("nginx:alpine")).must_answer, f"http://localhost:{server.server_port}"
        )
        server.shutdown()
    assert f"none of its ports is published on host port {server.server_port}" in told.found
