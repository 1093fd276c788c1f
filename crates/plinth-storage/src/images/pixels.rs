//! Decoded images: cut and resized, turned, and brought into the colours of the web.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3, U8x4};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions};
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, GrayImage, RgbImage, RgbaImage};
use moxcms::{ColorProfile, DataColorSpace, TransformOptions};

use super::plan::{Part, Plan};
use super::workers::Scratch;
use crate::error::StorageError;

/// From how many times smaller on, an image is first averaged down. The good filter looks at six pixels across for each
/// such step, so it would read every pixel of a large photograph 36 times.
const AVERAGE_FROM: f64 = 6.0;
/// How many times larger than the result it then still is.
const AVERAGE_TO: u32 = 3;
/// Colour profiles that are larger are left unread.
const PROFILE_BYTES: usize = 4 << 20;

/// How pixels lie in memory: a byte for each of these, without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Gray,
    Rgb,
    Rgba,
}

impl Layout {
    pub(super) fn color_type(self) -> ExtendedColorType {
        match self {
            Layout::Gray => ExtendedColorType::L8,
            Layout::Rgb => ExtendedColorType::Rgb8,
            Layout::Rgba => ExtendedColorType::Rgba8,
        }
    }
}

/// A decoded image.
pub(super) struct Pixels {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) layout: Layout,
    pub(super) bytes: Vec<u8>,
}

/// The part that the plan names, in the size that it says.
pub(super) fn resize(
    scratch: &mut Scratch,
    pixels: Pixels,
    plan: &Plan,
) -> Result<Pixels, StorageError> {
    if pixels.is_exactly(plan) {
        return Ok(pixels);
    }
    // Colours count as much as they can be seen, which costs two more passes over the source.
    let alpha = pixels.has_transparency();
    let times =
        (plan.part.width / f64::from(plan.width)).min(plan.part.height / f64::from(plan.height));
    if times < AVERAGE_FROM {
        return scale(scratch, &pixels, plan, FilterType::Lanczos3, alpha);
    }
    let between = Plan {
        part: plan.part,
        width: plan.width * AVERAGE_TO,
        height: plan.height * AVERAGE_TO,
    };
    let averaged = scale(scratch, &pixels, &between, FilterType::Box, alpha)?;
    drop(pixels);
    let rest = Plan {
        part: Part {
            left: 0.0,
            top: 0.0,
            width: f64::from(between.width),
            height: f64::from(between.height),
        },
        ..*plan
    };
    scale(scratch, &averaged, &rest, FilterType::Lanczos3, alpha)
}

fn scale(
    scratch: &mut Scratch,
    pixels: &Pixels,
    plan: &Plan,
    filter: FilterType,
    alpha: bool,
) -> Result<Pixels, StorageError> {
    let Part {
        left,
        top,
        width,
        height,
    } = plan.part;
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter))
        .crop(left, top, width, height)
        .use_alpha(alpha);
    let bytes = match pixels.layout {
        Layout::Gray => scale_as::<U8>(scratch, pixels, plan, &options),
        Layout::Rgb => scale_as::<U8x3>(scratch, pixels, plan, &options),
        Layout::Rgba => scale_as::<U8x4>(scratch, pixels, plan, &options),
    };
    Ok(Pixels {
        width: plan.width,
        height: plan.height,
        layout: pixels.layout,
        bytes: bytes?,
    })
}

/// The bytes of the result. The kind of pixel is said to the compiler, which leaves out the library's code for ten others.
fn scale_as<P: PixelTrait>(
    scratch: &mut Scratch,
    pixels: &Pixels,
    plan: &Plan,
    options: &ResizeOptions,
) -> Result<Vec<u8>, StorageError> {
    let impossible = |error: &dyn std::error::Error| {
        StorageError::Internal(format!("an image could not be resized: {error}"))
    };
    let source = TypedImageRef::<P>::from_buffer(pixels.width, pixels.height, &pixels.bytes)
        .map_err(|error| impossible(&error))?;
    let mut bytes = vec![0; plan.width as usize * plan.height as usize * size_of::<P>()];
    let mut made = TypedImage::<P>::from_buffer(plan.width, plan.height, &mut bytes)
        .map_err(|error| impossible(&error))?;
    scratch
        .resizer
        .resize_typed(&source, &mut made, options)
        .map_err(|error| impossible(&error))?;
    Ok(bytes)
}

impl Pixels {
    pub(super) fn of(image: DynamicImage) -> Pixels {
        let (width, height) = (image.width(), image.height());
        let (layout, bytes) = if image.color().has_alpha() {
            (Layout::Rgba, image.into_rgba8().into_raw())
        } else if image.color().has_color() {
            (Layout::Rgb, image.into_rgb8().into_raw())
        } else {
            (Layout::Gray, image.into_luma8().into_raw())
        };
        Pixels {
            width,
            height,
            layout,
            bytes,
        }
    }

    fn image(self) -> Option<DynamicImage> {
        let Pixels {
            width,
            height,
            layout,
            bytes,
        } = self;
        match layout {
            Layout::Gray => GrayImage::from_raw(width, height, bytes).map(DynamicImage::from),
            Layout::Rgb => RgbImage::from_raw(width, height, bytes).map(DynamicImage::from),
            Layout::Rgba => RgbaImage::from_raw(width, height, bytes).map(DynamicImage::from),
        }
    }

    /// Whether nothing is to be cut or resized.
    fn is_exactly(&self, plan: &Plan) -> bool {
        let Part {
            left,
            top,
            width,
            height,
        } = plan.part;
        let whole = left <= 0.0
            && top <= 0.0
            && width >= f64::from(self.width)
            && height >= f64::from(self.height);
        whole && (plan.width, plan.height) == (self.width, self.height)
    }

    fn has_transparency(&self) -> bool {
        // In blocks, within which there is nothing to decide: that way many pixels are looked at at a time.
        let opaque = |block: &[u8]| {
            let alphas = block.chunks_exact(4).map(|pixel| pixel[3]);
            alphas.fold(0xff, |all, alpha| all & alpha) == 0xff
        };
        self.layout == Layout::Rgba && !self.bytes.chunks(4096).all(opaque)
    }

    /// As it is looked at.
    pub(super) fn turned(self, orientation: Orientation) -> Pixels {
        if orientation == Orientation::NoTransforms {
            return self;
        }
        // What `resize` gave is not large, so that turning costs little after it.
        let (width, height, layout) = (self.width, self.height, self.layout);
        match self.image() {
            Some(mut image) => {
                image.apply_orientation(orientation);
                Pixels::of(image)
            }
            // Cannot be: there are as many bytes as there must be.
            None => Pixels {
                width,
                height,
                layout,
                bytes: Vec::new(),
            },
        }
    }

    /// Colours of wider ranges look pale without their profile, which is not kept.
    pub(super) fn colours_to_srgb(&mut self, profile: &[u8]) {
        let layout = match self.layout {
            Layout::Gray => return,
            Layout::Rgb => moxcms::Layout::Rgb,
            Layout::Rgba => moxcms::Layout::Rgba,
        };
        if profile.len() > PROFILE_BYTES {
            return;
        }
        let Ok(own) = ColorProfile::new_from_slice(profile) else {
            return;
        };
        // What was CMYK has been turned into colours for screens by the decoder.
        if own.color_space != DataColorSpace::Rgb {
            return;
        }
        let srgb = ColorProfile::new_srgb();
        let options = TransformOptions::default();
        let Ok(transform) = own.create_transform_8bit(layout, &srgb, layout, options) else {
            return;
        };
        let mut made = vec![0; self.bytes.len()];
        if transform.transform(&self.bytes, &mut made).is_ok() {
            self.bytes = made;
        }
    }

    /// Without transparency where nothing is transparent.
    pub(super) fn without_idle_alpha(self) -> Pixels {
        if self.layout != Layout::Rgba || self.has_transparency() {
            return self;
        }
        Pixels {
            layout: Layout::Rgb,
            bytes: self.rgb(),
            ..self
        }
    }

    /// Three bytes a pixel, as if nothing were transparent.
    fn rgb(&self) -> Vec<u8> {
        match self.layout {
            Layout::Gray => self.bytes.iter().flat_map(|gray| [*gray; 3]).collect(),
            Layout::Rgb => self.bytes.clone(),
            Layout::Rgba => {
                let pixels = self.bytes.chunks_exact(4);
                pixels
                    .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
                    .collect()
            }
        }
    }

    /// In colours, for what knows no gray.
    pub(super) fn coloured(self) -> Pixels {
        if self.layout != Layout::Gray {
            return self;
        }
        Pixels {
            layout: Layout::Rgb,
            bytes: self.rgb(),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_profile_is_turned_into_srgb() {
        let mut pixels = Pixels {
            width: 1,
            height: 1,
            layout: Layout::Rgba,
            bytes: vec![200, 40, 40, 77],
        };
        let profile = ColorProfile::new_display_p3().encode().unwrap();
        pixels.colours_to_srgb(&profile);
        let [red, green, _, alpha] = pixels.bytes[..] else {
            panic!("{:?}", pixels.bytes);
        };
        // The same colour is further out in the smaller range.
        assert!(red > 205 && green < 40, "{:?}", pixels.bytes);
        assert_eq!(alpha, 77);
        let before = pixels.bytes.clone();
        pixels.colours_to_srgb(b"no profile");
        assert_eq!(pixels.bytes, before);
    }

    #[test]
    fn transparency_is_found_wherever_it_is() {
        let mut pixels = Pixels {
            width: 100,
            height: 100,
            layout: Layout::Rgba,
            bytes: vec![0xff; 40_000],
        };
        assert!(!pixels.has_transparency());
        for at in [3, 4095, 4099, 39_999] {
            pixels.bytes[at] = 0xfe;
            assert!(pixels.has_transparency(), "{at}");
            pixels.bytes[at] = 0xff;
        }
        pixels.bytes[0] = 0;
        assert!(!pixels.has_transparency());
        let opaque = pixels.without_idle_alpha();
        assert_eq!((opaque.layout, opaque.bytes.len()), (Layout::Rgb, 30_000));
        assert_eq!(opaque.bytes[..4], [0, 0xff, 0xff, 0xff]);
    }
}
