# SPDX-License-Identifier: Apache-2.0
"""
units - the systemd units, as `meson install` puts them, are valid and leave the service little to do harm with

Each unit and each drop-in says its exposure in a line "# Exposure: N.N", which is what systemd-analyze says of the unit,
with that drop-in; for those of LIMITS there is a bound besides. systemd-analyze needs no running systemd. It exits with 0 for an
unknown key, so any output of verify is a failure.
"""
import pathlib
import re
import shutil
import subprocess
import tempfile
from functools import partial

HAS_DROP_INS = "keysvcd.service"
LIMITS = {"keysvc-agent.service": 1.5, "keysvcd.service": 1.5, "network-hsm.conf": 2.2}


def check(source, build):
    del source
    with tempfile.TemporaryDirectory(prefix="keysvc-lint-") as folder:
        root = pathlib.Path(folder)
        command = ["meson", "install", "-C", str(build), "--no-rebuild", "--quiet", "--destdir", str(root)]
        installed = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if installed.returncode != 0:
            return [f"meson install: {installed.stdout.strip()}"]
        units = sorted(root.rglob("systemd/system/*.service"))
        drop_ins = sorted(root.rglob("share/keysvc/systemd/*.conf"))
        problems = [problem for unit in units for problem in check_unit(root, unit)]
        for unit in (unit for unit in units if unit.name == HAS_DROP_INS):
            problems += [problem for drop_in in drop_ins for problem in check_unit(root, unit, drop_in)]
        names = {path.name for path in [*units, *drop_ins]}
    return problems + [f"{name} is not installed" for name in sorted(LIMITS.keys() - names)]


def check_unit(root, unit, drop_in=None):
    """The unit as it would be with this drop-in: copies of both, where systemd-analyze finds them together."""
    said = drop_in or unit
    local = root / "verify"
    shutil.rmtree(local, ignore_errors=True)
    local.mkdir()
    for path in unit.parent.iterdir():
        (local / path.name).write_text(re.sub(r"^(Exec\w+=)(/\S+)", partial(relocated, root), path.read_text(), flags=re.M))
    if drop_in:
        folder = local / f"{unit.name}.d"
        folder.mkdir()
        shutil.copy(drop_in, folder)
    copy = local / unit.name
    verified = analyze("verify", "--man=no", str(copy))
    problems = [f"{said.name}: {line}" for line in verified.stdout.splitlines()]
    if verified.returncode != 0 and not problems:
        problems.append(f"{said.name}: systemd-analyze verify failed")
    return problems + check_exposure(copy, said)


def check_exposure(copy, said):
    stated = re.search(r"^# Exposure: (\d+\.\d)$", said.read_text(), re.M)
    if not stated:
        return [f'{said.name}: it has no line "# Exposure: N.N"']
    tenths = round(float(stated.group(1)) * 10)
    problems = []
    for threshold, good in ((tenths, True), (tenths - 1, False)):
        secured = analyze("security", "--offline=yes", f"--threshold={threshold}", "--no-pager", str(copy))
        if (secured.returncode == 0) != good:
            problems.append(f"{said.name}: says {stated.group(1)}, but: {secured.stdout.strip().splitlines()[-1]}")
    if tenths > round(LIMITS.get(said.name, 10) * 10):
        problems.append(f"{said.name}: exposure {stated.group(1)}, at most {LIMITS[said.name]}")
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
        unit = root / "system" / "keysvcd.service"
        unit.parent.mkdir()
        unit.write_text("# Exposure: 1.4\n[Service]\nExecStart=/nowhere/at-all\nNoSuchKey=yes\n")
        problems = check_unit(root, unit)
        drop_in = root / "network-hsm.conf"
        unit.write_text("[Service]\nExecStart=/bin/true\n")
        drop_in.write_text("# Exposure: 9.2\n[Service]\nPrivateNetwork=yes\n")
        problems_with = check_unit(root, unit, drop_in)
        drop_in.write_text("[Service]\n")
        problems_without = check_unit(root, unit, drop_in)
    return (
        any("NoSuchKey" in problem for problem in problems)
        and any("says 1.4, but" in problem for problem in problems)
        and any("at most 2.2" in problem for problem in problems_with)
        and any("has no line" in problem for problem in problems_without)
    )
