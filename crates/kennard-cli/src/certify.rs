use std::path::PathBuf;

use kennard::audit::Requirement;
use kennard::{Norm, RequestError, Result};

use crate::settings::{
    Attacks, Data, Model, Named, Output, Own, Reach, Run, Settings, Sharding, Taken, Threat,
};
use crate::{Ended, audit};

#[derive(clap::Args)]
pub struct Args {
    /// The model, an ONNX file
    model: PathBuf,
    #[command(flatten)]
    certificates: Certificates,
    /// Go on with the run in --out where it was interrupted
    #[arg(long, requires = "out")]
    resume: bool,
    /// Fail with status 3 unless the lower ends of these figures' intervals reach this much: certified>=0.6,clean>=0.9
    #[arg(long, value_name = "FIGURE>=SHARE", value_delimiter = ',')]
    require: Vec<Requirement>,
    /// Print summary.json to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

parts! {
    /// The settings of certificates.
    Certificates {
        data: Data,
        threat: Threat,
        reach: Reach,
        taken: Taken,
        sharding: Sharding,
        run: Run,
        model: Model,
        output: Output,
    }
}

impl Certificates {
    /// Those of an audit of certificates alone.
    ///
    /// # Errors
    /// In a norm that has none.
    pub fn audit(self) -> Result<Settings> {
        let Certificates { data, threat, reach, taken, sharding, run, model, output } = self;
        if threat.norm() == Norm::L0 {
            return Err(RequestError::no_certificates(Norm::L0).into());
        }
        let attacks = Attacks { attack: Some(vec![Named::plain("none")]), ..Attacks::default() };
        let own = Own { certify: Some(true), packet_samples: Some(0), ..Own::default() };
        Ok(Settings { data, threat, reach, attacks, taken, sharding, own, run, model, output })
    }
}

pub fn run(args: Args) -> Ended {
    let Args { model, certificates, resume, require, json } = args;
    audit::examine(&model, &certificates.audit()?.complete(false)?, require, resume, json)
}
