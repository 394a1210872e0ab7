//! The body of a manifest: options and counts.

use store::Directory;
use wire::{Reader, Writer as Bytes};

use crate::error::{Code, Error, Result};
use crate::options::{LOG_BYTES, Options};
use crate::state::Plan;
use crate::types::{Coarse, Codes, Durability, Metric, Placement, Precision};

/// Version of the body.
const VERSION: u16 = 3;

/// What a checkpoint holds beside its files.
pub struct Counts {
    /// Rows, dead ones included.
    pub rows: u32,
    /// Those of them that are dead.
    pub dead: u32,
    pub plan: Plan,
    /// Length of the longest vector.
    pub longest: f64,
    /// Rows that codes were or are to be trained on; 0 if none.
    pub train_rows: u32,
}

/// A manifest's body.
pub struct Body {
    pub options: Options,
    pub counts: Counts,
    /// Where each block of the graph ended.
    pub blocks: Vec<u32>,
}

/// The body's bytes.
pub fn write(options: &Options, counts: &Counts, blocks: &[u32]) -> Vec<u8> {
    let mut w = Bytes::new();
    w.u16(VERSION);
    write_options(options, &mut w);
    w.u32(counts.rows);
    w.u32(counts.dead);
    w.u8(match counts.plan {
        Plan::Exact => 0,
        Plan::Flat => 1,
        Plan::Hnsw => 2,
        Plan::Ivf => 3,
    });
    w.f64(counts.longest);
    w.u32(counts.train_rows);
    w.u32s(blocks);
    w.u32(options.lists.unwrap_or(0) as u32);
    w.into_bytes()
}

/// Reads what [`write`] wrote.
pub fn read_body(directory: &Directory, body: &[u8]) -> Result<Body> {
    let corrupt = |what: String| Error::new(Code::Corrupt, format!("{}: the manifest: {what}", directory.path().display()));
    let body = read(body).map_err(|error| corrupt(error.to_string()))?;
    body.options.check(true).map_err(|error| corrupt(error.message))?;
    let (counts, blocks) = (&body.counts, &body.blocks);
    let ascending = blocks.is_sorted_by(|a, b| a < b) && blocks.last().is_none_or(|&last| last <= counts.rows);
    let longest_fits = counts.longest.is_finite() && counts.longest >= 0.0;
    if !longest_fits
        || counts.rows > coarse::hnsw::MAX_ROWS
        || counts.dead > counts.rows
        || counts.train_rows > counts.rows
        || !ascending
    {
        return Err(corrupt(format!("the counts do not fit {} rows", counts.rows)));
    }
    Ok(body)
}

/// The bytes alone: whether they belong together is not looked at.
pub fn read(body: &[u8]) -> std::result::Result<Body, wire::Error> {
    let mut r = Reader::new(body);
    let version = r.u16()?;
    if !(1..=VERSION).contains(&version) {
        return Err(r.error(format!("version {version}, this program reads 1 to {VERSION}")));
    }
    let mut options = read_options(&mut r)?;
    let (rows, dead) = (r.u32()?, r.u32()?);
    let plan = [Plan::Exact, Plan::Flat, Plan::Hnsw, Plan::Ivf][usize::from(r.variant(4)?)];
    let (longest, train_rows, blocks) = (r.f64()?, r.u32()?, r.u32s()?);
    // Version 1 knows no lists.
    options.lists = if version == 1 { None } else { Some(r.u32()? as usize).filter(|&lists| lists > 0) };
    r.finish()?;
    Ok(Body { options, counts: Counts { rows, dead, plan, longest, train_rows }, blocks })
}

fn write_options(options: &Options, w: &mut Bytes) {
    w.u32(options.dimensions as u32);
    w.u8(match options.metric {
        Metric::Cosine => 0,
        Metric::Dot => 1,
        Metric::L2 => 2,
    });
    w.u8(match options.coarse {
        Coarse::Auto => 0,
        Coarse::Flat => 1,
        Coarse::Hnsw => 2,
        Coarse::Ivf => 3,
    });
    let (codes, bytes, rotate) = match options.codes {
        Codes::Auto => (0, 0, false),
        Codes::None => (1, 0, false),
        Codes::Sq8 => (2, 0, false),
        Codes::Binary => (3, 0, false),
        Codes::Pq { bytes, rotate } => (4, bytes, rotate),
        Codes::Rabitq { bits } => (5, usize::from(bits), false),
        Codes::Sq4 => (6, 0, false),
    };
    w.u8(codes);
    w.u32(bytes as u32);
    w.bool(rotate);
    w.u8(match options.vectors {
        Placement::Memory => 0,
        Placement::Disk => 1,
    });
    w.u8(match options.precision {
        Precision::F32 => 0,
        Precision::F16 => 1,
        Precision::I8 => 2,
    });
    w.u32(options.m as u32);
    w.u32(options.ef_construction as u32);
    w.u8(match options.durability {
        Durability::Sync => 0,
        Durability::Os => 1,
    });
    w.u64(options.seed);
}

fn read_options(r: &mut Reader<'_>) -> std::result::Result<Options, wire::Error> {
    Ok(Options {
        dimensions: r.u32()? as usize,
        metric: [Metric::Cosine, Metric::Dot, Metric::L2][usize::from(r.variant(3)?)],
        coarse: [Coarse::Auto, Coarse::Flat, Coarse::Hnsw, Coarse::Ivf][usize::from(r.variant(4)?)],
        codes: {
            let (kind, bytes, rotate) = (r.variant(7)?, r.u32()? as usize, r.bool()?);
            let rabitq = Codes::Rabitq { bits: bytes.min(255) as u8 };
            let pq = Codes::Pq { bytes, rotate };
            [Codes::Auto, Codes::None, Codes::Sq8, Codes::Binary, pq, rabitq, Codes::Sq4][usize::from(kind)]
        },
        vectors: [Placement::Memory, Placement::Disk][usize::from(r.variant(2)?)],
        precision: [Precision::F32, Precision::F16, Precision::I8][usize::from(r.variant(3)?)],
        m: r.u32()? as usize,
        ef_construction: r.u32()? as usize,
        lists: None,
        durability: [Durability::Sync, Durability::Os][usize::from(r.variant(2)?)],
        threads: 0,
        log_bytes: LOG_BYTES,
        seed: r.u64()?,
    })
}
