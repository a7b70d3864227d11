//! Content negotiation: reads `Accept` and chooses among the media types that a route offers.

use axum::http::{HeaderMap, header};
use mime::Mime;

/// Nothing on offer is acceptable to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAcceptable;

/// Returns the offer that the client prefers, or `None` if it states no preference. An offer pairs
/// an essence, such as `application/json` or `*/*`, or an essence and a parameter that a range has
/// to have, with the value to return for it.
///
/// The highest `q` wins; among equals, the first in the header. Every answer is UTF-8, so a range
/// that asks for another charset matches nothing.
pub(crate) fn choose<T: Copy>(
    headers: &HeaderMap,
    offers: &[(&str, T)],
) -> Result<Option<T>, NotAcceptable> {
    let mut has_preference = false;
    let mut best: Option<(f32, T)> = None;
    for (range, q) in ranges(headers) {
        has_preference = true;
        let offer = offers.iter().find(|(media, _)| matches(media, &range));
        let is_utf8 = range
            .get_param(mime::CHARSET)
            .is_none_or(|c| c == mime::UTF_8);
        if let Some((_, offer)) = offer
            && is_utf8
            // `q=0` means that the client does not accept this type.
            && q > 0.0
            && best.is_none_or(|(highest, _)| q > highest)
        {
            best = Some((q, *offer));
        }
    }
    match best {
        Some((_, offer)) => Ok(Some(offer)),
        None if has_preference => Err(NotAcceptable),
        None => Ok(None),
    }
}

fn matches(media: &str, range: &Mime) -> bool {
    let (essence, parameter) = match media.split_once(';') {
        Some((essence, parameter)) => (essence, parameter.split_once('=')),
        None => (media, None),
    };
    let has = |(name, value): (&str, &str)| range.get_param(name).is_some_and(|v| v == value);
    range.essence_str() == essence && parameter.is_none_or(has)
}

/// Returns the highest `q` that the client gives exactly this media type, or 0 if unnamed.
pub(crate) fn quality(headers: &HeaderMap, essence: &str) -> f32 {
    ranges(headers)
        .filter(|(range, _)| range.essence_str() == essence)
        .fold(0.0, |highest, (_, q)| q.max(highest))
}

/// Iterates over the media ranges that can be parsed, each with its `q`; the others are skipped.
fn ranges(headers: &HeaderMap) -> impl Iterator<Item = (Mime, f32)> {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .flat_map(|line| line.to_str().unwrap_or_default().split(','))
        .filter_map(|range| {
            let range: Mime = range.trim().parse().ok()?;
            let q = range.get_param("q").and_then(|q| q.as_str().parse().ok());
            // The default of RFC 9110.
            Some((range, q.unwrap_or(1.0)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERS: [(&str, char); 4] = [
        ("text/plain", 't'),
        ("application/json", 'j'),
        ("multipart/mixed;subscriptionspec=1.0", 'm'),
        ("*/*", 'j'),
    ];

    fn headers(lines: &[&str]) -> HeaderMap {
        let line = |line: &&str| (header::ACCEPT, line.parse().expect("a header value"));
        lines.iter().map(line).collect()
    }

    #[test]
    fn the_highest_q_wins_and_then_the_first() {
        for (lines, chosen) in [
            (&[][..], Ok(None)),
            (&["nonsense, /, q=1"], Ok(None)),
            (&["text/plain"], Ok(Some('t'))),
            (&["application/json, text/plain"], Ok(Some('j'))),
            (&["application/json", "text/plain"], Ok(Some('j'))),
            (&["text/plain;q=0.5, application/json;q=0.6"], Ok(Some('j'))),
            (&["text/plain;q=0.5", "*/*;q=0.4"], Ok(Some('t'))),
            (&["text/plain;charset=latin1, */*;q=0.1"], Ok(Some('j'))),
            (&["text/plain;charset=UTF-8"], Ok(Some('t'))),
            (
                &["multipart/mixed;boundary=\"-\";subscriptionSpec=1.0, application/json"],
                Ok(Some('m')),
            ),
            (
                &["multipart/mixed; subscriptionSpec=\"1.0\""],
                Ok(Some('m')),
            ),
            (
                &["multipart/mixed;deferSpec=20220824, application/json"],
                Ok(Some('j')),
            ),
            (
                &["multipart/mixed;subscriptionSpec=2.0"],
                Err(NotAcceptable),
            ),
            (&["text/plain;q=0"], Err(NotAcceptable)),
            (&["image/png, nonsense"], Err(NotAcceptable)),
        ] {
            assert_eq!(choose(&headers(lines), &OFFERS), chosen, "{lines:?}");
        }
    }

    #[test]
    fn quality_is_that_of_the_named_type() {
        let headers = headers(&["text/plain;q=0.2, */*", "text/plain;q=0.4"]);
        assert!((quality(&headers, "text/plain") - 0.4).abs() < f32::EPSILON);
        assert!(quality(&headers, "application/json").abs() < f32::EPSILON);
    }
}
