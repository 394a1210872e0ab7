//! Recall against speed over a real data set, from Rust, on one thread.
//!
//! `cargo run --release -p engine --example measure -- SET [codes] [coarse] [disk]`
//!
//! SET is a folder with `base.f32`, `queries.f32` (row-major, little-endian), `gt.i32` (100 nearest rows a query) and
//! `meta.json` with `dim` and `metric`. codes: none, sq8, sq4, binary, pqN, rabitqN. coarse: hnsw, flat.

use std::path::Path;
use std::time::Instant;

use engine::{Batch, Coarse, Codes, Id, Index, Metric, PartialOptions, Placement, Query, SearchParams};
use task::Task;

fn floats(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("the folder of a data set");
    let folder = Path::new(&folder);
    let rest: Vec<String> = arguments.collect();
    let meta: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("meta.json")).unwrap()).unwrap();
    let dims = meta["dim"].as_u64().unwrap() as usize;
    let metric = if meta["metric"] == "l2" { Metric::L2 } else { Metric::Cosine };
    let codes = match rest.first().map(String::as_str) {
        None | Some("none") => Codes::None,
        Some("sq8") => Codes::Sq8,
        Some("sq4") => Codes::Sq4,
        Some("binary") => Codes::Binary,
        Some(rabitq) if rabitq.starts_with("rabitq") => {
            Codes::Rabitq { bits: rabitq.trim_start_matches("rabitq").parse().unwrap_or(8) }
        }
        Some(pq) => Codes::Pq { bytes: pq.trim_start_matches("pq").parse().unwrap(), rotate: true },
    };
    let coarse = if rest.iter().any(|a| a == "flat") { Coarse::Flat } else { Coarse::Hnsw };
    let disk = rest.iter().any(|a| a == "disk");
    let given = PartialOptions {
        dimensions: Some(dims),
        metric: Some(metric),
        codes: Some(codes),
        coarse: Some(coarse),
        vectors: Some(if disk { Placement::Disk } else { Placement::Memory }),
        ..PartialOptions::default()
    };
    let place = std::env::temp_dir().join(format!("bigrain-measure-{}", std::process::id()));
    let index = if disk {
        Index::open(&place, given, false, &Task::new()).unwrap()
    } else {
        Index::new(given.complete(false).unwrap()).unwrap()
    };
    let base = floats(&folder.join("base.f32"));
    let count = base.len() / dims;
    let started = Instant::now();
    let ids = (0..count as u64).map(Id::Number).collect();
    index.add(Batch { ids, vectors: base, metadata: None }, &Task::new()).unwrap();
    let added = started.elapsed();
    index.optimize(&Task::new()).unwrap();
    println!("add {added:.2?}, ready after {:.2?}", started.elapsed());
    println!("{:?}", index.stats().unwrap());
    let queries = floats(&folder.join("queries.f32"));
    let truth: Vec<u32> = std::fs::read(folder.join("gt.i32"))
        .unwrap()
        .chunks_exact(4)
        .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    let wide = truth.len() / (queries.len() / dims);
    for ef in [10, 20, 40, 60, 80, 120, 160, 240, 320, 480, 640, 960] {
        let params = SearchParams { ef: Some(ef), ..SearchParams::default() };
        let (mut hits, mut asked) = (0, 0);
        let started = Instant::now();
        for (query, truth) in queries.chunks_exact(dims).zip(truth.chunks_exact(wide)).take(2_000) {
            let found = index.search(&Query::vector(query), &params, &Task::new()).unwrap();
            hits += found.iter().filter(|hit| matches!(hit.id, Id::Number(n) if truth[..10].contains(&(n as u32)))).count();
            asked += 1;
        }
        let seconds = started.elapsed().as_secs_f64();
        println!("ef {ef:4}  recall {:.4}  {:8.0} queries/s", hits as f64 / (10 * asked) as f64, asked as f64 / seconds);
    }
    index.close().unwrap();
    let _ = std::fs::remove_dir_all(place);
}
