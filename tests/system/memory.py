#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
memory - looks for secrets in the memory of processes and in files

    memory.py KEY-FILE PASSWORD process PID...
    memory.py KEY-FILE PASSWORD files FOLDER...

KEY-FILE is an unencrypted private key (PEM); its secret numbers are looked for as they may lie in memory (big-endian,
little-endian) and, in files, as text too (hex, base64); PASSWORD as it is and as UTF-16. Each find is one line; the
exit code is 0 if there was none, 1 if there was one, 2 if something could not be read: then nothing is proved.
"""
import base64
import pathlib
import sys

from cryptography.hazmat.primitives import serialization

CHUNK = 1 << 20


def secrets_of(path):
    key = serialization.load_pem_private_key(pathlib.Path(path).read_bytes(), None)
    if hasattr(key, "private_bytes_raw") or key.__class__.__name__.lower().find("ed25519") >= 0:
        raw = key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
        return {"seed": raw}
    numbers = key.private_numbers()
    if hasattr(numbers, "p"):
        values = {"d": numbers.d, "p": numbers.p, "q": numbers.q}
    else:
        values = {"d": numbers.private_value}
    return {name: value.to_bytes((value.bit_length() + 7) // 8, "big") for name, value in values.items()}


def needles(key_file, password, as_text):
    out = {}
    for name, value in secrets_of(key_file).items():
        out[name + " big-endian"] = value
        out[name + " little-endian"] = value[::-1]
        if as_text:
            out[name + " hex"] = value.hex().encode()
            out[name + " HEX"] = value.hex().upper().encode()
            for shift in range(3):  # where in a group of three bytes the number begins
                out[f"{name} base64+{shift}"] = base64.b64encode(bytes(shift) + value)[4:-4]
    if password:
        out["password"] = password.encode()
        out["password as UTF-16"] = password.encode("utf-16-be")
    return out


def search(read, length, wanted, where):
    """Overlapping chunks, so that nothing is missed on a border."""
    found = 0
    overlap = max(len(value) for value in wanted.values())
    tail = b""
    at = 0
    while at < length:
        part = read(at, min(CHUNK, length - at))
        if not part:
            break
        text = tail + part
        for name, value in wanted.items():
            if value in text:
                print(f"{where}: {name}")
                found += 1
        tail = text[-overlap:]
        at += len(part)
    return found


def search_process(pid, wanted):
    found = n_read = 0
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in open(f"/proc/{pid}/maps"):
            fields = line.split(None, 5)
            if "r" not in fields[1] or fields[-1].strip() in ("[vvar]", "[vsyscall]"):
                continue
            begin, end = (int(number, 16) for number in fields[0].split("-"))

            def read(at, size):
                memory.seek(begin + at)
                try:
                    return memory.read(size)
                except OSError:
                    return b""  # a mapping behind the end of its file

            found += search(read, end - begin, wanted, f"process {pid} {fields[0]} {fields[-1].strip()}")
            n_read += 1
    if n_read < 10:
        raise OSError(f"process {pid}: only {n_read} mappings could be read")
    return found


def search_files(folder, wanted):
    found = 0
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        data = path.read_bytes()
        found += search(lambda at, size: data[at:at + size], len(data), wanted, str(path))
    return found


def main():
    key_file, password, kind, *subjects = sys.argv[1:]
    wanted = needles(key_file, password, kind == "files")
    if kind == "files":
        found = sum(search_files(folder, wanted) for folder in subjects)
    else:
        found = sum(search_process(int(pid), wanted) for pid in subjects)
    return 1 if found else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
