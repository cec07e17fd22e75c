//! How many viewers of the last days each audience, directive and experiment of a rules file would
//! have met, told by the edge's own code on a board of nothing but those rules.

use std::collections::BTreeMap;
use std::fmt;

use datafusion::arrow::array::AsArray as _;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use serde::Serialize;
use sinsang_core::audience::{AudienceSet, Traits};
use sinsang_core::context::Context;
use sinsang_core::experiment::Experiments;
use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::board_write::{self, BoardParts, ProductPart};
use sinsang_core::pack::mix::MixParts;
use sinsang_core::pack::taste::TasteShard;
use sinsang_core::pack::{Damage, Format, Kind, TooLarge};
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::ViewerName;
use sinsang_publish::snapshot::{self, Snapshot};

use super::hindsight::Judged;
use crate::engine::sql;
use crate::read::forgotten::Forgotten;
use crate::read::past_events;
use crate::read::rekey::Renamed;
use crate::read::rules::{self, Lists, Rules};

/// The days that are looked back on.
pub const DAYS: u32 = 7;

/// Why viewers can't be counted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The events can't be read.
    #[error("{0}")]
    Events(#[from] past_events::Error),
    /// A query failed.
    #[error("viewers can't be counted: {0}")]
    Query(#[from] DataFusionError),
    /// A list of viewers is unusable.
    #[error(transparent)]
    Rules(#[from] rules::Error),
    /// The snapshot can't be read.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// The rules fit no board.
    #[error("the rules' board {0}")]
    Large(#[from] TooLarge),
    /// The rules' board can't be read back.
    #[error("the rules' board is damaged: {0}")]
    Damaged(#[from] Damage),
}

/// A rule and the viewers that it would have met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// What it is: an audience, a directive or an experiment.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its audiences, if it names any.
    #[serde(rename = "for", skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// Viewers; `None` if tastes decide and no snapshot told them.
    pub viewers: Option<usize>,
}

/// The viewers of the last [`DAYS`] days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Met {
    /// All of them.
    pub viewers: usize,
    /// Those of them with tastes, if a snapshot told.
    pub with_tastes: Option<usize>,
    /// Audiences, directives and experiments, each in the order of the file.
    pub rules: Vec<Rule>,
    /// What was made of the audiences.
    pub audiences: Vec<rules::Found>,
}

impl fmt::Display for Met {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for audience in self.audiences.iter().filter(|audience| audience.is_notable()) {
            writeln!(f, "{audience}")?;
        }
        write!(f, "{} viewers in the last {DAYS} days", self.viewers)?;
        if let Some(with_tastes) = self.with_tastes {
            write!(f, ", {with_tastes} of them with tastes")?;
        }
        for Rule { kind, name, audiences, viewers } in &self.rules {
            write!(f, "\n  {kind} '{name}'")?;
            if !audiences.is_empty() {
                write!(f, " (for {})", audiences.join(", "))?;
            }
            match viewers {
                Some(viewers) => write!(f, ": {viewers}")?,
                None => f.write_str(": tastes decide; --snapshot tells them")?,
            }
        }
        Ok(())
    }
}

/// Counts the viewers of the [`DAYS`] days before the last event of `tables` that `rules` would
/// have met. Tastes are those of `snapshot`.
///
/// # Errors
/// An [`Error`] that names what can't be used.
pub async fn met(rules: &Rules, tables: &past_events::Asked, snapshot: Option<&Snapshot>) -> Result<Met, Error> {
    let (source, forgotten) = past_events::open(tables).await?;
    let renamed = Renamed::read(&tables.tables).map_err(past_events::Error::from)?;
    let lists = Lists { folder: &tables.tables, forgotten: &forgotten, renamed: &renamed };
    let viewers = visitors(source.context(), &forgotten).await?;
    let Some(folder) = snapshot else { return counted(rules, lists, &viewers, None) };
    let manifest = folder.manifest()?;
    let id = manifest.board();
    let board = folder.parse(Key::Pack(Kind::Board, id), |bytes| Board::parse(bytes, id))?;
    let mut read = |id| folder.parse(Key::Pack(Kind::Tastes, id), |bytes| TasteShard::parse(bytes, id)).ok();
    counted(rules, lists, &viewers, Some((&board, &mut Judged::new(&manifest, &board, &mut read))))
}

/// The contexts that each viewer of the last days came in.
async fn visitors(
    context: &SessionContext,
    forgotten: &Forgotten,
) -> Result<BTreeMap<ViewerName, Vec<Context>>, DataFusionError> {
    let days = vec![("days".to_owned(), ScalarValue::Int64(Some(DAYS.into())))];
    let mut viewers: BTreeMap<ViewerName, Vec<Context>> = BTreeMap::new();
    for batch in context.sql(sql!("visitor")).await?.with_param_values(days)?.collect().await? {
        let text = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let (Some(users), Some(regions), Some(classes)) = (text("user_id"), text("region"), text("device_class"))
        else {
            return Err(DataFusionError::Internal("the columns of visitor are of other kinds".to_owned()));
        };
        for at in 0..batch.num_rows() {
            let name = users.value(at);
            if let Some(viewer) = ViewerName::parse(name).filter(|_| !forgotten.holds(name)) {
                let context = Context::of_names(regions.value(at), classes.value(at));
                viewers.entry(viewer).or_default().push(context);
            }
        }
    }
    Ok(viewers)
}

fn counted(
    rules: &Rules,
    lists: Lists<'_>,
    viewers: &BTreeMap<ViewerName, Vec<Context>>,
    mut snapshot: Option<(&Board, &mut Judged<'_>)>,
) -> Result<Met, Error> {
    let (probe, audiences) = probe(rules, lists, snapshot.as_ref().map(|(board, _)| *board))?;
    let mut rows = rows(rules, rules.tell_by_tastes(), snapshot.is_some());
    let directives: Vec<_> = probe.directives().collect();
    let experiments: Vec<Experiments> =
        probe.experiments().iter().map(|experiment| Experiments::new(vec![experiment.clone()])).collect();
    let mut with_tastes = 0;
    for (name, contexts) in viewers {
        let (ViewerName::User(key) | ViewerName::Device(key)) = *name;
        let taste = match (&mut snapshot, name) {
            (Some((_, judged)), ViewerName::User(key)) => judged.seat(*key),
            _ => None,
        };
        with_tastes += usize::from(taste.is_some());
        let mut is_met = vec![false; rows.len()];
        for context in contexts {
            let traits = Traits {
                context: *context,
                key: Some(key),
                vector: taste.map(|taste| taste.vector),
                is_newcomer: taste.is_none(),
            };
            let set = probe.audiences(&traits);
            let seed = if taste.is_some() { key.0 } else { 0 };
            let in_audiences = rules.audience_names().enumerate().map(|(index, _)| set.has(index));
            let by_directives =
                directives.iter().enumerate().map(|(index, one)| one.audiences.is_for(set) && one.draws(index, seed));
            let at = UnixMillis::from_seconds(1);
            let by_experiments = experiments.iter().map(|one| !one.chosen((Some(key), set), &[], at).is_empty());
            for (met, now) in is_met.iter_mut().zip(in_audiences.chain(by_directives).chain(by_experiments)) {
                *met |= now;
            }
        }
        for (row, met) in rows.iter_mut().zip(is_met) {
            row.viewers = row.viewers.map(|viewers| viewers + usize::from(met));
        }
    }
    let with_tastes = snapshot.map(|_| with_tastes);
    Ok(Met { viewers: viewers.len(), with_tastes, rules: rows, audiences })
}

/// A row for each rule, in the order of the board of [`probe`].
fn rows(rules: &Rules, of_tastes: AudienceSet, has_tastes: bool) -> Vec<Rule> {
    let names: Vec<&str> = rules.audience_names().collect();
    let row = |kind, name: &str, audiences: Vec<String>| {
        let own = names.iter().enumerate().filter(|(_, name)| audiences.iter().any(|own| own == **name));
        let needs_tastes = own.into_iter().any(|(index, _)| of_tastes.has(index));
        let viewers = (has_tastes || !needs_tastes).then_some(0);
        Rule { kind, name: name.to_owned(), audiences, viewers }
    };
    let mut rows: Vec<Rule> = names
        .iter()
        .map(|name| Rule { audiences: Vec::new(), ..row("audience", name, vec![(*name).to_owned()]) })
        .collect();
    rows.extend(rules.directive_audiences().map(|(name, audiences, is_shared)| {
        let own = row("directive", name, audiences);
        // Shares draw by tastes: without a snapshot nobody knows who has some.
        Rule { viewers: own.viewers.filter(|_| has_tastes || !is_shared), ..own }
    }));
    rows.extend(rules.experiment_audiences().map(|(name, audiences)| row("experiment", name, audiences)));
    rows
}

/// A board with the rules' audiences, directives and experiments, all of which are in force, and
/// with the products of `like`, among which categories lie where they do there.
fn probe(rules: &Rules, lists: Lists<'_>, like: Option<&Board>) -> Result<(Board, Vec<rules::Found>), Error> {
    let categories: Vec<String> =
        like.iter().flat_map(|like| (0..like.category_count()).map(|at| like.category(at).to_owned())).collect();
    let products = like.iter().flat_map(|like| {
        (0..like.product_count()).map(|index| {
            let product = like.product(index);
            let category = product.category().and_then(|at| u16::try_from(at).ok());
            let vector = product.vector().iter().map(|value| value.cast_signed()).collect();
            ProductPart { id: product.id(), category, vector, ..ProductPart::default() }
        })
    });
    let (audiences, mut found) = rules.audience_parts(&categories, lists)?;
    if like.is_none() {
        for found in &mut found {
            found.unknown.clear();
        }
    }
    let mut parts = BoardParts {
        format: Format::ALL.last().copied().unwrap_or_default(),
        built_at: UnixMillis(0),
        history_from: UnixMillis(0),
        blocks: like.map(|like| like.blocks().collect()).unwrap_or_default(),
        channels: Vec::new(),
        products: products.collect(),
        categories,
        slots: Vec::new(),
        tabs: Vec::new(),
        weights: rules.weights(),
        mix: MixParts::default(),
    };
    let always = (UnixMillis::from_seconds(0), UnixMillis::from_seconds(u32::MAX));
    let (mut mix, _) = rules.mix_parts(&parts);
    for directive in &mut mix.directives {
        (directive.from, directive.until) = always;
    }
    let second = like.map_or(0, |like| like.mix().second);
    mix.mix.second = second;
    mix.experiments = rules.experiment_parts(mix.mix);
    mix.experiments.retain(|experiment| experiment.rule.is_none());
    for experiment in &mut mix.experiments {
        (experiment.from, experiment.until) = always;
    }
    mix.audiences = audiences;
    parts.mix = mix;
    let (bytes, id) = board_write::write(&parts)?;
    Ok((Board::parse(bytes, id)?, found))
}
