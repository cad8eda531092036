/*
 * pbt as a library: every public contract, lowest floor first. In C and C++: #include <pbt/pbt.h>, and
 * `pkg-config --cflags --libs pbt` (with --static for libpbt.a), or find_package(pbt) and pbt::pbt in CMake.
 *
 * One convention: a function that can fail returns pbt_code and explains itself in a pbt_error
 * (base/status.h). The library never prints, exits or aborts.
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
#include "base/version.h"

#include "tensor/device.h"
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
