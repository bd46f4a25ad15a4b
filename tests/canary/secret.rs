//! A secret, and how it is recognised whatever it was written as.

use std::collections::BTreeSet;
use std::fmt::Write;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

/// Around a leak, this many characters are shown.
const SHOWN: usize = 120;

/// See the module.
#[derive(Clone)]
pub(crate) struct Secret {
    name: String,
    pub(crate) text: String,
    marks: BTreeSet<String>,
}

impl Secret {
    /// A new one with this around its core. The core has only letters and digits, which no way of writing text in text
    /// changes, be it JSON in JSON, a URL or HTML; so it gives the secret away however the rest is spelled, and half of it.
    pub(crate) fn around(name: &str, before: &str, after: &str) -> Self {
        let core = format!("Canary{}", Uuid::new_v4().simple());
        Self::with_core(name, format!("{before}{core}{after}"), &core)
    }

    /// One that somebody else made up; the core is a part of it.
    pub(crate) fn with_core(name: &str, text: String, core: &str) -> Self {
        assert!(core.bytes().all(|byte| byte.is_ascii_alphanumeric()) && text.contains(core), "{name}");
        Self { name: name.to_owned(), text, marks: marks(core) }
    }

    /// How it can be read in this text, as a sentence for each place.
    pub(crate) fn read_in(&self, place: &str, text: &str) -> Option<String> {
        let at = self.marks.iter().find_map(|mark| text.find(mark.as_str()))?;
        let before: Vec<char> = text[..at].chars().rev().take(SHOWN).collect();
        let after = text[at..].chars().take(SHOWN);
        let around: String = before.into_iter().rev().chain(after).collect();
        Some(format!("{} is in {place}: …{around}…", self.name))
    }

    /// As it stands in a JSON string, in the ways of those who write no more escapes than they must, and all they can.
    pub(crate) fn in_json(&self) -> [String; 2] {
        let quoted = serde_json::to_string(&self.text).unwrap();
        let least = quoted[1..quoted.len() - 1].to_owned();
        let mut most = String::new();
        for c in least.replace('/', "\\/").chars() {
            if c.is_ascii() { most.push(c) } else { write!(most, "\\u{:04x}", u32::from(c)).unwrap() }
        }
        [least, most]
    }

    /// As it stands in a URL.
    pub(crate) fn in_url(&self) -> String {
        utf8_percent_encode(&self.text, NON_ALPHANUMERIC).to_string()
    }

    /// As it stands in an attribute of HTML.
    pub(crate) fn in_html(&self) -> String {
        self.text.replace('&', "&amp;").replace('"', "&quot;").replace('/', "&#47;").replace('ö', "&#xF6;")
    }

    pub(crate) fn in_base64(&self) -> String {
        BASE64_STANDARD_NO_PAD.encode(&self.text)
    }

    pub(crate) fn in_hex(&self) -> String {
        each_byte(&self.text, |byte| format!("{byte:02x}"))
    }
}

/// All that the core can look like.
fn marks(core: &str) -> BTreeSet<String> {
    let numbers: Vec<String> = core.bytes().map(|byte| byte.to_string()).collect();
    let spelled = [
        core.to_owned(),
        each_byte(core, |byte| format!("{byte:02x}")),
        each_byte(core, |byte| format!("{byte:02X}")),
        each_byte(core, |byte| format!("%{byte:02x}")),
        each_byte(core, |byte| format!("%{byte:02X}")),
        each_byte(core, |byte| format!("\\u{byte:04x}")),
        each_byte(core, |byte| format!("\\u{byte:04X}")),
        // Bytes that somebody has shown for debugging.
        numbers.join(", "),
        numbers.join(","),
    ];
    // In base64 it depends on what stands before: three bytes are four characters.
    let engines = [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD];
    let base64 = engines.into_iter().flat_map(|engine| {
        [(0, 0), (1, 2), (2, 3)].map(|(shift, foreign)| {
            let bytes = [&vec![0; shift], core.as_bytes()].concat();
            // What depends on nothing before and nothing after.
            engine.encode(&bytes)[foreign..bytes.len() * 8 / 6].to_owned()
        })
    });
    spelled.into_iter().chain(base64).collect()
}

fn each_byte(text: &str, spell: impl Fn(u8) -> String) -> String {
    text.bytes().map(spell).collect()
}
