/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/mem.h"
#include "storage/datadir.h"
#include "tests/support/tempdir.h"

#include <CUnit/CUnit.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

/* The linker leads the library's calls here (tests/unit/Makefile.inc). */
int __real_fstatfs(int fd, struct statfs *fs);
int __wrap_fstatfs(int fd, struct statfs *fs);

static unsigned pretended_type; /* of the file system; 0: the true one */

int __wrap_fstatfs(int fd, struct statfs *fs)
{
    int err = __real_fstatfs(fd, fs);

    if (err == 0 && pretended_type != 0)
        fs->f_type = (__fsword_t)pretended_type;
    return err;
}

static struct tempdir temp;
static char path[128];

static void begin(void)
{
    tempdir_make(&temp);
    snprintf(path, sizeof(path), "%s/data", temp.path);
}

static void put_file(const char *name, const char *text)
{
    char file[256];

    snprintf(file, sizeof(file), "%s/%s", path, name);
    FILE *out = fopen(file, "we");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    CU_ASSERT_TRUE(fputs(text, out) >= 0);
    CU_ASSERT_EQUAL(fclose(out), 0);
}

static mode_t mode_of(const char *name)
{
    char file[256];
    struct stat st;

    snprintf(file, sizeof(file), "%s/%s", path, name);
    return stat(file, &st) == 0 ? st.st_mode & 07777 : 0;
}

static void test_first_and_second(void)
{
    struct fault fault = FAULT_INIT;
    struct datadir dir;
    char format[32] = "";

    begin();
    CU_ASSERT_EQUAL_FATAL(datadir_open(path, &dir, &fault), 0);
    CU_ASSERT_EQUAL(fault.code, 0);
    CU_ASSERT_STRING_EQUAL(dir.path, path);
    CU_ASSERT_EQUAL(mode_of("."), 0700);
    CU_ASSERT_EQUAL(mode_of("index"), 0700);
    CU_ASSERT_EQUAL(mode_of("blobs"), 0700);
    CU_ASSERT_EQUAL(mode_of("uploads"), 0700);
    CU_ASSERT_EQUAL(mode_of("format"), 0600);
    CU_ASSERT_EQUAL(mode_of("lock"), 0600);
    CU_ASSERT_EQUAL(mode_of("format.new"), 0); /* not there */
    int fd = openat(dir.fd, "format", O_RDONLY | O_CLOEXEC);
    CU_ASSERT_EQUAL(read(fd, format, sizeof(format) - 1), 11);
    CU_ASSERT_STRING_EQUAL(format, "tidemark 1\n");
    close(fd);
    datadir_close(&dir);
    CU_ASSERT_EQUAL_FATAL(datadir_open(path, &dir, &fault), 0);
    datadir_close(&dir);
    tempdir_remove(&temp);
}

static void test_lock(void)
{
    struct fault fault = FAULT_INIT;
    struct datadir dir, second;
    char pid[32];

    begin();
    CU_ASSERT_EQUAL_FATAL(datadir_open(path, &dir, &fault), 0);
    CU_ASSERT_EQUAL(datadir_open(path, &second, &fault), ERR_LOCKED);
    snprintf(pid, sizeof(pid), "process %d:", (int)getpid());
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, pid));
    CU_ASSERT_EQUAL(datadir_peek(path, &fault), 0); /* needs no lock */
    datadir_close(&dir);
    CU_ASSERT_EQUAL_FATAL(datadir_open(path, &dir, &fault), 0);
    datadir_close(&dir);
    tempdir_remove(&temp);
}

/* What a first start leaves that dies before the format file is in its place. */
static void test_interrupted(void)
{
    struct fault fault = FAULT_INIT;
    struct datadir dir;

    begin();
    CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
    put_file("lock", "12345\n");
    put_file("format.new", "tide");
    CU_ASSERT_EQUAL_FATAL(datadir_open(path, &dir, &fault), 0);
    datadir_close(&dir);
    CU_ASSERT_EQUAL(datadir_peek(path, &fault), 0);
    tempdir_remove(&temp);
}

static void check_refused(const char *format, int expected, const char *word)
{
    struct fault fault = FAULT_INIT;
    struct datadir dir;

    put_file("format", format);
    CU_ASSERT_EQUAL(datadir_open(path, &dir, &fault), expected);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, word));
    CU_ASSERT_EQUAL(datadir_peek(path, &fault), expected);
}

static void test_format(void)
{
    struct fault fault = FAULT_INIT;
    struct datadir dir;

    begin();
    CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
    check_refused("tidemark 2\n", ERR_CONFIG, "newer");
    check_refused("tidemark 0\n", ERR_CORRUPT, "format");
    check_refused("tidemark 1", ERR_CORRUPT, "format");
    check_refused("tidemark 1x\n", ERR_CORRUPT, "format");
    check_refused("tidemark \n", ERR_CORRUPT, "format");
    check_refused("", ERR_CORRUPT, "format");
    check_refused("tidemark 99999999999999999999\n", ERR_CORRUPT, "format");
    /* Nothing was made in a directory that was refused. */
    CU_ASSERT_EQUAL(mode_of("index"), 0);
    CU_ASSERT_EQUAL(mode_of("lock"), 0);
    put_file("format", "tidemark 1\n");
    CU_ASSERT_EQUAL_FATAL(datadir_open(path, &dir, &fault), 0);
    datadir_close(&dir);
    tempdir_remove(&temp);
}

static void test_foreign(void)
{
    struct fault fault = FAULT_INIT;
    struct datadir dir;

    begin();
    CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
    put_file("thesis.txt", "x");
    CU_ASSERT_EQUAL(datadir_open(path, &dir, &fault), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "thesis.txt"));
    CU_ASSERT_EQUAL(mode_of("lock"), 0);
    CU_ASSERT_EQUAL(datadir_peek(path, &fault), ERR_NOT_FOUND);
    tempdir_remove(&temp);
}

static void test_paths(void)
{
    struct fault fault = FAULT_INIT;
    struct datadir dir;
    char below[160];

    begin();
    snprintf(below, sizeof(below), "%s/below", path);
    CU_ASSERT_EQUAL(datadir_open(below, &dir, &fault), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "does not exist"));
    CU_ASSERT_EQUAL(datadir_open("", &dir, &fault), ERR_CONFIG);
    CU_ASSERT_EQUAL(datadir_peek(path, &fault), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
    put_file("below", "a file");
    CU_ASSERT_EQUAL(datadir_open(below, &dir, &fault), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "not a directory"));
    tempdir_remove(&temp);
}

/* In a child: it gives up root when it has it. 0: refused as it should be. */
static int open_as_nobody(void)
{
    struct fault fault = FAULT_INIT;
    struct datadir dir;

    if (geteuid() == 0 && seteuid(65534) != 0)
        return 2;
    if (datadir_open(path, &dir, &fault) != ERR_CONFIG)
        return 3;
    return strstr(fault.text, "not writable") != NULL ? 0 : 4;
}

static void test_not_writable(void)
{
    int status = -1;

    begin();
    CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
    CU_ASSERT_EQUAL_FATAL(chmod(temp.path, 0755), 0);
    CU_ASSERT_EQUAL_FATAL(chmod(path, 0555), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(open_as_nobody());
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
    chmod(path, 0700);
    tempdir_remove(&temp);
}

/* A link in place of a folder could lead anywhere. */
static void test_link(void)
{
    struct fault fault = FAULT_INIT;
    struct datadir dir;
    char link_path[160];

    begin();
    CU_ASSERT_EQUAL_FATAL(datadir_open(path, &dir, &fault), 0);
    datadir_close(&dir);
    snprintf(link_path, sizeof(link_path), "%s/uploads", path);
    CU_ASSERT_EQUAL(rmdir(link_path), 0);
    CU_ASSERT_EQUAL(symlink("/tmp", link_path), 0);
    CU_ASSERT_NOT_EQUAL(datadir_open(path, &dir, &fault), 0);
    tempdir_remove(&temp);
}

static void test_mark(void)
{
    struct fault fault = FAULT_INIT;
    struct datadir dir;

    begin();
    CU_ASSERT_EQUAL_FATAL(datadir_open(path, &dir, &fault), 0);
    CU_ASSERT_FALSE(datadir_is_marked(&dir));
    CU_ASSERT_EQUAL(datadir_clear_mark(&dir, &fault), 0);
    CU_ASSERT_EQUAL(datadir_mark_damaged(&dir, &fault), 0);
    CU_ASSERT_EQUAL(datadir_mark_damaged(&dir, &fault), 0);
    CU_ASSERT_TRUE(datadir_is_marked(&dir));
    datadir_close(&dir);
    CU_ASSERT_EQUAL_FATAL(datadir_open(path, &dir, &fault), 0);
    CU_ASSERT_TRUE(datadir_is_marked(&dir));
    put_file("index/data.mdb", "bytes");
    datadir_drop_index_cache(&dir);
    CU_ASSERT_EQUAL(datadir_clear_mark(&dir, &fault), 0);
    CU_ASSERT_FALSE(datadir_is_marked(&dir));
    datadir_close(&dir);
    tempdir_remove(&temp);
}

static void test_file_systems(void)
{
    static const unsigned refused[] = {
        0x6969,     /* NFS */
        0x517b,     /* SMB */
        0xff534d42, /* CIFS */
        0xfe534d42, /* SMB 2 */
        0x00c36400, /* Ceph */
        0x5346414f, /* AFS */
        0x65735546, /* FUSE, and not one of the local ones: /tmp is no FUSE mount */
    };
    static const unsigned taken[] = {
        0xef53,     /* ext4 */
        0x9123683e, /* btrfs */
        0x58465342, /* XFS */
        0x01021994, /* tmpfs */
        0x794c7630, /* overlay: containers */
        0x01021997, /* 9p: containers */
    };
    struct fault fault = FAULT_INIT;
    struct datadir dir;

    begin();
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        pretended_type = refused[i];
        CU_ASSERT_EQUAL(datadir_open(path, &dir, &fault), ERR_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "network file system"));
        CU_ASSERT_EQUAL(mode_of("lock"), 0);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(taken); i++) {
        pretended_type = taken[i];
        CU_ASSERT_EQUAL_FATAL(datadir_open(path, &dir, &fault), 0);
        datadir_close(&dir);
    }
    pretended_type = 0;
    tempdir_remove(&temp);
}

static void test_free_bytes(void)
{
    struct fault fault = FAULT_INIT;
    struct datadir dir;
    uint64_t free_bytes = 0, total_bytes = 0;

    begin();
    CU_ASSERT_EQUAL_FATAL(datadir_open(path, &dir, &fault), 0);
    CU_ASSERT_EQUAL(datadir_free_bytes(&dir, &free_bytes, &total_bytes, &fault), 0);
    CU_ASSERT_TRUE(total_bytes > 0 && free_bytes <= total_bytes);
    datadir_close(&dir);
    tempdir_remove(&temp);
}

/* A restore under way, or cut off: nobody else opens it, the next restore does. */
static void test_restore(void)
{
    struct datadir dir;
    struct fault fault = FAULT_INIT;

    begin();
    for (unsigned i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(datadir_open_restore(path, &dir, &fault), 0);
        datadir_close(&dir);
        CU_ASSERT_EQUAL(datadir_open(path, &dir, &fault), ERR_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "was not finished"));
        CU_ASSERT_EQUAL(datadir_peek(path, &fault), ERR_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "was not finished"));
    }
    CU_ASSERT_EQUAL_FATAL(datadir_open_restore(path, &dir, &fault), 0);
    CU_ASSERT_EQUAL(datadir_end_restore(&dir, &fault), 0);
    datadir_close(&dir);
    CU_ASSERT_EQUAL(datadir_open_restore(path, &dir, &fault), ERR_EXISTS);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "empty or new"));
    CU_ASSERT_EQUAL(datadir_open(path, &dir, &fault), 0);
    datadir_close(&dir);
    tempdir_remove(&temp);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("datadir", NULL, NULL);

    CU_add_test(suite, "made at the first start, found at the second", test_first_and_second);
    CU_add_test(suite, "one process at a time, named by its pid", test_lock);
    CU_add_test(suite, "a first start that died is repeated", test_interrupted);
    CU_add_test(suite, "other formats are refused", test_format);
    CU_add_test(suite, "a restore that is not over", test_restore);
    CU_add_test(suite, "foreign files are refused", test_foreign);
    CU_add_test(suite, "wrong paths are explained", test_paths);
    CU_add_test(suite, "a directory of another user is explained", test_not_writable);
    CU_add_test(suite, "network file systems are refused", test_file_systems);
    CU_add_test(suite, "links are not followed", test_link);
    CU_add_test(suite, "the marker", test_mark);
    CU_add_test(suite, "free disk", test_free_bytes);
}
