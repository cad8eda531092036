/*
 * Picking a token. The order is logits descending, id ascending; temperature, then top_k, then top_p, as
 * transformers' warpers. Only as much of the order is made as the draw needs: bands of logits, the highest
 * first, and in each a heap that gives its ids one by one. Weights are those of
 * tensor/draw_weight.h.
 */
#include "engine/engine.h"

#include "tensor/draw_weight.h"

#include <math.h>
#include <string.h>

pbt_sampling pbt_sampling_greedy(int32_t max_new_tokens) {
    return (pbt_sampling){.temperature = 0, .top_p = 1, .max_new_tokens = max_new_tokens};
}

/* Ends of the bands, in units of the temperature below the highest logit. */
static const double bands[] = {2, 4, 8, 16, 32};
enum { BANDS = sizeof bands / sizeof *bands };

typedef struct draw {
    const pbt_device *device;
    const float *logits;
    float *ids; /* [vocab] as the bytes of int32_t: first the heap, at the end those taken, backwards */
    int32_t vocab, n, taken;
    int band; /* bands put into the heap so far */
    double most, temperature;
} draw;

static int32_t id_at(const draw *d, int32_t i) {
    int32_t id;
    memcpy(&id, d->ids + i, sizeof id);
    return id;
}

static void put(const draw *d, int32_t i, int32_t id) {
    memcpy(d->ids + i, &id, sizeof id);
}

/* The i-th of those taken. */
static int32_t taken_at(const draw *d, int32_t i) {
    return id_at(d, d->vocab - 1 - i);
}

static float key(const draw *d, int32_t id) {
    float logit = d->logits[id];
    return logit == logit ? logit : -INFINITY;
}

static double weight(const draw *d, int32_t id) {
    return pbt_draw_weight(d->logits[id], d->most, d->temperature);
}

/* Of all ids, summed in their order. */
static double total_weight(const draw *d) {
    enum { BLOCK = 256 };
    double total = 0, weights[BLOCK];
    for (int32_t first = 0; first < d->vocab; first += BLOCK) {
        int32_t n = d->vocab - first < BLOCK ? d->vocab - first : BLOCK;
        d->device->draw_weights(weights, d->logits + first, n, d->most, d->temperature);
        for (int32_t i = 0; i < n; i++) total += weights[i];
    }
    return total;
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

/* Makes the heap of the next band. The last one takes everything that is left. */
static void next_band(draw *d) {
    double high = d->band > 0 ? d->most - bands[d->band - 1] * d->temperature : INFINITY;
    double low = d->band < BANDS ? d->most - bands[d->band] * d->temperature : -INFINITY;
    d->band++;
    for (int32_t id = 0; id < d->vocab; id++) {
        double logit = key(d, id);
        if (logit >= low && logit < high) put(d, d->n++, id);
    }
    for (int32_t i = d->n / 2 - 1; i >= 0; i--) sift_down(d, i);
}

/* Takes the next id of the order, or gives -1. */
static int32_t next(draw *d) {
    while (d->n == 0 && d->band <= BANDS) next_band(d);
    if (d->n == 0) return -1;
    int32_t id = id_at(d, 0);
    put(d, 0, id_at(d, --d->n));
    if (d->n > 0) sift_down(d, 0);
    put(d, d->vocab - 1 - d->taken++, id);
    return id;
}

static int32_t greedy(const float *logits, int32_t vocab) {
    int32_t best = 0;
    for (int32_t i = 1; i < vocab; i++)
        if (logits[i] > logits[best] || logits[best] != logits[best]) best = i;
    return best;
}

/* The first of those taken whose cumulative weight exceeds `target`; never one of weight 0. */
static int32_t pick_taken(const draw *d, double target) {
    int32_t id = taken_at(d, 0);
    double sum = weight(d, id);
    for (int32_t i = 1; i < d->taken && sum <= target; i++) {
        double w = weight(d, taken_at(d, i));
        if (w == 0) break;
        id = taken_at(d, i);
        sum += w;
    }
    return id;
}

/* The same over the whole order, made as it goes. */
static int32_t pick_any(draw *d, double target) {
    int32_t id = next(d);
    double sum = weight(d, id);
    while (sum <= target) {
        int32_t other = next(d);
        double w = other >= 0 ? weight(d, other) : 0;
        if (w == 0) break;
        id = other;
        sum += w;
    }
    return id;
}

int32_t pbt_sample(const pbt_device *device, const float *logits, int32_t vocab, const pbt_sampling *sampling,
                   double u, float *scratch) {
    int32_t best = greedy(logits, vocab), k = sampling->top_k;
    if (!(sampling->temperature > 0) || k == 1 || !isfinite(logits[best])) return best;
    draw d = {.device = device,
              .logits = logits,
              .ids = scratch,
              .vocab = vocab,
              .most = logits[best],
              .temperature = sampling->temperature};
    double total = 0, kept = 0;
    if (k > 0 && k < vocab)
        for (int32_t i = 0; i < k; i++) total += weight(&d, next(&d));
    else
        total = total_weight(&d);
    if (d.taken == 0 && !(sampling->top_p < 1)) return pick_any(&d, u * total);
    if (!(sampling->top_p < 1)) return pick_taken(&d, u * total);
    /* The smallest number of ids that have the share top_p together. */
    double share = sampling->top_p * total;
    int32_t n = 0;
    do {
        int32_t id = n < d.taken ? taken_at(&d, n) : next(&d);
        if (id < 0) break;
        kept += weight(&d, id);
        n++;
    } while (kept < share);
    d.taken = n;
    return pick_taken(&d, u * kept);
}
