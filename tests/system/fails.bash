# SPDX-License-Identifier: Apache-2.0
#
# fails.bash - a command that must fail, and say why

# fails CODE TEXT COMMAND...: the exit code and a part of what is said.
fails()
{
    local code=$1 text=$2
    shift 2
    run "$@"
    if [ "$status" != "$code" ] || [[ $output != *"$text"* ]]; then
        printf 'expected exit code %s and "%s", not %s and:\n%s\n' "$code" "$text" "$status" "$output" >&2
        return 1
    fi
}
