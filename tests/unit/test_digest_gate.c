/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "storage/digest_gate.h"
#include "tests/support/pump.h"

#include <CUnit/CUnit.h>

#include <pthread.h>

struct holder {
    struct digest_gate_pass pass;
    unsigned turn; /* 0: not entered; else the how-manieth */
};

static struct digest_gate *gate;
static struct queue *queue;
static unsigned turns;

static int set_up(void)
{
    gate = digest_gate_create();
    queue = queue_create();
    return 0;
}

static int take_down(void)
{
    digest_gate_destroy(gate);
    queue_destroy(queue);
    return 0;
}

static void entered(struct pool_job *job)
{
    CONTAINER_OF(job, struct holder, pass.job)->turn = ++turns;
}

static struct digest digest_of(uint8_t first, uint8_t second)
{
    return (struct digest){.algorithm = DIGEST_SHA256, .raw = {first, second}};
}

static bool enter(struct holder *holder, struct queue *reply, uint8_t first, uint8_t second)
{
    struct digest digest = digest_of(first, second);

    holder->turn = 0;
    holder->pass.job.done = entered;
    holder->pass.job.reply = reply;
    return digest_gate_enter(gate, &digest, &holder->pass);
}

static void test_free(void)
{
    struct holder a, b;

    CU_ASSERT_TRUE(enter(&a, queue, 1, 0));
    CU_ASSERT_TRUE(enter(&b, queue, 2, 0)); /* another stripe */
    digest_gate_leave(&a.pass);
    CU_ASSERT_TRUE(enter(&a, queue, 1, 0));
    digest_gate_leave(&a.pass);
    digest_gate_leave(&b.pass);
    CU_ASSERT_EQUAL(queue_depth(queue), 0);
}

static void test_in_line(void)
{
    struct queue *other = queue_create();
    struct holder a, b, c, d;

    turns = 0;
    CU_ASSERT_TRUE(enter(&a, queue, 7, 1));
    CU_ASSERT_FALSE(enter(&b, queue, 7, 1));
    CU_ASSERT_FALSE(enter(&c, other, 7, 1));
    CU_ASSERT_EQUAL(queue_depth(queue), 0);
    digest_gate_leave(&a.pass);
    CU_ASSERT_EQUAL(queue_depth(other), 0);
    CU_ASSERT_EQUAL(pool_run_replies(queue), 1);
    CU_ASSERT_EQUAL(b.turn, 1);
    CU_ASSERT_FALSE(enter(&d, queue, 7, 1)); /* behind c, although nobody runs */
    digest_gate_leave(&b.pass);
    CU_ASSERT_EQUAL(queue_depth(queue), 0);
    CU_ASSERT_EQUAL(pool_run_replies(other), 1); /* on its own queue */
    CU_ASSERT_EQUAL(c.turn, 2);
    digest_gate_leave(&c.pass);
    CU_ASSERT_EQUAL(pool_run_replies(queue), 1);
    CU_ASSERT_EQUAL(d.turn, 3);
    digest_gate_leave(&d.pass);
    CU_ASSERT_TRUE(enter(&a, queue, 7, 1));
    digest_gate_leave(&a.pass);
    queue_destroy(other);
}

#define CROWD  4
#define ROUNDS 2000

/* Not atomic: only the gate keeps the threads apart. */
static unsigned long guarded;

static void *crowd_thread(void *arg)
{
    struct queue *own = queue_create();
    bool *ok = arg;

    *ok = true;
    for (unsigned i = 0; i < ROUNDS && *ok; i++) {
        struct holder holder = {.turn = 0};
        struct digest digest = digest_of(9, 9);
        bool is_in;

        holder.pass.job.done = entered;
        holder.pass.job.reply = own;
        is_in = digest_gate_enter(gate, &digest, &holder.pass);
        if (!is_in) {
            *ok = false;
            for (unsigned wait = 0; wait < 200 && !*ok; wait++) {
                struct pollfd fd = {.fd = queue_fd(own), .events = POLLIN};

                poll(&fd, 1, 100);
                *ok = pool_run_replies(own) == 1;
            }
        }
        guarded++;
        digest_gate_leave(&holder.pass);
    }
    queue_destroy(own);
    return NULL;
}

static void test_crowd(void)
{
    pthread_t threads[CROWD];
    bool ok[CROWD];

    guarded = 0;
    for (unsigned i = 0; i < CROWD; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, crowd_thread, &ok[i]), 0);
    for (unsigned i = 0; i < CROWD; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_TRUE(ok[i]);
    }
    CU_ASSERT_EQUAL(guarded, (unsigned long)CROWD * ROUNDS);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("digest_gate", set_up, take_down);

    CU_add_test(suite, "a free stripe is entered at once", test_free);
    CU_add_test(suite, "who waits longest is next, on its own queue", test_in_line);
    CU_add_test(suite, "threads exclude each other", test_crowd);
}
