#!/bin/sh
# Installs the distribution's packages that system-packages.txt beside this script asks for.
#
# The file holds names, one a line, or the lock devops/system-packages.lock: then exactly its versions for this
# architecture are installed, and what is there afterwards is compared with it. The settings of the host are
# /run/secrets/host_env and /run/secrets/apt_sources.
set -eu
cd "$(dirname "$0")"
test -s system-packages.txt || exit 0
. /run/secrets/host_env
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
fail() {
    echo "helpers: error: $*; fix: invoke docker_lock --upgrade-system" >&2
    exit 1
}
installed() {
    dpkg-query --show --showformat='${db:Status-Abbrev}${Package}=${Version}\n' | sed -n 's/^.i //p' | sort
}
sources=""
test ! -s /run/secrets/apt_sources || sources="-o Dir::Etc::SourceList=/run/secrets/apt_sources"

work=$(mktemp -d)
arch=$(dpkg --print-architecture)
if grep -q '^\[' system-packages.txt; then
    grep -qxF "[$arch]" system-packages.txt || fail "devops/system-packages.lock has no section for $arch"
    sed -n "/^\[$arch\]/,/^\[/{/^[a-z0-9]/p}" system-packages.txt | sort > "$work/wanted"
    installed > "$work/before"
else
    cp system-packages.txt "$work/wanted"
fi
apt-get $sources -q update
# The lock decides, also where the base has a newer one of them.
if ! xargs apt-get $sources -q install -y --no-install-recommends --allow-downgrades < "$work/wanted" 2> "$work/said"; then
    cat "$work/said" >&2
    gone=$(sed -n "s/^E: Version '\(.*\)' for '\(.*\)' was not found/\2=\1/p; s/^E: Unable to locate package //p" "$work/said")
    test -z "$gone" || fail "the archive does not have (any more):" $gone
    ! grep -q "^E: Unable to correct problems" "$work/said" || fail "these do not fit the base:" $(cat "$work/wanted")
    exit 1
fi
cat "$work/said" >&2
if test -e "$work/before"; then
    installed > "$work/after"
    missing=$(comm -13 "$work/after" "$work/wanted")
    # A package of the base that had to move with them belongs to the base, not to this lock.
    cut -d= -f1 "$work/before" "$work/wanted" | sort -u > "$work/known"
    more=$(cut -d= -f1 "$work/after" | sort -u | comm -13 "$work/known" -)
    for name in $missing $more; do
        there=$(grep "^${name%%=*}=" "$work/after" || echo "nothing")
        fail "installed is" $there "and devops/system-packages.lock says $(grep "^${name%%=*}=" "$work/wanted" || echo "nothing")"
    done
fi
rm -rf "$work" /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb
# These would be other bytes in every build: logs, and caches that their programs make again.
rm -rf /var/log/* /var/cache/debconf/*-old /var/cache/ldconfig/* /var/cache/fontconfig/*
# So would the name of a machine, which a container must not share with others, and the day on which an account was made.
rm -f /var/lib/dbus/machine-id
test ! -s /etc/machine-id || : > /etc/machine-id
for file in /etc/shadow /etc/shadow-; do
    test ! -e "$file" || sed -i -E 's/^([^:]*:[^:]*):[0-9]+:/\1:1:/' "$file"
done
