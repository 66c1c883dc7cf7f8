//! One integration binary, one file per function.
