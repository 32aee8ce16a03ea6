# SPDX-License-Identifier: Apache-2.0
#
# softhsm2.bash - a SoftHSM token in $W: files, and no daemon
#
# What each kind of token gives to harness.bash:
#   TOKEN_MODULE PIN SO_PIN    its module; PINs that it takes
#   SEES_OTHERS                yes or no: does a process find what another one made since it started?
#   token_missing              says why it cannot be made here; nothing: it can
#   token_make                 in $W, with the label keysvc; with TOKEN_BLANK nobody has initialised it yet
#   FACTORY_SO_PIN             the SO PIN of a blank one; empty: it has none
#   token_variables            sets VARIABLES, what the module's processes need in their environment
#   token_store                prints the folder of a token that is made of files, for `store` in the token's section
#   token_files                prints what its processes change, for `write` there, of one that has no store
#   token_break, token_mend    takes away what the module needs while it is in use, and brings it back
#   token_stop                 ends what token_make started

TOKEN_MODULE=/usr/lib/softhsm/libsofthsm2.so
PIN=Pin-2718-28182
SO_PIN=31415926
SEES_OTHERS=yes
FACTORY_SO_PIN=

token_missing()
{
    :
}

token_make()
{
    mkdir -m 700 "$W/tokens"
    [ "$ME" != 0 ] || chown "$TOKEN:$TOKEN" "$W/tokens"
    echo "directories.tokendir = $W/tokens" >"$W/softhsm2.conf"
    [ -z "${TOKEN_BLANK-}" ] || return 0
    as "$TOKEN" softhsm2-util --init-token --free --label keysvc --pin "$PIN" --so-pin "$SO_PIN" >/dev/null
}

token_variables()
{
    VARIABLES=("SOFTHSM2_CONF=$W/softhsm2.conf")
}

token_store()
{
    printf '%s' "$W/tokens"
}

token_files()
{
    :
}

# Each signature opens the key's file.
token_break()
{
    mv "$W/tokens" "$W/tokens.away"
}

token_mend()
{
    mv "$W/tokens.away" "$W/tokens"
}

token_stop()
{
    :
}
