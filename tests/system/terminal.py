#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
terminal - runs a command on a terminal of its own, until its output holds all that is wanted, then types Ctrl-C

    terminal.py ROWS WANTED... -- COMMAND...

Each WANTED is waited for (60 s) behind the one before it. What came stands on standard output; the exit code is the
command's, 125 if it had to be given up, 128 + N if signal N ended it.
"""
import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

PATIENCE = 60


def read_some(terminal, seconds):
    if not select.select([terminal], [], [], seconds)[0]:
        return b""
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


def wait_for(terminal, wanted, seen):
    end = time.monotonic() + PATIENCE
    at = 0
    for text in wanted:
        while text.encode() not in seen[at:]:
            if time.monotonic() > end:
                return None
            seen += read_some(terminal, 0.1)
        at = seen.index(text.encode(), at) + len(text.encode())
    return seen


def main():
    split = sys.argv.index("--")
    rows, wanted, command = int(sys.argv[1]), sys.argv[2:split], sys.argv[split + 1 :]
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 80, 0, 0))
        os.execvp(command[0], command)
    seen = bytearray()
    given_up = wait_for(terminal, wanted, seen) is None
    os.write(terminal, b"\x03")
    while data := read_some(terminal, PATIENCE):
        seen += data
    if given_up:
        os.kill(child, 9)
    _, status = os.waitpid(child, 0)
    sys.stdout.buffer.write(bytes(seen))
    code = os.waitstatus_to_exitcode(status)
    sys.exit(125 if given_up else code if code >= 0 else 128 - code)


main()
