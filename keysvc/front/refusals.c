/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refusals - a small table of callers who were refused lately
 *
 * A caller has a few places it may stand in. When they are all taken by others who were refused in
 * this same second, the last one is shared: then two callers' surplus is reported as one's, which
 * needs thousands of refused callers in a second.
 */
#include "front/refusals.h"

#include "base/clock.h"

#define N_PLACES 1024 /* a power of two */
#define N_PROBES 8
#define FNV_PRIME 16777619u

struct place {
    uint64_t second; /* 0: free */
    uint32_t n_written;
    uint32_t n_swallowed;
    uint32_t uid;
    char unit[JOB_UNIT_MAX + 1];
};

struct refusals {
    refusals_report report;
    void *data;
    struct place *places;
};

static struct place *place_of(struct refusals *refusals, const struct peer *peer, uint64_t second);
static void report_place(struct refusals *refusals, struct place *place);

ks_err
refusals_new(refusals_report report, void *data, struct refusals **out)
{
    struct refusals *refusals = calloc(1, sizeof(*refusals));

    if (!refusals)
        return KS_ERR_INTERNAL;
    refusals->places = calloc(N_PLACES, sizeof(*refusals->places));
    if (!refusals->places) {
        free(refusals);
        return KS_ERR_INTERNAL;
    }
    refusals->report = report;
    refusals->data = data;
    *out = refusals;
    return KS_OK;
}

struct refusals *
refusals_free(struct refusals *refusals)
{
    if (!refusals)
        return NULL;
    free(refusals->places);
    free(refusals);
    return NULL;
}

bool
refusals_allowed(struct refusals *refusals, const struct peer *peer)
{
    /* Never 0, which marks a free place. */
    uint64_t second = clock_mono_ms() / 1000 + 1;
    struct place *place = place_of(refusals, peer, second);

    if (place->n_written < REFUSALS_PER_SECOND) {
        place->n_written++;
        return true;
    }
    place->n_swallowed++;
    return false;
}

void
refusals_sweep(struct refusals *refusals)
{
    uint64_t second = clock_mono_ms() / 1000 + 1;

    for (size_t i = 0; i < N_PLACES; i++) {
        if (refusals->places[i].second != second)
            report_place(refusals, &refusals->places[i]);
    }
}

static void
report_place(struct refusals *refusals, struct place *place)
{
    struct peer caller = PEER_INIT;

    if (place->n_swallowed > 0) {
        caller.uid = place->uid;
        memcpy(caller.unit, place->unit, sizeof(caller.unit));
        refusals->report(refusals->data, &caller, place->n_swallowed);
    }
    place->second = 0;
    place->n_written = 0;
    place->n_swallowed = 0;
}

static struct place *
place_of(struct refusals *refusals, const struct peer *peer, uint64_t second)
{
    struct place *place = NULL, *spare = NULL;
    uint32_t hash = peer->uid * FNV_PRIME;

    for (const char *c = peer->unit; *c; c++)
        hash = (hash ^ (unsigned char)*c) * FNV_PRIME;
    for (uint32_t i = 0; i < N_PROBES; i++) {
        place = &refusals->places[(hash + i) % N_PLACES];
        if (place->second == second && place->uid == peer->uid &&
            strcmp(place->unit, peer->unit) == 0)
            return place;
        if (place->second != second && !spare)
            spare = place;
    }
    if (!spare)
        return place;
    report_place(refusals, spare);
    spare->second = second;
    spare->uid = peer->uid;
    memcpy(spare->unit, peer->unit, sizeof(spare->unit));
    return spare;
}
