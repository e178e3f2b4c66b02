#!/usr/bin/env bash
# Makes the thin environment if need be and puts `invoke` and `main_pytest.py` on PATH, with completion:
#
#     source dev_scripts/setenv.sh
#
# For bash (4 or newer) and zsh, from any directory. $HELPERS_PYTHON names another interpreter than `python3`.
# Nothing else of the shell is changed. Once all is made it starts no process, so it may stand in a start-up file.
#
# fish prints the first line that it cannot read:
_helpers_end='' # helpers: error: fish is not supported; fix: bash  (then, in it: source dev_scripts/setenv.sh)
# With line ends of Windows no line after these runs; `#` keeps the carriage return out of each command.
_helpers_end=
if [ -n "$_helpers_end" ]; then \printf "%s\n" "helpers: error: setenv.sh has line ends of Windows (CRLF); why: git wrote them, as core.autocrlf=true says; fix: (cd \"\$(dirname '${BASH_SOURCE:-$0}')\" && git diff --quiet HEAD && git rm -rq --cached :/ && git -c core.autocrlf=false reset -q --hard)" >&2; \unset _helpers_end; return 2 2>/dev/null || exit 2; fi #
\unset _helpers_end #

if [ -z "${BASH_VERSION-}${ZSH_VERSION-}" ]; then
    echo "helpers: error: setenv.sh needs bash or zsh; fix: source it in one of them" >&2
    return 2 2>/dev/null || exit 2
fi

_helpers_setenv() {
    # The user's shell options may be anything; zsh can have its own for the length of a function.
    if [ -n "${ZSH_VERSION-}" ]; then \emulate -L zsh; fi
    \local place=helpers file here rest part root tools env python cache pointer line_root line_python out version code shell=bash
    \unset -f _helpers_setenv

    if [ -n "${ZSH_VERSION-}" ]; then
        shell=zsh file=${(%):-%x}
        case ${ZSH_EVAL_CONTEXT-} in *:file*) ;; *) file= ;; esac
    else
        file=${BASH_SOURCE[0]}
        [ "${FUNCNAME[1]-}" = source ] || file=
    fi
    if [ -z "$file" ]; then
        \echo "helpers: error: setenv.sh was executed; fix: source dev_scripts/setenv.sh" >&2
        \return 2
    fi

    # The checkout's root, found without a process: make the path absolute and take out "." and "..".
    case $file in /*) here=$file ;; *) here=$PWD/$file ;; esac
    root='' rest=${here#/}/
    while [ -n "$rest" ]; do
        part=${rest%%/*} rest=${rest#*/}
        case $part in '' | .) ;; ..) root=${root%/*} ;; *) root=$root/$part ;; esac
    done
    root=${root%/*} root=${root%/*}
    if [ -L "$file" ] || ! [ "$root/dev_scripts/setenv.sh" -ef "$file" ]; then
        here=$(\command readlink -f -- "$file") || here=
        root=${here%/*} root=${root%/*}
    fi
    tools=$root/$place/thin_env
    if ! [ -e "$tools/bootstrap.py" ]; then tools=$root/$place/helpers/thin_env; fi
    if ! [ -e "$tools/bootstrap.py" ]; then
        \printf "%s\n" "helpers: error: $root/$place is empty; fix: git -C '$root' submodule update --init $place" >&2
        \return 2
    fi

    cache=${HELPERS_CACHE:-${XDG_CACHE_HOME:-${HOME-}/.cache}/helpers}
    case $cache in /*) ;; *) cache=$PWD/$cache ;; esac
    # What bootstrap.py left for this checkout: the environment, the root, the interpreter asked for.
    env='' line_root='' line_python='' pointer=$cache/checkouts/${root//\//%}
    if [ -r "$pointer" ] && ! [ "$tools/requirements.txt" -nt "$pointer" ]; then
        { IFS= \read -r env && IFS= \read -r line_root && IFS= \read -r line_python; } <"$pointer" || env=''
    fi
    if [ "$line_root" != "$root" ] || [ "$line_python" != "${HELPERS_PYTHON-}" ] || ! [ -e "$env/installed.txt" ] ||
        ! [ -x "$env/bin/python" ]; then
        python=${HELPERS_PYTHON:-python3}
        version=$(\command "$python" -c '
import sys
sys.stdout.write("%d.%d.%d" % sys.version_info[:3])
sys.exit(sys.version_info < (3, 10))' 2>/dev/null) || {
            if [ -n "$version" ]; then version="is Python $version"; else version="does not run"; fi
            \echo "helpers: error: '$python' $version, Python 3.10 or newer is needed;" \
                "fix: HELPERS_PYTHON=python3.11 source dev_scripts/setenv.sh" >&2
            \return 2
        }
        env=$(\command "$python" "$tools/bootstrap.py" "$root") || \return
    fi

    # Our entry comes first and only once, also when an older environment's entry is there.
    out='' rest=${PATH-}${PATH:+:}
    while [ -n "$rest" ]; do
        part=${rest%%:*} rest=${rest#*:}
        case $part in "$cache"/envs/*/path) ;; *) out=$out:$part ;; esac
    done
    PATH=$env/path$out

    # Completion is a convenience: a shell without it is ready all the same.
    if [ -r "$tools/completion.$shell" ]; then \. "$tools/completion.$shell" || \true; fi
    \printf "%s\n" "helpers: invoke and main_pytest.py are ready in $root"
}

_helpers_setenv
