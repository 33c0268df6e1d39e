/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/log_head.h"
#include "base/mem.h"
#include "tests/support/tempdir.h"
#include "tests/unit/kv_bench.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <string.h>

static struct tempdir temp;
static struct datadir dir;
static struct server_keys *keys;
static struct fault fault;

static void begin(void)
{
    static const struct server_keys_options options = {.keep_ms = 1000};
    char path[128];

    bench_begin();
    tempdir_make(&temp);
    snprintf(path, sizeof(path), "%s/data", temp.path);
    CU_ASSERT_EQUAL_FATAL(datadir_open(path, &dir, &fault), 0);
    CU_ASSERT_EQUAL_FATAL(server_keys_open(&dir, &options, 1000, &keys, &fault), 0);
}

static void end(void)
{
    server_keys_close(keys);
    datadir_close(&dir);
    tempdir_remove(&temp);
    bench_end();
}

static int stage_something(struct kv_tx *tx, void *arg)
{
    (void)arg;
    return event_stage(tx, &(struct event){.type = EVENT_FSCK_RUN, .actor = SLICE("system")});
}

static void happen(void)
{
    CU_ASSERT_EQUAL_FATAL(kv_write_sync(kv_bench.store, stage_something, NULL), 0);
}

/* What a reader finds of the signatures in the log. */
struct seen {
    struct kv_tx *tx;
    unsigned good, bad, keys;
    uint64_t about;
    char kid[SERVER_KEY_KID_SIZE + 1];
    void (*change)(struct event *event);
};

static int see(const struct event *event, void *arg)
{
    struct seen *seen = arg;
    struct event copy = *event;

    if (event->type == EVENT_KEY_ROTATED)
        seen->keys++;
    if (event->type != EVENT_LOG_SIGNED)
        return 0;
    if (seen->change != NULL)
        seen->change(&copy);
    int err = log_head_check(seen->tx, &copy, &fault);
    CU_ASSERT_TRUE(err == 0 || err == ERR_CORRUPT);
    if (err == 0)
        seen->good++;
    else
        seen->bad++;
    seen->about = event->size;
    snprintf(seen->kid, sizeof(seen->kid), SLICE_FMT, SLICE_ARG(event->subject));
    return 0;
}

static int scan(struct kv_tx *tx, void *arg)
{
    struct seen *seen = arg;

    seen->tx = tx;
    seen->good = seen->bad = seen->keys = 0;
    return event_scan(tx, 0, 100, see, seen);
}

static struct seen look(void (*change)(struct event *event))
{
    struct seen seen = {.change = change};

    CU_ASSERT_EQUAL(kv_read_sync(kv_bench.store, scan, &seen), 0);
    return seen;
}

static void test_sign(void)
{
    struct server_key *key;
    struct seen seen;
    uint64_t number;

    begin();
    CU_ASSERT_EQUAL(log_head_sign_now(kv_bench.store, keys, &number, &fault), 0);
    CU_ASSERT_EQUAL(number, 0); /* nothing to sign */
    CU_ASSERT_EQUAL(kv_event_last(kv_bench.store), 0);
    happen();
    happen();
    CU_ASSERT_EQUAL(log_head_sign_now(kv_bench.store, keys, &number, &fault), 0);
    CU_ASSERT_EQUAL(number, 2);
    seen = look(NULL);
    CU_ASSERT_EQUAL(seen.good, 1);
    CU_ASSERT_EQUAL(seen.bad, 0);
    CU_ASSERT_EQUAL(seen.about, 2);
    key = server_keys_newest(keys);
    CU_ASSERT_TRUE(slice_eq(server_key_kid(key), slice_from_cstr(seen.kid)));
    server_key_unref(key);
    end();
}

/* A registry where nothing happens writes nothing. */
static void test_idle(void)
{
    uint64_t number;

    begin();
    happen();
    CU_ASSERT_EQUAL(log_head_sign_now(kv_bench.store, keys, &number, &fault), 0);
    CU_ASSERT_EQUAL(log_head_sign_now(kv_bench.store, keys, &number, &fault), 0);
    CU_ASSERT_EQUAL(number, 0);
    CU_ASSERT_EQUAL(kv_event_last(kv_bench.store), 2);
    happen();
    CU_ASSERT_EQUAL(log_head_sign_now(kv_bench.store, keys, &number, &fault), 0);
    CU_ASSERT_EQUAL(number, 3);
    CU_ASSERT_EQUAL(look(NULL).good, 2);
    end();
}

static void change_number(struct event *event)
{
    event->size--;
}

static void change_hash(struct event *event)
{
    event->digest.raw[0] ^= 1;
}

static void change_kid(struct event *event)
{
    event->subject = SLICE("0123456789abcdef0123456789abcdef");
}

static void change_key(struct event *event)
{
    event->key.n--;
}

static void change_signature(struct event *event)
{
    event->signature.n--;
}

static void drop_signature(struct event *event)
{
    event->signature.n = 0;
}

static void cite_itself(struct event *event)
{
    event->size = event->number;
}

static void test_changed(void)
{
    static void (*const changes[])(struct event *) = {
        change_number,    change_hash,    change_kid,  change_key,
        change_signature, drop_signature, cite_itself,
    };
    uint64_t number;

    begin();
    happen();
    happen();
    CU_ASSERT_EQUAL(log_head_sign_now(kv_bench.store, keys, &number, &fault), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(changes); i++) {
        struct seen seen = look(changes[i]);

        CU_ASSERT_EQUAL(seen.good, 0);
        CU_ASSERT_EQUAL(seen.bad, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "signs the log, but"));
    }
    CU_ASSERT_EQUAL(look(NULL).good, 1);
    end();
}

static int stage_key(struct kv_tx *tx, void *arg)
{
    return log_head_stage_key(tx, arg);
}

static void test_key_event(void)
{
    struct server_key *key;

    begin();
    key = server_keys_newest(keys);
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, stage_key, key), 0);
    server_key_unref(key);
    CU_ASSERT_EQUAL(look(NULL).keys, 1);
    end();
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("log_head", bench_use_lmdb, NULL);

    CU_add_test(suite, "the head is signed, and the signature fits", test_sign);
    CU_add_test(suite, "nothing is signed when nothing happened", test_idle);
    CU_add_test(suite, "a signature that does not fit is found", test_changed);
    CU_add_test(suite, "a new key is an event", test_key_event);
}
