/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts - what a right configuration comes to, in lines for programs: keysvcd --check --facts
 *
 * For `keysvc doctor`, which looks at these files and cannot read the configuration itself. A line
 * is "fact SECTION NAME OPTION VALUE"; the value goes to the end of the line and may hold spaces;
 * of `daemon` the name is "-", and so is the uid or gid that stays that of whoever starts keysvcd.
 */
#pragma once

#include <stdio.h>

#include "ipc/config.h"

void facts_print(FILE *out, const struct config *config);
