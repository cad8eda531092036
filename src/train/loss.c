/*
 * The preference losses of TRL's DPOTrainer, one pair at a time, with their derivatives. Letters: c and r are
 * the log-ratios log pi - log ref of the chosen and the rejected completion (sums over their tokens), d = c -
 * r, e is label_smoothing.
 */
#include "train/loss.h"

#include <math.h>

static double sigmoid(double x) {
    return x >= 0 ? 1.0 / (1.0 + exp(-x)) : exp(x) / (1.0 + exp(x));
}

static double log_sigmoid(double x) {
    return x >= 0 ? -log1p(exp(-x)) : x - log1p(exp(x));
}

/* A loss of the difference alone: `slope` is its derivative by d. */
static pbt_pair_loss of_difference(double loss, double slope) {
    return (pbt_pair_loss){loss, slope, -slope};
}

/* -log sigmoid(beta d) */
static pbt_pair_loss plain_sigmoid(double beta, double d) {
    return of_difference(-log_sigmoid(beta * d), -beta * sigmoid(-beta * d));
}

/* (-(1 - e) log sigmoid(beta d) + e log sigmoid(-beta d)) / (1 - 2 e) */
static pbt_pair_loss robust(double beta, double e, double d) {
    double x = beta * d, scale = 1.0 / (1.0 - 2.0 * e);
    return of_difference(scale * (-(1 - e) * log_sigmoid(x) + e * log_sigmoid(-x)),
                         scale * beta * (-(1 - e) * sigmoid(-x) - e * sigmoid(x)));
}

/* 1 - sigmoid(beta c) + sigmoid(beta r) */
static pbt_pair_loss apo_zero(double beta, double c, double r) {
    double pc = sigmoid(beta * c), pr = sigmoid(beta * r);
    return (pbt_pair_loss){1 - pc + pr, -beta * pc * (1 - pc), beta * pr * (1 - pr)};
}

/* sigmoid(beta c) + 1 - sigmoid(beta (c - r)) */
static pbt_pair_loss apo_down(double beta, double c, double r) {
    double pc = sigmoid(beta * c), pd = sigmoid(beta * (c - r));
    return (pbt_pair_loss){pc + 1 - pd, beta * pc * (1 - pc) - beta * pd * (1 - pd), beta * pd * (1 - pd)};
}

/* Loss of the difference of per-token means: slopes are divided by the lengths. */
static pbt_pair_loss per_token(pbt_pair_loss loss, double chosen_tokens, double rejected_tokens) {
    loss.d_chosen /= chosen_tokens;
    loss.d_rejected /= rejected_tokens;
    return loss;
}

static pbt_pair_loss loss_of_type(pbt_loss_type type, double beta, double e, const pbt_pair_logps *pair) {
    double c = pair->chosen - pair->ref_chosen, r = pair->rejected - pair->ref_rejected;
    double chosen_tokens = pair->chosen_tokens > 1 ? pair->chosen_tokens : 1;
    double rejected_tokens = pair->rejected_tokens > 1 ? pair->rejected_tokens : 1;
    double mean_difference = c / chosen_tokens - r / rejected_tokens;
    switch (type) {
    case PBT_IPO: { /* (d' - 1 / (2 beta))^2, d' of per-token means */
        double distance = mean_difference - 1.0 / (2.0 * beta);
        return per_token(of_difference(distance * distance, 2.0 * distance), chosen_tokens, rejected_tokens);
    }
    case PBT_HINGE: { /* max(0, 1 - beta d) */
        double slack = 1.0 - beta * (c - r);
        return slack > 0 ? of_difference(slack, -beta) : of_difference(0, 0);
    }
    case PBT_ROBUST:
        return robust(beta, e, c - r);
    case PBT_APO_ZERO:
        return apo_zero(beta, c, r);
    case PBT_APO_DOWN:
        return apo_down(beta, c, r);
    case PBT_SIGMOID_NORM:
        return per_token(plain_sigmoid(beta, mean_difference), chosen_tokens, rejected_tokens);
    case PBT_SFT_TERM:
    case PBT_LOSS_TYPES:
        return of_difference(0, 0);
    case PBT_SIGMOID:
        break;
    }
    return plain_sigmoid(beta, c - r);
}

static double weight_of(const pbt_loss_mix *mix, int32_t i) {
    return mix->n_weights > 0 ? mix->weights[i] : 1;
}

pbt_pair_loss pbt_pair_loss_of(const pbt_train_settings *settings, const pbt_pair_logps *pair) {
    const pbt_loss_mix *mix = &settings->loss;
    pbt_pair_loss sum = {0};
    for (int32_t i = 0; i < mix->n; i++) {
        if (mix->types[i] == PBT_SFT_TERM) continue;
        pbt_pair_loss term = loss_of_type(mix->types[i], settings->beta, settings->label_smoothing, pair);
        double weight = weight_of(mix, i);
        sum.loss += weight * term.loss;
        sum.d_chosen += weight * term.d_chosen;
        sum.d_rejected += weight * term.d_rejected;
    }
    return sum;
}

double pbt_sft_weight_of(const pbt_train_settings *settings) {
    double weight = settings->sft_weight;
    for (int32_t i = 0; i < settings->loss.n; i++)
        if (settings->loss.types[i] == PBT_SFT_TERM) weight += weight_of(&settings->loss, i);
    return weight;
}
