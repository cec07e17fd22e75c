//! `sinsang evaluate`.

use sinsang_pipeline::evaluate::{self, ranking};
use sinsang_run::progress::Progress;

use super::{Outcome, Surroundings, print, read, runtime};
use crate::arguments::{Evaluate, EvaluateRanking, Format};

/// Measures identity, a schedule, or tastes.
pub(super) fn of_evaluate(
    command: &Evaluate,
    format: Format,
    progress: Progress,
    surroundings: Surroundings,
) -> Outcome {
    match command {
        Evaluate::Identity { file, identity } => {
            let policy = identity.policy(None, (surroundings.clock)())?;
            print(format, &sinsang_identity::evaluate::identity(file, &policy)?)
        }
        Evaluate::Schedule(asked) => {
            let (history, rules, now) = read(&asked.judging, None, progress, surroundings)?;
            let verdicts = asked.verdicts.as_deref();
            print(format, &evaluate::schedule::schedule(&history, &rules.judging(), now, &asked.pairs, verdicts)?)
        }
        Evaluate::Ranking(ranking) => {
            let data = data_of(ranking, progress, surroundings)?;
            print(format, &runtime()?.block_on(ranking::ranking(&ranking.options(data, progress)))?)
        }
    }
}

/// What a ranking is evaluated on.
fn data_of(
    asked: &EvaluateRanking,
    progress: Progress,
    surroundings: Surroundings,
) -> Result<ranking::Data, Box<dyn std::error::Error>> {
    let now = asked.reading.now.unwrap_or_else(surroundings.clock);
    let tables = asked.reading.options(None, progress, surroundings.connect, now)?;
    Ok(match &asked.log {
        None => ranking::Data::Tables(Box::new(tables), now),
        Some(log) => ranking::Data::Log {
            mapping: Box::new(ranking::log_file::Mapping::read(log)?),
            input: tables.input,
            engine: tables.engine,
        },
    })
}
