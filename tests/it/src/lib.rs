//! The integration tests live in `tests/it`; this library is empty so that one binary is linked.
