"""Attacks on the cluster that is asked about their work: on what it says, on what it believes, and
on itself.
"""

from .attack import PODS, Attack

RBAC = "the student's role in the cluster"
TRIES = r"""
import json, os, subprocess
def run(*words, given=None):
    return subprocess.run(list(words), capture_output=True, text=True, timeout=25, input=given or "")
def kubectl(*words, given=None):
    done = run("kubectl", *words, given=given and json.dumps(given))
    print((done.stdout + done.stderr).strip()[-300:])
    return done
def may_not(*words, given=None):
    done = kubectl(*words, given=given)
    if done.returncode == 0 or not any(word in (done.stdout + done.stderr).lower() for word in ("forbidden", "unauthorized")):
        print("SUCCEEDED", words)  # or failed for another reason than the one that is tried here
def has_no(text, *words, given=None):
    if text in kubectl(*words, given=given).stdout:
        print("SUCCEEDED", words)
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "no-such-image"}]}}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
              "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}}
READY = {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2, "updatedReplicas": 2, "observedGeneration": 1}
def pod(name, **spec):
    first = {"name": "c", "image": "busybox", **spec.pop("container", {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"restartPolicy": "Never", "containers": [first], **spec}}
"""
STATUS = (
    TRIES
    + r"""
kubectl("create", "-f", "-", given={**DEPLOYMENT, "status": READY})
body = json.dumps({"status": READY})
may_not("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", body)
may_not("replace", "--subresource=status", "-f", "-", given={**DEPLOYMENT, "status": READY})
may_not("apply", "--server-side", "--subresource=status", "-f", "-", given={**DEPLOYMENT, "status": READY})
may_not("replace", "--raw", "/apis/apps/v1/namespaces/default/deployments/web/status", "-f", "-", given={**DEPLOYMENT, "status": READY})
kubectl("patch", "deployment", "web", "--type=merge", "-p", body)
running = {"phase": "Running", "podIP": "10.244.0.99", "conditions": [{"type": "Ready", "status": "True"}]}
kubectl("create", "-f", "-", given={**pod("made-up"), "status": running})
may_not("patch", "pod", "made-up", "--subresource=status", "--type=merge", "-p", json.dumps({"status": running}))
has_no("readyReplicas", "get", "deployment", "web", "-o", "json")
has_no("10.244.0.99", "get", "pods", "-o", "json")
"""
)
ENDPOINTS = (
    TRIES
    + r"""
kubectl("create", "service", "nodeport", "web", "--tcp=80", "--node-port=30080")
address = {"addresses": [{"ip": "10.244.0.1"}], "ports": [{"port": 80}]}
may_not("create", "-f", "-", given={"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "web"}, "subsets": [address]})
may_not("create", "-f", "-", given={"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "web-x", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4", "endpoints": [{"addresses": ["10.244.0.1"]}], "ports": [{"port": 80}]})
may_not("patch", "endpoints", "web", "--type=merge", "-p", json.dumps({"subsets": [address]}))
may_not("patch", "endpoints", "kubernetes", "--type=merge", "-p", json.dumps({"subsets": [address]}))
may_not("delete", "endpoints", "kubernetes")
may_not("create", "-f", "-", given={"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "web"}, "reason": "Started"})
"""
)
NODES = (
    TRIES
    + r"""
may_not("create", "-f", "-", given={"apiVersion": "v1", "kind": "Node", "metadata": {"name": "mine"}})
second = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "lab-2", "annotations": {"lab/power": "on"}}}
may_not("create", "-f", "-", given=second)
may_not("apply", "-f", "-", given=second)
may_not("apply", "--server-side", "-f", "-", given=second)
may_not("delete", "node", "lab")
may_not("patch", "node", "lab", "--subresource=status", "--type=merge", "-p", json.dumps({"status": {"nodeInfo": {"kubeletVersion": "v9"}}}))
kubectl("create", "-f", "-", given=pod("bound", schedulerName="nobody"))
target = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "bound"}, "target": {"kind": "Node", "name": "mine"}}
may_not("create", "--raw", "/api/v1/namespaces/default/pods/bound/binding", "-f", "-", given=target)
may_not("create", "--raw", "/api/v1/namespaces/default/bindings", "-f", "-", given=target)
kubectl("create", "-f", "-", given=pod("elsewhere", nodeName="mine"))
has_no("Running", "get", "pods")
may_not("create", "-f", "-", given={"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "mine", "namespace": "kube-node-lease"}, "spec": {}})
"""
)
RIGHTS = (
    TRIES
    + r"""
for who in (["--as=kubernetes-admin", "--as-group=system:masters"], ["--as=system:admin"], ["--as=kubelet"], ["--as=system:serviceaccount:kube-system:default"]):
    may_not("get", "pods", *who)
may_not("create", "clusterrolebinding", "mine", "--clusterrole=cluster-admin", "--user=student")
may_not("create", "rolebinding", "mine", "--clusterrole=cluster-admin", "--user=student")
may_not("create", "clusterrole", "mine", "--verb=*", "--resource=*")
may_not("patch", "clusterrole", "course:students", "--type=json", "-p", '[{"op": "add", "path": "/rules/-", "value": {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}}]')
may_not("delete", "clusterrolebinding", "cluster-admin")
token = kubectl("create", "token", "default", "-n", "kube-system").stdout.strip()
may_not("--kubeconfig=/dev/null", "--server=https://127.0.0.1:6443", "--insecure-skip-tls-verify", f"--token={token}", "get", "secrets", "-A")
may_not("--kubeconfig=/dev/null", "--server=https://127.0.0.1:6443", "--insecure-skip-tls-verify", "--token=x", "get", "pods")
has_no("PRIVATE KEY", "get", "secrets,configmaps", "-A", "-o", "yaml")
may_not("create", "-f", "-", given={"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "mine"}, "spec": {"request": "eA==", "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}})
"""
)
OTHER_APIS = (
    TRIES
    + r"""
names = {"plural": "deployments", "singular": "deployment", "kind": "Deployment"}
anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
may_not("create", "-f", "-", given={"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "deployments.apps"},
        "spec": {"group": "apps", "scope": "Namespaced", "names": names, "versions": [version]}})
may_not("create", "-f", "-", given={"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.apps"},
        "spec": {"group": "apps", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1, "service": {"name": "web", "namespace": "default"}}})
may_not("create", "-f", "-", given={"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "mine"}, "webhooks": []})
"""
)
PODS_WITH_RIGHTS = (
    TRIES
    + r"""
import time
wanted, made = {}, []
def gets(text, name, **spec):
    wanted[name] = text
    made.append(pod(name, **spec))
mount = {"volumeMounts": [{"name": "v", "mountPath": "/s"}]}
def on_host(path):
    return [{"name": "v", "hostPath": {"path": path}}]
gets("kubeconfig", "sockets", container={"command": ["ls", "-R", "/s"], **mount}, volumes=on_host("@SOCKETS@"))
gets("PRIVATE", "root", container={"command": ["grep", "-r", "key-data", "/s@SOCKETS@"], **mount}, volumes=on_host("/"))
gets("taken", "privileged", container={"command": ["sh", "-c", "mount -t tmpfs none /mnt && echo taken"], "securityContext": {"privileged": True}})
gets("taken", "capable", container={"command": ["sh", "-c", "mount -t tmpfs none /mnt && echo taken"], "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}})
gets("tap0", "network", container={"command": ["ip", "addr"]}, hostNetwork=True)
gets("lab.cluster", "processes", container={"command": ["ps"]}, hostPID=True)
gets("taken", "ipc", container={"command": ["echo", "taken"]}, hostIPC=True)
kubectl("create", "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": made})
time.sleep(3)
print(run("kubectl", "get", "pods,events").stdout[-3000:])
for name, text in wanted.items():
    has_no(text, "logs", name)
run("kubectl", "delete", "pods", "--all", "--force", "--grace-period=0")
"""
)
ADDRESSES = r"""
import socket, threading
def serve(listener):
    while True:
        there, _ = listener.accept()
        there.recv(65536)
        there.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nWelcome")
        there.close()
for port in (6443, 30080):
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET, "127.0.0.2"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::")):
        mine = socket.socket(family)
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            mine.setsockopt(socket.SOL_SOCKET, option, 1)
        try:
            mine.bind((address, port))
            mine.listen()
        except OSError:
            continue
        print("SUCCEEDED", port, address)
        threading.Thread(target=serve, args=(mine,), daemon=True).start()
import subprocess
subprocess.run(["docker", "run", "-d", "-p", "30080:80", "busybox", "sh", "-c", "mkdir /w; echo Welcome > /w/index.html; httpd -f -h /w"], capture_output=True)
subprocess.run(["kubectl", "create", "service", "nodeport", "web", "--tcp=80", "--node-port=30080"], capture_output=True)
"""
BY_HAND = (
    TRIES
    + r"""
for label in ("io.kubernetes.pod.uid=x", "io.kubernetes.cluster=x", "io.kubernetes.container.name=POD"):
    if run("docker", "create", "--label", label, "busybox").returncode == 0:
        print("SUCCEEDED", label)
for words in (["create", "--name", "k8s_web_web_default_x_0", "busybox"], ["rename", "plain", "k8s_web_web_default_x_0"], ["volume", "create", "--label", "io.kubernetes.pod.uid=x", "v"]):
    run("docker", "create", "--name", "plain", "busybox")
    if run("docker", *words).returncode == 0:
        print("SUCCEEDED", words)
kubectl("create", "-f", "-", given=DEPLOYMENT)
uid = json.loads(kubectl("get", "replicasets", "-o", "json").stdout)["items"]
for one in range(2):
    labels = ["--label", "app=web", "--label", f"pod={one}"]
    run("docker", "run", "-d", "--name", f"web-{one}", *labels, "busybox", "sleep", "600")
"""
)
STOPPED = (
    TRIES
    + r"""
import time
may_not("delete", "namespace", "kube-system")
may_not("delete", "namespace", "default")
kubectl("delete", "service", "kubernetes")
for _ in range(3):
    found = run("docker", "ps", "-q").stdout.split()
    run("docker", "kill", *found)
    time.sleep(0.5)
run("docker", "network", "rm", "kubernetes")
"""
)
FLOOD = (
    TRIES
    + r"""
many = {"apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{n}"}, "data": {"x": "y" * 20_000}} for n in range(60)]}
kubectl("create", "-f", "-", given=many)
watchers = [subprocess.Popen(["kubectl", "get", "configmaps", "-w"], stdout=subprocess.DEVNULL) for _ in range(3)]
for word in ("a", "b", "c"):
    kubectl("annotate", "configmaps", "--all", f"{word}={word}")
for one in watchers:
    one.kill()
"""
)

NODE = (
    TRIES
    + r"""
kubectl("create", "-f", "-", given=pod("node", hostNetwork=True, container={"command": ["sleep", "600"]}))
kubectl("run", "plain", "--image=busybox", "--image-pull-policy=IfNotPresent", "--", "sleep", "600")
kubectl("wait", "--for=condition=Ready", "pod/plain", "--timeout=20s")
for path in ("node:5000/proxy/v2/", "https:node:6443/proxy/version", "plain:@127.0.0.1/proxy/", "https:plain:@127.0.0.1/proxy/v2/"):
    done = kubectl("get", "--raw", f"/api/v1/namespaces/default/pods/{path}")
    if "has no address" not in done.stderr and "is no port" not in done.stderr:
        print("SUCCEEDED", path)
kubectl("delete", "pods", "node", "plain", "--force", "--grace-period=0")
"""
)

ATTACKS = [
    Attack("A status written by hand", RBAC, STATUS, "web", trial=PODS),
    Attack("Endpoints and events made up", RBAC, ENDPOINTS, "web", trial=PODS),
    Attack("A node made up, and Pods bound to it", RBAC, NODES, "web", trial=PODS),
    Attack(
        "The cluster's administrator impersonated, more rights taken",
        RBAC,
        RIGHTS,
        "web",
        ("web",),
        trial=PODS,
    ),
    Attack(
        "Another API in the place of Deployments", RBAC, OTHER_APIS, "web", ("web",), trial=PODS
    ),
    Attack(
        "Pods with the host's files, processes, network and rights",
        "the guard on the kubelet's socket",
        PODS_WITH_RIGHTS,
        "web",
        ("web",),
        trial=PODS,
    ),
    Attack(
        "Pods that lead to the node's own ports",
        "the API's proxy leads to containers alone",
        NODE,
        "web",
        ("web",),
        trial=PODS,
    ),
    Attack(
        "Another server at the API's address and on node ports",
        "both are bound before any code runs",
        ADDRESSES,
        "web",
        trial=PODS,
    ),
    Attack(
        "The cluster's containers made by hand",
        "the guard on the student's socket",
        BY_HAND,
        "web",
        trial=PODS,
    ),
    Attack(
        "The cluster's Pods and network removed",
        "it makes them anew",
        STOPPED,
        "web",
        ("web",),
        trial=PODS,
    ),
    Attack(
        "Large objects, changed again and again, and who watches them",
        "nothing: the cluster keeps up",
        FLOOD,
        "web",
        ("web",),
        trial=PODS,
    ),
]
