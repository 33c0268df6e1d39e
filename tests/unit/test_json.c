/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/json.h"
#include "base/mem.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct json_limits limits = {.max_depth = 32, .max_values = 10000};

static struct arena arena;

static int set_up(void)
{
    arena_init(&arena, 64 << 20);
    return 0;
}

static int tear_down(void)
{
    arena_fini(&arena);
    return 0;
}

static const struct json *parse(struct slice text)
{
    struct fault fault = FAULT_INIT;
    struct json *root;
    int err = json_parse(&arena, text, &limits, &root, &fault);

    CU_ASSERT_EQUAL(err, 0);
    if (err < 0)
        printf("# " SLICE_FMT ": %s\n", SLICE_ARG(text), fault.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    CU_ASSERT_EQUAL(fault.code, 0);
    return root;
}

static void check_refused(struct slice text, int code, const char *reason)
{
    struct fault fault = FAULT_INIT;
    struct json *root = (struct json *)&fault;
    int err = json_parse(&arena, text, &limits, &root, &fault);

    CU_ASSERT_EQUAL(err, code);
    CU_ASSERT_EQUAL(fault.code, code);
    CU_ASSERT_PTR_NULL(root);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, reason));
    if (!strstr(fault.text, reason))
        printf("# " SLICE_FMT ": %s\n", SLICE_ARG(text), fault.text);
    CU_ASSERT_EQUAL(json_parse(&arena, text, &limits, &root, NULL), code);
}

/* --- Reading --------------------------------------------------------------------------------- */

static void test_scalars(void)
{
    CU_ASSERT_EQUAL(parse(SLICE("null"))->type, JSON_NULL);
    CU_ASSERT_EQUAL(parse(SLICE(" true\n"))->type, JSON_BOOL);
    CU_ASSERT_TRUE(parse(SLICE("true"))->boolean);
    CU_ASSERT_FALSE(parse(SLICE("false"))->boolean);
    CU_ASSERT_EQUAL(parse(SLICE("\"\""))->type, JSON_STRING);
    CU_ASSERT_EQUAL(parse(SLICE("\"\""))->text.n, 0);
    CU_ASSERT_PTR_NOT_NULL(parse(SLICE("\"\""))->text.p);
    CU_ASSERT_EQUAL(parse(SLICE("7"))->type, JSON_INTEGER);
}

static void check_integer(const char *text, int64_t expected)
{
    const struct json *value = parse(slice_from_cstr(text));

    CU_ASSERT_EQUAL(value->type, JSON_INTEGER);
    CU_ASSERT_EQUAL(value->integer, expected);
    CU_ASSERT_TRUE(slice_eq(value->text, slice_from_cstr(text)));
}

static void check_number(const char *text)
{
    const struct json *value = parse(slice_from_cstr(text));

    CU_ASSERT_EQUAL(value->type, JSON_NUMBER);
    CU_ASSERT_TRUE(slice_eq(value->text, slice_from_cstr(text)));
}

static void test_numbers(void)
{
    check_integer("0", 0);
    check_integer("-0", 0);
    check_integer("-1", -1);
    check_integer("9223372036854775807", INT64_MAX);
    check_integer("-9223372036854775808", INT64_MIN);
    check_number("9223372036854775808");
    check_number("-9223372036854775809");
    check_number("18446744073709551615");
    check_number("123456789012345678901234567890123456789012345678901234567890");
    check_number("1.0");
    check_number("1e2");
    check_number("-1.5E-300");
    check_number("1e999999");
}

static void test_number_grammar(void)
{
    static const char *const bad[] = {"-",  "01", "-01", "1.",  ".5",  "+1",   "1e",  "1e+",
                                      "0x", "1a", "NaN", "--1", "1.e", "1.2.", "1_0", "Infinity"};

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        check_refused(slice_from_cstr(bad[i]), ERR_SYNTAX, "line 1, column ");
}

static void test_strings(void)
{
    CU_ASSERT_TRUE(slice_eq(parse(SLICE("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\""))->text,
                            SLICE("a\"\\/\b\f\n\r\tz")));
    CU_ASSERT_TRUE(
        slice_eq(parse(SLICE("\"\\u0041\\u00e9\\u20AC\""))->text, SLICE("A\xc3\xa9\xe2\x82\xac")));
    CU_ASSERT_TRUE(slice_eq(parse(SLICE("\"\\ud83d\\uDCA9\""))->text, SLICE("\xf0\x9f\x92\xa9")));
    CU_ASSERT_TRUE(slice_eq(parse(SLICE("\"a\\u0000b\""))->text, SLICE("a\0b")));
    CU_ASSERT_TRUE(
        slice_eq(parse(SLICE("\"\xf0\x9f\x92\xa9\x7f\""))->text, SLICE("\xf0\x9f\x92\xa9\x7f")));
    CU_ASSERT_TRUE(slice_eq(parse(SLICE("\"\\\\ud800\""))->text, SLICE("\\ud800")));
}

static void test_strings_refused(void)
{
    check_refused(SLICE("\"abc"), ERR_SYNTAX, "line 1, column 1: the string that begins here");
    check_refused(SLICE("[\n \"abc\\\"]"), ERR_SYNTAX, "line 2, column 2: the string that");
    check_refused(SLICE("\""), ERR_SYNTAX, "no end");
    check_refused(SLICE("\"\\"), ERR_SYNTAX, "no end");
    check_refused(SLICE("\"\\u12"), ERR_SYNTAX, "no end");
    check_refused(SLICE("\"\\u12\""), ERR_SYNTAX, "hex");
    check_refused(SLICE("\"\\x41\""), ERR_SYNTAX, "may not");
    check_refused(SLICE("\"\\U0041\""), ERR_SYNTAX, "may not");
    check_refused(SLICE("\"a\nb\""), ERR_SYNTAX, "invalid character inside string");
    check_refused(SLICE("\"a\0b\""), ERR_SYNTAX, "invalid character inside string");
    check_refused(SLICE("\"\x1f\""), ERR_SYNTAX, "invalid character inside string");
    check_refused(SLICE("'a'"), ERR_SYNTAX, "invalid char");
}

static void test_surrogates(void)
{
    check_refused(SLICE("\"\\ud800\""), ERR_SYNTAX, "line 1, column 2: half of a surrogate pair");
    check_refused(SLICE("\"\\udc00\""), ERR_SYNTAX, "half");
    check_refused(SLICE("\"\\ud800\\u0041\""), ERR_SYNTAX, "half");
    check_refused(SLICE("\"\\ud800\\ud800\""), ERR_SYNTAX, "half");
    check_refused(SLICE("\"\\ud800x\\udc00\""), ERR_SYNTAX, "half");
    check_refused(SLICE("\"\\ud800\\"), ERR_SYNTAX, "half");
    check_refused(SLICE("\"\\ud800"), ERR_SYNTAX, "half");
    check_refused(SLICE("{\"\\uDFFF\":1}"), ERR_SYNTAX, "half");
}

static void test_utf8(void)
{
    check_refused(SLICE("\"\xff\""), ERR_SYNTAX, "line 1, column 2: not valid UTF-8");
    check_refused(SLICE("\"\xc0\x80\""), ERR_SYNTAX, "not valid UTF-8");
    check_refused(SLICE("\"\xed\xa0\x80\""), ERR_SYNTAX, "not valid UTF-8");
    check_refused(SLICE("\"\xf5\x80\x80\x80\""), ERR_SYNTAX, "not valid UTF-8");
    check_refused(SLICE("[\"\xc3\xa9\",\n\"\xc3\xa9\xe2\x82\"]"), ERR_SYNTAX, "line 2, column 3:");
    check_refused(SLICE("\xff\xfe{\0}\0"), ERR_SYNTAX, "not valid UTF-8");
    check_refused(SLICE("\xef\xbb\xbf{}"), ERR_SYNTAX, "invalid char"); /* byte order mark */
}

static void test_syntax(void)
{
    static const char *const bad[] = {
        " ",
        "\n",
        "{",
        "[",
        "}",
        "]",
        "{]",
        "[}",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,,2]",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{\"a\" 1}",
        "{\"a\",1}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{1:1}",
        "{null:1}",
        "{[]:1}",
        "tru",
        "True",
        "nul",
        "truex",
        "[tru",
        "[1}",
        "[1]]",
        "{}}",
        "{} {}",
        "1 2",
        "1,",
        "{}x",
        "null null",
        "{}\"a\"",
        "[] -",
        "{} tru",
        "/* c */ 1",
        "1 // c",
        "[1 /* c */]",
        "# c\n1",
        ":",
        ",",
        "[:]",
        "[\"a\":1]",
        "\v1",
        "1\f",
        "[1,\v2]",
        "[\xc2\xa0]",
        "\\",
        "{\"a\":}",
        "{:1}",
        "[1]\x01",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        check_refused(slice_from_cstr(bad[i]), ERR_SYNTAX, "line ");
    check_refused(SLICE(""), ERR_SYNTAX, "line 1, column 1: the document is empty");
    check_refused(slice_make(NULL, 0), ERR_SYNTAX, "empty");
    check_refused(SLICE("1\0"), ERR_SYNTAX, "line 1");
    check_refused(SLICE("[1]\0"), ERR_SYNTAX, "line 1");
}

static void test_positions(void)
{
    check_refused(SLICE("{\n  \"a\": 1,\n}"), ERR_SYNTAX, "line 3, column 1: ");
    check_refused(SLICE("[1,\n2,\n\"\xc3\xa9\" ]]"), ERR_SYNTAX, "line 3, column 6: trailing");
    check_refused(SLICE("[1,\n"), ERR_SYNTAX, "line 2, column 1: premature EOF");
}

static void test_tree(void)
{
    struct slice text =
        SLICE(" {\"a\": [1, [], {\"b\":null}], \"\": {}, \"a\\u0062\" : true, \"d\":\"x\"} ");
    const struct json *root = parse(text);
    const struct json *a = json_member(root, SLICE("a"));
    const struct json *b = a->first->next->next;

    CU_ASSERT_EQUAL(root->type, JSON_OBJECT);
    CU_ASSERT_EQUAL(root->count, 4);
    CU_ASSERT_PTR_NULL(root->next);
    CU_ASSERT_EQUAL(root->begin, 1);
    CU_ASSERT_EQUAL(root->end, text.n - 1);
    CU_ASSERT_PTR_EQUAL(a, root->first);
    CU_ASSERT_EQUAL(a->count, 3);
    CU_ASSERT_EQUAL(a->first->integer, 1);
    CU_ASSERT_EQUAL(a->first->name.n, 0);
    CU_ASSERT_EQUAL(a->first->next->type, JSON_ARRAY);
    CU_ASSERT_EQUAL(a->first->next->count, 0);
    CU_ASSERT_TRUE(
        slice_eq(slice_sub(text, a->begin, a->end - a->begin), SLICE("[1, [], {\"b\":null}]")));
    CU_ASSERT_TRUE(slice_eq(slice_sub(text, b->begin, b->end - b->begin), SLICE("{\"b\":null}")));
    CU_ASSERT_PTR_NULL(b->next);
    CU_ASSERT_EQUAL(json_member(root, SLICE(""))->type, JSON_OBJECT);
    CU_ASSERT_TRUE(json_member(root, SLICE("ab"))->boolean);
    CU_ASSERT_EQUAL(json_member(root, SLICE("ab"))->next->type, JSON_STRING);
    CU_ASSERT_PTR_NULL(json_member(root, SLICE("b")));
    CU_ASSERT_PTR_NULL(json_member(a, SLICE("")));
    CU_ASSERT_PTR_NULL(json_member(NULL, SLICE("a")));
}

static void test_duplicates(void)
{
    check_refused(SLICE("{\"a\":1,\"a\":1}"), ERR_SYNTAX, "member \"a\" is there twice");
    check_refused(SLICE("{\"a\":1,\"\\u0061\":2}"), ERR_SYNTAX, "\"a\" is there twice");
    check_refused(SLICE("{\"\":1,\"\":2}"), ERR_SYNTAX, "\"\" is there twice");
    check_refused(SLICE("[{\"b\":{\"x\":1,\n\"y\":2,\"x\":{}}}]"), ERR_SYNTAX,
                  "line 2, column 11: member \"x\"");
    check_refused(SLICE("{\"a\\u0000b\":1,\"a\\u0000b\":2}"), ERR_SYNTAX, "twice");
    (void)parse(SLICE("{\"a\\u0000b\":1,\"a\\u0000c\":2,\"a\":{\"a\":1}}"));
    (void)parse(SLICE("[{\"a\":1},{\"a\":1}]"));
}

/* `count` members; the last is called like the one at `same` (none when same == count). */
static struct slice large_object(struct buf *out, unsigned count, unsigned same)
{
    buf_reset(out);
    for (unsigned i = 0; i < count; i++)
        buf_addf(out, "%c\"%s%05u\":%u", i ? ',' : '{', "common prefix of all ", i, i);
    buf_addf(out, ",\n\"common prefix of all %05u\":0}", same);
    return buf_slice(out);
}

static void test_duplicates_among_many(void)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    for (unsigned count = 5; count <= 12; count++) { /* around the change of method */
        (void)parse(large_object(&out, count, count));
        for (unsigned same = 0; same < count; same++)
            check_refused(large_object(&out, count, same), ERR_SYNTAX, "line 2, column ");
    }
    (void)parse(large_object(&out, 5000, 5000));
    check_refused(large_object(&out, 5000, 1234), ERR_SYNTAX, "01234\" is there twice");
    buf_fini(&out);
}

static void test_long_duplicate_is_cut_at_a_character(void)
{
    struct fault fault = FAULT_INIT;
    struct json *root;
    struct buf out;

    buf_init(&out, 1 << 20);
    for (int round = 0; round < 2; round++) {
        buf_add_char(&out, round ? ',' : '{');
        buf_add_char(&out, '"');
        buf_add_char(&out, 'x');
        for (int i = 0; i < 500; i++)
            buf_add(&out, SLICE("\xe2\x82\xac"));
        buf_add(&out, SLICE("\":1"));
    }
    buf_add_char(&out, '}');
    CU_ASSERT_EQUAL(json_parse(&arena, buf_slice(&out), &limits, &root, &fault), ERR_SYNTAX);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "\xe2\x82\xac\" is there twice"));
    buf_fini(&out);
}

static void test_depth_limit(void)
{
    struct json_limits three = {.max_depth = 3, .max_values = 100};
    struct json_limits none = {.max_depth = 0, .max_values = 100};
    struct fault fault = FAULT_INIT;
    struct json *root;

    CU_ASSERT_EQUAL(json_parse(&arena, SLICE("[[[1]],{\"a\":[]}]"), &three, &root, &fault), 0);
    CU_ASSERT_EQUAL(json_parse(&arena, SLICE("[[[\n[]]]]"), &three, &root, &fault), ERR_LIMIT);
    CU_ASSERT_STRING_EQUAL(fault.text, "line 2, column 1: the document is nested too deeply");
    CU_ASSERT_EQUAL(json_parse(&arena, SLICE("[[{\"a\":{}}]]"), &three, &root, NULL), ERR_LIMIT);
    CU_ASSERT_EQUAL(json_parse(&arena, SLICE("1"), &none, &root, NULL), 0);
    CU_ASSERT_EQUAL(json_parse(&arena, SLICE("[]"), &none, &root, NULL), ERR_LIMIT);
}

static void test_values_limit(void)
{
    struct json_limits few = {.max_depth = 3, .max_values = 4};
    struct fault fault = FAULT_INIT;
    struct json *root;

    CU_ASSERT_EQUAL(json_parse(&arena, SLICE("[1,{\"a\":2}]"), &few, &root, NULL), 0);
    CU_ASSERT_EQUAL(json_parse(&arena, SLICE("[1,{\"a\":2},null]"), &few, &root, &fault),
                    ERR_LIMIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "column 15: the document has too many values"));
    CU_ASSERT_EQUAL(json_parse(&arena, SLICE("[1,2,3,[]]"), &few, &root, NULL), ERR_LIMIT);
    few.max_values = 0;
    CU_ASSERT_EQUAL(json_parse(&arena, SLICE("1"), &few, &root, NULL), ERR_LIMIT);
}

/* Each smaller arena fails in its own place; none may do more than fail. */
static void test_memory_limit(void)
{
    struct slice text = SLICE("{\"a\":[1,\"x\",{\"b\":2}],\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,"
                              "\"6\":1,\"7\":1,\"8\":1,\"9\":1}");
    struct fault fault = FAULT_INIT;
    struct arena small;
    struct json *root;
    size_t max = 0;
    int err;

    do {
        arena_init(&small, max++);
        err = json_parse(&small, text, &limits, &root, &fault);
        arena_fini(&small);
    } while (err == ERR_NO_MEMORY);
    CU_ASSERT_EQUAL(err, 0);
    CU_ASSERT_TRUE(max > 1000);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "bytes of memory"));
}

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* 4 MiB of one kind of nuisance each; quadratic work would take minutes. */
static void test_hostile_sizes(void)
{
    struct json_limits loose = {.max_depth = 1000, .max_values = 10000000};
    static const char *const units[] = {"[",       "{\"a\":", "[],", "\"a\":1,",
                                        "\\u00e9", "1",       " ",   "\\\""};
    static const char *const starts[] = {"", "", "[", "{", "\"", "", "", "\""};
    double before = cpu_seconds();
    struct buf out;

    buf_init(&out, 8 << 20);
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        struct arena big;
        struct json *root;

        arena_init(&big, (size_t)1 << 30);
        buf_reset(&out);
        buf_add(&out, slice_from_cstr(starts[i]));
        while (out.n < 4 << 20)
            buf_add(&out, slice_from_cstr(units[i]));
        (void)!json_parse(&big, buf_slice(&out), &loose, &root, NULL);
        arena_fini(&big);
    }
    /* 300,000 members, all different and long enough alike. */
    buf_reset(&out);
    for (unsigned i = 0; i < 300000; i++)
        buf_addf(&out, "%c\"%07u\":1", i ? ',' : '{', i * 7919u % 10000000);
    buf_add_char(&out, '}');
    CU_ASSERT_FALSE(out.overflow);
    {
        struct arena big;
        struct json *root;

        arena_init(&big, (size_t)1 << 30);
        CU_ASSERT_EQUAL(json_parse(&big, buf_slice(&out), &loose, &root, NULL), 0);
        CU_ASSERT_EQUAL(root->count, 300000);
        arena_fini(&big);
    }
    buf_fini(&out);
    CU_ASSERT_TRUE(cpu_seconds() - before < 30);
}

/* --- Writing --------------------------------------------------------------------------------- */

static void check_written(const struct buf *out, struct slice expected)
{
    CU_ASSERT_FALSE(out->overflow);
    CU_ASSERT_TRUE(slice_eq(buf_slice(out), expected));
    if (!slice_eq(buf_slice(out), expected))
        printf("# wrote " SLICE_FMT "\n", SLICE_ARG(buf_slice(out)));
}

static void test_writer(void)
{
    struct json_writer w;
    struct buf out;

    buf_init(&out, 1000);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_name(&w, SLICE("a"));
    json_array_begin(&w);
    json_u64(&w, 0);
    json_u64(&w, UINT64_MAX);
    json_i64(&w, INT64_MIN);
    json_i64(&w, -1);
    json_i64(&w, INT64_MAX);
    json_array_begin(&w);
    json_array_end(&w);
    json_object_begin(&w);
    json_object_end(&w);
    json_bool(&w, true);
    json_bool(&w, false);
    json_null(&w);
    json_array_end(&w);
    json_name(&w, SLICE("b"));
    json_raw(&w, SLICE("{\"x\":1}"));
    json_name(&w, SLICE("c"));
    json_string(&w, SLICE("d"));
    json_object_end(&w);
    check_written(&out, SLICE("{\"a\":[0,18446744073709551615,-9223372036854775808,-1,"
                              "9223372036854775807,[],{},true,false,null],\"b\":{\"x\":1},"
                              "\"c\":\"d\"}"));
    buf_fini(&out);
}

static void check_string_written(struct slice text, struct slice expected)
{
    struct json_writer w;
    struct buf out;

    buf_init(&out, 1000);
    json_writer_init(&w, &out);
    json_string(&w, text);
    check_written(&out, expected);
    buf_fini(&out);
}

static void test_string_writer(void)
{
    check_string_written(SLICE(""), SLICE("\"\""));
    check_string_written(slice_make(NULL, 0), SLICE("\"\""));
    check_string_written(SLICE("a\"\\/b"), SLICE("\"a\\\"\\\\/b\""));
    check_string_written(SLICE("\b\f\n\r\t"), SLICE("\"\\b\\f\\n\\r\\t\""));
    check_string_written(SLICE("\0\x01\x1f\x7f"), SLICE("\"\\u0000\\u0001\\u001f\x7f\""));
    check_string_written(SLICE("\xc3\xa9\xf0\x9f\x92\xa9"), SLICE("\"\xc3\xa9\xf0\x9f\x92\xa9\""));
}

static void test_invalid_utf8_written(void)
{
    check_string_written(SLICE("a\xff"
                               "b"),
                         SLICE("\"a"
                               "\xef\xbf\xbd"
                               "b\""));
    check_string_written(SLICE("\xe2\x82"), SLICE("\"\xef\xbf\xbd\""));
    check_string_written(SLICE("\xe2\x82\""), SLICE("\"\xef\xbf\xbd\\\"\""));
    check_string_written(SLICE("\xc3\n"), SLICE("\"\xef\xbf\xbd\\n\""));
    check_string_written(SLICE("\xed\xa0\x80"), SLICE("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""));
}

static void test_value_written(void)
{
    struct slice text =
        SLICE("{\"a\":[1,-0,1.50,1E5,\"\\u0000\\\"\",{}],\"\":null,\"t\":true,"
              "\"f\":false,\"big\":123456789012345678901234567890,\"o\":{\"\\n\":[]}}");
    struct json_writer w;
    struct buf out;

    buf_init(&out, 1000);
    json_writer_init(&w, &out);
    json_value(&w, parse(text));
    check_written(&out, text);
    buf_fini(&out);
}

static void test_writer_overflow(void)
{
    struct json_writer w;
    struct buf out;

    buf_init(&out, 10);
    json_writer_init(&w, &out);
    json_array_begin(&w);
    json_string(&w, SLICE("much too long"));
    json_array_end(&w);
    CU_ASSERT_TRUE(out.overflow);
    CU_ASSERT_TRUE(out.n <= 10);
    buf_fini(&out);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("json in", set_up, tear_down);

    CU_add_test(suite, "scalars", test_scalars);
    CU_add_test(suite, "numbers", test_numbers);
    CU_add_test(suite, "number grammar", test_number_grammar);
    CU_add_test(suite, "strings", test_strings);
    CU_add_test(suite, "strings refused", test_strings_refused);
    CU_add_test(suite, "surrogates", test_surrogates);
    CU_add_test(suite, "UTF-8", test_utf8);
    CU_add_test(suite, "syntax", test_syntax);
    CU_add_test(suite, "positions", test_positions);
    CU_add_test(suite, "tree", test_tree);
    CU_add_test(suite, "duplicates", test_duplicates);
    CU_add_test(suite, "duplicates among many", test_duplicates_among_many);
    CU_add_test(suite, "long duplicate", test_long_duplicate_is_cut_at_a_character);
    CU_add_test(suite, "depth limit", test_depth_limit);
    CU_add_test(suite, "values limit", test_values_limit);
    CU_add_test(suite, "memory limit", test_memory_limit);
    CU_add_test(suite, "hostile sizes", test_hostile_sizes);
    suite = CU_add_suite("json out", set_up, tear_down);
    CU_add_test(suite, "writer", test_writer);
    CU_add_test(suite, "strings", test_string_writer);
    CU_add_test(suite, "invalid UTF-8", test_invalid_utf8_written);
    CU_add_test(suite, "parsed value", test_value_written);
    CU_add_test(suite, "overflow", test_writer_overflow);
}
