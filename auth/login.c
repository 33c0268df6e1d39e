/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "auth/login.h"

#include "auth/login_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

int login_create(const struct login_options *options, struct login **login, struct fault *fault)
{
    struct login *created = xcalloc(1, sizeof(*created));
    int err = 0;

    if (options->htpasswd != NULL && *options->htpasswd != '\0')
        err = htpasswd_open(options->htpasswd, &created->htpasswd, fault);
    if (err != 0) {
        free(created);
        return err;
    }
    pthread_mutex_init(&created->lock, NULL);
    created->options = *options;
    created->options.htpasswd = NULL; /* the caller's */
    created->cache = password_cache_create();
    created->lockout = lockout_create();
    created->pool = pool_create("password", 1);
    *login = created;
    return 0;
}

void login_stop(struct login *login)
{
    if (login->pool != NULL)
        pool_destroy(login->pool);
    login->pool = NULL;
}

void login_destroy(struct login *login)
{
    login_stop(login);
    if (login->htpasswd != NULL)
        htpasswd_close(login->htpasswd);
    password_cache_destroy(login->cache);
    lockout_destroy(login->lockout);
    pthread_mutex_destroy(&login->lock);
    free(login);
}

void login_configure(struct login *login, const struct login_options *options)
{
    pthread_mutex_lock(&login->lock);
    login->options = *options;
    login->options.htpasswd = NULL;
    pthread_mutex_unlock(&login->lock);
}

struct login_options login_options_now(struct login *login)
{
    pthread_mutex_lock(&login->lock);
    struct login_options options = login->options;
    pthread_mutex_unlock(&login->lock);
    return options;
}

/* A file may have costlier hashes than we would make. */
unsigned login_cost(struct login *login)
{
    const unsigned ours = login_options_now(login).bcrypt_cost;
    const unsigned theirs = login->htpasswd != NULL ? htpasswd_cost(login->htpasswd) : 0;

    return ours > theirs ? ours : theirs;
}

bool login_submit(struct login *login, struct pool_job *job)
{
    if (pool_depth(login->pool) >= login_options_now(login).queue_max)
        return false;
    pool_submit(login->pool, job);
    return true;
}

uint64_t login_generation(const struct login *login)
{
    return atomic_load(&login->generation);
}

uint64_t login_wait_ms(struct login *login, struct slice user, struct slice address)
{
    const struct login_options options = login_options_now(login);

    return lockout_wait(login->lockout, &options.lockout, user, address, clock_mono_ms());
}

void login_changed(struct login *login)
{
    atomic_fetch_add(&login->generation, 1);
}

void login_set_bootstrap(struct login *login, bool is_open)
{
    atomic_store(&login->is_bootstrap_open, is_open);
}

void login_add_verifier(struct login *login, struct login_verifier *verifier)
{
    struct login_verifier **at = &login->verifiers;

    while (*at != NULL)
        at = &(*at)->next;
    verifier->next = NULL;
    *at = verifier;
}

bool login_has_external(struct login *login, struct slice user)
{
    char hash[PASSWORD_HASH_SIZE + 1];

    return login->htpasswd != NULL && htpasswd_find(login->htpasswd, user, hash);
}

/*
 * The htpasswd file.
 */

static void refresh(struct pool_job *job)
{
    struct login *login = CONTAINER_OF(job, struct login, poll);
    struct fault fault = FAULT_INIT;
    bool changed;
    int err = htpasswd_refresh(login->htpasswd, &changed, &fault);

    if (err != 0)
        log_error("htpasswd.refused", "the htpasswd file cannot be used; its old content goes on",
                  LOG_CSTR("error", fault_text(&fault, err)));
    if (changed) {
        login_changed(login);
        log_info("htpasswd.loaded", "the htpasswd file was read again",
                 LOG_U64("users", htpasswd_users(login->htpasswd)));
    }
    atomic_store(&login->is_polling, false);
}

void login_poll(struct login *login)
{
    if (login->htpasswd == NULL || login->pool == NULL || atomic_exchange(&login->is_polling, true))
        return;
    login->poll = (struct pool_job){.run = refresh};
    pool_submit(login->pool, &login->poll);
}

/*
 * New passwords.
 */

static void make_hash(struct pool_job *job)
{
    struct login_hash *request = CONTAINER_OF(job, struct login_hash, job);

    request->err = password_hash(request->password, login_options_now(request->login).bcrypt_cost,
                                 request->hash, NULL);
}

static void made_hash(struct pool_job *job)
{
    struct login_hash *request = CONTAINER_OF(job, struct login_hash, job);

    request->done(request);
}

void login_hash(struct login *login, struct login_hash *request)
{
    request->login = login;
    request->err = 0;
    request->hash[0] = '\0';
    request->job = (struct pool_job){.run = make_hash, .done = made_hash, .reply = request->reply};
    if (login_submit(login, &request->job))
        return;
    request->err = ERR_HTTP_TOO_MANY_REQUESTS;
    request->done(request);
}
