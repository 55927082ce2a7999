//! The plain port: whether the process lives, whether it should be sent reviews, and its metrics. It tells no secrets
//! and takes nothing but `GET`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

/// What Prometheus must be told to read the text as OpenMetrics; it refuses a blank type.
pub const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether reviews should be sent here, else why not, in a few words that everybody may read.
pub type Readiness = Arc<dyn Fn() -> Result<(), &'static str> + Send + Sync>;
/// Writes the metrics down.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// The routes of the plain port: `/healthz`, `/readyz` and `/metrics`.
pub fn router(readiness: Readiness, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(readyz).with_state(readiness))
        .route("/metrics", get(render).with_state(metrics))
}

async fn readyz(State(readiness): State<Readiness>) -> impl IntoResponse {
    match readiness() {
        Ok(()) => (StatusCode::OK, "ok"),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

async fn render(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(CONTENT_TYPE, METRICS_TYPE)], metrics())
}
