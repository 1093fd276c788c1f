//! What a request wants done to an image.
//!
//! The same parameters come as a query, as JSON (when a URL is signed) and as the text inside a signed URL's token. All three
//! become one [`Transform`]; with what the client accepts it becomes a [`Recipe`], which names a result and is part of its
//! place in the cache. Two requests that must give the same bytes have equal recipes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use serde_json::Value;

use super::ImageConfig;
use crate::error::StorageError;

/// What nobody asked otherwise.
const QUALITY: u8 = 80;
/// Below it nobody recognises anything, above it there is nothing.
const QUALITIES: std::ops::RangeInclusive<u32> = 20..=100;
/// Qualities are multiples of this: nobody sees a smaller difference, and each result takes its place in the cache.
const QUALITY_STEP: u32 = 5;
/// Offsets beyond any image.
const OFFSET_MOST: i64 = 32_767;

/// What a request wants done to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transform {
    /// Pixels; at most what the configuration allows.
    width: Option<u16>,
    height: Option<u16>,
    resize: Resize,
    quality: u8,
    format: Option<Format>,
    gravity: Gravity,
    /// Pixels of the result, from the side that the gravity names towards the middle.
    x_offset: i16,
    y_offset: i16,
}

/// How an image comes into a box of another shape. No way makes it larger than it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Resize {
    /// Fills the box; what juts out is cut off.
    Cover,
    /// Fits into the box.
    Contain,
    /// Takes the shape of the box.
    Fill,
}

/// What was asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// What the source is.
    Origin,
    WebP,
    Avif,
}

/// What comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Target {
    /// What the source is.
    Origin,
    WebP,
    /// Only in a server that was built with it.
    Avif,
    /// What every client reads: PNG of a PNG, which has lost nothing yet, and when something is transparent; else JPEG.
    Plain,
}

/// Which part stays when something is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Gravity {
    Center,
    North,
    NorthEast,
    East,
    SouthEast,
    South,
    SouthWest,
    West,
    NorthWest,
}

/// All that a result depends on beside its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Recipe {
    /// Zero where nothing was asked for.
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) resize: Resize,
    pub(super) quality: u8,
    pub(super) gravity: Gravity,
    pub(super) x_offset: i16,
    pub(super) y_offset: i16,
    pub(super) target: Target,
}

impl Transform {
    /// From the query of a URL. Parameters that mean nothing here are ignored, as clients add some against caches.
    pub(crate) fn from_query(query: &str, config: &ImageConfig) -> Result<Transform, StorageError> {
        Transform::from_pairs(form_urlencoded::parse(query.as_bytes()), config)
    }

    /// From the member `transform` of a request for a signed URL.
    pub(crate) fn from_json(
        value: &Value,
        config: &ImageConfig,
    ) -> Result<Transform, StorageError> {
        let Value::Object(members) = value else {
            return Err(invalid("transform must be an object"));
        };
        let mut pairs = Vec::with_capacity(members.len());
        for (name, value) in members {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => Cow::Borrowed(text.as_str()),
                Value::Number(number) => Cow::Owned(number.to_string()),
                Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                    return Err(invalid(format!("{name} must be a number or a text")));
                }
            };
            pairs.push((Cow::Borrowed(name.as_str()), text));
        }
        Transform::from_pairs(pairs.into_iter(), config)
    }

    /// From the claim `transformations` of a signed URL's token.
    pub(crate) fn from_claim(claim: &str, config: &ImageConfig) -> Result<Transform, StorageError> {
        let pairs = claim
            .split(',')
            .filter_map(|pair| pair.split_once(':'))
            .map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
        Transform::from_pairs(pairs, config)
    }

    /// The last of several equal names counts, and an empty value is none.
    fn from_pairs<'a>(
        pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
        config: &ImageConfig,
    ) -> Result<Transform, StorageError> {
        let mut made = Transform {
            width: None,
            height: None,
            resize: Resize::Cover,
            quality: QUALITY,
            format: None,
            gravity: Gravity::Center,
            x_offset: 0,
            y_offset: 0,
        };
        for (name, value) in pairs {
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            match &*name {
                "width" => made.width = side(&name, value, config)?,
                "height" => made.height = side(&name, value, config)?,
                "resize" => made.resize = value.parse()?,
                "quality" => made.quality = quality(value)?,
                "format" => made.format = Some(value.parse()?),
                "gravity" => made.gravity = value.parse()?,
                "x_offset" => made.x_offset = offset(&name, value)?,
                "y_offset" => made.y_offset = offset(&name, value)?,
                _ => {}
            }
        }
        Ok(made)
    }

    /// As a signed URL's token and the header `X-Transformations` have it; [`Transform::from_claim`] reads it.
    pub(crate) fn claim(&self) -> String {
        let mut parts = Vec::new();
        if let Some(width) = self.width {
            parts.push(format!("width:{width}"));
        }
        if let Some(height) = self.height {
            parts.push(format!("height:{height}"));
        }
        parts.push(format!("resize:{}", self.resize.name()));
        parts.push(format!("quality:{}", self.quality));
        match self.format {
            None => {}
            Some(Format::Origin) => parts.push("format:origin".to_owned()),
            Some(Format::WebP) => parts.push("format:webp".to_owned()),
            Some(Format::Avif) => parts.push("format:avif".to_owned()),
        }
        if self.gravity != Gravity::Center {
            parts.push(format!("gravity:{}", self.gravity.name()));
        }
        for (name, offset) in [("x_offset", self.x_offset), ("y_offset", self.y_offset)] {
            if offset != 0 {
                parts.push(format!("{name}:{offset}"));
            }
        }
        parts.join(",")
    }

    /// Whether what comes out depends on the header `Accept`.
    pub(crate) fn is_negotiated(&self) -> bool {
        self.format.is_none()
    }

    /// With what the client accepts.
    pub(crate) fn recipe(&self, headers: &HeaderMap) -> Recipe {
        let target = match self.format {
            Some(Format::Origin) => Target::Origin,
            Some(Format::WebP) => Target::WebP,
            Some(Format::Avif) => Target::Avif,
            None if accepts(headers, "image/webp") => Target::WebP,
            None => Target::Plain,
        };
        let resize = match (self.width, self.height) {
            (None, None) => Resize::Contain,
            // The other side follows, so that nothing is cut off.
            (Some(_), None) | (None, Some(_)) if self.resize == Resize::Cover => Resize::Contain,
            _ => self.resize,
        };
        // Where nothing is cut off it means nothing what would stay.
        let cuts = resize == Resize::Cover;
        Recipe {
            width: self.width.unwrap_or(0),
            height: self.height.unwrap_or(0),
            resize,
            quality: self.quality,
            gravity: if cuts { self.gravity } else { Gravity::Center },
            x_offset: if cuts { self.x_offset } else { 0 },
            y_offset: if cuts { self.y_offset } else { 0 },
            target,
        }
    }
}

fn invalid(message: impl Into<String>) -> StorageError {
    StorageError::InvalidRequest(message.into())
}

/// A width or a height: too large is as large as possible, and zero is as good as nothing.
fn side(name: &str, text: &str, config: &ImageConfig) -> Result<Option<u16>, StorageError> {
    let pixels = whole(name, text)?;
    let most = u32::from(config.side_pixels);
    // Cannot fail: what is configured fits.
    let pixels = u16::try_from(pixels.min(most)).unwrap_or(config.side_pixels);
    Ok((pixels > 0).then_some(pixels))
}

fn quality(text: &str) -> Result<u8, StorageError> {
    let quality = whole("quality", text)?;
    if !QUALITIES.contains(&quality) {
        return Err(invalid("quality must be between 20 and 100"));
    }
    let rounded = (quality + QUALITY_STEP / 2) / QUALITY_STEP * QUALITY_STEP;
    // Cannot fail: it is 100 at most.
    Ok(u8::try_from(rounded).unwrap_or(QUALITY))
}

fn offset(name: &str, text: &str) -> Result<i16, StorageError> {
    let pixels: i64 = text
        .parse()
        .map_err(|_| invalid(format!("{name} must be a whole number of pixels")))?;
    let pixels = pixels.clamp(-OFFSET_MOST, OFFSET_MOST);
    Ok(i16::try_from(pixels).unwrap_or(0))
}

/// Digits, however many.
fn whole(name: &str, text: &str) -> Result<u32, StorageError> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid(format!("{name} must be a whole number")));
    }
    Ok(text.parse().unwrap_or(u32::MAX))
}

/// Whether `Accept` names this very type. `*/*` does not count: clients that cannot read a type say it, too.
fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let listed = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    listed.flat_map(|text| text.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(wanted));
        named && !parts.any(is_refusal)
    })
}

/// `q=0`, `q=0.000`.
fn is_refusal(parameter: &str) -> bool {
    let Some((name, weight)) = parameter.split_once('=') else {
        return false;
    };
    let weight = weight.trim();
    name.trim().eq_ignore_ascii_case("q")
        && weight.starts_with('0')
        && weight.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

impl FromStr for Resize {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Resize, StorageError> {
        match text {
            "cover" => Ok(Resize::Cover),
            "contain" => Ok(Resize::Contain),
            "fill" => Ok(Resize::Fill),
            _ => Err(invalid("resize must be cover, contain or fill")),
        }
    }
}

impl Resize {
    fn name(self) -> &'static str {
        match self {
            Resize::Cover => "cover",
            Resize::Contain => "contain",
            Resize::Fill => "fill",
        }
    }
}

impl FromStr for Format {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Format, StorageError> {
        match text {
            "origin" => Ok(Format::Origin),
            "webp" => Ok(Format::WebP),
            "avif" if cfg!(feature = "avif") => Ok(Format::Avif),
            "avif" => Err(invalid("format avif is not part of this server")),
            _ => Err(invalid("format must be origin, webp or avif")),
        }
    }
}

impl FromStr for Gravity {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Gravity, StorageError> {
        match text {
            "center" | "ce" => Ok(Gravity::Center),
            "north" | "no" | "top" => Ok(Gravity::North),
            "northeast" | "noea" => Ok(Gravity::NorthEast),
            "east" | "ea" | "right" => Ok(Gravity::East),
            "southeast" | "soea" => Ok(Gravity::SouthEast),
            "south" | "so" | "bottom" => Ok(Gravity::South),
            "southwest" | "sowe" => Ok(Gravity::SouthWest),
            "west" | "we" | "left" => Ok(Gravity::West),
            "northwest" | "nowe" => Ok(Gravity::NorthWest),
            _ => Err(invalid(
                "gravity must be center, north, northeast, east, southeast, south, southwest, west or northwest",
            )),
        }
    }
}

impl Gravity {
    fn name(self) -> &'static str {
        match self {
            Gravity::Center => "center",
            Gravity::North => "north",
            Gravity::NorthEast => "northeast",
            Gravity::East => "east",
            Gravity::SouthEast => "southeast",
            Gravity::South => "south",
            Gravity::SouthWest => "southwest",
            Gravity::West => "west",
            Gravity::NorthWest => "northwest",
        }
    }

    /// Where the part lies in what is free: 0 at the left or the top, 1 at the right or the bottom.
    pub(super) fn place(self) -> (f64, f64) {
        match self {
            Gravity::Center => (0.5, 0.5),
            Gravity::North => (0.5, 0.0),
            Gravity::NorthEast => (1.0, 0.0),
            Gravity::East => (1.0, 0.5),
            Gravity::SouthEast => (1.0, 1.0),
            Gravity::South => (0.5, 1.0),
            Gravity::SouthWest => (0.0, 1.0),
            Gravity::West => (0.0, 0.5),
            Gravity::NorthWest => (0.0, 0.0),
        }
    }
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Target::Origin => "origin",
            Target::WebP => "webp",
            Target::Avif => "avif",
            Target::Plain => "plain",
        }
    }
}

impl Recipe {
    /// Not greater than any other, for looking through what is sorted.
    pub(super) const LEAST: Recipe = Recipe {
        width: 0,
        height: 0,
        resize: Resize::Cover,
        quality: 0,
        gravity: Gravity::Center,
        x_offset: i16::MIN,
        y_offset: i16::MIN,
        target: Target::Origin,
    };
}

/// The name of a file in the cache: ASCII letters, digits, `_` and `-`.
impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}_{}_{}_{}_{}_{}_{}_{}",
            self.width,
            self.height,
            self.resize.name(),
            self.quality,
            self.gravity.name(),
            self.x_offset,
            self.y_offset,
            self.target.name()
        )
    }
}

/// No recipe of ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoRecipe;

impl FromStr for Recipe {
    type Err = NoRecipe;

    fn from_str(text: &str) -> Result<Recipe, NoRecipe> {
        let parts: Vec<&str> = text.split('_').collect();
        let [width, height, resize, quality, gravity, x, y, target] = parts[..] else {
            return Err(NoRecipe);
        };
        let target = match target {
            "origin" => Target::Origin,
            "webp" => Target::WebP,
            "avif" => Target::Avif,
            "plain" => Target::Plain,
            _ => return Err(NoRecipe),
        };
        Ok(Recipe {
            width: width.parse().map_err(|_| NoRecipe)?,
            height: height.parse().map_err(|_| NoRecipe)?,
            resize: resize.parse().map_err(|_| NoRecipe)?,
            quality: quality.parse().map_err(|_| NoRecipe)?,
            gravity: gravity.parse().map_err(|_| NoRecipe)?,
            x_offset: x.parse().map_err(|_| NoRecipe)?,
            y_offset: y.parse().map_err(|_| NoRecipe)?,
            target,
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn config() -> ImageConfig {
        ImageConfig::in_folder("unused".into())
    }

    fn read(query: &str) -> Result<String, String> {
        Transform::from_query(query, &config())
            .map(|transform| transform.claim())
            .map_err(|error| error.to_string())
    }

    fn accepting(text: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(text))])
    }

    #[test]
    fn sizes_are_clamped() {
        assert_eq!(read(""), Ok("resize:cover,quality:80".to_owned()));
        let all = "width:300,height:2000,resize:contain,quality:20,format:origin";
        assert_eq!(
            read(
                "width=300&height=999999999999999999999&resize=contain&quality=20&format=origin&t=5"
            ),
            Ok(all.to_owned())
        );
        assert_eq!(
            read("width=0&height="),
            Ok("resize:cover,quality:80".to_owned())
        );
    }

    #[test]
    fn qualities_are_rounded() {
        for (asked, taken) in [
            (20, 20),
            (22, 20),
            (23, 25),
            (78, 80),
            (98, 100),
            (100, 100),
        ] {
            let claim = format!("resize:cover,quality:{taken}");
            assert_eq!(read(&format!("quality={asked}")), Ok(claim), "{asked}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for query in [
            "width=-1",
            "width=1.5",
            "width=%2B5",
            "height=ten",
            "quality=19",
            "quality=101",
            "quality=99999999999",
            "resize=stretch",
            "format=jpeg",
            "gravity=smart",
            "x_offset=1e3",
        ] {
            assert!(read(query).is_err(), "{query}");
        }
    }

    #[cfg(not(feature = "avif"))]
    #[test]
    fn avif_is_refused_by_name() {
        assert_eq!(
            read("format=avif"),
            Err("format avif is not part of this server".to_owned())
        );
    }

    #[test]
    fn all_three_forms_are_one() {
        let query =
            "width=10&height=20&resize=cover&gravity=north&x_offset=-3&quality=50&format=webp";
        let by_query = Transform::from_query(query, &config()).unwrap();
        let by_claim = Transform::from_claim(&by_query.claim(), &config()).unwrap();
        let json = json!({"width": 10, "height": "20", "resize": "cover", "gravity": "no", "x_offset": -3,
            "quality": 50, "format": "webp", "y_offset": null});
        let by_json = Transform::from_json(&json, &config()).unwrap();
        assert_eq!(by_query, by_claim);
        assert_eq!(by_query, by_json);
        assert!(Transform::from_json(&json!({"width": [1]}), &config()).is_err());
        assert!(Transform::from_json(&json!("width"), &config()).is_err());
    }

    #[test]
    fn webp_must_be_named() {
        let transform = Transform::from_query("width=5", &config()).unwrap();
        let target = |accept| transform.recipe(&accepting(accept)).target;
        assert_eq!(target("image/avif,image/webp,*/*"), Target::WebP);
        assert_eq!(target("text/html, IMAGE/WebP;q=0.8"), Target::WebP);
        assert_eq!(target("*/*"), Target::Plain);
        assert_eq!(target("image/webp;q=0, image/png"), Target::Plain);
        assert_eq!(target("image/webp; q=0.000"), Target::Plain);
        assert!(transform.is_negotiated());
        let origin = Transform::from_query("width=5&format=origin", &config()).unwrap();
        assert_eq!(
            origin.recipe(&accepting("image/webp")).target,
            Target::Origin
        );
        assert!(!origin.is_negotiated());
    }

    #[test]
    fn equal_results_have_equal_recipes() {
        let recipe = |query| {
            let transform = Transform::from_query(query, &config()).unwrap();
            transform.recipe(&HeaderMap::new())
        };
        assert_eq!(
            recipe("resize=fill"),
            recipe("resize=cover&gravity=north&x_offset=4")
        );
        assert_eq!(recipe("width=5&gravity=north"), recipe("width=5"));
        assert_eq!(recipe("width=5&resize=contain"), recipe("width=5"));
        assert_ne!(
            recipe("width=5&height=5&gravity=north"),
            recipe("width=5&height=5")
        );
        assert_ne!(recipe("width=5&resize=fill"), recipe("width=5"));
    }

    #[test]
    fn recipes_survive_as_names() {
        let query = "width=5&height=7&gravity=southwest&x_offset=-9&y_offset=8&quality=33";
        let transform = Transform::from_query(query, &config()).unwrap();
        let recipe = transform.recipe(&accepting("image/webp"));
        let name = recipe.to_string();
        assert_eq!(name, "5_7_cover_35_southwest_-9_8_webp");
        assert_eq!(name.parse(), Ok(recipe));
        assert!(Recipe::LEAST <= recipe);
        for foreign in [
            "",
            "part",
            "5_7_cover",
            "5_7_cover_33_southwest_-9_8_webp_1",
        ] {
            assert_eq!(foreign.parse::<Recipe>(), Err(NoRecipe));
        }
    }
}
