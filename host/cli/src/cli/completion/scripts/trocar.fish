# fish completion of trocar. For this shell: trocar completion fish | source
# For all: trocar completion fish > ~/.config/fish/completions/trocar.fish

function __trocar_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    set -l answer ($program __complete $words "$current" 2>/dev/null)
    or return
    set -l directive (string replace ':' '' -- $answer[-1])
    set -e answer[-1]
    if test (count $answer) -gt 0
        printf '%s\n' $answer
    else if test "$directive" = 0
        set -l flag (string match -r -- '^--[^=]*=' "$current")
        for path in (__fish_complete_path (string replace -- "$flag" '' "$current"))
            printf '%s%s\n' "$flag" $path
        end
    end
end

complete -c trocar -e
complete -c trocar -f -k -a '(__trocar_complete)'
