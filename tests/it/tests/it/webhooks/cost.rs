//! What a callout costs at DynamoDB, as the engine itself counts it.

use super::{GUID, body, hook, master};
use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextMut, FinalizerInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::put_item::{PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use axum::body::Body;
use domain::Ports;
use domain::webhooks::sign;
use http::Request;
use local::host::engine::TABLE;
use runtime::App;
use serde_json::json;
use std::sync::{Arc, Mutex};
use store::{Dynamo, Settings};
use testkit::world;
use tower::ServiceExt;

/// Asks for the units of each put, and keeps what the engine says; of everything else, that it was called.
#[derive(Debug, Clone, Default)]
struct Units(Arc<Mutex<Vec<Option<f64>>>>);

impl Intercept for Units {
    fn name(&self) -> &'static str {
        "units"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(put) = context.input_mut().downcast_mut::<PutItemInput>() {
            put.return_consumed_capacity = Some(ReturnConsumedCapacity::Total);
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let output =
            context.output_or_error().and_then(Result::ok).and_then(|output| output.downcast_ref::<PutItemOutput>());
        let units = output.and_then(|put| put.consumed_capacity.as_ref()).and_then(|units| units.capacity_units);
        self.0.lock().unwrap().push(units);
        Ok(())
    }
}

#[tokio::test]
async fn accepting_an_event_of_the_usual_size_is_one_call_and_one_write_unit() {
    let world = world().await;
    let settings = Settings::local(world.engine.endpoint());
    let aws = store::Aws::new(&settings).await;
    let units = Units::default();
    let config = aws.dynamodb().config().to_builder().interceptor(units.clone()).build();
    let storage = Arc::new(Dynamo::new(aws_sdk_dynamodb::Client::from_conf(config), TABLE));
    let app = App { ports: Ports { storage, ..world.ports().clone() }, edge: world.app.edge.clone() };
    let router = runtime::edge::public_service(app, webhook_receive::routes());
    let hook = hook(&world);
    let token = master(&world).token(&hook);
    let fields =
        json!({"companyName": "Søren & Søns", "isActive": true, "phone": "+43 1 2345", "ownerResourceID": 29_682_885});
    let callout = body("Account", 29_683_542, 48_213, |body| body["Fields"] = fields);
    let signature = sign(&master(&world).key(&hook), &callout);
    let request = Request::post(format!("/hooks/autotask/{token}")).header("X-Hook-Signature", signature);
    let answer = router.oneshot(request.body(Body::from(callout)).unwrap()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(*units.0.lock().unwrap(), [Some(1.0)]);
    let kept = super::delivery(&world, 48_213).await;
    assert_eq!(
        (kept.guid.as_str(), kept.shown_payload().unwrap()["ownerResourceID"].clone()),
        (GUID, json!(29_682_885))
    );
    world.drain().await;
}
