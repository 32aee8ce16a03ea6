#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# agent_openapi.bats - docs/openapi.yaml says what the agent does, all of it

load agent

teardown()
{
    show_log_if_failed
    end_agent
    end_world
    rm -rf "${FILES-}"
}

@test "each path, method and status of docs/openapi.yaml comes, and no other" {
    world
    agent_world
    start
    agent_start
    FILES=$(mktemp -d)
    for name in one two; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$FILES/key" -out "$FILES/crt" \
            -subj "/CN=$name.example" -days 9 2>/dev/null
        openssl pkcs12 -export -inkey "$FILES/key" -in "$FILES/crt" -passout pass:secret -out "$FILES/$name.p12"
    done
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$FILES/ca.key" -out "$FILES/ca.crt" -subj /CN=ca \
        -days 9 2>/dev/null
    cat >"$FILES/sign" <<END
#!/bin/sh
exec openssl x509 -req -in "$FILES/agent.req" -CA "$FILES/ca.crt" -CAkey "$FILES/ca.key" -CAcreateserial -days 9 \
    -copy_extensions copyall -out "$FILES/agent.crt"
END
    # A shell of another process cannot wait for it: it is a zombie until this one does.
    cat >"$FILES/stop" <<END
#!/bin/sh
kill -TERM $(pid)
while grep -qs 'State:.[^Z]' /proc/$(pid)/status; do sleep 0.1; done
END
    chmod +x "$FILES/sign" "$FILES/stop"
    /usr/bin/python3 -B "$SOURCE/tests/system/agent_openapi.py" "$SOURCE/docs/openapi.yaml" "$SOURCE/client/agent/serve/rest.c" "$PORT" \
        "$(agent token create --name manager --scope "certificate management")" \
        "$(agent token create --name reader --scope "certificate reading")" "$FILES" "$FILES/sign" "$FILES/stop"
}
