#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# openssh.bats - OpenSSH by the PKCS#11 module: ssh itself, and ssh-agent, which stays while everything else comes and goes
#
# ssh and sshd want users with an account: $W/account gives root's tests that, and sshd runs as the user who logs in, so
# that nothing of the machine's own sshd is touched. sshd checks the signatures; it has no key of ours.

setup_file()
{
    load programs
    has_login || return 0
    programs_world
    # The agent's keys come and go: one version must be what all tests begin with.
    for key in sign/ec/shop sign/rsa/shop sign/p384/shop sign/ed25519/shop web/shop; do
        keysvc key generate "$key" >/dev/null
    done
    account_script
    public_keys
    client_config
    ssh-keygen -q -t ed25519 -N '' -f "$W/etc/host_key"
    ssh-keygen -q -t ecdsa -N '' -f "$W/etc/stranger"
    rm "$W/etc/stranger"
    chown "$ALICE" "$W/etc/host_key"
    mkdir -m 700 "$W/agent"
    chown "$ALICE" "$W/agent"
}

setup()
{
    load programs
    has_login || skip "needs a user who can log in"
    serve_ssh
}

teardown()
{
    end_programs
    show_log_if_failed
}

teardown_file()
{
    load programs
    end_world
}

# ---------------------------------------------------------------- helpers

# sshd lets nobody in whose shell is none, and ssh nobody out who has no account.
has_login()
{
    [ "$ME" != 0 ] || return 0
    case $(getent passwd "$ME" | cut -d : -f 7) in
    "" | */nologin | */false)
        return 1
        ;;
    esac
}

# $W/account UID COMMAND...: root runs it as a user of the harness that has an account; anybody else has one.
account_script()
{
    cat >"$W/account" <<END
#!/bin/sh
[ "\$(id -u)" = 0 ] || { shift; exec "\$@"; }
exec "$SOURCE/tests/tokens/own-mounts" sh -c '
    accounts=\$(sed "s|:/nonexistent:/usr/sbin/nologin\$|:$W/home:/bin/sh|" /etc/passwd)
    printf "%s\\n" "\$accounts" >/etc/passwd
    uid=\$1
    shift
    exec env HOME="$W/home" setpriv --reuid "\$uid" --regid "\$uid" --clear-groups -- "\$@"
' sh "\$@"
END
    chmod 755 "$W/account"
}

# For each key NAME of sign/NAME/shop, and web, $W/etc/NAME.pub: OpenSSH's public key, by OpenSSH from ours.
public_keys()
{
    local key
    bash -euc "$(documented openssh-public)"
    for key in sign/ec/shop sign/rsa/shop sign/p384/shop web/shop; do
        keysvc key public "$key" >"$W/public.pem"
        ssh-keygen -i -m PKCS8 -f "$W/public.pem" >"$W/etc/$(file_of "$key").pub"
    done
    chmod 644 "$W"/etc/*.pub
}

# sign/ec/shop -> ec; web/shop -> web
file_of()
{
    local key=${1#sign/}
    echo "${key%/shop}"
}

# The documented ~/.ssh/config, and what only a test needs.
client_config()
{
    {
        documented openssh-config
        echo "Host *"
        echo "    GlobalKnownHostsFile $W/etc/known_hosts"
        echo "    UserKnownHostsFile /dev/null"
        echo "    StrictHostKeyChecking yes"
        echo "    BatchMode yes"
    } >"$W/etc/ssh_config"
    documented openssh-agent-config >"$W/etc/ssh_agent_config"
    sed -n '/^Host \*/,$p' "$W/etc/ssh_config" >>"$W/etc/ssh_agent_config"
}

# serve_ssh [LINE...]: an sshd that lets in whom $W/etc/authorized_keys says. The lines of its configuration name its host
# key; its public half is in $HOST_KEY.pub.
serve_ssh()
{
    local try
    [ $# != 0 ] || set -- "HostKey $W/etc/host_key"
    : >"$W/etc/authorized_keys"
    for try in 1 2 3; do
        PORT=$(free_port)
        printf '%s\n' "$@" >"$W/etc/sshd_config"
        cat >>"$W/etc/sshd_config" <<END
Port $PORT
ListenAddress 127.0.0.1
PidFile none
AuthorizedKeysFile $W/etc/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
END
        background "$W/account" "$ALICE" /usr/sbin/sshd -D -e -f "$W/etc/sshd_config"
        SSHD=$!
        wait_for listens_or_is_gone
        if said "Server listening on 127.0.0.1 port $PORT."; then
            echo "[127.0.0.1]:$PORT $(cut -d ' ' -f 1,2 "${HOST_KEY-$W/etc/host_key}.pub")" >"$W/etc/known_hosts"
            return 0
        fi
    done
    return 1
}

listens_or_is_gone()
{
    said "Server listening on 127.0.0.1 port $PORT." || is_gone "$SSHD"
}

# Whoever has the key of this file may log in.
authorize()
{
    cat "$W/etc/$1.pub" >"$W/etc/authorized_keys"
}

# ssh_with FILE [OPTION...]: logs in with the module and the key that FILE.pub names, and says who it is there.
ssh_with()
{
    local file=$1
    shift
    documented_ssh ssh_config -i "$W/etc/$file.pub" "$@"
}

# By the agent of the test.
ssh_by_agent()
{
    local file=$1
    shift
    SSH_AUTH_SOCK=$W/agent/socket documented_ssh ssh_agent_config -i "$W/etc/$file.pub" "$@"
}

documented_ssh()
{
    local config=$1
    shift
    with_module "$W/account" "${LOGIN-$ALICE}" ssh -F "$W/etc/$config" -o HostName=127.0.0.1 -p "$PORT" \
        -l "$("$W/account" "$ALICE" id -un)" "$@" shop id -u
}

# Starts the agent and gives it the module as the page says.
start_agent()
{
    local command
    rm -f "$W/agent/socket"
    pkcs11_helper
    # Set-group-ID, it loses what would have the sanitizer's runtime loaded: only its helper needs that.
    background "$W/account" "$ALICE" ssh-agent -D -a "$W/agent/socket" -P "$(module_path)"
    AGENT=$!
    wait_for test -S "$W/agent/socket"
    command=$(documented openssh-agent)
    agent_add ${command#ssh-add } 2>&1
}

# ssh-add asks for a PIN; there is none.
agent_add()
{
    SSH_AUTH_SOCK=$W/agent/socket SSH_ASKPASS=/bin/true SSH_ASKPASS_REQUIRE=force "$W/account" "$ALICE" ssh-add "$@"
}

pkcs11_helper()
{
    [ -n "${KEYSVC_SANITIZED-}" ] || return 0
    printf '#!/bin/sh\nexec env LD_PRELOAD=%s /usr/lib/openssh/ssh-pkcs11-helper "$@"\n' \
        "$(gcc -print-file-name=libasan.so)" >"$W/helper"
    chmod 755 "$W/helper"
    export SSH_PKCS11_HELPER=$W/helper
}

same_agent()
{
    not is_gone "$AGENT"
}

# ---------------------------------------------------------------- ssh

@test "ssh logs in with a key of the service, by each type that OpenSSH takes from a module" {
    for file in ec rsa p384; do
        authorize "$file"
        run -0 ssh_with "$file"
        [[ $output = *"$ALICE" ]]
    done
    # By the option, where no configuration names a module.
    fails 255 "Permission denied (publickey)" documented_ssh ssh_agent_config -i "$W/etc/p384.pub"
    run -0 documented_ssh ssh_agent_config -i "$W/etc/p384.pub" -I "$(module_path)"
    # The documented file is that of sign/ec/shop.
    authorize ec
    run -0 documented_ssh ssh_config
}

@test "sshd lets in only whose key it knows" {
    authorize stranger
    fails 255 "Permission denied (publickey)" ssh_with ec
    authorize rsa
    fails 255 "Permission denied (publickey)" ssh_with ec
}

@test "ssh-keygen -D lists the keys, their names and versions behind them, but for Ed25519" {
    command=$(documented openssh-list)
    run -0 --separate-stderr with_module "$W/account" "$ALICE" $command
    for key in ec rsa p384; do
        grep -qF "$(cut -d ' ' -f 1,2 "$W/etc/$key.pub") sign/$key/shop@1" <<<"$output"
    done
    not grep -q ed25519 <<<"$output"
    [[ $stderr = *"unsupported key type"* ]]
}

@test "a key that the module does not have, and a module that is not there" {
    authorize stranger
    fails 255 "Permission denied (publickey)" ssh_with stranger
    fails 255 "$W/etc/nothing.so" ssh_with ec -o PKCS11Provider="$W/etc/nothing.so"
}

@test "a vanished key is not offered any more, and a changed one is another key" {
    keysvc key generate sign/ec/gone >/dev/null
    keysvc key public sign/ec/gone >"$W/public.pem"
    ssh-keygen -i -m PKCS8 -f "$W/public.pem" >"$W/etc/gone.pub"
    authorize gone
    run -0 ssh_with gone
    keysvc key destroy sign/ec/gone@1 --yes >/dev/null
    fails 255 "Permission denied (publickey)" ssh_with gone
    keysvc key generate sign/ec/gone >/dev/null
    fails 255 "Permission denied (publickey)" ssh_with gone
    keysvc key destroy sign/ec/gone@1 --yes >/dev/null
}

@test "a TLS key signs no digest, and so no login" {
    authorize web
    run ssh_with web
    [ "$status" = 255 ]
    [[ $output = *"keysvc-pkcs11: "*web/shop@1*"purpose tls-server"* ]]
    [[ $output = *"Permission denied (publickey)"* ]]
}

@test "keysvcd is stopped: ssh says so, and logs in when it is back" {
    authorize ec
    stop
    run ssh_with ec
    start
    [ "$status" = 255 ]
    [[ $output = *"keysvc-pkcs11: "*"is keysvcd running?"* ]]
    run -0 ssh_with ec
}

@test "a user without a rule has no key" {
    need_root
    authorize ec
    LOGIN=$BOB fails 255 "Permission denied (publickey)" ssh_with ec
    [[ $output = *"keysvc-pkcs11: no key for uid $BOB: "*"keysvc policy explain"* ]]
    # OpenSSH's own words say nothing of a rule; the page explains them.
    fails 255 "login failed" with_module "$W/account" "$BOB" $(documented openssh-list)
    [[ $output = *"keysvc-pkcs11: no key for uid $BOB: "* ]]
    LOGIN=$ALICE run -0 ssh_with ec
    [[ $output != *"no key for uid"* ]]
}

# ---------------------------------------------------------------- ssh-agent

@test "ssh-agent logs in with the keys it was given, and without them not" {
    start_agent
    run -0 agent_add -L
    [[ $output = *"sign/ec/shop@1"* ]]
    for file in ec rsa p384; do
        authorize "$file"
        run -0 ssh_by_agent "$file"
        [[ $output = *"$ALICE" ]]
    done
    agent_add -e "$(module_path)"
    fails 255 "Permission denied (publickey)" ssh_by_agent ec
}

@test "ssh-agent takes no module from outside its list" {
    cp "$(module_path)" "$W/etc/elsewhere.so"
    start_agent
    fails 1 "agent refused operation" agent_add -s "$W/etc/elsewhere.so"
}

@test "the same ssh-agent goes on after keysvcd is stopped, is restarted, and its token process is killed" {
    authorize ec
    start_agent
    run -0 ssh_by_agent ec
    stop
    run ssh_by_agent ec
    start
    [ "$status" = 255 ]
    [[ $output = *"agent refused operation"* ]]
    said "is keysvcd running?"
    run -0 ssh_by_agent ec
    kill_tokens
    run -0 ssh_by_agent ec
    same_agent
}

@test "an ssh-agent with a key that has vanished, and then is another one" {
    keysvc key generate sign/ec/agent >/dev/null
    keysvc key public sign/ec/agent >"$W/public.pem"
    ssh-keygen -i -m PKCS8 -f "$W/public.pem" >"$W/etc/agent.pub"
    authorize agent
    start_agent
    run -0 ssh_by_agent agent
    keysvc key destroy sign/ec/agent@1 --yes >/dev/null
    fails 255 "agent refused operation" ssh_by_agent agent
    said "keysvc-pkcs11: sign/ec/agent@1: no key sign/ec/agent"
    keysvc key generate sign/ec/agent >/dev/null
    fails 255 "agent refused operation" ssh_by_agent agent
    said "is another key than the one that is meant"
    keysvc key destroy sign/ec/agent@1 --yes >/dev/null
    # Only that key's login failed.
    authorize ec
    run -0 ssh_by_agent ec
    same_agent
}

@test "an ssh-agent whose user loses the rule is refused, and served again with it" {
    need_root
    authorize ec
    start_agent
    no_users
    run ssh_by_agent ec
    allowed_users
    [ "$status" = 255 ]
    [[ $output = *"agent refused operation"* ]]
    said "keysvc-pkcs11: "
    said "may not sign sign/ec/shop"
    run -0 ssh_by_agent ec
    same_agent
}

@test "the documented rule is enough; without get in it there is no key to choose" {
    authorize ec
    documented_rules | rules
    keysvc reload
    run -0 ssh_with ec
    documented_rules | sed 's/{get, sign}/{sign}/' | rules
    keysvc reload
    run ssh_with ec
    allowed_users
    [ "$status" = 255 ]
    [[ $output = *"keysvc-pkcs11: no key for uid $ALICE: "* ]]
}

documented_rules()
{
    documented openssh-rules | sed "s/{alice}/{\"$ALICE\"}/"
    echo "allow admins { user = {\"$ME\"} keys = {\"none\"} operations = {administer} }"
}

# ---------------------------------------------------------------- sshd

@test "sshd shows a host key that its agent has from the module" {
    start_agent
    mapfile -t lines < <(documented openssh-sshd | sed "s|/run/keysvc/agent|$W/agent/socket|")
    cp "$W/etc/rsa.pub" "$W/etc/host.pub"
    HOST_KEY=$W/etc/host serve_ssh "${lines[@]}"
    authorize ec
    run -0 ssh_with ec
    # Without the agent it has none.
    kill "$AGENT"
    wait_for is_gone "$AGENT"
    not ssh_with ec
}
