#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# adopt.bats - keys that another tool made on the token, under names of ours

setup()
{
    load harness
    world
}

teardown()
{
    show_log_if_failed
    end_world
}

# foreign LABEL ID: a P-256 key as another program makes it.
foreign()
{
    pkcs11 --keypairgen --key-type EC:prime256v1 --label "$1" --id "$2" --usage-sign >/dev/null
}

# Adds a section to keysvcd.conf.
section()
{
    printf '%s\n' "$1" >>"$W/keysvcd.conf"
}

@test "a foreign key signs and makes a CSR under its new name, for whoever has a rule" {
    foreign "old web server" 1f02
    section 'key web/old { uri = "pkcs11:object=old%20web%20server;id=%1f%02" }'
    start
    keysvc key show web/old --json | json '(d["version"], d["type"])' | grep "(1, 'ec-p256')"
    as "$ALICE" keysvc sign web/old --in "$W/data" >"$W/signature"
    verify web/old "$W/data" "$W/signature"
    as "$ALICE" keysvc csr web/old --common-name shop.example | openssl req -noout -verify
    if [ "$ME" = 0 ]; then
        fails 3 web/old as "$BOB" keysvc sign web/old --in "$W/data"
    fi
}

@test "rotating a foreign key makes a key of our own beside it" {
    foreign old 01
    section 'key web/old { uri = "pkcs11:object=old" }'
    start
    keysvc key rotate web/old --from 1
    keysvc sign web/old@1 --in "$W/data" >"$W/signature.1"
    keysvc sign web/old@2 --in "$W/data" >"$W/signature.2"
    verify web/old@1 "$W/data" "$W/signature.1"
    verify web/old@2 "$W/data" "$W/signature.2"
    pkcs11 --list-objects --type privkey | grep web/old@2
}

@test "a foreign key is not destroyed" {
    foreign old 01
    section 'key web/old { uri = "pkcs11:object=old" }'
    start
    fails 6 "remove the section" keysvc key destroy web/old@1 --yes
    keysvc sign web/old --in "$W/data" >"$W/signature"
    verify web/old "$W/data" "$W/signature"
}

@test "a URI that means two keys uses neither" {
    foreign old 01
    foreign old 02
    section 'key web/old { uri = "pkcs11:object=old" }'
    start
    fails 16 web/old keysvc sign web/old --in "$W/data"
}

@test "a key that is not there is none, until it is made and a rescan finds it" {
    section 'key web/old { uri = "pkcs11:id=%07" }'
    start
    fails 4 web/old keysvc sign web/old --in "$W/data"
    # Its name is taken all the same: two keys would be version 1 when it comes back.
    fails 5 web/old keysvc key generate web/old
    fails 4 web/old keysvc doctor --config "$W/keysvcd.conf" --keysvcd "$(own_keysvcd)"
    foreign whatever 07
    keysvc token rescan main
    keysvc sign web/old --in "$W/data" >"$W/signature"
    verify web/old "$W/data" "$W/signature"
}

@test "a section that comes and goes with a reload" {
    foreign old 01
    start
    fails 4 web/old keysvc sign web/old --in "$W/data"
    cp "$W/keysvcd.conf" "$W/keysvcd.conf.before"
    section 'key web/old { uri = "pkcs11:object=old" }'
    keysvc reload
    wait_for keysvc sign web/old --in "$W/data"
    cp "$W/keysvcd.conf.before" "$W/keysvcd.conf"
    keysvc reload
    fails 4 web/old keysvc sign web/old --in "$W/data"
}

@test "a section that names no key is refused with file and line" {
    section 'key web/old { uri = "pkcs11:token=keysvc" }'
    fails 6 "keysvcd.conf:$(grep -c '' "$W/keysvcd.conf")" keysvcd --check --config "$W/keysvcd.conf"
    start nowait
    wait_for is_gone "$(pid)"
    rm "$W/keysvcd.pid"
}
