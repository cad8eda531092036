/*
 * A training that is killed, stopped or refused in the middle, and continued: the same numbers to the bit,
 * and a metrics file without gaps or doubles.
 */
#include "train/fixture.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

typedef struct result {
    uint64_t adapter_hash;
    char *metrics; /* metrics.jsonl without step_time */
} result;

static char *metrics_without_times(const char *folder) {
    char *path = pbt_path_join(folder, "metrics.jsonl"), *line;
    pbt_lines *lines;
    pbt_text text = {0};
    size_t length, number;
    assert_ok(pbt_lines_open(path, &lines, error));
    for (;;) {
        json_t *json;
        assert_ok(pbt_lines_next(lines, &line, &length, &number, error));
        if (!line) break;
        assert_ok(pbt_json_parse(line, length, NULL, NULL, &json, error));
        json_object_del(json, "step_time");
        char *plain = pbt_json_line(json);
        pbt_text_addf(&text, "%s\n", plain);
        free(plain);
        json_decref(json);
    }
    pbt_lines_close(lines);
    free(path);
    return pbt_text_take(&text);
}

/* What the attempts at a training did, in memory that parent and children share. */
typedef struct record {
    _Atomic int64_t first, steps; /* of the attempt: its first step, how many it finished */
} record;
static record *shared;

/* What an attempt does after its steps: dies, fails, or waits to be killed. */
typedef struct plan {
    int64_t kill_at, fail_at;
    int64_t wait_after; /* so many steps of its own */
} plan;

static pbt_code after_step(void *user, int64_t step, const pbt_metrics *metrics, pbt_error *error) {
    const plan *p = user;
    (void)metrics;
    if (step == 0) return PBT_OK; /* DPO's look at the start */
    if (shared->steps == 0) shared->first = step;
    shared->steps++;
    if (step == p->kill_at) raise(SIGKILL);
    while (p->wait_after > 0 && shared->steps >= p->wait_after) pause();
    return step == p->fail_at ? pbt_fail(error, PBT_FAILED, "stopped on purpose") : PBT_OK;
}

static pbt_train_settings settings_of(pbt_objective objective) {
    pbt_train_settings s = pbt_train_settings_default(objective);
    s.learning_rate = 5e-3;
    s.per_device_train_batch_size = 3;
    s.num_train_epochs = 3;
    s.logging_steps = 2;
    s.save_steps = 3;
    s.disable_dropout = false;
    s.lr_scheduler_type = PBT_COSINE;
    return s;
}

/* One attempt; whatever it gives. */
static pbt_code attempt(const char *folder, const pbt_train_settings *settings, const plan *planned,
                        const pbt_monitor *monitor, uint64_t *hash, pbt_error *error) {
    static const plan none = {0};
    pbt_model *model = fixture_model(1);
    pbt_adapter *adapter = fixture_adapter(model, 2, 0.2);
    pbt_dataset dataset = fixture_data(11, settings->objective == PBT_DPO);
    pbt_trainer trainer = {.settings = *settings,
                           .model = model,
                           .adapter = adapter,
                           .dataset = &dataset,
                           .folder = folder,
                           .resume = true,
                           .monitor = monitor,
                           .after_step = after_step,
                           .after_step_user = (void *)(uintptr_t)(planned ? planned : &none)};
    *shared = (record){0};
    pbt_code code = pbt_train(&trainer, error);
    *hash = pbt_adapter_hash(adapter);
    pbt_dataset_free(&dataset);
    pbt_adapter_free(adapter);
    pbt_model_free(model);
    return code;
}

/* An attempt in a child that ends by SIGKILL and in no other way. One that waits is killed from outside, so
 * many microseconds after it finished `steps`. */
static void killed_attempt(const char *folder, const pbt_train_settings *settings, const plan *planned,
                           int64_t steps, useconds_t wait) {
    *shared = (record){0};
    pid_t child = fork();
    if (child == 0) {
        uint64_t hash;
        attempt(folder, settings, planned, NULL, &hash, NULL);
        _exit(0);
    }
    int status;
    if (planned->wait_after > 0) {
        while (shared->steps < steps && waitpid(child, &status, WNOHANG) == 0) usleep(200);
        usleep(wait);
        kill(child, SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static result straight(const pbt_train_settings *settings) {
    char *folder = fixture_folder();
    result r;
    assert_ok(attempt(folder, settings, NULL, NULL, &r.adapter_hash, error));
    r.metrics = metrics_without_times(folder);
    fixture_remove(folder);
    return r;
}

/* Trains to the end, from step `first` on (0: nothing is left to do), and finds what an undisturbed training
 * gave. */
static void finish(const char *folder, const pbt_train_settings *settings, int64_t first, int64_t total,
                   const result *expected) {
    uint64_t hash;
    assert_ok(attempt(folder, settings, NULL, NULL, &hash, error));
    assert_int_equal(shared->first, first);
    assert_int_equal(shared->steps, first ? total - first + 1 : 0);
    assert_true(hash == expected->adapter_hash);
    char *metrics = metrics_without_times(folder);
    assert_string_equal(metrics, expected->metrics);
    free(metrics);
}

static void killed_anywhere(void **state) {
    (void)state;
    for (int objective = PBT_SFT; objective <= PBT_DPO; objective++) {
        pbt_train_settings settings = settings_of((pbt_objective)objective);
        result expected = straight(&settings);
        char *folder = fixture_folder();
        int64_t saved = 0;
        for (int64_t step = 1; step <= 12; step += 2 + step % 3) {
            killed_attempt(folder, &settings, &(plan){.kill_at = step}, 0, 0);
            /* It went on where the one before had saved, and died before it saved this step. */
            assert_int_equal(shared->first, saved + 1);
            assert_int_equal(shared->steps, step - saved);
            saved = (step - 1) / 3 * 3;
        }
        assert_int_equal(saved, 9);
        finish(folder, &settings, saved + 1, 12, &expected);
        finish(folder, &settings, 0, 12, &expected); /* after the end nothing is done, and nothing changes */
        free(expected.metrics);
        fixture_remove(folder);
    }
}

/* SIGKILL at a random moment, not between steps, or, every second time, after 16 steps. None makes more than
 * these, so eight attempts cannot finish 160. */
static void killed_at_random_moments(void **state) {
    (void)state;
    enum { TOTAL = 160 };
    pbt_train_settings settings = settings_of(PBT_SFT);
    settings.num_train_epochs = 40;
    settings.save_steps = 5;
    result expected = straight(&settings);
    assert_int_equal(shared->steps, TOTAL);
    char *folder = fixture_folder();
    pbt_key key = pbt_key_of_seed(17);
    int64_t reached = 0;
    for (uint64_t i = 0; i < 8; i++) {
        killed_attempt(folder, &settings, &(plan){.wait_after = 16}, i % 2 ? 16 : 1,
                       (useconds_t)pbt_random_below(key, i, 12000));
        /* At the last checkpoint, or at one before it where the kill came while it was written. */
        assert_int_equal(shared->first % 5, 1);
        assert_true(shared->first <= reached / 5 * 5 + 1 && shared->first + 5 >= reached / 5 * 5 + 1);
        reached = shared->first + shared->steps - 1;
    }
    assert_true(reached >= 4 * 11 && reached < TOTAL);
    uint64_t hash;
    assert_ok(attempt(folder, &settings, NULL, NULL, &hash, error));
    assert_true(shared->first > 5 && shared->first <= reached / 5 * 5 + 1);
    assert_int_equal(shared->first + shared->steps - 1, TOTAL);
    finish(folder, &settings, 0, TOTAL, &expected);
    free(expected.metrics);
    fixture_remove(folder);
}

static void an_error_of_after_step_ends_it(void **state) {
    (void)state;
    pbt_train_settings settings = settings_of(PBT_SFT);
    char *folder = fixture_folder();
    uint64_t hash;
    assert_fails(attempt(folder, &settings, &(plan){.fail_at = 5}, NULL, &hash, error), PBT_FAILED,
                 "stopped on purpose");
    assert_int_equal(shared->steps, 5);
    fixture_remove(folder);
}

static bool stop_soon(void *user) {
    int *calls = user;
    return ++*calls > 4;
}

static void interrupted_saves_its_state(void **state) {
    (void)state;
    pbt_train_settings settings = settings_of(PBT_SFT);
    settings.save_steps = 0;
    result expected = straight(&settings);
    char *folder = fixture_folder();
    int calls = 0;
    pbt_monitor monitor = {.user = &calls, .stopped = stop_soon};
    uint64_t hash;
    pbt_error error;
    assert_int_equal(attempt(folder, &settings, NULL, &monitor, &hash, &error), PBT_INTERRUPTED);
    assert_non_null(strstr(error.message, "interrupted; the checkpoint of step 4 is saved in "));
    assert_non_null(strstr(error.message, ", and the same command continues"));
    assert_int_equal(shared->steps, 4);
    char *path = pbt_path_join(folder, "checkpoint.pbt");
    assert_true(pbt_file_exists(path));
    free(path);
    assert_int_equal(attempt(folder, &settings, NULL, NULL, &hash, &error), PBT_OK);
    assert_int_equal(shared->first, 5);
    assert_int_equal(shared->steps, 8);
    assert_true(hash == expected.adapter_hash);
    free(expected.metrics);
    fixture_remove(folder);
}

static void foreign_and_damaged_checkpoints(void **state) {
    (void)state;
    pbt_train_settings settings = settings_of(PBT_DPO);
    char *folder = fixture_folder(), *path = pbt_path_join(folder, "checkpoint.pbt"), *data;
    uint64_t hash;
    size_t length;
    assert_ok(attempt(folder, &settings, NULL, NULL, &hash, error));
    pbt_train_settings other = settings;
    other.beta = 0.2;
    assert_fails(
        attempt(folder, &other, NULL, NULL, &hash, error), PBT_BAD_INPUT,
        "belongs to a training with other settings, data, model or adapter: beta was 0.1 and is 0.2;");
    other = settings;
    other.adam_beta1 = 0.8;
    assert_fails(attempt(folder, &other, NULL, NULL, &hash, error), PBT_BAD_INPUT,
                 "adam_beta1 was 0.9 and is 0.8;");
    assert_ok(pbt_file_read(path, 1 << 20, &data, &length, error));
    data[length / 2] ^= 1;
    assert_ok(pbt_file_write(path, data, length, error));
    assert_fails(attempt(folder, &settings, NULL, NULL, &hash, error), PBT_BAD_INPUT, "checksum");
    assert_ok(pbt_file_write(path, data, length - 4, error));
    assert_fails(attempt(folder, &settings, NULL, NULL, &hash, error), PBT_BAD_INPUT, "numbers in");
    assert_ok(pbt_file_write(path, "nonsense", 8, error));
    assert_fails(attempt(folder, &settings, NULL, NULL, &hash, error), PBT_BAD_INPUT, "not a checkpoint");
    free(data);
    free(path);
    fixture_remove(folder);
}

static void files_of_a_finished_training(void **state) {
    (void)state;
    pbt_train_settings settings = settings_of(PBT_DPO);
    char *folder = fixture_folder(), *path = pbt_path_join(folder, "trainer_state.json");
    uint64_t hash;
    json_t *json;
    assert_ok(attempt(folder, &settings, NULL, NULL, &hash, error));
    assert_ok(pbt_json_read(path, 1 << 20, &json, error));
    assert_int_equal(json_integer_value(json_object_get(json, "global_step")), 12);
    const json_t *history = json_object_get(json, "log_history"), *line = json_array_get(history, 0);
    assert_int_equal(json_array_size(history), 6);
    static const char *const keys[] = {"step",
                                       "epoch",
                                       "loss",
                                       "learning_rate",
                                       "grad_norm",
                                       "rewards/chosen",
                                       "rewards/rejected",
                                       "rewards/margins",
                                       "rewards/accuracies",
                                       "logps/chosen",
                                       "logps/rejected",
                                       "logits/chosen",
                                       "logits/rejected",
                                       "entropy",
                                       "mean_token_accuracy",
                                       "step_time",
                                       "num_tokens",
                                       "unique_tokens"};
    const char *key;
    json_t *value;
    size_t i = 0;
    json_object_foreach((json_t *)line, key, value) assert_string_equal(key, keys[i++]);
    assert_int_equal(i, sizeof keys / sizeof *keys);
    json_decref(json);
    free(path);
    fixture_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_anywhere),
        cmocka_unit_test(killed_at_random_moments),
        cmocka_unit_test(an_error_of_after_step_ends_it),
        cmocka_unit_test(interrupted_saves_its_state),
        cmocka_unit_test(foreign_and_damaged_checkpoints),
        cmocka_unit_test(files_of_a_finished_training),
    };
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return 1;
    pbt_threads_set(1); /* children are forked: no thread may be left behind in the parent */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
