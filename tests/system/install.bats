#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# install.bats - what `meson install` puts somewhere else works from there

setup()
{
    load harness
}

teardown()
{
    show_log_if_failed
    end_world
}

installed()
{
    STORE=yes world # as the documents say for SoftHSM
    # Installing from the build folder of a test never builds.
    meson install -C "$KEYSVC_BUILD" --no-rebuild --quiet --destdir "$W/root"
    chmod -R a+rX "$W/root"
    PREFIX=$W/root$(meson introspect "$KEYSVC_BUILD" --buildoptions | json '[o["value"] for o in d if o["name"] == "prefix"][0]')
    PREFIX=${PREFIX%/}
    LIBRARIES=$(dirname "$(find "$PREFIX" -name 'libkeysvc.so')")
    export LD_LIBRARY_PATH=$LIBRARIES
}

@test "everything a package would hold is there" {
    installed
    for name in keysvcd keysvc keysvc-front keysvc-token libkeysvc.so keysvc.h keysvc.pc keysvcd.service \
        keysvcd.socket keysvc-agent keysvc-agent.service keysvcd.8 keysvc.1 keysvcd.conf.5 softhsm2.conf; do
        [ -n "$(find "$W/root" -name "$name")" ] || { echo "missing: $name"; return 1; }
    done
    for folder in sysusers.d tmpfiles.d; do
        [ -n "$(find "$W/root" -path "*/$folder/*.conf")" ] || { echo "missing: $folder"; return 1; }
    done
    [ -n "$(find "$W/root" -path '*completion*' -type f)" ] || { echo "missing: completion"; return 1; }
    # No installed program looks for its libraries in a build folder.
    for program in "$PREFIX"/bin/* "$PREFIX"/sbin/*; do
        [ ! -e "$program" ] || ! readelf -d "$program" | grep -E 'R(UN)?PATH' | grep build
    done
}

@test "it serves from there" {
    installed
    PROGRAMS=$W/programs
    libexec=$(dirname "$(find "$PREFIX" -name keysvc-front)")
    profiles=$(dirname "$(find "$PREFIX" -path '*hsm-profiles/softhsm2.conf')")
    # The profile that is installed, by its name.
    sed -i 's/profile = .*/profile = softhsm2/; s/environment = {/environment = {"SOFTHSM2_CONF='"${W//\//\\/}"'\/softhsm2.conf", /' \
        "$W/keysvcd.conf"
    "$(find "$PREFIX" -name keysvcd -type f)" --config "$W/keysvcd.conf" --libexec-dir "$libexec" \
        --profile-dir "$profiles" >>"$W/log" 2>&1 3>&- &
    echo $! >"$W/keysvcd.pid"
    PATH=$PREFIX/bin:$PATH
    wait_ready
    keysvc key generate web/shop
    keysvc sign web/shop --in "$W/data" >"$W/signature"
    verify web/shop "$W/data" "$W/signature"
    stop
}

@test "a program is built with pkg-config and signs" {
    installed
    start
    keysvc key generate web/shop
    cat >"$W/tiny.c" <<'END'
#include <keysvc.h>
#include <stdio.h>
#include <string.h>

int
main(int argc, char **argv)
{
    uint8_t signature[KS_SIGNATURE_MAX_LEN];
    struct ks_client *client;
    struct ks_error error;
    struct ks_key key;
    size_t len;

    if (argc != 3 || ks_client_new(NULL, &client, &error))
        return 1;
    if (ks_get(client, argv[1], &key, &error) ||
        ks_sign(client, &key, KS_ALGORITHM_DEFAULT, KS_HASH_NONE, (const uint8_t *)argv[2], strlen(argv[2]), signature,
                &len, NULL, &error)) {
        fprintf(stderr, "%s: %s (%s)\n", ks_err_name(error.code), error.message, error.hint);
        return 1;
    }
    fwrite(signature, 1, len, stdout);
    ks_client_free(client);
    return 0;
}
END
    export PKG_CONFIG_PATH=$LIBRARIES/pkgconfig PKG_CONFIG_SYSROOT_DIR=$W/root
    # shellcheck disable=SC2046,SC2086
    cc -Wall -Wextra -Werror ${KEYSVC_SANITIZED:+-fsanitize=address,undefined} -o "$W/tiny" "$W/tiny.c" $(pkg-config --cflags --libs keysvc)
    printf 'hello' >"$W/hello"
    "$W/tiny" web/shop hello >"$W/signature"
    verify web/shop "$W/hello" "$W/signature"
    not "$W/tiny" web/nothing hello
}
