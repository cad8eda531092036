/*
 * Reads debate trees (docs/FORMATS.md, "Trees"), one a line, and prints every preference pair that they hold:
 * what it teaches, the turn that is preferred, and the one that is not. C++17.
 *
 *     pairs TREES.jsonl
 */
#include <pbt/pbt.h>

#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

/* The library says what went wrong in a pbt_error; here it becomes an exception. */
class Failure : public std::runtime_error {
  public:
    explicit Failure(const pbt_error &error) : std::runtime_error(error.message), code(error.code) {}
    const pbt_code code;
};

void check(pbt_code code, pbt_error &error) {
    if (code == PBT_OK) return;
    error.code = code;
    throw Failure(error);
}

struct Delete {
    void operator()(pbt_lines *lines) const { pbt_lines_close(lines); }
    void operator()(json_t *value) const { json_decref(value); }
    void operator()(pbt_tree *tree) const {
        pbt_tree_free(tree);
        delete tree;
    }
    void operator()(pbt_questions *questions) const {
        pbt_questions_free(questions);
        delete questions;
    }
    void operator()(pbt_pair_list *pairs) const {
        pbt_pair_list_free(pairs);
        delete pairs;
    }
};
template <typename T> using Owned = std::unique_ptr<T, Delete>;

const char *or_none(const char *text) {
    return text ? text : "(none)";
}

/* One tree at a time: the two turns of a pair are always siblings. */
size_t print_pairs(const json_t *value, const char *file, const std::string &where, pbt_error &error) {
    Owned<pbt_questions> questions(new pbt_questions{});
    Owned<pbt_tree> tree(new pbt_tree{});
    check(pbt_tree_from_json(value, file, where.c_str(), questions.get(), tree.get(), &error), error);
    Owned<pbt_pair_list> pairs(new pbt_pair_list{});
    const pbt_pair_rules rules = pbt_pair_rules_default();
    check(pbt_pairs_collect(tree.get(), 1, &rules, pairs.get(), nullptr, &error), error);
    for (size_t i = 0; i < pairs->count; i++) {
        const pbt_pair &pair = pairs->items[i];
        const pbt_node &chosen = tree->nodes[pair.chosen], &rejected = tree->nodes[pair.rejected];
        std::cout << (pair.kind == PBT_RESIST ? "resist" : "accept") << ": " << tree->question->text
                  << "\n  + " << or_none(chosen.answer) << " (score " << chosen.score << "): " << chosen.text
                  << "\n  - " << or_none(rejected.answer) << " (score " << rejected.score
                  << "): " << rejected.text << "\n";
    }
    return pairs->count;
}

size_t read_trees(const char *file) {
    pbt_error error{};
    pbt_lines *opened = nullptr;
    check(pbt_lines_open(file, &opened, &error), error);
    const Owned<pbt_lines> lines(opened);
    size_t found = 0;
    for (;;) {
        char *line = nullptr;
        size_t length = 0, number = 0;
        check(pbt_lines_next(lines.get(), &line, &length, &number, &error), error);
        if (!line) return found;
        const std::string where = "line " + std::to_string(number);
        json_t *parsed = nullptr;
        check(pbt_json_parse(line, length, file, where.c_str(), &parsed, &error), error);
        found += print_pairs(Owned<json_t>(parsed).get(), file, where, error);
    }
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 2) {
        std::cerr << "usage: pairs TREES.jsonl\n";
        return PBT_USAGE;
    }
    try {
        std::cout << read_trees(argv[1]) << " pairs\n";
        return PBT_OK;
    } catch (const Failure &failure) {
        std::cerr << "pairs: " << failure.what() << "\n";
        return failure.code;
    }
}
