//! The snapshots that a manifest keeps beside its own, as a publish, a trial and a rollback change
//! them.

use sinsang_core::pack::manifest::{Beside, Manifest, ManifestParts};

use crate::viewer_share::ViewerShare;

/// Earlier snapshots that the live manifest keeps, for rollback and for lists that clients are
/// paging through.
pub const KEPT_SNAPSHOTS: usize = 4;

/// The snapshots beside `next` once it replaces `live`: a trial ends then.
pub(crate) fn history(live: &Manifest, next: &Manifest) -> Vec<Beside> {
    let history = std::iter::once(of(live)).chain(live.beside().map(withdrawn));
    history.filter(|previous| previous.snapshot != next.snapshot()).take(KEPT_SNAPSHOTS).collect()
}

/// The snapshot of `manifest`, as another one keeps it that was live before.
pub(crate) fn of(manifest: &Manifest) -> Beside {
    let (snapshot, built_at) = (manifest.snapshot(), manifest.built_at());
    Beside { snapshot, manifest: manifest.id(), built_at, share: None }
}

/// The manifest of `live` with `next` on trial beside it. Another trial ends.
pub(crate) fn beside(live: &Manifest, next: &Manifest, share: ViewerShare) -> ManifestParts {
    let mut parts = live.parts();
    let first = Beside { share: Some(share.millionths()), ..of(next) };
    let rest = parts.beside.into_iter().filter(|beside| beside.snapshot != next.snapshot());
    parts.beside = std::iter::once(first).chain(rest.map(withdrawn)).take(KEPT_SNAPSHOTS).collect();
    parts
}

/// What a report says of a trial that ended.
pub(crate) fn ended(snapshot: &str) -> String {
    format!("the trial of snapshot {snapshot} ended: nobody gets it any more")
}

/// The same snapshot, shown to nobody.
fn withdrawn(beside: Beside) -> Beside {
    Beside { share: beside.share.map(|_| 0), ..beside }
}
