/* pbt pocket: makes the pocket world's tokenizer and agents, and shows what they are shown. */
#include "base/file.h"
#include "base/memory.h"
#include "cli/outputs.h"
#include "experiment/run.h"
#include "pocket/farm_questions.h"
#include "pocket/gates.h"
#include "pocket/pretrain.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct pocket_options {
    const char *questions, *prompts, *agent, *output_dir, *models, *part, *output;
    int64_t seed, steps, batch, step, count;
    bool overwrite_output_dir;
} pocket_options;

static pbt_code print_example(const pbt_cli *cli, const pbt_pocket_world *world, const pbt_pocket_example *e,
                              pbt_error *error) {
    pbt_arena *arena = pbt_arena_create();
    pbt_message *messages;
    size_t n;
    if (!arena) return pbt_fail_memory(error, 0, "an example");
    pbt_code code =
        pbt_pocket_example_view(world, e, e->kind == PBT_EXTRACTION ? 1 : 0, arena, &messages, &n, error);
    if (code == PBT_OK && cli->json) {
        json_t *turns = json_array();
        json_array_append_new(turns, json_pack("{s:s, s:s}", "role", "user", "content", messages[0].content));
        for (size_t i = e->kind == PBT_EXTRACTION ? 1 : 0; i < e->n_turns; i++)
            json_array_append_new(turns,
                                  json_pack("{s:s, s:s, s:b}", "role", e->speaker[i] ? "user" : "assistant",
                                            "content", e->text[i], "learned", (int)e->learn[i]));
        code = pbt_cli_print_json(json_pack("{s:s, s:s, s:o}", "kind", pbt_example_kind_names[e->kind],
                                            "question", e->question->id, "turns", turns),
                                  error);
    } else if (code == PBT_OK) {
        printf("%s\n  user       %s\n", pbt_example_kind_names[e->kind], messages[0].content);
        for (size_t i = e->kind == PBT_EXTRACTION ? 1 : 0; i < e->n_turns; i++)
            printf("  %-10s %s%s\n", e->speaker[i] ? "user" : "assistant", e->text[i],
                   e->learn[i]     ? ""
                   : e->speaker[i] ? ""
                                   : "   (no loss)");
        printf("\n");
    }
    pbt_arena_free(arena);
    return code;
}

static pbt_code show_corpus(const pbt_cli *cli, const pocket_options *o, const pbt_pocket_world *world,
                            int agent, pbt_error *error) {
    pbt_key key = pbt_key_child(pbt_key_named(pbt_key_of_seed((uint64_t)o->seed), "corpus"), (uint64_t)agent);
    key = pbt_key_child(key, (uint64_t)o->step);
    for (int64_t i = 0; i < o->count; i++) {
        pbt_pocket_example example;
        pbt_pocket_example_make(world, agent, pbt_pocket_stage_of(o->step, o->steps),
                                pbt_key_child(key, (uint64_t)i), &example);
        PBT_TRY(print_example(cli, world, &example, error));
    }
    return PBT_OK;
}

static pbt_code train(const pbt_cli *cli, const pocket_options *o, const pbt_pocket_world *world, int agent,
                      const char *folder, pbt_error *error) {
    pbt_pretraining p = {.world = world,
                         .agent = agent,
                         .seed = (uint64_t)o->seed,
                         .steps = o->steps,
                         .batch = (int32_t)o->batch,
                         .output = folder,
                         .device = cli->device,
                         .monitor = cli->monitor};
    return pbt_pocket_pretrain(&p, error);
}

static const char *const agent_folders[2] = {"agent-a", "agent-b"};

static pbt_code make(const pbt_cli *cli, const pocket_options *o, const pbt_pocket_world *world,
                     pbt_error *error) {
    for (int agent = 0; agent < 2; agent++) {
        char *folder = pbt_path_join(o->output_dir, agent_folders[agent]);
        if (!folder) return pbt_fail_memory(error, 0, "a path");
        pbt_code code = train(cli, o, world, agent, folder, error);
        free(folder);
        if (code != PBT_OK) return code;
    }
    return PBT_OK;
}

/* ---- gates ---- */

static pbt_code print_gates(const pbt_cli *cli, const pbt_pocket_gates *gates, pbt_error *error) {
    json_t *list = json_array();
    size_t failed = 0;
    for (size_t i = 0; i < gates->count; i++) {
        const pbt_pocket_gate *g = &gates->items[i];
        bool asked = !isnan(g->least) || !isnan(g->most), passed = pbt_pocket_gate_passed(g);
        failed += !passed;
        if (!cli->json) {
            printf("%-36s %6.1f  (n %4lld)", g->name, g->value, (long long)g->n);
            if (asked)
                printf("  %s %s %g", passed ? "passed:" : "FAILED:", isnan(g->least) ? "at most" : "at least",
                       isnan(g->least) ? g->most : g->least);
            printf("\n");
        }
        json_array_append_new(
            list, json_pack("{s:s, s:o, s:I, s:o, s:o, s:b}", "name", g->name, "value",
                            isnan(g->value) ? json_null() : json_real(g->value), "n", (json_int_t)g->n,
                            "least", isnan(g->least) ? json_null() : json_real(g->least), "most",
                            isnan(g->most) ? json_null() : json_real(g->most), "passed", (int)passed));
    }
    if (cli->json)
        return pbt_cli_print_json(json_pack("{s:o, s:b}", "gates", list, "passed", failed == 0), error);
    json_decref(list);
    printf("%zu of %zu gates failed; measured on train and dev questions only\n", failed, gates->count);
    return PBT_OK;
}

static pbt_code open_agent(const pbt_cli *cli, const char *models, int agent, pbt_chat_model **model,
                           pbt_agent **out, pbt_error *error) {
    char *folder = pbt_path_join(models, agent_folders[agent]);
    const pbt_model_options options = {.dtype = PBT_DTYPES, .prepare = true};
    const pbt_engine_options engine = {.share_prefixes = true};
    if (!folder) return pbt_fail_memory(error, 0, "a path");
    pbt_code code = pbt_chat_model_open(folder, &options, &engine, NULL, cli->device, model, error);
    free(folder);
    return code == PBT_OK ? pbt_agent_local(*model, NULL, agent_folders[agent], out, error) : code;
}

/* Whatever is no test question. */
static pbt_code open_questions(const char *file, const pbt_pocket_world *world, size_t **places, size_t *n,
                               pbt_error *error) {
    pbt_experiment e = {0};
    pbt_question_set set;
    e.questions.file = (char *)(uintptr_t)file;
    e.questions.split = "field";
    PBT_TRY(pbt_question_set_read(&e, &set, error));
    *n = 0;
    *places = pbt_alloc(world->questions.count + 1, sizeof **places);
    for (size_t i = 0; *places && i < world->questions.count; i++)
        if (set.part[i] != PBT_TEST_PART) (*places)[(*n)++] = i;
    pbt_question_set_free(&set);
    return *places ? PBT_OK : pbt_fail_memory(error, world->questions.count, "questions");
}

static pbt_code show_gates(const pbt_cli *cli, const pocket_options *o, const char *questions,
                           const pbt_pocket_world *world, pbt_error *error) {
    char *models =
        o->models ? pbt_string_copy(o->models) : pbt_string_format("%s/pocket/models", cli->data_folder);
    pbt_chat_model *model[2] = {NULL, NULL};
    size_t *places = NULL;
    pbt_pocket_gates gates;
    pbt_pocket_trial trial = {.world = world,
                              .key = pbt_key_named(pbt_key_of_seed((uint64_t)o->seed), "gates"),
                              .monitor = cli->monitor};
    pbt_code code = models ? open_questions(questions, world, &places, &trial.n_questions, error)
                           : pbt_fail_memory(error, 0, "a path");
    trial.questions = places;
    for (int a = 0; a < 2 && code == PBT_OK; a++)
        code = open_agent(cli, models, a, &model[a], &trial.agents[a], error);
    if (code == PBT_OK) code = pbt_pocket_gates_measure(&trial, &gates, error);
    if (code == PBT_OK) code = print_gates(cli, &gates, error);
    for (int a = 0; a < 2; a++) {
        if (trial.agents[a]) pbt_agent_free(trial.agents[a]);
        pbt_chat_model_free(model[a]);
    }
    free(places);
    free(models);
    return code;
}

/* ---- what is written ---- */

typedef struct pocket_inputs {
    pbt_output_input items[2];
} pocket_inputs;

static pbt_code write_farm(const pocket_options *o, const char *questions, const pbt_pocket_world *world,
                           const pocket_inputs *inputs, pbt_error *error) {
    const char *part = strcmp(o->part, "all") == 0 ? NULL : o->part;
    const pbt_output_request request = {"--output", o->output, NULL, inputs->items, 2, false};
    if (!o->output) return pbt_fail(error, PBT_USAGE, "pocket farm: expected --output FILE");
    PBT_TRY(pbt_cli_check_file(&request, NULL, error));
    return pbt_pocket_farm_write(world, questions, part, (uint64_t)o->seed, o->output, error);
}

static pbt_code write_folder(const pbt_cli *cli, const pocket_options *o, const char *action,
                             const pbt_pocket_world *world, const pocket_inputs *inputs, pbt_error *error) {
    static const pbt_output_kind *const kinds[] = {&pbt_output_pocket_make, &pbt_output_pocket_train,
                                                   &pbt_output_pocket_tokenizer};
    const pbt_output_kind *kind = NULL;
    for (int i = 0; i < 3; i++)
        if (strcmp(strchr(kinds[i]->command, ' ') + 1, action) == 0) kind = kinds[i];
    if (!kind)
        return pbt_fail(error, PBT_USAGE,
                        "pocket: expected make, train, tokenizer, corpus, gates or farm, found \"%s\"",
                        action);
    if (!o->output_dir) return pbt_fail(error, PBT_USAGE, "pocket %s: expected --output_dir DIR", action);
    const pbt_output_request request = {"--output_dir",         o->output_dir, kind, inputs->items, 2,
                                        o->overwrite_output_dir};
    pbt_output *output;
    PBT_TRY(pbt_output_open(&request, cli->monitor, &output, error));
    pbt_code code = kind == &pbt_output_pocket_make ? make(cli, o, world, error)
                    : kind == &pbt_output_pocket_train
                        ? train(cli, o, world, strcmp(o->agent, "b") == 0, o->output_dir, error)
                        : pbt_pocket_tokenizer_make(world, o->output_dir, error);
    pbt_output_close(output);
    return code;
}

static pbt_code act(const pbt_cli *cli, const pocket_options *o, const char *action, const char *questions,
                    const char *prompts, const pbt_pocket_world *world, pbt_error *error) {
    int agent = strcmp(o->agent, "b") == 0;
    const pocket_inputs inputs = {{{"--questions", questions, NULL}, {"--prompts", prompts, NULL}}};
    if (strcmp(action, "corpus") == 0) return show_corpus(cli, o, world, agent, error);
    if (strcmp(action, "gates") == 0) return show_gates(cli, o, questions, world, error);
    if (strcmp(action, "farm") == 0) return write_farm(o, questions, world, &inputs, error);
    return write_folder(cli, o, action, world, &inputs, error);
}

static pbt_code run(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                    pbt_error *error) {
    const pocket_options *o = settings;
    (void)n_arguments;
    if (o->seed < 0 || o->steps < 1 || o->batch < 1 || o->batch > 4096 || o->step < 0 || o->count < 0)
        return pbt_fail(error, PBT_USAGE, "pocket: expected numbers from 0 on, and a batch of 1 to 4096");
    char *questions = o->questions ? pbt_string_copy(o->questions)
                                   : pbt_string_format("%s/pocket/data/questions.jsonl", cli->data_folder);
    char *prompts =
        o->prompts ? pbt_string_copy(o->prompts) : pbt_string_format("%s/prompts/pocket", cli->data_folder);
    pbt_pocket_world world = {0};
    pbt_code code = questions && prompts ? PBT_OK : pbt_fail_memory(error, 0, "a path");
    if (code == PBT_OK) code = pbt_pocket_world_open(questions, prompts, (uint64_t)o->seed, &world, error);
    if (code == PBT_OK) code = act(cli, o, arguments[0], questions, prompts, &world, error);
    pbt_pocket_world_free(&world);
    free(questions);
    free(prompts);
    return code;
}

#define AT(field) offsetof(pocket_options, field)
static const pbt_option options[] = {
    {"questions", 0, PBT_OPTION_STRING, AT(questions), "FILE", NULL,
     "questions with four choices (the pocket world's)", NULL},
    {"prompts", 0, PBT_OPTION_STRING, AT(prompts), "DIR", NULL, "prompt set (prompts/pocket)", NULL},
    {"agent", 0, PBT_OPTION_STRING, AT(agent), NULL, "a", "which agent: a knows more", "a|b"},
    {"seed", 0, PBT_OPTION_INTEGER, AT(seed), "N", "1", "seed of beliefs, corpus and weights", NULL},
    {"steps", 0, PBT_OPTION_INTEGER, AT(steps), "N", "4000", "optimizer steps", NULL},
    {"batch", 0, PBT_OPTION_INTEGER, AT(batch), "N", "32", "examples per step", NULL},
    {"step", 0, PBT_OPTION_INTEGER, AT(step), "N", "0", "corpus: the step whose examples are shown", NULL},
    {"count", 0, PBT_OPTION_INTEGER, AT(count), "N", "10", "corpus: how many examples are shown", NULL},
    {"output_dir", 0, PBT_OPTION_STRING, AT(output_dir), "DIR", NULL,
     "tokenizer, train: the model folder; make: where agent-a and agent-b go", NULL},
    PBT_OVERWRITE_OPTION(pocket_options),
    {"models", 0, PBT_OPTION_STRING, AT(models), "DIR", NULL,
     "gates: the folder with agent-a and agent-b (the pocket world's)", NULL},
    {"part", 0, PBT_OPTION_STRING, AT(part), NULL, "test", "farm: which questions", "train|dev|test|all"},
    {"output", 0, PBT_OPTION_STRING, AT(output), "FILE", NULL, "farm: the file that is written", NULL},
};

const pbt_command pbt_command_pocket = {
    .name = "pocket",
    .summary = "Rebuild the pocket world's agents, look at their corpus, check their gates",
    .usage = "make|train|tokenizer|corpus|gates|farm [options]",
    .details =
        "The pocket world is that of the built-in experiment: real trivia questions and two small agents "
        "trained to hold beliefs about them (docs/POCKET.md). `make` trains both agents from scratch, "
        "`train` one of them, as ordinary Hugging Face folders; after an interruption it continues where it "
        "was, and the same seed "
        "gives the same bytes. `tokenizer` makes only the tokenizer; `corpus` prints the training examples "
        "of one step of an agent's pretraining; `gates` measures on train and dev questions whether the "
        "agents "
        "can do what the experiment needs; `farm` writes questions of the world in the format of the FARM "
        "files.\n\n"
        "Examples:\n  pbt pocket make --seed 1 --output_dir models\n  pbt pocket gates --models models\n"
        "  pbt pocket corpus --agent b --step 3000 --count 5",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .settings_size = sizeof(pocket_options),
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run,
};
