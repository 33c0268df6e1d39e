/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/mem.h"
#include "server/files_accept.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

static void test_accept(void)
{
    static const struct {
        const char *accept;
        bool html;
    } cases[] = {
        {"", false},
        {"*/*", false},
        {"text/html", true},
        {"TEXT/HTML", true},
        {"text/*", true},
        {"application/json", false},
        {"text/html,application/json", false},
        {"text/html;q=0.5,application/json;q=0.4", true},
        {"text/html;q=0.4 , application/json ; q=0.5", false},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true},
        {"text/html;q=0,*/*", false},
        {"text/html;level=1;q=0.9,*/*;q=0.1", true},
        {"text/html;q=x", false},
        {"text/html;q=2", false},
        {"text/html;q=1.000;a=b", true},
        {"text/html;q=0.0001", false},
        {",,;,text/html", true},
        {"application/*;q=0.9,text/html;q=0.8", false},
        {"application/*;q=0.2,application/json;q=0.9,text/html;q=0.5", false},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        bool html = accept_prefers_html(slice_from_cstr(cases[i].accept));
        if (html != cases[i].html)
            printf("# %s\n", cases[i].accept);
        CU_ASSERT_EQUAL(html, cases[i].html);
    }
}

static void test_type(void)
{
    static const struct {
        const char *type, *served;
    } cases[] = {
        {"text/plain", "text/plain; charset=utf-8"},
        {"Application/ZIP", "application/zip"},
        {"application/vnd.oci.image.layer.v1.tar+gzip", "application/gzip"},
        {"image/png", "image/png"},
        {"text/html", "application/octet-stream"},
        {"image/svg+xml", "application/octet-stream"},
        {"text/javascript", "application/octet-stream"},
        {"application/xml", "application/octet-stream"},
        {"text/plain; charset=x", "application/octet-stream"},
        {"a/b\r\nX: y", "application/octet-stream"},
        {"", "application/octet-stream"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        CU_ASSERT_TRUE(slice_eq(file_served_type(slice_from_cstr(cases[i].type)),
                                slice_from_cstr(cases[i].served)));
}

static void test_disposition(void)
{
    static const struct {
        const char *path, *field;
    } cases[] = {
        {"a.tar.gz", "attachment; filename=\"a.tar.gz\"; filename*=UTF-8''a.tar.gz"},
        {"d/e/a b", "attachment; filename=\"a b\"; filename*=UTF-8''a%20b"},
        {"a\"b\\c%d", "attachment; filename=\"a_b_c_d\"; filename*=UTF-8''a%22b_c%25d"},
        {"\xc3\xa4", "attachment; filename=\"__\"; filename*=UTF-8''%C3%A4"},
        {"a;b'(c)*", "attachment; filename=\"a;b'(c)*\"; filename*=UTF-8''a%3Bb%27%28c%29%2A"},
    };
    struct buf out;

    buf_init(&out, 256);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        buf_reset(&out);
        file_disposition(&out, slice_from_cstr(cases[i].path));
        CU_ASSERT_TRUE(slice_eq(buf_slice(&out), slice_from_cstr(cases[i].field)));
    }
    buf_fini(&out);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("files_accept", NULL, NULL);

    CU_add_test(suite, "HTML or JSON", test_accept);
    CU_add_test(suite, "served type", test_type);
    CU_add_test(suite, "disposition", test_disposition);
}
