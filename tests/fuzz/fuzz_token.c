/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_token - whatever a module may answer that was taken over, or that is just wrong
 *
 * The bytes are its answers, in the order in which they are asked for: return values, handles, lengths
 * that lie, attributes, texts, signatures. What is made of them keeps to our own bounds and is what the
 * messages to our other processes can say.
 */
#include <time.h>

#include "base/keyname.h"
#include "token/certobject.h"
#include "token/info.h"
#include "token/keys.h"
#include "token/signature.h"
#include "token/worker.h"

#define MAX_CALLS 2000 /* a module that never ends is the watchdog's */
#define MAX_HANDLES 4  /* in one answer; more find nothing more */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    const uint8_t *at;
    size_t left;
    unsigned int n_calls;
} answers;

static void
require(bool truth)
{
    if (!truth)
        abort();
}

/* Instead of libc's: who asks a module again after a pause would spend nearly all of the time there. */
int
nanosleep(const struct timespec *pause, struct timespec *left)
{
    (void)pause;
    (void)left;
    return 0;
}

/* --- the module --- */

static uint8_t
next(void)
{
    if (answers.left == 0)
        return 0;
    answers.left--;
    return *answers.at++;
}

static CK_RV
next_rv(void)
{
    static const CK_RV values[] = {
        CKR_OK,
        CKR_OK,
        CKR_OK,
        CKR_BUFFER_TOO_SMALL,
        CKR_ATTRIBUTE_TYPE_INVALID,
        CKR_ATTRIBUTE_SENSITIVE,
        CKR_OBJECT_HANDLE_INVALID,
        CKR_SESSION_HANDLE_INVALID,
        CKR_USER_NOT_LOGGED_IN,
        CKR_DEVICE_ERROR,
        CKR_GENERAL_ERROR,
        0x80000001,
    };

    if (++answers.n_calls > MAX_CALLS)
        return CKR_DEVICE_REMOVED;
    return values[next() % ARRAY_LEN(values)];
}

/* A number that may mean too much. */
static CK_ULONG
next_count(CK_ULONG fits)
{
    uint8_t choice = next();

    if (choice == 0xff)
        return CK_UNAVAILABLE_INFORMATION;
    if (choice == 0xfe)
        return fits + 1;
    if (choice == 0xfd)
        return (CK_ULONG)1 << 40;
    return choice;
}

static void
fill(void *out, size_t len)
{
    if (len > answers.left)
        len = answers.left;
    if (len > 0)
        memcpy(out, answers.at, len);
    answers.at += len;
    answers.left -= len;
}

static CK_RV
open_session(CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
             CK_SESSION_HANDLE_PTR session)
{
    (void)slot, (void)flags, (void)application, (void)notify;
    *session = 1;
    return next_rv();
}

static CK_RV
close_session(CK_SESSION_HANDLE session)
{
    (void)session;
    return next_rv();
}

static CK_RV
session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO_PTR info)
{
    (void)session;
    info->state = next();
    return next_rv();
}

static CK_RV
token_info(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
    (void)slot;
    fill(info, sizeof(*info));
    return next_rv();
}

static CK_RV
find_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR attributes, CK_ULONG count)
{
    (void)session, (void)attributes, (void)count;
    return next_rv();
}

static CK_RV
find(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE_PTR handles, CK_ULONG max, CK_ULONG_PTR found)
{
    CK_ULONG count = next() % (MAX_HANDLES + 1);

    (void)session;
    for (CK_ULONG i = 0; i < count && i < max; i++)
        handles[i] = next() % 8;
    *found = next() == 0xff ? max + 1 : count;
    return answers.left == 0 ? CKR_DEVICE_REMOVED : next_rv();
}

static CK_RV
find_final(CK_SESSION_HANDLE session)
{
    (void)session;
    return next_rv();
}

/* Where it may write it writes no more than there is room for: what does is an overflow of its own. */
static CK_RV
get_attributes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR attributes,
               CK_ULONG count)
{
    (void)session, (void)object;
    for (CK_ULONG i = 0; i < count; i++) {
        CK_ULONG room = attributes[i].ulValueLen, len = next_count(room);

        if (attributes[i].type == CKA_EC_POINT || attributes[i].type == CKA_VALUE ||
            attributes[i].type == CKA_MODULUS)
            len = len * 4; /* up to 1,020 bytes */
        if (attributes[i].pValue)
            fill(attributes[i].pValue, len < room ? len : room);
        attributes[i].ulValueLen = len;
    }
    return next_rv();
}

static CK_RV
mechanism_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR types, CK_ULONG_PTR count)
{
    CK_ULONG room = *count, n = next_count(room);

    (void)slot;
    for (CK_ULONG i = 0; i < n && i < room; i++)
        types[i] = (CK_ULONG)next() << 8 | next();
    *count = n;
    return next_rv();
}

static CK_RV
mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR info)
{
    (void)slot, (void)type;
    fill(info, sizeof(*info));
    return next_rv();
}

static CK_RV
random_bytes(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG len)
{
    (void)session;
    fill(out, len);
    return next_rv();
}

static CK_FUNCTION_LIST module = {
    .C_OpenSession = open_session,
    .C_CloseSession = close_session,
    .C_GetSessionInfo = session_info,
    .C_GetTokenInfo = token_info,
    .C_FindObjectsInit = find_init,
    .C_FindObjects = find,
    .C_FindObjectsFinal = find_final,
    .C_GetAttributeValue = get_attributes,
    .C_GetMechanismList = mechanism_list,
    .C_GetMechanismInfo = mechanism_info,
    .C_GenerateRandom = random_bytes,
};

/* --- what we make of it --- */

static ks_err
no_pin(void *context, int *pin_fd, struct fault *why)
{
    (void)context, (void)pin_fd;
    fault_set(why, "no PIN here");
    return KS_ERR_LOGIN_BLOCKED;
}

static void
nothing_told(void *context, ks_err result, const struct fault *why)
{
    (void)context, (void)result, (void)why;
}

static void
check_text(const char *text, size_t cap)
{
    size_t len = strnlen(text, cap);

    require(len < cap);
    for (size_t i = 0; i < len; i++)
        require(text[i] >= ' ' && text[i] <= '~');
}
#define CHECK_TEXT(text) check_text((text), sizeof(text))

static void
check_keys(struct worker *worker)
{
    struct fault why = FAULT_INIT;
    struct key *key;
    EVP_PKEY *pkey;

    if (keys_list(worker->keys, &why) != KS_OK) {
        require(why.text[0] != '\0');
        return;
    }
    for (size_t i = 0; i < keys_count(worker->keys); i++) {
        key = keys_at(worker->keys, i);
        require(keyname_valid(key->name) && key->version > 0);
        require(key->spki.len <= sizeof(key->spki.der));
        if (key->spki.len > 0 && keys_pkey(key, &pkey, &why) == KS_OK)
            require(EVP_PKEY_get_bits(pkey) > 0);
    }
    (void)keys_get(worker->keys, "web/shop@1", &key, &why);
}

static void
check_certificates(struct worker *worker)
{
    struct certobject_set set = {{{NULL, 0}}};
    struct fault why = FAULT_INIT;

    if (certobject_find(worker->slot, "web/shop@1", &set, &why) == KS_OK) {
        for (size_t i = 0; i < ARRAY_LEN(set.places); i++) {
            for (size_t k = 0; k < set.places[i].n_handles && k < 2; k++) {
                X509 *certificate = NULL;

                (void)certobject_read(worker->slot, set.places[i].handles[k], &certificate, &why);
                X509_free(certificate);
            }
        }
    }
    certobject_set_deinit(&set);
}

/* What is told can be unpacked by whoever is told it. */
static void
check_info(struct worker *worker)
{
    ks_auto(job_token_info_deinit) struct job_token_info info = {.flags = 0};
    struct answer answer = ANSWER_INIT;
    struct control_state state;
    struct fault why = FAULT_INIT;
    struct job job = {.id = 1};

    worker_state(worker, TOKEN_STATE_READY, "", &state);
    CHECK_TEXT(state.label);
    CHECK_TEXT(state.model);
    CHECK_TEXT(state.serial);
    if (info_run(worker, &job, &answer, &why) == KS_OK) {
        require(job_token_info_unpack(answer.data.data, answer.data.len, &info) == KS_OK);
        CHECK_TEXT(info.label);
        CHECK_TEXT(info.manufacturer);
        CHECK_TEXT(info.model);
        CHECK_TEXT(info.serial);
    } else {
        require(why.text[0] != '\0');
    }
    buf_deinit(&answer.data);
}

/* A signature, of any length, as C_Sign would give it. */
static void
check_signature(void)
{
    static const struct {
        enum ks_algorithm algorithm;
        enum ks_key_type type;
    } kinds[] = {
        {KS_ALGORITHM_ECDSA_SHA256, KS_KEY_TYPE_EC_P256},
        {KS_ALGORITHM_ECDSA_SHA384, KS_KEY_TYPE_EC_P384},
        {KS_ALGORITHM_ECDSA_SHA512, KS_KEY_TYPE_EC_P521},
        {KS_ALGORITHM_ED25519, KS_KEY_TYPE_ED25519},
        {KS_ALGORITHM_RSA_PSS_SHA256, KS_KEY_TYPE_RSA_2048},
    };
    size_t kind = next() % ARRAY_LEN(kinds), raw_len = (size_t)next() * 2, len = 0;
    uint8_t raw[2 * UINT8_MAX] = {0}, out[KS_SIGNATURE_MAX_LEN];
    struct fault why = FAULT_INIT;

    fill(raw, raw_len);
    if (signature_finish(kinds[kind].algorithm, kinds[kind].type, raw, raw_len, out, &len, &why) ==
        KS_OK)
        require(len > 0 && len <= sizeof(out));
    else
        require(why.text[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct slot_broker broker = {no_pin, nothing_told, NULL};
    struct config_token token = {.name = "main"};
    struct worker worker = WORKER_INIT;
    struct fault why = FAULT_INIT;

    answers.at = data;
    answers.left = size;
    answers.n_calls = 0;
    worker.token = &token;
    worker.p11.list = &module;
    require(slot_new(&worker.p11, 1, &broker, false, &worker.slot) == KS_OK);
    if (slot_open(worker.slot, &why) == KS_OK) {
        require(keys_new(worker.slot, &worker.keys) == KS_OK);
        check_keys(&worker);
        check_certificates(&worker);
        check_info(&worker);
        check_signature();
        worker.keys = keys_free(worker.keys);
    }
    slot_free(worker.slot);
    return 0;
}
