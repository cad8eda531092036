/*
 * How many steps, at which learning rate, over which examples: transformers' Trainer and its schedules, as
 * pure functions of (settings, number of examples, step), so that nothing of it has to be saved.
 */
#include "train/learning_schedule.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const schedule_names[] = {"linear", "cosine", "constant", "constant_with_warmup"};
enum { SCHEDULES = sizeof schedule_names / sizeof *schedule_names };

const char *pbt_schedule_name(pbt_schedule schedule) {
    return schedule_names[schedule];
}

pbt_code pbt_schedule_parse(const char *text, pbt_schedule *schedule, pbt_error *error) {
    for (int i = 0; i < SCHEDULES; i++)
        if (strcmp(text, schedule_names[i]) == 0) {
            *schedule = (pbt_schedule)i;
            return PBT_OK;
        }
    return pbt_fail(error, PBT_USAGE,
                    "lr_scheduler_type is '%.60s'; known are linear, cosine, constant and "
                    "constant_with_warmup",
                    text);
}

/* TRL 1.x: SFTConfig and DPOConfig over transformers' TrainingArguments. */
pbt_train_settings pbt_train_settings_default(pbt_objective objective) {
    return (pbt_train_settings){
        .objective = objective,
        .seed = 42,
        .per_device_train_batch_size = 8,
        .gradient_accumulation_steps = 1,
        .num_train_epochs = 3.0,
        .max_steps = -1,
        .learning_rate = objective == PBT_DPO ? 1e-6 : 2e-5,
        .lr_scheduler_type = PBT_LINEAR_SCHEDULE,
        .adam_beta1 = 0.9,
        .adam_beta2 = 0.999,
        .adam_epsilon = 1e-8,
        .max_grad_norm = 1.0,
        .logging_steps = 10,
        .save_steps = 500,
        .eval_steps = 10,
        .per_device_eval_batch_size = 8,
        .beta = 0.1,
        .loss = {.n = 1, .types = {PBT_SIGMOID}},
        .disable_dropout = objective == PBT_DPO,
        .share_prefixes = true,
    };
}

pbt_epoch_plan pbt_epoch_plan_of(const pbt_train_settings *settings, size_t n_examples) {
    int64_t batch = settings->per_device_train_batch_size > 0 ? settings->per_device_train_batch_size : 1;
    int64_t accumulation =
        settings->gradient_accumulation_steps > 0 ? settings->gradient_accumulation_steps : 1;
    pbt_epoch_plan plan;
    plan.micro_batches = ((int64_t)n_examples + batch - 1) / batch;
    plan.steps = (plan.micro_batches + accumulation - 1) / accumulation;
    if (plan.steps < 1) plan.steps = 1;
    return plan;
}

int64_t pbt_train_steps(const pbt_train_settings *settings, size_t n_examples) {
    if (settings->max_steps > 0) return settings->max_steps;
    double steps = ceil(settings->num_train_epochs * (double)pbt_epoch_plan_of(settings, n_examples).steps);
    return steps > 0 && steps < 9e15 ? (int64_t)steps : 0;
}

int64_t pbt_warmup_steps(const pbt_train_settings *settings, int64_t total_steps) {
    if (settings->warmup_steps >= 1) return (int64_t)settings->warmup_steps;
    return (int64_t)ceil((double)total_steps * settings->warmup_steps);
}

/* transformers' lambdas. The floor works as in its cosine_with_min_lr: factor (1 - floor) + floor, after
 * warm-up. */
double pbt_learning_rate(const pbt_train_settings *settings, int64_t total_steps, int64_t step) {
    double base = settings->learning_rate;
    if (settings->lr_scheduler_type == PBT_CONSTANT) return base;
    int64_t warmup = pbt_warmup_steps(settings, total_steps);
    if (step < warmup) return base * ((double)step / (double)(warmup > 1 ? warmup : 1));
    if (settings->lr_scheduler_type == PBT_CONSTANT_WITH_WARMUP) return base;
    int64_t decay = total_steps - warmup > 1 ? total_steps - warmup : 1;
    double factor = settings->lr_scheduler_type == PBT_COSINE
                        ? 0.5 * (1.0 + cos(M_PI * 0.5 * 2.0 * ((double)(step - warmup) / (double)decay)))
                        : (double)(total_steps - step) / (double)decay;
    if (factor < 0) factor = 0;
    if (settings->min_lr_ratio > 0) factor = factor * (1.0 - settings->min_lr_ratio) + settings->min_lr_ratio;
    return base * factor;
}

double pbt_epoch_after(const pbt_train_settings *settings, size_t n_examples, int64_t step) {
    pbt_epoch_plan plan = pbt_epoch_plan_of(settings, n_examples);
    if (plan.micro_batches == 0 || step == 0) return 0;
    int64_t epoch = (step - 1) / plan.steps, within = (step - 1) % plan.steps + 1;
    int64_t micro = within * settings->gradient_accumulation_steps;
    if (micro > plan.micro_batches) micro = plan.micro_batches;
    return (double)epoch + (double)micro / (double)plan.micro_batches;
}

/* Brings the examples of a group together at the place of the first of them, in the order they have. */
static pbt_code gather_groups(const uint32_t *group, uint32_t *order, size_t n, pbt_error *error) {
    uint32_t *place = pbt_alloc(n + 1, sizeof *place), *sorted = pbt_alloc(n + 1, sizeof *sorted);
    uint32_t *start = pbt_alloc(n + 2, sizeof *start);
    pbt_code code = PBT_OK;
    if (!place || !sorted || !start) {
        code = pbt_fail_memory(error, 3 * n * sizeof *place, "the order of the data");
    } else {
        uint32_t n_places = 0; /* place[g]: 1 + how many groups appear before group g */
        for (size_t i = 0; i < n; i++)
            if (place[group[order[i]]] == 0) place[group[order[i]]] = ++n_places;
        for (size_t i = 0; i < n; i++) start[place[group[i]]]++;
        for (size_t p = 1; p <= n_places; p++) start[p] += start[p - 1];
        for (size_t i = 0; i < n; i++) sorted[start[place[group[order[i]]] - 1]++] = order[i];
        memcpy(order, sorted, n * sizeof *order);
    }
    free(place);
    free(sorted);
    free(start);
    return code;
}

pbt_code pbt_epoch_order(const pbt_train_settings *settings, int64_t epoch, const uint32_t *group,
                         uint32_t *order, size_t n_examples, pbt_error *error) {
    for (size_t i = 0; i < n_examples; i++) order[i] = (uint32_t)i;
    if (settings->sequential) return PBT_OK;
    pbt_key key = pbt_key_named(pbt_key_of_seed(settings->seed), "epoch order");
    pbt_random_shuffle(pbt_key_child(key, (uint64_t)epoch), order, n_examples);
    return settings->group_trees ? gather_groups(group, order, n_examples, error) : PBT_OK;
}

static int by_group(const void *a, const void *b, void *context) {
    const pbt_dataset *dataset = context;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const char *gi = dataset->items[i].group, *gj = dataset->items[j].group;
    int order = !gi || !gj ? (gj != NULL) - (gi != NULL) : strcmp(gi, gj);
    return order != 0 ? order : i < j ? -1 : i > j;
}

pbt_code pbt_example_groups(const pbt_dataset *dataset, uint32_t *group, pbt_error *error) {
    size_t n = dataset->count;
    uint32_t *index = pbt_alloc(n + 1, sizeof *index), next = 0;
    if (!index) return pbt_fail_memory(error, n * sizeof *index, "the groups of the data");
    for (size_t i = 0; i < n; i++) index[i] = (uint32_t)i;
    qsort_r(index, n, sizeof *index, by_group, (void *)dataset);
    for (size_t i = 0; i < n; i++) {
        const char *before = i > 0 ? dataset->items[index[i - 1]].group : NULL;
        const char *own = dataset->items[index[i]].group;
        if (i > 0 && !(before && own && strcmp(before, own) == 0)) next++;
        group[index[i]] = next;
    }
    free(index);
    return PBT_OK;
}
