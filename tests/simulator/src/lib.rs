//! A stateful Autotask that behaves
