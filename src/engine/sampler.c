/*
 * Picking a token. The order is logits descending, id ascending; temperature, then top_k, then top_p, as
 * transformers' warpers. Only as much of the order is made as the draw needs: a heap gives the ids one by
 * one. Weights come from an exponential of our own, so that a draw never depends on the machine's libm.
 */
#include "engine/engine.h"

#include <math.h>
#include <string.h>

/* exp(x) for x <= 0, in plain double operations: 2^n * exp(r), |r| <= ln(2)/2, Taylor to r^13. */
static double exp_negative(double x) {
    static const double shift = 0x1.8p52, log2_e = 0x1.71547652b82fep0, ln2_high = 0x1.62e42feep-1,
                        ln2_low = 0x1.a39ef35793c76p-33;
    if (!(x > -708)) return 0;
    double n = x * log2_e + shift - shift;
    double r = x - n * ln2_high - n * ln2_low, sum = 1;
    for (int i = 13; i > 0; i--) sum = 1 + sum * r / i;
    uint64_t bits = (uint64_t)(int64_t)(n + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

typedef struct draw {
    const float *logits;
    float *heap; /* [vocab] ids, stored as the bytes of an int32_t; those taken out lie behind the heap */
    int32_t vocab, n;
    double most, temperature;
} draw;

static int32_t id_at(const draw *d, int32_t i) {
    int32_t id;
    memcpy(&id, d->heap + i, sizeof id);
    return id;
}

static void put(const draw *d, int32_t i, int32_t id) {
    memcpy(d->heap + i, &id, sizeof id);
}

static float key(const draw *d, int32_t id) {
    float logit = d->logits[id];
    return logit == logit ? logit : -INFINITY;
}

static double weight(const draw *d, int32_t id) {
    return exp_negative(((double)key(d, id) - d->most) / d->temperature);
}

static bool before(const draw *d, int32_t a, int32_t b) {
    float x = key(d, a), y = key(d, b);
    return x > y || (x == y && a < b);
}

static void sift_down(const draw *d, int32_t at) {
    int32_t id = id_at(d, at);
    for (;;) {
        int64_t child = 2 * (int64_t)at + 1;
        if (child >= d->n) break;
        if (child + 1 < d->n && before(d, id_at(d, (int32_t)child + 1), id_at(d, (int32_t)child))) child++;
        if (!before(d, id_at(d, (int32_t)child), id)) break;
        put(d, at, id_at(d, (int32_t)child));
        at = (int32_t)child;
    }
    put(d, at, id);
}

static void make_heap(draw *d) {
    d->n = d->vocab;
    for (int32_t i = 0; i < d->n; i++) put(d, i, i);
    for (int32_t i = d->n / 2 - 1; i >= 0; i--) sift_down(d, i);
}

/* Takes the first id of the order out; the i-th taken lies at vocab-1-i. */
static int32_t next(draw *d) {
    int32_t id = id_at(d, 0);
    put(d, 0, id_at(d, --d->n));
    put(d, d->n, id);
    if (d->n > 0) sift_down(d, 0);
    return id;
}

static int32_t greedy(const float *logits, int32_t vocab) {
    int32_t best = 0;
    for (int32_t i = 1; i < vocab; i++)
        if (logits[i] > logits[best] || logits[best] != logits[best]) best = i;
    return best;
}

/* The first of the ids taken out whose cumulative weight exceeds `target`. */
static int32_t pick_taken(const draw *d, double target) {
    double sum = 0;
    int32_t id = -1;
    for (int32_t i = d->vocab - 1; i >= d->n; i--) {
        double w = weight(d, id_at(d, i));
        if (id >= 0 && w == 0) break;
        id = id_at(d, i);
        sum += w;
        if (sum > target) break;
    }
    return id;
}

int32_t pbt_sample(const float *logits, int32_t vocab, const pbt_sampling *sampling, double u,
                   float *scratch) {
    int32_t best = greedy(logits, vocab);
    if (!(sampling->temperature > 0) || sampling->top_k == 1 || !isfinite(logits[best])) return best;
    draw d = {.logits = logits,
              .heap = scratch,
              .vocab = vocab,
              .most = logits[best],
              .temperature = sampling->temperature};
    double total = 0;
    make_heap(&d);
    if (sampling->top_k > 0 && sampling->top_k < vocab) {
        for (int32_t i = 0; i < sampling->top_k; i++) total += weight(&d, next(&d));
        if (sampling->top_p < 1) {
            /* Those behind the share go back into the heap, where nothing looks for them. */
            double sum = 0, share = sampling->top_p * total;
            int32_t i = vocab;
            while (i > d.n && (sum < share || i == vocab)) sum += weight(&d, id_at(&d, --i));
            d.n = i;
            total = sum;
        }
        return pick_taken(&d, u * total);
    }
    for (int32_t id = 0; id < vocab; id++) total += weight(&d, id);
    double target = u * total, sum = 0;
    if (sampling->top_p < 1) {
        double share = sampling->top_p * total;
        do sum += weight(&d, next(&d));
        while (d.n > 0 && sum < share);
        return pick_taken(&d, u * sum);
    }
    while (d.n > 0) {
        double w = weight(&d, id_at(&d, 0));
        if (w == 0) break;
        best = next(&d);
        sum += w;
        if (sum > target) break;
    }
    return best;
}
