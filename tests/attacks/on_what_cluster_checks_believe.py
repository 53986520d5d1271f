"""Attacks on what checks of a cluster could believe: a label, a name or a value that a process of
the student's changes while a setup cell or a check is at work.
"""

from .attack import OBJECTS, Attack

ALONE = "while the checker's cells run, the student may change nothing in the cluster"
ASYNC = r"""
import subprocess
def keep_doing(script):
    open("work.sh", "w").write("while sleep 0.1; do\n" + script + "\ndone\n")
    subprocess.Popen(["bash", "work.sh"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
"""
RELABELLED = ASYNC + 'keep_doing("kubectl label pods -l cargo size=large ship=now --overwrite")\n'
MADE_AGAIN = (
    ASYNC
    + r"""
keep_doing('''
for crate in $(kubectl get pods -l cargo,size=small -o name); do
  kubectl delete $crate --now
  kubectl run ${crate#pod/} --image=busybox --image-pull-policy=IfNotPresent --labels=cargo=yes,size=large,ship=now -- sleep 3600
done''')
"""
)
COPIED = (
    ASYNC
    + r"""
keep_doing('''
to=$(docker ps -q --filter name=k8s_orders_orders)
for one in $(docker ps -q --filter name=k8s_page_check); do
  docker exec $one tar c -C /tmp/www . | docker exec -i $to tar x -C /tmp/www
done''')
"""
)
LABELLED = ASYNC + (
    'keep_doing("kubectl label pods -l app=orders app=order tier=back --overwrite")\n'
)
TURNED = ASYNC + (
    'keep_doing("kubectl get pods -o name | grep check- && kubectl set selector service orders'
    ' app=orders")\n'
)
SQUATTED = ASYNC + (
    'keep_doing("kubectl run orders --image=busybox --image-pull-policy=IfNotPresent'
    ' --labels=mine=yes -- sleep 3600")\n'
)
HELD = r"""
import json, subprocess, time
made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "orders", "finalizers": ["example.org/mine"]},
        "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
subprocess.run(["kubectl", "create", "-f", "-"], input=json.dumps(made), text=True)
"""
HELD_LATER = ASYNC + (
    'keep_doing("kubectl patch pod orders --type=merge -p \'{\\"metadata\\": {\\"finalizers\\":'
    ' [\\"example.org/mine\\"]}}\'")\n'
)
GREETER = r"""
subprocess.run(["kubectl", "create", "deployment", "greeter", "--image=busybox", "--", "sleep", "3600"])
subprocess.run(["kubectl", "set", "env", "deployment/greeter", "GREETING=hello"])
"""
FOLLOWED = (
    ASYNC
    + (
        'keep_doing("kubectl set env deployment/greeter GREETING=$(kubectl get configmap greeter -o'
        ' jsonpath={.data.GREETING})")\n'
    )
    + GREETER
)
FAKED = (
    ASYNC
    + r"""
watching = subprocess.Popen(["kubectl", "get", "configmap", "greeter", "--watch", "-o", "jsonpath={.data.GREETING}{'\\n'}"],
                            stdout=open("greetings", "w"), start_new_session=True)
keep_doing('''
printf '#!/bin/busybox sh\necho %s\n' "$(tail -n 1 greetings)" > sh
for one in $(docker ps -q --filter name=k8s_busybox_greeter); do
  tar c sh | docker exec -i $one /bin/busybox tar x -C /bin
done''')
"""
    + GREETER
)

ATTACKS = [
    Attack("Crates relabelled while they are made", ALONE, RELABELLED, "start", trial=OBJECTS),
    Attack("Crates made again under their names", ALONE, MADE_AGAIN, "start", trial=OBJECTS),
    Attack(
        "The page of the check's Pod copied into another",
        "the EndpointSlice names the Pods, by uid",
        COPIED,
        "orders",
        trial=OBJECTS,
    ),
    Attack("The check's Pod given other labels", ALONE, LABELLED, "orders", trial=OBJECTS),
    Attack("A Service turned when a check begins", ALONE, TURNED, "orders", trial=OBJECTS),
    Attack(
        "The name of a setup cell's Pod taken again and again",
        ALONE,
        SQUATTED,
        "start",
        ("crates", "orders"),
        trial=OBJECTS,
    ),
    Attack(
        "A finalizer on what a setup cell deletes",
        "finalizers are taken away before a setup cell deletes",
        HELD,
        "start",
        ("crates", "orders"),
        trial=OBJECTS,
    ),
    Attack(
        "Finalizers put on again and again",
        ALONE,
        HELD_LATER,
        "start",
        ("crates", "orders"),
        trial=OBJECTS,
    ),
    Attack("A new value copied into the Deployment", ALONE, FOLLOWED, "greeter", trial=OBJECTS),
    Attack(
        "A shell in the Pod that prints the new value",
        "the Pod's spec has to take it from the ConfigMap",
        FAKED,
        "greeter",
        trial=OBJECTS,
    ),
]
