"""The engine's map tells apart who reaches a port: in its text, and in shapes and words."""

import re

from lab.notebook.census import Census, Container, Port
from lab.notebook.topology import _mermaid, _text


def web(*ports: Port) -> Census:
    container = Container("web", "nginx", "running", ("bridge",), ports, ())
    return Census((container,), ("nginx",), ("bridge",), ())


def node(source: str, words: str) -> tuple[str, str, str]:
    """The id, the opening bracket (its shape) and the class of the node that shows these words."""
    found = re.search(rf'^ +(\w+)(\W+)"{re.escape(words)}"\W+?:::(\w+)', source, re.MULTILINE)
    assert found, source
    return found[1], found[2], found[3]


ANY = Port("80/tcp", "0.0.0.0", "8080")
ALONE = Port("80/tcp", "127.0.0.1", "8087")
ONE = Port("80/tcp", "192.0.2.7", "8088")
UNPUBLISHED = Port("443/tcp")


def test_the_text_says_who_reaches_a_port() -> None:
    assert _text(web(ANY, ALONE, ONE, UNPUBLISHED)).splitlines()[3:] == [
        "   ├─ port 80/tcp <- 0.0.0.0:8080, any address",
        "   ├─ port 80/tcp <- 127.0.0.1:8087, this host alone",
        "   ├─ port 80/tcp <- 192.0.2.7:8088, this address alone",
        "   └─ port 443/tcp not published",
    ]


def test_the_picture_says_it_too_and_not_by_colour_alone() -> None:
    source = _mermaid(web(ANY, ALONE))
    for_all = node(source, "0.0.0.0:8080<br/>any address")
    for_the_host = node(source, "127.0.0.1:8087<br/>this host alone")
    assert for_all[1:] != for_the_host[1:]
    assert for_all[1] != for_the_host[1], "another shape"
    for way_in in (for_all, for_the_host):
        assert re.search(rf"^ +{way_in[0]}\b.* -- \"80/tcp\" -->", source, re.MULTILINE)


def test_a_port_that_is_not_published_is_drawn_in_the_container_s_network() -> None:
    source = _mermaid(web(UNPUBLISHED))
    box = source.partition("subgraph")[2].partition("    end")[0]
    port, _, _ = node(box, "443/tcp<br/>not published")
    assert re.search(rf"^ +\w+ --- {port}$", box, re.MULTILINE), "a line without an arrow"
    assert f"--> {port}" not in source
