"""What all controllers are made of: a queue of keys, worked on one by one, with retries."""

import asyncio
import logging
from collections.abc import Iterable

from lab.cluster.model.errors import APIError
from lab.cluster.model.objects import Obj, controller_of, key_of
from lab.cluster.registry.client import Client
from lab.cluster.registry.events import Recorder
from lab.cluster.registry.store import Event

LOG = logging.getLogger("controller")
FIRST_RETRY, LONGEST_RETRY = 0.005, 1000.0  # seconds; doubled with each failure
RESTART_SECONDS = 1.0


class Controller:
    """A controller of one resource: a loop that makes what is more like what should be.

    Subclasses say which events matter (``keys``) and what to do for an object (``sync``); the
    queue, the retries with their back-off and the batching of events are here. ``run`` passes each
    write of the store to all controllers.
    """

    resource = ""  # the resource whose keys are in the queue
    watches: tuple[str, ...] = ()  # other resources whose events lead to keys
    component = ""  # who its events come from
    resync_seconds: float | None = None  # look at everything this often
    # For how long changes of watched resources are gathered before they are looked at.
    batch_seconds = 0.0

    def __init__(self, client: Client) -> None:
        self.client = client
        self.recorder = Recorder(client, self.component)
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._queued: set[str] = set()
        self._failures: dict[str, int] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    # ------------------------------------------------------------ for subclasses

    def sync(self, namespace: str, name: str) -> float | None:
        """Bring one object closer to what it should be. Returns after how many seconds to look
        again, or None.

        An exception means: try again, later each time.
        """
        raise NotImplementedError

    def keys(self, event: Event) -> Iterable[str]:
        """The keys to look at after an event: by default, the controlling object of this kind."""
        keys = []
        for obj in (event.obj, event.before):
            owner = controller_of(obj) if obj else None
            if obj and owner and owner["kind"] == self.kind():
                keys.append(f"{obj['metadata'].get('namespace', '')}/{owner['name']}")
        return keys

    def kind(self) -> str:
        return self.client.registry.resources.named(self.resource).kind

    # ------------------------------------------------------------------- machinery

    def on(self, event: Event) -> None:
        """Take notice of a write."""
        if event.key[0] == self.resource and not _status_only(event):
            self.enqueue(key_of(event.obj))
        if event.key[0] in self.watches:
            for key in self.keys(event):
                if event.kind != "MODIFIED" or not self.batch_seconds:
                    self.enqueue(key)
                elif key not in self._timers:
                    self.enqueue_after(key, self.batch_seconds)

    def enqueue(self, key: str) -> None:
        if key not in self._queued:
            self._queued.add(key)
            self._ready.put_nowait(key)

    def enqueue_after(self, key: str, seconds: float) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(max(0.0, seconds), self._due, key)

    def _due(self, key: str) -> None:
        self._timers.pop(key, None)
        self.enqueue(key)

    def enqueue_all(self) -> None:
        for obj in self.client.list(self.resource):
            self.enqueue(key_of(obj))

    async def run(self) -> None:
        """Work through the queue until cancelled."""
        self.enqueue_all()
        if self.resync_seconds:
            asyncio.get_running_loop().call_later(self.resync_seconds, self._resync)
        while True:
            key = await self._ready.get()
            self._queued.discard(key)
            self._work(key)
            await asyncio.sleep(0)  # others may run between two objects

    def _resync(self) -> None:
        self.enqueue_all()
        asyncio.get_running_loop().call_later(self.resync_seconds or LONGEST_RETRY, self._resync)

    def _work(self, key: str) -> None:
        namespace, _, name = key.rpartition("/")
        try:
            again = self.sync(namespace, name)
        except Exception as error:
            if not isinstance(error, APIError):
                LOG.exception("%s: %s", type(self).__name__, key)
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            self.enqueue_after(key, min(FIRST_RETRY * 2 ** min(failures - 1, 20), LONGEST_RETRY))
        else:
            self._failures.pop(key, None)
            if again is not None:
                self.enqueue_after(key, again)

    def get(self, namespace: str, name: str) -> Obj | None:
        return self.client.get(self.resource, namespace, name)


def _status_only(event: Event) -> bool:
    """Whether a write changed nothing but the status, which is the controller's own doing."""
    if event.kind != "MODIFIED" or event.before is None:
        return False

    def wanted(obj: Obj) -> Obj:
        meta = {
            k: v
            for k, v in obj["metadata"].items()
            if k not in ("managedFields", "resourceVersion")
        }
        return {k: v for k, v in obj.items() if k != "status"} | {"metadata": meta}

    return wanted(event.before) == wanted(event.obj)


async def _keep_running(controller: Controller) -> None:
    while True:
        try:
            await controller.run()
        except Exception:
            LOG.exception("%s failed; it is started again", type(controller).__name__)
        await asyncio.sleep(RESTART_SECONDS)


async def run(controllers: list[Controller], client: Client) -> None:
    """Run controllers, each event of the store passed to all of them, until cancelled."""
    with client.registry.store.watch() as watching:
        tasks = [asyncio.ensure_future(_keep_running(controller)) for controller in controllers]
        try:
            async for event in watching:
                for controller in controllers:
                    try:
                        controller.on(event)
                    # One that fails must not keep the others from what they have to know.
                    except Exception:
                        LOG.exception(
                            "%s: %s of %s", type(controller).__name__, event.kind, event.key
                        )
        finally:
            for task in tasks:
                task.cancel()
