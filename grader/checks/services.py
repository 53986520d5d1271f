"""`service("web")`: what must hold of a Service, tried by requests through it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from grader.checks import answers, cluster, endpoints, trial_pods
from grader.checks.cluster import ClusterRefusedError, Json
from grader.checks.cluster_objects import ClusterObject, pairs, selects
from grader.checks.commandline import shell_word
from grader.checks.deadline import Deadline, eventually
from grader.checks.endpoints import Endpoint
from grader.checks.pod_state import trouble
from grader.checks.verdict import CheckFailed, EnvironmentProblem, quoted, said


@dataclass(frozen=True)
class Reply:
    """What came back for a request through a Service: a page (`text`), or what the cluster said in
    its place (`words`).
    """

    text: str | None
    words: str = ""

    @property
    def answered(self) -> bool:
        """Whether a page came."""
        return self.text is not None


def _reply(target: str, path: str) -> Reply:
    """What a Pod or a Service answers to the API server, which asks for us."""
    try:
        return Reply(cluster.get(f"{target}/proxy{quote(path, safe='/?=&')}"))
    except ClusterRefusedError as refusal:
        return Reply(None, str(refusal))


def service(name: str) -> Service:
    """A Service by its name; asks the cluster nothing yet. Checks of its existence and labels are
    those of `pod`.

    >>> service("web")
    service('web')
    """
    return Service(name)


class Service(ClusterObject):
    """A Service: facts as properties, `must_*` raise `CheckFailed` when they do not hold."""

    _kind, _plural = "Service", "services"
    _made_by = "kubectl expose TYPE/NAME --name={} --port=PORT"

    @property
    def type(self) -> str:
        """`ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`."""
        return str(self._object()["spec"].get("type") or "ClusterIP")

    @property
    def selector(self) -> dict[str, str]:
        """The labels of the Pods that it brings requests to; empty without a selector."""
        return dict(self._object()["spec"].get("selector") or {})

    @property
    def ports(self) -> list[int]:
        """The ports on which it listens in the cluster."""
        return [int(port["port"]) for port in self._ports()]

    @property
    def node_ports(self) -> list[int]:
        """The ports on which the nodes listen for it; empty unless it is a NodePort or a
        LoadBalancer.
        """
        return [int(port["nodePort"]) for port in self._ports() if port.get("nodePort")]

    @property
    def pods(self) -> list[str]:
        """The names of the Pods that its selector matches, ready or not."""
        return [one["metadata"]["name"] for one in self._pods()]

    def must_be_of_type(self, type: str) -> None:  # noqa: A002  (kubectl's word)
        """Its type is this, spelled as after `--type`."""
        if self.type != type:
            raise CheckFailed(
                f"The Service `{self.name}` is of type {quoted(self.type)}.",
                f"type `{type}`.",
                f"""kubectl patch {self._typed} --patch '{{"spec": {{"type": "{type}"}}}}'""",
            )

    def must_listen_on(self, port: int) -> None:
        """It has this port in the cluster: the one that `--port` names."""
        if port not in self.ports:
            raise CheckFailed(
                f"The Service `{self.name}` listens on"
                f" {' and '.join(f'port {one}' for one in self.ports) or 'no port'}.",
                f"port {port}.",
                f"kubectl describe {self._typed}",
            )

    def must_reach(self, pod: str, *, within_seconds: float = 15) -> None:
        """A Pod, by its name, is behind it: the selector matches its labels, it is ready, and the
        cluster sends requests to it.
        """

        def look() -> None:
            found = next((one for one in self._pods() if one["metadata"]["name"] == pod), None)
            if found is None:
                raise CheckFailed(
                    f"The Pod `{pod}` is not behind the Service `{self.name}`,"
                    f" {self._selecting()}.",
                    f"`{pod}` behind `{self.name}`.",
                    "kubectl get pods --show-labels, and compare with kubectl describe"
                    f" {self._typed}",
                )
            blocked = trouble(found)
            if blocked:
                raise CheckFailed(
                    blocked[0], f"the Pod `{pod}` ready, and behind `{self.name}`.", blocked[1]
                )
            if found["metadata"]["uid"] not in [one.uid for one in self._endpoints()]:
                raise CheckFailed(
                    f"The cluster sends no requests for the Service `{self.name}` to the Pod"
                    f" `{pod}`.",
                    f"`{pod}` among the endpoints of `{self.name}`.",
                    self._see_endpoints,
                )

        self.must_exist()
        eventually(look, within_seconds)

    def must_answer(
        self,
        path: str = "/",
        *,
        port: int | None = None,
        containing: str | None = None,
        every_pod: bool = False,
        within_seconds: float = 15,
    ) -> None:
        """A request to it in the cluster is answered, with a page that contains this text. Asks
        until the deadline.

        With `every_pod`, each of the Pods to which it brings requests is asked as well: which of
        them a request meets is chance. The API server asks for us: that works for each type of
        Service, on each cluster.
        """
        asked = port or self._first_port()
        self.must_listen_on(asked)

        def look() -> None:
            reply = self.ask(path, port=asked)
            if every_pod:
                self._must_say_alike(reply, path, asked, containing)
            self._must_say(reply, path, containing)

        eventually(look, within_seconds)

    def must_answer_on_node_port(
        self, path: str = "/", *, containing: str | None = None, within_seconds: float = 15
    ) -> None:
        """Requests from outside the cluster, to its port of the node, are answered with a page that
        contains this text.
        """
        if not self.node_ports:
            self.must_be_of_type("NodePort")
        deadline = Deadline(within_seconds)

        def look() -> None:
            self._must_say(self._ask_nodes(path, deadline), path, containing)

        eventually(look, deadline)

    def must_select(self, labels: str, *, within_seconds: float = 30) -> None:
        """A new Pod with these labels (`app=web,tier=front`) gets requests from it. The check makes
        such a Pod, and removes it.

        Any Pod can get the page of that Pod, and serve it as well. What counts is therefore what
        the cluster says: it sends requests to this Pod, because of the labels that the check gave
        it, and to a port on which the Pod answers.
        """
        wanted = dict(pair.split("=", 1) for pair in labels.split(","))
        with trial_pods.serving(self._namespace, wanted, self._target_port()) as trial:

            def look() -> None:
                behind = [one for one in self._endpoints() if one.uid == trial.uid]
                replies = [_reply(self._at(one), f"/{trial.page}") for one in behind]
                if not selects(self.selector, wanted) or not any(
                    trial.text in (reply.text or "") for reply in replies
                ):
                    raise CheckFailed(
                        f"A new Pod with the labels {quoted(labels)} gets no requests from the"
                        f" Service `{self.name}`, {self._selecting()}.",
                        f"every Pod with the labels {quoted(labels)} behind `{self.name}`.",
                        f"kubectl describe {self._typed}",
                    )

            eventually(look, within_seconds)

    def ask(self, path: str = "/", *, port: int | None = None) -> Reply:
        """One request through it: a `Reply`, whose `text` is the page, or None without one."""
        return _reply(f"{self._collection()}/{self.name}:{port or self._first_port()}", path)

    def _must_say_alike(self, reply: Reply, path: str, port: int, containing: str | None) -> None:
        """Every Pod to which it brings requests gives such a page, asked one by one; `reply` is
        what one of them gave.
        """
        behind = self._endpoints(port)
        if reply.answered and not (behind and all(one.pod for one in behind)):
            raise CheckFailed(
                f"The Service `{self.name}` sends requests to"
                f" {'an address that does not belong to a Pod' if behind else 'no Pod'}.",
                f"Pods behind `{self.name}`, and nothing else.",
                self._see_endpoints,
            )
        replies = {one.pod: _reply(self._at(one), path) for one in behind if one.pod}
        wrong = {
            pod: one
            for pod, one in replies.items()
            if one.text is None or (containing or "") not in one.text
        }
        if not wrong:
            return
        pod, one = next(iter(wrong.items()))
        if len(wrong) == len(
            replies
        ):  # it is what they all serve, and no Pod that should not be there
            self._must_say(one, path, containing)
        if one.text is None:
            raise CheckFailed(
                f"The Pod `{pod}`, behind the Service `{self.name}`, gave no answer to"
                f" {quoted(path)}: {one.words}.",
                f"an answer from every Pod behind `{self.name}`.",
                f"kubectl describe pod {pod}",
            )
        raise CheckFailed(
            f"The Pod `{pod}`, behind the Service `{self.name}`, answered {quoted(path)} without"
            f" {quoted(str(containing))}{said(one.text, 'it says')}.",
            f"{quoted(str(containing))} in the answer of every Pod behind `{self.name}`.",
            f"kubectl get pods --show-labels, and compare with kubectl describe {self._typed}",
        )

    def _endpoints(self, port: int | None = None) -> list[Endpoint]:
        """Where the cluster brings requests, for this port or for any."""
        found = endpoints.ready(self._namespace, self.name)
        if port is None:
            return found
        name = next((one.get("name") for one in self._ports() if one["port"] == port), None) or ""
        return [one for one in found if one.port_name == name]

    def _at(self, endpoint: Endpoint) -> str:
        """The path by which the API server asks this one Pod."""
        return f"{self._collection('pods')}/{endpoint.pod}:{endpoint.port}"

    @property
    def _see_endpoints(self) -> str:
        return f"kubectl get endpointslices --selector={endpoints.SERVICE}={shell_word(self.name)}"

    def _ask_nodes(self, path: str, deadline: Deadline) -> Reply:
        """A request to its node port: on this machine, which is the node of the lab's cluster, else
        on the first node that answers.
        """
        words = ""
        for host in ["localhost", *self._nodes()]:
            try:
                answer = answers.get(
                    f"http://{host}:{self.node_ports[0]}{path}",
                    max(1.0, deadline.nominal_seconds_left),
                )
            except answers.NoAnswerError as error:
                words = words or f"http://localhost:{self.node_ports[0]}{path} {error}"
            else:
                if answer.status == 200:
                    return Reply(answer.text)
                words = f"status {answer.status}"
        return Reply(None, words)

    def _nodes(self) -> list[str]:
        """Addresses of the nodes; none where we may not ask for them."""
        try:
            nodes = cluster.objects("/api/v1/nodes")
        except EnvironmentProblem:
            return []
        return [
            one["address"]
            for node in nodes
            for one in node["status"].get("addresses") or []
            if one["type"] in ("ExternalIP", "InternalIP")
        ]

    def _must_say(self, reply: Reply, path: str, containing: str | None) -> None:
        if reply.text is None:
            found, hint = self._silence(path, reply.words)
            raise CheckFailed(found, f"an answer from the Service `{self.name}`.", hint)
        if containing is not None and containing not in reply.text:
            raise CheckFailed(
                f"The Service `{self.name}` answered {quoted(path)} without"
                f" {quoted(containing)}{said(reply.text, 'it says')}.",
                f"{quoted(containing)} in the answer.",
                f"kubectl describe {self._typed}",
            )

    def _silence(self, path: str, words: str) -> tuple[str, str]:
        """Why no page came, from what there is to see, and the command that shows it."""
        behind = self._pods()
        if not behind:
            return (
                f"No Pod is behind the Service `{self.name}`, {self._selecting()}.",
                f"kubectl get pods --show-labels, and compare with kubectl describe {self._typed}",
            )
        troubles = [trouble(one) for one in behind]
        if all(troubles) and troubles[0]:
            return troubles[0]
        return (
            f"The Service `{self.name}` gave no answer to {quoted(path)}: {words}.",
            (
                f"kubectl describe {self._typed}, and compare its TargetPort with the port on which"
                " the program in the Pod listens."
            ),
        )

    def _selecting(self) -> str:
        selector = self.selector
        return f"which selects {quoted(pairs(selector))}" if selector else "which has no selector"

    def _ports(self) -> list[Json]:
        return list(self._object()["spec"].get("ports") or [])

    def _target_port(self) -> int | str:
        """The port of its Pods, or the name of it, to which its first port leads."""
        first = next(iter(self._ports()), {"port": 80})
        target: int | str = first.get("targetPort") or first["port"]
        return target

    def _first_port(self) -> int:
        return next(iter(self.ports), 80)

    def _pods(self) -> list[Json]:
        """The Pods that its selector matches and that stay."""
        selector = self.selector
        return [
            one
            for one in cluster.objects(self._collection("pods"))
            if selects(selector, one["metadata"].get("labels") or {})
            and not one["metadata"].get("deletionTimestamp")
        ]
