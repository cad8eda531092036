/*
 * How fast dialogue trees are generated, in nodes a second: with shared prefixes and without, one text at a
 * time and in full batches; and scoring of answers, in texts a second.
 *
 *     bench_generate MODEL [--json] [--threads N] [--trees N] [--new_tokens N] [--batch N]
 *
 * The trees have the paper's shape (1 + 2 + 6 + 12 nodes in four turns). Texts are made of random tokens, in
 * the proportions of a debate: an instruction of 48 tokens that all texts of a role share, a question of 24,
 * then for every turn 8 tokens of frame and the answer. Every answer has exactly --new_tokens tokens, so all
 * ways do the same work and give the same ids, which is checked.
 */
#include "base/json.h"
#include "base/memory.h"
#include "engine/engine.h"
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURNS = 4, INSTRUCTION = 48, QUESTION = 24, FRAME = 8 };
static const int children[TURNS] = {1, 2, 3, 2};

typedef struct settings {
    const char *model;
    bool json;
    int threads, trees, new_tokens, batch;
} settings;

typedef struct node {
    int parent; /* among the nodes of the turn before, or -1 */
    int tree, role;
    int32_t *answer; /* [new_tokens] */
} node;

typedef struct turn {
    node *nodes;
    int n;
} turn;

typedef struct forest {
    const settings *settings;
    int32_t vocabulary;
    turn turns[TURNS];
    int n_nodes;
} forest;

static void random_ids(const forest *f, const char *what, uint64_t which, int n, int32_t *ids) {
    pbt_key key = pbt_key_child(pbt_key_named(pbt_key_of_seed(1), what), which);
    for (int i = 0; i < n; i++) ids[i] = (int32_t)pbt_random_below(key, (uint64_t)i, (uint64_t)f->vocabulary);
}

static void free_forest(forest *f) {
    for (int t = 0; t < TURNS; t++) {
        for (int i = 0; i < f->turns[t].n; i++) free(f->turns[t].nodes[i].answer);
        free(f->turns[t].nodes);
        f->turns[t] = (turn){0};
    }
}

static pbt_code plant(const settings *s, int32_t vocabulary, forest *f, pbt_error *error) {
    *f = (forest){.settings = s, .vocabulary = vocabulary};
    for (int t = 0, n = s->trees; t < TURNS; t++) {
        n *= children[t];
        f->turns[t].nodes = pbt_alloc((size_t)n, sizeof(node));
        if (!f->turns[t].nodes) return pbt_fail_memory(error, (size_t)n * sizeof(node), "trees");
        f->turns[t].n = n;
        f->n_nodes += n;
        for (int i = 0; i < n; i++) {
            int parent = i / children[t];
            f->turns[t].nodes[i] = (node){.parent = t > 0 ? parent : -1,
                                          .tree = t > 0 ? f->turns[t - 1].nodes[parent].tree : i,
                                          .role = 4 * (t % 2) + i % children[t]};
        }
    }
    return PBT_OK;
}

/* Instruction of the role, question, then every turn before: frame and answer; and the frame of this one. */
static int32_t write_prompt(const forest *f, int t, int index, int32_t *ids) {
    const node *path[TURNS];
    int at = index, length = 0, each = FRAME + f->settings->new_tokens;
    for (int k = t; k >= 0; k--) {
        path[k] = &f->turns[k].nodes[at];
        at = path[k]->parent;
    }
    random_ids(f, "role", (uint64_t)path[t]->role, INSTRUCTION, ids);
    random_ids(f, "question", (uint64_t)path[t]->tree, QUESTION, ids + INSTRUCTION);
    length = INSTRUCTION + QUESTION;
    for (int k = 0; k <= t; k++, length += each) {
        random_ids(f, "frame", (uint64_t)k % 2, FRAME, ids + length);
        if (k < t)
            memcpy(ids + length + FRAME, path[k]->answer, (size_t)f->settings->new_tokens * sizeof *ids);
    }
    return length - each + FRAME;
}

static pbt_code grow_turn(forest *f, pbt_engine *engine, int t, pbt_error *error) {
    const size_t n = (size_t)f->turns[t].n;
    const size_t longest = INSTRUCTION + QUESTION + (size_t)TURNS * (size_t)(FRAME + f->settings->new_tokens);
    pbt_generation *requests = pbt_alloc(n, sizeof *requests);
    int32_t *prompts = pbt_alloc(n * longest, sizeof *prompts);
    pbt_code code = requests && prompts ? PBT_OK : pbt_fail_memory(error, n * longest * 4, "prompts");
    for (size_t i = 0; code == PBT_OK && i < n; i++) {
        int32_t *prompt = prompts + i * longest;
        requests[i] = (pbt_generation){.prompt = prompt,
                                       .prompt_length = write_prompt(f, t, (int)i, prompt),
                                       .sampling = {.temperature = 0.7,
                                                    .top_p = 1,
                                                    .max_new_tokens = f->settings->new_tokens,
                                                    .min_new_tokens = f->settings->new_tokens},
                                       .key = pbt_key_child(pbt_key_of_seed((uint64_t)t), i)};
    }
    if (code == PBT_OK) code = pbt_engine_generate(engine, requests, n, NULL, error);
    for (size_t i = 0; code == PBT_OK && i < n; i++) f->turns[t].nodes[i].answer = requests[i].ids;
    free(requests);
    free(prompts);
    return code;
}

/* The log-probability of every answer of the last turn, as a team or a judge would ask for it. */
static pbt_code score_leaves(forest *f, pbt_engine *engine, pbt_error *error) {
    const turn *last = &f->turns[TURNS - 1];
    const size_t n = (size_t)last->n, new_tokens = (size_t)f->settings->new_tokens;
    const size_t longest = INSTRUCTION + QUESTION + TURNS * (FRAME + new_tokens);
    pbt_scoring *requests = pbt_alloc(n, sizeof *requests);
    int32_t *prompts = pbt_alloc(n * longest, sizeof *prompts);
    float *logprobs = pbt_alloc(n * new_tokens, sizeof *logprobs);
    pbt_code code =
        requests && prompts && logprobs ? PBT_OK : pbt_fail_memory(error, n * longest * 4, "prompts");
    for (size_t i = 0; code == PBT_OK && i < n; i++)
        requests[i] =
            (pbt_scoring){.prompt = prompts + i * longest,
                          .prompt_length = write_prompt(f, TURNS - 1, (int)i, prompts + i * longest),
                          .continuation = last->nodes[i].answer,
                          .continuation_length = (int32_t)new_tokens,
                          .logprobs = logprobs + i * new_tokens};
    if (code == PBT_OK) code = pbt_engine_score(engine, requests, n, NULL, error);
    free(requests);
    free(prompts);
    free(logprobs);
    return code;
}

typedef struct measurement {
    double nodes_per_second, scores_per_second, new_tokens_per_second;
    pbt_engine_statistics statistics;
    uint64_t sum; /* of all ids, to see that every way gives the same */
} measurement;

static pbt_code measure(const settings *s, const pbt_model *model, bool share, int batch, measurement *m,
                        pbt_error *error) {
    pbt_engine *engine = NULL;
    forest f;
    pbt_engine_options options = {.max_batch = batch, .share_prefixes = share};
    /* One text at a time must not mean a smaller cache. */
    options.kv_rows = 65536;
    pbt_code code = pbt_engine_create(model, &options, &engine, error);
    if (code != PBT_OK) return code;
    code = plant(s, model->config.vocab_size, &f, error);
    double start = pbt_seconds();
    for (int t = 0; code == PBT_OK && t < TURNS; t++) code = grow_turn(&f, engine, t, error);
    double grown = pbt_seconds() - start;
    m->statistics = pbt_engine_statistics_get(engine);
    start = pbt_seconds();
    if (code == PBT_OK) code = score_leaves(&f, engine, error);
    double scored = pbt_seconds() - start;
    m->sum = 0;
    for (int t = 0; code == PBT_OK && t < TURNS; t++)
        for (int i = 0; i < f.turns[t].n; i++)
            for (int k = 0; k < s->new_tokens; k++)
                m->sum = m->sum * 1000003 + (uint64_t)f.turns[t].nodes[i].answer[k];
    m->nodes_per_second = f.n_nodes / grown;
    m->new_tokens_per_second = (double)f.n_nodes * s->new_tokens / grown;
    m->scores_per_second = f.turns[TURNS - 1].n / scored;
    free_forest(&f);
    pbt_engine_free(engine);
    return code;
}

static json_t *result_json(bool share, int batch, const measurement *m) {
    return json_pack(
        "{s:b, s:i, s:f, s:f, s:f, s:I, s:I, s:I, s:I}", "share_prefixes", (int)share, "max_batch", batch,
        "nodes_per_second", m->nodes_per_second, "new_tokens_per_second", m->new_tokens_per_second,
        "scores_per_second", m->scores_per_second, "prompt_tokens", (json_int_t)m->statistics.prompt_tokens,
        "computed_tokens", (json_int_t)m->statistics.computed_tokens, "prefill_passes",
        (json_int_t)m->statistics.prefill_passes, "decode_passes", (json_int_t)m->statistics.decode_passes);
}

static pbt_code run(const settings *s, pbt_error *error) {
    pbt_model *model;
    pbt_model_options options = {.dtype = PBT_DTYPES, .prepare = true};
    json_t *results = json_array();
    uint64_t sum = 0;
    PBT_TRY(pbt_model_open(s->model, &options, measure_device(), &model, error));
    pbt_code code = PBT_OK;
    if (!s->json)
        printf("%-9s %6s %10s %12s %10s %14s %14s\n", "prefixes", "batch", "nodes/s", "new tokens/s",
               "scores/s", "prompt tokens", "computed");
    for (int way = 0; code == PBT_OK && way < 4; way++) {
        bool share = way % 2 == 0;
        int batch = way < 2 ? s->batch : 1;
        measurement m;
        code = measure(s, model, share, batch, &m, error);
        if (code == PBT_OK && way > 0 && m.sum != sum)
            code = pbt_fail(error, PBT_FAILED, "two ways to generate gave different ids");
        if (code != PBT_OK) break;
        sum = m.sum;
        json_array_append_new(results, result_json(share, batch, &m));
        if (!s->json)
            printf("%-9s %6d %10.1f %12.0f %10.1f %14lld %14lld\n", share ? "shared" : "own", batch,
                   m.nodes_per_second, m.new_tokens_per_second, m.scores_per_second,
                   (long long)m.statistics.prompt_tokens, (long long)m.statistics.computed_tokens);
    }
    if (code == PBT_OK && s->json) {
        json_t *all = json_pack("{s:s, s:i, s:i, s:i, s:O}", "model", s->model, "threads", s->threads,
                                "trees", s->trees, "new_tokens", s->new_tokens, "results", results);
        json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
        json_decref(all);
    }
    json_decref(results);
    pbt_model_free(model);
    return code;
}

int main(int argc, char **argv) {
    settings s = {.threads = 1, .trees = 8, .new_tokens = 32, .batch = 64};
    for (int i = 1; i < argc; i++) {
        int *number = strcmp(argv[i], "--threads") == 0      ? &s.threads
                      : strcmp(argv[i], "--trees") == 0      ? &s.trees
                      : strcmp(argv[i], "--new_tokens") == 0 ? &s.new_tokens
                      : strcmp(argv[i], "--batch") == 0      ? &s.batch
                                                             : NULL;
        if (strcmp(argv[i], "--json") == 0)
            s.json = true;
        else if (number && i + 1 < argc)
            *number = atoi(argv[++i]);
        else if (argv[i][0] != '-' && !s.model)
            s.model = argv[i];
        else
            s.trees = 0;
    }
    if (!s.model || s.threads < 1 || s.trees < 1 || s.trees > 10000 || s.new_tokens < 1 ||
        s.new_tokens > 1000 || s.batch < 1) {
        fprintf(stderr, "usage: bench_generate MODEL [--json] [--threads N] [--trees N] [--new_tokens N] "
                        "[--batch N]\n");
        return 2;
    }
    pbt_threads_set(s.threads);
    pbt_error error;
    if (run(&s, &error) == PBT_OK) return 0;
    fprintf(stderr, "bench_generate: %s\n", error.message);
    return 1;
}
