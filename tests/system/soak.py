#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
soak - everything at once for a while: mixed load, and faults at random from a seed

    soak.py --world DIR --build DIR --seconds S --seed N

Runs beside a keysvcd that soak.bats has started in its world with the module that breaks on purpose. Three kinds of threads:

    two load generators   signatures with keys that stay, by the protocol and by the library, each one verified
    two owners            make, rotate, import, use, certify and destroy keys of their own through the command line, and
                          remember what must be there
    one spoiler           one fault after the other: rules of the module, kill -9, signals, reloads, rotations

The seed decides which faults and which operations come in which order; when they meet depends on the machine. What must
hold is checked as it happens and once more when the faults are over; the exit code says whether it did.
"""
import argparse
import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

STAYING = ["web/stays", "rsa/stays", "web/edwards"]
RETRYABLE = {10, 11, 12, 14, 17}  # TOKEN_UNAVAILABLE, BUSY, DEADLINE, AUDIT_UNWRITABLE, NO_SERVICE
NO_KEY, EXISTS, OUTCOME_UNKNOWN = 4, 5, 13
CLEAN = ("wrong", "doubled", "strange", "unanswered", "refused")
QUIET_S = 60  # behind the last fault everything is well again within this time
GROWTH_KIB = 2048  # of keysvcd and the front: malloc keeps some, a leak in each request or restart would be more


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    world = World(options.world, options.build)
    loads = [Load(world, "protocol", "--threads", "4", "--open", "4", "--rate", "200"),
             Load(world, "library", "--processes", "2", "--threads", "2", "--rate", "60")]
    owners = [Owner(world, name, random.Random(f"{options.seed} {name}")) for name in ("alice", "bob")]
    spoiler = Spoiler(world, random.Random(f"{options.seed} spoiler"))

    threads = [threading.Thread(target=actor.run, args=(world.over,)) for actor in owners + [spoiler]]
    for thread in threads:
        thread.start()
    end = time.monotonic() + options.seconds
    warm = None
    while time.monotonic() < end and not world.problems:
        time.sleep(0.2)
        if warm is None and time.monotonic() > end - options.seconds * 0.7:
            with spoiler.lock:  # at rest
                warm = world.footprint() if world.calm() else None
    world.over.set()
    for thread in threads:
        thread.join()
    world.calm() or world.problem(f"not well again {QUIET_S} s behind the last fault: {world.status()}")
    for load in loads:
        load.end()
    for owner in owners:
        owner.check_all()
    world.check_growth(warm)

    print(json.dumps({"seed": options.seed, "operations": sum((owner.done for owner in owners), collections.Counter()),
                      "faults": spoiler.done, "loads": [load.told for load in loads], "footprint": [warm, world.footprint()],
                      "keys": sum(len(owner.keys) for owner in owners)}))
    for problem in world.problems:
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if world.problems else 0


class World:
    """The service, from outside."""

    def __init__(self, folder, build):
        self.folder, self.build = folder, build
        self.pid = int((folder / "keysvcd.pid").read_text())
        self.over = threading.Event()
        self.problems = []

    def problem(self, text):
        self.problems.append(f"{time.strftime('%H:%M:%S')} {text}")

    def keysvc(self, *arguments, data=None):
        """Exit code, standard output, standard error."""
        done = subprocess.run(["keysvc", *arguments, "--timeout", "10s"], input=data, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr.decode(errors="replace").strip()

    def status(self):
        code, out, _ = self.keysvc("status", "--json")
        return json.loads(out) if code == 0 else {}

    def is_ready(self):
        tokens = self.status().get("tokens", [{}])
        return all(t.get("state") == "ready" and t["ready_workers"] == t["workers"] for t in tokens)

    def calm(self):
        end = time.monotonic() + QUIET_S
        while time.monotonic() < end:
            if self.is_ready() and all(self.keysvc("sign", key, "--in", str(self.folder / "data"))[0] == 0 for key in STAYING):
                return True
            time.sleep(0.1)
        return False

    def children(self, name):
        found = subprocess.run(["pgrep", "-P", str(self.pid), "-x", name], capture_output=True, text=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    def footprint(self):
        """Descriptors and KiB of keysvcd, then of the front, which may be a new one."""
        found = []
        for pid in [self.pid] + self.children("keysvc-front"):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
            found.append((len(os.listdir(f"/proc/{pid}/fd")), resident))
        return found

    def check_growth(self, warm):
        # In both cases the load is under way and then not: a connection less, never one more.
        for before, after in zip(warm or [], self.footprint()):
            if after[0] > before[0]:
                self.problem(f"{after[0]} descriptors are open, there were {before[0]}")
            if not os.environ.get("KEYSVC_SANITIZED") and after[1] > before[1] + GROWTH_KIB:
                self.problem(f"{after[1]} KiB are in use, there were {before[1]}")


class Load:
    """One load generator, to its end."""

    def __init__(self, world, via, *options):
        self.world, self.via, self.told = world, via, {}
        command = [world.build / "tests/load/load", "--via", via, "--key", ",".join(STAYING), "--verify", "--json", "--seconds",
                   "7200", "--deadline-ms", "20000", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self):
        self.process.terminate()
        out, error = self.process.communicate()
        if self.process.returncode != 0:
            self.world.problem(f"load by {self.via}: {error}")
            return
        report = json.loads(out)
        self.told = {name: report[name] for name in ("outcomes", "lost", "longest_gap_ms", "p99_us")}
        for name in CLEAN:
            if report[name]:
                self.world.problem(f"load by {self.via}: {name} {report[name]}: {report['said']}")


class Owner:
    """Keys of one owner, and what is known of each version: its public key; None, it may be there or not."""

    def __init__(self, world, name, rng):
        self.world, self.name, self.rng = world, name, rng
        self.keys = {}  # (name, version) -> PEM of the public key
        self.done = collections.Counter()
        self.n_names = 0

    def run(self, over):
        steps = [(self.generate, 3), (self.rotate, 3), (self.destroy, 3), (self.import_, 2), (self.sign, 6), (self.csr, 3),
                 (self.certify, 3), (self.show, 4), (self.list, 2)]
        while not over.is_set():
            step = self.rng.choices([s for s, _ in steps], [w for _, w in steps])[0]
            step()
            self.done[step.__name__.strip("_")] += 1

    # What each operation may answer, whatever is broken, is what may be tried again; the rest must fit what is known.

    def ask(self, *arguments, expected=(0,), data=None):
        code, out, error = self.world.keysvc(*arguments, data=data)
        if code not in expected and code not in RETRYABLE:
            self.world.problem(f"{' '.join(arguments)}: {code}: {error}")
        return code, out

    def newest(self, name):
        return max((version for other, version in self.keys if other == name), default=0)

    def known(self):
        """A version of which it is known that it is there."""
        there = [key for key, public in self.keys.items() if public]
        return self.rng.choice(there) if there else None

    def learn(self, name, version, code):
        """After a change that should have made this version."""
        if code == 0:
            self.keys[name, version] = self.public(name, version)
        elif code == OUTCOME_UNKNOWN:
            self.resolve(name, version)

    def resolve(self, name, version):
        """
        What became of it: asked again until the service can tell. What is left of a version that is none any more (a public
        key alone, certificates) is removed as docs/operations.md says: its number could not be used again.
        """
        while not self.world.problems:
            code, _ = self.ask("key", "show", f"{name}@{version}", expected=(0, NO_KEY))
            if code == NO_KEY:
                code, _ = self.ask("key", "destroy", f"{name}@{version}", "--yes", expected=(0, NO_KEY, OUTCOME_UNKNOWN))
                if code in (0, NO_KEY):
                    self.keys.pop((name, version), None)
                    return
                continue
            if code == 0:
                self.keys[name, version] = self.public(name, version)
                return
            time.sleep(0.1)

    def public(self, name, version):
        while not self.world.problems:
            code, out = self.ask("key", "public", f"{name}@{version}")
            if code == 0:
                return out
            time.sleep(0.1)
        return None

    def new_name(self, folder):
        self.n_names += 1
        return f"{folder}/{self.name}/{self.n_names}"

    def generate(self):
        name = self.new_name(self.rng.choice(["web", "web", "web", "rsa"]))
        code, _ = self.ask("key", "generate", name, expected=(0, OUTCOME_UNKNOWN))
        self.learn(name, 1, code)

    def rotate(self):
        key = self.known()
        if key and self.newest(key[0]) == key[1]:
            code, _ = self.ask("key", "rotate", key[0], "--from", str(key[1]), expected=(0, OUTCOME_UNKNOWN))
            self.learn(key[0], key[1] + 1, code)

    def import_(self):
        name = self.new_name("web")
        code, _ = self.ask("key", "import", name, "--pkcs12", str(self.world.folder / "ec.p12"), "--password-file",
                           str(self.world.folder / "password"), expected=(0, OUTCOME_UNKNOWN))
        self.learn(name, 1, code)

    def destroy(self):
        key = self.known()
        if not key or len(self.keys) < 4:
            return
        code, _ = self.ask("key", "destroy", f"{key[0]}@{key[1]}", "--yes", expected=(0, OUTCOME_UNKNOWN))
        if code == 0:
            del self.keys[key]
            if self.ask("key", "show", f"{key[0]}@{key[1]}", expected=(NO_KEY,))[0] == 0:
                self.world.problem(f"{key} was destroyed and is there")
        elif code == OUTCOME_UNKNOWN:
            self.resolve(*key)

    def sign(self):
        key = self.known()
        if key:
            self.check_signature(key, self.keys[key])

    def check_signature(self, key, public):
        data = self.rng.randbytes(20)
        code, signature = self.ask("sign", f"{key[0]}@{key[1]}", "--in", "-", data=data)
        if code != 0:
            return False
        paths = [self.world.folder / f"{self.name}.{what}" for what in ("data", "signature", "pem")]
        for path, content in zip(paths, (data, signature, public)):
            path.write_bytes(content)
        done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", paths[2], "-signature", paths[1], paths[0]],
                              capture_output=True, check=False)
        if done.returncode != 0:
            self.world.problem(f"a wrong signature with {key}")
        return True

    def csr(self):
        key = self.known()
        if key:
            self.ask(self.rng.choice(["csr", "self-sign"]), f"{key[0]}@{key[1]}", "--common-name", "shop.example",
                     "--alternative-names", "DNS:shop.example")

    def certify(self):
        key = self.known()
        if not key:
            return
        label = f"{key[0]}@{key[1]}"
        code, certificate = self.ask("self-sign", label, "--common-name", "shop.example", "--alternative-names",
                                     "DNS:shop.example")
        if code != 0:
            return
        code, _ = self.ask("key", "certificate", label, "put", "--in", "-", data=certificate, expected=(0, OUTCOME_UNKNOWN))
        if code == 0 and self.rng.random() < 0.5:
            code, got = self.ask("key", "certificate", label, "get")
            if code == 0 and got != certificate:
                self.world.problem(f"{label}: another certificate than was put")
        elif code == 0:
            self.ask("key", "certificate", label, "delete", expected=(0, OUTCOME_UNKNOWN))

    def show(self):
        key = self.known()
        if key:
            code, out = self.ask("key", "public", f"{key[0]}@{key[1]}")
            if code == 0 and out != self.keys[key]:
                self.world.problem(f"{key} has another public key")

    def list(self):
        self.ask("key", "list", "--json")

    def check_all(self):
        for (name, version), public in sorted(self.keys.items()):
            code, out = self.ask("key", "public", f"{name}@{version}")
            if public is None:
                continue  # a problem ended the run before it was read
            if code != 0 or out != public:
                self.world.problem(f"{name}@{version} is not what it was: {code}")
            elif not self.check_signature((name, version), public):
                self.world.problem(f"{name}@{version} does not sign")


class Spoiler:
    """One fault after the other, each mended, and a moment of peace in between now and then."""

    def __init__(self, world, rng):
        self.world, self.rng = world, rng
        self.lock = threading.Lock()
        self.done = collections.Counter()
        self.n_reloads = self.n_rotations = 0

    def run(self, over):
        faults = [(self.rules, 10), (self.removed, 2), (self.hang, 1), (self.kill_front, 1), (self.kill_worker, 2), (self.hangup, 1),
                  (self.reload, 1), (self.bad_reload, 1), (self.rotate_audit, 2), (self.retry_login, 1), (self.look, 2)]
        while not over.is_set():
            with self.lock:
                fault = self.rng.choices([f for f, _ in faults], [w for _, w in faults])[0]
                fault()
                self.done[fault.__name__] += 1
                self.write()
            time.sleep(self.rng.choice([0, 0.1, 0.5, 1]))

    def write(self, *lines):
        folder = self.world.folder / "break"
        (folder / "rules.new").write_text("".join(line + "\n" for line in lines))
        (folder / "rules.new").chmod(0o644)
        (folder / "rules.new").rename(folder / "rules")

    def rules(self):
        possible = ["C_Sign:~30:slow 20", "C_SignInit:~60:slow 50", "C_Sign:~50:wrong", "C_Sign:~300:abort", "C_Sign:~300:after segv",
                    "C_SignInit:~300:segv", "C_GenerateKeyPair:~3:CKR_DEVICE_MEMORY", "C_GenerateKeyPair:~3:after abort",
                    "C_GenerateKeyPair:~4:after CKR_DEVICE_ERROR", "C_CreateObject:~4:CKR_DEVICE_ERROR", "C_CreateObject:~6:after abort",
                    "C_DestroyObject:~5:after segv", "C_DestroyObject:~5:CKR_SESSION_HANDLE_INVALID",
                    "C_SetAttributeValue:~4:CKR_GENERAL_ERROR", "C_FindObjectsInit:~10:CKR_DEVICE_ERROR"]
        for function in ("C_Sign", "C_SignInit", "C_OpenSession", "C_FindObjects", "C_GetAttributeValue"):
            for answer in ("DEVICE_REMOVED", "SESSION_HANDLE_INVALID", "SESSION_CLOSED", "USER_NOT_LOGGED_IN", "KEY_HANDLE_INVALID",
                           "OBJECT_HANDLE_INVALID", "DEVICE_ERROR", "GENERAL_ERROR", "FUNCTION_FAILED", "TOKEN_NOT_PRESENT",
                           "CRYPTOKI_NOT_INITIALIZED", "HOST_MEMORY"):
                possible.append(f"{function}:~{self.rng.choice([20, 100, 400])}:CKR_{answer}")
        self.write(*self.rng.sample(possible, self.rng.randint(1, 4)))
        time.sleep(self.rng.uniform(0.2, 2))

    def removed(self):
        self.write("token:removed")
        time.sleep(self.rng.choice([0.01, 0.1, 0.5, 2]))

    def hang(self):
        self.write("C_Sign:~40:hang")
        time.sleep(1.5)

    def kill_front(self):
        for pid in self.world.children("keysvc-front"):
            os.kill(pid, signal.SIGKILL)

    def kill_worker(self):
        """Outside of C_Login, which SoftHSM would not survive: all have said that they are ready."""
        workers = self.world.children("keysvc-token")
        if workers and self.world.is_ready() and self.world.children("keysvc-token") == workers:
            os.kill(self.rng.choice(workers), signal.SIGKILL)

    def hangup(self):
        for _ in range(self.rng.choice([1, 20])):
            os.kill(self.world.pid, signal.SIGHUP)

    def configure(self, line):
        path = self.world.folder / "keysvcd.conf"
        kept = [old for old in path.read_text().splitlines() if not old.endswith("# soak")]
        (path.parent / "keysvcd.conf.new").write_text("\n".join(kept + [line + " # soak", ""]))
        (path.parent / "keysvcd.conf.new").rename(path)

    def expect(self, *arguments, expected=(0,)):
        code, _, error = self.world.keysvc(*arguments)
        if code not in expected and code not in RETRYABLE:
            self.world.problem(f"{' '.join(arguments)}: {code}: {error}")

    def reload(self):
        self.n_reloads += 1
        self.configure(f'keys "other-{self.n_reloads}/**" {{ token = main type = ec-p256 purpose = sign }}')
        self.expect("reload")

    def bad_reload(self):
        self.configure("nonsense = {")
        self.expect("reload", expected=(6, 2))
        self.configure("")

    def rotate_audit(self):
        """As logrotate does: .1 is the newest of the old ones. Every other time a process is just then being replaced."""
        folder = self.world.folder / "audit"
        self.rng.choice([self.kill_worker, self.kill_front, lambda: None, lambda: None])()
        for number in range(self.n_rotations, 0, -1):
            for path in folder.glob(f"*.log.{number}"):
                path.rename(path.with_suffix(f".{number + 1}"))
        for path in folder.glob("*.log"):
            path.rename(f"{path}.1")
        self.n_rotations += 1
        os.kill(self.world.pid, signal.SIGHUP)
        end = time.monotonic() + QUIET_S
        while any(not path.with_suffix("").exists() or not path.with_suffix("").stat().st_size for path in folder.glob("*.log.1")):
            if time.monotonic() > end:
                self.world.problem("no new audit file behind a rotation")
                return
            time.sleep(0.05)

    def retry_login(self):
        self.expect("token", "retry-login", "main")

    def look(self):
        for arguments in (("token", "show", "main"), ("metrics",), ("status",), ("policy", "explain", "--key", "web/stays",
                                                                                  "--operation", "sign")):
            self.expect(*arguments)


if __name__ == "__main__":
    sys.exit(main())
