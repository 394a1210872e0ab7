//! What an index is made of, as asked and with defaults filled in.

use quant::CodecSpec;

use crate::error::{Error, Result};
use crate::state::Plan;
use crate::types::{Coarse, Codes, Durability, Metric, Placement, Precision};

/// The most dimensions a vector can have.
pub const MAX_DIMENSIONS: usize = 4096;

/// The most lists an index can have.
pub const MAX_LISTS: usize = 1 << 20;

/// Bits a value of the codes 'rabitq' where nobody says.
pub const RABITQ_BITS: u8 = 8;

/// See [`Options::log_bytes`]: opening replays so much in well under a second.
pub const LOG_BYTES: u64 = 64 << 20;

/// Options as the index keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Numbers a vector: 1 to [`MAX_DIMENSIONS`].
    pub dimensions: usize,
    /// What distance means. Default cosine.
    pub metric: Metric,
    /// Default auto.
    pub coarse: Coarse,
    /// Default auto.
    pub codes: Codes,
    /// Where vectors live.
    pub vectors: Placement,
    /// Default f32.
    pub precision: Precision,
    /// Links a row of the graph: 2 to 256, default 16.
    pub m: usize,
    /// Effort of linking: 1 to 10,000, default 200.
    pub ef_construction: usize,
    /// Lists: 1 to [`MAX_LISTS`]; `None` for as many as suit the rows.
    pub lists: Option<usize>,
    /// Default sync.
    pub durability: Durability,
    /// 0 for all cores.
    pub threads: usize,
    /// The same seed and input give the same index.
    pub seed: u64,
    /// Bytes of log after which a checkpoint is made in the background; not saved. Default [`LOG_BYTES`].
    pub log_bytes: u64,
}

/// Options as a caller gives them: what is left out is taken from the defaults or from what is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartialOptions {
    /// See [`Options::dimensions`]; needed to create an index.
    pub dimensions: Option<usize>,
    /// See [`Options::metric`].
    pub metric: Option<Metric>,
    /// See [`Options::coarse`].
    pub coarse: Option<Coarse>,
    /// See [`Options::codes`].
    pub codes: Option<Codes>,
    /// See [`Options::vectors`]. Default in a directory: disk when codes are named, else memory.
    pub vectors: Option<Placement>,
    /// See [`Options::precision`].
    pub precision: Option<Precision>,
    /// See [`Options::m`].
    pub m: Option<usize>,
    /// See [`Options::ef_construction`].
    pub ef_construction: Option<usize>,
    /// See [`Options::lists`].
    pub lists: Option<usize>,
    /// See [`Options::durability`].
    pub durability: Option<Durability>,
    /// See [`Options::threads`].
    pub threads: Option<usize>,
    /// See [`Options::seed`].
    pub seed: Option<u64>,
    /// See [`Options::log_bytes`].
    pub log_bytes: Option<u64>,
}

impl PartialOptions {
    /// Fills in the defaults. `on_disk` says whether there is a directory.
    pub fn complete(&self, on_disk: bool) -> Result<Options> {
        let dimensions =
            self.dimensions.ok_or_else(|| Error::argument("dimensions: missing; an integer of 1 to 4096 is needed"))?;
        let codes = self.codes.unwrap_or(Codes::Auto);
        let named = !matches!(codes, Codes::Auto | Codes::None);
        let options = Options {
            dimensions,
            metric: self.metric.unwrap_or(Metric::Cosine),
            coarse: self.coarse.unwrap_or(Coarse::Auto),
            codes,
            vectors: self.vectors.unwrap_or(if on_disk && named { Placement::Disk } else { Placement::Memory }),
            precision: self.precision.unwrap_or(Precision::F32),
            m: self.m.unwrap_or(16),
            ef_construction: self.ef_construction.unwrap_or(200),
            lists: self.lists,
            durability: self.durability.unwrap_or(Durability::Sync),
            threads: self.threads.unwrap_or(0),
            seed: self.seed.unwrap_or(0),
            log_bytes: self.log_bytes.unwrap_or(LOG_BYTES),
        };
        options.check(on_disk)?;
        Ok(options)
    }

    /// `E_ARGUMENT` if something given differs from `stored`; `threads` and `durability` may.
    pub fn agree(&self, stored: &Options) -> Result<()> {
        fn same<T: PartialEq + std::fmt::Debug>(name: &str, given: Option<T>, stored: T) -> Result<()> {
            match given {
                Some(given) if given != stored => {
                    // As users write them: 'cosine', 'l2', 'pq { bytes: 8, rotate: true }'.
                    let shown = |value: &T| format!("{value:?}").to_lowercase();
                    let (given, stored) = (shown(&given), shown(&stored));
                    Err(Error::argument(format!("{name}: {given} was given, but the index was made with {stored}")))
                }
                _ => Ok(()),
            }
        }
        same("dimensions", self.dimensions, stored.dimensions)?;
        same("metric", self.metric, stored.metric)?;
        same("coarse", self.coarse, stored.coarse)?;
        same("codes", self.codes, stored.codes)?;
        same("vectors", self.vectors, stored.vectors)?;
        same("precision", self.precision, stored.precision)?;
        same("hnsw.m", self.m, stored.m)?;
        same("hnsw.efConstruction", self.ef_construction, stored.ef_construction)?;
        if self.lists.is_some() {
            same("ivf.lists", Some(self.lists), stored.lists)?;
        }
        same("seed", self.seed, stored.seed)
    }
}

impl Options {
    /// What finds candidates by `plan`; where `auto` has not been decided yet, what it is as a rule.
    pub fn coarse_of(&self, plan: Plan) -> Coarse {
        match self.coarse {
            Coarse::Auto if plan == Plan::Ivf => Coarse::Ivf,
            Coarse::Auto => Coarse::Hnsw,
            named => named,
        }
    }

    /// What stays in memory of each row, beside lists' own codes; `None` where the vectors are walked.
    pub fn codec_of(&self, plan: Plan) -> Option<CodecSpec> {
        match self.codes {
            // Lists have codes of their own.
            Codes::Auto if self.coarse_of(plan) == Coarse::Ivf => None,
            Codes::Auto if self.decides_codes() => Some(CodecSpec::Rabitq { bits: RABITQ_BITS }),
            // Half a byte a dimension or 64 bytes, whichever is less.
            Codes::Auto if self.vectors == Placement::Disk => {
                Some(CodecSpec::Pq { bytes: self.dimensions.div_ceil(2).min(64), rotate: true })
            }
            Codes::Auto | Codes::None => None,
            Codes::Sq8 => Some(CodecSpec::Sq8),
            Codes::Sq4 => Some(CodecSpec::Sq4),
            Codes::Binary => Some(CodecSpec::Binary),
            Codes::Rabitq { bits } => Some(CodecSpec::Rabitq { bits }),
            Codes::Pq { bytes, rotate } => Some(CodecSpec::Pq { bytes, rotate }),
        }
    }

    /// Whether nothing is asked of the coarse side, and no codes must be small.
    pub(crate) fn decides_codes(&self) -> bool {
        self.coarse == Coarse::Auto && self.codes == Codes::Auto && self.vectors == Placement::Memory
    }

    /// `E_ARGUMENT` if something is out of its range.
    pub fn check(&self, on_disk: bool) -> Result<()> {
        let within = |name: &str, value: usize, least: usize, most: usize| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(Error::argument(format!("{name}: {value} was given, an integer of {least} to {most} is needed")))
            }
        };
        within("dimensions", self.dimensions, 1, MAX_DIMENSIONS)?;
        within("hnsw.m", self.m, 2, 256)?;
        within("hnsw.efConstruction", self.ef_construction, 1, 10_000)?;
        within("ivf.lists", self.lists.unwrap_or(1), 1, MAX_LISTS)?;
        within("threads", self.threads, 0, 1024)?;
        if let Codes::Pq { bytes, .. } = self.codes {
            within("codes.bytes", bytes, 1, self.dimensions)?;
        }
        if let Codes::Rabitq { bits } = self.codes {
            within("codes.bits", usize::from(bits), 1, 8)?;
        }
        if self.vectors == Placement::Disk && !on_disk {
            return Err(Error::argument("vectors: 'disk' needs a directory; use Index.open(path, options)"));
        }
        Ok(())
    }

    /// The threads to use.
    pub fn thread_count(&self) -> usize {
        if self.threads > 0 { self.threads } else { std::thread::available_parallelism().map_or(1, usize::from) }
    }
}
