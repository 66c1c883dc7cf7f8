//! A typed client for the Autotask PSA REST API
