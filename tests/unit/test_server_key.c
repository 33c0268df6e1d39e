/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/server_key.h"
#include "base/mem.h"
#include "tests/support/tempdir.h"

#include <CUnit/CUnit.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY INT64_C(86400000)
#define NOW (INT64_C(20000) * DAY)

static const struct server_keys_options options = {.rotation_ms = 90 * DAY, .keep_ms = DAY};

static struct tempdir temp;
static char path[128];
static struct datadir dir;
static struct server_keys *keys;
static struct fault fault;

static int open_keys(int64_t now_ms)
{
    fault = (struct fault)FAULT_INIT;
    return server_keys_open(&dir, &options, now_ms, &keys, &fault);
}

static void begin(void)
{
    tempdir_make(&temp);
    snprintf(path, sizeof(path), "%s/data", temp.path);
    CU_ASSERT_EQUAL_FATAL(datadir_open(path, &dir, &fault), 0);
}

static void end(void)
{
    server_keys_close(keys);
    keys = NULL;
    datadir_close(&dir);
    tempdir_remove(&temp);
}

static void newest_kid(char kid[SERVER_KEY_KID_SIZE + 1])
{
    struct server_key *key = server_keys_newest(keys);

    snprintf(kid, SERVER_KEY_KID_SIZE + 1, SLICE_FMT, SLICE_ARG(server_key_kid(key)));
    server_key_unref(key);
}

static void file_of(const char *kid, char file[256])
{
    snprintf(file, 256, "%s/keys/%s.pem", path, kid);
}

static bool has(const char *kid)
{
    struct server_key *key = server_keys_find(keys, slice_from_cstr(kid));

    server_key_unref(key);
    return key != NULL;
}

static void test_first_start(void)
{
    char kid[SERVER_KEY_KID_SIZE + 1], file[256];
    struct stat st;

    begin();
    CU_ASSERT_FALSE(server_keys_exist(&dir));
    CU_ASSERT_EQUAL_FATAL(open_keys(NOW), 0);
    CU_ASSERT_TRUE(server_keys_exist(&dir));
    CU_ASSERT_TRUE(server_keys_take_made(keys));
    CU_ASSERT_FALSE(server_keys_take_made(keys));
    newest_kid(kid);
    file_of(kid, file);
    CU_ASSERT_EQUAL_FATAL(stat(file, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    snprintf(file, sizeof(file), "%s/keys", path);
    CU_ASSERT_EQUAL_FATAL(stat(file, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0700);
    end();
}

static void test_same_after_restart(void)
{
    char before[SERVER_KEY_KID_SIZE + 1], after[SERVER_KEY_KID_SIZE + 1];
    uint8_t signature[SERVER_KEY_SIGNATURE_SIZE];
    struct server_key *key;

    begin();
    CU_ASSERT_EQUAL_FATAL(open_keys(NOW), 0);
    newest_kid(before);
    key = server_keys_newest(keys);
    CU_ASSERT_EQUAL(server_key_sign(key, SLICE("words"), signature, NULL), 0);
    server_key_unref(key);
    server_keys_close(keys);
    CU_ASSERT_EQUAL_FATAL(open_keys(NOW + DAY), 0);
    newest_kid(after);
    CU_ASSERT_STRING_EQUAL(before, after);
    CU_ASSERT_FALSE(server_keys_take_made(keys));
    key = server_keys_newest(keys);
    CU_ASSERT_EQUAL(server_key_created_ms(key), NOW);
    CU_ASSERT_EQUAL(server_key_verify_raw(server_key_public(key), SLICE("words"),
                                          slice_make(signature, sizeof(signature)), NULL),
                    0);
    CU_ASSERT_EQUAL(server_key_verify_raw(server_key_public(key), SLICE("other"),
                                          slice_make(signature, sizeof(signature)), NULL),
                    ERR_UNAUTHORIZED);
    server_key_unref(key);
    end();
}

/* Signs until it is 90 days old; verifies a day more; then its file is gone. */
static void test_rotation(void)
{
    char first[SERVER_KEY_KID_SIZE + 1], second[SERVER_KEY_KID_SIZE + 1], file[256];
    bool made;

    begin();
    CU_ASSERT_EQUAL_FATAL(open_keys(NOW), 0);
    newest_kid(first);
    file_of(first, file);
    CU_ASSERT_EQUAL(server_keys_rotate(keys, NOW + 90 * DAY - 1, false, &made, &fault), 0);
    CU_ASSERT_FALSE(made);
    CU_ASSERT_EQUAL(server_keys_rotate(keys, NOW + 90 * DAY, false, &made, &fault), 0);
    CU_ASSERT_TRUE(made);
    newest_kid(second);
    CU_ASSERT_STRING_NOT_EQUAL(first, second);
    CU_ASSERT_TRUE(has(first));
    CU_ASSERT_EQUAL(server_keys_rotate(keys, NOW + 91 * DAY, false, &made, &fault), 0);
    CU_ASSERT_TRUE(has(first));
    CU_ASSERT_EQUAL(access(file, F_OK), 0);
    CU_ASSERT_EQUAL(server_keys_rotate(keys, NOW + 91 * DAY + 1, false, &made, &fault), 0);
    CU_ASSERT_FALSE(made);
    CU_ASSERT_FALSE(has(first));
    CU_ASSERT_TRUE(has(second));
    CU_ASSERT_NOT_EQUAL(access(file, F_OK), 0);
    end();
}

/* The order of keys is that of their making, also when the clock went back; and it survives. */
static void test_by_hand(void)
{
    char kid[SERVER_KEY_KID_SIZE + 1], again[SERVER_KEY_KID_SIZE + 1];
    bool made;

    begin();
    CU_ASSERT_EQUAL_FATAL(open_keys(NOW), 0);
    for (int i = 1; i < SERVER_KEYS_MAX; i++) {
        CU_ASSERT_EQUAL(server_keys_rotate(keys, NOW - i, true, &made, &fault), 0);
        CU_ASSERT_TRUE(made);
    }
    newest_kid(kid);
    CU_ASSERT_EQUAL(server_keys_rotate(keys, NOW, true, &made, &fault), ERR_LIMIT);
    CU_ASSERT_FALSE(made);
    server_keys_close(keys);
    CU_ASSERT_EQUAL_FATAL(open_keys(NOW), 0);
    newest_kid(again);
    CU_ASSERT_STRING_EQUAL(kid, again);
    end();
}

static unsigned findings;

static void count(const char *what, void *arg)
{
    (void)arg;
    CU_ASSERT_TRUE(strlen(what) > 20);
    findings++;
}

static unsigned check(void)
{
    findings = 0;
    CU_ASSERT_EQUAL(server_keys_check(&dir, count, NULL, &fault), 0);
    return findings;
}

static void test_bad_files(void)
{
    char kid[SERVER_KEY_KID_SIZE + 1], file[256], other[256];
    FILE *out;

    begin();
    fault = (struct fault)FAULT_INIT;
    CU_ASSERT_EQUAL(check(), 0); /* no keys are no mistake */
    CU_ASSERT_EQUAL(fault.code, 0);
    CU_ASSERT_EQUAL_FATAL(open_keys(NOW), 0);
    newest_kid(kid);
    file_of(kid, file);
    server_keys_close(keys);
    CU_ASSERT_EQUAL(check(), 0);

    CU_ASSERT_EQUAL_FATAL(chmod(file, 0640), 0);
    CU_ASSERT_EQUAL(open_keys(NOW), ERR_CONFIG);
    CU_ASSERT_PTR_NULL(keys);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "may be read by others"));
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, kid));
    CU_ASSERT_EQUAL(check(), 1);
    CU_ASSERT_EQUAL_FATAL(chmod(file, 0600), 0);

    file_of("0123456789abcdef0123456789abcdef", other);
    CU_ASSERT_EQUAL_FATAL(rename(file, other), 0);
    CU_ASSERT_EQUAL(open_keys(NOW), ERR_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "is not the key that its name says"));
    CU_ASSERT_EQUAL(check(), 1);
    CU_ASSERT_EQUAL_FATAL(rename(other, file), 0);
    CU_ASSERT_EQUAL_FATAL(open_keys(NOW), 0);
    server_keys_close(keys);

    CU_ASSERT_EQUAL_FATAL(truncate(file, 60), 0);
    CU_ASSERT_EQUAL(open_keys(NOW), ERR_CORRUPT);
    CU_ASSERT_EQUAL(check(), 1);
    CU_ASSERT_EQUAL_FATAL(unlink(file), 0);
    snprintf(other, sizeof(other), "%s/keys/notes.txt", path);
    out = fopen(other, "we");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    fclose(out);
    CU_ASSERT_EQUAL_FATAL(open_keys(NOW),
                          0); /* no key: a new one; what is not ours is left alone */
    CU_ASSERT_EQUAL(check(), 0);
    CU_ASSERT_EQUAL(access(other, F_OK), 0);
    end();
}

static void test_key_set(void)
{
    struct jwk_set *set;
    struct arena arena;
    struct server_key *key;
    uint8_t signature[SERVER_KEY_SIGNATURE_SIZE];
    struct buf out;
    bool made;

    begin();
    CU_ASSERT_EQUAL_FATAL(open_keys(NOW), 0);
    CU_ASSERT_EQUAL(server_keys_rotate(keys, NOW + 1, true, &made, &fault), 0);
    buf_init(&out, 4096);
    server_keys_format(keys, &out);
    arena_init(&arena, 65536);
    CU_ASSERT_EQUAL_FATAL(jwk_set_parse(&arena, buf_slice(&out), &set, &fault), 0);
    CU_ASSERT_EQUAL(jwk_set_count(set), 2);
    CU_ASSERT_EQUAL(jwk_set_skipped(set), 0);
    CU_ASSERT_PTR_NULL(memmem(out.p, out.n, "\"d\"", 3));
    key = server_keys_newest(keys);
    CU_ASSERT_EQUAL(server_key_sign(key, SLICE("words"), signature, NULL), 0);
    CU_ASSERT_EQUAL(jwk_verify(jwk_set_find(set, server_key_kid(key), SLICE("EdDSA")), JWK_EDDSA,
                               SLICE("words"), slice_make(signature, sizeof(signature)), NULL),
                    0);
    server_key_unref(key);
    jwk_set_destroy(set);
    arena_fini(&arena);
    buf_fini(&out);
    end();
}

/* The key of RFC 8037 appendix A.1, whose thumbprint is in its appendix A.3:
 * kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k. */
static void test_thumbprint(void)
{
    static const uint8_t key[32] = {0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7,
                                    0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
                                    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25,
                                    0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};
    char kid[SERVER_KEY_KID_SIZE + 1];

    server_key_kid_of(slice_make(key, sizeof(key)), kid);
    CU_ASSERT_STRING_EQUAL(kid, "90facafea9b1556698540f70c0117a22");
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("server_key", NULL, NULL);

    CU_add_test(suite, "the first start makes a key, for the owner alone", test_first_start);
    CU_add_test(suite, "a restart has the same key", test_same_after_restart);
    CU_add_test(suite, "a key is replaced when it is old, and removed a day later", test_rotation);
    CU_add_test(suite, "rotation by hand, a clock that went back, too many", test_by_hand);
    CU_add_test(suite, "files that are no key, or not that one, or open to others", test_bad_files);
    CU_add_test(suite, "the published set verifies and has nothing private", test_key_set);
    CU_add_test(suite, "the name of a key is its thumbprint", test_thumbprint);
}
