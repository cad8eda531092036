#include "cli/help.h"

#include "cli/parse.h"

#include <stdbool.h>
#include <string.h>

/* Lines are as wide as the terminal, within reason; where there is none (a pipe, a file), 80 columns. In a
 * narrow terminal the help of an option stands below its name. */
enum { LEAST_WIDTH = 40, MOST_WIDTH = 100, WIDTH_WITHOUT_TERMINAL = 80, INDENT = 34, NARROW_INDENT = 10 };

typedef struct page {
    pbt_text *out;
    size_t width, indent;
    bool color;
} page;

static page page_of(const pbt_help_style *style, pbt_text *out) {
    size_t width = style->columns ? style->columns : WIDTH_WITHOUT_TERMINAL;
    if (width < LEAST_WIDTH) width = LEAST_WIDTH;
    if (width > MOST_WIDTH) width = MOST_WIDTH;
    return (page){out, width, width < WIDTH_WITHOUT_TERMINAL ? NARROW_INDENT : INDENT, style->color};
}

static void heading(const page *p, const char *text) {
    pbt_text_addf(p->out, "%s%s%s\n", p->color ? "\033[1m" : "", text, p->color ? "\033[0m" : "");
}

/* Words of `text` wrapped, every line after the first indented; a line break in `text` stays. */
static void wrap(const page *p, const char *text, size_t indent, size_t column) {
    while (*text) {
        if (*text == '\n') {
            pbt_text_add(p->out, "\n");
            pbt_text_addf(p->out, "%*s", (int)(text[1] && text[1] != '\n' ? indent : 0), "");
            column = indent;
            text++;
            continue;
        }
        size_t spaces = strspn(text, " "), word = strcspn(text + spaces, " \n");
        if (column + spaces + word > p->width && column > indent) {
            pbt_text_addf(p->out, "\n%*s", (int)indent, "");
            column = indent;
            text += spaces;
            spaces = 0;
        }
        pbt_text_append(p->out, text, spaces + word);
        column += spaces + word;
        text += spaces + word;
    }
    pbt_text_add(p->out, "\n");
}

void pbt_help_option(const pbt_option *o, pbt_text *out) {
    pbt_text_add(out, o->help);
    if (o->choices) pbt_text_addf(out, " (%s)", o->choices);
    if (o->initial && o->initial[0] && !(o->type == PBT_OPTION_FLAG && strcmp(o->initial, "false") == 0))
        pbt_text_addf(out, " [default: %s]", o->initial);
    if (o->type == PBT_OPTION_LIST) pbt_text_add(out, " [may be given several times]");
}

static void describe_option(const page *p, const pbt_option *o) {
    pbt_text left = {0};
    if (o->letter) pbt_text_addf(&left, "  -%c, ", o->letter);
    if (!o->letter) pbt_text_add(&left, "      ");
    pbt_text_addf(&left, "--%s", o->name);
    if (o->type != PBT_OPTION_FLAG) pbt_text_addf(&left, " %s", o->value_name ? o->value_name : "VALUE");
    pbt_text_add(p->out, pbt_text_string(&left));
    if (left.length + 2 > p->indent)
        pbt_text_addf(p->out, "\n%*s", (int)p->indent, "");
    else
        pbt_text_addf(p->out, "%*s", (int)(p->indent - left.length), "");
    pbt_text_free(&left);
    pbt_text help = {0};
    pbt_help_option(o, &help);
    wrap(p, pbt_text_string(&help), p->indent, p->indent);
    pbt_text_free(&help);
}

bool pbt_help_first(const pbt_command *command, size_t index, size_t *same) {
    const pbt_option *options = command->options;
    *same = 0;
    for (size_t i = 0; i < command->n_options; i++) {
        if (strcmp(options[i].help, options[index].help) != 0) continue;
        if (i < index) return false;
        ++*same;
    }
    return true;
}

static void describe_options(const page *p, const pbt_command *command) {
    for (size_t i = 0; i < command->n_options; i++) {
        size_t same;
        if (!pbt_help_first(command, i, &same)) continue;
        if (same == 1) {
            describe_option(p, &command->options[i]);
            continue;
        }
        pbt_text names = {0};
        pbt_text_addf(&names, "      %s:", command->options[i].help);
        for (size_t j = i; j < command->n_options; j++) {
            if (strcmp(command->options[j].help, command->options[i].help) == 0)
                pbt_text_addf(&names, " --%s", command->options[j].name);
        }
        wrap(p, pbt_text_string(&names), 6, 0);
        pbt_text_free(&names);
    }
}

static void global_options(const page *p) {
    heading(p, "Options of every command");
    for (size_t i = 0; i < pbt_n_global_options; i++) describe_option(p, &pbt_global_options[i]);
}

void pbt_help_overview(const pbt_command *const *commands, size_t n, const char *group,
                       const pbt_help_style *style, pbt_text *out) {
    const page p = page_of(style, out);
    if (!group) {
        wrap(&p,
             "pbt " PBT_VERSION
             ": Persuasion-Balanced Training. Teaches language models when to accept and when "
             "to resist persuasion, from debates between two of them.\n",
             0, 0);
        heading(&p, "Usage");
        pbt_text_add(out, "  pbt COMMAND [OPTIONS] [ARGUMENTS]\n  pbt COMMAND --help\n\n");
    }
    heading(&p, group ? "Commands of this group" : "Commands");
    for (size_t i = 0; i < n; i++) {
        if (!commands[i]) continue;
        size_t length = group ? strlen(group) : 0;
        if (group && (strncmp(commands[i]->name, group, length) != 0 || commands[i]->name[length] != ' '))
            continue;
        pbt_text_addf(out, "  %-18s ", commands[i]->name);
        wrap(&p, commands[i]->summary, 21, 21);
    }
    pbt_text_add(out, "\n");
    global_options(&p);
    if (group) return;
    pbt_text_add(out, "\n");
    heading(&p, "A first experiment");
    pbt_text_add(out, "  pbt run pbt:experiments/smoke.yaml --output_dir runs/smoke\n"
                      "  pbt report runs/smoke\n");
}

void pbt_help_command(const pbt_command *command, const pbt_help_style *style, pbt_text *out) {
    const page p = page_of(style, out);
    heading(&p, "Usage");
    pbt_text_addf(out, "  pbt %s %s\n\n", command->name, command->usage ? command->usage : "");
    wrap(&p, command->summary, 0, 0);
    if (command->details) {
        pbt_text_add(out, "\n");
        wrap(&p, command->details, 0, 0);
    }
    pbt_text_add(out, "\n");
    if (command->n_options) {
        heading(&p, "Options");
        describe_options(&p, command);
        pbt_text_add(out, "\n");
    }
    global_options(&p);
}
