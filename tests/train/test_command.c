/*
 * `pbt sft` and `pbt dpo` as a person types them, on the model of tests/data/golden/train: what they leave in
 * output_dir, what they print, and what they refuse.
 */
#include "train/own_folder.h"

#include <sys/wait.h>

/* Runs the program; its exit code, and what it printed on both streams. */
static int run(char **output, const char *format, ...) {
    const char *binary = getenv("PBT_BINARY"), *data = getenv("PBT_TEST_DATA");
    char arguments[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(arguments, sizeof arguments, format, list);
    va_end(list);
    char *command =
        pbt_string_format("G=%s/golden/train; O=%s; %s %s 2>&1 </dev/null", data ? data : "tests/data",
                          folder, binary ? binary : "build/release/pbt", arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    pbt_text text = {0};
    char buffer[4096];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) pbt_text_append(&text, buffer, n);
    int status = pclose(pipe);
    pbt_text_add(&text, "");
    *output = pbt_text_take(&text);
    free(command);
    return WEXITSTATUS(status);
}

#define SFT "sft --model_name_or_path $G/model --dataset $G/sft.jsonl --output_dir $O/sft --max_steps 4 "

#define DPO "dpo --model_name_or_path $G/model --dataset $G/dpo.jsonl --output_dir $O/losses --max_steps 2 "

static void expect(int code, const char *sentence, const char *arguments) {
    char *output;
    int found = run(&output, "%s", arguments);
    if (found != code || !strstr(output, sentence)) {
        print_error("pbt %s\nexit code %d, expected %d with: %s\n%s\n", arguments, found, code, sentence,
                    output);
        fail();
    }
    free(output);
}

static void assert_file(const char *name) {
    char *path = pbt_string_format("%s/%s", folder, name);
    if (!pbt_file_exists(path)) print_error("missing: %s\n", path);
    assert_true(pbt_file_exists(path));
    free(path);
}

static uint64_t file_hash(const char *name) {
    char *path = pbt_string_format("%s/%s", folder, name);
    uint64_t hash = 0;
    assert_ok(pbt_file_hash(path, &hash, error));
    free(path);
    return hash;
}

static void sft_then_dpo(void **state) {
    (void)state;
    expect(0, "4 steps; adapter in", SFT "--logging_steps 1 --learning_rate 1e-3");
    static const char *const files[] = {"adapter_config.json", "adapter_model.safetensors",
                                        "metrics.jsonl",       "trainer_state.json",
                                        "tokenizer.json",      "README.md",
                                        "chat_template.jinja", "tokenizer_config.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *name = pbt_string_format("sft/%s", files[i]);
        assert_file(name);
        free(name);
    }
    uint64_t before = file_hash("sft/adapter_model.safetensors");
    expect(0, "4 steps", SFT "--logging_steps 1 --learning_rate 1e-3"); /* finished: nothing changes */
    assert_true(before == file_hash("sft/adapter_model.safetensors"));
    expect(3, "belongs to a training with other settings", SFT "--logging_steps 1 --learning_rate 2e-3");
    expect(3, "learning_rate was 0.001 and is 0.002", SFT "--logging_steps 1 --learning_rate 2e-3");
    expect(3, "lora_dropout was 0.05 and is 0.2;",
           SFT "--logging_steps 1 --learning_rate 1e-3 --lora_dropout 0.2");
    expect(0, "4 steps", SFT "--logging_steps 1 --learning_rate 2e-3 --overwrite_output_dir");
    assert_true(before != file_hash("sft/adapter_model.safetensors"));
    expect(0, "step 0: margin 0.000000 (expected 0), loss 0.693147 (expected ln 2 = 0.693147)",
           "dpo --model_name_or_path $G/model --adapter $O/sft --dataset $G/dpo.jsonl --output_dir $O/dpo "
           "--max_steps 3 --logging-steps=1 --learning_rate 1e-3");
    assert_file("dpo/adapter_model.safetensors");
    assert_true(file_hash("dpo/adapter_model.safetensors") != file_hash("sft/adapter_model.safetensors"));
}

/* A metric of the first line of FOLDER/losses/metrics.jsonl. */
static double first_metric(const char *name) {
    char *path = pbt_string_format("%s/losses/metrics.jsonl", folder), *line;
    pbt_lines *lines;
    json_t *json;
    size_t length, number;
    assert_ok(pbt_lines_open(path, &lines, error));
    assert_ok(pbt_lines_next(lines, &line, &length, &number, error));
    assert_ok(pbt_json_parse(line, length, path, NULL, &json, error));
    double value = json_number_value(json_object_get(json, name));
    json_decref(json);
    pbt_lines_close(lines);
    free(path);
    return value;
}

/* The sums of losses in every spelling. */
static void lists_of_losses(void **state) {
    (void)state;
    static const char *const spellings[] = {
        "--loss_type sigmoid,sft --loss_weights 1,0.1", "--loss_type sigmoid sft --loss_weights 1 0.1",
        "--loss_type sigmoid --loss_type sft --loss_weights=1,0.1", "--sft_weight 0.1", "--rpo_alpha 0.1"};
    double expected = 0;
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        char *arguments = pbt_string_format(DPO "--logging_steps 1 --overwrite_output_dir %s", spellings[i]);
        expect(0, i == 4 ? "--rpo_alpha is an old name: use --loss_type sigmoid,sft" : "2 steps", arguments);
        free(arguments);
        double loss = first_metric("loss");
        if (i == 0) expected = loss;
        assert_true(loss > 0.8 && loss == expected);
    }
    expect(0, "label_smoothing has no effect here", DPO "--overwrite_output_dir --label_smoothing 0.1");
}

static json_t *read_state(const char *name) {
    char *path = pbt_string_format("%s/%s/trainer_state.json", folder, name);
    json_t *state;
    assert_ok(pbt_json_read(path, 1 << 20, &state, error));
    free(path);
    return state;
}

/* The highest loss is asked for: that of the first evaluation, as adapter and as model. */
static void best_evaluation(void **state) {
    (void)state;
    static const char *const objects[] = {"", "--full "};
    for (int full = 0; full < 2; full++) {
        char *arguments = pbt_string_format(
            "sft --model_name_or_path $G/model --dataset $G/sft.jsonl --eval_dataset $G/text.jsonl "
            "--output_dir "
            "$O/best%d --max_steps 6 --eval_steps 2 --load_best_model_at_end --learning_rate 5e-3 "
            "--greater_is_better True "
            "--logging_steps 1 --per_device_eval_batch_size 40 %s",
            full, objects[full]);
        expect(0, "the best evaluation was after step 2", arguments);
        char *name = pbt_string_format("best%d", full);
        json_t *json = read_state(name);
        assert_int_equal(json_integer_value(json_object_get(json, "best_global_step")), 2);
        assert_string_equal(json_string_value(json_object_get(json, "best_model_checkpoint")),
                            "checkpoint-2");
        assert_int_equal(json_array_size(json_object_get(json, "log_history")), 6 + 3);
        const char *file = full ? "model.safetensors" : "adapter_model.safetensors";
        char *left = pbt_string_format("best%d/%s", full, file);
        char *kept = pbt_string_format("best%d/checkpoint-2/%s", full, file);
        uint64_t hash = file_hash(left);
        assert_true(hash == file_hash(kept));
        expect(0, "the best evaluation was after step 2", arguments); /* finished: the same again */
        assert_true(hash == file_hash(left));
        json_decref(json);
        free(arguments);
        free(name);
        free(left);
        free(kept);
    }
    expect(0, "4 steps",
           SFT "--overwrite_output_dir --eval_dataset $G/sft.jsonl --eval_steps 1 "
               "--load_best_model_at_end");
    expect(3, "metric_for_best_model was loss and is eval_entropy",
           SFT "--eval_dataset $G/sft.jsonl --eval_steps 1 --load_best_model_at_end "
               "--metric_for_best_model eval_entropy --greater_is_better false");
    expect(3, "greater_is_better was false and is true",
           SFT "--eval_dataset $G/sft.jsonl --eval_steps 1 --load_best_model_at_end "
               "--greater_is_better true");
    expect(2, "metric_for_best_model is \"bleu\", but evaluations have no such number",
           SFT "--overwrite_output_dir --eval_dataset $G/sft.jsonl --eval_steps 1 --load_best_model_at_end "
               "--metric_for_best_model bleu");
    expect(2, "metric_for_best_model is \"bleu\"",
           SFT "--dry_run --eval_dataset $G/sft.jsonl --load_best_model_at_end --metric_for_best_model bleu");
    expect(2, "--eval_strategy epoch needs --eval_dataset", SFT "--eval_strategy epoch");
    expect(2, "load_best_model_at_end needs evaluations", SFT "--load_best_model_at_end");
}

/* Reference log-probabilities in the user's cache, and out into a dataset. */
static void kept_references(void **state) {
    (void)state;
    setenv("XDG_CACHE_HOME", folder, 1);
    expect(0, "80 examples with reference log-probabilities in",
           DPO
           "--overwrite_output_dir --precompute_ref_log_probs True --export_ref_log_probs $O/with_ref.jsonl");
    char *cache = pbt_path_join(folder, "pbt/reference");
    assert_true(pbt_folder_exists(cache));
    free(cache);
    expect(0, "reference log-probabilities: from ",
           DPO "--overwrite_output_dir --precompute_ref_log_probs -v");
    expect(0, "reference: the dataset's columns",
           "dpo --model_name_or_path $G/model --dataset $O/with_ref.jsonl --output_dir $O/columns "
           "--max_steps 1");
    unsetenv("XDG_CACHE_HOME");
}

static void all_weights(void **state) {
    (void)state;
    expect(0, "2 steps; model in",
           "sft --full --model_name_or_path $G/model --dataset $G/text.jsonl --output_dir $O/full "
           "--max_steps 2");
    assert_file("full/model.safetensors");
    assert_file("full/config.json");
    /* what it writes is a model again */
    expect(0, "1 steps; adapter in",
           "sft --model_name_or_path $O/full --dataset $G/text.jsonl --output_dir $O/on_full --max_steps 1");
}

static void dry_run(void **state) {
    (void)state;
    char *output;
    assert_int_equal(
        run(&output, "--json dpo --dry_run --model_name_or_path $G/model --dataset $G/dpo.jsonl --quiet"), 0);
    json_t *json;
    assert_ok(pbt_json_parse(output, strlen(output), NULL, NULL, &json, error));
    assert_int_equal(json_integer_value(json_object_get(json, "examples")), 80);
    assert_int_equal(json_integer_value(json_object_get(json, "steps")), 30);
    assert_true(json_integer_value(json_object_get(json, "unique_tokens_per_epoch")) <
                json_integer_value(json_object_get(json, "tokens_per_epoch")));
    json_decref(json);
    free(output);
    expect(0, "trained parameters", "sft --dry_run --model_name_or_path $G/model --dataset $G/sft.jsonl");
}

static void refusals(void **state) {
    (void)state;
    expect(2, "--model_name_or_path is missing", "sft --dataset x --output_dir y");
    expect(2, "--dataset is missing", "dpo --model_name_or_path x --output_dir y");
    expect(2, "--output_dir is missing", "dpo --model_name_or_path x --dataset y");
    expect(2, "cannot go with --load_in_4bit", SFT "--full --load_in_4bit");
    expect(2, "lora_r: expected 1 to 4096, found 5000", SFT "--lora_r 5000");
    expect(2, "beta is 0; it must be positive", DPO "--beta 0 --model_name_or_path no/such/model");
    expect(2, "--lora_dropout is 1", SFT "--lora_dropout 1");
    expect(2, "--max_length is 0", SFT "--max_length 0");
    expect(2, "per_device_train_batch_size is 0", SFT "--per_device_train_batch_size 0");
    expect(2, "loss_type", SFT "--loss_type sigmoid"); /* not an option of sft */
    expect(2, "loss_type is 'kto'; known are sigmoid, ipo", DPO "--loss_type kto");
    expect(2, "loss_type names 2 losses, but loss_weights has 1",
           DPO "--loss_type sigmoid,sft --loss_weights 1");
    expect(2, "--loss_weights: expected a number, found \"x\"", DPO "--loss_weights x");
    expect(2, "loss_type names ipo twice", DPO "--loss_type ipo --loss_type ipo");
    expect(3, "line 1: a preference row needs \"chosen\" and \"rejected\"",
           "dpo --model_name_or_path $G/model --dataset $G/sft.jsonl --output_dir $O/bad");
    expect(3, "longer than max_length (2 tokens)", SFT "--max_length 2");
    expect(0, "--max_prompt_length has no effect here",
           "dpo --dry_run --model_name_or_path $G/model --dataset $G/dpo.jsonl --max_prompt_length 512");
    expect(0, "examples are longer than max_length (40 tokens) and left out: line ",
           "dpo --dry_run --model_name_or_path $G/model --dataset $G/dpo.jsonl --max_length 40");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sft_then_dpo),    cmocka_unit_test(lists_of_losses),
        cmocka_unit_test(best_evaluation), cmocka_unit_test(kept_references),
        cmocka_unit_test(all_weights),     cmocka_unit_test(dry_run),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
