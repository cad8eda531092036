#include "pocket/pretrain.h"

#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VOCABULARY = 3072, TEMPLATE_REPEATS = 20 };

static const char chat_template[] =
    "{{ bos_token }}{% for message in messages %}{{ ('<u>' if message['role'] == 'user' else '<a>') + ' ' + "
    "message['content'] + eos_token }}{% endfor %}{% if add_generation_prompt %}{{ '<a>' }}{% endif %}";

static const char *const specials[] = {"<pad>", "<s>", "<u>", "<a>", "</s>"};

static const char config_text[] =
    "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"vocab_size\": 3072, "
    "\"hidden_size\": 192, \"intermediate_size\": 320, \"num_hidden_layers\": 6, \"num_attention_heads\": 6, "
    "\"num_key_value_heads\": 2, \"head_dim\": 32, \"hidden_act\": \"silu\", \"max_position_embeddings\": "
    "512, "
    "\"rms_norm_eps\": 1e-05, \"rope_theta\": 10000.0, \"attention_bias\": false, \"mlp_bias\": false, "
    "\"tie_word_embeddings\": true, \"pad_token_id\": 0, \"bos_token_id\": 1, \"eos_token_id\": 4, "
    "\"torch_dtype\": \"float32\"}";

static pbt_code write_text(const char *folder, const char *name, const char *text, pbt_error *error) {
    char *path = pbt_path_join(folder, name);
    pbt_code code =
        path ? pbt_file_write(path, text, strlen(text), error) : pbt_fail_memory(error, 0, "a path");
    free(path);
    return code;
}

/* A name always follows a space, so questions, options and sentences are shown to the tokenizer with one. */
static char *spaced(const char *text) {
    return pbt_string_format(" %s", text);
}

static pbt_code add_text(char ***texts, size_t *n, size_t *capacity, const char *text, pbt_error *error) {
    PBT_TRY(pbt_grow(*texts, capacity, *n + 1, error));
    (*texts)[*n] = spaced(text);
    return (*texts)[(*n)++] ? PBT_OK : pbt_fail_memory(error, strlen(text), "a corpus");
}

static pbt_code tokenizer_corpus(const pbt_pocket_world *world, char ***texts, size_t *n, pbt_error *error) {
    size_t capacity = 0;
    for (size_t i = 0; i < world->questions.count; i++) {
        const pbt_question *q = &world->questions.items[i];
        PBT_TRY(add_text(texts, n, &capacity, q->text, error));
        for (size_t c = 0; c < q->n_choices; c++)
            PBT_TRY(add_text(texts, n, &capacity, q->choices[c], error));
    }
    const pbt_prompts *p = &world->prompts;
    for (int repeat = 0; repeat < TEMPLATE_REPEATS; repeat++) {
        for (size_t i = 0; i < pbt_template_count(); i++)
            PBT_TRY(add_text(texts, n, &capacity, pbt_template_text(i), error));
        for (int role = 0; role < PBT_ROLES; role++)
            PBT_TRY(add_text(texts, n, &capacity, p->role[role], error));
        for (size_t i = 0; i < p->n_challenges; i++)
            PBT_TRY(add_text(texts, n, &capacity, p->challenges[i], error));
        PBT_TRY(add_text(texts, n, &capacity, p->extract, error));
        PBT_TRY(add_text(texts, n, &capacity, p->choose, error));
        PBT_TRY(add_text(texts, n, &capacity, p->final, error));
        PBT_TRY(add_text(texts, n, &capacity, "Final answer: Agree Disagree NONE", error));
    }
    return PBT_OK;
}

pbt_code pbt_pocket_tokenizer_make(const pbt_pocket_world *world, const char *folder, pbt_error *error) {
    char **texts = NULL;
    size_t n = 0;
    if (!world->prompts.choose || !world->prompts.final || !world->prompts.n_challenges)
        return pbt_fail_at(error, PBT_BAD_INPUT, world->prompts.folder, NULL,
                           "the pocket world needs choose.txt, final.txt and challenge.txt");
    PBT_TRY(pbt_folder_make(folder, error));
    pbt_code code = tokenizer_corpus(world, &texts, &n, error);
    if (code == PBT_OK)
        code = pbt_bpe_train((const char *const *)texts, n, VOCABULARY, false, specials,
                             sizeof specials / sizeof *specials, folder, error);
    for (size_t i = 0; i < n; i++) free(texts[i]);
    free(texts);
    if (code == PBT_OK)
        code = write_text(
            folder, "tokenizer_config.json",
            "{\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n  \"bos_token\": \"<s>\",\n  "
            "\"eos_token\": \"</s>\",\n  \"pad_token\": \"<pad>\",\n  \"model_max_length\": 512,\n  "
            "\"clean_up_tokenization_spaces\": false\n}\n",
            error);
    if (code == PBT_OK) code = write_text(folder, "chat_template.jinja", chat_template, error);
    if (code == PBT_OK)
        code = write_text(folder, "generation_config.json",
                          "{\n  \"bos_token_id\": 1,\n  \"eos_token_id\": 4,\n  \"pad_token_id\": 0\n}\n",
                          error);
    return code;
}

/* N(0, 1/D) for matrices, those that write into the residual stream smaller by the root of their number, .05
 * for the embedding. */
static pbt_code fresh_model(const pbt_pretraining *p, pbt_model **model, pbt_error *error) {
    json_t *raw;
    pbt_config config;
    PBT_TRY(pbt_json_parse(config_text, sizeof config_text - 1, "pocket", NULL, &raw, error));
    pbt_code code = pbt_config_parse(raw, "pocket", &config, error);
    json_decref(raw);
    if (code != PBT_OK) return code;
    const double std = 1 / sqrt((double)config.hidden_size);
    pbt_key key = pbt_key_child(pbt_key_named(pbt_key_of_seed(p->seed), "weights"), (uint64_t)p->agent);
    code = pbt_model_random(&config, key, std, p->device, model, error);
    pbt_config_free(&config);
    if (code != PBT_OK) return code;
    pbt_model *m = *model;
    const float smaller = (float)(1 / sqrt(2.0 * m->config.n_layers));
    for (int32_t l = 0; l < m->config.n_layers; l++) {
        const pbt_matrix *out[] = {&m->layers[l].linear[PBT_O_PROJ], &m->layers[l].linear[PBT_DOWN_PROJ]};
        for (int i = 0; i < 2; i++)
            m->ops->scale((float *)(uintptr_t)out[i]->data, smaller,
                          (size_t)out[i]->rows * (size_t)out[i]->cols);
    }
    m->ops->scale((float *)(uintptr_t)m->embedding.data, (float)(.05 / std),
                  (size_t)m->embedding.rows * (size_t)m->embedding.cols);
    return PBT_OK;
}

/* What next_batch needs. */
typedef struct feeding {
    const pbt_pretraining *pretraining;
    pbt_tokenizer *tokenizer;
    pbt_chat_template *chat;
} feeding;

/* One training example for every turn that is learned; their common beginnings are computed once. */
static pbt_code feed(const feeding *f, const pbt_pocket_example *e, pbt_dataset *batch, pbt_error *error) {
    pbt_arena *arena = pbt_arena_create();
    if (!arena) return pbt_fail_memory(error, 0, "an example");
    pbt_code code = PBT_OK;
    for (size_t t = 0; t < e->n_turns && code == PBT_OK; t++) {
        pbt_message *messages;
        size_t n;
        pbt_example example = {.ref_chosen_logp = NAN, .ref_rejected_logp = NAN};
        if (!e->learn[t]) continue;
        code = pbt_pocket_example_view(f->pretraining->world, e, t, arena, &messages, &n, error);
        if (code == PBT_OK)
            code = pbt_chat_completion_ids(f->chat, f->tokenizer, messages, n, e->text[t], &example.prompt,
                                           &example.chosen, error);
        if (code == PBT_OK) code = pbt_dataset_push(batch, &example, error);
        pbt_example_free(&example);
    }
    pbt_arena_free(arena);
    return code;
}

static pbt_code next_batch(void *user, int64_t step, pbt_dataset *batch, pbt_error *error) {
    const feeding *f = user;
    const pbt_pretraining *p = f->pretraining;
    pbt_key key = pbt_key_child(pbt_key_named(pbt_key_of_seed(p->seed), "corpus"), (uint64_t)p->agent);
    key = pbt_key_child(key, (uint64_t)step);
    for (int32_t i = 0; i < p->batch; i++) {
        pbt_pocket_example example;
        pbt_pocket_example_make(p->world, p->agent, pbt_pocket_stage_of(step, p->steps),
                                pbt_key_child(key, (uint64_t)i), &example);
        PBT_TRY(feed(f, &example, batch, error));
    }
    return PBT_OK;
}

static pbt_train_settings settings_of(const pbt_pretraining *p) {
    pbt_train_settings s = pbt_train_settings_default(PBT_SFT);
    s.seed = p->seed;
    s.per_device_train_batch_size = p->batch;
    s.gradient_accumulation_steps = 1;
    s.max_steps = p->steps;
    s.learning_rate = 2e-3;
    s.lr_scheduler_type = PBT_COSINE;
    s.warmup_steps = 100;
    s.min_lr_ratio = .05;
    s.weight_decay = .02;
    s.adam_beta1 = .9;
    s.adam_beta2 = .98;
    s.max_grad_norm = 1;
    s.logging_steps = 50;
    s.save_steps = 200;
    return s;
}

static pbt_code train(const pbt_pretraining *p, feeding *f, pbt_model *model, pbt_error *error) {
    char *folder = pbt_path_join(p->output, "training");
    if (!folder) return pbt_fail_memory(error, 0, "a path");
    pbt_trainer trainer = {.settings = settings_of(p),
                           .model = model,
                           .next_batch = next_batch,
                           .next_batch_user = f,
                           .folder = folder,
                           .resume = true,
                           .monitor = p->monitor};
    pbt_code code = pbt_train(&trainer, error);
    free(folder);
    return code;
}

pbt_code pbt_pocket_pretrain(const pbt_pretraining *p, pbt_error *error) {
    feeding f = {.pretraining = p};
    pbt_model *model = NULL;
    pbt_code code = pbt_pocket_tokenizer_make(p->world, p->output, error);
    if (code == PBT_OK) code = pbt_tokenizer_open(p->output, &f.tokenizer, error);
    if (code == PBT_OK) code = pbt_chat_template_open(p->output, f.tokenizer, NULL, &f.chat, error);
    if (code == PBT_OK) code = fresh_model(p, &model, error);
    if (code == PBT_OK) code = train(p, &f, model, error);
    if (code == PBT_OK) code = pbt_model_save(model, p->output, PBT_F16, error);
    pbt_model_free(model);
    pbt_chat_template_free(f.chat);
    pbt_tokenizer_free(f.tokenizer);
    return code;
}
