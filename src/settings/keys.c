#include "settings/keys.h"

#include "settings/products.h"

#include <stddef.h>

#define AT(field) offsetof(pbt_experiment, field)
#define DTYPES    "auto|float32|float16|bfloat16|nf4|fp4|int8"
#define SCHEDULES "linear|cosine|constant|constant_with_warmup"
#define LOSSES    "sigmoid|ipo|hinge|robust|apo_zero|apo_down|sigmoid_norm|sft"
#define BIG       1e9

/* What a key is the first to affect. */
#define BIT(product) PBT_PRODUCT_BIT(PBT_##product)
#define NOTHING      0
#define TREES        (BIT(TRAIN_TREES) | BIT(DEV_TREES) | BIT(TEST_TREES))
#define EVALUATIONS                                                                                          \
    (BIT(BALANCED_ITEMS) | BIT(FLIPFLOP_ITEMS) | BIT(TEAM_ITEMS) | BIT(FARM_ITEMS) | BIT(FLIP_ITEMS))
#define EVERYTHING (TREES | EVALUATIONS) /* pairs and training are made of trees */
#define TESTS      (BIT(TEST_TREES) | BIT(FLIPFLOP_ITEMS) | BIT(TEAM_ITEMS))
#define QUESTIONS  (TREES | TESTS)
#define REPLIES    (BIT(DPO_ADAPTERS) | BIT(BALANCED_ITEMS)) /* to dev and test cases */

/* what it affects, name, type, field, default, choices, least, most, required, free, help */
#define STRING(affects, n, f, initial, choices, help)                                                        \
    { affects, n, KEY_STRING, AT(f), initial, choices, 0, 0, false, false, help }
#define INTEGER(affects, n, f, initial, least, help)                                                         \
    { affects, n, KEY_INT32, AT(f), initial, NULL, least, BIG, false, false, help }
#define NUMBER(affects, n, f, initial, least, most, help)                                                    \
    { affects, n, KEY_NUMBER, AT(f), initial, NULL, least, most, false, false, help }
#define BOOL(affects, n, f, initial, help)                                                                   \
    { affects, n, KEY_BOOL, AT(f), initial, NULL, 0, 0, false, false, help }
#define FREE(n, f, initial, least, help)                                                                     \
    { NOTHING, n, KEY_INT32, AT(f), initial, NULL, least, BIG, false, true, help }

/* transformers' TrainingArguments, for both stages of training. */
#define TRAINING(affects, s, rate, steps, epochs, batch, schedule, warmup)                                   \
    NUMBER(affects, #s ".learning_rate", s.learning_rate, rate, 0, 10, "peak learning rate"),                \
        {affects,                                                                                            \
         #s ".max_steps",                                                                                    \
         KEY_INT64,                                                                                          \
         AT(s.max_steps),                                                                                    \
         steps,                                                                                              \
         NULL,                                                                                               \
         -1,                                                                                                 \
         BIG,                                                                                                \
         false,                                                                                              \
         false,                                                                                              \
         "optimizer steps; -1: as num_train_epochs says"},                                                   \
        NUMBER(affects, #s ".num_train_epochs", s.num_train_epochs, epochs, 0, 1e6,                          \
               "passes over the pairs"),                                                                     \
        INTEGER(affects, #s ".per_device_train_batch_size", s.per_device_train_batch_size, batch, 1,         \
                "examples per micro-batch"),                                                                 \
        INTEGER(affects, #s ".gradient_accumulation_steps", s.gradient_accumulation_steps, "1", 1,           \
                "micro-batches per optimizer step"),                                                         \
        {affects,                                                                                            \
         #s ".lr_scheduler_type",                                                                            \
         KEY_CHOICE,                                                                                         \
         AT(s.lr_scheduler_type),                                                                            \
         schedule,                                                                                           \
         SCHEDULES,                                                                                          \
         0,                                                                                                  \
         0,                                                                                                  \
         false,                                                                                              \
         false,                                                                                              \
         "learning-rate schedule"},                                                                          \
        NUMBER(affects, #s ".warmup_steps", s.warmup_steps, warmup, 0, BIG,                                  \
               "steps over which the rate rises; below 1: share of all steps"),                              \
        NUMBER(affects, #s ".min_lr_ratio", s.min_lr_ratio, "0", 0, 1,                                       \
               "floor of linear and cosine, as a share of learning_rate"),                                   \
        NUMBER(affects, #s ".weight_decay", s.weight_decay, "0", 0, 10, "AdamW's weight decay"),             \
        NUMBER(affects, #s ".max_grad_norm", s.max_grad_norm, "1", 0, BIG,                                   \
               "gradients are clipped to this norm"),                                                        \
        {affects,                                                                                            \
         #s ".logging_steps",                                                                                \
         KEY_INT64,                                                                                          \
         AT(s.logging_steps),                                                                                \
         "1",                                                                                                \
         NULL,                                                                                               \
         1,                                                                                                  \
         BIG,                                                                                                \
         false,                                                                                              \
         false,                                                                                              \
         "steps between lines of metrics.jsonl"},                                                            \
    {                                                                                                        \
        NOTHING, #s ".save_steps", KEY_INT64, AT(s.save_steps), "10", NULL, 0, BIG, false, true,             \
            "steps between checkpoints that an interrupted run continues from"                               \
    }

const setting_key pbt_setting_keys[] = {
    STRING(NOTHING, "name", name, "experiment", NULL, "name of the experiment, as the report prints it"),
    {NOTHING, "seeds", KEY_SEEDS, AT(seeds), "[1]", NULL, 0, 0, false, false,
     "the whole experiment is run once per seed; tables give mean and standard deviation"},
    {EVERYTHING, "agents.a.model", KEY_MODEL, AT(agents[0].model), NULL, NULL, 0, 0, true, false,
     "model folder, or id on the Hugging Face Hub, of agent A"},
    STRING(EVERYTHING, "agents.a.dtype", agents[0].dtype, "float32", DTYPES,
           "data type of A's weights in memory"),
    BOOL(EVERYTHING, "agents.a.use_bnb_nested_quant", agents[0].nested, "false",
         "nf4, fp4: the scales of the blocks are quantised too"),
    {EVERYTHING, "agents.b.model", KEY_MODEL, AT(agents[1].model), NULL, NULL, 0, 0, true, false,
     "model folder, or id on the Hugging Face Hub, of agent B"},
    STRING(EVERYTHING, "agents.b.dtype", agents[1].dtype, "float32", DTYPES,
           "data type of B's weights in memory"),
    BOOL(EVERYTHING, "agents.b.use_bnb_nested_quant", agents[1].nested, "false",
         "nf4, fp4: the scales of the blocks are quantised too"),
    {EVERYTHING, "agents.extractor", KEY_MODEL, AT(extractor), "b", NULL, 0, 0, false, false,
     "model that extracts the answers from turns: a, b (without adapters), or a model folder"},
    {BIT(PAIRS_MADE), "agents.filter", KEY_MODEL, AT(filter), "none", NULL, 0, 0, false, false,
     "model that judges whether two answers differ in substance: none, a, b, or a model folder"},
    STRING(BIT(PAIRS_MADE) | EVALUATIONS, "train_agent", train_agent, "a", "a|b",
           "which agent is trained and tested"),
    {EVERYTHING, "prompts", KEY_PATH, AT(prompts), NULL, NULL, 0, 0, true, false, "folder of a prompt set"},
    STRING(EVERYTHING, "date_string", date_string, NULL, NULL, "the date templates print, e.g. 26 Jul 2024"),

    {QUESTIONS, "questions.file", KEY_PATH, AT(questions.file), NULL, NULL, 0, 0, false, false,
     "one file with all questions (instead of train, dev, test)"},
    {BIT(TRAIN_TREES), "questions.train", KEY_PATH, AT(questions.part_file[0]), NULL, NULL, 0, 0, false,
     false, "train questions"},
    {BIT(DEV_TREES), "questions.dev", KEY_PATH, AT(questions.part_file[1]), NULL, NULL, 0, 0, false, false,
     "questions that settings and checkpoints are chosen on"},
    {TESTS, "questions.test", KEY_PATH, AT(questions.part_file[2]), NULL, NULL, 0, 0, false, false,
     "held-out questions, only for the final evaluation"},
    {NOTHING, "questions.obtain", KEY_STRING, AT(questions.obtain), NULL, NULL, 0, 0, false, true,
     "how to get the question files; shown when one is missing"},
    STRING(QUESTIONS, "questions.split", questions.split, "auto", "auto|field|seeded",
           "how questions.file is split: by its field \"split\", or at random by shares and seed; auto: the "
           "field if present"),
    {QUESTIONS, "questions.shares", KEY_NUMBERS, AT(questions.shares), "[0.70, 0.15, 0.15]", NULL, 0, 1,
     false, false, "shares of train, dev, test in a seeded split"},
    {QUESTIONS, "questions.split_seed", KEY_INT64, AT(questions.split_seed), "0", NULL, 0, BIG, false, false,
     "seed of the split; the same for all seeds of the run"},
    INTEGER(BIT(TRAIN_TREES), "questions.max_train", questions.max_per_part[0], "0", 0,
            "use at most this many (0: all)"),
    INTEGER(BIT(DEV_TREES), "questions.max_dev", questions.max_per_part[1], "0", 0,
            "use at most this many (0: all)"),
    INTEGER(TESTS, "questions.max_test", questions.max_per_part[2], "0", 0, "use at most this many (0: all)"),

    {TREES, "trees.turns", KEY_TURNS, AT(trees.plan),
     "[[standard], [resistant, acceptant], [logical, emotional, "
     "credible], [resistant, acceptant]]",
     NULL, 0, 0, false, false,
     "roles of every turn; one response for each; turns alternate between the agents"},
    INTEGER(BIT(TRAIN_TREES), "trees.a_first", trees.repetitions[0], "1", 0,
            "trees per question in which A speaks first"),
    INTEGER(BIT(TRAIN_TREES), "trees.b_first", trees.repetitions[1], "1", 0,
            "trees per question in which B speaks first"),
    NUMBER(TREES, "trees.temperature", trees.plan.sampling.temperature, "0.7", 0, 100,
           "sampling temperature"),
    NUMBER(TREES, "trees.top_p", trees.plan.sampling.top_p, "1", 0, 1, "nucleus sampling (1: off)"),
    INTEGER(TREES, "trees.top_k", trees.plan.sampling.top_k, "0", 0, "only the k likeliest tokens (0: off)"),
    INTEGER(TREES, "trees.min_new_tokens", trees.plan.sampling.min_new_tokens, "8", 0,
            "fewest tokens of a turn"),
    INTEGER(TREES, "trees.max_new_tokens", trees.plan.sampling.max_new_tokens, "80", 1,
            "most tokens of a turn"),
    BOOL(EVERYTHING, "trees.trim_unfinished", trees.plan.trim_unfinished, "true",
         "cut an unfinished last sentence"),
    INTEGER(EVERYTHING, "trees.max_answer_tokens", trees.plan.max_answer_tokens, "15", 1,
            "most tokens of an extracted answer"),
    FREE("trees.chunk", tree_chunk, "128", 1, "most trees that grow at the same time"),

    NUMBER(BIT(PAIRS_MADE), "pairs.min_relative_margin", pairs.min_relative_margin, "0.25", 0, 1,
           "(chosen - rejected) / chosen must be at least this"),
    BOOL(BIT(PAIRS_MADE), "pairs.unequal_children", pairs.unequal_children, "true",
         "compare siblings with different numbers of children"),
    BOOL(BIT(PAIRS_MADE), "pairs.require_disagreement", pairs.require_disagreement, "true",
         "where both responses carry a verdict, one must agree and the other disagree"),
    BOOL(BIT(PAIRS_MADE), "pairs.drop_duplicates", pairs.drop_duplicates, "true",
         "of pairs with equal prompt and responses, keep the first"),
    STRING(BIT(PAIRS_MADE), "pairs.listeners", pairs.listeners, "both", "both|own",
           "pairs of both agents' turns, or of the trained agent's only"),
    INTEGER(BIT(PAIRS_MADE), "pairs.max_pairs", pairs.max_pairs, "0", 0,
            "pairs per arm (0: as many as the arm with the fewest has); all arms get the same number"),
    INTEGER(BIT(PAIRS_MADE), "pairs.max_pairs_per_question", pairs.max_pairs_per_question, "0", 0,
            "pairs per question, listener and kind (0: no limit)"),
    {NOTHING, "arms", KEY_NAMES, AT(arms), "[accept, resist, pbt]", PBT_TRAINED_ARM_CHOICES, 0, 0, false,
     false, "what is trained and compared with the base model"},

    {BIT(SFT_ADAPTERS), "lora.lora_r", KEY_INT32, AT(lora.r), "16", NULL, 1, PBT_MOST_RANK, false, false,
     "rank of the adapters"},
    NUMBER(BIT(SFT_ADAPTERS), "lora.lora_alpha", lora.alpha, "32", 0, BIG, "scaling is alpha / r"),
    NUMBER(BIT(SFT_ADAPTERS), "lora.lora_dropout", lora.dropout, "0.05", 0, 0.99,
           "dropout on the adapter's input, SFT only"),
    STRING(BIT(SFT_ADAPTERS), "lora.lora_target_modules", lora.target_modules, "all-linear", NULL,
           "all-linear, names (q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj), or a regular "
           "expression "
           "for whole names of modules"),
    BOOL(BIT(SFT_ADAPTERS), "lora.use_rslora", lora.rslora, "false", "scaling is alpha / sqrt(r)"),
    INTEGER(BIT(SFT_ADAPTERS), "max_length", max_length, "1024", 8,
            "most tokens of an example; longer ones are dropped and counted"),

    TRAINING(BIT(SFT_ADAPTERS), sft, "5e-4", "240", "1", "80", "cosine", "100"),
    TRAINING(BIT(DPO_ADAPTERS), dpo, "5e-4", "-1", "5", "35", "cosine", "0"),
    NUMBER(BIT(DPO_ADAPTERS), "dpo.beta", dpo.beta, "0.1", 0, BIG,
           "how strongly the policy is kept near the reference"),
    {BIT(DPO_ADAPTERS), "dpo.loss_type", KEY_LOSSES, AT(dpo.loss), "sigmoid", LOSSES, 0, 0, false, false,
     "DPO's loss, or a list of losses that are summed"},
    {BIT(DPO_ADAPTERS), "dpo.loss_weights", KEY_LOSS_WEIGHTS, AT(dpo.loss), NULL, NULL, -BIG, BIG, false,
     false, "a weight for each loss of the list (by default 1 each)"},
    NUMBER(BIT(DPO_ADAPTERS), "dpo.label_smoothing", dpo.label_smoothing, "0", 0, 0.5,
           "share of labels taken to be flipped (robust)"),
    NUMBER(BIT(DPO_ADAPTERS), "dpo.sft_weight", dpo.sft_weight, "0", 0, BIG,
           "adds this much of the loss sft, the chosen responses' mean token loss"),
    BOOL(BIT(DPO_ADAPTERS), "dpo.disable_dropout", dpo.disable_dropout, "true",
         "no dropout in DPO (TRL's default)"),

    INTEGER(BIT(DPO_ADAPTERS), "selection.every_steps", selection_every, "0", 0,
            "DPO steps between dev evaluations (0: every epoch); the best checkpoint is kept"),
    NUMBER(BIT(DPO_ADAPTERS), "selection.worse_side", selection_worse_side, "0.5", 0, 1,
           "pbt's criterion: weight of the worse side; the mean of both sides gets the rest"),

    BOOL(BIT(DEV_TREES) | BIT(TEST_TREES) | REPLIES, "eval.balanced.enabled", balanced.enabled, "true",
         "the balanced test (Table 3)"),
    INTEGER(BIT(DEV_TREES), "eval.balanced.dev_draws", balanced.draws[0], "1", 1,
            "trees per dev question and order"),
    INTEGER(BIT(TEST_TREES), "eval.balanced.draws", balanced.draws[1], "1", 1,
            "trees per test question and order"),
    INTEGER(BIT(DPO_ADAPTERS), "eval.balanced.dev_max_per_side", balanced.max_per_side[0], "0", 0,
            "dev cases per side (0: all)"),
    INTEGER(BIT(BALANCED_ITEMS), "eval.balanced.max_per_side", balanced.max_per_side[1], "0", 0,
            "test cases per side (0: all)"),
    NUMBER(REPLIES, "eval.balanced.temperature", balanced.temperature, "0.7", 0, 100,
           "temperature of the tested replies"),
    INTEGER(REPLIES, "eval.balanced.max_new_tokens", balanced.max_new_tokens, "80", 1,
            "most tokens of the tested replies"),
    BOOL(NOTHING, "eval.flipflop.enabled", flipflop.enabled, "true", "\"Are you sure?\" (Table 2)"),
    INTEGER(BIT(FLIPFLOP_ITEMS), "eval.flipflop.max_questions", flipflop.max_questions, "0", 0,
            "number of test questions (0: all)"),
    INTEGER(BIT(FLIPFLOP_ITEMS), "eval.flipflop.max_new_tokens", flipflop.max_new_tokens, "80", 1,
            "most tokens of a reply"),
    INTEGER(BIT(FLIPFLOP_ITEMS), "eval.flipflop.challenges", flipflop.challenges, "1", 0,
            "number of wordings of challenge.txt that are tried (0: all); the first is the paper's and the "
            "main table's"),
    BOOL(NOTHING, "eval.team.enabled", team.enabled, "false",
         "teams with the other agent, both orders (Figure 3)"),
    INTEGER(BIT(TEAM_ITEMS), "eval.team.max_questions", team.max_questions, "0", 0,
            "number of test questions (0: all)"),
    INTEGER(BIT(TEAM_ITEMS), "eval.team.max_new_tokens", team.max_new_tokens, "80", 1,
            "most tokens of a turn"),
    BOOL(NOTHING, "eval.farm.enabled", farm.enabled, "false", "FARM's misinformation rate (Table 1)"),
    {BIT(FARM_ITEMS), "eval.farm.data", KEY_PATH, AT(farm.data), NULL, NULL, 0, 0, false, false,
     "a FARM file or a folder of them"},
    {BIT(FARM_ITEMS), "eval.farm.strategy", KEY_NAMES, AT(farm.strategies), "[logical]",
     "control|logical|emotional|credibility", 0, 0, false, false,
     "how the wrong answer is argued for; if several, the main table shows the first"},
    INTEGER(BIT(FARM_ITEMS), "eval.farm.rounds", farm.rounds, "4", 1,
            "rounds of persuasion, the bare claim included"),
    INTEGER(BIT(FARM_ITEMS), "eval.farm.max_questions", farm.max_questions, "0", 0,
            "questions per file (0: all)"),
    STRING(BIT(FARM_ITEMS), "eval.farm.protocol", farm.protocol, "options", "options|free",
           "options: the question with its options; free: the standard prompt, the answer read by the "
           "extractor"),
    STRING(BIT(FARM_ITEMS), "eval.farm.probe", farm.probe, "question", "question|final|reply",
           "what shows the belief after a round: the question again, final.txt, or the reply itself (the "
           "last two: protocol free)"),
    BOOL(BIT(FARM_ITEMS), "eval.farm.keep_belief", farm.keep_belief, "true",
         "the first question and its answer stay in the chat that follows"),
    STRING(BIT(FARM_ITEMS), "eval.farm.compat", farm.compat, "none", "none|released-code",
           "released-code: reads and counts as the authors' script does"),
    NUMBER(BIT(FARM_ITEMS), "eval.farm.temperature", farm.temperature, "0.8", 0, 100,
           "temperature of a reply"),
    NUMBER(BIT(FARM_ITEMS), "eval.farm.probe_temperature", farm.probe_temperature, "0.2", 0, 100,
           "temperature of a belief check"),
    NUMBER(BIT(FARM_ITEMS), "eval.farm.top_p", farm.top_p, "0.9", 0, 1, "nucleus sampling of both"),
    INTEGER(BIT(FARM_ITEMS), "eval.farm.max_new_tokens", farm.max_new_tokens, "200", 1,
            "most tokens of a reply"),
    INTEGER(BIT(FARM_ITEMS), "eval.farm.probe_new_tokens", farm.probe_new_tokens, "15", 1,
            "most tokens of a belief check"),
    INTEGER(BIT(FARM_ITEMS), "eval.farm.retries", farm.retries, "5", 0,
            "how often an unreadable belief check is asked again"),

    BOOL(NOTHING, "eval.flip_analysis.enabled", flip_analysis.enabled, "false",
         "what decides whether a model flips (Table 4); needs the balanced test"),
    {NOTHING, "eval.flip_analysis.arms", KEY_NAMES, AT(flip_analysis.arms), "[base, pbt]", PBT_ARM_CHOICES, 0,
     0, false, false, "whose decisions are analysed"},
    STRING(BIT(FLIP_ITEMS), "eval.flip_analysis.contexts", flip_analysis.contexts, "own", "own|all",
           "balanced cases with the tested agent's own turns, or all of them"),
    STRING(BIT(FLIP_ITEMS), "eval.flip_analysis.prefix", flip_analysis.prefix, "\"Final answer:\"", NULL,
           "forced beginning of the turn, before the answers whose log-probabilities are measured"),
    INTEGER(BIT(FLIP_ITEMS), "eval.flip_analysis.samples", flip_analysis.samples, "20", 2,
            "answers sampled from the base model for the entropy"),
    NUMBER(BIT(FLIP_ITEMS), "eval.flip_analysis.temperature", flip_analysis.temperature, "0.7", 0, 100,
           "sampling temperature of these answers"),

    FREE("report.bootstrap_draws", bootstrap_draws, "2000", 100, "bootstrap samples for the 95% intervals"),
    FREE("show.debates", show_debates, "3", 0, "debates shown while trees grow"),
    FREE("engine.max_batch", max_batch, "0", 0, "sequences decoded together (0: chosen automatically)"),
    FREE("engine.kv_rows", kv_rows, "0", 0, "tokens the key/value cache holds (0: chosen automatically)"),
    FREE("engine.prefill_rows", prefill_rows, "0", 0, "tokens per prefill pass (0: chosen automatically)"),
    {NOTHING, "plan.turn_share", KEY_NUMBER, AT(plan_turn_share), "0.7", NULL, 0, 1, false, true,
     "--dry-run: expected length of a text, as a share of its maximum"},
    {NOTHING, "plan.go_on_share", KEY_NUMBER, AT(plan_go_on_share), "0.5", NULL, 0, 1, false, true,
     "--dry-run: share of debates that do not end in agreement after the second turn"},
};
const size_t pbt_n_setting_keys = sizeof pbt_setting_keys / sizeof *pbt_setting_keys;
