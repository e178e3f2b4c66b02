"""Every command line of the docker client, as functions of the request.

A command that starts containers or builds begins with `_starting()`, to keep out variables of the client's settings.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from helpers.engine.client_config import PROXY_VARIABLES, without_proxies
from helpers.engine.specs import ImageSpec, RunSpec
from helpers.model.image import LABEL_DIR, LABEL_OWNER, LABEL_ROOT, LABEL_WITHIN, OURS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.engine.seam import BuildContext, Layout

DOCKER = "docker"
# Where a docker client looks for the engine when nothing says otherwise.
DEFAULT_SOCKET = "/var/run/docker.sock"
# The engine's own builder, in every context: another one, which `docker buildx use` or BUILDX_BUILDER chose, neither
# puts images into the engine nor finds there what they are built on.
_BUILDER = ("--builder", "default")
# By these names lists show what a thing of ours is labelled with.
LABELS = {"owner": LABEL_OWNER, "dir": LABEL_DIR, "root": LABEL_ROOT, "within": LABEL_WITHIN}
# https://github.com/compose-spec/compose-spec: given by compose itself to each container.
_SERVICE = "com.docker.compose.service"
# Room for the largest results of the driver.
_RESULTS_BYTES = 512 << 20
# A share of this time, in microseconds, is all that a container gets; `--cpus` says the same, and is refused where it
# is more than the engine has, so that a setting would not be right on each machine.
_CPU_PERIOD = 100_000
# The name of a container without a network, where the engine gives its own name no address.
_OWN_NAME = "helpers"
_NO_RIGHTS = ("--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def _starting() -> list[str]:
    """Return the first words of a command that starts containers or builds."""
    return [DOCKER, *without_proxies()]


def run(spec: RunSpec, *, account_files: Path, remove: bool, env_file: int | None = None) -> list[str]:
    """Return the command that runs the container `spec`.

    Arguments:
        spec: the container.
        account_files: directory with the `passwd` and `group` that make the caller known inside.
        remove: whether the engine removes the container itself when it ends.
        env_file: descriptor of a file with the variables that are on no command line.
    """
    argv = [*_starting(), "run", "--name", spec.name, "--init", "--interactive", "--pull", "never"]
    # Whoever removes it himself reads what it prints: the engine need not write all of that to its own disk as well.
    argv += ["--rm"] if remove else ["--log-driver", "none"]
    # Its usual keys (Ctrl-P Ctrl-Q) would end the client before its container, and hold back each Ctrl-P.
    argv += ["--tty", "--detach-keys", "ctrl-^,ctrl-_,ctrl-^"] if spec.terminal else []
    accounts = {f"/etc/{name}": account_files / name for name in ("passwd", "group")}
    argv += _place(spec, accounts)
    if spec.results:
        # In memory, because tests must not fill the disk of this machine. The FIFO of a waiting container is here too.
        size = {"tmpfs-size": _RESULTS_BYTES, "tmpfs-mode": "1777"}
        argv += ["--mount", _mount(type="tmpfs", dst=spec.results, **size)]
    for outside, within in spec.publish:
        argv += ["--publish", f"127.0.0.1:{outside}:{within}"]
    argv += _pairs("--label", {OURS: "run", **spec.labels}) + _variables(spec, env_file)
    argv += ["--platform", spec.platform] if spec.platform else []
    # An image of `prod` starts its program: what is asked for here is started instead.
    return [*argv, "--entrypoint", spec.argv[0], spec.image, *spec.argv[1:]]


def run_by_hand(spec: RunSpec, command: Sequence[str]) -> list[str]:
    """Return what runs `command` as in the container `spec`, for a person who has nothing but Docker.

    Arguments:
        spec: the container; services beside it and an engine for it are not there.
        command: what is run in it.
    """
    argv = [DOCKER, "run", "--rm", "--init", *_place(spec), *_variables(spec)]
    return [*argv, "--entrypoint", command[0], spec.image, *command[1:]]


def _place(spec: RunSpec, accounts: Mapping[str, Path] | None = None) -> list[str]:
    """Return the options that say who runs where, within which limits, and what of the host is seen."""
    argv = [*_rights(spec), "--workdir", str(spec.cwd), *_limits(spec)]
    argv += ["--tmpfs", f"{spec.user.home}:exec,mode=0700,uid={spec.user.uid},gid={spec.user.gid}"]
    for name, file in (accounts or {}).items():
        argv += ["--mount", _mount(type="bind", src=file, dst=name, readonly="true")]
    for mount in spec.mounts:
        flags = {"readonly": "true"} if mount.read_only else {}
        argv += ["--mount", _mount(type="bind", src=mount.path, dst=mount.path, **flags)]
    for name, program in spec.programs.items():
        argv += ["--mount", _mount(type="bind", src=program, dst=name, readonly="true")]
    for path in spec.hidden:
        argv += ["--mount", _mount(type="tmpfs", dst=path)]
    return argv


def editor_options(spec: RunSpec) -> list[str]:
    """Return the options of `docker run` for a container that an editor starts, mounts and removes by itself.

    The user is the one of its image.

    Arguments:
        spec: the container in which a person works.
    """
    # The editor uses the client's own settings: an empty variable keeps the variable of a proxy out.
    empty = {name: "" for name in PROXY_VARIABLES if name not in spec.inherit}
    return ["--init", "--pull", "never", *_NO_RIGHTS, *_limits(spec), *_pairs("--env", empty), *_inherited(spec)]


def editor_mount(source: str, target: str, *, read_only: bool = False) -> str:
    """Return a mount in the words that an editor reads, which knows `source` and `target` alone."""
    flags = {"readonly": "true"} if read_only else {}
    return _mount(type="bind", source=source, target=target, **flags)


def _limits(spec: RunSpec) -> list[str]:
    limits = ["--network", spec.network, "--pids-limit", str(spec.pids)]
    # The same limit with swap means: no swap.
    limits += ["--memory", spec.memory, "--memory-swap", spec.memory]
    limits += ["--shm-size", spec.options.shm_size or spec.memory]
    if spec.options.cpus:
        limits += ["--cpu-period", str(_CPU_PERIOD), "--cpu-quota", str(round(spec.options.cpus * _CPU_PERIOD))]
    limits += [part for item in spec.options.ulimits for part in ("--ulimit", item)]
    limits += ["--read-only"] if spec.read_only else []
    return [*limits, *_hardware(spec), *_names(spec), "--tmpfs", "/tmp:exec,mode=1777"]


def _hardware(spec: RunSpec) -> list[str]:
    """Return the options that give a container parts of this machine."""
    # Docker reads a CSV record, in which a comma between devices is no separator.
    gpus = ["--gpus", _csv([spec.options.gpus])] if spec.options.gpus else []
    return [*gpus, *(part for item in spec.options.devices for part in ("--device", item))]


def _names(spec: RunSpec) -> list[str]:
    """Return the options that say how a container is called, and which further names it knows."""
    alone = spec.network == "none"
    name = spec.options.hostname or (_OWN_NAME if alone else "")
    hosts = [*([f"{name}:127.0.0.1"] if alone else []), *spec.options.extra_hosts]
    return [*(["--hostname", name] if name else []), *(part for host in hosts for part in ("--add-host", host))]


def _variables(spec: RunSpec, env_file: int | None = None) -> list[str]:
    # A value on the command line counts more than one of the file.
    own = {name: value for name, value in spec.env.items() if name not in spec.file_values}
    file = [] if env_file is None else ["--env-file", f"/dev/fd/{env_file}"]
    return [*file, *_pairs("--env", {**own, **spec.values, **spec.image_says}), *_inherited(spec)]


def _inherited(spec: RunSpec) -> list[str]:
    # A name alone: the client takes the value from its own environment, where `ps` of another user does not see it.
    return [part for name in spec.inherit for part in ("--env", name)]


def python_version(reference: str, owner: str) -> list[str]:
    """Return the command that prints the version of an image's own Python, in a container of `owner`."""
    argv = [*_starting(), "run", "--rm", "--pull", "never", "--network", "none", "--entrypoint", "python3"]
    return [*argv, *_pairs("--label", {OURS: "run", LABEL_OWNER: owner}), reference, "--version"]


def _rights(spec: RunSpec) -> list[str]:
    """Return the options that say who the container's first process is, and what it may do."""
    if spec.docker == "child":
        # Only an engine needs all this: what starts it gives up every right before the command begins. The engine's
        # data lies on a volume, because no file system of layers can lie on another one.
        data = _mount(type="volume", dst="/var/lib/docker")
        return ["--user", "0:0", "--privileged", "--tmpfs", "/run:exec,mode=0755", "--mount", data]
    rights = ["--user", f"{spec.user.uid}:{spec.user.gid}", *_NO_RIGHTS]
    rights += [part for group in spec.groups for part in ("--group-add", str(group))]
    return [*rights, "--mount", _mount(type="bind", src=spec.socket, dst=DEFAULT_SOCKET)] if spec.socket else rights


def run_script(reference: str, owner: str) -> list[str]:
    """Return the command that runs a script, given on standard input, as root in a container of `owner`."""
    argv = [*_starting(), "run", "--rm", "--interactive", "--user", "0:0", "--entrypoint", "sh"]
    return [*argv, *_pairs("--label", {OURS: "run", LABEL_OWNER: owner}), reference, "-s"]


def build(image: ImageSpec, context: BuildContext) -> list[str]:
    """Return the command that builds `image` into the engine."""
    # Nothing is gained by compressing an image that stays on this machine; a layout that is pushed is compressed.
    names = ",".join((image.reference, *image.tags))
    output = _csv(["type=image", f"name={names}", "compression=uncompressed", "unpack=true"])
    return [*_build(image, context), "--output", output, str(context.directory)]


def build_layout(image: ImageSpec, context: BuildContext, layout: Layout) -> list[str]:
    """Return the command that builds `image` into an OCI layout, the bytes that a registry will hold."""
    form = ["compression=zstd", "force-compression=true", "oci-mediatypes=true", "rewrite-timestamp=true"]
    output = _csv(["type=oci", f"dest={layout.directory}", "tar=false", *form])
    made = ["--build-arg", f"SOURCE_DATE_EPOCH={layout.epoch}"]
    return [*_build(image, context), *made, "--output", output, str(context.directory)]


def build_directory(image: ImageSpec, context: BuildContext, *, target: str, directory: Path) -> list[str]:
    """Return the command that writes the files of a stage of the recipe of `image` to a directory of this machine."""
    output = _csv(["type=local", f"dest={directory}"])
    return [*_build(image, replace(context, target=target)), "--output", output, str(context.directory)]


def _build(image: ImageSpec, context: BuildContext) -> list[str]:
    argv = [*_starting(), "buildx", "build", *_BUILDER, "--progress", "plain"]
    argv += ["--provenance", "false", "--pull=false"]
    argv += ["--file", str(context.dockerfile)]
    argv += ["--target", context.target] if context.target else []
    argv += ["--platform", ",".join(image.platforms)] if image.platforms else []
    for name, value in context.arguments.items():
        argv += ["--build-arg", f"{name}={value}"]
    argv += ["--build-context", f"tools={context.tools}"] if context.tools else []
    for name, path in context.secrets.items():
        argv += ["--secret", _csv([f"id={name}", f"src={path}"])]
    return argv + _pairs("--label", {OURS: "image", **image.labels})


def load(archive: Path) -> list[str]:
    """Return the command that reads an image from a tar file into the engine."""
    return [DOCKER, "image", "load", "--input", str(archive)]


def save(image: str, archive: Path) -> list[str]:
    """Return the command that writes an image of the engine to a tar file of an OCI layout."""
    return [DOCKER, "image", "save", "--output", str(archive), image]


def tag(source: str, target: str) -> list[str]:
    """Return the command that gives an image of the engine another name."""
    return [DOCKER, "image", "tag", source, target]


def pull(reference: str, platform: str = "") -> list[str]:
    """Return the command that pulls an image.

    Arguments:
        reference: its name.
        platform: for which platform; empty is what the engine runs on.
    """
    return [DOCKER, "pull", "--quiet", *(["--platform", platform] if platform else []), reference]


def inspect_remote(reference: str) -> list[str]:
    """Return the command that prints what a registry says of an image: one JSON object with its digest."""
    return [DOCKER, "buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", reference]


def list_tags(repository: str) -> list[str]:
    """Return the command that lists the engine's tags of a repository, one JSON object a line."""
    return [DOCKER, "image", "ls", "--format", _json_template({"tag": ".Tag"}), repository]


def inspect_images(references: Iterable[str]) -> list[str]:
    """Return the command that prints one JSON array with those of the images that are there."""
    return [DOCKER, "image", "inspect", *references]


def inspect_container(name: str) -> list[str]:
    """Return the command that prints what the engine knows of a container."""
    return [DOCKER, "container", "inspect", name]


def remove_containers(names: Iterable[str]) -> list[str]:
    """Return the command that ends and removes containers."""
    return [DOCKER, "rm", "--force", "--volumes", *names]


def remove_images(references: Iterable[str]) -> list[str]:
    """Return the command that removes images, without those that something still needs."""
    return [DOCKER, "image", "rm", *references]


def list_containers() -> list[str]:
    """Return the command that lists containers of ours, running or not, one JSON object a line."""
    fields = {"id": ".ID", "name": ".Names", "status": ".Status", "ports": ".Ports"}
    return [DOCKER, "ps", "--all", "--no-trunc", *_ours({**fields, **_labelled({**LABELS, "service": _SERVICE})})]


def list_networks() -> list[str]:
    """Return the command that lists networks of ours, one JSON object a line."""
    return [DOCKER, "network", "ls", "--no-trunc", *_ours({"id": ".ID", "name": ".Name", **_labelled(LABELS)})]


def list_volumes() -> list[str]:
    """Return the command that lists volumes of ours, one JSON object a line."""
    return [DOCKER, "volume", "ls", *_ours({"id": ".Name", "name": ".Name", **_labelled(LABELS)})]


def remove_networks(names: Iterable[str]) -> list[str]:
    """Return the command that removes networks."""
    return [DOCKER, "network", "rm", *names]


def remove_volumes(names: Iterable[str]) -> list[str]:
    """Return the command that removes volumes."""
    return [DOCKER, "volume", "rm", *names]


def logs(container: str, lines: int) -> list[str]:
    """Return the command that prints the last `lines` that a container printed."""
    return [DOCKER, "logs", "--tail", str(lines), container]


def endpoint() -> list[str]:
    """Return the command that prints where the client finds the engine, as in `unix:///var/run/docker.sock`."""
    return [DOCKER, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]


def read_compose(directory: Path, project: str) -> list[str]:
    """Return the command that prints the compose file on standard input as resolved JSON, without an engine.

    Arguments:
        directory: relative paths of the file begin here.
        project: name of the project.
    """
    return [*_compose("-", project), "--project-directory", str(directory), "config", "--format", "json"]


def build_services(file: Path, project: str) -> list[str]:
    """Return the command that builds the images of the services in `file` that are built."""
    return [*_compose(file, project), "build", *_BUILDER]


def start_services(file: Path, project: str, seconds: int) -> list[str]:
    """Return the command that starts the services in `file` and waits at most `seconds` until they are healthy."""
    wait = ["--detach", "--wait", "--wait-timeout", str(seconds)]
    return [*_compose(file, project), "up", *wait, "--no-build", "--pull", "never"]


def _compose(file: Path | str, project: str) -> list[str]:
    plain = ["--ansi", "never", "--progress", "plain"]
    # Compose reads a `.env` beside the file unless another is named; variables come from the setting `env` alone.
    return [*_starting(), "compose", *plain, "--env-file", "/dev/null", "--project-name", project, "--file", str(file)]


def list_containers_on(image: str) -> list[str]:
    """Return the command that lists all containers, ours or not, that stand on an image, one JSON object a line."""
    return [DOCKER, "ps", "--all", "--filter", f"ancestor={image}", "--format", _json_template({"id": ".ID"})]


def list_images() -> list[str]:
    """Return the command that lists images of ours, one JSON object a line."""
    fields = {"id": ".ID", "repository": ".Repository", "tag": ".Tag", "size": ".Size", "created": ".CreatedSince"}
    return [DOCKER, "image", "ls", "--no-trunc", *_ours(fields)]


def version() -> list[str]:
    """Return the command that prints the engine's version, and fails when no engine answers."""
    return [DOCKER, "version", "--format", "{{.Server.Version}}"]


def info() -> list[str]:
    """Return the command that prints one JSON object with all that the client knows of itself and of the engine."""
    return [DOCKER, "info", "--format", "{{json .}}"]


def _ours(fields: Mapping[str, str]) -> list[str]:
    return ["--filter", f"label={OURS}", "--format", _json_template(fields)]


def _labelled(labels: Mapping[str, str]) -> dict[str, str]:
    return {key: f'(.Label "{name}")' for key, name in labels.items()}


def _json_template(fields: Mapping[str, str]) -> str:
    """Return a Go template that prints the fields as one JSON object."""
    return "{" + ",".join(f'"{key}":{{{{json {value}}}}}' for key, value in fields.items()) + "}"


def _pairs(flag: str, values: Mapping[str, str]) -> list[str]:
    return [part for name, value in values.items() for part in (flag, f"{name}={value}")]


def _mount(**fields: object) -> str:
    return _csv([f"{name}={value}" for name, value in fields.items()])


def _csv(fields: Iterable[str]) -> str:
    """Join the fields as docker's `--mount`, `--secret` and `--output` read them: one CSV record (RFC 4180)."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(list(fields))
    return line.getvalue().removesuffix("\n")
