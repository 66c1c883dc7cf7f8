//! Finds the Autotask zone of a user name
