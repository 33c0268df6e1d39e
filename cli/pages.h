/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of /api/v1, which come in pages: one function sees every item, whichever page it came on.
 * A page is forgotten before the next is asked for. Main thread only.
 */
#ifndef CLI_PAGES_H
#define CLI_PAGES_H

#include "cli/client.h"

struct pages {
    const char *path; /* below the server */
    const char *list; /* the member that holds the items */
    /* `root` is the page. */
    void (*item)(void *arg, const struct json *item);
    void (*page_end)(void *arg); /* or NULL */
    void *arg;
};

int pages_run(struct client *client, const struct pages *pages, struct fault *fault) MUST_CHECK;

/* Prints a value as one line of JSON, without its end. */
void pages_print_json(const struct json *value);

/* "2026-11-24T14:57:53Z" of a time with fractions. */
struct slice pages_time(struct slice time, char out[32]);

#endif
