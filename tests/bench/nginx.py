# SPDX-License-Identifier: Apache-2.0
"""
nginx - TLS 1.3 full handshakes through nginx: a key in a file, libp11's engine on the token, the provider of keysvc

Three nginx with the same configuration but for their keys run side by side, two workers each, as the token's user: the
engine reads the token in the workers. Engine and keysvc use the very same keys. Clients resume nothing. A row has what a
handshake costs the server's processors: nginx's workers, and for keysvc the service's processes as well.
"""
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time

CLIENTS = 4  # processes that make handshakes
WORKERS = 2
KINDS = {"P-256": "ec", "RSA-2048": "rsa"}
WAYS = ["file", "engine", "keysvc"]
ENGINE = "/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# What keysvcd.conf has for these keys: those of a TLS server, for the user nginx runs as.
RULES = """
keys "tls/ec" { token = main type = ec-p256 purpose = tls-server names = {"localhost"} }
keys "tls/rsa" { token = main type = rsa-2048 purpose = tls-server names = {"localhost"} }
"""


def missing():
    """Why it cannot be measured here, or nothing."""
    if not shutil.which("nginx"):
        return "nginx is not installed"
    return "" if os.path.exists(ENGINE) else "libengine-pkcs11-openssl is not installed"


class Server:
    """One nginx, with a port for each kind of key."""

    def __init__(self, world, way, module):
        self.world, self.way = world, way
        self.folder = world.folder / f"nginx-{way}"
        self.folder.mkdir(mode=0o755)
        self.ports = dict(zip(KINDS, free_ports(len(KINDS))))
        (self.folder / "openssl.cnf").write_text(openssl_conf(world, way, module))
        (self.folder / "nginx.conf").write_text(self.nginx_conf())
        own(world, self.folder)
        self.process = subprocess.Popen(
            ["nginx", "-e", "stderr", "-c", self.folder / "nginx.conf"], stderr=(self.folder / "log").open("w"),
            env={**world.env, "OPENSSL_CONF": str(self.folder / "openssl.cnf")}, **world.token_user)
        self.wait_until_ready()

    def nginx_conf(self):
        temporary = "\n".join(f"    {kind}_temp_path {self.folder}/{kind};"
                              for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        servers = "\n".join(f"""
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {self.world.folder}/tls-{KINDS[kind]}-{certificate_of(self.way)}.crt;
        ssl_certificate_key {key_of(self.world, self.way, KINDS[kind])};
    }}""" for kind, port in self.ports.items())
        return f"""
daemon off;
worker_processes {WORKERS};
pid {self.folder}/pid;
error_log {self.folder}/error.log;
env OPENSSL_CONF;
env SOFTHSM2_CONF;
events {{ }}
http {{
    access_log off;
{temporary}
    ssl_protocols TLSv1.3;
    ssl_session_cache off;
    ssl_session_tickets off;
{servers}
}}
"""

    def wait_until_ready(self):
        for _ in range(100):
            if self.process.poll() is None and all(accepts(port) for port in self.ports.values()):
                return
            time.sleep(0.05)
        raise SystemExit(f"nginx with {self.way} is not ready:\n" + self.said())

    def said(self):
        texts = [path.read_text() for path in (self.folder / "log", self.folder / "error.log") if path.exists()]
        return "".join(texts)[-4000:]

    def processes(self):
        return children(self.process.pid)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def measure(world, options):
    """Rows with the medians of the rounds; the ways take turns in each."""
    make_keys(world)
    module = world.build / "client/provider/keysvc.so"
    servers = {}
    try:
        for way in WAYS:
            servers[way] = Server(world, way, module)
        return [measure_kind(world, options, servers, kind) for kind in KINDS]
    finally:
        for server in servers.values():
            server.stop()


def measure_kind(world, options, servers, kind):
    rounds = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way, server in servers.items():
            rounds[way].append(run_clients(world, options, server, kind))
    row = {"name": kind}
    for way, results in rounds.items():
        row[way] = {figure: statistics.median(result[figure] for result in results) for figure in results[0]}
    print(f"  nginx, {kind}: " + ", ".join(f"{way} {row[way]['per_second']:.0f}/s" for way in WAYS), file=sys.stderr,
          flush=True)
    return row


def run_clients(world, options, server, kind):
    service = [world.daemon.pid] + children(world.daemon.pid)
    workers = server.processes()
    before = cpu_s(workers), cpu_s(service)
    result = subprocess.run([world.build / "tests/bench/handshakes", str(server.ports[kind]), str(CLIENTS),
                             str(options.seconds)], stdout=subprocess.PIPE, check=True)
    after = cpu_s(workers), cpu_s(service)
    counted = json.loads(result.stdout)
    if counted["failed"] or not counted["handshakes"]:
        raise SystemExit(f"{counted} with {server.way}:\n" + server.said())
    per_handshake = 1e6 / counted["handshakes"]
    return {"per_second": counted["per_second"], "nginx_us": (after[0] - before[0]) * per_handshake,
            "service_us": (after[1] - before[1]) * per_handshake}


def print_table(rows):
    print(f"\nTLS 1.3 full handshakes through nginx, {WORKERS} workers, {CLIENTS} client processes; CPU in us a handshake")
    print(f"{'':10}  {'key':8} {'1/s':>7} {'nginx':>7} {'keysvc':>7} {'sum':>7}  {'1/s to file':>11} {'sum to file':>11}")
    for row in rows:
        for way in WAYS:
            figures, base = row[way], row["file"]
            service_us = figures["service_us"] if way == "keysvc" else 0
            total = figures["nginx_us"] + service_us
            print(f"{row['name'] if way == WAYS[0] else '':10}  {way:8} {figures['per_second']:7.0f} {figures['nginx_us']:7.0f} "
                  f"{service_us:7.0f} {total:7.0f}  {figures['per_second'] / base['per_second']:11.2f} "
                  f"{total / base['nginx_us']:11.2f}")


# --- keys, certificates, configurations ---


def make_keys(world):
    """The service's keys with their references, and keys in files; a certificate signed with itself for each."""
    keysvc = world.build / "client/cli/keysvc"
    for kind in KINDS.values():
        at = world.folder / f"tls-{kind}"
        world.run(keysvc, "key", "generate", f"tls/{kind}")
        world.run(keysvc, "key", "reference", f"tls/{kind}", "--out-file", f"{at}.pem")
        world.run(keysvc, "self-sign", f"tls/{kind}", "--common-name", "localhost", "--out-file", f"{at}-token.crt")
        algorithm = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["rsa:2048"]
        world.run("openssl", "req", "-x509", "-newkey", *algorithm, "-nodes", "-subj", "/CN=localhost", "-keyout",
                  f"{at}.key", "-out", f"{at}-file.crt", stderr=subprocess.DEVNULL)
        for name in (f"{at}.pem", f"{at}-token.crt", f"{at}.key", f"{at}-file.crt"):
            own(world, name)


def certificate_of(way):
    return "file" if way == "file" else "token"


def key_of(world, way, kind):
    if way == "engine":
        return f'"engine:pkcs11:pkcs11:token=keysvc;object=tls%2F{kind}%401;type=private"'
    return world.folder / f"tls-{kind}.{'key' if way == 'file' else 'pem'}"


def openssl_conf(world, way, module):
    if way == "engine":
        # libp11 wants init = 1, and the PIN from here or from the URI.
        return f"""
openssl_conf = openssl_init
[openssl_init]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
dynamic_path = {ENGINE}
MODULE_PATH = {world.module}
PIN = {world.pin_text}
init = 1
"""
    if way == "keysvc":
        template = (world.source / "client/provider/openssl.cnf.in").read_text()
        return template.replace("@MODULE@", str(module)) + f"socket = {world.socket}\n"
    return ""


# --- processes and ports ---


def own(world, path):
    if world.is_root:
        os.chown(path, world.token_user["user"], world.token_user["group"])


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def cpu_s(pids):
    """User and system time of processes together."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_S
