/*
 * The preference losses of TRL's DPOTrainer, one pair at a time, with their derivatives. Letters: c and r are
 * the log-ratios log pi - log ref of the chosen and the rejected completion (sums over their tokens), d = c -
 * r, e is label_smoothing.
 */
#include "train/internal.h"

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

/* -(1 - e) log sigmoid(beta d) - e log sigmoid(-beta d); e > 0 is conservative DPO. */
static pbt_pair_loss smoothed_sigmoid(double beta, double e, double d) {
    double x = beta * d;
    return of_difference(-(1 - e) * log_sigmoid(x) - e * log_sigmoid(-x),
                         beta * (-(1 - e) * sigmoid(-x) + e * sigmoid(x)));
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

pbt_pair_loss pbt_pair_loss_of(const pbt_train_settings *settings, const pbt_pair_logps *pair) {
    double beta = settings->beta, e = settings->label_smoothing;
    double c = pair->chosen - pair->ref_chosen, r = pair->rejected - pair->ref_rejected;
    double chosen_tokens = pair->chosen_tokens > 1 ? pair->chosen_tokens : 1;
    double rejected_tokens = pair->rejected_tokens > 1 ? pair->rejected_tokens : 1;
    double mean_difference = c / chosen_tokens - r / rejected_tokens;
    switch (settings->loss_type) {
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
        return per_token(smoothed_sigmoid(beta, 0, mean_difference), chosen_tokens, rejected_tokens);
    case PBT_SIGMOID:
        break;
    }
    return smoothed_sigmoid(beta, e, c - r);
}
