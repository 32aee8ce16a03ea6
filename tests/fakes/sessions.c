/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sessions - how many sessions of a device are open, over all processes
 */
#include "tests/fakes/sessions.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct place {
    bool is_taken;
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE session;
};

static struct place places[SESSIONS_MAX];
static int file = -1;

static bool
set_lock(int place, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = place, .l_len = 1};

    return fcntl(file, F_SETLK, &lock) == 0;
}

bool
sessions_start(const char *folder)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/sessions", folder);
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    return file >= 0;
}

int
sessions_take(unsigned long max)
{
    for (int i = 0; file >= 0 && i < SESSIONS_MAX && (max == 0 || (unsigned long)i < max); i++) {
        if (places[i].is_taken || !set_lock(i, F_WRLCK))
            continue;
        places[i] = (struct place){.is_taken = true};
        return i;
    }
    return -1;
}

void
sessions_name(int place, CK_SLOT_ID slot, CK_SESSION_HANDLE session)
{
    if (place >= 0)
        places[place] = (struct place){true, slot, session};
}

void
sessions_put(int place)
{
    if (place < 0 || !places[place].is_taken)
        return;
    places[place].is_taken = false;
    set_lock(place, F_UNLCK);
}

void
sessions_put_one(CK_SESSION_HANDLE session)
{
    for (int i = 0; i < SESSIONS_MAX; i++) {
        if (places[i].session == session)
            sessions_put(i);
    }
}

void
sessions_put_slot(CK_SLOT_ID slot)
{
    for (int i = 0; i < SESSIONS_MAX; i++) {
        if (places[i].slot == slot)
            sessions_put(i);
    }
}

void
sessions_put_all(void)
{
    for (int i = 0; i < SESSIONS_MAX; i++)
        sessions_put(i);
}
