/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is it: from a user name and a secret to an identity. The secret may be a password of a user
 * Tidemark keeps or of the htpasswd file, a secret of Tidemark's own (tmk_...; then the user name
 * does not matter), or a token that a registered verifier takes (a JWT).
 *
 * login_check never blocks; bcrypt runs on a thread of its own. Nothing here knows HTTP. The reason
 * of a refusal is for the log; what may be told to the client is in the fault, and is the same for
 * an unknown user and a wrong password.
 */
#ifndef AUTH_LOGIN_H
#define AUTH_LOGIN_H

#include "auth/identity.h"
#include "auth/lockout.h"
#include "auth/password.h"
#include "base/fault.h"
#include "base/pool.h"
#include "storage/kv.h"
#include "storage/rows.h"

#define LOGIN_USER_MAX    255   /* bytes of a user name */
#define LOGIN_SECRET_MAX  16384 /* bytes of a secret */
#define LOGIN_ADDRESS_MAX 64

struct login;

struct login_options {
    const char *htpasswd; /* path; NULL or "": none. Fixed at create */
    unsigned bcrypt_cost; /* of new passwords */
    uint64_t cache_ms;    /* how long a right password is remembered; 0: not at all */
    unsigned queue_max;   /* passwords that may wait for their bcrypt; more: 429 */
    uint64_t warn_ms;     /* before a robot's secret expires its identity says so; 0: never */
    struct lockout_options lockout;
};

/* Reads the htpasswd file: ERR_CONFIG when it cannot be used. Starts the password thread. */
int login_create(const struct login_options *options, struct login **login,
                 struct fault *fault) MUST_CHECK;
/* Ends the password thread, after what waits there: the replies come on queues that must still be
 * there. Then every request must become done before login_destroy. */
void login_stop(struct login *login);
void login_destroy(struct login *login);

/* New values of everything but the path. Any thread. */
void login_configure(struct login *login, const struct login_options *options);

/*
 * Checking.
 */

/* REFRESH: a refresh token, where those are taken. */
enum login_means { LOGIN_NONE, LOGIN_PASSWORD, LOGIN_TOKEN, LOGIN_REFRESH, LOGIN_VERIFIED };

/* It and what its slices point to belong to the login until `done`, which is always called, once: a
 * caller whose connection goes away must keep it until then. */
struct login_request {
    struct pool_job job; /* login's own */
    struct login *login; /* login's own */

    struct kv_client *kv; /* of the calling thread; `done` comes on its queue */
    struct slice user;    /* may be empty with a secret that is no password */
    struct slice secret;
    struct slice address; /* of the client, as text; empty: not counted */
    bool takes_refresh; /* this is where refresh tokens are exchanged; elsewhere they are refused */
    /* 0 and an identity, of which the callee has a reference; or ERR_UNAUTHORIZED,
     * ERR_HTTP_TOO_MANY_REQUESTS (see retry_after_s), or an error of the index. May run before
     * login_check returns. */
    void (*done)(void *arg, int err, struct identity *identity);
    void *arg;

    /* out, valid in `done` */
    enum login_means means;
    const char *reason; /* of a refusal, a static word: "unknown-user", "wrong-password", ... */
    unsigned retry_after_s;
    struct fault fault; /* for the client */

    /* login's own */
    struct slice account_row, token_row; /* borrowed in a read */
    bool has_account, has_token;
    bool is_checked; /* the password was right when it was compared with `hash` */
    bool is_right;
    int64_t now_ms, expires_ms;
    uint64_t token_id;
    uint64_t wait_ms;
    struct lockout_verdict verdict;
    uint8_t sha256[TOKEN_HASH_SIZE];
    char hash[PASSWORD_HASH_SIZE + 1];
};

/* Thread of request->kv. */
void login_check(struct login *login, struct login_request *request);

/* How long a password of this account from there would not be looked at; 0: it would. For a cache
 * of credentials before login_check: a password it knows must not open meanwhile, or guesses go on
 * and the right one shows. Any thread. */
uint64_t login_wait_ms(struct login *login, struct slice user, struct slice address);

/* A number that changes whenever accounts, groups, secrets or the htpasswd file do: what was cached
 * under another one must be asked again. Any thread. */
uint64_t login_generation(const struct login *login);

/* After a change of an account, group or secret was committed. Any thread. */
void login_changed(struct login *login);

/* While nobody has the right `admin`, the bootstrap token opens; from then on it does not. False at
 * first. Any thread. */
void login_set_bootstrap(struct login *login, bool is_open);

/* Looks whether the htpasswd file changed, on the password thread; what is wrong with it is logged.
 * Call it every few seconds. Any thread. */
void login_poll(struct login *login);

/*
 * Verifiers of other kinds of secrets.
 */

struct login_verifier {
    struct login_verifier *next; /* login's own */
    /* Is the secret of this kind (by its looks)? */
    bool (*takes)(struct login_verifier *verifier, struct slice secret);
    /* Ends with login_verified, now or later, on the thread of request->kv. */
    void (*verify)(struct login_verifier *verifier, struct login_request *request);
};

/* Before the first login_check. Asked in the order they were added; the verifier outlives `login`.
 */
void login_add_verifier(struct login *login, struct login_verifier *verifier);

/* err 0: `identity`, whose reference goes over. Else reason (static) and request->fault say why. */
void login_verified(struct login_request *request, int err, struct identity *identity,
                    const char *reason);

/*
 * New passwords.
 */

struct login_hash {
    struct pool_job job;   /* login's own */
    struct login *login;   /* login's own */
    struct slice password; /* kept by the caller until `done`; password_check_new was asked */
    struct queue *reply;   /* where `done` runs (kv_client_queue) */
    void (*done)(struct login_hash *request);
    void *arg;
    /* out */
    int err; /* ERR_HTTP_TOO_MANY_REQUESTS when too many wait (then `done` runs at once) */
    char hash[PASSWORD_HASH_SIZE + 1];
};
void login_hash(struct login *login, struct login_hash *request);

/* An htpasswd user, whether Tidemark has an account row for it or not. Does not block. */
bool login_has_external(struct login *login, struct slice user);

#endif
