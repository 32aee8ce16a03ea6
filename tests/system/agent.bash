# SPDX-License-Identifier: Apache-2.0
#
# agent.bash - a keysvc-agent in the world of harness.bash; loaded at the head of a suite, for what comes before and after
# each test
#
#     world
#     agent_world                  a class and a rule for its keys, STATE, agent.conf with port 0
#     start
#     agent certificate-status     a command, as the agent's user
#     agent_start                  the agent itself: $PORT
#     agent_stop
#
# As root the agent is a numeric user without an account, so its keys are agents/$AGENT/NAME; otherwise everybody is who
# runs the tests. KEY_TYPE is the keys' type.

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    end_agent
    end_world
}

if [ "$(id -u)" = 0 ]; then
    AGENT=64821
else
    AGENT=$(id -u)
fi

# The names that the class of the agent's keys allows: this host's, and some of a CA's.
agent_names()
{
    printf '"%s", "%s", ".agents.example", "10.0.0.0/8"' "$(hostname)" "$(hostname -f 2>/dev/null || hostname)"
}

agent_rules()
{
    cat <<END
keys "agents/**" {
    token = main
    type = ${KEY_TYPE-ec-p256}
    import-types = {ec-p256, ec-p384, rsa-2048, rsa-3072, ed25519}
    purpose = tls-server
    names = {${AGENT_NAMES-$(agent_names)}}
}
allow each-agent {
    user = {"$AGENT"}
    keys = {"$AGENT_KEYS/**"}
    operations = {get, sign, csr, self-sign, generate, rotate, import, destroy, certificate}
}
END
}

# Adds the agent's section and rule to keysvcd.conf, its folder and agent.conf.
agent_world()
{
    # What {user} stands for in agent.conf; a rule's {user} is never a number, so it is written out in keysvcd.conf.
    AGENT_KEYS=agents/$(id -nu "$AGENT" 2>/dev/null || echo "$AGENT")
    STATE=$W/agent
    mkdir -m 750 "$STATE"
    [ "$ME" != 0 ] || chown "$AGENT:$AGENT" "$STATE"
    agent_rules >>"$W/keysvcd.conf"
    agent_config
    export PATH=$PROGRAMS/client/agent:$PATH
}

# agent.conf. Standard input, if it is not a terminal's and not empty, is put behind the listener's port.
agent_config()
{
    cat >"$W/agent.conf" <<END
agent {
    state-dir = "$STATE"
    socket = "$KEYSVC_SOCKET"
    key-type = ${KEY_TYPE-ec-p256}
}
listener {
    port = 0
    ${AGENT_LISTENER-}
}
END
}

# A command of the agent, as its user.
agent()
{
    as "$AGENT" keysvc-agent --config "$W/agent.conf" "$@"
}

# agent_json EXPRESSION [OPTION...]: of certificate-status.
agent_json()
{
    local expression=$1
    shift
    agent certificate-status --json "$@" | json "$expression"
}

# Starts the agent and waits until it listens; $PORT.
agent_start()
{
    IN_PLACE=exec as "$AGENT" keysvc-agent --config "$W/agent.conf" run >>"$W/agent.log" 2>&1 3>&- &
    AGENT_PID=$!
    agent_wait
}

# Until it listens.
agent_wait()
{
    wait_for agent_listens
    PORT=$(sed -n 's/.*event=listening.* port=\([0-9]*\).*/\1/p' "$W/agent.log" | tail -n 1)
}

agent_listens()
{
    [ "$(grep -c 'event=listening' "$W/agent.log")" -gt "${AGENT_STARTS-0}" ] || { is_gone "$AGENT_PID" && return 1; false; }
}

# A clean stop.
agent_stop()
{
    local code=0
    kill -TERM "$AGENT_PID"
    PATIENCE=20 wait_for is_gone "$AGENT_PID" || { kill -KILL "$AGENT_PID"; return 1; }
    wait "$AGENT_PID" || code=$?
    AGENT_PID=
    AGENT_STARTS=$(grep -c 'event=listening' "$W/agent.log" || true)
    [ "$code" = 0 ] || { echo "keysvc-agent ended with $code" >&2; return 1; }
}

# client VERB PORT ...: agent_client.py
client()
{
    /usr/bin/python3 -B "$SOURCE/tests/system/agent_client.py" "$@"
}

# For teardown, before end_world.
end_agent()
{
    if [ -z "${BATS_TEST_COMPLETED-}" ] && [ -s "${W-}/agent.log" ]; then
        echo "--- the log of keysvc-agent:"
        tail -n 60 "$W/agent.log"
    fi
    if [ -n "${AGENT_PID-}" ] && ! is_gone "$AGENT_PID"; then
        agent_stop || true
    fi
}

# The set that the files show, its certificate's and its reference's public key the same.
files_show()
{
    local folder=$STATE/identities/${1-agent}
    SET=$(readlink "$folder/current") || return 1
    [ "$(openssl x509 -in "$folder/current/certificate.pem" -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum)" = \
        "$(reference_key "$folder/current/reference.pem" | sha256sum)" ]
}

# The SubjectPublicKeyInfo inside of a reference.
reference_key()
{
    sed '/^-----/d' "$1" | base64 -d | /usr/bin/python3 -c '
import sys
d = sys.stdin.buffer.read()
def element(at):
    n = d[at + 1]; at += 2
    if n & 0x80:
        k = n & 0x7f; n = int.from_bytes(d[at:at + k], "big"); at += k
    return at, n
at, n = element(0)
for _ in range(2):
    at, n = element(at); at += n
at, n = element(at)
sys.stdout.buffer.write(d[at:at + n])'
}
