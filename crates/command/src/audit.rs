//! `sinsang audit`: titles that claim to be new although the product has aired, and new products
//! whose titles don't claim it, by shop.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use sinsang_core::time::UnixMillis;
use sinsang_core::verdict::VerdictKind;
use sinsang_identity::identity::ProductId;
use sinsang_identity::verdict::{self, Earlier};
use sinsang_pipeline::read::history::History;
use sinsang_pipeline::report::claim::claim;

/// Rows of each list in the text; JSON has them all.
pub const ROWS_SHOWN: usize = 20;

/// Titles' claims and verdicts, in total and by shop.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The totals of all shops.
    pub total: Counts,
    /// The counts of each shop.
    pub shops: BTreeMap<String, Counts>,
    /// Titles that claim to be new although their product had aired, latest first.
    pub claims_that_aired: Vec<Claim>,
    /// New products whose title does not claim it, latest first.
    pub silent_new: Vec<Silent>,
    /// Rows of each list in the text.
    #[serde(skip)]
    pub rows_shown: usize,
}

/// Counts of aired titles: each title of a listing counts once, judged as of its first broadcast
/// under that title.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Titles.
    pub titles: usize,
    /// Titles that claim to be new.
    pub claims: usize,
    /// Claims on products that had aired.
    pub claims_aired: usize,
    /// Claims on new products.
    pub claims_new: usize,
    /// Claims on products of unknown verdict.
    pub claims_unknown: usize,
    /// Titles of new products.
    pub new: usize,
    /// Titles of new products without the claim.
    pub new_silent: usize,
}

impl Counts {
    fn add(&mut self, claims: bool, kind: VerdictKind) {
        self.titles += 1;
        self.claims += usize::from(claims);
        self.new += usize::from(kind == VerdictKind::New);
        *match (claims, kind) {
            (true, VerdictKind::Repeat) => &mut self.claims_aired,
            (true, VerdictKind::New) => &mut self.claims_new,
            (true, VerdictKind::Unknown) => &mut self.claims_unknown,
            (false, VerdictKind::New) => &mut self.new_silent,
            (false, _) => return,
        } += 1;
    }
}

/// A title that claims to be new although its product had aired.
#[derive(Debug, Serialize)]
pub struct Claim {
    /// The shop.
    pub shop: String,
    /// The shop's code.
    pub listing_id: String,
    /// The title.
    pub title: String,
    /// The words of the claim.
    pub claim: String,
    /// Start of its first broadcast under that title, RFC 3339 in +09:00.
    pub starts_at: String,
    /// Its product.
    pub product_id: ProductId,
    /// The latest broadcast that had ended by then.
    pub earlier: Option<Earlier>,
    /// The probability, from 0 to 1, that it has aired as `earlier`, if that is a listing of
    /// another product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aired_probability: Option<f64>,
}

/// A new product whose title does not claim it.
#[derive(Debug, Serialize)]
pub struct Silent {
    /// The shop.
    pub shop: String,
    /// The shop's code.
    pub listing_id: String,
    /// The title.
    pub title: String,
    /// Start of its first broadcast, RFC 3339 in +09:00.
    pub starts_at: String,
    /// Its product.
    pub product_id: ProductId,
    /// The evidence for the verdict, in Korean.
    pub evidence: String,
    /// The probability, from 0 to 1, that it has aired as the most similar earlier listing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aired_probability: Option<f64>,
    /// The first broadcast of that earlier listing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likeliest: Option<Earlier>,
}

/// Judges every title as of its first broadcast.
pub fn audit(history: &History, policy: &verdict::Policy, rows_shown: usize) -> Report {
    let mut report = Report {
        total: Counts::default(),
        shops: BTreeMap::new(),
        claims_that_aired: Vec::new(),
        silent_new: Vec::new(),
        rows_shown,
    };
    let mut claims: Vec<(UnixMillis, Claim)> = Vec::new();
    let mut silent: Vec<(UnixMillis, Silent)> = Vec::new();
    for product in &history.products {
        let past = product.history(&history.catalogue, &history.likely);
        for entry in &product.entries {
            let listing = &history.entry(*entry).listing;
            let mut first: BTreeMap<usize, UnixMillis> = BTreeMap::new();
            for airing in history.airings_of(*entry) {
                first.entry(airing.title).or_insert(airing.starts_at);
            }
            for (title, at) in first {
                let title = &listing.titles[title];
                let verdict = verdict::judge(&past, &history.reach, policy, at);
                let claim = claim(title);
                report.total.add(claim.is_some(), verdict.kind);
                report.shops.entry(listing.shop.clone()).or_default().add(claim.is_some(), verdict.kind);
                let (shop, listing_id, title) = (listing.shop.clone(), listing.listing_id.clone(), title.clone());
                let (starts_at, product_id) = (at.to_kst_rfc3339(), product.id);
                match (claim, verdict.kind) {
                    (Some(claim), VerdictKind::Repeat) => {
                        let earlier = verdict.evidence.earlier;
                        let aired_probability = verdict.evidence.aired_probability;
                        let claim =
                            Claim { shop, listing_id, title, claim, starts_at, product_id, earlier, aired_probability };
                        claims.push((at, claim));
                    }
                    (None, VerdictKind::New) => {
                        let (evidence, aired_probability) = (verdict.evidence.text, verdict.evidence.aired_probability);
                        let likeliest = past.likeliest(at).map(|likely| Earlier::from(&likely.airing));
                        let silent_row = Silent {
                            shop,
                            listing_id,
                            title,
                            starts_at,
                            product_id,
                            evidence,
                            aired_probability,
                            likeliest,
                        };
                        silent.push((at, silent_row));
                    }
                    _ => {}
                }
            }
        }
    }
    claims.sort_by(|(a_at, a), (b_at, b)| {
        b_at.cmp(a_at).then_with(|| (&a.shop, &a.listing_id, &a.title).cmp(&(&b.shop, &b.listing_id, &b.title)))
    });
    silent.sort_by(|(a_at, a), (b_at, b)| {
        b_at.cmp(a_at).then_with(|| (&a.shop, &a.listing_id, &a.title).cmp(&(&b.shop, &b.listing_id, &b.title)))
    });
    report.claims_that_aired = claims.into_iter().map(|(_, row)| row).collect();
    report.silent_new = silent.into_iter().map(|(_, row)| row).collect();
    report
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Titles that claim to be new, judged as of their first broadcast under that title:\n")?;
        let names = ["titles", "claims", "aired", "new", "unknown", "really new", "silent"];
        for name in names {
            write!(f, "{name:>11}")?;
        }
        writeln!(f, "  shop")?;
        for (shop, counts) in
            self.shops.iter().map(|(shop, counts)| (shop.as_str(), counts)).chain([("all", &self.total)])
        {
            let Counts { titles, claims, claims_aired, claims_new, claims_unknown, new, new_silent } = *counts;
            for count in [titles, claims, claims_aired, claims_new, claims_unknown, new, new_silent] {
                write!(f, "{count:>11}")?;
            }
            writeln!(f, "  {shop}")?;
        }
        let total = &self.total;
        let share = |part: usize, whole: usize| sinsang_tables::reject::share(part as u64, whole as u64) * 100.0;
        writeln!(
            f,
            "\n{:.1} % of the claims are on products that had aired; {:.1} % of the really new titles claim it.",
            share(total.claims_aired, total.claims),
            share(total.claims_new, total.new)
        )?;
        writeln!(f, "\nTitles that claim to be new, of products that had aired: {}", self.claims_that_aired.len())?;
        for row in self.claims_that_aired.iter().take(self.rows_shown) {
            writeln!(
                f,
                "  {} {} {} “{}” ({})",
                minute(&row.starts_at),
                row.shop,
                row.listing_id,
                row.title,
                row.claim
            )?;
            if let Some(earlier) = &row.earlier {
                let at = minute(&earlier.starts_at);
                writeln!(
                    f,
                    "    aired {at} on {} as {} {} “{}”",
                    earlier.channel, earlier.shop, earlier.listing_id, earlier.title
                )?;
            }
        }
        self.more(f, self.claims_that_aired.len())?;
        writeln!(f, "\nTitles of new products that do not say so: {}", self.silent_new.len())?;
        for row in self.silent_new.iter().take(self.rows_shown) {
            writeln!(f, "  {} {} {} “{}”", minute(&row.starts_at), row.shop, row.listing_id, row.title)?;
            if let (Some(probability), Some(earlier)) = (row.aired_probability, &row.likeliest) {
                let (percent, Earlier { shop, listing_id, title, .. }) = (probability * 100.0, earlier);
                writeln!(f, "    {percent:.0} % likely to have aired as {shop} {listing_id} “{title}”")?;
            }
        }
        self.more(f, self.silent_new.len())
    }
}

impl Report {
    fn more(&self, f: &mut fmt::Formatter<'_>, rows: usize) -> fmt::Result {
        if rows > self.rows_shown {
            writeln!(f, "  … {} more: raise --rows, or use --format json for all", rows - self.rows_shown)?;
        }
        Ok(())
    }
}

fn minute(rfc3339: &str) -> String {
    rfc3339.get(..16).unwrap_or(rfc3339).replace('T', " ")
}
