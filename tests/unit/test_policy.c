/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/glob.h"
#include "auth/policy.h"
#include "auth/policy_cell.h"

#include <CUnit/CUnit.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PULL VERB_BIT(VERB_PULL)
#define PUSH VERB_BIT(VERB_PUSH)

static const char example[] =
    "{\"roles\": {\"reader\": [\"pull\"], \"developer\": [\"pull\", \"push\"],"
    "  \"releaser\": [\"pull\", \"promote:production\", \"approve:*\"], \"boss\": [\"admin\"]},"
    " \"bindings\": ["
    "  {\"role\": \"reader\", \"to\": [\"anonymous\"], \"repositories\": [\"public/**\"]},"
    "  {\"role\": \"developer\", \"to\": [\"group:team-a\", \"robot:ci\", \"issuer:github\"],"
    "   \"repositories\": [\"team-a/**\", \"shared/*\"]},"
    "  {\"role\": \"releaser\", \"to\": [\"user:ann\"], \"repositories\": [\"team-a/app\"]},"
    "  {\"role\": \"boss\", \"to\": [\"user:root\"], \"repositories\": [\"**\"]},"
    "  {\"role\": \"boss\", \"to\": [\"user:half\"], \"repositories\": [\"team-a/**\"]},"
    "  {\"role\": \"reader\", \"to\": [\"authenticated\"], \"repositories\": [\"inner/*\"]}],"
    " \"functions\": [{\"function\": \"tech-lead\", \"to\": [\"user:ann\"],"
    "   \"repositories\": [\"team-a/**\"]}],"
    " \"persons\": {\"Ann\": [\"ann\", \"ann-admin\"]},"
    " \"issuers\": {\"github\": {\"url\": \"https://issuer.example\", \"audience\": \"tidemark\","
    "   \"repositories\": [\"team-a/**\"], \"rules\": [{\"match\": {\"repository\": \"acme/*\"},"
    "   \"identity\": \"github:{repository}\", \"groups\": [\"ci\"]}]}}}";

static struct policy *parsed(const char *text)
{
    struct policy *policy = NULL;
    struct fault fault = FAULT_INIT;
    int err = policy_parse(slice_from_cstr(text), &policy, &fault);

    CU_ASSERT_EQUAL(err, 0);
    if (err != 0) {
        printf("# %s\n", fault.text);
        abort();
    }
    return policy;
}

static struct identity somebody(enum identity_kind kind, const char *name)
{
    return (struct identity){.kind = kind, .name = slice_from_cstr(name), .limit = VERB_BITS_ALL};
}

static verb_bits verbs_of(const struct policy *policy, const struct identity *who,
                          const char *repository)
{
    return policy_verbs(policy, who, slice_from_cstr(repository));
}

static void test_globs(void)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"a", "a", true},
        {"a", "b", false},
        {"a", "ab", false},
        {"ab", "a", false},
        {"*", "a", true},
        {"*", "a/b", false},
        {"**", "a/b", true},
        {"a/*", "a/b", true},
        {"a/*", "a/b/c", false},
        {"a/*", "a", false},
        {"a/**", "a/b/c", true},
        {"a/**", "a", false},
        {"a/**", "ab/c", false},
        {"**/c", "a/b/c", true},
        {"**/c", "a/b/d", false},
        {"a/*/c", "a/b/c", true},
        {"a/*/c", "a/b/b/c", false},
        {"a/**/c", "a/b/b/c", true},
        {"**a*b/c", "xa/yaab/c", true},
        {"**a*b/c", "xa/ya/b/c", false},
        {"*-ci", "team-ci", true},
        {"*-ci", "team-ci-ci", true},
        {"*a*b*c*", "1a2b3c4", true},
        {"*a*b*c*", "1a2c3b4", false},
        {"**b", "ab/ab", true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool matches =
            glob_match(slice_from_cstr(cases[i].pattern), slice_from_cstr(cases[i].text));

        CU_ASSERT_EQUAL(matches, cases[i].matches);
        if (matches != cases[i].matches)
            printf("# %s %s\n", cases[i].pattern, cases[i].text);
    }
}

static void test_verbs(void)
{
    struct policy *policy = parsed(example);
    struct identity robot = somebody(IDENTITY_ROBOT, "robot:ci");
    struct identity user_ci = somebody(IDENTITY_USER, "ci");
    struct identity ann = somebody(IDENTITY_USER, "ann");
    struct identity member = somebody(IDENTITY_USER, "bob");
    struct slice group = SLICE("team-a");

    member.groups = &group;
    member.groups_n = 1;
    CU_ASSERT_EQUAL(verbs_of(policy, &identity_anonymous, "public/tools/jq"), PULL);
    CU_ASSERT_EQUAL(verbs_of(policy, &identity_anonymous, "team-a/app"), 0);
    CU_ASSERT_EQUAL(verbs_of(policy, &identity_anonymous, "inner/app"), 0);
    CU_ASSERT_EQUAL(verbs_of(policy, &identity_anonymous, ""), 0);
    CU_ASSERT_EQUAL(verbs_of(policy, &ann, "inner/app"), PULL);
    CU_ASSERT_EQUAL(verbs_of(policy, &ann, "public/x"), PULL);
    CU_ASSERT_EQUAL(verbs_of(policy, &robot, "team-a/app"), PULL | PUSH);
    CU_ASSERT_EQUAL(verbs_of(policy, &robot, "shared/a"), PULL | PUSH);
    CU_ASSERT_EQUAL(verbs_of(policy, &robot, "shared/a/b"), 0);
    CU_ASSERT_EQUAL(verbs_of(policy, &user_ci, "team-a/app"), 0);
    CU_ASSERT_EQUAL(verbs_of(policy, &member, "team-a/x"), PULL | PUSH);
    policy_unref(policy);
}

static void test_server_wide(void)
{
    struct policy *policy = parsed(example);
    struct identity root = somebody(IDENTITY_USER, "root"), half = somebody(IDENTITY_USER, "half");
    struct identity first = somebody(IDENTITY_BOOTSTRAP, "bootstrap");

    CU_ASSERT_EQUAL(verbs_of(policy, &root, ""), VERB_BIT(VERB_ADMIN));
    CU_ASSERT_EQUAL(verbs_of(policy, &half, ""), 0);
    CU_ASSERT_EQUAL(verbs_of(policy, &first, ""), VERB_BIT(VERB_ADMIN));
    CU_ASSERT_EQUAL(verbs_of(NULL, &first, ""), VERB_BIT(VERB_ADMIN));
    CU_ASSERT_EQUAL(verbs_of(NULL, &first, "team-a/app"), 0);
    CU_ASSERT_EQUAL(verbs_of(NULL, &root, ""), 0);
    policy_unref(policy);
}

static void test_limits(void)
{
    struct policy *policy = parsed(example);
    struct identity robot = somebody(IDENTITY_ROBOT, "robot:ci");
    struct slice glob = SLICE("team-a/app");

    robot.limit = PULL;
    CU_ASSERT_EQUAL(verbs_of(policy, &robot, "team-a/app"), PULL);
    robot.limit = VERB_BITS_ALL;
    robot.globs = &glob;
    robot.globs_n = 1;
    CU_ASSERT_EQUAL(verbs_of(policy, &robot, "team-a/app"), PULL | PUSH);
    CU_ASSERT_EQUAL(verbs_of(policy, &robot, "team-a/other"), 0);
    struct identity root = somebody(IDENTITY_USER, "root");
    root.globs = &glob;
    root.globs_n = 1;
    CU_ASSERT_EQUAL(verbs_of(policy, &root, ""), 0);
    policy_unref(policy);
}

/* A job is within what its issuer has in the policy of today, whatever it was let in with. */
static void test_issuer_limits(void)
{
    struct policy *policy = parsed(example);
    struct policy *later =
        parsed("{\"roles\": {\"r\": [\"pull\", \"push\"]}, \"bindings\": [{\"role\":"
               "\"r\", \"to\": [\"group:team-a\"], \"repositories\": [\"**\"]}],"
               "\"issuers\": {\"gitlab\": {\"url\": \"https://b\", \"audience\": \"t\","
               "\"repositories\": [\"team-a/**\"], \"verbs\": [\"pull\"],"
               "\"rules\": []}}}");
    struct identity job = somebody(IDENTITY_WORKLOAD, "github:acme/app");
    struct policy_explanation why;
    struct slice group = SLICE("team-a");

    job.issuer = SLICE("github");
    job.groups = &group;
    job.groups_n = 1;
    CU_ASSERT_EQUAL(verbs_of(policy, &job, "team-a/app"), PULL | PUSH);
    CU_ASSERT_EQUAL(verbs_of(policy, &job, "shared/a"), 0); /* bound, but not the issuer's */
    policy_explain(policy, &job, SLICE("shared/a"), VERB_PULL, SLICE(""), &why);
    CU_ASSERT_FALSE(why.allowed);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "issuer"));
    CU_ASSERT_EQUAL(verbs_of(later, &job, "team-a/app"), 0); /* its issuer is gone */
    job.issuer = SLICE("gitlab");
    CU_ASSERT_EQUAL(verbs_of(later, &job, "team-a/app"), PULL);
    CU_ASSERT_EQUAL(verbs_of(later, &job, "team-b/app"), 0);
    job.kind = IDENTITY_USER;
    CU_ASSERT_EQUAL(verbs_of(later, &job, "team-b/app"), PULL | PUSH);
    policy_unref(later);
    policy_unref(policy);
}

static void test_environments(void)
{
    struct policy *policy = parsed(example);
    struct identity ann = somebody(IDENTITY_USER, "ann");
    struct slice app = SLICE("team-a/app");

    CU_ASSERT(policy_allows_in(policy, &ann, app, VERB_PROMOTE, SLICE("production")));
    CU_ASSERT(!policy_allows_in(policy, &ann, app, VERB_PROMOTE, SLICE("staging")));
    CU_ASSERT(policy_allows_in(policy, &ann, app, VERB_APPROVE, SLICE("staging")));
    CU_ASSERT(!policy_allows_in(policy, &ann, SLICE("team-a/b"), VERB_APPROVE, SLICE("staging")));
    ann.limit = PULL;
    CU_ASSERT(!policy_allows_in(policy, &ann, app, VERB_APPROVE, SLICE("staging")));
    policy_unref(policy);
}

static void test_persons_and_functions(void)
{
    struct policy *policy = parsed(example);
    struct identity ann = somebody(IDENTITY_USER, "ann-admin"),
                    bob = somebody(IDENTITY_USER, "bob");

    CU_ASSERT(slice_eq(policy_person(policy, &ann), SLICE("Ann")));
    CU_ASSERT(slice_eq(policy_person(policy, &bob), SLICE("bob")));
    CU_ASSERT(slice_eq(policy_person(NULL, &bob), SLICE("bob")));
    ann.name = SLICE("ann");
    CU_ASSERT(policy_has_function(policy, &ann, SLICE("team-a/app"), POLICY_TECH_LEAD));
    CU_ASSERT(!policy_has_function(policy, &ann, SLICE("team-b/app"), POLICY_TECH_LEAD));
    CU_ASSERT(!policy_has_function(policy, &ann, SLICE("team-a/app"), POLICY_SRE));
    CU_ASSERT(!policy_has_function(policy, &bob, SLICE("team-a/app"), POLICY_TECH_LEAD));
    policy_unref(policy);
}

static void test_issuers(void)
{
    struct policy *policy = parsed(example);

    CU_ASSERT_EQUAL_FATAL(policy_issuers_n(policy), 1);
    const struct policy_issuer *issuer = policy_issuer_at(policy, 0);
    CU_ASSERT(slice_eq(issuer->name, SLICE("github")));
    CU_ASSERT(slice_eq(issuer->audience, SLICE("tidemark")));
    CU_ASSERT_EQUAL(issuer->verbs, PULL | PUSH);
    CU_ASSERT_EQUAL_FATAL(issuer->rules_n, 1);
    CU_ASSERT(slice_eq(issuer->rules[0].matches[0].claim, SLICE("repository")));
    CU_ASSERT(slice_eq(issuer->rules[0].groups[0], SLICE("ci")));
    CU_ASSERT_EQUAL(policy_issuers_n(NULL), 0);
    policy_unref(policy);
}

static void check_explains(const struct policy *policy, const struct identity *who,
                           const char *repository, enum verb verb, const char *environment,
                           bool allowed, const char *part)
{
    struct policy_explanation explanation;

    policy_explain(policy, who, slice_from_cstr(repository), verb, slice_from_cstr(environment),
                   &explanation);
    CU_ASSERT_EQUAL(explanation.allowed, allowed);
    CU_ASSERT_PTR_NOT_NULL(strstr(explanation.text, part));
    if (strstr(explanation.text, part) == NULL)
        printf("# %s\n", explanation.text);
}

static void test_explain(void)
{
    struct policy *policy = parsed(example);
    struct identity ann = somebody(IDENTITY_USER, "ann"),
                    robot = somebody(IDENTITY_ROBOT, "robot:ci");
    struct identity first = somebody(IDENTITY_BOOTSTRAP, "bootstrap");

    check_explains(policy, &robot, "team-a/app", VERB_PUSH, "", true,
                   "bindings[1] gives the role developer to robot:ci in team-a/**");
    check_explains(policy, &ann, "team-a/app", VERB_PROMOTE, "production", true, "bindings[2]");
    check_explains(policy, &ann, "team-a/app", VERB_PUSH, "", false, "no binding");
    check_explains(NULL, &ann, "team-a/app", VERB_PUSH, "", false, "no policy yet");
    check_explains(NULL, &first, "", VERB_ADMIN, "", true, "first start");
    robot.limit = PULL;
    check_explains(policy, &robot, "team-a/app", VERB_PUSH, "", false, "credential");
    policy_unref(policy);
}

/* Document, part of the message. */
static void test_refused(void)
{
    static const struct {
        const char *document, *part;
    } cases[] = {
        {"[]", "must be an object"},
        {"{\"role\": {}}", "no member role; do you mean roles"},
        {"{\"roles\": {\"a\": [\"pul\"]}}", "roles.a[0]: there is no verb pul; do you mean pull"},
        {"{\"roles\": {\"a\": [\"promote\"]}}",
         "roles.a[0]: the verb promote needs an environment"},
        {"{\"roles\": {\"a\": [\"pull:x\"]}}", "has no environment"},
        {"{\"roles\": {\"a\": [\"promote:X\"]}}", "lower-case"},
        {"{\"roles\": {\"a\": \"pull\"}}", "roles.a: this must be an array"},
        {"{\"roles\": {\"a b\": []}}", "cannot hold spaces"},
        {"{\"roles\": {\"dev\": [\"pull\"]}, \"bindings\": [{\"role\": \"dve\", \"to\": [],"
         "\"repositories\": []}]}",
         "bindings[0].role: there is no role dve; do you mean dev"},
        {"{\"roles\": {\"r\": []}, \"bindings\": [{\"to\": [], \"repositories\": []}]}",
         "bindings[0]: the member \"role\" is missing"},
        {"{\"roles\": {\"r\": []}, \"bindings\": [{\"role\": \"r\", \"to\": [\"usr:x\"],"
         "\"repositories\": [\"**\"]}]}",
         "bindings[0].to[0]: there is no kind of subject usr; do you mean user"},
        {"{\"roles\": {\"r\": []}, \"bindings\": [{\"role\": \"r\", \"to\": [\"bob\"],"
         "\"repositories\": [\"**\"]}]}",
         "bindings[0].to[0]: this must be user:"},
        {"{\"roles\": {\"r\": []}, \"bindings\": [{\"role\": \"r\", \"to\": [\"user:\"],"
         "\"repositories\": [\"**\"]}]}",
         "cannot be empty"},
        {"{\"roles\": {\"r\": []}, \"bindings\": [{\"role\": \"r\", \"to\": [\"user:a\"],"
         "\"repositories\": [\"a\", \"\"]}]}",
         "bindings[0].repositories[1]: a glob cannot be empty"},
        {"{\"roles\": {\"r\": []}, \"bindings\": [{\"role\": \"r\", \"to\": [\"user:a\"],"
         "\"repositories\": [\"a***\"]}]}",
         "not more stars"},
        {"{\"roles\": {\"r\": []}, \"bindings\": [{\"role\": \"r\", \"to\": [\"user:a\"],"
         "\"repositories\": []}]}",
         "bindings[0].repositories: this names nothing"},
        {"{\"functions\": [{\"function\": \"techlead\", \"to\": [\"user:a\"],"
         "\"repositories\": [\"**\"]}]}",
         "functions[0].function: there is no function techlead; do you mean tech-lead"},
        {"{\"persons\": {\"A\": [\"a\"], \"B\": [\"a\"]}}", "stands here twice"},
        {"{\"issuers\": {\"g\": {\"url\": \"ftp://x\", \"audience\": \"t\","
         "\"repositories\": [\"**\"], \"rules\": []}}}",
         "issuers.g.url: the URL of an issuer begins with https://"},
        {"{\"issuers\": {\"g\": {\"url\": \"https://x\", \"audience\": \"t\","
         "\"verbs\": [\"delete\"], \"repositories\": [\"**\"], \"rules\": []}}}",
         "issuers.g.verbs[0]: the jobs of an issuer can pull and push at most"},
        {"{\"issuers\": {\"g\": {\"url\": \"https://x\", \"audience\": \"t\","
         "\"repositories\": [\"**\"], \"rules\": [{\"match\": {}, \"identity\": \"x\"}]}}}",
         "issuers.g.rules[0].match: a rule without claims"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fault fault = FAULT_INIT;
        struct policy *policy = NULL;
        int err = policy_parse(slice_from_cstr(cases[i].document), &policy, &fault);

        CU_ASSERT_NOT_EQUAL(err, 0);
        CU_ASSERT_PTR_NULL(policy);
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, cases[i].part));
        if (strstr(fault.text, cases[i].part) == NULL)
            printf("# %zu: %s\n", i, fault.text);
        policy_unref(policy);
    }
}

static void test_cell(void)
{
    struct policy_cell *cell = policy_cell_create();
    struct policy *policy = parsed(example);

    CU_ASSERT_PTR_NULL(policy_cell_get(cell));
    CU_ASSERT_EQUAL(policy_cell_version(cell), 0);
    policy_cell_set_take(cell, policy_ref(policy), 3);
    struct policy *held = policy_cell_get(cell);
    CU_ASSERT_PTR_EQUAL(held, policy);
    CU_ASSERT_EQUAL(policy_cell_version(cell), 3);
    policy_cell_set_take(cell, parsed("{}"), 4);
    CU_ASSERT(slice_eq(policy_document(held), slice_from_cstr(example)));
    policy_cell_set_take(cell, policy_ref(policy), 3);
    CU_ASSERT_EQUAL(policy_cell_version(cell), 4);
    struct policy *newest = policy_cell_get(cell);
    CU_ASSERT_PTR_NOT_EQUAL(newest, policy);
    policy_unref(newest);
    policy_unref(held);
    policy_unref(policy);
    policy_cell_destroy(cell);
}

#define THREADS 3
#define ROUNDS  3000

/* Takes the policy again and again; what it holds stays whole, and versions only go up. */
static void *take_turns(void *arg)
{
    struct policy_cell *cell = arg;
    uint64_t last = 0;
    bool ok = true;

    while (last < ROUNDS) {
        uint64_t version = policy_cell_version(cell);
        struct policy *policy = policy_cell_get(cell);

        ok &= version >= last && (policy != NULL || version == 0);
        if (policy != NULL)
            ok &= slice_eq(policy_document(policy), SLICE("{}"));
        policy_unref(policy);
        last = version;
    }
    return ok ? cell : NULL;
}

static void test_cell_threads(void)
{
    struct policy_cell *cell = policy_cell_create();
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, take_turns, cell), 0);
    for (uint64_t version = 1; version <= ROUNDS; version++)
        policy_cell_set_take(cell, parsed("{}"), version);
    for (unsigned i = 0; i < THREADS; i++) {
        void *result = NULL;

        pthread_join(threads[i], &result);
        CU_ASSERT_PTR_EQUAL(result, cell);
    }
    policy_cell_destroy(cell);
}

static void test_identity_copy(void)
{
    struct slice groups[] = {SLICE("a"), SLICE("bc")}, globs[] = {SLICE("x/**")};
    struct identity from = somebody(IDENTITY_WORKLOAD, "github:acme/app");

    from.groups = groups;
    from.groups_n = 2;
    from.globs = globs;
    from.globs_n = 1;
    from.issuer = SLICE("github");
    from.expires_ms = 1000;
    struct identity *copy = identity_create(&from);
    groups[1] = SLICE("other");
    CU_ASSERT(slice_eq(copy->name, SLICE("github:acme/app")));
    CU_ASSERT(identity_in_group(copy, SLICE("bc")));
    CU_ASSERT(!identity_in_group(copy, SLICE("other")));
    CU_ASSERT(slice_eq(copy->globs[0], SLICE("x/**")));
    CU_ASSERT(slice_eq(copy->issuer, SLICE("github")));
    CU_ASSERT(!identity_is_expired(copy, 999));
    CU_ASSERT(identity_is_expired(copy, 1000));
    identity_unref(identity_ref(copy));
    identity_unref(copy);
    identity_unref(NULL);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("policy", NULL, NULL);

    CU_add_test(suite, "globs", test_globs);
    CU_add_test(suite, "verbs of an identity in a repository", test_verbs);
    CU_add_test(suite, "verbs that are about no repository", test_server_wide);
    CU_add_test(suite, "what a credential is limited to", test_limits);
    CU_add_test(suite, "what an issuer is limited to", test_issuer_limits);
    CU_add_test(suite, "verbs with an environment", test_environments);
    CU_add_test(suite, "persons and functions", test_persons_and_functions);
    CU_add_test(suite, "issuers", test_issuers);
    CU_add_test(suite, "which line decided", test_explain);
    CU_add_test(suite, "what is refused, and where", test_refused);
    CU_add_test(suite, "the policy in force", test_cell);
    CU_add_test(suite, "the policy in force, replaced while it is used", test_cell_threads);
    CU_add_test(suite, "a copy of an identity", test_identity_copy);
}
