//! Pages of other origins: whose may read answers and send events, and which headers they may send with a request. Browsers keep these rules;
//! an app is no page and knows none. `edge/cors.mjs` mends what a deployment's variables say before they come here, by the platform's own
//! parser of addresses.

use crate::header;

/// Any origin, in `CORS_ORIGINS`.
const ANY: &str = "*";

/// The variables `CORS_ORIGINS` and `CORS_HEADERS`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Whether pages of any origin may read answers. They may read what they can ask for: no answer comes with credentials that a browser
    /// adds by itself, so that a page needs a viewer's token to read a viewer's answer. The preview secret, which such pages could have their
    /// visitors guess at, goes with requests from named origins alone; and so do events, which any page could send in its visitors' names.
    pub is_any: bool,
    /// Origins by name, as browsers spell them.
    pub named: Vec<String>,
    /// Headers that pages may send besides those that are read, such as those of tracing clients, separated by commas.
    pub headers: String,
}

impl Cors {
    /// What `origins` lists, separated by commas, with `headers`.
    pub fn of(origins: &str, headers: String) -> Self {
        let mut cors = Self { headers, ..Self::default() };
        for origin in origins.split(',').map(str::trim) {
            match origin {
                ANY => cors.is_any = true,
                // Pages that no origin may be told of are all `null`: a sandbox on any site.
                "" | "null" => {}
                _ => cors.named.push(origin.to_owned()),
            }
        }
        cors
    }

    /// Whether the origin of a request makes a difference.
    pub fn is_open(&self) -> bool {
        self.is_any || !self.named.is_empty()
    }

    /// Whether `origin`, as a browser spells it, is named: then its pages may read answers, send the preview secret, and send events.
    pub fn names(&self, origin: &str) -> bool {
        self.named.iter().any(|named| named == origin)
    }

    /// The `Access-Control-Allow-Origin` by which pages of `origin` may read an answer; `None` where they may not.
    pub fn reader<'a>(&self, origin: &'a str) -> Option<&'a str> {
        if self.names(origin) { Some(origin) } else { self.is_any.then_some(ANY) }
    }

    /// The `Access-Control-Allow-Headers` for pages that read by `reader`, where headers `own` are read, the preview secret's last.
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
