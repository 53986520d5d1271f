"""Sequence diagrams of recordings that were made by hand."""

from lab.notebook.recording import Event, Recording
from lab.notebook.sequence import sequence_diagram


def event(action: str, *, type_: str = "container", name: str = "web", **more: object) -> Event:
    facts: dict[str, object] = (
        {"image": "nginx", "container_id": "c1"} if type_ == "container" else {}
    )
    return Event(time=1.0, type=type_, action=action, name=name, **{**facts, **more})  # type: ignore[arg-type]


def arrows(*events: Event) -> list[str]:
    return str(sequence_diagram(events)).splitlines()


def test_a_pull_brings_in_the_registry() -> None:
    diagram = sequence_diagram([event("pull", type_="image", name="nginx")])
    assert str(diagram) == "dockerd -> registry: pull nginx\nregistry --> dockerd: layers of nginx"
    assert "participant p2 as registry" in diagram.source


def test_the_registry_stands_on_the_far_side_of_the_containers() -> None:
    pull = event("pull", type_="image", name="nginx")
    lines = sequence_diagram(
        [pull, event("create"), event("create", name="db", container_id="c2")]
    ).source.split("\n")
    people = [line.split(" as ")[1] for line in lines if "participant" in line]
    assert people == ["docker CLI", "dockerd", "web", "db", "registry"]


def test_without_a_pull_there_is_no_registry() -> None:
    assert "registry" not in sequence_diagram([event("create")]).source


def test_a_start_is_asked_for_before_the_network_is_connected() -> None:
    connect = event("connect", type_="network", name="bridge", container_id="c1")
    assert arrows(event("create"), connect, event("start"))[2:] == [
        "docker CLI -> dockerd: start web",
        "dockerd -> web: connect to network bridge",
        "dockerd -> web: start",
    ]


def test_a_restart_policy_acts_without_the_client() -> None:
    told = arrows(event("start"), event("die", exit_code=1), event("start"))
    assert told.count("docker CLI -> dockerd: start web") == 1
    assert told[-1] == "dockerd -> web: start"


def test_the_exit_status_reaches_only_an_attached_client() -> None:
    answer = "dockerd --> docker CLI: exit status 0"
    assert answer in arrows(event("attach"), event("start"), event("die", exit_code=0))
    assert answer not in arrows(event("start"), event("die", exit_code=0))


def test_signals_have_names() -> None:
    assert "dockerd -> web: signal SIGTERM" in arrows(event("kill", detail="15"), event("stop"))


def test_invented_names_are_replaced_by_the_image() -> None:
    events = [event("create", name="sad_bell"), event("create", name="zen_ride", container_id="c2")]
    assert arrows(*events)[::2] == [
        "docker CLI -> dockerd: create nginx container",
        "docker CLI -> dockerd: create nginx container (2)",
    ]


def test_times_are_shown_on_demand() -> None:
    assert "(0 ms)" in str(sequence_diagram([event("create")], times=True))


def test_times_count_from_the_beginning_of_the_recording_so_a_pull_shows_its_wait() -> None:
    recording = Recording(began=-2.0)
    recording += [event("pull", type_="image", name="nginx"), event("create")]
    assert str(sequence_diagram(recording, times=True)).splitlines() == [
        "dockerd -> registry: pull nginx",
        "registry --> dockerd: layers of nginx (3000 ms)",
        "docker CLI -> dockerd: create web from nginx (3000 ms)",
        "dockerd -> web: create (3000 ms)",
    ]


def test_special_characters_are_escaped_for_mermaid() -> None:
    source = sequence_diagram([event("exec_create", detail='sh -c "a; b #1"')]).source
    assert "exec in web: sh -c #quot;a#59; b #35;1#quot;" in source


def test_nothing_recorded_is_said() -> None:
    assert str(sequence_diagram([])) == "(no events were recorded)"
