#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# bench.bats - that `make bench` measures what it says; how fast anything is, is no test's business

setup()
{
    load harness
    W=$(mktemp -d "${TMPDIR:-/tmp}/keysvc-test-XXXXXX")
}

teardown()
{
    rm -rf "$W"
}

@test "a short run has a figure of each kind for each way" {
    "$SOURCE/tests/bench/run" --build "$KEYSVC_BUILD" --short --json "$W/bench.json" >"$W/table"
    grep -q "^P-256, 1 client, pinned  *[1-9]" "$W/table"
    grep -q "^a killed token process is back after [1-9]" "$W/table"
    [ "$(json 'all(row[way]["per_second"] > 0 for row in d["rows"] for way in ("direct", "service"))' <"$W/bench.json")" = True ]
    [ "$(json 'all(row["service"][part] > 0 for row in d["rows"] for part in ("client_us", "front_us", "token_us"))' <"$W/bench.json")" = True ]
    [ "$(json 'all(0 < d["rows"][0][peer]["ratio"] for peer in ("p11-kit", "ssh-agent"))' <"$W/bench.json")" = True ]
    [ "$(json 'len(d["scale"]["rows"]), d["scale"]["rows"][0]["kib_each"] > 0' <"$W/bench.json")" = "(3, True)" ]
}

@test "a build without the programs ends it, and no figure is written" {
    fails 1 "No such file" "$SOURCE/tests/bench/run" --build "$W" --short --json "$W/bench.json"
    not test -e "$W/bench.json"
}
