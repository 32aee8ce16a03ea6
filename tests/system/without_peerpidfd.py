#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
without_peerpidfd - runs a program as on a kernel before 6.5: getsockopt(SO_PEERPIDFD) is an option nobody knows

    without_peerpidfd.py PROGRAM [ARGUMENT...]

For root, since it sets no "no new privileges", which would be the program's own to set.
"""
import ctypes
import errno
import os
import socket
import sys

SO_PEERPIDFD = 77
SCMP_ACT_ALLOW, SCMP_ACT_ERRNO = 0x7FFF0000, 0x00050000
SCMP_FLTATR_CTL_NNP, SCMP_CMP_EQ = 3, 4


class Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def forget():
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(SCMP_ACT_ALLOW)))
    number = library.seccomp_syscall_resolve_name(b"getsockopt")
    asked = (Comparison * 2)(Comparison(1, SCMP_CMP_EQ, socket.SOL_SOCKET, 0), Comparison(2, SCMP_CMP_EQ, SO_PEERPIDFD, 0))
    for error in (
        library.seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, ctypes.c_uint32(0)),
        library.seccomp_rule_add_array(context, ctypes.c_uint32(SCMP_ACT_ERRNO | errno.ENOPROTOOPT), number, 2, asked),
        library.seccomp_load(context),
    ):
        if error:
            sys.exit(f"no filter: {os.strerror(-error)}")


forget()
os.execvp(sys.argv[1], sys.argv[1:])
