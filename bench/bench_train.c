/*
 * How fast training is: the step of the pocket pretraining and of wider models as a share of the machine's
 * fused-multiply-add peak, and token tries against pair-by-pair computation in pairs a second.
 *
 *     bench_train [--json] [--threads N] [--steps N] [--only NAME]
 *
 * Peak: the fastest of several runs of independent fused multiply-adds on registers, and of a CBLAS SGEMM
 * where one was found; both with the same number of threads as the training. Floating-point operations of a
 * step are counted by the usual rule: 2 a weight and row forward, 4 backward (2 for frozen weights), and the
 * scores and sums of attention; logits only where a loss is.
 */
#include "base/json.h"
#include "base/memory.h"
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef PBT_HAVE_CBLAS
#include <cblas.h>
void openblas_set_num_threads(int threads) __attribute__((weak));
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* ---- the machine's limit ---- */

#if defined(__x86_64__)
/* GFLOP/s of one thread: twelve independent chains of 8-wide fused multiply-adds. */
__attribute__((target("avx2,fma"))) static double fma_peak(void) {
    enum { CHAINS = 12, ROUNDS = 4000000 };
    double best = 0;
    for (int run = 0; run < 5; run++) {
        __m256 a[CHAINS], x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(1e-6f);
        for (int i = 0; i < CHAINS; i++) a[i] = _mm256_set1_ps((float)i);
        double start = pbt_seconds();
        for (int r = 0; r < ROUNDS; r++)
#pragma GCC unroll 12
            for (int i = 0; i < CHAINS; i++) a[i] = _mm256_fmadd_ps(a[i], x, y);
        double seconds = pbt_seconds() - start;
        volatile float sink = 0;
        for (int i = 0; i < CHAINS; i++) sink += _mm256_cvtss_f32(a[i]);
        double rate = 16.0 * CHAINS * ROUNDS / seconds / 1e9;
        if (rate > best) best = rate;
    }
    return best;
}
#else
static double fma_peak(void) {
    return NAN;
}
#endif

/* GFLOP/s of SGEMM, 1024 x 1024 x 1024. */
static double gemm_peak(int threads) {
#ifdef PBT_HAVE_CBLAS
    enum { N = 1024 };
    float *a = pbt_alloc_aligned(N * N, sizeof *a), *b = pbt_alloc_aligned(N * N, sizeof *b),
          *c = pbt_alloc_aligned(N * N, sizeof *c);
    double best = 0;
    if (openblas_set_num_threads) openblas_set_num_threads(threads);
    for (int i = 0; i < N * N; i++) a[i] = b[i] = 1.0f / (float)(i % 97 + 1);
    for (int run = 0; run < 6; run++) {
        double start = pbt_seconds();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, N, N, N, 1, a, N, b, N, 0, c, N);
        double rate = 2.0 * N * N * N / (pbt_seconds() - start) / 1e9;
        if (rate > best) best = rate;
    }
    free(a);
    free(b);
    free(c);
    return best;
#else
    (void)threads;
    return NAN;
#endif
}

/* ---- what is trained ---- */

typedef struct shape {
    const char *name;
    int D, L, H, G, F, V;
    bool lora, preference;
    int examples;   /* of a step */
    int prompt;     /* tokens */
    int completion; /* tokens of each completion */
    int siblings;   /* examples with the same prompt */
    bool share;
} shape;

static const shape shapes[] = {
    {"pocket full-parameter SFT, 32 x 50", 192, 4, 6, 2, 448, 3072, false, false, 32, 35, 15, 1, true},
    {"pocket LoRA SFT, 32 x 57", 192, 4, 6, 2, 448, 3072, true, false, 32, 45, 12, 1, true},
    {"pocket DPO, siblings, tries", 192, 4, 6, 2, 448, 3072, true, true, 32, 45, 12, 4, true},
    {"pocket DPO, siblings, pairwise", 192, 4, 6, 2, 448, 3072, true, true, 32, 45, 12, 4, false},
    {"pocket DPO, no siblings, tries", 192, 4, 6, 2, 448, 3072, true, true, 32, 45, 12, 1, true},
    {"pocket DPO, no siblings, pairwise", 192, 4, 6, 2, 448, 3072, true, true, 32, 45, 12, 1, false},
    {"width 512 full-parameter SFT", 512, 2, 8, 8, 1408, 4096, false, false, 8, 48, 80, 1, true},
    {"width 512 LoRA SFT", 512, 2, 8, 8, 1408, 4096, true, false, 8, 48, 80, 1, true},
    {"width 1024 full-parameter SFT", 1024, 1, 16, 16, 2816, 4096, false, false, 8, 48, 80, 1, true},
    {"width 1024 LoRA SFT", 1024, 1, 16, 16, 2816, 4096, true, false, 8, 48, 80, 1, true},
};
enum { SHAPES = sizeof shapes / sizeof *shapes, RANK = 16 };

static pbt_code push_ids(pbt_ids *ids, pbt_key key, int n, int vocabulary, pbt_error *error) {
    for (int i = 0; i < n; i++)
        PBT_TRY(pbt_ids_push(ids, (int32_t)pbt_random_below(key, (uint64_t)i, (uint64_t)vocabulary), error));
    return PBT_OK;
}

static pbt_code make_batch(void *user, int64_t step, pbt_dataset *batch, pbt_error *error) {
    const shape *s = user;
    pbt_key key = pbt_key_child(pbt_key_of_seed(1), (uint64_t)step);
    for (int i = 0; i < s->examples; i++) {
        pbt_example example = {.ref_chosen_logp = -90, .ref_rejected_logp = -90};
        pbt_key prompt = pbt_key_child(key, (uint64_t)(i / s->siblings)), own = pbt_key_child(prompt, 9);
        PBT_TRY(push_ids(&example.prompt, prompt, s->prompt, s->V, error));
        PBT_TRY(push_ids(&example.chosen, pbt_key_child(own, (uint64_t)(2 * i)), s->completion, s->V, error));
        if (s->preference)
            PBT_TRY(push_ids(&example.rejected, pbt_key_child(own, (uint64_t)(2 * i + 1)), s->completion,
                             s->V, error));
        PBT_TRY(pbt_dataset_push(batch, &example, error));
    }
    return PBT_OK;
}

static pbt_code make_model(const shape *s, pbt_model **model, pbt_adapter **adapter, pbt_error *error) {
    json_t *raw = json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:b, s:s}", "model_type",
                            "llama", "hidden_size", s->D, "intermediate_size", s->F, "num_hidden_layers",
                            s->L, "num_attention_heads", s->H, "num_key_value_heads", s->G, "vocab_size",
                            s->V, "max_position_embeddings", 2048, "rms_norm_eps", 1e-5, "rope_theta",
                            10000.0, "tie_word_embeddings", 1, "hidden_act", "silu");
    pbt_config config;
    pbt_code code = pbt_config_parse(raw, "bench", &config, error);
    json_decref(raw);
    if (code != PBT_OK) return code;
    code = pbt_model_random(&config, pbt_key_of_seed(2), 0.05, pbt_ops_cpu(), model, error);
    pbt_config_free(&config);
    if (code != PBT_OK || !s->lora) return code;
    pbt_adapter_settings settings = {.r = RANK, .alpha = 32};
    for (int i = 0; i < PBT_LINEARS; i++) settings.targets[i] = true;
    return pbt_adapter_create(*model, &settings, pbt_key_of_seed(3), adapter, error);
}

/* ---- measuring ---- */

typedef struct timing {
    double seconds[512];
    int n;
    double tokens, unique;
} timing;

static pbt_code take_time(void *user, int64_t step, const pbt_metrics *metrics, pbt_error *error) {
    timing *t = user;
    (void)error;
    if (step == 0) return PBT_OK;
    if (step > 2 && t->n < 512) t->seconds[t->n++] = metrics->step_time; /* the first steps warm up */
    t->tokens = (double)metrics->num_tokens / (double)step;
    t->unique = (double)metrics->unique_tokens / (double)step;
    return PBT_OK;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* GFLOP of one step: rows of the passes, and rows with a loss. Attention sees half the length on average; its
 * backward pass counts twice the forward one. */
static double step_gflop(const shape *s, double rows, double loss_rows) {
    double kv = (double)s->G * s->D / s->H, length = s->prompt + s->completion;
    double layer = 2.0 * s->D * s->D + 2.0 * s->D * kv + 3.0 * s->D * s->F;
    double lora = s->lora ? RANK * (6.0 * s->D + 2.0 * kv + 3.0 * (s->D + s->F)) : 0;
    double attention = 3.0 * 2.0 * s->D * length;
    double linear = layer * (s->lora ? 4 : 6) + lora * 6;
    double head = (s->lora ? 4.0 : 6.0) * s->D * s->V * loss_rows;
    return (s->L * (linear + attention) * rows + head) / 1e9;
}

static pbt_code measure(const shape *s, int steps, double peak, double gemm, json_t *results,
                        pbt_error *error) {
    pbt_model *model = NULL;
    pbt_adapter *adapter = NULL;
    timing t = {.n = 0};
    pbt_code code = make_model(s, &model, &adapter, error);
    pbt_trainer trainer = {.settings = pbt_train_settings_default(s->preference ? PBT_DPO : PBT_SFT),
                           .model = model,
                           .adapter = adapter,
                           .next_batch = make_batch,
                           .next_batch_user = (void *)s,
                           .after_step = take_time,
                           .after_step_user = &t};
    trainer.settings.max_steps = steps + 2;
    trainer.settings.share_prefixes = s->share;
    if (code == PBT_OK) code = pbt_train(&trainer, error);
    if (code == PBT_OK && t.n > 0) {
        qsort(t.seconds, (size_t)t.n, sizeof *t.seconds, by_value);
        double seconds = t.seconds[t.n / 2];
        double loss_rows = s->examples * (double)s->completion * (s->preference ? 2 : 1);
        double rate = step_gflop(s, t.unique, loss_rows) / seconds;
        json_t *row = json_object();
        json_object_set_new(row, "name", json_string(s->name));
        json_object_set_new(row, "step_seconds", json_real(seconds));
        json_object_set_new(row, "tokens_per_second", json_real(t.tokens / seconds));
        json_object_set_new(row, "unique_tokens", json_real(t.unique));
        if (s->preference) json_object_set_new(row, "pairs_per_second", json_real(s->examples / seconds));
        json_object_set_new(row, "gflops", json_real(rate));
        if (isfinite(peak)) json_object_set_new(row, "share_of_fma_peak", json_real(rate / peak));
        if (isfinite(gemm)) json_object_set_new(row, "share_of_gemm_peak", json_real(rate / gemm));
        json_array_append_new(results, row);
    }
    if (adapter) pbt_adapter_free(adapter);
    if (model) pbt_model_free(model);
    return code;
}

static double field(const json_t *row, const char *key) {
    const json_t *value = json_object_get(row, key);
    return value ? json_number_value(value) : NAN;
}

static void print_table(const json_t *results, double peak, double gemm) {
    printf("fused multiply-add peak %.1f GFLOP/s, SGEMM %.1f GFLOP/s\n", peak, gemm);
    printf("%-36s %9s %10s %8s %8s %7s %7s\n", "step", "ms", "tokens/s", "pairs/s", "GFLOP/s", "of FMA",
           "of GEMM");
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)results, i, row) printf(
        "%-36s %9.2f %10.0f %8.0f %8.1f %6.1f%% %6.1f%%\n", json_string_value(json_object_get(row, "name")),
        1e3 * field(row, "step_seconds"), field(row, "tokens_per_second"), field(row, "pairs_per_second"),
        field(row, "gflops"), 100 * field(row, "share_of_fma_peak"), 100 * field(row, "share_of_gemm_peak"));
}

int main(int argc, char **argv) {
    bool json = false;
    int threads = 1, steps = 20;
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            threads = atoi(argv[++i]);
        else if (strcmp(argv[i], "--steps") == 0 && i + 1 < argc)
            steps = atoi(argv[++i]);
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        else {
            fprintf(stderr, "usage: bench_train [--json] [--threads N] [--steps N] [--only NAME]\n");
            return 2;
        }
    }
    pbt_threads_set(threads);
    double peak = fma_peak() * threads, gemm = gemm_peak(threads);
    json_t *results = json_array(), *all = json_object();
    pbt_error error;
    for (size_t i = 0; i < SHAPES; i++) {
        if (only && !strstr(shapes[i].name, only)) continue;
        if (measure(&shapes[i], steps, peak, gemm, results, &error) != PBT_OK) {
            fprintf(stderr, "bench_train: %s: %s\n", shapes[i].name, error.message);
            return 1;
        }
    }
    if (json) {
        json_object_set_new(all, "threads", json_integer(threads));
        if (isfinite(peak)) json_object_set_new(all, "fma_peak_gflops", json_real(peak));
        if (isfinite(gemm)) json_object_set_new(all, "gemm_gflops", json_real(gemm));
        json_object_set(all, "results", results);
        json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
    } else {
        print_table(results, peak, gemm);
    }
    json_decref(results);
    json_decref(all);
    return 0;
}
