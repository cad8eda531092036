/*
 * How fast a device computes with a model of a given shape: passes through a few layers of that shape,
 * timed, and taken as often as the model has layers. No weight is read.
 */
#ifndef PBT_PLAN_RATES_H
#define PBT_PLAN_RATES_H

#include "model/config.h"
#include "tensor/device.h"

/* Seconds of the whole model. `seen`: for a row, and every row that it attends to. */
typedef struct pbt_rates {
    double read, read_seen; /* a row of a pass of many rows */
    double pass, written;   /* a pass that decodes one row, and every further row of it; with its output */
    double written_seen, drawn;   /* drawn: a token at a temperature above 0, beside that */
    double scored;                /* a row whose log-probability is taken */
    double learned, learned_seen; /* a row, forward and backward under an adapter */
    double target;                /* a row that carries loss */
} pbt_rates;

typedef struct pbt_rate_settings {
    const pbt_device *device;
    pbt_dtype dtype;      /* of the linear layers */
    int32_t batch;        /* rows of a decoding pass */
    int32_t prefill_rows; /* rows of a pass that reads */
    int32_t train_rows;   /* rows of a training pass; 0: no training */
    int32_t rank;         /* of the adapter in training */
    bool targets[7];      /* its modules, in the order of PBT_LINEARS */
} pbt_rate_settings;

/* Takes about a second (a few for the largest shapes). */
pbt_code pbt_rates_measure(const pbt_config *config, const pbt_rate_settings *settings, pbt_rates *rates,
                           pbt_error *error);

#endif
