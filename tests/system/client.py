#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
client - a client of keysvcd in another language, made from keysvc.proto and docs/protocol.md and from nothing else

    client.py SOCKET hello                       what the service says of itself
    client.py SOCKET list [GLOB]                 NAME@VERSION, one a line
    client.py SOCKET public NAME                 PEM on standard output
    client.py SOCKET sign NAME FILE [FIELD=NUMBER|public_key_sha256=HEX]...     the signature on standard output
    client.py SOCKET csr NAME COMMON-NAME [DNS:NAME|IP:ADDRESS]...     DER on standard output
    client.py SOCKET pipeline NAME FILE COUNT    COUNT signatures, all asked for before the first answer is read
    client.py SOCKET stay FILE                   the generation, and again on the same connection once FILE exists
    client.py SOCKET load NAME FILE SECONDS      32 open requests until the time is over; a JSON report

An error of the service's is printed as CODE and message; its code is the exit code.
"""
import base64
import json
import os
import socket
import struct
import sys
import time

import keysvc_pb2 as pb

MAX_FRAME = 1024 * 1024
OPEN_REQUESTS = 32


class Refused(Exception):
    """An Error of the service's."""

    def __init__(self, error):
        super().__init__(f"{error.code} {error.message} ({error.hint})")
        self.code = error.code
        self.retryable = error.retryable


class Client:
    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.n_requests = 0
        self.received = b""
        hello = pb.Hello(protocol_version=1, program="client.py")
        self.hello = self.call(hello=hello).hello

    def send(self, **operation):
        """Sends a request and returns its id, without waiting for the answer."""
        self.n_requests += 1
        data = pb.Request(id=self.n_requests, deadline_ms=20000, **operation).SerializeToString()
        self.socket.sendall(struct.pack(">I", len(data)) + data)
        return self.n_requests

    def receive(self):
        """The next answer, whichever request it belongs to."""
        (length,) = struct.unpack(">I", self.read(4))
        if length > MAX_FRAME:
            raise ValueError(f"a frame of {length} bytes")
        response = pb.Response()
        response.ParseFromString(self.read(length))
        return response

    def read(self, n_bytes):
        while len(self.received) < n_bytes:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("the service closed the connection")
            self.received += data
        data, self.received = self.received[:n_bytes], self.received[n_bytes:]
        return data

    def call(self, **operation):
        number = self.send(**operation)
        response = self.receive()
        if response.WhichOneof("result") == "error":
            raise Refused(response.error)
        assert response.id == number, f"asked {number}, was answered {response.id}"
        return response

    def get(self, name):
        name, _, version = name.partition("@")
        return self.call(get=pb.GetRequest(name=name, version=int(version or 0))).get


def sign_request(key, data):
    return pb.SignRequest(name=key.name, version=key.version, public_key_sha256=key.public_key_sha256, data=data)


def hello(client):
    print(f"protocol {client.hello.protocol_version}, {client.hello.program}")
    status = client.call(status=pb.StatusRequest()).status
    print(f"version {status.version}, generation {status.generation}, uid {status.uid}")


def list_keys(client, glob=""):
    name, version, more = "", 0, True
    while more:
        page = client.call(list=pb.ListRequest(glob=glob, after_name=name, after_version=version, limit=2)).list
        for key in page.keys:
            print(f"{key.name}@{key.version}")
            name, version = key.name, key.version
        more = page.more


def public(client, name):
    text = base64.encodebytes(client.get(name).public_key).decode()
    print(f"-----BEGIN PUBLIC KEY-----\n{text}-----END PUBLIC KEY-----")


def sign(client, name, path, *fields):
    """Other fields of the request can be set, also to what the library would never send."""
    key = client.get(name)
    with open(path, "rb") as file:
        request = sign_request(key, file.read())
    for field in fields:
        field, _, value = field.partition("=")
        setattr(request, field, bytes.fromhex(value) if field == "public_key_sha256" else int(value))
    sys.stdout.buffer.write(client.call(sign=request).sign.signature)


def csr(client, name, common_name, *alternatives):
    key = client.get(name)
    kinds = {"DNS": pb.AlternativeName.DNS, "IP": pb.AlternativeName.IP}
    names = [alternative.split(":", 1) for alternative in alternatives]
    request = pb.CsrRequest(
        name=key.name,
        version=key.version,
        public_key_sha256=key.public_key_sha256,
        common_name=common_name,
        alternative_names=[pb.AlternativeName(kind=kinds[kind], value=value) for kind, value in names],
    )
    sys.stdout.buffer.write(client.call(csr=request).csr.csr)


def pipeline(client, name, path, count):
    key = client.get(name)
    with open(path, "rb") as file:
        data = file.read()
    waiting = {client.send(sign=sign_request(key, data)) for _ in range(int(count))}
    signatures = set()
    while waiting:
        response = client.receive()
        if response.WhichOneof("result") == "error":
            raise Refused(response.error)
        waiting.remove(response.id)  # a KeyError: answered twice, or never asked
        signatures.add(response.sign.signature)
    print(f"{count} answered, {len(signatures)} different signatures")


def stay(client, path):
    print(client.call(status=pb.StatusRequest()).status.generation, flush=True)
    while not os.path.exists(path):
        time.sleep(0.02)
    print(client.call(status=pb.StatusRequest()).status.generation)


def load(path, name, data_path, seconds):
    """
    Keeps requests open until the time is over. A lost connection is made again and what was open on it is counted as
    lost; on a connection that lives every request has exactly one answer.
    """
    with open(data_path, "rb") as file:
        data = file.read()
    report = {"asked": 0, "signed": 0, "retryable": 0, "refused": 0, "lost": 0, "strange": 0, "connections": 0, "gap_ms": 0}
    until = time.monotonic() + float(seconds)
    last_signed = time.monotonic()
    client, waiting, key = None, set(), None
    while waiting or time.monotonic() < until:
        try:
            if client is None:
                client = Client(path)
                key = client.get(name)
                report["connections"] += 1
            while len(waiting) < OPEN_REQUESTS and time.monotonic() < until:
                waiting.add(client.send(sign=sign_request(key, data)))
                report["asked"] += 1
            if not waiting:
                break
            response = client.receive()
            if response.id not in waiting:
                report["strange"] += 1
                continue
            waiting.remove(response.id)
            if response.WhichOneof("result") == "sign":
                now = time.monotonic()
                report["signed"] += 1
                report["gap_ms"] = max(report["gap_ms"], int(1000 * (now - last_signed)))
                last_signed = now
            elif response.error.retryable:
                report["retryable"] += 1
                time.sleep(0.002)
            else:
                report["refused"] += 1
                report["first_refusal"] = report.get("first_refusal", f"{response.error.code} {response.error.message}")
        except (OSError, Refused):
            # Also while the service is coming back: no socket yet, the token not ready.
            report["lost"] += len(waiting)
            client, waiting = None, set()
            if time.monotonic() > until + 20:
                raise
            time.sleep(0.01)
    print(json.dumps(report))


COMMANDS = {"hello": hello, "list": list_keys, "public": public, "sign": sign, "csr": csr, "pipeline": pipeline,
            "stay": stay}


def main():
    path, command, *arguments = sys.argv[1:]
    try:
        if command == "load":
            load(path, *arguments)
        else:
            COMMANDS[command](Client(path), *arguments)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return refused.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
