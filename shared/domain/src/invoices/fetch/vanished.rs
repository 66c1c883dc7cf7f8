//! When invoices that are no longer returned are believed to be gone.

/// Share, in per cent, that may be gone before it is rather the right to see them that is.
const GONE_PERCENT_MAX: usize = 30;
/// Fewer that are gone than this are believed.
pub(super) const GONE_MIN: usize = 10;

/// Whether so many of so many are gone that it is rather the right to see them.
pub(super) fn too_many(gone: usize, of: usize) -> bool {
    gone >= GONE_MIN && gone * 100 > of * GONE_PERCENT_MAX
}
