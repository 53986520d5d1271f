"""The connection to the Docker engine that checks ask, and whose fault it is when an answer
fails.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env

from grader.checks.verdict import EnvironmentProblem, listed, quoted

REQUEST_TIMEOUT_SECONDS = 30
OUT_OF_REACH = (requests.RequestException, urllib3.exceptions.HTTPError, DockerException, OSError)


@cache
def engine() -> docker.APIClient:
    """The engine that `DOCKER_HOST` names (else the local socket), connected on the first call.

    Raises `EnvironmentProblem` if it does not answer.
    """
    with transport():
        return docker.APIClient(
            **kwargs_from_env(), version="auto", timeout=REQUEST_TIMEOUT_SECONDS
        )


@contextmanager
def transport() -> Iterator[None]:
    """Turns a lost or broken engine into `EnvironmentProblem`; answers about the request (4xx) pass
    as `APIError`.
    """
    try:
        yield
    except APIError as error:
        if error.status_code is not None and error.status_code < 500:
            raise
        raise _problem(
            f"The Docker engine reports a fault of its own: {explanation(error)}"
        ) from None
    except OUT_OF_REACH as error:
        raise _lost(error) from None


@contextmanager
def asking() -> Iterator[None]:
    """Like `transport`, for requests whose failure may be the student's: a 5xx of an engine that is
    alive is an `APIError` too.

    An engine that answers 500 because of what a container is must not turn a wrong answer into an
    ungraded one.
    """
    try:
        yield
    except APIError:
        with transport():
            engine().ping()
        raise
    except OUT_OF_REACH as error:
        raise _lost(error) from None


def explanation(error: APIError) -> str:
    """The engine's own words, quoted."""
    return quoted(str(error.explanation or error), max_chars=300)


def near(name: str, names: list[str], what: str) -> tuple[str, str | None]:
    """A sentence about what exists in place of a missing name, and the name that was probably
    meant.

    >>> near("web", ["webb"], "containers")
    ('Did you mean `webb`?', 'webb')
    >>> near("web", [], "containers")
    ('There are no containers.', None)
    """
    meant = difflib.get_close_matches(name[:100], [n[:100] for n in names[:200]], n=1)
    if meant:
        return f"Did you mean {quoted(meant[0])}?", meant[0]
    if not names:
        return f"There are no {what}.", None
    return f"The {what} here: {listed(sorted(names))}.", None


def _lost(error: Exception) -> EnvironmentProblem:
    engine.cache_clear()
    return _problem(f"The Docker engine does not answer ({type(error).__name__}).")


def _problem(what: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        what, "run `bin/lab status`; if the engine is down, `bin/lab up` starts it again."
    )
