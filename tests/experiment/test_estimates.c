/* What `pbt run --dry-run` says of an experiment, against a run of it on the embedded models: counts that
 * must be met, tokens that must come near, and memory that must suffice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "experiment/planned.h"
#include "experiment/run.h"
#include "experiment/stages.h"
#include "model/safetensors.h"

/* ---- counts and tokens ---- */

static pbt_code count_nodes(void *user, const char *name, json_t *value, pbt_error *error) {
    (void)name, (void)error;
    *(int64_t *)user += (int64_t)json_array_size(json_object_get(value, "nodes"));
    return PBT_OK;
}

static void check_trees(pbt_run *run, const pbt_plan *plan) {
    for (int p = 0; p < PBT_PARTS; p++) {
        pbt_artefact_key key = {"trees", 1, pbt_part_names[p], "tree", ""};
        int64_t trees, nodes = 0;
        OK(pbt_store_count(run->store, &key, &trees, &problem));
        OK(pbt_store_each(run->store, &key, count_nodes, &nodes, &problem));
        assert_int_equal(run->questions.count[p], plan->questions[p]);
        assert_int_equal(trees, plan->trees[p]);
        print_message("%s: %d nodes of at most %d\n", pbt_part_names[p], (int)nodes, (int)plan->nodes[p]);
        assert_true(nodes > plan->nodes[p] / 4 && nodes <= plan->nodes[p]);
    }
}

/* What the engines did since the last time. */
typedef struct tokens {
    double read, written;
} tokens;

static tokens taken(const pbt_run *run, pbt_engine_statistics before[2]) {
    tokens t = {0};
    for (int m = 0; m < 2; m++) {
        pbt_engine_statistics now = pbt_engine_statistics_get(run->models[m]->engine);
        t.read += (double)(now.computed_tokens - before[m].computed_tokens);
        t.written += (double)(now.new_tokens - before[m].new_tokens);
        before[m] = now;
    }
    return t;
}

static tokens sum_of(const pbt_work work[PBT_WORK_MODELS]) {
    tokens t = {0};
    for (int m = 0; m < PBT_WORK_MODELS; m++) {
        t.read += work[m].read;
        t.written += work[m].written;
    }
    return t;
}

/* Within a factor, and never more than "at most". */
static void near(const char *what, double found, double expected, double most, double factor) {
    print_message("%s: %.0f, planned %.0f, at most %.0f\n", what, found, expected, most);
    assert_true(found > expected / factor && found < expected * factor);
    assert_true(found <= most);
}

static void check_tokens(const char *stage, tokens found, const pbt_estimate *estimate, pbt_work_stage s,
                         double factor) {
    char what[64];
    tokens expected = sum_of(estimate->work[s]), most = sum_of(estimate->most[s]);
    snprintf(what, sizeof what, "%s, tokens read", stage);
    near(what, found.read, expected.read, most.read, factor);
    snprintf(what, sizeof what, "%s, tokens generated", stage);
    near(what, found.written, expected.written, most.written, 1.5);
}

/* The last value of a key of seed-1/pbt/STAGE/metrics.jsonl. */
static double last_of(const char *run, const char *stage, const char *name) {
    char path[256], *line;
    double value = -1;
    pbt_lines *lines;
    size_t length, number;
    snprintf(path, sizeof path, "%s/seed-1/pbt/%s/metrics.jsonl", run, stage);
    OK(pbt_lines_open(path, &lines, &problem));
    for (;;) {
        json_t *json;
        OK(pbt_lines_next(lines, &line, &length, &number, &problem));
        if (!line) break;
        OK(pbt_json_parse(line, length, path, NULL, &json, &problem));
        if (json_object_get(json, name)) value = json_number_value(json_object_get(json, name));
        json_decref(json);
    }
    pbt_lines_close(lines);
    return value;
}

static int64_t adapter_numbers(const char *run) {
    char path[256];
    pbt_safetensors file;
    int64_t n = 0;
    snprintf(path, sizeof path, "%s/seed-1/pbt/adapter/adapter_model.safetensors", run);
    OK(pbt_safetensors_open(path, &file, &problem));
    for (size_t i = 0; i < file.n_tensors; i++) n += file.tensors[i].count;
    pbt_safetensors_close(&file);
    return n;
}

static void test_counts_and_tokens(void **state) {
    (void)state;
    pbt_experiment experiment;
    pbt_plan plan;
    pbt_run *run;
    char path[128];
    snprintf(path, sizeof path, "%s/run", folder);
    plan_it(&experiment, &plan);
    OK(pbt_run_open(path, &experiment, test_device(), NULL, &run, &problem));
    pbt_engine_statistics before[2] = {{0}};
    OK(pbt_run_stage(run, "trees", &problem));
    check_tokens("trees", taken(run, before), &plan.estimate, PBT_WORK_TREES, 2);
    check_trees(run, &plan);
    OK(pbt_run_stage(run, "pairs", &problem));
    taken(run, before);
    OK(pbt_run_stage(run, "train", &problem));
    /* Of what is read for training, the reference is the trainer's, without an engine. */
    near("dev evaluations, tokens generated", taken(run, before).written,
         sum_of(plan.estimate.work[PBT_WORK_TRAIN]).written,
         sum_of(plan.estimate.most[PBT_WORK_TRAIN]).written, 1.5);
    assert_int_equal(last_of(path, "sft", "step"), plan.sft_steps);
    assert_int_equal(last_of(path, "dpo", "step"), plan.dpo_steps);
    near("tokens trained", last_of(path, "sft", "unique_tokens") + last_of(path, "dpo", "unique_tokens"),
         plan.estimate.work[PBT_WORK_TRAIN][0].learned, plan.estimate.most[PBT_WORK_TRAIN][0].learned, 1.5);
    assert_int_equal(adapter_numbers(path), plan.lora_parameters);
    OK(pbt_run_stage(run, "eval", &problem));
    /* These models often say the same word for word, and then the cache has it. */
    check_tokens("evaluation", taken(run, before), &plan.estimate, PBT_WORK_EVAL, 3.5);
    /* The caches have the rows that were planned. */
    for (int m = 0; m < 2; m++) assert_int_equal(plan.models[m].kv_rows, 1024);
    pbt_run_close(run);
    pbt_experiment_free(&experiment);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counts_and_tokens, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
