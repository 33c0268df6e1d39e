/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "auth/verb.h"

#include "base/similar.h"

#define ENVIRONMENT_MAX 64 /* bytes of a name of an environment */

static const struct {
    const char *name;
    bool takes_environment;
} verbs[VERB_COUNT] = {
#define X(enumerator, name, takes_environment) {name, takes_environment},
#include "auth/verb.def"
#undef X
};

const char *verb_name(enum verb verb)
{
    return verbs[verb].name;
}

bool verb_takes_environment(enum verb verb)
{
    return verbs[verb].takes_environment;
}

/* The name that may be meant, or NULL. */
static const char *find_similar(struct slice name)
{
    unsigned least = SIMILAR_NOT;
    const char *best = NULL;

    for (unsigned i = 0; i < VERB_COUNT; i++) {
        unsigned distance = similar_distance(name, slice_from_cstr(verbs[i].name));

        if (distance < least) {
            least = distance;
            best = verbs[i].name;
        }
    }
    return best;
}

static bool is_environment(struct slice text)
{
    if (slice_eq(text, SLICE("*")))
        return true;
    if (text.n == 0 || text.n > ENVIRONMENT_MAX || text.p[0] == '-')
        return false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return true;
}

static int check_environment(unsigned verb, bool has, struct slice environment, struct fault *fault)
{
    const char *name = verbs[verb].name;

    if (has && !verbs[verb].takes_environment)
        return fault_set(fault, ERR_INVALID, "the verb %s has no environment", name);
    if (!has && verbs[verb].takes_environment)
        return fault_set(fault, ERR_INVALID,
                         "the verb %s needs an environment: %s:production, or %s:* for all", name,
                         name, name);
    if (has && !is_environment(environment))
        return fault_set(fault, ERR_INVALID,
                         "an environment is lower-case letters, digits and '-', or '*' for all");
    return 0;
}

int verb_parse(struct slice text, enum verb *verb, struct slice *environment, struct fault *fault)
{
    size_t colon = slice_find_char(text, ':');
    bool has = colon < text.n;
    struct slice name = slice_sub(text, 0, colon);

    *environment = slice_sub(text, has ? colon + 1 : text.n, SIZE_MAX);
    for (unsigned i = 0; i < VERB_COUNT; i++) {
        if (slice_eq(name, slice_from_cstr(verbs[i].name))) {
            *verb = (enum verb)i;
            return check_environment(i, has, *environment, fault);
        }
    }
    const char *near = find_similar(name);
    return fault_set(fault, ERR_INVALID, "there is no verb " SLICE_FMT "%s%s",
                     SLICE_ARG(slice_sub(name, 0, 40)), near != NULL ? "; do you mean " : "",
                     near != NULL ? near : "");
}
