#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_units.bats - keysvc-agent as systemd runs it: by its unit, with the sections of keysvcd.conf that the README has
#
# The systemd is one of the test's own (own-systemd). tests/lint has what systemd-analyze says of the unit.
# shellcheck disable=SC2016

UNIT=keysvc-agent.service
STATE=/var/lib/keysvc-agent

setup_file()
{
    load harness
    load units
    units_start <<END
keys "agents/**" {
    token = main
    purpose = tls-server
    names = {"$(hostname)", "10.0.0.0/8"}
    import-types = {ec-p256, rsa-2048, rsa-3072, ed25519}
}
allow each-agent {
    user = {keysvc-agent}
    keys = {"agents/{user}/**"}
    operations = {get, sign, csr, self-sign, generate, rotate, import, destroy, certificate}
}
END
}

# Each begins with an agent that runs and has its first certificate.
setup()
{
    load harness
    load units
    units_need
    inside systemctl start "$UNIT"
}

# The next one's agent is a new one.
teardown()
{
    units_journal keysvcd.service "$UNIT"
    [ ! -e "${O-}/runs" ] || installed sh -c 'systemctl stop keysvc-agent.service; systemctl reset-failed
        rm -rf /var/lib/keysvc-agent/* "${1%keysvc}keysvc-agent"/*
        for key in $(keysvc key list "agents/**" --json | jq -r ".keys[] | \"\(.name)@\(.version)\""); do
            keysvc key destroy "$key" --yes; done' sh "$(folder)"
}

teardown_file()
{
    load harness
    load units
    units_stop
}

# Where keysvcd.conf is looked for; agent.conf's folder stands beside it.
folder()
{
    prefixes | sed -n 's/^config=//p'
}

# The port that it says it listens at.
port()
{
    property StatusText "$UNIT" | sed -n 's/^listening at 127.0.0.1, port //p'
}

agent_json()
{
    installed keysvc-agent certificate-status --json | json "$1"
}

# shown [CA-FILE]: the code of an answer of the listener's, whose certificate is that of the file there; else curl fails.
shown()
{
    inside curl --silent --show-error --output /dev/null --write-out '%{http_code}' --cacert "${1-/tmp/agent.crt}" \
        --connect-to ::127.0.0.1: "https://$(hostname):$(port)/api/v1/identity/agent/status"
}

# The journal is written by a process of its own, a moment after a unit has ended.
journal_says()
{
    inside journalctl --no-pager --unit "$UNIT" | grep "$1"
}

keep_certificate()
{
    inside cp -L "$STATE/identities/agent/current/certificate.pem" "$1"
}

@test "it starts keysvcd, makes its first certificate as its own user, serves it, and stops" {
    inside systemctl stop "$UNIT" keysvcd.service keysvcd.socket
    inside sh -c "rm -rf $STATE/*"
    inside systemctl start "$UNIT"
    [ "$(property ActiveState)" = active ]
    [ "$(property StatusText "$UNIT")" = "listening at 127.0.0.1, port 9999" ]
    [ "$(agent_json "d['set'], d['state'], d['key'], d['history'][0]['who']")" = \
        "(1, 'valid', 'agents/keysvc-agent/agent@1', 'keysvc-agent')" ]
    inside find "$STATE" ! -user keysvc-agent >"$O/others"
    not grep . "$O/others"
    [ "$(inside stat --format '%U:%G %a' "$STATE")" = "keysvc-agent:keysvc-agent 750" ]
    keep_certificate /tmp/agent.crt
    [ "$(shown)" = 401 ]
    installed keysvc-agent doctor >"$O/doctor"
    not grep -v "^ok" "$O/doctor"
    inside systemctl stop "$UNIT"
    [ "$(property Result "$UNIT")" = success ]
    [ "$(property ExecMainStatus "$UNIT")" = 0 ]
    not inside curl --silent --insecure https://127.0.0.1:9999/
}

@test "it has no capability, no device, and writes into its own folders only" {
    local main
    main=$(property MainPID "$UNIT")
    inside grep -h -e ^Cap -e ^NoNewPrivs -e ^Seccomp: -e ^Uid "/proc/$main/status" >"$O/status"
    [ "$(grep -c '^Cap.*:.*0000000000000000' "$O/status")" = 5 ]
    grep 'NoNewPrivs:.*1' "$O/status"
    grep 'Seccomp:.*2' "$O/status"
    user=$(inside id -u keysvc-agent)
    [ "$(awk '/^Uid/ {print $2, $3, $4, $5}' "$O/status")" = "$user $user $user $user" ]
    inside touch /dev/marker
    inside test ! -e "/proc/$main/root/dev/marker"
    # With the rights of root what can be written is the file system's to say.
    inside sh -c 'for place in /etc /usr /var /var/lib /var/log /home /root '"$STATE $(folder)"'-agent; do
        if nsenter --target '"$main"' --mount touch $place/x 2>/dev/null; then echo $place; fi; done' >"$O/written"
    [ "$(tr '\n' ' ' <"$O/written")" = "$STATE $(folder)-agent " ]
    # Of other processes it sees none.
    [ "$(inside nsenter --target "$main" --mount setpriv --reuid keysvc-agent --regid keysvc-agent --clear-groups \
        sh -c 'ls -d /proc/1 2>/dev/null | wc -l')" = 0 ]
}

@test "a new certificate and a new key are served without a restart" {
    local main
    main=$(property MainPID "$UNIT")
    keep_certificate /tmp/agent.crt
    installed keysvc-agent certificate-apply-self-signed --rekey
    [ "$(agent_json "d['set'], d['key'], d['key_state']")" = "(2, 'agents/keysvc-agent/agent@2', 'present')" ]
    fails 60 "" shown
    keep_certificate /tmp/agent.crt
    wait_for shown
    [ "$(shown)" = 401 ]
    # The command was root's, and nothing of it stays root's.
    inside find "$STATE" ! -user keysvc-agent >"$O/others"
    not grep . "$O/others"
    # After a restart it is the same.
    inside systemctl restart "$UNIT"
    [ "$(shown)" = 401 ]
    [ "$(property MainPID "$UNIT")" != "$main" ]
    [ "$(agent_json "d['set']")" = 2 ]
}

@test "there is no reload: agent.conf is read at a start" {
    inside sh -c "echo 'listener { port = 9998 }' >'$(folder)-agent/agent.conf'"
    fails 3 "not applicable" inside systemctl reload "$UNIT"
    inside systemctl kill --signal HUP "$UNIT"
    [ "$(port)" = 9999 ]
    inside systemctl restart "$UNIT"
    [ "$(port)" = 9998 ]
    keep_certificate /tmp/agent.crt
    [ "$(shown)" = 401 ]
    # One that is wrong is named in the journal.
    inside sh -c "echo 'listener { prt = 9998 }' >'$(folder)-agent/agent.conf'"
    fails 1 "failed" inside systemctl restart "$UNIT"
    wait_for journal_says "agent.conf:1: .*prt"
}

@test "the password of certificate-file is taken out of agent.conf, and the key goes to the token once" {
    {
        echo "cd '$(folder)-agent'"
        cat <<'END'
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$(hostname)" -days 10 \
    -addext "subjectAltName=DNS:$(hostname)" -addext extendedKeyUsage=serverAuth -keyout /root/key -out /tmp/agent.crt 2>/dev/null
openssl pkcs12 -export -inkey /root/key -in /tmp/agent.crt -passout pass:of-the-test -out first.p12
cat >agent.conf <<CONF
listener {
    certificate-file = "$PWD/first.p12"
    certificate-password = "of-the-test"
}
CONF
chmod 640 agent.conf
chown -R keysvc-agent:keysvc-agent .
systemctl restart keysvc-agent.service
END
    } | inside sh -eu
    [ "$(shown)" = 401 ]
    not inside grep of-the-test "$(folder)-agent/agent.conf"
    [ "$(inside stat --format '%U:%G %a' "$(folder)-agent/agent.conf")" = "keysvc-agent:keysvc-agent 640" ]
    inside systemctl restart "$UNIT"
    [ "$(shown)" = 401 ]
    [ "$(agent_json "d['key']")" = agents/keysvc-agent/upload/first@1 ]
}

@test "without a rule it says which, and systemd starts it again until there is one" {
    inside systemctl stop "$UNIT"
    inside sh -c "rm -rf $STATE/*"
    inside sed -i.kept 's/user = {keysvc-agent}/user = {daemon}/' /etc/keysvc/keysvcd.conf
    inside systemctl reload keysvcd.service
    wait_for fails 3 "keysvc-agent" installed setpriv --reuid keysvc-agent --regid keysvc-agent --clear-groups \
        keysvc key show agents/keysvc-agent/agent
    fails 1 "failed" inside systemctl start "$UNIT"
    wait_for journal_says "hint.*allow keysvc-agent-get"
    inside mv /etc/keysvc/keysvcd.conf.kept /etc/keysvc/keysvcd.conf
    inside systemctl reload keysvcd.service
    wait_for agent_serves
    [ "$(property NRestarts "$UNIT")" -ge 1 ]
}

agent_serves()
{
    [ "$(property ActiveState "$UNIT") $(port)" = "active 9999" ]
}

@test "while the token is away it waits, and says so" {
    inside systemctl stop "$UNIT" keysvcd.service keysvcd.socket
    inside sh -c "rm -rf $STATE/*"
    inside mv /var/lib/softhsm/tokens /var/lib/softhsm/away
    inside systemctl start --no-block "$UNIT"
    wait_for agent_waits
    [ "$(property ActiveState "$UNIT")" = activating ]
    inside mv /var/lib/softhsm/away /var/lib/softhsm/tokens
    wait_for agent_serves
    [ "$(property NRestarts "$UNIT")" = 0 ]
}

agent_waits()
{
    [[ $(property StatusText "$UNIT") == "waiting for keysvcd: "* ]]
}

@test "after a kill systemd starts it again, with the same certificate" {
    keep_certificate /tmp/agent.crt
    inside systemctl kill --kill-whom main --signal KILL "$UNIT"
    wait_for restarted
    [ "$(shown)" = 401 ]
    [ "$(agent_json "d['set']")" = 1 ]
}

restarted()
{
    [ "$(property NRestarts "$UNIT")" -ge 1 ] && agent_serves
}
