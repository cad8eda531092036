#include "experiment/show.h"

#include <stdio.h>
#include <string.h>

/* The last leaf of the deepest turn: the path to it is a whole debate. */
static const pbt_node *deepest(const pbt_tree *tree) {
    const pbt_node *best = NULL;
    for (size_t i = 0; i < tree->n_nodes; i++) {
        if (!best || tree->nodes[i].turn > best->turn) best = &tree->nodes[i];
    }
    return best;
}

/* What was read out of a turn. */
static const char *answer_read(const pbt_node *turn) {
    if (turn->answer) return turn->answer;
    return turn->verdict == PBT_AGREE      ? "agrees"
           : turn->verdict == PBT_DISAGREE ? "disagrees"
                                           : "no answer read";
}

/* How many of the first `most` bytes are whole characters. */
static int whole_characters(const char *text, size_t most) {
    size_t n = strnlen(text, most + 1);
    if (n > most)
        for (n = most; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80; n--) continue;
    return (int)n;
}

bool pbt_show_debate(const pbt_tree *tree, const pbt_monitor *monitor) {
    const pbt_node *path[PBT_MAX_TURNS], *node = deepest(tree);
    size_t n = 0;
    if (!node || node->turn < 3) return false;
    while (node && n < PBT_MAX_TURNS) {
        path[n++] = node;
        node = node->parent >= 0 ? &tree->nodes[node->parent] : NULL;
    }
    pbt_monitor_message(monitor, 1, "%s", "");
    pbt_monitor_message(monitor, 1, "%s  (right: %s)", tree->question->text, tree->question->answers[0]);
    while (n > 0) {
        const pbt_node *turn = path[--n];
        char who[32];
        snprintf(who, sizeof who, "%c %s", 'A' + turn->speaker,
                 turn->role == PBT_STANDARD ? "" : pbt_role_names[turn->role]);
        const char *answer = answer_read(turn);
        pbt_monitor_message(monitor, 1, "  %-12s %s %.*s  [%.*s]", who, turn->correct ? "\u2713" : "\u2717",
                            whole_characters(turn->text, 300), turn->text, whole_characters(answer, 60),
                            answer);
    }
    return true;
}
