//! Which part of an image becomes how large: arithmetic alone.
//!
//! Sizes are those of the image as it is looked at, which may lie on its side in the file. Nothing is ever made larger than
//! it is, and no side of a result is longer than the configuration allows.

use image::metadata::Orientation;

use super::params::{Recipe, Resize};

/// Sizes of a part are whole multiples of this, so that sums of them are exact.
const STEP: f64 = 1.0 / 1024.0;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    /// The part of the source.
    pub(super) part: Part,
    /// The size of the result.
    pub(super) width: u32,
    pub(super) height: u32,
}

/// A part of an image, in its pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Plan {
    /// For an image that is looked at in this size.
    pub(super) fn of((width, height): (u32, u32), recipe: &Recipe, side_pixels: u16) -> Plan {
        let most = f64::from(side_pixels);
        let size = (f64::from(width), f64::from(height));
        let wanted = (f64::from(recipe.width), f64::from(recipe.height));
        let or = |wanted: f64, otherwise: f64| if wanted > 0.0 { wanted } else { otherwise };
        match recipe.resize {
            Resize::Contain => {
                let (box_width, box_height) = (or(wanted.0, most), or(wanted.1, most));
                let scale = (box_width / size.0).min(box_height / size.1).min(1.0);
                Plan::whole(size, (size.0 * scale, size.1 * scale), most)
            }
            Resize::Fill => {
                let shape = (
                    or(wanted.0, size.0).min(most),
                    or(wanted.1, size.1).min(most),
                );
                let larger = (shape.0 / size.0).max(shape.1 / size.1).max(1.0);
                Plan::whole(size, (shape.0 / larger, shape.1 / larger), most)
            }
            Resize::Cover => {
                let (box_width, box_height) = (or(wanted.0, size.0), or(wanted.1, size.1));
                let scale = (box_width / size.0).max(box_height / size.1).min(1.0);
                let scaled = (size.0 * scale, size.1 * scale);
                let (x, y) = recipe.gravity.place();
                let across = cut(scaled.0, box_width.min(most), x, recipe.x_offset);
                let down = cut(scaled.1, box_height.min(most), y, recipe.y_offset);
                let (left, part_width) =
                    within(size.0, across.start / scale, across.length / scale);
                let (top, part_height) = within(size.1, down.start / scale, down.length / scale);
                Plan {
                    part: Part {
                        left,
                        top,
                        width: part_width,
                        height: part_height,
                    },
                    width: pixels(across.length, most),
                    height: pixels(down.length, most),
                }
            }
        }
    }

    fn whole(size: (f64, f64), result: (f64, f64), most: f64) -> Plan {
        Plan {
            part: Part {
                left: 0.0,
                top: 0.0,
                width: size.0,
                height: size.1,
            },
            width: pixels(result.0, most),
            height: pixels(result.1, most),
        }
    }

    /// The same plan for the pixels as the file has them; `(width, height)` is their size there. What comes out of it is
    /// then turned as the orientation says.
    pub(super) fn in_file(self, orientation: Orientation, (width, height): (u32, u32)) -> Plan {
        let Part {
            left,
            top,
            width: part_width,
            height: part_height,
        } = self.part;
        let from_right = f64::from(width) - left - part_width;
        let from_bottom = f64::from(height) - top - part_height;
        // Where the image lies on its side, what is counted across here is counted down in the file.
        let turned_from_right = f64::from(width) - top - part_height;
        let turned_from_bottom = f64::from(height) - left - part_width;
        let (left, top) = match orientation {
            Orientation::NoTransforms => (left, top),
            Orientation::FlipHorizontal => (from_right, top),
            Orientation::Rotate180 => (from_right, from_bottom),
            Orientation::FlipVertical => (left, from_bottom),
            Orientation::Rotate90 => (top, turned_from_bottom),
            Orientation::Rotate90FlipH => (top, left),
            Orientation::Rotate270 => (turned_from_right, left),
            Orientation::Rotate270FlipH => (turned_from_right, turned_from_bottom),
        };
        let part = Part {
            left,
            top,
            ..self.part
        };
        if lies(orientation) {
            Plan {
                part: Part {
                    width: part_height,
                    height: part_width,
                    ..part
                },
                width: self.height,
                height: self.width,
            }
        } else {
            Plan { part, ..self }
        }
    }
}

/// Whether width and height change places.
pub(super) fn lies(orientation: Orientation) -> bool {
    match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => true,
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => false,
    }
}

/// A stretch of one side.
struct Stretch {
    start: f64,
    length: f64,
}

/// What stays of `scaled` pixels where `wanted` are asked for.
fn cut(scaled: f64, wanted: f64, place: f64, offset: i16) -> Stretch {
    let length = wanted.min(scaled.round().max(1.0));
    let free = (scaled - length).max(0.0);
    // An offset leads away from the side that the gravity names.
    let direction = if place > 0.75 { -1.0 } else { 1.0 };
    let start = (free * place + direction * f64::from(offset)).clamp(0.0, free);
    Stretch { start, length }
}

/// Makes a stretch lie within a side, exactly.
fn within(side: f64, start: f64, length: f64) -> (f64, f64) {
    let steps = |value: f64| (value / STEP).floor() * STEP;
    let length = steps(length).clamp(1.0_f64.min(side), side);
    let start = steps(start).clamp(0.0, side - length);
    (start, length)
}

/// At least one, and at most so many.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it has been clamped to what fits"
)]
fn pixels(length: f64, most: f64) -> u32 {
    length.round().clamp(1.0, most.max(1.0)) as u32
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::super::{ImageConfig, Transform};
    use super::*;

    fn plan(size: (u32, u32), query: &str) -> Plan {
        let config = ImageConfig::in_folder("unused".into());
        let transform = Transform::from_query(query, &config).unwrap();
        Plan::of(
            size,
            &transform.recipe(&HeaderMap::new()),
            config.side_pixels,
        )
    }

    /// `WIDTHxHEIGHT of PARTxPART+LEFT+TOP`
    fn text(plan: Plan) -> String {
        let Part {
            left,
            top,
            width,
            height,
        } = plan.part;
        format!(
            "{}x{} of {width}x{height}+{left}+{top}",
            plan.width, plan.height
        )
    }

    #[test]
    fn cover_fills_the_box_and_cuts() {
        for (size, query, expected) in [
            (
                (400, 200),
                "width=100&height=100",
                "100x100 of 200x200+100+0",
            ),
            (
                (200, 400),
                "width=100&height=100",
                "100x100 of 200x200+0+100",
            ),
            (
                (200, 400),
                "width=100&height=100&gravity=north",
                "100x100 of 200x200+0+0",
            ),
            (
                (200, 400),
                "width=100&height=100&gravity=north&y_offset=10",
                "100x100 of 200x200+0+20",
            ),
            (
                (200, 400),
                "width=100&height=100&gravity=south&y_offset=10",
                "100x100 of 200x200+0+180",
            ),
            (
                (400, 200),
                "width=100&height=100&x_offset=-1000",
                "100x100 of 200x200+0+0",
            ),
            // The other side follows.
            ((400, 200), "width=100", "100x50 of 400x200+0+0"),
            ((400, 200), "height=100", "200x100 of 400x200+0+0"),
            // Nothing becomes larger than it is.
            ((40, 20), "width=100&height=100", "40x20 of 40x20+0+0"),
            ((100, 100), "width=50&height=200", "50x100 of 50x100+25+0"),
            // Nothing vanishes.
            ((2000, 1), "width=10&height=1", "10x1 of 10x1+995+0"),
        ] {
            assert_eq!(text(plan(size, query)), expected, "{size:?} {query}");
        }
    }

    #[test]
    fn contain_fits_into_the_box() {
        for (size, query, expected) in [
            (
                (400, 200),
                "width=100&height=100&resize=contain",
                "100x50 of 400x200+0+0",
            ),
            (
                (200, 400),
                "width=100&height=100&resize=contain",
                "50x100 of 200x400+0+0",
            ),
            (
                (40, 20),
                "width=100&height=100&resize=contain",
                "40x20 of 40x20+0+0",
            ),
            ((4000, 1), "width=100&resize=contain", "100x1 of 4000x1+0+0"),
            // Nothing asked for: as it is, within the largest result.
            ((400, 200), "", "400x200 of 400x200+0+0"),
            ((8000, 4000), "", "2000x1000 of 8000x4000+0+0"),
            ((100, 20_000), "width=100", "10x2000 of 100x20000+0+0"),
        ] {
            assert_eq!(text(plan(size, query)), expected, "{size:?} {query}");
        }
    }

    #[test]
    fn fill_takes_the_shape_of_the_box() {
        for (size, query, expected) in [
            (
                (400, 200),
                "width=100&height=100&resize=fill",
                "100x100 of 400x200+0+0",
            ),
            (
                (400, 200),
                "width=100&resize=fill",
                "100x200 of 400x200+0+0",
            ),
            (
                (100, 100),
                "width=50&height=200&resize=fill",
                "25x100 of 100x100+0+0",
            ),
            (
                (5000, 4000),
                "width=100&resize=fill",
                "100x2000 of 5000x4000+0+0",
            ),
        ] {
            assert_eq!(text(plan(size, query)), expected, "{size:?} {query}");
        }
    }

    #[test]
    fn parts_never_leave_the_image() {
        for width in [1, 2, 3, 7, 333, 1000, 4001, 65_535] {
            for height in [1, 5, 999, 3000, 65_535] {
                for query in [
                    "width=1&height=1",
                    "width=7&height=3&gravity=southeast",
                    "width=333&height=777&x_offset=5&y_offset=-5",
                    "width=2000&height=1999&gravity=east",
                ] {
                    let plan = plan((width, height), query);
                    let part = plan.part;
                    let right = part.left + part.width;
                    let bottom = part.top + part.height;
                    assert!(part.left >= 0.0 && part.top >= 0.0, "{plan:?}");
                    assert!(
                        right <= f64::from(width) && bottom <= f64::from(height),
                        "{plan:?}"
                    );
                    assert!(part.width >= 1.0 && part.height >= 1.0, "{plan:?}");
                    assert!((1..=2000).contains(&plan.width), "{plan:?}");
                    assert!((1..=2000).contains(&plan.height), "{plan:?}");
                }
            }
        }
    }

    #[test]
    fn a_part_is_found_in_the_file() {
        // Looked at 30 wide and 20 high; its part is 6 wide and 4 high, 1 from the left and 2 from the top.
        let plan = Plan {
            part: Part {
                left: 1.0,
                top: 2.0,
                width: 6.0,
                height: 4.0,
            },
            width: 3,
            height: 2,
        };
        for (orientation, expected) in [
            (Orientation::NoTransforms, "3x2 of 6x4+1+2"),
            (Orientation::FlipHorizontal, "3x2 of 6x4+23+2"),
            (Orientation::Rotate180, "3x2 of 6x4+23+14"),
            (Orientation::FlipVertical, "3x2 of 6x4+1+14"),
            (Orientation::Rotate90, "2x3 of 4x6+2+23"),
            (Orientation::Rotate90FlipH, "2x3 of 4x6+2+1"),
            (Orientation::Rotate270, "2x3 of 4x6+14+1"),
            (Orientation::Rotate270FlipH, "2x3 of 4x6+14+23"),
        ] {
            let size = if lies(orientation) {
                (20, 30)
            } else {
                (30, 20)
            };
            assert_eq!(
                text(plan.in_file(orientation, size)),
                expected,
                "{orientation:?}"
            );
        }
    }
}
