//! What a fault makes of a good answer: another body, another status, another way of writing it. Pure.

use std::io::Write;

use flate2::write::GzEncoder;
use flate2::{Compress, Compression, FlushCompress};
use serde_json::Value;

use crate::answer::{Answer, Delivery, Manner};
use crate::fault::Fault;
use crate::http::Response;

/// What an endless body is filled with: whitespace, which a reader of JSON may take for the beginning of more.
const FILLING: [u8; 4096] = [b' '; 4096];
/// How much of it a piece of a bomb is when it is unpacked: a thousand times its length.
const BOMB: usize = 1024 * 1024;
/// Pieces in a chunk: more of them than a client reads at once.
const PIECES: usize = 64;
/// Nothing is there, and the API has no such path: whoever comes has followed the redirect.
const ELSEWHERE: &str = "/elsewhere";

const MAINTENANCE: &str = "<!DOCTYPE html>\n<html><head><title>Maintenance</title></head>\
    <body><h1>We'll be back soon</h1></body></html>\n";

/// The answer as the fault leaves it. Faults of the listing and of tokens have done their work before.
pub(crate) fn spoiled(mut answer: Answer, fault: Fault) -> Answer {
    let Delivery::Sent(response, _) = answer.delivery else { return answer };
    let whole = |response| Delivery::Sent(response, Manner::Whole);
    answer.delivery = match fault {
        Fault::BodyCut => Delivery::Sent(response, Manner::Cut),
        Fault::BodyDrips => Delivery::Sent(response, Manner::Dripping),
        Fault::BodyEndless => Delivery::Sent(unfinished(response), Manner::Endless(FILLING.to_vec())),
        Fault::NotJson => whole(Response { body: b"OK".to_vec(), ..response }),
        Fault::Html => {
            whole(Response { content_type: "text/html", body: MAINTENANCE.as_bytes().to_vec(), ..response })
        }
        Fault::WrongTypes => whole(changed(response, |_, value| *value = of_another_type(value))),
        Fault::ConnectionReset => Delivery::Reset,
        Fault::ConnectionClosed => Delivery::Closed,
        Fault::StaleKeepAlive => Delivery::Sent(response, Manner::Stale),
        Fault::Redirect => {
            answer.carries_out = None;
            whole(Response::error(302, "it is elsewhere").with("location", ELSEWHERE))
        }
        Fault::Gzip => whole(gzipped(response)),
        Fault::GzipBomb => {
            let (beginning, more) = bomb();
            Delivery::Sent(encoded(response, beginning), Manner::Endless(more))
        }
        Fault::Chunked => Delivery::Sent(response, Manner::Chunked),
        Fault::WrongCampaign => whole(changed(response, |name, value| {
            if let ("campaign_id", Value::String(id)) = (name, value) {
                *id = neighbour(id);
            }
        })),
        Fault::SuccessFalse => {
            answer.carries_out = None;
            whole(changed(response, |name, value| match name {
                "success" => *value = false.into(),
                "message" => *value = "Campaign data could not be synced".into(),
                _ => {}
            }))
        }
        Fault::Unauthorized => {
            answer.carries_out = None;
            whole(Response::unauthorized("the access token is missing, unknown or expired", "Bearer"))
        }
        Fault::LoginFails => whole(Response::unavailable()),
        Fault::LoginHangs => Delivery::Never,
        Fault::TokenDiesEarly
        | Fault::TokenKillsPredecessors
        | Fault::MalformedEntry
        | Fault::RepeatedPage
        | Fault::ShiftedPage
        | Fault::OverlappingPage
        | Fault::EndlessListing
        | Fault::ShrinkingListing
        | Fault::LyingTotal
        | Fault::LyingHasMore => whole(response),
    };
    answer
}

/// The body's fields, changed one by one.
fn changed(response: Response, mut change: impl FnMut(&str, &mut Value)) -> Response {
    let mut body: Value = serde_json::from_slice(&response.body).expect("a good answer is JSON");
    for (name, value) in body.as_object_mut().expect("a good answer is an object") {
        change(name, value);
    }
    let body = serde_json::to_vec(&body).expect("what was JSON is JSON");
    Response { body, ..response }
}

/// A text becomes a list, everything else a text.
fn of_another_type(value: &Value) -> Value {
    match value {
        Value::String(_) => Value::Array(vec![value.clone()]),
        _ => Value::String(value.to_string()),
    }
}

/// The id of another campaign, which may be there or not.
fn neighbour(id: &str) -> String {
    let number = id.strip_prefix("camp_").and_then(|number| number.parse::<u64>().ok()).unwrap_or_default();
    format!("camp_{:06}", number + 1)
}

/// All but the body's last byte, so that it can go on for ever.
fn unfinished(mut response: Response) -> Response {
    response.body.pop();
    response
}

fn gzipped(response: Response) -> Response {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&response.body).expect("a vector takes all that is written to it");
    let body = encoder.finish().expect("as above");
    encoded(response, body)
}

fn encoded(response: Response, body: Vec<u8>) -> Response {
    Response { body, ..response }.with("content-encoding", "gzip")
}

/// A gzip stream's head, and a piece that can follow it and itself for ever: a flush makes it stand alone.
fn bomb() -> (Vec<u8>, Vec<u8>) {
    const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut piece = Vec::with_capacity(BOMB / 100);
    let (mut compress, filling) = (Compress::new(Compression::best(), false), vec![b' '; BOMB]);
    compress
        .compress_vec(&filling, &mut piece, FlushCompress::Full)
        .expect("there is room for what is a thousand times smaller");
    (HEAD.to_vec(), piece.repeat(PIECES))
}
