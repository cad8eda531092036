/*
 * How fast a model reads and writes: prefill of one long prompt, and decoding one text or several together,
 * for every type of weights; against the SGEMM peak, against fp32, and against the memory bandwidth that
 * decoding needs (all weights are read once a step).
 *
 *     bench_inference MODEL [--json] [--threads N] [--rounds N] [--prompt N] [--new_tokens N] [--batch N]
 *                           [--dtype float32|bfloat16|nf4|int8]
 *
 * Every round runs every type once, with the peaks between them; the fastest round counts.
 */
#include "measure.h"

#include "engine/engine.h"

#include <stdio.h>

typedef struct settings {
    const char *model, *dtype;
    bool json;
    int threads, rounds, prompt, new_tokens, batch;
} settings;

static const pbt_dtype dtypes[] = {PBT_F32, PBT_BF16, PBT_NF4, PBT_INT8};
enum { KINDS = sizeof dtypes / sizeof *dtypes };

typedef struct subject {
    pbt_dtype dtype;
    pbt_model *model;
    measure_times prefill, decode, decode_batch; /* seconds of a prompt; seconds of a step */
} subject;

/* Generates `n` texts of exactly `new_tokens` tokens; the prompts differ from their first token on. */
static pbt_code generate(const pbt_model *model, pbt_engine *engine, int n, int length, int new_tokens,
                         double *seconds, pbt_error *error) {
    int32_t *ids = pbt_alloc((size_t)n * (size_t)length, sizeof *ids);
    pbt_generation *requests = pbt_alloc((size_t)n, sizeof *requests);
    pbt_code code =
        ids && requests ? PBT_OK : pbt_fail_memory(error, (size_t)n * (size_t)length * 4, "prompts");
    for (int i = 0; code == PBT_OK && i < n; i++) {
        int32_t *prompt = ids + (size_t)i * (size_t)length;
        pbt_key key = pbt_key_child(pbt_key_of_seed(1), (uint64_t)i);
        for (int k = 0; k < length; k++)
            prompt[k] = (int32_t)pbt_random_below(key, (uint64_t)k, (uint64_t)model->config.vocab_size);
        requests[i] = (pbt_generation){.prompt = prompt,
                                       .prompt_length = length,
                                       .sampling = {.temperature = 0,
                                                    .top_p = 1,
                                                    .max_new_tokens = new_tokens,
                                                    .min_new_tokens = new_tokens},
                                       .key = key};
    }
    pbt_engine_forget(engine, NULL);
    double start = measure_now();
    if (code == PBT_OK) code = pbt_engine_generate(engine, requests, (size_t)n, NULL, error);
    *seconds = measure_now() - start;
    for (int i = 0; requests && i < n; i++) free(requests[i].ids);
    free(requests);
    free(ids);
    return code;
}

/* Seconds of one decoding step of `n` texts: the difference of long and short generations of one prompt. */
static pbt_code step(const settings *s, const pbt_model *model, pbt_engine *engine, int n,
                     measure_times *times, pbt_error *error) {
    enum { LENGTH = 16 };
    double few, many;
    PBT_TRY(generate(model, engine, n, LENGTH, 1, &few, error));
    PBT_TRY(generate(model, engine, n, LENGTH, 1 + s->new_tokens, &many, error));
    measure_add(times, (many - few) / s->new_tokens);
    return PBT_OK;
}

static pbt_code one_round(const settings *s, subject *of, pbt_error *error) {
    pbt_engine *engine = NULL;
    pbt_engine_options options = {.max_batch = s->batch,
                                  .prefill_rows = s->prompt,
                                  .kv_rows = s->prompt + s->batch * (s->new_tokens + 64),
                                  .share_prefixes = true};
    double seconds;
    PBT_TRY(pbt_engine_create(of->model, &options, &engine, error));
    pbt_code code = generate(of->model, engine, 1, 16, 2, &seconds, error); /* first touch of memory */
    if (code == PBT_OK) code = generate(of->model, engine, 1, s->prompt, 1, &seconds, error);
    if (code == PBT_OK) measure_add(&of->prefill, seconds);
    if (code == PBT_OK) code = step(s, of->model, engine, 1, &of->decode, error);
    if (code == PBT_OK) code = step(s, of->model, engine, s->batch, &of->decode_batch, error);
    pbt_engine_free(engine);
    return code;
}

/* Weights of the linear layers and of the output, in numbers and in bytes as they lie in memory. */
static double weights(const pbt_model *model, double *bytes, double *layers) {
    double all = 0;
    *bytes = 0;
    for (int32_t l = 0; l < model->config.n_layers; l++)
        for (int i = 0; i < PBT_LINEARS; i++) {
            const pbt_matrix *W = &model->layers[l].linear[i];
            double n = (double)W->rows * W->cols;
            all += n;
            *bytes += n * pbt_dtype_bits(W->dtype) / 8;
        }
    *layers = all;
    double output = (double)model->output.rows * model->output.cols;
    *bytes += output * pbt_dtype_bits(model->output.dtype) / 8;
    return all + output;
}

static json_t *result(const settings *s, subject *t, const measure_peaks *peaks, const json_t *first) {
    json_t *row = json_object();
    double bytes, layers;
    weights(t->model, &bytes, &layers);
    const pbt_config *c = &t->model->config;
    double attention = 2.0 * c->n_layers * c->n_heads * c->head_dim * s->prompt; /* causal: half of 4 */
    double prefill = measure_quantile(&t->prefill, 0), decode = measure_quantile(&t->decode, 0);
    double rate = (2 * layers + attention) * s->prompt / prefill / 1e9;
    json_object_set_new(row, "weights", json_string(pbt_dtype_name(t->dtype)));
    measure_set(row, "prefill_tokens_per_second", s->prompt / prefill);
    measure_set(row, "prefill_share_of_sgemm_peak", rate / peaks->gemm);
    measure_set(row, "decode_tokens_per_second", 1 / decode);
    measure_set(row, "decode_gbytes_per_second", bytes / decode / 1e9);
    measure_set(row, "decode_share_of_bandwidth", bytes / decode / 1e9 / (peaks->bandwidth * s->threads));
    measure_set(row, "batch_decode_tokens_per_second", s->batch / measure_quantile(&t->decode_batch, 0));
    const char *keys[] = {"prefill_tokens_per_second", "decode_tokens_per_second",
                          "batch_decode_tokens_per_second"};
    const char *names[] = {"prefill_to_float32", "decode_to_float32", "batch_decode_to_float32"};
    for (int i = 0; i < 3; i++)
        measure_set(row, names[i], first ? measure_get(row, keys[i]) / measure_get(first, keys[i]) : 1);
    return row;
}

static void print_table(const settings *s, const measure_peaks *peaks, const json_t *results) {
    printf(
        "%d threads; SGEMM (OpenBLAS, %s) %.0f GFLOP/s, reading %.1f GB/s a thread; prompt of %d, %d texts "
        "together\n",
        s->threads, measure_cblas(), peaks->gemm, peaks->bandwidth, s->prompt, s->batch);
    printf("%-9s %10s %8s %8s %10s %8s %8s %8s %10s %8s\n", "weights", "prefill/s", "of SGEMM", "to fp32",
           "decode/s", "GB/s", "of mem.", "to fp32", "batch/s", "to fp32");
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)results, i, row) printf(
        "%-9s %10.1f %7.1f%% %8.2f %10.2f %8.1f %7.1f%% %8.2f %10.1f %8.2f\n",
        json_string_value(json_object_get(row, "weights")), measure_get(row, "prefill_tokens_per_second"),
        100 * measure_get(row, "prefill_share_of_sgemm_peak"), measure_get(row, "prefill_to_float32"),
        measure_get(row, "decode_tokens_per_second"), measure_get(row, "decode_gbytes_per_second"),
        100 * measure_get(row, "decode_share_of_bandwidth"), measure_get(row, "decode_to_float32"),
        measure_get(row, "batch_decode_tokens_per_second"), measure_get(row, "batch_decode_to_float32"));
}

static pbt_code run(const settings *s, pbt_error *error) {
    subject subjects[KINDS] = {0};
    measure_peaks peaks = {0};
    pbt_code code =
        measure_peaks_create(&peaks, s->threads) ? PBT_OK : pbt_fail_memory(error, 1 << 28, "peaks");
    int n = 0;
    for (int i = 0; code == PBT_OK && i < KINDS; i++) {
        pbt_model_options options = {.dtype = dtypes[i], .prepare = true};
        if (s->dtype && strcmp(s->dtype, pbt_dtype_name(dtypes[i])) != 0) continue;
        subjects[n].dtype = dtypes[i];
        code = pbt_model_open(s->model, &options, measure_device(), &subjects[n].model, error);
        if (code == PBT_OK) n++;
    }
    if (code == PBT_OK && n == 0)
        code = pbt_fail(error, PBT_BAD_INPUT, "unknown --dtype %s: expected %s, %s, %s or %s", s->dtype,
                        pbt_dtype_name(dtypes[0]), pbt_dtype_name(dtypes[1]), pbt_dtype_name(dtypes[2]),
                        pbt_dtype_name(dtypes[3]));
    for (int round = 0; code == PBT_OK && round < s->rounds; round++)
        for (int i = 0; code == PBT_OK && i < n; i++) {
            measure_peaks_try(&peaks);
            code = one_round(s, &subjects[i], error);
        }
    if (code == PBT_OK) {
        json_t *all = json_object(), *results = json_array();
        for (int i = 0; i < n; i++)
            json_array_append_new(results, result(s, &subjects[i], &peaks, json_array_get(results, 0)));
        measure_peaks_json(&peaks, s->threads, all);
        json_object_set_new(all, "results", results);
        if (s->json)
            measure_print_json(all);
        else
            print_table(s, &peaks, results);
        json_decref(all);
    }
    for (int i = 0; i < n; i++) pbt_model_free(subjects[i].model);
    measure_peaks_free(&peaks);
    return code;
}

int main(int argc, char **argv) {
    settings s = {.threads = 1, .rounds = 3, .prompt = 512, .new_tokens = 16, .batch = 8};
    measure_begin(argv);
    for (int i = 1; i < argc; i++) {
        int *number = strcmp(argv[i], "--threads") == 0      ? &s.threads
                      : strcmp(argv[i], "--rounds") == 0     ? &s.rounds
                      : strcmp(argv[i], "--prompt") == 0     ? &s.prompt
                      : strcmp(argv[i], "--new_tokens") == 0 ? &s.new_tokens
                      : strcmp(argv[i], "--batch") == 0      ? &s.batch
                                                             : NULL;
        if (strcmp(argv[i], "--json") == 0)
            s.json = true;
        else if (strcmp(argv[i], "--dtype") == 0 && i + 1 < argc)
            s.dtype = argv[++i];
        else if (number && i + 1 < argc)
            *number = atoi(argv[++i]);
        else if (argv[i][0] != '-' && !s.model)
            s.model = argv[i];
        else
            s.rounds = 0;
    }
    if (!s.model || s.threads < 1 || s.rounds < 1 || s.prompt < 1 || s.new_tokens < 1 || s.batch < 1) {
        fprintf(stderr, "usage: bench_inference MODEL [--json] [--threads N] [--rounds N] [--prompt N]\n"
                        "                       [--new_tokens N] [--batch N] [--dtype NAME]\n");
        return 2;
    }
    pbt_threads_set(s.threads);
    pbt_error error;
    if (run(&s, &error) == PBT_OK) return 0;
    fprintf(stderr, "bench_inference: %s\n", error.message);
    return 1;
}
