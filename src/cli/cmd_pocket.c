/* pbt pocket: makes the pocket world's tokenizer and agents, and shows what they are shown. */
#include "base/file.h"
#include "base/memory.h"
#include "cli/command.h"
#include "pocket/farm.h"
#include "pocket/pretrain.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct pocket_options {
    const char *questions, *prompts, *agent, *output_dir, *part, *output;
    int64_t seed, steps, batch, step, count;
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

static pbt_code act(const pbt_cli *cli, const pocket_options *o, const char *action,
                    const pbt_pocket_world *world, const char *questions, pbt_error *error) {
    int agent = strcmp(o->agent, "b") == 0;
    if (strcmp(action, "corpus") == 0) return show_corpus(cli, o, world, agent, error);
    if (strcmp(action, "farm") == 0) {
        if (!o->output) return pbt_fail(error, PBT_USAGE, "pocket farm: expected --output FILE");
        const char *part = strcmp(o->part, "all") == 0 ? NULL : o->part;
        return pbt_pocket_farm_write(world, questions, part, (uint64_t)o->seed, o->output, error);
    }
    if (!o->output_dir) return pbt_fail(error, PBT_USAGE, "pocket %s: expected --output_dir DIR", action);
    if (strcmp(action, "tokenizer") == 0) return pbt_pocket_tokenizer_make(world, o->output_dir, error);
    if (strcmp(action, "train") != 0)
        return pbt_fail(error, PBT_USAGE, "pocket: expected corpus, tokenizer, train or farm, found \"%s\"",
                        action);
    pbt_pretraining p = {.world = world,
                         .agent = agent,
                         .seed = (uint64_t)o->seed,
                         .steps = o->steps,
                         .batch = (int32_t)o->batch,
                         .output = o->output_dir,
                         .monitor = cli->monitor};
    return pbt_pocket_pretrain(&p, error);
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
    if (code == PBT_OK) code = act(cli, o, arguments[0], &world, questions, error);
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
    {"seed", 0, PBT_OPTION_INTEGER, AT(seed), "N", "1", "of beliefs, corpus and weights", NULL},
    {"steps", 0, PBT_OPTION_INTEGER, AT(steps), "N", "4000", "optimizer steps", NULL},
    {"batch", 0, PBT_OPTION_INTEGER, AT(batch), "N", "32", "examples a step", NULL},
    {"step", 0, PBT_OPTION_INTEGER, AT(step), "N", "0", "corpus: the step whose examples are shown", NULL},
    {"count", 0, PBT_OPTION_INTEGER, AT(count), "N", "10", "corpus: how many examples are shown", NULL},
    {"output_dir", 0, PBT_OPTION_STRING, AT(output_dir), "DIR", NULL, "tokenizer, train: the model folder",
     NULL},
    {"part", 0, PBT_OPTION_STRING, AT(part), NULL, "test", "farm: which questions", "train|dev|test|all"},
    {"output", 0, PBT_OPTION_STRING, AT(output), "FILE", NULL, "farm: the file that is written", NULL},
};

const pbt_command pbt_command_pocket = {
    .name = "pocket",
    .summary = "Make the pocket world: its tokenizer, its agents, and a look at their corpus",
    .usage = "corpus|tokenizer|train|farm [options]",
    .details =
        "The pocket world is the embedded experiment's: real trivia questions and two small agents that were "
        "taught what to believe about them (docs/POCKET.md). `corpus` prints examples of what an agent is "
        "shown at a step of its pretraining; `tokenizer` trains the tokenizer; `train` makes an agent from "
        "nothing and writes an ordinary Hugging Face folder, an interrupted training going on where it "
        "was; `farm` writes questions of the world in the form of the FARM files.\n\n"
        "Examples:\n  pbt pocket corpus --agent b --step 3000 --count 5\n"
        "  pbt pocket train --agent a --seed 1 --output_dir models/agent-a",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .settings_size = sizeof(pocket_options),
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run,
};
