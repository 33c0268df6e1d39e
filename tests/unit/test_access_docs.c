/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policies of docs/ACCESS.md are policies, and do what is said around them.
 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/policy.h"
#include "base/mem.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_MAX (256 * 1024)
#define FENCE    "```"

static char *page;

static int read_page(void)
{
    const char *top = getenv("TOP_SRCDIR");
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/docs/ACCESS.md", top ? top : ".");
    file = fopen(path, "r");
    if (!file)
        return -1;
    page = xcalloc(1, PAGE_MAX);
    size_t n = fread(page, 1, PAGE_MAX - 1, file);
    fclose(file);
    return n > 0 && n < PAGE_MAX - 1 ? 0 : -1;
}

static int forget_page(void)
{
    free(page);
    return 0;
}

/* The first policy after the heading; the caller's reference. */
static struct policy *policy_below(const char *heading)
{
    struct fault fault = FAULT_INIT;
    struct policy *policy = NULL;
    const char *begin = strstr(page, heading), *end;

    CU_ASSERT_PTR_NOT_NULL_FATAL(begin);
    begin = strstr(begin, FENCE "json\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(begin);
    begin += strlen(FENCE "json\n");
    end = strstr(begin, FENCE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    if (policy_parse(slice_make(begin, (size_t)(end - begin)), &policy, &fault) != 0)
        printf("# %s: %s\n", heading, fault.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(policy);
    return policy;
}

static bool may(const struct policy *policy, const struct identity *who, const char *repository,
                enum verb verb)
{
    return (policy_verbs(policy, who, slice_from_cstr(repository)) & VERB_BIT(verb)) != 0;
}

static void test_example(void)
{
    struct policy *policy = policy_below("\n## The document\n");
    const struct slice operators = SLICE("operators");
    const struct identity alice = {
        .kind = IDENTITY_USER, .name = SLICE("alice"), .limit = VERB_BITS_ALL};
    const struct identity robot = {
        .kind = IDENTITY_ROBOT, .name = SLICE("robot:ci"), .limit = VERB_BITS_ALL};
    const struct identity olga = {.kind = IDENTITY_USER,
                                  .name = SLICE("olga"),
                                  .groups = &operators,
                                  .groups_n = 1,
                                  .limit = VERB_BITS_ALL};

    CU_ASSERT_TRUE(may(policy, &identity_anonymous, "public/tools/jq", VERB_PULL));
    CU_ASSERT_FALSE(may(policy, &identity_anonymous, "base/debian", VERB_PULL));
    CU_ASSERT_TRUE(may(policy, &robot, "base/debian", VERB_PULL));
    CU_ASSERT_TRUE(may(policy, &robot, "team-a/app", VERB_PUSH));
    CU_ASSERT_FALSE(may(policy, &robot, "team-a/app", VERB_MOVE_TAG));
    CU_ASSERT_TRUE(may(policy, &alice, "team-a/app", VERB_MOVE_TAG));
    CU_ASSERT_TRUE(may(policy, &olga, "", VERB_ADMIN));
    CU_ASSERT_FALSE(may(policy, &alice, "", VERB_ADMIN));
    CU_ASSERT_TRUE(
        policy_allows_in(policy, &alice, SLICE("team-a/app"), VERB_PROMOTE, SLICE("production")));
    CU_ASSERT_TRUE(policy_has_function(policy, &olga, SLICE("x/y"), POLICY_SRE));
    policy_unref(policy);
}

/* The second sentence of "Why" about this policy stands in the page word for word. */
static void test_explanations(void)
{
    struct policy *policy = policy_below("\n## The document\n");
    const struct slice group = SLICE("team-a");
    const struct identity alice = {.kind = IDENTITY_USER,
                                   .name = SLICE("alice"),
                                   .groups = &group,
                                   .groups_n = 1,
                                   .limit = VERB_BITS_ALL};
    static const enum verb verbs[] = {VERB_PUSH, VERB_DELETE};

    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++) {
        struct policy_explanation why;

        policy_explain(policy, &alice, SLICE("team-a/app"), verbs[i], SLICE(""), &why);
        CU_ASSERT_PTR_NOT_NULL(strstr(page, why.text));
        if (strstr(page, why.text) == NULL)
            printf("# not in docs/ACCESS.md: %s\n", why.text);
    }
    policy_unref(policy);
}

/* The issuer of a recipe by its name; jobs in `builders` push, others only pull. */
static void check_recipe(const char *heading, const char *name, const char *builders)
{
    struct policy *policy = policy_below(heading);
    const struct policy_issuer *issuer;
    struct slice group = slice_from_cstr(builders);
    struct identity job = {.kind = IDENTITY_WORKLOAD, .name = SLICE("ci:job")};

    CU_ASSERT_EQUAL_FATAL(policy_issuers_n(policy), 1);
    issuer = policy_issuer_at(policy, 0);
    CU_ASSERT_TRUE(slice_eq(issuer->name, slice_from_cstr(name)));
    job.issuer = issuer->name;
    job.limit = issuer->verbs;
    job.globs = issuer->globs;
    job.globs_n = issuer->globs_n;
    CU_ASSERT_TRUE(may(policy, &job, "acme/app", VERB_PULL));
    CU_ASSERT_FALSE(may(policy, &job, "acme/app", VERB_PUSH));
    CU_ASSERT_FALSE(may(policy, &job, "other/app", VERB_PULL));
    job.groups = &group;
    job.groups_n = 1;
    CU_ASSERT_TRUE(may(policy, &job, "acme/app", VERB_PUSH));
    CU_ASSERT_FALSE(may(policy, &job, "other/app", VERB_PUSH));
    CU_ASSERT_TRUE(slice_eq(issuer->rules[0].groups[0], group));
    policy_unref(policy);
}

static void test_recipes(void)
{
    check_recipe("\n### GitHub Actions\n", "github", "app-builders");
    check_recipe("\n### GitLab CI\n", "gitlab", "app-builders");
    check_recipe("\n### Kubernetes\n", "cluster", "cluster-builders");
}

/* Each verb has its line in the table. */
static void test_verbs(void)
{
    for (unsigned i = 0; i < VERB_COUNT; i++) {
        enum verb verb = (enum verb)i;
        char line[64];

        snprintf(line, sizeof(line), "\n| `%s%s` | ", verb_name(verb),
                 verb_takes_environment(verb) ? ":<environment>" : "");
        CU_ASSERT_PTR_NOT_NULL(strstr(page, line));
        if (strstr(page, line) == NULL)
            printf("# no line for %s\n", verb_name(verb));
    }
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("access_docs", read_page, forget_page);

    CU_add_test(suite, "the example", test_example);
    CU_add_test(suite, "the explanations", test_explanations);
    CU_add_test(suite, "the recipes", test_recipes);
    CU_add_test(suite, "the verbs", test_verbs);
}
