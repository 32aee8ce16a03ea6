#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
recycle - a process connects, leaves its connection to a child and ends; its number becomes another user's

    recycle.py SOCKET MODE FRONT-PID OLD-UID OLD-GROUP OLD-CGROUP NEW-UID NEW-GROUP NEW-CGROUP NAME...

MODE says what keysvc-front has seen when the number changes its owner: `unseen` nothing, it was stopped (SIGSTOP) before
the process connected; `seen` the connection and its Hello; `alive` is the control: the number stays whose it is. The child
then asks over the connection for its status and for a new key of each NAME. Printed is a JSON object: `uid` and `unit` as
the service says, and the answer for each NAME: 0 or an error's code. Root only. Exit code 77: this kernel, or its
configuration, does not let a number be chosen.
"""
import ctypes
import errno
import json
import os
import signal
import socket
import struct
import sys

from client import Client, Refused, pb

CLONE3 = 435  # its number on every architecture
PR_SET_CHILD_SUBREAPER = 36
SKIP = 77
ATTEMPTS = 50  # a number may be taken for a moment by whoever else runs

# Without the interpreter's lock being given up: there is one thread, before and behind the call.
libc = ctypes.PyDLL(None, use_errno=True)


class Held(Client):
    """Over a connection that somebody else made."""

    def __init__(self, connected):
        self.socket = connected
        self.socket.settimeout(30)
        self.n_requests = 0
        self.received = b""

    def greet(self):
        self.call(hello=pb.Hello(protocol_version=1, program="recycle.py"))


def become(uid, group, cgroup):
    with open(cgroup + "/cgroup.procs", "w") as file:
        file.write(str(os.getpid()))
    os.setgroups([group])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def fork_as(number):
    """fork(), and the child has this number."""
    numbers = (ctypes.c_int32 * 1)(number)
    arguments = struct.pack("<11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(numbers), 1, 0)
    buffer = ctypes.create_string_buffer(arguments, len(arguments))
    return libc.syscall(CLONE3, buffer, len(arguments)), ctypes.get_errno()


def ask(client, names):
    status = client.call(status=pb.StatusRequest()).status
    answers = {}
    for name in names:
        try:
            client.call(generate=pb.GenerateRequest(name=name))
            answers[name] = 0
        except Refused as refused:
            answers[name] = refused.code
    return {"uid": status.uid, "unit": status.unit, "answers": answers}


def connect_and_leave(path, mode, who, names, go, report):
    """The process whose number is taken; its child, which stays, asks."""
    become(*who)
    connected = socket.socket(socket.AF_UNIX)
    connected.connect(path)
    client = Held(connected)
    if mode != "unseen":
        client.greet()
    if os.fork() > 0:
        os.close(report)
        if mode == "alive":
            os.read(go, 1)
        os._exit(0)
    if mode != "alive":
        os.read(go, 1)
    if mode == "unseen":
        client.greet()
    os.write(report, json.dumps(ask(client, names)).encode())
    os._exit(0)


def take_number(number, who, hold, ready):
    """Another's process, of that number, until `hold` ends."""
    for _ in range(ATTEMPTS):
        pid, error = fork_as(number)
        if pid == 0:
            become(*who)
            os.write(ready, b".")
            os.read(hold, 1)
            os._exit(0)
        if pid > 0:
            return
        if error != errno.EEXIST:
            print(f"no process can be given a number: {os.strerror(error)}", file=sys.stderr)
            sys.exit(SKIP)
    sys.exit(f"number {number} is always taken")


def check_number(number, who):
    """It is the other's now, or nothing was tried."""
    with open(f"/proc/{number}/status") as file:
        uid = [line.split()[1] for line in file if line.startswith("Uid:")][0]
    with open(f"/proc/{number}/cgroup") as file:
        cgroup = file.read()
    assert int(uid) == who[0] and os.path.basename(who[2]) in cgroup, (uid, cgroup)


def run(path, mode, front, old, new, names):
    go, hold, ready, report = (os.pipe() for _ in range(4))
    number = os.fork()
    if number == 0:
        connect_and_leave(path, mode, old, names, go[0], report[1])
    os.close(report[1])
    if mode != "alive":
        os.waitpid(number, 0)
        take_number(number, new, hold[0], ready[1])
        os.close(ready[1])
        assert os.read(ready[0], 1) == b".", "the other process could not become what it should be"
        check_number(number, new)
        os.write(go[1], b".")
    if front:
        os.kill(front, signal.SIGCONT)
    answer = read_all(report[0])
    if mode == "alive":
        os.write(go[1], b".")
    else:
        check_number(number, new)
        os.write(hold[1], b".")
    reap()
    return answer


def reap():
    """The child's child is ours now, too."""
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass


def read_all(descriptor):
    with os.fdopen(descriptor, "rb") as file:
        return file.read().decode()


def main(path, mode, front, *rest):
    old, new, names = rest[0:3], rest[3:6], rest[6:]
    old, new = ((int(who[0]), int(who[1]), who[2]) for who in (old, new))
    front = int(front) if mode == "unseen" else 0
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if front:
        os.kill(front, signal.SIGSTOP)
    try:
        print(run(path, mode, front, old, new, names))
    finally:
        if front:
            os.kill(front, signal.SIGCONT)


if __name__ == "__main__":
    main(*sys.argv[1:])
