//! Speed of the kernels on this machine: `cargo run --release -p kernels --example speed [filter]`.
//!
//! Random rows of a buffer far larger than the caches, in batches of 32 as a graph search asks for them; the best and the median
//! of many short bursts, since the machine may be shared. `MIB=64` makes the buffer smaller.

use std::hint::black_box;
use std::time::Instant;

use kernels::{Kernels, Strided, available, kernels_for};

const BATCH: usize = 32;
/// Rows in a burst, which is short so that some bursts are undisturbed.
const BURST: usize = 1 << 12;
const BURSTS: usize = 48;

/// A 64-bit generator (splitmix64, Steele et al. 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

struct Bench<'a> {
    filter: Option<String>,
    bytes: &'a [u8],
    kernels: &'static Kernels,
}

impl Bench<'_> {
    /// Prints the best and the median time a row of bursts of `f`, each of which scores `rows` rows.
    fn time(&self, name: &str, bytes: usize, rows: usize, mut f: impl FnMut(usize)) {
        let mut ns: Vec<f64> = (0..BURSTS)
            .map(|burst| {
                let start = Instant::now();
                f(burst);
                start.elapsed().as_secs_f64() * 1e9 / rows as f64
            })
            .collect();
        ns.sort_by(f64::total_cmp);
        let (best, median) = (ns[0], ns[BURSTS / 2]);
        let simd = self.kernels.simd().name();
        println!("{simd:7} {name:38} best {best:8.2} median {median:8.2} ns/row, {:7.2} GB/s", bytes as f64 / best);
    }

    fn wanted(&self, name: &str) -> bool {
        self.filter.as_deref().is_none_or(|filter| name.contains(filter))
    }

    /// `score` over random rows of the whole buffer, and of the first 256 KiB (in L2).
    fn gather<T: Copy + Default>(&self, name: &str, stride: usize, score: impl Fn(Strided, &[u32], &mut [T])) {
        if !self.wanted(name) {
            return;
        }
        for (place, size) in [("DRAM", self.bytes.len()), ("L2", 256 << 10)] {
            let rows = Strided::new(self.bytes, stride, size / stride);
            let mut random = Random(1);
            let ids: Vec<u32> = (0..BURST * BURSTS).map(|_| (random.next() % rows.len() as u64) as u32).collect();
            let mut out = [T::default(); BATCH];
            self.time(&format!("gather {name} {stride} {place}"), stride, BURST, |burst| {
                for ids in ids[burst * BURST..][..BURST].chunks_exact(BATCH) {
                    score(rows, ids, &mut out);
                    black_box(&out);
                }
            });
        }
    }

    fn scan<T: Copy + Default>(&self, name: &str, stride: usize, score: impl Fn(Strided, usize, &mut [T])) {
        if !self.wanted(name) {
            return;
        }
        for (place, size) in [("DRAM", self.bytes.len()), ("L2", 256 << 10)] {
            let rows = Strided::new(self.bytes, stride, size / stride);
            let mut out = [T::default(); 64];
            let blocks = rows.len() / out.len();
            self.time(&format!("scan   {name} {stride} {place}"), stride, BURST, |burst| {
                for block in 0..BURST / out.len() {
                    let block = burst * (BURST / out.len()) + block;
                    score(rows, block % blocks * out.len(), &mut out);
                    black_box(&out);
                }
            });
        }
    }

    fn all(&self) {
        let k = self.kernels;
        for dims in [112, 784] {
            let q: Vec<f32> = (0..dims).map(|i| (i as f32).sin()).collect();
            self.gather("dot_f32", dims * 4, |rows, ids, out| k.gather_dot_f32(&q, rows, ids, out));
            self.gather("l2_f32", dims * 4, |rows, ids, out| k.gather_l2_f32(&q, rows, ids, out));
            self.gather("l2_f16", dims * 2, |rows, ids, out| k.gather_l2_f16(&q, rows, ids, out));
            self.gather("l2_i8", dims + 4, |rows, ids, out| k.gather_l2_i8(&q, rows, ids, out, dims));
            self.scan("dot_f32", dims * 4, |rows, start, out| k.scan_dot_f32(&q, rows, start, out));
            self.scan("l2_f32", dims * 4, |rows, start, out| k.scan_l2_f32(&q, rows, start, out));
            self.scan("l2_f16", dims * 2, |rows, start, out| k.scan_l2_f16(&q, rows, start, out));
            let q: Vec<i8> = (0..dims).map(|i| i as i8).collect();
            self.gather("dot_u8_i8", dims + 4, |rows, ids, out| k.gather_dot_u8_i8(&q, rows, ids, out));
            self.scan("dot_u8_i8", dims + 4, |rows, start, out| k.scan_dot_u8_i8(&q, rows, start, out));
        }
        for m in [16, 50, 112] {
            let lut: Vec<f32> = (0..m * 256).map(|i| i as f32).collect();
            self.gather("adc", m, |rows, ids, out| k.gather_adc(&lut, m, rows, ids, out));
            self.scan("adc", m, |rows, start, out| k.scan_adc(&lut, m, rows, start, out));
        }
        for len in [16, 48, 98, 192] {
            let planes: Vec<u8> = (0..len * 4).map(|i| (i * 37) as u8).collect();
            self.gather("popcount4", len + 4, |rows, ids, out| k.gather_and_popcount4(&planes, len, rows, ids, out));
            self.scan("popcount4", len + 4, |rows, start, out| k.scan_and_popcount4(&planes, len, rows, start, out));
        }
        self.tables();
    }

    fn tables(&self) {
        let k = self.kernels;
        for d in [1, 2, 4, 8] {
            let q = vec![0.5f32; d];
            let cent_t: Vec<f32> = (0..d * 256).map(|i| (i as f32).cos()).collect();
            let mut out = [0.0; 256];
            if self.wanted("table_l2") {
                self.time(&format!("table_l2 k=256 d={d} (a row = a table)"), 1024 * d, 2_000, |_| {
                    for _ in 0..2_000 {
                        k.table_l2(black_box(&q), &cent_t, 256, &mut out);
                        black_box(&out);
                    }
                });
            }
            if self.wanted("argmin") && d == 1 {
                self.time("argmin 256", 1024, 2_000, |_| {
                    for _ in 0..2_000 {
                        black_box(k.argmin(black_box(&cent_t)));
                    }
                });
            }
        }
    }
}

/// Asks for huge pages, as the product's rows do.
#[cfg(target_os = "linux")]
fn huge(bytes: &[u8]) {
    unsafe extern "C" {
        fn madvise(addr: *mut u8, len: usize, advice: i32) -> i32;
    }
    let start = bytes.as_ptr().addr().next_multiple_of(4096);
    let end = (bytes.as_ptr().addr() + bytes.len()) & !4095;
    // SAFETY: the pages lie in the buffer; advice 14 (MADV_HUGEPAGE) changes no contents.
    unsafe { madvise(start as *mut u8, end - start, 14) };
}

#[cfg(not(target_os = "linux"))]
fn huge(_: &[u8]) {}

fn main() {
    let mib: usize = std::env::var("MIB").ok().and_then(|mib| mib.parse().ok()).unwrap_or(1024);
    let mut bytes: Vec<u8> = Vec::with_capacity((mib << 20) + 64);
    bytes.resize(1, 0);
    // SAFETY: only the reserved capacity is advised; it is written below before it is read.
    huge(unsafe { std::slice::from_raw_parts(bytes.as_ptr(), bytes.capacity()) });
    bytes.resize(bytes.capacity(), 0);
    // Small numbers whichever way they are read: 0x3c00 and the like as f16, about 2^-7 as f32.
    bytes.iter_mut().enumerate().for_each(|(i, b)| *b = if i % 2 == 1 { 0x3c } else { ((i * 29) >> 3) as u8 });
    // Lines begin rows, as in the product.
    let lead = bytes.as_ptr().addr().wrapping_neg() % 64;
    let bytes = &bytes[lead..][..mib << 20];
    for simd in available().into_iter().rev() {
        let Some(kernels) = kernels_for(simd) else { continue };
        Bench { filter: std::env::args().nth(1), bytes, kernels }.all();
    }
}
