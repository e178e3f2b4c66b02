# Completion of main_pytest.py for zsh; dev_scripts/setenv.sh sources it.

_helpers_complete_main_pytest() {
    emulate -L zsh
    local -a words
    local file
    read -Ac words
    reply=()
    case ${words[-2]} in
        --dir)
            for file in */changelog.txt(N) */*/changelog.txt(N) */*/*/changelog.txt(N); do
                if [[ -d ${file:h}/devops ]]; then reply+=(${file:h}); fi
            done
            ;;
        --json | --junit | --html) reply=(*(N)) ;;
        --tier) reply=(fast slow superslow all) ;;
        --engine) reply=(auto docker venv) ;;
        --stage) reply=(local dev) ;;
        -j | --timeout) ;;
        *)
            reply=(--dir --tier -j --engine --stage --list --json --junit --html --coverage --affected --no-cache
                --exitfirst --timeout --allow-empty --help --)
            ;;
    esac
}

compctl -K _helpers_complete_main_pytest + -f main_pytest.py
