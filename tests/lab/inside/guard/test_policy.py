"""What a request may ask of the engine in grading, and that nothing can be read in two ways."""

import json
from typing import Any

import pytest

from lab.inside.guard.policy import judge, judged_body
from lab.inside.guard.strict import Forbidden

CREATE = "/v1.45/containers/create?name=web"
WORK = "/home/student/work"


def ask(method: str, target: str, body: Any = None, *, cluster: bool = False) -> dict[str, Any]:
    """The JSON that the engine would get."""
    route, _ = judge(method, target, cluster=cluster)
    content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    return dict(json.loads(judged_body(route, content, cluster=cluster) or b"{}"))


def host(**config: Any) -> dict[str, Any]:
    return {"Image": "nginx", "HostConfig": config}


ALLOWED: dict[str, dict[str, Any]] = {
    "a plain container": {"Image": "nginx"},
    "published ports": host(PortBindings={"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}),
    "the student's folder": host(Binds=[f"{WORK}:/app", f"{WORK}/site:/usr/share/nginx/html:ro"]),
    "the student's folder as a mount": host(
        Mounts=[{"Type": "bind", "Source": f"{WORK}/site", "Target": "/x", "ReadOnly": True}]
    ),
    "a named volume": host(
        Binds=["data:/data"], Mounts=[{"Type": "volume", "Source": "data", "Target": "/y"}]
    ),
    "an anonymous volume": {"Image": "nginx", "Volumes": {"/app/node_modules": {}}},
    "a tmpfs": host(
        Mounts=[{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1000}}],
        Tmpfs={"/u": "size=1m"},
    ),
    "an emptyDir in memory": host(
        Mounts=[
            {
                "Type": "volume",
                "Source": "k8s_x",
                "Target": "/m",
                "VolumeOptions": {
                    "NoCopy": True,
                    "DriverConfig": {
                        "Name": "local",
                        "Options": {"type": "tmpfs", "device": "tmpfs"},
                    },
                },
            }
        ]
    ),
    "limits": host(
        Memory=1 << 25,
        NanoCpus=500_000_000,
        PidsLimit=10,
        Ulimits=[{"Name": "nofile", "Soft": 10, "Hard": 20}],
    ),
    "a namespace of another container": host(
        NetworkMode="container:web", PidMode="container:web", IpcMode="container:web"
    ),
    "a network of one's own": host(NetworkMode="backend"),
    "capabilities that every container has": host(
        CapDrop=["ALL"], CapAdd=["NET_BIND_SERVICE", "CAP_CHOWN"]
    ),
    "no new privileges": host(SecurityOpt=["no-new-privileges"]),
    "a restart policy": host(RestartPolicy={"Name": "on-failure", "MaximumRetryCount": 3}),
    "what the command line leaves empty": host(
        Privileged=False,
        Devices=[],
        DeviceRequests=None,
        CgroupParent="",
        OomScoreAdj=0,
        UTSMode="",
        UsernsMode="",
        StorageOpt=None,
        MaskedPaths=None,
        ReadonlyPaths=None,
        Isolation="",
        BlkioDeviceReadBps=[],
        SecurityOpt=None,
    ),
}

KUBELETS: list[tuple[str, dict[str, Any]]] = [
    (
        f"/containers/create?name=k8s_POD_web_default_{'0' * 36}_0",
        {"Image": "busybox", "Labels": {"io.kubernetes.pod.uid": "x"}},
    ),
    ("/containers/x/rename?name=/k8s_POD_web", {}),
    (
        "/containers/create?name=web",
        {"Image": "busybox", "Labels": {"io.kubernetes.container.name": "POD"}},
    ),
    ("/volumes/create", {"Name": "v", "Labels": {"io.kubernetes.pod.uid": "x"}}),
    ("/networks/create", {"Name": "n", "Labels": {"io.kubernetes.cluster": "x"}}),
]

REFUSED: dict[str, Any] = {
    "--privileged": host(Privileged=True),
    "--privileged as a field outside HostConfig": {"Image": "x", "Privileged": True},
    "a bind mount outside HostConfig": {"Image": "x", "Binds": ["/:/x"]},
    "the root folder": host(Binds=["/:/host"]),
    "the checker's socket": host(Binds=["/sockets/checker/docker.sock:/var/run/docker.sock"]),
    "the engine's data": host(Mounts=[{"Type": "bind", "Source": "/data", "Target": "/x"}]),
    "a neighbour of the student's folder": host(Binds=[f"{WORK}-not:/x"]),
    "a way up from the student's folder": host(Binds=[f"{WORK}/../..:/x"]),
    "a way up in a mount": host(
        Mounts=[{"Type": "bind", "Source": f"{WORK}/a/../../x", "Target": "/x"}]
    ),
    "shared propagation": host(Binds=[f"{WORK}:/x:rshared"]),
    "shared propagation in a mount": host(
        Mounts=[
            {
                "Type": "bind",
                "Source": WORK,
                "Target": "/x",
                "BindOptions": {"Propagation": "rshared"},
            }
        ]
    ),
    "a volume that is a mount": host(
        Mounts=[
            {
                "Type": "volume",
                "Target": "/x",
                "VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {"o": "bind"}}},
            }
        ]
    ),
    "a volume driver": host(VolumeDriver="sshfs"),
    "a mount of an unknown type": host(Mounts=[{"Type": "cluster", "Source": "x", "Target": "/x"}]),
    "the host's network": host(NetworkMode="host"),
    "a network namespace by path": host(NetworkMode="ns:/proc/1/ns/net"),
    "the host's processes": host(PidMode="host"),
    "the host's IPC": host(IpcMode="host"),
    "the host's UTS": host(UTSMode="host"),
    "the host's users": host(UsernsMode="host"),
    "the host's control groups": host(CgroupnsMode="host"),
    "SYS_ADMIN": host(CapAdd=["SYS_ADMIN"]),
    "all capabilities": host(CapAdd=["all"]),
    "no seccomp": host(SecurityOpt=["seccomp=unconfined"]),
    "no AppArmor": host(SecurityOpt=["apparmor:unconfined"]),
    "unmasked system paths": host(MaskedPaths=[]),
    "writable system paths": host(ReadonlyPaths=[]),
    "a device": host(
        Devices=[
            {"PathOnHost": "/dev/net/tun", "PathInContainer": "/t", "CgroupPermissions": "rwm"}
        ]
    ),
    "a device rule": host(DeviceCgroupRules=["a *:* rwm"]),
    "a GPU": host(DeviceRequests=[{"Count": -1}]),
    "another runtime": host(Runtime="io.containerd.runc.v2"),
    "a place among the control groups": host(CgroupParent="/"),
    "a priority for the OOM killer": host(OomScoreAdj=-1000),
    "the kernel's settings": host(Sysctls={"kernel.msgmax": "1"}),
    "a logging driver": host(LogConfig={"Type": "syslog", "Config": {}}),
    "an annotation": host(Annotations={"run.oci": "x"}),
    "a field that nobody knows": host(Superpowers=1),
    "a network driver's option": {
        "Image": "x",
        "NetworkingConfig": {
            "EndpointsConfig": {"n": {"DriverOpts": {"com.docker.network.endpoint.sysctls": "x"}}}
        },
    },
    "a list where an object belongs": {"Image": "x", "HostConfig": [1]},
    "a text where a list belongs": host(Binds="/:/x"),
    "a number among the mounts": host(Mounts=[1]),
}

READ_IN_TWO_WAYS: dict[str, bytes] = {
    "a field twice": b'{"HostConfig": {"Privileged": false, "Privileged": true}}',
    "a field twice, in two spellings": b'{"HostConfig": {"Privileged": false, "privileged": true}}',
    "an object twice": b'{"HostConfig": {}, "hostconfig": {"Privileged": true}}',
    "another spelling": b'{"hostConfig": {"Privileged": true}}',
    "another spelling inside": b'{"HostConfig": {"privileged": true}}',
    "a letter that Go folds": '{"HostConfig": {"Bind\u017f": ["/:/x"]}}'.encode(),
    "a Kelvin sign": '{"HostConfig": {"NetworkMode": "host", "Networ\u212aMode": "host"}}'.encode(),
    "escaped letters": b'{"HostConfig": {"\\u0050rivileged": true}}',
    "more than one value": b'{"Image": "x"} {"HostConfig": {"Privileged": true}}',
    "not a number": b'{"HostConfig": {"Memory": NaN}}',
    "no JSON": b"Privileged=true",
    "no UTF-8": b'{"Image": "\xff"}',
    "a list": b"[]",
    "nested without end": b'{"Labels": ' * 30 + b"{}" + b"}" * 30,
    "far too much": b'{"Image": "' + b"x" * 2_000_000 + b'"}',
}


@pytest.mark.parametrize("body", ALLOWED.values(), ids=ALLOWED)
def test_container_is_allowed(body: dict[str, Any]) -> None:
    assert ask("POST", CREATE, body) == body


@pytest.mark.parametrize(("target", "body"), KUBELETS)
def test_only_the_kubelet_makes_the_clusters_containers(target: str, body: dict[str, Any]) -> None:
    with pytest.raises(Forbidden, match="make a Pod with kubectl instead"):
        ask("POST", target, body)
    assert ask("POST", target, body, cluster=True) == body


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_a_pod_may_not_ask_for_more_than_a_container(body: Any) -> None:
    with pytest.raises(Forbidden):
        ask("POST", CREATE, body, cluster=True)


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_container_is_refused(body: Any) -> None:
    with pytest.raises(Forbidden):
        ask("POST", CREATE, body)


@pytest.mark.parametrize("body", READ_IN_TWO_WAYS.values(), ids=READ_IN_TWO_WAYS)
def test_body_that_could_be_read_in_two_ways_is_refused(body: bytes) -> None:
    with pytest.raises(Forbidden):
        ask("POST", CREATE, body)


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        (
            "POST",
            "/volumes/create",
            {"Name": "v", "DriverOpts": {"type": "none", "o": "bind", "device": "/"}},
        ),
        ("POST", "/volumes/create", {"Name": "v", "Driver": "rclone"}),
        (
            "POST",
            "/networks/create",
            {"Name": "n", "Driver": "macvlan", "Options": {"parent": "eth0"}},
        ),
        (
            "POST",
            "/networks/create",
            {"Name": "n", "Options": {"com.docker.network.bridge.name": "docker0"}},
        ),
        ("POST", "/networks/create", {"Name": "n", "ConfigFrom": {"Network": "x"}}),
        ("POST", "/containers/x/update", {"Devices": [{"PathOnHost": "/dev/kmsg"}]}),
        ("POST", "/containers/x/update", {"CgroupParent": "/"}),
        ("POST", "/containers/x/exec", {"Cmd": ["sh"], "Privileged": True}),
        ("POST", "/containers/x/exec", {"Cmd": ["sh"], "privileged": True}),
        (
            "POST",
            "/networks/n/connect",
            {"Container": "x", "EndpointConfig": {"DriverOpts": {"a": "b"}}},
        ),
    ],
)
def test_other_ways_out_are_refused(method: str, target: str, body: dict[str, Any]) -> None:
    with pytest.raises(Forbidden):
        ask(method, target, body)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/swarm/init"),
        ("POST", "/services/create"),
        ("GET", "/nodes"),
        ("POST", "/secrets/create"),
        ("POST", "/configs/create"),
        ("POST", "/plugins/pull?remote=x"),
        ("POST", "/plugins/x/enable"),
        ("POST", "/plugins/create"),
        ("POST", "/containers/x/checkpoints"),
        ("GET", "/containers/x/attach/ws"),
        ("POST", "/containers/x/copy"),
        ("POST", "/build?networkmode=host"),
        ("POST", "/build?networkmode=none&networkmode=host"),
        ("POST", "/build?NetworkMode=none&networkmode=host"),
        ("POST", "/build?remote=git://x/y"),
        ("POST", "/build?cgroupparent=x"),
        ("POST", '/build?securityopt=["seccomp=unconfined"]'),
        ("POST", "/images/create?fromSrc=http://x/y.tar"),
        ("POST", "/v1.23/containers/x/start"),
        ("POST", "/v2.0/containers/create"),
        ("POST", "/v1.45/v1.23/containers/create"),
        ("POST", "/v1.45//containers/create"),
        ("POST", "/v1.45/./containers/create"),
        ("POST", "/containers/../containers/create"),
        ("POST", "/containers%2fcreate"),
        ("POST", "/%63ontainers/create"),
        ("POST", "/containers/create;x"),
        ("POST", "/containers/create#x"),
        ("POST", "http://docker/containers/create"),
        ("POST", "*"),
        ("CONNECT", "/containers/create"),
        ("PATCH", "/containers/x"),
        ("POST", "/Containers/create"),
        ("POST", "/build?a=1;networkmode=host"),
        ("POST", "/build?networkmode=%68ost"),
        ("POST", "/build?%zz"),
    ],
)
def test_target_is_refused(method: str, target: str) -> None:
    with pytest.raises(Forbidden):
        judge(method, target)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("HEAD", "/_ping"),
        ("GET", "/v1.24/version"),
        ("GET", "/v1.45/containers/json?all=1&filters=%7B%22label%22%3A%5B%22a%22%5D%7D"),
        ("POST", "/v1.45/containers/web/attach?stderr=1&stdout=1&stream=1"),
        ("GET", "/v1.45/images/localhost:5000/me/app:1.0/json"),
        ("DELETE", "/v1.45/images/sha256:0123"),
        ("POST", "/v1.45/images/me/app/push?tag=1"),
        ("POST", "/v1.45/build?t=me&version=1"),
        ("POST", "/session"),
        ("POST", "/grpc"),
        ("POST", "/v1.45/images/create?fromImage=nginx&tag=latest"),
        ("PUT", "/v1.45/containers/web/archive?path=%2Ftmp"),
    ],
)
def test_target_is_allowed(method: str, target: str) -> None:
    assert judge(method, target)[1].partition("?")[0] == target.partition("?")[0]


def test_a_refusal_says_what_and_why() -> None:
    with pytest.raises(
        Forbidden, match=r"--privileged is not available in grading: the container would own"
    ):
        ask("POST", CREATE, host(Privileged=True))
    with pytest.raises(Forbidden, match=r"/etc cannot be mounted in grading: only your own folder"):
        ask("POST", CREATE, host(Binds=["/etc:/x"]))


def test_an_old_way_to_start_with_settings_is_cut_off() -> None:
    assert ask("POST", "/v1.45/containers/x/start", {"Privileged": True, "Binds": ["/:/x"]}) == {}


@pytest.mark.parametrize(
    "target", ["/containers/create", "/networks/create", "/volumes/create", "/commit"]
)
def test_labels_that_nobody_could_read_are_refused(target: str) -> None:
    """They come back in every list that the checker asks the engine for."""
    ask("POST", target, {"Labels": {f"com.example.{number}": "x" * 100 for number in range(100)}})
    for labels in (
        {"a": "x" * 16_000},
        {"x" * 16_001: ""},
        {f"{n:05}": "xxxx" for n in range(2000)},
    ):
        with pytest.raises(Forbidden, match=r"all labels together may have 16,000 characters"):
            ask("POST", target, {"Labels": labels})


@pytest.mark.parametrize("field", ["Env", "Cmd", "Entrypoint"])
def test_what_a_container_is_made_from_has_a_limit(field: str) -> None:
    ask("POST", CREATE, {"Image": "nginx", field: ["x=" + "y" * 100_000]})
    with pytest.raises(Forbidden, match=r"at most 256 kB of JSON: shorten labels, environment"):
        ask("POST", CREATE, {"Image": "nginx", field: ["x=" + "y" * 60_000] * 5})
