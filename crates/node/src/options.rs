//! Options by their public names.

use engine::{Coarse, Code, Codes, Durability, Error, Metric, Options, PartialOptions, Placement, Precision, RABITQ_BITS};
use napi_derive::napi;

/// Options as JavaScript gives and gets them. Names are checked there; `undefined` stands for what was not given.
#[napi(object)]
#[derive(Default)]
pub struct NativeOptions {
    /// Numbers a vector.
    pub dimensions: Option<u32>,
    /// `cosine`, `dot`, `l2`.
    pub metric: Option<String>,
    /// `auto`, `flat`, `hnsw`, `ivf`.
    pub coarse: Option<String>,
    /// `auto`, `none`, `sq8`, `sq4`, `binary`, `pq`, `rabitq`.
    pub codes: Option<String>,
    /// Of `pq`: bytes a vector.
    pub pq_bytes: Option<u32>,
    /// Of `pq`: rotate first.
    pub pq_rotate: Option<bool>,
    /// For `rabitq`.
    pub rabitq_bits: Option<u32>,
    /// `memory`, `disk`.
    pub vectors: Option<String>,
    /// `f32`, `f16`, `i8`.
    pub precision: Option<String>,
    /// Links a row.
    pub m: Option<u32>,
    /// Effort of linking.
    pub ef_construction: Option<u32>,
    /// Lists around centroids.
    pub lists: Option<u32>,
    /// `sync`, `os`.
    pub durability: Option<String>,
    /// 0 for all cores.
    pub threads: Option<u32>,
    /// 0 to 2^53-1.
    pub seed: Option<f64>,
    /// Bytes.
    pub log_bytes: Option<f64>,
}

/// Codes by their public names.
#[napi(object, object_from_js = false)]
pub struct NativeCodes {
    /// `auto`, `none`, `sq8`, `sq4`, `binary`, `pq`, `rabitq`.
    pub codes: String,
    /// Of `pq`: bytes a vector.
    pub pq_bytes: Option<u32>,
    /// Of `pq`: rotate first.
    pub pq_rotate: Option<bool>,
    /// For `rabitq`.
    pub rabitq_bits: Option<u32>,
}

const METRICS: [(&str, Metric); 3] = [("cosine", Metric::Cosine), ("dot", Metric::Dot), ("l2", Metric::L2)];
const COARSES: [(&str, Coarse); 4] =
    [("auto", Coarse::Auto), ("flat", Coarse::Flat), ("hnsw", Coarse::Hnsw), ("ivf", Coarse::Ivf)];
const PLACEMENTS: [(&str, Placement); 2] = [("memory", Placement::Memory), ("disk", Placement::Disk)];
const PRECISIONS: [(&str, Precision); 3] = [("f32", Precision::F32), ("f16", Precision::F16), ("i8", Precision::I8)];
const DURABILITIES: [(&str, Durability); 2] = [("sync", Durability::Sync), ("os", Durability::Os)];

impl NativeOptions {
    /// In the engine's terms.
    pub fn unpack(&self) -> engine::Result<PartialOptions> {
        Ok(PartialOptions {
            dimensions: self.dimensions.map(|n| n as usize),
            metric: value("metric", self.metric.as_deref(), &METRICS)?,
            coarse: value("coarse", self.coarse.as_deref(), &COARSES)?,
            codes: self.codes.as_deref().map(|name| self.unpack_codes(name)).transpose()?,
            vectors: value("vectors", self.vectors.as_deref(), &PLACEMENTS)?,
            precision: value("precision", self.precision.as_deref(), &PRECISIONS)?,
            m: self.m.map(|n| n as usize),
            ef_construction: self.ef_construction.map(|n| n as usize),
            lists: self.lists.map(|n| n as usize),
            durability: value("durability", self.durability.as_deref(), &DURABILITIES)?,
            threads: self.threads.map(|n| n as usize),
            seed: self.seed.map(|n| n as u64),
            log_bytes: self.log_bytes.map(|n| n as u64),
        })
    }

    fn unpack_codes(&self, name: &str) -> engine::Result<Codes> {
        match name {
            "auto" => Ok(Codes::Auto),
            "none" => Ok(Codes::None),
            "sq8" => Ok(Codes::Sq8),
            "sq4" => Ok(Codes::Sq4),
            "binary" => Ok(Codes::Binary),
            "pq" => {
                let bytes = self.pq_bytes.ok_or_else(|| Error::new(Code::Argument, "codes.bytes: missing"))? as usize;
                Ok(Codes::Pq { bytes, rotate: self.pq_rotate.unwrap_or(true) })
            }
            "rabitq" => Ok(Codes::Rabitq { bits: self.rabitq_bits.map_or(RABITQ_BITS, |bits| bits.min(255) as u8) }),
            _ => Err(Error::new(Code::Argument, format!("codes: {name:?} is not known"))),
        }
    }
}

impl From<&Options> for NativeOptions {
    fn from(options: &Options) -> Self {
        let codes = NativeCodes::from(options.codes);
        Self {
            dimensions: Some(options.dimensions as u32),
            metric: Some(name(options.metric, &METRICS)),
            coarse: Some(coarse_name(options.coarse)),
            codes: Some(codes.codes),
            pq_bytes: codes.pq_bytes,
            pq_rotate: codes.pq_rotate,
            rabitq_bits: codes.rabitq_bits,
            vectors: Some(name(options.vectors, &PLACEMENTS)),
            precision: Some(name(options.precision, &PRECISIONS)),
            m: Some(options.m as u32),
            ef_construction: Some(options.ef_construction as u32),
            lists: options.lists.map(|n| n as u32),
            durability: Some(name(options.durability, &DURABILITIES)),
            threads: Some(options.threads as u32),
            seed: Some(options.seed as f64),
            log_bytes: Some(options.log_bytes as f64),
        }
    }
}

impl From<Codes> for NativeCodes {
    fn from(codes: Codes) -> Self {
        let plain = |name: &str| Self { codes: name.into(), pq_bytes: None, pq_rotate: None, rabitq_bits: None };
        match codes {
            Codes::Auto => plain("auto"),
            Codes::None => plain("none"),
            Codes::Sq8 => plain("sq8"),
            Codes::Sq4 => plain("sq4"),
            Codes::Binary => plain("binary"),
            Codes::Pq { bytes, rotate } => Self { pq_bytes: Some(bytes as u32), pq_rotate: Some(rotate), ..plain("pq") },
            Codes::Rabitq { bits } => Self { rabitq_bits: Some(u32::from(bits)), ..plain("rabitq") },
        }
    }
}

/// The public name of a coarse side.
pub fn coarse_name(coarse: Coarse) -> String {
    name(coarse, &COARSES)
}

fn value<T: Copy>(option: &str, given: Option<&str>, names: &[(&str, T)]) -> engine::Result<Option<T>> {
    let Some(given) = given else { return Ok(None) };
    match names.iter().find(|(name, _)| *name == given) {
        Some((_, value)) => Ok(Some(*value)),
        None => Err(Error::new(Code::Argument, format!("{option}: {given:?} is not known"))),
    }
}

fn name<T: PartialEq>(value: T, names: &[(&'static str, T)]) -> String {
    names.iter().find(|(_, one)| *one == value).map_or("", |(name, _)| *name).into()
}
