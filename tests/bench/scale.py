# SPDX-License-Identifier: Apache-2.0
"""
scale - many keys, many idle connections, many busy ones: what they cost one request and the front's memory; and a killed
token process

As everywhere, one client is measured with everything on one processor.
"""
import json
import os
import pathlib
import signal
import socket
import statistics
import struct
import subprocess
import tempfile
import time

import world as worlds

FRAME = struct.Struct(">I")
# Request { id = 1, hello = { protocol_version = 1, program = "idle" } }
HELLO = bytes([0x08, 1, 0x52, 8, 0x08, 1, 0x12, 4]) + b"idle"
CONNECTIONS_PER_SECOND = 900  # the front takes 1000 of one user
CALM_S = 3  # between two kills: what dies often is started again later and later


def measure(world, options, service):
    """`service` measures one row of the service's: (world, key, shape, seconds) -> figures."""
    rows = idle(world, options, service) + busy(world, options, service)
    return {"rows": rows + keys(world.build, options, service), "back_ms": killed(world, options)}


def repeat(options, ways):
    """Rounds of each way in turn; the medians."""
    rounds = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            rounds[name].append(way())
    return {name: {figure: statistics.median(result[figure] for result in results) for figure in results[0]}
            for name, results in rounds.items()}


def row(name, before, after, **more):
    return {"name": name, "base": before, "with": after, "front_ratio": round(after["front_us"] / before["front_us"], 3),
            "ratio": round(after["per_second"] / before["per_second"], 3), **more}


def idle(world, options, service):
    def one():
        return service(world, "bench/ec", ("library", 1, 1, 1), options.seconds)

    world.pin({min(world.affinity)})
    before = repeat(options, {"none": one})["none"]
    resident = resident_kib(world)
    connections = [connect(world, index) for index in range(options.connections)]
    each = (resident_kib(world) - resident) / options.connections
    after = repeat(options, {"all": one})["all"]
    world.pin(world.affinity)
    for connection in connections:
        connection.close()
    return [row(f"1 client, beside {options.connections} idle connections", before, after, kib_each=round(each, 2))]


def busy(world, options, service):
    n_busy = min(1000, options.connections)
    figures = repeat(options, {
        "few": lambda: service(world, "bench/ec", ("protocol", 4, 2, 1), options.seconds),
        "many": lambda: service(world, "bench/ec", ("protocol", 4, n_busy // 4, 1), options.seconds)})
    return [row(f"{n_busy} busy connections, against 8", figures["few"], figures["many"])]


def keys(build, options, service):
    """Two services side by side, their tokens in memory: SoftHSM takes minutes to make so many on a disk."""
    few, many = 10, options.keys
    with tempfile.TemporaryDirectory(prefix="keysvc-bench-", dir="/dev/shm") as one, \
            tempfile.TemporaryDirectory(prefix="keysvc-bench-", dir="/dev/shm") as other:
        pair = [worlds.World(pathlib.Path(one), build, few), worlds.World(pathlib.Path(other), build, many)]
        try:
            for world in pair:
                world.start()
                world.pin({min(world.affinity)})
            figures = repeat(options, {
                "few": lambda: service(pair[0], f"bench/more{few - 1}", ("library", 1, 1, 1), options.seconds),
                "many": lambda: service(pair[1], f"bench/more{many - 1}", ("library", 1, 1, 1), options.seconds)})
        finally:
            for world in pair:
                world.pin(world.affinity)
                world.stop()
    return [row(f"1 client, {many} keys against {few}", figures["few"], figures["many"])]


def killed(world, options):
    """Milliseconds from the kill of a token process until its successor is ready, one figure a round."""
    figures = []
    for _ in range(options.rounds):
        began = time.monotonic()
        os.kill(world.processes("keysvc-token")[0], signal.SIGKILL)
        while workers_ready(world) == worlds.WORKERS:
            time.sleep(0.001)
        world.wait_until_ready(0.005)
        figures.append(round((time.monotonic() - began) * 1000))
        time.sleep(CALM_S)
    return figures


def workers_ready(world):
    status = subprocess.run([world.build / "client/cli/keysvc", "status", "--json"], env=world.env, stdout=subprocess.PIPE, check=True)
    return json.loads(status.stdout)["tokens"][0]["ready_workers"]


def connect(world, index):
    if index % CONNECTIONS_PER_SECOND == CONNECTIONS_PER_SECOND - 1:
        time.sleep(1)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(world.socket))
    connection.sendall(FRAME.pack(len(HELLO)) + HELLO)
    if not connection.recv(FRAME.size):
        raise SystemExit(f"the front closed idle connection {index}")
    return connection


def resident_kib(world):
    """Of the front, without what it maps."""
    for line in pathlib.Path(f"/proc/{world.processes('keysvc-front')[0]}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise SystemExit("no RssAnon")


def print_table(figures):
    rows = figures["rows"]
    width = max(len(row["name"]) for row in rows)
    print(f"\n{'':{width}}  {'1/s':>8} {'us front':>9} {'us token':>9}  {'with: 1/s':>9} {'us front':>9} {'us token':>9}   ratio  front")
    for row in rows:
        sides = "  ".join(f"{side['per_second']:8.0f} {side['front_us']:9.1f} {side['token_us']:9.1f}" for side in (row["base"], row["with"]))
        memory = f"   {row['kib_each']:.2f} KiB a connection" if "kib_each" in row else ""
        print(f"{row['name']:{width}}  {sides}   {row['ratio']:5.2f}  {row['front_ratio']:5.2f}{memory}")
    back_ms = figures["back_ms"]
    print(f"a killed token process is back after {statistics.median(back_ms):.0f} ms ({min(back_ms)}-{max(back_ms)})")
