//! The ads of a bid: what each shows, and why this product; or why no product could be shown.
//!
//! Makes the decision's own choice again, ad by ad, so that what is told is what is in the markup.

use serde::Serialize;
use serde_json::Value;

use super::scene::{Scene, Visit, some};
use crate::base::id::ProductKey;
use crate::base::time::Secs;
use crate::model::advertiser::{Fallback, ProductSource, Shop};
use crate::model::choice::Shelves;
use crate::model::event::EventKind;
use crate::model::outcome::Pick;
use crate::model::product::{Product, levels};

/// One ad of the answer.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ExplainedAd)]
pub struct Ad {
    /// The imp it is for.
    #[schema(value_type = String)]
    impid: Value,
    /// Whose.
    advertiser: String,
    /// Its campaign.
    campaign: String,
    /// Its creative.
    creative: String,
    /// The kind of ad: banner, native, video or audio.
    format: &'static str,
    /// `300x250`; null where it has no size of its own.
    size: Option<String>,
    /// What is bid, CPM as decimal text in the currency of the answer.
    price: String,
    /// What it shows, the first one first; none where it is an ad of the shop itself.
    products: Vec<Shown>,
    /// `adm`: links in it are sealed with a key that no listener opens.
    markup: Value,
    /// Where the same creative can be looked at with its first product.
    preview: String,
}

/// A product in an ad.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ExplainedProduct)]
pub struct Shown {
    /// `id` of the feed.
    item_id: String,
    /// `title`.
    title: String,
    /// What it costs now, as the ad says it.
    price: String,
    /// The landing page.
    link: String,
    /// The picture.
    image_link: String,
    /// Why it and no other.
    because: String,
}

impl std::fmt::Display for Ad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = self.size.as_deref().unwrap_or("any size");
        let (impid, price) = (&self.impid, &self.price);
        write!(
            f,
            "ad for imp {impid}: {}/{} bids {price} with `{}`, {} {size}",
            self.advertiser, self.campaign, self.creative, self.format
        )?;
        for Shown {
            item_id,
            title,
            price,
            because,
            ..
        } in &self.products
        {
            write!(f, "\n  `{item_id}` {title}, {price}: {because}")?;
        }
        write!(f, "\n  to be seen at {}", self.preview)
    }
}

/// The ads of the answer, in the order of the picks.
pub(super) fn ads(scene: &Scene<'_>, picks: &[Pick], answer: &Value) -> Vec<Ad> {
    let bids: Vec<&Value> = answer["seatbid"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|seat| seat["bid"].as_array().into_iter().flatten())
        .collect();
    let mut taken: Vec<ProductKey> = Vec::new();
    let mut ads = Vec::new();
    for pick in picks {
        let tag = format!("{:016x}", pick.tag.0);
        let bid = bids.iter().find(|bid| bid["id"].as_str() == Some(&tag));
        if let Some((ad, shown)) = bid.and_then(|bid| ad(scene, pick, bid, &taken)) {
            ads.push(ad);
            taken.extend(shown);
        }
    }
    ads
}

fn ad(scene: &Scene<'_>, pick: &Pick, bid: &Value, taken: &[ProductKey]) -> Option<(Ad, Vec<ProductKey>)> {
    let shop = scene.world.shop(pick.advertiser)?;
    let advertiser = &shop.advertiser;
    let campaign = advertiser.campaigns.get(pick.campaign_index as usize)?;
    let creative = advertiser.creatives.iter().find(|creative| creative.no == pick.creative)?;
    let size = Some((&bid["w"], &bid["h"]))
        .filter(|(w, _)| !w.is_null())
        .map(|(w, h)| format!("{w}x{h}"));
    let at = creative
        .ads
        .iter()
        .position(|(own, _)| size.as_ref() == Some(&format!("{}x{}", own.w, own.h)));
    let visit = scene.visit(shop);
    let rankings = scene.state.popular.rankings();
    let shelves = Shelves {
        events: visit.events,
        cart: &visit.cart,
        catalog: &shop.catalog,
        ranking: rankings.get(&advertiser.no),
        rules: &advertiser.products,
        taken,
        now: scene.now,
    };
    let chosen = shelves.choose(creative.places(at.unwrap_or(0))).unwrap_or_default();
    let products: Vec<Shown> = chosen.iter().map(|product| shown(scene, shop, &visit, product)).collect();
    let first = products.first().map(|product| {
        let id = percent_encoding::utf8_percent_encode(&product.item_id, percent_encoding::NON_ALPHANUMERIC);
        format!("product={id}")
    });
    let query: Vec<String> = [
        first.or_else(|| Some("fallback=brand".to_owned())),
        size.as_ref().map(|size| format!("size={size}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let ad = Ad {
        impid: bid["impid"].clone(),
        advertiser: advertiser.id.clone(),
        campaign: campaign.id.clone(),
        creative: creative.id.clone(),
        format: creative.format.label(),
        price: pick.price.to_string(),
        products,
        markup: bid["adm"].clone(),
        preview: format!("/api/preview/{}/{}?{}", advertiser.id, creative.id, query.join("&")),
        size,
    };
    Some((ad, chosen.iter().map(|product| product.key).collect()))
}

fn shown(scene: &Scene<'_>, shop: &Shop, visit: &Visit<'_>, product: &Product) -> Shown {
    Shown {
        item_id: product.item_id.to_string(),
        title: product.title.to_string(),
        price: product.price_at(scene.now).to_owned(),
        link: product.link.to_string(),
        image_link: product.image_link.to_string(),
        because: because(scene, shop, visit, product),
    }
}

/// Which of the sources it is of, in the order in which they were asked.
fn because(scene: &Scene<'_>, shop: &Shop, visit: &Visit<'_>, product: &Product) -> String {
    let rules = &shop.advertiser.products;
    let fallback = (rules.fallback == Fallback::Popular).then_some(ProductSource::Popular);
    let mut sources = rules.from.iter().copied().chain(fallback);
    let found = sources.find_map(|source| match source {
        ProductSource::Cart => of(
            scene,
            shop,
            product,
            visit.cart.iter().map(|line| (line.product, line.at)),
            "in the cart, added",
        ),
        ProductSource::Viewed => of(scene, shop, product, viewed(visit), "viewed at"),
        ProductSource::Category => of_category(shop, visit, product),
        ProductSource::Popular => Some("what others look at most".to_owned()),
    });
    found.unwrap_or_else(|| "it is in the feed".to_owned())
}

fn viewed<'v>(visit: &'v Visit<'_>) -> impl Iterator<Item = (ProductKey, Secs)> + 'v {
    let views = visit.events.iter().filter(|event| event.kind == EventKind::ViewItem);
    views.map(|event| (event.product, event.at))
}

/// Whether it is one of some, or stands for one that is out of stock.
fn of(scene: &Scene<'_>, shop: &Shop, product: &Product, mut some: impl Iterator<Item = (ProductKey, Secs)>, how: &str) -> Option<String> {
    some.find_map(|(key, at)| {
        let at = scene.at(shop, at);
        if key == product.key {
            return Some(format!("{how} {at}"));
        }
        let other = shop
            .catalog
            .get(key)
            .filter(|other| other.group != 0 && other.group == product.group && !other.in_stock)?;
        Some(format!("another variant of `{}`, which is out of stock: {how} {at}", other.item_id))
    })
}

fn of_category(shop: &Shop, visit: &Visit<'_>, product: &Product) -> Option<String> {
    let seeds = visit.cart.iter().map(|line| line.product).chain(viewed(visit).map(|(key, _)| key));
    seeds.filter_map(|key| shop.catalog.get(key)).find_map(|seed| {
        let paths = seed.categories.iter().flat_map(|path| levels(path));
        let mut own = product.categories.iter().flat_map(|path| levels(path));
        let shared = paths.into_iter().find(|path| own.any(|level| level == *path))?;
        Some(format!("more of `{shared}`, as `{}` is", seed.item_id))
    })
}

/// Why nothing that the shopper left can be shown.
pub(super) fn none(scene: &Scene<'_>, shop: &Shop) -> String {
    let visit = scene.visit(shop);
    let mut keys: Vec<ProductKey> = visit
        .cart
        .iter()
        .map(|line| line.product)
        .chain(viewed(&visit).map(|(key, _)| key))
        .collect();
    let mut met = std::collections::HashSet::new();
    keys.retain(|key| key.is_some() && met.insert(*key));
    let told = keys.iter().map(|key| match shop.catalog.get(*key) {
        None => "one is not in the feed".to_owned(),
        Some(product) => format!("`{}` {}", product.item_id, hidden(scene, shop, &visit, product)),
    });
    let listed = shop.catalog.len();
    if keys.is_empty() {
        return format!("nothing in the cart and nothing viewed ({listed} products in the feed)");
    }
    format!("{} ({listed} products in the feed)", some(told))
}

fn hidden(scene: &Scene<'_>, shop: &Shop, visit: &Visit<'_>, product: &Product) -> String {
    let rules = &shop.advertiser.products;
    let since = scene.now.before(rules.exclude_bought).to_secs();
    let bought = visit.events.iter().find(|event| {
        let group = shop.catalog.get(event.product).map_or(0, |bought| bought.group);
        event.kind == EventKind::Purchase && event.at >= since && (event.product == product.key || group != 0 && group == product.group)
    });
    match bought {
        Some(event) => format!("or a variant was bought at {}", scene.at(shop, event.at)),
        None if !product.showable => "may not be shown".to_owned(),
        None if !product.in_stock => "is out of stock".to_owned(),
        None if !product.can_show(scene.now) => "has expired".to_owned(),
        None => "is shown in another ad of this answer, or is of no source".to_owned(),
    }
}
