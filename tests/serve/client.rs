//! A client that holds every answer against the server's own description of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) description: Value,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn detail(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.json()["status"], self.status);
        self.json()["detail"].as_str().unwrap().to_owned()
    }
}

impl Client {
    pub(crate) async fn new(address: SocketAddr) -> Self {
        let mut client = Self { address, description: Value::Null };
        client.description =
            client.raw("GET /api/openapi.json HTTP/1.1\r\nhost: localhost\r\n", "").await.json();
        client
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.described("GET", target, None, "").await
    }

    pub(crate) async fn post(&self, target: &str, token: Option<&str>, body: &str) -> Answer {
        self.described("POST", target, token, body).await
    }

    async fn described(&self, method: &str, target: &str, token: Option<&str>, body: &str) -> Answer {
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n", self.address);
        if let Some(token) = token {
            head += &format!("authorization: Bearer {token}\r\n");
        }
        if !body.is_empty() {
            head += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        }
        let answer = self.raw(&head, body).await;
        self.hold_against_description(method, target, &answer);
        answer
    }

    fn hold_against_description(&self, method: &str, target: &str, answer: &Answer) {
        let path = target.split('?').next().unwrap();
        let fits = |template: &str| {
            let (template, path) = (template.split('/'), path.split('/'));
            template.clone().count() == path.clone().count()
                && template.zip(path).all(|(part, given)| part == given || part.starts_with('{'))
        };
        let paths = self.description["paths"].as_object().unwrap();
        let exact = paths.get_key_value(path);
        let (_, item) = exact.or_else(|| paths.iter().find(|(template, _)| fits(template))).unwrap();
        let response = &item[method.to_lowercase()]["responses"][answer.status.to_string()];
        let kind = answer.headers["content-type"].split(';').next().unwrap();
        let schema = &response["content"][kind]["schema"];
        assert!(schema.is_object(), "not described: {method} {target} {answer:?}");
        if kind.ends_with("json") {
            let mut schema = schema.clone();
            schema["components"] = self.description["components"].clone();
            let validator = jsonschema::validator_for(&schema).unwrap();
            let errors: Vec<_> =
                validator.iter_errors(&answer.json()).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{method} {target}: {errors:?} in {}", answer.body);
            assert!(validator.validate(&json!(null)).is_err(), "a schema that says nothing");
        }
    }

    /// The head ends with its last header's line.
    pub(crate) async fn raw(&self, head: &str, body: &str) -> Answer {
        let mut stream = self.open(head, body).await;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Answer { status, headers, body: body.to_owned() }
    }

    pub(crate) async fn open(&self, head: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that refuses reads no further.
        let _ = stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await;
        stream
    }
}
