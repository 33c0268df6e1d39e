/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/yaml.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <string.h>

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

static const struct yaml *parse(struct slice text)
{
    struct fault fault = FAULT_INIT;
    struct yaml *root;
    int err = yaml_parse(&arena, text, &root, &fault);

    CU_ASSERT_EQUAL(err, 0);
    if (err < 0)
        printf("# %s\n", fault.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    CU_ASSERT_EQUAL(fault.code, 0);
    return root;
}

static void check_refused(struct slice text, int code, const char *reason)
{
    struct fault fault = FAULT_INIT;
    struct yaml *root = (struct yaml *)&fault;
    int err = yaml_parse(&arena, text, &root, &fault);

    CU_ASSERT_EQUAL(err, code);
    CU_ASSERT_PTR_NULL(root);
    CU_ASSERT_EQUAL(fault.code, code);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, reason));
    if (!strstr(fault.text, reason))
        printf("# %s\n", fault.text);
    CU_ASSERT_EQUAL(yaml_parse(&arena, text, &root, NULL), code);
}

static void check_node(const struct yaml *node, const char *key, const char *text, int line,
                       int column)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(node);
    CU_ASSERT_EQUAL(node->type, YAML_SCALAR);
    CU_ASSERT_TRUE(slice_eq(node->key, slice_from_cstr(key)));
    CU_ASSERT_TRUE(slice_eq(node->text, slice_from_cstr(text)));
    CU_ASSERT_EQUAL(node->line, line);
    CU_ASSERT_EQUAL(node->column, column);
}

static void test_tree(void)
{
    const struct yaml *root = parse(SLICE("# a comment\n"
                                          "listen: 127.0.0.1:5000\n"
                                          "uploads:\n"
                                          "  buffer_total: 64MiB   # and one here\n"
                                          "  'quoted key': \"a\\tb\"\n"
                                          "list:\n"
                                          "  - one\n"
                                          "  - [two, {three: 3}]\n"
                                          "nothing:\n"));
    const struct yaml *node = root->first;

    CU_ASSERT_EQUAL(root->type, YAML_MAPPING);
    CU_ASSERT_EQUAL(root->line, 2);
    CU_ASSERT_EQUAL(root->column, 1);
    check_node(node, "listen", "127.0.0.1:5000", 2, 9);
    CU_ASSERT_EQUAL(node->key_line, 2);
    CU_ASSERT_EQUAL(node->key_column, 1);
    CU_ASSERT_FALSE(node->quoted);
    node = node->next;
    CU_ASSERT_EQUAL(node->type, YAML_MAPPING);
    CU_ASSERT_TRUE(slice_eq(node->key, SLICE("uploads")));
    CU_ASSERT_EQUAL(node->key_line, 3);
    CU_ASSERT_EQUAL(node->line, 4);
    check_node(node->first, "buffer_total", "64MiB", 4, 17);
    check_node(node->first->next, "quoted key", "a\tb", 5, 17);
    CU_ASSERT_TRUE(node->first->next->quoted);
    CU_ASSERT_PTR_NULL(node->first->next->next);
    node = node->next;
    CU_ASSERT_EQUAL(node->type, YAML_SEQUENCE);
    check_node(node->first, "", "one", 7, 5);
    CU_ASSERT_EQUAL(node->first->key_line, 0);
    CU_ASSERT_EQUAL(node->first->next->type, YAML_SEQUENCE);
    check_node(node->first->next->first, "", "two", 8, 6);
    check_node(node->first->next->first->next->first, "three", "3", 8, 19);
    check_node(node->next, "nothing", "", 9, 9);
    CU_ASSERT_PTR_NULL(node->next->next);
}

static void test_styles(void)
{
    const struct yaml *node = parse(SLICE("a: |\n  one\n  two\nb: >\n  one\n  two\nc: ''\nd: \"\"\n"
                                          "e: '5'\nf: 5\n"))
                                  ->first;

    CU_ASSERT_TRUE(slice_eq(node->text, SLICE("one\ntwo\n")));
    CU_ASSERT_TRUE(node->quoted);
    node = node->next;
    CU_ASSERT_TRUE(slice_eq(node->text, SLICE("one two\n")));
    CU_ASSERT_TRUE(node->quoted);
    node = node->next;
    CU_ASSERT_TRUE(node->quoted && node->text.n == 0);
    node = node->next;
    CU_ASSERT_TRUE(node->quoted && node->text.n == 0);
    node = node->next;
    CU_ASSERT_TRUE(node->quoted && slice_eq(node->text, SLICE("5")));
    node = node->next;
    CU_ASSERT_FALSE(node->quoted);
}

static void test_empty(void)
{
    static const char *const empty[] = {"",           "\n\n", "# only a comment\n", "---\n",
                                        "---\n...\n", "{}",   "--- {}\n",           "\xef\xbb\xbf"};

    for (size_t i = 0; i < ARRAY_LENGTH(empty); i++) {
        const struct yaml *root = parse(slice_from_cstr(empty[i]));

        CU_ASSERT_EQUAL(root->type, YAML_MAPPING);
        CU_ASSERT_PTR_NULL(root->first);
        CU_ASSERT_TRUE(root->line >= 1 && root->column >= 1);
    }
    CU_ASSERT_EQUAL(parse(slice_make(NULL, 0))->type, YAML_MAPPING);
    CU_ASSERT_EQUAL(parse(SLICE("''"))->type, YAML_SCALAR);
    CU_ASSERT_EQUAL(parse(SLICE("~"))->type, YAML_SCALAR);
    CU_ASSERT_EQUAL(parse(SLICE("[]"))->type, YAML_SEQUENCE);
}

static void test_refused_features(void)
{
    check_refused(SLICE("a: &x 1\n"), ERR_SYNTAX, "1:4: anchors");
    check_refused(SLICE("a: &x [1]\n"), ERR_SYNTAX, "1:4: anchors");
    check_refused(SLICE("a:\n  &x b: 1\n"), ERR_SYNTAX, "2:3: anchors");
    check_refused(SLICE("a: &x {b: 1}\n"), ERR_SYNTAX, "1:4: anchors");
    check_refused(SLICE("a: *x\n"), ERR_SYNTAX, "1:4: aliases");
    check_refused(SLICE("*x : 1\n"), ERR_SYNTAX, "1:1: aliases");
    check_refused(SLICE("a: !!int 5\n"), ERR_SYNTAX, "1:4: tags");
    check_refused(SLICE("a: ! 5\n"), ERR_SYNTAX, "1:4: tags");
    check_refused(SLICE("a: !<x> 5\n"), ERR_SYNTAX, "1:4: tags");
    check_refused(SLICE("a: !!map {b: 1}\n"), ERR_SYNTAX, "1:4: tags");
    check_refused(SLICE("a: !!seq [1]\n"), ERR_SYNTAX, "1:4: tags");
    check_refused(SLICE("!!str a: 1\n"), ERR_SYNTAX, "1:1: tags");
    check_refused(SLICE("a: 1\n---\nb: 2\n"), ERR_SYNTAX, "2:1: a second document");
    check_refused(SLICE("---\n---\n"), ERR_SYNTAX, "2:1: a second document");
    check_refused(SLICE("a: 1\n...\n---\nb: 1\n"), ERR_SYNTAX, "3:1: a second document");
    check_refused(SLICE("? [a, b]\n: 1\n"), ERR_SYNTAX, "1:3: a key must be a word");
    check_refused(SLICE("{{a: 1}: 2}"), ERR_SYNTAX, "1:2: a key must be a word");
    check_refused(SLICE("a: \"x\\0y\"\n"), ERR_SYNTAX, "1:4: NUL");
    check_refused(SLICE("\"a\\0\": 1\n"), ERR_SYNTAX, "1:1: NUL");
}

static void test_syntax(void)
{
    check_refused(SLICE("a: 1\n b: 2\n"), ERR_SYNTAX, "2:3: mapping values are not allowed");
    check_refused(SLICE("a: [1, 2\n"), ERR_SYNTAX,
                  "did not find expected ',' or ']', while parsing");
    check_refused(SLICE("a: \"x\n"), ERR_SYNTAX, "2:1: found unexpected end of stream");
    check_refused(SLICE("a:\n\tb: 1\n"), ERR_SYNTAX, "2:1: ");
    check_refused(SLICE("a: @x\n"), ERR_SYNTAX, "1:4: found character that cannot start any token");
    check_refused(SLICE("a: 1\nb\n"), ERR_SYNTAX, "3:1: could not find expected ':'");
    check_refused(SLICE("a: \"\\ud800\"\n"), ERR_SYNTAX, "1:");
    check_refused(SLICE("a: 1\nb: \xc3\xa9\xff\n"), ERR_SYNTAX, "2:5: ");
    check_refused(SLICE("a: 1\nb: \x01\n"), ERR_SYNTAX, "2:4: control characters");
    check_refused(SLICE("\xff\xfe"
                        "a\0:\0"),
                  ERR_SYNTAX, "1:1: ");
    check_refused(SLICE("a: 1\0"), ERR_SYNTAX, "1:5: ");
}

static void test_duplicates(void)
{
    check_refused(SLICE("a: 1\nb: 2\na: 3\n"), ERR_SYNTAX,
                  "3:1: key 'a' is there twice, first at 1:1");
    check_refused(SLICE("a: {x: 1, y: 2, 'x': 3}\n"), ERR_SYNTAX,
                  "1:17: key 'x' is there twice, first at 1:5");
    check_refused(SLICE("- b:\n    c: 1\n    c: 2\n"), ERR_SYNTAX, "3:5: key 'c'");
    check_refused(SLICE("{'': 1, \"\": 2}"), ERR_SYNTAX, "1:9: key ''");
    (void)parse(SLICE("a: {a: {a: 1}}\nb: {a: 1}\n"));
}

static void test_depth_limit(void)
{
    struct buf out;

    buf_init(&out, 1000);
    for (int i = 0; i < 64; i++)
        buf_add_char(&out, '[');
    for (int i = 0; i < 64; i++)
        buf_add_char(&out, ']');
    (void)parse(buf_slice(&out));
    buf_reset(&out);
    for (int i = 0; i < 65; i++)
        buf_add_char(&out, '[');
    for (int i = 0; i < 65; i++)
        buf_add_char(&out, ']');
    check_refused(buf_slice(&out), ERR_LIMIT, "1:65: the document is nested too deeply");
    buf_reset(&out);
    for (int i = 0; i < 300; i++)
        buf_add(&out, SLICE("- "));
    check_refused(buf_slice(&out), ERR_LIMIT, "1:129: the document is nested too deeply");
    buf_fini(&out);
}

static void test_size_limits(void)
{
    struct buf out;

    buf_init(&out, 2 << 20);
    for (int i = 0; i < 65535; i++)
        buf_add(&out, SLICE("- 1\n"));
    (void)parse(buf_slice(&out)); /* and the sequence itself is the 65,536th */
    buf_add(&out, SLICE("- 1\n"));
    check_refused(buf_slice(&out), ERR_LIMIT, "65536:3: the document has too many values");
    buf_reset(&out);
    for (int i = 0; i < 65535; i++)
        buf_addf(&out, "k%d: 1\n", i);
    (void)parse(buf_slice(&out));
    buf_add(&out, SLICE("k5: 1\n"));
    check_refused(buf_slice(&out), ERR_LIMIT, "too many");
    buf_reset(&out);
    while (out.n <= 1 << 20)
        buf_add(&out, SLICE("# comment\n"));
    check_refused(buf_slice(&out), ERR_LIMIT, "at most 1048576 are allowed");
    buf_fini(&out);
}

/* Each smaller arena fails in its own place; none may do more than fail. */
static void test_memory_limit(void)
{
    struct fault fault = FAULT_INIT;
    struct arena small;
    struct yaml *root;
    size_t max = 0;
    int err;

    do {
        arena_init(&small, max++);
        err = yaml_parse(&small, SLICE("a: [1, x, {b: 2}]\nc: d\n"), &root, &fault);
        arena_fini(&small);
    } while (err == ERR_NO_MEMORY);
    CU_ASSERT_EQUAL(err, 0);
    CU_ASSERT_TRUE(max > 500);
    arena_init(&small, 0);
    CU_ASSERT_EQUAL(yaml_parse(&small, SLICE(""), &root, &fault), ERR_NO_MEMORY);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "bytes of memory"));
    arena_fini(&small);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("yaml", set_up, tear_down);

    CU_add_test(suite, "tree", test_tree);
    CU_add_test(suite, "styles", test_styles);
    CU_add_test(suite, "empty", test_empty);
    CU_add_test(suite, "refused features", test_refused_features);
    CU_add_test(suite, "syntax", test_syntax);
    CU_add_test(suite, "duplicates", test_duplicates);
    CU_add_test(suite, "depth limit", test_depth_limit);
    CU_add_test(suite, "size limits", test_size_limits);
    CU_add_test(suite, "memory limit", test_memory_limit);
}
