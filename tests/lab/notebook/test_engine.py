"""Recordings and pictures of a real engine."""

from pathlib import Path

import pytest

from lab.notebook import (
    build_diagram,
    engine_map,
    layer_plot,
    record_events,
    sequence_diagram,
    stack_plot,
    state_diagram,
)
from lab.notebook.errors import LessonError

from .conftest import RunCell

pytestmark = pytest.mark.engine


def test_docker_run_i_does_not_swallow_the_cell(cell: RunCell) -> None:
    ran = cell("%%shell\ndocker run -i --rm busybox cat\necho after")
    assert (ran.output, ran.error) == ("after\n", None)


def test_a_taken_name_is_the_engine_refusing(cell: RunCell, mark: str) -> None:
    run = f"docker run -d --name {mark} -l lesson={mark} busybox sleep 60"
    ran = cell(f"%%shell\n{run}\n{run}\necho unreached")
    assert f"line 2: {run}" in str(ran.error)
    assert "Try: the Docker engine refused" in str(ran.error)
    assert "unreached" not in ran.output


def test_ctrl_c_ends_a_foreground_container(cell: RunCell, mark: str) -> None:
    ran = cell(
        f"%%shell --interrupt-after 2\ndocker run --rm --init -l lesson={mark} busybox sleep 600"
    )
    assert (ran.output, ran.error) == ("^C (Ctrl-C after 2 s)\n", None)


def test_an_interactive_shell_in_a_container(cell: RunCell) -> None:
    ran = cell("%%shell --tty --stdin 'echo $((6*7))\\nexit'\ndocker run --rm -it busybox sh")
    assert ran.error is None
    assert "42" in ran.output.splitlines()


def test_a_run_is_recorded_to_its_end_every_time(cell: RunCell, mark: str) -> None:
    for _ in range(10):
        with record_events(label=f"lesson={mark}") as events:
            assert cell(f"%shell docker run --rm -l lesson={mark} busybox echo hello").error is None
        assert [event.action for event in events] == [
            "create",
            "attach",
            "connect",
            "start",
            "disconnect",
            "die",
            "destroy",
        ]
        assert [event.exit_code for event in events if event.action == "die"] == [0]


def test_a_recording_leaves_out_what_others_do(cell: RunCell, mark: str) -> None:
    with record_events(names=[mark]) as events:
        cell(
            f"%%shell\ndocker run -l lesson={mark} busybox true\ndocker run --name {mark} -l"
            f" lesson={mark} busybox true"
        )
    assert {event.name for event in events if event.type == "container"} == {mark}
    assert len(events) == 6


def test_a_recording_survives_an_error_in_its_block(cell: RunCell, mark: str) -> None:
    recording = record_events(names=[mark])
    events = recording.__enter__()
    cell(f"%shell docker create --name {mark} -l lesson={mark} busybox")
    recording.__exit__(KeyError, KeyError(), None)
    assert [event.action for event in events] == ["create"]


def test_the_sequence_of_a_life(cell: RunCell, mark: str) -> None:
    with record_events(names=[mark]) as events:
        cell(
            f"%%shell\ndocker create --name {mark} -l lesson={mark} redis\ndocker start"
            f" {mark}\ndocker restart {mark}\ndocker stop {mark}\ndocker start {mark}\ndocker kill"
            f" {mark}"
        )
    asked = [
        line
        for line in str(sequence_diagram(events)).splitlines()
        if line.startswith("docker CLI ->")
    ]
    requests = [
        f"create {mark} from redis",
        *(f"{do} {mark}" for do in ("start", "restart", "stop", "start", "kill")),
    ]
    assert asked == [f"docker CLI -> dockerd: {request}" for request in requests]
    assert f"{mark} --> dockerd: exit status 137" in str(sequence_diagram(events))


def test_a_map_shows_ports_networks_volumes_and_states(cell: RunCell, mark: str) -> None:
    ran = cell(
        f"%%shell\ndocker network create --label lesson={mark} net-{mark}\ndocker volume create"
        f" --label lesson={mark} vol-{mark}\ndocker run -d --name web-{mark} -l lesson={mark}"
        f" --network net-{mark} -p 127.0.0.1:8099:80 nginx\ndocker run -d --name db-{mark} -l"
        f" lesson={mark} -v vol-{mark}:/data redis\ndocker run --name end-{mark} -l lesson={mark}"
        " busybox sh -c 'exit 3' || true"
    )
    assert ran.error is None
    assert (
        str(engine_map(label=f"lesson={mark}")) == "network bridge\n"
        f"├─ db-{mark}  running\n"
        "│  ├─ image redis\n"
        "│  ├─ port 6379/tcp not published\n"
        f"│  └─ volume vol-{mark} -> /data\n"
        f"└─ end-{mark}  exited (3)\n"
        "   └─ image busybox\n"
        f"network net-{mark}\n"
        f"└─ web-{mark}  running\n"
        "   ├─ image nginx\n"
        "   └─ port 80/tcp <- 127.0.0.1:8099, this host alone"
    )


def test_a_map_has_one_image_for_containers_made_by_its_name_and_by_its_id(
    cell: RunCell, mark: str
) -> None:
    ran = cell(
        f"%%shell\nid=$(echo 'FROM busybox' | docker build -q --label lesson={mark} -t {mark} -)\n"
        f"docker create --name a-{mark} {mark}\ndocker create --name b-{mark} $id"
    )
    assert ran.error is None
    assert (
        str(engine_map(label=f"lesson={mark}")) == "network bridge\n"
        f"├─ a-{mark}  created\n"
        f"│  └─ image {mark}\n"
        f"└─ b-{mark}  created\n"
        f"   └─ image {mark}"
    )


def test_a_build_is_drawn_from_its_own_progress(cell: RunCell, mark: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        f"FROM busybox\nLABEL lesson={mark}\nCOPY page /\nRUN cat /page > /copy\n"
    )
    (tmp_path / "page").write_text(mark)
    build = f"docker build --progress=rawjson -t {mark}"
    ran = cell(f"%%shell\ncd {tmp_path}\n{build} . 2> first\n{build} . 2> second")
    assert ran.error is None
    first, second = (
        str(build_diagram(str(tmp_path / name), str(tmp_path / "Dockerfile"))).splitlines()
        for name in ("first", "second")
    )
    label = f"LABEL lesson={mark}"
    width = len(label)
    assert [line.partition(",")[0] for line in first[:2]] == [
        "client -> server: Dockerfile",
        "client -> server: build context",
    ]
    assert first[2:] == [
        f"{'FROM busybox':{width}}  step 1/3, the base",
        f"{label}  no step, a note in the image",
        f"{'COPY page /':{width}}  step 2/3, executed, from the build context",
        f"{'RUN cat /page > /copy':{width}}  step 3/3, executed",
        f"image {mark}",
    ]
    assert second[4:] == [
        f"{'COPY page /':{width}}  step 2/3, cached, from the build context",
        f"{'RUN cat /page > /copy':{width}}  step 3/3, cached",
        f"image {mark}",
    ]


def test_states_are_marked_where_containers_are(cell: RunCell, mark: str) -> None:
    cell(
        f"%%shell\ndocker run -d --name {mark} -l lesson={mark} busybox sleep 600\ndocker pause"
        f" {mark}"
    )
    diagram = state_diagram(mark, "no-such-container")
    assert f"{mark}: paused\n  docker unpause -> running" in str(diagram)
    assert "no-such-container: no such container" in str(diagram)
    assert f'state "PAUSED<br/>{mark}" as paused' in diagram.source


def test_the_layers_of_an_image_have_their_sizes() -> None:
    plot = layer_plot("nginx", "busybox")
    assert "Layers of the image nginx" in str(plot)
    assert plot._repr_mimebundle_()["image/png"].startswith("iVBOR")


def test_containers_are_stacks_that_share_the_layers_of_their_images(
    cell: RunCell, mark: str
) -> None:
    run = f"docker run -l lesson={mark} --name"
    ran = cell(
        f"%%shell\necho 'FROM busybox\nRUN echo {mark} > /{mark}' | docker build -qt {mark} -\n"
        f"{run} a-{mark} {mark} dd if=/dev/zero of=/big bs=1000 count=3000\n"
        f"{run} b-{mark} {mark} true\n{run} c-{mark} busybox true"
    )
    try:
        assert ran.error is None
        plot = stack_plot(f"a-{mark}", f"c-{mark}", f"b-{mark}")
    finally:
        cell(f"%shell docker rm -f a-{mark} b-{mark} c-{mark}\n%shell docker rmi {mark}")
    lines = str(plot).splitlines()
    assert f"  writable   3MB  a-{mark}" in lines
    assert f"  writable   0B  b-{mark}" in lines
    shared = [line for line in lines if f"echo {mark} >" in line]
    assert len(shared) == 1
    assert shared[0].endswith(f"  (of a-{mark}, b-{mark})")
    assert lines[-1].endswith(f"  (of a-{mark}, c-{mark}, b-{mark})"), "the base is one box, too"
    assert plot._repr_mimebundle_()["image/png"].startswith("iVBOR")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: layer_plot("no-such-image"), "is not on this engine"),
        (lambda: layer_plot(), "No image was named"),
        (lambda: stack_plot("no-such-container"), "No container is called"),
        (lambda: stack_plot(), "No container was named"),
    ],
)
def test_what_is_not_there_is_named(call: object, says: str) -> None:
    assert callable(call)
    with pytest.raises(LessonError, match=says):
        call()


def test_no_engine_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    with pytest.raises(LessonError, match="does not answer"):
        engine_map()
