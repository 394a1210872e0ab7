//! A whole index in files: what is written, and how it is read back without trust.
//!
//! Truth: the extents of rows, `ids`, `metadata`, `dead`. Derived: `codec`, `codes`, `graph`; damage there costs
//! making them again. The manifest's body holds the options and counts.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use coarse::hnsw::Graph;
use quant::Codec;
use rows::Appender;
use store::{DenseFile, Directory, FileRef, Manifest};
use task::Task;
use wire::{Reader, Writer as Bytes};

use crate::dense::Dense;
use crate::derived::{CodeColumn, Derived, hnsw_options, resume};
use crate::error::{Code, Error, Result};
use crate::ids::{IdMap, read_ids};
use crate::metadata::read_metadata;
use crate::options::Options;
use crate::record::Format;
use crate::shared::{Parts, Shared, codec_spec, lock};
use crate::state::{Plan, State};
use crate::tombstones::Tombstones;
use crate::types::{Coarse, Codes, Durability, Metric, Placement, Precision};
use crate::writer::{Writer, spill};

/// Version of the manifest's body.
const VERSION: u16 = 1;

/// A file of the last checkpoint, and what it held: the same content is not written twice.
#[derive(Debug, Clone, PartialEq)]
struct Saved {
    mark: [u64; 3],
    file: FileRef,
}

/// Files of the last checkpoint by kind.
#[derive(Debug, Default)]
pub struct SavedFiles {
    files: Vec<Saved>,
    published: bool,
}

/// Writes what has changed and publishes it. Does nothing in an index without a directory.
pub fn save(shared: &Shared) -> Result<()> {
    let derived = lock(&shared.derived);
    let mut writer = lock(&shared.writer);
    let result = save_locked(shared, &derived, &mut writer);
    if result.is_err() {
        // What the disk holds is not known any more.
        shared.poison();
    }
    result
}

fn save_locked(shared: &Shared, derived: &Derived, writer: &mut Writer) -> Result<()> {
    spill(shared, writer)?;
    let state = shared.state();
    let (epoch, rows) = (writer.epoch, u64::from(state.rows()));
    let mut directory = lock(&shared.directory);
    let Some(directory) = directory.as_mut() else { return Ok(()) };
    let mut files = Vec::new();
    let mut keep = |kind: &str, mark: [u64; 3], fill: &dyn Fn(&mut Bytes)| -> Result<()> {
        let unchanged = writer.saved.files.iter().find(|saved| saved.file.kind() == kind && saved.mark == mark);
        let file = match unchanged {
            Some(saved) => saved.file.clone(),
            None => write(directory, kind, fill)?,
        };
        files.push(Saved { mark, file });
        Ok(())
    };
    keep("ids", [epoch, rows, 0], &|w| state.ids.write(w))?;
    keep("metadata", [epoch, rows, 0], &|w| state.metadata.write(w))?;
    keep("dead", [epoch, rows, u64::from(state.dead.len())], &|w| state.dead.write(w))?;
    if let Some(codes) = &derived.codes {
        let trained = [epoch, derived.version, u64::from(codes.trained_rows)];
        keep("codec", trained, &|w| codes.codec.write(w))?;
        keep("codes", [epoch, derived.version, codes.bytes.len() as u64], &|w| w.raw(codes.bytes.as_slice()))?;
    }
    let graph = derived.builder.graph();
    if !graph.is_empty() {
        keep("graph", [epoch, derived.version, u64::from(graph.len())], &|w| graph.write(w))?;
    }
    let body = body(shared, &state, derived, writer);
    let unchanged = writer.saved.published && files == writer.saved.files;
    if unchanged && directory.manifest().is_some_and(|manifest| manifest.body() == body) {
        return Ok(());
    }
    let all: Vec<FileRef> = writer.extents.iter().cloned().chain(files.iter().map(|saved| saved.file.clone())).collect();
    directory.publish(&body, &all)?;
    let bytes = |files: &mut dyn Iterator<Item = &FileRef>| files.map(FileRef::len).sum::<u64>();
    shared.note_disk(bytes(&mut writer.extents.iter()), bytes(&mut files.iter().map(|saved| &saved.file)) + body.len() as u64);
    writer.saved = SavedFiles { files, published: true };
    Ok(())
}

fn write(directory: &Directory, kind: &str, fill: &dyn Fn(&mut Bytes)) -> Result<FileRef> {
    let mut bytes = Bytes::new();
    fill(&mut bytes);
    Ok(directory.write_file(kind, |file| file.write(bytes.as_slice()))?)
}

fn body(shared: &Shared, state: &State, derived: &Derived, writer: &Writer) -> Vec<u8> {
    let mut w = Bytes::new();
    w.u16(VERSION);
    write_options(&shared.options, &mut w);
    w.u32(state.rows());
    w.u8(match state.plan {
        Plan::Exact => 0,
        Plan::Flat => 1,
        Plan::Hnsw => 2,
    });
    w.f64(writer.longest);
    w.u32(shared.training_due().unwrap_or(0));
    w.u32s(&derived.blocks);
    w.into_bytes()
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
    });
    let (codes, bytes, rotate) = match options.codes {
        Codes::Auto => (0, 0, false),
        Codes::None => (1, 0, false),
        Codes::Sq8 => (2, 0, false),
        Codes::Binary => (3, 0, false),
        Codes::Pq { bytes, rotate } => (4, bytes, rotate),
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
        coarse: [Coarse::Auto, Coarse::Flat, Coarse::Hnsw][usize::from(r.variant(3)?)],
        codes: {
            let (kind, bytes, rotate) = (r.variant(5)?, r.u32()? as usize, r.bool()?);
            [Codes::Auto, Codes::None, Codes::Sq8, Codes::Binary, Codes::Pq { bytes, rotate }][usize::from(kind)]
        },
        vectors: [Placement::Memory, Placement::Disk][usize::from(r.variant(2)?)],
        precision: [Precision::F32, Precision::F16, Precision::I8][usize::from(r.variant(3)?)],
        m: r.u32()? as usize,
        ef_construction: r.u32()? as usize,
        durability: [Durability::Sync, Durability::Os][usize::from(r.variant(2)?)],
        threads: 0,
        seed: r.u64()?,
    })
}

/// What a manifest's body says.
pub struct Body {
    pub options: Options,
    rows: u32,
    plan: Plan,
    longest: f64,
    train_rows: u32,
    blocks: Vec<u32>,
}

/// Reads a manifest's body.
pub fn read_body(directory: &Directory, body: &[u8]) -> Result<Body> {
    let corrupt = |what: String| Error::new(Code::Corrupt, format!("{}: the manifest: {what}", directory.path().display()));
    let mut r = Reader::new(body);
    let mut read = || -> std::result::Result<Body, wire::Error> {
        let version = r.u16()?;
        if version != VERSION {
            return Err(r.error(format!("version {version}, this program reads {VERSION}")));
        }
        let options = read_options(&mut r)?;
        let rows = r.u32()?;
        let plan = [Plan::Exact, Plan::Flat, Plan::Hnsw][usize::from(r.variant(3)?)];
        let (longest, train_rows, blocks) = (r.f64()?, r.u32()?, r.u32s()?);
        Ok(Body { options, rows, plan, longest, train_rows, blocks })
    };
    let body = read().map_err(|error| corrupt(error.to_string()))?;
    r.finish().map_err(|error| corrupt(error.to_string()))?;
    body.options.check(true).map_err(|error| corrupt(error.message))?;
    let ascending = body.blocks.is_sorted_by(|a, b| a < b) && body.blocks.last().is_none_or(|&last| last <= body.rows);
    if body.rows > coarse::hnsw::MAX_ROWS || body.train_rows > body.rows || !ascending {
        return Err(corrupt(format!("the counts do not fit {} rows", body.rows)));
    }
    Ok(body)
}

/// The index of the manifest that `directory` holds.
pub fn load(directory: Directory, body: Body, options: Options, read_only: bool, task: &Task) -> Result<Parts> {
    let Some(manifest) = directory.manifest().cloned() else {
        return Err(Error::new(Code::Internal, "no manifest to load"));
    };
    let rows = body.rows;
    let truth = |kind: &str| -> Result<Vec<u8>> {
        let missing =
            || Error::new(Code::Corrupt, format!("{}: the manifest names no file of kind {kind}", directory.path().display()));
        Ok(directory.read_file(manifest.files_of(kind).next().ok_or_else(missing)?, task)?)
    };
    let ids = decode(&directory, "ids", &truth("ids")?, |r| read_ids(r, rows))?;
    let metadata = decode(&directory, "metadata", &truth("metadata")?, |r| read_metadata(r, rows))?;
    let dead = decode(&directory, "dead", &truth("dead")?, |r| Tombstones::read(r, rows))?;
    let extents: Vec<FileRef> = manifest.files_of("rows").cloned().collect();
    let (dense, records) = load_rows(&directory, &extents, &body, &options, read_only, task)?;
    let derived = load_derived(&directory, &body, &options, task)?;
    let view = ids.view();
    let mut map = IdMap::default();
    map.reserve(rows as usize, &view)?;
    for row in (0..rows).filter(|&row| !dead.contains(row)) {
        if map.insert(&view.get(row), row, &view).is_some() {
            return Err(Error::new(
                Code::Corrupt,
                format!("{}: ids: row {row} has the id of another live row", directory.path().display()),
            ));
        }
    }
    let state = State {
        ids: view,
        metadata: metadata.view(),
        dead,
        codes: derived.codes.as_ref().map(CodeColumn::view),
        graph: derived.builder.graph(),
        plan: body.plan,
        over_codes: codec_spec(&options).is_some(),
        dense,
    };
    let in_file = state.dense.in_file;
    let saved = saved_files(&manifest, &state, &derived);
    let writer = Writer { ids, metadata, records, in_file, longest: body.longest, saved_rows: rows, extents, saved, epoch: 0 };
    Ok(Parts { derived, writer, directory: Some(directory), map, state, train_rows: body.train_rows })
}

/// What the files of `manifest` hold, as `save` marks it, but for those that could not be read: an index that is
/// closed as it was opened writes nothing.
fn saved_files(manifest: &Manifest, state: &State, derived: &Derived) -> SavedFiles {
    let rows = u64::from(state.rows());
    let mut marks = vec![("ids", [0, rows, 0]), ("metadata", [0, rows, 0]), ("dead", [0, rows, u64::from(state.dead.len())])];
    if let Some(codes) = &derived.codes {
        marks.push(("codec", [0, derived.version, u64::from(codes.trained_rows)]));
        marks.push(("codes", [0, derived.version, codes.bytes.len() as u64]));
    }
    marks.push(("graph", [0, derived.version, u64::from(state.graph.len())]));
    // An empty column or graph stands for a file that was not there or not readable.
    marks.retain(|(kind, mark)| !matches!(*kind, "codes" | "graph") || mark[2] > 0);
    let files = marks.into_iter().filter_map(|(kind, mark)| {
        let file = manifest.files_of(kind).next()?.clone();
        Some(Saved { mark, file })
    });
    SavedFiles { files: files.collect(), published: true }
}

fn decode<T>(
    directory: &Directory,
    kind: &str,
    bytes: &[u8],
    read: impl FnOnce(&mut Reader<'_>) -> std::result::Result<T, wire::Error>,
) -> Result<T> {
    let mut reader = Reader::new(bytes);
    let decoded = read(&mut reader).and_then(|value| reader.finish().map(|()| value));
    decoded.map_err(|error| Error::new(Code::Corrupt, format!("{}: {kind}: {error}", directory.path().display())))
}

/// Opens the extents, and brings the rows into memory where they live there. A reader of a damaged index leaves them
/// on disk, so that only those who touch a damaged row meet the damage.
fn load_rows(
    directory: &Directory,
    extents: &[FileRef],
    body: &Body,
    options: &Options,
    read_only: bool,
    task: &Task,
) -> Result<(Dense, Appender<u8>)> {
    let format = Format::of(options);
    let mut file = DenseFile::default();
    for extent in extents {
        file.push(directory.open_extent(extent, task)?)?;
    }
    let stride_fits = file.extents().first().is_none_or(|extent| extent.stride() == format.stored_bytes());
    if file.rows() != body.rows || !stride_fits {
        let message =
            format!("{}: the extents hold {} rows, the manifest says {}", directory.path().display(), file.rows(), body.rows);
        return Err(Error::new(Code::Corrupt, message));
    }
    let mut dense = Dense {
        format,
        file: Arc::new(file),
        in_file: body.rows,
        records: Default::default(),
        longest: body.longest,
        verified: Arc::new(AtomicU64::new(0)),
    };
    let mut records = Appender::new();
    if options.vectors == Placement::Memory {
        match read_records(&dense, task) {
            Ok(read) => {
                records = read;
                (dense.file, dense.in_file, dense.records) = (Arc::default(), 0, records.view());
            }
            Err(error) if read_only && error.code == Code::Corrupt => {}
            Err(error) => return Err(error),
        }
    }
    Ok((dense, records))
}

fn read_records(dense: &Dense, task: &Task) -> Result<Appender<u8>> {
    let (format, rows) = (dense.format, dense.len());
    let stride = format.memory_stride();
    let mut records = Appender::with_capacity(rows as usize * stride)?;
    let mut record = vec![0; stride];
    let mut decoded = vec![0.0; format.dims];
    dense.scan(0..rows, task, |_, stored| {
        record.fill(0);
        record[..stored.len()].copy_from_slice(stored);
        format.decode(stored, &mut decoded);
        format.finish(&mut record, &decoded);
        // Room was made above.
        let _ = records.extend(&record);
    })?;
    Ok(records)
}

/// Codes and graph, as far as they can be read: what cannot is left out and made again.
fn load_derived(directory: &Directory, body: &Body, options: &Options, task: &Task) -> Result<Derived> {
    let Some(manifest) = directory.manifest() else { return Ok(Derived::new(options)) };
    let read = |kind: &str| -> Result<Option<Vec<u8>>> {
        let Some(file) = manifest.files_of(kind).next() else { return Ok(None) };
        match directory.read_file(file, task) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(store::Error::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    let codec = read("codec")?.and_then(|bytes| read_codec(&bytes, options));
    let codes = match codec {
        Some(codec) => Some(read_codes(codec, read("codes")?, body)?),
        None => None,
    };
    let coded = if codec_spec(options).is_some() { codes.as_ref().map_or(0, |c| c.view().len()) } else { body.rows };
    let graph = read("graph")?.and_then(|bytes| {
        let mut reader = Reader::new(&bytes);
        let graph = Graph::read(&mut reader, &hnsw_options(options), coded).ok()?;
        reader.finish().ok().map(|()| graph)
    });
    Ok(resume(options, graph, body.blocks.clone(), codes))
}

fn read_codec(bytes: &[u8], options: &Options) -> Option<Codec> {
    let mut reader = Reader::new(bytes);
    let codec = Codec::read(&mut reader).ok()?;
    reader.finish().ok()?;
    let fits = codec.dims() == options.dimensions && codec.metric() == options.metric && codec_spec(options).is_some();
    fits.then_some(codec)
}

fn read_codes(codec: Codec, bytes: Option<Vec<u8>>, body: &Body) -> Result<CodeColumn> {
    let width = codec.code_bytes();
    let mut column = CodeColumn::new(codec, body.train_rows);
    if let Some(bytes) = bytes.filter(|bytes| bytes.len() % width == 0 && bytes.len() / width <= body.rows as usize) {
        column.bytes.reserve_exact(bytes.len())?;
        column.bytes.extend(&bytes)?;
    }
    Ok(column)
}
