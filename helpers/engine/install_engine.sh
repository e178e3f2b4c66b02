#!/usr/bin/env bash
# Installs and starts a Docker engine on Debian or Ubuntu: engine, buildx, compose, emulation of the other architecture,
# and what assembles `archive:` bases, for users who are not root too. Safe to call twice; works with and without a service manager.
set -euo pipefail

# Every path of the system lies below this directory, so that a test can give another one.
ROOT=${INSTALL_ENGINE_ROOT:-}
SETTINGS=$ROOT/etc/docker/daemon.json
LOG=$ROOT/var/log/dockerd.log
DEBIAN_KEYS=$ROOT/usr/share/keyrings/debian-archive-keyring.gpg
SWITCH_STORE=no

usage() {
  cat <<'TEXT'
usage: install_engine.sh [--check] [--switch-store] [--help]

Installs (Debian, Ubuntu) what `--engine docker` needs and starts it:
  docker engine, buildx, compose, emulation of the other architecture,
  mmdebstrap with what it needs for a user who is not root (uidmap) and for Debian's archive (its keys).
Every step is skipped when it is already done, so the script may be run again at any time.

  --check          change nothing; exit 0 when everything is there, 1 when something is missing
  --switch-store   give an engine that has images already the image store that builds for several platforms; its images
                   and containers stay on the disk, but are not seen until the setting is taken back

exit codes: 0 done, 1 --check found something missing, 2 bad usage or a broken settings file, 6 it did not work
TEXT
}

say() { printf 'install_engine: %s\n' "$*"; }
die() { printf 'install_engine: %s\n' "$1" >&2; exit "${2:-6}"; }

# A stuck engine takes requests and never answers them.
client() { timeout 20 docker "$@" 2>/dev/null </dev/null; }

case $(uname -m) in
  aarch64 | arm64) EMULATOR=qemu-x86_64 ;;
  *) EMULATOR=qemu-aarch64 ;;
esac

have_engine() { client version --format '{{.Server.Version}}' >/dev/null; }
have_buildx() { client buildx version >/dev/null; }
have_compose() { client compose version >/dev/null; }
have_emulator() { { command -v "$EMULATOR-static" || command -v "$EMULATOR"; } >/dev/null; }
# mmdebstrap gives a user who is not root the ids of the new system's users by newuidmap (package uidmap).
have_tools() { { command -v mmdebstrap && command -v newuidmap; } >/dev/null && [ -e "$DEBIAN_KEYS" ] && have_emulator; }
have_emulation() { grep -qs '^enabled' "$ROOT/proc/sys/fs/binfmt_misc/$EMULATOR"; }
have_snapshotter() { client info --format '{{.DriverStatus}}' | grep -q io.containerd.snapshotter; }

# Prints what is missing, one thing a line.
missing() {
  local socket=$ROOT/var/run/docker.sock
  if have_engine; then
    have_snapshotter || echo "image store for several platforms"
  elif [ -S "$socket" ] && [ ! -w "$socket" ]; then
    echo "permission to use the engine (sudo usermod -aG docker \"\$USER\", then log in again)"
  else
    echo "engine"
  fi
  have_buildx || echo "buildx"
  have_compose || echo "compose"
  command -v mmdebstrap >/dev/null || echo "mmdebstrap"
  command -v newuidmap >/dev/null || echo "newuidmap (package uidmap), without which only root can assemble \`archive:\` bases"
  [ -e "$DEBIAN_KEYS" ] || echo "the keys of Debian's archive (package debian-archive-keyring)"
  have_emulator || echo "$EMULATOR"
  have_emulation || echo "emulation of the other architecture ($EMULATOR)"
}

apt_install() {
  # A lock held by another apt (unattended upgrades) is waited for instead of failing.
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "$@" >&2 ||
    die "apt-get could not install: $*; see its message above (network, proxy, mirror, disk), then run this again"
}

apt_update() {
  apt-get -o DPkg::Lock::Timeout=300 -qq update >&2 ||
    die "apt-get update failed: see its message above (network, proxy, mirror), then run this again"
}

candidate() { apt-cache policy "$1" 2>/dev/null | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'; }

# Prints the first of the named packages that apt can install; compose before version 2 is no plugin of the client.
first_candidate() {
  local name version
  for name in "$@"; do
    version=$(candidate "$name")
    case "$name $version" in "$name " | "docker-compose 1."*) continue ;; esac
    echo "$name"
    return
  done
  die "apt knows no package $1: on Ubuntu run 'sudo add-apt-repository universe', then this again"
}

# Debian 12 has an engine without buildx: these come from the next release, and nothing else does. Their dependencies
# are all met by Debian 12 itself; runc is left out because the next release's needs a newer libc.
add_next_debian_suite() {
  local list=$ROOT/etc/apt/sources.list.d/helpers-engine.list pin=$ROOT/etc/apt/preferences.d/helpers-engine mirror
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(CODENAME)' 'Created-By: Packages' |
    awk '$2 == "Debian" && $3 == "bookworm" { print $1; exit }')
  [ -n "$mirror" ] || die "no Debian mirror in this machine's apt sources: run 'apt-get update', then this again"
  cat >"$pin" <<'TEXT'
Package: *
Pin: release n=trixie
Pin-Priority: -1

Package: docker.io docker-cli docker-buildx docker-compose containerd
Pin: release n=trixie
Pin-Priority: 990
TEXT
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s trixie main\n' "$mirror" >"$list"
  apt_update
}

# Prints the packages for what is missing of engine, client and plugins; what is there, from whatever source, stays.
engine_packages() {
  command -v dockerd >/dev/null || first_candidate docker.io
  # A part of docker.io in some releases, a package of its own in others, which docker.io only recommends.
  command -v docker >/dev/null || [ -z "$(candidate docker-cli)" ] || echo docker-cli
  have_buildx || first_candidate docker-buildx docker-buildx-plugin
  have_compose || first_candidate docker-compose-v2 docker-compose-plugin docker-compose
}

install_packages() {
  local packages keys=""
  say "installing packages (this takes about a minute)"
  apt_update
  if [ "${VERSION_CODENAME:-}" = bookworm ] && [ -z "$(candidate docker-buildx)$(candidate docker-buildx-plugin)" ]; then
    add_next_debian_suite
    packages="docker.io docker-cli docker-buildx docker-compose"
  else
    packages=$(engine_packages)
  fi
  # Debian has its own keys; another distribution has them in a package, if at all.
  [ -e "$DEBIAN_KEYS" ] || [ -z "$(candidate debian-archive-keyring)" ] || keys=debian-archive-keyring
  # shellcheck disable=SC2086
  apt_install $packages iptables qemu-user-static binfmt-support arch-test mmdebstrap uidmap $keys
}

read_system() {
  # shellcheck disable=SC1091
  [ ! -r "$ROOT/etc/os-release" ] || . "$ROOT/etc/os-release"
  case " ${ID:-} ${ID_LIKE:-} " in
    *" debian "* | *" ubuntu "*) ;;
    *) die "this script knows Debian and Ubuntu, not '${PRETTY_NAME:-this system}': install Docker from its own documentation, then run 'invoke doctor'" ;;
  esac
}

setting_is_there() { grep -qsE '"containerd-snapshotter": *true' "$SETTINGS"; }

# Whether the other image store would hide images that somebody made, or end containers that run.
old_store_in_use() {
  local data
  if have_snapshotter || setting_is_there; then return 1; fi
  data=$(client info --format '{{.DockerRootDir}}' || true)
  grep -qs sha256: "$ROOT${data:-/var/lib/docker}"/image/*/repositories.json || [ -n "$(client ps --quiet || true)" ]
}

# Without the containerd image store the default builder refuses several platforms in one build.
write_settings() {
  if [ ! -e "$SETTINGS" ]; then
    mkdir -p "${SETTINGS%/*}"
    printf '{\n  "features": {\n    "containerd-snapshotter": true\n  }\n}\n' >"$SETTINGS.new"
    mv "$SETTINGS.new" "$SETTINGS"
    return
  fi
  command -v python3 >/dev/null || { apt_update; apt_install python3; }
  python3 - "$SETTINGS" <<'PY' || exit 2
import json, os, shutil, sys
path = os.path.realpath(sys.argv[1])
fix = "mend it or move it away, then run this again (it is untouched)"
try:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    settings = json.loads(text) if text.strip() else {}
except ValueError as error:
    sys.exit(f"install_engine: {path} is not JSON: {error}; {fix}")
features = settings.setdefault("features", {}) if isinstance(settings, dict) else None
if not isinstance(features, dict):
    sys.exit(f"install_engine: {path}: it and its \"features\" must each be an object in braces; {fix}")
if features.get("containerd-snapshotter") is not True:
    features["containerd-snapshotter"] = True
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(json.dumps(settings, indent=2) + "\n")
    shutil.copymode(path, path + ".new")
    os.replace(path + ".new", path)
PY
}

is_process() { [ "$(cat "$ROOT/proc/$1/comm" 2>/dev/null)" = "$2" ]; }

wait_for_engine() {
  # Arguments: seconds, and the process that must live meanwhile.
  local end=$((SECONDS + $1))
  while [ "$SECONDS" -lt "$end" ]; do
    have_engine && return 0
    [ -z "${2:-}" ] || kill -0 "$2" 2>/dev/null || return 1
    sleep 0.2
  done
  return 1
}

stop_stray_engine() {
  # A killed engine leaves pid files that may name somebody else's process by now: one is only believed when that
  # process is what it says. An engine that lives gets time to answer first: it may be starting.
  local pid child=$ROOT/run/docker/containerd/containerd.pid
  pid=$(cat "$ROOT/run/docker.pid" 2>/dev/null || true)
  if [ -n "$pid" ] && is_process "$pid" dockerd; then
    if wait_for_engine 30 "$pid" && engine_is_right; then return; fi
    say "stopping the engine that runs (process $pid)"
    kill "$pid"
    for _ in $(seq 300); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    ! kill -0 "$pid" 2>/dev/null || die "dockerd (process $pid) did not stop within 30 s: end it, then run this again"
  fi
  rm -f "$ROOT/run/docker.pid"
  # A containerd that outlived its dockerd is taken over by the next one; a file that names another process is not.
  if [ -e "$child" ] && ! is_process "$(cat "$child")" containerd; then rm -f "$child"; fi
}

# What a service manager prepares before it starts an engine.
prepare_kernel() {
  if ! grep -qsE '^[^ ]+ /sys/fs/cgroup[^ ]* cgroup2? ' "$ROOT/proc/self/mounts"; then
    say "mounting /sys/fs/cgroup"
    mount -t cgroup2 cgroup2 /sys/fs/cgroup ||
      die "/sys/fs/cgroup can not be mounted: in a container the engine needs --privileged or the host's socket"
  fi
  if iptables -t nat -L -n >/dev/null 2>&1; then return; fi
  if iptables-legacy -t nat -L -n >/dev/null 2>&1; then
    say "this kernel has no nf_tables: choosing iptables-legacy"
    update-alternatives --set iptables "$(command -v iptables-legacy)" >&2
    ! command -v ip6tables-legacy >/dev/null || update-alternatives --set ip6tables "$(command -v ip6tables-legacy)" >&2
  else
    say "iptables does not work here (kernel without NAT, or no right to it): the engine may refuse to start"
  fi
}

engine_is_right() { have_engine && { [ "$KEEP_STORE" = yes ] || have_snapshotter; }; }

start_engine() {
  local pid=""
  if [ -d "$ROOT/run/systemd/system" ]; then
    systemctl cat docker.service >/dev/null 2>&1 ||
      die "the engine here is no service called docker: set features.containerd-snapshotter in its own settings"
    systemctl enable docker >&2
    engine_is_right || systemctl restart docker >&2 || die "the engine did not start: see 'journalctl -u docker'"
  elif ! engine_is_right; then
    stop_stray_engine
    if ! engine_is_right; then
      prepare_kernel
      say "starting dockerd (log: $LOG)"
      # It must not inherit this script's lock.
      setsid dockerd >>"$LOG" 2>&1 </dev/null 9>&- &
      pid=$!
    fi
  fi
  wait_for_engine 60 "$pid" && return
  tail -n 5 "$LOG" >&2 2>/dev/null || true
  die "the engine did not start or did not answer within 60 s: see $LOG or 'journalctl -u docker'"
}

enable_emulation() {
  local entries=$ROOT/proc/sys/fs/binfmt_misc rule=$ROOT/usr/lib/binfmt.d/$EMULATOR.conf
  have_emulation && return
  [ -e "$entries/register" ] || mount -t binfmt_misc binfmt_misc "$entries" || return 1
  if [ -d "$ROOT/run/systemd/system" ]; then systemctl restart systemd-binfmt >&2 || true; fi
  have_emulation || update-binfmts --enable "$EMULATOR" >/dev/null 2>&1 || true
  # From Debian 13 on the package leaves the registration to a service manager.
  have_emulation || [ ! -r "$rule" ] || cat "$rule" >"$entries/register" || true
  have_emulation
}

# Asked before sudo, which drops the variable.
refuse_other_engine() {
  case "${DOCKER_HOST:-}" in
    "" | unix:///var/run/docker.sock | unix:///run/docker.sock) ;;
    *) die "DOCKER_HOST names another engine than this machine's: run 'unset DOCKER_HOST', then this again" 2 ;;
  esac
}

become_root() {
  local names=() name
  [ "$(id -u)" != 0 ] || return 0
  command -v sudo >/dev/null || die "needs root, and sudo is not here: run it as root"
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [ -z "${!name:-}" ] || names+=("$name")
  done
  local options=(--)
  [ ${#names[@]} -eq 0 ] || options=("--preserve-env=$(IFS=,; echo "${names[*]}")" --)
  exec sudo "${options[@]}" bash "$(readlink -f "${BASH_SOURCE[0]}")" "$@"
}

report() {
  local user=${SUDO_USER:-root}
  if ! { have_buildx && have_compose; }; then die "buildx or compose is still missing: see 'invoke doctor'"; fi
  say "engine $(client version --format '{{.Server.Version}}') is running, buildx $(client buildx version | cut -d' ' -f2), compose $(client compose version --short)"
  [ "$user" != root ] || return 0
  case " $(id -nG "$user") " in
    *" docker "*) ;;
    *) say "one step is yours, as it gives root's rights: sudo usermod -aG docker $user, then log in again" ;;
  esac
}

check() {
  local gaps
  gaps=$(missing)
  if [ -z "$gaps" ]; then say "everything is there"; return; fi
  printf '%s\n' "$gaps" | while read -r gap; do say "missing: $gap"; done
  say "run ${BASH_SOURCE[0]}, or see 'invoke doctor'"
  return 1
}

install() {
  KEEP_STORE=no
  read_system
  exec 9>"$ROOT/run/helpers-install-engine.lock"
  flock -w 600 9 || die "another run of this script holds the lock for 600 s"
  # The setting comes first: installing the package may start the engine.
  if old_store_in_use && [ "$SWITCH_STORE" = no ]; then
    KEEP_STORE=yes
    say "this engine has images or containers in its old image store, which builds for one platform only: kept (see --switch-store)"
  else
    write_settings
  fi
  if ! { have_buildx && have_compose && have_tools && command -v dockerd >/dev/null; }; then install_packages; fi
  start_engine
  enable_emulation || say "$EMULATOR can not be enabled on this kernel; images for this machine's own architecture still build"
  report
}

main() {
  local argument
  for argument in "$@"; do
    case "$argument" in
      --help | -h) usage; exit 0 ;;
      --check) check; exit ;;
      --switch-store) SWITCH_STORE=yes ;;
      *) usage >&2; exit 2 ;;
    esac
  done
  if [ -z "$(missing)" ]; then
    say "nothing to do: engine $(client version --format '{{.Server.Version}}') is running"
    exit 0
  fi
  refuse_other_engine
  become_root "$@"
  install
}

main "$@"
