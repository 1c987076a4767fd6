//! The demo shops' own pages: product pages and pictures, so that an ad shows something and a click
//! leads somewhere.
//!
//! Assumes the embedded shops. Keeps nothing, sets no cookies, and never answers with text that is
//! not escaped for where it lands.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use html_escape::{encode_double_quoted_attribute as attribute, encode_text as text};

use super::shop::{Item, Shop, shops};

type Shops = State<Arc<Vec<Shop>>>;

/// Serves the shops' pages on a listener until the future is dropped.
pub async fn storefront(listener: tokio::net::TcpListener) {
    let shops = Arc::new(shops().unwrap_or_default());
    let pages = Router::new()
        .route("/", get(front))
        .route("/{shop}", get(shelf))
        .route("/{shop}/p/{item}", get(product))
        .route("/{shop}/i/{file}", get(picture))
        .with_state(shops);
    // `axum::serve` retries what fails; it has nothing to report.
    let _ = axum::serve(listener, pages).await;
}

async fn front(State(shops): Shops) -> Response {
    let mut body = String::from("<h1>Three shops</h1><ul>");
    for shop in shops.iter() {
        let _ = write!(body, "<li><a href=\"/{}\">{}</a></li>", attribute(&shop.id), text(&shop.name));
    }
    body.push_str("</ul>");
    page("en", "Three shops", &body)
}

async fn shelf(State(shops): Shops, Path(shop): Path<String>) -> Response {
    let Some(shop) = shops.iter().find(|s| s.id == shop) else {
        return missing();
    };
    let mut body = format!("<h1>{}</h1><div class=\"shelf\">", text(&shop.name));
    for item in &shop.items {
        let _ = write!(
            body,
            "<a href=\"/{shop}/p/{id}\"><img src=\"/{shop}/i/{id}.svg\" alt=\"\"><b>{title}</b><span>{price}</span></a>",
            shop = attribute(&shop.id),
            id = attribute(&item.id),
            title = text(&item.title),
            price = text(&item.price),
        );
    }
    body.push_str("</div>");
    page(&shop.language, &shop.name, &body)
}

async fn product(State(shops): Shops, Path((shop, item)): Path<(String, String)>) -> Response {
    let Some((shop, item)) = found(&shops, &shop, &item) else {
        return missing();
    };
    let body = format!(
        "<p><a href=\"/{shop_id}\">{shop_name}</a> · {category}</p><h1>{title}</h1>\
         <img class=\"large\" src=\"/{shop_id}/i/{id}.svg\" alt=\"{alt}\"><p>{description}</p><p class=\"price\">{price}</p>",
        shop_id = attribute(&shop.id),
        shop_name = text(&shop.name),
        category = text(&item.category),
        title = text(&item.title),
        id = attribute(&item.id),
        alt = attribute(&item.title),
        description = text(&item.description),
        price = text(&item.price),
    );
    page(&shop.language, &item.title, &body)
}

async fn picture(State(shops): Shops, Path((shop, file)): Path<(String, String)>) -> Response {
    let item = file.strip_suffix(".svg").and_then(|item| found(&shops, &shop, item));
    match item {
        Some((_, item)) => ([(CONTENT_TYPE, "image/svg+xml")], svg(item)).into_response(),
        None => missing(),
    }
}

fn found<'a>(shops: &'a [Shop], shop: &str, item: &str) -> Option<(&'a Shop, &'a Item)> {
    let shop = shops.iter().find(|s| s.id == shop)?;
    Some((shop, shop.item(item)?))
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "no such page in this shop\n").into_response()
}

fn page(language: &str, title: &str, body: &str) -> Response {
    Html(format!(
        "<!doctype html><html lang=\"{}\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{}</title><style>body{{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;color:#222}}\
         img{{width:100%;border-radius:8px;display:block}}.large{{max-width:24rem}}.price{{font-size:1.5rem;font-weight:700}}\
         .shelf{{display:grid;grid-template-columns:repeat(auto-fill,minmax(10rem,1fr));gap:1rem}}\
         .shelf a{{color:inherit;text-decoration:none;display:grid;gap:.25rem}}</style>{body}</html>",
        attribute(language),
        text(title)
    ))
    .into_response()
}

/// A picture of an item: a drawing for its kind on a ground of its own colour.
fn svg(item: &Item) -> String {
    let mut hasher = DefaultHasher::new();
    item.id.hash(&mut hasher);
    let hue = hasher.finish() % 360;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 400 400\" width=\"400\" height=\"400\">\
         <rect width=\"400\" height=\"400\" fill=\"hsl({hue} 45% 90%)\"/>\
         <ellipse cx=\"200\" cy=\"318\" rx=\"130\" ry=\"12\" fill=\"hsl({hue} 30% 78%)\"/>\
         <g fill=\"hsl({hue} 50% 42%)\" stroke=\"hsl({hue} 55% 24%)\" stroke-width=\"7\" stroke-linejoin=\"round\" \
         stroke-linecap=\"round\">{}</g></svg>",
        drawing(&item.category)
    )
}

/// What an item of a category looks like, drawn in a square of 400.
fn drawing(category: &str) -> &'static str {
    match category {
        "Trail running" | "Road running" | "Sneakers" | "Casual" => {
            "<path d=\"M70 300v-90l40-20q30 25 60 0l30-25 70 65q60 10 65 45v25z\"/><path d=\"M66 290h272v22H66z\" fill=\"#fff\"/>\
             <path d=\"M180 195l22 22M202 178l22 22M224 200l20 20\" fill=\"none\" stroke=\"#fff\"/>"
        }
        "Hiking boots" | "Boots" | "Schuhe" => {
            "<path d=\"M95 300V110h95l5 95q75 20 120 60v35z\"/><path d=\"M88 288h232v26H88z\" fill=\"#fff\"/>\
             <path d=\"M130 140h60M130 170h62M130 200h64\" stroke=\"#fff\"/>"
        }
        "Sandals" => {
            "<path d=\"M70 290q130 30 260 0v18q-130 24-260 0z\"/><path d=\"M110 290q20-80 90-95M290 290q-20-80-90-95M150 292q50-60 100 0\" fill=\"none\"/>"
        }
        "Đèn" => {
            "<path d=\"M140 90h120l45 110H95z\"/><path d=\"M200 200v100M150 306h100\" fill=\"none\"/><path d=\"M170 92l-20 106M230 92l20 106\" stroke=\"#fff\"/>"
        }
        "Ghế" => "<path d=\"M130 90h140v120H130z\"/><path d=\"M110 210h180v30H110z\"/><path d=\"M125 240v70M275 240v70\" fill=\"none\"/>",
        "Bàn" => "<path d=\"M80 160h240v28H80z\"/><path d=\"M105 188l-15 122M295 188l15 122\" fill=\"none\"/>",
        "Bếp" => {
            "<path d=\"M110 190h180q0 110-90 115-90-5-90-115z\"/><path d=\"M170 160q-15-20 0-40M210 160q-15-20 0-40M250 160q-15-20 0-40\" fill=\"none\"/>"
        }
        "Chăn ga" | "Schlafsäcke" => {
            "<rect x=\"90\" y=\"140\" width=\"220\" height=\"160\" rx=\"40\"/><path d=\"M90 200h220M90 250h220\" stroke=\"#fff\"/>"
        }
        "Lưu trữ" => {
            "<path d=\"M110 170h180l-18 135H128z\"/><path d=\"M150 170q50-110 100 0\" fill=\"none\"/><path d=\"M118 215h164M123 258h154\" stroke=\"#fff\"/>"
        }
        "Thảm" => {
            "<ellipse cx=\"200\" cy=\"230\" rx=\"140\" ry=\"75\"/><ellipse cx=\"200\" cy=\"230\" rx=\"95\" ry=\"48\" stroke=\"#fff\"/><ellipse cx=\"200\" cy=\"230\" rx=\"45\" ry=\"22\" stroke=\"#fff\"/>"
        }
        "Rucksäcke" => {
            "<rect x=\"120\" y=\"120\" width=\"160\" height=\"185\" rx=\"45\"/><path d=\"M165 120q35-70 70 0\" fill=\"none\"/><rect x=\"145\" y=\"210\" width=\"110\" height=\"70\" rx=\"14\" stroke=\"#fff\"/>"
        }
        "Zelte" => "<path d=\"M200 100L330 305H70z\"/><path d=\"M200 100l45 205h-90z\" fill=\"#fff\"/>",
        "Jacken" => "<path d=\"M150 100h100l70 60-30 55-25-20v110H135V195l-25 20-30-55z\"/><path d=\"M200 105v195\" stroke=\"#fff\"/>",
        "Kochen" => "<path d=\"M110 180h180v90q0 30-30 30H140q-30 0-30-30z\"/><path d=\"M290 200h50M100 175h200\" fill=\"none\"/>",
        "Licht" => "<path d=\"M70 190q130-60 260 0v40q-130-50-260 0z\"/><circle cx=\"200\" cy=\"215\" r=\"50\" fill=\"#fff\"/>",
        _ => "<rect x=\"110\" y=\"150\" width=\"180\" height=\"150\" rx=\"12\"/><path d=\"M110 200h180\" stroke=\"#fff\"/>",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_has_a_picture_of_its_own() {
        let shops = shops().expect("embedded shops");
        let mut seen = std::collections::HashSet::new();
        let blank = drawing("no such category");
        for item in shops.iter().flat_map(|shop| &shop.items) {
            assert!(drawing(&item.category) != blank, "{}", item.category);
            assert!(seen.insert(item.id.clone()), "{} is twice", item.id);
        }
    }
}
