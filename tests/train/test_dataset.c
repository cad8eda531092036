/*
 * Rows of TRL's forms to examples: what is prompt, what is completion, what carries loss, what is refused.
 */
#include "base/file.h"
#include "train/batch.h"
#include "train/check.h"

#include <stdio.h>
#include <stdlib.h>

static pbt_tokenizer *tokenizer;
static pbt_chat_template *chat;
static char folder[] = "/tmp/pbt_test_dataset_XXXXXX";

static const char chatml[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + "
    "'<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% "
    "endif %}";

static void write_file(const char *name, const char *text) {
    char *path = pbt_path_join(folder, name);
    assert_ok(pbt_file_write(path, text, strlen(text), error));
    free(path);
}

static int set_up(void **state) {
    (void)state;
    static const char *const texts[] = {"What color is the sky? It is blue. It is green.",
                                        "user assistant system the sky is blue"};
    static const char *const specials[] = {"<s>", "</s>", "<|im_start|>", "<|im_end|>"};
    assert_non_null(mkdtemp(folder));
    assert_ok(pbt_bpe_train(texts, 2, 300, false, specials, 4, folder, error));
    write_file("tokenizer_config.json", "{\"eos_token\": \"</s>\", \"bos_token\": \"<s>\"}");
    assert_ok(pbt_tokenizer_open(folder, &tokenizer, error));
    assert_ok(pbt_chat_template_parse(chatml, strlen(chatml), "<s>", "</s>", NULL, &chat, error));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    pbt_chat_template_free(chat);
    pbt_tokenizer_free(tokenizer);
    char *command = pbt_string_format("rm -r '%s'", folder);
    int status = system(command);
    free(command);
    return status;
}

static pbt_code add(pbt_dataset *dataset, const char *row, bool preference, int32_t max_length,
                    pbt_error *error) {
    json_t *json;
    PBT_TRY(pbt_json_parse(row, strlen(row), "rows.jsonl", "line 7", &json, error));
    pbt_code code = pbt_dataset_add(dataset, tokenizer, chat, json, preference, max_length, "rows.jsonl",
                                    "line 7", error);
    json_decref(json);
    return code;
}

static char *text_of(const pbt_ids *ids) {
    pbt_text text = {0};
    assert_ok(pbt_tokenizer_decode(tokenizer, ids->items, ids->count, false, &text, error));
    return pbt_text_take(&text);
}

#define assert_ids(ids, expected)                                                                            \
    do {                                                                                                     \
        char *ids_text_ = text_of(ids);                                                                      \
        assert_string_equal(ids_text_ ? ids_text_ : "", expected);                                           \
        free(ids_text_);                                                                                     \
    } while (0)

/* The text of the tokens that carry loss. */
static char *loss_text(const pbt_example *example) {
    pbt_ids ids = {0};
    for (size_t i = 0; i < example->chosen.count; i++)
        if (!example->mask || example->mask[example->prompt.count + i])
            assert_ok(pbt_ids_push(&ids, example->chosen.items[i], error));
    char *text = text_of(&ids);
    free(ids.items);
    return text;
}

static void conversational_preference(void **state) {
    (void)state;
    pbt_dataset d = {0};
    assert_ok(add(&d,
                  "{\"prompt\": [{\"role\": \"user\", \"content\": \"What color is the sky?\"}], \"chosen\": "
                  "[{\"role\": \"assistant\", \"content\": \"It is blue.\"}], \"rejected\": [{\"role\": "
                  "\"assistant\", \"content\": \"It is green.\"}], \"tree\": 12}",
                  true, 1024, error));
    assert_int_equal(d.count, 1);
    assert_ids(&d.items[0].prompt,
               "<|im_start|>user\nWhat color is the sky?<|im_end|>\n<|im_start|>assistant\n");
    assert_ids(&d.items[0].chosen, "It is blue.<|im_end|>\n"); /* as TRL: all that the template renders */
    assert_ids(&d.items[0].rejected, "It is green.<|im_end|>\n");
    assert_string_equal(d.items[0].group, "12");
    assert_true(isnan(d.items[0].ref_chosen_logp));
    pbt_dataset_free(&d);
}

static void implicit_prompts(void **state) {
    (void)state;
    pbt_dataset d = {0};
    assert_ok(add(&d,
                  "{\"chosen\": [{\"role\": \"user\", \"content\": \"Sky?\"}, {\"role\": \"assistant\", "
                  "\"content\": \"It is blue.\"}], \"rejected\": [{\"role\": \"user\", \"content\": "
                  "\"Sky?\"}, {\"role\": \"assistant\", \"content\": \"It is green.\"}]}",
                  true, 1024, error));
    assert_ids(&d.items[0].prompt, "<|im_start|>user\nSky?<|im_end|>\n<|im_start|>assistant\n");
    assert_ids(&d.items[0].rejected, "It is green.<|im_end|>\n");
    assert_ok(add(&d, "{\"chosen\": \"The sky is blue.\", \"rejected\": \"The sky is green.\"}", true, 1024,
                  error));
    assert_ids(&d.items[1].prompt, "The sky is");
    assert_ids(&d.items[1].chosen, " blue.</s>");
    assert_ids(&d.items[1].rejected, " green.</s>");
    /* The prompt repeated as a string; a text that begins the other one; a character of several bytes. */
    assert_ok(
        add(&d,
            "{\"prompt\": \"Sky?\", \"chosen\": [{\"role\": \"user\", \"content\": \"Sky?\"}, {\"role\": "
            "\"assistant\", \"content\": \"It is blue.\"}], \"rejected\": [{\"role\": \"user\", "
            "\"content\": \"Sky?\"}, {\"role\": \"assistant\", \"content\": \"No.\"}]}",
            true, 1024, error));
    assert_ids(&d.items[2].prompt, "<|im_start|>user\nSky?<|im_end|>\n<|im_start|>assistant\n");
    assert_ids(&d.items[2].rejected, "No.<|im_end|>\n");
    assert_ok(add(&d, "{\"chosen\": \"the sky\", \"rejected\": \"the sky is\"}", true, 1024, error));
    assert_ids(&d.items[3].chosen, " sky</s>");
    assert_ids(&d.items[3].rejected, " sky is</s>");
    assert_ok(add(&d, "{\"chosen\": \"the \u00e9\", \"rejected\": \"the \u00e8\"}", true, 1024, error));
    assert_ids(&d.items[4].prompt, "the");
    assert_ids(&d.items[4].chosen, " \u00e9</s>");
    pbt_dataset_free(&d);
}

static void standard_preference_with_reference(void **state) {
    (void)state;
    pbt_dataset d = {0};
    assert_ok(add(&d,
                  "{\"prompt\": \"The sky is\", \"chosen\": \" blue.\", \"rejected\": \" green.</s>\", "
                  "\"ref_chosen_logps\": -1.5, \"ref_rejected_logps\": -2}",
                  true, 1024, error));
    assert_ids(&d.items[0].chosen, " blue.</s>");
    assert_ids(&d.items[0].rejected, " green.</s>"); /* no second end */
    assert_near(d.items[0].ref_chosen_logp, -1.5, 0);
    assert_near(d.items[0].ref_rejected_logp, -2, 0);
    pbt_dataset_free(&d);
}

static void sft_forms(void **state) {
    (void)state;
    pbt_dataset d = {0};
    assert_ok(add(&d, "{\"prompt\": \"The sky is\", \"completion\": \" blue.\"}", false, 1024, error));
    assert_ids(&d.items[0].chosen, " blue.</s>");
    assert_null(d.items[0].mask);
    assert_ok(add(&d, "{\"text\": \"The sky is blue.\"}", false, 1024, error));
    assert_int_equal(d.items[1].prompt.count, 0);
    assert_ids(&d.items[1].chosen, "The sky is blue.</s>");
    assert_int_equal(pbt_example_targets(&d.items[1]), d.items[1].chosen.count - 1);
    assert_ok(add(&d,
                  "{\"prompt\": [{\"role\": \"user\", \"content\": \"Sky?\"}], \"completion\": [{\"role\": "
                  "\"assistant\", \"content\": \"blue\"}]}",
                  false, 1024, error));
    assert_ids(&d.items[2].chosen, "blue<|im_end|>\n");
    assert_ok(add(&d,
                  "{\"conversations\": [{\"from\": \"user\", \"value\": \"Sky?\"}, {\"from\": \"assistant\", "
                  "\"value\": \"blue\"}]}",
                  false, 1024, error));
    assert_ids(&d.items[3].chosen,
               "<|im_start|>user\nSky?<|im_end|>\n<|im_start|>assistant\nblue<|im_end|>\n");
    /* a preference row, for SFT on its chosen completion */
    assert_ok(add(&d, "{\"prompt\": \"The sky is\", \"chosen\": \" blue.\", \"rejected\": \" green.\"}",
                  false, 1024, error));
    assert_ids(&d.items[4].chosen, " blue.</s>");
    assert_int_equal(d.items[4].rejected.count, 0);
    pbt_dataset_free(&d);
}

static void what_carries_loss(void **state) {
    (void)state;
    static const char messages[] =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"Sky?\"}, {\"role\": \"assistant\", "
        "\"content\": \"blue\"}, {\"role\": \"user\", \"content\": \"Sure?\"}, {\"role\": "
        "\"assistant\", \"content\": \"green\"}]}";
    pbt_dataset d = {0};
    assert_ok(add(&d, messages, false, 1024, error)); /* TRL's default: every token */
    assert_int_equal(pbt_example_targets(&d.items[0]), d.items[0].chosen.count - 1);
    d.assistant_only_loss = true;
    assert_ok(add(&d, messages, false, 1024, error));
    char *text = loss_text(&d.items[1]);
    assert_string_equal(text, "blue<|im_end|>green<|im_end|>");
    free(text);
    assert_int_equal(d.unmarked_templates, 1);
    /* a completion's own turn, without the newline behind it */
    assert_ok(add(
        &d,
        "{\"prompt\": [{\"role\": \"user\", \"content\": \"Sky?\"}, {\"role\": \"assistant\", \"content\": "
        "\"blue\"}, {\"role\": \"user\", \"content\": \"Sure?\"}], \"completion\": [{\"role\": "
        "\"assistant\", \"content\": \"green\"}]}",
        false, 1024, error));
    text = loss_text(&d.items[2]);
    assert_string_equal(text, "green<|im_end|>");
    free(text);
    d.assistant_only_loss = false;
    d.whole_text_loss = true;
    assert_ok(add(&d, "{\"prompt\": \"The sky is\", \"completion\": \" blue.\"}", false, 1024, error));
    assert_int_equal(pbt_example_targets(&d.items[3]), d.items[3].prompt.count + d.items[3].chosen.count - 1);
    pbt_dataset_free(&d);
}

/* {% generation %}: the template says what the assistant's tokens are, as in TRL. */
static void marks_of_the_template(void **state) {
    (void)state;
    static const char marked[] =
        "{% for m in messages %}{% if m.role == 'assistant' %}<|im_start|>a\n{% generation %}{{ m.content }}"
        "<|im_end|>{% endgeneration %}{% else %}<|im_start|>{{ m.role }}{{ m.name }}{{ mood }}\n{{ m.content "
        "}}<|im_end|>{% endif %}\n{% endfor %}";
    pbt_chat_template *unmarked = chat;
    pbt_dataset d = {.assistant_only_loss = true};
    assert_ok(pbt_chat_template_parse(marked, strlen(marked), "<s>", "</s>", NULL, &chat, error));
    assert_ok(add(&d,
                  "{\"messages\": [{\"role\": \"user\", \"content\": \"Sky?\", \"name\": \"is\"}, {\"role\": "
                  "\"assistant\", "
                  "\"content\": \"blue\"}, {\"role\": \"assistant\", \"content\": \"green\"}], "
                  "\"chat_template_kwargs\": {\"mood\": \"sky\"}}",
                  false, 1024, error));
    assert_ids(&d.items[0].chosen, "<|im_start|>userissky\nSky?<|im_end|><|im_start|>a\nblue<|im_end|>"
                                   "<|im_start|>a\ngreen<|im_end|>");
    char *text = loss_text(&d.items[0]);
    assert_string_equal(text, "blue<|im_end|>green<|im_end|>");
    free(text);
    assert_int_equal(d.unmarked_templates, 0);
    assert_fails(add(&d, "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}", false, 1024, error),
                 PBT_BAD_INPUT, "marks no token of this conversation with {% generation %}");
    pbt_dataset_free(&d);
    pbt_chat_template_free(chat);
    chat = unmarked;
}

/* One column of reference log-probabilities says nothing. */
static void half_a_reference(void **state) {
    (void)state;
    pbt_dataset d = {0};
    assert_ok(add(&d,
                  "{\"prompt\": \"a\", \"chosen\": \" b\", \"rejected\": \" c\", \"ref_chosen_logps\": -1}",
                  true, 99, error));
    assert_ok(add(&d,
                  "{\"prompt\": \"a\", \"chosen\": \" b\", \"rejected\": \" c\", \"ref_chosen_logps\": -1, "
                  "\"ref_rejected_logps\": -2}",
                  true, 99, error));
    assert_int_equal(d.half_references, 1);
    assert_string_equal(pbt_text_string(&d.half_list), "line 7");
    assert_true(d.items[0].ref_chosen_logp != d.items[0].ref_chosen_logp);
    assert_true(d.items[1].ref_rejected_logp == -2);
    pbt_dataset_free(&d);
}

static void prompt_that_merges_with_its_completion(void **state) {
    (void)state;
    pbt_dataset d = {0};
    assert_ok(add(&d, "{\"prompt\": \"The sk\", \"completion\": \"y is blue.\"}", false, 1024, error));
    pbt_text text = {0};
    assert_ok(pbt_tokenizer_decode(tokenizer, d.items[0].prompt.items, d.items[0].prompt.count, false, &text,
                                   error));
    assert_ok(pbt_tokenizer_decode(tokenizer, d.items[0].chosen.items, d.items[0].chosen.count, false, &text,
                                   error));
    assert_string_equal(text.data, "The sky is blue.</s>");
    pbt_text_free(&text);
    pbt_dataset_free(&d);
}

static void long_examples_are_listed(void **state) {
    (void)state;
    write_file("long.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n\n"
                             "{\"prompt\": \"a\", \"completion\": \"one two three four five six seven\"}\n"
                             "{\"prompt\": \"a\", \"completion\": \"one two three four five six eight\"}\n");
    char *path = pbt_path_join(folder, "long.jsonl");
    pbt_dataset d = {0};
    assert_ok(pbt_dataset_read(path, tokenizer, chat, false, 4, &d, error));
    assert_int_equal(d.count, 1);
    assert_int_equal(d.dropped_long, 2);
    assert_string_equal(d.dropped_list.data, "line 3, line 4");
    pbt_dataset_free(&d);
    assert_fails(pbt_dataset_read(path, tokenizer, chat, false, 1, &d, error), PBT_BAD_INPUT,
                 "all 3 examples are longer than max_length (1 tokens); raise max_length");
    pbt_dataset_free(&d);
    free(path);
}

static void refusals(void **state) {
    (void)state;
    static const struct {
        bool preference;
        const char *row, *sentence;
    } cases[] = {
        {false, "[]", "rows.jsonl: line 7: expected a JSON object"},
        {false, "{}", "an SFT row needs \"prompt\" and \"completion\", or \"messages\", or \"text\""},
        {true, "{\"prompt\": \"a\", \"chosen\": \"b\"}",
         "a preference row needs \"chosen\" and \"rejected\""},
        {true, "{\"prompt\": 1, \"chosen\": \"b\", \"rejected\": \"c\"}",
         "\"prompt\" must be a string or a list of messages"},
        {true, "{\"prompt\": [{\"role\": \"user\"}], \"chosen\": \"b\", \"rejected\": \"c\"}",
         "message 1 of \"prompt\" must be an object with the string \"role\" and with \"content\""},
        {true,
         "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": [{\"role\": \"assistant\", \"content\": "
         "\"c\"}]}",
         "must both be strings or both be lists of messages"},
        {true, "{\"chosen\": \"b\", \"rejected\": [{\"role\": \"assistant\", \"content\": \"c\"}]}",
         "\"chosen\" and \"rejected\" must both be strings or both be messages"},
        {true, "{\"prompt\": \"a\", \"chosen\": \"\", \"rejected\": \"c\"}", "a completion is empty"},
        {true, "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\", \"ref_chosen_logps\": \"x\"}",
         "\"ref_chosen_logps\" must be a number"},
        {false, "{\"prompt\": \"a\", \"completion\": \"\"}", "\"completion\" is empty"},
        {false, "{\"text\": \"\"}", "\"text\" is empty"},
        {false, "{\"messages\": []}", "\"messages\" is empty"},
        {false, "{\"text\": \"<s><s>a\"}", "two BOS tokens"},
        {false, "{\"text\": \"a\", \"tools\": [1]}", "\"tools\" must be a list of objects"},
        {false, "{\"text\": \"a\", \"tools\": [{}]}",
         "the row has \"tools\", which only says something of messages"},
        {false, "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image\"}]}]}",
         "message 1 of \"messages\" has a part of type \"image\""},
        {false,
         "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"continue_final_message\": true}",
         "the row has \"continue_final_message\""},
        {false,
         "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"chat_template_kwargs\": "
         "{\"add_generation_prompt\": true}}",
         "the row has \"add_generation_prompt\""},
        {false,
         "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"chat_template_kwargs\": "
         "{\"tokenize\": true}}",
         "\"chat_template_kwargs\" has \"tokenize\""},
        {true,
         "{\"chosen\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": "
         "\"b\"}], \"rejected\": [{\"role\": \"user\", \"content\": \"c\"}]}",
         "their first turns differ"},
        {true,
         "{\"chosen\": [{\"role\": \"user\", \"content\": \"a\"}], \"rejected\": [{\"role\": \"user\", "
         "\"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}]}",
         "one is the beginning of the other"},
        {true,
         "{\"prompt\": [], \"chosen\": [{\"role\": \"assistant\", \"content\": \"b\"}], \"rejected\": "
         "[{\"role\": \"assistant\", \"content\": \"c\"}]}",
         "expected at least one message"},
        {true, "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\", \"images\": [1]}",
         "has \"images\""},
        {true, "{\"prompt\": null, \"chosen\": \"b\", \"rejected\": \"c\"}",
         "\"prompt\" must be a string or a list of messages"},
        {true, "{\"prompt\": \"a\\u0000z\", \"chosen\": \"b\", \"rejected\": \"c\"}",
         "holds the character U+0000"},
        {true, "{\"chosen\": {\"role\": \"assistant\", \"content\": \"b\"}, \"rejected\": []}",
         "\"chosen\" must be a string or a list of messages"},
        {true, "{\"prompt\": \"a\", \"chosen\": [], \"rejected\": []}", "a completion is empty"},
        {false, "{\"messages\": \"abc\"}", "\"messages\" must be a list of messages"},
        {false, "{\"text\": [{\"role\": \"user\", \"content\": \"a\"}]}", "\"text\" must be a string"},
        {false, "{\"prompt\": \"a\"}", "an SFT row needs"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pbt_dataset d = {0};
        assert_fails(add(&d, cases[i].row, cases[i].preference, 1024, error), PBT_BAD_INPUT,
                     cases[i].sentence);
        pbt_dataset_free(&d);
    }
    pbt_dataset d = {.assistant_only_loss = true};
    assert_fails(add(&d, "{\"text\": \"a\"}", false, 1024, error), PBT_BAD_INPUT,
                 "assistant_only_loss needs rows of messages");
    assert_fails(add(&d, "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}", false, 1024, error),
                 PBT_BAD_INPUT, "no assistant turn");
    pbt_dataset_free(&d);
    json_t *row = json_pack("{s:[{s:s, s:s}]}", "messages", "role", "user", "content", "a");
    assert_fails(pbt_dataset_add(&d, tokenizer, NULL, row, false, 9, "f", "line 1", error), PBT_BAD_INPUT,
                 "no chat template");
    pbt_error problem = {0};
    assert_int_equal(pbt_dataset_add(&d, tokenizer, NULL, row, false, 9, "f", "line 1", &problem),
                     PBT_BAD_INPUT);
    assert_int_equal(problem.reason, PBT_NO_CHAT_TEMPLATE);
    json_decref(row);
    static const char strict[] =
        "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ "
        "raise_exception('Conversation roles must alternate') }}{% endif %}{{ m['content'] }}{% endfor %}";
    pbt_chat_template *alternating;
    assert_ok(pbt_chat_template_parse(strict, strlen(strict), "<s>", "</s>", NULL, &alternating, error));
    row = json_pack("{s:[{s:s, s:s}]}", "messages", "role", "assistant", "content", "a");
    assert_fails(pbt_dataset_add(&d, tokenizer, alternating, row, false, 9, "f.jsonl", "line 5", error),
                 PBT_BAD_INPUT, "f.jsonl: line 5: the messages cannot be rendered: ");
    json_decref(row);
    pbt_chat_template_free(alternating);
    assert_ok(add(&d, "{\"prompt\": \"a\", \"chosen\": \" b\", \"rejected\": \" b\"}", true, 99, error));
    assert_int_equal(d.same, 1);
    assert_string_equal(pbt_text_string(&d.same_list), "line 7");
    pbt_dataset_free(&d);
    write_file("bad.jsonl", "{\"text\": \"a b c\"}\n{nonsense\n");
    write_file("none.jsonl", "\n");
    char *bad = pbt_path_join(folder, "bad.jsonl"), *none = pbt_path_join(folder, "none.jsonl");
    assert_fails(pbt_dataset_read(bad, tokenizer, chat, false, 99, &d, error), PBT_BAD_INPUT, "line 2");
    pbt_dataset_free(&d);
    assert_fails(pbt_dataset_read(none, tokenizer, chat, false, 99, &d, error), PBT_BAD_INPUT,
                 "the file has no examples");
    pbt_dataset_free(&d);
    free(bad);
    free(none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversational_preference),
        cmocka_unit_test(implicit_prompts),
        cmocka_unit_test(standard_preference_with_reference),
        cmocka_unit_test(sft_forms),
        cmocka_unit_test(what_carries_loss),
        cmocka_unit_test(marks_of_the_template),
        cmocka_unit_test(half_a_reference),
        cmocka_unit_test(prompt_that_merges_with_its_completion),
        cmocka_unit_test(long_examples_are_listed),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
