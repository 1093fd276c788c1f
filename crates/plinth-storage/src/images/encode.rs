//! Results as files. Nothing but pixels goes in, so nothing but pixels comes out; `WebP` is encoded by C.

use image::ImageEncoder as _;
use image::codecs::gif::GifEncoder;
use image::codecs::png::PngEncoder;

use super::Kind;
use super::pixels::{Layout, Pixels};
use crate::error::StorageError;

/// Between 0 (fast) and 6 (small). From 3 on choices are weighed against their cost; 4 takes half as long again and saves little.
const WEBP_METHOD: i32 = 3;
/// Up to here a JPEG's colours have half the resolution of its brightness, as everybody's have.
const HALVED_COLOURS: u8 = 89;
/// Of the palette of a GIF: 1 is good, 30 is fast.
const GIF_SPEED: i32 = 10;

/// Writes it in a format, with a quality where the format knows one.
pub(super) fn encode(pixels: Pixels, kind: Kind, quality: u8) -> Result<Vec<u8>, StorageError> {
    match kind {
        Kind::Jpeg => jpeg(&pixels, quality),
        Kind::Png => {
            let mut bytes = Vec::new();
            let (width, height, color) = (pixels.width, pixels.height, pixels.layout.color_type());
            PngEncoder::new(&mut bytes)
                .write_image(&pixels.bytes, width, height, color)
                .map_err(|error| unencodable(&error))?;
            Ok(bytes)
        }
        Kind::WebP => webp(&pixels.coloured(), quality),
        Kind::Gif => {
            let pixels = pixels.coloured();
            let mut bytes = Vec::new();
            let (width, height, color) = (pixels.width, pixels.height, pixels.layout.color_type());
            // Its end is written when the encoder goes.
            GifEncoder::new_with_speed(&mut bytes, GIF_SPEED)
                .encode(&pixels.bytes, width, height, color)
                .map_err(|error| unencodable(&error))?;
            Ok(bytes)
        }
        Kind::Avif => avif(&pixels.coloured(), quality),
    }
}

fn unencodable(error: &dyn std::fmt::Display) -> StorageError {
    StorageError::Internal(format!("an image could not be encoded: {error}"))
}

fn jpeg(pixels: &Pixels, quality: u8) -> Result<Vec<u8>, StorageError> {
    use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};

    let color = match pixels.layout {
        Layout::Gray => ColorType::Luma,
        Layout::Rgb => ColorType::Rgb,
        Layout::Rgba => ColorType::Rgba,
    };
    let side = |pixels: u32| u16::try_from(pixels).map_err(|error| unencodable(&error));
    let (width, height) = (side(pixels.width)?, side(pixels.height)?);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(if quality <= HALVED_COLOURS {
        SamplingFactor::F_2_2
    } else {
        SamplingFactor::F_1_1
    });
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder
        .encode(&pixels.bytes, width, height, color)
        .map_err(|error| unencodable(&error))?;
    Ok(bytes)
}

fn webp(pixels: &Pixels, quality: u8) -> Result<Vec<u8>, StorageError> {
    let layout = match pixels.layout {
        Layout::Rgba => webp::PixelLayout::Rgba,
        Layout::Gray | Layout::Rgb => webp::PixelLayout::Rgb,
    };
    let mut config = webp::WebPConfig::new()
        .map_err(|()| StorageError::Internal("libwebp is of another version".to_owned()))?;
    config.quality = f32::from(quality);
    config.method = WEBP_METHOD;
    let made = webp::Encoder::new(&pixels.bytes, layout, pixels.width, pixels.height)
        .encode_advanced(&config)
        .map_err(|error| unencodable(&format!("{error:?}")))?;
    Ok(made.to_vec())
}

#[cfg(feature = "avif")]
fn avif(pixels: &Pixels, quality: u8) -> Result<Vec<u8>, StorageError> {
    /// Between 1 (small) and 10 (fast).
    const SPEED: u8 = 8;

    let mut bytes = Vec::new();
    let (width, height, color) = (pixels.width, pixels.height, pixels.layout.color_type());
    image::codecs::avif::AvifEncoder::new_with_speed_quality(&mut bytes, SPEED, quality)
        .with_num_threads(Some(1))
        .write_image(&pixels.bytes, width, height, color)
        .map_err(|error| unencodable(&error))?;
    Ok(bytes)
}

/// Parameters that ask for it are refused, and no source is one.
#[cfg(not(feature = "avif"))]
fn avif(_: &Pixels, _: u8) -> Result<Vec<u8>, StorageError> {
    Err(StorageError::InvalidRequest(
        "format avif is not part of this server".to_owned(),
    ))
}
