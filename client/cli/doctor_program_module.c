/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_program_module - is the file an OpenSSL provider that this machine's programs can load?
 *
 * It is read and not loaded: whoever runs this may be root, and a program's configuration may
 * name anything.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "client/cli/doctor_program.h"

#define MODULE_MAX ((size_t)64 * 1024 * 1024)

/* What is wrong with it; NULL: nothing. `own` is the header of this program. */
static const char *
wrong_with(const char *data, size_t len, const Elf64_Ehdr *own)
{
    static const char entry[] = "OSSL_provider_init"; /* with its NUL, as in a table of names */
    Elf64_Ehdr header;

    if (len < sizeof(header))
        return "is no shared object";
    memcpy(&header, data, sizeof(header));
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return "is no shared object";
    if (header.e_ident[EI_CLASS] != own->e_ident[EI_CLASS] || header.e_machine != own->e_machine)
        return "is for another kind of machine";
    if (header.e_type != ET_DYN)
        return "is no shared object";
    if (header.e_shoff > len || (size_t)header.e_shnum * header.e_shentsize > len - header.e_shoff)
        return "is cut off";
    if (!memmem(data, len, entry, sizeof(entry)))
        return "is no OpenSSL provider";
    return NULL;
}

static bool
own_header(Elf64_Ehdr *out)
{
    ks_auto(closep) int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    return fd >= 0 && read(fd, out, sizeof(*out)) == sizeof(*out);
}

bool
program_module(struct doctor *doctor, int root_fd, const struct doctor_user *user, const char *path)
{
    static const char install[] = "Install keysvc again, and name its keysvc.so by its whole path "
                                  "(the installed openssl.cnf has it). OpenSSL itself says nothing "
                                  "of it: openssl list -providers shows what it loads.";
    ks_auto(closep) int fd = -1;
    ks_auto(freep) char *data = NULL;
    struct program_stop stop;
    const char *wrong = NULL;
    Elf64_Ehdr own;
    size_t len = 0;

    if (!program_reach(root_fd, user, path, S_IROTH, &stop)) {
        doctor_wrong(
            doctor, KS_ERR_USAGE, "module",
            errno == EACCES ? "chmod a+rx the folders on the way and a+r the module." : install,
            "the module %.200s cannot be loaded: %.200s: %s", path, stop.path, strerror(errno));
        return false;
    }
    fd = program_open(root_fd, path);
    if (fd < 0 || !program_read(fd, MODULE_MAX, &data, &len)) {
        doctor_skip(doctor, "module", "%.300s cannot be read: %s", path,
                    strerror(fd < 0 ? -fd : errno));
        return false;
    }
    if (own_header(&own))
        wrong = wrong_with(data, len, &own);
    if (wrong)
        doctor_wrong(doctor, KS_ERR_USAGE, "module", install, "the module %.300s %s", path, wrong);
    else
        doctor_fine(doctor, "module", "%.300s is a provider for this machine", path);
    return !wrong;
}
