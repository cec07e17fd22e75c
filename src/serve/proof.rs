//! The viewer's identity while it depends on a signature that only the platform can check.

use super::Serve;
use crate::auth::Refused;
use crate::rate::Asker;
use crate::request::{Halt, Refusal, Request};
use sinsang_core::viewer::Viewer;

impl Serve<'_> {
    /// Whom the request is counted for in rate limits; `None` while that depends on a signature.
    /// Only a token identifies a user: a preview's chosen viewer is not counted.
    pub fn asker(&self) -> Option<Asker> {
        let device = || Some(self.config.devices.as_ref()?.device(self.raw.device?));
        Some(match &self.request {
            Err(Halt::Unproven(_)) => return None,
            Err(Halt::Refused(Refusal::Preflight)) => Asker::Browser,
            Err(Halt::Refused(_)) => Asker::Refused,
            Ok(request) if request.is_preview => Asker::Preview,
            Ok(request) => match request.viewer {
                Viewer::User(key) => Asker::User(key),
                Viewer::Anonymous => device().map_or(Asker::Nobody, Asker::Device),
            },
        })
    }

    /// Takes the platform's answer to [`super::Step::Verify`]: whether one of the keys signed the
    /// token. A failed check counts as unsigned.
    pub fn absorb_proof(&mut self, is_signed: bool) {
        let Err(Halt::Unproven(unproven)) = &self.request else { return };
        // The token is judged by its arrival time, however long the check took.
        let now = self.real(self.began_at);
        let proven = match &self.config.verifier {
            Some(verifier) => verifier.prove(unproven, is_signed, now),
            None => Err(Refused::Algorithm),
        };
        self.request = match proven {
            Ok(user) => Request::parse(&self.raw, self.config, now, Some(user)),
            Err(refused) => Err(Refusal::Token(refused).into()),
        };
    }
}
