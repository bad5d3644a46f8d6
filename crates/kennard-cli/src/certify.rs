use std::path::PathBuf;

use kennard::Norm;
use kennard::audit::{Requirement, Shard};

use crate::settings::{Attacks, Data, Model, Named, Output, Own, Reach, Run, Settings, Taken, Threat};
use crate::{Outcome, audit};

#[derive(clap::Args)]
pub struct Args {
    /// The model, an ONNX file
    model: PathBuf,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    threat: Threat,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    taken: Taken,
    #[command(flatten)]
    fitted: Model,
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    output: Output,
    /// Work on one of several parts of the samples, for example 1/3; `kennard merge` puts them together
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
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

/// An audit of certificates alone.
pub fn run(args: Args) -> Outcome {
    let Args { model, data, threat, reach, taken, fitted, run, output, shard, resume, require, json } = args;
    if threat.norm() == Norm::L0 {
        return Err("--norm l0: certificates are in linf, l2 and l1; there are none in l0".into());
    }
    let attacks = Attacks { attack: Some(vec![Named::plain("none")]), ..Attacks::default() };
    let own = Own { shard, certify: Some(true), packet_samples: Some(0), ..Own::default() };
    let settings = Settings { data, threat, reach, attacks, taken, own, run, model: fitted, output };
    audit::examine(&model, &settings.complete(false)?, require, resume, json)
}
