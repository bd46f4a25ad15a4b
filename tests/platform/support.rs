//! A platform's client and the server that it talks to.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actors::model::{
    AccessToken, Campaign, CampaignId, FailureClass, IdempotencyKey, Login, Page, PageRequest, SyncedCampaign,
};
use actors::permit::Permit;
use actors::ports::{Platform, PlatformError};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use campaign_sync::platform::{Connections, HttpPlatform, PlatformSettings, SetupError};
use campaign_sync::tls::Authorities;
use secrecy::SecretString;
use uuid::Uuid;

use crate::scripted_server::{Reply, ScriptedServer};

pub(crate) const PASSWORD: &str = r#"pass"word: x"#;
pub(crate) const TOKEN: &str = "t0ken.of-the-test";
pub(crate) const PAGE: &str = r#"{"data":[{"id":"42","name":"Spring","status":"active","budget":10.50,"impressions":1,"clicks":2,"conversions":3,"created_at":"2024-01-02T03:04:05Z"}],"pagination":{"page":3,"limit":10,"total":21,"has_more":false}}"#;
pub(crate) const SYNCED: &str =
    r#"{"success":true,"campaign_id":"42","synced_at":"2024-01-02T03:04:05Z","message":"done"}"#;
pub(crate) const LOGIN: &str =
    r#"{"access_token":"abc","token_type":"Bearer","expires_in":60,"issued_at":1}"#;

pub(crate) fn settings(base_url: &str) -> PlatformSettings {
    PlatformSettings {
        base_url: base_url.parse().unwrap(),
        account: "acme".into(),
        email: "ann@example.com".to_owned(),
        password: PASSWORD.into(),
        // Nothing but the tests of timeouts should ever wait as long as this.
        request_timeout: Duration::from_secs(60),
    }
}

pub(crate) fn new(settings: PlatformSettings) -> Result<HttpPlatform, SetupError> {
    let connections = match settings.base_url.scheme() {
        "https" => Connections::encrypted(4, &Authorities::default())?,
        _ => Connections::plain(4)?,
    };
    HttpPlatform::new(settings, &connections)
}

/// A client of the server's that gives up soon.
pub(crate) fn impatient(server: &ScriptedServer) -> HttpPlatform {
    let mut settings = settings(&format!("http://{}", server.address));
    settings.request_timeout = Duration::from_millis(200);
    new(settings).unwrap()
}

pub(crate) async fn platform(script: impl IntoIterator<Item = Reply>) -> (ScriptedServer, HttpPlatform) {
    let server = ScriptedServer::start(script).await;
    let platform = new(settings(&format!("http://{}", server.address))).unwrap();
    (server, platform)
}

pub(crate) fn token() -> AccessToken {
    AccessToken { secret: SecretString::from(TOKEN), generation: 1 }
}

pub(crate) fn campaign(id: &str) -> Arc<Campaign> {
    Arc::new(Campaign {
        id: CampaignId::from(id),
        name: "Spring".into(),
        status: "active".into(),
        budget: "10.50".into(),
        impressions: 1,
        clicks: 2,
        conversions: 3,
        created_at: SystemTime::UNIX_EPOCH,
        payload: "{}".into(),
    })
}

pub(crate) async fn login(platform: &HttpPlatform) -> Result<Login, PlatformError> {
    platform.login(Permit::for_test()).await
}

pub(crate) async fn list(platform: &HttpPlatform) -> Result<Page, PlatformError> {
    let page = PageRequest { page: 3, limit: NonZeroU32::new(10).unwrap() };
    platform.list(Permit::for_test(), &token(), page).await
}

pub(crate) async fn sync(platform: &HttpPlatform, id: &str) -> Result<SyncedCampaign, PlatformError> {
    let campaign = campaign(id);
    let key = IdempotencyKey::new(Uuid::nil(), &campaign.id);
    platform.sync(Permit::for_test(), &token(), &campaign, &key).await
}

pub(crate) fn transient<T: std::fmt::Debug>(result: Result<T, PlatformError>) -> (FailureClass, String) {
    match result.unwrap_err() {
        PlatformError::Transient { class, message } => (class, message),
        other => panic!("{other:?}"),
    }
}

/// [`SYNCED`] by `gzip -9n`.
pub(crate) fn gzipped_synced() -> Vec<u8> {
    BASE64_STANDARD
        .decode("H4sIAAAAAAACAw3MMQ6AIAxA0bt0hqRWXDiHkwtpoCEMoLEwGOPdZf15+S/oiFFUwfd7iIHI9eKSWygJPDgCA/q0KClwn4GQnMXFIu24enQet2OSOg+cZYJ0NoHvB3gMNuFXAAAA")
        .unwrap()
}
