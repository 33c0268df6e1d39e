/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: one text form for each type, the same in the file, the environment and the command line.
 * Units are those of the type only, written in one way: 64KiB is 65,536 and nothing else is, so
 * that nobody has to know whether we take K for 1,000 or 1,024.
 */
#include "config.h"
#include "server/settings_table.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "server/networks.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#define QUOTE_MAX        64
#define LISTEN_MAX       16
#define LISTEN_MAX_BYTES 1024

struct unit {
    struct slice name;
    uint64_t factor;
};

#define UNIT(name, factor)                                                                         \
    {                                                                                              \
        {name, sizeof(name) - 1}, factor                                                           \
    }

/* Largest first, as they are tried when a value is written. */
static const struct unit size_units[] = {
    UNIT("TiB", 1ull << 40),
    UNIT("GiB", 1ull << 30),
    UNIT("MiB", 1ull << 20),
    UNIT("KiB", 1ull << 10),
    UNIT("", 1),
};
static const struct unit time_units[] = {
    UNIT("d", 86400000), UNIT("h", 3600000), UNIT("m", 60000), UNIT("s", 1000), UNIT("ms", 1),
};
static const struct unit count_units[] = {UNIT("", 1)};

struct units {
    const struct unit *list;
    size_t n;
    const char *what;
};

static struct units units_of(enum setting_type type)
{
    switch (type) {
    case SETTING_SIZE:
        return (struct units){size_units, ARRAY_LENGTH(size_units),
                              "a size like 65536, 64KiB, 5MiB or 1GiB"};
    case SETTING_TIME:
        return (struct units){time_units, ARRAY_LENGTH(time_units),
                              "a time with its unit, like 500ms, 30s, 5m, 12h or 7d"};
    case SETTING_STRING:
    case SETTING_BOOL:
    case SETTING_COUNT:
    case SETTING_CHOICE:
        break;
    }
    return (struct units){count_units, ARRAY_LENGTH(count_units), "a whole number"};
}

/* What was given, short and harmless on a terminal. */
static struct slice quote(struct slice text, char out[QUOTE_MAX])
{
    struct slice part = slice_sub(text, 0, QUOTE_MAX);

    part.n = utf8_valid_prefix(part);
    for (size_t i = 0; i < part.n; i++)
        out[i] = (unsigned char)part.p[i] < ' ' || part.p[i] == 0x7f ? '?' : part.p[i];
    return slice_make(out, part.n);
}

static int fail_value(struct slice text, const char *what, struct fault *fault)
{
    char quoted[QUOTE_MAX];

    return fault_set(fault, ERR_CONFIG, "must be %s, not '" SLICE_FMT "'", what,
                     SLICE_ARG(quote(text, quoted)));
}

/* ---- Numbers --------------------------------------------------------------------------------- */

static size_t digits_prefix(struct slice text)
{
    size_t n = 0;

    while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
        n++;
    return n;
}

static const struct unit *find_unit(const struct units *units, struct slice name)
{
    for (size_t i = 0; i < units->n; i++) {
        if (slice_eq(units->list[i].name, name))
            return &units->list[i];
    }
    return NULL;
}

void setting_format_number(enum setting_type type, uint64_t value, struct buf *out)
{
    struct units units = units_of(type);
    size_t i = 0;

    while (i + 1 < units.n && value % units.list[i].factor != 0)
        i++;
    if (value == 0) /* "0", and "0s" */
        i = type == SETTING_TIME ? 3 : units.n - 1;
    buf_add_u64(out, value / units.list[i].factor);
    buf_add(out, units.list[i].name);
}

static int fail_range(const struct setting *setting, struct slice text, struct fault *fault)
{
    char quoted[QUOTE_MAX];
    struct buf range;
    int err;

    buf_init(&range, 64);
    setting_format_number(setting->type, setting->min, &range);
    buf_add(&range, SLICE(" to "));
    setting_format_number(setting->type, setting->max, &range);
    err = fault_set(fault, ERR_CONFIG, "must be from " SLICE_FMT ", not '" SLICE_FMT "'",
                    SLICE_ARG(buf_slice(&range)), SLICE_ARG(quote(text, quoted)));
    buf_fini(&range);
    return err;
}

static int parse_number(const struct setting *setting, struct slice text, uint64_t *value,
                        struct fault *fault)
{
    struct units units = units_of(setting->type);
    size_t digits = digits_prefix(text);
    const struct unit *unit = find_unit(&units, slice_sub(text, digits, SIZE_MAX));
    uint64_t number;

    if (digits == 0 || !unit)
        return fail_value(text, units.what, fault);
    /* What does not fit into 64 bits is out of every range. */
    if (!slice_parse_u64(slice_sub(text, 0, digits), &number) ||
        __builtin_mul_overflow(number, unit->factor, &number) || number < setting->min ||
        number > setting->max)
        return fail_range(setting, text, fault);
    *value = number;
    return 0;
}

/* ---- Words ----------------------------------------------------------------------------------- */

static int parse_bool(struct slice text, bool *value, struct fault *fault)
{
    *value = slice_eq(text, SLICE("true"));
    if (!*value && !slice_eq(text, SLICE("false")))
        return fail_value(text, "true or false", fault);
    return 0;
}

static int parse_choice(const struct setting *setting, struct slice text, unsigned *value,
                        struct fault *fault)
{
    struct slice rest = slice_from_cstr(setting->choices);
    struct slice choice;
    char what[100] = "one of ";
    size_t n = strlen(what);

    for (unsigned i = 0; slice_split(&rest, '|', &choice); i++) {
        if (slice_eq(choice, text)) {
            *value = i;
            return 0;
        }
    }
    for (const char *c = setting->choices; *c && n < sizeof(what) - 3; c++) {
        what[n++] = *c == '|' ? ',' : *c;
        if (*c == '|')
            what[n++] = ' ';
    }
    what[n] = '\0';
    return fail_value(text, what, fault);
}

static bool is_printable(struct slice text)
{
    while (text.n) {
        const unsigned char *c = (const unsigned char *)text.p;
        size_t length;

        if (!utf8_next(text, &length) || c[0] < ' ' || c[0] == 0x7f ||
            (length == 2 && c[0] == 0xc2 && c[1] < 0xa0))
            return false;
        text = slice_sub(text, length, SIZE_MAX);
    }
    return true;
}

static int parse_string(const struct setting *setting, struct slice text, struct arena *arena,
                        const char **value, struct fault *fault)
{
    struct buf listen;
    struct slice copy;
    int err = 0;

    /* What is empty by default can be left empty. */
    if (text.n == 0 && setting->text[0] != '\0')
        return fault_set(fault, ERR_CONFIG, "must not be empty");
    if (!is_printable(text))
        return fault_set(fault, ERR_CONFIG, "must be UTF-8 text without control characters");
    buf_init(&listen, LISTEN_MAX_BYTES);
    if (text.n > 0 && strncmp(setting->name, "server.listen", 13) == 0) {
        err = setting_check_listen(text, &listen, fault);
        text = buf_slice(&listen);
    } else if (text.n > 0 && strcmp(setting->name, "http.trusted_proxies") == 0) {
        err = networks_check(text, fault);
    }
    if (err == 0) {
        copy = arena_dup(arena, text);
        if (copy.p)
            *value = copy.p;
        else
            err = fault_set(fault, ERR_CONFIG, "is too long, or there is no memory for it");
    }
    buf_fini(&listen);
    return err;
}

/* ---- Addresses ------------------------------------------------------------------------------- */

static bool is_address(struct slice host)
{
    unsigned char raw[sizeof(struct in6_addr)];
    char text[INET6_ADDRSTRLEN];
    int family = AF_INET;

    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
        host = slice_sub(host, 1, host.n - 2);
        family = AF_INET6;
    }
    if (host.n >= sizeof(text) || slice_find_char(host, '\0') < host.n)
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    return inet_pton(family, text, raw) == 1;
}

static int check_endpoint(struct slice endpoint, struct fault *fault)
{
    static const char hint[] = "write 127.0.0.1:5000 or [::1]:5000; all addresses are 0.0.0.0:5000 "
                               "and [::]:5000";
    char quoted[QUOTE_MAX];
    size_t colon = endpoint.n;
    uint64_t port;

    while (colon > 0 && endpoint.p[colon - 1] != ':')
        colon--;
    if (colon == 0 || !is_address(slice_sub(endpoint, 0, colon - 1)))
        return fault_set(fault, ERR_CONFIG, "'" SLICE_FMT "' is no address and port: %s",
                         SLICE_ARG(quote(endpoint, quoted)), hint);
    if (!slice_parse_u64(slice_sub(endpoint, colon, SIZE_MAX), &port) || port > 65535)
        return fault_set(fault, ERR_CONFIG, "'" SLICE_FMT "' must end with a port from 0 to 65535",
                         SLICE_ARG(quote(endpoint, quoted)));
    return 0;
}

/* Port 0 may be there twice: each gets another one. */
static bool is_listed(struct slice list, struct slice endpoint)
{
    struct slice part;

    if (slice_ends_with(endpoint, SLICE(":0")))
        return false;
    while (slice_split(&list, ',', &part)) {
        if (slice_eq(part, endpoint))
            return true;
    }
    return false;
}

int setting_check_listen(struct slice text, struct buf *out, struct fault *fault)
{
    char quoted[QUOTE_MAX];
    struct slice part;
    unsigned count = 0;

    if (slice_ends_with(slice_trim(text), SLICE(",")))
        return fault_set(fault, ERR_CONFIG, "must not end with a comma");
    while (slice_split(&text, ',', &part)) {
        part = slice_trim(part);
        if (check_endpoint(part, fault) < 0)
            return ERR_CONFIG;
        if (is_listed(buf_slice(out), part))
            return fault_set(fault, ERR_CONFIG, "'" SLICE_FMT "' is there twice",
                             SLICE_ARG(quote(part, quoted)));
        if (++count > LISTEN_MAX)
            return fault_set(fault, ERR_CONFIG, "takes at most %d addresses", LISTEN_MAX);
        if (out->n)
            buf_add_char(out, ',');
        buf_add(out, part);
    }
    if (buf_error(out, ERR_CONFIG) == ERR_NO_MEMORY)
        return fault_set(fault, ERR_NO_MEMORY, "cannot be read: out of memory");
    return out->overflow ? fault_set(fault, ERR_CONFIG, "is too long") : 0;
}

/* ---- All types ------------------------------------------------------------------------------- */

/* Offsets come from offsetof with the type that the macro of the key declared. */
static void *field_of(const struct setting *setting, struct settings *values)
{
    return (char *)values + setting->offset;
}

static const void *const_field_of(const struct setting *setting, const struct settings *values)
{
    return (const char *)values + setting->offset;
}

int setting_parse(const struct setting *setting, struct slice text, struct arena *arena,
                  struct settings *values, struct fault *fault)
{
    void *field = field_of(setting, values);

    switch (setting->type) {
    case SETTING_STRING:
        return parse_string(setting, text, arena, field, fault);
    case SETTING_BOOL:
        return parse_bool(text, field, fault);
    case SETTING_CHOICE:
        return parse_choice(setting, text, field, fault);
    case SETTING_COUNT:
    case SETTING_SIZE:
    case SETTING_TIME:
        break;
    }
    return parse_number(setting, text, field, fault);
}

int setting_set_default(const struct setting *setting, struct arena *arena, struct settings *values)
{
    void *field = field_of(setting, values);

    switch (setting->type) {
    case SETTING_STRING:
    case SETTING_CHOICE:
        return setting_parse(setting, slice_from_cstr(setting->text), arena, values, NULL);
    case SETTING_BOOL:
        *(bool *)field = setting->value != 0;
        return 0;
    case SETTING_COUNT:
    case SETTING_SIZE:
    case SETTING_TIME:
        break;
    }
    *(uint64_t *)field = setting->value;
    return 0;
}

static struct slice choice_name(const struct setting *setting, unsigned value)
{
    struct slice rest = slice_from_cstr(setting->choices);
    struct slice name = {NULL, 0};

    for (unsigned i = 0; i <= value && slice_split(&rest, '|', &name); i++)
        continue;
    return name;
}

void setting_format(const struct setting *setting, const struct settings *values, struct buf *out)
{
    const void *field = const_field_of(setting, values);

    switch (setting->type) {
    case SETTING_STRING:
        buf_add(out, slice_from_cstr(*(const char *const *)field));
        break;
    case SETTING_BOOL:
        buf_add(out, *(const bool *)field ? SLICE("true") : SLICE("false"));
        break;
    case SETTING_CHOICE:
        buf_add(out, choice_name(setting, *(const unsigned *)field));
        break;
    case SETTING_COUNT:
    case SETTING_SIZE:
    case SETTING_TIME:
        setting_format_number(setting->type, *(const uint64_t *)field, out);
        break;
    }
}

bool setting_eq(const struct setting *setting, const struct settings *a, const struct settings *b)
{
    const void *x = const_field_of(setting, a);
    const void *y = const_field_of(setting, b);

    switch (setting->type) {
    case SETTING_STRING:
        return strcmp(*(const char *const *)x, *(const char *const *)y) == 0;
    case SETTING_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case SETTING_CHOICE:
        return *(const unsigned *)x == *(const unsigned *)y;
    case SETTING_COUNT:
    case SETTING_SIZE:
    case SETTING_TIME:
        break;
    }
    return *(const uint64_t *)x == *(const uint64_t *)y;
}
