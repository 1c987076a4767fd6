//! What a category is called, and what stands above it, in IAB Tech Lab's taxonomies (`cattax`, AdCOM 1.0).
//!
//! An advertiser is named once, when its config is read, in every taxonomy that publishers may block or
//! allow by; a request is then compared word for word. Where taxonomies have no mapping between them, a
//! category has no name in the other. The tables are IAB Tech Lab's (github.com/InteractiveAdvertisingBureau/
//! Taxonomies, CC BY 3.0): ids with their parents, and its mappings from and to Content 1.0.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A taxonomy; versions that only add rows to one another are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taxonomy {
    /// Content 1.0: `IAB1`, `IAB1-2`.
    Content1,
    /// Content 2.0 to 2.2.
    Content2,
    /// Content 3.0 and 3.1.
    Content3,
    /// Ad Product 1.0 and 1.1.
    AdProduct1,
    /// Ad Product 2.0.
    AdProduct2,
    /// One of which only the names are known.
    Other(u32),
}

impl Taxonomy {
    /// By its number in requests and bids.
    pub fn of(cattax: u32) -> Taxonomy {
        match cattax {
            1 => Taxonomy::Content1,
            2 | 5 | 6 => Taxonomy::Content2,
            7 | 9 => Taxonomy::Content3,
            3 => Taxonomy::AdProduct1,
            8 => Taxonomy::AdProduct2,
            other => Taxonomy::Other(other),
        }
    }

    /// A category and all above it, nearest first.
    fn lineage(self, category: &str) -> Vec<String> {
        let parents = match self {
            Taxonomy::Content2 => &PARENTS[0],
            Taxonomy::Content3 => &PARENTS[1],
            Taxonomy::AdProduct1 => &PARENTS[2],
            Taxonomy::AdProduct2 => &PARENTS[3],
            Taxonomy::Content1 => {
                let above = category.split_once('-').map(|(parent, _)| parent.to_owned());
                return [category.to_owned()].into_iter().chain(above).collect();
            }
            Taxonomy::Other(_) => return vec![category.to_owned()],
        };
        let above = std::iter::successors(Some(category), |child| parents.get(child).copied());
        above.map(str::to_owned).collect()
    }
}

type Parents = HashMap<&'static str, &'static str>;
type Mapping = HashMap<&'static str, Vec<&'static str>>;

/// Of Content 2 and 3, Ad Product 1 and 2.
static PARENTS: LazyLock<[Parents; 4]> = LazyLock::new(|| {
    [
        include_str!("taxonomy/content-2.tsv"),
        include_str!("taxonomy/content-3.tsv"),
        include_str!("taxonomy/ad-product-1.tsv"),
        include_str!("taxonomy/ad-product-2.tsv"),
    ]
    .map(|table| pairs(table).collect())
});
static TO_CONTENT_2: LazyLock<Mapping> = LazyLock::new(|| mapping(pairs(include_str!("taxonomy/content-1-to-content-2.tsv"))));
static TO_AD_PRODUCT_2: LazyLock<Mapping> = LazyLock::new(|| mapping(pairs(include_str!("taxonomy/content-1-to-ad-product-2.tsv"))));
static FROM_AD_PRODUCT_2: LazyLock<Mapping> = LazyLock::new(|| mapping(pairs(include_str!("taxonomy/ad-product-2-to-content-1.tsv"))));
static FROM_CONTENT_2: LazyLock<Mapping> = LazyLock::new(|| {
    let swapped = pairs(include_str!("taxonomy/content-1-to-content-2.tsv")).map(|(one, two)| (two, one));
    mapping(swapped)
});

fn pairs(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    table.lines().filter_map(|line| line.split_once('\t'))
}

fn mapping(pairs: impl Iterator<Item = (&'static str, &'static str)>) -> Mapping {
    let mut mapping = Mapping::new();
    for (from, to) in pairs {
        mapping.entry(from).or_default().push(to);
    }
    mapping
}

/// What the nearest of a lineage that has any is called by a mapping.
fn mapped(lineage: &[String], mapping: &Mapping) -> Vec<String> {
    let found = lineage.iter().find_map(|category| mapping.get(category.as_str()));
    found.into_iter().flatten().map(|name| (*name).to_owned()).collect()
}

/// What an advertiser sells, as each taxonomy names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Categories {
    /// Of each own category, in each taxonomy that has names for it: those, and all above them.
    named: Vec<(Taxonomy, Vec<Vec<String>>)>,
}

impl Categories {
    /// Of categories of the taxonomy `cattax`.
    pub fn new(cattax: u32, own: &[String]) -> Categories {
        use Taxonomy::*;
        let of = Taxonomy::of(cattax);
        let in_content_1: Vec<Vec<String>> = own.iter().map(|category| content_1(of, category)).collect();
        let others = [Content2, Content3, AdProduct1, AdProduct2, Taxonomy::of(cattax)];
        let names_in = |to: Taxonomy, category: &String, in_content_1: &[String]| {
            // Codes of Content 1.0 are told from all others, and sent whatever `cattax` says.
            let of_mapping = |mapping: &Mapping| {
                in_content_1
                    .iter()
                    .flat_map(|one| mapped(&Content1.lineage(one), mapping))
                    .collect()
            };
            let names: Vec<String> = match to {
                to if to == of => vec![category.clone()],
                Content2 => of_mapping(&TO_CONTENT_2),
                AdProduct2 => of_mapping(&TO_AD_PRODUCT_2),
                _ => Vec::new(),
            };
            let above = names.iter().flat_map(|name| to.lineage(name));
            let above_1 = in_content_1.iter().flat_map(|name| Content1.lineage(name));
            let mut all: Vec<String> = above.chain(above_1).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let mut named = Vec::new();
        for to in [Content1].into_iter().chain(others) {
            let each = own.iter().zip(&in_content_1);
            if !named.iter().any(|(known, _)| *known == to) {
                named.push((to, each.map(|(category, one)| names_in(to, category, one)).collect()));
            }
        }
        Categories { named }
    }

    fn within(&self, taxonomy: Taxonomy) -> &[Vec<String>] {
        let found = self.named.iter().find(|(known, _)| *known == taxonomy);
        found.or(self.named.first()).map_or(&[], |(_, names)| names)
    }

    /// Whether any category, or one above it, is such in a taxonomy.
    pub fn any(&self, taxonomy: Taxonomy, is: impl Fn(&str) -> bool) -> bool {
        self.within(taxonomy).iter().flatten().any(|name| is(name))
    }

    /// Whether there are categories, and each, or one above it, is such in a taxonomy.
    pub fn all(&self, taxonomy: Taxonomy, is: impl Fn(&str) -> bool) -> bool {
        let names = self.within(taxonomy);
        !names.is_empty() && names.iter().all(|names| names.iter().any(|name| is(name)))
    }
}

/// What a category is called in Content 1.0, where that is known.
fn content_1(of: Taxonomy, category: &str) -> Vec<String> {
    let lineage = of.lineage(category);
    match of {
        Taxonomy::Content1 => vec![category.to_owned()],
        Taxonomy::Content2 => mapped(&lineage, &FROM_CONTENT_2),
        Taxonomy::AdProduct2 => mapped(&lineage, &FROM_AD_PRODUCT_2),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(cattax: u32, own: &str, asked: u32) -> Vec<String> {
        let categories = Categories::new(cattax, &[own.to_owned()]);
        categories.within(Taxonomy::of(asked)).concat()
    }

    #[test]
    fn a_category_is_named_with_all_above_it() {
        assert_eq!(names(1, "IAB18-3", 1), ["IAB18", "IAB18-3"]);
        // Commercial Trucks, Auto Body Styles, Automotive; by the mapping Trucks & Accessories.
        assert_eq!(names(6, "3", 2), ["1", "2", "3", "IAB2", "IAB2-21"]);
        assert_eq!(names(6, "3", 1), ["IAB2", "IAB2-21"]);
        // Fashion is mapped to Style & Fashion, and to Clothing and Accessories.
        assert!(names(1, "IAB18-3", 2).contains(&"552".to_owned()), "{:?}", names(1, "IAB18-3", 2));
        assert!(names(1, "IAB18-3", 8).contains(&"1058".to_owned()));
        assert_eq!(names(500, "x", 500), ["x"]);
        assert_eq!(names(1, "IAB18", 7), ["IAB18"]);
        assert_eq!(names(7, "nowhere", 7), ["nowhere"]);
    }

    #[test]
    fn parents_are_found_and_lead_up() {
        for parents in PARENTS.iter() {
            for child in parents.keys() {
                let depth = std::iter::successors(Some(*child), |child| parents.get(child).copied())
                    .take(9)
                    .count();
                assert!(depth < 9, "{child} is above itself");
            }
        }
        assert!(PARENTS.iter().map(HashMap::len).sum::<usize>() > 3_000);
    }

    #[test]
    fn no_category_is_none_that_is_allowed() {
        let none = Categories::new(1, &[]);
        assert!(!none.any(Taxonomy::Content1, |_| true) && !none.all(Taxonomy::Content1, |_| true));
    }
}
