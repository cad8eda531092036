/*
 * From examples to passes: which examples of an optimizer step go through the network together, as which
 * sequences, in which buffers. Examples are taken in the order of their tokens, so that those with a common
 * prompt meet in one trie; an example's chosen and rejected always share a pass.
 */
#include "train/batch.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* The i-th token of prompt + chosen. */
static int32_t token_at(const pbt_example *example, size_t i) {
    return i < example->prompt.count ? example->prompt.items[i]
                                     : example->chosen.items[i - example->prompt.count];
}

static size_t chosen_length(const pbt_example *example) {
    return example->prompt.count + example->chosen.count;
}

static size_t common_tokens(const pbt_example *a, const pbt_example *b) {
    size_t na = chosen_length(a), nb = chosen_length(b), n = na < nb ? na : nb, i = 0;
    while (i < n && token_at(a, i) == token_at(b, i)) i++;
    return i;
}

static int by_text(const void *pa, const void *pb, void *context) {
    const pbt_batch *batch = context;
    uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    const pbt_example *ea = batch->examples[a], *eb = batch->examples[b];
    size_t na = chosen_length(ea), nb = chosen_length(eb), i = common_tokens(ea, eb);
    if (i < na && i < nb) return token_at(ea, i) < token_at(eb, i) ? -1 : 1;
    if (na != nb) return na < nb ? -1 : 1;
    return a < b ? -1 : a > b;
}

static size_t rejected_shared(const pbt_example *example) {
    const pbt_ids *c = &example->chosen, *r = &example->rejected;
    size_t n = c->count < r->count ? c->count : r->count, i = 0;
    while (i < n && c->items[i] == r->items[i]) i++;
    return example->prompt.count + i;
}

/* Upper bound of the rows the example adds to a trie in which `shared` tokens of its chosen text stand
 * already. */
static int64_t rows_added(const pbt_example *example, size_t shared, bool preference, bool share) {
    int64_t rows = (int64_t)chosen_length(example) - (int64_t)(share ? shared : 0);
    if (preference)
        rows += (int64_t)(example->prompt.count + example->rejected.count) -
                (int64_t)(share ? rejected_shared(example) : 0);
    return rows;
}

int64_t pbt_example_rows(const pbt_example *example, bool preference, bool share) {
    return rows_added(example, 0, preference, share);
}

int64_t pbt_example_targets(const pbt_example *example) {
    if (!example->mask) return (int64_t)example->chosen.count - (example->prompt.count == 0);
    int64_t n = 0;
    for (size_t i = 1; i < chosen_length(example); i++) n += example->mask[i] != 0;
    return n;
}

pbt_code pbt_batch_plan(const pbt_example *const *examples, size_t n, bool preference, bool share,
                        int32_t max_rows, pbt_batch *batch, pbt_error *error) {
    memset(batch, 0, sizeof *batch);
    batch->n = n;
    batch->preference = preference;
    batch->examples = pbt_alloc(n + 1, sizeof *batch->examples);
    batch->order = pbt_alloc(n + 1, sizeof *batch->order);
    batch->pass_start = pbt_alloc(n + 2, sizeof *batch->pass_start);
    if (!batch->examples || !batch->order || !batch->pass_start) {
        pbt_batch_free(batch);
        return pbt_fail_memory(error, n * 24, "the plan of a batch");
    }
    for (size_t i = 0; i < n; i++) {
        batch->examples[i] = examples[i];
        batch->order[i] = (uint32_t)i;
    }
    if (share) qsort_r(batch->order, n, sizeof *batch->order, by_text, batch);
    int64_t rows = 0;
    for (size_t i = 0; i < n; i++) {
        const pbt_example *example = batch->examples[batch->order[i]];
        size_t shared = rows > 0 ? common_tokens(batch->examples[batch->order[i - 1]], example) : 0;
        int64_t added = rows_added(example, shared, preference, share);
        if (rows > 0 && rows + added > max_rows) {
            batch->pass_start[++batch->n_passes] = i;
            rows = 0;
            added = rows_added(example, 0, preference, share);
        }
        rows += added;
    }
    if (n > 0) batch->pass_start[++batch->n_passes] = n;
    return PBT_OK;
}

void pbt_batch_free(pbt_batch *batch) {
    free(batch->examples);
    free(batch->order);
    free(batch->pass_start);
    memset(batch, 0, sizeof *batch);
}

/* Writes prompt + completion and its mask to ids and mask; returns how many. */
static int32_t write_sequence(const pbt_example *example, const pbt_ids *completion,
                              const unsigned char *given_mask, int32_t *ids, unsigned char *mask) {
    size_t np = example->prompt.count, nc = completion->count;
    if (np > 0) memcpy(ids, example->prompt.items, np * sizeof *ids);
    if (nc > 0) memcpy(ids + np, completion->items, nc * sizeof *ids);
    if (given_mask) {
        memcpy(mask, given_mask, np + nc);
    } else {
        memset(mask, 0, np);
        memset(mask + np, 1, nc);
    }
    if (np + nc > 0) mask[0] = 0;
    return (int32_t)(np + nc);
}

pbt_code pbt_batch_trie(const pbt_batch *batch, size_t pass, bool share, pbt_trie *trie, pbt_error *error) {
    size_t first = batch->pass_start[pass], last = batch->pass_start[pass + 1], tokens = 0;
    size_t per_example = batch->preference ? 2 : 1, n = (last - first) * per_example, s = 0;
    for (size_t i = first; i < last; i++) {
        const pbt_example *example = batch->examples[batch->order[i]];
        tokens += chosen_length(example);
        if (batch->preference) tokens += example->prompt.count + example->rejected.count;
    }
    int32_t *ids = pbt_alloc(tokens + 1, sizeof *ids);
    unsigned char *mask = pbt_alloc(tokens + 1, 1);
    pbt_sequence *sequences = pbt_alloc(n + 1, sizeof *sequences);
    pbt_code code;
    if (!ids || !mask || !sequences || n > INT32_MAX) {
        code = pbt_fail_memory(error, tokens * 5, "the sequences of a batch");
    } else {
        int32_t *id = ids;
        unsigned char *m = mask;
        for (size_t i = first; i < last; i++) {
            const pbt_example *example = batch->examples[batch->order[i]];
            for (size_t k = 0; k < per_example; k++) {
                int32_t length = write_sequence(example, k == 0 ? &example->chosen : &example->rejected,
                                                k == 0 ? example->mask : NULL, id, m);
                sequences[s++] = (pbt_sequence){id, m, length};
                id += length;
                m += length;
            }
        }
        code = pbt_trie_build(sequences, (int32_t)n, share, trie, error);
    }
    free(ids);
    free(mask);
    free(sequences);
    return code;
}

pbt_code pbt_pass_buffers_create(const pbt_model *model, int32_t rows, int32_t adapter_rank, bool keep,
                                 pbt_pass_buffers *buffers, pbt_error *error) {
    memset(buffers, 0, sizeof *buffers);
    buffers->model = model;
    buffers->adapter_rank = adapter_rank;
    buffers->keep = keep;
    pbt_code code = pbt_kv_create(model, rows, &buffers->kv, error);
    if (code == PBT_OK)
        code = pbt_activations_create(model, rows, adapter_rank, keep, &buffers->activations, error);
    if (code == PBT_OK)
        buffers->rows = rows;
    else
        pbt_pass_buffers_free(buffers);
    return code;
}

static pbt_code grow_floats(float **items, size_t *capacity, int32_t need, pbt_error *error) {
    return pbt_grow(*items, capacity, (size_t)need, error);
}

static pbt_code grow_statistics(pbt_pass_buffers *buffers, int32_t targets, pbt_error *error) {
    pbt_target_statistics *s = &buffers->statistics;
    PBT_TRY(grow_floats(&s->entropy, &buffers->entropy_capacity, targets, error));
    PBT_TRY(grow_floats(&s->mean_logit, &buffers->mean_capacity, targets, error));
    return pbt_grow(s->top, &buffers->top_capacity, (size_t)targets, error);
}

pbt_code pbt_pass_buffers_reserve(pbt_pass_buffers *buffers, int32_t rows, int32_t targets,
                                  pbt_error *error) {
    PBT_TRY(grow_floats(&buffers->logprob, &buffers->logprob_capacity, targets, error));
    PBT_TRY(grow_floats(&buffers->weight, &buffers->weight_capacity, targets, error));
    PBT_TRY(grow_statistics(buffers, targets, error));
    if (rows <= buffers->rows) return PBT_OK;
    pbt_pass_buffers larger;
    PBT_TRY(
        pbt_pass_buffers_create(buffers->model, rows, buffers->adapter_rank, buffers->keep, &larger, error));
    larger.logprob = buffers->logprob;
    larger.weight = buffers->weight;
    larger.statistics = buffers->statistics;
    larger.logprob_capacity = buffers->logprob_capacity;
    larger.weight_capacity = buffers->weight_capacity;
    larger.entropy_capacity = buffers->entropy_capacity;
    larger.mean_capacity = buffers->mean_capacity;
    larger.top_capacity = buffers->top_capacity;
    buffers->logprob = buffers->weight = NULL;
    buffers->statistics = (pbt_target_statistics){0};
    pbt_pass_buffers_free(buffers);
    *buffers = larger;
    return PBT_OK;
}

void pbt_pass_buffers_free(pbt_pass_buffers *buffers) {
    if (buffers->kv.k || buffers->kv.v) pbt_kv_free(buffers->model, &buffers->kv);
    if (buffers->activations) pbt_activations_free(buffers->activations);
    free(buffers->logprob);
    free(buffers->weight);
    free(buffers->statistics.entropy);
    free(buffers->statistics.mean_logit);
    free(buffers->statistics.top);
    memset(buffers, 0, sizeof *buffers);
}
