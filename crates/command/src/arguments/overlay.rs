//! Arguments of `sinsang overlay`.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use sinsang_publish::overlay::{Defaults, Input, line_of};
use sinsang_run::file::{SETTINGS_BYTES, read_text};

use super::store::Target;
use super::value::name;

#[derive(Debug, Subcommand)]
pub(crate) enum OverlayCommand {
    /// Say something: it is at every edge within 90 seconds, and ends by itself.
    ///
    /// A statement is words, such as `hide product=0123456789abcdef until=6h why=recall`, or an
    /// object of JSON with the same names. What is done is one of hide, sold_out, price, note,
    /// cancel, move, prolong, hand_over, pin, boost and bury (docs/overlay.md). What stands for the
    /// same product, listing or place is replaced. Lines that are wrong are reported and set aside;
    /// the exit code is 3 then.
    Put(Put),
    /// Show what stands and what is to come.
    List(Shown),
    /// Take entries back before their end.
    Remove(Remove),
    /// Show all that was said in the last 90 days: who, when, why, and who took it back.
    History(History),
}

impl OverlayCommand {
    pub(crate) fn target(&self) -> &Target {
        match self {
            Self::Put(Put { target, .. })
            | Self::List(Shown { target })
            | Self::Remove(Remove { target, .. })
            | Self::History(History { target, .. }) => target,
        }
    }
}

/// Who says it.
#[derive(Debug, Args)]
pub(crate) struct Author {
    /// Who says it, for the log [default: the environment's USER].
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Put {
    /// A statement in words.
    #[arg(value_name = "WORD", conflicts_with = "file")]
    words: Vec<String>,
    #[command(flatten)]
    pub(crate) target: Target,
    /// A file of statements, one a line; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// When statements begin that don't say it: RFC 3339, or 30m, 6h or 2d from now [default: now].
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// When statements end that don't say it, at most 90 days ahead. The change of a broadcast ends
    /// two days after it by default.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The reason of statements that don't give one.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    pub(crate) author: Author,
    /// Report what would be said and what it touches, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Say nothing if one line is wrong.
    #[arg(long)]
    pub(crate) all_or_nothing: bool,
}

impl Put {
    /// What holds for lines that don't say it themselves.
    pub(crate) fn defaults(&self) -> Defaults {
        Defaults { from: self.from.clone(), until: self.until.clone(), why: self.why.clone() }
    }

    /// The lines that are said, each with its place.
    ///
    /// # Errors
    /// If there are none, or the file can't be read.
    pub(crate) fn lines(&self) -> Result<Vec<Input>, Box<dyn std::error::Error>> {
        let Some(file) = &self.file else {
            if self.words.is_empty() {
                return Err("nothing to say: write a statement, or name a file with --file".into());
            }
            let text = line_of(&self.words)?;
            return Ok(vec![Input { place: "the command line".to_owned(), text }]);
        };
        let text = if file == Path::new("-") {
            let mut text = String::new();
            io::stdin().take(SETTINGS_BYTES).read_to_string(&mut text)?;
            text
        } else {
            read_text(file, SETTINGS_BYTES)?
        };
        let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
        Ok(lines.map(|(line, at)| Input { place: format!("line {at}"), text: line.to_owned() }).collect())
    }
}

#[derive(Debug, Args)]
pub(crate) struct Shown {
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The entries, by the ids that `sinsang overlay list` shows.
    #[arg(value_name = "ID", required = true)]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) target: Target,
    /// The reason.
    #[arg(long, value_name = "TEXT", value_parser = name)]
    pub(crate) why: String,
    #[command(flatten)]
    pub(crate) author: Author,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Write the log to a file, a line of JSON for each entry: `sinsang build` reads it as
    /// overlay.ndjson beside the tables.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
