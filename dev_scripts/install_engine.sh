#!/usr/bin/env bash
# Installs and starts a Docker engine on Debian or Ubuntu: engine, buildx, compose, emulation for arm64, and the tool
# that assembles `archive:` bases. Safe to call twice; works with and without a service manager.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: dev_scripts/install_engine.sh [--check] [--help]

Installs (Debian, Ubuntu) what `--engine docker` needs and starts it:
  docker engine, buildx, compose, arm64 emulation, mmdebstrap.
Every step is skipped when it is already done, so the script may be run again at any time.

  --check   change nothing; exit 0 when everything is there, 1 when something is missing
TEXT
}

say() { printf 'install_engine: %s\n' "$*"; }
die() { printf 'install_engine: %s\n' "$*" >&2; exit "${2:-6}"; }

have_engine() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
have_plugins() { docker buildx version >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; }
have_tools() { command -v mmdebstrap >/dev/null && command -v qemu-aarch64-static >/dev/null; }
have_emulation() { [ "$(uname -m)" = aarch64 ] || [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ]; }
have_snapshotter() { docker info --format '{{.DriverStatus}}' 2>/dev/null | grep -q io.containerd.snapshotter; }
complete() { have_engine && have_plugins && have_tools && have_emulation && have_snapshotter; }

apt_install() {
  # A lock held by another apt (unattended upgrades) is waited for instead of failing.
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "$@" >&2
}

has_candidate() { apt-cache policy "$1" 2>/dev/null | grep 'Candidate:' | grep -vq '(none)'; }

# Debian 12 has an engine without buildx: take these three from the next release, which shares its libc ABI needs,
# at a priority that never upgrades anything else. The mirror is the one that this machine uses already.
add_next_debian_suite() {
  local list=/etc/apt/sources.list.d/helpers-engine.list pin=/etc/apt/preferences.d/helpers-engine mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(CODENAME)' 'Created-By: Packages' |
    awk -v suite="$VERSION_CODENAME" '$2 == "Debian" && $3 == suite { print $1; exit }')
  [ -n "$mirror" ] || die "no Debian mirror in this machine's apt sources: run 'apt-get update', then this again"
  printf 'Package: *\nPin: release n=trixie\nPin-Priority: 100\n' >"$pin"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s trixie main\n' "$mirror" >"$list"
  apt-get -qq update >&2
}

install_packages() {
  # shellcheck disable=SC1091
  . /etc/os-release
  case "${ID:-} ${ID_LIKE:-}" in
    *debian* | *ubuntu*) ;;
    *) die "this script knows Debian and Ubuntu, not '${PRETTY_NAME:-this system}': install Docker from its own documentation, then run 'invoke doctor'" ;;
  esac
  say "installing packages (this takes about a minute)"
  apt-get -qq update >&2
  local engine=(docker.io docker-buildx)
  if [ "${ID:-}" = ubuntu ]; then
    engine+=(docker-compose-v2)
  else
    engine+=(docker-compose)
  fi
  if [ "${ID:-}" = debian ] && { ! has_candidate docker-buildx || [ -e /etc/apt/sources.list.d/helpers-engine.list ]; }; then
    add_next_debian_suite
    apt_install -t trixie "${engine[@]}"
  elif ! have_engine || ! have_plugins; then
    apt_install "${engine[@]}"
  fi
  apt_install iptables qemu-user-static binfmt-support arch-test mmdebstrap
}

# Without the containerd image store the default builder refuses several platforms in one build.
write_settings() {
  mkdir -p /etc/docker
  python3 - /etc/docker/daemon.json <<'PY'
import json, os, sys
path = sys.argv[1]
try:
    with open(path, encoding="utf-8") as file:
        settings = json.load(file)
except FileNotFoundError:
    settings = {}
features = settings.setdefault("features", {})
if features.get("containerd-snapshotter") is not True:
    features["containerd-snapshotter"] = True
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(settings, file, indent=2)
        file.write("\n")
    os.replace(path + ".new", path)
PY
}

stop_stray_engine() {
  # A killed engine leaves a pid file that may name somebody else's process by now: it is only believed when that
  # process is a dockerd. It is stopped when it does not answer, or runs without the setting just written.
  local pid
  pid=$(cat /run/docker.pid 2>/dev/null || true)
  [ -n "$pid" ] || return 0
  if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]; then
    kill "$pid"
    for _ in $(seq 100); do [ -d "/proc/$pid" ] || break; sleep 0.1; done
  fi
  rm -f /run/docker.pid
}

start_engine() {
  if [ -d /run/systemd/system ]; then
    systemctl enable docker >&2
    if have_engine && have_snapshotter; then :; else systemctl restart docker >&2; fi
  elif ! { have_engine && have_snapshotter; }; then
    stop_stray_engine
    say "starting dockerd (log: /var/log/dockerd.log)"
    setsid dockerd >>/var/log/dockerd.log 2>&1 </dev/null &
  fi
  for _ in $(seq 300); do have_engine && return 0; sleep 0.2; done
  tail -n 5 /var/log/dockerd.log >&2 2>/dev/null || true
  die "the engine did not answer within 60 s: see /var/log/dockerd.log or 'journalctl -u docker'"
}

enable_emulation() {
  have_emulation && return 0
  [ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || return 1
  update-binfmts --enable qemu-aarch64 >&2 2>/dev/null || true
  have_emulation
}

main() {
  case "${1:-}" in
    --help | -h) usage; exit 0 ;;
    --check) if complete; then say "everything is there"; exit 0; else say "something is missing: run dev_scripts/install_engine.sh, or see 'invoke doctor'"; exit 1; fi ;;
    "") ;;
    *) usage >&2; exit 2 ;;
  esac
  if complete; then
    say "nothing to do: engine $(docker version --format '{{.Server.Version}}') is running"
    exit 0
  fi
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "needs root: run it as root"
    exec sudo -- "$0" "$@"
  fi
  if ! { have_plugins && have_tools && command -v dockerd >/dev/null; }; then install_packages; fi
  write_settings
  start_engine
  enable_emulation || say "arm64 emulation is not available on this kernel; images for this machine's own architecture still build"
  have_plugins || die "buildx or compose is still missing: see 'invoke doctor'"
  say "engine $(docker version --format '{{.Server.Version}}') is running, $(docker buildx version | cut -d' ' -f2), compose $(docker compose version --short)"
}

main "$@"
