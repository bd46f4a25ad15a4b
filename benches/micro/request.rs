//! The sync of a campaign over real HTTP; who answers has the answer ready.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use actix_rt::System;
use actors::model::{AccessToken, IdempotencyKey};
use actors::permit::Permit;
use actors::ports::Platform;
use campaign_sync::platform::{Connections, HttpPlatform, PlatformSettings};
use mock_platform::{EMAIL, PASSWORD};
use secrecy::SecretString;
use uuid::Uuid;

use crate::Work;
use crate::wire::{CONFIRMED, first_campaign};

pub(crate) fn is_made_and_answered() -> Work {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    // It ends with its only connection.
    thread::spawn(move || answer_all(&listener));
    let settings = PlatformSettings {
        base_url: format!("http://{address}").parse().expect("it is a URL"),
        account: "default".into(),
        email: EMAIL.to_owned(),
        password: PASSWORD.into(),
        request_timeout: Duration::from_secs(30),
    };
    let connections = Connections::plain(1).expect("it needs nothing");
    let platform = HttpPlatform::new(settings, &connections).expect("its settings are right");
    let token = AccessToken { secret: SecretString::from("t".repeat(64)), generation: 1 };
    let campaign = first_campaign();
    let key = IdempotencyKey::new(Uuid::nil(), &campaign.id);
    let system = System::new();
    Box::new(move || {
        let answer = system.block_on(platform.sync(Permit::for_test(), &token, &campaign, &key));
        answer.expect("it is what was promised");
    })
}

fn answer_all(listener: &TcpListener) {
    let Ok((mut connection, _)) = listener.accept() else { return };
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{CONFIRMED}", CONFIRMED.len());
    let mut request = [0; 4096];
    // Head and body come together.
    while connection.read(&mut request).is_ok_and(|bytes| bytes > 0) {
        if connection.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
