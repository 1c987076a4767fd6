//! How likely a view is clicked, and a click ends in a purchase: rates that fall with what was before.
//!
//! A view is clicked with `ctr`, times `position` for each placement further down the request, times `repeat` for each
//! view of that viewer before; a click ends in a purchase with `cvr`, times `again` for each purchase of theirs before.
//! With factors of one, rates are flat. Assumes nothing of whose the ads are. Bounded: viewers beyond are new each time.

use std::collections::HashMap;

/// Viewers remembered.
const VIEWERS_MAX: usize = 1 << 20;

/// The rates and what they fall by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// Views that are clicked, of one.
    pub ctr: f64,
    /// What is left of it for each placement further down.
    pub position: f64,
    /// What is left of it for each view of the same viewer before.
    pub repeat: f64,
    /// Clicks that end in a purchase, of one.
    pub cvr: f64,
    /// What is left of it for each purchase of the same viewer before.
    pub again: f64,
}

/// What a viewer did.
#[derive(Clone, Copy, Debug, Default)]
struct Past {
    views: u32,
    purchases: u32,
}

/// What viewers did.
#[derive(Debug, Default)]
pub struct Viewers(HashMap<String, Past>);

impl Viewers {
    /// How likely the next view of a viewer is clicked, in the `place`th placement from 0; counts the view.
    pub fn view(&mut self, model: &Model, viewer: &str, place: usize) -> f64 {
        let views = self.past(viewer, |past| {
            past.views += 1;
            past.views - 1
        });
        model.ctr * power(model.position, place as u32) * power(model.repeat, views)
    }

    /// How likely the next click of a viewer ends in a purchase.
    pub fn purchase(&mut self, model: &Model, viewer: &str) -> f64 {
        model.cvr * power(model.again, self.past(viewer, |past| past.purchases))
    }

    /// Counts a purchase.
    pub fn bought(&mut self, viewer: &str) {
        self.past(viewer, |past| past.purchases += 1);
    }

    fn past<R>(&mut self, viewer: &str, look: impl FnOnce(&mut Past) -> R) -> R {
        if self.0.len() >= VIEWERS_MAX && !self.0.contains_key(viewer) {
            return look(&mut Past::default());
        }
        look(self.0.entry(viewer.to_owned()).or_default())
    }
}

fn power(factor: f64, times: u32) -> f64 {
    factor.powi(i32::try_from(times).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_fall_by_position_by_views_and_by_purchases() {
        let model = Model {
            ctr: 0.4,
            position: 0.5,
            repeat: 0.25,
            cvr: 0.8,
            again: 0.5,
        };
        let mut viewers = Viewers::default();
        let mut view = |viewer: &str, place| viewers.view(&model, viewer, place);
        assert_eq!([view("a", 0), view("a", 0), view("a", 1), view("b", 2)], [0.4, 0.1, 0.0125, 0.1]);
        assert_eq!(viewers.purchase(&model, "a"), 0.8);
        viewers.bought("a");
        assert_eq!((viewers.purchase(&model, "a"), viewers.purchase(&model, "b")), (0.4, 0.8));
        let flat = Model {
            position: 1.0,
            repeat: 1.0,
            again: 1.0,
            ..model
        };
        assert_eq!((viewers.view(&flat, "a", 9), viewers.purchase(&flat, "a")), (0.4, 0.8));
    }
}
