/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/open_store.h"

#include <sys/resource.h>
#include <unistd.h>

/* Threads that read the index at once: workers, fsck, and some in reserve. */
#define INDEX_READERS 512

const char *config_path(const char *config)
{
    if (config == NULL && access(TIDEMARK_CONFIG_FILE, F_OK) == 0)
        return TIDEMARK_CONFIG_FILE;
    return config;
}

int load_settings(const char *config, const struct settings_overrides *overrides,
                  const struct settings **settings, struct fault *fault)
{
    return settings_load(config_path(config), overrides, settings, fault);
}

struct upload_options upload_options_of(const struct settings *settings)
{
    return (struct upload_options){
        .buffer_total_bytes = settings->uploads_buffer_total_bytes,
        .blob_max_bytes = settings->blobs_max_bytes,
        .count_max = (unsigned)settings->uploads_max,
        .idle_expire_s = (unsigned)(settings->uploads_expire_ms / 1000),
        .reserve_bytes = settings->storage_reserve_bytes,
    };
}

static unsigned processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n > 0 ? (unsigned)n : 1;
}

unsigned open_files_max(const struct settings *settings)
{
    struct rlimit limit;
    uint64_t max = settings->blobs_open_files;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 8 < max)
        max = limit.rlim_cur / 8;
    return (unsigned)max;
}

static struct store_options store_options_of(const struct settings *settings)
{
    return (struct store_options){
        .path = settings->storage_path,
        .kv = {.map_size_bytes = settings->index_map_size_bytes,
               .readers_max = INDEX_READERS,
               .queue_max = (unsigned)settings->index_queue_max},
        .uploads = upload_options_of(settings),
        .open_files = open_files_max(settings),
        .cpu_threads = settings->server_cpu_threads > 0 ? (unsigned)settings->server_cpu_threads
                                                        : processors(),
        .io_threads = (unsigned)settings->server_io_threads,
    };
}

int open_store(const struct settings *settings,
               void (*on_fatal)(void *arg, const struct fault *fault), struct store *store,
               struct fault *fault)
{
    struct store_options options = store_options_of(settings);

    options.kv.on_fatal = on_fatal;
    return store_open(&options, store, fault);
}

int open_store_restored(const struct settings *settings, struct store *store, struct fault *fault)
{
    struct store_options options = store_options_of(settings);

    options.restoring = true;
    return store_open(&options, store, fault);
}
