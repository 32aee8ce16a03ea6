#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# java.bats - Java 17 by SunPKCS11: keytool, and one server that stays while the service, tokens, rules and keys change

setup_file()
{
    load programs
    programs_world
    local key keys=(web/shop web/gone web/changed p384/shop rsa/shop sign/rsa/shop sign/ec/shop)
    for key in "${keys[@]}"; do
        certified_on_token "$key" "${key//\//-}"
    done
    documented java-provider >"$W/etc/java.cfg"
    documented java-security >"$W/etc/java.security"
    { cat "$W/etc/java.cfg" && documented java-provider-rsa; } >"$W/etc/rsa.cfg"
    sed 's|java\.cfg|rsa.cfg|' "$W/etc/java.security" >"$W/etc/rsa.security"
    chmod 644 "$W"/etc/*
    javac -J-XX:-UsePerfData -d "$W/classes" "$BATS_TEST_DIRNAME/TlsServer.java"
    serve "$ALICE" java "${keys[@]/%/@1}"
    wait_for said 'sign/ec/shop@1 listens'
}

setup()
{
    load programs
    serving
    SEEN=$(wc -l <"$W/program.log")
}

teardown()
{
    # Others of this file's tests go on with the server.
    [ -n "${BATS_TEST_COMPLETED-}" ] || tail -n 40 "$W/program.log"
    show_log_if_failed
}

teardown_file()
{
    load programs
    end_programs
    end_world
}

# serve UID CONFIGURATION ALIAS...: the server, as docs/programs.md starts a program.
serve()
{
    local uid=$1 security=$2.security command
    shift 2
    command=$(documented java-run | sed "s|/java\.security|/$security|; s|-jar shop.jar|-cp $W/classes TlsServer|")
    # shellcheck disable=SC2086
    background with_module as "$uid" $command "$@"
}

# On which port the server has that key.
port_of()
{
    sed -n "s|^$1@1 listens on ||p" "$W/program.log" | tail -n 1
}

# reached KEY [OPTION...]: a whole handshake, and the server's own word for it.
reached()
{
    local key=$1
    shift
    handshake "$(port_of "$key")" -quiet "$@" && grep -q '^TLSv1' "$W/handshake"
}

# Since the test began, the program has said so.
says()
{
    tail -n "+$((SEEN + 1))" "$W/program.log" | grep -F -- "$1"
}

# As docs/programs.md has it, or with other words than -list.
keytool_as()
{
    local uid=$1
    shift
    documented java-keytool | sed "s|-list|$*|" >"$W/keytool.sh"
    with_module as "$uid" bash "$W/keytool.sh"
}

@test "keytool lists the keys that have a certificate, and verifies whose it is" {
    keysvc key generate web/bare >/dev/null
    keytool_as "$ALICE" -list >"$W/list"
    grep -A1 '^web/shop@1, PrivateKeyEntry' "$W/list" |
        grep -F "$(openssl x509 -in "$W/etc/web-shop.crt" -noout -fingerprint -sha256 | cut -d= -f2)"
    not grep web/bare "$W/list"
    keytool_as "$ALICE" -list -alias web/shop@1 -v | grep -x 'Certificate chain length: 2'
    fails 1 'Alias <web/none@1> does not exist' keytool_as "$ALICE" -list -alias web/none@1
}

@test "an SSLServerSocket serves P-256 and P-384 keys of purpose tls-server in TLS 1.3 and 1.2" {
    local key
    for key in web/shop p384/shop; do
        reached "$key" -tls1_3
        reached "$key" -tls1_2
    done
}

@test "an RSA key of purpose sign serves TLS 1.3 and 1.2" {
    reached sign/rsa/shop -tls1_3
    reached sign/rsa/shop -tls1_2
}

# Java hashes itself for RSASSA-PSS, whichever mechanisms there are.
@test "an RSA key of purpose tls-server serves TLS 1.2 by PKCS #1, where PSS is switched off; TLS 1.3 wants PSS" {
    not reached rsa/shop -tls1_3
    says 'keysvc-pkcs11: rsa/shop@1: purpose tls-server'
    reached rsa/shop -tls1_2 -sigalgs RSA+SHA256
    serve "$ALICE" rsa rsa/shop@1
    wait_for says 'rsa/shop@1 listens'
    reached rsa/shop -tls1_2
    not reached rsa/shop -tls1_3
}

@test "the same server goes on after keysvcd is restarted and after its token process is killed" {
    restart_service
    reached web/shop
    kill_tokens
    reached web/shop
    restart_service
    kill_tokens
    reached sign/rsa/shop
}

@test "a stopped service fails the handshake and is named; the server goes on when it is back" {
    stop
    not reached web/shop
    says "keysvc-pkcs11: web/shop@1: $KEYSVC_SOCKET"
    fails 1 "$KEYSVC_SOCKET" keytool_as "$ALICE" -list
    start
    reached web/shop
}

@test "a rule that is taken away fails the handshake and is named; given back, the server goes on" {
    need_root
    no_users
    not reached web/shop
    says "keysvc-pkcs11: web/shop@1: uid $ALICE may not sign"
    allowed_users
    reached web/shop
}

@test "a user without a rule has an empty key store" {
    need_root
    fails 0 'Your keystore contains 0 entries' keytool_as "$BOB" -list
    serve "$BOB" java web/shop@1
    wait_for says 'the key store has no key with certificate web/shop'
}

@test "a key that is not there, that vanished, that is another now: each is named" {
    serve "$ALICE" java web/none@1
    wait_for says 'the key store has no key with certificate web/none'
    reached web/gone
    keysvc key destroy web/gone@1 --yes
    not reached web/gone
    says 'keysvc-pkcs11: web/gone@1: no key'
    reached web/changed
    keysvc key destroy web/changed@1 --yes
    keysvc key generate web/changed
    not reached web/changed
    says 'keysvc-pkcs11: web/changed@1 on token main is another key'
    reached web/shop
}

@test "keytool makes a request with a key of purpose sign; a TLS key signs none, and Java makes no key" {
    keytool_as "$ALICE" -certreq -alias sign/ec/shop@1 -sigalg SHA256withECDSA >"$W/request"
    openssl req -in "$W/request" -noout -verify -subject >"$W/verified"
    grep -F 'CN = localhost' "$W/verified"
    fails 1 'keysvc-pkcs11: web/shop@1: purpose tls-server' keytool_as "$ALICE" -certreq -alias web/shop@1 \
        -sigalg SHA256withECDSA
    fails 1 'token write-protected' keytool_as "$ALICE" -genkeypair -alias new -dname CN=new -keyalg EC
}

# SunPKCS11 of Java 17 knows no EdDSA, and its key manager reads all keys before it takes one.
@test "one Ed25519 key with a certificate keeps Java from all keys that the user may see" {
    certified_on_token ed25519/shop ed25519
    fails 0 'ed25519/shop@1, PrivateKeyEntry' keytool_as "$ALICE" -list
    serve "$ALICE" java web/shop@1
    wait_for says 'java.security.KeyStoreException: unknown key type'
    not says 'web/shop@1 listens'
    keysvc key certificate ed25519/shop delete
    serve "$ALICE" java web/shop@1
    wait_for says 'web/shop@1 listens'
}
