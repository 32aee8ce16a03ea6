# SPDX-License-Identifier: Apache-2.0
#
# interrupted.bash - Ctrl-C on a terminal, and how it is left behind

# interrupted WANTED COMMAND...: types it when WANTED is seen; then says "ended by CODE, echo" or "..., -echo".
interrupted()
{
    local wanted=$1
    shift
    # The shell outlives what it has started, as one that people type into.
    /usr/bin/python3 -B "$BATS_TEST_DIRNAME/terminal.py" 24 "$wanted" -- bash -c \
        'trap : INT; "$@"; echo "ended by $?, $(stty -a | grep -ow -e "-\?echo")"' bash "$@" 3>&-
}
