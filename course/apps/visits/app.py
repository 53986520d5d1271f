"""Counts visits in a Redis store and says so: the web half of an application of two containers."""

import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GREETING = os.environ.get("GREETING", "Hello")
STORE = os.environ.get("STORE", "store")  # the name by which the store is reached
PASSWORD = os.environ["STORE_PASSWORD"]


def ask_store(command: str) -> str:
    """Redis's answer to a command without its first character; ConnectionError says why none."""
    try:
        with (
            socket.create_connection((STORE, 6379), timeout=2) as connection,
            connection.makefile("rw") as lines,
        ):
            for line in (f"AUTH {PASSWORD}", command):
                lines.write(f"{line}\r\n")
                lines.flush()
                answer = lines.readline().strip()
                if not answer or answer.startswith("-"):
                    raise ConnectionError(f"the store refuses: {answer.removeprefix('-')}")
    except socket.gaierror:
        raise ConnectionError(f"nobody here is called {STORE}") from None
    except (ConnectionRefusedError, TimeoutError):
        raise ConnectionError(f"{STORE} does not answer") from None
    return answer[1:]


class Site(BaseHTTPRequestHandler):
    """/ counts a visit; /ready says whether it could; /alive only that this process runs."""

    def do_GET(self) -> None:
        try:
            if self.path == "/alive":
                self.reply(200, "alive")
            elif self.path == "/ready":
                self.reply(200, ask_store("PING"))
            else:
                visits = ask_store("INCR visits")
                host = socket.gethostname()
                self.reply(200, f"{GREETING}! Visit {visits}, answered by {host}")
        except ConnectionError as error:
            self.reply(503, str(error))

    def reply(self, status: int, text: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(f"{text}\n".encode())

    def log_request(self, *_: object) -> None:
        """Requests are not logged."""


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("listening on port 8000", flush=True)
ThreadingHTTPServer(("", 8000), Site).serve_forever()
