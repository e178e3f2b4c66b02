# Completion of invoke and main_pytest.py for bash; dev_scripts/setenv.sh sources it. The candidates come from the
# parsers of the checkout around the current directory: helpers/tasks/completion.py.

# Tab runs code of no checkout but those whose setenv.sh was sourced in this shell.
_helpers_sourced=${BASH_SOURCE[0]%/helpers/thin_env/*}${_helpers_sourced:+:$_helpers_sourced}

_helpers_complete() {
    local -a answer
    mapfile -t answer < <(HELPERS_SOURCED=$_helpers_sourced command invoke --complete -- "${COMP_WORDS[@]:0:COMP_CWORD}" "$2" 2>/dev/null)
    COMPREPLY=("${answer[@]:1}")
    case ${answer[0]-} in
        words) ;;
        dirs) compopt -o filenames -o dirnames ;;
        *) compopt -o default ;;
    esac
}

complete -F _helpers_complete invoke inv main_pytest.py
