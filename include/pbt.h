/*
 * pbt as a library: every public contract, lowest floor first. Link with libpbt_experiment and what it needs
 * (`pkg-config --libs jansson sqlite3 yaml-0.1 libpcre2-8 libutf8proc libxxhash`, lapacke, threads).
 *
 * One convention: a function that can fail returns pbt_code and explains itself in a pbt_error
 * (base/status.h).
 */
#ifndef PBT_H
#define PBT_H

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/monitor.h"
#include "base/random.h"
#include "base/status.h"
#include "base/text.h"

#include "tensor/ops.h"
#include "tensor/tensor.h"

#include "chat/chat.h"
#include "tokenizer/tokenizer.h"

#include "model/adapter.h"
#include "model/backward.h"
#include "model/config.h"
#include "model/forward.h"
#include "model/model.h"

#include "engine/engine.h"

#include "agent/agent.h"

#include "train/dataset.h"
#include "train/trainer.h"
#include "train/trie.h"

#include "dialogue/answer.h"
#include "dialogue/pairs.h"
#include "dialogue/prompt.h"
#include "dialogue/question.h"
#include "dialogue/tree.h"

#include "statistics/statistics.h"

#include "store/store.h"

#endif
