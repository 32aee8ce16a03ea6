# SPDX-License-Identifier: Apache-2.0
#
# units.bash - a systemd of the suite's own (own-systemd) with keysvcd installed, set up and running
#
#     setup_file:     units_start <<END         lines for keysvcd.conf
#     setup:          units_need
#     inside COMMAND, installed COMMAND, property NAME [UNIT]
#     teardown_file:  units_stop

units_start()
{
    local lines
    lines=$(cat)
    [ "$ME" = 0 ] || return 0
    export O
    O=$(mktemp -d "${TMPDIR:-/tmp}/keysvc-systemd-XXXXXX")
    if ! "$BATS_TEST_DIRNAME/own-systemd" start "$O" "$KEYSVC_BUILD" "$SOURCE"; then
        echo "# no systemd of our own here: $(tail -n 1 "$O/console")" >&3
        return 0
    fi
    touch "$O/runs"
    {
        prefixes
        cat <<'END'
systemd-sysusers "$prefix"/lib/sysusers.d/keysvc*.conf 2>/dev/null
systemd-tmpfiles --create "$prefix"/lib/tmpfiles.d/keysvc*.conf
cp "$prefix"/lib/systemd/system/keysvc* /etc/systemd/system
rm -rf "$config"; mkdir -p "${config%/*}"; ln -s /etc/keysvc "$config"
(umask 077; echo 12345678 >/etc/keysvc/main.pin; echo 87654321 >/root/so-pin)
echo 'directories.tokendir = /var/lib/softhsm/tokens' >/etc/keysvc/softhsm2.conf
cat >/etc/keysvc/keysvcd.conf <<CONF
daemon { socket = /run/keysvc/keysvc.sock  audit-dir = /var/log/keysvc  state-dir = /var/lib/keysvc }
token main {
    profile = softhsm2  label = keysvc  pin-file = /etc/keysvc/main.pin
    store = /var/lib/softhsm/tokens  environment = {"SOFTHSM2_CONF=/etc/keysvc/softhsm2.conf"}
}
allow admins { user = {root}  keys = {"**"}  operations = {all, administer} }
CONF
END
        printf 'cat >>/etc/keysvc/keysvcd.conf <<"CONF"\n%s\nCONF\n' "$lines"
        cat <<'END'
chmod 644 /etc/keysvc/*.conf
systemctl daemon-reload
keysvc token init main --so-pin-file /root/so-pin
systemctl start keysvcd.service || { journalctl --no-pager --unit keysvcd.service; exit 1; }
END
    } | inside sh -eu
}

units_need()
{
    need_root
    # A sanitizer's own memory and calls are not what the unit allows.
    need_filter
    [ -e "$O/runs" ] || skip "no systemd of our own: see above"
}

# units_journal UNIT...: of a test that failed.
units_journal()
{
    local unit
    [ -z "${BATS_TEST_COMPLETED-}" ] && [ -e "${O-}/runs" ] || return 0
    for unit in "$@"; do
        echo "--- the journal of $unit:"
        inside journalctl --no-pager --unit "$unit" --lines 40
    done
}

units_stop()
{
    [ -n "${O-}" ] || return 0
    "$BATS_TEST_DIRNAME/own-systemd" stop "$O" || true
    rm -rf "$O"
}

# Where this build installs; what it takes for its configuration's folder.
prefixes()
{
    [ -e "$O/prefixes" ] || meson introspect "$KEYSVC_BUILD" --buildoptions | /usr/bin/python3 -c '
import json, os, sys
options = {o["name"]: o["value"] for o in json.load(sys.stdin)}
print("prefix=" + options["prefix"])
print("config=" + os.path.join(options["prefix"], options["sysconfdir"], "keysvc"))
print("export PATH=$prefix/bin:$prefix/sbin:$PATH KEYSVC_SOCKET=/run/keysvc/keysvc.sock")' >"$O/prefixes"
    cat "$O/prefixes"
}

# inside COMMAND...: as root where the service runs.
inside()
{
    "$BATS_TEST_DIRNAME/own-systemd" inside "$O" "$@"
}

# installed COMMAND...: the same, with our programs on its path.
installed()
{
    { prefixes; printf '%s\n' 'exec "$@"'; } >"$O/run"
    inside sh -c "$(cat "$O/run")" sh "$@"
}

# property NAME [UNIT]: of keysvcd's, if none is said.
property()
{
    inside systemctl show --value --property "$1" "${2-keysvcd.service}"
}
