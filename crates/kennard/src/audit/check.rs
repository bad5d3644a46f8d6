use super::{Audit, packet_plan};
use crate::attack::{Attack, AttackConditions, Pgd};
use crate::threat::Boxes;
use crate::{Error, Norm, Precision, RequestError, Result, ThreatError};

impl Audit<'_> {
    /// Refuses settings that do not fit together.
    pub(super) fn check_settings(&self) -> Result<()> {
        let norm = self.threat.norm;
        let attacks = self.attacks.iter().map(AsRef::as_ref);
        let minimal = self.minimal.iter().map(|attack| -> &dyn Attack { attack.as_ref() });
        let all = attacks.clone().chain(minimal.clone());
        for attack in all.clone() {
            if !attack.norms().contains(&norm) {
                let works_in = attack.norms().iter().map(Norm::to_string).collect();
                let what = format!("the attack {} works", attack.name());
                return Err(RequestError::NotInNorm { what, norm: norm.to_string(), works_in }.into());
            }
        }
        for list in [attacks.map(Attack::name).collect::<Vec<_>>(), minimal.map(Attack::name).collect()] {
            if let Some(twin) = list.iter().enumerate().find(|(i, name)| list[..*i].contains(name)) {
                return Err(RequestError::Twice { what: "attack", name: (*twin.1).into() }.into());
            }
        }
        if let Some(boxes) = &self.boxes {
            self.check_boxes(boxes)?;
        }
        if let Some(lattice) = &self.lattice {
            lattice.check_elements(self.engine.classifier().dimension())?;
        }
        if self.radii && (!self.certify || self.minimal.is_empty()) {
            return Err(Error::Request(RequestError::RadiiAlone).advise("; ask for {certify} and {minimal}"));
        }
        packet_plan::check(&self.packets)?;
        let names: Vec<&str> = self.attacks.iter().map(|attack| attack.name()).collect();
        let has_robust = !names.is_empty() || !self.minimal.is_empty() && self.threat.eps.is_finite();
        let certifies = self.certify && self.threat.eps.is_finite();
        self.requirements.iter().try_for_each(|wanted| wanted.check(&names, has_robust, certifies))?;
        let judging = AttackConditions::judging(self.engine.search_precision() != Precision::F32);
        if let Some(passes) = self.budget.filter(|budget| *budget <= judging) {
            return Err(RequestError::BudgetTooSmall { passes, needed: judging + 1 }.into());
        }
        if !self.attacks.is_empty() && self.threat.eps.is_infinite() {
            return Err(Error::NoEpsilon("an attack needs"));
        }
        if let Some(attack) = all.clone().find(|attack| attack.needs_trees())
            && let Err(why) = self.engine.trees()
        {
            let (attack, why) = (attack.name().into(), why.to_string());
            return Err(RequestError::NeedsTrees { attack, why }.into());
        }
        let needing = all.filter(|attack| attack.needs_gradient()).map(Attack::name).collect::<Vec<_>>();
        match (!needing.is_empty()).then(|| self.engine.gradient_error()).flatten() {
            Some(why) => Err(self.without_gradient(&why, &needing)),
            None => Ok(()),
        }
    }

    /// Why attacks cannot run, and what can in their place.
    fn without_gradient(&self, why: &Error, needing: &[&str]) -> Error {
        let fixed = self.attacks.iter().any(|attack| attack.needs_gradient());
        let trees = self.engine.trees().is_ok();
        let others = match (fixed, trees) {
            (true, true) => "leaves, square and hop-skip-jump need none",
            (true, false) => "square and hop-skip-jump need none",
            (false, true) => "leaves and hop-skip-jump need none",
            (false, false) => "hop-skip-jump needs none",
        };
        let needed = format!(
            "{} cannot run without one; {others}, nor does the accuracy on the samples as they are",
            needing.join(", ")
        );
        let advice = match (fixed, self.minimal.iter().any(|attack| attack.needs_gradient())) {
            (true, false) => " ({attack = square}, {attack = none})",
            (true, true) => " ({attack = square}, {attack = none}; {minimal = hop-skip-jump})",
            (false, _) => " ({minimal = hop-skip-jump})",
        };
        Error::NoGradient { why: why.to_string(), needed: Some(needed) }.advise(advice)
    }

    /// Boxes go with the data, and with attacks that fill them.
    fn check_boxes(&self, boxes: &Boxes) -> Result<()> {
        boxes.check(self.data.len(), self.engine.classifier().dimension())?;
        if self.threat.norm != Norm::Linf || !self.minimal.is_empty() {
            return Err(Error::Threat(ThreatError::BoxHasNoNorm).advise("; leave {norm} and {minimal} out"));
        }
        let of_one_size = |attack: &dyn Attack| {
            serde_json::from_value(attack.settings()).is_ok_and(|pgd: Pgd| pgd.step_size.is_some())
        };
        if let Some(attack) = self.attacks.iter().find(|attack| of_one_size(attack.as_ref())) {
            let uneven = RequestError::StepOfOneSize { attack: attack.name().into() };
            return Err(Error::Request(uneven).advise("; leave {step_size} out"));
        }
        Ok(())
    }
}
