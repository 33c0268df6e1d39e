/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input is the value of an Authorization field, and a form of /token whose parameters and
 * scopes are taken. What is taken is clean and, of Basic, has one text only; a scope that is taken
 * is written and read again as the same.
 */
#include "config.h"
#include "auth/login.h"
#include "server/authorization.h"
#include "server/form.h"
#include "server/token_scope.h"

#include <stdlib.h>

#define ARENA_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static bool has_control(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
            return true;
    return false;
}

static void check_field(struct arena *arena, struct slice input)
{
    struct authorization got;
    struct fault fault = FAULT_INIT;
    int err = authorization_parse(arena, input, &got, &fault);

    if (err != 0) {
        expect(err == ERR_HTTP_BAD_REQUEST || err == ERR_UNAUTHORIZED || err == ERR_NO_MEMORY);
        expect(err == ERR_NO_MEMORY || (fault.code == err && fault.text[0] != '\0'));
        return;
    }
    if (got.scheme == AUTHORIZATION_NONE)
        return;
    expect(!has_control(got.user) && got.user.n <= LOGIN_USER_MAX);
    expect(got.secret.n <= LOGIN_SECRET_MAX);
    expect(got.secret.n == 0 || memchr(got.secret.p, '\0', got.secret.n) == NULL);
    if (got.scheme == AUTHORIZATION_BEARER)
        expect(got.secret.n > 0 && !has_control(got.secret));
}

static void check_scope(struct slice text)
{
    struct slice again_text;
    struct grant grant, again;
    struct buf out;

    if (token_scope_parse(text, &grant, NULL) != 0 || grant.verbs == 0)
        return;
    expect(grant.repository.n == 0 || repository_name_check(grant.repository, NULL) == 0);
    buf_init(&out, 4096);
    token_scope_format(&grant, &out);
    again_text = buf_slice(&out);
    expect(!out.overflow && token_scope_parse(again_text, &again, NULL) == 0);
    expect(again.verbs == grant.verbs && slice_eq(again.repository, grant.repository));
    buf_fini(&out);
}

static void check_form(struct arena *arena, struct slice input)
{
    struct slice value, single;
    int err = 0;

    for (unsigned i = 0; err == 0 && i < 100; i++) {
        err = form_value(arena, input, SLICE("scope"), i, &value, NULL);
        if (err == 0)
            check_scope(value);
        expect(err == 0 || err == ERR_NOT_FOUND || err == ERR_HTTP_BAD_REQUEST ||
               err == ERR_NO_MEMORY);
    }
    err = form_single(arena, input, SLICE("service"), &single, NULL);
    if (err == 0 && form_value(arena, input, SLICE("service"), 0, &value, NULL) == 0)
        expect(slice_eq(single, value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_make(size > 0 ? data : NULL, size);
    struct arena arena;

    arena_init(&arena, ARENA_MAX);
    check_field(&arena, input);
    check_form(&arena, input);
    check_scope(input);
    arena_fini(&arena);
    return 0;
}
