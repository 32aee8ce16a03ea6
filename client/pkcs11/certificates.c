/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificates - a table by SHA-256, so that a thousand chains hold their issuers once
 */
#include "client/pkcs11/certificates.h"

#include "client/pkcs11/module.h"

#define N_BUCKETS 4096u

struct certificate_pool {
    struct certificate *buckets[N_BUCKETS];
    size_t bytes;
};

static CK_RV share(struct certificate_pool *pool, const struct hashes *hashes,
                   const struct ks_blob *der, struct certificate **out);

struct certificate_pool *
certificate_pool_new(void)
{
    return calloc(1, sizeof(struct certificate_pool));
}

struct certificate_pool *
certificate_pool_free(struct certificate_pool *pool)
{
    free(pool);
    return NULL;
}

CK_RV
certificates_new(struct certificate_pool *pool, const struct hashes *hashes,
                 const struct ks_chain *chain, struct certificates **out)
{
    struct certificates *certificates = calloc(1, sizeof(*certificates));
    CK_RV rv = CKR_OK;

    if (!certificates)
        return CKR_HOST_MEMORY;
    certificates->n_users = 1;
    certificates->pool = pool;
    for (size_t i = 0; chain && i < chain->n_certificates && i < KS_CHAIN_MAX; i++) {
        rv = share(pool, hashes, &chain->certificates[i], &certificates->at[i]);
        if (rv || !certificates->at[i])
            break;
        certificates->n = i + 1;
    }
    if (rv)
        certificates_putp(&certificates);
    else
        *out = certificates;
    return rv;
}

/* --- the pool, with the lock held --- */

static struct certificate **
bucket_of(struct certificate_pool *pool, const uint8_t sha256[static KS_SHA256_LEN])
{
    return &pool->buckets[(sha256[0] | (unsigned int)sha256[1] << 8) % N_BUCKETS];
}

static struct certificate *
pool_take(struct certificate_pool *pool, const uint8_t sha256[static KS_SHA256_LEN])
{
    struct certificate *at = *bucket_of(pool, sha256);

    while (at && memcmp(at->sha256, sha256, KS_SHA256_LEN) != 0)
        at = at->next;
    if (at)
        at->n_users++;
    return at;
}

/* False: it does not fit. */
static bool
pool_add(struct certificate_pool *pool, struct certificate *fresh)
{
    struct certificate **bucket = bucket_of(pool, fresh->sha256);

    if (fresh->size > CERTIFICATES_MAX_BYTES - pool->bytes)
        return false;
    pool->bytes += fresh->size;
    fresh->n_users = 1;
    fresh->next = *bucket;
    *bucket = fresh;
    return true;
}

static void
pool_put(struct certificate_pool *pool, struct certificate *certificate)
{
    struct certificate **link = bucket_of(pool, certificate->sha256);

    if (--certificate->n_users > 0)
        return;
    while (*link != certificate)
        link = &(*link)->next;
    *link = certificate->next;
    pool->bytes -= certificate->size;
    certificate_free(certificate);
}

/* --- without it --- */

/* *out NULL: it is no certificate. It is read without the lock; another thread may be first. */
static CK_RV
share(struct certificate_pool *pool, const struct hashes *hashes, const struct ks_blob *der,
      struct certificate **out)
{
    uint8_t sha256[KS_SHA256_LEN];
    struct certificate *fresh;
    CK_RV rv = CKR_OK;

    if (!hashes_sha256(hashes, der->data, der->len, sha256))
        return CKR_GENERAL_ERROR;
    module_lock();
    *out = pool_take(pool, sha256);
    module_unlock();
    if (*out)
        return CKR_OK;
    fresh = certificate_new(hashes, der, sha256);
    if (!fresh)
        return CKR_OK;
    module_lock();
    *out = pool_take(pool, sha256);
    if (!*out && pool_add(pool, fresh))
        *out = ks_steal(&fresh);
    else if (!*out)
        rv = CKR_DEVICE_MEMORY;
    module_unlock();
    certificate_free(fresh);
    return rv;
}

void
certificates_put_locked(struct certificates *certificates)
{
    if (!certificates || --certificates->n_users > 0)
        return;
    for (size_t i = 0; i < certificates->n; i++)
        pool_put(certificates->pool, certificates->at[i]);
    free(certificates);
}

void
certificates_putp(struct certificates **certificates)
{
    if (!*certificates)
        return;
    module_lock();
    certificates_put_locked(*certificates);
    module_unlock();
}
