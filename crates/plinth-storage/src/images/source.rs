//! Sources: what a file says that it is, whether it may be decoded, and its pixels.
//!
//! Only decoders written in Rust see what strangers sent, and they see it after its header has been found to be within bounds.

use std::io::Cursor;

use image::codecs::gif::GifDecoder;
use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, Limits};

use super::pixels::{Layout, Pixels};
use super::{ImageConfig, Kind};
use crate::error::StorageError;

/// What is read of a header, at most: PNGs have profiles and texts in theirs, compressed.
const HEADER_BYTES: u64 = 16 << 20;
/// How much longer than itself a compressed text may become: no deflate can do more.
const INFLATION: u64 = 1032;

/// Reads the header.
pub(super) fn open(kind: Kind, source: &[u8]) -> Result<Box<dyn ImageDecoder + '_>, StorageError> {
    let reader = Cursor::new(source);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(HEADER_BYTES);
    let mut decoder: Box<dyn ImageDecoder + '_> = match kind {
        Kind::Jpeg => Box::new(JpegDecoder::new(reader).map_err(undecodable)?),
        Kind::Png => {
            Box::new(PngDecoder::with_limits(reader, limits.clone()).map_err(undecodable)?)
        }
        Kind::Gif => Box::new(GifDecoder::new(reader).map_err(undecodable)?),
        Kind::WebP => Box::new(WebPDecoder::new(reader).map_err(undecodable)?),
        Kind::Avif => return Err(invalid("AVIF images can be delivered, but not read")),
    };
    // Beside the pixels that are handed out: a frame of a GIF may be larger than its canvas, but not by much.
    limits.max_alloc = Some(decoder.total_bytes().saturating_add(HEADER_BYTES));
    decoder.set_limits(limits).map_err(undecodable)?;
    Ok(decoder)
}

/// Refuses what would be too much, by what the header says.
pub(super) fn check_size(
    (width, height): (u32, u32),
    config: &ImageConfig,
) -> Result<(), StorageError> {
    if width == 0 || height == 0 {
        return Err(broken());
    }
    let count = u64::from(width) * u64::from(height);
    if count > config.source_pixels {
        return Err(invalid(&format!(
            "The image has {count} pixels, and {} are the most",
            config.source_pixels
        )));
    }
    Ok(())
}

/// How much memory decoding takes, in times of what it makes.
pub(super) fn cost(kind: Kind, source: &[u8]) -> u64 {
    match kind {
        // All coefficients are held until the last scan, in two bytes each.
        Kind::Jpeg if is_progressive(source) => 3,
        Kind::Jpeg | Kind::Avif => 1,
        // A copy that transparency has been multiplied into; planes of brightness and colour; a frame beside the canvas.
        Kind::Png | Kind::WebP | Kind::Gif => 2,
    }
}

/// How much memory a source takes beside its pixels, in bytes: what its header unpacks to, a copy of it, its profile.
pub(super) fn beside_pixels(kind: Kind, source: &[u8]) -> u64 {
    let length = source.len() as u64;
    match kind {
        Kind::Png => length.saturating_mul(INFLATION).min(HEADER_BYTES),
        Kind::Jpeg => length.saturating_mul(2),
        Kind::WebP | Kind::Gif | Kind::Avif => length,
    }
}

/// Whether a JPEG comes in several scans; also when that is not clear.
fn is_progressive(source: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = source.get(at..at + 4) {
        match marker {
            0xc0 | 0xc1 => return false,
            0xc2..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => return true,
            0xda => return true,
            // Padding.
            0xff => at += 1,
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    true
}

/// The pixels, in the form in which they can be worked on.
pub(super) fn decode(decoder: Box<dyn ImageDecoder + '_>) -> Result<Pixels, StorageError> {
    let (width, height) = decoder.dimensions();
    let layout = match decoder.color_type() {
        ColorType::L8 => Layout::Gray,
        ColorType::Rgb8 => Layout::Rgb,
        ColorType::Rgba8 => Layout::Rgba,
        // Sixteen bits, and gray with transparency: rare, and worth a conversion of the whole.
        _ => {
            let image = DynamicImage::from_decoder(decoder).map_err(undecodable)?;
            return Ok(Pixels::of(image));
        }
    };
    let length = usize::try_from(decoder.total_bytes()).map_err(|_| broken())?;
    let mut bytes = vec![0; length];
    decoder.read_image(&mut bytes).map_err(undecodable)?;
    Ok(Pixels {
        width,
        height,
        layout,
        bytes,
    })
}

/// A source that says one thing and is another.
pub(super) fn broken() -> StorageError {
    invalid("The image is broken")
}

/// A request that cannot be answered with an image.
pub(super) fn invalid(message: &str) -> StorageError {
    StorageError::InvalidRequest(message.to_owned())
}

/// What a decoder says about a source.
fn undecodable(error: ImageError) -> StorageError {
    match error {
        ImageError::Limits(_) => invalid("The image is too large"),
        ImageError::Unsupported(_) => {
            invalid("The image is of a kind that this server does not read")
        }
        ImageError::Decoding(_)
        | ImageError::Encoding(_)
        | ImageError::Parameter(_)
        | ImageError::IoError(_) => broken(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_takes_what_it_can_unpack_to() {
        assert_eq!(beside_pixels(Kind::Png, &[0; 100]), 103_200);
        assert_eq!(beside_pixels(Kind::Png, &vec![0; 100_000]), HEADER_BYTES);
        assert_eq!(beside_pixels(Kind::Jpeg, &[0; 100]), 200);
    }

    #[test]
    fn a_baseline_is_told_from_a_progressive_one() {
        let mut jpeg = Cursor::new(Vec::new());
        let image = image::RgbImage::new(16, 16);
        image.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
        let jpeg = jpeg.into_inner();
        assert!(!is_progressive(&jpeg));
        assert!(is_progressive(
            b"\xff\xd8\xff\xe0\0\x04ab\xff\xc4\0\x02\xff\xc2\0\x0b"
        ));
        assert!(is_progressive(b"\xff\xd8"));
        assert!(!is_progressive(
            b"\xff\xd8\xff\xff\xe0\0\x04ab\xff\xc0\0\x0b"
        ));
    }
}
