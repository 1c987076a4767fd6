//! Sizes that banners take.

use super::*;

const ALL: [Size; 4] = [
    Size { w: 300, h: 250 },
    Size { w: 600, h: 500 },
    Size { w: 320, h: 50 },
    Size { w: 728, h: 90 },
];

fn taken(banner: &Banner<'_>) -> Vec<u32> {
    let mut taken = Vec::new();
    areas(banner, |area| {
        taken.extend(ALL.iter().filter(|size| area.holds(**size)).map(|size| size.w))
    });
    taken
}

#[test]
fn sizes_are_exact_by_ratio_or_within() {
    let listed = |format: &'static str| {
        taken(&Banner {
            format: format.as_bytes(),
            ..Banner::default()
        })
    };
    assert_eq!(listed(r#"[{"w":728,"h":90},{"wratio":6,"hratio":5,"wmin":400}]"#), [728, 600]);
    assert_eq!(listed(r#"{"wratio":6,"hratio":5}"#), [300, 600]);
    assert!(listed(r#"[{"w":-1,"h":90},{"wratio":6},{}]"#).is_empty());
    let within = |w, h, wmin, hmin, wmax, hmax| {
        taken(&Banner {
            w,
            h,
            wmin,
            hmin,
            wmax,
            hmax,
            ..Banner::default()
        })
    };
    assert_eq!(within(None, None, Some(310), None, Some(728), Some(90)), [320, 728]);
    assert_eq!(within(Some(300), Some(250), None, None, Some(400), None), [300, 300, 320]);
    // Nothing says how wide.
    assert!(within(None, None, None, None, None, Some(90)).is_empty());
}

#[test]
fn a_ratio_is_told_where_the_size_fits_by_it_alone() {
    let banner = Banner {
        format: br#"[{"wratio":6,"hratio":5},{"w":300,"h":250}]"#,
        ..Banner::default()
    };
    assert_eq!(ratio_of(&banner, ALL[0]), None);
    assert_eq!(ratio_of(&banner, ALL[1]), Some(Size { w: 6, h: 5 }));
}
