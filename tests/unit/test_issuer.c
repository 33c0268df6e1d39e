/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of an issuer in a world with its own clock and its own documents. The pool is real and
 * has one thread, so that a marker job behind a fetch says when that has ended.
 */
#include "config.h"
#include "auth/issuer.h"
#include "auth/issuer_set.h"
#include "base/mem.h"

#include "tests/support/cunit_main.h"

#include <CUnit/CUnit.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define URL     "https://ci.example"
#define REFRESH 900000u
#define REFETCH 60000u
#define MAX_AGE 86400000u

/* The public keys are that of RFC 8037, appendix A.1, whatever their names. */
#define KEY(kid)                                                                                   \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" kid "\","                                    \
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define KEYS_A  "{\"keys\":[" KEY("a") "]}"
#define KEYS_AB "{\"keys\":[" KEY("a") "," KEY("b") "]}"
#define KEYS_B  "{\"keys\":[" KEY("b") "]}"

struct world {
    struct issuer_world base; /* first member */
    _Atomic uint64_t now_ms;
    const char *discovery, *keys; /* NULL: cannot be reached; set while nothing is fetched */
    char keys_url[200];           /* asked for last */
    atomic_uint gets;
    pthread_mutex_t closed; /* held: the issuer is slow */
    struct queue *replies;
    struct issuer_set *issuers;
    struct issuer *issuer;
};

static int get(struct issuer_world *base, const char *url, struct buf *body, struct fault *fault)
{
    struct world *world = CONTAINER_OF(base, struct world, base);
    bool is_discovery = strstr(url, "/.well-known/openid-configuration") != NULL;
    const char *document = is_discovery ? world->discovery : world->keys;

    pthread_mutex_lock(&world->closed);
    pthread_mutex_unlock(&world->closed);
    atomic_fetch_add(&world->gets, 1);
    if (!is_discovery)
        snprintf(world->keys_url, sizeof(world->keys_url), "%s", url);
    if (!document)
        return fault_set(fault, ERR_UNAVAILABLE, "the cable is cut");
    buf_add(body, slice_from_cstr(document));
    return buf_error(body, ERR_LIMIT);
}

static uint64_t now_ms(struct issuer_world *base)
{
    return atomic_load(&CONTAINER_OF(base, struct world, base)->now_ms);
}

static void begin(struct world *world)
{
    memset(world, 0, sizeof(*world));
    world->base = (struct issuer_world){
        .get = get,
        .now_ms = now_ms,
        .pool = pool_create("test", 1),
        .hosts = {SLICE("ci.example, listed.example"), SLICE("")},
        .refresh_ms = REFRESH,
        .refetch_ms = REFETCH,
        .max_age_ms = MAX_AGE,
    };
    atomic_init(&world->now_ms, 5000000);
    world->discovery = "{\"issuer\":\"" URL "\",\"jwks_uri\":\"" URL "/keys\"}";
    world->keys = KEYS_A;
    pthread_mutex_init(&world->closed, NULL);
    world->replies = queue_create();
    world->issuers = issuer_set_create(&world->base);
    world->issuer = issuer_set_get(world->issuers, SLICE(URL));
}

static void end(struct world *world)
{
    pool_destroy(world->base.pool);
    issuer_unref(world->issuer);
    issuer_set_destroy(world->issuers);
    queue_destroy(world->replies);
    pthread_mutex_destroy(&world->closed);
}

static void pass(struct world *world, uint64_t ms)
{
    atomic_fetch_add(&world->now_ms, ms);
}

/* ---- Asking -----------------------------------------------------------------------------------
 */

struct asking {
    struct issuer_wait wait; /* first member */
    unsigned answered;
};

static void on_answer(struct pool_job *job)
{
    ((struct asking *)job)->answered++;
}

static void take_replies(struct world *world)
{
    struct pollfd ready = {.fd = queue_fd(world->replies), .events = POLLIN};

    CU_ASSERT_EQUAL_FATAL(poll(&ready, 1, 60000), 1);
    pool_run_replies(world->replies);
}

static int ask_once(struct world *world, const char *kid, struct asking *asking,
                    struct fault *fault)
{
    struct issuer_keys *keys = NULL;

    asking->wait.job = (struct pool_job){.done = on_answer, .reply = world->replies};
    int err = issuer_find_key(world->issuer, slice_from_cstr(kid), SLICE("EdDSA"), &asking->wait,
                              &keys, fault);
    CU_ASSERT_EQUAL(err == 0, keys != NULL);
    if (keys) {
        CU_ASSERT_PTR_NOT_NULL(issuer_keys_find(keys, slice_from_cstr(kid), SLICE("EdDSA")));
        issuer_keys_unref(keys);
    }
    return err;
}

/* As a log-in does: waits once, and asks again. */
static int ask_for(struct world *world, const char *kid, struct fault *fault)
{
    struct asking asking = {0};
    int err = ask_once(world, kid, &asking, fault);

    if (err != ERR_AGAIN)
        return err;
    while (asking.answered == 0)
        take_replies(world);
    err = ask_once(world, kid, &asking, fault);
    CU_ASSERT_NOT_EQUAL(err, ERR_AGAIN);
    CU_ASSERT_EQUAL(asking.answered, 1);
    return err;
}

static int ask(struct world *world, const char *kid)
{
    return ask_for(world, kid, NULL);
}

static void nothing(struct pool_job *job)
{
    (void)job;
}

/* What the pool had to do is done. */
static void settle(struct world *world)
{
    struct asking marker = {
        .wait.job = {.run = nothing, .done = on_answer, .reply = world->replies}};

    pool_submit(world->base.pool, &marker.wait.job);
    while (marker.answered == 0)
        take_replies(world);
}

static unsigned gets_seen(struct world *world)
{
    settle(world);
    return atomic_exchange(&world->gets, 0);
}

/* ---- Cases ------------------------------------------------------------------------------------
 */

static void test_first(void)
{
    struct world world;

    begin(&world);
    CU_ASSERT_EQUAL(ask(&world, "a"), 0);
    CU_ASSERT_EQUAL(gets_seen(&world), 2);
    CU_ASSERT_STRING_EQUAL(world.keys_url, URL "/keys");
    CU_ASSERT_EQUAL(ask(&world, "a"), 0);
    CU_ASSERT_EQUAL(gets_seen(&world), 0);
    end(&world);
}

static void test_all_wait_for_one_fetch(void)
{
    struct asking asking[50] = {0};
    struct world world;
    unsigned answered = 0;

    begin(&world);
    pthread_mutex_lock(&world.closed);
    for (unsigned i = 0; i < 50; i++)
        CU_ASSERT_EQUAL(ask_once(&world, i % 2 ? "a" : "b", &asking[i], NULL), ERR_AGAIN);
    pthread_mutex_unlock(&world.closed);
    while (answered < 50) {
        take_replies(&world);
        answered = 0;
        for (unsigned i = 0; i < 50; i++)
            answered += asking[i].answered;
    }
    for (unsigned i = 0; i < 50; i++)
        CU_ASSERT_EQUAL(ask_once(&world, i % 2 ? "a" : "b", &asking[i], NULL),
                        i % 2 ? 0 : ERR_UNAUTHORIZED);
    CU_ASSERT_EQUAL(gets_seen(&world), 2);
    end(&world);
}

static void test_waiting_is_limited(void)
{
    static struct asking asking[ISSUER_WAITING_MAX + 1];
    struct world world;
    unsigned answered = 0;

    memset(asking, 0, sizeof(asking));
    begin(&world);
    pthread_mutex_lock(&world.closed);
    for (unsigned i = 0; i < ISSUER_WAITING_MAX; i++)
        if (ask_once(&world, "a", &asking[i], NULL) != ERR_AGAIN)
            CU_FAIL("a place to wait is refused");
    CU_ASSERT_EQUAL(ask_once(&world, "a", &asking[ISSUER_WAITING_MAX], NULL), ERR_BUSY);
    pthread_mutex_unlock(&world.closed);
    while (answered < ISSUER_WAITING_MAX) {
        take_replies(&world);
        answered = 0;
        for (unsigned i = 0; i < ISSUER_WAITING_MAX; i++)
            answered += asking[i].answered;
    }
    end(&world);
}

static void test_unknown_key(void)
{
    struct world world;

    begin(&world);
    CU_ASSERT_EQUAL(ask(&world, "nobody"), ERR_UNAUTHORIZED);
    CU_ASSERT_EQUAL(gets_seen(&world), 2);
    for (unsigned i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(ask(&world, "nobody"), ERR_UNAUTHORIZED);
    pass(&world, REFETCH - 1);
    CU_ASSERT_EQUAL(ask(&world, "nobody"), ERR_UNAUTHORIZED);
    CU_ASSERT_EQUAL(gets_seen(&world), 0);
    CU_ASSERT_EQUAL(ask(&world, "a"), 0);
    pass(&world, 1);
    CU_ASSERT_EQUAL(ask(&world, "nobody"), ERR_UNAUTHORIZED);
    CU_ASSERT_EQUAL(gets_seen(&world), 2);
    end(&world);
}

static void test_rollover(void)
{
    struct world world;

    begin(&world);
    CU_ASSERT_EQUAL(ask(&world, "a"), 0);
    world.keys = KEYS_AB;
    pass(&world, REFETCH);
    CU_ASSERT_EQUAL(ask(&world, "b"), 0);
    CU_ASSERT_EQUAL(ask(&world, "a"), 0);
    world.keys = KEYS_B;
    pass(&world, REFRESH - 1);
    CU_ASSERT_EQUAL(ask(&world, "a"), 0);
    CU_ASSERT_EQUAL(gets_seen(&world), 4);
    pass(&world, 1);
    CU_ASSERT_EQUAL(ask(&world, "a"), 0); /* the refresh goes on behind it */
    CU_ASSERT_EQUAL(gets_seen(&world), 2);
    CU_ASSERT_EQUAL(ask(&world, "a"), ERR_UNAUTHORIZED);
    CU_ASSERT_EQUAL(ask(&world, "b"), 0);
    end(&world);
}

/* The keys change after they were fetched for somebody who waits: that one is refused, not sent
 * round again. */
static void test_rotates_mid_flight(void)
{
    struct asking asking = {0};
    struct world world;

    begin(&world);
    pthread_mutex_lock(&world.closed);
    CU_ASSERT_EQUAL(ask_once(&world, "b", &asking, NULL), ERR_AGAIN);
    pthread_mutex_unlock(&world.closed);
    while (asking.answered == 0)
        take_replies(&world);
    world.keys = KEYS_B;
    CU_ASSERT_EQUAL(ask_once(&world, "b", &asking, NULL), ERR_UNAUTHORIZED);
    CU_ASSERT_EQUAL(ask(&world, "a"), 0);
    pass(&world, REFETCH);
    CU_ASSERT_EQUAL(ask_once(&world, "b", &asking, NULL), ERR_UNAUTHORIZED); /* it has waited */
    CU_ASSERT_EQUAL(ask(&world, "b"), 0);
    CU_ASSERT_EQUAL(ask(&world, "a"), ERR_UNAUTHORIZED);
    end(&world);
}

/* A token without a name of its key is tried with the one that is there; when that is not its own,
 * the issuer is asked as for an unknown one. */
static void test_ask_again(void)
{
    struct asking first = {0}, second = {0};
    struct world world;

    begin(&world);
    CU_ASSERT_EQUAL(ask(&world, "a"), 0);
    first.wait.job = second.wait.job = (struct pool_job){.done = on_answer, .reply = world.replies};
    CU_ASSERT_EQUAL(issuer_ask_again(world.issuer, &first.wait, NULL), ERR_UNAUTHORIZED);
    CU_ASSERT_EQUAL(gets_seen(&world), 2);
    world.keys = KEYS_B;
    pass(&world, REFETCH);
    CU_ASSERT_EQUAL(issuer_ask_again(world.issuer, &first.wait, NULL), ERR_AGAIN);
    while (first.answered == 0)
        take_replies(&world);
    CU_ASSERT_EQUAL(issuer_ask_again(world.issuer, &first.wait, NULL), ERR_UNAUTHORIZED);
    CU_ASSERT_EQUAL(issuer_ask_again(world.issuer, &second.wait, NULL), ERR_UNAUTHORIZED);
    CU_ASSERT_EQUAL(ask(&world, "b"), 0);
    CU_ASSERT_EQUAL(gets_seen(&world), 2);
    end(&world);
}

static void test_down(void)
{
    struct fault fault = FAULT_INIT;
    struct world world;

    begin(&world);
    CU_ASSERT_EQUAL(ask(&world, "a"), 0);
    world.keys = NULL;
    pass(&world, MAX_AGE);
    CU_ASSERT_EQUAL(ask(&world, "a"), 0);
    CU_ASSERT_EQUAL(gets_seen(&world), 4);
    CU_ASSERT_EQUAL(ask(&world, "a"), 0);
    pass(&world, 1);
    CU_ASSERT_EQUAL(ask_for(&world, "a", &fault), ERR_UNAVAILABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "the cable is cut"));
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, URL));
    world.keys = KEYS_A;
    pass(&world, REFETCH);
    CU_ASSERT_EQUAL(ask(&world, "a"), 0);
    end(&world);
}

/* While an issuer is down at the very first, it is asked again earlier than in a minute, and still
 * not at each token. */
static void test_down_at_first(void)
{
    struct world world;

    begin(&world);
    world.discovery = NULL;
    for (unsigned i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(ask(&world, "a"), ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(gets_seen(&world), 1);
    pass(&world, 9999);
    CU_ASSERT_EQUAL(ask(&world, "a"), ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(gets_seen(&world), 0);
    world.discovery = "{\"issuer\":\"" URL "\",\"jwks_uri\":\"https://listed.example/k?v=1\"}";
    pass(&world, 1);
    CU_ASSERT_EQUAL(ask(&world, "a"), 0);
    CU_ASSERT_STRING_EQUAL(world.keys_url, "https://listed.example/k?v=1");
    end(&world);
}

/* Documents that are refused: the keys that are there go on, without them nobody comes in. */
static void test_refused_documents(void)
{
    static const struct {
        const char *discovery, *keys, *reason;
        unsigned gets;
    } cases[] = {
        {"{\"issuer\":\"https://ci.example/\",\"jwks_uri\":\"" URL "/keys\"}", KEYS_B, "is that of",
         1},
        {"{\"issuer\":\"https://evil.example\",\"jwks_uri\":\"" URL "/keys\"}", KEYS_B,
         "is that of", 1},
        {"{\"issuer\":\"" URL "\",\"jwks_uri\":\"https://evil.example/keys\"}", KEYS_B,
         "auth.issuer_hosts", 1},
        {"{\"issuer\":\"" URL "\",\"jwks_uri\":\"https://ci.example:8443/keys\"}", NULL,
         "the cable", 2}, /* the host is listed, with any port */
        {"{\"issuer\":\"" URL "\",\"jwks_uri\":\"http://ci.example/keys\"}", KEYS_B, "https only",
         1},
        {"{\"issuer\":\"" URL "\",\"jwks_uri\":\"https://a@ci.example/keys\"}", KEYS_B, "no user",
         1},
        {"{\"issuer\":\"" URL "\",\"jwks_uri\":\"file:///etc/passwd\"}", KEYS_B, "URL", 1},
        {"{\"issuer\":\"" URL "\",\"jwks_uri\":7}", KEYS_B, "jwks_uri", 1},
        {"{\"issuer\":\"" URL "\"}", KEYS_B, "jwks_uri", 1},
        {"[]", KEYS_B, "issuer", 1},
        {"<html>", KEYS_B, "", 1},
        {"{\"issuer\":\"" URL "\",\"jwks_uri\":\"" URL "/keys\"}", "{\"keys\":[]}", "none of", 2},
        {"{\"issuer\":\"" URL "\",\"jwks_uri\":\"" URL "/keys\"}", "{}", "", 2},
        {"{\"issuer\":\"" URL "\",\"jwks_uri\":\"" URL "/keys\"}", "<html>", "", 2},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fault fault = FAULT_INIT;
        const char *good;
        struct world world;

        begin(&world);
        good = world.discovery;
        world.discovery = cases[i].discovery;
        world.keys = cases[i].keys;
        CU_ASSERT_EQUAL(ask_for(&world, "b", &fault), ERR_UNAVAILABLE);
        CU_ASSERT_EQUAL(gets_seen(&world), cases[i].gets);
        if (!strstr(fault.text, cases[i].reason)) {
            printf("# %s\n# has no %s\n", fault.text, cases[i].reason);
            CU_FAIL("the reason is another one");
        }
        world.discovery = good;
        world.keys = KEYS_A;
        pass(&world, REFETCH);
        CU_ASSERT_EQUAL(ask(&world, "a"), 0);
        world.discovery = cases[i].discovery;
        world.keys = cases[i].keys;
        pass(&world, REFETCH);
        CU_ASSERT_EQUAL(ask(&world, "b"), ERR_UNAUTHORIZED);
        CU_ASSERT_EQUAL(ask(&world, "a"), 0);
        end(&world);
    }
}

/* A host that is not listed is never asked. */
static void test_hosts(void)
{
    static const char *const urls[] = {"https://evil.example", "http://ci.example",
                                       "https://ci.example.evil.example", "https://ci.example#x",
                                       "https://ci.example@evil.example"};
    struct world world;

    begin(&world);
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        issuer_unref(world.issuer);
        world.issuer = issuer_set_get(world.issuers, slice_from_cstr(urls[i]));
        CU_ASSERT_EQUAL(ask(&world, "a"), ERR_UNAVAILABLE);
        CU_ASSERT_EQUAL(gets_seen(&world), 0);
    }
    end(&world);
}

/* One for each URL; a set that is full forgets the one that was not asked for the longest, which
 * whoever has it can still use. */
static void test_set(void)
{
    struct issuer *first, *again;
    struct world world;
    char url[64];

    begin(&world);
    first = issuer_set_get(world.issuers, SLICE("https://first.example"));
    again = issuer_set_get(world.issuers, SLICE(URL));
    CU_ASSERT_PTR_EQUAL(again, world.issuer);
    issuer_unref(again);
    for (unsigned i = 0; i < ISSUER_SET_MAX - 1; i++) {
        snprintf(url, sizeof(url), "https://%u.example", i);
        issuer_unref(issuer_set_get(world.issuers, slice_from_cstr(url)));
    }
    again = issuer_set_get(world.issuers, SLICE(URL));
    CU_ASSERT_PTR_EQUAL(again, world.issuer);
    issuer_unref(again);
    again = issuer_set_get(world.issuers, SLICE("https://first.example"));
    CU_ASSERT_PTR_NOT_EQUAL(again, first);
    CU_ASSERT_TRUE(slice_eq(issuer_url(first), issuer_url(again)));
    issuer_unref(again);
    issuer_unref(first);
    end(&world);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("issuer", NULL, NULL);

    CU_add_test(suite, "first", test_first);
    CU_add_test(suite, "all wait for one fetch", test_all_wait_for_one_fetch);
    CU_add_test(suite, "waiting is limited", test_waiting_is_limited);
    CU_add_test(suite, "unknown key", test_unknown_key);
    CU_add_test(suite, "rollover", test_rollover);
    CU_add_test(suite, "rotates mid-flight", test_rotates_mid_flight);
    CU_add_test(suite, "ask again", test_ask_again);
    CU_add_test(suite, "down", test_down);
    CU_add_test(suite, "down at first", test_down_at_first);
    CU_add_test(suite, "refused documents", test_refused_documents);
    CU_add_test(suite, "hosts", test_hosts);
    CU_add_test(suite, "set", test_set);
}
