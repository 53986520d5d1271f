"""What a URL answers, and in plain words what came instead of the answer."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass

import httpx

from grader.checks.deadline import Deadline
from grader.checks.verdict import quoted

MAX_BODY_BYTES = 1024 * 1024
MAX_WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status code, and its body as text, at most 1 MiB of it."""

    status: int
    text: str
    location: str | None


class NoAnswerError(Exception):
    """No HTTP answer came; `str()` says what came instead, as the end of a sentence that begins with the URL."""


def get(url: str, within_seconds: float, address: str | None = None) -> Answer:
    """One GET request, redirects not followed; raises `NoAnswerError`. With an `address` that one is asked, whatever the URL's name means.

    Asked from a thread of its own: a server that drips one byte at a time keeps every socket time-out from expiring.
    """
    deadline = Deadline(min(within_seconds, MAX_WAIT_SECONDS))
    replies: queue.Queue[Answer | NoAnswerError] = queue.Queue()
    threading.Thread(target=lambda: replies.put(_ask(url, deadline, address)), daemon=True).start()
    try:
        reply = replies.get(timeout=deadline.seconds_left + 1)
    except queue.Empty:
        reply = NoAnswerError("gave no answer in time")
    if isinstance(reply, NoAnswerError):
        raise reply
    return reply


def _ask(url: str, deadline: Deadline, address: str | None) -> Answer | NoAnswerError:
    try:
        named = httpx.URL(url)
        asked = named.copy_with(host=address) if address else named
        headers = {"Accept-Encoding": "identity", "Host": named.netloc.decode()}
        with (
            httpx.Client(trust_env=False, timeout=max(0.1, deadline.seconds_left)) as client,
            client.stream("GET", asked, headers=headers, extensions={"sni_hostname": named.host}) as response,
        ):
            return Answer(response.status_code, _body(response, deadline), response.headers.get("location"))
    except httpx.ConnectError:
        return NoAnswerError("refused the connection: nothing listens there")
    except httpx.TimeoutException:
        return NoAnswerError("gave no answer in time")
    except (httpx.NetworkError, httpx.RemoteProtocolError):
        return NoAnswerError("took the connection and closed it without an HTTP answer")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return NoAnswerError(f"could not be asked: {quoted(str(error))}")


def _body(response: httpx.Response, deadline: Deadline) -> str:
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) >= MAX_BODY_BYTES or deadline.passed:
            break
    return bytes(body[:MAX_BODY_BYTES]).decode("utf-8", "replace")
