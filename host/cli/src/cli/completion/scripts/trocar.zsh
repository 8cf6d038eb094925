#compdef trocar
# zsh completion of trocar. For this shell: source <(trocar completion zsh)
# For all: trocar completion zsh > "${fpath[1]}/_trocar"

_trocar() {
    local answer directive line
    local -a values shown
    answer="$("${(Q)words[1]/#\~/$HOME}" __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)" || return 1
    directive="${answer##*:}"
    for line in "${(@f)${answer%:*}}"; do
        [[ -n $line ]] || continue
        values+=("${line%%$'\t'*}")
        if [[ $line == *$'\t'* ]]; then
            shown+=("${line%%$'\t'*}  -- ${line#*$'\t'}")
        else
            shown+=("$line")
        fi
    done
    if (( ${#values} )); then
        local -a space
        (( directive & 2 )) && space=(-S '')
        compadd -V trocar -l "${space[@]}" -d shown -a values
    elif [[ $directive == [0-7] ]] && ! (( directive & 4 )); then
        compset -P '--[^=]#=' || compset -P '--*='
        _files
    else
        return 1
    fi
}

if [[ ${funcstack[1]} == _trocar ]]; then
    _trocar "$@"
else
    compdef _trocar trocar
fi
