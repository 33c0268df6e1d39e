/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing tests put a pipe or a file in the place of stderr and read what arrives there.
 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#include <CUnit/CUnit.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WALL_MS INT64_C(1795552200123) /* 2026-11-24T20:30:00.123Z */
#define THREADS 4

static const struct json_limits limits = {.max_depth = 4, .max_values = 1000};

/* ---- Rendering ------------------------------------------------------------------------------- */

static struct slice render(char out[LOG_LINE_MAX], enum log_format format, const char *message,
                           const struct log_field *fields)
{
    return slice_make(out, log_render(out, LOG_LINE_MAX, format, WALL_MS, LOG_INFO, "test.event",
                                      message, fields));
}

static void check_rendered(enum log_format format, const char *message,
                           const struct log_field *fields, const char *expected)
{
    char out[LOG_LINE_MAX];
    struct slice line = render(out, format, message, fields);

    CU_ASSERT_TRUE(slice_eq(line, slice_from_cstr(expected)));
    if (!slice_eq(line, slice_from_cstr(expected)))
        printf("# rendered: " SLICE_FMT, SLICE_ARG(line));
}

static const struct log_field *all_types(void)
{
    static struct log_field fields[9];
    static struct digest digest = {.algorithm = DIGEST_SHA256, .raw = {0xab}};

    fields[0] = LOG_CSTR("name", "library/alpine");
    fields[1] = LOG_STR("odd", SLICE("a \"b\"\n\x7f\xff\xc2\x9b\\="));
    fields[2] = LOG_U64("u", UINT64_MAX);
    fields[3] = LOG_I64("i", INT64_MIN);
    fields[4] = LOG_BOOL("b", true);
    fields[5] = LOG_DIGEST("digest", &digest);
    fields[6] = LOG_DIGEST("none", NULL);
    fields[7] = LOG_CSTR("empty", NULL);
    fields[8] = (struct log_field){.type = LOG_FIELD_END};
    return fields;
}

#define HEX_AB "ab00000000000000000000000000000000000000000000000000000000000000"

static void test_json(void)
{
    check_rendered(LOG_JSON, "Well.", NULL,
                   "{\"ts\":\"2026-11-24T20:30:00.123Z\",\"level\":\"info\","
                   "\"event\":\"test.event\",\"msg\":\"Well.\"}\n");
    check_rendered(LOG_JSON, "a\nb", all_types(),
                   "{\"ts\":\"2026-11-24T20:30:00.123Z\",\"level\":\"info\","
                   "\"event\":\"test.event\",\"msg\":\"a\\nb\",\"name\":\"library/alpine\","
                   "\"odd\":\"a \\\"b\\\"\\n\x7f\xef\xbf\xbd\xc2\x9b\\\\=\","
                   "\"u\":18446744073709551615,\"i\":-9223372036854775808,\"b\":true,"
                   "\"digest\":\"sha256:" HEX_AB "\",\"none\":null,\"empty\":\"\"}\n");
}

static void test_text(void)
{
    check_rendered(LOG_TEXT, "Well.", NULL, "2026-11-24T20:30:00.123Z info  test.event Well.\n");
    check_rendered(LOG_TEXT, "a\n\x1b[2Jb", all_types(),
                   "2026-11-24T20:30:00.123Z info  test.event a\\u000a\\u001b[2Jb "
                   "name=library/alpine odd=\"a \\\"b\\\"\\u000a\\u007f\xef\xbf\xbd\\u009b\\\\=\" "
                   "u=18446744073709551615 i=-9223372036854775808 b=true "
                   "digest=sha256:" HEX_AB " none=null empty=\"\"\n");
}

static const struct json *parse(struct arena *arena, struct slice line)
{
    struct json *root;

    CU_ASSERT_TRUE_FATAL(line.n > 0);
    CU_ASSERT_EQUAL(slice_find_char(line, '\n'), line.n - 1);
    CU_ASSERT_EQUAL(json_parse(arena, line, &limits, &root, NULL), 0);
    return root;
}

/* A long text is cut between characters, with an ellipsis, and the line says so. */
static void test_long_field(void)
{
    char text[5001], out[LOG_LINE_MAX];
    const struct json *root, *field;
    struct arena arena;

    arena_init(&arena, 1 << 20);
    text[0] = 'x';
    for (size_t i = 1; i < sizeof(text); i++)
        text[i] = "\xc3\xa9"[1 - i % 2];
    text[sizeof(text) - 1] = '\0';
    const struct log_field fields[] = {
        LOG_CSTR("text", text), LOG_U64("after", 1), {.type = LOG_FIELD_END}};
    root = parse(&arena, render(out, LOG_JSON, "m", fields));
    field = json_member(root, SLICE("text"));
    CU_ASSERT_TRUE(slice_ends_with(field->text, SLICE("\xe2\x80\xa6")));
    CU_ASSERT_TRUE(field->text.n > 900 && field->text.n < 1100);
    CU_ASSERT_PTR_NOT_NULL(json_member(root, SLICE("after")));
    CU_ASSERT_TRUE(json_member(root, SLICE("cut"))->boolean);
    arena_fini(&arena);
}

/* Fields that are too many for a line: the line is whole, up to the last that fits. */
static void test_long_line(void)
{
    struct log_field fields[41];
    char names[40][8], text[1000], out[LOG_LINE_MAX + 1];
    const struct json *root;
    struct arena arena;

    arena_init(&arena, 1 << 20);
    memset(text, '\x01', sizeof(text)); /* six bytes each */
    for (size_t i = 0; i < 40; i++) {
        snprintf(names[i], sizeof(names[i]), "f%zu", i);
        fields[i] = LOG_STR(names[i], slice_make(text, sizeof(text)));
    }
    fields[40] = (struct log_field){.type = LOG_FIELD_END};
    for (size_t size = 0; size <= LOG_LINE_MAX; size += size < 300 ? 1 : 97) {
        size_t n;

        arena_reset(&arena);
        out[size] = '#';
        n = log_render(out, size, LOG_JSON, WALL_MS, LOG_ERROR, "test.event", "m", fields);
        CU_ASSERT_EQUAL(out[size], '#');
        if (size < LOG_LINE_MIN) {
            CU_ASSERT_EQUAL(n, 0);
            continue;
        }
        root = parse(&arena, slice_make(out, n));
        CU_ASSERT_TRUE(json_member(root, SLICE("cut"))->boolean);
        n = log_render(out, size, LOG_TEXT, WALL_MS, LOG_ERROR, "test.event", "m", fields);
        CU_ASSERT_EQUAL(out[size], '#');
        CU_ASSERT_TRUE(slice_ends_with(slice_make(out, n), SLICE(" cut=true\n")));
    }
    arena_fini(&arena);
}

/* ---- Writing --------------------------------------------------------------------------------- */

static int saved_stderr = -1;

static void replace_stderr(int fd)
{
    saved_stderr = dup(STDERR_FILENO);
    CU_ASSERT_TRUE_FATAL(saved_stderr >= 0 && dup2(fd, STDERR_FILENO) >= 0);
}

static void restore_stderr(void)
{
    CU_ASSERT_TRUE_FATAL(dup2(saved_stderr, STDERR_FILENO) >= 0);
    close(saved_stderr);
}

/* An empty file without a name. */
static int open_file(void)
{
    char path[] = "/tmp/test_log_XXXXXX";
    int fd = mkstemp(path);

    CU_ASSERT_TRUE_FATAL(fd >= 0);
    unlink(path);
    return fd;
}

static void read_file(int fd, struct buf *out)
{
    char part[4096];
    ssize_t n;

    CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_SET), 0);
    while ((n = read(fd, part, sizeof(part))) > 0)
        buf_add(out, slice_make(part, (size_t)n));
    close(fd);
}

static size_t count(struct slice text, const char *what)
{
    size_t n = 0, length = strlen(what);

    for (size_t i = 0; i + length <= text.n; i++)
        n += memcmp(text.p + i, what, length) == 0;
    return n;
}

static void test_levels(void)
{
    struct buf out;
    int fd = open_file();

    buf_init(&out, 1 << 20);
    replace_stderr(fd);
    log_set_format(LOG_AUTO); /* a file is no terminal */
    log_set_level(LOG_WARN);
    CU_ASSERT_FALSE(log_is_on(LOG_INFO));
    CU_ASSERT_TRUE(log_is_on(LOG_WARN));
    log_info("test.info", "not this");
    log_warn("test.warn", "this", LOG_U64("n", 1));
    log_error("test.error", "and this");
    log_set_level(LOG_DEBUG);
    log_debug("test.debug", "now this", LOG_BOOL("b", false), LOG_CSTR("s", "x"));
    log_set_level(LOG_INFO);
    restore_stderr();
    read_file(fd, &out);
    CU_ASSERT_EQUAL(count(buf_slice(&out), "\n"), 3);
    CU_ASSERT_EQUAL(count(buf_slice(&out), "\"msg\":\"this\",\"n\":1}\n"), 1);
    CU_ASSERT_EQUAL(count(buf_slice(&out), "\"level\":\"error\""), 1);
    CU_ASSERT_EQUAL(count(buf_slice(&out), "\"b\":false,\"s\":\"x\"}\n"), 1);
    CU_ASSERT_EQUAL(count(buf_slice(&out), "test.info"), 0);
    buf_fini(&out);
}

static void *log_some(void *arg)
{
    for (unsigned i = 0; i < 200; i++)
        log_info("test.thread", "m", LOG_U64("thread", *(unsigned *)arg), LOG_U64("i", i));
    return NULL;
}

static void run_threads(void)
{
    unsigned numbers[THREADS];
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, log_some, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* Each line is whole, and (perhaps) the lines of a thread are in order. */
static void check_lines(struct slice text, bool is_ordered, size_t *lines)
{
    uint64_t next[THREADS] = {0};
    struct arena arena;
    struct slice line;

    arena_init(&arena, 1 << 20);
    for (*lines = 0; slice_split(&text, '\n', &line); (*lines)++) {
        struct json *root;
        int64_t thread, i;

        arena_reset(&arena);
        CU_ASSERT_EQUAL(json_parse(&arena, line, &limits, &root, NULL), 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(json_member(root, SLICE("thread")));
        thread = json_member(root, SLICE("thread"))->integer;
        i = json_member(root, SLICE("i"))->integer;
        CU_ASSERT_TRUE_FATAL(thread >= 0 && thread < THREADS);
        if (is_ordered)
            CU_ASSERT_EQUAL((uint64_t)i, next[thread] % 200);
        next[thread]++;
    }
    arena_fini(&arena);
}

/* 200 lines of a thread fit into its ring: none may be lost, also over stop and start. */
static void test_threads(void)
{
    uint64_t dropped = log_dropped();
    size_t lines;
    struct buf out;
    int fd = open_file();

    buf_init(&out, 16 << 20);
    replace_stderr(fd);
    log_set_format(LOG_JSON);
    for (int round = 0; round < 3; round++) {
        log_start();
        run_threads();
        log_stop();
    }
    run_threads(); /* and without the log thread */
    log_stop();    /* nothing to stop */
    restore_stderr();
    read_file(fd, &out);
    check_lines(buf_slice(&out), true, &lines);
    CU_ASSERT_EQUAL(lines, 4 * THREADS * 200);
    CU_ASSERT_EQUAL(log_dropped(), dropped);
    buf_fini(&out);
}

/* While the log thread stops, some lines go through it and some do not, and threads end; all lines
 * arrive. */
static void test_stop_meanwhile(void)
{
    unsigned numbers[THREADS] = {0, 1, 2, 3};
    pthread_t threads[THREADS];
    size_t lines;
    struct buf out;
    int fd = open_file();

    buf_init(&out, 16 << 20);
    replace_stderr(fd);
    log_set_format(LOG_JSON);
    for (int round = 0; round < 5; round++) {
        log_start();
        for (unsigned i = 0; i < THREADS; i++)
            CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, log_some, &numbers[i]), 0);
        log_stop();
        log_start();
        log_stop();
        for (unsigned i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
    restore_stderr();
    read_file(fd, &out);
    check_lines(buf_slice(&out), false, &lines);
    CU_ASSERT_EQUAL(lines, 5 * THREADS * 200);
    buf_fini(&out);
}

/* A pipe in the place of stderr that nobody reads before start_reading. */
struct clogged {
    int fds[2];
    pthread_t reader;
    struct buf out;
};

static void clog_stderr(struct clogged *clogged)
{
    buf_init(&clogged->out, 4 << 20);
    CU_ASSERT_EQUAL_FATAL(pipe(clogged->fds), 0);
    replace_stderr(clogged->fds[1]);
    close(clogged->fds[1]);
}

static void *read_until_end(void *arg)
{
    struct clogged *clogged = arg;
    char part[4096];
    ssize_t n;

    while ((n = read(clogged->fds[0], part, sizeof(part))) > 0)
        buf_add(&clogged->out, slice_make(part, (size_t)n));
    return NULL;
}

static void start_reading(struct clogged *clogged)
{
    CU_ASSERT_EQUAL_FATAL(pthread_create(&clogged->reader, NULL, read_until_end, clogged), 0);
}

/* All that was written, up to the end of the pipe. */
static struct slice stop_reading(struct clogged *clogged)
{
    restore_stderr();
    pthread_join(clogged->reader, NULL);
    close(clogged->fds[0]);
    return buf_slice(&clogged->out);
}

/* More than pipe and ring hold; the number of records that were dropped. */
static uint64_t flood(void)
{
    uint64_t before = log_dropped();
    char text[1000];

    memset(text, 'x', sizeof(text));
    for (unsigned i = 0; i < 1000; i++)
        log_info("test.flood", "m", LOG_STR("x", slice_make(text, sizeof(text))));
    return log_dropped() - before;
}

/* Nobody reads: the caller goes on, what is lost is counted, and the reader is told later. */
static void test_overflow(void)
{
    struct clogged clogged;
    struct slice text;
    uint64_t dropped;

    clog_stderr(&clogged);
    log_set_format(LOG_JSON);
    log_start();
    dropped = flood();
    CU_ASSERT_TRUE(dropped > 0);
    start_reading(&clogged);
    log_stop();
    text = stop_reading(&clogged);
    CU_ASSERT_EQUAL(count(text, "test.flood"), 1000 - dropped);
    CU_ASSERT_TRUE(count(text, "\"event\":\"log.dropped\"") >= 1);
    CU_ASSERT_EQUAL(count(text, "\n"), count(text, "{\"ts\":"));
    buf_fini(&clogged.out);
}

static void *stop_log(void *arg)
{
    log_stop();
    return arg;
}

static void *log_and_wait(void *arg)
{
    log_info("test.last", "m");
    pthread_barrier_wait(arg); /* it is in the ring */
    pthread_barrier_wait(arg); /* may end */
    return NULL;
}

/* A thread ends when log_stop was called and its ring is not written out yet, as stderr is clogged.
 * (That log_stop has come far enough cannot be seen from here; if it has not, this tests less.) */
static void test_end_while_stopping(void)
{
    const struct timespec a_moment = {.tv_nsec = 50 * 1000 * 1000};
    struct clogged clogged;
    pthread_barrier_t barrier;
    pthread_t stopper, thread;
    struct slice text;

    clog_stderr(&clogged);
    log_set_format(LOG_JSON);
    pthread_barrier_init(&barrier, NULL, 2);
    log_start();
    CU_ASSERT_TRUE(flood() > 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, log_and_wait, &barrier), 0);
    pthread_barrier_wait(&barrier);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&stopper, NULL, stop_log, NULL), 0);
    nanosleep(&a_moment, NULL);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    start_reading(&clogged);
    pthread_join(stopper, NULL);
    text = stop_reading(&clogged);
    CU_ASSERT_EQUAL(count(text, "test.last"), 1);
    pthread_barrier_destroy(&barrier);
    buf_fini(&clogged.out);
}

/* Nobody ever reads: stopping ends all the same. */
static void test_stuck(void)
{
    struct clogged clogged;
    struct slice text;

    clog_stderr(&clogged);
    log_set_format(LOG_JSON);
    log_start();
    CU_ASSERT_TRUE(flood() > 0);
    log_stop();
    log_info("test.late", "m"); /* lost, but not waited for */
    start_reading(&clogged);
    text = stop_reading(&clogged);
    CU_ASSERT_TRUE(count(text, "test.flood") > 0);
    CU_ASSERT_EQUAL(count(text, "test.late"), 0);
    buf_fini(&clogged.out);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("log", NULL, NULL);

    CU_add_test(suite, "JSON", test_json);
    CU_add_test(suite, "text", test_text);
    CU_add_test(suite, "long field", test_long_field);
    CU_add_test(suite, "long line", test_long_line);
    CU_add_test(suite, "levels", test_levels);
    CU_add_test(suite, "threads", test_threads);
    CU_add_test(suite, "stop meanwhile", test_stop_meanwhile);
    CU_add_test(suite, "overflow", test_overflow);
    CU_add_test(suite, "thread ends while stopping", test_end_while_stopping);
    CU_add_test(suite, "stuck", test_stuck);
}
