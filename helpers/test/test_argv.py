from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from helpers.containers import environment
from helpers.engine import argv, ownership
from helpers.engine.seam import BuildContext
from helpers.engine.specs import ImageSpec, Mount, RunSpec
from helpers.host import User
from helpers.model.container_options import ContainerOptions
from helpers.model.image import Base

ANN = User(1000, 100, "ann")
TESTS = RunSpec(
    name="helpers-r1-0",
    image="sha256:0123",
    argv=("python", "/i/runner.py", "$(id)", "a b"),
    cwd=Path("/repo/dir"),
    user=ANN,
    mounts=(Mount(Path("/repo/dir")), Mount(Path("/results"), read_only=False)),
    hidden=(Path("/repo/dir/nested"),),
    env={"HOME": "/home/ann", "A": "x=y z"},
    network="none",
    memory="2g",
    pids=1024,
    read_only=True,
    labels={"helpers.dir": "dir"},
)
SHELL = replace(
    TESTS,
    argv=("bash",),
    user=User(0, 0, "root"),
    mounts=(Mount(Path("/repo"), read_only=False),),
    hidden=(),
    network="bridge",
    read_only=False,
    publish=((4711, 8888),),
    terminal=True,
)


def test_a_container_knows_its_image_and_has_a_program_at_another_path() -> None:
    spec = replace(TESTS, image_says={"HELPERS_INSIDE": "a-1.2.0"}, programs={"/usr/local/bin/x": Path("/repo/x.py")})
    command = argv.run(spec, account_files=Path("/accounts"), remove=False)
    assert ("--env", "HELPERS_INSIDE=a-1.2.0") in pairwise(command)
    assert ("--mount", "type=bind,src=/repo/x.py,dst=/usr/local/bin/x,readonly=true") in pairwise(command)


def test_a_fixed_value_replaces_the_one_that_every_container_has_and_none_that_says_what_its_image_is() -> None:
    spec = replace(TESTS, values={"A": "1", "HELPERS_INSIDE": "x"}, image_says={"HELPERS_INSIDE": "a-1.2.0"})
    command = argv.run(spec, account_files=Path("/accounts"), remove=False)
    given = [value for flag, value in pairwise(command) if flag == "--env"]
    assert given == ["HOME=/home/ann", "A=1", "HELPERS_INSIDE=a-1.2.0"]
    by_hand = argv.run_by_hand(spec, ["pytest"])
    assert ("--env", "A=1") in pairwise(by_hand) and "A=x=y z" not in by_hand


def test_the_command_of_a_test_container_is_exactly_this() -> None:
    assert argv.run(TESTS, account_files=Path("/accounts"), remove=False) == [
        *("docker", "run", "--name", "helpers-r1-0", "--init", "--interactive", "--pull", "never"),
        *("--log-driver", "none"),
        *("--user", "1000:100", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--workdir", "/repo/dir"),
        *("--network", "none", "--pids-limit", "1024"),
        *("--memory", "2g", "--memory-swap", "2g"),
        *("--shm-size", "2g"),
        "--read-only",
        *("--hostname", "helpers", "--add-host", "helpers:127.0.0.1"),
        *("--tmpfs", "/tmp:exec,mode=1777"),
        *("--tmpfs", "/home/ann:exec,mode=0700,uid=1000,gid=100"),
        *("--mount", "type=bind,src=/accounts/passwd,dst=/etc/passwd,readonly=true"),
        *("--mount", "type=bind,src=/accounts/group,dst=/etc/group,readonly=true"),
        *("--mount", "type=bind,src=/repo/dir,dst=/repo/dir,readonly=true"),
        *("--mount", "type=bind,src=/results,dst=/results"),
        *("--mount", "type=tmpfs,dst=/repo/dir/nested"),
        *("--label", "helpers.toolchain=run", "--label", "helpers.dir=dir"),
        *("--env", "HOME=/home/ann", "--env", "A=x=y z"),
        *("--entrypoint", "python", "sha256:0123", "/i/runner.py", "$(id)", "a b"),
    ]


def test_the_command_of_a_shell_is_exactly_this() -> None:
    assert argv.run(SHELL, account_files=Path("/accounts"), remove=True) == [
        *("docker", "run", "--name", "helpers-r1-0", "--init", "--interactive", "--pull", "never"),
        *("--rm", "--tty", "--detach-keys", "ctrl-^,ctrl-_,ctrl-^"),
        *("--user", "0:0", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--workdir", "/repo/dir"),
        *("--network", "bridge", "--pids-limit", "1024"),
        *("--memory", "2g", "--memory-swap", "2g"),
        *("--shm-size", "2g"),
        *("--tmpfs", "/tmp:exec,mode=1777"),
        *("--tmpfs", "/root:exec,mode=0700,uid=0,gid=0"),
        *("--mount", "type=bind,src=/accounts/passwd,dst=/etc/passwd,readonly=true"),
        *("--mount", "type=bind,src=/accounts/group,dst=/etc/group,readonly=true"),
        *("--mount", "type=bind,src=/repo,dst=/repo"),
        *("--publish", "127.0.0.1:4711:8888"),
        *("--label", "helpers.toolchain=run", "--label", "helpers.dir=dir"),
        *("--env", "HOME=/home/ann", "--env", "A=x=y z"),
        *("--entrypoint", "bash", "sha256:0123"),
    ]


def test_each_option_of_a_directory_is_one_of_docker_in_every_container_of_it() -> None:
    options = ContainerOptions(
        shm_size="64m",
        cpus=1.5,
        ulimits=("core=0", "nofile=9:99"),
        gpus="device=0,1",
        devices=("/dev/kvm", "/dev/a:/dev/b:r"),
        hostname="box",
        extra_hosts=("db:10.0.0.1",),
    )
    wanted = [
        *("--shm-size", "64m", "--cpu-period", "100000", "--cpu-quota", "150000"),
        *("--ulimit", "core=0", "--ulimit", "nofile=9:99"),
    ]
    # Docker reads a CSV record here: https://docs.docker.com/reference/cli/docker/container/run/#gpus
    hardware = ["--gpus", '"device=0,1"', "--device", "/dev/kvm", "--device", "/dev/a:/dev/b:r"]
    names = ["--hostname", "box", "--add-host", "box:127.0.0.1", "--add-host", "db:10.0.0.1"]
    tests, shell = replace(TESTS, options=options), replace(SHELL, options=options)
    for command in (argv.run(tests, account_files=Path("/a"), remove=False), argv.run_by_hand(tests, ["pytest"])):
        start = command.index("--shm-size")
        assert command[start : command.index("--tmpfs")] == [*wanted, "--read-only", *hardware, *names]
    # On a network the engine gives the name its address.
    names = ["--hostname", "box", "--add-host", "db:10.0.0.1"]
    for command in (argv.run(shell, account_files=Path("/a"), remove=True), argv.editor_options(shell)):
        start = command.index("--shm-size")
        assert command[start : command.index("--tmpfs")] == [*wanted, *hardware, *names]


def test_a_container_with_its_own_engine_is_privileged_and_keeps_its_data_on_a_volume() -> None:
    command = argv.run(replace(TESTS, docker="child"), account_files=Path("/accounts"), remove=False)
    start = command.index("--user")
    assert command[start : command.index("--workdir")] == [
        *("--user", "0:0", "--privileged", "--tmpfs", "/run:exec,mode=0755"),
        *("--mount", "type=volume,dst=/var/lib/docker"),
    ]
    # What is the caller's stays the caller's.
    assert "/home/ann:exec,mode=0700,uid=1000,gid=100" in command and "--read-only" in command


def test_a_container_with_siblings_gets_the_socket_and_its_group_and_no_other_right() -> None:
    spec = replace(TESTS, docker="sibling", socket=Path("/run/user/7/docker.sock"), groups=(998,))
    command = argv.run(spec, account_files=Path("/accounts"), remove=False)
    start = command.index("--user")
    assert command[start : command.index("--workdir")] == [
        *("--user", "1000:100", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--group-add", "998"),
        *("--mount", "type=bind,src=/run/user/7/docker.sock,dst=/var/run/docker.sock"),
    ]


def test_no_other_container_has_the_socket_or_is_privileged() -> None:
    for spec in (TESTS, SHELL):
        command = " ".join(argv.run(spec, account_files=Path("/accounts"), remove=False))
        assert "docker.sock" not in command and "--privileged" not in command and "--group-add" not in command


@pytest.mark.parametrize(
    "name", ["a b", "a,b", "a:b", "a\nb", 'a"b', '"', 'a,"\n:b', "-rf", "$(id)", "a=b,readonly=false"]
)
def test_a_mount_of_any_path_is_one_csv_record_of_its_fields(name: str) -> None:
    path = Path("/repo") / name
    spec = replace(TESTS, mounts=(Mount(path),), hidden=(path / "in",))
    command = argv.run(spec, account_files=Path("/accounts"), remove=False)
    records = [value for flag, value in pairwise(command) if flag == "--mount"]
    mounts = [list(csv.reader(io.StringIO(record, newline=""), strict=True)) for record in records]
    assert [["type=bind", f"src={path}", f"dst={path}", "readonly=true"]] in mounts
    assert [["type=tmpfs", f"dst={path / 'in'}"]] in mounts
    # Docker takes a line break outside quotes for the end of the record.
    assert all('"' in record for record in records if "\n" in record)


IMAGE = ImageSpec(
    key="dir",
    reference="host:5000/forecast:inputs-01",
    inputs="01",
    base=Base.parse("archive:bookworm"),
    tags=("host:5000/forecast:local-ann-1.0.0",),
    directory=Path("/repo/dir"),
    labels={"helpers.inputs": "01"},
    requires_python=">=3.11,<3.12",
    dockerfile=Path("/repo/a b/Dockerfile"),
)


def test_the_command_of_a_build_names_files_with_secrets_and_never_what_is_in_them(tmp_path: Path) -> None:
    secret = tmp_path / "host,env"
    secret.write_text("export PIP_INDEX_URL=https://user:password@x.invalid")
    arguments = {"BASE": "base:1", "REQUIRES_PYTHON": ">=3.11,<3.12"}
    context = BuildContext(
        Path("/context"), Path("/repo/a b/Dockerfile"), "dev", arguments, {"host_env": secret}, Path("/tools")
    )
    command = argv.build(IMAGE, context)
    assert command == [
        *("docker", "buildx", "build", "--builder", "default"),
        *("--progress", "plain", "--provenance", "false", "--pull=false"),
        *("--file", "/repo/a b/Dockerfile", "--target", "dev", "--build-arg", "BASE=base:1"),
        *("--build-arg", "REQUIRES_PYTHON=>=3.11,<3.12", "--build-context", "tools=/tools"),
        *("--secret", f'id=host_env,"src={secret}"'),
        *("--label", "helpers.toolchain=image", "--label", "helpers.inputs=01"),
        "--output",
        'type=image,"name=host:5000/forecast:inputs-01,host:5000/forecast:local-ann-1.0.0",'
        "compression=uncompressed,unpack=true",
        "/context",
    ]
    assert "password" not in " ".join(command)


def test_only_variables_that_a_directory_names_come_in_and_no_value_is_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helpers import config
    from helpers.test.unit_fixtures import add_dir, make_repo

    runnable = config.load(tmp_path / "r", add_dir(make_repo(tmp_path / "r"), "a", 'env = ["WANTED"]'), [])
    path, env, labels = (
        runnable.path,
        environment.base_environment(runnable, ANN),
        environment.container_labels(runnable),
    )
    monkeypatch.setenv("WANTED", "hidden")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    spec = replace(TESTS, env=env, inherit=runnable.settings.env, labels=labels)
    command = argv.run(spec, account_files=Path("/accounts"), remove=True)
    assert command[command.index("WANTED") - 1] == "--env"
    assert not any("hidden" in item or "AWS" in item for item in command)
    assert env["HOME"] == "/home/ann" and env["PYTHONPATH"] == str(path)
    assert f"helpers.owner={ownership.this_owner()}" in command


@pytest.mark.parametrize(
    "command, wanted",
    [
        (argv.load(Path("/a b.tar")), "docker image load --input /a b.tar"),
        (argv.tag("sha256:a", "b:1"), "docker image tag sha256:a b:1"),
        (argv.pull("a:b"), "docker pull --quiet a:b"),
        (argv.inspect_images(["a", "b"]), "docker image inspect a b"),
        (argv.python_version("a", "me"), "--label helpers.owner=me a --version"),
        (argv.inspect_container("a"), "docker container inspect a"),
        (argv.remove_containers(["a", "b"]), "docker rm --force --volumes a b"),
        (argv.remove_images(["a"]), "docker image rm a"),
        (argv.list_containers(), "docker ps --all --no-trunc --filter label=helpers.toolchain --format {"),
        (argv.list_networks(), "docker network ls --no-trunc --filter label=helpers.toolchain --format {"),
        (argv.list_volumes(), "docker volume ls --filter label=helpers.toolchain --format {"),
        (argv.remove_networks(["a", "b"]), "docker network rm a b"),
        (argv.remove_volumes(["a", "b"]), "docker volume rm a b"),
        (argv.logs("a", 5), "docker logs --tail 5 a"),
        (argv.endpoint(), "docker context inspect --format {{.Endpoints.docker.Host}}"),
        (
            argv.read_compose(Path("/c y"), "p"),
            "--project-name p --file - --project-directory /c y config --format json",
        ),
        (argv.build_services(Path("/c"), "p"), "docker compose --ansi never --progress plain --env-file /dev/null"),
        (argv.build_services(Path("/c"), "p"), "--file /c build --builder default"),
        (
            argv.start_services(Path("/c"), "p", 9),
            "--file /c up --detach --wait --wait-timeout 9 --no-build --pull never",
        ),
        (argv.list_images(), "docker image ls --no-trunc --filter label=helpers.toolchain --format {"),
        (argv.info(), "docker info --format {{json .}}"),
        (argv.list_containers_on("sha256:a"), "docker ps --all --filter ancestor=sha256:a --format {"),
        (argv.version(), "docker version --format {{.Server.Version}}"),
    ],
)
def test_every_other_command_says_what_it_is_for(command: list[str], wanted: str) -> None:
    assert wanted in " ".join(command)


def test_images_are_never_removed_by_force() -> None:
    assert "--force" not in argv.remove_images(["a"]) and "-f" not in argv.remove_images(["a"])


def test_the_order_for_pytest_is_one_argument_whatever_is_in_it() -> None:
    order = json.dumps({"arguments": ["-k", "a or 'b'\n"]})
    command = argv.run(replace(TESTS, argv=("python", order)), account_files=Path("/a"), remove=False)
    assert command[-1] == order


@pytest.mark.parametrize(
    "written, known",
    [
        ("debian", "debian:latest"),
        ("docker.io/library/debian", "debian:latest"),
        ("debian:12", "debian:12"),
        ("docker.io/team/app:1", "team/app:1"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("localhost:5000/app:1", "localhost:5000/app:1"),
        ("python:3.12@sha256:ab", "python@sha256:ab"),
        ("localhost:5000/app@sha256:ab", "localhost:5000/app@sha256:ab"),
    ],
)
def test_a_reference_is_compared_as_the_engine_names_it(written: str, known: str) -> None:
    from helpers.model.image import short_reference

    assert short_reference(written) == known == short_reference(known)
