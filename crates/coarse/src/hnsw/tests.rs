use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use task::{Cancel, Task};

use super::pool::Pool;
use super::*;
use crate::testing::Plain;

const OPTIONS: HnswOptions = HnswOptions { m: 8, ef_construction: 60, seed: 7 };

fn build(plain: &Plain, rows: u32, block: u32) -> Builder {
    let mut builder = Builder::new(OPTIONS);
    while builder.graph().len() < rows {
        let end = (builder.graph().len() + block).min(rows);
        builder.link_block(plain, end, &Task::new()).unwrap();
    }
    builder
}

fn build_at_once(plain: &Plain, rows: u32, options: HnswOptions) -> Builder {
    let mut builder = Builder::new(options);
    builder.link_all(plain, rows, &Task::new()).unwrap();
    assert_eq!((builder.graph().len(), builder.graph().fault()), (rows, None));
    builder
}

fn bytes(graph: &Graph) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut keep = |piece: &[u8]| -> Result<(), ()> {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    graph.write(&mut keep).unwrap();
    bytes
}

fn found(graph: &Graph, plain: &Plain, query: &[f32], ef: usize, live: impl Fn(u32) -> bool) -> Vec<u32> {
    let mut scratch = Scratch::default();
    let found = graph.search(&mut plain.scorer_of(query), ef, live, &mut scratch, &Task::new()).unwrap();
    assert!(found.is_sorted(), "candidates ascend");
    found.iter().map(|c| c.row).collect()
}

fn recall(graph: &Graph, plain: &Plain, ef: usize, live: impl Fn(u32) -> bool + Copy) -> f64 {
    let mut hits = 0;
    for row in (0..plain.rows()).step_by(97) {
        let query: Vec<f32> = plain.row(row).iter().map(|v| v + 0.01).collect();
        let truth: BTreeSet<u32> = plain.ranking(&query).into_iter().filter(|&r| live(r)).take(10).collect();
        let found = found(graph, plain, &query, ef, live);
        assert!(found.iter().all(|&row| live(row)), "a dead row took a place");
        hits += found.iter().take(10).filter(|row| truth.contains(row)).count();
    }
    hits as f64 / (10 * (0..plain.rows()).step_by(97).count()) as f64
}

#[test]
fn nearest_rows_are_found_whatever_the_size_of_the_blocks() {
    let plain = Plain::clustered(3_000, 12, 1);
    for block in [1, 64, 1_000] {
        let graph = build(&plain, 3_000, block).graph();
        let recall = recall(&graph, &plain, 80, |_| true);
        assert!(recall >= 0.98, "blocks of {block}: recall {recall}");
    }
}

/// Rows of one leaf, and of many.
#[test]
fn rows_linked_at_once_are_found_as_those_linked_one_by_one() {
    for (rows, m) in [(700, 8), (3_000, 8), (12_000, 4)] {
        let plain = Plain::clustered(rows, 12, 1);
        let options = HnswOptions { m, ..OPTIONS };
        let at_once = recall(&build_at_once(&plain, rows as u32, options).graph(), &plain, 40, |_| true);
        let mut builder = Builder::new(options);
        for end in (0..=rows as u32).step_by(100) {
            builder.link_block(&plain, end, &Task::new()).unwrap();
        }
        let in_blocks = recall(&builder.graph(), &plain, 40, |_| true);
        assert!(at_once >= in_blocks - 0.01, "{rows} rows: recall {at_once} at once, {in_blocks} in blocks");
    }
}

#[test]
fn a_pool_of_everything_finds_everything() {
    let plain = Plain::clustered(1_500, 5, 9);
    let query = [0.1, -0.3, 0.2, 0.0, 0.4];
    for graph in [build(&plain, 1_500, 256).graph(), build_at_once(&plain, 1_500, OPTIONS).graph()] {
        assert_eq!(found(&graph, &plain, &query, 1_500, |_| true), plain.ranking(&query));
    }
}

#[test]
fn the_graph_is_the_same_on_any_number_of_threads() {
    let plain = Plain::clustered(2_000, 8, 3);
    let on = |threads, built: fn(&Plain) -> Builder| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| bytes(&built(&plain).graph()))
    };
    for built in [|plain: &Plain| build(plain, 2_000, 300), |plain: &Plain| build_at_once(plain, 2_000, OPTIONS)] {
        let one = on(1, built);
        assert!(one == on(2, built) && one == on(5, built));
    }
}

#[test]
fn linking_at_once_forgets_what_was_linked_before_but_readers_keep_it() {
    let plain = Plain::clustered(2_400, 6, 5);
    let mut builder = build(&plain, 900, 200);
    let early = builder.graph();
    let before = bytes(&early);
    builder.link_all(&plain, 2_400, &Task::new()).unwrap();
    assert!(bytes(&early) == before);
    assert!(bytes(&builder.graph()) == bytes(&build_at_once(&plain, 2_400, OPTIONS).graph()));
    let found = found(&early, &plain, plain.row(17), 50, |_| true);
    assert!(found.contains(&17) && found.iter().all(|&row| row < 900));
}

#[test]
fn rows_are_linked_behind_those_linked_at_once() {
    let plain = Plain::clustered(3_000, 8, 14);
    let mut builder = build_at_once(&plain, 2_000, OPTIONS);
    while builder.graph().len() < 3_000 {
        builder.link_block(&plain, builder.graph().len() + 250, &Task::new()).unwrap();
    }
    let recall = recall(&builder.graph(), &plain, 80, |_| true);
    assert!(recall >= 0.98, "recall {recall}");
}

#[test]
fn the_fewest_rows_can_be_linked_at_once() {
    let plain = Plain::clustered(5, 3, 2);
    for rows in 0..5 {
        let graph = build_at_once(&plain, rows, OPTIONS).graph();
        assert_eq!(found(&graph, &plain, plain.row(0), 10, |_| true).len(), rows as usize);
    }
}

#[test]
fn dead_rows_are_walked_through_and_take_no_place() {
    let plain = Plain::clustered(3_000, 10, 4);
    let graph = build(&plain, 3_000, 200).graph();
    for share in [2, 10] {
        let live = move |row: u32| row % share == 1;
        let recall = recall(&graph, &plain, 60, live);
        assert!(recall >= 0.97, "one in {share} alive: recall {recall}");
    }
    assert!(found(&graph, &plain, plain.row(0), 20, |_| false).is_empty());
}

#[test]
fn a_reader_keeps_its_rows_while_more_are_linked() {
    let plain = Plain::clustered(2_400, 6, 5);
    let mut builder = build(&plain, 600, 200);
    let early = builder.graph();
    while builder.graph().len() < 2_400 {
        let end = builder.graph().len() + 200;
        builder.link_block(&plain, end, &Task::new()).unwrap();
    }
    assert_eq!(early.len(), 600);
    let query = plain.row(17);
    let found = found(&early, &plain, query, 50, |_| true);
    assert!(found.contains(&17) && found.iter().all(|&row| row < 600));
}

#[test]
fn a_file_gives_the_same_graph_and_damage_gives_an_error() {
    let plain = Plain::clustered(900, 6, 6);
    let built = build(&plain, 900, 128);
    let written = bytes(&built.graph());
    let read = |bytes: &[u8]| Graph::read(&mut wire::Reader::new(bytes), &OPTIONS, 900);
    let graph = read(&written).unwrap();
    assert_eq!(bytes(&graph), written);
    for cut in (0..written.len()).step_by(41) {
        assert!(read(&written[..cut]).is_err(), "cut at {cut}");
    }
    let mut state = 99u64;
    for _ in 0..3_000 {
        state = mix(state);
        let mut damaged = written.clone();
        let at = state as usize % damaged.len();
        damaged[at] ^= 1 << (state >> 40 & 7);
        // Damage may make another valid graph, but never one that a search can fall out of.
        if let Ok(graph) = read(&damaged) {
            found(&graph, &plain, plain.row(3), 30, |_| true);
        }
    }
    let mut resumed = Builder::resume(OPTIONS, graph);
    resumed.link_block(&plain, 900, &Task::new()).unwrap();
    assert_eq!(bytes(&resumed.graph()), written);
}

#[test]
fn a_stopped_block_leaves_the_graph_as_it_was() {
    let plain = Plain::clustered(800, 6, 8);
    let mut builder = build(&plain, 400, 100);
    let before = bytes(&builder.graph());
    let stop = Cancel::new();
    stop.cancel();
    assert_eq!(builder.link_block(&plain, 800, &Task::new().with_cancel(stop)), Err(LinkError::Aborted));
    assert_eq!(bytes(&builder.graph()), before);
    builder.link_block(&plain, 800, &Task::new()).unwrap();
    assert_eq!(builder.graph().len(), 800);
}

/// Stopped at the first report, at the second, and so on: each later in the work.
#[test]
fn linking_at_once_can_be_stopped_anywhere_and_leaves_the_graph_as_it_was() {
    let plain = Plain::clustered(2_000, 6, 8);
    let mut builder = build(&plain, 400, 100);
    let before = bytes(&builder.graph());
    let mut stops = 0;
    loop {
        let (stop, left) = (Cancel::new(), AtomicUsize::new(stops));
        let seen = stop.clone();
        let report = move |_| {
            if left.fetch_sub(1, Ordering::Relaxed) == 0 {
                seen.cancel();
            }
        };
        let task = Task::new().with_cancel(stop.clone()).with_progress(Arc::new(report));
        match builder.link_all(&plain, 2_000, &task) {
            Err(LinkError::Aborted) => assert!(stop.is_cancelled() && bytes(&builder.graph()) == before),
            done => break assert_eq!((done, stop.is_cancelled()), (Ok(()), false)),
        }
        stops += 1;
    }
    assert!(stops >= 3, "{stops} reports");
}

#[test]
fn identical_rows_do_no_harm() {
    let mut plain = Plain::clustered(1_400, 4, 2);
    for row in 300..1_000 {
        plain.values[row * 4..][..4].fill(0.5);
    }
    for graph in [build(&plain, 1_400, 128).graph(), build_at_once(&plain, 1_400, OPTIONS).graph()] {
        let copies = found(&graph, &plain, &[0.5; 4], 40, |_| true);
        assert!(copies[..20].iter().all(|row| (300..1_000).contains(row)), "{copies:?}");
        let recall = recall(&graph, &plain, 100, |row| !(300..1_000).contains(&row));
        assert!(recall >= 0.97, "the others are still found: recall {recall}");
    }
}

/// More copies than any leaf holds: leaves are cut anyhow, and among copies no leader is nearer than another.
#[test]
fn thousands_of_identical_rows_are_linked_at_once() {
    let mut plain = Plain::clustered(6_000, 4, 2);
    for row in 500..5_500 {
        plain.values[row * 4..][..4].fill(0.5);
    }
    let graph = build_at_once(&plain, 6_000, OPTIONS).graph();
    let copies = found(&graph, &plain, &[0.5; 4], 40, |_| true);
    assert!(copies[..20].iter().all(|row| (500..5_500).contains(row)), "{copies:?}");
    let recall = recall(&graph, &plain, 100, |row| !(500..5_500).contains(&row));
    assert!(recall >= 0.97, "the others are still found: recall {recall}");
    let same = Plain { dims: 2, values: vec![1.5; 2 * 4_000] };
    let graph = build_at_once(&same, 4_000, OPTIONS).graph();
    assert_eq!(found(&graph, &same, &[1.5, 1.5], 4_000, |_| true).len(), 4_000, "every copy can be reached");
}

#[test]
fn clusters_far_apart_stay_reachable_even_with_few_links() {
    let mut plain = Plain::clustered(4_000, 16, 12);
    for (at, value) in plain.values.iter_mut().enumerate() {
        // Twenty clusters, moved apart.
        *value += (mix((at / 16 % 20 * 16 + at % 16) as u64) % 64) as f32;
    }
    let options = HnswOptions { m: 4, ef_construction: 20, seed: 1 };
    let linked = |block: u32| {
        let mut builder = Builder::new(options);
        while builder.graph().len() < 4_000 {
            let end = (builder.graph().len() + block).min(4_000);
            builder.link_block(&plain, end, &Task::new()).unwrap();
        }
        recall(&builder.graph(), &plain, 400, |_| true)
    };
    let (one_by_one, in_blocks) = (linked(1), linked(1_000));
    assert!(in_blocks >= one_by_one - 0.03, "recall {in_blocks} linked in blocks, {one_by_one} one by one");
    let at_once = recall(&build_at_once(&plain, 4_000, options).graph(), &plain, 400, |_| true);
    assert!(at_once >= one_by_one - 0.03, "recall {at_once} linked at once, {one_by_one} one by one");
}

/// Rows that have no estimate compare as equal to nothing, not even themselves: a walk among them must end all the same.
#[test]
fn a_walk_ends_where_no_distance_is_a_number() {
    let plain = Plain { dims: 2, values: vec![f32::NAN; 2 * 3_000] };
    for graph in [build(&plain, 3_000, 512).graph(), build_at_once(&plain, 3_000, OPTIONS).graph()] {
        let mut scratch = Scratch::default();
        let found = graph.search(&mut plain.scorer_of(&[0.0, 0.0]), 10, |_| true, &mut scratch, &Task::new()).unwrap();
        assert!(found.len() <= 10);
    }
}

#[test]
fn a_pool_ends_behind_so_many_live_members_and_keeps_those_behind_them() {
    let mut pool = Pool::default();
    pool.start(5);
    // Members 0, 3, 6 and 9 are dead.
    for member in [7, 2, 9, 4, 0, 8, 1, 6, 3, 5] {
        pool.insert(member as f32, member, member % 3 != 0);
    }
    let mut taken = Vec::new();
    while let Some(next) = pool.next_estimated(3) {
        taken.push(next.row);
    }
    assert_eq!(taken, [0, 1, 2, 3, 4]);
    assert_eq!(pool.upcoming(10).collect::<Vec<_>>(), [5, 6, 7]);
    // What comes nearer is taken, and nothing is taken twice.
    pool.insert(-1.0, 10, true);
    assert_eq!(pool.next_estimated(3).map(|next| next.row), Some(10));
    assert_eq!(pool.next_estimated(3), None);
    assert_eq!(pool.upcoming(10).collect::<Vec<_>>(), [5]);
}
