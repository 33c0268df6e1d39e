/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: read the head, sign it, write the signature: three steps on the main thread, of which the
 * first and the last are transactions with their answers in a queue. Between them others may write;
 * the signature says which event it is about. One minute is the grain of the hour, so that a clock
 * that was set changes nothing: the monotonic one counts.
 */
#include "config.h"
#include "server/log_signer.h"

#include "auth/log_head.h"
#include "base/clock.h"
#include "base/fatal.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pool.h"

#include <stdlib.h>

#define PERIOD_MS UINT64_C(3600000)

struct log_signer {
    struct kv_store *kv;
    struct server_keys *keys;
    struct queue *queue;
    struct kv_client *client;
    struct event *answers;

    bool is_signing, is_recording;
    uint64_t signed_ms; /* monotonic, when the last one began */
    struct log_head head;
    struct log_signature signature;
    struct server_key *made; /* of which the event is being written */
};

static void complain(const char *what, int err, const struct fault *fault)
{
    log_warn("log.signed", what, LOG_CSTR("error", err_name(err)),
             LOG_CSTR("why", fault_text(fault, err)));
}

/*
 * The new key.
 */

static int stage_key(struct kv_tx *tx, void *arg)
{
    struct log_signer *signer = arg;

    return log_head_stage_key(tx, signer->made);
}

static void key_written(void *arg, int err)
{
    struct log_signer *signer = arg;

    if (err != 0)
        complain("the event of a new key could not be written", err, NULL);
    server_key_unref(signer->made);
    signer->made = NULL;
    signer->is_recording = false;
}

static void record_key(struct log_signer *signer)
{
    if (signer->is_recording || !server_keys_take_made(signer->keys))
        return;
    signer->is_recording = true;
    signer->made = server_keys_newest(signer->keys);
    kv_write(signer->client, KV_BACKGROUND, stage_key, signer, key_written);
}

/*
 * The head.
 */

static int stage_signature(struct kv_tx *tx, void *arg)
{
    struct log_signer *signer = arg;

    return log_head_stage(tx, &signer->signature);
}

static void signature_written(void *arg, int err)
{
    struct log_signer *signer = arg;

    if (err != 0)
        complain("the signature of the event log could not be written", err, NULL);
    signer->is_signing = false;
}

static int read_head(struct kv_tx *tx, void *arg)
{
    struct log_signer *signer = arg;

    return log_head_read(tx, &signer->head);
}

static void head_read(void *arg, int err)
{
    struct log_signer *signer = arg;
    struct fault fault = FAULT_INIT;

    if (err == 0 && (signer->head.number == 0 || signer->head.is_signed)) {
        signer->is_signing = false;
        return;
    }
    if (err == 0) {
        struct server_key *key = server_keys_newest(signer->keys);

        err = log_head_sign(key, &signer->head, &signer->signature, &fault);
        server_key_unref(key);
    }
    if (err != 0) {
        complain("the head of the event log could not be signed", err, &fault);
        signer->is_signing = false;
        return;
    }
    kv_write(signer->client, KV_BACKGROUND, stage_signature, signer, signature_written);
}

void log_signer_look(struct log_signer *signer)
{
    uint64_t now_ms = clock_mono_ms();

    record_key(signer);
    if (signer->is_signing || now_ms - signer->signed_ms < PERIOD_MS)
        return;
    signer->is_signing = true;
    signer->signed_ms = now_ms;
    kv_read(signer->client, read_head, signer, head_read);
}

/*
 * Beginning and end.
 */

static void on_answers(evutil_socket_t fd, short what, void *arg)
{
    struct log_signer *signer = arg;

    (void)fd;
    (void)what;
    pool_run_replies(signer->queue);
}

struct log_signer *log_signer_create(struct event_base *base, struct kv_store *kv,
                                     struct server_keys *keys)
{
    struct log_signer *signer = xcalloc(1, sizeof(*signer));

    signer->kv = kv;
    signer->keys = keys;
    signer->signed_ms = clock_mono_ms();
    signer->queue = queue_create();
    signer->client = kv_client_create(kv, signer->queue);
    signer->answers =
        event_new(base, queue_fd(signer->queue), EV_READ | EV_PERSIST, on_answers, signer);
    if (signer->answers == NULL || event_add(signer->answers, NULL) != 0)
        fatal("no memory to sign the event log", 0);
    record_key(signer);
    return signer;
}

void log_signer_destroy(struct log_signer *signer)
{
    struct fault fault = FAULT_INIT;
    uint64_t number;

    if (signer == NULL)
        return;
    kv_client_destroy(signer->client);
    int err = log_head_sign_now(signer->kv, signer->keys, &number, &fault);
    if (err != 0)
        complain("the head of the event log could not be signed", err, &fault);
    else if (number > 0)
        log_info("log.signed", "the head of the event log was signed", LOG_U64("event", number));
    event_free(signer->answers);
    queue_destroy(signer->queue);
    free(signer);
}
