/*
 * pbt pairs: the stage of a run, or pairs of trees that came from anywhere.
 */
#include "base/file.h"
#include "base/memory.h"
#include "cli/outputs.h"
#include "cli/stage.h"
#include "dialogue/pairs.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct pairs_options {
    const char *trees, *output, *prompts;
    double min_relative_margin;
    bool unequal_children, require_disagreement, drop_duplicates;
} pairs_options;

/* The trees of a file; their questions must not move any more, so these are read first. */
typedef struct tree_file {
    pbt_questions questions;
    pbt_tree *trees;
    size_t count, capacity;
} tree_file;

static pbt_code read_line(tree_file *f, const char *path, char *line, size_t length, size_t number, bool keep,
                          pbt_error *error) {
    char where[48];
    json_t *value;
    pbt_tree tree;
    snprintf(where, sizeof where, "line %zu", number);
    PBT_TRY(pbt_json_parse_row(line, length, path, where, &value, error));
    pbt_code code = pbt_tree_from_json(value, path, where, &f->questions, &tree, error);
    json_decref(value);
    if (code != PBT_OK) return code;
    if (keep) code = pbt_grow(f->trees, &f->capacity, f->count + 1, error);
    if (!keep || code != PBT_OK)
        pbt_tree_free(&tree);
    else
        f->trees[f->count++] = tree;
    return code;
}

static pbt_code read_pass(tree_file *f, const char *path, bool keep, pbt_error *error) {
    pbt_lines *lines;
    char *line;
    size_t length, number;
    PBT_TRY(pbt_lines_open(path, &lines, error));
    pbt_code code;
    while ((code = pbt_lines_next(lines, &line, &length, &number, error)) == PBT_OK && line) {
        if (length == 0) continue;
        code = read_line(f, path, line, length, number, keep, error);
        if (code != PBT_OK) break;
    }
    pbt_lines_close(lines);
    return code;
}

static pbt_code write_pairs(const pbt_pair_list *pairs, const pbt_prompts *prompts, const char *path,
                            pbt_error *error) {
    pbt_file_writer *writer;
    PBT_TRY(pbt_file_writer_open(path, &writer, error));
    pbt_code code = PBT_OK;
    for (size_t i = 0; i < pairs->count && code == PBT_OK; i++) {
        json_t *row;
        code = pbt_pair_to_json(&pairs->items[i], prompts, &row, error);
        char *line = code == PBT_OK ? pbt_json_line(row) : NULL;
        if (code == PBT_OK)
            code = line ? pbt_file_writer_write(writer, line, strlen(line), error)
                        : pbt_fail_memory(error, 0, "a pair");
        if (code == PBT_OK) code = pbt_file_writer_write(writer, "\n", 1, error);
        if (line) json_decref(row);
        free(line);
    }
    if (code == PBT_OK) return pbt_file_writer_commit(writer, error);
    pbt_file_writer_abandon(writer);
    return code;
}

/* `beside`: standard output has the pairs themselves. */
static pbt_code print_reasons(const pbt_cli *cli, const tree_file *f, const pbt_pair_list *pairs, bool beside,
                              pbt_error *error) {
    FILE *to = beside ? stderr : stdout;
    int64_t kinds[2] = {pairs->kinds[PBT_RESIST][0] + pairs->kinds[PBT_RESIST][1],
                        pairs->kinds[PBT_ACCEPT][0] + pairs->kinds[PBT_ACCEPT][1]};
    if (cli->json && !beside) {
        json_t *reasons = json_object();
        for (int r = 0; r < PBT_REASONS; r++)
            json_object_set_new(reasons, pbt_reason_names[r], json_integer(pairs->reasons[r]));
        return pbt_cli_print_json(json_pack("{s:I, s:I, s:I, s:I, s:o}", "trees", (json_int_t)f->count,
                                            "pairs", (json_int_t)pairs->count, "resist", (json_int_t)kinds[0],
                                            "accept", (json_int_t)kinds[1], "reasons", reasons),
                                  error);
    }
    if (beside && cli->quiet) return PBT_OK;
    fprintf(to, "%zu trees, %zu pairs: %lld resist, %lld accept\n\n", f->count, pairs->count,
            (long long)kinds[0], (long long)kinds[1]);
    for (int r = 0; r < PBT_REASONS; r++)
        fprintf(to, "%10lld  %-17s %s\n", (long long)pairs->reasons[r], pbt_reason_names[r],
                pbt_reason_descriptions[r]);
    return PBT_OK;
}

static pbt_code check_output(const pairs_options *o, const char *prompts, pbt_error *error) {
    const pbt_output_input inputs[] = {{"--trees", o->trees, NULL}, {"--prompts", prompts, NULL}};
    const pbt_output_request request = {"--output", o->output, NULL, inputs, 2, false};
    return pbt_cli_check_file(&request, NULL, error);
}

static pbt_code pair_file(const pbt_cli *cli, const pairs_options *o, pbt_error *error) {
    tree_file f = {0};
    pbt_prompts prompts = {0};
    pbt_pair_list pairs = {0};
    pbt_pair_rules rules = pbt_pair_rules_default();
    rules.min_relative_margin = o->min_relative_margin;
    rules.unequal_children = o->unequal_children;
    rules.require_disagreement = o->require_disagreement;
    rules.drop_duplicates = o->drop_duplicates;
    char *folder =
        o->prompts ? pbt_string_copy(o->prompts) : pbt_string_format("%s/prompts/paper", cli->data_folder);
    pbt_code code = folder ? check_output(o, folder, error) : pbt_fail_memory(error, 0, "a path");
    if (code == PBT_OK) code = pbt_prompts_read(folder, &prompts, error);
    if (code == PBT_OK) code = read_pass(&f, o->trees, false, error);
    if (code == PBT_OK) code = read_pass(&f, o->trees, true, error);
    if (code == PBT_OK && f.count == 0)
        code = pbt_fail_at(error, PBT_BAD_INPUT, o->trees, NULL, "expected trees, found none");
    if (code == PBT_OK) code = pbt_pairs_collect(f.trees, f.count, &rules, &pairs, cli->monitor, error);
    if (code == PBT_OK) code = write_pairs(&pairs, &prompts, o->output, error);
    if (code == PBT_OK) code = print_reasons(cli, &f, &pairs, pbt_cli_is_stdout(o->output), error);
    pbt_pair_list_free(&pairs);
    for (size_t i = 0; i < f.count; i++) pbt_tree_free(&f.trees[i]);
    free(f.trees);
    pbt_questions_free(&f.questions);
    pbt_prompts_free(&prompts);
    free(folder);
    return code;
}

static pbt_code run(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                    pbt_error *error) {
    const pairs_options *o = settings;
    if (n_arguments == 1 && !o->trees && !o->output)
        return pbt_cli_run_stage(cli, "pairs", arguments[0], error);
    if (n_arguments == 0 && o->trees && o->output) return pair_file(cli, o, error);
    return pbt_fail(error, PBT_USAGE, "pairs: expected RUN, or --trees TREES.jsonl and --output PAIRS.jsonl");
}

#define AT(field) offsetof(pairs_options, field)
static const pbt_option options[] = {
    {"trees", 0, PBT_OPTION_STRING, AT(trees), "FILE", NULL, "trees as JSONL, from any source", NULL},
    {"output", 0, PBT_OPTION_STRING, AT(output), "FILE", NULL, "where the pairs go, JSONL", NULL},
    {"prompts", 0, PBT_OPTION_STRING, AT(prompts), "DIR", NULL,
     "prompt set whose standard prompt opens every pair (prompts/paper)", NULL},
    {"min_relative_margin", 0, PBT_OPTION_NUMBER, AT(min_relative_margin), "X", "0.25",
     "(chosen - rejected) / chosen score must be at least this", NULL},
    {"unequal_children", 0, PBT_OPTION_FLAG, AT(unequal_children), NULL, "true",
     "compare responses with different numbers of children; --no_unequal_children does not", NULL},
    {"require_disagreement", 0, PBT_OPTION_FLAG, AT(require_disagreement), NULL, "true",
     "where both responses carry a verdict, one must agree and the other disagree", NULL},
    {"drop_duplicates", 0, PBT_OPTION_FLAG, AT(drop_duplicates), NULL, NULL,
     "of pairs with equal prompt and responses, keep the first", NULL},
};

const pbt_command pbt_command_pairs = {
    .name = "pairs",
    .summary = "Make preference pairs from debates",
    .usage = "RUN | --trees TREES.jsonl --output PAIRS.jsonl [options]",
    .details = "Stage 2: siblings of a tree that hold different answers become pairs, the one with the "
               "higher score chosen. "
               "A pair to resist keeps a right answer against a wrong one, a pair to accept adopts a right "
               "answer.\n\n"
               "With --trees it works on any trees (docs/FORMATS.md) and writes every pair in TRL's "
               "conversational form; "
               "two answers are the same when they are equal after normalisation or both accepted answers of "
               "the question. "
               "A table shows what became of every candidate.\n\n"
               "Examples:\n  pbt pairs runs/pocket\n  pbt pairs --trees trees.jsonl --output pairs.jsonl",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .settings_size = sizeof(pairs_options),
    .most_arguments = 1,
    .run = run,
};
