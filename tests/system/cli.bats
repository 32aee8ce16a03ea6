#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# cli.bats - what all commands share: help, man page, completion, JSON, and a token shown from end to end

setup_file()
{
    load harness
    world
    start
    keysvc key generate web/shop
}

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
}

teardown_file()
{
    load harness
    end_world
}

# Every command of `keysvc --help`, one a line.
commands()
{
    keysvc --help | sed '1,/^Commands:/d' | sed -n 's/^  \(.\{20\}\).*/\1/p' | sed 's/ *$//'
}

@test "each command of --help has help of its own and stands in the man page" {
    commands >"$W/commands"
    [ "$(wc -l <"$W/commands")" -ge 20 ]
    while read -r command; do
        # shellcheck disable=SC2086
        keysvc $command --help | grep "Usage: keysvc $command"
        grep -F "*keysvc $command*" "$SOURCE/docs/keysvc.1.scd"
    done <"$W/commands"
}

@test "the long options of each command stand in its man page entry or among the common ones" {
    commands >"$W/commands"
    while read -r command; do
        # shellcheck disable=SC2086
        for option in $(keysvc $command --help | grep -oE '^ +(-.,)? +--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+'); do
            case $option in --help | --usage | --version) continue ;; esac
            grep -qF -e "$option" "$SOURCE/docs/keysvc.1.scd" || [[ $command == audit* ]] ||
                { echo "$command $option is not in keysvc(1)"; return 1; }
        done
    done <"$W/commands"
}

@test "the completion offers every verb of every noun, keys and versions" {
    source "$SOURCE/client/cli/completion/keysvc.bash"
    complete_words()
    {
        COMP_WORDS=(keysvc "$@")
        COMP_CWORD=$#
        _keysvc
        printf '%s\n' "${COMPREPLY[@]}"
    }
    commands >"$W/commands"
    while read -r noun verb; do
        complete_words "" | grep -x -e "$noun"
        [ -z "$verb" ] || complete_words "$noun" "" | grep -x -e "$verb"
    done <"$W/commands"
    complete_words key show "" | grep -x web/shop
    for quoted in '"web/s' "'web/s"; do
        complete_words key show "$quoted" | grep -x web/shop
    done
    (set -u && complete_words "" | grep -x token)
    complete_words key destroy "" | grep -x web/shop@1
    complete_words key certificate web/shop "" | grep -x put
    complete_words key import web/x -- | grep -x -e --pkcs12
    for option in --audit-dir --key --request; do
        complete_words audit show -- | grep -x -e $option
    done
    complete_words audit verify -- | grep -x -e --state-dir
}

@test "the completion offers names of processes and evaluates none" {
    local child
    # As any user may call his.
    /usr/bin/python3 -c 'import ctypes, sys, time
for name in sys.argv[1:]:
    ctypes.CDLL(None).prctl(15, name.encode(), 0, 0, 0)
    print(flush=True)
    time.sleep(60)' '$(>ks-pwned)' >"$W/named" 3>&- &
    child=$!
    wait_for test -s "$W/named"
    cd "$W"
    grep -qF '$(>ks-pwned)' <(ps -eo comm=)
    source "$SOURCE/client/cli/completion/keysvc.bash"
    COMP_WORDS=(keysvc doctor --program "")
    COMP_CWORD=3
    _keysvc
    kill "$child"
    [ ! -e "$W/ks-pwned" ]
    printf '%s\n' "${COMPREPLY[@]}" >"$W/offered"
    grep -x keysvcd "$W/offered"
    not grep -q '[$(]' "$W/offered"
}

@test "each error is one line, or one object" {
    for arguments in "key show web/nothing" "key destroy web/nothing@1 --yes" "key certificate web/nothing get" \
        "self-sign web/nothing" "csr web/nothing" "key import web/shop --pkcs8 $W/none" "token show nothing" \
        "key list --nonsense" "key destroy web/shop@1"; do
        # shellcheck disable=SC2086
        run keysvc $arguments
        [ "$status" != 0 ]
        [ "${#lines[@]}" = 1 ]
        [[ $output == "keysvc: "* ]]
        code=$status
        # shellcheck disable=SC2086
        run keysvc --json $arguments
        [ "$status" = "$code" ]
        [ "$(json 'sorted(d["error"])' <<<"$output")" = "['code', 'hint', 'message', 'retryable']" ]
    done
}

@test "a change whose result cannot be written is told as done, on standard error" {
    for json in "" --json; do
        run -13 --separate-stderr bash -c "keysvc $json key generate web/lost >/dev/full"
        [[ $stderr == *"OUTCOME_UNKNOWN"*"it is done, but its result could not be written: standard output: No space left"* ]]
        [[ $stderr != *"please report"* ]]
        keysvc key show web/lost@1
        run -13 --separate-stderr bash -c "keysvc $json key destroy web/lost@1 --yes >/dev/full"
        [[ $stderr == *"it is done, but its result could not be written"* ]]
        run -4 keysvc key show web/lost@1
    done
    # Nor does a reader that has gone away end it by a signal.
    exec {pipe}> >(:)
    wait $!
    run -13 --separate-stderr bash -c "keysvc key generate web/lost >&$pipe"
    exec {pipe}>&-
    [[ $stderr == *"it is done, but its result could not be written: standard output: Broken pipe"* ]]
    run -13 keysvc token rescan main --out-file /dev/full
    [[ $output == *"it is done, but"*"/dev/full"* ]]
}

@test "a look whose result cannot be written is an error that names standard output" {
    for arguments in "key list" "--json key list" "status --watch=100ms" "audit show --audit-dir $W/audit"; do
        run -1 --separate-stderr bash -c "timeout 30 keysvc $arguments >/dev/full"
        [ "${#stderr_lines[@]}" = 1 ]
        [[ $stderr == *"INTERNAL"*"standard output: No space left"* ]]
        [[ $stderr != *"please report"* ]]
    done
    run -4 --separate-stderr bash -c "keysvc --json key show web/nothing >/dev/full"
    [[ $stderr == '{"error":{"code":"NO_KEY"'* ]]
}

@test "an administrator sees what the token says of itself" {
    keysvc token show main >"$W/shown"
    grep -E '^user PIN +ok' "$W/shown"
    grep -E '^manufacturer +SoftHSM' "$W/shown"
    grep -E '^free private memory' "$W/shown"
    grep -E '^CKM_ECDSA .*sign' "$W/shown"
    keysvc token show main --json >"$W/shown.json"
    [ "$(json 'd["info"]["user_pin"]' <"$W/shown.json")" = ok ]
    [ "$(json '[m["does"] for m in d["info"]["mechanisms"] if m["name"] == "CKM_ECDSA"][0]' <"$W/shown.json")" \
        = "['sign', 'verify']" ]
    [ "$(json 'd["state"]' <"$W/shown.json")" = ready ]
}

@test "others see the token's name and state" {
    need_root
    as $BOB keysvc token show main --json >"$W/bob.json"
    [ "$(json 'd["state"], d["info"]' <"$W/bob.json")" = "('ready', None)" ]
    as $BOB keysvc token show main >"$W/bob.text"
    not grep MECHANISM "$W/bob.text"
}

@test "a token that is not ready is shown all the same, and why it says nothing" {
    (
        trap end_world EXIT
        world
        printf 'wrong-pin' >"$W/pin"
        start nowait
        wait_for token_is login-blocked
        keysvc --timeout 1 token show main >"$W/shown"
        grep -E '^state +login-blocked' "$W/shown"
        grep -E '^the token says +nothing: ' "$W/shown"
        [ "$(keysvc --timeout 1 token show main --json | json 'd["error"]["code"]')" != OK ]
    )
}

@test "a noun alone has help of its own: its verbs" {
    run --separate-stderr keysvc key --help
    [ "$status" = 0 ]
    [[ $output == *"key generate "*"make the first version"*"key public "* ]]
    [[ $output != *"token list"* ]]
    fails 2 "token: its verb is missing" keysvc token
    [[ $output == *"token list "*"all tokens"* ]]
    fails 2 "token nonsense: no such command" keysvc token nonsense
    [[ $output == *"token list "*"all tokens"* ]]
    run keysvc token --json
    [ "$status" = 2 ]
    [ "$(json 'd["error"]["code"]' <<<"$output")" = USAGE ]
}

# administer VERB ARGUMENT...: token init or change-pin, with the build folder's keysvcd.
administer()
{
    keysvc token "$@" --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)"
}

@test "token init and change-pin tell their errors as all commands do" {
    for arguments in "init nosuch" "change-pin nosuch" "init main --so-pin-file $W/pin" "init main --so-pin-file $W/none" \
        "change-pin main"; do
        # shellcheck disable=SC2086
        run administer $arguments
        [ "$status" != 0 ]
        [ "${#lines[@]}" = 1 ]
        [[ $output == "keysvc: token "* ]]
        [[ $output != *"<3>"* ]]
        code=$status
        # shellcheck disable=SC2086
        run administer $arguments --json
        [ "$status" = "$code" ]
        [ "$(json 'sorted(d["error"])' <<<"$output")" = "['code', 'hint', 'message', 'retryable']" ]
    done
    fails 2 'there is no token "nosuch" in the configuration' administer init nosuch
    fails 5 "--force destroys it" administer init main --so-pin-file "$W/pin"
    fails 2 "unrecognized option '--nonsense'" keysvc token init main --config "$W/keysvcd.conf" \
        --keysvcd "$(own_keysvcd)" -- --nonsense
}

@test "token init and change-pin ask for PINs on the terminal, and say what was done" {
    (
        trap end_world EXIT
        world
        cat >"$W/terminal.py" <<'END'
import os, pty, sys
# Answers each question that ends with ": " by the next line of its first argument; standard output is a file.
answers, out, command = sys.argv[1].split(","), sys.argv[2], sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    fd = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(fd, 1)
    os.execvp(command[0], command)
seen = b""
while True:
    try:
        some = os.read(terminal, 1000)
    except OSError:
        break
    if not some:
        break
    seen += some
    if seen.endswith(b": ") and answers:
        os.write(terminal, answers.pop(0).encode() + b"\n")
sys.stderr.write(seen.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
        rm "$W/pin"
        /usr/bin/python3 "$W/terminal.py" "$SO_PIN,$SO_PIN,5678,5678" "$W/out" keysvc token init main --force --json \
            --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)" 2>"$W/seen"
        grep "Security officer's PIN: " "$W/seen"
        grep "User PIN: " "$W/seen"
        not grep -e 5678 -e "$SO_PIN" "$W/seen"
        [ "$(json 'd["done"], d["token"]' <"$W/out")" = "(True, 'main')" ]
        (umask 077 && printf 5678 >"$W/pin" && printf 6789 >"$W/new")
        administer change-pin main --new-pin-file "$W/new" | grep 'token main has a new PIN'
        grep 6789 "$W/pin"
    )
}

@test "Ctrl-C where a PIN is asked for ends token init, and the terminal echoes again" {
    (
        trap end_world EXIT
        world
        load interrupted
        fails 0 "ended by 130, echo" interrupted "PIN: " keysvc token init main --force --config "$W/keysvcd.conf" \
            --keysvcd "$(own_keysvcd)"
    )
}

@test "the keys of a token that is not ready are said to be unknown, not to be none" {
    (
        trap end_world EXIT
        world
        printf 'wrong-pin' >"$W/pin"
        start nowait
        wait_for token_is login-blocked
        run --separate-stderr keysvc key list
        [ "$status" = 0 ]
        [ "${#stderr_lines[@]}" = 1 ]
        [[ $stderr == *"keys of token main are not known: it is login-blocked"* ]]
        [ "$(keysvc key list --json | json '[(t["name"], t["state"]) for t in d["unknown_tokens"]]')" \
            = "[('main', 'login-blocked')]" ]
        # What the message says the hint does not say again.
        run keysvc key generate web/shop
        [ "$status" = 18 ]
        [ "$(grep -o retry-login <<<"$output" | wc -l)" = 1 ]
    )
    run --separate-stderr keysvc key list
    [ -z "$stderr" ]
    [ "$(keysvc key list --json | json 'd["unknown_tokens"]')" = "[]" ]
    [ "$(keysvc key list --json | json '["versions" in k for k in d["keys"] if k["name"] == "web/shop"]')" = "[False]" ]
    [ "$(keysvc key show web/shop --json | json 'd["versions"]')" = "[1]" ]
}

@test "keys that are known stay so when their token goes away, and nobody is told otherwise" {
    need_root
    (
        trap end_world EXIT
        world
        start
        keysvc key generate web/shop
        mv "$W/tokens" "$W/tokens.away"
        kill -KILL $(token_pids)
        wait_for token_is absent
        run --separate-stderr keysvc key list
        [[ $output == *web/shop@1* ]]
        [ -z "$stderr" ]
        # Who sees none of its keys, and is not told whether they are known.
        run --separate-stderr as $BOB keysvc key list
        [ "$stderr" = "keysvc: keys of token main may be missing here: it is absent" ]
        mv "$W/tokens.away" "$W/tokens"
    )
}

@test "a token that is not there: what it may be, and no exit code" {
    (
        trap end_world EXIT
        world
        sed -i 's/label = "keysvc"/label = "nowhere"/' "$W/keysvcd.conf"
        start nowait
        wait_for token_is absent
        keysvc token list >"$W/listed"
        grep 'keysvc token init main' "$W/listed"
        not grep 'exit code' "$W/listed"
    )
}

@test "how many keys there are is not said to be 0 to those who are not told" {
    need_root
    as $BOB keysvc token list | awk '$1 == "main" && $4 == "-" {found = 1} END {exit !found}'
    as $BOB keysvc status | awk '$1 == "main" && $4 == "-" {found = 1} END {exit !found}'
    as $BOB keysvc token show main | grep -E '^keys +-'
    keysvc token list | awk '$1 == "main" && $4 > 0 {found = 1} END {exit !found}'
}

@test "who may neither look at a key nor use it is told so at once" {
    need_root
    for command in "sign web/shop --in $W/data:sign" "csr web/shop:csr" "self-sign web/shop:self-sign" \
        "key certificate web/shop get:certificate" "key destroy web/shop@1 --yes:destroy"; do
        # shellcheck disable=SC2086
        fails 3 "operations = {get, ${command##*:}}" as $BOB keysvc ${command%:*}
    done
    run as $BOB keysvc key show web/shop
    [[ $output != *"{get, "* ]]
}

@test "--check says each mistake once and plainly" {
    sed 's/purpose = tls-server/purpose = nothing/; s/type = rsa-2048/type = rsa-1/' "$W/keysvcd.conf" >"$W/wrong.conf"
    run keysvcd --check --config "$W/wrong.conf"
    [ "$status" = 6 ]
    [ "${#lines[@]}" = 2 ]
    [[ ${lines[0]} == "$W/wrong.conf:"*'"nothing"'* ]] || [[ ${lines[1]} == "$W/wrong.conf:"*'"nothing"'* ]]
    [[ $output != *"<"[0-9]">"* ]]
    chmod 666 "$W/wrong.conf"
    sed -i 's/purpose = nothing/purpose = tls-server/; s/type = rsa-1/type = rsa-2048/' "$W/wrong.conf"
    chmod 666 "$W/wrong.conf"
    run keysvcd --check --config "$W/wrong.conf"
    [ "$status" = 0 ]
    [[ $output == *"warning: $W/wrong.conf: can be written by others"* ]]
    [[ $output != *"<"[0-9]">"* ]]
}

@test "a keysvcd whose folder belongs to another says which, and what to do" {
    need_root
    mkdir -m 700 "$W/closed"
    sed "s|$W/state|$W/closed|; /front-user/d; /user = \"$TOKEN\"/d" "$W/keysvcd.conf" >"$W/other.conf"
    chmod 644 "$W/other.conf" "$W/profile.conf"
    fails 2 "state-dir: cannot open the folder $W/closed" as $ALICE keysvcd --config "$W/other.conf" \
        --libexec-dir "$PROGRAMS/keysvc" --profile-dir "$SOURCE/hsm-profiles"
    [[ $output == *"the user to whom that folder belongs"* ]]
    [[ $output != *"please report"* ]]
}

@test "what was done is said of what" {
    keysvc token rescan main | grep -x 'token main: searched again'
    keysvc token rescan main --json | json 'd["token"]' | grep -x main
    keysvc key generate web/gone
    keysvc key destroy web/gone@1 --yes | grep -x 'web/gone@1 was destroyed'
}

@test "the examples of the man page work with the example configuration" {
    (
        trap end_world EXIT
        world
        # Its keys and rules as they are, with the class that the man page says is to be added.
        sed -n '/^keys "web/,$p' "$SOURCE/docs/keysvcd.conf.example" >"$W/example"
        [ "$ME" = 0 ] || sed -i "s/user = {root}/user = {\"$ME\"}/" "$W/example"
        echo 'keys "code/**" { token = main  purpose = sign }' >>"$W/example"
        rules <"$W/example"
        start
        cd "$W"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout old.key -out old.crt -subj /CN=old \
            2>/dev/null
        (umask 077 && echo secret >old.password)
        openssl pkcs12 -export -inkey old.key -in old.crt -passout file:old.password -out old.p12
        echo release >release.tar
        sed '1,/^# EXAMPLES/d' "$SOURCE/docs/keysvc.1.scd" | sed -n 's/^\$ //p' >examples
        [ "$(wc -l <examples)" -ge 10 ]
        while read -r line; do
            code=0
            bash -c "$line" </dev/null || code=$?
            # What somebody was refused is refused.
            [[ $code = 0 || $line == *"policy explain"* && $code = 3 ]] || { echo "$line: $code"; exit 1; }
        done <examples
    )
}

@test "a message that says what is wrong is followed by no hint that says less" {
    fails 6 "no token has this name" keysvc token show nosuch
    [[ $output != *"("* ]]
    run keysvc token show nosuch --json
    [ "$(json 'd["error"]["hint"]' <<<"$output")" = "" ]
}

@test "a name with quotes in it ends no value of the log" {
    run keysvcd --config "$W/no \"such\" file" --libexec-dir "$PROGRAMS/keysvc" --profile-dir "$SOURCE/hsm-profiles"
    [ "$status" = 6 ]
    ended=$(grep 'event=end outcome=BAD_REQUEST' <<<"$output")
    [ "$(tr -cd '"' <<<"$ended" | wc -c)" = 4 ]
    [[ $ended == *"no ?such? file"* ]]
}
