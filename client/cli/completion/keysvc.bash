# SPDX-License-Identifier: Apache-2.0
# keysvc - completion for bash: commands, options, and the names that keysvcd knows

_keysvc_names() {
    keysvc --timeout 2 --json "$@" 2>/dev/null | sed -n 's/^ *"name": "\([^"]*\)".*/\1/p' | sort -u
}

# NAME@N of every version.
_keysvc_versions() {
    keysvc --timeout 2 key list 2>/dev/null | sed -n 's/^\([^ ]*@[0-9]*\) .*/\1/p'
}

# Offers those of the lines on standard input that go on with the word. Not by compgen -W, which expands what stands in its words:
# the name of a process is anybody's choice. Nor anything that would mean more to the shell than its letters.
_keysvc_offer() {
    local line word=${1#[\"\']} # readline puts the quote back

    COMPREPLY=()
    while IFS= read -r line; do
        [[ $line == "$word"* && $line =~ ^[A-Za-z0-9._/@+-]+$ ]] && COMPREPLY+=("$line")
    done
}

_keysvc() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local common="--socket --timeout --json --out-file --help --usage --version"
    local words=() word options="" skip=""

    COMPREPLY=()
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if [[ -n $skip ]]; then
            skip=""
        elif [[ $word == --socket || $word == --timeout || $word == --out-file ]]; then
            skip=1
        elif [[ $word != -* ]]; then
            words+=("$word")
        fi
    done

    case $previous in
    --socket | --out-file | --in | --config | --keysvcd | --pin-file | --new-pin-file | --so-pin-file | --old-so-pin-file | \
        --pkcs12 | --pkcs8 | --password-file | --challenge-password-file | --file | --openssl-conf)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --type)
        mapfile -t COMPREPLY < <(compgen -W "ec-p256 ec-p384 ec-p521 ed25519 rsa-2048 rsa-3072 rsa-4096" -- "$current")
        return
        ;;
    --algorithm)
        mapfile -t COMPREPLY < <(compgen -W "ecdsa-sha256 ecdsa-sha384 ecdsa-sha512 rsa-pkcs1-sha256 rsa-pkcs1-sha384
            rsa-pkcs1-sha512 rsa-pss-sha256 rsa-pss-sha384 rsa-pss-sha512 ed25519" -- "$current")
        return
        ;;
    --prehashed)
        mapfile -t COMPREPLY < <(compgen -W "sha256 sha384 sha512" -- "$current")
        return
        ;;
    --format)
        mapfile -t COMPREPLY < <(compgen -W "pem der" -- "$current")
        return
        ;;
    --user)
        mapfile -t COMPREPLY < <(compgen -u -- "$current")
        return
        ;;
    --group)
        mapfile -t COMPREPLY < <(compgen -g -- "$current")
        return
        ;;
    --program)
        _keysvc_offer "$current" < <(ps -eo comm= 2>/dev/null | sort -u)
        return
        ;;
    --operation)
        mapfile -t COMPREPLY < <(compgen -W "get sign csr self-sign certificate generate rotate import destroy administer" -- "$current")
        return
        ;;
    --audit-dir | --state-dir | --config-dir)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    --key)
        if [[ ${words[0]-} == audit && ${words[1]-} == verify ]]; then
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
        else
            _keysvc_offer "$current" < <(_keysvc_names key list)
        fi
        return
        ;;
    esac

    case "${words[0]-} ${words[1]-}" in
    "status "*) options="--watch" ;;
    "key generate") options="--type" ;;
    "key rotate") options="--from" ;;
    "key import") options="--pkcs12 --pkcs8 --password-file --select --from --no-certificates" ;;
    "key destroy") options="--yes" ;;
    "key certificate") options="--in --format" ;;
    "token init") options="--so-pin-file --old-so-pin-file --pin-file --force --config --keysvcd" ;;
    "token change-pin") options="--pin-file --new-pin-file --config --keysvcd" ;;
    "policy explain") options="--user --group --unit --key --operation" ;;
    "sign "*) options="--in --algorithm --prehashed" ;;
    "csr "*) options="--common-name --organization --organization-unit --country --state --locality --email
        --alternative-names --algorithm --format --challenge-password-file" ;;
    "self-sign "*) options="--common-name --organization --organization-unit --country --state --locality --email
        --alternative-names --algorithm --format --days" ;;
    "audit show") options="--audit-dir --key --request" ;;
    "audit verify") options="--audit-dir --state-dir --key" ;;
    "doctor "*) options="--config --keysvcd --program --file --config-dir --openssl-conf --pid --user" ;;
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$common $options" -- "$current")
        return
    fi

    case "${#words[@]} ${words[*]}" in
    "0 ") options="status token key sign csr self-sign policy audit metrics reload doctor" ;;
    "1 token") options="list show init change-pin retry-login rescan" ;;
    "1 key") options="generate list show rotate import destroy certificate public reference" ;;
    "1 policy") options="explain" ;;
    "1 audit") options="show verify" ;;
    "2 token list") options="" ;;
    "2 token "*)
        _keysvc_offer "$current" < <(_keysvc_names token list)
        return
        ;;
    "3 key certificate"*) options="put get delete" ;;
    "2 key destroy")
        _keysvc_offer "$current" < <(_keysvc_versions)
        return
        ;;
    "2 key show" | "2 key rotate" | "2 key public" | "2 key reference" | "2 key certificate" | "1 sign" | "1 csr" | "1 self-sign")
        _keysvc_offer "$current" < <(_keysvc_names key list)
        return
        ;;
    *) options="" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
}

complete -F _keysvc keysvc
