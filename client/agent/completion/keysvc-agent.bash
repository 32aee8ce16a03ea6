# SPDX-License-Identifier: Apache-2.0
# keysvc-agent - completion for bash: what the program's own --help says, and the identities there are

_keysvc_agent() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command="" word words name

    COMPREPLY=()
    case $previous in
    --config | --state-dir | --socket | --out-file | --file | --ca-file)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --identity)
        # compgen -W would expand what stands in its words. A quote readline puts back.
        current=${current#[\"\']}
        while IFS= read -r name; do
            [[ $name == "$current"* && $name =~ ^[A-Za-z0-9._-]+$ ]] && COMPREPLY+=("$name")
        done < <(keysvc-agent identity-list 2>/dev/null)
        return
        ;;
    esac
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word == [a-z]*-[a-z]* || $word == run || $word == token || $word == console || $word == doctor ]] && command=$word && break
    done
    if [[ $current == -* ]]; then
        words=$(keysvc-agent $command --help 2>/dev/null | grep -oE -- '^ +(-., )?--[a-z-]+' | grep -oE -- '--[a-z-]+')
    elif [[ -z $command ]]; then
        words=$(keysvc-agent --help 2>/dev/null | sed -n '/^Commands:/,$s/^  \([a-z-]*\) .*/\1/p')
    else
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _keysvc_agent keysvc-agent
