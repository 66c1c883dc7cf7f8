//! What every function shares: App, HTTP edge, claims, queues, schedules, logs
