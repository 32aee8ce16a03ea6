# SPDX-License-Identifier: Apache-2.0
"""machine_paths - no file names a folder that only exists on the machine it was written on"""
import re

import tree

# Put together from halves, so that this file does not find itself.
WORDS = ["/wo" + "rk/", "/tmp/bu" + "ild", "/ho" + r"me/(?!user\b)\w", "/Us" + "ers/"]
PATTERN = re.compile("(?<![A-Za-z0-9_.-])(?:" + "|".join(WORDS) + ")")


def check(source, build):
    del build
    problems = []
    for path in tree.files(source):
        data = path.read_bytes()
        if b"\0" in data:
            continue
        for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
            if PATTERN.search(line):
                problems.append(f"{path.relative_to(source)}:{number}: {line.strip()[:80]}")
    return problems


def selftest():
    with tree.made_up({"a": "see /wo" + "rk/notes\n", "b": "network/ and framework/x\n"}) as top:
        return [problem.split(":")[0] for problem in check(top, None)] == ["a"]
