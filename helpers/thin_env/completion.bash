# Completion of main_pytest.py for bash; dev_scripts/setenv.sh sources it.

_helpers_complete_main_pytest() {
    local word=$2 before=$3 file IFS=$'\n'
    COMPREPLY=()
    case $before in
        --dir)
            for file in */changelog.txt */*/changelog.txt */*/*/changelog.txt; do
                if [[ -d ${file%/*}/devops && ${file%/*} == "$word"* ]]; then COMPREPLY+=("${file%/*}"); fi
            done
            return
            ;;
        --json | --junit | --html) COMPREPLY=($(compgen -f -- "$word")); return ;;
        --tier) COMPREPLY=($(compgen -W $'fast\nslow\nsuperslow\nall' -- "$word")); return ;;
        --engine) COMPREPLY=($(compgen -W $'auto\ndocker\nvenv' -- "$word")); return ;;
        --stage) COMPREPLY=($(compgen -W $'local\ndev' -- "$word")); return ;;
        -j | --timeout) return ;;
    esac
    COMPREPLY=($(compgen -W $'--dir\n--tier\n-j\n--engine\n--stage\n--list\n--json\n--junit\n--html\n--coverage
--affected\n--no-cache\n--exitfirst\n--timeout\n--allow-empty\n--help\n--' -- "$word"))
}

complete -F _helpers_complete_main_pytest -o default main_pytest.py
