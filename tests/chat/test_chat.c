/* Chat templates: renderings worked by hand, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "chat/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pbt_error problem;
static const pbt_message talk[] = {
    {"system", " Be kind. "}, {"user", "Hi"}, {"assistant", "Hello"}, {"user", "Bye"}};

static pbt_code render(const char *source, size_t n, bool prompt, const char *date, char **text) {
    pbt_chat_template *chat;
    pbt_text out = {0};
    pbt_code code = pbt_chat_template_parse(source, strlen(source), "<s>", "</s>", date, &chat, &problem);
    if (code != PBT_OK) return code;
    code = pbt_chat_render(chat, talk, n, prompt, &out, &problem);
    pbt_chat_template_free(chat);
    *text = strdup(pbt_text_string(&out));
    pbt_text_free(&out);
    return code;
}

static void renders(const char *source, const char *expected) {
    char *text = NULL;
    if (render(source, 4, true, NULL, &text) != PBT_OK) fail_msg("%s: %s", source, problem.message);
    assert_string_equal(text, expected);
    free(text);
}

static void refuses(const char *source, const char *words) {
    char *text = NULL;
    assert_int_equal(render(source, 4, true, NULL, &text), PBT_BAD_INPUT);
    if (!strstr(problem.message, words)) fail_msg("expected \"%s\" in \"%s\"", words, problem.message);
    free(text);
}

static void test_expressions(void **state) {
    (void)state;
    renders("{{ bos_token + 'a' ~ 1 }}", "<s>a1");
    renders("{{ messages[0]['content']|trim }}|{{ messages[-1].content }}", "Be kind.|Bye");
    renders("{{ messages|length }} {{ messages[1:]|length }} {{ messages[::-1][0].content }}", "4 3 Bye");
    renders("{{ 'x' if messages[0].role == 'user' else 'y' }}{{ 'q' if false }}", "y");
    renders("{{ not tools }} {{ tools is none }} {{ nothing is defined }} {{ 'H' in messages[1].content }}",
            "True True False True");
    renders("{{ 'a,b'.split(',')[1] }}{{ ' z '.strip() }}{{ 'abc'.startswith('ab') }}{{ 'aXa'.replace('a', "
            "'b') }}",
            "bzTruebXb");
    renders("{{ (1 + 2) * 3 - 4 % 3 }} {{ 1 < 2 and 2 >= 3 or 'c' }}", "8 c");
    renders("{{ {'a': 'b', 'c': [1, none, true]} | tojson }}", "{\"a\": \"b\", \"c\": [1, null, true]}");
    renders("{{ nothing | default('d') }}{{ ['p', 'q'] | join('-') }}", "dp-q");
    renders("{{ 'it\\'s\\n' }}", "it's\n");
    renders("{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 1e3 }} {{ 0.1 + 0.2 }}",
            "3 -4 2 3.5 1024 1000.0 0.30000000000000004");
    renders("{{ [1, 'a', none, (2,), {'k': 0.5}] }}", "[1, 'a', None, (2,), {'k': 0.5}]");
    renders("{{ 'h\u00e9llo'[1:3] }}{{ 'abc'[::-1] }}{{ 'abc'[-1] }}{{ [1, 2, 3, 4][::2] }}",
            "\xc3\xa9lcbac[1, 3]");
    renders("{{ messages | map(attribute='') | list | length }}{{ messages[0]['copy get'] is defined }}",
            "4False");
    renders("{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join('+') }}",
            "Hi+Bye");
    renders("{{ 1 < 2 < 3 }} {{ 'a' if x is not defined else 'b' }} {{ 3 is divisibleby 3 }}", "True a True");
    renders("{{ '%s' | replace('%', 1) }}{{ 'a b  c'.split() | length }}{{ 'x=1=2'.split('=', 1)[1] }}",
            "1s31=2");
}

static void test_statements(void **state) {
    (void)state;
    renders("{% for m in messages if m.role == 'user' %}{{ loop.index0 }}{{ m.content }}{% if not loop.last "
            "%},{% endif "
            "%}{% endfor %}",
            "0Hi,1Bye");
    renders("{% set n = namespace(i=0) %}{% for m in messages %}{% set n.i = n.i + 1 %}{% endfor %}{{ n.i }}",
            "4");
    renders("{% set i = 0 %}{% for m in messages %}{% set i = i + 1 %}{% endfor %}{{ i }}", "0");
    renders("{% if add_generation_prompt and messages %}A{% elif true %}B{% else %}C{% endif %}", "A");
    renders("{% for m in [] %}x{% else %}none{% endfor %}", "none");
    renders("{% macro m(a, b='z') -%} {{ a }}{{ b }} {%- endmacro %}{{ m('x') }}{{ m(b='y', a='w') }}",
            "xzwy");
    renders("{% for m in messages %}{% if loop.index == 3 %}{% break %}{% endif %}{% if loop.first %}"
            "{% continue %}{% endif %}{{ m.content }}{% endfor %}",
            "Hi");
    renders("{% set x | upper %}a{{ 'b' }}{% endset %}{{ x }}{% filter trim %}  q {% endfilter %}", "ABq");
    renders("{% set a, b = 1, 2 %}{% with c = a + b %}{{ c }}{% endwith %}{{ c }}", "3");
    renders("{% for k, v in {'p': 1, 'q': 2}.items() %}{{ k }}{{ v }}{% endfor %}", "p1q2");
    renders("{% raw %}{{ x }}{% endraw %}", "{{ x }}");
    renders("{# a comment #}{%- generation %}g{% endgeneration -%}  ", "g");
}

/* trim_blocks, lstrip_blocks, and the minus signs. */
static void test_white_space(void **state) {
    (void)state;
    renders("a\n  {% if true %}\n  b\n  {% endif %}\nc\n", "a\n  b\nc");
    renders("a\n  {{- 'x' -}}  \n b", "axb");
    renders("a {% if true %} b {% endif %} c", "a  b  c");
    renders("a\n {#- c #}\nb", "ab");
    renders("{{ 'x' }}\ny\n\n", "x\ny\n");
}

static void test_refusals(void **state) {
    (void)state;
    refuses("{{ raise_exception('No system here') }}", "the template refuses these messages: No system here");
    refuses("a\nb {% call x() %}{% endcall %}", "line 2: the statement \"call\" is not supported");
    refuses("{{ messages | map(attribute='role') }}", "printing a generator is not supported");
    refuses("{{ messages | batch(2) }}", "the filter \"batch\" on a list is not supported");
    refuses("{{ messages.append(1) }}", "changing a list with \"append\" is not allowed");
    refuses("{{ messages.pop }}", "changing a list with \"pop\" is not allowed");
    refuses("{{ ''.__class__ }}", "\"__class__\" is not allowed");
    refuses("{{ nothing.at.all }}", "\"nothing\" is undefined, so it has no \"at\"");
    refuses("{{ strftime_now('%d') }}", "prints today's date");
    refuses("{% if true %}x", "expected \"endif\" before the end of the template");
    refuses("{{ 'x }}", "a string has no closing quote");
    refuses("{{ 1 / 0 }}", "a division by zero");
    refuses("{{ 'a' + 1 }}", "a string + a number is not supported");
    refuses("{% break %}", "\"break\" stands outside of a loop");
    refuses("{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}", "is nested too deeply");
    refuses(
        "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(100) %}{% set n.s = n.s + n.s %}{% endfor %}",
        "more than");
    refuses("{{ 'a' * 10000000000 }}", "a repetition is too long");
    refuses("{% for i in range(1000) %}{{ 'a' * 1000000 }}{% endfor %}", "more than");
    refuses("{% set n = namespace(l=[1]) %}{% for i in range(1000) %}{% set n.l = n.l + n.l %}{% endfor %}",
            "more than");
    refuses("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "needs more than");
    refuses("{% set r = range(100000) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}",
            "runs for too long");
    char *text;
    assert_int_equal(
        render("{{ strftime_now('%d %b %Y') }}|{{ date_string }}|{{ strftime_now('%Y-%m-%d, %B') }}", 1,
               false, "1 May 2025", &text),
        PBT_OK);
    assert_string_equal(text, "1 May 2025|1 May 2025|2025-05-01, May");
    free(text);
    /* Nesting is bounded. */
    char deep[2000];
    memset(deep, '(', sizeof deep - 1);
    memcpy(deep, "{{", 2);
    deep[sizeof deep - 1] = 0;
    refuses(deep, "nested too deeply");
}

static void test_ids(void **state) {
    (void)state;
    pbt_tokenizer *tokenizer;
    pbt_chat_template *chat;
    pbt_ids prompt = {0}, completion = {0}, alone = {0};
    const char *folder = "tests/data/golden/train/model";
    assert_int_equal(pbt_tokenizer_open(folder, &tokenizer, &problem), PBT_OK);
    assert_int_equal(pbt_chat_template_open(folder, tokenizer, NULL, &chat, &problem), PBT_OK);
    assert_int_equal(
        pbt_chat_completion_ids(chat, tokenizer, talk + 1, 1, "Hello", &prompt, &completion, &problem),
        PBT_OK);
    assert_int_equal(pbt_chat_prompt_ids(chat, tokenizer, talk + 1, 1, &alone, &problem), PBT_OK);
    assert_int_equal(alone.count, prompt.count);
    assert_memory_equal(alone.items, prompt.items, prompt.count * sizeof *prompt.items);
    /* Ends with the end of the turn; the template's newline behind it is left out. */
    assert_int_equal(completion.items[completion.count - 1], pbt_tokenizer_id(tokenizer, "<|im_end|>"));
    pbt_text text = {0};
    assert_int_equal(
        pbt_tokenizer_decode(tokenizer, completion.items, completion.count, true, &text, &problem), PBT_OK);
    assert_string_equal(pbt_text_string(&text), "Hello");
    pbt_text_free(&text);
    free(prompt.items);
    free(completion.items);
    free(alone.items);
    pbt_chat_template_free(chat);
    pbt_tokenizer_free(tokenizer);
}

static void write_in(const char *folder, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(pbt_file_write(path, text, strlen(text), &problem), PBT_OK);
}

/* What a chat with `more` variables becomes, or NULL. */
static char *folder_renders(const char *folder, const pbt_tokenizer *tokenizer, const char *more) {
    pbt_chat_template *chat;
    pbt_text out = {0};
    if (pbt_chat_template_open(folder, tokenizer, NULL, &chat, &problem) != PBT_OK) return NULL;
    json_t *messages = json_pack("[{s:s, s:s}]", "role", "user", "content", "Hi"),
           *variables = json_loads(more, 0, NULL);
    pbt_code code = pbt_chat_render_input(
        chat, &(pbt_chat_input){.messages = messages, .variables = variables}, &out, &problem);
    json_decref(messages);
    json_decref(variables);
    pbt_chat_template_free(chat);
    if (code == PBT_OK) return pbt_text_take(&out);
    pbt_text_free(&out);
    return NULL;
}

/* Named templates: in a list of tokenizer_config.json, or as files, which then are all there is. */
static void test_named(void **state) {
    (void)state;
    pbt_tokenizer *tokenizer;
    char folder[] = "/tmp/pbt-chat-XXXXXX", path[256], *text;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(pbt_tokenizer_open("tests/data/golden/train/model", &tokenizer, &problem), PBT_OK);
    write_in(folder, "tokenizer_config.json",
             "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"listed tools\"},"
             " {\"name\": \"default\", \"template\": \"listed\"}]}");
    static const char *const tools = "{\"tools\": [{\"name\": \"f\"}]}";
    assert_string_equal(text = folder_renders(folder, tokenizer, "{}"), "listed");
    free(text);
    assert_string_equal(text = folder_renders(folder, tokenizer, tools), "listed tools");
    free(text);
    snprintf(path, sizeof path, "%s/additional_chat_templates", folder);
    assert_int_equal(pbt_folder_make(path, &problem), PBT_OK);
    write_in(folder, "additional_chat_templates/rag.jinja", "rag");
    assert_null(folder_renders(folder, tokenizer, "{}"));
    assert_non_null(strstr(problem.message, "beside additional_chat_templates/rag.jinja; found none"));
    write_in(folder, "chat_template.jinja", "file");
    assert_string_equal(text = folder_renders(folder, tokenizer, tools), "file");
    free(text);
    write_in(folder, "additional_chat_templates/tool_use.jinja", "file {{ tools[0].name }}");
    assert_string_equal(text = folder_renders(folder, tokenizer, tools), "file f");
    free(text);
    assert_string_equal(text = folder_renders(folder, tokenizer, "{\"tools\": null}"), "file");
    free(text);
    /* One that is not understood is told where it is wanted. */
    write_in(folder, "additional_chat_templates/tool_use.jinja", "{% import 'x' as y %}");
    assert_string_equal(text = folder_renders(folder, tokenizer, "{}"), "file");
    free(text);
    assert_null(folder_renders(folder, tokenizer, tools));
    assert_non_null(strstr(problem.message, "import"));
    pbt_tokenizer_free(tokenizer);
    char command[300];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_expressions), cmocka_unit_test(test_statements),
                                       cmocka_unit_test(test_white_space), cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_ids),         cmocka_unit_test(test_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
