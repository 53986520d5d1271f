"""Which boxes the stacks of containers are drawn with, without an engine."""

from lab.notebook.stacks import Box, Layer, Stack, as_text, boxes_of, layers_of

BASE = Layer("sha256:base", "COPY /rootfs/ /", 2_030_000)
PAGE = Layer("sha256:page", "COPY index.html /www/", 14)
OTHER = Layer("sha256:other", "RUN mkdir /www", 0)


def test_instructions_that_change_files_are_the_layers() -> None:
    history = [
        ("base layer", 9),
        ("ENV A=1", 0),
        ("WORKDIR /data", 0),
        ("RUN true", 0),
        ('CMD ["sh"]', 0),
    ]
    assert layers_of(["a", "b", "c"], history) == (
        Layer("a", "base layer", 9),
        Layer("b", "WORKDIR /data", 0),
        Layer("c", "RUN true", 0),
    )


def test_nothing_is_said_about_layers_that_the_history_does_not_explain() -> None:
    found = layers_of(["a", "b"], [("COPY / /", 9), ("WORKDIR /", 0), ("RUN true", 0)])
    assert found == (Layer("a", "a layer", None), Layer("b", "a layer", None))
    boxes = list(boxes_of([Stack("one", found, 0)]))
    assert [box.text for box in boxes] == ["a layer", "a layer", "0B  one"]


def test_a_layer_that_containers_share_is_one_box_and_each_has_a_writable_one() -> None:
    one, two = Stack("one", (BASE, PAGE), 1_000_000), Stack("two", (BASE, PAGE), 0)
    assert list(boxes_of([one, two])) == [
        Box(0, ("one", "two"), "2.03MB  COPY /rootfs/ /"),
        Box(1, ("one", "two"), "14B  COPY index.html /www/"),
        Box(2, ("one",), "1MB  one", writable=True),
        Box(2, ("two",), "0B  two", writable=True),
    ]


def test_the_same_layer_on_another_one_is_another_layer() -> None:
    one, two = Stack("one", (BASE, PAGE), 0), Stack("two", (OTHER, PAGE), 0)
    shared = [box.of for box in boxes_of([one, two]) if box.row == 1]
    assert shared == [("one",), ("two",)]


def test_containers_that_share_stand_side_by_side_whatever_their_order() -> None:
    stacks = [
        Stack("page", (BASE, PAGE), 0),
        Stack("bare", (BASE,), 0),
        Stack("other", (BASE, OTHER), 0),
        Stack("page again", (BASE, PAGE), 0),
    ]
    boxes = list(boxes_of(stacks))
    columns = [box.of[0] for box in boxes if box.writable]
    assert sorted(columns) == sorted(stack.name for stack in stacks)
    for box in boxes:
        places = sorted(columns.index(name) for name in box.of)
        assert places == list(range(places[0], places[0] + len(places))), box


def test_the_text_goes_from_top_to_bottom_and_says_whose_a_layer_is() -> None:
    one, two = Stack("one", (BASE, PAGE), 1_000_000), Stack("two", (BASE,), 0)
    assert as_text(list(boxes_of([one, two]))).splitlines()[1:] == [
        "  writable   1MB  one",
        "  writable   0B  two",
        "  read-only  14B  COPY index.html /www/  (of one)",
        "  read-only  2.03MB  COPY /rootfs/ /  (of one, two)",
    ]
