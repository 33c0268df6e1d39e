/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/err.h"
#include "base/fault.h"
#include "base/slice.h"

#include <CUnit/CUnit.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

static void test_table(void)
{
    CU_ASSERT_STRING_EQUAL(err_name(ERR_DISK_FULL), "DISK_FULL");
    CU_ASSERT_STRING_EQUAL(err_text(ERR_DISK_FULL), "the disk is full");
    CU_ASSERT_EQUAL(err_http_status(ERR_DISK_FULL), 507);
    CU_ASSERT_STRING_EQUAL(err_oci_code(ERR_DISK_FULL), "DENIED");
    CU_ASSERT_STRING_EQUAL(err_oci_code(ERR_BLOB_UNKNOWN), "BLOB_UNKNOWN");
    CU_ASSERT_EQUAL(err_http_status(ERR_TAG_UNKNOWN), 404); /* the last row */
    CU_ASSERT_EQUAL(err_http_status(ERR_AGAIN), 503);       /* the first */
}

static void test_every_row_is_filled(void)
{
    for (int err = -1; err >= -(int)ERR_ORDINAL_COUNT; err--) {
        CU_ASSERT_TRUE(strlen(err_name(err)) > 0);
        CU_ASSERT_TRUE(strlen(err_text(err)) > 0);
        CU_ASSERT_TRUE(strlen(err_oci_code(err)) > 0);
        CU_ASSERT_TRUE(err_http_status(err) >= 400 && err_http_status(err) < 600);
    }
}

/* The spec's "Error Codes", and UNKNOWN for what is our fault; a client knows no others. */
static void test_oci_codes_are_the_specs(void)
{
    static const char *const known[] = {
        "BLOB_UNKNOWN",
        "BLOB_UPLOAD_INVALID",
        "BLOB_UPLOAD_UNKNOWN",
        "DIGEST_INVALID",
        "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID",
        "NAME_INVALID",
        "MANIFEST_UNKNOWN",
        "NAME_UNKNOWN",
        "SIZE_INVALID",
        "PAGINATION_NUMBER_INVALID",
        "DENIED",
        "TAG_INVALID",
        "TOOMANYREQUESTS",
        "UNSUPPORTED",
        "UNAUTHORIZED",
        "UNKNOWN",
    };

    for (int err = -1; err >= -(int)ERR_ORDINAL_COUNT; err--) {
        int found = 0;

        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            found |= strcmp(known[i], err_oci_code(err)) == 0;
        CU_ASSERT_TRUE(found);
    }
}

static void test_codes_outside_the_table(void)
{
    static const int codes[] = {1, INT_MAX, INT_MIN, -1 - (int)ERR_ORDINAL_COUNT};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        CU_ASSERT_STRING_EQUAL(err_text(codes[i]), "unknown error");
        CU_ASSERT_STRING_EQUAL(err_oci_code(codes[i]), "UNKNOWN");
        CU_ASSERT_STRING_EQUAL(err_name(codes[i]), "UNKNOWN");
        CU_ASSERT_EQUAL(err_http_status(codes[i]), 500);
    }
    CU_ASSERT_EQUAL(err_http_status(ERR_OK), 200);
    CU_ASSERT_STRING_EQUAL(err_name(ERR_OK), "OK");
}

static void test_errno(void)
{
    CU_ASSERT_EQUAL(err_from_errno(ENOSPC), ERR_DISK_FULL);
    CU_ASSERT_EQUAL(err_from_errno(EDQUOT), ERR_DISK_FULL);
    CU_ASSERT_EQUAL(err_from_errno(ENOENT), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(err_from_errno(EMFILE), ERR_BUSY);
    CU_ASSERT_EQUAL(err_from_errno(ENFILE), ERR_BUSY);
    CU_ASSERT_EQUAL(err_from_errno(ENOMEM), ERR_NO_MEMORY);
    CU_ASSERT_EQUAL(err_from_errno(EEXIST), ERR_EXISTS);
    CU_ASSERT_EQUAL(err_from_errno(EAGAIN), ERR_AGAIN);
    CU_ASSERT_EQUAL(err_from_errno(EIO), ERR_IO);
    CU_ASSERT_EQUAL(err_from_errno(EACCES), ERR_IO);
    CU_ASSERT_EQUAL(err_from_errno(0), ERR_IO);
    CU_ASSERT_EQUAL(err_from_errno(-1), ERR_IO);
}

static void test_fault_set(void)
{
    struct fault fault = FAULT_INIT;

    CU_ASSERT_EQUAL(fault_set(&fault, ERR_INVALID, "field '%s' is %d", "n", 7), ERR_INVALID);
    CU_ASSERT_EQUAL(fault.code, ERR_INVALID);
    CU_ASSERT_EQUAL(fault.sys, 0);
    CU_ASSERT_STRING_EQUAL(fault.text, "field 'n' is 7");
    CU_ASSERT_STRING_EQUAL(fault_text(&fault, ERR_IO), "field 'n' is 7");
}

static void test_fault_without_one(void)
{
    struct fault empty = FAULT_INIT;

    CU_ASSERT_EQUAL(fault_set(NULL, ERR_CORRUPT, "nobody %s", "listens"), ERR_CORRUPT);
    CU_ASSERT_EQUAL(fault_set_errno(NULL, ENOSPC, "write"), ERR_DISK_FULL);
    CU_ASSERT_STRING_EQUAL(fault_text(NULL, ERR_CORRUPT), "stored data is damaged");
    CU_ASSERT_STRING_EQUAL(fault_text(&empty, ERR_CORRUPT), "stored data is damaged");
    CU_ASSERT_STRING_EQUAL(fault_text(NULL, -9999), "unknown error");
}

static void test_fault_errno(void)
{
    struct fault fault = FAULT_INIT;

    CU_ASSERT_EQUAL(fault_set_errno(&fault, ENOENT, "open %s", "/x"), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(fault.sys, ENOENT);
    CU_ASSERT_EQUAL(fault.code, ERR_NOT_FOUND);
    CU_ASSERT_STRING_EQUAL(fault.text, "open /x: No such file or directory");
}

static void test_fault_adds_context_to_itself(void)
{
    struct fault fault = FAULT_INIT;

    CU_ASSERT_EQUAL(fault_set(&fault, ERR_SYNTAX, "line 3"), ERR_SYNTAX);
    CU_ASSERT_EQUAL(fault_set(&fault, ERR_CONFIG, "config: %s", fault.text), ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(fault.text, "config: line 3");
}

static void test_fault_is_cut_not_overrun(void)
{
    struct {
        struct fault fault;
        char guard[8];
    } box = {FAULT_INIT, "guarded"};
    char longer[2 * FAULT_TEXT_MAX];

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    CU_ASSERT_EQUAL(fault_set(&box.fault, ERR_IO, "%s", longer), ERR_IO);
    CU_ASSERT_EQUAL(strlen(box.fault.text), FAULT_TEXT_MAX - 1);
    CU_ASSERT_EQUAL(fault_set_errno(&box.fault, EIO, "%s", longer), ERR_IO);
    CU_ASSERT_EQUAL(strlen(box.fault.text), FAULT_TEXT_MAX - 1);

    /* The reason itself may be what does not fit. */
    longer[FAULT_TEXT_MAX - 5] = '\0';
    CU_ASSERT_EQUAL(fault_set_errno(&box.fault, EIO, "%s", longer), ERR_IO);
    CU_ASSERT_EQUAL(strlen(box.fault.text), FAULT_TEXT_MAX - 1);
    CU_ASSERT_STRING_EQUAL(box.fault.text + FAULT_TEXT_MAX - 5, ": In");
    CU_ASSERT_STRING_EQUAL(box.guard, "guarded");
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("err", NULL, NULL);

    CU_add_test(suite, "table", test_table);
    CU_add_test(suite, "every row is filled", test_every_row_is_filled);
    CU_add_test(suite, "OCI codes are the spec's", test_oci_codes_are_the_specs);
    CU_add_test(suite, "codes outside the table", test_codes_outside_the_table);
    CU_add_test(suite, "errno", test_errno);
    suite = CU_add_suite("fault", NULL, NULL);
    CU_add_test(suite, "set", test_fault_set);
    CU_add_test(suite, "without a fault", test_fault_without_one);
    CU_add_test(suite, "errno", test_fault_errno);
    CU_add_test(suite, "context from itself", test_fault_adds_context_to_itself);
    CU_add_test(suite, "cut, not overrun", test_fault_is_cut_not_overrun);
}
