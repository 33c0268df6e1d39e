/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/json.h"
#include "base/mem.h"
#include "server/settings.h"
#include "server/settings_parse.h"
#include "server/settings_table.h"

#include <CUnit/CUnit.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct settings *load(const char *text)
{
    const struct settings *settings;
    struct fault fault = FAULT_INIT;

    if (settings_load_text(slice_from_cstr(text), "f", &settings, &fault) < 0)
        printf("# %s\n", fault.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    CU_ASSERT_EQUAL(fault.code, 0);
    return settings;
}

static void check_fault(int err, const struct settings *settings, const struct fault *fault,
                        const char *reason)
{
    CU_ASSERT_EQUAL(err, ERR_CONFIG);
    CU_ASSERT_PTR_NULL(settings);
    CU_ASSERT_EQUAL(fault->code, ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault->text, reason));
    if (!strstr(fault->text, reason))
        printf("# '%s', not '%s'\n", fault->text, reason);
}

static void check_refused(const char *text, const char *reason)
{
    const struct settings *settings = (const struct settings *)&text;
    struct fault fault = FAULT_INIT;
    int err = settings_load_text(slice_from_cstr(text), "f", &settings, &fault);

    check_fault(err, settings, &fault, reason);
    CU_ASSERT_EQUAL(settings_load_text(slice_from_cstr(text), "f", &settings, NULL), ERR_CONFIG);
}

static void test_defaults(void)
{
    const struct settings *s = load("");

    CU_ASSERT_STRING_EQUAL(s->server_listen, "127.0.0.1:5000");
    CU_ASSERT_EQUAL(s->server_workers, 0);
    CU_ASSERT_EQUAL(s->server_drain_timeout_ms, 30000);
    CU_ASSERT_STRING_EQUAL(s->storage_path, "/var/lib/tidemark");
    CU_ASSERT_EQUAL(s->index_map_size_bytes, 256ull << 30);
    CU_ASSERT_EQUAL(s->trash_grace_ms, 7ull * 24 * 3600 * 1000);
    CU_ASSERT_FALSE(s->manifests_allow_sparse);
    CU_ASSERT_EQUAL(s->log_level, 1);
    CU_ASSERT_EQUAL(s->log_access, LOG_ACCESS_WRITES);
    settings_unref(s);
}

/* What the macros declared: a default outside its own range could be dumped but not loaded. */
static void test_table(void)
{
    CU_ASSERT_TRUE(settings_table_n > 30);
    for (size_t i = 0; i < settings_table_n; i++) {
        const struct setting *setting = &settings_table[i];

        CU_ASSERT_TRUE(setting->min <= setting->value);
        CU_ASSERT_TRUE(setting->type == SETTING_STRING || setting->type == SETTING_CHOICE ||
                       setting->value <= setting->max);
        CU_ASSERT_PTR_EQUAL(
            setting_find(slice_from_cstr(setting->section), slice_from_cstr(setting->key)),
            setting);
        CU_ASSERT_TRUE(strlen(setting->help) > 10);
    }
}

static void test_every_type(void)
{
    const struct settings *s = load("server:\n"
                                    "  listen: '0.0.0.0:80 , [::1]:0'\n"
                                    "  workers: 4\n"
                                    "  drain_timeout: 5m\n"
                                    "storage: {path: \"/data/\\u00e9\", reserve: 65536}\n"
                                    "blobs:\n"
                                    "  max_size: 5MiB\n"
                                    "lists:\n" /* nothing below */
                                    "http:\n"
                                    "  allow_proxy: true\n"
                                    "log:\n"
                                    "  level: error\n"
                                    "  access: all\n");

    CU_ASSERT_STRING_EQUAL(s->server_listen, "0.0.0.0:80,[::1]:0");
    CU_ASSERT_STRING_EQUAL(s->storage_path, "/data/\xc3\xa9");
    CU_ASSERT_EQUAL(s->server_workers, 4);
    CU_ASSERT_EQUAL(s->server_drain_timeout_ms, 300000);
    CU_ASSERT_EQUAL(s->storage_reserve_bytes, 65536);
    CU_ASSERT_EQUAL(s->blobs_max_bytes, 5 << 20);
    CU_ASSERT_TRUE(s->http_allow_proxy);
    CU_ASSERT_EQUAL(s->log_level, 3);
    CU_ASSERT_EQUAL(s->log_access, LOG_ACCESS_ALL);
    CU_ASSERT_EQUAL(s->lists_max_page, 1000);
    settings_unref(s);
}

static void test_units(void)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } times[] = {{"0s", 0}, {"7ms", 7}, {"007s", 7000}, {"2m", 120000}, {"1h", 3600000}};
    static const char *const wrong[] = {"30", "s", "1.5s", "-1s", "1 s", "1S", "1w", "''", "1ss"};
    char text[100];

    for (size_t i = 0; i < ARRAY_LENGTH(times); i++) {
        const struct settings *s;

        snprintf(text, sizeof(text), "server:\n  drain_timeout: %s\n", times[i].text);
        s = load(text);
        CU_ASSERT_EQUAL(s->server_drain_timeout_ms, times[i].ms);
        settings_unref(s);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        snprintf(text, sizeof(text), "server:\n  drain_timeout: %s\n", wrong[i]);
        check_refused(text, "f:2:18: server.drain_timeout must be a time with its unit");
    }
    check_refused("blobs:\n  max_size: 64K\n", "f:2:13: blobs.max_size must be a size like 65536");
    check_refused("blobs:\n  max_size: 64kib\n", "must be a size like");
    check_refused("server:\n  workers: 4KiB\n",
                  "server.workers must be a whole number, not '4KiB'");
}

static void test_ranges(void)
{
    const struct settings *s = load("http: {max_head: 60KiB, max_fields: 8}\n");

    CU_ASSERT_EQUAL(s->http_max_head_bytes, 60 << 10);
    CU_ASSERT_EQUAL(s->http_max_fields, 8);
    settings_unref(s);
    check_refused("http:\n  max_head: 61KiB\n",
                  "f:2:13: http.max_head must be from 1KiB to 60KiB, not '61KiB'");
    check_refused("http:\n  max_head: 1023\n", "from 1KiB to 60KiB, not '1023'");
    check_refused("http: {max_fields: 7}\n", "f:1:20: http.max_fields must be from 8 to 1000");
    check_refused("http: {idle_timeout: 99ms}\n", "must be from 100ms to 1d, not '99ms'");
    check_refused("blobs: {max_size: 99999999999999999999}\n", "must be from 1KiB to 16TiB");
    check_refused("blobs: {max_size: 16777217TiB}\n",
                  "must be from 1KiB to 16TiB"); /* 2^64 + 2^40 */
    check_refused("http: {max_connections: 18446744073709551616}\n", "must be from 1 to 1000000");
}

static void test_unknown(void)
{
    check_refused("server:\n  listn: 1\n",
                  "f:2:3: unknown key 'server.listn'; did you mean 'server.listen'?");
    check_refused("server: {wrokers: 1}\n", "did you mean 'server.workers'?");
    check_refused("server: {max_head: 1}\n", "did you mean 'http.max_head'?");
    check_refused("log:\n  level: info\nsevrer:\n  listen: x\n",
                  "f:3:1: unknown section 'sevrer'; did you mean 'server'?");
    check_refused("server.listen: x\n",
                  "f:1:1: unknown section 'server.listen'; did you mean 'server.listen'? A key");
    check_refused("listen: x\n", "unknown section 'listen'; did you mean 'server.listen'?");
    check_refused("server: {zzz: 1}\n", "f:1:10: unknown key 'server.zzz'");
    check_refused("\"\\e[2J\": 1\n", "f:1:1: unknown section '?[2J'");
    CU_ASSERT_PTR_NULL(setting_find_similar(SLICE("server"), SLICE("zzz")));
    CU_ASSERT_PTR_NULL(setting_find_similar(SLICE("qqqqqqq"), SLICE("")));
    CU_ASSERT_STRING_EQUAL(setting_find_similar(SLICE("https"), SLICE("max_haed")),
                           "http.max_head");
}

static void test_wrong_shape(void)
{
    check_refused("- a\n", "f:1:1: the file must have sections");
    check_refused("text\n", "f:1:1: the file must have sections");
    check_refused("server: 5\n", "f:1:9: the section 'server' must have keys below it");
    check_refused("server: [listen]\n", "the section 'server' must have keys");
    check_refused("server: {listen: [a, b]}\n", "server.listen must be one text, not a list");
    check_refused("server: {workers: [1]}\n", "server.workers must be one value, not a list");
    check_refused("server: {workers: {a: 1}}\n", "server.workers must be one value, not a section");
    check_refused("server: {workers: '1'}\n", "must be a whole number, not text in quotes");
    check_refused("http: {allow_proxy: 'true'}\n", "must be true or false, not text in quotes");
    check_refused("http: {allow_proxy: yes}\n", "must be true or false, not 'yes'");
    check_refused("log: {level: fatal}\n", "must be one of debug, info, warn, error, not 'fatal'");
    check_refused("server:\n  workers:\n", "f:2:11: server.workers has no value");
    check_refused("storage: {path: ~}\n", "storage.path has no value");
    check_refused("storage: {path: ''}\n", "storage.path must not be empty");
    check_refused("storage: {path: \"a\\tb\"}\n", "without control characters");
    check_refused("storage: {path: \"a\\u0085b\"}\n", "without control characters");
    check_refused("log: {level: info}\nlog: {level: warn}\n", "f:2:1: key 'log' is there twice");
    check_refused("log: [\n", "f:2:1: ");
}

static void test_listen(void)
{
    static const char *const good[] = {"127.0.0.1:5000", "[::1]:5000", "0.0.0.0:0",
                                       "[::]:65535,127.0.0.1:80", "1.2.3.4:0,1.2.3.4:0"};
    static const char *const bad[] = {
        "5000",       ":5000",           "*:5000",        "localhost:5000",
        "::1:5000",   "127.0.0.1",       "[::1]",         "127.0.0.1:65536",
        "127.0.0.1:", "127.0.0.1:+1",    "1.2.3:5",       "[1.2.3.4]:1",
        "[::1:5",     "127.0.0.1:5000,", "a,127.0.0.1:1", "1.2.3.4:5,1.2.3.4:5",
        ",",          "127.0.0.1:1 2"};
    struct fault fault = FAULT_INIT;
    struct buf out;

    buf_init(&out, 1000);
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        buf_reset(&out);
        CU_ASSERT_EQUAL(setting_check_listen(slice_from_cstr(good[i]), &out, &fault), 0);
        CU_ASSERT_TRUE(slice_eq(buf_slice(&out), slice_from_cstr(good[i])));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        buf_reset(&out);
        CU_ASSERT_EQUAL(setting_check_listen(slice_from_cstr(bad[i]), &out, &fault), ERR_CONFIG);
        CU_ASSERT_NOT_EQUAL(fault.text[0], '\0');
    }
    buf_fini(&out);
    check_refused("server: {listen: ':5000'}\n",
                  "write 127.0.0.1:5000 or [::1]:5000; all addresses");
    const struct settings *s = load("server: {listen: ' 1.2.3.4:5 , [::1]:6'}\n");
    CU_ASSERT_STRING_EQUAL(s->server_listen, "1.2.3.4:5,[::1]:6");
    settings_unref(s);
}

static void check_environment(char *variable, const char *reason)
{
    char *environment[] = {variable, NULL};
    struct settings values = {.server_workers = 1};
    struct fault fault = FAULT_INIT;
    struct arena arena;

    arena_init(&arena, 10000);
    if (reason) {
        CU_ASSERT_EQUAL(settings_apply_environment(environment, &arena, &values, &fault),
                        ERR_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, reason));
        if (!strstr(fault.text, reason))
            printf("# '%s', not '%s'\n", fault.text, reason);
    } else {
        CU_ASSERT_EQUAL(settings_apply_environment(environment, &arena, &values, &fault), 0);
        CU_ASSERT_EQUAL(fault.code, 0);
        CU_ASSERT_EQUAL(values.server_workers, 1);
    }
    arena_fini(&arena);
}

static void test_environment(void)
{
    char variables[][64] = {"OTHER=1", "TIDEMARK_SERVER_CPU_THREADS=3", "TIDEMARK_LOG_FORMAT=json",
                            "TIDEMARK_STORAGE_PATH=/a=b"};
    char *environment[] = {variables[0], variables[1], variables[2], variables[3], NULL};
    struct settings values;
    struct arena arena;

    memset(&values, 0, sizeof(values));
    arena_init(&arena, 10000);
    CU_ASSERT_EQUAL(settings_apply_environment(environment, &arena, &values, NULL), 0);
    CU_ASSERT_EQUAL(values.server_cpu_threads, 3);
    CU_ASSERT_EQUAL(values.log_format, 1);
    CU_ASSERT_STRING_EQUAL(values.storage_path, "/a=b");
    arena_fini(&arena);
}

static void test_environment_mistakes(void)
{
    static const struct {
        const char *variable, *reason;
    } cases[] = {
        {"TIDEMARK_SERVER_LISTN=x",
         "'TIDEMARK_SERVER_LISTN': there is no key 'listn' in the section "
         "'server'; did you mean 'TIDEMARK_SERVER_LISTEN'?"},
        {"TIDEMARK_SERVER_WORKERS=many",
         "environment variable TIDEMARK_SERVER_WORKERS: server.workers must be a whole number"},
        {"TIDEMARK_SERVER_WORKERS=257", "must be from 0 to 256"},
        {"TIDEMARK_SERVER_WORKERS=", "must be a whole number"},
        {"TIDEMARK_SERVER_WORKERS", "must be a whole number"},
        {"TIDEMARK_LOG_=1", "there is no key '' in the section 'log'"},
        {"TIDEMARK_STORAGE_PATH=a\xff", "must be UTF-8"},
        {"TIDEMARK_SERVER_PORT=80", "there is no key 'port' in the section 'server'"},
        {"TIDEMARK_X=1", NULL},
        {"TIDEMARK_SERVER=1", NULL},
        {"TIDEMARK_LOGIN_USER=1", NULL},
        {"TIDEMARK_=1", NULL},
        {"tidemark_server_workers=3", NULL},
        {"TIDEMARK_SERVER_SERVICE_HOST=10.0.0.1", NULL},
        {"TIDEMARK_SERVER_SERVICE_PORT_HTTP=80", NULL},
        {"TIDEMARK_SERVER_PORT=tcp://10.0.0.1:80", NULL},
        {"TIDEMARK_SERVER_PORT_80_TCP_ADDR=10.0.0.1", NULL},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char *variable = xstrdup(cases[i].variable);

        check_environment(variable, cases[i].reason);
        free(variable);
    }
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    CU_ASSERT_EQUAL(fclose(file), 0);
}

static void test_order(void)
{
    char path[] = "/tmp/test_settings_XXXXXX";
    const struct settings_overrides overrides = {.data = "./here"};
    const struct settings *s;
    int fd = mkstemp(path);

    CU_ASSERT_TRUE_FATAL(fd >= 0);
    close(fd);
    write_file(path, "server: {listen: 127.0.0.1:1, workers: 1, io_threads: 1}\n"
                     "storage: {path: /file}\n");
    setenv("TIDEMARK_SERVER_WORKERS", "2", 1);
    setenv("TIDEMARK_STORAGE_PATH", "/environment", 1);
    CU_ASSERT_EQUAL(settings_load(path, &overrides, &s, NULL), 0);
    CU_ASSERT_EQUAL(s->server_io_threads, 1);
    CU_ASSERT_EQUAL(s->server_workers, 2);
    CU_ASSERT_STRING_EQUAL(s->storage_path, "./here");
    CU_ASSERT_STRING_EQUAL(s->server_listen, "127.0.0.1:1");
    CU_ASSERT_EQUAL(s->lists_max_page, 1000);
    settings_unref(s);
    unsetenv("TIDEMARK_SERVER_WORKERS");
    CU_ASSERT_EQUAL(settings_load(NULL, NULL, &s, NULL), 0);
    CU_ASSERT_STRING_EQUAL(s->storage_path, "/environment");
    CU_ASSERT_EQUAL(s->server_workers, 0);
    settings_unref(s);
    unsetenv("TIDEMARK_STORAGE_PATH");
    unlink(path);
}

static void test_load_mistakes(void)
{
    const struct settings_overrides listen = {.listen = "5000"};
    const struct settings_overrides data = {.data = ""};
    const struct settings *s;
    struct fault fault = FAULT_INIT;
    int err;

    err = settings_load("/nonexistent/t.yaml", NULL, &s, &fault);
    check_fault(err, s, &fault, "cannot read /nonexistent/t.yaml: No such file");
    err = settings_load("/tmp", NULL, &s, &fault);
    check_fault(err, s, &fault, "cannot read /tmp: Is a directory");
    err = settings_load("/dev/zero", NULL, &s, &fault);
    check_fault(err, s, &fault, "/dev/zero: the document has 1048577 bytes");
    err = settings_load(NULL, &listen, &s, &fault);
    check_fault(err, s, &fault, "option --listen: server.listen '5000' is no address and port");
    err = settings_load(NULL, &data, &s, &fault);
    check_fault(err, s, &fault, "option --data: storage.path must not be empty");
}

static void test_needs_restart(void)
{
    const struct settings *a = load("");
    const struct settings *b = load("log: {level: debug}\ntrash: {grace: 1d}\n");
    const struct settings *c = load("server: {workers: 3}\n");
    const struct settings *d = load("storage: {path: /else}\nlog: {level: debug}\n");

    CU_ASSERT_PTR_NULL(settings_needs_restart(a, a));
    CU_ASSERT_PTR_NULL(settings_needs_restart(a, b));
    CU_ASSERT_STRING_EQUAL(settings_needs_restart(a, c), "server.workers");
    CU_ASSERT_STRING_EQUAL(settings_needs_restart(c, a), "server.workers");
    CU_ASSERT_STRING_EQUAL(settings_needs_restart(b, d), "storage.path");
    settings_unref(a);
    settings_unref(b);
    settings_unref(c);
    settings_unref(d);
}

static void test_reload(void)
{
    const struct settings *running = load("server: {workers: 3}\nlog: {level: warn}\n");
    const struct settings_overrides overrides = {.data = "/else", .listen = "127.0.0.1:7"};
    const struct settings *s;
    const char *key = NULL;

    CU_ASSERT_EQUAL_FATAL(settings_reload(NULL, &overrides, running, &s, &key, NULL), 0);
    CU_ASSERT_STRING_EQUAL(key, "server.listen");
    CU_ASSERT_EQUAL(s->server_workers, 3);
    CU_ASSERT_STRING_EQUAL(s->storage_path, running->storage_path);
    CU_ASSERT_STRING_EQUAL(s->server_listen, running->server_listen);
    CU_ASSERT_EQUAL(s->log_level, 1); /* this one may change: back to its default */
    CU_ASSERT_PTR_NULL(settings_needs_restart(running, s));
    settings_unref(running);
    settings_unref(s);
}

static void check_round_trip(const char *text)
{
    const struct settings *s = load(text);
    const struct settings *again;
    struct buf first, second;
    char *dump;

    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    settings_dump(s, &first);
    CU_ASSERT_FALSE(first.overflow);
    dump = buf_take(&first, NULL);
    again = load(dump);
    for (size_t i = 0; i < settings_table_n; i++)
        CU_ASSERT_TRUE(setting_eq(&settings_table[i], s, again));
    settings_dump(again, &second);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&second), slice_from_cstr(dump)));
    for (size_t i = 0; i < settings_table_n; i++)
        CU_ASSERT_PTR_NOT_NULL(strstr(dump, settings_table[i].key));
    free(dump);
    buf_fini(&first);
    buf_fini(&second);
    settings_unref(s);
    settings_unref(again);
}

static void test_dump(void)
{
    check_round_trip("");
    check_round_trip("storage: {path: \"/a \\\"b\\\" \\\\ #'\\u00e9\\u2028\\ufffe\\U0001f600\"}\n"
                     "http: {head_timeout: 1500ms, max_head: 1025, allow_proxy: true}\n"
                     "server: {listen: '[::1]:0,127.0.0.1:1', drain_timeout: 0s}\n"
                     "log: {access: off, format: text}\n"
                     "blobs: {max_size: 3GiB}\nuploads: {expire: 36h}\n");
}

static void test_dump_text(void)
{
    const struct settings *s = load("storage: {path: /d, reserve: 0}\nlog: {access: off}\n");
    struct buf out;
    char *text;

    buf_init(&out, 1 << 20);
    settings_dump(s, &out);
    text = buf_take(&out, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "storage:\n  path: \"/d\"\n  reserve: 0\nindex:\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "  drain_timeout: 30s\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "  access: \"off\"\n"));
    free(text);
    settings_unref(s);
}

static void test_schema(void)
{
    const struct json_limits limits = {.max_depth = 16, .max_values = 10000};
    const struct json *sections;
    struct json *root;
    struct arena arena;
    struct buf out;

    arena_init(&arena, 4 << 20);
    buf_init(&out, 1 << 20);
    settings_schema(&out);
    CU_ASSERT_EQUAL(json_parse(&arena, buf_slice(&out), &limits, &root, NULL), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    sections = json_member(root, SLICE("properties"));
    for (size_t i = 0; i < settings_table_n; i++) {
        const struct setting *setting = &settings_table[i];
        const struct json *section = json_member(sections, slice_from_cstr(setting->section));
        const struct json *key =
            json_member(json_member(section, SLICE("properties")), slice_from_cstr(setting->key));
        const struct json *closed = json_member(section, SLICE("additionalProperties"));

        CU_ASSERT_PTR_NOT_NULL_FATAL(key);
        CU_ASSERT_PTR_NOT_NULL(json_member(key, SLICE("default")));
        CU_ASSERT_TRUE(
            slice_eq(json_member(key, SLICE("description"))->text, slice_from_cstr(setting->help)));
        CU_ASSERT_EQUAL(json_member(key, SLICE("x-reloadable"))->boolean, setting->is_reloadable);
        CU_ASSERT_TRUE(closed && closed->type == JSON_BOOL && !closed->boolean);
    }
    buf_fini(&out);
    arena_fini(&arena);
}

static void *use_snapshot(void *arg)
{
    const struct settings *s = arg;

    for (int i = 0; i < 1000; i++) {
        CU_ASSERT_PTR_EQUAL(settings_ref(s), s);
        settings_unref(s);
    }
    settings_unref(s);
    return NULL;
}

static void test_references(void)
{
    const struct settings *s = load("");
    pthread_t threads[4];

    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++) {
        void *arg = (void *)(uintptr_t)settings_ref(s);

        CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, use_snapshot, arg), 0);
    }
    settings_unref(s);
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        pthread_join(threads[i], NULL);
    settings_unref(NULL);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("settings", NULL, NULL);

    CU_add_test(suite, "defaults", test_defaults);
    CU_add_test(suite, "table", test_table);
    CU_add_test(suite, "every type", test_every_type);
    CU_add_test(suite, "units", test_units);
    CU_add_test(suite, "ranges", test_ranges);
    CU_add_test(suite, "unknown names", test_unknown);
    CU_add_test(suite, "wrong shape", test_wrong_shape);
    CU_add_test(suite, "listen", test_listen);
    CU_add_test(suite, "environment", test_environment);
    CU_add_test(suite, "environment, mistakes", test_environment_mistakes);
    CU_add_test(suite, "order of sources", test_order);
    CU_add_test(suite, "load, mistakes", test_load_mistakes);
    CU_add_test(suite, "needs_restart", test_needs_restart);
    CU_add_test(suite, "reload", test_reload);
    CU_add_test(suite, "dump loads back", test_dump);
    CU_add_test(suite, "dump", test_dump_text);
    CU_add_test(suite, "schema", test_schema);
    CU_add_test(suite, "references", test_references);
}
