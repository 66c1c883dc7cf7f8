//! A world to test in: an App on the in-process engine, a simulator, one connected partner
