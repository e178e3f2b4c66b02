# Prints what an install of packages would add to a base, as lines `ARCHITECTURE NAME=VERSION`, and installs nothing.
#
# Runs on a machine with apt, or in a container of the base. Whoever starts it puts lines in front that set:
#
# architectures  those to resolve for
# base           patterns and names that make the base; empty is the system that this runs in
# below, own     packages of the images below, and those asked for
# sources        content of a sources.list; empty is the system's own
# pins_<ARCH>    content of apt_preferences: what stays at its version
set -eu
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
if test -n "$sources"; then
    printf '%s\n' "$sources" > "$work/sources.list"
    set -- -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
fi
set -- "$@" -q -o "Dir::State=$work/state" -o "Dir::Cache=$work/cache" -o "Dir::State::status=$work/status" \
    -o "Dir::Etc::Preferences=$work/preferences" -o Dir::Etc::PreferencesParts=/dev/null -o APT::Sandbox::User=root \
    -o APT::Install-Recommends=false -o APT::Update::Error-Mode=any -o Debug::NoLocking=true

# The packages of the archive that a simulated install would unpack.
simulated() {
    apt-get "$@" > "$work/out" || return
    sed -n 's/^Inst \([^ ]*\) \(\[[^]]*\] \)\{0,1\}(\([^ ]*\) .*/\1=\3/p' "$work/out" | sort
}

for arch in $architectures; do
    native=$(dpkg --print-architecture)
    : > "$work/status"
    test -n "$base" || sed "s/^Architecture: $native\$/Architecture: $arch/" /var/lib/dpkg/status > "$work/status"
    eval "printf '%s\n' \"\$pins_$arch\"" > "$work/preferences"
    set -f
    if apt-get "$@" -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" update > "$work/out" 2> "$work/said" &&
        simulated "$@" -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -s install $base $below \
            > "$work/before" 2> "$work/said" &&
        simulated "$@" -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -s install $base $below $own \
            > "$work/after" 2> "$work/said"; then
        comm -13 "$work/before" "$work/after" | sed "s/^/$arch /"
    else
        sed -n "s/^E: /$arch E: /p" "$work/said"
    fi
    set +f
done
