/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: runs a fuzz target over files without a fuzzer, so that its corpus is a test of every
 * build and compiler. Each file is given whole, and, as parsers break most often at a cut, small
 * ones by every prefix too. The input is a heap copy of exactly its size: an address sanitizer
 * build sees a read one byte past it.
 *
 * Usage: fuzz_<what> [file or folder]...   (default: $TOP_SRCDIR/tests/fuzz/corpus/<what>)
 */
#include "config.h"

#include "base/mem.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX_BYTES  (1 << 20)
#define PREFIX_MAX_BYTES 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned test_number;
static bool failed;

static void report(bool ok, const char *path, const char *why)
{
    printf("%s %u - %s%s%s\n", ok ? "ok" : "not ok", ++test_number, path, why ? ": " : "",
           why ? why : "");
    failed |= !ok;
}

static void feed(const uint8_t *data, size_t size)
{
    uint8_t *copy = xmalloc(size);

    if (size)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void replay_file(const char *path)
{
    static uint8_t data[INPUT_MAX_BYTES];
    FILE *file = fopen(path, "rb");
    size_t size;

    if (!file) {
        report(false, path, "cannot be opened");
        return;
    }
    size = fread(data, 1, sizeof(data), file);
    if (ferror(file) || !feof(file)) {
        report(false, path, "cannot be read, or is larger than 1 MiB");
        fclose(file);
        return;
    }
    fclose(file);
    for (size_t n = 0; size <= PREFIX_MAX_BYTES && n < size; n++)
        feed(data, n);
    feed(data, size);
    report(true, path, NULL);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void replay(const char *path)
{
    struct dirent **entries;
    struct stat st;
    int n;

    if (stat(path, &st) != 0) {
        report(false, path, "does not exist");
        return;
    }
    if (!S_ISDIR(st.st_mode)) {
        replay_file(path);
        return;
    }
    n = scandir(path, &entries, is_visible, alphasort);
    if (n <= 0)
        report(false, path, "has no file to replay");
    for (int i = 0; i < n; i++) {
        char child[PATH_MAX];

        if (snprintf(child, sizeof(child), "%s/%s", path, entries[i]->d_name) < PATH_MAX)
            replay(child);
        else
            report(false, path, "has a name that is too long");
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

/* <top>/tests/fuzz/corpus/<what>, from the program's name: .../fuzz_<what>. */
static void replay_own_corpus(const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash ? slash + 1 : program;
    const char *top = getenv("TOP_SRCDIR");
    char path[PATH_MAX];

    if (strncmp(name, "fuzz_", 5) == 0)
        name += 5;
    if (snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", top ? top : ".", name) >= PATH_MAX)
        report(false, name, "TOP_SRCDIR is too long");
    else
        replay(path);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    feed(NULL, 0);
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    if (argc < 2)
        replay_own_corpus(argv[0]);
    printf("1..%u\n", test_number);
    return failed || test_number == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
