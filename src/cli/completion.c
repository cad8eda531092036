/*
 * Completion for bash, zsh and fish. All three read the command as the program does: the first one or two
 * words that name one; then come its own options and those of every command.
 */
#include "cli/parse.h"
#include "cli/print.h"

#include <string.h>

static size_t first_word(const char *name) {
    return strcspn(name, " ");
}

static bool is_group(const char *name) {
    return name[first_word(name)] == ' ';
}

/* Whether the first word of command `i` ("model" of "model inspect") is a group that no earlier command has.
 */
static bool group_begins(const pbt_command_list *commands, size_t i) {
    const char *name = commands->items[i]->name;
    size_t length = first_word(name);
    if (!is_group(name)) return false;
    for (size_t j = 0; j < i; j++) {
        const pbt_command *other = commands->items[j];
        if (strncmp(other->name, name, length + 1) == 0) return false;
    }
    return true;
}

/* What a value is, for offering some: a choice, a number, a folder, or a file (anything else may be one). */
typedef enum value_kind { NO_VALUE, A_CHOICE, A_NUMBER, A_FOLDER, A_FILE } value_kind;

static value_kind kind_of(const pbt_option *o) {
    if (o->type == PBT_OPTION_FLAG) return NO_VALUE;
    if (o->choices) return A_CHOICE;
    if (o->type == PBT_OPTION_INTEGER || o->type == PBT_OPTION_NUMBER) return A_NUMBER;
    return o->value_name && (strcmp(o->value_name, "DIR") == 0 || strcmp(o->value_name, "RUN") == 0)
               ? A_FOLDER
               : A_FILE;
}

/* "a|b|c" as "a b c". */
static void add_choices(pbt_text *out, const char *choices) {
    for (; *choices; choices++) pbt_text_append(out, *choices == '|' ? " " : choices, 1);
}

/* A visitor of every option that a command takes. `command` is "" for those before a command. */
typedef void (*option_visitor)(pbt_text *out, const char *command, const pbt_option *option);

static void each_option(const pbt_command *command, option_visitor visit, pbt_text *out) {
    for (size_t i = 0; command && i < command->n_options; i++)
        visit(out, command->name, &command->options[i]);
    for (size_t i = 0; i < pbt_n_global_options; i++)
        visit(out, command ? command->name : "", &pbt_global_options[i]);
}

/* The words that may follow nothing (group NULL) or the name of a group. */
static void add_words(const pbt_command_list *commands, const char *group, size_t length, pbt_text *out) {
    const char *space = "";
    for (size_t i = 0; i < commands->n; i++) {
        const char *name = commands->items[i]->name;
        if (group && !(strncmp(name, group, length) == 0 && name[length] == ' ')) continue;
        if (!group && is_group(name) && !group_begins(commands, i)) continue;
        if (group)
            pbt_text_addf(out, "%s%s", space, name + length + 1);
        else
            pbt_text_addf(out, "%s%.*s", space, (int)first_word(name), name);
        space = " ";
    }
}

/* Patterns of "what is known so far, the next word" under which the next word belongs to the command's name.
 */
static void add_patterns(const pbt_command_list *commands, const char *separator, pbt_text *out) {
    const char *before = "";
    for (size_t i = 0; i < commands->n; i++) {
        const char *name = commands->items[i]->name;
        if (group_begins(commands, i)) {
            pbt_text_addf(out, "%s\" %.*s\"", before, (int)first_word(name), name);
            before = separator;
        }
        pbt_text_addf(out, is_group(name) ? "%s\"%s\"" : "%s\" %s\"", before, name);
        before = separator;
    }
}

static void bash_name(pbt_text *out, const char *command, const pbt_option *o) {
    (void)command;
    pbt_text_addf(out, " --%s", o->name);
}

static void bash_value(pbt_text *out, const char *command, const pbt_option *o) {
    if (kind_of(o) == NO_VALUE || kind_of(o) == A_FILE) return;
    pbt_text_addf(out, "    \"%s --%s\"", command, o->name);
    if (o->letter) pbt_text_addf(out, " | \"%s -%c\"", command, o->letter);
    if (kind_of(o) == A_NUMBER) {
        pbt_text_add(out, ") compopt +o default; return ;;\n");
    } else if (kind_of(o) == A_FOLDER) {
        pbt_text_add(
            out, ") compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$current\"); return ;;\n");
    } else {
        pbt_text_add(out, ") words=\"");
        add_choices(out, o->choices);
        pbt_text_add(out, "\" ;;\n");
    }
}

static const char bash_begin[] =
    "# Completion for pbt in bash; made by: pbt --print bash\n"
    "_pbt() {\n"
    "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD - 1]}\"\n"
    "  local command=\"\" words=\"\" i\n"
    "  # bash makes a word of the \"=\" of --name=value.\n"
    "  if [[ $current == \"=\" ]]; then\n"
    "    current=\"\"\n"
    "  elif [[ $previous == \"=\" ]]; then\n"
    "    previous=\"${COMP_WORDS[COMP_CWORD - 2]}\"\n"
    "  fi\n"
    "  # --lora-r is --lora_r.\n"
    "  [[ $previous == --* ]] && previous=\"${previous//-/_}\" && previous=\"--${previous#__}\"\n"
    "  [[ $current == --* ]] && current=\"${current//-/_}\" && current=\"--${current#__}\"\n"
    "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "    case \"$command ${COMP_WORDS[i]}\" in\n"
    "    ";

static void bash_options(pbt_text *out, const pbt_command *command) {
    pbt_text_add(out, " [[ $current == -* ]] && words=\"");
    each_option(command, bash_name, out);
    pbt_text_add(out, "\" ;;\n");
}

void pbt_print_bash(const pbt_command_list *commands, pbt_text *out) {
    pbt_text_add(out, bash_begin);
    add_patterns(commands, " | ", out);
    pbt_text_add(out, ") command=\"${command:+$command }${COMP_WORDS[i]}\" ;;\n    esac\n  done\n"
                      "  case \"$command\" in\n"
                      "  \"\") words=\"");
    add_words(commands, NULL, 0, out);
    pbt_text_add(out, "\";");
    bash_options(out, NULL);
    for (size_t i = 0; i < commands->n; i++) {
        const pbt_command *c = commands->items[i];
        if (group_begins(commands, i)) {
            pbt_text_addf(out, "  \"%.*s\") words=\"", (int)first_word(c->name), c->name);
            add_words(commands, c->name, first_word(c->name), out);
            pbt_text_add(out, "\" ;;\n");
        }
        pbt_text_addf(out, "  \"%s\")", c->name);
        bash_options(out, c);
    }
    pbt_text_add(out, "  esac\n  case \"$command $previous\" in\n");
    each_option(NULL, bash_value, out);
    for (size_t i = 0; i < commands->n; i++) each_option(commands->items[i], bash_value, out);
    pbt_text_add(out, "  esac\n"
                      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
                      "}\n"
                      "complete -o default -F _pbt pbt\n");
}

/* Inside '...' of a shell. */
static void add_quoted(pbt_text *out, const char *text, const char *special, const char *quote) {
    for (; *text; text++) {
        if (strchr(special, *text)) pbt_text_add(out, "\\");
        if (*text == '\'')
            pbt_text_add(out, quote);
        else
            pbt_text_append(out, *text == '\n' ? " " : text, 1);
    }
}

/* '(-o --output_dir)'{-o,--output_dir}'[help]:RUN:_files -/' */
static void zsh_option(pbt_text *out, const char *command, const pbt_option *o) {
    (void)command;
    const char *equals = o->type == PBT_OPTION_FLAG ? "" : "=";
    pbt_text_add(out, " \\\n      ");
    if (o->letter && o->type != PBT_OPTION_LIST) pbt_text_addf(out, "'(-%c --%s)'", o->letter, o->name);
    if (o->type == PBT_OPTION_LIST) pbt_text_add(out, "'*'");
    if (o->letter)
        pbt_text_addf(out, "{-%c,--%s%s}", o->letter, o->name, equals);
    else
        pbt_text_addf(out, "--%s%s", o->name, equals);
    pbt_text_add(out, "'[");
    add_quoted(out, o->help, "[]:\\", "'\\''");
    pbt_text_add(out, "]");
    if (o->type != PBT_OPTION_FLAG) {
        pbt_text_add(out, ":");
        add_quoted(out, o->value_name ? o->value_name : "VALUE", "[]:\\", "'\\''");
        pbt_text_add(out, ":");
    }
    if (kind_of(o) == A_CHOICE) {
        pbt_text_add(out, "(");
        add_choices(out, o->choices);
        pbt_text_add(out, ")");
    }
    if (kind_of(o) == A_FOLDER) pbt_text_add(out, "_files -/");
    if (kind_of(o) == A_FILE) pbt_text_add(out, "_files");
    pbt_text_add(out, "'");
}

/* The words of a level and what each is for: NULL, or the commands of a group. */
static void zsh_words(const pbt_command_list *commands, const char *group, pbt_text *out) {
    size_t length = group ? first_word(group) : 0;
    pbt_text_add(out, "    words_of_pbt=(");
    for (size_t i = 0; i < commands->n; i++) {
        const pbt_command *c = commands->items[i];
        bool begins = group_begins(commands, i);
        if (group ? strncmp(c->name, group, length) != 0 || c->name[length] != ' '
                  : is_group(c->name) && !begins)
            continue;
        if (begins && !group) {
            pbt_text_addf(out, "\n      '%.*s:commands of this group'", (int)first_word(c->name), c->name);
            continue;
        }
        pbt_text_addf(out, "\n      '%s:", group ? c->name + length + 1 : c->name);
        add_quoted(out, c->summary, "\\", "'\\''");
        pbt_text_add(out, "'");
    }
    pbt_text_add(out, ")\n    _describe command words_of_pbt\n");
}

static const char zsh_begin[] = "#compdef pbt\n"
                                "# Completion for pbt in zsh; made by: pbt --print zsh\n"
                                "_pbt() {\n"
                                "  local command='' i\n"
                                "  local -a words_of_pbt\n"
                                "  for ((i = 2; i < CURRENT; i++)); do\n"
                                "    case \"$command ${words[i]}\" in\n"
                                "    ";

void pbt_print_zsh(const pbt_command_list *commands, pbt_text *out) {
    pbt_text_add(out, zsh_begin);
    add_patterns(commands, " | ", out);
    pbt_text_add(out, ") command=\"${command:+$command }${words[i]}\" ;;\n"
                      "    esac\n  done\n"
                      "  case \"$command\" in\n"
                      "  \"\")\n"
                      "    if [[ ${words[CURRENT]} == -* ]]; then\n"
                      "      _arguments -S '*:: :_files'");
    each_option(NULL, zsh_option, out);
    pbt_text_add(out, "\n      return\n    fi\n");
    zsh_words(commands, NULL, out);
    pbt_text_add(out, "    ;;\n");
    for (size_t i = 0; i < commands->n; i++) {
        const pbt_command *c = commands->items[i];
        if (group_begins(commands, i)) {
            pbt_text_addf(out, "  \"%.*s\")\n", (int)first_word(c->name), c->name);
            zsh_words(commands, c->name, out);
            pbt_text_add(out, "    ;;\n");
        }
        pbt_text_addf(out, "  \"%s\")\n    _arguments '*:file:_files'", c->name);
        each_option(c, zsh_option, out);
        pbt_text_add(out, "\n    ;;\n");
    }
    pbt_text_add(out, "  esac\n}\n_pbt \"$@\"\n");
}

static void fish_word(pbt_text *out, const char *before, const char *word, size_t length,
                      const char *summary) {
    pbt_text_addf(out, "complete -c pbt -n '__pbt_is \"%s\"' -f -a %.*s -d '", before, (int)length, word);
    add_quoted(out, summary, "\\", "\\'");
    pbt_text_add(out, "'\n");
}

static void fish_option(pbt_text *out, const char *command, const pbt_option *o) {
    pbt_text_addf(out, "complete -c pbt -n '__pbt_is \"%s\"' -l %s", command, o->name);
    if (o->letter) pbt_text_addf(out, " -s %c", o->letter);
    if (kind_of(o) == A_NUMBER) pbt_text_add(out, " -x");
    if (kind_of(o) == A_FILE) pbt_text_add(out, " -r -F");
    if (kind_of(o) == A_FOLDER) pbt_text_add(out, " -x -a '(__fish_complete_directories)'");
    if (kind_of(o) == A_CHOICE) {
        pbt_text_add(out, " -x -a '");
        add_choices(out, o->choices);
        pbt_text_add(out, "'");
    }
    pbt_text_add(out, " -d '");
    add_quoted(out, o->help, "\\", "\\'");
    pbt_text_add(out, "'\n");
}

static const char fish_begin[] = "# Completion for pbt in fish; made by: pbt --print fish\n"
                                 "function __pbt_is\n"
                                 "    set -l command ''\n"
                                 "    set -l typed (commandline -opc)\n"
                                 "    for word in $typed[2..-1]\n"
                                 "        switch \"$command $word\"\n"
                                 "            case ";

void pbt_print_fish(const pbt_command_list *commands, pbt_text *out) {
    pbt_text_add(out, fish_begin);
    add_patterns(commands, " ", out);
    pbt_text_add(out, "\n                set command (string trim -- \"$command $word\")\n"
                      "        end\n    end\n"
                      "    test \"$command\" = \"$argv[1]\"\n"
                      "end\n");
    for (size_t i = 0; i < commands->n; i++) {
        const pbt_command *c = commands->items[i];
        size_t length = first_word(c->name);
        if (group_begins(commands, i)) fish_word(out, "", c->name, length, "commands of this group");
        if (!is_group(c->name)) {
            fish_word(out, "", c->name, length, c->summary);
            continue;
        }
        char group[64] = "";
        memcpy(group, c->name, length < sizeof group ? length : sizeof group - 1);
        fish_word(out, group, c->name + length + 1, strlen(c->name) - length - 1, c->summary);
    }
    each_option(NULL, fish_option, out);
    for (size_t i = 0; i < commands->n; i++) each_option(commands->items[i], fish_option, out);
}
