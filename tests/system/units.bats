#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# units.bats - the service as systemd runs it: by its units, installed and set up as docs/operations.md says
#
# The systemd is one of the test's own (own-systemd), in memory and without a device: what needs a real HSM, USB token or
# TPM is shown as far as that goes. tests/lint has what systemd-analyze says of the same files.
# shellcheck disable=SC2016

setup_file()
{
    load harness
    load units
    units_start <<'END'
keys "web/**" { token = main  purpose = sign }
allow client { user = {daemon}  unit = {client.service}  keys = {"web/**"}  operations = {get, sign} }
END
    [ ! -e "${O-}/runs" ] || installed sh -c 'keysvc key generate web/shop; echo data >/tmp/data'
}

setup()
{
    load harness
    load units
    units_need
}

teardown()
{
    units_journal keysvcd.service
}

teardown_file()
{
    load harness
    load units
    units_stop
}

# processes COMMAND [ARGUMENT...]: for each process of the service, with its pid as the last argument.
processes()
{
    local main
    main=$(property MainPID)
    # shellcheck disable=SC2016
    inside sh -euc 'main=$1; shift; for pid in $main $(pgrep --parent $main); do "$@" $pid; done' sh "$main" "$@"
}

signs()
{
    installed keysvc sign web/shop --in /tmp/data >/dev/null
}

# What systemd was told last: it hears so a moment after a client does.
status_text()
{
    [ "$(property StatusText)" = "$1" ]
}

# The unit's reload is a signal, which nobody waits for.
configuration()
{
    installed keysvc status | grep -w "configuration $1"
}

@test "it is started by its socket, serves, takes a reload and stops" {
    inside systemctl stop keysvcd.service
    # The first client starts it, and waits for its token.
    wait_for signs
    [ "$(property ActiveState)" = active ]
    wait_for status_text "front ready, 1 of 1 tokens ready"
    inside systemctl reload keysvcd.service
    wait_for configuration 2
    signs
    inside systemctl stop keysvcd.service
    [ "$(property Result)" = success ]
    [ "$(property ExecMainStatus)" = 0 ]
    inside systemctl start keysvcd.service
}

@test "keysvcd has three capabilities, the others none, and nobody more than the unit gives" {
    inside systemctl start keysvcd.service
    processes sh -c 'grep -H -e ^CapEff -e ^CapBnd -e ^NoNewPrivs -e ^Uid /proc/$0/status; cat /proc/$0/comm' >"$O/status"
    # KILL, SETGID and SETUID.
    [ "$(grep -c 'CapEff:.*00000000000000e0' "$O/status")" = 1 ]
    [ "$(grep -c 'CapEff:.*0000000000000000' "$O/status")" = 3 ]
    [ "$(grep -c 'CapBnd:.*00000000000000e0' "$O/status")" = 4 ]
    [ "$(grep -c 'NoNewPrivs:.*1' "$O/status")" = 4 ]
    [ "$(grep -c 'Uid:.*0.*0' "$O/status")" -ge 1 ]
    grep -q keysvc-front "$O/status"
    # No network but an empty one, no device of the host's, nothing of the host's to be written.
    processes sh -c 'nsenter --target $0 --net cat /proc/net/dev' >"$O/links"
    grep "lo:" "$O/links"
    not grep ":" <(grep -v " lo:" "$O/links")
    # Here a file stands for the host's devices.
    inside touch /dev/marker
    processes sh -c 'test ! -e /proc/$0/root/dev/marker'
    inside sh -c 'for place in /etc /usr /var /home /root; do
        if nsenter --target '"$(property MainPID)"' --mount touch $place/x 2>/dev/null; then echo $place; fi; done' >"$O/written"
    not grep . "$O/written"
}

@test "the audit can be read by its group, and by nobody else" {
    inside systemctl start keysvcd.service
    signs
    inside stat --format '%U:%G %a' /var/log/keysvc | grep -x 'root:adm 2750'
    inside stat --format '%U:%G %a' /var/log/keysvc/main-1.log | grep -x 'root:adm 640'
    # daemon's user, in that group and out of it.
    { prefixes; echo 'exec setpriv --reuid daemon --regid daemon --groups adm keysvc audit show --audit-dir /var/log/keysvc'; } |
        inside sh >"$O/shown"
    grep "operation=sign" "$O/shown"
    not inside setpriv --reuid daemon --regid daemon --clear-groups cat /var/log/keysvc/main-1.log
}

@test "after a kill systemd starts it again, and nobody of before is left" {
    inside systemctl start keysvcd.service
    local before
    before=$(property MainPID)
    processes echo >"$O/before"
    inside systemctl kill --kill-whom main --signal KILL keysvcd.service
    wait_for signs
    [ "$(property MainPID)" != "$before" ]
    [ "$(property NRestarts)" -ge 1 ]
    processes echo >"$O/after"
    not grep -Fxf "$O/before" "$O/after"
    # shellcheck disable=SC2013
    for pid in $(cat "$O/before"); do
        wait_for inside sh -c "! test -d /proc/$pid || grep -q 'State:.Z' /proc/$pid/status"
    done
}

@test "a rule with a unit lets in that unit's processes, and the same program by hand not" {
    inside systemctl start keysvcd.service
    # Not systemd-run, which asks over D-Bus.
    # shellcheck disable=SC2016
    { prefixes; cat; } <<'END' | inside sh -eu
printf '[Service]\nType=oneshot\nUser=daemon\nEnvironment=KEYSVC_SOCKET=%s\nExecStart=%s sign web/shop --in /tmp/data\nStandardOutput=file:%s\n' \
    "$KEYSVC_SOCKET" "$(command -v keysvc)" /tmp/signature >/run/systemd/system/client.service
systemctl daemon-reload
systemctl start client.service
END
    inside cat /tmp/signature >"$O/signature"
    [ -s "$O/signature" ]
    # shellcheck disable=SC2016
    fails 3 "DENIED" installed setpriv --reuid daemon --regid daemon --clear-groups keysvc sign web/shop --in /tmp/data
    installed keysvc audit show --audit-dir /var/log/keysvc | grep "unit=client.service" | grep "rule=client"
}

@test "a PIN that systemd passes as a credential" {
    inside sh -eu -c 'systemctl stop keysvcd.service
        mkdir -p /etc/systemd/system/keysvcd.service.d
        printf "[Service]\nLoadCredential=main-pin:/etc/keysvc/main.pin\n" >/etc/systemd/system/keysvcd.service.d/pin.conf
        sed -i.kept "s|pin-file = /etc/keysvc/main.pin|pin-credential = main-pin|" /etc/keysvc/keysvcd.conf
        systemctl daemon-reload; systemctl start keysvcd.service'
    signs
    inside sh -eu -c 'systemctl stop keysvcd.service
        mv /etc/keysvc/keysvcd.conf.kept /etc/keysvc/keysvcd.conf
        rm /etc/systemd/system/keysvcd.service.d/pin.conf; systemctl daemon-reload; systemctl start keysvcd.service'
}

# with_drop_in NAME: as keysvcd(8) says.
with_drop_in()
{
    { prefixes; cat <<'END'
systemctl stop keysvcd.service
rm -rf /etc/systemd/system/keysvcd.service.d
install -D -m 644 "$prefix/share/keysvc/systemd/$1" "/etc/systemd/system/keysvcd.service.d/$1"
systemctl daemon-reload
systemctl start keysvcd.service || { journalctl --no-pager --unit keysvcd.service; exit 1; }
END
    } >"$O/run"
    inside sh -euc "$(cat "$O/run")" sh "$1"
    signs
}

# sees WHAT: whether the service has it. The network of the host: that of this systemd's.
sees()
{
    local main
    main=$(property MainPID)
    # shellcheck disable=SC2016
    case $1 in
        network) [ "$(inside readlink "/proc/$main/ns/net")" = "$(inside readlink /proc/1/ns/net)" ] ;;
        devices) inside test -e "/proc/$main/root/dev/marker" ;;
        *) inside nsenter --target "$main" --mount test -w "$1" ;;
    esac
}

@test "each drop-in gives what it is for, and nothing else" {
    inside sh -c 'touch /dev/marker; mkdir -p /srv/tokens /var/lib/keysvc-tpm'
    with_drop_in network-hsm.conf
    sees network
    not sees devices
    with_drop_in usb-token.conf
    not sees network
    sees devices
    with_drop_in tpm.conf
    not sees network
    sees devices
    sees /var/lib/keysvc-tpm
    not sees /srv/tokens
    with_drop_in token-files.conf
    not sees network
    not sees devices
    sees /srv/tokens
    not sees /var/lib/keysvc-tpm
    # The daemons that these wait for are not here: the service starts nevertheless.
    with_drop_in pcscd.conf
    not sees network
    not sees devices
    with_drop_in opencryptoki.conf
    not sees network
    not sees devices
    inside sh -c 'rm -rf /etc/systemd/system/keysvcd.service.d; systemctl daemon-reload; systemctl restart keysvcd.service'
    not sees devices
}
