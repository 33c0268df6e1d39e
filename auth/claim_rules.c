/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "auth/claim_rules.h"

#include "auth/glob.h"
#include "base/buf.h"

#define WAY_MAX 8 /* names in a way through nested objects */

/* ---- Claims -----------------------------------------------------------------------------------
 */

/* By its name, else by its way through nested objects. */
static const struct json *find_claim(const struct json *claims, struct slice name)
{
    const struct json *found = json_member(claims, name);
    struct slice part;

    if (found || slice_find_char(name, '/') == name.n)
        return found;
    found = claims;
    for (unsigned i = 0; found && slice_split(&name, '/', &part); i++)
        found = i < WAY_MAX ? json_member(found, part) : NULL;
    return found;
}

/* Of what is a single value; p == NULL: it is none. */
static struct slice text_of(const struct json *value)
{
    switch (value->type) {
    case JSON_STRING:
    case JSON_INTEGER:
    case JSON_NUMBER:
        return value->text.p ? value->text : SLICE("");
    case JSON_BOOL:
        return value->boolean ? SLICE("true") : SLICE("false");
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return (struct slice){0};
}

static bool value_matches(const struct json *value, struct slice glob)
{
    struct slice text;

    if (value->type != JSON_ARRAY) {
        text = text_of(value);
        return text.p && glob_match(glob, text);
    }
    for (const struct json *item = value->first; item; item = item->next) {
        text = text_of(item);
        if (text.p && glob_match(glob, text))
            return true;
    }
    return false;
}

static bool rule_matches(const struct policy_issuer_rule *rule, const struct json *claims)
{
    for (unsigned i = 0; i < rule->matches_n; i++) {
        const struct json *value = find_claim(claims, rule->matches[i].claim);

        if (!value || !value_matches(value, rule->matches[i].glob))
            return false;
    }
    return true;
}

/* ---- Names ------------------------------------------------------------------------------------
 */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("._-/:@", c));
}

/* Takes the next piece off a template: text as it stands, or with *is_claim the name of a claim.
 * False at its end, and with *is_bad at what is neither. */
static bool next_piece(struct slice *rest, struct slice *piece, bool *is_claim, bool *is_bad)
{
    size_t end;

    *is_claim = *is_bad = false;
    if (rest->n == 0)
        return false;
    *is_claim = rest->p[0] == '{';
    end = slice_find_char(*rest, *is_claim ? '}' : '{');
    *piece = *is_claim ? slice_sub(*rest, 1, end - 1) : slice_sub(*rest, 0, end);
    *is_bad = *is_claim ? end == rest->n || piece->n == 0 : false;
    *rest = slice_sub(*rest, *is_claim ? end + 1 : end, rest->n);
    return !*is_bad;
}

/* "github:": says whose name this is, so it has no '@' or '/' and is no kind of ours. */
static bool is_prefix(struct slice text)
{
    static const struct slice ours[] = {SLICE("user:"),   SLICE("robot:"), SLICE("group:"),
                                        SLICE("issuer:"), SLICE("token:"), SLICE("cert:")};
    size_t colon = slice_find_char(text, ':');

    if (colon == 0 || colon == text.n)
        return false;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (slice_starts_with(text, ours[i]))
            return false;
    for (size_t i = 0; i < colon; i++)
        if (!((text.p[i] >= 'a' && text.p[i] <= 'z') || (text.p[i] >= '0' && text.p[i] <= '9') ||
              text.p[i] == '-'))
            return false;
    return true;
}

int claim_template_check(struct slice text, struct fault *fault)
{
    struct slice rest = text, piece;
    bool is_claim, is_bad, was_claim = false, is_first = true;

    while (next_piece(&rest, &piece, &is_claim, &is_bad)) {
        if (is_first && (is_claim || !is_prefix(piece)))
            return fault_set(fault, ERR_INVALID,
                             "a name begins with a word of its own and a colon, as in "
                             "\"github:{repository}\"");
        if (is_claim && was_claim)
            return fault_set(fault, ERR_INVALID,
                             "something must stand between two claims, as in \"{a}@{b}\"");
        for (size_t i = 0; !is_claim && i < piece.n; i++)
            if (!is_name_char(piece.p[i]))
                return fault_set(fault, ERR_INVALID,
                                 "byte 0x%02x may not stand in a name: letters, digits and "
                                 "._-/:@ may",
                                 (unsigned char)piece.p[i]);
        was_claim = is_claim;
        is_first = false;
    }
    if (is_bad)
        return fault_set(fault, ERR_INVALID, "a \"{\" without a claim and \"}\" after it");
    if (text.n == 0 || text.n > CLAIM_NAME_MAX)
        return fault_set(fault, ERR_INVALID, "a name has 1 to %d bytes", CLAIM_NAME_MAX);
    return 0;
}

/* `follows` is the character after the claim in the template, 0 at its end. */
static int add_claim(struct buf *name, const struct json *claims, struct slice claim, char follows,
                     struct fault *fault)
{
    const struct json *value = find_claim(claims, claim);
    struct slice text = value ? text_of(value) : (struct slice){0};

    if (text.n == 0)
        return fault_set(fault, ERR_UNAUTHORIZED,
                         "the token has no claim \"" SLICE_FMT "\" to make a name of",
                         SLICE_ARG(claim));
    for (size_t i = 0; i < text.n; i++)
        if (!is_name_char(text.p[i]) || text.p[i] == follows)
            return fault_set(fault, ERR_UNAUTHORIZED,
                             "byte 0x%02x in the claim \"" SLICE_FMT
                             "\" of the token may not stand in a name",
                             (unsigned char)text.p[i], SLICE_ARG(claim));
    buf_add(name, text);
    return 0;
}

static int fill_template(struct arena *arena, struct slice template, const struct json *claims,
                         struct slice *out, struct fault *fault)
{
    struct slice rest = template, piece;
    bool is_claim, is_bad;
    struct buf name;
    int err = claim_template_check(template, fault);

    buf_init(&name, CLAIM_NAME_MAX);
    while (err == 0 && next_piece(&rest, &piece, &is_claim, &is_bad)) {
        if (is_claim)
            err = add_claim(&name, claims, piece, rest.n > 0 ? rest.p[0] : '\0', fault);
        else
            buf_add(&name, piece);
    }
    if (err == 0 && name.overflow)
        err =
            fault_set(fault, ERR_UNAUTHORIZED,
                      "the claims of the token make a name of more than %d bytes", CLAIM_NAME_MAX);
    if (err == 0) {
        *out = arena_dup(arena, buf_slice(&name));
        if (!out->p)
            err = fault_set(fault, ERR_NO_MEMORY, "no memory for a name");
    }
    buf_fini(&name);
    return err;
}

/* ---- Rules ------------------------------------------------------------------------------------
 */

int claim_rules_apply(struct arena *arena, const struct policy_issuer *issuer,
                      const struct json *claims, struct claim_match_result *result,
                      struct fault *fault)
{
    for (unsigned i = 0; i < issuer->rules_n; i++) {
        const struct policy_issuer_rule *rule = &issuer->rules[i];

        if (!rule_matches(rule, claims))
            continue;
        *result = (struct claim_match_result){
            .groups = rule->groups, .groups_n = rule->groups_n, .rule = i};
        return fill_template(arena, rule->identity, claims, &result->name, fault);
    }
    return fault_set(fault, ERR_UNAUTHORIZED,
                     "no rule of the issuer \"" SLICE_FMT "\" in the policy matches this token",
                     SLICE_ARG(issuer->name));
}
