"""docker/dockerfile:1 without Docker Hub: hands each build to the frontend that the engine has.

BuildKit starts this program where a Dockerfile begins with `# syntax=docker/dockerfile:1`. It gives
the build's options as environment variables, and its gateway as gRPC on standard input and output:
HTTP/2, and Protocol Buffers (moby/buildkit, frontend/gateway/pb/gateway.proto), of which four calls
are needed. Results, errors and their places in the Dockerfile pass through as they are.
"""

import base64
import os
import struct
import urllib.parse
from collections.abc import Iterator

import h2.config
import h2.connection
import h2.events

SERVICE = "/moby.buildkit.v1.frontend.LLBBridge/"
OPTION = "BUILDKIT_FRONTEND_OPT_"
PIECE = 65_536
VARINT, BYTES = 0, 2  # wire types of Protocol Buffers

# field numbers in gateway.proto, and in google.rpc.Status
REQUEST_FRONTEND, REQUEST_OPTION, REQUEST_RETURNS_RESULT, REQUEST_INPUT = 2, 3, 5, 13
INPUT, RESPONSE_RESULT, RETURN_RESULT, RETURN_ERROR = 1, 3, 1, 2
STATUS_CODE, STATUS_MESSAGE = 1, 2


def varint(number: int) -> bytes:
    """A number as Protocol Buffers write it: seven bits a byte, the lowest first."""
    start = b""
    while number > 0x7F:
        start += bytes([number & 0x7F | 0x80])
        number >>= 7
    return start + bytes([number])


def field(number: int, content: bytes | int) -> bytes:
    """One field of a message."""
    if isinstance(content, int):
        return varint(number << 3 | VARINT) + varint(content)
    return varint(number << 3 | BYTES) + varint(len(content)) + content


def contents(message: bytes, wanted: int) -> Iterator[bytes]:
    """What a message has in the fields of this number, which hold bytes."""
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte <= 0x7F:
                return value

    while at < len(message):
        tag = number()
        size = number()
        if tag & 7 == BYTES:
            if tag >> 3 == wanted:
                yield message[at : at + size]
            at += size


class CallFailedError(Exception):
    """The gateway refused a call, or what was asked for failed; holds a google.rpc.Status."""

    def __init__(self, status: bytes) -> None:
        super().__init__(status)
        self.status = status


class Gateway:
    """BuildKit's side of standard input and output."""

    def __init__(self) -> None:
        self._connection = h2.connection.H2Connection(
            h2.config.H2Configuration(header_encoding=None)
        )
        self._connection.initiate_connection()

    def call(self, method: str, message: bytes = b"") -> bytes:
        """The answer to one call. Raises CallFailedError, or EOFError if BuildKit is gone."""
        stream = self._connection.get_next_available_stream_id()
        self._connection.send_headers(
            stream,
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", SERVICE + method),
                (":authority", "buildkit"),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
            ],
        )
        waiting = struct.pack(">BL", 0, len(message)) + message  # not compressed, and how long
        heads: dict[bytes, bytes] = {}
        answer, ended = b"", False
        while not ended:
            waiting = self._send(stream, waiting)
            for event in self._received():
                if isinstance(event, h2.events.DataReceived):
                    answer += event.data
                    self._connection.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                    heads |= dict(event.headers)
                elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
                    ended = True
        if heads.get(b"grpc-status") != b"0":
            raise CallFailedError(_status(heads))
        return answer[5:]

    def _send(self, stream: int, waiting: bytes) -> bytes:
        """Send as much as the other side takes now; returns the rest."""
        while waiting and (room := self._connection.local_flow_control_window(stream)):
            size = min(room, self._connection.max_outbound_frame_size, len(waiting))
            piece, waiting = waiting[:size], waiting[size:]
            self._connection.send_data(stream, piece, end_stream=not waiting)
        self._flush()
        return waiting

    def _received(self) -> list[h2.events.Event]:
        data = os.read(0, PIECE)
        if not data:
            raise EOFError
        events: list[h2.events.Event] = self._connection.receive_data(data)
        return events

    def _flush(self) -> None:
        data = self._connection.data_to_send()
        while data:
            data = data[os.write(1, data) :]


def _status(heads: dict[bytes, bytes]) -> bytes:
    """The whole status where it came along; else code and message."""
    if whole := heads.get(b"grpc-status-details-bin"):
        return base64.b64decode(whole + b"==")
    code = int(heads.get(b"grpc-status", b"2"))
    message = urllib.parse.unquote_to_bytes(heads.get(b"grpc-message", b""))
    return field(STATUS_CODE, code) + field(STATUS_MESSAGE, message)


def explained(status: bytes, frontend: str) -> bytes:
    """A status that says more where the engine's frontend is too old, or no `-labs`."""
    message = b"".join(contents(status, STATUS_MESSAGE)).decode(errors="replace")
    if "unknown flag: " not in message:
        return status
    missing = (
        f"{message}\n{frontend} cannot be pulled, because this lab does not reach Docker Hub. The"
        " engine's own frontend took its place, and has no such flag.\nTry: write this instruction"
        " without it"
    )
    # of two fields of one number the last counts
    return status + field(STATUS_MESSAGE, missing.encode())


def main() -> None:
    """One build."""
    options = dict(
        value.split("=", 1) for name, value in sorted(os.environ.items()) if name.startswith(OPTION)
    )
    frontend = options.pop("source")
    gateway = Gateway()
    # `cmdline` is among the options: the built-in frontend does not follow `# syntax=` again
    request = field(REQUEST_FRONTEND, b"dockerfile.v0") + field(REQUEST_RETURNS_RESULT, 1)
    for name, value in options.items():
        request += field(REQUEST_OPTION, field(1, name.encode()) + field(2, value.encode()))
    try:
        for named_context in contents(gateway.call("Inputs"), INPUT):
            request += field(REQUEST_INPUT, named_context)
        [result] = contents(gateway.call("Solve", request), RESPONSE_RESULT)
    except CallFailedError as failed:
        gateway.call("Return", field(RETURN_ERROR, explained(failed.status, frontend)))
    else:
        gateway.call("Return", field(RETURN_RESULT, result))


if __name__ == "__main__":
    main()
