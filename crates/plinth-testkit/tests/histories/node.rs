//! One of the two nodes that serve the shop: what a process has in memory, and its way to the database.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use plinth_commerce::{Commerce, Report, StripeConfig};
use plinth_db::Db;
use plinth_db::keys::{Keys, Secret};
use plinth_http::{App, Gate, GateKeys, Limits, Mode};
use plinth_testkit::stripe::{SECRET_KEY, Stripe, WEBHOOK_SECRET};
use serde_json::Value;
use tower::ServiceExt as _;

pub(crate) struct Node {
    pub(crate) db: Db,
    commerce: Commerce,
    router: Router,
}

impl Node {
    /// With nothing in memory.
    pub(crate) fn start(db: Db, keys: &Keys, stripe: &Stripe) -> Result<Node> {
        let app = App {
            db: db.clone(),
            gate: Arc::new(Gate::new(&GateKeys::from(keys), db.clock().clone())),
            limits: Arc::new(Limits::default()),
            mode: Mode::Dev,
            public_url: "http://127.0.0.1:54321".into(),
        };
        let config = plinth_commerce::Config {
            provider: "stripe".to_owned(),
            stripe: Some(StripeConfig {
                secret_key: Secret::new(SECRET_KEY),
                webhook_secrets: vec![Secret::new(WEBHOOK_SECRET)],
                api_url: stripe.url(),
                live: false,
            }),
            ..plinth_commerce::Config::default()
        };
        let commerce = Commerce::open(app, config, keys)?;
        Ok(Node {
            router: plinth_commerce::router(commerce.clone()),
            commerce,
            db,
        })
    }

    /// The status of the answer and what it says.
    pub(crate) async fn send(&self, request: Request<Body>) -> Result<(u16, Value)> {
        let answer = self.router.clone().oneshot(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// Works at what is due for so long. All that is under way then is dropped, in the middle of a question to the provider or a
    /// statement.
    pub(crate) async fn work(&self, time: Duration) {
        let worker = Box::pin(self.commerce.clone().run_worker());
        let _cut_off = tokio::time::timeout(time, worker).await;
    }

    /// Compares everything with the provider.
    pub(crate) async fn reconcile(&self) -> Result<Report> {
        Ok(Box::pin(plinth_commerce::reconcile(&self.commerce, |_| {})).await?)
    }
}
