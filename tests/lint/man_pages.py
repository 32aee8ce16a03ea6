# SPDX-License-Identifier: Apache-2.0
"""man_pages - every man page is rendered by scdoc and shown by man without a word of complaint"""
import os
import shutil
import subprocess

import tree


def check(source, build):
    del build
    problems = []
    pages = tree.files(source, ".scd")
    for path in pages:
        complaint = render(path)
        if complaint:
            problems.append(f"{path.relative_to(source)}: {complaint}")
    return problems if pages else ["there is no man page"]


def render(path):
    """What was complained about, or nothing."""
    with path.open("rb") as page:
        scdoc = subprocess.run(["scdoc"], stdin=page, capture_output=True, check=False)
    if scdoc.returncode != 0 or scdoc.stderr:
        return scdoc.stderr.decode().strip() or "scdoc failed"
    if not shutil.which("man"):
        return "man is not installed"
    man = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-"],
        input=scdoc.stdout,
        capture_output=True,
        check=False,
        env={**os.environ, "MANWIDTH": "100", "MAN_KEEP_FORMATTING": "", "LC_ALL": "C.UTF-8"},
    )
    if man.returncode != 0 or man.stderr:
        return man.stderr.decode().strip() or "man failed"
    return "" if len(man.stdout) > 200 else "almost nothing is on the page"


def selftest():
    with tree.made_up({"bad.1.scd": "bad(1)\n\n# NAME\n\n*bold _and not closed\n"}) as top:
        return len(check(top, None)) == 1
