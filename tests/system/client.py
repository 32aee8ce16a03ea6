#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
client - a client of keysvcd in another language, made from keysvc.proto and docs/protocol.md and from nothing else

    client.py SOCKET hello                       what the service says of itself
    client.py SOCKET list [GLOB]                 NAME@VERSION, one a line
    client.py SOCKET public NAME                 PEM on standard output
    client.py SOCKET sign NAME FILE [FIELD=NUMBER|public_key_sha256=HEX]...     the signature on standard output
    client.py SOCKET csr NAME COMMON-NAME [DNS:NAME|IP:ADDRESS]...     DER on standard output
    client.py SOCKET self-sign NAME DAYS COMMON-NAME [DNS:NAME|IP:ADDRESS]...     DER on standard output
    client.py SOCKET import NAME pkcs12|pkcs8 FILE [PASSWORD-FILE|- [SELECT]]     NAME@VERSION; @VERSION in NAME: from which
    client.py SOCKET destroy NAME@VERSION [any]  `any`: whatever stands there
    client.py SOCKET certificate-put NAME PEM-FILE
    client.py SOCKET certificate-get NAME        PEM on standard output
    client.py SOCKET certificate-delete NAME
    client.py SOCKET token-info TOKEN            a JSON object
    client.py SOCKET pipeline NAME FILE COUNT    COUNT signatures, all asked for before the first answer is read
    client.py SOCKET stay FILE                   the generation, and again on the same connection once FILE exists
    client.py SOCKET load NAME FILE SECONDS      32 open requests until the time is over; a JSON report

An error of the service's is printed as CODE and message; its code is the exit code.
"""
import base64
import fcntl
import json
import os
import socket
import ssl
import struct
import sys
import time

import keysvc_pb2 as pb

MAX_FRAME = 1024 * 1024
OPEN_REQUESTS = 32
# From <linux/fcntl.h>; Python 3.11 does not name them all.
F_ADD_SEALS = 1033
SEALS = 0x0002 | 0x0004 | 0x0008  # SHRINK, GROW, WRITE


class Refused(Exception):
    """An Error of the service's."""

    def __init__(self, error):
        super().__init__(f"{error.code} {error.message} ({error.hint})")
        self.code = error.code
        self.retryable = error.retryable


class Client:
    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # With settimeout() connect() would not wait where many wait to be accepted, but fail.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", timeout, 0))
        self.socket.connect(path)
        self.socket.settimeout(timeout)
        self.n_requests = 0
        self.received = b""
        hello = pb.Hello(protocol_version=1, program="client.py")
        self.hello = self.call(hello=hello).hello

    def send(self, descriptors=(), **operation):
        """Sends a request and returns its id, without waiting for the answer."""
        self.n_requests += 1
        data = pb.Request(id=self.n_requests, deadline_ms=20000, **operation).SerializeToString()
        data = struct.pack(">I", len(data)) + data
        if descriptors:
            # They go with whatever the first write takes, and so with the first byte.
            data = data[socket.send_fds(self.socket, [data], descriptors) :]
        self.socket.sendall(data)
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

    def call(self, descriptors=(), **operation):
        number = self.send(descriptors, **operation)
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


def meant(key):
    """The fields that say which key is meant."""
    return {"name": key.name, "version": key.version, "public_key_sha256": key.public_key_sha256}


def csr_request(client, name, common_name, *alternatives):
    key = client.get(name)
    kinds = {"DNS": pb.AlternativeName.DNS, "IP": pb.AlternativeName.IP}
    names = [alternative.split(":", 1) for alternative in alternatives]
    return pb.CsrRequest(
        common_name=common_name,
        alternative_names=[pb.AlternativeName(kind=kinds[kind], value=value) for kind, value in names],
        **meant(key),
    )


def csr(client, name, common_name, *alternatives):
    request = csr_request(client, name, common_name, *alternatives)
    sys.stdout.buffer.write(client.call(csr=request).csr.csr)


def self_sign(client, name, days, common_name, *alternatives):
    request = pb.SelfSignRequest(request=csr_request(client, name, common_name, *alternatives), days=int(days))
    (certificate,) = client.call(self_sign=request).self_sign.certificates
    sys.stdout.buffer.write(certificate)


def sealed(path):
    """The file's content as a descriptor that nobody can change any more."""
    descriptor = os.memfd_create("import", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(path, "rb") as file:
        os.write(descriptor, file.read())
    fcntl.fcntl(descriptor, F_ADD_SEALS, SEALS)
    return descriptor


def import_key(client, name, file_format, path, password_path="-", select=""):
    name, _, version = name.partition("@")
    formats = {"pkcs12": pb.PKCS12, "pkcs8": pb.PKCS8}
    descriptors = [sealed(path)] + ([sealed(password_path)] if password_path != "-" else [])
    request = pb.ImportRequest(
        name=name,
        from_version=int(version or 0),
        format=formats[file_format],
        has_password=len(descriptors) == 2,
        select=select,
        certificates=True,
    )
    # The member's name is a word of Python's.
    response = client.call(descriptors, **{"import": request})
    key = getattr(response, "import")
    imported = key.imported
    print(f"{key.name}@{key.version} {imported.alias or '-'} {len(imported.certificates)}")


def destroy(client, name, which=""):
    key = client.get(name)
    request = pb.DestroyRequest(name=key.name, version=key.version)
    if which != "any":
        request.public_key_sha256 = key.public_key_sha256
    client.call(destroy=request)


def certificate_put(client, name, path):
    with open(path, encoding="ascii") as file:
        blocks = file.read().split("-----END CERTIFICATE-----")[:-1]
    begin = "-----BEGIN CERTIFICATE-----"
    ders = [base64.b64decode(block[block.index(begin) + len(begin) :]) for block in blocks]
    chain = pb.Certificates(certificates=ders)
    client.call(certificate_put=pb.CertificatePutRequest(chain=chain, **meant(client.get(name))))


def certificate_get(client, name):
    request = pb.CertificateGetRequest(**meant(client.get(name)))
    for certificate in client.call(certificate_get=request).certificate_get.certificates:
        print(ssl.DER_cert_to_PEM_cert(certificate), end="")


def certificate_delete(client, name):
    client.call(certificate_delete=pb.CertificateDeleteRequest(**meant(client.get(name))))


def token_info(client, token):
    info = client.call(token_info=pb.TokenInfoRequest(token=token)).token_info
    print(
        json.dumps(
            {
                "label": info.label,
                "model": info.model,
                "serial": info.serial,
                "sessions": info.sessions,
                "mechanisms": [mechanism.name for mechanism in info.mechanisms],
                "unsupported": list(info.unsupported),
            }
        )
    )


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
            "stay": stay, "self-sign": self_sign, "import": import_key, "destroy": destroy,
            "certificate-put": certificate_put, "certificate-get": certificate_get,
            "certificate-delete": certificate_delete, "token-info": token_info}


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
