#!/usr/bin/env bash
# Runs all tests of this repo on a machine that may have nothing yet: it installs and starts an engine, then tests every
# runnable dir in its own container, again by the embedded engine, and at last the toolchain against the live engine.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2

# Outside the checkout, and named, because the live tests run with a home directory of their own.
export HELPERS_CACHE=${HELPERS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/helpers}
worst=0

step() {
  printf '\n===== %s\n' "$*"
  "$@"
  local code=$?
  [ "$code" -eq 0 ] || worst=1
  printf '===== exit code %s\n' "$code"
}

dev_scripts/install_engine.sh || exit $?
# The shells in which setenv.sh is tested beside bash, and the registry to which images are pushed.
missing=()
for tool in zsh fish docker-registry; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
if [ "${#missing[@]}" -gt 0 ]; then
  admin=()
  [ "$(id -u)" -eq 0 ] || admin=(sudo)
  "${admin[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install -y --no-install-recommends "${missing[@]}" >&2 || exit 6
fi
# For the tests that open the page of a run in a browser, which are skipped without one; not every distribution has it.
if ! command -v chromium >/dev/null; then
  admin=()
  [ "$(id -u)" -eq 0 ] || admin=(sudo)
  if command -v apt-get >/dev/null; then
    # Its version changes often, and an older list of packages names a file that is gone.
    "${admin[@]}" apt-get -qq update >&2 || exit 6
  fi
  if [ -n "$(LC_ALL=C apt-cache policy chromium 2>/dev/null | awk '$1 == "Candidate:" && $2 != "(none)"')" ]; then
    "${admin[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get -qq install -y --no-install-recommends chromium >&2 || exit 6
  else
    echo "no package chromium: the page of a run is not tried in a browser" >&2
  fi
fi
# Each run tests: what passed in an earlier one is not taken over.
step ./main_pytest.py --engine docker --tier all --no-cache --dir runnable_dirs
# By itself, as it takes longer than all others: both cores are its own.
step ./main_pytest.py --engine docker --tier all --no-cache --dir . --only-this -- -n auto
step ./main_pytest.py --engine venv
live=(-m 'engine or host' -n 2 --dist loadfile --no-loadscope-reorder --durations 10)
step ./main_pytest.py --engine venv --dir . --only-this --tier all --timeout 3600 -- "${live[@]}"
exit "$worst"
