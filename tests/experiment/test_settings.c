/* The experiment file: values, paths, overrides, records, and every error sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "folder.h"
#include "settings/products.h"
#include "settings/settings.h"
#include "settings/yaml.h"

#include <unistd.h>

static char path[96];
static pbt_experiment experiment;

#define HEAD                                                                                                 \
    "name: test\n"                                                                                           \
    "agents:\n"                                                                                              \
    "  a: {model: models/a}\n"                                                                               \
    "  b: {model: pbt:pocket/b, dtype: bfloat16}\n"                                                          \
    "prompts: /prompts\n"                                                                                    \
    "questions: {file: q.jsonl}\n"

static int make_settings_folder(void **state) {
    if (make_folder(state) != 0) return 1;
    snprintf(path, sizeof path, "%s/models/a", folder);
    if (pbt_folder_make(path, &problem) != PBT_OK) return 1;
    snprintf(path, sizeof path, "%s/e.yaml", folder);
    return 0;
}

static pbt_code read_text(const char *text, const char *const *set, size_t n) {
    assert_int_equal(pbt_file_write(path, text, strlen(text), &problem), PBT_OK);
    return pbt_experiment_read(path, "/data", set, n, &experiment, &problem);
}

static void test_values(void **state) {
    (void)state;
    assert_int_equal(read_text(HEAD "seeds: [1, 2, 3]\n"
                                    "arms: [pbt, accept]\n"
                                    "trees:\n"
                                    "  turns: [[standard], [standard], [logical, credible], [resistant]]\n"
                                    "  b_first: 5\n"
                                    "dpo: {learning_rate: 1e-3, lr_scheduler_type: linear, beta: 0.2}\n"
                                    "sft: {max_steps: 20, per_device_train_batch_size: 32}\n"
                                    "eval: {balanced: {temperature: 0}, flipflop: {enabled: no}}\n",
                               NULL, 0),
                     PBT_OK);
    const pbt_experiment *e = &experiment;
    assert_string_equal(e->name, "test");
    assert_int_equal(e->seeds.count, 3);
    assert_int_equal(e->seeds.items[2], 3);
    char expected[128];
    snprintf(expected, sizeof expected, "%s/models/a", folder);
    assert_string_equal(e->agents[0].model, expected);
    assert_string_equal(e->agents[1].model, "/data/pocket/b");
    assert_string_equal(e->agents[0].dtype, "float32");
    assert_string_equal(e->agents[1].dtype, "bfloat16");
    assert_string_equal(e->prompts, "/prompts");
    assert_int_equal(e->arms.count, 2);
    assert_string_equal(e->arms.items[0], "pbt");
    assert_int_equal(e->trees.plan.n_turns, 4);
    assert_int_equal(e->trees.plan.n_roles[2], 2);
    assert_int_equal(e->trees.plan.roles[2][1], PBT_CREDIBLE);
    assert_int_equal(e->trees.repetitions[0], 1);
    assert_int_equal(e->trees.repetitions[1], 5);
    assert_true(e->dpo.learning_rate == 1e-3 && e->dpo.beta == 0.2);
    assert_int_equal(e->dpo.lr_scheduler_type, PBT_LINEAR_SCHEDULE);
    assert_int_equal(e->sft.lr_scheduler_type, PBT_COSINE);
    assert_int_equal(e->sft.max_steps, 20);
    assert_true(e->balanced.temperature == 0);
    assert_false(e->flipflop.enabled);
    assert_true(e->balanced.enabled);
    assert_string_equal(e->extractor, "b");
    assert_string_equal(pbt_experiment_model_of(e, e->extractor), "/data/pocket/b");
    pbt_experiment_free(&experiment);
}

static void test_overrides(void **state) {
    (void)state;
    static const char *const set[] = {"seeds=[7]",
                                      "dpo.beta=0.5",
                                      "agents.a.model=here",
                                      "agents.extractor=pbt:x",
                                      "date_string=26 Jul 2024",
                                      "seeds=8"};
    assert_int_equal(read_text(HEAD "seeds: [1, 2]\n", set, 6), PBT_OK);
    assert_int_equal(experiment.seeds.count, 1);
    assert_int_equal(experiment.seeds.items[0], 8);
    assert_true(experiment.dpo.beta == 0.5);
    /* Absolute: a run goes on from any folder. */
    char *here = getcwd(NULL, 0), *model = pbt_path_join(here, "here");
    assert_string_equal(experiment.agents[0].model, model);
    free(model);
    free(here);
    assert_string_equal(experiment.extractor, "/data/x");
    assert_string_equal(experiment.date_string, "26 Jul 2024");
    pbt_experiment_free(&experiment);
}

static void test_record_reads_back(void **state) {
    unsigned affected = 0;
    (void)state;
    assert_int_equal(read_text(HEAD "seeds: [4, 5]\ndate_string: \"a \\\"b\\\"\"\n", NULL, 0), PBT_OK);
    json_t *record = pbt_experiment_record(&experiment);
    pbt_experiment again;
    assert_int_equal(pbt_experiment_from_record(record, "store", &again, &problem), PBT_OK);
    json_t *second = pbt_experiment_record(&again);
    assert_true(json_equal(record, second));
    pbt_text out = {0};
    pbt_experiment_differences(record, second, &out, &affected);
    assert_int_equal(out.length, 0);
    json_object_set_new(second, "dpo.beta", json_real(0.25));
    json_object_set_new(second, "show.debates", json_integer(0));     /* free */
    json_object_set_new(second, "prompts", json_string("elsewhere")); /* compared by contents */
    pbt_experiment_differences(record, second, &out, &affected);
    assert_string_equal(pbt_text_string(&out), "dpo.beta is 0.1 in the run, 0.25 now");
    assert_int_equal(affected, PBT_PRODUCT_BIT(PBT_DPO_ADAPTERS));
    /* A record made before a key existed: what the key defaults to is what was done. */
    assert_int_equal(json_object_del(second, "dpo.beta"), 0);
    assert_int_equal(json_object_del(second, "trees.top_k"), 0);
    assert_int_equal(pbt_experiment_complete(second, "trees.", &problem), PBT_OK);
    assert_null(json_object_get(second, "dpo.beta"));
    assert_int_equal(pbt_experiment_complete(second, "", &problem), PBT_OK);
    pbt_text_clear(&out);
    pbt_experiment_differences(second, record, &out, &affected);
    assert_int_equal(out.length, 0);
    pbt_text_free(&out);
    json_decref(record);
    json_decref(second);
    pbt_experiment_free(&again);
    pbt_experiment_free(&experiment);
}

/* Every sentence, behind the file's name. */
static void test_error_sentences(void **state) {
    (void)state;
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {HEAD "dpo: {betta: 1}\n", "line 7: unknown key \"dpo.betta\"; did you mean \"dpo.beta\"?"},
        {HEAD "learning_rate: 1\n",
         "line 7: unknown key \"learning_rate\"; did you mean \"sft.learning_rate\"?"},
        {HEAD "eval: {team: {max_question: 1}}\n",
         "line 7: unknown key \"eval.team.max_question\"; did you mean \"eval.team.max_questions\"?"},
        {HEAD "dpo: {loss_typ: hinge}\n",
         "line 7: unknown key \"dpo.loss_typ\"; did you mean \"dpo.loss_type\"?"},
        {HEAD "eval: {flipflop: {max_new_token: 1}}\n",
         "unknown key \"eval.flipflop.max_new_token\"; did you mean \"eval.flipflop.max_new_tokens\"?"},
        {HEAD "pairs: {max_pair: 1}\n", "did you mean \"pairs.max_pairs\"?"},
        {HEAD "lora: {lora_dropuot: 0}\n", "did you mean \"lora.lora_dropout\"?"},
        {HEAD "tree: {a_first: 1}\n", "line 7: unknown key \"tree\""},
        {HEAD "zzzzzzzzzzzzzzzzzzzz: 1\n", "line 7: unknown key \"zzzzzzzzzzzzzzzzzzzz\""},
        {HEAD "dpo: 3\n", "line 7: dpo: expected a section with keys of its own, found a value"},
        {HEAD "dpo:\n  beta: high\n", "line 8: dpo.beta: expected a number, found \"high\""},
        {HEAD "dpo: {beta: 0x10}\n", "line 7: dpo.beta: expected a number, found \"0x10\""},
        {HEAD "dpo: {beta: .nan}\n", "line 7: dpo.beta: expected a number, found \".nan\""},
        {HEAD "dpo: {beta: [1]}\n", "line 7: dpo.beta: expected a number, found a list"},
        {HEAD "dpo: {beta: }\n", "line 7: dpo.beta: expected a value, found \"\""},
        {HEAD "trees: {a_first: 1.5}\n", "line 7: trees.a_first: expected a whole number, found \"1.5\""},
        {HEAD "trees: {a_first: -1}\n",
         "line 7: trees.a_first: expected a number from 0 to 1e+09, found \"-1\""},
        {HEAD "trees: {turns: [[standard], [angry]]}\n", "line 7: trees.turns: expected standard, resistant, "
                                                         "acceptant, logical, emotional or credible, found "
                                                         "\"angry\""},
        {HEAD "trees: {turns: [[standard]]}\n",
         "line 7: trees.turns: expected a list of 2 to 64 values, found a list"},
        {HEAD "trees: {turns: [[standard, logical], [standard]]}\n",
         "line 7: trees.turns: expected one role for the first turn"},
        {HEAD "trees: {turns: [[standard], [logical, logical]]}\n",
         "line 7: trees.turns: expected each role once a turn, found \"logical\""},
        {HEAD "trees: {a_first: 0, b_first: 0}\n",
         "trees.a_first and trees.b_first are both 0: no tree would grow"},
        {HEAD "trees: {min_new_tokens: 100}\n", "trees.min_new_tokens is greater than trees.max_new_tokens"},
        {HEAD "seeds: [1, 1]\n", "line 7: seeds: expected seeds from 0 up, each of them once, found \"1\""},
        {HEAD "seeds: []\n", "line 7: seeds: expected a list of 1 to 64 values, found a list"},
        {HEAD "arms: [pbt, base]\n", "line 7: arms: expected one of accept|resist|pbt, found \"base\""},
        {HEAD "arms: [pbt, pbt]\n", "line 7: arms: expected each name once, found \"pbt\""},
        {HEAD "train_agent: c\n", "line 7: train_agent: expected one of a|b, found \"c\""},
        {HEAD "eval: {farm: {enabled: maybe}}\n",
         "line 7: eval.farm.enabled: expected true or false, found \"maybe\""},
        {HEAD "eval: {farm: {enabled: true}}\n",
         "eval.farm.enabled needs eval.farm.data (a FARM file or a folder of them)"},
        {HEAD "name: again\n", "line 7: name is given twice, first in line 1"},
        {HEAD "prompts2: &x [*x]\n", "line 7: nested deeper than 16 levels"},
        {HEAD "sft: {<<: {beta: 1}}\n", "line 7: merge keys (<<) are not supported; write the keys out"},
        {HEAD "sft: {[1]: 2}\n", "line 7: expected a name before \":\", found a list or a mapping"},
        {HEAD "sft: {\n", "not valid YAML"},
        {HEAD "---\nname: two\n", "expected one YAML document, found several"},
        {"- 1\n", "expected keys and values (\"name: ...\"), found something else"},
        {"name: x\n",
         "the key \"agents.a.model\" (model folder, or id on the Hugging Face Hub, of agent A) is missing"},
        {HEAD "questions: {train: x}\n", "questions is given twice"},
        {HEAD "lora: {lora_target_modules: nothing_proj}\n", "nothing_proj"},
        {HEAD "agents.x: 1\n", "line 7: unknown key \"agents.x\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pbt_code code = read_text(cases[i].text, NULL, 0);
        if (strcmp(cases[i].sentence, "questions is given twice") == 0) {
            assert_int_equal(code, PBT_BAD_INPUT); /* the file and a part: one or the other */
            assert_non_null(strstr(problem.message, "expected either questions.file"));
            continue;
        }
        if (code == PBT_OK || !strstr(problem.message, cases[i].sentence))
            fail_msg("case %zu: code %d, found \"%s\", expected \"%s\"", i, code, problem.message,
                     cases[i].sentence);
        if (code != PBT_USAGE) assert_int_equal(code, PBT_BAD_INPUT);
    }
}

static void test_override_errors(void **state) {
    (void)state;
    static const char *const bad[][2] = {
        {"dpo.betta=1", "--set dpo.betta=1: unknown key \"dpo.betta\"; did you mean \"dpo.beta\"?"},
        {"dpo.beta", "--set dpo.beta: expected key=value"},
        {"=3", "--set =3: expected key=value"},
        {"dpo.beta=x", "--set: line 1: dpo.beta: expected a number, found \"x\""},
        {"dpo.beta=", "--set: line 1: dpo.beta: expected a value, found \"\""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_not_equal(read_text(HEAD, &bad[i][0], 1), PBT_OK);
        assert_string_equal(problem.message, bad[i][1]);
    }
}

static void test_missing_file(void **state) {
    (void)state;
    assert_int_equal(pbt_experiment_read("/no/such.yaml", NULL, NULL, 0, &experiment, &problem),
                     PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "/no/such.yaml"));
}

static void test_aliases(void **state) {
    (void)state;
    assert_int_equal(read_text(HEAD "sft: &common {weight_decay: 0.5}\ndpo: *common\n", NULL, 0), PBT_OK);
    assert_true(experiment.sft.weight_decay == 0.5 && experiment.dpo.weight_decay == 0.5);
    pbt_experiment_free(&experiment);
    /* Aliases of aliases double every level; the number of nodes is bounded. */
    pbt_text bomb = {0};
    pbt_text_add(&bomb, "a0: &a0 [x, x]\n");
    for (int i = 1; i < 15; i++) {
        pbt_text_addf(&bomb, "a%d: &a%d [", i, i);
        for (int j = 0; j < 9; j++) pbt_text_addf(&bomb, "%s*a%d", j ? ", " : "", i - 1);
        pbt_text_add(&bomb, "]\n");
    }
    assert_int_equal(read_text(pbt_text_string(&bomb), NULL, 0), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "more than 100000 YAML nodes"));
    pbt_text_free(&bomb);
}

/* Help and documentation read the same table: every key says what it is, and its default reads. */
static void test_table(void **state) {
    (void)state;
    for (size_t i = 0; i < pbt_settings_count(); i++) {
        pbt_setting_help s = pbt_settings_describe(i);
        assert_true(strlen(s.help) > 4);
        assert_true(s.required == false || s.initial == NULL);
        for (size_t j = 0; j < i; j++) assert_string_not_equal(s.key, pbt_settings_describe(j).key);
    }
}

static void redone(const char *key, const char *words) {
    const pbt_redo redo = pbt_redo_of(pbt_setting_affects(key));
    pbt_text out = {0};
    pbt_redo_text(&redo, &out);
    if (strcmp(pbt_text_string(&out), words) != 0) fail_msg("%s: %s", key, pbt_text_string(&out));
    pbt_text_free(&out);
}

/* A changed setting costs what is made from it on, and nothing else. */
static void test_what_changes_affect(void **state) {
    (void)state;
    redone("name", "nothing");
    redone("seeds", "nothing");
    redone("eval.farm.enabled", "nothing");
    redone("agents.a.model", "trees, pairs, SFT, DPO and all evaluations");
    redone("trees.a_first", "train trees, pairs, SFT, DPO and the evaluations of the trained arms");
    redone("questions.max_test", "test trees and the evaluation balanced, flipflop, team, flip_analysis");
    redone("pairs.max_pairs", "pairs, SFT, DPO and the evaluations of the trained arms");
    redone("lora.lora_dropout", "SFT, DPO and the evaluations of the trained arms");
    redone("dpo.beta", "DPO and the evaluations of the trained arms");
    redone("selection.worse_side", "DPO and the evaluations of the trained arms");
    redone("eval.balanced.temperature", "DPO and the evaluation balanced, flip_analysis and the other "
                                        "evaluations of the trained arms");
    redone("eval.flipflop.challenges", "the evaluation flipflop");
    redone("eval.flip_analysis.samples", "the evaluation flip_analysis");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_record_reads_back),
        cmocka_unit_test(test_what_changes_affect),
        cmocka_unit_test(test_error_sentences),
        cmocka_unit_test(test_override_errors),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, make_settings_folder, remove_folder);
}
