#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ckr_names - CKR(CKR_OK) and so on, a line for each return value that a header of PKCS#11 defines

  ckr_names.py COMPILER ARGUMENTS... >ckr-names.h

The preprocessor knows the header's place and what is in it; nobody copies the list.
"""
import re
import subprocess
import sys

source = "#include <p11-kit/pkcs11.h>\n"
macros = subprocess.run([*sys.argv[1:], "-E", "-dM", "-x", "c", "-"], input=source, check=True, stdout=subprocess.PIPE, text=True)
names = sorted(re.findall(r"^#define (CKR_\w+) ", macros.stdout, re.MULTILINE))
if not names:
    sys.exit("ckr_names: the header defines no CKR_...")
print("".join(f"CKR({name})\n" for name in names), end="")
