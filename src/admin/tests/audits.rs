//! The audit log: every change stands in it with who made it, and nothing that may not.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::calls::calls;
use super::{Rig, SHOP, TOKEN};

const PATH: &str = "/api/advertisers/acme-shoes";
const CART: &str = r#"{"user": {"id": "shopper-7", "exchange_ids": {"demo-x": "theirs"}},
    "events": [{"event": "view_item", "items": [{"item_id": "runner"}]}]}"#;

async fn entries(rig: &Rig, query: &str) -> Vec<Value> {
    let got = rig.get(&format!("/api/audit{query}")).await;
    assert_eq!(got.status, 200, "{}", got.text);
    got.json()["entries"].as_array().expect("entries").clone()
}

#[tokio::test]
async fn every_call_that_changes_something_is_written_down() {
    let rig = Rig::new();
    let mut missing = Vec::new();
    let changes: Vec<_> = calls().into_iter().filter(|call| call.changes).collect();
    for call in &changes {
        let path = call
            .path
            .replace("{id}", "nobody")
            .replace("{campaign}", "x")
            .replace("{advertiser}", "nobody");
        rig.call(call.method.clone(), &path, "{}").await;
        let newest = entries(&rig, "?limit=1").await.remove(0);
        let wanted = format!("{} {}", call.method, call.path);
        if (&newest["call"], &newest["who"], &newest["role"]) != (&json!(wanted), &json!("admin"), &json!("admin")) {
            missing.push(wanted);
        }
    }
    assert_eq!(missing, [""; 0]);
    assert!(changes.len() >= 8, "{}", changes.len());
    assert_eq!(entries(&rig, "").await.len(), changes.len());
    println!("show api.audit_rows_missing {} =0 ok", missing.len());
    let looks = [
        (Method::GET, PATH),
        (Method::POST, "/api/check"),
        (Method::POST, "/api/explain/demo-x"),
        (Method::GET, "/api/audit"),
    ];
    for (method, path) in looks {
        rig.call(method, path, "{}").await;
    }
    rig.send(Method::DELETE, PATH, "", &[]).await;
    rig.send(Method::DELETE, "/api/users/x", "", &[("authorization", "Bearer may-look")])
        .await;
    assert_eq!(entries(&rig, "").await.len(), changes.len(), "who may not has changed nothing");
}

#[tokio::test]
async fn an_entry_tells_who_what_from_which_text_to_which() {
    let rig = Rig::new();
    let etag = rig.get(PATH).await.header("etag");
    let headers = [("authorization", "Bearer may-change")];
    let put = rig.send(Method::PUT, PATH, &SHOP.replace("Acme Shoes", "Acme"), &headers).await;
    let edited = rig
        .call(Method::PATCH, &format!("{PATH}/campaigns/resting"), r#"{"status": "active"}"#)
        .await;
    let stale = rig.put_if(PATH, SHOP, &etag).await;
    assert_eq!(stale.status, 412);
    assert_eq!(rig.call(Method::DELETE, PATH, "").await.status, 204);
    let told: Vec<Value> = entries(&rig, "").await;
    let row = |n: usize| ["who", "call", "target", "from", "to", "outcome"].map(|key| told[n][key].clone());
    let (first, second) = (json!(put.header("etag")), json!(edited.header("etag")));
    let of_file = "/api/advertisers/{id}";
    let expected = [
        [
            json!("admin"),
            json!(format!("DELETE {of_file}")),
            json!("acme-shoes"),
            second.clone(),
            Value::Null,
            json!("done"),
        ],
        [
            json!("admin"),
            json!(format!("PUT {of_file}")),
            json!("acme-shoes"),
            Value::Null,
            Value::Null,
            json!("stale"),
        ],
        [
            json!("admin"),
            json!(format!("PATCH {of_file}/campaigns/{{campaign}}")),
            json!("acme-shoes/resting"),
            first.clone(),
            second,
            json!("done"),
        ],
        [
            json!("write"),
            json!(format!("PUT {of_file}")),
            json!("acme-shoes"),
            json!(etag),
            first,
            json!("done"),
        ],
    ];
    for (n, row_expected) in expected.into_iter().enumerate() {
        assert_eq!(row(n), row_expected, "{n}");
    }
    let time = told[3]["time"].as_str().expect("text");
    assert_eq!(entries(&rig, &format!("?from={time}")).await.len(), 4);
    assert_eq!(entries(&rig, &format!("?to={time}")).await.len(), 1);
    assert_eq!(entries(&rig, "?to=2020-01-31").await.len(), 0);
    assert_eq!(entries(&rig, "?from=2020-01-31&limit=2").await.len(), 2);
    for wrong in ["from=yesterday", "limit=0", "limit=1001", "limit=all", "who=me"] {
        assert_eq!(rig.get(&format!("/api/audit?{wrong}")).await.failure().0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn nobodys_id_and_no_token_is_in_it() {
    let rig = Rig::new();
    rig.remember(CART).await;
    for id in ["demo-x:theirs", "shopper-7", "email_sha256:nonsense"] {
        assert_eq!(rig.call(Method::DELETE, &format!("/api/users/{id}"), "").await.status, 204);
    }
    let told = entries(&rig, "").await;
    let targets: Vec<&str> = told.iter().filter_map(|entry| entry["target"].as_str()).collect();
    let own = format!("user:{:016x}", rig.engine.world.load().hashes.user(b"shopper-7").0);
    assert_eq!(
        (targets[1], targets[2]),
        (own.as_str(), own.as_str()),
        "by whichever id: {targets:?}"
    );
    assert!(targets[0].starts_with("user:") && targets[0] != own);
    let folder = rig.engine.settings.load().server.data_dir.join("audit");
    let files = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|file| file.expect("a file").path());
    let text: String = files.map(|file| std::fs::read_to_string(file).expect("text")).collect();
    assert_eq!(text.lines().count(), 3);
    for secret in ["theirs", "shopper", "email_sha256", "nonsense", TOKEN] {
        assert!(!text.contains(secret), "`{secret}` in {text}");
    }
}

#[tokio::test]
async fn a_change_is_written_down_though_its_caller_goes_away() {
    let rig = Rig::new();
    let held = rig.engine.edits.lock().await;
    {
        let going = rig.call(Method::DELETE, PATH, "");
        tokio::select! {
            _ = going => panic!("it cannot be done yet"),
            () = tokio::time::sleep(std::time::Duration::from_millis(50)) => {}
        }
    }
    drop(held);
    for _ in 0..200 {
        if !entries(&rig, "").await.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let told = entries(&rig, "").await;
    assert_eq!(
        (&told[0]["call"], &told[0]["outcome"]),
        (&json!("DELETE /api/advertisers/{id}"), &json!("done"))
    );
    assert!(!rig.file("acme-shoes.json").exists());
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_said_to_be_done() {
    let rig = Rig::new();
    let folder = rig.engine.settings.load().server.data_dir.join("audit");
    std::fs::write(&folder, "in the way").expect("written");
    let got = rig.call(Method::DELETE, PATH, "").await;
    assert_eq!(got.failure(), (503, "unavailable".to_owned()));
    assert!(
        got.text.contains("it was done, but cannot be written into the audit log"),
        "{}",
        got.text
    );
}

#[tokio::test]
async fn texts_are_checked_without_a_trace() {
    let rig = Rig::new();
    let check = async |query: &str, body: &str| rig.call(Method::POST, &format!("/api/check{query}"), body).await;
    let world = rig.engine.world.load_full();
    let sound = check("", SHOP).await.json();
    assert_eq!(sound["faults"], json!([]), "{sound}");
    let slip = check("?kind=advertiser", &SHOP.replace("\"headline\"", "\"headlin\"")).await.json();
    let fault = &slip["faults"][0];
    assert_eq!(
        (&fault["pointer"], &fault["line"], &fault["column"]),
        (&json!("/creatives/0/headlin"), &json!(11), &json!(87)),
        "{slip}"
    );
    assert_eq!(fault["message"], "unknown key; did you mean `headline`?");
    let twin = check("", &SHOP.replace("\"acme-shoes\"", "\"beta\"")).await.json();
    let problem = "site_key `acme-web-1` belongs to advertiser `acme-shoes`: choose another";
    assert_eq!(twin["faults"][0]["problem"], problem, "{twin}");
    let server = check("?kind=server", r#"{"bid": {"listen": "here"}}"#).await.json();
    assert_eq!(
        (&server["faults"][0]["pointer"], &server["warnings"][0]["pointer"]),
        (&json!("/bid/listen"), &json!("")),
        "{server}"
    );
    assert_eq!(check("", "{").await.json()["faults"][0]["line"], 1);
    assert_eq!(check("?kind=shop", "{}").await.failure().0, 400);
    let headers = [("authorization", "Bearer may-change")];
    let weak = rig.send(Method::POST, "/api/check?kind=server", "{}", &headers).await;
    assert_eq!(
        weak.failure(),
        (403, "forbidden".to_owned()),
        "faults of a server's config quote files"
    );
    assert!(std::sync::Arc::ptr_eq(&world, &rig.engine.world.load_full()));
    for (kind, title) in [("advertiser", "winback advertiser"), ("server", "winback server")] {
        let schema = rig.get(&format!("/api/schema?kind={kind}")).await;
        assert_eq!(
            (schema.header("content-type").as_str(), &schema.json()["title"]),
            ("application/schema+json", &json!(title))
        );
    }
}
