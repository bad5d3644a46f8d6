//! Certificates before attacks that would have them.

use super::Audit;
use crate::attack::Strongest;
use crate::certify::BoundMethod;

impl Audit<'_> {
    /// With the contest [`Strongest`] among the attacks, certificates come first wherever there are any: what is proved needs no
    /// attack, and a broken sample stays one. Methods of bounds that cost a sample more than the contest usually spends on it are left
    /// out. What was decided, and why, stands in [`certificates`](Audit::certificates).
    ///
    /// Other attacks, and audits that seek certificates already or attack certified samples all the same, stay as they are.
    pub fn certificates_first(self) -> Self {
        let contest = self.attacks.iter().find(|attack| attack.name() == Strongest::NAME);
        let Some(settings) = contest.filter(|_| !self.certify && !self.full).map(|attack| attack.settings())
        else {
            return self;
        };
        let own = settings["passes"].as_u64().unwrap_or(Strongest::default().passes);
        let passes = own.min(Strongest::USUAL).min(self.budget.unwrap_or(u64::MAX));
        let first = Audit { certify: true, certify_within: Some(passes), ..self };
        match first.certifier().map(|certifier| certifier.methods().collect::<Vec<BoundMethod>>()) {
            Ok(methods) => {
                let names: Vec<&str> = methods.iter().map(|method| method.name()).collect();
                let said =
                    format!("certificates first, by {}: what is proved is not attacked", names.join(", "));
                Audit { certificates: Some(said), ..first }
            }
            Err(error) => {
                // Without what to do about it: nothing needs to be done.
                let said = format!("no certificates before the attacks: {}", error.kind());
                Audit { certify: false, certify_within: None, certificates: Some(said), ..first }
            }
        }
    }
}
