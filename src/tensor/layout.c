/* Checks of a layout: every index that attention will follow, before it follows it. */
#include "tensor/tensor.h"

static pbt_code check_segment(const pbt_layout *layout, int32_t i, int32_t kv_rows, pbt_error *error) {
    const pbt_segment *segment = &layout->segments[i];
    if (segment->length < 0 || segment->kv_row < 0 || segment->kv_row > kv_rows ||
        segment->length > kv_rows - segment->kv_row)
        return pbt_fail(error, PBT_USAGE,
                        "layout: segment %d occupies key/value rows %d to %lld, expected within 0 to %d", i,
                        segment->kv_row, (long long)segment->kv_row + segment->length, kv_rows);
    if (segment->parent == -1) {
        if (segment->parent_rows != 0 || segment->position != 0)
            return pbt_fail(
                error, PBT_USAGE,
                "layout: segment %d has no parent, expected parent_rows 0 and position 0, found %d "
                "and %d",
                i, segment->parent_rows, segment->position);
        return PBT_OK;
    }
    if (segment->parent < 0 || segment->parent >= i)
        return pbt_fail(error, PBT_USAGE,
                        "layout: segment %d has parent %d, expected -1 or an earlier segment", i,
                        segment->parent);
    const pbt_segment *parent = &layout->segments[segment->parent];
    if (segment->parent_rows < 1 || segment->parent_rows > parent->length)
        return pbt_fail(error, PBT_USAGE,
                        "layout: segment %d continues its parent after %d rows, expected 1 to %d", i,
                        segment->parent_rows, parent->length);
    int64_t position = (int64_t)parent->position + segment->parent_rows;
    if (segment->position != position || position > INT32_MAX - segment->length)
        return pbt_fail(error, PBT_USAGE, "layout: segment %d stands at position %d, expected %lld", i,
                        segment->position, (long long)position);
    return PBT_OK;
}

pbt_code pbt_layout_check(const pbt_layout *layout, int32_t kv_rows, pbt_error *error) {
    if (!layout || layout->n_segments < 0 || layout->n_spans < 0 || layout->n_rows < 0 || kv_rows < 0 ||
        (layout->n_segments > 0 && !layout->segments) || (layout->n_spans > 0 && !layout->spans))
        return pbt_fail(error, PBT_USAGE, "layout: counts must not be negative nor arrays missing");
    for (int32_t i = 0; i < layout->n_segments; i++) PBT_TRY(check_segment(layout, i, kv_rows, error));
    int64_t row = 0;
    for (int32_t i = 0; i < layout->n_spans; i++) {
        const pbt_span *span = &layout->spans[i];
        if (span->segment < 0 || span->segment >= layout->n_segments)
            return pbt_fail(error, PBT_USAGE, "layout: span %d names segment %d of %d", i, span->segment,
                            layout->n_segments);
        const pbt_segment *segment = &layout->segments[span->segment];
        if (span->length < 1 || span->first < 0 || span->first > segment->length ||
            span->length > segment->length - span->first)
            return pbt_fail(
                error, PBT_USAGE, "layout: span %d is rows %d to %lld of segment %d, expected within 0 to %d",
                i, span->first, (long long)span->first + span->length, span->segment, segment->length);
        if (span->row != row)
            return pbt_fail(error, PBT_USAGE, "layout: span %d starts at row %d of the pass, expected %lld",
                            i, span->row, (long long)row);
        row += span->length;
    }
    if (row != layout->n_rows)
        return pbt_fail(error, PBT_USAGE, "layout: the spans cover %lld rows, expected %d", (long long)row,
                        layout->n_rows);
    return PBT_OK;
}
