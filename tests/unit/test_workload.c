/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a token to an identity, with a key, an issuer and clocks of the test's own. Real issuers are
 * in tests/integration/workload.t.
 */
#include "config.h"
#include "auth/workload.h"
#include "base/mem.h"

#include "tests/support/cunit_main.h"

#include <CUnit/CUnit.h>

#include <openssl/evp.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define URL   "https://ci.example"
#define NOW_S INT64_C(1800000000)

#define ISSUER(name, url)                                                                          \
    "\"" name "\":{\"url\":\"" url "\",\"audience\":\"us\",\"repositories\":[\"acme/**\"],"        \
    "\"verbs\":[\"push\"],\"rules\":[{\"match\":{\"repository\":\"acme/*\"},"                      \
    "\"identity\":\"ci:{repository}\",\"groups\":[\"builders\"]}]}"

struct world {
    struct issuer_world base; /* first member */
    EVP_PKEY *key;
    bool is_down;
    pthread_mutex_t closed; /* held: the issuer is slow */
    struct policy_cell *policies;
    struct queue *replies;
    struct workload workload;
};

static int64_t wall_s;

static int64_t wall_ms(void)
{
    return wall_s * 1000;
}

static uint64_t mono_ms(struct issuer_world *base)
{
    (void)base;
    return 1000000;
}

static void add_base64url(struct buf *out, const void *bytes, size_t n)
{
    char text[2048];
    int length = EVP_EncodeBlock((unsigned char *)text, bytes, (int)n);

    while (length > 0 && text[length - 1] == '=')
        length--;
    for (int i = 0; i < length; i++)
        buf_add_char(out, (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]));
}

static int get(struct issuer_world *base, const char *url, struct buf *body, struct fault *fault)
{
    struct world *world = CONTAINER_OF(base, struct world, base);
    unsigned char raw[32];
    size_t n = sizeof(raw);

    pthread_mutex_lock(&world->closed);
    pthread_mutex_unlock(&world->closed);
    if (world->is_down)
        return fault_set(fault, ERR_UNAVAILABLE, "the cable is cut");
    if (strstr(url, "openid-configuration")) {
        buf_add(body, SLICE("{\"issuer\":\"" URL "\",\"jwks_uri\":\"" URL "/keys\"}"));
        return 0;
    }
    EVP_PKEY_get_raw_public_key(world->key, raw, &n);
    buf_add(body, SLICE("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\""));
    add_base64url(body, raw, n);
    buf_add(body, SLICE("\"}]}"));
    return 0;
}

static void set_policy(struct world *world, const char *issuers, uint64_t version)
{
    struct fault fault = FAULT_INIT;
    struct policy *policy = NULL;
    struct buf text;

    buf_init(&text, 10000);
    buf_addf(&text, "{\"issuers\":{%s}}", issuers);
    if (policy_parse(buf_slice(&text), &policy, &fault) != 0)
        printf("# %s\n", fault.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(policy);
    policy_cell_set_take(world->policies, policy, version);
    buf_fini(&text);
}

static void begin(struct world *world)
{
    memset(world, 0, sizeof(*world));
    world->base = (struct issuer_world){
        .get = get,
        .now_ms = mono_ms,
        .pool = pool_create("test", 1),
        .hosts = {SLICE("ci.example"), SLICE("")},
        .refresh_ms = 1000,
        .refetch_ms = 1000,
        .max_age_ms = 1000,
    };
    world->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    CU_ASSERT_PTR_NOT_NULL_FATAL(world->key);
    pthread_mutex_init(&world->closed, NULL);
    world->policies = policy_cell_create();
    world->replies = queue_create();
    world->workload = (struct workload){
        .policies = world->policies,
        .issuers = issuer_set_create(&world->base),
        .wall_ms = wall_ms,
        .skew_s = 10,
    };
    wall_s = NOW_S;
    set_policy(world, ISSUER("ci", URL), 1);
}

static void end(struct world *world)
{
    if (world->base.pool)
        pool_destroy(world->base.pool);
    issuer_set_destroy(world->workload.issuers);
    policy_cell_destroy(world->policies);
    queue_destroy(world->replies);
    pthread_mutex_destroy(&world->closed);
    EVP_PKEY_free(world->key);
}

/* ---- Tokens -----------------------------------------------------------------------------------
 */

static void sign(struct world *world, struct buf *token)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char signature[64];
    size_t n = sizeof(signature);

    CU_ASSERT_EQUAL_FATAL(EVP_DigestSignInit(context, NULL, NULL, NULL, world->key), 1);
    CU_ASSERT_EQUAL_FATAL(
        EVP_DigestSign(context, signature, &n, (const unsigned char *)token->p, token->n), 1);
    EVP_MD_CTX_free(context);
    buf_add_char(token, '.');
    add_base64url(token, signature, n);
}

/* `more` are further claims. */
static void make_token(struct world *world, struct buf *token, int64_t expires_s, const char *more)
{
    static const char header[] = "{\"alg\":\"EdDSA\",\"kid\":\"a\"}";
    char claims[1000];

    snprintf(claims, sizeof(claims),
             "{\"iss\":\"" URL "\",\"aud\":\"us\",\"exp\":%lld,\"repository\":\"acme/app\"%s}",
             (long long)expires_s, more);
    buf_init(token, 10000);
    add_base64url(token, header, sizeof(header) - 1);
    buf_add_char(token, '.');
    add_base64url(token, claims, strlen(claims));
    sign(world, token);
}

/* ---- Asking -----------------------------------------------------------------------------------
 */

struct asking {
    struct workload_request request; /* first member */
    struct buf token;
    bool is_done;
    int err;
    struct identity *identity;
    struct fault fault;
};

static void on_done(struct workload_request *request, int err, struct identity *identity,
                    const struct fault *fault)
{
    struct asking *asking = (struct asking *)request;

    CU_ASSERT_FALSE(asking->is_done);
    CU_ASSERT_EQUAL(err == 0, identity != NULL);
    CU_ASSERT_EQUAL(err != 0, fault->text[0] != '\0');
    asking->is_done = true;
    asking->err = err;
    asking->identity = identity;
    asking->fault = *fault;
}

static void ask(struct world *world, struct asking *asking, int64_t expires_s, const char *more)
{
    memset(asking, 0, sizeof(*asking));
    make_token(world, &asking->token, expires_s, more);
    asking->request.workload = &world->workload;
    asking->request.token = buf_slice(&asking->token);
    asking->request.reply = world->replies;
    asking->request.done = on_done;
    workload_verify(&asking->request);
}

static void wait_for(struct world *world, const struct asking *asking)
{
    struct pollfd ready = {.fd = queue_fd(world->replies), .events = POLLIN};

    while (!asking->is_done) {
        CU_ASSERT_EQUAL_FATAL(poll(&ready, 1, 60000), 1);
        pool_run_replies(world->replies);
    }
}

static void forget(struct asking *asking)
{
    identity_unref(asking->identity);
    buf_fini(&asking->token);
}

/* The answer to a token, and where it was refused. */
static int verify(struct world *world, int64_t expires_s, const char *more, const char **reason)
{
    struct asking asking;

    ask(world, &asking, expires_s, more);
    wait_for(world, &asking);
    forget(&asking);
    *reason = asking.request.reason;
    return asking.err;
}

/* ---- Cases ------------------------------------------------------------------------------------
 */

static void test_identity(void)
{
    struct asking asking;
    struct world world;

    begin(&world);
    ask(&world, &asking, NOW_S + 300, "");
    CU_ASSERT_FALSE(asking.is_done); /* nothing blocks: the keys come first */
    wait_for(&world, &asking);
    CU_ASSERT_EQUAL_FATAL(asking.err, 0);
    CU_ASSERT_EQUAL(asking.identity->kind, IDENTITY_WORKLOAD);
    CU_ASSERT_TRUE(slice_eq(asking.identity->name, SLICE("ci:acme/app")));
    CU_ASSERT_TRUE(slice_eq(asking.identity->issuer, SLICE("ci")));
    CU_ASSERT_EQUAL(asking.identity->groups_n, 1);
    CU_ASSERT_TRUE(identity_in_group(asking.identity, SLICE("builders")));
    CU_ASSERT_EQUAL(asking.identity->limit, VERB_BIT(VERB_PUSH));
    CU_ASSERT_EQUAL(asking.identity->globs_n, 1);
    CU_ASSERT_EQUAL(asking.identity->expires_ms, (NOW_S + 300) * 1000);
    CU_ASSERT_FALSE(asking.identity->may_approve);
    forget(&asking);

    ask(&world, &asking, NOW_S + 300, "");
    CU_ASSERT_TRUE(asking.is_done); /* at once, with the keys that are there */
    CU_ASSERT_EQUAL(asking.err, 0);
    forget(&asking);
    end(&world);
}

static void test_times(void)
{
    const char *reason;
    struct world world;

    begin(&world);
    CU_ASSERT_EQUAL(verify(&world, NOW_S - 9, "", &reason), 0);
    CU_ASSERT_EQUAL(verify(&world, NOW_S - 11, "", &reason), ERR_UNAUTHORIZED);
    CU_ASSERT_STRING_EQUAL(reason, "time");
    CU_ASSERT_EQUAL(verify(&world, NOW_S + 300, ",\"nbf\":1800000009", &reason), 0);
    CU_ASSERT_EQUAL(verify(&world, NOW_S + 300, ",\"nbf\":1800000011", &reason), ERR_UNAUTHORIZED);
    CU_ASSERT_STRING_EQUAL(reason, "time");
    CU_ASSERT_EQUAL(verify(&world, INT64_MAX, "", &reason), ERR_UNAUTHORIZED);
    CU_ASSERT_STRING_EQUAL(reason, "time");
    end(&world);
}

/* What is asked after the keys came is what counts: a policy that changed meanwhile, a token that
 * ended meanwhile. */
static void test_changes_while_waiting(void)
{
    struct asking first, second;
    struct world world;

    begin(&world);
    pthread_mutex_lock(&world.closed);
    ask(&world, &first, NOW_S + 300, "");
    ask(&world, &second, NOW_S + 1, "");
    CU_ASSERT_FALSE(first.is_done || second.is_done);
    pthread_mutex_unlock(&world.closed);
    wall_s += 20;
    wait_for(&world, &first);
    wait_for(&world, &second);
    CU_ASSERT_EQUAL(first.err, 0);
    CU_ASSERT_EQUAL(second.err, ERR_UNAUTHORIZED);
    CU_ASSERT_STRING_EQUAL(second.request.reason, "time");
    forget(&first);
    forget(&second);
    end(&world);

    begin(&world);
    ask(&world, &first, NOW_S + 300, "");
    set_policy(&world, ISSUER("other", "https://other.example"), 2);
    wait_for(&world, &first);
    CU_ASSERT_EQUAL(first.err, ERR_UNAUTHORIZED);
    CU_ASSERT_STRING_EQUAL(first.request.reason, "issuer");
    forget(&first);
    end(&world);
}

static void test_no_policy(void)
{
    struct policy_cell *cell;
    const char *reason;
    struct world world;

    begin(&world);
    cell = world.workload.policies;
    world.workload.policies = policy_cell_create();
    CU_ASSERT_EQUAL(verify(&world, NOW_S + 300, "", &reason), ERR_UNAUTHORIZED);
    CU_ASSERT_STRING_EQUAL(reason, "issuer");
    policy_cell_destroy(world.workload.policies);
    world.workload.policies = cell;
    end(&world);
}

/* Our trouble, or the issuer's, is no refusal: the job may try again. */
static void test_no_keys(void)
{
    struct asking asking;
    struct world world;

    begin(&world);
    world.is_down = true;
    ask(&world, &asking, NOW_S + 300, "");
    wait_for(&world, &asking);
    CU_ASSERT_EQUAL(asking.err, ERR_UNAVAILABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(asking.fault.text, "the cable is cut"));
    forget(&asking);
    end(&world);

    begin(&world); /* as when the server stops */
    pool_destroy(world.base.pool);
    world.base.pool = NULL;
    ask(&world, &asking, NOW_S + 300, "");
    CU_ASSERT_TRUE(asking.is_done);
    CU_ASSERT_EQUAL(asking.err, ERR_UNAVAILABLE);
    forget(&asking);
    end(&world);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("workload", NULL, NULL);

    CU_add_test(suite, "identity", test_identity);
    CU_add_test(suite, "times", test_times);
    CU_add_test(suite, "changes while waiting", test_changes_while_waiting);
    CU_add_test(suite, "no policy", test_no_policy);
    CU_add_test(suite, "no keys", test_no_keys);
}
