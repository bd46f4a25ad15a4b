//! `/metrics`: for Prometheus.

use actix_web::{HttpResponse, get, web};

use super::Api;

/// The metrics in the Prometheus text format.
#[utoipa::path(responses((status = OK, description = "All of them.", body = String, content_type = "text/plain")))]
#[get("/metrics")]
pub(super) async fn metrics(api: web::Data<Api>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body((api.metrics)())
}
