//! Whatever a panic or a log line could format: values that hold a secret show none.

use std::fmt::Debug;
use std::time::Duration;

use actors::model::{AccessToken, Login};
use campaign_sync::platform::{Connections, HttpPlatform, PlatformSettings};
use campaign_sync::rotating_secret::RotatingSecret;
use campaign_sync::store::DatabaseUrl;
use secrecy::SecretString;

use crate::evidence::Evidence;
use crate::planted::{EMAIL, Planted};

fn shown(evidence: &mut Evidence, value: &impl Debug) {
    evidence.add("a value", format!("{value:?} {value:#?}").as_bytes());
}

#[test]
fn a_value_that_holds_a_secret_does_not_show_it() {
    actix_rt::System::new().block_on(async {
        let planted = Planted::new();
        let mut evidence = Evidence::default();
        let password = RotatingSecret::from(SecretString::from(planted.password.text.clone()));
        let settings = PlatformSettings {
            base_url: "https://ads.example.com".parse().unwrap(),
            account: "acme".into(),
            email: EMAIL.to_owned(),
            password: password.clone(),
            request_timeout: Duration::from_secs(1),
        };
        shown(&mut evidence, &password);
        shown(&mut evidence, &settings);
        shown(&mut evidence, &HttpPlatform::new(settings, &Connections::plain(1).unwrap()).unwrap());
        let token = || SecretString::from(planted.tokens[0].text.clone());
        shown(&mut evidence, &Login { token: token(), expires_in: Duration::from_secs(1) });
        shown(&mut evidence, &AccessToken { secret: token(), generation: 1 });
        let url = format!("postgres://ann:{}@db.example/ads", planted.database.in_url());
        let url: DatabaseUrl = url.parse().unwrap();
        shown(&mut evidence, &url);
        evidence.add("a database URL", url.to_string().as_bytes());
        assert!(evidence.has("a value", "ads.example.com") && evidence.has("a value", "db.example"));
        assert_eq!(evidence.leaks(planted.all()), [] as [String; 0]);
    });
}
