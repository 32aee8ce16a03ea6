#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
hostile - what a client may do to the service's socket and should not

    hostile.py SOCKET ATTACK

Prints what came of it: "dropped" (the connection was closed), "error CODE" (a frame with an Error, then closed or not),
"answered" (as if nothing had been wrong), "silence" (nothing within the time).
"""
import fcntl
import os
import signal
import socket
import struct
import sys
import termios
import threading
import time

import keysvc_pb2 as pb

WAIT_S = 20
MAX_FRAME = 1024 * 1024
F_ADD_SEALS, SEALS = 1033, 0x0002 | 0x0004 | 0x0008  # SHRINK, GROW, WRITE


def connect(path):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", WAIT_S, 0))
    connection.connect(path)
    connection.settimeout(WAIT_S)
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


def almost_frames(path, count):
    """On each connection the largest frame but for its last byte; how many were taken whole."""
    kept, taken = [], 0
    for _ in range(int(count)):
        try:
            connection = greeted(path)
            kept.append(connection)
            connection.sendall(struct.pack(">I", MAX_FRAME) + bytes(MAX_FRAME - 1))
            taken += 1
        except OSError:
            pass
    return f"{taken} of {count} taken"


def held_connection(path):
    """A connection, used once more when SIGUSR1 comes."""
    connection = greeted(path)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    print("connected", flush=True)
    signal.sigwait({signal.SIGUSR1})
    send(connection, frame(pb.Request(id=2, status=pb.StatusRequest())))
    return "still served" if outcome(connection) == "answered" else "dropped"


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


def sealed(seals=SEALS):
    descriptor = os.memfd_create("hostile", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(descriptor, b"not a key")
    fcntl.fcntl(descriptor, F_ADD_SEALS, seals)
    return descriptor


def import_frame(number=2, name="web/hostile", has_password=False):
    request = pb.ImportRequest(name=name, format=pb.PKCS8, has_password=has_password)
    return frame(pb.Request(id=number, **{"import": request}))


def send_with(connection, data, descriptors):
    try:
        socket.send_fds(connection, [data], descriptors)
    except (BrokenPipeError, ConnectionResetError):
        pass


def lingering():
    """A TCP socket whose close() waits for somebody who reads nothing."""
    listening = socket.create_server(("127.0.0.1", 0))
    sending = socket.create_connection(listening.getsockname())
    reading, _ = listening.accept()
    sending.setblocking(False)
    try:
        while True:
            sending.send(b"x" * 65536)
    except BlockingIOError:
        pass
    sending.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
    return sending, (listening, reading)


def rubbish(kind):
    if kind == "pipe":
        return os.pipe()[0]
    if kind == "unsealed":
        return sealed(0)
    if kind == "socket":
        return socket.socketpair()[0].detach()
    return os.open({"zero": "/dev/zero", "folder": "/", "file": "/etc/passwd"}[kind], os.O_RDONLY)


def wrong_kind(path, kind):
    """What is no sealed memfd, as an import's file."""
    connection = greeted(path)
    send_with(connection, import_frame(), [rubbish(kind)])
    first = outcome(connection)
    send(connection, frame(pb.Request(id=3, status=pb.StatusRequest())))
    return f"{first}, then {outcome(connection)}"


def no_descriptor(path):
    connection = greeted(path)
    send(connection, import_frame())
    first = outcome(connection)
    send(connection, frame(pb.Request(id=3, status=pb.StatusRequest())))
    return f"{first}, then {outcome(connection)}"


def descriptor_with_status(path):
    connection = greeted(path)
    send_with(connection, frame(pb.Request(id=2, status=pb.StatusRequest())), [sealed()])
    return ended(connection)


def descriptor_with_hello(path):
    connection = connect(path)
    send_with(connection, hello(), [sealed()])
    return ended(connection)


def descriptor_in_the_midst(path):
    connection = greeted(path)
    send(connection, import_frame()[:7])
    wait_until_read(connection)  # else it is one read, which is right, and served
    send_with(connection, import_frame()[7:], [sealed()])
    return ended(connection)


def wait_until_read(connection):
    end = time.monotonic() + WAIT_S
    while struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0] > 0 and time.monotonic() < end:
        time.sleep(0.01)


def ended(connection):
    """Everything that is said, and that it ends then."""
    said = [outcome(connection)]
    while said[-1] not in ("dropped", "silence"):
        said.append(outcome(connection))
    return ", ".join(said)


def many_descriptors(path):
    """As many as the kernel lets through in one message."""
    connection = greeted(path)
    send_with(connection, import_frame(), [sealed()] * 253)
    return ended(connection)


def half_imports(path):
    """Descriptors whose frame never ends, on connections that do."""
    for number in range(100):
        connection = greeted(path)
        data = import_frame(has_password=True)
        send_with(connection, data[: 1 + number % (len(data) - 1)], [sealed(), sealed()])
        connection.close()
    return "closed"


def kept_imports(path):
    """The same on connections that stay."""
    connections = [greeted(path) for _ in range(18)]
    for connection in connections:
        send_with(connection, import_frame()[:9], [sealed()])
    return " ".join(sorted({ended(connection) for connection in connections}))


def descriptor_flood(path):
    """One import after the other, and no answer read before the last is sent."""
    connection, descriptor, count = greeted(path), sealed(), 500
    for number in range(count):
        send_with(connection, import_frame(number + 2, f"web/flood{number}"), [descriptor])
    return " ".join(sorted({outcome(connection) for _ in range(count)}))


def slow_to_close(path):
    """A descriptor that whoever closes it last waits for, received and not received."""
    kept, began = [], time.monotonic()
    for number in range(6):
        descriptor, others = lingering()
        connection = greeted(path)
        send_with(connection, frame(pb.Request(id=2, status=pb.StatusRequest())), [descriptor.fileno()])
        if number % 2:
            send_with(connection, hello(), [descriptor.fileno()])
        # Whoever is the last to close it waits: that may be this program.
        threading.Thread(target=descriptor.close, daemon=True).start()
        connection.close()
        kept.append(others)
    good = greeted(path)
    send(good, frame(pb.Request(id=2, status=pb.StatusRequest())))
    said = outcome(good)
    return f"{said} in time" if time.monotonic() - began < WAIT_S else f"{said} too late"


def main():
    path, attack, *arguments = sys.argv[1:]
    print(globals()[attack.replace("-", "_")](path, *arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
