#include "report/figures/paired.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

pbt_code pbt_paired_add(pbt_paired_items *items, uint64_t id, uint32_t cluster, double value,
                        pbt_error *error) {
    pbt_code code = pbt_grow(items->items, &items->capacity, items->count + 1, error);
    if (code == PBT_OK) items->items[items->count++] = (pbt_paired_item){id, cluster, value};
    return code;
}

void pbt_paired_free(pbt_paired_items *items) {
    free(items->items);
    *items = (pbt_paired_items){0};
}

static int by_id(const void *a, const void *b) {
    const pbt_paired_item *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static int by_cluster(const void *a, const void *b) {
    const pbt_paired_item *x = a, *y = b;
    if (x->cluster != y->cluster) return x->cluster > y->cluster ? 1 : -1;
    return by_id(a, b);
}

/* Differences of the items that both have, sorted by question. */
static size_t pair_up(pbt_paired_item *a, size_t n_a, pbt_paired_item *b, size_t n_b, pbt_paired_item *out) {
    size_t n = 0;
    qsort(a, n_a, sizeof *a, by_id);
    qsort(b, n_b, sizeof *b, by_id);
    for (size_t i = 0, j = 0; i < n_a && j < n_b;) {
        if (a[i].id == b[j].id) {
            out[n++] = (pbt_paired_item){a[i].id, a[i].cluster, a[i].value - b[j].value};
            i++;
            j++;
        } else if (a[i].id < b[j].id) {
            i++;
        } else {
            j++;
        }
    }
    qsort(out, n, sizeof *out, by_cluster);
    return n;
}

static void count_questions(const pbt_paired_item *items, size_t n, pbt_comparison *c) {
    for (size_t i = 0; i < n;) {
        double sum = 0;
        uint32_t question = items[i].cluster;
        for (; i < n && items[i].cluster == question; i++) sum += items[i].value;
        c->questions++;
        c->higher += sum > 1e-9;
        c->lower += sum < -1e-9;
    }
    c->p = pbt_mcnemar(c->higher, c->lower);
}

static pbt_paired_item *copy_of(const pbt_paired_items *items) {
    pbt_paired_item *copy = pbt_alloc(items->count + 1, sizeof *copy);
    for (size_t i = 0; copy && i < items->count; i++) copy[i] = items->items[i];
    return copy;
}

pbt_code pbt_compare_items(const pbt_paired_items *arm, const pbt_paired_items *against, size_t draws,
                           const char *name, pbt_comparison *c, pbt_error *error) {
    pbt_paired_item *a = copy_of(arm), *b = copy_of(against), *both = pbt_alloc(arm->count + 1, sizeof *both);
    pbt_item *items = pbt_alloc(arm->count + 1, sizeof *items);
    pbt_code code = a && b && both && items ? PBT_OK : pbt_fail_memory(error, arm->count, "a comparison");
    size_t n = code == PBT_OK ? pair_up(a, arm->count, b, against->count, both) : 0;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        items[i] = (pbt_item){both[i].cluster, both[i].value};
        sum += both[i].value;
    }
    pbt_key key = pbt_key_named(pbt_key_named(pbt_key_of_seed(0), "comparison"), name);
    if (code == PBT_OK) code = pbt_mean_interval(items, n, -1, 1, draws, key, c->ci95, error);
    if (code == PBT_OK) {
        c->n = (int64_t)n;
        c->difference = n ? 100 * sum / (double)n : NAN;
        c->ci95[0] *= 100;
        c->ci95[1] *= 100;
        count_questions(both, n, c);
    }
    free(a);
    free(b);
    free(both);
    free(items);
    return code;
}

bool pbt_comparison_is_clear(const pbt_comparison *c) {
    bool risen = c->difference > 0 && c->higher > c->lower,
         fallen = c->difference < 0 && c->lower > c->higher;
    return c->p < 0.05 && (risen || fallen);
}

static json_t *rounded(double x) {
    return isfinite(x) ? json_real(round(x * 1e4) / 1e4 + 0.0) : json_null();
}

json_t *pbt_comparison_json(const pbt_comparison *c) {
    return json_pack("{s:s, s:s, s:s, s:o, s:[o, o], s:I, s:I, s:I, s:I, s:o, s:b}", "measure",
                     pbt_measures[c->measure].key, "arm", pbt_arm_names[c->arm], "against",
                     pbt_arm_names[c->against], "difference", rounded(c->difference), "ci95",
                     rounded(c->ci95[0]), rounded(c->ci95[1]), "n", (json_int_t)c->n, "questions",
                     (json_int_t)c->questions, "higher", (json_int_t)c->higher, "lower", (json_int_t)c->lower,
                     "p", isfinite(c->p) ? json_real(round(c->p * 1e8) / 1e8) : json_null(), "clear",
                     (int)pbt_comparison_is_clear(c));
}
