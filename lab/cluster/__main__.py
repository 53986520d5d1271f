"""``python -m lab.cluster --kubeconfig FILE``: a cluster in the foreground, until SIGTERM or SIGINT."""

import asyncio
import logging
import signal
import sys
from pathlib import Path

import click

from lab.cluster.cluster import Cluster, Options
from lab.cluster.kubelet.engine import Engine, EngineError


async def serve(options: Options) -> None:
    """Run a cluster until this process is told to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Engine() as engine, Cluster(options, engine).serving() as port:
        click.echo(f"The cluster is ready at https://127.0.0.1:{port}; KUBECONFIG={options.kubeconfig}")
        await stop.wait()


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where to write the file that kubectl reads.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=6443, show_default=True, help="Port on loopback; 0 takes any."
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
@click.option("--verbose", is_flag=True, help="Log what the parts do.")
def main(kubeconfig: Path, port: int, data: Path | None, pause_image: str, verbose: bool) -> None:
    """Run a small Kubernetes on the Docker engine that DOCKER_HOST names."""
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format=form, stream=sys.stderr)
    try:
        asyncio.run(serve(Options(kubeconfig.absolute(), port, data.absolute() if data else None, pause_image)))
    except EngineError as error:
        raise click.ClickException(f"{error}\nTry: docker version") from error
    except OSError as error:
        raise click.ClickException(
            f"The cluster cannot be started: {error}\nTry: another --port, if this one is taken"
        ) from error


if __name__ == "__main__":
    main()
