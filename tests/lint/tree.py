# SPDX-License-Identifier: Apache-2.0
"""tree - the files of the source tree, and a made-up one for self-tests"""
import contextlib
import os
import pathlib
import tempfile

SKIPPED = {".git", ".cache", "__pycache__"}


def files(source, *suffixes):
    """Every file of the tree with one of the suffixes (all without), build folders left out, sorted."""
    found = []
    for folder, folders, names in os.walk(source):
        folders[:] = [
            name
            for name in folders
            if name not in SKIPPED and not os.path.exists(os.path.join(folder, name, "build.ninja"))
            and not (pathlib.Path(folder) == source and name.startswith("build"))
        ]
        found += [pathlib.Path(folder) / name for name in names if not suffixes or name.endswith(suffixes)]
    return sorted(found)


@contextlib.contextmanager
def made_up(contents):
    """A tree in a temporary folder: {"front/x.c": "text"}."""
    with tempfile.TemporaryDirectory(prefix="keysvc-lint-") as folder:
        top = pathlib.Path(folder)
        for name, text in contents.items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(text)
        yield top
