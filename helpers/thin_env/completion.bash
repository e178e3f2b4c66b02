# Completion of invoke and main_pytest.py for bash; dev_scripts/setenv.sh sources it. The candidates come from the
# parsers of the checkout around the current directory: helpers/tasks/completion.py.

_helpers_complete() {
    local -a answer
    mapfile -t answer < <(command invoke --complete -- "${COMP_WORDS[@]:0:COMP_CWORD}" "$2" 2>/dev/null)
    COMPREPLY=("${answer[@]:1}")
    case ${answer[0]-} in
        words) ;;
        dirs) compopt -o filenames -o dirnames ;;
        *) compopt -o default ;;
    esac
}

complete -F _helpers_complete invoke inv main_pytest.py
