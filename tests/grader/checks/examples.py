"""What the pages of docs/checks show: the stage, and a failing call of each check on it."""

from grader.checks import (
    ConfigMap,
    Container,
    Deployment,
    Dockerfile,
    File,
    Given,
    Image,
    Pod,
    Secret,
    Service,
)

STAGE = """\
docker run -d --name shop nginx:alpine
docker run --name mailer busybox sh -c 'echo no database; exit 3'
docker commit mailer me/shop:by-hand
docker network create shop-net
printf 'FROM busybox\\nCOPY . .\\nRUN touch /done\\nCMD cat /done\\n' > Dockerfile
docker build -q -t me/shop:1.0 .
printf 'port = 80\\n' > notes.txt
kubectl run shop --image=nginx:alpine --labels=app=shop
kubectl run mailer --image=busybox --restart=Never -- sh -c 'exit 3'
kubectl create deployment news --image=nginx:alpine --replicas=2
kubectl create deployment draft --image=busybox:no-such-tag
kubectl expose pod shop --port=80
kubectl create service clusterip lost --tcp=80
kubectl create configmap settings --from-literal=COLOUR=blue
kubectl create secret generic keys --from-literal=token=unknown
kubectl wait --for=condition=Available deployment/news --timeout=60s
kubectl wait --for=condition=Ready pod/shop --timeout=60s
kubectl rollout pause deployment/news
"""

CLEAN = """\
docker rm -fv shop mailer 2>/dev/null
docker network rm shop-net
docker rmi -f me/shop:1.0 me/shop:by-hand
"""

ANSWERS = {"answer": 80, "why": "no idea"}

# noun → (what calls it in the examples, its class, check → the arguments of a call that fails on
# the stage)
EXAMPLES: dict[str, tuple[str, type, dict[str, str]]] = {
    "container": (
        'container("shop")',
        Container,
        {
            "must_exist": "",
            "must_not_exist": "within_seconds=0",
            "must_be_running": "",
            "must_be_created": "",
            "must_be_paused": "",
            "must_have_exited": "",
            "must_survive_restart": "",
            "must_run_image": '"redis:alpine"',
            "must_have_command": '"sh", "-c", "exit 0"',
            "must_have_env": '"MODE=production"',
            "must_have_label": '"tier=front"',
            "must_mount": '"data:/data"',
            "must_limit_memory": '"64m"',
            "must_limit_pids": "50",
            "must_restart": '"on-failure"',
            "must_be_on_network": '"shop-net"',
            "must_run_as": '"node"',
            "must_publish": '"8080:80"',
            "must_answer": '"http://localhost:8080"',
            "must_log": '"ready", within_seconds=0',
            "must_run": "\"sh -c 'echo no such table; exit 4'\", within_seconds=0",
            "must_serve": '"wget -qO- 127.0.0.1/prices", client="busybox", within_seconds=0',
            "must_have_file": '"/etc/nginx/shop.conf"',
            "must_survive_crash": "within_seconds=0",
        },
    ),
    "image": (
        'image("me/shop:1.0")',
        Image,
        {
            "must_exist": "",
            "must_not_exist": "",
            "must_have_command": '["cat", "/done"]',
            "must_have_entrypoint": '["cat"]',
            "must_expose": "80",
            "must_have_env": '"MODE=production"',
            "must_have_label": '"tier=front"',
            "must_have_workdir": '"/app"',
            "must_run_as": '"node"',
            "must_not_run_as_root": "",
            "must_be_smaller_than_mib": "0.01",
            "must_be_based_on": '"nginx:alpine"',
            "must_be_same_as": '"nginx:alpine"',
            "must_be_built": "",
            "must_be_committed": "",
            "must_contain_file": '"/app/index.js"',
            "must_not_contain_file": '"/done"',
            "must_print": 'containing="hello"',
        },
    ),
    "dockerfile": (
        'dockerfile("Dockerfile")',
        Dockerfile,
        {
            "must_parse": "",
            "must_start_from": '"node:alpine"',
            "must_have": '"EXPOSE 8080"',
            "must_not_have": '"COPY ."',
            "must_have_before": '"RUN touch", "COPY ."',
            "must_use_exec_form": '"CMD"',
            "must_have_stages": "2",
            "must_pass_hadolint": "",
        },
    ),
    "file": (
        'file("notes.txt")',
        File,
        {
            "must_exist": "",
            "must_not_exist": "",
            "must_contain": '"8080"',
            "must_not_contain": '"port"',
            "must_be_json": "",
        },
    ),
    "given": (
        'given("answer")',
        Given,
        {
            "must_equal": '8080, hint="docker port shop"',
            "must_be_one_of": '8080, 8081, hint="docker port shop"',
            "must_be_about": '8080, within=10, hint="docker port shop"',
            "must_contain": (
                '"ended", hint="docker logs mailer", asked="what the main process did."'
            ),
        },
    ),
    "pod": (
        'pod("shop")',
        Pod,
        {
            "must_exist": "",
            "must_not_exist": "within_seconds=0",
            "must_have_label": '"tier=front"',
            "must_not_have_label": '"app"',
            "must_be_ready": "within_seconds=3",
            "must_take_commands": "",
            "must_run_image": '"redis:alpine"',
            "must_run": "\"sh -c 'echo no such table; exit 4'\", within_seconds=0",
            "must_be_restarted_after": '"true", within_seconds=2',
            "must_use": 'configmap("settings")',
        },
    ),
    "deployment": (
        'deployment("news")',
        Deployment,
        {
            "must_be_rolled_out": "within_seconds=3",
            "must_have_replicas": "3",
            "must_run_image": '"redis:alpine"',
            "must_replace_deleted_pod": "within_seconds=0",
            "must_restart": "",
            "must_undo": "",
            "must_restart_without_a_gap": 'service("lost"), within_seconds=0',
            "must_not_be_ready_with": '"sleep 60"',
        },
    ),
    "service": (
        'service("shop")',
        Service,
        {
            "must_be_of_type": '"NodePort"',
            "must_listen_on": "8080",
            "must_reach": '"mailer", within_seconds=0',
            "must_answer": "within_seconds=0",
            "must_answer_on_node_port": "",
            "must_select": '"app=press", within_seconds=0',
        },
    ),
    "configmap": ('configmap("settings")', ConfigMap, {"must_have": '"SIZE"'}),
    "secret": ('secret("keys")', Secret, {}),
}

# where the stage's own container, image or file would pass
OTHER_NOUN = {
    "container.must_exist": 'container("shopp")',
    "container.must_be_running": 'container("mailer")',
    "container.must_have_exited": 'container("mailer")',
    "container.must_have_command": 'container("mailer")',
    "container.must_log": 'container("mailer")',
    "container.must_survive_restart": 'container("mailer")',
    "image.must_exist": 'image("me/shop:1")',
    "image.must_be_built": 'image("me/shop:by-hand")',
    "image.must_be_smaller_than_mib": 'image("me/shop:1.0")',
    "dockerfile.must_parse": 'dockerfile("notes.txt")',
    "file.must_exist": 'file("answers.txt")',
    "given.must_contain": 'given("why")',
    "pod.must_exist": 'pod("shopp")',
    "pod.must_be_ready": 'pod("mailer")',
    "pod.must_take_commands": 'pod("mailer")',
    "deployment.must_be_rolled_out": 'deployment("draft")',
    "deployment.must_replace_deleted_pod": 'deployment("draft")',
    "deployment.must_undo": 'deployment("draft")',
    "service.must_answer": 'service("lost")',
}
