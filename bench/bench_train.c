/*
 * How fast training is: the step of the pocket pretraining, of LoRA and of wider models as a share of the
 * machine's limits, and token tries against pair-by-pair computation in pairs a second.
 *
 *     bench_train [--json] [--threads N] [--steps N] [--rounds N] [--only NAME]
 *
 * Every round trains every shape for some steps, with the peaks between them; the fastest step counts, the
 * median is given beside it. Floating-point operations of a step are counted by the usual rule: 2 a weight
 * and row forward, 4 backward (2 for frozen weights), and the scores and sums of attention; logits only where
 * a loss is. Work that tries save is not counted.
 */
#include "measure.h"

#include "train/training.h"

#include <stdio.h>

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
    const char *peer; /* pairs a second are compared with this shape's */
} shape;

static const shape shapes[] = {
    {"pocket full-parameter SFT, 32 x 50", 192, 4, 6, 2, 448, 3072, false, false, 32, 35, 15, 1, true, NULL},
    {"pocket LoRA SFT, 32 x 57", 192, 4, 6, 2, 448, 3072, true, false, 32, 45, 12, 1, true, NULL},
    {"pocket DPO, siblings, tries", 192, 4, 6, 2, 448, 3072, true, true, 32, 45, 12, 4, true,
     "pocket DPO, siblings, pairwise"},
    {"pocket DPO, siblings, pairwise", 192, 4, 6, 2, 448, 3072, true, true, 32, 45, 12, 4, false, NULL},
    {"pocket DPO, no siblings, tries", 192, 4, 6, 2, 448, 3072, true, true, 32, 45, 12, 1, true,
     "pocket DPO, no siblings, pairwise"},
    {"pocket DPO, no siblings, pairwise", 192, 4, 6, 2, 448, 3072, true, true, 32, 45, 12, 1, false, NULL},
    {"width 512 full-parameter SFT", 512, 2, 8, 8, 1408, 4096, false, false, 8, 48, 80, 1, true, NULL},
    {"width 512 LoRA SFT", 512, 2, 8, 8, 1408, 4096, true, false, 8, 48, 80, 1, true, NULL},
    {"width 1024 full-parameter SFT", 1024, 1, 16, 16, 2816, 4096, false, false, 8, 48, 80, 1, true, NULL},
    {"width 1024 LoRA SFT", 1024, 1, 16, 16, 2816, 4096, true, false, 8, 48, 80, 1, true, NULL},
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
    code = pbt_model_random(&config, pbt_key_of_seed(2), 0.05, measure_device(), model, error);
    pbt_config_free(&config);
    if (code != PBT_OK || !s->lora) return code;
    pbt_adapter_settings settings = {.r = RANK, .alpha = 32};
    for (int i = 0; i < PBT_LINEARS; i++) settings.targets[i] = true;
    return pbt_adapter_create(*model, &settings, pbt_key_of_seed(3), adapter, error);
}

/* ---- measuring ---- */

typedef struct subject {
    const shape *shape;
    pbt_model *model;
    pbt_adapter *adapter;
    measure_times steps;
    int warm; /* steps of this round that do not count */
    double tokens, unique, last;
} subject;

static pbt_code take_time(void *user, int64_t step, const pbt_metrics *metrics, pbt_error *error) {
    subject *t = user;
    (void)error;
    double now = measure_now();
    if (step > t->warm) measure_add(&t->steps, now - t->last);
    t->last = now;
    if (step == 0) return PBT_OK;
    t->tokens = (double)metrics->num_tokens / (double)step;
    t->unique = (double)metrics->unique_tokens / (double)step;
    return PBT_OK;
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

static pbt_code one_round(subject *t, int steps, pbt_error *error) {
    const shape *s = t->shape;
    pbt_trainer trainer = {.settings = pbt_train_settings_default(s->preference ? PBT_DPO : PBT_SFT),
                           .model = t->model,
                           .adapter = t->adapter,
                           .next_batch = make_batch,
                           .next_batch_user = (void *)(uintptr_t)s,
                           .after_step = take_time,
                           .after_step_user = t};
    t->warm = 1;
    trainer.settings.max_steps = steps + t->warm;
    trainer.settings.share_prefixes = s->share;
    return pbt_train(&trainer, error);
}

static json_t *result(subject *t, const measure_peaks *peaks, int threads) {
    const shape *s = t->shape;
    json_t *row = json_object();
    double best = measure_quantile(&t->steps, 0);
    double loss_rows = s->examples * (double)s->completion * (s->preference ? 2 : 1);
    double rate = step_gflop(s, t->unique, loss_rows) / best;
    json_object_set_new(row, "name", json_string(s->name));
    measure_set(row, "step_seconds", best);
    measure_set(row, "step_seconds_median", measure_quantile(&t->steps, 0.5));
    measure_set(row, "tokens_per_second", t->tokens / best);
    measure_set(row, "computed_tokens", t->unique);
    if (s->preference) measure_set(row, "pairs_per_second", s->examples / best);
    measure_set(row, "gflops", rate);
    measure_set(row, "share_of_fma_peak", rate / (peaks->fma * threads));
    measure_set(row, "share_of_sgemm_peak", rate / peaks->gemm);
    return row;
}

/* Tries against pairs, by the fastest and by the median steps. */
static void compare(subject *subjects, int n, json_t *results) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            if (!subjects[i].shape->peer || strcmp(subjects[i].shape->peer, subjects[j].shape->name) != 0)
                continue;
            json_t *row = json_array_get(results, (size_t)i);
            measure_set(row, "to_pairwise",
                        measure_quantile(&subjects[j].steps, 0) / measure_quantile(&subjects[i].steps, 0));
            measure_set(row, "to_pairwise_median",
                        measure_quantile(&subjects[j].steps, 0.5) /
                            measure_quantile(&subjects[i].steps, 0.5));
        }
}

static void print_table(const json_t *results, const measure_peaks *peaks, int threads) {
    printf("%d threads; peaks: fused multiply-add %.0f GFLOP/s, SGEMM (OpenBLAS, %s) %.0f GFLOP/s\n", threads,
           peaks->fma * threads, measure_cblas(), peaks->gemm);
    printf("%-36s %8s %8s %9s %8s %8s %7s %8s %9s\n", "step", "ms", "median", "tokens/s", "pairs/s",
           "GFLOP/s", "of FMA", "of SGEMM", "to pairs");
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)results, i, row) {
        printf("%-36s %8.2f %8.2f %9.0f", json_string_value(json_object_get(row, "name")),
               1e3 * measure_get(row, "step_seconds"), 1e3 * measure_get(row, "step_seconds_median"),
               measure_get(row, "tokens_per_second"));
        double pairs = measure_get(row, "pairs_per_second"), ratio = measure_get(row, "to_pairwise");
        if (isfinite(pairs))
            printf(" %8.0f", pairs);
        else
            printf(" %8s", "");
        printf(" %8.1f %6.1f%% %7.1f%%", measure_get(row, "gflops"),
               100 * measure_get(row, "share_of_fma_peak"), 100 * measure_get(row, "share_of_sgemm_peak"));
        if (isfinite(ratio)) printf(" %9.2f", ratio);
        putchar('\n');
    }
}

typedef struct settings {
    bool json;
    int threads, steps, rounds;
    const char *only;
} settings;

static pbt_code run(const settings *o, pbt_error *error) {
    static subject subjects[SHAPES];
    measure_peaks peaks;
    int n = 0;
    pbt_code code =
        measure_peaks_create(&peaks, o->threads) ? PBT_OK : pbt_fail_memory(error, 1 << 28, "the peaks");
    for (int i = 0; i < SHAPES && code == PBT_OK; i++) {
        if (o->only && !strstr(shapes[i].name, o->only)) continue;
        subjects[n].shape = &shapes[i];
        code = make_model(&shapes[i], &subjects[n].model, &subjects[n].adapter, error);
        n++;
    }
    for (int round = 0; round < o->rounds && code == PBT_OK; round++)
        for (int i = 0; i < n && code == PBT_OK; i++) {
            measure_peaks_try(&peaks);
            code = one_round(&subjects[i], o->steps, error);
        }
    if (code == PBT_OK) {
        json_t *all = json_object(), *results = json_array();
        for (int i = 0; i < n; i++) json_array_append_new(results, result(&subjects[i], &peaks, o->threads));
        compare(subjects, n, results);
        measure_peaks_json(&peaks, o->threads, all);
        json_object_set_new(all, "results", results);
        if (o->json)
            measure_print_json(all);
        else
            print_table(results, &peaks, o->threads);
        json_decref(all);
    }
    for (int i = 0; i < n; i++) {
        if (subjects[i].adapter) pbt_adapter_free(subjects[i].adapter);
        if (subjects[i].model) pbt_model_free(subjects[i].model);
    }
    measure_peaks_free(&peaks);
    return code;
}

int main(int argc, char **argv) {
    settings o = {.threads = 1, .steps = 3, .rounds = 6};
    measure_begin(argv);
    for (int i = 1; i < argc; i++) {
        int *number = strcmp(argv[i], "--threads") == 0  ? &o.threads
                      : strcmp(argv[i], "--steps") == 0  ? &o.steps
                      : strcmp(argv[i], "--rounds") == 0 ? &o.rounds
                                                         : NULL;
        if (strcmp(argv[i], "--json") == 0)
            o.json = true;
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            o.only = argv[++i];
        else if (number && i + 1 < argc)
            *number = atoi(argv[++i]);
        else
            o.steps = 0;
    }
    if (o.threads < 1 || o.steps < 1 || o.rounds < 1) {
        fprintf(stderr, "usage: bench_train [--json] [--threads N] [--steps N] [--rounds N] [--only NAME]\n");
        return 2;
    }
    pbt_threads_set(o.threads);
    pbt_error error;
    if (run(&o, &error) == PBT_OK) return 0;
    fprintf(stderr, "bench_train: %s\n", error.message);
    return 1;
}
