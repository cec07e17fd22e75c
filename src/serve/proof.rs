//! Who asks, where that hangs on a signature that only the platform can check.

use super::Serve;
use crate::auth::Refused;
use crate::request::{Halt, Refusal, Request};

impl Serve<'_> {
    /// Takes in whether one of its keys signed the token of [`super::Step::Verify`]. What could not be checked was not signed.
    pub fn absorb_proof(&mut self, is_signed: bool) {
        let Err(Halt::Unproven(unproven)) = &self.request else { return };
        // The token is as good as it was on arrival, however long the check took.
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
