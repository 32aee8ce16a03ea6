/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tame - texts of strangers, before a terminal or JSON gets them
 *
 * What a certificate, a file's name or another host brings along may hold anything. Each byte of what is
 * no UTF-8, of a control character, or of a mark that turns the direction of what follows becomes '?'.
 */
#pragma once

/* Line ends too: it is one line afterwards. */
void tame_text(char *text);
/* Line ends stay. */
void tame_lines(char *text);
