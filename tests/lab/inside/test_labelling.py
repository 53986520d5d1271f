"""Requests to the machine's engine get the lab's label, whatever their form."""

import json

from lab.inside.labelling import BUILDS, CREATES, labelled_body, labelled_target

LABEL = ("course.lab", "mine")


def test_labels_of_the_student_are_kept() -> None:
    wanted = json.loads(labelled_body(b'{"Image": "nginx", "Labels": {"lesson": "09"}}', LABEL))
    assert wanted["Labels"] == {"lesson": "09", "course.lab": "mine"}


def test_no_labels_and_null_labels_are_the_same() -> None:
    assert json.loads(labelled_body(b'{"Labels": null}', LABEL))["Labels"] == {"course.lab": "mine"}


def test_what_is_not_an_object_is_left_for_the_engine_to_refuse() -> None:
    assert labelled_body(b"[1, 2", LABEL) == b"[1, 2"
    assert labelled_body(b"[]", LABEL) == b"[]"


def test_builds_keep_their_other_options() -> None:
    target = labelled_target("/v1.41/build?t=a&t=b&labels=%7B%22x%22%3A%22y%22%7D&rm=1", LABEL)
    assert "t=a&t=b" in target
    assert "%22x%22" in target
    assert "%22course.lab%22" in target


def test_only_creations_are_changed() -> None:
    assert CREATES.match("/v1.41/containers/create")
    assert CREATES.match("/volumes/create")
    assert not CREATES.match("/v1.41/containers/create/x")
    assert not BUILDS.match("/build/prune")
