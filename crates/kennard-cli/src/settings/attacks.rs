//! The attacks of an audit.

use std::path::{Path, PathBuf};

use kennard::attack::{Attack, MinimumNorm, Parameters, Transfer, Version, attack, minimum_norm};
use kennard::{Error, Result};
use serde_json::Value;

use super::{Named, Number, Threat};

part! {
    /// The attacks and their parameters.
    Attacks {
        /// AutoAttack's version standard (or autoattack), plus or rand; or attacks by name: fgsm, fgsm-t, pgd, pgd-t, apgd-ce, apgd-dlr,
        /// apgd-t, fab, fab-t, square and others; or none [default: fgsm,pgd; where the model has no gradient square, and on tree
        /// ensembles square,leaves]
        #[arg(long, value_name = "NAMES", value_delimiter = ',')]
        attack: Vec<Named>,
        /// Attacks that seek each sample's smallest perturbation, and so give robust accuracy at every eps: fab, fab-t and others
        #[arg(long, value_name = "NAMES", value_delimiter = ',')]
        minimal: Vec<Named>,
        /// Another model of the same data, an ONNX file prepared like the model: adversarial examples made there are tried here
        #[arg(long, value_name = "MODEL")]
        transfer: PathBuf,
        /// Steps, of the attacks that have them
        #[arg(long)]
        steps: u64,
        /// Step size in input units, of the attacks that have one
        #[arg(long)]
        step_size: Number,
        /// How often an attack begins anew
        #[arg(long)]
        restarts: u64,
        /// Whether an attack begins at a random point: true or false
        #[arg(long)]
        random_start: bool,
        /// Target classes of targeted attacks, the likeliest first
        #[arg(long)]
        targets: u64,
        /// Points that square evaluates
        #[arg(long)]
        queries: u64,
        /// The most passes that an attack may spend on a sample, one of them kept for judging what it finds [default: as many as it
        /// takes]
        #[arg(long, value_name = "PASSES")]
        budget: u64,
        /// Spend each attack's whole budget and keep the worst margin: true or false [default: stop at success]
        #[arg(long, num_args = 0..=1, default_missing_value = "true")]
        full: bool,
        /// The precision in which gradient attacks, all but fab, search: f32; bf16, on OpenVINO; or auto, bf16 where runtime and
        /// processor have it and the attacks are not AutoAttack's. Verdicts, margins and distances are those of the model in single precision all the same [default: f32]
        #[arg(long, value_name = "PRECISION")]
        search_precision: String,
    }
}

impl Attacks {
    /// The attacks asked for, those on a surrogate last, and whether they form a cascade; where none are, the `usual` ones.
    pub fn attacks(&self, threat: &Threat, usual: &[&str]) -> Result<(Vec<Box<dyn Attack>>, bool)> {
        let (mut attacks, cascade) = self.own_attacks(threat, usual)?;
        for named in self.transferred() {
            let surrogate = self.transfer.as_deref().unwrap_or(Path::new(""));
            let made = attack(&named.name, &self.adapted(&named, attack)?)?;
            attacks.push(Box::new(Transfer::new(made, surrogate)?));
        }
        Ok((attacks, cascade))
    }

    /// Whether they are a version of AutoAttack.
    pub fn is_auto_attack(&self) -> bool {
        self.attack.iter().flatten().any(|named| named.name.parse::<Version>().is_ok())
    }

    /// The attacks that are made on the surrogate.
    fn transferred(&self) -> Vec<Named> {
        let names = self.transfer.iter().flat_map(|_| ["apgd-ce", "apgd-t"]);
        names.map(Named::plain).collect()
    }

    fn own_attacks(&self, threat: &Threat, usual: &[&str]) -> Result<(Vec<Box<dyn Attack>>, bool)> {
        let norm = threat.norm();
        let listed = self.attack.as_deref().unwrap_or_default();
        if listed.len() > 1 && listed.iter().any(|named| named.name == "none") {
            return Err(Error::Setting("none is no attack at all, and stands alone: --attack=none".into()));
        }
        let names: Vec<Named> = match &self.attack {
            Some(names) => names.iter().filter(|named| named.name != "none").cloned().collect(),
            // Where only the smallest perturbations are asked for, no other attack is.
            None if self.minimal.is_some() && threat.eps.is_none() => Vec::new(),
            None => usual.iter().copied().map(Named::plain).collect(),
        };
        if let [Named { name, parameters }] = names.as_slice()
            && let Ok(version) = name.parse::<Version>()
        {
            if parameters.is_empty() && self.parameters().next().is_none() {
                return Ok((version.attacks(norm), true));
            }
            let names: Vec<String> = version.attacks(norm).iter().map(|a| a.name().to_string()).collect();
            let message = format!(
                "AutoAttack {version} has fixed parameters; for others name its attacks: --attack={}",
                names.join(",")
            );
            return Err(Error::Setting(message));
        }
        if let Some(version) = names.iter().find(|named| named.name.parse::<Version>().is_ok()) {
            let message = format!(
                "{} is several attacks in a row, and stands alone: --attack={0}; or name single attacks",
                version.name
            );
            return Err(Error::Setting(message));
        }
        self.check_parameters(&names)?;
        let attack = |named: &Named| attack(&named.name, &self.adapted(named, attack)?);
        Ok((names.iter().map(attack).collect::<Result<_>>()?, false))
    }

    /// The minimum-norm attacks asked for.
    pub fn minimal(&self) -> Result<Vec<Box<dyn MinimumNorm>>> {
        let names = self.minimal.clone().unwrap_or_default();
        let attack = |named: &Named| minimum_norm(&named.name, &self.adapted(named, minimum_norm)?);
        names.iter().map(attack).collect()
    }

    /// The parameters given as options.
    fn parameters(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let options = [
            ("steps", self.steps.map(Value::from)),
            ("step_size", self.step_size.map(|n| Value::from(n.0))),
            ("restarts", self.restarts.map(Value::from)),
            ("random_start", self.random_start.map(Value::from)),
            ("targets", self.targets.map(Value::from)),
            ("queries", self.queries.map(Value::from)),
        ];
        options.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// Every option must mean something to one of the attacks.
    fn check_parameters(&self, names: &[Named]) -> Result<()> {
        let minimal = self.minimal.iter().flatten();
        let known: Vec<Value> = names
            .iter()
            .chain(minimal)
            .chain(&self.transferred())
            .map(|named| Ok(attack(&named.name, &named.parameters)?.settings()))
            .collect::<Result<_>>()?;
        for (option, _) in self.parameters() {
            let has =
                |settings: &Value| settings.get(option).is_some_and(|value| !is_untargeted(option, value));
            if !known.iter().any(has) {
                let option = option.replace('_', "-");
                return Err(Error::Setting(format!(
                    "--{option} says nothing to the attacks chosen; leave it out"
                )));
            }
        }
        Ok(())
    }

    /// An attack's parameters: its own, then the options that it has a use for. Whether it seeks targets
    /// is a matter of its name, so that untargeted attacks have no use for their number.
    fn adapted<A: Attack + ?Sized>(
        &self,
        named: &Named,
        make: impl Fn(&str, &Parameters) -> Result<Box<A>>,
    ) -> Result<Parameters> {
        let settings = make(&named.name, &Parameters::new())?.settings();
        let mut parameters = named.parameters.clone();
        for (option, value) in self.parameters() {
            let wanted = settings.get(option).is_some_and(|default| !is_untargeted(option, default));
            if wanted && !parameters.contains_key(option) {
                parameters.insert(option.into(), value);
            }
        }
        Ok(parameters)
    }
}

/// Whether an option is the number of targets, and an attack has none.
fn is_untargeted(option: &str, value: &Value) -> bool {
    option == "targets" && value.as_u64() == Some(0)
}
