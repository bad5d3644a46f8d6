use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use serde::{Deserialize, Serialize};

use super::{Audit, PacketSummary, Progress};
use crate::attack::Loss;
use crate::data::Sample;
use crate::engine::{Evaluator, Program, Query};
use crate::uncertainty::{GaussianPacket, LogOdds, Packet};
use crate::{Error, Norm, Result, ThreatModel};

/// Which packets to measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PacketPlan {
    /// The window's width `s`, in input units.
    pub scale: f64,
    /// How many samples of the data set are centres, from the first.
    pub centres: usize,
    /// Points per centre.
    pub samples: usize,
    /// Where those are worth too little ([`crate::uncertainty::ESS_FLOOR`]), so many are taken in a second try.
    pub max_samples: usize,
}

impl PacketPlan {
    /// The packets whose window has the attack's size: the root mean square (l2), the mean absolute
    /// sum (l1), or the standard deviation per element (linf) of the window equals ε. `None` where ε
    /// is zero or infinite, and for l0.
    pub fn at_attack_size(threat: &ThreatModel, dimension: usize) -> Option<PacketPlan> {
        let d = dimension as f64;
        let scale = match threat.norm {
            Norm::Linf => threat.eps,
            Norm::L2 => threat.eps / d.sqrt(),
            Norm::L1 => threat.eps / (d * (2.0 / std::f64::consts::PI).sqrt()),
            Norm::L0 => return None,
        };
        (scale > 0.0 && scale.is_finite()).then_some(PacketPlan {
            scale,
            centres: 8,
            samples: 2000,
            max_samples: 8000,
        })
    }
}

impl PacketPlan {
    fn measure(&self, sample: &Sample, seed: u64, oracle: &mut EngineOracle) -> Result<Packet> {
        let mut with = |samples| {
            let packet = GaussianPacket { scale: self.scale, samples, seed };
            let measured = packet.measure(&sample.input, sample.label, sample.index as u64, oracle);
            measured.map_err(|error| Error::Packet(format!("the packet at sample {}: {error}", sample.index)))
        };
        let packet = with(self.samples)?;
        if packet.enough_samples || self.max_samples <= self.samples {
            return Ok(packet);
        }
        with(self.max_samples)
    }
}

impl Audit<'_> {
    /// Measures all packets, centres side by side.
    pub(super) fn measure_packets(
        &self,
        stop: &AtomicBool,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Vec<PacketSummary>> {
        let most = self.packets.iter().map(|plan| plan.centres).max().unwrap_or(0);
        let centres: Vec<Sample> = self.data.samples()?.take(most).collect::<Result<_, _>>()?;
        let work: Vec<(usize, &Sample)> = self
            .packets
            .iter()
            .enumerate()
            .flat_map(|(p, plan)| centres.iter().take(plan.centres).map(move |sample| (p, sample)))
            .collect();
        let packets = self.measure_all(&work, stop, progress)?;
        let mut summaries = Vec::new();
        for (p, plan) in self.packets.iter().enumerate() {
            let of_plan = |(i, packet): (usize, &Option<Packet>)| packet.clone().filter(|_| work[i].0 == p);
            let measured: Vec<Packet> = packets.iter().enumerate().filter_map(of_plan).collect();
            if measured.is_empty() {
                continue;
            }
            let mean = Packet::average(&measured).map_err(|e| Error::Packet(e.to_string()))?;
            summaries.push(summary(plan, measured.len(), &mean));
        }
        Ok(summaries)
    }

    fn measure_all(
        &self,
        work: &[(usize, &Sample)],
        stop: &AtomicBool,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Vec<Option<Packet>>> {
        let next = AtomicUsize::new(0);
        let (results, received) = mpsc::channel();
        let packets: Mutex<Vec<Option<Packet>>> = Mutex::new(vec![None; work.len()]);
        let mut outcome = Ok(());
        std::thread::scope(|scope| {
            for _ in 0..self.engine.plan().sessions.min(work.len()) {
                let (next, results, packets) = (&next, results.clone(), &packets);
                let work = move |evaluator| {
                    let mut oracle = EngineOracle { evaluator };
                    while !stop.load(Ordering::Relaxed) {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        let Some((plan, sample)) = work.get(i) else { break };
                        let measured = self.packets[*plan].measure(sample, self.seed, &mut oracle);
                        let done = measured.map(|measured| {
                            let mut packets = packets.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                            packets[i] = Some(measured);
                        });
                        let failed = done.is_err();
                        let _ = results.send(done);
                        if failed {
                            break;
                        }
                    }
                };
                scope.spawn(move || Evaluator::lend(self.engine, work));
            }
            drop(results);
            for (done, result) in received.into_iter().enumerate() {
                match result {
                    Ok(()) => progress(Progress::Packets { done: done as u64 + 1, total: work.len() as u64 }),
                    Err(error) => {
                        next.store(work.len(), Ordering::Relaxed);
                        outcome = Err(error);
                    }
                }
            }
        });
        outcome?;
        Ok(packets.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

fn summary(plan: &PacketPlan, centres: usize, packet: &Packet) -> PacketSummary {
    let pair = |interval: crate::uncertainty::Interval| [interval.low, interval.high];
    PacketSummary {
        packet: "gaussian".into(),
        scale: plan.scale,
        label: None,
        centres: centres as u64,
        sigma_x: packet.sigma_x,
        sigma_p: packet.sigma_p,
        product: packet.product,
        product_interval: pair(packet.product_interval),
        bound: packet.bound,
        drift: packet.drift,
        drift_interval: pair(packet.drift_interval),
        dispersion: packet.dispersion,
        dispersion_interval: pair(packet.dispersion_interval),
        stein: packet.stein,
        stein_interval: pair(packet.stein_interval),
        samples: packet.samples as u64,
        ess: packet.ess,
        enough_samples: packet.enough_samples,
        valid: packet.valid(),
    }
}

/// A worker's sessions as a packet sees them.
struct EngineOracle<'e> {
    evaluator: Evaluator<'e>,
}

impl LogOdds for EngineOracle<'_> {
    type Error = Error;

    fn batch_size(&self) -> usize {
        self.evaluator.micro_batch()
    }

    fn evaluate(
        &mut self,
        points: &[f32],
        label: usize,
        log_odds: &mut [f32],
        gradient: &mut [f32],
    ) -> Result<()> {
        let program = Program::Gradient(Loss::LogOdds);
        let query = Query { program, points: points.to_vec(), label, target: label, account: 0 };
        let answer = self.evaluator.evaluate(&query)?;
        log_odds.copy_from_slice(&answer.loss);
        gradient.copy_from_slice(&answer.gradient);
        Ok(())
    }
}
