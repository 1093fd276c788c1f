//! One image: header, decode, cut and resize, turn, encode.
//!
//! Runs on a worker's thread and blocks. What was in the file beside pixels (places, cameras, names) goes nowhere; only its
//! colour profile and its orientation are read, and acted upon.

use bytes::Bytes;
use image::ImageDecoder as _;
use image::metadata::Orientation;

use super::encode::encode;
use super::params::{Recipe, Target};
use super::pixels::{Layout, resize};
use super::plan::{Plan, lies};
use super::source::{beside_pixels, check_size, cost, decode, invalid, open};
use super::workers::{Memory, Scratch};
use super::{ImageConfig, Kind, Rendered};
use crate::error::StorageError;

/// Makes what the recipe says.
pub(super) fn render(
    scratch: &mut Scratch,
    memory: &Memory,
    source: &[u8],
    recipe: &Recipe,
    config: &ImageConfig,
) -> Result<Rendered, StorageError> {
    let Some(kind) = Kind::of(source) else {
        return Err(invalid("The object is not an image that this server reads"));
    };
    let beside = beside_pixels(kind, source);
    let (size, bytes) = {
        let _granted = memory.take(beside);
        let decoder = open(kind, source)?;
        (decoder.dimensions(), decoder.total_bytes())
    };
    check_size(size, config)?;
    // A thread may wait for one grant only, so the header is read once more under one for everything.
    let pixels = bytes.saturating_mul(cost(kind, source));
    let _granted = memory.take(pixels.saturating_add(beside));
    let mut decoder = open(kind, source)?;

    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile().ok().flatten();
    let looked_at = if lies(orientation) {
        (size.1, size.0)
    } else {
        size
    };
    let plan = Plan::of(looked_at, recipe, config.side_pixels).in_file(orientation, size);

    let pixels = decode(decoder)?;
    let mut pixels = resize(scratch, pixels, &plan)?.turned(orientation);
    if let Some(profile) = profile {
        pixels.colours_to_srgb(&profile);
    }
    let pixels = pixels.without_idle_alpha();
    let target = match recipe.target {
        Target::Origin => kind,
        Target::WebP => Kind::WebP,
        Target::Avif => Kind::Avif,
        Target::Plain if kind == Kind::Png || pixels.layout == Layout::Rgba => Kind::Png,
        Target::Plain => Kind::Jpeg,
    };
    let bytes = encode(pixels, target, recipe.quality)?;
    if bytes.len() > config.result_bytes {
        return Err(invalid("The result would be too large"));
    }
    Ok(Rendered {
        bytes: Bytes::from(bytes),
        kind: target,
        room: None,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use axum::http::header::ACCEPT;
    use axum::http::{HeaderMap, HeaderValue};
    use image::codecs::gif::GifEncoder;
    use image::{
        ColorType, DynamicImage, GenericImageView as _, GrayImage, ImageFormat, Rgb, RgbImage,
        Rgba, RgbaImage,
    };

    use super::super::Transform;
    use super::*;

    fn config() -> ImageConfig {
        ImageConfig::in_folder("unused".into())
    }

    fn render_with(
        source: &[u8],
        query: &str,
        accept: &'static str,
    ) -> Result<Rendered, StorageError> {
        let config = config();
        let transform = Transform::from_query(query, &config)?;
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        let (mut scratch, memory) = (Scratch::default(), Memory::new(1 << 20));
        render(
            &mut scratch,
            &memory,
            source,
            &transform.recipe(&headers),
            &config,
        )
    }

    fn rendered(source: &[u8], query: &str) -> (Kind, DynamicImage) {
        let rendered = render_with(source, query, "*/*").unwrap();
        assert!(rendered.kind.is_whole(&rendered.bytes));
        (
            rendered.kind,
            image::load_from_memory(&rendered.bytes).unwrap(),
        )
    }

    fn refused(source: &[u8], query: &str) -> String {
        match render_with(source, query, "*/*") {
            Err(StorageError::InvalidRequest(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    fn file(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// Red at the left and blue at the right.
    fn halves(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, _| {
            if x < width / 2 {
                Rgb([250, 10, 10])
            } else {
                Rgb([10, 10, 250])
            }
        })
    }

    fn is_red(image: &DynamicImage, x: u32, y: u32) -> bool {
        let Rgba([red, _, blue, _]) = image.get_pixel(x, y);
        assert!(red.abs_diff(blue) > 100, "{x},{y} is neither");
        red > blue
    }

    /// A JPEG with an EXIF block that says how it is to be turned, and where it was taken.
    fn oriented(orientation: u8) -> Vec<u8> {
        let jpeg = file(halves(64, 32), ImageFormat::Jpeg);
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01".to_vec();
        exif.extend([
            0x01,
            0x12,
            0,
            3,
            0,
            0,
            0,
            1,
            0,
            orientation,
            0,
            0,
            0,
            0,
            0,
            0,
        ]);
        exif.extend(b"Secret Street 5");
        let length = u16::try_from(exif.len() + 2).unwrap();
        let mut made = jpeg[..2].to_vec();
        made.extend([0xff, 0xe1]);
        made.extend(length.to_be_bytes());
        made.extend(exif);
        made.extend(&jpeg[2..]);
        made
    }

    #[test]
    fn the_default_is_what_it_was_and_png_where_something_is_transparent() {
        let (kind, image) = rendered(&file(halves(300, 200), ImageFormat::Png), "width=30");
        assert_eq!((kind, image.dimensions()), (Kind::Png, (30, 20)));
        assert!(is_red(&image, 2, 10) && !is_red(&image, 27, 10));

        let (kind, _) = rendered(&file(halves(300, 200), ImageFormat::Jpeg), "width=30");
        assert_eq!(kind, Kind::Jpeg);
        // A still picture of it, as small as a photograph.
        let (kind, _) = rendered(&file(halves(300, 200), ImageFormat::Gif), "width=30");
        assert_eq!(kind, Kind::Jpeg);

        let glass = RgbaImage::from_pixel(40, 40, Rgba([9, 200, 9, 100]));
        let (kind, image) = rendered(&file(glass, ImageFormat::Png), "width=20");
        assert_eq!((kind, image.dimensions()), (Kind::Png, (20, 20)));
        assert_eq!(image.get_pixel(5, 5).0[3], 100);
    }

    #[test]
    fn webp_where_it_is_accepted() {
        let source = file(halves(300, 200), ImageFormat::Jpeg);
        let made = render_with(&source, "width=40&quality=50", "image/webp,*/*").unwrap();
        assert_eq!(made.kind, Kind::WebP);
        assert!(made.kind.is_whole(&made.bytes));
        let image = image::load_from_memory(&made.bytes).unwrap();
        assert_eq!(image.dimensions(), (40, 27));
        assert!(is_red(&image, 3, 10) && !is_red(&image, 36, 10));
        // Lossy: quality is smaller.
        let finer = render_with(&source, "width=40&quality=100", "image/webp").unwrap();
        assert!(finer.bytes.len() > made.bytes.len());

        let glass = RgbaImage::from_pixel(40, 40, Rgba([9, 200, 9, 100]));
        let made = render_with(&file(glass, ImageFormat::Png), "format=webp", "*/*").unwrap();
        let image = image::load_from_memory(&made.bytes).unwrap();
        assert_eq!(image.get_pixel(5, 5).0[3], 100);
    }

    #[test]
    fn origin_keeps_the_format() {
        for (format, kind) in [
            (ImageFormat::Jpeg, Kind::Jpeg),
            (ImageFormat::Png, Kind::Png),
            (ImageFormat::Gif, Kind::Gif),
            (ImageFormat::WebP, Kind::WebP),
        ] {
            let source = file(
                DynamicImage::from(halves(64, 64)).into_rgba8(),
                ImageFormat::Png,
            );
            let source = match format {
                ImageFormat::Png => source,
                ImageFormat::Jpeg => file(halves(64, 64), format),
                _ => file(image::load_from_memory(&source).unwrap(), format),
            };
            let made = render_with(&source, "width=16&format=origin", "image/webp").unwrap();
            assert_eq!(made.kind, kind);
            assert!(made.kind.is_whole(&made.bytes), "{kind:?}");
            let image = image::load_from_memory(&made.bytes).unwrap();
            assert_eq!(image.dimensions(), (16, 16), "{kind:?}");
            assert!(is_red(&image, 2, 8) && !is_red(&image, 13, 8), "{kind:?}");
        }
    }

    #[test]
    fn large_steps_keep_the_picture() {
        // Averaged first: 40 times smaller.
        let (_, image) = rendered(&file(halves(1200, 800), ImageFormat::Png), "width=30");
        assert_eq!(image.dimensions(), (30, 20));
        assert!(is_red(&image, 13, 10) && !is_red(&image, 16, 10));
        // Cut from the middle, so that the border stays there.
        let source = file(halves(1200, 800), ImageFormat::Png);
        let (_, image) = rendered(&source, "width=20&height=20");
        assert!(is_red(&image, 8, 10) && !is_red(&image, 11, 10));
        let (_, image) = rendered(&source, "width=10&height=20&gravity=west");
        assert!(is_red(&image, 1, 10) && is_red(&image, 8, 10));
    }

    #[test]
    fn it_is_turned_as_it_was_taken() {
        // Where red is then: of the corner at the top left and of the one at the bottom right.
        for (orientation, size, first, last) in [
            (1, (64, 32), true, false),
            (2, (64, 32), false, true),
            (3, (64, 32), false, true),
            (4, (64, 32), true, false),
            (5, (32, 64), true, false),
            (6, (32, 64), true, false),
            (7, (32, 64), false, true),
            (8, (32, 64), false, true),
        ] {
            let source = oriented(orientation);
            let (_, image) = rendered(&source, "");
            assert_eq!(image.dimensions(), size, "{orientation}");
            let corner = (image.width() - 4, image.height() - 4);
            assert_eq!(is_red(&image, 3, 3), first, "{orientation}");
            assert_eq!(is_red(&image, corner.0, corner.1), last, "{orientation}");
            // A part is taken from where it is looked at.
            let part = if size.0 > size.1 {
                "width=16&height=32&gravity=west"
            } else {
                "width=32&height=16&gravity=north"
            };
            let (_, image) = rendered(&source, part);
            assert_eq!(is_red(&image, 5, 5), first, "{orientation} {part}");
        }
    }

    #[test]
    fn nothing_but_pixels_comes_out() {
        let source = oriented(6);
        let contains =
            |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
        assert!(contains(&source, b"Secret Street"));
        for query in ["", "format=origin", "format=webp"] {
            let made = render_with(&source, query, "*/*").unwrap();
            assert!(!contains(&made.bytes, b"Secret Street"), "{query}");
            assert!(!contains(&made.bytes, b"Exif"), "{query}");
        }
    }

    #[test]
    fn gray_stays_gray_and_deep_pixels_become_shallow() {
        let gray = GrayImage::from_fn(50, 50, |x, _| image::Luma([if x < 25 { 250 } else { 5 }]));
        let (kind, image) = rendered(&file(gray.clone(), ImageFormat::Jpeg), "width=10");
        assert_eq!((kind, image.color()), (Kind::Jpeg, ColorType::L8));
        let made = render_with(&file(gray, ImageFormat::Png), "width=10", "image/webp").unwrap();
        let image = image::load_from_memory(&made.bytes).unwrap();
        assert!(image.get_pixel(1, 5).0[0] > 200 && image.get_pixel(8, 5).0[0] < 50);

        let deep =
            image::ImageBuffer::<Rgba<u16>, _>::from_pixel(20, 20, Rgba([65_535, 0, 0, 32_768]));
        let (kind, image) = rendered(
            &file(DynamicImage::from(deep), ImageFormat::Png),
            "width=10",
        );
        assert_eq!(kind, Kind::Png);
        assert_eq!(image.get_pixel(4, 4), Rgba([255, 0, 0, 128]));
    }

    #[test]
    fn of_an_animation_the_first_frame() {
        let mut bytes = Vec::new();
        let mut encoder = GifEncoder::new(&mut bytes);
        for color in [[250, 0, 0, 255], [0, 0, 250, 255]] {
            let frame = image::Frame::new(RgbaImage::from_pixel(30, 30, Rgba(color)));
            encoder.encode_frame(frame).unwrap();
        }
        drop(encoder);
        let (kind, image) = rendered(&bytes, "width=10");
        assert_eq!((kind, image.dimensions()), (Kind::Jpeg, (10, 10)));
        assert!(is_red(&image, 5, 5));
    }

    #[cfg(feature = "avif")]
    #[test]
    fn avif_is_made_in_the_size_that_was_asked_for() {
        let png = file(halves(200, 100), ImageFormat::Png);
        let rendered = render_with(&png, "width=50&format=avif", "*/*").unwrap();
        assert_eq!(rendered.kind, Kind::Avif);
        assert!(rendered.kind.is_whole(&rendered.bytes));
        assert_eq!(Kind::of(&rendered.bytes), Some(Kind::Avif));
        // We have no decoder of it, but its header says its size: a version, the width, the height.
        let at = rendered.bytes.windows(4).position(|four| four == b"ispe");
        let size = &rendered.bytes[at.unwrap() + 4..][..12];
        assert_eq!(size, [0, 0, 0, 0, 0, 0, 0, 50, 0, 0, 0, 25]);
        let unlike = render_with(&png, "width=60&format=avif", "*/*").unwrap();
        assert_ne!(unlike.bytes, rendered.bytes);
    }

    /// A PNG that says that it is so large, and is not.
    fn claiming(width: u32, height: u32) -> Vec<u8> {
        let mut png = file(halves(2, 2), ImageFormat::Png);
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        let sum = crc(&png[12..29]);
        png[29..33].copy_from_slice(&sum.to_be_bytes());
        png
    }

    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |mut sum, byte| {
            sum ^= u32::from(*byte);
            for _ in 0..8 {
                sum = if sum & 1 == 1 {
                    (sum >> 1) ^ 0xedb8_8320
                } else {
                    sum >> 1
                };
            }
            sum
        })
    }

    #[test]
    fn bombs_are_refused_by_their_header() {
        let message = refused(&claiming(50_000, 50_000), "width=10");
        assert_eq!(
            message,
            "The image has 2500000000 pixels, and 50000000 are the most"
        );
        refused(&claiming(0x7fff_ffff, 0x7fff_ffff), "width=10");
        // It may be so large, and then there is nothing in it.
        refused(&claiming(5000, 5000), "width=10");
        let mut gif = file(
            DynamicImage::from(halves(4, 4)).into_rgba8(),
            ImageFormat::Gif,
        );
        gif[6..10].copy_from_slice(&[0xff; 4]);
        refused(&gif, "width=10");
        let mut jpeg = file(halves(16, 16), ImageFormat::Jpeg);
        let at = jpeg
            .windows(2)
            .position(|pair| pair == [0xff, 0xc0])
            .unwrap();
        jpeg[at + 5..at + 9].copy_from_slice(&[0xff; 4]);
        refused(&jpeg, "width=10");
    }

    #[test]
    fn what_is_broken_is_refused() {
        for format in [ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP] {
            let image = DynamicImage::from(halves(200, 200)).into_rgba8();
            let whole = file(image, format);
            refused(&whole[..whole.len() / 2], "width=10");
            refused(&whole[..20], "width=10");
        }
        let jpeg = file(halves(200, 200), ImageFormat::Jpeg);
        refused(&jpeg[..60], "width=10");
        for nonsense in [
            &b""[..],
            b"hello",
            b"<svg/>",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff\xe0",
            b"GIF89a",
        ] {
            refused(nonsense, "width=10");
        }
        refused(b"\0\0\0\x1cftypavif", "width=10");
    }
}
