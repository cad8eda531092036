/*
 * Picking a token. The order is logits descending, id ascending; temperature, then top_k, then top_p, as
 * transformers' warpers. Only as much of the order is made as the draw needs: bands of logits, the highest
 * first, and in each a heap that gives its ids one by one. Weights come from an exponential of our own, so
 * that a draw never depends on the machine's libm.
 */
#include "engine/engine.h"

#include <math.h>
#include <string.h>

pbt_sampling pbt_sampling_greedy(int32_t max_new_tokens) {
    return (pbt_sampling){.temperature = 0, .top_p = 1, .max_new_tokens = max_new_tokens};
}

/* a where `is` holds, else b, without a branch: loops with branches do not become vector code. */
static inline double choose(bool is, double a, double b) {
    uint64_t x, y, mask = -(uint64_t)is;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    x = (x & mask) | (y & ~mask);
    memcpy(&a, &x, sizeof a);
    return a;
}

/* exp(x) for x <= 0, in plain double operations: 2^n * exp(r), |r| <= ln(2)/2, Taylor to r^13. */
static inline double exp_negative(double x) {
    static const double shift = 0x1.8p52, log2_e = 0x1.71547652b82fep0, ln2_high = 0x1.62e42feep-1,
                        ln2_low = 0x1.a39ef35793c76p-33;
    const bool above = x > -708;
    double bounded = choose(above, x, -708);
    double shifted = bounded * log2_e + shift, n = shifted - shift, power;
    double r = bounded - n * ln2_high - n * ln2_low, sum = 1.0 / 6227020800;
    sum = sum * r + 1.0 / 479001600;
    sum = sum * r + 1.0 / 39916800;
    sum = sum * r + 1.0 / 3628800;
    sum = sum * r + 1.0 / 362880;
    sum = sum * r + 1.0 / 40320;
    sum = sum * r + 1.0 / 5040;
    sum = sum * r + 1.0 / 720;
    sum = sum * r + 1.0 / 120;
    sum = sum * r + 1.0 / 24;
    sum = sum * r + 1.0 / 6;
    sum = sum * r + 0.5;
    sum = sum * r + 1;
    sum = sum * r + 1;
    /* The low bits of `shifted` are n. */
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023) << 52;
    memcpy(&power, &bits, sizeof power);
    return choose(above, sum * power, 0);
}

/* Ends of the bands, in units of the temperature below the highest logit. */
static const double bands[] = {2, 4, 8, 16, 32};
enum { BANDS = sizeof bands / sizeof *bands };

typedef struct draw {
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

static inline double weight_of(float logit, double most, double temperature) {
    return exp_negative((choose(logit == logit, logit, -INFINITY) - most) / temperature);
}

static double weight(const draw *d, int32_t id) {
    return weight_of(d->logits[id], d->most, d->temperature);
}

static inline __attribute__((always_inline)) void weigh(double *weights, const float *logits, int32_t n,
                                                        double most, double temperature) {
    for (int32_t i = 0; i < n; i++) weights[i] = weight_of(logits[i], most, temperature);
}

static void weigh_any(double *weights, const float *logits, int32_t n, double most, double temperature) {
    weigh(weights, logits, n, most, temperature);
}

#ifdef __x86_64__
/* The same operations in wider vectors (no fused multiply-add: the same bits). */
__attribute__((target("avx2"))) static void weigh_avx2(double *weights, const float *logits, int32_t n,
                                                       double most, double temperature) {
    weigh(weights, logits, n, most, temperature);
}

__attribute__((target("avx512f,prefer-vector-width=512"))) static void
weigh_avx512(double *weights, const float *logits, int32_t n, double most, double temperature) {
    weigh(weights, logits, n, most, temperature);
}
#endif

typedef void (*weigh_function)(double *weights, const float *logits, int32_t n, double most,
                               double temperature);

static weigh_function widest_weigh(void) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) return weigh_avx512;
    if (__builtin_cpu_supports("avx2")) return weigh_avx2;
#endif
    return weigh_any;
}

/* Of all ids, summed in their order. */
static double total_weight(const draw *d) {
    enum { BLOCK = 256 };
    const weigh_function weigh_block = widest_weigh();
    double total = 0, weights[BLOCK];
    for (int32_t first = 0; first < d->vocab; first += BLOCK) {
        int32_t n = d->vocab - first < BLOCK ? d->vocab - first : BLOCK;
        weigh_block(weights, d->logits + first, n, d->most, d->temperature);
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

int32_t pbt_sample(const float *logits, int32_t vocab, const pbt_sampling *sampling, double u,
                   float *scratch) {
    int32_t best = greedy(logits, vocab), k = sampling->top_k;
    if (!(sampling->temperature > 0) || k == 1 || !isfinite(logits[best])) return best;
    draw d = {.logits = logits,
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
