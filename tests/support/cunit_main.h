/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A unit test program is one file that defines test_suites(); main is in cunit_main.c. It prints
 * TAP: a line for each CUnit test, failed assertions as diagnostics above it.
 */
#ifndef TESTS_SUPPORT_CUNIT_MAIN_H
#define TESTS_SUPPORT_CUNIT_MAIN_H

/* Registers the program's suites (CU_add_suite, CU_add_test). */
void test_suites(void);

#endif
