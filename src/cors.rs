//! CORS: which pages of other origins may read answers and send events, and with which headers.
//! Browsers enforce these rules; apps ignore them. `edge/cors.mjs` first normalises the
//! deployment's variables with the platform's URL parser.

use crate::header;

/// The entry of `CORS_ORIGINS` that stands for any origin.
const ANY: &str = "*";

/// The variables `CORS_ORIGINS` and `CORS_HEADERS`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Whether pages of any origin may read answers. They read only what they can request: browsers
    /// add no credentials automatically, so a page needs a viewer's token to read that viewer's
    /// answer. Only named origins may send the preview secret, which such pages could have their
    /// visitors guess at, and events, which any page could send in its visitors' names.
    pub is_any: bool,
    /// Named origins, as browsers spell them.
    pub named: Vec<String>,
    /// Further headers that pages may send (those of tracing clients, say), separated by commas.
    pub headers: String,
}

impl Cors {
    /// Parses `origins`, a comma-separated list, and adds `headers`.
    pub fn of(origins: &str, headers: String) -> Self {
        let mut cors = Self { headers, ..Self::default() };
        for origin in origins.split(',').map(str::trim) {
            match origin {
                ANY => cors.is_any = true,
                // All pages with an opaque origin send `null`: it would admit a sandbox on any
                // site.
                "" | "null" => {}
                _ => cors.named.push(origin.to_owned()),
            }
        }
        cors
    }

    /// Whether a request's origin makes a difference.
    pub fn is_open(&self) -> bool {
        self.is_any || !self.named.is_empty()
    }

    /// Whether `origin`, as a browser spells it, is named: its pages may read answers, send the
    /// preview secret, and send events.
    pub fn names(&self, origin: &str) -> bool {
        self.named.iter().any(|named| named == origin)
    }

    /// The `Access-Control-Allow-Origin` for pages of `origin`; `None` if they may not read
    /// answers.
    pub fn reader<'a>(&self, origin: &'a str) -> Option<&'a str> {
        if self.names(origin) { Some(origin) } else { self.is_any.then_some(ANY) }
    }

    /// The `Access-Control-Allow-Headers` for pages that read by `reader`. `own` are the headers
    /// that the route reads; the preview secret, if among them, is last and is left out for `*`.
    pub fn headers(&self, own: &[&str], reader: &str) -> String {
        let mut own = own;
        if let ([others @ .., header::PREVIEW], ANY) = (own, reader) {
            own = others;
        }
        let mut all = own.join(", ");
        if !self.headers.is_empty() {
            all.push_str(", ");
            all.push_str(&self.headers);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_origin_may_read_and_named_ones_alone_may_preview_and_send_events() {
        let cors = Cors::of("https://shop.example, *, null,", "sentry-trace, baggage".to_owned());
        assert!(cors.is_open());
        for (origin, reader, is_named) in [
            ("https://shop.example", "https://shop.example", true),
            ("https://other.example", "*", false),
            ("null", "*", false),
            ("*", "*", false),
            ("", "*", false),
        ] {
            assert_eq!((cors.reader(origin), cors.names(origin)), (Some(reader), is_named), "{origin}");
            let headers = cors.headers(&header::OF_SURFACES, reader);
            let headers: Vec<&str> = headers.split(", ").collect();
            assert_eq!(headers.contains(&header::PREVIEW), is_named, "{headers:?}");
            let own = header::OF_SURFACES.iter().filter(|name| **name != header::PREVIEW);
            assert!(own.chain(&["sentry-trace", "baggage"]).all(|name| headers.contains(name)), "{headers:?}");
        }
        let cors = Cors::of("https://shop.example", String::new());
        for origin in
            ["https://other.example", "null", "*", "", "https://shop.example.other.example", "https://SHOP.example"]
        {
            assert_eq!((cors.reader(origin), cors.names(origin)), (None, false), "{origin}");
        }
        assert_eq!(cors.headers(&header::OF_SURFACES, "https://shop.example"), header::OF_SURFACES.join(", "));
        for none in ["", " , ", "null"] {
            assert_eq!((Cors::of(none, String::new()), Cors::default().is_open()), (Cors::default(), false), "{none}");
        }
    }
}
