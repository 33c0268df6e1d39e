/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured log: one JSON object a line on stderr, or text on a terminal.
 *
 * A call formats into the calling thread's ring and returns; the log thread writes. A full ring
 * counts the record as dropped and never blocks. Before log_start and after log_stop records go
 * straight to stderr. Fields are typed; no user data ever meets a printf format. Any thread.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/slice.h"

/* Bytes of a line with its newline; a record that needs more is cut and says so ("cut":true). */
#define LOG_LINE_MAX 8192
#define LOG_LINE_MIN 96 /* of log_render's `size` */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_JSON, LOG_TEXT };

enum log_field_type {
    LOG_FIELD_END,
    LOG_FIELD_STR,
    LOG_FIELD_U64,
    LOG_FIELD_I64,
    LOG_FIELD_BOOL,
    LOG_FIELD_DIGEST
};

struct log_field {
    enum log_field_type type;
    const char *name;
    struct slice text;
    uint64_t u64;
    int64_t i64;
    const struct digest *digest;
};

#define LOG_STR(n, s) ((struct log_field){.type = LOG_FIELD_STR, .name = (n), .text = (s)})
#define LOG_CSTR(n, s)                                                                             \
    ((struct log_field){.type = LOG_FIELD_STR, .name = (n), .text = slice_from_cstr(s)})
#define LOG_U64(n, v)    ((struct log_field){.type = LOG_FIELD_U64, .name = (n), .u64 = (v)})
#define LOG_I64(n, v)    ((struct log_field){.type = LOG_FIELD_I64, .name = (n), .i64 = (v)})
#define LOG_BOOL(n, v)   ((struct log_field){.type = LOG_FIELD_BOOL, .name = (n), .u64 = (v)})
#define LOG_DIGEST(n, d) ((struct log_field){.type = LOG_FIELD_DIGEST, .name = (n), .digest = (d)})

/* `event` is a stable identifier ("upload.commit"), `message` one plain sentence. */
void log_write(enum log_level level, const char *event, const char *message,
               const struct log_field *fields);

/* The first field of the array only lets a call have none. */
#define LOG_CALL(level, event, message, ...)                                                       \
    do {                                                                                           \
        if (log_is_on(level))                                                                      \
            log_write((level), (event), (message),                                                 \
                      &((const struct log_field[]){                                                \
                          {.type = LOG_FIELD_END}, ##__VA_ARGS__, {.type = LOG_FIELD_END}})[1]);   \
    } while (0)

#define log_debug(event, message, ...) LOG_CALL(LOG_DEBUG, event, message, ##__VA_ARGS__)
#define log_info(event, message, ...)  LOG_CALL(LOG_INFO, event, message, ##__VA_ARGS__)
#define log_warn(event, message, ...)  LOG_CALL(LOG_WARN, event, message, ##__VA_ARGS__)
#define log_error(event, message, ...) LOG_CALL(LOG_ERROR, event, message, ##__VA_ARGS__)

bool log_is_on(enum log_level level);
void log_set_level(enum log_level level);
void log_set_format(enum log_format format);

/* Start and stop the log thread (main only). Stop writes out what is queued; it gives up when
 * stderr takes nothing for two seconds. */
void log_start(void);
void log_stop(void);

/* Records dropped because a ring was full. */
uint64_t log_dropped(void);

/* Render one record into `out` as log_write would, with its newline. Returns the bytes written,
 * without NUL; never more than `size`; 0 when that is less than LOG_LINE_MIN. */
size_t log_render(char *out, size_t size, enum log_format format, int64_t wall_ms,
                  enum log_level level, const char *event, const char *message,
                  const struct log_field *fields);

#endif
