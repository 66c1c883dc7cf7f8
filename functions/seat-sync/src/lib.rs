//! The monthly seat sync: dispatcher on the schedule, worker on the queue
