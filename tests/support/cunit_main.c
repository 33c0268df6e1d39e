/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: CUnit's own runners return success when tests fail and print no TAP, so this one drives
 * CU_run_all_tests through the message handlers. What makes a run worthless (no test registered,
 * a registration error, a suite that cannot be set up) is a failure too.
 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>

#include <stdio.h>
#include <stdlib.h>

static unsigned test_number;

static void print_failures(const CU_pFailureRecord first)
{
    for (const struct CU_FailureRecord *f = first; f; f = f->pNext)
        printf("# %s:%u: %s\n", f->strFileName ? f->strFileName : "?", f->uiLineNumber,
               f->strCondition ? f->strCondition : "?");
}

static void on_test_complete(const CU_pTest test, const CU_pSuite suite,
                             const CU_pFailureRecord failures)
{
    print_failures(failures);
    printf("%s %u - %s: %s\n", failures ? "not ok" : "ok", ++test_number, suite->pName,
           test->pName);
}

static void on_suite_init_failure(const CU_pSuite suite)
{
    printf("Bail out! the suite '%s' could not be set up\n", suite->pName);
}

static void on_suite_cleanup_failure(const CU_pSuite suite)
{
    printf("Bail out! the suite '%s' could not be taken down\n", suite->pName);
}

static int bail_out(const char *why)
{
    printf("Bail out! %s\n", why);
    return EXIT_FAILURE;
}

static int run(void)
{
    unsigned tests;

    test_suites();
    if (CU_get_error() != CUE_SUCCESS)
        return bail_out(CU_get_error_msg());
    tests = CU_get_registry()->uiNumberOfTests;
    if (tests == 0)
        return bail_out("no test is registered");
    printf("1..%u\n", tests);
    CU_set_test_complete_handler(on_test_complete);
    CU_set_suite_init_failure_handler(on_suite_init_failure);
    CU_set_suite_cleanup_failure_handler(on_suite_cleanup_failure);
    if (CU_run_all_tests() != CUE_SUCCESS)
        return bail_out(CU_get_error_msg());
    if (CU_get_number_of_failures() || CU_get_number_of_suites_failed() ||
        CU_get_number_of_tests_run() != tests)
        return EXIT_FAILURE;
    return EXIT_SUCCESS;
}

int main(void)
{
    int status;

    /* A test that crashes leaves the lines before it. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (CU_initialize_registry() != CUE_SUCCESS)
        return bail_out(CU_get_error_msg());
    status = run();
    CU_cleanup_registry();
    return status;
}
