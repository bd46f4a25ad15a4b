//! The description of the API. (That answers are as it says, the client of these tests checks with each of them.)

use std::collections::BTreeSet;
use std::fs;

use crate::support::serving;

#[test]
fn every_route_is_described_and_everything_described_is_a_route() {
    let mut routes = BTreeSet::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/serve/http");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    // Pages are for people: they are not in it.
    let files = files.filter(|file| file.is_file() && !file.ends_with("status_page.rs"));
    for file in files.chain([format!("{folder}.rs").into()]) {
        let source = fs::read_to_string(file).unwrap();
        for line in source.lines().map(str::trim) {
            for method in ["get", "post", "put", "delete", "patch", "head", "route"] {
                let path =
                    line.strip_prefix(&format!("#[{method}(\"")).and_then(|rest| rest.strip_suffix("\")]"));
                routes.extend(path.map(|path| (method.to_owned(), path.to_owned())));
            }
        }
    }
    serving(None, vec![], async |serving| {
        let mut described = BTreeSet::new();
        for (path, item) in serving.client.description["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                described.insert((method.clone(), path.clone()));
                assert!(operation["summary"].is_string() || operation["description"].is_string(), "{path}");
                let body = if method == "post" { "{}" } else { "" };
                let head = format!(
                    "{} {} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n",
                    method.to_uppercase(),
                    path.replace("{id}", "a"),
                    body.len()
                );
                let answer = serving.client.raw(&head, body).await;
                assert!(!matches!(answer.status, 404 | 405), "{method} {path}: {answer:?}");
            }
        }
        assert_eq!(described, routes);
        assert_eq!(described.len(), 12);
        for path in ["/healthz", "/readyz", "/metrics", "/api/accounts", "/api/runs", "/api/dead-letters"] {
            assert!(described.contains(&("get".to_owned(), path.to_owned())), "{path}");
        }
        let document = &serving.client.description;
        assert_eq!(document["components"]["securitySchemes"]["operator"]["scheme"], "bearer");
        assert_eq!(
            document["paths"]["/api/accounts/{id}/run"]["post"]["security"][0]["operator"],
            serde_json::json!([])
        );
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    });
}
