# bash completion of trocar. For this shell: source <(trocar completion bash)
# For all: trocar completion bash > ~/.local/share/bash-completion/completions/trocar

_trocar() {
    # bash divides words at = and : as well; here they are put together again as they were typed, up to the cursor.
    local rest="${COMP_LINE:0:COMP_POINT}" words=() word i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word="${COMP_WORDS[i]}"
        if ((i == 0)) || [[ $rest == [[:space:]]* ]]; then
            rest="${rest#"${rest%%[![:space:]]*}"}"
            words+=("")
        fi
        ((i == COMP_CWORD)) && word="$rest"
        words[${#words[@]} - 1]+="$word"
        rest="${rest#"$word"}"
    done

    local current="${words[${#words[@]} - 1]}" answer directive line
    answer="$("${words[0]/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null)" || return
    directive="${answer##*:}"
    answer="${answer%:*}"

    # Only what stands behind the last = or : is put in by bash.
    local typed="${current%"${current##*[=:]}"}"
    COMPREPLY=()
    while IFS= read -r line; do
        line="${line%%$'\t'*}"
        [[ -n $line ]] && COMPREPLY+=("${line#"$typed"}")
    done <<<"$answer"
    if [[ $directive == [0-7] ]]; then
        ((directive & 2)) && compopt -o nospace
        ((directive & 4)) || compopt -o default
    fi
} 2>/dev/null

complete -o nosort -F _trocar trocar 2>/dev/null || complete -F _trocar trocar
