/* A model from a GGUF file is the model of the folder it was made of: weights to the bit, ids, chat template;
 * whole or split; and what is said where it cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/agent.h"
#include "base/file.h"
#include "base/text.h"
#include "device.h"
#include "folder.h"

static char gguf_path[256], folder_path[256];

static int find_data(void **state) {
    const char *root = getenv("PBT_TEST_DATA");
    snprintf(gguf_path, sizeof gguf_path, "%s/golden/gguf/train.gguf", root ? root : "tests/data");
    snprintf(folder_path, sizeof folder_path, "%s/golden/train/model", root ? root : "tests/data");
    return make_folder(state);
}

static uint64_t hash_of(const char *path, pbt_dtype dtype) {
    const pbt_model_options options = {.dtype = dtype};
    pbt_model *model;
    uint64_t hash;
    if (pbt_model_open(path, &options, test_device(), &model, &problem) != PBT_OK)
        fail_msg("%s", problem.message);
    assert_int_equal(pbt_model_hash(model, &hash, &problem), PBT_OK);
    pbt_model_free(model);
    return hash;
}

static void test_same_weights(void **state) {
    (void)state;
    static const pbt_dtype dtypes[] = {PBT_DTYPES, PBT_F32, PBT_BF16, PBT_F16};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        assert_true(hash_of(gguf_path, dtypes[i]) == hash_of(folder_path, dtypes[i]));
}

static void test_same_configuration(void **state) {
    (void)state;
    pbt_config a, b;
    assert_int_equal(pbt_config_read(gguf_path, &a, &problem), PBT_OK);
    assert_int_equal(pbt_config_read(folder_path, &b, &problem), PBT_OK);
    assert_int_equal(a.head_dim, b.head_dim);
    assert_int_equal(a.n_kv_heads, b.n_kv_heads);
    assert_int_equal(a.n_eos, b.n_eos);
    assert_int_equal(a.eos_token_ids[0], b.eos_token_ids[0]);
    assert_true(a.rms_norm_eps == b.rms_norm_eps);
    assert_true(a.rope.theta == b.rope.theta);
    assert_true(a.tie_word_embeddings == b.tie_word_embeddings);
    pbt_config_free(&a);
    pbt_config_free(&b);
}

static pbt_text ids_and_template(const char *path) {
    static const pbt_message messages[] = {{.role = "user", .content = "Which city is it? 12 na\u00EFve\n"},
                                           {.role = "assistant", .content = "<|im_start|> Rome."},
                                           {.role = "user", .content = "Sure?"}};
    pbt_tokenizer *tokenizer;
    pbt_chat_template *chat;
    pbt_ids ids = {0};
    pbt_text text = {0};
    if (pbt_tokenizer_open(path, &tokenizer, &problem) != PBT_OK) fail_msg("%s", problem.message);
    if (pbt_chat_template_open(path, tokenizer, NULL, &chat, &problem) != PBT_OK)
        fail_msg("%s", problem.message);
    assert_int_equal(pbt_chat_render(chat, messages, 3, true, &text, &problem), PBT_OK);
    assert_int_equal(pbt_chat_prompt_ids(chat, tokenizer, messages, 3, &ids, &problem), PBT_OK);
    for (size_t i = 0; i < ids.count; i++) pbt_text_addf(&text, " %d", ids.items[i]);
    const char *end = pbt_tokenizer_special(tokenizer, "eos_token");
    pbt_text_add(&text, end ? end : "none");
    free(ids.items);
    pbt_chat_template_free(chat);
    pbt_tokenizer_free(tokenizer);
    return text;
}

static void test_same_ids_and_template(void **state) {
    (void)state;
    pbt_text a = ids_and_template(gguf_path), b = ids_and_template(folder_path);
    assert_string_equal(pbt_text_string(&a), pbt_text_string(&b));
    pbt_text_free(&a);
    pbt_text_free(&b);
}

/* The tokenizer's files written out of the GGUF file tokenize as it does. */
static void test_written_tokenizer(void **state) {
    (void)state;
    char *path = pbt_path_join(folder, "written");
    assert_int_equal(pbt_folder_make(path, &problem), PBT_OK);
    if (pbt_tokenizer_write_gguf(gguf_path, path, &problem) != PBT_OK) fail_msg("%s", problem.message);
    pbt_text a = ids_and_template(gguf_path), b = ids_and_template(path);
    assert_string_equal(pbt_text_string(&a), pbt_text_string(&b));
    pbt_text_free(&a);
    pbt_text_free(&b);
    free(path);
}

/* Opens the file with `bytes` in place of the same number of them where `text` stands. */
static void expect(const char *text, const char *bytes, const char *sentence) {
    char *data = NULL, *path = pbt_path_join(folder, "other.gguf");
    size_t length;
    assert_int_equal(pbt_file_read(gguf_path, 1 << 20, &data, &length, &problem), PBT_OK);
    char *at = memmem(data, length, text, strlen(text));
    assert_non_null(at);
    memcpy(at, bytes, strlen(bytes));
    assert_int_equal(pbt_file_write(path, data, length, &problem), PBT_OK);
    pbt_config config;
    pbt_tokenizer *tokenizer;
    pbt_code code = pbt_config_read(path, &config, &problem);
    if (code == PBT_OK) {
        pbt_config_free(&config);
        code = pbt_tokenizer_open(path, &tokenizer, &problem);
    }
    assert_int_equal(code, PBT_BAD_INPUT);
    if (!strstr(problem.message, sentence)) fail_msg("\"%s\" instead of \"%s\"", problem.message, sentence);
    free(data);
    free(path);
}

static void test_what_is_not_known(void **state) {
    (void)state;
    pbt_config config;
    expect("gpt-2", "gpt-9", "\"gpt-9\" is not known (known: gpt-2,");
    expect("gpt2", "bert", "\"bert\" is not known (known: gpt2, llama)");
    expect("llama.block_count", "llama.block_coumt", "llama.block_count: expected a number, found none");
    expect("token_embd.weight", "token_embx.weight", "expected a matrix, found none");
    assert_int_equal(pbt_config_read("nowhere.gguf", &config, &problem), PBT_BAD_INPUT);
    assert_non_null(strstr(problem.message, "nowhere.gguf"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_weights),          cmocka_unit_test(test_same_configuration),
        cmocka_unit_test(test_same_ids_and_template), cmocka_unit_test(test_written_tokenizer),
        cmocka_unit_test(test_what_is_not_known),
    };
    return cmocka_run_group_tests(tests, find_data, remove_folder);
}
