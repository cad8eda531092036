/*
 * The trainer on a small random model: gradients by finite differences, trie = pairwise, accumulation = large
 * batch, and every sentence it refuses with.
 */
#include "train/batch.h"
#include "train/fixture.h"
#include "train/objective.h"

/* Loss and gradients of the first batch of a dataset, with everything else as in a training. */
typedef struct probe {
    pbt_trainer trainer;
    pbt_training training;
    pbt_batch batch;
    pbt_metrics metrics;
} probe;

static void probe_open(probe *p, pbt_model *model, pbt_adapter *adapter, pbt_dataset *dataset,
                       const pbt_train_settings *settings) {
    memset(p, 0, sizeof *p);
    p->trainer = (pbt_trainer){.settings = *settings, .model = model, .adapter = adapter, .dataset = dataset};
    p->training = (pbt_training){.trainer = &p->trainer,
                                 .settings = &p->trainer.settings,
                                 .adapters = {adapter},
                                 .n_adapters = adapter ? 1 : 0,
                                 .max_rows = settings->max_rows > 0 ? settings->max_rows : 512,
                                 .dropout = settings->disable_dropout ? 0 : 0.3};
    if (adapter)
        assert_ok(pbt_gradients_for_adapter(model, adapter, &p->training.gradients, error));
    else
        assert_ok(pbt_gradients_for_model(model, &p->training.gradients, error));
    assert_ok(pbt_pass_buffers_create(model, 64, adapter ? adapter->settings.r : 0, true,
                                      &p->training.buffers, error));
    const pbt_example **examples = calloc(dataset->count, sizeof *examples);
    for (size_t i = 0; i < dataset->count; i++) examples[i] = &dataset->items[i];
    assert_ok(pbt_batch_plan(examples, dataset->count, settings->objective == PBT_DPO,
                             settings->share_prefixes, p->training.max_rows, &p->batch, error));
    free(examples);
}

static void probe_run(probe *p) {
    pbt_gradients_zero(p->training.gradients);
    assert_ok(pbt_batch_run(&p->training, &p->batch, 3, true, &p->metrics, error));
}

static void probe_close(probe *p) {
    pbt_batch_free(&p->batch);
    pbt_pass_buffers_free(&p->training.buffers);
    pbt_gradients_free(p->training.gradients);
}

static void set_references(pbt_dataset *dataset) {
    for (size_t i = 0; i < dataset->count; i++) {
        dataset->items[i].ref_chosen_logp = -3.0 - (double)i * 0.25;
        dataset->items[i].ref_rejected_logp = -4.0 + (double)i * 0.125;
    }
}

static double gradient_distance(const probe *a, const probe *b, double *norm) {
    size_t n, m;
    const pbt_parameter *pa = pbt_gradients_parameters(a->training.gradients, &n);
    const pbt_parameter *pb = pbt_gradients_parameters(b->training.gradients, &m);
    double distance = 0, squares = 0;
    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < pa[i].count; k++) {
            double d = (double)pa[i].gradient[k] - (double)pb[i].gradient[k];
            distance += d * d;
            squares += (double)pb[i].gradient[k] * (double)pb[i].gradient[k];
        }
    *norm = sqrt(squares);
    return sqrt(distance);
}

/* The same batch under two settings: loss and gradients agree. */
static void compare(const pbt_train_settings *one, const pbt_train_settings *two, bool full) {
    pbt_model *model = fixture_model(1);
    pbt_adapter *adapter = full ? NULL : fixture_adapter(model, 2, 0.3);
    pbt_dataset dataset = fixture_data(13, one->objective == PBT_DPO);
    probe a, b;
    double norm;
    set_references(&dataset);
    probe_open(&a, model, adapter, &dataset, one);
    probe_open(&b, model, adapter, &dataset, two);
    probe_run(&a);
    probe_run(&b);
    assert_near(a.metrics.loss, b.metrics.loss, 1e-5 * fabs(b.metrics.loss));
    assert_near(a.metrics.logps_chosen, b.metrics.logps_chosen, 1e-5 * fabs(b.metrics.logps_chosen));
    assert_int_equal(a.metrics.num_tokens, b.metrics.num_tokens);
    double distance = gradient_distance(&a, &b, &norm);
    assert_true(norm > 1e-3);
    assert_true(distance < 1e-5 * norm);
    probe_close(&a);
    probe_close(&b);
    pbt_dataset_free(&dataset);
    if (adapter) pbt_adapter_free(adapter);
    pbt_model_free(model);
}

static void trie_equals_pairwise(void **state) {
    (void)state;
    for (int objective = PBT_SFT; objective <= PBT_DPO; objective++)
        for (int dropout = 0; dropout < 2; dropout++)
            for (int full = 0; full < 2; full++) {
                pbt_train_settings shared = pbt_train_settings_default((pbt_objective)objective);
                shared.disable_dropout = !dropout;
                shared.sft_weight = 0.2;
                pbt_train_settings pairwise = shared;
                pairwise.share_prefixes = false;
                compare(&shared, &pairwise, full);
            }
    for (int type = PBT_SIGMOID; type < PBT_LOSS_TYPES; type++) {
        pbt_train_settings shared = pbt_train_settings_default(PBT_DPO);
        shared.loss = pbt_loss_mix_of((pbt_loss_type)type);
        shared.label_smoothing = 0.1;
        pbt_train_settings pairwise = shared;
        pairwise.share_prefixes = false;
        compare(&shared, &pairwise, false);
    }
}

static void sharing_saves_rows(void **state) {
    (void)state;
    pbt_model *model = fixture_model(1);
    pbt_adapter *adapter = fixture_adapter(model, 2, 0);
    pbt_dataset dataset = fixture_data(12, true);
    set_references(&dataset);
    pbt_train_settings settings = pbt_train_settings_default(PBT_DPO);
    probe p;
    probe_open(&p, model, adapter, &dataset, &settings);
    probe_run(&p);
    assert_true(2 * p.metrics.unique_tokens < p.metrics.num_tokens);
    probe_close(&p);
    pbt_dataset_free(&dataset);
    pbt_adapter_free(adapter);
    pbt_model_free(model);
}

static void small_passes_equal_one(void **state) {
    (void)state;
    for (int objective = PBT_SFT; objective <= PBT_DPO; objective++) {
        pbt_train_settings one = pbt_train_settings_default((pbt_objective)objective);
        one.disable_dropout = false;
        pbt_train_settings cut = one;
        cut.max_rows = 20;
        compare(&one, &cut, false);
    }
}

static double loss_at(probe *p) {
    pbt_metrics metrics;
    assert_ok(pbt_batch_run(&p->training, &p->batch, 3, false, &metrics, error));
    return metrics.loss;
}

/* The slope of the loss along the gradient is the gradient's norm. */
static void gradients_by_finite_differences(void **state) {
    (void)state;
    for (int type = PBT_SIGMOID; type < PBT_LOSS_TYPES; type++) {
        pbt_model *model = fixture_model(1);
        pbt_adapter *adapter = fixture_adapter(model, 2, 0);
        pbt_dataset dataset = fixture_data(5, true);
        set_references(&dataset);
        pbt_train_settings settings = pbt_train_settings_default(PBT_DPO);
        settings.loss = pbt_loss_mix_of((pbt_loss_type)type);
        settings.sft_weight = type == PBT_SIGMOID ? 0.5 : 0;
        settings.beta = 0.3;
        probe p;
        probe_open(&p, model, adapter, &dataset, &settings);
        probe_run(&p);
        size_t n;
        const pbt_parameter *parameters = pbt_gradients_parameters(p.training.gradients, &n);
        double squares = 0, h;
        for (size_t i = 0; i < n; i++)
            squares += test_device()->ops->sum_of_squares(parameters[i].gradient, parameters[i].count);
        double norm = sqrt(squares), loss[2];
        h = 2e-3 / norm;
        for (int side = 0; side < 2; side++) {
            double step = side == 0 ? h : -2 * h;
            for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < parameters[i].count; k++)
                    parameters[i].value[k] += (float)(step * (double)parameters[i].gradient[k]);
            loss[side] = loss_at(&p);
        }
        assert_near((loss[0] - loss[1]) / (2 * h), squares, 0.01 * squares);
        probe_close(&p);
        pbt_dataset_free(&dataset);
        pbt_adapter_free(adapter);
        pbt_model_free(model);
    }
}

/* ---- whole trainings ---- */

static uint64_t train_hash(pbt_train_settings settings, size_t examples, pbt_metrics *last) {
    pbt_model *model = fixture_model(1);
    pbt_adapter *adapter = fixture_adapter(model, 2, 0.1);
    pbt_dataset dataset = fixture_data(examples, settings.objective == PBT_DPO);
    pbt_trainer trainer = {.settings = settings, .model = model, .adapter = adapter, .dataset = &dataset};
    char *folder = fixture_folder();
    trainer.folder = folder;
    assert_ok(pbt_train(&trainer, error));
    char *path = pbt_path_join(folder, "metrics.jsonl");
    pbt_lines *lines;
    char *line, *kept = NULL;
    size_t length, number;
    assert_ok(pbt_lines_open(path, &lines, error));
    for (;;) {
        assert_ok(pbt_lines_next(lines, &line, &length, &number, error));
        if (!line) break;
        free(kept);
        kept = strdup(line);
    }
    json_t *json;
    assert_ok(pbt_json_parse(kept, strlen(kept), NULL, NULL, &json, error));
    *last = (pbt_metrics){.step = json_integer_value(json_object_get(json, "step")),
                          .loss = json_number_value(json_object_get(json, "loss")),
                          .epoch = json_number_value(json_object_get(json, "epoch")),
                          .num_tokens = json_integer_value(json_object_get(json, "num_tokens")),
                          .rewards_margins = json_number_value(json_object_get(json, "rewards/margins"))};
    json_decref(json);
    free(kept);
    pbt_lines_close(lines);
    free(path);
    fixture_remove(folder);
    uint64_t hash = pbt_adapter_hash(adapter);
    pbt_dataset_free(&dataset);
    pbt_adapter_free(adapter);
    pbt_model_free(model);
    return hash;
}

static pbt_train_settings quick(pbt_objective objective) {
    pbt_train_settings s = pbt_train_settings_default(objective);
    s.learning_rate = 1e-2;
    s.logging_steps = 1;
    s.per_device_train_batch_size = 4;
    s.num_train_epochs = 2;
    return s;
}

static void accumulation_equals_a_large_batch(void **state) {
    (void)state;
    for (int objective = PBT_SFT; objective <= PBT_DPO; objective++) {
        pbt_train_settings large = quick((pbt_objective)objective);
        large.per_device_train_batch_size = 8;
        pbt_train_settings small = large;
        small.per_device_train_batch_size = 2;
        small.gradient_accumulation_steps = 4;
        pbt_metrics a, b;
        assert_true(train_hash(large, 21, &a) == train_hash(small, 21, &b));
        assert_true(a.loss == b.loss && a.num_tokens == b.num_tokens);
        assert_int_equal(a.step, 6);
        if (objective == PBT_SFT) continue;
        for (int type = PBT_SIGMOID; type < PBT_LOSS_TYPES; type++) {
            large.loss = small.loss = pbt_loss_mix_of((pbt_loss_type)type);
            assert_true(train_hash(large, 21, &a) == train_hash(small, 21, &b));
        }
    }
}

static void training_learns(void **state) {
    (void)state;
    pbt_metrics last;
    pbt_train_settings s = quick(PBT_SFT);
    s.num_train_epochs = 40;
    train_hash(s, 8, &last);
    assert_true(last.loss < 1.5); /* from about ln 40 = 3.7 */
    s = quick(PBT_DPO);
    s.num_train_epochs = 40;
    train_hash(s, 8, &last);
    assert_true(last.loss < 0.3 && last.rewards_margins > 1);
    assert_near(last.epoch, 40, 1e-12);
}

static void same_seed_same_bits(void **state) {
    (void)state;
    pbt_metrics a, b;
    pbt_train_settings s = quick(PBT_SFT);
    uint64_t first = train_hash(s, 10, &a);
    assert_true(first == train_hash(s, 10, &b));
    s.seed++;
    assert_true(first != train_hash(s, 10, &b));
}

/* Pretraining: all weights, examples made as training goes. */
static pbt_code make_batch(void *user, int64_t step, pbt_dataset *batch, pbt_error *error) {
    pbt_key key = pbt_key_child(pbt_key_of_seed(5), (uint64_t)step);
    (void)user;
    for (uint64_t i = 0; i < 4; i++) {
        pbt_example example = {.prompt = fixture_ids(key, i, 3), .ref_chosen_logp = NAN};
        for (int k = 0; k < 4; k++) /* the completion counts up from the prompt's last token */
            PBT_TRY(pbt_ids_push(&example.chosen, (example.prompt.items[2] + k + 1) % VOCABULARY, error));
        PBT_TRY(pbt_dataset_push(batch, &example, error));
    }
    return PBT_OK;
}

static pbt_code keep_metrics(void *user, int64_t step, const pbt_metrics *metrics, pbt_error *error) {
    (void)step, (void)error;
    *(pbt_metrics *)user = *metrics;
    return PBT_OK;
}

static void all_weights_with_made_data(void **state) {
    (void)state;
    pbt_model *model = fixture_model(3);
    pbt_metrics last;
    pbt_trainer trainer = {.settings = quick(PBT_SFT), .model = model, .next_batch = make_batch};
    trainer.settings.max_steps = 150;
    trainer.settings.gradient_accumulation_steps = 2;
    trainer.settings.weight_decay = 0.01;
    trainer.after_step = keep_metrics;
    trainer.after_step_user = &last;
    assert_ok(pbt_train(&trainer, error));
    assert_int_equal(last.step, 150);
    assert_near(last.epoch, 1, 1e-12);
    assert_true(last.loss < 1.0);
    assert_int_equal(last.num_tokens, 150 * 8 * 7);
    trainer.settings.max_steps = -1;
    assert_fails(pbt_train(&trainer, error), PBT_USAGE, "give max_steps");
    pbt_model_free(model);
}

/* ---- the start of DPO ---- */

typedef struct heard {
    char text[4096];
    int warnings;
} heard;

static void hear(void *user, int level, const char *line) {
    heard *h = user;
    h->warnings += level == 0;
    strncat(h->text, line, sizeof h->text - strlen(h->text) - 2);
    strcat(h->text, "\n");
}

static void margin_zero_and_ln_2(void **state) {
    (void)state;
    pbt_model *model = fixture_model(1);
    pbt_adapter *adapter = fixture_adapter(model, 2, 0.1);
    pbt_dataset dataset = fixture_data(6, true);
    heard h = {0};
    pbt_monitor monitor = {.user = &h, .message = hear};
    pbt_trainer trainer = {
        .settings = quick(PBT_DPO), .model = model, .adapter = adapter, .dataset = &dataset};
    trainer.settings.sft_weight = 0.3;
    trainer.settings.disable_dropout = false;
    trainer.monitor = &monitor;
    assert_ok(pbt_train(&trainer, error));
    assert_non_null(strstr(h.text, "step 0: margin 0.000000 (expected 0), loss 0.693147 (expected ln 2 = "
                                   "0.693147): policy and reference are the same"));
    assert_non_null(strstr(h.text, "reference: model "));
    assert_int_equal(h.warnings, 0);
    /* Numbers that come with the data are believed, with a warning where they are not the policy's. */
    h = (heard){0};
    set_references(&dataset);
    assert_ok(pbt_train(&trainer, error));
    assert_non_null(strstr(h.text, "reference: the dataset's columns"));
    assert_non_null(strstr(h.text, "the dataset's reference is not the initial policy"));
    assert_int_equal(h.warnings, 1);
    pbt_dataset_free(&dataset);
    pbt_adapter_free(adapter);
    pbt_model_free(model);
}

/* ---- refusals ---- */

static void refusals(void **state) {
    (void)state;
    pbt_model *model = fixture_model(1);
    pbt_adapter *adapter = fixture_adapter(model, 2, 0);
    pbt_dataset dataset = fixture_data(3, true), nothing = {0};
    pbt_trainer good = {.settings = quick(PBT_DPO), .model = model, .adapter = adapter, .dataset = &dataset};
    pbt_trainer bad;
#define REFUSED(change, code, text)                                                                          \
    do {                                                                                                     \
        bad = good;                                                                                          \
        change;                                                                                              \
        assert_fails(pbt_train(&bad, error), code, text);                                                    \
    } while (0)
    REFUSED(bad.settings.per_device_train_batch_size = 0, PBT_USAGE, "per_device_train_batch_size is 0");
    REFUSED(bad.settings.num_train_epochs = 0, PBT_USAGE, "num_train_epochs is 0");
    REFUSED(bad.settings.logging_steps = 0, PBT_USAGE, "logging_steps is 0");
    REFUSED(bad.settings.learning_rate = -1, PBT_USAGE, "learning_rate -1");
    REFUSED(bad.settings.min_lr_ratio = 2, PBT_USAGE, "min_lr_ratio is 2");
    REFUSED(bad.settings.beta = 0, PBT_USAGE, "beta is 0");
    REFUSED(bad.settings.label_smoothing = 0.5, PBT_USAGE, "label_smoothing is 0.5");
    REFUSED(bad.settings.sft_weight = -1, PBT_USAGE, "sft_weight is -1");
    REFUSED(bad.dataset = &nothing, PBT_BAD_INPUT, "no examples");
    model->config.max_position_embeddings = 4;
    dataset.items[1].line = 7;
    REFUSED((void)0, PBT_BAD_INPUT, "tokens, but the model has positions for 4 only");
    model->config.max_position_embeddings = 256;
    dataset.items[1].chosen.items[0] = VOCABULARY;
    REFUSED((void)0, PBT_BAD_INPUT, "example 2 has token id 40, but the model's vocabulary has 40 entries");
    dataset.items[1].chosen.count = 0;
    REFUSED((void)0, PBT_BAD_INPUT, "example 2 has no token that carries loss");
    pbt_dataset_free(&dataset);
    dataset = fixture_data(8, false);
    good = (pbt_trainer){.settings = quick(PBT_SFT), .model = model, .adapter = adapter, .dataset = &dataset};
    REFUSED(bad.settings.learning_rate = 1e30; bad.settings.max_grad_norm = 0, PBT_FAILED, "diverged");
    pbt_dataset_free(&dataset);
    pbt_adapter_free(adapter);
    pbt_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trie_equals_pairwise),
        cmocka_unit_test(sharing_saves_rows),
        cmocka_unit_test(small_passes_equal_one),
        cmocka_unit_test(gradients_by_finite_differences),
        cmocka_unit_test(accumulation_equals_a_large_batch),
        cmocka_unit_test(training_learns),
        cmocka_unit_test(same_seed_same_bits),
        cmocka_unit_test(all_weights_with_made_data),
        cmocka_unit_test(margin_zero_and_ln_2),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
