//! From a row to the values that matter of it.

use std::ops::Range;

use cluster::matrix::{par_gram, par_product, product};
use cluster::{Assigner, Random, Scratch};
use kernels::{ByteMatrix, Metric, kernels};
use nalgebra::{DMatrix, SymmetricEigen};
use rayon::prelude::*;
use task::{Aborted, Task};
use wire::{Error, Reader, Writer};

use super::{MIDDLE, signed};
use crate::rows::{mean, sample};
use crate::wire_form::{finite, finite_row};

/// Rows looked at when training: enough for the directions of a few hundred dimensions.
pub(crate) const SAMPLE_ROWS: usize = 1 << 14;
/// Dimensions whose directions are found together. Eigenvectors take 2 s at 1,024 and eight times as long for twice as many.
const WHOLE: usize = 1024;
/// Share of the variance that is kept.
const ENERGY: f64 = 0.97;
/// Share that is kept of the variance between rows near one another.
const NEAR_ENERGY: f64 = 0.9;
/// Rows that near ones are looked for among, and pairs of rows that are.
const NEAR_ROWS: usize = 8192;
const NEAR_PAIRS: usize = 2048;
/// Of which so many are looked for by one thread.
const NEAR_PIECE: usize = 128;
/// Values are kept in so many at a time.
const STEP: usize = 32;
/// Values kept at most: the tables of their bits sum up in 16 bits.
const MOST: usize = 1024;
/// Columns whose products are summed up at a time.
const COLUMNS: usize = 128;
/// A dimension counts as at least so wide, as a share of all dimensions' mean.
const LEAST_WIDTH: f64 = 0.05;
/// A query that lies further out than so many times a dimension's width is projected in floats: bytes of such a scale would
/// lose a fiftieth of its other values' squares, and more.
const PEAK: f32 = 64.0;

/// The principal directions of the rows, turned at random among themselves so that none has more variance than another.
///
/// Its entries are bytes, and rows are projected by these same bytes: a query of 784 dimensions is projected to 224 in two
/// microseconds, because the matrix stays in the second-level cache.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Projection {
    centre: Vec<f32>,
    /// What a dimension is divided by before; and by what that is multiplying.
    widths: Vec<f32>,
    per_width: Vec<f32>,
    /// `kept` x `dims` levels around [`MIDDLE`](super::MIDDLE), each worth `unit`.
    levels: Vec<u8>,
    unit: f32,
    /// The same, without the middle, as queries are multiplied with it; and what a row of it adds up to because the levels
    /// of queries lie around the middle, too.
    bytes: ByteMatrix,
    shifts: Vec<i32>,
    /// The same as floats, `dims` x `kept`, widths included.
    matrix: Vec<f32>,
}

impl Projection {
    pub fn train(metric: Metric, dims: usize, rows: &[f32], seed: u64, task: &Task) -> Result<Self, Aborted> {
        let mut rows = sample(metric, dims, rows, SAMPLE_ROWS, seed);
        let centre = mean(&rows, dims);
        rows.chunks_exact_mut(dims).for_each(|row| row.iter_mut().zip(&centre).for_each(|(x, c)| *x -= c));
        let widths = widths(&rows, dims);
        let axes = principal(&rows, dims, task)?;
        task.check()?;
        let kept = axes.len() / dims;
        let turned = turn(&axes, kept, dims, seed);
        let weighed: Vec<f32> = turned.chunks_exact(dims).flat_map(|row| row.iter().zip(&widths).map(|(x, w)| x * w)).collect();
        let unit = kernels().peak(&weighed) / 127.0;
        let unit = if unit.is_normal() { unit } else { 1.0 };
        let mut levels = vec![0; weighed.len()];
        kernels().levels(&weighed, 1.0 / unit, &mut levels);
        Ok(Self::of(centre, widths, levels, unit))
    }

    fn of(centre: Vec<f32>, widths: Vec<f32>, levels: Vec<u8>, unit: f32) -> Self {
        let (dims, kept) = (centre.len(), levels.len() / centre.len());
        let mut matrix = vec![0.0; levels.len()];
        for (to, row) in levels.chunks_exact(dims).enumerate() {
            for (from, (&level, &width)) in row.iter().zip(&widths).enumerate() {
                matrix[from * kept + to] = (i32::from(level) - MIDDLE) as f32 * unit / width;
            }
        }
        let per_width = widths.iter().map(|width| 1.0 / width).collect();
        let bytes = ByteMatrix::new(&levels.iter().map(|&level| signed(level)).collect::<Vec<_>>(), dims);
        let shift = |row: &[u8]| MIDDLE * row.iter().map(|&level| i32::from(signed(level))).sum::<i32>();
        let shifts = levels.chunks_exact(dims).map(shift).collect();
        Self { centre, widths, per_width, levels, unit, bytes, shifts, matrix }
    }

    pub fn dims(&self) -> usize {
        self.centre.len()
    }

    pub fn kept(&self) -> usize {
        self.levels.len() / self.dims()
    }

    pub fn centre(&self) -> &[f32] {
        &self.centre
    }

    /// `kept` values a row.
    pub fn of_rows(&self, rows: &[f32]) -> Vec<f32> {
        let dims = self.dims();
        let centred: Vec<f32> =
            rows.chunks_exact(dims).flat_map(|row| row.iter().zip(&self.centre).map(|(x, c)| x - c)).collect();
        let mut out = vec![0.0; rows.len() / dims * self.kept()];
        product(&centred, &self.matrix, dims, &mut out);
        out
    }

    /// The same of a single row, in bytes where they suffice.
    pub fn of_query(&self, query: &[f32]) -> Vec<f32> {
        let dims = self.dims();
        let mut scaled = vec![0.0; dims];
        let peak = kernels().centred(query, &self.centre, &self.per_width, &mut scaled);
        let unit = peak / 127.0;
        if !unit.is_normal() || peak > PEAK {
            return self.of_rows(query);
        }
        let mut levels = vec![0; self.bytes.query_len()];
        kernels().levels(&scaled, 1.0 / unit, &mut levels[..dims]);
        let mut products = vec![0; self.bytes.product_len()];
        kernels().multiply(&levels, &self.bytes, &mut products);
        let worth = unit * self.unit;
        products.iter().zip(&self.shifts).map(|(product, shift)| (product - shift) as f32 * worth).collect()
    }

    /// The row nearest to the centre that is projected to `values`.
    pub fn back(&self, values: &[f32], out: &mut [f32]) {
        for ((out, weights), centre) in out.iter_mut().zip(self.matrix.chunks_exact(self.kept())).zip(&self.centre) {
            *out = centre + kernels().dot_f32(values, weights);
        }
    }

    pub fn memory(&self) -> usize {
        self.levels.capacity()
            + self.bytes.memory()
            + (self.matrix.capacity() + 2 * self.widths.capacity() + 2 * self.centre.capacity()) * size_of::<f32>()
    }

    pub fn write(&self, w: &mut Writer) {
        w.f32s(&self.centre);
        w.f32s(&self.widths);
        w.f32(self.unit);
        w.bytes(&self.levels);
    }

    pub fn read(dims: usize, r: &mut Reader) -> Result<Self, Error> {
        let centre = finite_row(r, dims, "centre")?;
        let widths = finite_row(r, dims, "widths")?;
        let unit = finite(r, "unit")?;
        let levels = r.bytes()?.to_vec();
        let kept = levels.len() / dims;
        if levels.len() != kept * dims || kept == 0 || !kept.is_multiple_of(STEP) || kept > MOST {
            return Err(r.error(format!("a projection of {} bytes for {dims} dimensions", levels.len())));
        }
        if unit <= 0.0 || widths.iter().any(|&width| width <= 0.0) {
            return Err(r.error("a projection without width"));
        }
        Ok(Self::of(centre, widths, levels, unit))
    }
}

/// Standard deviation of every dimension of centred rows, none much below the others'.
fn widths(rows: &[f32], dims: usize) -> Vec<f32> {
    let mut squares = vec![0f64; dims];
    for row in rows.chunks_exact(dims) {
        squares.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x) * f64::from(x));
    }
    let n = (rows.len() / dims).max(1) as f64;
    let least = LEAST_WIDTH * (squares.iter().sum::<f64>() / (n * dims as f64)).sqrt();
    let width = |square: f64| ((square / n).sqrt().max(least)) as f32;
    squares.into_iter().map(width).map(|width| if width.is_normal() { width } else { 1.0 }).collect()
}

/// Directions of centred rows, the most important first, until they hold [`ENERGY`] of the variance and [`NEAR_ENERGY`] of that
/// between rows near one another; filled up with zeros to a multiple of [`STEP`].
///
/// Far rows are told apart by where clusters lie, near ones by what is left inside: directions of the first alone
/// found 0.89 of the nearest rows of small clusters however far was searched.
///
/// Wide rows are cut into pieces of [`WHOLE`] neighbouring dimensions with directions of their own.
fn principal(rows: &[f32], dims: usize, task: &Task) -> Result<Vec<f32>, Aborted> {
    let near = near_differences(rows, dims);
    let mut axes: Vec<Axis> = Vec::new();
    let pieces = dims.div_ceil(WHOLE);
    for piece in 0..pieces {
        task.check()?;
        task.report("train", piece as u64, pieces as u64);
        axes.extend(piece_axes(rows, &near, dims, piece * dims / pieces..(piece + 1) * dims / pieces));
    }
    let [all, all_near] = axes.iter().fold([0.0, 0.0], |[all, near], axis| [all + axis.far, near + axis.near]);
    let weight = |axis: &Axis| axis.far / all.max(f64::MIN_POSITIVE) + axis.near / all_near.max(f64::MIN_POSITIVE);
    axes.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    let mut held = [0.0, 0.0];
    let enough = axes.iter().position(|axis| {
        held = [held[0] + axis.far, held[1] + axis.near];
        held[0] >= ENERGY * all && held[1] >= NEAR_ENERGY * all_near
    });
    let wanted = enough.map_or(axes.len(), |last| last + 1).next_multiple_of(STEP).min(MOST);
    let mut out = vec![0.0; wanted * dims];
    for (out, axis) in out.chunks_exact_mut(dims).zip(axes) {
        out[axis.from..][..axis.direction.len()].copy_from_slice(&axis.direction);
    }
    Ok(out)
}

/// Rows of the second half less the nearest row of the first.
fn near_differences(rows: &[f32], dims: usize) -> Vec<f32> {
    let half = (rows.len() / dims / 2).min(NEAR_ROWS);
    if half == 0 {
        return Vec::new();
    }
    let (first, second) = (&rows[..half * dims], &rows[rows.len() - half.min(NEAR_PAIRS) * dims..]);
    let assigner = Assigner::new(first, half, dims);
    let mut differences = second.to_vec();
    let pieces = differences.par_chunks_mut(NEAR_PIECE * dims).zip(second.par_chunks(NEAR_PIECE * dims));
    pieces.for_each_init(Scratch::default, |scratch, (differences, rows)| {
        assigner.nearest(rows, scratch, |at, nearest| {
            let nearest = &first[nearest as usize * dims..][..dims];
            differences[at * dims..][..dims].iter_mut().zip(nearest).for_each(|(x, other)| *x -= other);
        });
    });
    differences
}

/// A direction of some dimensions from `from` on, and the squares that rows and near differences have along it.
struct Axis {
    from: usize,
    direction: Vec<f32>,
    far: f64,
    near: f64,
}

/// Directions of the dimensions `span`: those of both covariances together, each as much.
fn piece_axes(rows: &[f32], near: &[f32], dims: usize, span: Range<usize>) -> Vec<Axis> {
    let width = span.len();
    let (far_share, far) = covariance(rows, dims, &span);
    let (near_share, near) = covariance(near, dims, &span);
    let trace = |squares: &[f32]| squares.iter().step_by(width + 1).sum::<f32>().max(f32::MIN_POSITIVE);
    let (far_trace, near_trace) = (trace(&far), trace(&near));
    let both: Vec<f32> = far.iter().zip(&near).map(|(far, near)| far / far_trace + near / near_trace).collect();
    let eigen = SymmetricEigen::new(DMatrix::from_row_slice(width, width, &both));
    let directions = eigen.eigenvectors.as_slice();
    let (far, near) = (along(directions, &far, far_share), along(directions, &near, near_share));
    let squares = far.into_iter().zip(near);
    let axis =
        |(direction, (far, near)): (&[f32], (f64, f64))| Axis { from: span.start, direction: direction.to_vec(), far, near };
    directions.chunks_exact(width).zip(squares).map(axis).collect()
}

/// The squares along each of as many directions as `squares` is wide, which were summed of values times `share`.
fn along(directions: &[f32], squares: &[f32], share: f32) -> Vec<f64> {
    let width = directions.len().isqrt();
    let mut sums = vec![0.0; directions.len()];
    par_product(directions, squares, width, &mut sums);
    let square = |(direction, sums): (&[f32], &[f32])| {
        let square: f64 = direction.iter().zip(sums).map(|(x, sum)| f64::from(*x) * f64::from(*sum)).sum();
        square.max(0.0) / f64::from(share).powi(2)
    };
    directions.chunks_exact(width).zip(sums.chunks_exact(width)).map(square).collect()
}

/// Products of the dimensions `span`, summed over rows that were multiplied with the first result.
///
/// Numbers as large as rows may hold have infinite squares. Where differences are infinite themselves there is nothing to
/// learn: all products are 0 then.
fn covariance(rows: &[f32], dims: usize, span: &Range<usize>) -> (f32, Vec<f32>) {
    let mut squares = vec![0.0; span.len() * span.len()];
    let largest = rows.par_chunks_exact(dims).map(|row| kernels().peak(&row[span.clone()])).reduce(|| 0.0, f32::max);
    if !largest.is_normal() {
        return (1.0, squares);
    }
    let starts: Vec<usize> = span.clone().step_by(COLUMNS).collect();
    let columns = |&start: &usize| {
        let columns = start..span.end.min(start + COLUMNS);
        rows.chunks_exact(dims).flat_map(|row| row[columns.clone()].iter().map(|x| x / largest)).collect()
    };
    par_gram(&starts.par_iter().map(columns).collect::<Vec<_>>(), rows.len() / dims, &mut squares);
    (1.0 / largest, squares)
}

/// The directions in a random turn: `kept` of `dims` values.
fn turn(axes: &[f32], kept: usize, dims: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::stream(seed, 1);
    // A sum of twelve is normal enough for a direction without preference.
    let mut normal = || ((0..12).map(|_| random.unit()).sum::<f64>() - 6.0) as f32;
    let rotation = DMatrix::from_fn(kept, kept, |_, _| normal()).qr().q();
    let mut turned = vec![0.0; kept * dims];
    par_product(rotation.as_slice(), axes, kept, &mut turned);
    turned
}
