/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/form.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int decode(struct arena *arena, struct slice text, struct slice *value)
{
    char *out = arena_alloc(arena, text.n + 1);
    size_t n = 0;

    if (out == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i] == '+' ? ' ' : text.p[i];
        if (c == '%') {
            int high = i + 2 < text.n ? hex_value(text.p[i + 1]) : -1;
            int low = high >= 0 ? hex_value(text.p[i + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0))
                return ERR_HTTP_BAD_REQUEST;
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[n++] = c;
    }
    *value = slice_make(out, n);
    return 0;
}

int form_value(struct arena *arena, struct slice form, struct slice name, unsigned index,
               struct slice *value, struct fault *fault)
{
    struct slice part, key;

    *value = slice_make(NULL, 0);
    while (slice_split(&form, '&', &part)) {
        size_t equals = slice_find_char(part, '=');
        int err = decode(arena, slice_sub(part, 0, equals), &key);
        if (err == 0 && (!slice_eq(key, name) || index-- > 0))
            continue;
        if (err == 0)
            err = decode(arena, slice_sub(part, equals + 1, SIZE_MAX), value);
        return err == 0 ? 0 : fault_set(fault, err, "the parameters are malformed");
    }
    return ERR_NOT_FOUND;
}

int form_single(struct arena *arena, struct slice form, struct slice name, struct slice *value,
                struct fault *fault)
{
    struct slice second;
    int err = form_value(arena, form, name, 0, value, fault);

    if (err != 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    err = form_value(arena, form, name, 1, &second, fault);
    if (err == 0)
        return fault_set(fault, ERR_HTTP_BAD_REQUEST, SLICE_FMT " comes twice", SLICE_ARG(name));
    return err == ERR_NOT_FOUND ? 0 : err;
}
