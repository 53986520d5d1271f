"""``python -m lab.cluster``: a cluster in the foreground, until SIGTERM or SIGINT."""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path

import click

# aiohttp reads this file of certificates when it is imported, a tenth of a cluster's starting time.
# What is rarely asked for, OpenSSL finds in the folder beside it.
os.environ["SSL_CERT_FILE"] = os.devnull

from lab.cluster.apiserver import pki
from lab.cluster.cluster import Cluster, Options
from lab.cluster.controllers.nodelifecycle import GRACE_SECONDS
from lab.cluster.kubelet.engine import Engine, EngineError
from lab.cluster.registry.machines import MOST_NODES

POLL_SECONDS = 0.02


def reserved_sockets(first: int, last: int) -> dict[int, socket.socket]:
    """The bound sockets with the file descriptors ``first`` to ``last``, by their port."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    given = (socket.socket(fileno=number) for number in range(first, last + 1))
    return {bound.getsockname()[1]: bound for bound in given}


async def enter(stack: contextlib.AsyncExitStack, engine: Engine, seconds: float) -> None:
    """Connect with an engine that may still be starting. EngineError when it stays silent."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            await stack.enter_async_context(engine)
            return
        except EngineError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(POLL_SECONDS)


async def serve(options: Options, engine_seconds: float) -> None:
    """Run a cluster until this process is told to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    engine = Engine()
    cluster = Cluster(options, engine)
    async with contextlib.AsyncExitStack() as stack:
        await enter(stack, engine, engine_seconds)
        port = await stack.enter_async_context(cluster.serving())
        click.echo(
            f"The cluster is ready at https://127.0.0.1:{port}; KUBECONFIG={options.kubeconfig}"
        )
        sys.stdout.flush()
        await stop.wait()


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where to write the file that kubectl reads.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=6443,
    show_default=True,
    help="Port on loopback; 0 takes any.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep state here. Without it, the cluster's containers go when it ends.",
)
@click.option(
    "--pause-image",
    default="busybox",
    show_default=True,
    help="Image of the container that holds a Pod's network; it needs sh.",
)
@click.option(
    "--context",
    default=pki.CONTEXT,
    show_default=True,
    help="The context's name in the kubeconfig.",
)
@click.option(
    "--student-kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    help=(
        "Where to write one more, for somebody whose work is judged here: may make things, may not"
        " write their status."
    ),
)
@click.option(
    "--reserved",
    type=(int, int),
    metavar="FIRST LAST",
    help="File descriptors of bound sockets on which the API and node ports are served as well.",
)
@click.option(
    "--engine-seconds",
    type=click.FloatRange(0),
    default=0,
    help="How long to wait for the engine's first answer.",
)
@click.option(
    "--nodes",
    type=click.IntRange(1, MOST_NODES),
    default=1,
    show_default=True,
    help="How many nodes there are at least.",
)
@click.option(
    "--node-monitor-grace-period",
    "grace_seconds",
    type=click.FloatRange(0, min_open=True),
    default=GRACE_SECONDS,
    show_default=True,
    help="After how many seconds of silence a node is NotReady.",
)
@click.option("--verbose", is_flag=True, help="Log what the parts do.")
def main(
    kubeconfig: Path,
    port: int,
    data: Path | None,
    pause_image: str,
    context: str,
    student_kubeconfig: Path | None,
    reserved: tuple[int, int] | None,
    engine_seconds: float,
    nodes: int,
    grace_seconds: float,
    verbose: bool,
) -> None:
    """Run a small Kubernetes on the Docker engine that DOCKER_HOST names."""
    options = Options(
        kubeconfig.absolute(),
        port,
        data.absolute() if data else None,
        pause_image,
        context,
        student_kubeconfig.absolute() if student_kubeconfig else None,
        reserved_sockets(*reserved) if reserved else {},
        nodes,
        grace_seconds,
    )
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format=form, stream=sys.stderr
    )
    try:
        asyncio.run(serve(options, engine_seconds))
    except EngineError as error:
        raise click.ClickException(f"{error}\nTry: docker version") from error
    except OSError as error:
        raise click.ClickException(
            f"The cluster cannot be started: {error}\nTry: another --port, if this one is taken"
        ) from error


if __name__ == "__main__":
    main()
