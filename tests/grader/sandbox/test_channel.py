"""What comes out of a kernel's container is hostile until it has passed the parser."""

import json
import struct
import time
from typing import Any

import pytest

from grader.judging.inputs import value_of
from grader.sandbox.channel import MAX_LINE_BYTES, Channel, Kernel
from grader.sandbox.interface import KernelLostError


class Scripted:
    """A socket that plays back what a container would send."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)
        self.sent: list[dict[str, Any]] = []

    def settimeout(self, seconds: float) -> None: ...

    def sendall(self, data: bytes) -> None:
        self.sent.append(json.loads(data))

    def recv(self, most: int) -> bytes:
        return self.chunks.pop(0) if self.chunks else b""

    def shutdown(self, how: int) -> None: ...

    def close(self) -> None:
        self.closed = True


class Waiting:
    """The same, each piece of it later."""

    def __init__(self, stream: Scripted, seconds: float) -> None:
        self._stream, self._seconds = stream, seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def recv(self, most: int) -> bytes:
        time.sleep(self._seconds)
        return self._stream.recv(most)


def frame(text: str | bytes, stream: int = 1) -> bytes:
    payload = text.encode() if isinstance(text, str) else text
    return struct.pack(">BxxxL", stream, len(payload)) + payload


def soon() -> float:
    return time.monotonic() + 5


def done(**more: Any) -> str:
    return (
        json.dumps(
            {"id": 1, "event": "done", "status": "ok", "error": ["", ""], "expressions": {}, **more}
        )
        + "\n"
    )


def test_message_is_put_together_from_pieces_of_frames() -> None:
    whole = frame('{"event": "re') + frame("noise", stream=2) + frame('ady"}\n{"a": 1}\n')
    channel = Channel(Scripted(*(whole[at : at + 3] for at in range(0, len(whole), 3))))
    assert [channel.receive(soon()), channel.receive(soon())] == [{"event": "ready"}, {"a": 1}]
    assert channel.stderr_tail == b"noise"


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[1]",
        '{"x": NaN}',
        '{"x": ' + "[" * 100_000,
        '{"x": ' + "9" * 5_000 + "}",
        "\x00",
    ],
    ids=["text", "list", "NaN", "nested", "digits", "zero"],
)
def test_garbage_costs_the_kernel_and_nothing_else(line: str) -> None:
    with pytest.raises(KernelLostError):
        Channel(Scripted(frame(line + "\n"))).receive(soon())


def test_endless_line_is_cut_off() -> None:
    flood = [frame(b"x" * 60_000) for _ in range(MAX_LINE_BYTES // 60_000 + 5)]
    with pytest.raises(KernelLostError, match="too long"):
        Channel(Scripted(*flood)).receive(soon())


def test_frame_that_promises_gigabytes_is_not_waited_for_in_memory() -> None:
    channel = Channel(Scripted(struct.pack(">BxxxL", 1, 0xFFFFFFFF) + b'{"event": "ready"}\n'))
    assert channel.receive(soon()) == {"event": "ready"}


def test_end_of_the_stream_is_the_end_of_the_kernel() -> None:
    with pytest.raises(KernelLostError, match="ended"):
        Channel(Scripted()).receive(soon())


def test_deadline_is_kept() -> None:
    with pytest.raises(KernelLostError) as lost:
        Channel(Scripted(frame("x"))).receive(time.monotonic() - 1)
    assert lost.value.timed_out


def test_stream_of_a_lost_kernel_is_closed_so_that_the_engine_lets_go_of_it() -> None:
    stream = Scripted(frame(b"x" * (MAX_LINE_BYTES + 60_000)))
    with pytest.raises(KernelLostError):
        Kernel(Channel(stream)).run("code", 10)
    assert stream.closed


def test_outputs_and_status_come_back() -> None:
    output = {"output_type": "stream", "name": "stdout", "text": "hi"}
    stream = Scripted(
        frame(
            json.dumps({"id": 1, "event": "output", "output": output})
            + "\n"
            + done(status="error", error=["E", "v"])
        )
    )
    reply = Kernel(Channel(stream)).run("code", 10)
    assert (reply.status, reply.outputs, reply.error) == ("error", [output], ("E", "v"))
    assert stream.sent == [
        {
            "id": 1,
            "op": "run",
            "code": "code",
            "silent": False,
            "expressions": {},
            "timeout": 10,
            "grace": 5.0,
            "asks": False,
        }
    ]


LATE = '{"id": 1, "event": "late"}\n'


def test_cell_whose_time_is_over_gets_what_the_machine_needs() -> None:
    stream = Scripted(frame(LATE), frame(LATE), frame(done()))
    more = [0.2, 0.0]
    started = time.monotonic()
    reply = Kernel(Channel(Waiting(stream, 0.25))).run("code", 0.2, extend=lambda: more.pop(0))
    assert reply.status == "ok"
    assert [message.get("more") for message in stream.sent[1:]] == [0.2, 0.0]
    assert time.monotonic() - started >= 0.4


class Slow(Waiting):
    """The same, on a machine that has no time for us once we have spoken."""

    def sendall(self, data: bytes) -> None:
        self._stream.sendall(data)
        time.sleep(self._seconds)


def test_a_busy_machine_makes_no_limit_look_as_if_it_was_not_reached() -> None:
    """The relay counts from when it hears of more time, and the driver may be slow to go on."""
    stream = Slow(Scripted(frame(LATE), frame(LATE), frame(done(status="dead"))), 0.25)
    more = [0.3, 0.0]
    with pytest.raises(KernelLostError) as lost:
        Kernel(Channel(stream)).run("code", 0.2, extend=lambda: more.pop(0))
    assert lost.value.timed_out


@pytest.mark.parametrize(
    "said",
    [
        pytest.param([LATE], id="before the limit"),
        pytest.param([LATE, LATE, LATE], id="again after a no"),
    ],
)
def test_more_time_is_not_to_be_had_by_asking(said: list[str]) -> None:
    kernel, asked = Kernel(Channel(Waiting(Scripted(*map(frame, said)), 0.01))), []

    def no_more() -> float:
        asked.append("once")
        return 0.0

    with pytest.raises(KernelLostError):
        kernel.run("code", 0.001 if len(said) > 1 else 60, extend=no_more)
    assert len(asked) == len(said) // 2


def test_kernel_that_was_not_to_ask_is_not_answered() -> None:
    with pytest.raises(KernelLostError):
        Kernel(Channel(Scripted(frame(LATE)))).run("code", 0)


@pytest.mark.parametrize(
    "answer",
    [
        done(id=2),
        done(status="perfect"),
        done(status="dead"),
        done(error="E"),
        done(error=[1, 2]),
        done(expressions=[]),
        '{"id": 1, "event": "grade", "points": 100}\n',
        '{"id": 1, "event": "output", "output": "text"}\n',
    ],
)
def test_answer_of_another_shape_is_not_believed(answer: str) -> None:
    with pytest.raises(KernelLostError):
        Kernel(Channel(Scripted(frame(answer)))).run("", 1)


def test_cell_may_not_send_more_than_its_share() -> None:
    one = json.dumps({"id": 1, "event": "output", "output": {"text": "x" * 1_000_000}}) + "\n"
    with pytest.raises(KernelLostError, match="too long"):
        Kernel(Channel(Scripted(*[frame(one)] * 6))).run("", 1)


def test_value_is_plain_json() -> None:
    assert (
        value_of({"status": "ok", "data": {"text/plain": repr('{"a": [1, 2.5, null]}')}})
        == '{"a": [1, 2.5, null]}'
    )


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ({"status": "error", "ename": "NameError"}, "is not defined"),
        ({"status": "error", "ename": "TypeError"}, "JSON"),
        ("text", "JSON"),
        ({"status": "ok"}, "too long"),
        ({"status": "ok", "data": {"text/plain": repr("x" * 100_000)}}, "too long"),
        ({"status": "ok", "data": {"text/plain": "__import__('os').system('true')"}}, "JSON"),
        ({"status": "ok", "data": {"text/plain": repr("NaN")}}, "JSON"),
        ({"status": "ok", "data": {"text/plain": repr("[" * 50_000)}}, "JSON"),
        ({"status": "ok", "data": {"text/plain": "(" * 10_000}}, "JSON"),
        ({"status": "ok", "data": {"text/plain": "1"}}, "JSON"),
    ],
)
def test_other_claims_are_refused_with_a_reason(claim: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        value_of(claim)


@pytest.mark.parametrize(
    "said",
    [
        {"output_type": "display_data", "data": {"text/plain": "\ud800"}},
        {"output_type": "display_data", "data": {"\udfff": "x"}, "metadata": {"\ud800": [1]}},
        {"output_type": "error", "ename": "\ud800", "evalue": "\ud800", "traceback": ["\ud800"]},
        {"output_type": "stream", "name": "stdout", "text": "\U0001f600 \ud800 ä"},
    ],
)
def test_text_that_no_file_can_hold_is_none_when_it_has_come_in(said: dict[str, Any]) -> None:
    message = json.dumps({"id": 1, "event": "output", "output": said}) + "\n"
    kernel = Kernel(Channel(Scripted(frame(message), frame(done(error=["E\ud800", "\udfff"])))))
    reply = kernel.run("", 1)
    text = json.dumps([reply.outputs, reply.error], ensure_ascii=False)
    assert "?" in text
    assert text.encode()
    assert "\U0001f600 ? ä" in text or said["output_type"] != "stream"
