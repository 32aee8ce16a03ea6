#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
attacker - libkeysvc as somebody uses it who writes into its memory

    attacker.py LIBRARY KEY FILE message|digest

Asks for a signature of FILE with a key whose purpose was changed in our own memory to `sign`, so that whatever the library
itself would refuse is sent. Prints the error and ends with its code.
"""
import ctypes
import sys

# Of struct ks_key (client/lib/keysvc.h), where its first members are.
PURPOSE_AT = 112
PURPOSE_SIGN = 4
KEY_LEN = 65536  # more than a key
ERROR_LEN = 4096
HASH = {"message": 0, "digest": 1}  # NONE, SHA256


def main():
    library, name, path, what = sys.argv[1:]
    lib = ctypes.CDLL(library)
    client, key = ctypes.c_void_p(), ctypes.create_string_buffer(KEY_LEN)
    error = ctypes.create_string_buffer(ERROR_LEN)
    signature, signature_len = ctypes.create_string_buffer(4096), ctypes.c_size_t()
    assert lib.ks_client_new(None, ctypes.byref(client), error) == 0
    assert lib.ks_get(client, name.encode(), key, error) == 0, error.raw
    assert key.value.decode() == name, "the members are not where they were"
    ctypes.c_uint32.from_buffer(key, PURPOSE_AT).value = PURPOSE_SIGN
    with open(path, "rb") as file:
        data = file.read()
    code = lib.ks_sign(client, key, 0, HASH[what], data, ctypes.c_size_t(len(data)), signature,
                       ctypes.byref(signature_len), None, error)
    if code == 0:
        sys.stdout.buffer.write(signature.raw[: signature_len.value])
    else:
        print(error.raw[4:].split(b"\0")[0].decode(), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
