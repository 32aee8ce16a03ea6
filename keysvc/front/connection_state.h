/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection_state - what a connection consists of, for connection.c (its life, its answers) and
 * connection_read.c (its requests), and what the two ask of each other
 */
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include "front/call.h"
#include "front/connection.h"
#include "front/outbox.h"
#include "front/passed.h"
#include "front/request.h"
#include "proto/wire/frame.h"

struct connection {
    struct front *front;
    int fd;
    bool hello_done;
    bool closing; /* once its answers are written */
    bool dead;
    bool dirty;
    bool paused; /* not reading: too many unread answers */
    bool parked;
    char program[REQUEST_PROGRAM_MAX + 1];
    struct peer peer;
    struct quota_account *account;
    struct event readable, writable;
    struct frame_reader reader;
    struct passed passed; /* descriptors */
    struct outbox outbox;
    struct buf held;     /* read and not looked at: while paused, or until the next turn */
    size_t frame_charge; /* of a large frame that has begun */
    uint64_t accepted_ms, active_ms;
    uint64_t frame_since_ms; /* 0: none has begun */
    struct call_list calls;
    TAILQ_ENTRY(connection) in_all, in_dirty, in_parked; /* in_all also serves the dead */
};

/* In the set whose answers are written at the end of this turn. */
void connection_make_dirty(struct connection *connection);

/* Writes what the client takes now; may close. */
void connection_write(struct connection *connection);

/* libevent's callback: there is something to read. */
void connection_read(evutil_socket_t fd, short what, void *data);

/* Reads again after a pause, and looks at what was held back, when its turn comes. */
void connection_read_on(struct connection *connection);

/* It is not read until connection_wake_parked() finds that its caller has a share of the next turn
 * left: those of one caller wait for each other, and not for another's. */
void connection_park(struct connection *connection);
void connection_unpark(struct connection *connection);
void connection_wake_parked(struct front *front);

/* Gives back what a large frame that has begun was charged. */
void connection_read_uncharge(struct connection *connection);
