"""The connection to the Docker engine that checks ask, and whose fault it is when an answer
fails.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from math import ceil
from typing import Any, Literal

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env

from grader.checks.deadline import allowed
from grader.checks.verdict import CheckFailed, EnvironmentProblem, listed, quoted

REQUEST_TIMEOUT_SECONDS = 30
MAX_LIST_BYTES = 16_000_000  # labels are in it, and they can be as long as somebody likes
OUT_OF_REACH = (requests.RequestException, urllib3.exceptions.HTTPError, DockerException, OSError)


def engine() -> docker.APIClient:
    """The engine that `DOCKER_HOST` names (else the local socket), connected on the first call.

    Raises `EnvironmentProblem` if it does not answer.
    """
    connected = _connected()
    connected.timeout = ceil(allowed(REQUEST_TIMEOUT_SECONDS))
    return connected


@cache
def _connected() -> docker.APIClient:
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


def summaries(what: Literal["containers", "images"], **query: str) -> list[dict[str, Any]]:
    """The engine's list of them, in short; `CheckFailed` for one that is too long to read."""
    with transport():
        api = engine()
        url = f"{api.base_url}/v{api.api_version}/{what}/json"
        answer = api.get(url, params=query, stream=True, timeout=REQUEST_TIMEOUT_SECONDS)
        with closing(answer):
            answer.raise_for_status()
            content = bytearray()
            for piece in answer.iter_content(65_536):
                content += piece
                if len(content) > MAX_LIST_BYTES:
                    raise _too_long(what)
    return list(json.loads(content))


def _too_long(what: str) -> CheckFailed:
    return CheckFailed(
        f"The list of all {what} is longer than {MAX_LIST_BYTES // 1_000_000} MB.",
        f"{what} with short labels and commands.",
        "docker rm -f $(docker ps -aq)" if what == "containers" else "docker image prune -a",
    )


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
    _connected.cache_clear()
    return _problem(f"The Docker engine does not answer ({type(error).__name__}).")


def _problem(what: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        what, "run `bin/lab status`; if the engine is down, `bin/lab up` starts it again."
    )
