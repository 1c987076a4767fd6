//! Stand-in.
use crate::server::engine::Engine;
use std::pin::Pin;
use std::sync::Arc;
/// Reads config and feeds again.
pub type Reload = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Vec<String>> + Send>> + Send + Sync>;
/// Routes.
pub fn router(_: Arc<Engine>, _: metrics_exporter_prometheus::PrometheusHandle, _: Reload) -> axum::Router {
    axum::Router::new().route("/health/ready", axum::routing::get(|| async { "ok" }))
}
