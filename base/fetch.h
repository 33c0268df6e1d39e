/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outgoing HTTP, one request at a time, over libcurl: bodies stream from a file and into a
 * function, every wait and every length is limited, and nothing leads to another host than the one
 * that was asked. The connection is kept for the next request. One thread at a time
 * with each; fetch_global_init before any thread uses one.
 */
#ifndef BASE_FETCH_H
#define BASE_FETCH_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/slice.h"

/* Bytes kept of the body of a refusal. */
#define FETCH_REFUSAL_MAX (64 * 1024)

enum fetch_method { FETCH_GET, FETCH_HEAD, FETCH_POST, FETCH_PUT, FETCH_PATCH, FETCH_DELETE };

struct fetch;

/* A body that is read from a file, from where the descriptor stands. */
struct fetch_file {
    int fd;
    uint64_t size;
};

/* What an error of these functions means is in their fault; the transfer ends with it. All may be
 * NULL. */
struct fetch_hooks {
    /* The answer has a status 2xx and its body comes, or is empty. */
    int (*begin)(void *arg, struct fetch *fetch, int status, struct fault *fault);
    /* Takes a piece of that body; without it the body is kept, see fetch_body. */
    int (*take)(void *arg, struct slice bytes, struct fault *fault);
    /* Sees a piece of the file that was sent. */
    void (*sent)(void *arg, struct slice bytes);
    /* Called at least once a second: bytes of the bodies so far. */
    void (*progress)(void *arg, uint64_t sent_bytes, uint64_t received_bytes);
};

struct fetch_request {
    enum fetch_method method;
    const char *url;
    const char *const *fields;     /* "Name: value", NULL ends them; NULL: none */
    struct slice body;             /* when there is no file */
    const struct fetch_file *file; /* or NULL */
    const struct fetch_hooks *hooks;
    void *arg;                /* of the hooks */
    uint64_t max_bytes;       /* of an answer 2xx */
    unsigned idle_timeout_ms; /* without a byte in either direction; 0: a minute */
    unsigned timeout_ms;      /* for all of it, redirects included; 0: no limit */
    const char *ca_file;      /* PEM: authorities to trust beside the system's; NULL: none */
};

/* Once in the process, and at its end. */
int fetch_global_init(struct fault *fault) MUST_CHECK;
void fetch_global_fini(void);

/* `agent` is the User-Agent (copied). ERR_NO_MEMORY. */
int fetch_create(const char *agent, struct fetch **fetch, struct fault *fault) MUST_CHECK;
void fetch_destroy(struct fetch *fetch);

/* 0 with *status when an answer came, whatever it says. GET and HEAD follow redirects within the
 * origin. ERR_UNAVAILABLE: nobody answers there. ERR_CANCELLED: the other end went away.
 * ERR_HTTP_TIMEOUT: nothing moved for too long, or it took too long. ERR_LIMIT: the answer is
 * longer than allowed. ERR_HTTP_FORBIDDEN: a redirect away from there. ERR_SYNTAX: not a URL, not
 * HTTP. Else what a hook returned. */
int fetch_run(struct fetch *fetch, const struct fetch_request *request, int *status,
              struct fault *fault) MUST_CHECK;

/* Of the last answer; borrowed until the next request. The body is empty when a hook took it. */
struct slice fetch_body(const struct fetch *fetch);

/* The last field of that name, p == NULL when there is none. */
struct slice fetch_field(struct fetch *fetch, const char *name);
/* Of several of one name the one at `index`, from 0. Borrowed until the next of these calls. */
struct slice fetch_field_at(struct fetch *fetch, const char *name, size_t index);

/* What a Location of an answer from `base` names, with `query` (or NULL) added to it. It must stay
 * within the origin: ERR_HTTP_FORBIDDEN; ERR_SYNTAX when it is no URL. */
int fetch_resolve(const char *base, struct slice location, const char *query, struct buf *url,
                  struct fault *fault) MUST_CHECK;

#endif
