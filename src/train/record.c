#include "train/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_hash(json_t *record, const char *name, uint64_t hash) {
    char text[20];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    json_object_set_new(record, name, json_string(text));
}

static void set_name(json_t *record, const char *name, const char *value) {
    json_object_set_new(record, name, json_string(value));
}

static void set_loop(json_t *record, const pbt_train_settings *s, int64_t total_steps) {
    set_name(record, "objective", s->objective == PBT_DPO ? "dpo" : "sft");
    set_hash(record, "seed", s->seed); /* as text: a JSON number has 63 bits */
    json_object_set_new(record, "steps (max_steps, num_train_epochs)", json_integer(total_steps));
    json_object_set_new(record, "per_device_train_batch_size", json_integer(s->per_device_train_batch_size));
    json_object_set_new(record, "gradient_accumulation_steps", json_integer(s->gradient_accumulation_steps));
    json_object_set_new(record, "learning_rate", json_real(s->learning_rate));
    set_name(record, "lr_scheduler_type", pbt_schedule_name(s->lr_scheduler_type));
    json_object_set_new(record, "warmup_steps", json_real(s->warmup_steps));
    json_object_set_new(record, "min_lr_ratio", json_real(s->min_lr_ratio));
    json_object_set_new(record, "weight_decay", json_real(s->weight_decay));
    json_object_set_new(record, "adam_beta1", json_real(s->adam_beta1));
    json_object_set_new(record, "adam_beta2", json_real(s->adam_beta2));
    json_object_set_new(record, "adam_epsilon", json_real(s->adam_epsilon));
    json_object_set_new(record, "max_grad_norm", json_real(s->max_grad_norm));
    json_object_set_new(record, "logging_steps", json_integer(s->logging_steps));
    set_name(record, "train_sampling_strategy",
             s->sequential    ? "sequential"
             : s->group_trees ? "group_by_tree"
                              : "random");
    json_object_set_new(record, "share_prefixes", json_boolean(s->share_prefixes));
    json_object_set_new(record, "max_rows", json_integer(s->max_rows));
}

static void set_loss(json_t *record, const pbt_train_settings *s) {
    pbt_text loss = {0};
    if (s->objective != PBT_DPO) return;
    pbt_loss_mix_text(&s->loss, &loss);
    set_name(record, "loss_type, loss_weights", pbt_text_string(&loss));
    pbt_text_free(&loss);
    json_t *weights = json_array(); /* all digits of them */
    for (int32_t i = 0; i < s->loss.n; i++)
        json_array_append_new(weights, json_real(s->loss.n_weights > 0 ? s->loss.weights[i] : 1));
    json_object_set_new(record, "loss_weights", weights);
    json_object_set_new(record, "beta", json_real(s->beta));
    json_object_set_new(record, "label_smoothing", json_real(s->label_smoothing));
    json_object_set_new(record, "sft_weight", json_real(s->sft_weight));
}

static void set_evaluations(json_t *record, const pbt_trainer *trainer, const pbt_train_settings *s) {
    static const char *const strategies[] = {"no", "steps", "epoch"};
    set_name(record, "eval_strategy", strategies[s->eval_strategy]);
    if (s->eval_strategy == PBT_EVAL_NO) return;
    json_object_set_new(record, "eval_steps", json_integer(s->eval_steps));
    json_object_set_new(record, "per_device_eval_batch_size", json_integer(s->per_device_eval_batch_size));
    json_object_set_new(record, "load_best_model_at_end", json_boolean(s->load_best_model_at_end));
    if (!s->load_best_model_at_end) return;
    set_name(record, "metric_for_best_model",
             trainer->metric_for_best_model ? trainer->metric_for_best_model : "eval_loss");
    json_object_set_new(record, "greater_is_better", json_boolean(trainer->greater_is_better));
}

char *pbt_training_record(const pbt_trainer *trainer, const pbt_train_settings *settings, int64_t total_steps,
                          const pbt_hashes *of) {
    json_t *record = json_object();
    if (!record) return NULL;
    set_loop(record, settings, total_steps);
    set_loss(record, settings);
    set_evaluations(record, trainer, settings);
    if (trainer->adapter) {
        const pbt_adapter_settings *lora = &trainer->adapter->settings;
        bool drops = !settings->disable_dropout;
        json_object_set_new(record, "lora_r", json_integer(pbt_adapter_rank(trainer->adapter)));
        json_object_set_new(record, "lora_alpha", json_real(lora->alpha));
        json_object_set_new(record, "lora_dropout", json_real(drops ? lora->dropout : 0));
    }
    set_hash(record, "the data", of->data);
    set_hash(record, "the data of evaluations", of->eval_data);
    set_hash(record, "the model", of->model);
    set_hash(record, "the adapter as it is at the start", of->adapter);
    char *line = pbt_json_line(record);
    json_decref(record);
    return line;
}

/* A value of a record for people: numbers with as many digits as they need. */
static void add_value(const json_t *value, pbt_text *out) {
    if (!value)
        pbt_text_add(out, "not set");
    else if (json_is_string(value))
        pbt_text_addf(out, "%.100s", json_string_value(value));
    else if (json_is_boolean(value))
        pbt_text_add(out, json_is_true(value) ? "true" : "false");
    else if (json_is_number(value))
        pbt_text_addf(out, "%.15g", json_number_value(value));
    else
        pbt_text_add(out, "a list");
}

void pbt_training_differences(const char *before, const char *now, pbt_text *out) {
    json_t *was, *is, *value;
    const char *name;
    if (pbt_json_parse(before, strlen(before), NULL, NULL, &was, NULL) != PBT_OK) return;
    if (pbt_json_parse(now, strlen(now), NULL, NULL, &is, NULL) == PBT_OK) {
        /* Settings that only one of the two has are told by what made them appear. */
        json_object_foreach(was, name, value) {
            json_t *other = json_object_get(is, name);
            if (!other || json_equal(value, other)) continue;
            pbt_text_addf(out, "%s%s was ", out->length ? "; " : "", name);
            add_value(value, out);
            pbt_text_add(out, " and is ");
            add_value(other, out);
        }
        json_decref(is);
    }
    json_decref(was);
}
