//! Where links lead: only to the application's own site and to what its settings list, or a letter of ours would carry
//! people, and their session, to anybody's.

use axum::http::header::REFERER;
use axum::http::{HeaderMap, Uri};

use super::body::Parameters;
use crate::config::Config;

/// The address asked for by parameter, header or referrer, if it is allowed; else the site's own.
pub(crate) fn choose(config: &Config, parameters: &Parameters, headers: &HeaderMap) -> String {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let asked = parameters
        .get("redirect_to")
        .or_else(|| header("redirect_to"));
    [asked, header(REFERER.as_str())]
        .into_iter()
        .flatten()
        .find(|url| is_allowed(config, url))
        .unwrap_or(&config.site_url)
        .to_owned()
}

/// Adds `name=value` pairs to a URL's fragment, where a server never sees them; clients know the end by `sb`.
pub(crate) fn with_fragment(url: &str, pairs: &[(&str, &str)]) -> String {
    let base = url.split('#').next().unwrap_or_default();
    format!("{base}#{}&sb=", encode(pairs))
}

/// Adds pairs to a URL's query.
pub(crate) fn with_query(url: &str, pairs: &[(&str, &str)]) -> String {
    let (base, fragment) = url
        .split_once('#')
        .map_or((url, None), |(base, fragment)| (base, Some(fragment)));
    let mark = if base.contains('?') { '&' } else { '?' };
    let url = format!("{base}{mark}{}", encode(pairs));
    match fragment {
        Some(fragment) => format!("{url}#{fragment}"),
        None => url,
    }
}

fn encode(pairs: &[(&str, &str)]) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(pairs).finish()
}

fn is_allowed(config: &Config, url: &str) -> bool {
    let base = url.split('#').next().unwrap_or_default();
    let plain = url
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if !plain || url.len() > 2048 {
        return false;
    }
    let allowed = |pattern: &String| matches(pattern.as_bytes(), base.as_bytes());
    same_site(&config.site_url, base) || config.redirect_urls.iter().any(allowed)
}

/// Same scheme, host and port; on loopback any port, as development servers move.
fn same_site(site: &str, url: &str) -> bool {
    let (Ok(site), Ok(url)) = (site.parse::<Uri>(), url.parse::<Uri>()) else {
        return false;
    };
    let web = matches!(url.scheme_str(), Some("http" | "https"));
    let (Some(ours), Some(theirs)) = (site.authority(), url.authority()) else {
        return false;
    };
    if !web || site.scheme_str() != url.scheme_str() || theirs.as_str().contains('@') {
        return false;
    }
    let host = |host: &str| host.to_ascii_lowercase();
    let same_host = host(ours.host()) == host(theirs.host());
    let loopback = matches!(ours.host(), "localhost" | "127.0.0.1" | "[::1]");
    same_host && (loopback || ours.port_u16() == theirs.port_u16())
}

/// Globs as in Supabase's allow list: `*` stands for anything but `.` and `/`, `**` for anything, `?` for one
/// character that is neither. Looks at each pair of places once, so no pattern is slow.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let separator = |byte: u8| byte == b'.' || byte == b'/';
    // reached[t]: the pattern so far can end before the byte t.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut rest = pattern;
    while let Some((&first, tail)) = rest.split_first() {
        let double = first == b'*' && tail.first() == Some(&b'*');
        let mut next = vec![false; text.len() + 1];
        for place in 0..=text.len() {
            let before = place.checked_sub(1).and_then(|at| text.get(at)).copied();
            let from_before = place.checked_sub(1).is_some_and(|at| reached[at]);
            let runs_on = place.checked_sub(1).is_some_and(|at| next[at]);
            next[place] = match first {
                b'*' if double => reached[place] || runs_on,
                b'*' => reached[place] || (runs_on && before.is_some_and(|byte| !separator(byte))),
                b'?' => from_before && before.is_some_and(|byte| !separator(byte)),
                literal => from_before && before == Some(literal),
            };
        }
        reached = next;
        rest = if double {
            tail.get(1..).unwrap_or_default()
        } else {
            tail
        };
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plinth_http::Mode;

    #[test]
    fn only_the_site_and_the_list_are_led_to() {
        let mut config = Config::for_mode(Mode::Serve);
        config.site_url = "https://shop.example".to_owned();
        config.redirect_urls = vec![
            "https://*.preview.example/**".to_owned(),
            "myapp://callback".to_owned(),
        ];
        for good in [
            "https://shop.example",
            "https://SHOP.example/a?b#c",
            "https://x.preview.example/y/z",
            "myapp://callback",
        ] {
            assert!(is_allowed(&config, good), "{good}");
        }
        for bad in [
            "http://shop.example",
            "https://shop.example:8443",
            "https://shop.example@evil.example",
            "https://evil.example/https://shop.example",
            "https://shop.example.evil.example",
            "https://a.b.preview.example/",
            "https://evil.example/.preview.example/",
            "javascript:alert(1)",
            "//evil.example",
            "/path",
            "https://shop.example\\@evil.example",
            "https://shop.example/\r\nx",
            "myapp://callback/more",
            "",
        ] {
            assert!(!is_allowed(&config, bad), "{bad}");
        }
        config.site_url = "http://127.0.0.1:3000".to_owned();
        assert!(is_allowed(&config, "http://127.0.0.1:5173/x"));
        assert!(!is_allowed(&config, "http://10.0.0.1:3000/x"));
    }

    #[test]
    fn globs_stop_at_separators() {
        assert!(matches(b"a*c", b"abbc"));
        assert!(!matches(b"a*c", b"ab/c"));
        assert!(matches(b"a**c", b"ab/c"));
        assert!(matches(b"a?c", b"abc"));
        assert!(!matches(b"a?c", b"a/c"));
        assert!(matches(b"**", b""));
        assert!(!matches(b"", b"x"));
    }

    #[test]
    fn pairs_are_encoded() {
        assert_eq!(
            with_query("https://x/?a=1#f", &[("code", "a b&c")]),
            "https://x/?a=1&code=a+b%26c#f"
        );
        assert_eq!(
            with_fragment("https://x/#old", &[("a", "b")]),
            "https://x/#a=b&sb="
        );
    }
}
