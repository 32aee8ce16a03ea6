# SPDX-License-Identifier: Apache-2.0
#
# two_tokens.bash - a world of two tokens, the first of which can be broken

# Besides main a token `spare`, in a module of its own that does not break.
world_of_two()
{
    HANG_TIMEOUT=3s
    world break
    mkdir -m 700 "$W/spare-tokens"
    [ "$ME" != 0 ] || chown "$TOKEN:$TOKEN" "$W/spare-tokens"
    echo "directories.tokendir = $W/spare-tokens" >"$W/spare-softhsm2.conf"
    as "$TOKEN" env SOFTHSM2_CONF="$W/spare-softhsm2.conf" softhsm2-util --init-token --free --label spare --pin "$PIN" \
        --so-pin "$SO_PIN" >/dev/null
    {
        echo "token spare {"
        echo "    profile = \"$W/profile.conf\""
        echo "    module = \"$TOKEN_MODULE\""
        echo "    label = \"spare\""
        echo "    pin-file = \"$W/pin\""
        echo "    store = \"$W/spare-tokens\"" # all that its process may write to
        [ "$ME" != 0 ] || echo "    user = \"$TOKEN\""
        echo "    environment = {$(token_environment), \"SOFTHSM2_CONF=$W/spare-softhsm2.conf\"}"
        echo "    write = {\"$W/spare-tokens\"}"
        echo "}"
        echo 'keys "spare/**" { token = spare type = ec-p256 purpose = sign }'
    } >>"$W/keysvcd.conf"
    start
    wait_for signs_both
}

signs_both()
{
    keysvc key show web/shop || keysvc key generate web/shop
    keysvc key show spare/shop || keysvc key generate spare/shop
}
