//! The domain's ports on DynamoDB, Secrets Manager, SQS and EventBridge
