use crate::levels::Levels;
use crate::scorer::{CodeScorer, Query};
use crate::{Binary, Pq, Rabitq, Sq};
use kernels::{Metric, Strided};
use task::{Aborted, Task};
use wire::{Error, Reader, Writer};

/// Dimensions of a row at most, for all codecs.
pub const MAX_DIMS: usize = 65_535;

/// Which codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecSpec {
    /// One byte a dimension.
    Sq8,
    /// Half a byte a dimension.
    Sq4,
    /// One bit a dimension, and six bytes.
    Binary,
    /// Product quantisation.
    Pq {
        /// Bytes of a code: 1 to the row's dimensions.
        bytes: usize,
        /// Whether a rotation is learned in front (OPQ). It costs a product of each row and each query with a
        /// matrix of `dims` x `dims`. Beyond 1,024 dimensions, blocks of at most so many are rotated.
        rotate: bool,
    },
    /// Some bits of each value that is kept, and eight bytes.
    Rabitq {
        /// Bits a value, 1 to 8.
        bits: u8,
    },
}

/// A trained codec.
#[derive(Debug, Clone, PartialEq)]
pub enum Codec {
    /// See [`Sq`].
    Sq(Sq),
    /// See [`Binary`].
    Binary(Binary),
    /// See [`Pq`].
    Pq(Pq),
    /// See [`Rabitq`].
    Rabitq(Rabitq),
}

/// The same method of whichever codec it is.
macro_rules! each {
    ($self:expr, $codec:ident => $call:expr) => {
        match $self {
            Codec::Sq($codec) => $call,
            Codec::Binary($codec) => $call,
            Codec::Pq($codec) => $call,
            Codec::Rabitq($codec) => $call,
        }
    };
}

impl Codec {
    /// How many rows suffice to train: more make little difference, fewer still work.
    pub fn needed(spec: &CodecSpec, dims: usize) -> usize {
        match spec {
            CodecSpec::Sq8 | CodecSpec::Sq4 | CodecSpec::Binary => 256,
            CodecSpec::Pq { rotate: false, .. } => 256 * 16,
            CodecSpec::Rabitq { .. } => 2048.max(dims),
            // A covariance of few rows has axes by chance only.
            CodecSpec::Pq { rotate: true, .. } => (256 * 16).max(4 * dims),
        }
    }

    /// How many rows are looked at, at most: of a larger sample so many are drawn.
    pub fn most(spec: &CodecSpec, dims: usize) -> usize {
        match spec {
            CodecSpec::Sq8 | CodecSpec::Sq4 => crate::sq::SAMPLE_ROWS,
            CodecSpec::Binary => crate::binary::SAMPLE_ROWS,
            CodecSpec::Pq { .. } => Pq::sample_rows(dims),
            CodecSpec::Rabitq { .. } => crate::rabitq::SAMPLE_ROWS,
        }
    }

    /// Trains on `sample`, raw rows of `dims` values each, finite; any number of them, none included. Large samples are
    /// thinned out by `seed`. Time for 100,000 rows on two cores: up to half a minute for PQ with rotation at 784
    /// dimensions, about a second for the others.
    ///
    /// Reports progress as stage `"train"`.
    ///
    /// # Errors
    /// [`Aborted`] once `task` is cancelled, within about 2 seconds.
    ///
    /// # Panics
    /// If `dims` is not 1 to [`MAX_DIMS`], `sample` is not whole rows, a PQ's `bytes` are not 1 to `dims`, or a rabitq's `bits` not 1 to 8.
    pub fn train(spec: &CodecSpec, metric: Metric, dims: usize, sample: &[f32], seed: u64, task: &Task) -> Result<Self, Aborted> {
        assert!((1..=MAX_DIMS).contains(&dims), "{dims} dimensions");
        assert_eq!(sample.len() % dims, 0, "a sample of rows that are not whole");
        Ok(match *spec {
            CodecSpec::Sq8 => Self::Sq(Sq::train(Levels::BYTES, metric, dims, sample, seed, task)?),
            CodecSpec::Sq4 => Self::Sq(Sq::train(Levels::NIBBLES, metric, dims, sample, seed, task)?),
            CodecSpec::Binary => Self::Binary(Binary::train(metric, dims, sample, seed, task)?),
            CodecSpec::Pq { bytes, rotate } => {
                assert!((1..=dims).contains(&bytes), "pq of {bytes} bytes for {dims} dimensions");
                Self::Pq(Pq::train(metric, dims, bytes, rotate, sample, seed, task)?)
            }
            CodecSpec::Rabitq { bits } => Self::Rabitq(Rabitq::train(Levels::of_bits(bits), metric, dims, sample, seed, task)?),
        })
    }

    /// Values of a row.
    pub fn dims(&self) -> usize {
        each!(self, codec => codec.dims())
    }

    /// The metric it was trained for.
    pub fn metric(&self) -> Metric {
        each!(self, codec => codec.metric())
    }

    /// What it is. A PQ of one byte is never rotated and says so.
    pub fn spec(&self) -> CodecSpec {
        match self {
            Self::Sq(sq) if sq.levels() == Levels::NIBBLES => CodecSpec::Sq4,
            Self::Sq(_) => CodecSpec::Sq8,
            Self::Binary(_) => CodecSpec::Binary,
            Self::Pq(pq) => CodecSpec::Pq { bytes: pq.code_bytes(), rotate: pq.rotates() },
            Self::Rabitq(codec) => CodecSpec::Rabitq { bits: codec.levels().bits() },
        }
    }

    /// Bytes of a code row, its factors included.
    pub fn code_bytes(&self) -> usize {
        each!(self, codec => codec.code_bytes())
    }

    /// Encodes raw `rows` (`n` x `dims`) into `out` (`n` x [`code_bytes`](Self::code_bytes)); for cosine rows are brought
    /// to unit length first. Many rows are encoded on all threads of the current rayon pool.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn encode(&self, rows: &[f32], out: &mut [u8]) {
        each!(self, codec => codec.encode(rows, out));
    }

    /// The row that `code` stands for, `dims` values: for cosine, an approximation of the row at unit length.
    ///
    /// # Panics
    /// If `code` is not of [`code_bytes`](Self::code_bytes) or `out` not of `dims`.
    pub fn decode(&self, code: &[u8], out: &mut [f32]) {
        assert!(code.len() == self.code_bytes() && out.len() == self.dims(), "a code or row of the wrong length");
        each!(self, codec => codec.decode(code, out));
    }

    /// Estimates distances (in units of the metric) from the raw `query` to the rows of `codes`, which begin with
    /// [`code_bytes`](Self::code_bytes) bytes of a code; what more there is in the stride is ignored.
    ///
    /// # Panics
    /// If `query` is not of `dims` values or the stride is less than a code.
    pub fn scorer<'a>(&'a self, query: &[f32], codes: Strided<'a>) -> CodeScorer<'a> {
        assert_eq!(query.len(), self.dims(), "a query of other dimensions");
        assert!(codes.is_empty() || codes.stride() >= self.code_bytes(), "rows shorter than codes");
        let query = match self {
            Self::Sq(codec) => Query::Sq(codec.query(query)),
            Self::Binary(codec) => Query::Binary(codec.query(query)),
            Self::Pq(codec) => Query::Pq(codec.query(query)),
            Self::Rabitq(codec) => Query::Rabitq(codec.query(query)),
        };
        CodeScorer { codes, query }
    }

    /// `dims` values of a code in which distances between two codes are those between their decoded rows, without the work
    /// of undoing a rotation: for comparing many codes with one another.
    ///
    /// # Panics
    /// As [`decode`](Self::decode).
    pub fn expand(&self, code: &[u8], out: &mut [f32]) {
        match self {
            Self::Pq(pq) => {
                assert_eq!((code.len(), out.len()), (pq.code_bytes(), pq.dims()), "code and row do not fit");
                pq.expand(code, out);
            }
            _ => self.decode(code, out),
        }
    }

    /// A scorer whose query is the row that `code` stands for.
    ///
    /// # Panics
    /// If `code` is not of [`code_bytes`](Self::code_bytes) or the stride of `codes` is less.
    pub fn scorer_of_code<'a>(&'a self, code: &[u8], codes: Strided<'a>) -> CodeScorer<'a> {
        assert!(code.len() == self.code_bytes() && codes.stride() >= code.len(), "a code or rows of the wrong length");
        let expanded = || {
            let mut values = vec![0.0; self.dims()];
            self.expand(code, &mut values);
            values
        };
        match self {
            Self::Pq(pq) => CodeScorer { codes, query: Query::Pq(pq.query_turned(&expanded())) },
            Self::Rabitq(codec) => CodeScorer { codes, query: Query::Rabitq(codec.query_of_code(code)) },
            Self::Sq(_) | Self::Binary(_) => self.scorer(&expanded(), codes),
        }
    }

    /// Heap bytes held.
    pub fn memory(&self) -> usize {
        each!(self, codec => codec.memory())
    }

    /// Writes it so that [`read`](Self::read) gives it back to the bit.
    pub fn write(&self, w: &mut Writer) {
        w.u8(match self.spec() {
            CodecSpec::Sq8 => 0,
            CodecSpec::Binary => 1,
            CodecSpec::Pq { .. } => 2,
            CodecSpec::Rabitq { bits: 8 } => 3,
            CodecSpec::Sq4 => 4,
            CodecSpec::Rabitq { .. } => 5,
        });
        w.u8(match self.metric() {
            Metric::Cosine => 0,
            Metric::Dot => 1,
            Metric::L2 => 2,
        });
        w.u32(self.dims() as u32);
        if let Self::Rabitq(codec) = self
            && codec.levels() != Levels::BYTES
        {
            w.u8(codec.levels().bits() - 1);
        }
        each!(self, codec => codec.write(w));
    }

    /// Reads what [`write`](Self::write) wrote. Whatever the bytes, the result is a codec whose methods do not panic on
    /// their account, or an error; never more memory than a few times the bytes.
    ///
    /// # Errors
    /// Where the bytes are not a codec's.
    pub fn read(r: &mut Reader) -> Result<Self, Error> {
        let kind = r.variant(6)?;
        let metric = match r.variant(3)? {
            0 => Metric::Cosine,
            1 => Metric::Dot,
            _ => Metric::L2,
        };
        let dims = r.u32()? as usize;
        if !(1..=MAX_DIMS).contains(&dims) {
            return Err(r.error(format!("{dims} dimensions")));
        }
        Ok(match kind {
            0 => Self::Sq(Sq::read(Levels::BYTES, metric, dims, r)?),
            1 => Self::Binary(Binary::read(metric, dims, r)?),
            2 => Self::Pq(Pq::read(metric, dims, r)?),
            3 => Self::Rabitq(Rabitq::read(Levels::BYTES, metric, dims, r)?),
            4 => Self::Sq(Sq::read(Levels::NIBBLES, metric, dims, r)?),
            _ => {
                // 1 to 7: bytes are a kind of their own.
                let levels = Levels::of_bits(1 + r.variant(7)?);
                Self::Rabitq(Rabitq::read(levels, metric, dims, r)?)
            }
        })
    }
}
