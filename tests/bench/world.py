# SPDX-License-Identifier: Apache-2.0
"""
world - a token, its keys and a running keysvcd, for the benchmarks
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # of the next one, into the source tree
import nginx

TOP = pathlib.Path(__file__).resolve().parents[2]
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
WORKERS = 2
FRONT, TOKEN = 64801, 64802
MANY = 11000  # connections of one caller: what the scale needs, and no more than RLIMIT_NOFILE has room for
LIMITS = f"max-connections = {MANY} max-connections-per-caller = {MANY} max-requests-per-caller = 4096"
READY_S = 120  # SoftHSM takes its time with 10,000 keys


class World:
    """
    A token, two keys, a running keysvcd. As root the front and the token's processes are two numeric users, and what
    uses the token directly is the second of them too.
    """

    def __init__(self, folder, build, n_more_keys=0, limits=LIMITS):
        self.folder, self.daemon, self.n_more_keys, self.limits = folder, None, n_more_keys, limits
        self.source, self.module, self.pin_text = TOP, SOFTHSM, "bench-pin"
        self.build = copied(build, folder / "programs")
        self.is_root = os.getuid() == 0
        self.token_user = {"user": TOKEN, "group": TOKEN, "extra_groups": []} if self.is_root else {}
        self.socket = folder / "keysvc.sock"
        self.env = {**os.environ, "SOFTHSM2_CONF": str(folder / "softhsm2.conf"), "KEYSVC_SOCKET": str(self.socket)}
        self.affinity = os.sched_getaffinity(0)

    def start(self):
        self.folder.chmod(0o755)
        for name in ("tokens", "audit", "state"):
            (self.folder / name).mkdir(mode=0o700)
        (self.folder / "softhsm2.conf").write_text(f"directories.tokendir = {self.folder}/tokens\n")
        for name in ("pin", "direct-pin"):
            (self.folder / name).touch(mode=0o600)
            (self.folder / name).write_text("bench-pin")
        if self.is_root:
            os.chown(self.folder / "tokens", TOKEN, TOKEN)
            os.chown(self.folder / "direct-pin", TOKEN, TOKEN)
        self.run("softhsm2-util", "--init-token", "--free", "--label", "keysvc", "--pin", "bench-pin", "--so-pin", "12345678",
                 **self.token_user)
        if self.n_more_keys:
            self.run(self.build / "tests/bench/bench", "make", SOFTHSM, self.folder / "direct-pin", "bench/more", self.n_more_keys,
                     **self.token_user)
        (self.folder / "profile.conf").write_text(
            f'module = "{SOFTHSM}"\nworkers = {WORKERS}\nhang-timeout = "10s"\ngenerate-timeout = "60s"\n'
            f'kill-in-login = false\nset-id = true\nprivate-attributes = {{"SIGN"}}\npublic-attributes = {{"VERIFY"}}\n'
            f'environment = {{"SOFTHSM2_CONF={self.folder}/softhsm2.conf"}}\n')
        users = (f'front-user = "{FRONT}"', f'user = "{TOKEN}"') if self.is_root else ("", "")
        (self.folder / "keysvcd.conf").write_text(f"""
daemon {{
    socket = "{self.socket}"
    audit-dir = "{self.folder}/audit"
    state-dir = "{self.folder}/state"
    {self.limits}
    {users[0]}
}}
token main {{
    profile = "{self.folder}/profile.conf"
    label = keysvc
    pin-file = "{self.folder}/pin"
    {users[1]}
}}
keys "bench/*" {{ token = main type = ec-p256 purpose = sign }}
keys "bench/rsa*" {{ token = main type = rsa-2048 purpose = sign }}
{nginx.RULES}
allow nginx {{ user = {{"{TOKEN if self.is_root else os.getuid()}"}} keys = {{"tls/*"}} operations = {{sign}} }}
allow me {{ user = {{"{os.getuid()}"}} keys = {{"**"}} operations = {{all, administer}} }}
""")
        log = (self.folder / "log").open("w")
        self.daemon = subprocess.Popen(
            [self.build / "keysvc/keysvcd", "--config", self.folder / "keysvcd.conf", "--libexec-dir",
             self.build / "keysvc", "--profile-dir", TOP / "hsm-profiles"], env=self.env, stderr=log, stdout=log)
        self.wait_until_ready()
        for key in ("bench/ec", "bench/rsa"):
            self.run(self.build / "client/cli/keysvc", "key", "generate", key)

    def wait_until_ready(self, pause_s=0.1):
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            time.sleep(pause_s)
            status = subprocess.run([self.build / "client/cli/keysvc", "status", "--json"], env=self.env,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
            if status.returncode == 0 and json.loads(status.stdout)["tokens"][0]["ready_workers"] == WORKERS:
                return
            if self.daemon.poll() is not None:
                break
        raise SystemExit("keysvcd is not ready:\n" + (self.folder / "log").read_text())

    def run(self, *command, **options):
        subprocess.run([str(word) for word in command], env=self.env, check=True, stdout=subprocess.DEVNULL, **options)

    def pin(self, processors):
        """The daemon and its processes; benchmark processes inherit ours."""
        for process in [0, self.daemon.pid] + nginx.children(self.daemon.pid):
            os.sched_setaffinity(process, processors)

    def processes(self, program):
        return [pid for pid in nginx.children(self.daemon.pid)
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == program]

    def cpu_us(self, program):
        """What the front, or the token's processes together, have used."""
        return sum(int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e3 for pid in self.processes(program))

    def stop(self):
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait(20)


def copied(build, folder):
    """The programs, where other users can reach them."""
    names = ["keysvc/keysvcd", "keysvc/keysvc-front", "keysvc/keysvc-token", "client/cli/keysvc", "tests/bench/bench",
             "tests/load/load", "tests/bench/handshakes", "client/provider/keysvc.so"]
    names += [path.relative_to(build) for path in (build / "client/lib").glob("libkeysvc.so*") if path.is_file()]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(build / name, folder / name)
    return folder
