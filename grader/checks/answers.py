"""What a URL answers, and in plain words what came instead of the answer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx

from grader.checks.deadline import Deadline
from grader.checks.verdict import quoted

T = TypeVar("T")

MAX_BODY_BYTES = 1024 * 1024
MAX_WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status code, and its body as text, as much of it as is read (1 MiB by
    `get`).
    """

    status: int
    text: str
    location: str | None


class NoAnswerError(Exception):
    """No HTTP answer came; `str()` says what came instead, as the end of a sentence that begins
    with the URL.
    """


def get(url: str, within_seconds: float, address: str | None = None) -> Answer:
    """One GET request, redirects not followed; raises `NoAnswerError`. With an `address` that one
    is asked, whatever the URL's name means.
    """
    return in_time(
        lambda deadline: _ask(url, deadline, address), min(within_seconds, MAX_WAIT_SECONDS)
    )


def in_time(ask: Callable[[Deadline], T], within_seconds: float) -> T:
    """What a request gives; raises `NoAnswerError`.

    Asked from a thread of its own: a server that drips one byte at a time keeps every socket
    time-out from expiring.
    """
    deadline = Deadline(within_seconds)
    replies: queue.Queue[T | NoAnswerError] = queue.Queue()
    threading.Thread(target=lambda: replies.put(_reply(ask, deadline)), daemon=True).start()
    try:
        reply = replies.get(timeout=deadline.seconds_left + 1)
    except queue.Empty:
        reply = NoAnswerError("gave no answer in time")
    if isinstance(reply, NoAnswerError):
        raise reply
    return reply


def _reply(ask: Callable[[Deadline], T], deadline: Deadline) -> T | NoAnswerError:
    try:
        return ask(deadline)
    except httpx.ConnectError:
        return NoAnswerError("refused the connection: nothing listens there")
    except httpx.TimeoutException:
        return NoAnswerError("gave no answer in time")
    except (httpx.NetworkError, httpx.RemoteProtocolError):
        return NoAnswerError("took the connection and closed it without an HTTP answer")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return NoAnswerError(f"could not be asked: {quoted(str(error))}")


def _ask(url: str, deadline: Deadline, address: str | None) -> Answer:
    named = httpx.URL(url)
    asked = named.copy_with(host=address) if address else named
    headers = {"Accept-Encoding": "identity", "Host": named.netloc.decode()}
    with (
        httpx.Client(trust_env=False, timeout=max(0.1, deadline.seconds_left)) as client,
        client.stream(
            "GET", asked, headers=headers, extensions={"sni_hostname": named.host}
        ) as response,
    ):
        return read(response, deadline, MAX_BODY_BYTES)


def read(response: httpx.Response, deadline: Deadline, max_bytes: int) -> Answer:
    """The answer with as much of its body as comes until the deadline, and as is wanted."""
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) >= max_bytes or deadline.passed:
            break
    text = bytes(body[:max_bytes]).decode("utf-8", "replace")
    return Answer(response.status_code, text, response.headers.get("location"))
