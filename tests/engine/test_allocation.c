/* Decoding allocates nothing: once buffers have grown to a text's length, more tokens are no more
 * allocations. */
#include "engine/fixture.h"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <stdatomic.h>

/* Every allocation of the program comes through here. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
static atomic_long allocations;

void *malloc(size_t bytes) {
    allocations++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
    allocations++;
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes) {
    allocations++;
    return __libc_realloc(memory, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    allocations++;
    return __libc_memalign(alignment, bytes);
}

static long allocations_of(pbt_engine *engine, int n, int32_t new_tokens) {
    static const int32_t prompt[] = {3, 1, 4, 1, 5};
    pbt_generation requests[4] = {{0}};
    for (int i = 0; i < n; i++)
        requests[i] = (pbt_generation){.prompt = prompt,
                                       .prompt_length = 5,
                                       .sampling = {.temperature = 1,
                                                    .top_p = 1,
                                                    .max_new_tokens = new_tokens,
                                                    .min_new_tokens = new_tokens},
                                       .key = pbt_key_of_seed((uint64_t)i)};
    pbt_engine_forget(engine, NULL);
    long before = allocations;
    assert_ok(pbt_engine_generate(engine, requests, (size_t)n, NULL, error));
    long made = allocations - before;
    for (int i = 0; i < n; i++) free(requests[i].ids);
    return made;
}

static void decoding(void **state) {
    (void)state;
    pbt_model *model = fixture_model(1, false);
    pbt_engine *engine = fixture_engine(model, 0, 4, 0, true);
    for (int n = 1; n <= 4; n += 3) {
        allocations_of(engine, n, 100);
        long few = allocations_of(engine, n, 10), many = allocations_of(engine, n, 100);
        print_message("%d texts: %ld allocations for 10 tokens each, %ld for 100\n", n, few, many);
        long nodes = n == 1 ? 0 : n * (100 - 10) / 32;
        assert_true(many - few <= 2 * nodes);
    }
    pbt_engine_free(engine);
    pbt_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(decoding)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
#include "skip.h"

int main(void) {
    return skipped("the C library or a sanitizer keeps allocations to itself");
}
#endif
