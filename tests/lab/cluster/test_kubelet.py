"""Parts of the kubelet that can be looked at without an engine."""

import asyncio
import struct
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("kubernetes_validate")

from aiohttp import web

from lab.cluster.kubelet import podstatus
from lab.cluster.kubelet.dns import resolv_conf
from lab.cluster.kubelet.engine import Engine
from lab.cluster.kubelet.runtime import TIDY


async def log_of(socket: Path, body: bytes, *, tty: bool) -> bytes:
    """What the kubelet reads from an engine that answers so, and does not say in which form."""

    async def version(_: web.Request) -> web.Response:
        return web.json_response({"ApiVersion": "1.41"})

    async def logs(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/octet-stream")

    application = web.Application()
    application.router.add_get("/version", version)
    application.router.add_get("/v1.41/containers/c/logs", logs)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    try:
        async with Engine(f"unix://{socket}") as engine:
            return b"".join(
                [chunk async for chunk in engine.logs("c", tty=tty, follow=False, options={})]
            )
    finally:
        await runner.cleanup()


def test_log_is_taken_apart_though_the_engine_does_not_name_its_form(tmp_path: Path) -> None:
    frames = b"".join(
        struct.pack(">BxxxI", stream, 4) + text for stream, text in ((1, b"out\n"), (2, b"err\n"))
    )
    assert asyncio.run(log_of(tmp_path / "e", frames, tty=False)) == b"out\nerr\n"


def test_log_of_a_terminal_is_taken_as_it_is(tmp_path: Path) -> None:
    assert asyncio.run(log_of(tmp_path / "e", b"plain\r\n", tty=True)) == b"plain\r\n"


def test_tidying_leaves_what_is_projected_now(tmp_path: Path) -> None:
    for name in ("..2026_old", "..2026_new"):
        (tmp_path / name).mkdir()
    (tmp_path / "..2026_new" / "kept").write_text("x")
    for link, target in (
        ("..data", "..2026_new"),
        ("kept", "..data/kept"),
        ("gone", "..data/gone"),
    ):
        (tmp_path / link).symlink_to(target)
    subprocess.run(
        ["sh", "-c", TIDY, "tidy", str(tmp_path / "nosuch"), str(tmp_path)],
        check=True,
        capture_output=True,
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["..2026_new", "..data", "kept"]


def test_failed_start_is_told_without_the_engines_own_words() -> None:
    said = (
        "failed to create task for container: failed to create shim task: OCI runtime create"
        " failed: no such file"
    )
    wanted = (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed:"
        " no such file"
    )
    assert podstatus.start_error(said) == wanted


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            {},
            (
                "search a.svc.cluster.local svc.cluster.local cluster.local\nnameserver"
                " 10.96.0.10\noptions ndots:5\n"
            ),
        ),
        ({"dnsPolicy": "Default"}, "search home\nnameserver 10.0.0.1\noptions edns0\n"),
        ({"hostNetwork": True}, "search home\nnameserver 10.0.0.1\noptions edns0\n"),
        (
            {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
            (
                "search a.svc.cluster.local svc.cluster.local cluster.local\nnameserver"
                " 10.96.0.10\noptions ndots:5\n"
            ),
        ),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["9.9.9.9"]}}, "nameserver 9.9.9.9\n"),
        (
            {
                "dnsConfig": {
                    "searches": ["b"],
                    "options": [{"name": "ndots", "value": "1"}, {"name": "edns0"}],
                }
            },
            (
                "search a.svc.cluster.local svc.cluster.local cluster.local b\nnameserver"
                " 10.96.0.10\noptions ndots:1 edns0\n"
            ),
        ),
    ],
)
def test_pod_asks_the_dns_that_its_policy_names(spec: dict, text: str, tmp_path: Path) -> None:
    of_node = tmp_path / "resolv.conf"
    of_node.write_text("# made by hand\nsearch home\nnameserver 10.0.0.1\noptions edns0\n")
    assert (
        resolv_conf({"metadata": {"namespace": "a"}, "spec": spec}, "10.96.0.10", of_node) == text
    )
