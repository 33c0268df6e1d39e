/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verbs about accounts share (user, group, robot, token, access): the word after the verb
 * says what to do, options become members of a JSON document, answers are printed. Main thread
 * only.
 */
#ifndef CLI_ACCOUNT_H
#define CLI_ACCOUNT_H

#include "cli/client.h"
#include "cli/verb.h"

struct account_run {
    const struct cli_call *call;
    const char *name; /* the word after what to do; NULL: there is none */
    struct client client;
    struct arena arena;
    struct buf body;
    struct json_writer w; /* of the body */
};

struct account_step {
    const char *word;
    int least, most; /* words that follow */
    int (*run)(struct account_run *run, struct fault *fault);
};

/* Finds the step that the command line names, and runs it with a client. */
int account_dispatch(const struct cli_call *call, const struct account_step *steps, size_t n,
                     struct fault *fault) MUST_CHECK;

/* Members of the body from options; nothing for those that were not given. */
void account_body_begin(struct account_run *run);
void account_body_text(struct account_run *run, const char *name, const char *text);
void account_body_bool(struct account_run *run, const char *name, bool value);
/* "a,b" as a list; an empty text is an empty list. */
void account_body_list(struct account_run *run, const char *name, const char *text);
/* "90d", "12h", "30m" as seconds; "never" adds nothing. ERR_INVALID. */
int account_body_life(struct account_run *run, const char *text, struct fault *fault) MUST_CHECK;

/* Sends the body, or nothing when it was not begun; *root may be NULL. */
int account_send(struct account_run *run, enum fetch_method method, struct json **root,
                 struct fault *fault) MUST_CHECK;

/* Sets the path; `name` is escaped (NULL: none). */
void account_path(struct account_run *run, const char *path, const char *name, const char *rest);

/* Prints a document: JSON as it is, or its members one under the other. */
void account_print(const struct account_run *run, const struct json *root);
/* A list of the API, page by page, with these members as columns. */
int account_list_all(struct account_run *run, const char *path, const char *list,
                     const char *const *members, struct fault *fault) MUST_CHECK;

/* Sends the body and prints the answer; of a secret in it that it is shown this once, and with
 * --quiet nothing but the secret. */
int account_send_secret(struct account_run *run, enum fetch_method method,
                        struct fault *fault) MUST_CHECK;

#endif
