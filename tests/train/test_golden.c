/*
 * Training curves of TRL (tests/data/golden/train, written by tests/interop/trl_curves.py): the same model,
 * adapter, data, order and settings give the same loss, gradient norm, rewards and log-probabilities for 20
 * steps.
 */
#include "train/fixture.h"

static const char *golden(void) {
    const char *data = getenv("PBT_TEST_DATA");
    return data ? data : "tests/data";
}

static char *golden_path(const char *name) {
    return pbt_string_format("%s/golden/train/%s", golden(), name);
}

static double number(const json_t *settings, const char *key, double otherwise) {
    const json_t *value = json_object_get(settings, key);
    return value ? json_number_value(value) : otherwise;
}

static void read_losses(const json_t *json, pbt_loss_mix *mix) {
    const json_t *types = json_object_get(json, "loss_type"),
                 *weights = json_object_get(json, "loss_weights");
    const char *names[PBT_LOSS_TYPES];
    double numbers[PBT_LOSS_TYPES];
    size_t n = json_array_size(types);
    if (n == 0) return;
    assert_true(n <= PBT_LOSS_TYPES);
    for (size_t i = 0; i < n; i++) {
        names[i] = json_string_value(json_array_get(types, i));
        numbers[i] = json_number_value(json_array_get(weights, i));
    }
    assert_ok(pbt_loss_mix_set_types(mix, names, n, error));
    assert_ok(pbt_loss_mix_set_weights(mix, numbers, json_array_size(weights), error));
}

static pbt_train_settings settings_of(const json_t *json, pbt_objective objective) {
    pbt_train_settings s = pbt_train_settings_default(objective);
    s.per_device_train_batch_size = (int32_t)number(json, "per_device_train_batch_size", 8);
    s.gradient_accumulation_steps = (int32_t)number(json, "gradient_accumulation_steps", 1);
    s.learning_rate = number(json, "learning_rate", 0);
    s.warmup_steps = number(json, "warmup_steps", 0);
    s.max_steps = (int64_t)number(json, "max_steps", 0);
    s.weight_decay = number(json, "weight_decay", 0);
    s.max_grad_norm = number(json, "max_grad_norm", 1);
    s.beta = number(json, "beta", 0.1);
    s.label_smoothing = number(json, "label_smoothing", 0);
    s.logging_steps = 1;
    s.sequential = true;
    assert_ok(pbt_schedule_parse(json_string_value(json_object_get(json, "lr_scheduler_type")),
                                 &s.lr_scheduler_type, error));
    read_losses(json, &s.loss);
    return s;
}

typedef struct comparison {
    const json_t *curve;
    bool preference;
    int64_t steps;
} comparison;

static void compare(const char *name, double found, const json_t *line, double floor) {
    double expected = json_number_value(json_object_get(line, name));
    if (!(fabs(found - expected) <= 1e-4 * fabs(expected) + floor))
        print_error("%s at step %d:\n", name, (int)json_integer_value(json_object_get(line, "step")));
    assert_near(found, expected, 1e-4 * fabs(expected) + floor);
}

static pbt_code compare_step(void *user, int64_t step, const pbt_metrics *m, pbt_error *error) {
    comparison *c = user;
    (void)error;
    if (step == 0) return PBT_OK;
    const json_t *line = json_array_get(c->curve, (size_t)step - 1);
    compare("loss", m->loss, line, 1e-6);
    compare("grad_norm", m->grad_norm, line, 0);
    compare("learning_rate", m->learning_rate, line, 1e-12);
    compare("epoch", m->epoch, line, 1e-9);
    compare("num_tokens", (double)m->num_tokens, line, 0);
    c->steps++;
    if (!c->preference) return PBT_OK;
    compare("rewards/chosen", m->rewards_chosen, line, 1e-5);
    compare("rewards/rejected", m->rewards_rejected, line, 1e-5);
    compare("rewards/margins", m->rewards_margins, line, 1e-5);
    compare("rewards/accuracies", m->rewards_accuracies, line, 1e-9);
    compare("logps/chosen", m->logps_chosen, line, 0);
    compare("logps/rejected", m->logps_rejected, line, 0);
    return PBT_OK;
}

static void run_case(const char *file) {
    char *folder = golden_path("model"), *adapter_folder = golden_path("adapter"), *path = golden_path(file);
    json_t *json;
    pbt_model_options options = {.dtype = PBT_F32, .writable = false};
    pbt_tokenizer *tokenizer;
    pbt_chat_template *chat;
    pbt_dataset dataset = {0};
    assert_ok(pbt_json_read(path, 1 << 20, &json, error));
    bool preference = strcmp(json_string_value(json_object_get(json, "command")), "dpo") == 0;
    char *data = golden_path(json_string_value(json_object_get(json, "dataset")));
    comparison c = {.curve = json_object_get(json, "curve"), .preference = preference};
    pbt_trainer trainer = {.settings =
                               settings_of(json_object_get(json, "settings"), preference ? PBT_DPO : PBT_SFT),
                           .dataset = &dataset,
                           .after_step = compare_step,
                           .after_step_user = &c};
    options.writable = json_is_true(json_object_get(json_object_get(json, "settings"), "full"));
    assert_ok(pbt_tokenizer_open(folder, &tokenizer, error));
    assert_ok(pbt_chat_template_open(folder, tokenizer, NULL, &chat, error));
    assert_ok(pbt_dataset_read(data, tokenizer, chat, preference, 256, &dataset, error));
    assert_ok(pbt_model_open(folder, &options, test_device(), &trainer.model, error));
    if (!options.writable)
        assert_ok(pbt_adapter_open(adapter_folder, trainer.model, &trainer.adapter, error));
    assert_ok(pbt_train(&trainer, error));
    assert_int_equal(c.steps, 20);
    if (trainer.adapter) pbt_adapter_free(trainer.adapter);
    pbt_model_free(trainer.model);
    pbt_dataset_free(&dataset);
    pbt_chat_template_free(chat);
    pbt_tokenizer_free(tokenizer);
    json_decref(json);
    free(folder);
    free(adapter_folder);
    free(path);
    free(data);
}

static void every_curve(void **state) {
    (void)state;
    static const char *const files[] = {"sft.json",
                                        "sft_text.json",
                                        "sft_full.json",
                                        "dpo.json",
                                        "dpo_plain.json",
                                        "dpo_full.json",
                                        "dpo_ipo.json",
                                        "dpo_hinge.json",
                                        "dpo_robust.json",
                                        "dpo_apo_zero.json",
                                        "dpo_apo_down.json",
                                        "dpo_sigmoid_norm.json",
                                        "dpo_sigmoid_sft.json",
                                        "dpo_apo_zero_ipo.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) run_case(files[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_curve)};
    pbt_threads_set(1); /* the model is too small to share */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
