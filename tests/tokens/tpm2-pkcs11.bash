# SPDX-License-Identifier: Apache-2.0
#
# tpm2-pkcs11.bash - a TPM: swtpm, tpm2-abrmd as its resource manager, a D-Bus between it and tpm2-pkcs11
#
# The functions are those that softhsm2.bash explains. Without a resource manager the third key fails: a TPM has places
# for three, and the module does not clear them. The bus is our own, since a session bus lets in one user only; it lets
# in nobody without an account either: own-mounts gives the test's users one.

TOKEN_MODULE=/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so
PIN=Pin-2718-28182
SO_PIN=31415926
SEES_OTHERS=no # the module reads its store when it is initialised
FACTORY_SO_PIN=

token_missing()
{
    getent passwd "$TOKEN" >/dev/null || echo "needs users with accounts: start it by tests/tokens/own-mounts"
}

token_make()
{
    # The path of a Unix socket has 107 characters at most.
    mkdir -m 755 "$W/tpm" "$W/tpm/state"
    mkdir -m 700 "$W/tpm/store"
    [ "$ME" != 0 ] || chown "$TOKEN:$TOKEN" "$W/tpm/store"
    swtpm_setup --tpm2 --tpmstate "$W/tpm/state" --createek --overwrite >"$W/tpm/setup.log" 2>&1 ||
        { cat "$W/tpm/setup.log" >&2; return 1; }
    write_bus_config
    dbus-daemon --nofork --config-file="$W/tpm/bus.conf" >"$W/tpm/bus.log" 2>&1 3>&- &
    echo $! >"$W/tpm/bus.pid"
    wait_for test -S "$W/tpm/bus.sock"
    start_tpm
    [ -z "${TOKEN_BLANK-}" ] || return 0
    as "$TOKEN" pkcs11-tool --module "$TOKEN_MODULE" --init-token --label keysvc --so-pin "$SO_PIN" \
        >>"$W/tpm/setup.log" 2>&1
    as "$TOKEN" pkcs11-tool --module "$TOKEN_MODULE" --init-pin --token-label keysvc --so-pin "$SO_PIN" --pin "$PIN" \
        >>"$W/tpm/setup.log" 2>&1
}

write_bus_config()
{
    cat >"$W/tpm/bus.conf" <<END
<busconfig>
  <type>session</type>
  <listen>unix:path=$W/tpm/bus.sock</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
END
}

start_tpm()
{
    rm -f "$W/tpm/tpm.sock" "$W/tpm/ctrl.sock"
    swtpm socket --tpm2 --tpmstate "dir=$W/tpm/state" --server "type=unixio,path=$W/tpm/tpm.sock" \
        --ctrl "type=unixio,path=$W/tpm/ctrl.sock" --flags not-need-init,startup-clear \
        >>"$W/tpm/swtpm.log" 2>&1 3>&- &
    echo $! >"$W/tpm/swtpm.pid"
    wait_for test -S "$W/tpm/tpm.sock"
    start_resource_manager
}

start_resource_manager()
{
    local root=()
    [ "$ME" != 0 ] || root=(--allow-root)
    DBUS_SESSION_BUS_ADDRESS=unix:path=$W/tpm/bus.sock tpm2-abrmd --session "${root[@]}" --flush-all \
        "--tcti=cmd:socat - UNIX-CONNECT:$W/tpm/tpm.sock" >>"$W/tpm/abrmd.log" 2>&1 3>&- &
    echo $! >"$W/tpm/abrmd.pid"
    wait_for tpm_answers
}

tpm_answers()
{
    tpm tpm2_getcap properties-fixed
}

# tpm TOOL ARGUMENT...: tpm2-tools through the same resource manager.
tpm()
{
    DBUS_SESSION_BUS_ADDRESS=unix:path=$W/tpm/bus.sock TPM2TOOLS_TCTI=tabrmd:bus_type=session "$@"
}

token_variables()
{
    VARIABLES=(
        "TPM2_PKCS11_STORE=$W/tpm/store"
        "TPM2_PKCS11_TCTI=tabrmd:bus_type=session"
        "DBUS_SESSION_BUS_ADDRESS=unix:path=$W/tpm/bus.sock"
    )
}

token_store()
{
    :
}

token_files()
{
    printf '"%s"' "$W/tpm/store"
}

token_break()
{
    end_daemon abrmd
    end_daemon swtpm
}

token_mend()
{
    start_tpm
}

end_daemon()
{
    local pid
    [ -s "$W/tpm/$1.pid" ] || return 0
    pid=$(cat "$W/tpm/$1.pid")
    kill -KILL "$pid" 2>/dev/null || true
    wait_for is_gone "$pid"
    rm -f "$W/tpm/$1.pid"
}

token_stop()
{
    end_daemon abrmd
    end_daemon swtpm
    end_daemon bus
}
