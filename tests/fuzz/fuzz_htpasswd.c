/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that is taken has a name and a hash in each line that is not empty and no comment; one
 * that is refused names a line, and shows nothing of a hash. Hashes alone are tried as well: what
 * password_hash_parse takes, libcrypt would find the cost of.
 */
#include "config.h"
#include "auth/htpasswd.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned count_entries(struct slice text)
{
    struct slice line;
    unsigned n = 0;

    while (slice_split(&text, '\n', &line)) {
        if (slice_ends_with(line, SLICE("\r")))
            line.n--;
        n += slice_trim(line).n > 0 && line.p[0] != '#';
    }
    return n;
}

static void check_file(struct slice text)
{
    struct fault fault = FAULT_INIT;
    unsigned users;
    int err = htpasswd_check(text, &users, &fault);

    if (err == 0 ? users != count_entries(text) || fault.code != 0
                 : err != ERR_CONFIG || fault.code != err || users != 0 ||
                       strncmp(fault.text, "line ", 5) != 0)
        abort();
}

static void check_hash(struct slice text)
{
    struct fault fault = FAULT_INIT;
    unsigned cost = 99;
    int err = password_hash_parse(text, &cost, &fault);

    if (err == 0
            ? text.n != PASSWORD_HASH_SIZE || cost < PASSWORD_COST_MIN || cost > PASSWORD_COST_MAX
            : err != ERR_INVALID || fault.text[0] == '\0')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make(size ? data : NULL, size);

    check_file(text);
    check_hash(text);
    return 0;
}
