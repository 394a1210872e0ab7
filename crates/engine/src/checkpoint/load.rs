//! Reading a checkpoint, and then the log that follows it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use coarse::hnsw::Graph;
use quant::Codec;
use rows::Appender;
use store::{DenseFile, Directory, Extent, FileRef, Manifest};
use task::Task;
use wire::Reader;

use super::{Body, Saved, Segment, Whole};
use crate::change::Change;
use crate::dense::Dense;
use crate::derived::{CodeColumn, Derived, hnsw_options, resume};
use crate::doubt::Doubt;
use crate::error::{Code, Error, Result};
use crate::ids::{IdColumn, IdMap, Ids, read_ids, segment};
use crate::lists::{Lists, Shape};
use crate::metadata::{MetadataColumn, read_metadata};
use crate::options::Options;
use crate::recall::Efforts;
use crate::record::Format;
use crate::shared::Parts;
use crate::state::{Plan, State};
use crate::tombstones::Tombstones;
use crate::types::{Coarse, Placement};
use crate::writer::Writer;

/// The index of the manifest that `directory` holds, and for a writer what was logged since. A reader takes the log only
/// where it stands for the newest checkpoint, which is damaged.
pub fn load(directory: Directory, body: Body, options: Options, read_only: bool, task: &Task) -> Result<(Parts, u64)> {
    let Some(manifest) = directory.manifest() else {
        return Err(Error::new(Code::Internal, "no manifest to load"));
    };
    let loading = Loading { directory: &directory, manifest: &manifest, body: &body, options: &options, read_only, task };
    let mut parts = loading.parts()?;
    if parts.state.doubt.is_some() && directory.fell_back() {
        return Err(corrupt(&directory, "the newest checkpoint", "it is damaged, and so is the one before"));
    }
    let mut replayed = 0;
    if !read_only || directory.fell_back() {
        replayed = replay(&directory, &mut parts, Format::of(&options), task)?;
    }
    parts.directory = Some(directory);
    Ok((parts, replayed))
}

/// Applies what the log holds to the checkpoint; gives how many writes that were.
fn replay(directory: &Directory, parts: &mut Parts, format: Format, task: &Task) -> Result<u64> {
    let mut failure = None;
    let replayed = directory.replay(task, |seq, payload| {
        let change = Change::decode(format, payload).map_err(|error| corrupt(directory, &format!("log record {seq}"), error));
        let applied = change.and_then(|change| parts.writer.replay(format, &mut parts.map, &mut parts.state, &change));
        applied.map_err(|error| {
            failure = Some(error);
            store::Error::Aborted
        })
    });
    if let Some(error) = failure {
        return Err(error);
    }
    let (replayed, log) = replayed?;
    (parts.writer.next_seq, parts.writer.log) = (replayed.next_seq, log);
    parts.behind = replayed.bytes;
    Ok(replayed.records)
}

fn corrupt(directory: &Directory, what: &str, why: impl std::fmt::Display) -> Error {
    Error::new(Code::Corrupt, format!("{}: {what}: {why}", directory.path().display()))
}

/// A checkpoint being read.
pub struct Loading<'a> {
    pub directory: &'a Directory,
    pub manifest: &'a Manifest,
    pub body: &'a Body,
    options: &'a Options,
    read_only: bool,
    pub task: &'a Task,
}

/// The columns that are kept whole in memory.
struct Columns {
    ids: IdColumn,
    metadata: MetadataColumn,
    dead: Tombstones,
    /// Files of ids and of metadata.
    files: [Vec<Segment>; 2],
    doubt: Option<Arc<Doubt>>,
}

impl Loading<'_> {
    fn parts(&self) -> Result<Parts> {
        let counts = &self.body.counts;
        // Rows first: their files bound how many there can be.
        let extents: Vec<FileRef> = self.manifest.files_of("rows").cloned().collect();
        let (dense, records, rows) = self.rows(&extents)?;
        let Columns { ids, metadata, dead, files, doubt } = match self.columns() {
            Err(error) if self.read_only && error.code == Code::Corrupt => self.salvaged()?,
            columns => columns?,
        };
        let [id_files, metadata_files] = files;
        let (derived, codes) = self.derived()?;
        let view = ids.view();
        let efforts = self.efforts()?;
        let map = self.map(&view, &dead, doubt.as_deref())?;
        let saved = Saved {
            rows,
            ids: id_files,
            metadata: metadata_files,
            dead: self.whole("dead", u64::from(dead.len())),
            codec: derived.codes.as_ref().and_then(|codes| self.whole("codec", u64::from(codes.trained_rows))),
            codes,
            graph: self.whole("graph", u64::from(derived.builder.graph().len())).filter(|graph| graph.mark > 0),
            lists: derived.lists.as_ref().and_then(|lists| self.whole("lists", u64::from(lists.len()))),
            efforts: efforts.as_ref().and_then(|(_, mark)| self.whole("efforts", *mark)),
            blocks: self.body.blocks.clone(),
            epoch: 0,
            version: derived.version,
            log: self.manifest.log(),
        };
        let state = State {
            ids: view,
            metadata: metadata.view(),
            dead,
            codes: derived.codes.as_ref().map(CodeColumn::view),
            graph: derived.builder.graph(),
            nodes: None,
            lists: derived.lists.clone(),
            plan: counts.plan,
            over_codes: self.options.codec_of(counts.plan).is_some(),
            efforts: efforts.map(|(efforts, _)| Arc::new(efforts)),
            dense,
            doubt,
        };
        let (in_file, longest) = (state.dense.in_file, counts.longest);
        let next_seq = self.manifest.log().map_or(0, |log| log.seq);
        let writer = Writer { ids, metadata, records, in_file, longest, epoch: 0, log: None, next_seq };
        Ok(Parts { derived, saved, writer, directory: None, behind: 0, map, state, train_rows: counts.train_rows })
    }

    fn columns(&self) -> Result<Columns> {
        let (mut ids, mut metadata) = (IdColumn::default(), MetadataColumn::default());
        let id_files = self.segments("ids", |r| {
            read_ids(r, &mut ids)?;
            Ok(ids.len())
        })?;
        let metadata_files = self.segments("metadata", |r| {
            read_metadata(r, &mut metadata)?;
            Ok(metadata.len())
        })?;
        let dead = self.truth(&self.only("dead")?, |r| Tombstones::read(r, self.body.counts.rows))?;
        if dead.len() != self.body.counts.dead {
            let what = format!("{} rows, the manifest says {}", dead.len(), self.body.counts.dead);
            return Err(corrupt(self.directory, "dead", what));
        }
        Ok(Columns { ids, metadata, dead, files: [id_files, metadata_files], doubt: None })
    }

    /// A damaged file of rows, for a reader. It does not say how many there are, so the ids must.
    fn salvaged_extent(&self, extent: &FileRef, first_row: u32) -> Result<Extent> {
        self.check_not_overtaken()?;
        let mut bytes = 0;
        for ids in self.manifest.files_of("ids") {
            bytes += self.directory.salvage_file(ids, self.task)?.0.len();
        }
        let end = self.body.counts.rows.min((bytes / size_of::<u64>()) as u32);
        let stride = Format::of(self.options).stored_bytes();
        Ok(self.directory.salvage_extent(extent, stride, first_row, end, self.task)?)
    }

    /// The columns of a damaged index, for a reader.
    fn salvaged(&self) -> Result<Columns> {
        self.check_not_overtaken()?;
        let (ids, metadata, dead, mut doubt) = self.salvage()?;
        doubt.live = self.body.counts.rows - self.body.counts.dead;
        Ok(Columns { ids, metadata, dead, files: Default::default(), doubt: Some(Arc::new(doubt)) })
    }

    pub fn only(&self, kind: &str) -> Result<FileRef> {
        let missing = || corrupt(self.directory, "the manifest", format!("it names no file of kind {kind}"));
        self.manifest.files_of(kind).next().cloned().ok_or_else(missing)
    }

    fn whole(&self, kind: &str, mark: u64) -> Option<Whole> {
        self.manifest.files_of(kind).next().map(|file| Whole { mark, file: file.clone() })
    }

    fn truth<T>(&self, file: &FileRef, read: impl FnOnce(&mut Reader<'_>) -> Decoded<T>) -> Result<T> {
        let bytes = self.directory.read_file(file, self.task)?;
        Reader::whole(&bytes, read).map_err(|error| corrupt(self.directory, &file.name(), error))
    }

    /// Reads the segments of a column; `read` gives how many rows there are after each.
    fn segments(&self, kind: &str, mut read: impl FnMut(&mut Reader<'_>) -> Decoded<usize>) -> Result<Vec<Segment>> {
        let mut segments: Vec<Segment> = Vec::new();
        for file in self.manifest.files_of(kind) {
            let start = segments.last().map_or(0, |last| last.rows.end);
            let end = self.truth(file, &mut read)? as u32;
            segments.push(Segment { rows: start..end, file: file.clone() });
        }
        let (found, rows) = (segments.last().map_or(0, |last| last.rows.end), self.body.counts.rows);
        if found != rows {
            return Err(corrupt(self.directory, kind, format!("{found} rows, the manifest says {rows}")));
        }
        Ok(segments)
    }

    fn map(&self, ids: &Ids, dead: &Tombstones, doubt: Option<&Doubt>) -> Result<IdMap> {
        let mut map = IdMap::default();
        map.reserve(ids.len() - dead.len() as usize, ids)?;
        let in_doubt = |row| doubt.is_some_and(|doubt| doubt.rows.contains(row));
        for row in (0..ids.len() as u32).filter(|&row| !dead.contains(row) && !in_doubt(row)) {
            if map.insert(&ids.get(row), row, ids).is_some() {
                return Err(corrupt(self.directory, "ids", format!("row {row} has the id of another live row")));
            }
        }
        Ok(map)
    }

    /// Opens the extents, and brings the rows into memory where they live there. A reader of a damaged index leaves them
    /// on disk, so that only those who touch a damaged row meet the damage.
    fn rows(&self, extents: &[FileRef]) -> Result<(Dense, Appender<u8>, Vec<Segment>)> {
        let format = Format::of(self.options);
        let counts = &self.body.counts;
        let mut file = DenseFile::default();
        let mut segments = Vec::new();
        for extent in extents {
            let start = file.rows();
            let opened = match self.directory.open_extent(extent, self.task) {
                Err(store::Error::Corrupt { .. }) if self.read_only => self.salvaged_extent(extent, start)?,
                opened => opened?,
            };
            file.push(opened)?;
            segments.push(Segment { rows: start..file.rows(), file: extent.clone() });
        }
        let stride_fits = file.extents().first().is_none_or(|extent| extent.stride() == format.stored_bytes());
        if file.rows() != counts.rows || !stride_fits {
            let what = format!("the extents hold {} rows, the manifest says {}", file.rows(), counts.rows);
            return Err(corrupt(self.directory, "rows", what));
        }
        let mut dense = Dense {
            format,
            file: Arc::new(file),
            in_file: counts.rows,
            records: Default::default(),
            longest: counts.longest,
            byte_rows: None,
            verified: Arc::new(AtomicU64::new(0)),
        };
        let mut records = Appender::new();
        if self.options.vectors == Placement::Memory {
            match read_records(&dense, self.task) {
                Ok(read) => {
                    records = read;
                    (dense.file, dense.in_file, dense.records) = (Arc::default(), 0, records.view());
                }
                Err(error) if self.read_only && error.code == Code::Corrupt => {}
                Err(error) => return Err(error),
            }
        }
        Ok((dense, records, segments))
    }

    /// Codes and graph, as far as they can be read: what cannot is left out and made again.
    fn derived(&self) -> Result<(Derived, Vec<Segment>)> {
        let codec = self.readable("codec")?.and_then(|bytes| read_codec(&bytes, self.options, self.body.counts.plan));
        let (codes, segments) = match codec {
            Some(codec) => {
                let (column, segments) = self.codes(codec)?;
                (Some(column), segments)
            }
            None => (None, Vec::new()),
        };
        let counts = &self.body.counts;
        let coded =
            if self.options.codec_of(counts.plan).is_some() { codes.as_ref().map_or(0, |c| c.view().len()) } else { counts.rows };
        let graph = self
            .readable("graph")?
            .and_then(|bytes| Reader::whole(&bytes, |r| Graph::read(r, &hnsw_options(self.options), coded)).ok());
        let lists = self.readable("lists")?.and_then(|bytes| self.read_lists(&bytes, coded));
        Ok((resume(self.options, graph, self.body.blocks.clone(), codes, lists), segments))
    }

    fn read_lists(&self, bytes: &[u8], rows: u32) -> Option<Lists> {
        let options = self.options;
        let lists = Reader::whole(bytes, |r| Lists::read(options.metric, options.dimensions, rows, r)).ok()?;
        let plan = self.body.counts.plan;
        let fits = options.coarse_of(plan) == Coarse::Ivf
            && lists.is_coded() == Shape::is_encoded(options, plan)
            && options.lists.is_none_or(|count| count == lists.shape().lists());
        fits.then_some(lists)
    }

    /// What was measured of searches, if it can be read, and the mark of its file.
    fn efforts(&self) -> Result<Option<(Efforts, u64)>> {
        let bytes = self.readable("efforts")?;
        Ok(bytes.and_then(|bytes| {
            let efforts = Reader::whole(&bytes, Efforts::read).ok()?;
            Some((efforts, u64::from(wire::crc32c(&bytes))))
        }))
    }

    /// An error if this is a reader, and the writer beside it has published since: files may be gone for that reason.
    fn check_not_overtaken(&self) -> Result<()> {
        if self.read_only && self.directory.refresh()? {
            return Err(corrupt(self.directory, "the checkpoint", "a newer one has taken its place"));
        }
        Ok(())
    }

    /// A derived file, if it is there and whole.
    fn readable(&self, kind: &str) -> Result<Option<Vec<u8>>> {
        self.manifest.files_of(kind).next().map_or(Ok(None), |file| self.readable_file(file))
    }

    fn readable_file(&self, file: &FileRef) -> Result<Option<Vec<u8>>> {
        match self.directory.read_file(file, self.task) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(store::Error::Corrupt { .. }) => self.check_not_overtaken().map(|()| None),
            Err(error) => Err(error.into()),
        }
    }

    /// The codes of the first rows: those behind a damaged segment are made again.
    fn codes(&self, codec: Codec) -> Result<(CodeColumn, Vec<Segment>)> {
        let width = codec.code_bytes();
        let mut column = CodeColumn::new(codec, self.body.counts.train_rows);
        let mut segments = Vec::new();
        for file in self.manifest.files_of("codes") {
            let Some(bytes) = self.readable_file(file)? else { break };
            let (mut r, start) = (Reader::new(&bytes), column.view().len());
            let rows = segment(&mut r, start as usize, width);
            let Some(rows) = rows.ok().filter(|rows| rows * width == r.remaining()) else { break };
            let end = start as usize + rows;
            if end > self.body.counts.rows as usize {
                break;
            }
            column.bytes.reserve_exact(rows * width)?;
            column.bytes.extend(&bytes[bytes.len() - rows * width..])?;
            segments.push(Segment { rows: start..end as u32, file: file.clone() });
        }
        Ok((column, segments))
    }
}

type Decoded<T> = std::result::Result<T, wire::Error>;

fn read_records(dense: &Dense, task: &Task) -> Result<Appender<u8>> {
    let (format, rows) = (dense.format, dense.len());
    let stride = format.memory_stride();
    let mut records = Appender::with_capacity(rows as usize * stride)?;
    let mut record = vec![0; stride];
    let mut decoded = vec![0.0; format.dims];
    let mut misfit = None;
    dense.scan(0..rows, task, |row, stored| {
        record.fill(0);
        record[..stored.len()].copy_from_slice(stored);
        if !format.fits(stored, &mut decoded) {
            misfit = misfit.or(Some(row));
        }
        format.finish(&mut record, &decoded);
        // Room was made above.
        let _ = records.extend(&record);
    })?;
    match misfit {
        Some(row) => Err(Error::new(Code::Corrupt, format!("rows: row {row} is no vector that could have been added"))),
        None => Ok(records),
    }
}

fn read_codec(bytes: &[u8], options: &Options, plan: Plan) -> Option<Codec> {
    let codec = Reader::whole(bytes, Codec::read).ok()?;
    let fits = codec.dims() == options.dimensions && codec.metric() == options.metric && options.codec_of(plan).is_some();
    fits.then_some(codec)
}
