use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How bounds are computed. Each is tighter than those before it, and takes longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BoundMethod {
    /// Intervals, forwards (Gowal et al. 2018, arXiv 1810.12715).
    #[default]
    Intervals,
    /// Linear functionals, backwards from the margins, hidden tensors by intervals (Zhang et al. 2019, arXiv 1906.06316).
    CrownIbp,
    /// The same, backwards from every hidden tensor too (Zhang et al. 2018, arXiv 1811.00866).
    Crown,
    /// The same, the slopes at ReLUs moved for each margin (Xu et al. 2021, arXiv 2011.13824).
    AlphaCrown,
}

impl BoundMethod {
    /// All, in the order in which they are tried.
    pub const ALL: [BoundMethod; 4] =
        [BoundMethod::Intervals, BoundMethod::CrownIbp, BoundMethod::Crown, BoundMethod::AlphaCrown];

    /// The tightest, the last that is tried.
    pub const TIGHTEST: BoundMethod = BoundMethod::AlphaCrown;

    /// The tightest that takes little longer than a pass of the network.
    pub const CHEAP: BoundMethod = BoundMethod::CrownIbp;

    /// This one and those before it.
    pub(crate) fn up_to(self) -> impl Iterator<Item = BoundMethod> {
        BoundMethod::ALL.into_iter().filter(move |method| *method <= self)
    }

    /// The tightest, for settings that say nothing.
    pub(crate) fn tightest() -> BoundMethod {
        BoundMethod::TIGHTEST
    }

    /// Whether it is the tightest.
    pub(crate) fn is_tightest(&self) -> bool {
        *self == BoundMethod::TIGHTEST
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            BoundMethod::Intervals => "intervals",
            BoundMethod::CrownIbp => "crown-ibp",
            BoundMethod::Crown => "crown",
            BoundMethod::AlphaCrown => "alpha-crown",
        }
    }

    /// Whether the largest radius that it certifies is sought; of the method that moves slopes that would take too long.
    pub(super) fn is_bisected(self) -> bool {
        self != BoundMethod::AlphaCrown
    }
}

impl fmt::Display for BoundMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for BoundMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<BoundMethod, String> {
        let found = BoundMethod::ALL.into_iter().find(|method| method.name() == text);
        found.ok_or_else(|| format!("`{text}` is no method of bounds"))
    }
}
