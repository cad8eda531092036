#include "cli/parse.h"

#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIELD(type, base, offset) (*(type *)(void *)((char *)(base) + (offset)))
#define GLOBAL(field)             offsetof(pbt_global_settings, field)

const pbt_option pbt_global_options[] = {
    {"json", 0, PBT_OPTION_FLAG, GLOBAL(json), NULL, NULL, "print results (and errors) as JSON on stdout",
     NULL},
    {"quiet", 'q', PBT_OPTION_FLAG, GLOBAL(quiet), NULL, NULL, "no progress, only warnings and errors", NULL},
    {"verbose", 'v', PBT_OPTION_FLAG, GLOBAL(verbose), NULL, NULL, "print more detail", NULL},
    {"threads", 0, PBT_OPTION_INTEGER, GLOBAL(threads), "N", NULL,
     "threads to compute with; all cores when not given (results are the same)", NULL},
    {"device", 0, PBT_OPTION_STRING, GLOBAL(device), "NAME", "auto",
     "device to compute on: auto, cpu, or cpu:avx512, cpu:avx2, cpu:portable (results are the same)", NULL},
    {"help", 'h', PBT_OPTION_FLAG, GLOBAL(help), NULL, NULL, "explain the command", NULL},
    {"version", 0, PBT_OPTION_FLAG, GLOBAL(version), NULL, NULL, "print the version", NULL},
    {"print", 0, PBT_OPTION_STRING, GLOBAL(print), "FORMAT", NULL,
     "print the manual page, or the completion script for a shell", "man|bash|zsh|fish"},
};
const size_t pbt_n_global_options = sizeof pbt_global_options / sizeof *pbt_global_options;

/* Where an option's value goes: its description and the struct it is a field of. */
typedef struct place {
    const pbt_option *option;
    void *base;
} place;

typedef struct reader {
    const pbt_command *const *commands;
    size_t n_commands;
    const char *data_folder;
    pbt_parsed *parsed;
} reader;

/* Option names are equal when they differ only in "-" against "_". */
static bool same_name(const char *given, size_t length, const char *name) {
    if (strlen(name) != length) return false;
    for (size_t i = 0; i < length; i++) {
        if ((given[i] == '-' ? '_' : given[i]) != name[i]) return false;
    }
    return true;
}

/* Whether PATH of pbt:PATH is certainly meant as a file that comes with the program, there or not, so that
 * the error names its full path; other values that begin with "pbt:" may be texts. */
static bool names_data(const char *path) {
    return pbt_string_starts(path, "prompts/") || pbt_string_starts(path, "experiments/") ||
           pbt_string_starts(path, "pocket/");
}

static pbt_code resolve(const reader *r, const char *value, const char **resolved, pbt_error *error) {
    *resolved = value;
    if (!r->data_folder || !pbt_string_starts(value, "pbt:")) return PBT_OK;
    if (names_data(value + 4) && !pbt_folder_exists(r->data_folder))
        return pbt_fail_at(
            error, PBT_BAD_INPUT, value, NULL,
            "expected the files that come with pbt in %s, found no such folder; install them, or set "
            "PBT_DATA to the folder that holds prompts/, experiments/ and pocket/",
            r->data_folder);
    char *path = pbt_path_join(r->data_folder, value + 4);
    bool meant = path && (names_data(value + 4) || access(path, F_OK) == 0);
    if (meant) *resolved = pbt_arena_string(r->parsed->arena, path);
    bool lost = !path;
    free(path);
    return !lost && *resolved ? PBT_OK : pbt_fail_memory(error, strlen(value), "a path");
}

static bool known_choice(const char *choices, const char *value) {
    size_t length = strlen(value);
    for (const char *p = choices; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL) {
        if (strcspn(p, "|") == length && strncmp(p, value, length) == 0) return true;
    }
    return false;
}

/* 1 for true (or True, as Python prints it), 0 for false, -1 for anything else. */
static int truth_of(const char *text) {
    if (strcmp(text, "true") == 0 || strcmp(text, "True") == 0) return 1;
    return strcmp(text, "false") == 0 || strcmp(text, "False") == 0 ? 0 : -1;
}

static pbt_code wrong_value(const pbt_option *o, const char *expected, const char *value, pbt_error *error) {
    return pbt_fail(error, PBT_USAGE, "option --%s: expected %s, found \"%s\"", o->name, expected, value);
}

static pbt_code add_to_list(reader *r, pbt_strings *list, const char *value, pbt_error *error) {
    const char **items = pbt_arena_alloc(r->parsed->arena, list->count + 1, sizeof *items);
    if (!items) return pbt_fail_memory(error, sizeof *items, "a list of values");
    if (list->count) memcpy(items, list->items, list->count * sizeof *items);
    items[list->count++] = value;
    list->items = items;
    return PBT_OK;
}

static pbt_code set_value(reader *r, place at, const char *value, pbt_error *error) {
    const pbt_option *o = at.option;
    char *end = NULL;
    if (o->choices && !known_choice(o->choices, value))
        return pbt_fail(error, PBT_USAGE, "option --%s: expected one of %s, found \"%s\"", o->name,
                        o->choices, value);
    errno = 0;
    switch (o->type) {
    case PBT_OPTION_FLAG:
        if (truth_of(value) < 0) return wrong_value(o, "true or false", value, error);
        FIELD(bool, at.base, o->offset) = truth_of(value) == 1;
        return PBT_OK;
    case PBT_OPTION_INTEGER: {
        long long number = strtoll(value, &end, 10);
        if (end == value || *end || errno) return wrong_value(o, "a whole number", value, error);
        FIELD(int64_t, at.base, o->offset) = number;
        return PBT_OK;
    }
    case PBT_OPTION_NUMBER: {
        double number = strtod(value, &end);
        if (end == value || *end || !isfinite(number)) return wrong_value(o, "a number", value, error);
        FIELD(double, at.base, o->offset) = number;
        return PBT_OK;
    }
    case PBT_OPTION_STRING:
        return resolve(r, value, &FIELD(const char *, at.base, o->offset), error);
    case PBT_OPTION_LIST:
        PBT_TRY(resolve(r, value, &value, error));
        return add_to_list(r, &FIELD(pbt_strings, at.base, o->offset), value, error);
    }
    return pbt_fail(error, PBT_FAILED, "option --%s has an unknown type", o->name);
}

static bool find_among(const pbt_option *options, size_t n, void *base, const char *name, size_t length,
                       char letter, place *at) {
    for (size_t i = 0; i < n; i++) {
        if (letter ? options[i].letter != letter : !same_name(name, length, options[i].name)) continue;
        *at = (place){&options[i], base};
        return true;
    }
    return false;
}

/* The command's own options come first, so that a command may give a global name its own meaning. */
static bool find_option(const pbt_parsed *p, const char *name, size_t length, char letter, place *at) {
    if (p->command &&
        find_among(p->command->options, p->command->n_options, p->settings, name, length, letter, at))
        return true;
    return find_among(pbt_global_options, pbt_n_global_options, (void *)(uintptr_t)&p->global, name, length,
                      letter, at);
}

static void nearer(const char *given, const char *name, const char **best, size_t *distance) {
    size_t d = pbt_string_distance(given, name);
    if (d < *distance) {
        *distance = d;
        *best = name;
    }
}

static pbt_code unknown_option(const pbt_parsed *p, const char *name, size_t length, pbt_error *error) {
    char given[65] = {0};
    for (size_t i = 0; i < length && i < 64; i++) given[i] = name[i] == '-' ? '_' : name[i];
    const char *best = NULL;
    size_t distance = 3 + length / 4;
    for (size_t i = 0; p->command && i < p->command->n_options; i++)
        nearer(given, p->command->options[i].name, &best, &distance);
    for (size_t i = 0; i < pbt_n_global_options; i++)
        nearer(given, pbt_global_options[i].name, &best, &distance);
    const char *of = p->command ? p->command->name : "";
    if (best)
        return pbt_fail(error, PBT_USAGE, "unknown option --%.*s; did you mean --%s? (pbt %s%s--help)",
                        (int)length, name, best, of, *of ? " " : "");
    return pbt_fail(error, PBT_USAGE, "unknown option --%.*s; see pbt %s%s--help", (int)length, name, of,
                    *of ? " " : "");
}

/* "--loss_type sigmoid sft": where a command takes no arguments, what follows a list's value belongs to it.
 */
static pbt_code read_further_values(reader *r, place at, int argc, char **argv, int *i, pbt_error *error) {
    const pbt_command *command = r->parsed->command;
    if (at.option->type != PBT_OPTION_LIST || !command || command->most_arguments != 0) return PBT_OK;
    while (*i < argc && (argv[*i][0] != '-' || strchr("0123456789.", argv[*i][1])))
        PBT_TRY(set_value(r, at, argv[(*i)++], error));
    return PBT_OK;
}

/* "--name", "--name=value", "--name value", "--no_name"; *i moves past what was read. */
static pbt_code read_long(reader *r, int argc, char **argv, int *i, pbt_error *error) {
    const char *name = argv[*i] + 2, *value = strchr(name, '=');
    size_t length = value ? (size_t)(value - name) : strlen(name);
    place at;
    (*i)++;
    if (value) value++;
    if (!find_option(r->parsed, name, length, 0, &at)) {
        bool negated = length > 3 && strncmp(name, "no", 2) == 0 && (name[2] == '-' || name[2] == '_');
        if (!negated || value || !find_option(r->parsed, name + 3, length - 3, 0, &at) ||
            at.option->type != PBT_OPTION_FLAG)
            return unknown_option(r->parsed, name, length, error);
        return set_value(r, at, "false", error);
    }
    if (!value && at.option->type == PBT_OPTION_FLAG) {
        value = *i < argc && truth_of(argv[*i]) >= 0 ? argv[(*i)++] : "true";
    } else if (!value) {
        if (*i >= argc || pbt_string_starts(argv[*i], "--"))
            return pbt_fail(error, PBT_USAGE, "option --%s needs a value (%s)", at.option->name,
                            at.option->value_name ? at.option->value_name : "VALUE");
        value = argv[(*i)++];
        PBT_TRY(set_value(r, at, value, error));
        return read_further_values(r, at, argc, argv, i, error);
    }
    return set_value(r, at, value, error);
}

static pbt_code read_short(reader *r, int argc, char **argv, int *i, pbt_error *error) {
    const char *text = argv[(*i)++];
    place at;
    if (!find_option(r->parsed, NULL, 0, text[1], &at))
        return pbt_fail(error, PBT_USAGE, "unknown option %s; see pbt %s%s--help", text,
                        r->parsed->command ? r->parsed->command->name : "", r->parsed->command ? " " : "");
    if (at.option->type == PBT_OPTION_FLAG) {
        if (text[2]) return pbt_fail(error, PBT_USAGE, "write short options one by one, not \"%s\"", text);
        return set_value(r, at, "true", error);
    }
    if (text[2]) return set_value(r, at, text + 2, error);
    if (*i >= argc)
        return pbt_fail(error, PBT_USAGE, "option -%c needs a value (%s)", text[1], at.option->value_name);
    return set_value(r, at, argv[(*i)++], error);
}

static pbt_code unknown_command(const reader *r, const char *given, pbt_error *error) {
    const char *best = NULL;
    size_t distance = 3 + strlen(given) / 4;
    for (size_t i = 0; i < r->n_commands; i++) {
        if (r->commands[i]) nearer(given, r->commands[i]->name, &best, &distance);
    }
    if (best)
        return pbt_fail(error, PBT_USAGE, "unknown command \"%s\"; did you mean \"%s\"? (pbt --help)", given,
                        best);
    return pbt_fail(error, PBT_USAGE, "unknown command \"%s\"; see pbt --help", given);
}

static const pbt_command *command_named(const reader *r, const char *name) {
    for (size_t i = 0; i < r->n_commands; i++) {
        if (r->commands[i] && strcmp(r->commands[i]->name, name) == 0) return r->commands[i];
    }
    return NULL;
}

static bool is_group(const reader *r, const char *name) {
    size_t n = strlen(name);
    for (size_t i = 0; i < r->n_commands; i++) {
        if (r->commands[i] && strncmp(r->commands[i]->name, name, n) == 0 && r->commands[i]->name[n] == ' ')
            return true;
    }
    return false;
}

static pbt_code set_defaults(reader *r, const pbt_option *options, size_t n, void *settings,
                             pbt_error *error) {
    for (size_t i = 0; i < n; i++)
        if (options[i].initial)
            PBT_TRY(set_value(r, (place){&options[i], settings}, options[i].initial, error));
    return PBT_OK;
}

/* The command of one or two words at argv[*i]; sets its defaults. */
static pbt_code read_command(reader *r, int argc, char **argv, int *i, pbt_error *error) {
    pbt_parsed *p = r->parsed;
    const char *word = argv[*i];
    (*i)++;
    if (*i < argc && argv[*i][0] != '-') {
        char *both = pbt_string_format("%s %s", word, argv[*i]);
        if (!both) return pbt_fail_memory(error, strlen(word), "a command name");
        p->command = command_named(r, both);
        if (p->command) {
            (*i)++;
        } else if (is_group(r, word) && !command_named(r, word)) {
            pbt_code code = unknown_command(r, both, error);
            free(both);
            return code;
        }
        free(both);
    }
    if (!p->command) p->command = command_named(r, word);
    if (!p->command && is_group(r, word)) {
        p->group = word;
        return PBT_OK;
    }
    if (!p->command) return unknown_command(r, word, error);
    p->settings = pbt_arena_alloc(p->arena, 1, p->command->settings_size ? p->command->settings_size : 1);
    if (!p->settings) return pbt_fail_memory(error, p->command->settings_size, "a command's settings");
    return set_defaults(r, p->command->options, p->command->n_options, p->settings, error);
}

static pbt_code check_arguments(const pbt_parsed *p, pbt_error *error) {
    const pbt_command *c = p->command;
    if (p->global.help || p->global.version || p->global.print) return PBT_OK;
    if (!c) return PBT_OK;
    if (p->n_arguments < c->least_arguments)
        return pbt_fail(error, PBT_USAGE, "pbt %s: something is missing; usage: pbt %s %s", c->name, c->name,
                        c->usage);
    if (c->most_arguments >= 0 && p->n_arguments > c->most_arguments)
        return pbt_fail(error, PBT_USAGE, "pbt %s: unexpected argument \"%s\"; usage: pbt %s %s", c->name,
                        p->arguments[c->most_arguments], c->name, c->usage);
    if (p->global.threads < 0 || p->global.threads > 4096)
        return pbt_fail(error, PBT_USAGE, "option --threads: expected 1 to 4096 (0: all cores), found %lld",
                        (long long)p->global.threads);
    return PBT_OK;
}

pbt_code pbt_command_line_parse(const pbt_command *const *commands, size_t n_commands,
                                const char *data_folder, int argc, char **argv, pbt_parsed *parsed,
                                pbt_error *error) {
    *parsed = (pbt_parsed){.arena = pbt_arena_create()};
    if (!parsed->arena) return pbt_fail_memory(error, 0, "the command line");
    reader r = {commands, n_commands, data_folder, parsed};
    parsed->arguments = pbt_arena_alloc(parsed->arena, (size_t)argc + 1, sizeof(char *));
    if (!parsed->arguments) return pbt_fail_memory(error, (size_t)argc, "the command line");
    PBT_TRY(set_defaults(&r, pbt_global_options, pbt_n_global_options, &parsed->global, error));
    bool options_ended = false;
    for (int i = 1; i < argc;) {
        const char *text = argv[i];
        if (!options_ended && strcmp(text, "--") == 0) {
            options_ended = true;
            i++;
        } else if (!options_ended && pbt_string_starts(text, "--")) {
            PBT_TRY(read_long(&r, argc, argv, &i, error));
        } else if (!options_ended && text[0] == '-' && text[1]) {
            PBT_TRY(read_short(&r, argc, argv, &i, error));
        } else if (!parsed->command && !parsed->group && strcmp(text, "help") == 0) {
            parsed->global.help = true;
            i++;
        } else if (!parsed->command && !parsed->group) {
            PBT_TRY(read_command(&r, argc, argv, &i, error));
        } else {
            PBT_TRY(resolve(&r, text, &text, error));
            parsed->arguments[parsed->n_arguments++] = (char *)(uintptr_t)text;
            i++;
        }
    }
    return check_arguments(parsed, error);
}

void pbt_parsed_free(pbt_parsed *parsed) {
    pbt_arena_free(parsed->arena);
    *parsed = (pbt_parsed){0};
}

static json_t *value_record(const pbt_option *o, const void *settings) {
    void *base = (void *)(uintptr_t)settings;
    switch (o->type) {
    case PBT_OPTION_FLAG:
        return json_boolean(FIELD(bool, base, o->offset));
    case PBT_OPTION_INTEGER:
        return json_integer(FIELD(int64_t, base, o->offset));
    case PBT_OPTION_NUMBER:
        return json_real(FIELD(double, base, o->offset));
    case PBT_OPTION_STRING: {
        const char *text = FIELD(const char *, base, o->offset);
        return text ? json_string(text) : json_null();
    }
    case PBT_OPTION_LIST: {
        const pbt_strings *list = &FIELD(pbt_strings, base, o->offset);
        json_t *array = json_array();
        for (size_t i = 0; array && i < list->count; i++)
            json_array_append_new(array, json_string(list->items[i]));
        return array;
    }
    }
    return NULL;
}

json_t *pbt_settings_record(const pbt_command *command, const void *settings) {
    json_t *record = json_object();
    for (size_t i = 0; record && i < command->n_options; i++) {
        if (json_object_set_new(record, command->options[i].name,
                                value_record(&command->options[i], settings)) != 0) {
            json_decref(record);
            return NULL;
        }
    }
    return record;
}
