/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "storage/dir_list.h"

#include "tests/support/cunit_main.h"
#include "tests/support/tempdir.h"

#include <CUnit/CUnit.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scene {
    struct tempdir temp;
    int fd;
};

static void set_up(struct scene *scene)
{
    tempdir_make(&scene->temp);
    scene->fd = open(scene->temp.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_TRUE_FATAL(scene->fd >= 0);
    CU_ASSERT_EQUAL(mkdirat(scene->fd, "folder", 0700), 0);
    CU_ASSERT_EQUAL(mkdirat(scene->fd, "folder/.a", 0700), 0);
    CU_ASSERT_EQUAL(mkdirat(scene->fd, "folder/..b", 0700), 0);
    CU_ASSERT_EQUAL(symlinkat("folder", scene->fd, "link"), 0);
}

static void tear_down(struct scene *scene)
{
    close(scene->fd);
    tempdir_remove(&scene->temp);
}

/* Hidden names are names; the two that every directory has are not. */
static void test_names(void)
{
    struct scene scene;
    const char *name;
    unsigned a = 0, b = 0, other = 0;

    set_up(&scene);
    DIR *list = dir_list_open(scene.fd, "folder");
    CU_ASSERT_PTR_NOT_NULL_FATAL(list);
    while ((name = dir_list_next(list)) != NULL) {
        if (strcmp(name, ".a") == 0)
            a++;
        else if (strcmp(name, "..b") == 0)
            b++;
        else
            other++;
        errno = EBUSY; /* left behind by what is done with a name */
    }
    CU_ASSERT_EQUAL(errno, 0);
    CU_ASSERT_EQUAL(a, 1);
    CU_ASSERT_EQUAL(b, 1);
    CU_ASSERT_EQUAL(other, 0);
    closedir(list);
    tear_down(&scene);
}

/* Another list of the same descriptor begins at the first name again. */
static void test_twice(void)
{
    struct scene scene;

    set_up(&scene);
    int fd = openat(scene.fd, "folder", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int round = 0; round < 2; round++) {
        DIR *list = dir_list_open(fd, ".");
        unsigned n = 0;

        CU_ASSERT_PTR_NOT_NULL_FATAL(list);
        while (dir_list_next(list) != NULL)
            n++;
        CU_ASSERT_EQUAL(n, 2);
        closedir(list);
    }
    close(fd);
    tear_down(&scene);
}

static void test_refused(void)
{
    struct scene scene;

    set_up(&scene);
    CU_ASSERT_PTR_NULL(dir_list_open(scene.fd, "nothing"));
    CU_ASSERT_EQUAL(errno, ENOENT);
    CU_ASSERT_PTR_NULL(dir_list_open(scene.fd, "link")); /* it may lead anywhere */
    CU_ASSERT_TRUE(errno == ELOOP || errno == ENOTDIR);
    CU_ASSERT_PTR_NULL(dir_list_open(-1, "folder"));
    CU_ASSERT_EQUAL(errno, EBADF);
    tear_down(&scene);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("dir_list", NULL, NULL);

    CU_add_test(suite, "all names but the two that every directory has", test_names);
    CU_add_test(suite, "a descriptor is listed twice", test_twice);
    CU_add_test(suite, "what cannot be listed says why", test_refused);
}
