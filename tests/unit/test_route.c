/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "server/loopback.h"
#include "server/route.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

#define NONE ROUTE_COUNT

static void test_find(void)
{
    static const struct {
        const char *path;
        enum route_id id;
        const char *name, *argument;
    } cases[] = {
        {"/v2/", ROUTE_V2_BASE, "", ""},
        {"/v2", ROUTE_V2_BASE, "", ""},
        {"/v2/_catalog", ROUTE_V2_CATALOG, "", ""},
        {"/v2/_oci/ext/discover", ROUTE_V2_DISCOVER, "", ""},
        {"/v2/a/tags/list", ROUTE_V2_TAGS, "a", "list"},
        {"/v2/a/b/c/tags/list", ROUTE_V2_TAGS, "a/b/c", "list"},
        {"/v2/a/manifests/latest", ROUTE_V2_MANIFEST, "a", "latest"},
        {"/v2/a/blobs/sha256:b", ROUTE_V2_BLOB, "a", "sha256:b"},
        {"/v2/a/blobs/uploads/", ROUTE_V2_UPLOADS, "a", ""},
        {"/v2/a/blobs/uploads", ROUTE_V2_UPLOADS, "a", "uploads"},
        {"/v2/a/b/blobs/uploads/x", ROUTE_V2_UPLOAD, "a/b", "x"},
        {"/v2/a/referrers/sha256:b", ROUTE_V2_REFERRERS, "a", "sha256:b"},
        /* names made of the words themselves */
        {"/v2/manifests/manifests/manifests", ROUTE_V2_MANIFEST, "manifests", "manifests"},
        {"/v2/blobs/uploads/blobs/uploads/", ROUTE_V2_UPLOADS, "blobs/uploads", ""},
        {"/v2/tags/list/tags/list", ROUTE_V2_TAGS, "tags/list", "list"},
        {"/v2/blobs/uploads/manifests/x", ROUTE_V2_MANIFEST, "blobs/uploads", "x"},
        {"/api/v1/repos", ROUTE_API_REPOS, "", ""},
        {"/api/v1/repos/a/b", ROUTE_API_REPO, "a/b", ""},
        {"/api/v1/repos/a/b/-/tags", ROUTE_API_TAGS, "a/b", ""},
        {"/api/v1/repos/a/-/tags/1.0", ROUTE_API_TAG, "a", "1.0"},
        {"/api/v1/repos/a/-/manifests/sha256:b", ROUTE_API_MANIFEST, "a", "sha256:b"},
        {"/api/v1/repos/tags/-/manifests/x/referrers", ROUTE_API_REFERRERS, "tags", "x"},
        {"/api/v1/repos/a/-/tagss", NONE, "", ""},
        {"/api/v1/repos/a/-/", NONE, "", ""},
        {"/api/v1/repos/", NONE, "", ""},
        {"/api/v1", NONE, "", ""},
        {"/files/a/b:1.2/", ROUTE_FILES_LIST, "a/b", "1.2"},
        {"/files/a/b@sha256:c/", ROUTE_FILES_LIST, "a/b", "sha256:c"},
        {"/files/a:1/x", ROUTE_FILES_FILE, "a", "1"},
        {"/files/a:1/x/y:z@w/", ROUTE_FILES_FILE, "a", "1"},
        {"/files/a:1", ROUTE_FILES_LIST, "a", "1"},
        {"/files/a", NONE, "", ""},
        {"/files/a/", NONE, "", ""},
        {"/files/:1/x", NONE, "", ""},
        {"/files/a:/x", NONE, "", ""},
        {"/livez", ROUTE_LIVEZ, "", ""},
        {"/metrics", ROUTE_METRICS, "", ""},
        {"/", NONE, "", ""},
        {"", NONE, "", ""},
        {"/v2/a", NONE, "", ""},
        {"/v2/manifests/x", NONE, "", ""},
        {"/v2/a/manifests/", NONE, "", ""},
        {"/v2/a/blobs/", NONE, "", ""},
        {"/v2/blobs/uploads/", NONE, "", ""},
        {"/v2/uploads/x", NONE, "", ""},
        {"/v2/a/tags/lists", NONE, "", ""},
        {"/v1/a/tags/list", NONE, "", ""},
        {"/livez/", NONE, "", ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct route_parts parts;
        const struct route *route = route_find(slice_from_cstr(cases[i].path), &parts);
        enum route_id id = route != NULL ? route->id : NONE;
        if (id != cases[i].id)
            printf("# %s is %s\n", cases[i].path, route != NULL ? route->pattern : "none");
        CU_ASSERT_EQUAL(id, cases[i].id);
        if (route == NULL)
            continue;
        CU_ASSERT_TRUE(slice_eq(parts.name, slice_from_cstr(cases[i].name)));
        CU_ASSERT_TRUE(slice_eq(parts.argument, slice_from_cstr(cases[i].argument)));
    }
}

static void test_allow(void)
{
    struct buf out;

    buf_init(&out, 256);
    route_allow(&routes[ROUTE_V2_MANIFEST], &out);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&out), SLICE("GET, HEAD, PUT, DELETE")));
    buf_fini(&out);
    CU_ASSERT_PTR_NULL(route_handler(&routes[ROUTE_METRICS], METHOD_DELETE));
    CU_ASSERT_TRUE(routes[ROUTE_V2_BASE].is_v2);
    CU_ASSERT_FALSE(routes[ROUTE_LIVEZ].is_v2);
}

static void test_loopback_host(void)
{
    static const char *const good[] = {"localhost",      "LOCALHOST:5000", "127.0.0.1",
                                       "127.255.0.3:80", "[::1]",          "[::1]:5000"};
    static const char *const bad[] = {"",
                                      "localhost.evil.example",
                                      "128.0.0.1",
                                      "127.0.0",
                                      "127.0.0.1.example",
                                      "127.0.0.256",
                                      "[::2]:5000",
                                      "[::1]x",
                                      "127.0.0.0001",
                                      "1.127.0.0",
                                      "registry.example:5000"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CU_ASSERT_TRUE(loopback_host(slice_from_cstr(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_FALSE(loopback_host(slice_from_cstr(bad[i])));
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("route", NULL, NULL);

    CU_add_test(suite, "paths", test_find);
    CU_add_test(suite, "allowed methods", test_allow);
    CU_add_test(suite, "loopback hosts", test_loopback_host);
}
