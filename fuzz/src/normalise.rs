//! Titles of any bytes: what identity makes of them.

use sinsang_identity::identity::{Offer, Policy, Sameness, same};
use sinsang_identity::listing::{Features, Lexicon, MAX_TITLE_BYTES};

/// Reads the lines of `bytes` as title, brand and a second title; every span must lie in its title,
/// and no title may differ from itself.
pub(crate) fn normalise(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(3, '\n');
    let (title, brand, other) = (lines.next().unwrap_or(""), lines.next(), lines.next().unwrap_or(""));
    let policy = Policy::default();
    let lexicon = Lexicon::new(&policy.words);
    let read = |title: &str| {
        let features = Features::read(title, brand, None, &lexicon);
        let spans = features.tokens.iter().map(|token| token.span).chain(features.attributes.iter().map(|a| a.span));
        for span in spans {
            assert!(
                span.start <= span.end && span.end <= title.len().min(MAX_TITLE_BYTES + 4),
                "{span:?} in {title:?}"
            );
        }
        features
    };
    let (a, b) = (read(title), read(other));
    let score = same(&a, Offer::default(), &b, Offer::default(), &policy);
    assert!(score.total.is_finite() && score.evidence.is_finite(), "{title:?} and {other:?}: {score:?}");
    let back = same(&b, Offer::default(), &a, Offer::default(), &policy);
    assert_eq!(score.verdict, back.verdict, "{title:?} and {other:?}, and the other way round");
    // A title that says nothing is one product with nothing, itself included.
    let itself = same(&a, Offer::default(), &a, Offer::default(), &policy);
    assert!(!a.is_empty() || itself.verdict == Sameness::Different, "{title:?} says nothing");
}
