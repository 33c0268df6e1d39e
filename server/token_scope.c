/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/token_scope.h"

#include "base/mem.h"

static const struct {
    struct slice name;
    verb_bits verbs;
} actions[] = {
    {{"pull", 4}, VERB_BIT(VERB_PULL)},
    {{"push", 4}, VERB_BIT(VERB_PUSH) | VERB_BIT(VERB_MOVE_TAG)},
    {{"delete", 6}, VERB_BIT(VERB_DELETE)},
};

static verb_bits verbs_of(struct slice action)
{
    verb_bits all = VERB_BITS_NONE;

    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++) {
        if (slice_eq(actions[i].name, action))
            return actions[i].verbs;
        all |= actions[i].verbs;
    }
    return slice_eq(action, SLICE("*")) ? all : VERB_BITS_NONE;
}

verb_bits token_scope_verbs(const struct slice *names, unsigned names_n)
{
    verb_bits verbs = VERB_BITS_NONE;

    for (unsigned i = 0; i < names_n; i++)
        verbs |= verbs_of(names[i]);
    return verbs;
}

unsigned token_scope_actions(const struct grant *grant, struct slice out[TOKEN_SCOPE_ACTIONS_MAX])
{
    unsigned n = 0;

    if (grant->repository.n == 0) {
        out[0] = SLICE("*");
        return 1;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++)
        if ((grant->verbs & actions[i].verbs) != 0)
            out[n++] = actions[i].name;
    return n;
}

/* The type may carry a class in brackets: "repository(plugin)". */
static bool is_repository(struct slice type)
{
    return slice_eq(slice_sub(type, 0, slice_find_char(type, '(')), SLICE("repository"));
}

static bool split(struct slice text, struct slice *type, struct slice *name, struct slice *rest)
{
    size_t first = slice_find_char(text, ':'), last = text.n;

    while (last > first && text.p[last - 1] != ':')
        last--;
    if (first == 0 || first == text.n || last <= first + 1)
        return false;
    *type = slice_sub(text, 0, first);
    *name = slice_sub(text, first + 1, last - 1 - first - 1);
    *rest = slice_sub(text, last, SIZE_MAX);
    return true;
}

int token_scope_parse(struct slice text, struct grant *grant, struct fault *fault)
{
    struct slice type, name, rest, action;
    struct fault why = FAULT_INIT;

    *grant = (struct grant){.verbs = VERB_BITS_NONE};
    if (!split(text, &type, &name, &rest))
        return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                         "the scope '" SLICE_FMT "' is not <type>:<name>:<actions>",
                         SLICE_ARG(slice_sub(text, 0, 100)));
    if (slice_eq(type, SLICE("registry"))) {
        if (slice_eq(name, SLICE("catalog")))
            grant->verbs = VERB_BIT(VERB_PULL);
        return 0;
    }
    if (!is_repository(type))
        return 0;
    if (repository_name_check(name, &why) != 0)
        return fault_set(fault, ERR_HTTP_BAD_REQUEST, "the scope '" SLICE_FMT "': %.240s",
                         SLICE_ARG(slice_sub(text, 0, 100)), why.text);
    grant->repository = name;
    while (slice_split(&rest, ',', &action))
        grant->verbs |= verbs_of(slice_trim(action));
    return 0;
}

void token_scope_format(const struct grant *grant, struct buf *out)
{
    struct slice names[TOKEN_SCOPE_ACTIONS_MAX];
    unsigned n = token_scope_actions(grant, names);

    if (grant->repository.n == 0)
        buf_add(out, SLICE("registry:catalog:"));
    else
        buf_addf(out, "repository:" SLICE_FMT ":", SLICE_ARG(grant->repository));
    for (unsigned i = 0; i < n; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        buf_add(out, names[i]);
    }
}
