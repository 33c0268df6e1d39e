/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the document becomes a tree (base/json, strict), each section of it an array in the arena
 * of the policy. Where something is wrong is told by the path of its member ("bindings[2].to[0]"),
 * which is kept while going down: whoever writes a policy sees at once which line is meant.
 */
#include "config.h"

#include "auth/policy_internal.h"

#include "auth/claim_rules.h"
#include "auth/glob.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/similar.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX   12
#define VALUES_MAX  20000
#define ARENA_MAX   ((size_t)8 << 20)
#define NAME_MAX_N  128 /* bytes of a name of a role, account, group or issuer */
#define PATH_MAX_N  200
#define ISSUERS_MAX 32

struct parser {
    struct policy *policy;
    struct arena *arena;
    char path[PATH_MAX_N];
    size_t path_n;
    struct fault *fault;
};

/* ---- Where we are -----------------------------------------------------------------------------
 */

static size_t enter(struct parser *p, const char *text, size_t n)
{
    size_t before = p->path_n, room = sizeof(p->path) - 1 - p->path_n;

    memcpy(p->path + before, text, n < room ? n : room);
    p->path_n += n < room ? n : room;
    p->path[p->path_n] = 0;
    return before;
}

static size_t enter_member(struct parser *p, struct slice name)
{
    size_t before = p->path_n;

    if (before > 0)
        enter(p, ".", 1);
    enter(p, name.p, name.n < 64 ? name.n : 64);
    return before;
}

static size_t enter_item(struct parser *p, unsigned i)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "[%u]", i);

    return enter(p, text, (size_t)n);
}

static void leave(struct parser *p, size_t before)
{
    p->path_n = before;
    p->path[before] = 0;
}

static int refuse(struct parser *p, const char *format, ...) PRINTF_LIKE(2, 3);

static int refuse(struct parser *p, const char *format, ...)
{
    char text[200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return fault_set(p->fault, ERR_INVALID, "%s%s%s", p->path, p->path_n > 0 ? ": " : "", text);
}

/* What a check below said, with the path before it. */
static int refuse_fault(struct parser *p, const struct fault *inner)
{
    return refuse(p, "%s", inner->text);
}

/* ---- Members ----------------------------------------------------------------------------------
 */

static int want_type(struct parser *p, const struct json *value, enum json_type type)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a text"};

    return value->type == type ? 0 : refuse(p, "this must be %s", names[type]);
}

static const char *find_similar(struct slice given, const char *const *names)
{
    unsigned least = SIMILAR_NOT;
    const char *best = NULL;

    for (; *names != NULL; names++) {
        unsigned distance = similar_distance(given, slice_from_cstr(*names));

        if (distance < least) {
            least = distance;
            best = *names;
        }
    }
    return best;
}

static int refuse_unknown(struct parser *p, const char *what, struct slice given,
                          const char *const *names)
{
    const char *similar = find_similar(given, names);

    return refuse(p, "there is no %s %.*s%s%s", what, (int)(given.n < 40 ? given.n : 40), given.p,
                  similar != NULL ? "; do you mean " : "", similar != NULL ? similar : "");
}

static bool is_one_of(struct slice text, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (slice_eq(text, slice_from_cstr(*names)))
            return true;
    }
    return false;
}

/* An object whose members are all in `names`, which NULL ends. */
static int check_members(struct parser *p, const struct json *object, const char *const *names)
{
    int err = want_type(p, object, JSON_OBJECT);

    for (const struct json *member = object->first; err == 0 && member != NULL;
         member = member->next) {
        if (!is_one_of(member->name, names))
            err = refuse_unknown(p, "member", member->name, names);
    }
    return err;
}

static int no_memory(struct parser *p)
{
    return fault_set(p->fault, ERR_LIMIT, "the policy is too large");
}

static void *allocate(struct parser *p, unsigned n, size_t size, int *err)
{
    void *memory = arena_alloc(p->arena, (n > 0 ? n : 1) * size);

    if (memory == NULL)
        *err = no_memory(p);
    return memory;
}

static int need_member(struct parser *p, const struct json *object, const char *name,
                       enum json_type type, const struct json **value)
{
    *value = json_member(object, slice_from_cstr(name));
    if (*value == NULL)
        return refuse(p, "the member \"%s\" is missing", name);
    size_t before = enter_member(p, slice_from_cstr(name));
    int err = want_type(p, *value, type);
    leave(p, before);
    return err;
}

/* ---- Names ------------------------------------------------------------------------------------
 */

static int check_name(struct parser *p, struct slice name)
{
    if (name.n == 0)
        return refuse(p, "a name cannot be empty");
    if (name.n > NAME_MAX_N)
        return refuse(p, "a name has at most %d bytes", NAME_MAX_N);
    for (size_t i = 0; i < name.n; i++) {
        if ((unsigned char)name.p[i] <= ' ' || name.p[i] == 0x7f)
            return refuse(p, "a name cannot hold spaces or control characters");
    }
    return 0;
}

/* Calls each(p, item, its place, arg) for all items of an array, with the path of each. */
static int each_item(struct parser *p, const struct json *array,
                     int (*each)(struct parser *p, const struct json *item, unsigned i, void *arg),
                     void *arg)
{
    unsigned i = 0;
    int err = want_type(p, array, JSON_ARRAY);

    for (const struct json *item = array->first; err == 0 && item != NULL; item = item->next) {
        size_t before = enter_item(p, i);
        err = each(p, item, i++, arg);
        leave(p, before);
    }
    return err;
}

static int each_member(struct parser *p, const struct json *object,
                       int (*each)(struct parser *p, const struct json *item, unsigned i,
                                   void *arg),
                       void *arg)
{
    unsigned i = 0;
    int err = want_type(p, object, JSON_OBJECT);

    for (const struct json *item = object->first; err == 0 && item != NULL; item = item->next) {
        size_t before = enter_member(p, item->name);
        err = check_name(p, item->name);
        if (err == 0)
            err = each(p, item, i++, arg);
        leave(p, before);
    }
    return err;
}

static int take_name(struct parser *p, const struct json *item, unsigned i, void *arg)
{
    struct slice *names = arg;
    int err = want_type(p, item, JSON_STRING);

    names[i] = item->text;
    return err != 0 ? err : check_name(p, item->text);
}

static int take_glob(struct parser *p, const struct json *item, unsigned i, void *arg)
{
    struct slice *globs = arg;
    struct fault inner = FAULT_INIT;
    int err = want_type(p, item, JSON_STRING);

    if (err != 0)
        return err;
    globs[i] = item->text;
    return glob_check(item->text, &inner) != 0 ? refuse_fault(p, &inner) : 0;
}

/* The texts of the member `name`, checked one by one. */
static int take_list(struct parser *p, const struct json *object, const char *name,
                     int (*take)(struct parser *, const struct json *, unsigned, void *),
                     struct slice **texts, unsigned *n)
{
    const struct json *array;
    int err = need_member(p, object, name, JSON_ARRAY, &array);

    if (err != 0)
        return err;
    size_t before = enter_member(p, slice_from_cstr(name));
    *texts = allocate(p, array->count, sizeof(**texts), &err);
    *n = array->count;
    if (err == 0 && array->count == 0)
        err = refuse(p, "this names nothing, so the whole would have no effect");
    if (err == 0)
        err = each_item(p, array, take, *texts);
    leave(p, before);
    return err;
}

/* ---- Roles ------------------------------------------------------------------------------------
 */

static int take_verb(struct parser *p, const struct json *item, unsigned i, void *arg)
{
    struct role *role = arg;
    struct fault inner = FAULT_INIT;
    struct slice environment;
    enum verb verb;
    int err = want_type(p, item, JSON_STRING);

    (void)i;
    if (err != 0)
        return err;
    if (verb_parse(item->text, &verb, &environment, &inner) != 0)
        return refuse_fault(p, &inner);
    role->verbs |= VERB_BIT(verb);
    if (verb_takes_environment(verb))
        role->env_verbs[role->env_verbs_n++] = (struct env_verb){verb, environment};
    return 0;
}

static int take_role(struct parser *p, const struct json *item, unsigned i, void *arg)
{
    struct role *role = &p->policy->roles[i];
    int err = want_type(p, item, JSON_ARRAY);

    (void)arg;
    if (err != 0)
        return err;
    role->name = item->name;
    role->env_verbs = allocate(p, item->count, sizeof(*role->env_verbs), &err);
    return err != 0 ? err : each_item(p, item, take_verb, role);
}

static const struct role *find_role(const struct policy *policy, struct slice name)
{
    for (unsigned i = 0; i < policy->roles_n; i++) {
        if (slice_eq(policy->roles[i].name, name))
            return &policy->roles[i];
    }
    return NULL;
}

static int refuse_role(struct parser *p, struct slice name)
{
    int err = 0;
    const char **names =
        allocate(p, p->policy->roles_n + 1, sizeof(*names), &err); /* the last: NULL */

    for (unsigned i = 0; err == 0 && i < p->policy->roles_n; i++) {
        struct slice copy = arena_dup(p->arena, p->policy->roles[i].name);

        names[i] = copy.p;
        if (copy.p == NULL)
            err = no_memory(p);
    }
    return err != 0 ? err : refuse_unknown(p, "role", name, names);
}

/* ---- Who and where ----------------------------------------------------------------------------
 */

static const char *const subject_words[] = {"anonymous", "authenticated", NULL};
static const char *const subject_kinds[] = {"user", "group", "robot", "issuer", NULL};

static int take_subject(struct parser *p, const struct json *item, unsigned i, void *arg)
{
    struct subject *subject = &((struct subject *)arg)[i];
    int err = want_type(p, item, JSON_STRING);

    if (err != 0)
        return err;
    struct slice text = item->text;
    size_t colon = slice_find_char(text, ':');
    subject->text = text;
    if (colon == text.n) {
        subject->kind =
            slice_eq(text, SLICE("anonymous")) ? SUBJECT_ANONYMOUS : SUBJECT_AUTHENTICATED;
        return is_one_of(text, subject_words)
                   ? 0
                   : refuse(p, "this must be user:, group:, robot: or issuer: and a name, or "
                               "anonymous, or authenticated");
    }
    struct slice kind = slice_sub(text, 0, colon);
    for (unsigned k = 0; subject_kinds[k] != NULL; k++) {
        if (slice_eq(kind, slice_from_cstr(subject_kinds[k]))) {
            subject->kind = (enum subject_kind)(SUBJECT_USER + k);
            subject->name = slice_sub(text, colon + 1, SIZE_MAX);
            return check_name(p, subject->name);
        }
    }
    return refuse_unknown(p, "kind of subject", kind, subject_kinds);
}

static int take_scope(struct parser *p, const struct json *object, struct scope *scope)
{
    const struct json *to;
    int err = need_member(p, object, "to", JSON_ARRAY, &to);

    if (err != 0)
        return err;
    size_t before = enter_member(p, SLICE("to"));
    scope->subjects = allocate(p, to->count, sizeof(*scope->subjects), &err);
    scope->subjects_n = to->count;
    if (err == 0 && to->count == 0)
        err = refuse(p, "this names nobody, so the whole would have no effect");
    if (err == 0)
        err = each_item(p, to, take_subject, scope->subjects);
    leave(p, before);
    if (err == 0)
        err = take_list(p, object, "repositories", take_glob, &scope->globs, &scope->globs_n);
    for (unsigned i = 0; err == 0 && i < scope->globs_n; i++)
        scope->is_server_wide |= slice_eq(scope->globs[i], SLICE("**"));
    return err;
}

static int take_binding(struct parser *p, const struct json *item, unsigned i, void *arg)
{
    static const char *const names[] = {"role", "to", "repositories", NULL};
    struct binding *binding = &p->policy->bindings[i];
    const struct json *role;
    int err = check_members(p, item, names);

    (void)arg;
    if (err == 0)
        err = need_member(p, item, "role", JSON_STRING, &role);
    if (err != 0)
        return err;
    binding->role = find_role(p->policy, role->text);
    if (binding->role == NULL) {
        enter_member(p, SLICE("role"));
        return refuse_role(p, role->text);
    }
    return take_scope(p, item, &binding->scope);
}

static int take_function(struct parser *p, const struct json *item, unsigned i, void *arg)
{
    static const char *const names[] = {"function", "to", "repositories", NULL};
    static const char *const functions[] = {"tech-lead", "product-owner", "sre", "release-manager",
                                            NULL};
    struct functional *functional = &p->policy->functions[i];
    const struct json *function;
    int err = check_members(p, item, names);

    (void)arg;
    if (err == 0)
        err = need_member(p, item, "function", JSON_STRING, &function);
    if (err != 0)
        return err;
    for (unsigned k = 0; k < POLICY_FUNCTION_COUNT; k++) {
        if (slice_eq(function->text,
                     slice_from_cstr(policy_function_name((enum policy_function)k)))) {
            functional->function = (enum policy_function)k;
            return take_scope(p, item, &functional->scope);
        }
    }
    enter_member(p, SLICE("function"));
    return refuse_unknown(p, "function", function->text, functions);
}

/* ---- Persons ----------------------------------------------------------------------------------
 */

static int take_person(struct parser *p, const struct json *item, unsigned i, void *arg)
{
    struct person *person = &p->policy->persons[i];
    int err = want_type(p, item, JSON_ARRAY);

    (void)arg;
    if (err != 0)
        return err;
    person->name = item->name;
    person->accounts = allocate(p, item->count, sizeof(*person->accounts), &err);
    person->accounts_n = item->count;
    return err != 0 ? err : each_item(p, item, take_name, person->accounts);
}

/* An account of two persons would count twice. */
static int check_persons(struct parser *p)
{
    unsigned n = 0, at = 0;
    int err = 0;

    for (unsigned i = 0; i < p->policy->persons_n; i++)
        n += p->policy->persons[i].accounts_n;
    struct slice **all = allocate(p, n, sizeof(*all), &err);
    if (err != 0)
        return err;
    for (unsigned i = 0; i < p->policy->persons_n; i++) {
        for (unsigned j = 0; j < p->policy->persons[i].accounts_n; j++)
            all[at++] = &p->policy->persons[i].accounts[j];
    }
    size_t twice = slice_find_duplicate(all, n);
    if (twice == 0)
        return 0;
    enter_member(p, SLICE("persons"));
    return refuse(p, "the account %.*s stands here twice; it belongs to one person",
                  (int)all[twice]->n, all[twice]->p);
}

/* ---- Issuers ----------------------------------------------------------------------------------
 */

static int take_claim(struct parser *p, const struct json *item, unsigned i, void *arg)
{
    struct policy_claim *claims = arg;
    int err = want_type(p, item, JSON_STRING);

    if (err != 0)
        return err;
    struct fault inner = FAULT_INIT;
    claims[i] = (struct policy_claim){item->name, item->text};
    return glob_check(item->text, &inner) != 0 ? refuse_fault(p, &inner) : 0;
}

static int take_matches(struct parser *p, const struct json *object,
                        struct policy_issuer_rule *rule)
{
    const struct json *match;
    int err = need_member(p, object, "match", JSON_OBJECT, &match);

    if (err != 0)
        return err;
    size_t before = enter_member(p, SLICE("match"));
    struct policy_claim *claims = allocate(p, match->count, sizeof(*claims), &err);
    rule->matches = claims;
    rule->matches_n = match->count;
    if (err == 0 && match->count == 0)
        err = refuse(p, "a rule without claims would let every token of the issuer in; to mean "
                        "that, match {\"sub\": \"**\"}");
    if (err == 0)
        err = each_member(p, match, take_claim, claims);
    leave(p, before);
    return err;
}

static int take_rule(struct parser *p, const struct json *item, unsigned i, void *arg)
{
    static const char *const names[] = {"match", "identity", "groups", NULL};
    struct policy_issuer_rule *rule = &((struct policy_issuer_rule *)arg)[i];
    const struct json *identity;
    struct slice *groups = NULL;
    struct fault inner = FAULT_INIT;
    int err = check_members(p, item, names);

    if (err == 0)
        err = take_matches(p, item, rule);
    if (err == 0)
        err = need_member(p, item, "identity", JSON_STRING, &identity);
    if (err != 0)
        return err;
    rule->identity = identity->text;
    size_t before = enter_member(p, SLICE("identity"));
    if (claim_template_check(rule->identity, &inner) != 0)
        err = refuse_fault(p, &inner);
    leave(p, before);
    if (err != 0)
        return err;
    if (json_member(item, SLICE("groups")) != NULL)
        err = take_list(p, item, "groups", take_name, &groups, &rule->groups_n);
    rule->groups = groups;
    return err;
}

static int check_url(struct parser *p, struct slice url)
{
    if (!slice_starts_with(url, SLICE("https://")) && !slice_starts_with(url, SLICE("http://")))
        return refuse(p, "the URL of an issuer begins with https://");
    return check_name(p, url);
}

static int take_issuer_verbs(struct parser *p, const struct json *item, unsigned i, void *arg)
{
    verb_bits *verbs = arg;
    int err = want_type(p, item, JSON_STRING);

    (void)i;
    if (err != 0)
        return err;
    if (slice_eq(item->text, SLICE("pull")))
        *verbs |= VERB_BIT(VERB_PULL);
    else if (slice_eq(item->text, SLICE("push")))
        *verbs |= VERB_BIT(VERB_PUSH);
    else
        return refuse(p, "the jobs of an issuer can pull and push at most");
    return 0;
}

static int take_rules(struct parser *p, const struct json *object, struct policy_issuer *issuer)
{
    const struct json *array;
    int err = need_member(p, object, "rules", JSON_ARRAY, &array);

    if (err != 0)
        return err;
    size_t before = enter_member(p, SLICE("rules"));
    struct policy_issuer_rule *rules = allocate(p, array->count, sizeof(*rules), &err);
    issuer->rules = rules;
    issuer->rules_n = array->count;
    if (err == 0)
        err = each_item(p, array, take_rule, rules);
    leave(p, before);
    return err;
}

static int take_issuer(struct parser *p, const struct json *item, unsigned i, void *arg)
{
    static const char *const names[] = {"url", "audience", "repositories", "verbs", "rules", NULL};
    struct policy_issuer *issuer = &p->policy->issuers[i];
    const struct json *url, *audience, *verbs = json_member(item, SLICE("verbs"));
    struct slice *globs = NULL;
    int err = check_members(p, item, names);

    (void)arg;
    issuer->name = item->name;
    issuer->verbs = verbs == NULL ? VERB_BIT(VERB_PULL) | VERB_BIT(VERB_PUSH) : 0;
    if (err == 0)
        err = need_member(p, item, "url", JSON_STRING, &url);
    if (err == 0)
        err = need_member(p, item, "audience", JSON_STRING, &audience);
    if (err != 0)
        return err;
    issuer->url = url->text;
    issuer->audience = audience->text;
    size_t before = enter_member(p, SLICE("url"));
    err = check_url(p, issuer->url);
    leave(p, before);
    before = enter_member(p, SLICE("audience"));
    if (err == 0)
        err = check_name(p, issuer->audience);
    leave(p, before);
    before = enter_member(p, SLICE("verbs"));
    if (err == 0 && verbs != NULL)
        err = each_item(p, verbs, take_issuer_verbs, &issuer->verbs);
    leave(p, before);
    if (err == 0)
        err = take_list(p, item, "repositories", take_glob, &globs, &issuer->globs_n);
    issuer->globs = globs;
    return err != 0 ? err : take_rules(p, item, issuer);
}

static int check_issuers(struct parser *p)
{
    for (unsigned i = 0; i < p->policy->issuers_n; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (slice_eq(p->policy->issuers[i].url, p->policy->issuers[j].url)) {
                enter_member(p, SLICE("issuers"));
                return refuse(p, "two issuers have one URL");
            }
        }
    }
    return 0;
}

/* ---- The whole --------------------------------------------------------------------------------
 */

/* A section that is an object (`by_name`) or an array, or is not there: *items gets room for all.
 */
static int take_section(struct parser *p, const struct json *root, const char *name, bool by_name,
                        size_t size, unsigned max, void *items, unsigned *n,
                        int (*take)(struct parser *, const struct json *, unsigned, void *))
{
    const struct json *section = json_member(root, slice_from_cstr(name));
    int err = 0;

    if (section == NULL)
        return 0;
    size_t before = enter_member(p, slice_from_cstr(name));
    if (section->count > max)
        err = refuse(p, "there are more than %u", max);
    void *memory = allocate(p, section->count, size, &err);
    memcpy(items, &memory, sizeof(memory));
    *n = section->count;
    if (err == 0)
        err = by_name ? each_member(p, section, take, NULL) : each_item(p, section, take, NULL);
    leave(p, before);
    return err;
}

static int take_policy(struct parser *p, const struct json *root)
{
    static const char *const names[] = {"roles",   "bindings", "functions",
                                        "persons", "issuers",  NULL};
    struct policy *policy = p->policy;
    int err = check_members(p, root, names);

    if (err == 0)
        err = take_section(p, root, "roles", true, sizeof(*policy->roles), UINT32_MAX,
                           &policy->roles, &policy->roles_n, take_role);
    if (err == 0)
        err = take_section(p, root, "bindings", false, sizeof(*policy->bindings), UINT32_MAX,
                           &policy->bindings, &policy->bindings_n, take_binding);
    if (err == 0)
        err = take_section(p, root, "functions", false, sizeof(*policy->functions), UINT32_MAX,
                           &policy->functions, &policy->functions_n, take_function);
    if (err == 0)
        err = take_section(p, root, "persons", true, sizeof(*policy->persons), UINT32_MAX,
                           &policy->persons, &policy->persons_n, take_person);
    if (err == 0)
        err = take_section(p, root, "issuers", true, sizeof(*policy->issuers), ISSUERS_MAX,
                           &policy->issuers, &policy->issuers_n, take_issuer);
    if (err == 0)
        err = check_persons(p);
    return err != 0 ? err : check_issuers(p);
}

static int parse(struct policy *policy, struct slice document, struct fault *fault)
{
    static const struct json_limits limits = {.max_depth = DEPTH_MAX, .max_values = VALUES_MAX};
    struct parser p = {.policy = policy, .arena = &policy->arena, .fault = fault};
    struct json *root;

    policy->document = arena_dup(&policy->arena, document);
    if (policy->document.p == NULL)
        return no_memory(&p);
    int err = json_parse(&policy->arena, policy->document, &limits, &root, fault);
    return err != 0 ? err : take_policy(&p, root);
}

int policy_parse(struct slice document, struct policy **out, struct fault *fault)
{
    *out = NULL;
    if (document.n > POLICY_DOCUMENT_MAX)
        return fault_set(fault, ERR_LIMIT, "a policy has at most %u bytes", POLICY_DOCUMENT_MAX);
    struct policy *policy = xcalloc(1, sizeof(*policy));
    atomic_init(&policy->references, 1);
    arena_init(&policy->arena, ARENA_MAX);
    int err = parse(policy, document, fault);
    if (err != 0)
        policy_unref(policy);
    else
        *out = policy;
    return err;
}
