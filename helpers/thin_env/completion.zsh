# Completion of invoke and main_pytest.py for zsh; dev_scripts/setenv.sh sources it. The candidates come from the
# parsers of the checkout around the current directory: helpers/tasks/completion.py.

# Tab runs code of no checkout but those whose setenv.sh was sourced in this shell.
typeset -g _helpers_sourced=${${(%):-%x}%/helpers/thin_env/*}${_helpers_sourced:+:$_helpers_sourced}

_helpers_complete() {
    emulate -L zsh
    local -a words
    local number
    read -Ac words
    read -cn number
    reply=("${(f)$(HELPERS_SOURCED=$_helpers_sourced command invoke --complete -- "${(@)words[1,number-1]}" "$1" 2>/dev/null)}")
    # The kind of the candidates: compctl adds directories and files by itself.
    shift reply
}

compctl -K _helpers_complete -x 'c[-1,--dir]' -K _helpers_complete -q -S / -- \
    + -x 'c[-1,--dir]' -/ -- + -f invoke inv main_pytest.py
