"""The facts of one image, each read again from the engine when it is asked for."""

from __future__ import annotations

from docker.errors import APIError

from grader.checks.commandline import Json, shell_word
from grader.checks.container.facts import MIB, inspect_image, pairs
from grader.checks.engine import engine, explanation, near, summaries, transport
from grader.checks.verdict import CheckFailed, quoted


class ImageFacts:
    """What the engine says of an image. Facts of one that it does not have raise `CheckFailed`.

    The name is looked up once. All facts after the first are those of the same id, because a tag
    can be moved to another image at any time.
    """

    def __init__(self, ref: str) -> None:
        self.ref = ref
        self._known_id: str | None = None

    def __repr__(self) -> str:
        return f"image({self.ref!r})"

    @property
    def exists(self) -> bool:
        """Whether the engine has it."""
        return self._found() is not None

    @property
    def id(self) -> str:
        """Its id, `sha256:…`."""
        return str(self._inspect()["Id"])

    @property
    def tags(self) -> list[str]:
        """All its names on this engine, `name:tag`."""
        return list(self._inspect()["RepoTags"] or [])

    @property
    def size_mib(self) -> float:
        """Its size in MiB, the layers it shares with other images included."""
        return int(self._inspect()["Size"]) / MIB

    @property
    def command(self) -> list[str]:
        """Its default command (`CMD`); empty without one."""
        return list(self._config.get("Cmd") or [])

    @property
    def entrypoint(self) -> list[str]:
        """Its entrypoint (`ENTRYPOINT`); empty without one."""
        return list(self._config.get("Entrypoint") or [])

    @property
    def env(self) -> dict[str, str]:
        """Its environment variables (`ENV`)."""
        return pairs(self._config.get("Env"))

    @property
    def user(self) -> str:
        """The user that it names for its containers (`USER`); empty means root."""
        return str(self._config.get("User") or "")

    @property
    def workdir(self) -> str:
        """The folder its containers start in (`WORKDIR`)."""
        return str(self._config.get("WorkingDir") or "/")

    @property
    def exposed_ports(self) -> list[str]:
        """The ports it says it listens on (`EXPOSE`), as `80/tcp`."""
        return sorted(self._config.get("ExposedPorts") or {})

    @property
    def labels(self) -> dict[str, str]:
        """Its labels (`LABEL`)."""
        return dict(self._config.get("Labels") or {})

    @property
    def layers(self) -> list[str]:
        """The digests of its layers, lowest first."""
        return list(self._inspect()["RootFS"].get("Layers") or [])

    @property
    def history(self) -> list[str]:
        """The steps that made it, newest first, as `docker history` shows them under CREATED BY."""
        return [str(step["CreatedBy"]) for step in self._steps()]

    @property
    def _config(self) -> Json:
        return dict(self._inspect().get("Config") or {})

    @property
    def _word(self) -> str:
        return shell_word(self.ref)

    def _found(self) -> Json | None:
        info = inspect_image(self._known_id or self.ref)
        if info is not None:
            self._known_id = str(info["Id"])
        return info

    def _inspect(self) -> Json:
        info = self._found()
        if info is not None:
            return info
        sentence, meant = near(
            self.ref, [name.removesuffix(":latest") for name in image_names()], "images"
        )
        raise CheckFailed(
            f"There is no image {quoted(self.ref)} on this engine. {sentence}",
            f"an image {quoted(self.ref)}.",
            (
                f"docker tag {shell_word(meant)} {self._word}"
                if meant
                else f"docker build -t {self._word} ."
            ),
        )

    def _steps(self) -> list[Json]:
        try:
            with transport():
                return list(engine().history(self.id))  # type: ignore[no-untyped-call]
        except APIError as error:
            raise CheckFailed(
                f"The history of {quoted(self.ref)} cannot be read: {explanation(error)}",
                "an image that stays until the check has ended.",
                f"docker history {self._word}",
            ) from None


def image_names() -> list[str]:
    """The names of all images that have one."""
    return sorted(
        tag
        for each in summaries("images")
        for tag in each.get("RepoTags") or []
        if tag != "<none>:<none>"
    )
