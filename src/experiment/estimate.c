#include "experiment/estimate.h"

#include "base/memory.h"
#include "dialogue/prompt.h"
#include "tensor/ops.h"
#include "tensor/quantize.h"

#include <stdlib.h>
#include <string.h>

const char *const pbt_work_names[PBT_WORK_STAGES] = {"trees", "training", "evaluation"};

/* ---- tokens ---- */

enum { LETTERS_A_TOKEN = 4, TEMPLATE_TOKENS = 12, QUESTION_TOKENS = 25 };

/* What the counting needs to know of the experiment. */
typedef struct count {
    const pbt_experiment *e;
    const int64_t *questions;
    double prompt,
        extract;         /* tokens of a role's prompt with a question, of an extraction without its example */
    double turn, answer; /* tokens of a turn, of an extracted answer */
    int extractor;       /* index in pbt_estimate.work */
    pbt_estimate *estimate;
} count;

static pbt_code prompt_lengths(count *c, pbt_error *error) {
    pbt_prompts prompts;
    size_t letters = 0;
    PBT_TRY(pbt_prompts_read(c->e->prompts, &prompts, error));
    for (int r = 0; r < PBT_ROLES; r++) letters += strlen(prompts.role[r]);
    pbt_prompts_free(&prompts);
    c->prompt = (double)letters / PBT_ROLES / LETTERS_A_TOKEN + TEMPLATE_TOKENS + QUESTION_TOKENS;
    /* The examples of the extraction prompt are a prefix that is computed once. */
    c->extract = QUESTION_TOKENS + TEMPLATE_TOKENS;
    c->turn = c->e->trees.plan.sampling.max_new_tokens;
    c->answer = c->e->trees.plan.max_answer_tokens;
    return PBT_OK;
}

static void extract(count *c, pbt_work_stage stage, double texts, double length) {
    pbt_work *work = &c->estimate->work[stage][c->extractor];
    work->read += texts * (c->extract + length);
    work->written += texts * c->answer;
}

/* `trees` debates of at most n_turns turns, agent `first` speaking first. */
static void debates(count *c, pbt_work_stage stage, double trees, int first, int32_t n_turns) {
    const pbt_tree_plan *plan = &c->e->trees.plan;
    double nodes = trees;
    for (int32_t t = 0; t < n_turns; t++) {
        pbt_work *work = &c->estimate->work[stage][(first + t) % 2];
        nodes *= plan->n_roles[t];
        /* The second speaker does not see the first turn. */
        work->read += nodes * (c->prompt + (t > 1 ? t * c->turn : 0));
        work->written += nodes * c->turn;
        extract(c, stage, nodes, c->turn);
    }
}

static void all_debates(count *c) {
    const pbt_experiment *e = c->e;
    int32_t turns = e->trees.plan.n_turns;
    for (int first = 0; first < 2; first++) {
        debates(c, PBT_WORK_TREES, (double)c->questions[0] * e->trees.repetitions[first], first, turns);
        for (int p = 1; p < 3 && e->balanced.enabled; p++)
            debates(c, PBT_WORK_TREES, (double)c->questions[p] * e->balanced.draws[p - 1], first,
                    turns > 2 ? turns - 1 : turns);
    }
}

/* Cases of a side, as many as asked for or as there are questions. */
static double cases(const count *c, int part) {
    double most = c->e->balanced.max_per_side[part - 1], there = (double)c->questions[part];
    return c->e->balanced.enabled ? 2 * (most > 0 && most < there ? most : there) : 0;
}

static void answer_cases(count *c, pbt_work_stage stage, int self, double n) {
    pbt_work *work = &c->estimate->work[stage][self];
    work->read += n * (c->prompt + 3 * c->turn);
    work->written += n * c->e->balanced.max_new_tokens;
    extract(c, stage, n, c->e->balanced.max_new_tokens);
}

static void training(count *c, double pairs) {
    const pbt_experiment *e = c->e;
    const int self = pbt_experiment_trained(e);
    double context = c->prompt + 3 * c->turn, arms = (double)e->arms.count;
    double sft = e->sft.max_steps > 0 ? (double)e->sft.max_steps * e->sft.per_device_train_batch_size *
                                            e->sft.gradient_accumulation_steps
                                      : pairs * e->sft.num_train_epochs;
    double dpo = e->dpo.max_steps > 0 ? (double)e->dpo.max_steps * e->dpo.per_device_train_batch_size *
                                            e->dpo.gradient_accumulation_steps
                                      : pairs * e->dpo.num_train_epochs;
    pbt_work *work = &c->estimate->work[PBT_WORK_TRAIN][self];
    work->learned += arms * (sft * (context + c->turn) + dpo * (context + 2 * c->turn));
    work->read += arms * pairs * (context + 2 * c->turn); /* the reference, once */
    double looks = e->selection_every > 0 ? dpo / e->dpo.per_device_train_batch_size / e->selection_every
                                          : e->dpo.num_train_epochs;
    answer_cases(c, PBT_WORK_TRAIN, self, arms * looks * cases(c, 1));
}

static double asked(bool enabled, int32_t most, double there) {
    if (!enabled) return 0;
    return most > 0 && most < there ? most : there;
}

static void evaluation(count *c) {
    const pbt_experiment *e = c->e;
    const int self = pbt_experiment_trained(e);
    double models = 1 + (double)e->arms.count, there = (double)c->questions[2];
    answer_cases(c, PBT_WORK_EVAL, self, models * cases(c, 2));
    double flips = models * asked(e->flipflop.enabled, e->flipflop.max_questions, there),
           talks = models * 2 * asked(e->team.enabled, e->team.max_questions, there);
    pbt_work *own = &c->estimate->work[PBT_WORK_EVAL][self],
             *other = &c->estimate->work[PBT_WORK_EVAL][!self];
    own->read += flips * (c->prompt + 60); /* the challenges; what was said stays in the cache */
    own->written += flips * 3 * e->flipflop.max_new_tokens;
    extract(c, PBT_WORK_EVAL, 2 * flips, e->flipflop.max_new_tokens);
    for (int i = 0; i < 2; i++) {
        pbt_work *speaker = i ? other : own;
        speaker->read += talks * (c->prompt + 3 * e->team.max_new_tokens);
        speaker->written += talks * 2 * e->team.max_new_tokens;
    }
    extract(c, PBT_WORK_EVAL, 4 * talks, e->team.max_new_tokens);
}

pbt_code pbt_estimate_work(const pbt_experiment *e, const int64_t questions[3], pbt_estimate *estimate,
                           pbt_error *error) {
    count c = {.e = e, .questions = questions, .estimate = estimate};
    memset(estimate, 0, sizeof *estimate);
    c.extractor = strcmp(e->extractor, "a") == 0 ? 0 : strcmp(e->extractor, "b") == 0 ? 1 : 2;
    PBT_TRY(prompt_lengths(&c, error));
    all_debates(&c);
    training(&c, e->pairs.max_pairs > 0 ? e->pairs.max_pairs : (double)questions[0]);
    evaluation(&c);
    for (int s = 0; s < PBT_WORK_STAGES; s++)
        for (int m = 0; m < 3; m++) {
            pbt_work *w = &estimate->work[s][m];
            double seeds = (double)e->seeds.count;
            *w = (pbt_work){w->read * seeds, w->written * seeds, w->learned * seeds};
        }
    return PBT_OK;
}

/* ---- rates ---- */

enum { WIDEST = 4096, MANY_ROWS = 256 };

typedef struct sample {
    pbt_matrix matrix;
    pbt_quantization quantization;
    void *weights, *scales;
    float *x, *y;
    const pbt_ops *ops;
} sample;

static void fill(float *values, size_t n) {
    for (size_t i = 0; i < n; i++) values[i] = (float)((double)((i * 2654435761u) % 2048) / 1024 - 1);
}

/* Weights in the dtype; their values do not matter to the speed. */
static pbt_code make_weights(sample *s, pbt_dtype dtype, int32_t rows, int32_t cols, pbt_error *error) {
    size_t n = (size_t)rows * (size_t)cols;
    s->matrix = (pbt_matrix){.dtype = dtype, .rows = rows, .cols = cols};
    float *values = pbt_alloc_aligned(n, sizeof *values);
    s->weights = values;
    s->scales = pbt_alloc(n / PBT_QUANTIZED_BLOCK + (size_t)rows + 1, sizeof(float));
    if (!s->weights || !s->scales) return pbt_fail_memory(error, n * sizeof(float), "a measurement");
    fill(values, n);
    s->matrix.data = s->weights;
    if (dtype == PBT_F32) return PBT_OK;
    if (dtype == PBT_F16 || dtype == PBT_BF16) {
        uint16_t *halves = s->weights;
        for (size_t i = 0; i < n; i++)
            halves[i] = dtype == PBT_BF16 ? pbt_f32_to_bf16(values[i]) : pbt_f32_to_f16(values[i]);
        return PBT_OK;
    }
    uint8_t *codes = pbt_alloc_aligned(n, 1);
    if (!codes) return pbt_fail_memory(error, n, "a measurement");
    for (int32_t r = 0; dtype == PBT_INT8 && r < rows; r++)
        pbt_quantize_int8(values + (size_t)r * (size_t)cols, cols, (int8_t *)codes + (size_t)r * (size_t)cols,
                          (float *)s->scales + r);
    if (dtype != PBT_INT8)
        pbt_quantize_4bit(dtype, values, (int64_t)n, PBT_QUANTIZED_BLOCK, codes, s->scales);
    s->quantization =
        (pbt_quantization){.block = dtype == PBT_INT8 ? cols : PBT_QUANTIZED_BLOCK, .absmax = s->scales};
    s->matrix.quantization = &s->quantization;
    s->matrix.data = codes;
    free(values);
    s->weights = codes;
    return PBT_OK;
}

/* Operations a second of y = x W^T, or of dx = dy W. */
static double measure(const sample *s, int32_t rows, bool backward) {
    const pbt_matrix *W = &s->matrix;
    double operations = 2.0 * rows * W->rows * W->cols, best = 0, end = 0;
    for (int round = 0; round < 3 || pbt_seconds() < end; round++) {
        double start = pbt_seconds();
        if (round == 0) end = start + 0.25;
        if (backward)
            s->ops->linear_backward_input(s->x, W->cols, s->y, W->rows, W, rows, false);
        else
            s->ops->linear(s->y, W->rows, s->x, W->cols, W, rows, false);
        double spent = pbt_seconds() - start;
        if (spent > 0 && operations / spent > best) best = operations / spent;
    }
    return best;
}

pbt_code pbt_estimate_rates(const pbt_config *config, pbt_dtype dtype, int32_t batch, pbt_rates *rates,
                            pbt_error *error) {
    sample s = {.ops = pbt_ops_cpu()};
    int32_t cols = config->hidden_size < WIDEST ? config->hidden_size : WIDEST,
            rows = config->intermediate_size < WIDEST ? config->intermediate_size : WIDEST,
            most = batch > MANY_ROWS ? batch : MANY_ROWS;
    pbt_code code = make_weights(&s, dtype, rows, cols, error);
    s.x = pbt_alloc_aligned((size_t)most * (size_t)cols, sizeof *s.x);
    s.y = pbt_alloc_aligned((size_t)most * (size_t)rows, sizeof *s.y);
    if (code == PBT_OK && (!s.x || !s.y)) code = pbt_fail_memory(error, 0, "a measurement");
    if (code == PBT_OK) code = s.ops->prepare(&s.matrix, error);
    if (code == PBT_OK) {
        fill(s.x, (size_t)most * (size_t)cols);
        rates->read = measure(&s, MANY_ROWS, false);
        rates->written = measure(&s, batch, false);
        double back = measure(&s, MANY_ROWS, true);
        rates->learned = 2 / (1 / rates->read + 1 / back);
    }
    s.ops->unprepare(&s.matrix);
    free(s.weights);
    free(s.scales);
    free(s.x);
    free(s.y);
    return code;
}

double pbt_estimate_seconds(const pbt_config *c, const pbt_work *work, const pbt_rates *rates) {
    double D = c->hidden_size, Q = (double)c->n_heads * c->head_dim, K = (double)c->n_kv_heads * c->head_dim;
    double layers = 2 * c->n_layers * (2 * D * Q + 2 * D * K + 3 * D * c->intermediate_size);
    double output = 2 * D * c->vocab_size, seconds = 0;
    if (work->read > 0) seconds += work->read * layers / rates->read;
    if (work->written > 0) seconds += work->written * (layers + output) / rates->written;
    /* Forward, and back to the inputs; the weights themselves are frozen. Logits of a third of the tokens. */
    if (work->learned > 0) seconds += work->learned * 2 * (layers + output / 3) / rates->learned;
    return seconds;
}
