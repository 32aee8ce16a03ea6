#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
hostile - what one uid that opens and sends all it can does to another's latency

    tests/bench/hostile.py --build DIR [--seconds S] [--rounds N] [--only ATTACK]... [--json FILE]

As root, since the two callers must be two users. A victim signs at a steady pace: on one connection that stays, and as
often on a new one for each signature. For each attack, in rounds: the victim alone, the victim beside the attack, and the
victim beside programs of the attacker's that never touch the service and burn as much of the processors as the attacking
programs did: what the machine takes, and not the service. `calculate`, the first row, is what he does to others who only
calculates, without pause, and never touches the service. Shown are medians over the rounds, in microseconds, the ratio of
the 99th percentile to the victim alone, to the burning and to beside `calculate`, and the processor time of keysvc-front.
"""
import argparse
import ctypes
import fcntl
import json
import multiprocessing
import os
import pathlib
import random
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # of the next one, into the source tree
from world import World

TOP = pathlib.Path(__file__).resolve().parents[2]
VICTIM, HOSTILE = 64811, 64812
PACE_S = 0.005  # between two signatures of the victim
RATE = 100  # ticks of a processor's time a second
WAIT_S = 10
F_ADD_SEALS, SEALS = 1033, 0x0002 | 0x0004 | 0x0008
RULES = f"""
keys "import/**" {{ token = main type = ec-p256 purpose = sign }}
allow victim {{ user = {{"{VICTIM}"}} keys = {{"bench/*"}} operations = {{get, sign}} }}
allow hostile {{ user = {{"{HOSTILE}"}} keys = {{"bench/hostile*", "bench/rsa"}} operations = {{get, sign}} }}
allow hostile-imports {{ user = {{"{HOSTILE}"}} keys = {{"import/**"}} operations = {{import}} }}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement (4)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slices", action="store_true",
                        help="the attacker's programs in a control group of their own, as systemd has a user's; no more of a "
                        "processor than the service and the victim together")
    parser.add_argument("--programs", type=int, default=4, help="of the attacker's (4)")
    parser.add_argument("--only", action="append", choices=ATTACKS)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if os.getuid() != 0:
        sys.exit("two callers are two users: run it as root")
    rows = []
    with tempfile.TemporaryDirectory(prefix="keysvc-hostile-") as folder:
        world = make_world(pathlib.Path(folder), options.build.resolve())
        try:
            if options.slices:
                world.slices = Slices()
                world.slices.enter("ours", world.daemon.pid)
            frames = Frames(world)
            print_header()
            for name in ["calculate"] + (options.only or list(ATTACKS)):
                rows.append(measure(world, frames, name, options))
                print_row(rows[-1], rows[0])
        finally:
            world.stop()
            if options.slices:
                world.slices.remove()
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


# ---------------------------------------------------------------- a running service


def make_world(folder, build):
    """The bench's world, with rules for two more users."""
    resource_limit(16384)
    world = World(folder, build, limits="")  # keysvcd's own
    try:
        world.start()
        keysvc = world.build / "client/cli/keysvc"
        with (folder / "keysvcd.conf").open("a") as file:
            file.write(RULES)
        world.run(keysvc, "reload")
        world.run(keysvc, "key", "generate", "bench/hostile")
        subprocess.run(["protoc", f"--proto_path={TOP}/proto", f"--python_out={folder}", "keysvc.proto"], check=True)
    except BaseException:
        world.stop()
        raise
    sys.path.insert(0, str(folder))
    world.front = next(int(line.split()[0]) for line in subprocess.run(
        ["ps", "--ppid", str(world.daemon.pid), "-o", "pid=,comm="], stdout=subprocess.PIPE, text=True, check=True)
        .stdout.splitlines() if "front" in line)
    return world


class Slices:
    """Two control groups of equal weight below our own; of either version of them."""

    def __init__(self):
        lines = [line.split(":", 2) for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()]
        own = [(controllers, path) for _, controllers, path in lines if controllers == "cpu" or not controllers]
        controllers, path = max(own)
        root = pathlib.Path("/sys/fs/cgroup", *([controllers] if controllers else []))
        self.own = root / path.lstrip("/")
        self.groups = {name: self.own / f"keysvc-bench-{os.getpid()}-{name}" for name in ("ours", "attacker")}
        for group in self.groups.values():
            group.mkdir()

    def enter(self, name, pid):
        """With its children."""
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for process in [str(pid)] + children:
            (self.groups[name] / "cgroup.procs").write_text(process)

    def remove(self):
        for group in self.groups.values():
            for _ in range(100):
                try:
                    group.rmdir()
                    break
                except OSError:
                    time.sleep(0.1)


def resource_limit(n_files):
    import resource
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(n_files, 1024), max(hard, n_files)))


def front_time(world):
    """Until now, in seconds: the processor time of keysvc-front's loop, and how long it waited for a processor."""
    used, waited, _ = pathlib.Path(f"/proc/{world.front}/schedstat").read_text().split()
    return int(used) / 1e9, int(waited) / 1e9


class Frames:
    """What is sent, made once."""

    def __init__(self, world):
        import keysvc_pb2 as pb
        self.pb, self.path = pb, str(world.socket)
        self.hello = self.frame(id=1, hello=pb.Hello(protocol_version=1, program="hostile"))
        connection = self.connect()
        self.keys = {}
        for name in ("bench/ec", "bench/hostile", "bench/rsa"):
            connection.sendall(self.frame(id=2, get=pb.GetRequest(name=name)))
            self.keys[name] = self.receive(connection).get
        self.victim = self.sign("bench/ec", 7, b"the victim's")

    def frame(self, **request):
        data = self.pb.Request(deadline_ms=20000, **request).SerializeToString()
        return struct.pack(">I", len(data)) + data

    def sign(self, name, number, data=b"data"):
        key = self.keys[name]
        request = self.pb.SignRequest(name=name, version=key.version, public_key_sha256=key.public_key_sha256, data=data)
        return self.frame(id=number, sign=request)

    def block(self, make, count=32):
        return b"".join(make(number + 2) for number in range(count))

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        # As the library does: it waits in line where too many wait to be accepted, and does not look again and again.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", WAIT_S, 0))
        connection.connect(self.path)
        connection.settimeout(WAIT_S)
        connection.sendall(self.hello)
        self.receive(connection)
        return connection

    def receive(self, connection):
        data = receive_frame(connection)
        response = self.pb.Response()
        response.ParseFromString(data)
        if response.WhichOneof("result") == "error":
            raise SystemExit(f"refused: {response.error.message}")
        return response


def receive_frame(connection):
    data = connection.recv(65536)
    while len(data) < 4 or len(data) < 4 + struct.unpack(">I", data[:4])[0]:
        more = connection.recv(65536)
        if not more:
            raise ConnectionError("closed")
        data += more
    return data[4:]


# ---------------------------------------------------------------- the victim


def victim(frames, seconds, out):
    """Signs at a steady pace; latencies on a connection that stays, and with a connection of its own for each."""
    os.setgroups([])
    os.setresgid(VICTIM, VICTIM, VICTIM)
    os.setresuid(VICTIM, VICTIM, VICTIM)
    stays, figures = frames.connect(), {"held": [], "fresh": [], "failed": 0}
    end = time.monotonic() + seconds
    at = time.monotonic()
    while time.monotonic() < end:
        for how in ("held", "fresh"):
            at += PACE_S / 2
            time.sleep(max(0.0, at - time.monotonic()))
            begun = time.perf_counter_ns()
            try:
                connection = stays if how == "held" else frames.connect()
                connection.sendall(frames.victim)
                answer = receive_frame(connection)
                figures[how].append((time.perf_counter_ns() - begun) / 1000)
                response = frames.pb.Response()
                response.ParseFromString(answer)
                figures["failed"] += response.WhichOneof("result") != "sign"
            except (OSError, SystemExit):
                figures["failed"] += 1
            if how == "fresh":
                connection.close()
        at = max(at, time.monotonic() - PACE_S)  # what is late is not made up for by a burst
    out.put(figures)


# ---------------------------------------------------------------- attacks: each runs in several processes until it is ended


def flood(frames, block, n_connections, read=True):
    """The block on each connection again and again, as fast as it is taken; what is closed is opened again."""
    poll, connections = select.epoll(), {}

    def open_one():
        try:
            connection = frames.connect()
        except (OSError, SystemExit):
            return False
        connection.setblocking(False)
        connections[connection.fileno()] = [connection, b""]
        poll.register(connection, select.EPOLLOUT | (select.EPOLLIN if read else 0))
        return True

    while True:
        while len(connections) < n_connections and open_one():
            pass
        for number, events in poll.poll(1):
            entry = connections[number]
            try:
                if events & select.EPOLLIN and not entry[0].recv(262144):
                    raise ConnectionError
                if events & select.EPOLLOUT:
                    rest = entry[1] or block
                    entry[1] = rest[entry[0].send(rest):]
                if events & (select.EPOLLHUP | select.EPOLLERR):
                    raise ConnectionError
            except BlockingIOError:
                pass
            except OSError:
                poll.unregister(number)
                connections.pop(number)[0].close()


def idle(frames):
    """All the connections there are, and nothing on them."""
    connections = []
    while True:
        try:
            while True:
                connections.append(frames.connect())
        except (OSError, SystemExit):
            time.sleep(1)


def sign(frames):
    flood(frames, frames.block(lambda number: frames.sign("bench/hostile", number)), 200)


def sign_rsa(frames):
    flood(frames, frames.block(lambda number: frames.sign("bench/rsa", number)), 200)


def sign_large(frames):
    flood(frames, frames.sign("bench/hostile", 2, bytes(900000)), 50)


def denied(frames):
    flood(frames, frames.block(lambda number: frames.sign("bench/ec", number)), 200)


def status(frames):
    flood(frames, frames.block(lambda number: frames.frame(id=number, status=frames.pb.StatusRequest())), 200)


def listing(frames):
    flood(frames, frames.block(lambda number: frames.frame(id=number, list=frames.pb.ListRequest(glob="**"))), 200)


def unread(frames):
    flood(frames, frames.block(lambda number: frames.frame(id=number, list=frames.pb.ListRequest(glob="**"))), 200, read=False)


def garbage(frames):
    """Frames of random bytes, each on a new connection."""
    while True:
        try:
            connection = frames.connect()
            data = random.randbytes(1000)
            connection.sendall(struct.pack(">I", len(data)) + data)
            connection.recv(4096)
            connection.close()
        except (OSError, SystemExit):
            pass


def reconnect(frames):
    """Connections that say nothing and end."""
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(frames.path)
        except OSError:
            pass
        connection.close()


def spin(frames):
    """Connections that say nothing and end, by programs that never wait for room."""
    while True:
        connection = socket.socket(socket.AF_UNIX)
        connection.setblocking(False)
        try:
            connection.connect(frames.path)
        except OSError:
            pass
        connection.close()


def greet(frames):
    """Connections that say Hello, and end without reading."""
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(frames.path)
            connection.sendall(frames.hello * 10)
        except OSError:
            pass
        connection.close()


def half_frames(frames):
    """A megabyte announced on each of many connections, and a byte of it at a time."""
    while True:
        connections = []
        try:
            for _ in range(200):
                connections.append(frames.connect())
                connections[-1].sendall(struct.pack(">I", 1000000) + bytes(60000))
            while True:
                for connection in connections:
                    connection.sendall(b"x")
        except (OSError, SystemExit):
            for connection in connections:
                connection.close()


def imports(frames):
    """Sealed files that are no keys, one import after the other; names that it may import and names that it may not."""
    descriptor = os.memfd_create("hostile", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(descriptor, b"not a key")
    fcntl.fcntl(descriptor, F_ADD_SEALS, SEALS)
    while True:
        try:
            connection = frames.connect()
            for number in range(2, 1000):
                name = f"import/{number}" if number % 2 else "bench/ec"
                request = frames.pb.ImportRequest(name=name, format=frames.pb.PKCS8)
                socket.send_fds(connection, [frames.frame(id=number, **{"import": request})], [descriptor])
                connection.setblocking(False)
                try:
                    connection.recv(262144)
                except BlockingIOError:
                    pass
                connection.settimeout(WAIT_S)
        except (OSError, SystemExit):
            pass


def burn(share):
    """This share of a processor, in slices as short as a request."""
    while True:
        end = time.thread_time() + 0.0005
        begun = time.perf_counter()
        while time.thread_time() < end:
            pass
        time.sleep(max(0.0, (time.perf_counter() - begun) * (1 / share - 1)) if share < 1 else 0)


def calculate(frames):
    """Nothing of the service: what any program may do to others."""
    while True:
        pass


ATTACKS = {function.__name__.replace("_", "-"): function for function in (
    idle, sign, sign_rsa, sign_large, denied, status, listing, unread, garbage, reconnect, spin, greet, half_frames, imports)}


class Attack:
    """The attacker's programs; how much of a processor they used."""

    def __init__(self, world, n_programs, function, *arguments):
        self.slices = getattr(world, "slices", None)
        self.programs = [multiprocessing.Process(target=run_attack, args=(function, arguments), daemon=True)
                         for _ in range(n_programs)]

    def __enter__(self):
        for program in self.programs:
            program.start()
            if self.slices:
                self.slices.enter("attacker", program.pid)
        time.sleep(0.5)  # until it has got going
        self.begun, self.used = time.monotonic(), self.ticks()
        return self

    def ticks(self):
        total = 0
        for program in self.programs:
            fields = pathlib.Path(f"/proc/{program.pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / RATE
        return total

    def __exit__(self, *error):
        self.share = (self.ticks() - self.used) / (time.monotonic() - self.begun)
        for program in self.programs:
            os.kill(program.pid, signal.SIGKILL)
            program.join()


def run_attack(function, arguments):
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    os.setgroups([])
    os.setresgid(HOSTILE, HOSTILE, HOSTILE)
    os.setresuid(HOSTILE, HOSTILE, HOSTILE)
    function(*arguments)


# ---------------------------------------------------------------- figures


def measure(world, frames, name, options):
    rounds = {"alone": [], "during": [], "burn": []}
    share = []
    for _ in range(options.rounds):
        rounds["alone"].append(watch(world, frames, options.seconds))
        with Attack(world, options.programs, ATTACKS.get(name, calculate), frames) as attack:
            rounds["during"].append(watch(world, frames, options.seconds))
        share.append(attack.share)
        settle(frames)
        with Attack(world, options.programs, burn, max(0.01, min(1, attack.share / options.programs))):
            rounds["burn"].append(watch(world, frames, options.seconds))
    row = {"attack": name, "share": round(statistics.median(share), 2)}
    for what, results in rounds.items():
        row[what] = {figure: round(statistics.median(result[figure] for result in results), 2) for figure in results[0]}
    return row


def watch(world, frames, seconds):
    out, before, begun = multiprocessing.Queue(), front_time(world), time.monotonic()
    process = multiprocessing.Process(target=victim, args=(frames, seconds, out))
    process.start()
    if getattr(world, "slices", None):
        world.slices.enter("ours", process.pid)
    figures = out.get(timeout=seconds + 60)
    process.join()
    result = {"failed": figures["failed"]}
    for what, now, then in zip(("front", "front_waits"), front_time(world), before):
        result[what] = (now - then) / (time.monotonic() - begun)
    for how in ("held", "fresh"):
        times = sorted(figures[how])
        result[f"{how}_p50"] = times[len(times) // 2]
        result[f"{how}_p99"] = times[len(times) * 99 // 100]
        result[f"{how}_count"] = len(times)
    return result


def settle(frames):
    """Until the service has let go of what the attack left."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        connection = frames.connect()
        connection.sendall(frames.frame(id=2, status=frames.pb.StatusRequest()))
        answer = frames.receive(connection).status
        connection.close()
        if answer.connections <= 2 and not sum(token.queued for token in answer.tokens):
            return
        time.sleep(0.1)
    raise SystemExit("the attack's connections stay")


def print_header():
    print(f"{'':12} {'a connection that stays':^58} {'a new one for each signature':^58}")
    print(f"{'attack':12} " + 2 * f"{'alone 50%':>9} {'99%':>6} {'attack':>7} {'99%':>6} {'burn 99%':>8} {'/alone':>6} {'/burn':>5} {'/calc':>5} "
          + "failed hostile front waits")


def print_row(row, calculating):
    alone, during, burning = row["alone"], row["during"], row["burn"]
    text = f"{row['attack']:12} "
    for how in ("held", "fresh"):
        p50, p99 = f"{how}_p50", f"{how}_p99"
        text += (f"{alone[p50]:9.0f} {alone[p99]:6.0f} {during[p50]:7.0f} {during[p99]:6.0f} {burning[p99]:8.0f} "
                 f"{during[p99] / alone[p99]:6.1f} {during[p99] / burning[p99]:5.1f} {during[p99] / calculating['during'][p99]:5.1f} ")
    print(text + f"{during['failed']:6.0f} {row['share']:7.2f} {during['front']:5.2f} {during['front_waits']:5.2f}", flush=True)


if __name__ == "__main__":
    main()
