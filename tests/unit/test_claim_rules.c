/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "auth/claim_rules.h"

#include "tests/support/cunit_main.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

/* A policy with one issuer, whose rules are `rules`. */
static struct policy *policy_with(struct arena *arena, const char *rules)
{
    struct fault fault = FAULT_INIT;
    struct policy *policy = NULL;
    struct slice text =
        arena_printf(arena,
                     "{\"issuers\":{\"ci\":{\"url\":\"https://ci.example\",\"audience\":\"us\","
                     "\"repositories\":[\"acme/**\"],\"verbs\":[\"pull\",\"push\"],\"rules\":%s}}}",
                     rules);

    if (policy_parse(text, &policy, &fault) != 0)
        printf("# %s: %s\n", rules, fault.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(policy);
    return policy;
}

/* The name, an error, or "" without a rule. */
static int apply(const char *rules, const char *claims, char *name, size_t size, unsigned *rule)
{
    static const struct json_limits limits = {.max_depth = 8, .max_values = 1000};
    struct claim_match_result result = {0};
    struct fault fault = FAULT_INIT;
    struct policy *policy;
    struct json *root = NULL;
    struct arena arena;
    int err;

    arena_init(&arena, 1 << 20);
    policy = policy_with(&arena, rules);
    CU_ASSERT_EQUAL_FATAL(json_parse(&arena, slice_from_cstr(claims), &limits, &root, NULL), 0);
    err = claim_rules_apply(&arena, policy_issuer_at(policy, 0), root, &result, &fault);
    CU_ASSERT_EQUAL(err != 0, fault.text[0] != '\0');
    snprintf(name, size, SLICE_FMT, SLICE_ARG(err == 0 ? result.name : SLICE("")));
    *rule = result.rule;
    policy_unref(policy);
    arena_fini(&arena);
    return err;
}

#define ACME(match)                                                                                \
    "[{\"match\":{" match "},\"identity\":\"gh:{repository}\",\"groups\":[\"builders\"]}]"

static void test_match(void)
{
    static const struct {
        const char *match, *claims;
        bool matches;
    } cases[] = {
        {"\"repository\":\"acme/*\"", "\"x\":1", true},
        {"\"repository\":\"acme/app\"", "\"x\":1", true},
        {"\"repository\":\"acme\"", "\"x\":1", false},
        {"\"repository\":\"*\"", "\"x\":1", false},
        {"\"repository\":\"**\"", "\"x\":1", true},
        {"\"repository\":\"Acme/*\"", "\"x\":1", false},
        {"\"repository\":\"acme/*\",\"ref\":\"refs/heads/main\"", "\"ref\":\"refs/heads/main\"",
         true},
        {"\"repository\":\"acme/*\",\"ref\":\"refs/heads/main\"", "\"ref\":\"refs/heads/main2\"",
         false},
        {"\"repository\":\"acme/*\",\"ref\":\"refs/heads/main\"", "\"x\":1", false},
        {"\"sub\":\"system:serviceaccount:ci:*\"", "\"sub\":\"system:serviceaccount:ci:build\"",
         true},
        {"\"sub\":\"system:serviceaccount:ci:*\"", "\"sub\":\"system:serviceaccount:ci2:build\"",
         false},
        {"\"protected\":\"true\"", "\"protected\":true", true},
        {"\"protected\":\"true\"", "\"protected\":\"true\"", true},
        {"\"protected\":\"true\"", "\"protected\":false", false},
        {"\"owner_id\":\"123\"", "\"owner_id\":123", true},
        {"\"owner_id\":\"12\"", "\"owner_id\":123", false},
        {"\"groups\":\"b\"", "\"groups\":[\"a\",\"b\"]", true},
        {"\"groups\":\"c\"", "\"groups\":[\"a\",\"b\"]", false},
        {"\"groups\":\"**\"", "\"groups\":[]", false},
        {"\"groups\":\"**\"", "\"groups\":[[\"a\"]]", false},
        {"\"a\":\"**\"", "\"a\":null", false},
        {"\"a\":\"**\"", "\"a\":{}", false},
        {"\"k8s.io/namespace\":\"ci\"", "\"k8s.io\":{\"namespace\":\"ci\"}", true},
        {"\"k8s.io/pod/name\":\"a\"", "\"k8s.io\":{\"pod\":{\"name\":\"a\"}}", true},
        {"\"k8s.io/pod/name\":\"a\"", "\"k8s.io\":{\"pod\":\"a\"}", false},
        {"\"k8s.io/namespace\":\"ci\"", "\"k8s.io/namespace\":\"ci\"", true},
        {"\"k8s.io/namespace\":\"ci\"",
         "\"k8s.io/namespace\":\"x\",\"k8s.io\":{\"namespace\":\"ci\"}", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char rules[400], claims[400], name[300];
        unsigned rule;

        snprintf(rules, sizeof(rules), ACME("%s"), cases[i].match);
        snprintf(claims, sizeof(claims), "{\"repository\":\"acme/app\",%s}", cases[i].claims);
        int err = apply(rules, claims, name, sizeof(name), &rule);
        if (err != (cases[i].matches ? 0 : ERR_UNAUTHORIZED)) {
            printf("# %s on %s: %s\n", cases[i].match, cases[i].claims, err_name(err));
            CU_FAIL("another answer");
        }
        CU_ASSERT_STRING_EQUAL(name, cases[i].matches ? "gh:acme/app" : "");
    }
}

/* The first rule that matches decides, also when it makes no name. */
static void test_first(void)
{
    static const char rules[] =
        "[{\"match\":{\"ref\":\"refs/heads/main\"},\"identity\":\"main:{repository}\"},"
        "{\"match\":{\"repository\":\"acme/*\"},\"identity\":\"other:{repository}\"}]";
    char name[300];
    unsigned rule;

    CU_ASSERT_EQUAL(apply(rules, "{\"ref\":\"refs/heads/main\",\"repository\":\"acme/a\"}", name,
                          sizeof(name), &rule),
                    0);
    CU_ASSERT_STRING_EQUAL(name, "main:acme/a");
    CU_ASSERT_EQUAL(rule, 0);
    CU_ASSERT_EQUAL(apply(rules, "{\"ref\":\"refs/heads/x\",\"repository\":\"acme/a\"}", name,
                          sizeof(name), &rule),
                    0);
    CU_ASSERT_STRING_EQUAL(name, "other:acme/a");
    CU_ASSERT_EQUAL(rule, 1);
    CU_ASSERT_EQUAL(apply(rules, "{\"ref\":\"refs/heads/main\",\"repository\":\"acme/\\u00e4\"}",
                          name, sizeof(name), &rule),
                    ERR_UNAUTHORIZED);
    CU_ASSERT_EQUAL(apply(rules, "{\"ref\":\"refs/heads/x\",\"repository\":\"b/a\"}", name,
                          sizeof(name), &rule),
                    ERR_UNAUTHORIZED);
}

static void test_names(void)
{
    static const struct {
        const char *template, *claims, *name; /* NULL: refused */
    } cases[] = {
        {"ci:{a}", "\"a\":\"x/y.z_w-1:2@3\"", "ci:x/y.z_w-1:2@3"},
        {"ci:{a}@{b}", "\"a\":\"x/y\",\"b\":\"prod\"", "ci:x/y@prod"},
        {"ci:{a}@{b}", "\"a\":\"x@y\",\"b\":\"prod\"", NULL}, /* or "x" and "y@prod" would be it */
        {"ci:{a}@{b}", "\"a\":\"x\",\"b\":\"y@prod\"", "ci:x@y@prod"},
        {"ci:{a}/x", "\"a\":\"b/c\"", NULL},
        {"ci:fixed", "\"a\":\"x\"", "ci:fixed"},
        {"ci:{a}", "\"a\":123", "ci:123"},
        {"ci:{a}", "\"a\":true", "ci:true"},
        {"ci:{a/b}", "\"a\":{\"b\":\"c\"}", "ci:c"},
        {"ci:{a}", "\"a\":\"\"", NULL},
        {"ci:{a}", "\"a\":null", NULL},
        {"ci:{a}", "\"a\":[\"x\"]", NULL},
        {"ci:{a}", "\"a\":{}", NULL},
        {"ci:{a}", "\"b\":\"x\"", NULL},
        {"ci:{a}", "\"a\":\"x y\"", NULL},
        {"ci:{a}", "\"a\":\"x\\ny\"", NULL},
        {"ci:{a}", "\"a\":\"x\\u0000y\"", NULL},
        {"ci:{a}", "\"a\":\"x{b}\",\"b\":\"y\"", NULL},
        {"ci:{a}", "\"a\":\"x*\"", NULL},
        {"ci:{a}", "\"a\":\"x,y\"", NULL},
        {"ci:{a}", "\"a\":\"x\\\"y\"", NULL},
        {"ci:{a}", "\"a\":\"\\u0430cme\"", NULL}, /* looks like an a */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char rules[400], claims[400], name[300];
        unsigned rule;

        snprintf(rules, sizeof(rules), "[{\"match\":{\"m\":\"1\"},\"identity\":\"%s\"}]",
                 cases[i].template);
        snprintf(claims, sizeof(claims), "{\"m\":\"1\",%s}", cases[i].claims);
        int err = apply(rules, claims, name, sizeof(name), &rule);
        if (err != (cases[i].name ? 0 : ERR_UNAUTHORIZED) ||
            strcmp(name, cases[i].name ? cases[i].name : "") != 0) {
            printf("# %s of %s: %s %s\n", cases[i].template, cases[i].claims, err_name(err), name);
            CU_FAIL("another name");
        }
    }
}

static void test_long_name(void)
{
    char claims[600], text[CLAIM_NAME_MAX + 1], name[300];
    unsigned rule;

    memset(text, 'a', sizeof(text));
    for (size_t cut = 3; cut <= 4; cut++) { /* "ci:" before it */
        snprintf(claims, sizeof(claims), "{\"m\":\"1\",\"a\":\"%.*s\"}", (int)(sizeof(text) - cut),
                 text);
        CU_ASSERT_EQUAL(apply("[{\"match\":{\"m\":\"1\"},\"identity\":\"ci:{a}\"}]", claims, name,
                              sizeof(name), &rule),
                        cut == 3 ? ERR_UNAUTHORIZED : 0);
    }
}

static void test_templates(void)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"github:{repository}", true},
        {"k8s:{sub}", true},
        {"a-1:{b}@{c}", true},
        {"a:b", true},
        {"a:{kubernetes.io/namespace}", true},
        {"", false},
        {"{a}", false},
        {"a", false},
        {"a{b}:c", false},
        {":{a}", false},
        {"A:{a}", false},
        {"a b:{a}", false},
        {"user:{a}", false},
        {"robot:{a}", false},
        {"group:{a}", false},
        {"issuer:{a}", false},
        {"a:{b}{c}", false},
        {"a:{b", false},
        {"a:b}", false},
        {"a:{}", false},
        {"a:{b}*", false},
        {"a:\xc3\xa4", false},
        {"a:{b}\n", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fault fault = FAULT_INIT;
        int err = claim_template_check(slice_from_cstr(cases[i].text), &fault);

        if (err != (cases[i].good ? 0 : ERR_INVALID)) {
            printf("# %s\n", cases[i].text);
            CU_FAIL("another answer");
        }
        CU_ASSERT_EQUAL(err != 0, fault.text[0] != '\0');
    }
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("claim_rules", NULL, NULL);

    CU_add_test(suite, "match", test_match);
    CU_add_test(suite, "first", test_first);
    CU_add_test(suite, "names", test_names);
    CU_add_test(suite, "long name", test_long_name);
    CU_add_test(suite, "templates", test_templates);
}
