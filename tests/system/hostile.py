#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
hostile - what a client may do to the service's socket and should not

    hostile.py SOCKET ATTACK

Prints what came of it: "dropped" (the connection was closed), "error CODE" (a frame with an Error, then closed or not),
"answered" (as if nothing had been wrong), "silence" (nothing within the time).
"""
import os
import socket
import struct
import sys
import time

import keysvc_pb2 as pb

WAIT_S = 20


def connect(path):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(WAIT_S)
    connection.connect(path)
    return connection


def frame(message):
    data = message if isinstance(message, bytes) else message.SerializeToString()
    return struct.pack(">I", len(data)) + data


def hello():
    return frame(pb.Request(id=1, hello=pb.Hello(protocol_version=1, program="hostile.py")))


def read_frame(connection):
    """A Response, None when closed; raises TimeoutError when nothing comes."""
    data = b""
    while len(data) < 4 or len(data) < 4 + struct.unpack(">I", data[:4])[0]:
        try:
            more = connection.recv(4 if len(data) < 4 else 4 + struct.unpack(">I", data[:4])[0] - len(data))
        except ConnectionResetError:
            return None
        if not more:
            return None
        data += more
    response = pb.Response()
    response.ParseFromString(data[4:])
    return response


def outcome(connection):
    try:
        response = read_frame(connection)
    except TimeoutError:
        return "silence"
    if response is None:
        return "dropped"
    if response.WhichOneof("result") == "error":
        return f"error {response.error.code}"
    return "answered"


def greeted(path):
    connection = connect(path)
    connection.sendall(hello())
    assert outcome(connection) == "answered"
    return connection


def send(connection, data):
    """What is sent to somebody who has gone is lost, as it should be."""
    try:
        connection.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def garbage(path):
    connection = connect(path)
    send(connection, bytes(range(256)) * 64)
    return outcome(connection)


def garbage_frame(path):
    connection = greeted(path)
    send(connection, frame(b"\xff" * 100))
    return outcome(connection)


def random_frames(path):
    """Many of them, each on its own connection; the service must live."""
    seen = set()
    for _ in range(200):
        connection = greeted(path)
        send(connection, frame(os.urandom(1 + os.urandom(1)[0])))
        seen.add(outcome(connection).split()[0])
        connection.close()
    return " ".join(sorted(seen))


def oversized_length(path):
    connection = greeted(path)
    send(connection, struct.pack(">I", 0xFFFFFFFF) + b"x")
    return outcome(connection)


def zero_length(path):
    connection = greeted(path)
    send(connection, struct.pack(">I", 0))
    return outcome(connection)


def no_hello(path):
    connection = connect(path)
    send(connection, frame(pb.Request(id=7, list=pb.ListRequest())))
    return outcome(connection)


def other_version(path):
    connection = connect(path)
    send(connection, frame(pb.Request(id=1, hello=pb.Hello(protocol_version=999))))
    return outcome(connection)


def unknown_operation(path):
    """Field 15999 of Request, which nobody knows: an operation of a later version."""
    connection = greeted(path)
    tag = (15999 << 3) | 2
    varint = bytes([tag & 0x7F | 0x80, tag >> 7 & 0x7F | 0x80, tag >> 14])
    send(connection, frame(pb.Request(id=9).SerializeToString() + varint + b"\x00"))
    response = read_frame(connection)
    if response is None:
        return "dropped"
    # The connection lives: it was a well-formed request.
    send(connection, frame(pb.Request(id=10, status=pb.StatusRequest())))
    return f"error {response.error.code} id {response.id}, then {outcome(connection)}"


def same_id(path):
    """Two open requests with one id."""
    connection = greeted(path)
    send(connection, frame(pb.Request(id=5, status=pb.StatusRequest())) * 2)
    return outcome(connection)


def id_zero(path):
    connection = greeted(path)
    send(connection, frame(pb.Request(id=0, status=pb.StatusRequest())))
    return outcome(connection)


def one_byte_at_a_time(path):
    """Slow, but right: is served."""
    connection = connect(path)
    for byte in hello() + frame(pb.Request(id=2, status=pb.StatusRequest())):
        connection.sendall(bytes([byte]))
        time.sleep(0.002)
    return f"{outcome(connection)}, {outcome(connection)}"


def half_frame(path):
    """Begins a frame and never ends it."""
    connection = greeted(path)
    send(connection, hello()[:-3])
    return outcome(connection)


def half_hello(path):
    connection = connect(path)
    send(connection, hello()[:6])
    return outcome(connection)


def never_reads(path):
    """Asks and asks and takes no answer; only as much of it may be kept as the quota says."""
    connection = greeted(path)
    connection.settimeout(0.5)
    request = frame(pb.Request(id=3, status=pb.StatusRequest()))
    n_sent = 0
    try:
        for number in range(200000):
            connection.sendall(frame(pb.Request(id=number + 2, status=pb.StatusRequest())))
            n_sent += len(request)
    except TimeoutError:
        return "stopped"
    except (BrokenPipeError, ConnectionResetError):
        return "dropped"
    return f"{n_sent} bytes taken"


def many_connections(path, count):
    """Opens them all and keeps them; how many were greeted, how many refused, and how."""
    kept, seen = [], {}
    for _ in range(int(count)):
        try:
            connection = connect(path)
            send(connection, hello())
            result = outcome(connection)
        except OSError:
            result = "refused"
        seen[result] = seen.get(result, 0) + 1
        if result == "answered":
            kept.append(connection)
    return ", ".join(f"{seen[result]} {result}" for result in sorted(seen))


def idle_connections(path, count):
    """Says nothing on any of them, and stays until it is killed."""
    kept = [connect(path) for _ in range(int(count))]
    print(f"{len(kept)} open", flush=True)
    while True:
        time.sleep(1)


def deep_nesting(path):
    """Groups inside groups: a parser that recurses runs out of stack."""
    connection = greeted(path)
    send(connection, frame(b"\x0b" * 100000))
    return outcome(connection)


def long_text(path):
    """A name far longer than any key's."""
    connection = greeted(path)
    send(connection, frame(pb.Request(id=4, get=pb.GetRequest(name="a" * 500000))))
    return outcome(connection)


def many_alternatives(path):
    """More names in a CSR than anybody has."""
    connection = greeted(path)
    name = pb.AlternativeName(kind=pb.AlternativeName.DNS, value="a.shop.example")
    request = pb.CsrRequest(name="web/shop", version=1, public_key_sha256=b"x" * 32, common_name="shop.example",
                            alternative_names=[name] * 20000)
    send(connection, frame(pb.Request(id=4, csr=request)))
    return outcome(connection)


def main():
    path, attack, *arguments = sys.argv[1:]
    print(globals()[attack.replace("-", "_")](path, *arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
