/*
 * pbt doctor: what the machine and the build have, and whether an experiment is ready to run.
 */
#include "base/file.h"
#include "cli/command.h"
#include "cli/machine.h"
#include "experiment/check.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <jansson.h>
#include <pcre2.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <utf8proc.h>
#include <xxhash.h>
#include <yaml.h>

typedef struct doctor_options {
    pbt_strings set;
} doctor_options;

static json_t *machine_json(const pbt_device *device, const pbt_machine *m) {
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:b, s:b, s:f, s:f, s:f}", "processor", m->processor,
                     "device", device->name, "instruction_set", device->instruction_set, "cores", m->cores,
                     "threads", pbt_threads(), "avx2_fma", (int)m->avx2_fma, "avx512", (int)m->avx512,
                     "memory_bytes", m->memory, "memory_free_bytes", m->memory_free, "peak_gflops_core",
                     1e-9 * m->peak);
}

static json_t *build_json(const pbt_cli *cli) {
    char pcre[64] = "", xxh[32];
    pcre2_config_8(PCRE2_CONFIG_VERSION, pcre);
    snprintf(xxh, sizeof xxh, "%d.%d.%d", XXH_VERSION_MAJOR, XXH_VERSION_MINOR, XXH_VERSION_RELEASE);
    char *prompts = pbt_path_join(cli->data_folder, "prompts");
    bool found = prompts && pbt_folder_exists(prompts);
    free(prompts);
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:{s:s, s:s, s:s, s:s, s:s, s:s}}", "version", PBT_VERSION,
                     "compiler", __VERSION__, "optimised",
#ifdef __OPTIMIZE__
                     "yes",
#else
                     "no: this build is slow; use cmake --preset release",
#endif
                     "data_folder", cli->data_folder, "data_folder_found", (int)found, "libraries", "jansson",
                     JANSSON_VERSION, "sqlite", sqlite3_libversion(), "libyaml", yaml_get_version_string(),
                     "pcre2", pcre, "utf8proc", utf8proc_version(), "xxhash", xxh);
}

static json_t *checks_json(const pbt_checks *checks) {
    json_t *list = json_array();
    for (size_t i = 0; i < checks->count; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:b, s:s}", "check", checks->items[i].what, "passed",
                                        (int)checks->items[i].passed, "detail", checks->items[i].detail));
    return list;
}

static void print_values(const char *title, const json_t *object) {
    const char *key;
    json_t *value;
    printf("%s\n", title);
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        if (json_is_object(value)) {
            const char *name;
            json_t *version;
            printf("  %-20s", key);
            json_object_foreach(value, name, version) printf(" %s %s", name, json_string_value(version));
            printf("\n");
        } else if (json_is_string(value)) {
            printf("  %-20s %s\n", key, json_string_value(value));
        } else if (json_is_boolean(value)) {
            printf("  %-20s %s\n", key, json_is_true(value) ? "yes" : "no");
        } else if (json_number_value(value) > 1e6) {
            printf("  %-20s %.2f GB\n", key, 1e-9 * json_number_value(value));
        } else {
            printf("  %-20s %g\n", key, json_number_value(value));
        }
    }
    printf("\n");
}

static void print_checks(const pbt_cli *cli, const pbt_checks *checks) {
    printf("experiment\n");
    for (size_t i = 0; i < checks->count; i++) {
        const pbt_check *c = &checks->items[i];
        const char *color = !cli->color ? "" : c->passed ? "\033[32m" : "\033[31m";
        printf("  %s%s%s %-24s %s\n", color, c->passed ? "ok    " : "FAILED", cli->color ? "\033[0m" : "",
               c->what, c->detail);
    }
}

static pbt_code check_experiment(const pbt_cli *cli, const doctor_options *o, const char *path,
                                 pbt_checks *checks, pbt_error *error) {
    pbt_experiment experiment;
    PBT_TRY(pbt_experiment_read(path, cli->data_folder, o->set.items, o->set.count, &experiment, error));
    pbt_code code = pbt_experiment_check(&experiment, cli->device, checks, error);
    pbt_experiment_free(&experiment);
    return code;
}

static pbt_code run(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                    pbt_error *error) {
    pbt_machine machine;
    pbt_checks checks = {0};
    pbt_machine_look(cli->device, &machine);
    json_t *machine_part = machine_json(cli->device, &machine), *build_part = build_json(cli);
    pbt_code code = PBT_OK;
    if (n_arguments) code = check_experiment(cli, settings, arguments[0], &checks, error);
    if (code == PBT_OK && cli->json) {
        json_t *all = json_pack("{s:O, s:O}", "machine", machine_part, "build", build_part);
        if (n_arguments) json_object_set_new(all, "experiment", checks_json(&checks));
        code = pbt_cli_print_json(all, error);
    } else if (code == PBT_OK) {
        print_values("machine", machine_part);
        print_values("build", build_part);
        if (n_arguments) print_checks(cli, &checks);
    }
    if (code == PBT_OK && checks.failed)
        code = pbt_fail(error, PBT_BAD_INPUT, "%zu of %zu checks of %s failed", checks.failed, checks.count,
                        arguments[0]);
    json_decref(machine_part);
    json_decref(build_part);
    pbt_checks_free(&checks);
    return code;
}

static const pbt_option options[] = {
    {"set", 0, PBT_OPTION_LIST, offsetof(doctor_options, set), "KEY=VALUE", NULL,
     "changes a setting of the experiment", NULL},
};

const pbt_command pbt_command_doctor = {
    .name = "doctor",
    .summary = "Describe the machine and the build; check an experiment",
    .usage = "[EXPERIMENT.yaml] [--set KEY=VALUE]...",
    .details =
        "Without a file: cores, instruction sets, memory, the measured fp32 peak of one core, compiler and "
        "libraries. With an experiment file: whether its models, tokenizers, templates, prompts and "
        "questions are present and fit together, and whether the work fits into memory. Exit code 3 when a "
        "check "
        "failed.\n\nExample:\n  pbt doctor pbt:experiments/pocket.yaml",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .settings_size = sizeof(doctor_options),
    .most_arguments = 1,
    .run = run,
};
