# SPDX-License-Identifier: Apache-2.0
#
# opencryptoki.bash - opencryptoki's software token, with its daemon pkcsslotd
#
# The functions are those that softhsm2.bash explains. Every path of opencryptoki is fixed (/etc/opencryptoki, /run,
# /var/lib/opencryptoki, /dev/shm): it is root's own affair, inside of own-mounts, one token at a time.

TOKEN_MODULE=/usr/lib/x86_64-linux-gnu/pkcs11/libopencryptoki.so
PIN=Pin-2718 # 4 to 8 characters
SO_PIN=31415926
SEES_OTHERS=yes
FACTORY_SO_PIN=87654321

token_missing()
{
    if [ "$ME" != 0 ]; then
        echo "needs root: opencryptoki's paths are fixed"
    elif [ -z "${KEYSVC_OWN_MOUNTS-}" ]; then
        echo "needs mounts of its own: start it by tests/tokens/own-mounts"
    fi
}

token_make()
{
    mount -t tmpfs -o mode=755 tmpfs /run
    mount -t tmpfs -o mode=755 tmpfs /var/lib/opencryptoki
    mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    mkdir -m 1777 /run/lock
    # Debian's own file lists tokens that are not there.
    printf '%s\n' 'version opencryptoki-3.8' 'slot 0' '{' 'stdll = libpkcs11_sw.so' '}' >"$W/opencryptoki.conf"
    chmod 644 "$W/opencryptoki.conf"
    mount --bind "$W/opencryptoki.conf" /etc/opencryptoki/opencryptoki.conf
    systemd-tmpfiles --create /usr/lib/tmpfiles.d/opencryptoki.conf
    start_slot_daemon
    [ -z "${TOKEN_BLANK-}" ] || return 0
    {
        as "$TOKEN" pkcs11-tool --module "$TOKEN_MODULE" --init-token --slot 0 --label keysvc --so-pin "$FACTORY_SO_PIN"
        # The module refuses everything to an SO whose PIN is the default one.
        as "$TOKEN" pkcs11-tool --module "$TOKEN_MODULE" --token-label keysvc --login --login-type so \
            --so-pin "$FACTORY_SO_PIN" --change-pin --new-pin "$SO_PIN"
        as "$TOKEN" pkcs11-tool --module "$TOKEN_MODULE" --token-label keysvc --init-pin --so-pin "$SO_PIN" --pin "$PIN"
    } >"$W/opencryptoki.log" 2>&1 || { cat "$W/opencryptoki.log" >&2; return 1; }
}

start_slot_daemon()
{
    pkcsslotd >/dev/null 2>&1 3>&-
    wait_for test -S /run/pkcsslotd.socket
}

token_variables()
{
    VARIABLES=()
}

# Its profile says them all.
token_store()
{
    :
}

token_files()
{
    :
}

# Processes that know their token sign on without the daemon; none can start.
token_break()
{
    local pid
    pid=$(cat /run/pkcsslotd.pid)
    kill -KILL "$pid"
    wait_for is_gone "$pid"
    kill -KILL $(token_pids)
}

token_mend()
{
    rm -f /run/pkcsslotd.pid /run/pkcsslotd.socket
    start_slot_daemon
}

token_stop()
{
    local pid
    [ -s /run/pkcsslotd.pid ] || return 0
    pid=$(cat /run/pkcsslotd.pid)
    kill -TERM "$pid" 2>/dev/null || true
    wait_for is_gone "$pid" || kill -KILL "$pid"
    umount /etc/opencryptoki/opencryptoki.conf /dev/shm /var/lib/opencryptoki /run
}
