/* The operation table of one instruction set. */
#include "tensor/cpu/instruction_sets.h"
#include "tensor/cpu/kernels/kernel.h"

#define TABLE_PASTE2(set) pbt_ops_##set
#define TABLE_PASTE(set)  TABLE_PASTE2(set)

const pbt_ops TABLE_PASTE(PBT_INSTRUCTION_SET) = {
    .alloc = pbt_cpu_alloc,
    .release = pbt_cpu_release,
    .copy_in = pbt_cpu_copy,
    .copy_out = pbt_cpu_copy,
    .prepare = pbt_cpu_prepare,
    .unprepare = pbt_cpu_unprepare,
    .linear = KERNEL(linear),
    .linear_backward_input = KERNEL(linear_backward_input),
    .linear_backward_weight = KERNEL(linear_backward_weight),
    .bias = KERNEL(bias),
    .bias_backward = KERNEL(bias_backward),
    .embed = KERNEL(embed),
    .embed_backward = KERNEL(embed_backward),
    .rmsnorm = KERNEL(rmsnorm),
    .rmsnorm_backward = KERNEL(rmsnorm_backward),
    .rope = KERNEL(rope),
    .attention = KERNEL(attention),
    .attention_backward = KERNEL(attention_backward),
    .swiglu = KERNEL(swiglu),
    .swiglu_backward = KERNEL(swiglu_backward),
    .add_scaled = KERNEL(add_scaled),
    .scale = KERNEL(scale),
    .dropout = KERNEL(dropout),
    .gather_rows = KERNEL(gather_rows),
    .scatter_add_rows = KERNEL(scatter_add_rows),
    .logsumexp = KERNEL(logsumexp),
    .logit_statistics = KERNEL(logit_statistics),
    .logprob_backward = KERNEL(logprob_backward),
    .sum_of_squares = KERNEL(sum_of_squares),
    .adamw = KERNEL(adamw),
};
