/* The manual page, in the man(7) macros that man-db, groff and mandoc know. */
#include "cli/help.h"
#include "cli/parse.h"
#include "cli/print.h"

#include <string.h>

/* Text of one line: backslashes and hyphens as characters, and no leading dot or quote taken for a request.
 */
static void put(pbt_text *out, const char *text, size_t length) {
    if (length && (text[0] == '.' || text[0] == '\'')) pbt_text_add(out, "\\&");
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\\')
            pbt_text_add(out, "\\e");
        else if (text[i] == '-')
            pbt_text_add(out, "\\-");
        else
            pbt_text_append(out, text + i, 1);
    }
}

static void put_string(pbt_text *out, const char *text) {
    put(out, text, strlen(text));
}

/* Paragraphs as the help has them: an empty line parts them, indented lines are examples, other line breaks
 * stay. */
static void put_paragraphs(pbt_text *out, const char *text) {
    bool example = false, text_before = false;
    while (*text) {
        size_t length = strcspn(text, "\n");
        bool indented = text[0] == ' ';
        if (indented != example) {
            pbt_text_add(out, example ? ".EE\n.RE\n" : ".RS 4\n.EX\n");
            text_before = false;
        }
        example = indented;
        if (length == 0) {
            pbt_text_add(out, ".PP\n");
            text_before = false;
        } else {
            if (text_before && !indented) pbt_text_add(out, ".br\n");
            size_t spaces = strspn(text, " ");
            put(out, text + spaces, length - spaces);
            pbt_text_add(out, "\n");
            text_before = true;
        }
        text += length + (text[length] == '\n');
    }
    if (example) pbt_text_add(out, ".EE\n.RE\n");
}

static void put_name(pbt_text *out, const pbt_option *o) {
    if (o->letter) pbt_text_addf(out, "\\fB\\-%c\\fR, ", o->letter);
    pbt_text_add(out, "\\fB\\-\\-");
    put_string(out, o->name);
    pbt_text_add(out, "\\fR");
    if (o->type == PBT_OPTION_FLAG) return;
    pbt_text_add(out, " \\fI");
    put_string(out, o->value_name ? o->value_name : "VALUE");
    pbt_text_add(out, "\\fR");
}

static void put_option(pbt_text *out, const pbt_option *o) {
    pbt_text_add(out, ".TP\n");
    put_name(out, o);
    pbt_text_add(out, "\n");
    pbt_text help = {0};
    pbt_help_option(o, &help);
    put_paragraphs(out, pbt_text_string(&help));
    pbt_text_free(&help);
}

static void put_command(pbt_text *out, const pbt_command *c) {
    pbt_text_add(out, ".SS \"pbt ");
    put_string(out, c->name);
    pbt_text_add(out, "\"\n\\fBpbt ");
    put_string(out, c->name);
    pbt_text_add(out, "\\fR ");
    put_string(out, c->usage ? c->usage : "");
    pbt_text_add(out, "\n.PP\n");
    put_string(out, c->summary);
    pbt_text_add(out, ".\n.PP\n");
    if (c->details) put_paragraphs(out, c->details);
    for (size_t i = 0; i < c->n_options; i++) {
        size_t same;
        if (!pbt_help_first(c, i, &same)) continue;
        if (same == 1) {
            put_option(out, &c->options[i]);
            continue;
        }
        pbt_text_add(out, ".TP\n");
        for (size_t j = i, n = 0; j < c->n_options; j++) {
            if (strcmp(c->options[j].help, c->options[i].help) != 0) continue;
            if (n++) pbt_text_add(out, ", ");
            put_name(out, &c->options[j]);
        }
        pbt_text_add(out, "\n");
        put_string(out, c->options[i].help);
        pbt_text_add(out, "\n");
    }
}

static const char begin[] =
    ".TH PBT 1 \"\" \"pbt " PBT_VERSION "\" \"User Commands\"\n"
    ".SH NAME\n"
    "pbt \\- teach language models when to accept and when to resist persuasion\n"
    ".SH SYNOPSIS\n"
    ".B pbt\n.I COMMAND\n[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n.br\n"
    ".B pbt\n.I COMMAND\n.B \\-\\-help\n"
    ".SH DESCRIPTION\n"
    "Persuasion\\-Balanced Training: two models debate questions in trees of dialogues, the trees are "
    "scored,\n"
    "sibling turns become preference pairs, half of them for resisting and half for accepting, and a model "
    "is\n"
    "trained on them and tested beside its base and its one\\-sided siblings. Each step is also a command of "
    "its\n"
    "own.\n.PP\n"
    "Results go to standard output, everything else to standard error. Options may be written \\-\\-lora_r "
    "16,\n"
    "\\-\\-lora\\-r 16 or \\-\\-lora\\-r=16; \\-\\-no_NAME switches off what is on or off. A file written\n"
    "\\fBpbt:\\fIPATH\\fR is one that comes with the program (pbt:experiments/smoke.yaml).\n";

static const char end[] =
    ".SH EXIT STATUS\n"
    ".TP\n0\ndone\n"
    ".TP\n1\nfailed: the machine or the program could not do it\n"
    ".TP\n2\nwrong usage: the command line makes no sense\n"
    ".TP\n3\nbad input: a file, a model or an experiment is not what it must be\n"
    ".TP\n130\ninterrupted; the message says what is saved and how to continue\n"
    ".SH ENVIRONMENT\n"
    ".TP\n.B PBT_DATA\nfolder of the prompts, experiments and pocket models that come with the program, when "
    "they do\n"
    "not lie beside it (../share/pbt)\n"
    ".TP\n.B OMP_NUM_THREADS\nthreads to compute with, when \\-\\-threads is not given\n"
    ".TP\n.B HF_HUB_CACHE\\fR, \\fBHF_HOME\nwhere models named by their Hugging Face id are found\n"
    ".TP\n.B XDG_CACHE_HOME\nwhere reference log\\-probabilities of training data are kept (pbt/ in it)\n"
    ".TP\n.B NO_COLOR\nno colors\n";

void pbt_print_manual(const pbt_command_list *commands, pbt_text *out) {
    pbt_text_add(out, begin);
    pbt_text_add(out, ".SH COMMANDS\n");
    for (size_t i = 0; i < commands->n; i++) put_command(out, commands->items[i]);
    pbt_text_add(out, ".SH OPTIONS OF EVERY COMMAND\n");
    for (size_t i = 0; i < pbt_n_global_options; i++) put_option(out, &pbt_global_options[i]);
    pbt_text_add(out, end);
}
