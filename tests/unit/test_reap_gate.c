/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "storage/reap_gate.h"

#include "tests/support/cunit_main.h"

#include <CUnit/CUnit.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static void test_alone(void)
{
    struct reap_gate *gate = reap_gate_create();

    CU_ASSERT_TRUE(reap_gate_enter(gate));
    CU_ASSERT_TRUE(reap_gate_enter(gate)); /* slices may run side by side */
    reap_gate_leave(gate);
    reap_gate_leave(gate);
    reap_gate_pause(gate);
    reap_gate_pause(gate);
    CU_ASSERT_EQUAL(reap_gate_pauses(gate), 2);
    CU_ASSERT_FALSE(reap_gate_enter(gate));
    reap_gate_resume(gate);
    CU_ASSERT_FALSE(reap_gate_enter(gate));
    reap_gate_resume(gate);
    CU_ASSERT_EQUAL(reap_gate_pauses(gate), 0);
    CU_ASSERT_TRUE(reap_gate_enter(gate));
    reap_gate_leave(gate);
    reap_gate_destroy(gate);
}

#define ROUNDS 2000

struct scene {
    struct reap_gate *gate;
    atomic_int inside;
    atomic_bool over;
    atomic_ulong slices;
};

static void *reaper(void *arg)
{
    struct scene *scene = arg;

    while (!atomic_load(&scene->over)) {
        if (!reap_gate_enter(scene->gate)) {
            sched_yield();
            continue;
        }
        atomic_fetch_add(&scene->inside, 1);
        atomic_fetch_add(&scene->slices, 1);
        sched_yield();
        atomic_fetch_sub(&scene->inside, 1);
        reap_gate_leave(scene->gate);
    }
    return NULL;
}

/* Between pause and resume no slice is under way, not even one that began before. */
static void test_threads(void)
{
    struct scene scene = {.gate = reap_gate_create()};
    pthread_t threads[2];
    int seen = 0;

    for (unsigned i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, reaper, &scene), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned long before = atomic_load(&scene.slices);

        reap_gate_pause(scene.gate);
        for (unsigned look = 0; look < 10; look++)
            seen += atomic_load(&scene.inside);
        reap_gate_resume(scene.gate);
        while (atomic_load(&scene.slices) == before)
            sched_yield();
    }
    atomic_store(&scene.over, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(seen, 0);
    reap_gate_destroy(scene.gate);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("reap_gate", NULL, NULL);

    CU_add_test(suite, "pauses are counted, slices are not", test_alone);
    CU_add_test(suite, "a pause waits for the slices under way", test_threads);
}
