# SPDX-License-Identifier: Apache-2.0
#
# where_failed.bash - says where a test failed when it fails
#
# bats writes down before every command where it is, a quarter of a suite's time. Its trap for errors can look then as well;
# only a test that ends by its own `return 1`, and a teardown that fails, are named without their line.

if declare -F bats_check_status_from_trap bats_capture_stack_trace >/dev/null; then
    trap - DEBUG
    BATS_DEBUG_LAST_STACK_TRACE=() BATS_DEBUG_LASTLAST_STACK_TRACE=()

    bats_error_trap()
    {
        bats_check_status_from_trap
        [ "${FUNCNAME[1]}" = bats_perform_test ] || bats_capture_stack_trace
        BATS_DEBUG_LAST_STACK_TRACE_IS_VALID=1
    }
fi
