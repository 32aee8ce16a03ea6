# SPDX-License-Identifier: Apache-2.0
"""
units - the systemd units, as `meson install` puts them, are valid and leave the service little to do harm with

systemd-analyze needs no running systemd for either. It exits with 0 for an unknown key, so any output is a failure.
"""
import pathlib
import re
import subprocess
import tempfile
from functools import partial

MAX_EXPOSURE = 15  # tenths, as systemd-analyze counts: 1.5


def check(source, build):
    del source
    with tempfile.TemporaryDirectory(prefix="keysvc-lint-") as folder:
        root = pathlib.Path(folder)
        command = ["meson", "install", "-C", str(build), "--no-rebuild", "--quiet", "--destdir", str(root)]
        installed = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if installed.returncode != 0:
            return [f"meson install: {installed.stdout.strip()}"]
        units = sorted(root.rglob("systemd/system/*.service"))
        problems = [problem for unit in units for problem in check_unit(root, unit)]
        return problems if units else ["no unit is installed"]


def check_unit(root, unit):
    problems = []
    local = root / "verify"
    local.mkdir(exist_ok=True)
    for path in unit.parent.iterdir():
        (local / path.name).write_text(re.sub(r"^(Exec\w+=)(/\S+)", partial(relocated, root), path.read_text(), flags=re.M))
    verified = analyze("verify", "--man=no", str(local / unit.name))
    problems += [f"{unit.name}: {line}" for line in verified.stdout.splitlines()]
    if verified.returncode != 0 and not problems:
        problems.append(f"{unit.name}: systemd-analyze verify failed")

    secured = analyze("security", "--offline=yes", f"--threshold={MAX_EXPOSURE}", "--no-pager", str(unit))
    if secured.returncode != 0:
        problems.append(f"{unit.name}: {secured.stdout.strip().splitlines()[-1]}")
    return problems


def relocated(root, command):
    """Our own programs stand in the temporary root; verify wants them where the unit says."""
    path = command.group(2)
    return command.group(1) + (f"{root}{path}" if (root / path.lstrip("/")).exists() else path)


def analyze(*arguments):
    command = ["systemd-analyze", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def selftest():
    with tempfile.TemporaryDirectory(prefix="keysvc-lint-") as folder:
        root = pathlib.Path(folder)
        unit = root / "system" / "open.service"
        unit.parent.mkdir()
        unit.write_text("[Service]\nExecStart=/nowhere/at-all\nNoSuchKey=yes\n")
        problems = check_unit(root, unit)
    return any("NoSuchKey" in problem for problem in problems) and any("exposure" in problem for problem in problems)
