use super::*;

#[test]
fn a_view_keeps_what_it_saw_while_the_column_grows() {
    let mut column = Appender::<u32>::new();
    let mut views = Vec::new();
    for i in 0..5_000u32 {
        column.extend(&[i, i ^ 7]).unwrap();
        if i % 97 == 0 {
            views.push((column.len(), column.view()));
        }
    }
    for (len, view) in views {
        assert_eq!(view.len(), len);
        for (i, pair) in view.chunks(2).enumerate() {
            assert_eq!(pair, [i as u32, i as u32 ^ 7]);
        }
    }
    assert_eq!(column.as_slice().len(), 10_000);
    assert_eq!(column.view().bytes(), column.bytes());
    assert!(column.bytes() >= 40_000);
}

#[test]
fn runs_are_filled_where_they_stay_by_many_threads() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let mut column = Appender::<u32>::new();
    column.extend(&[7, 8]).unwrap();
    let before = column.view();
    for _ in 0..2 {
        // A run of which nothing is written is zeros, also where memory was used before.
        let fill = |calls: &mut usize, number: usize, run: &mut [u32]| {
            *calls += 1;
            run.iter_mut().take(number % 4).for_each(|place| *place = number as u32);
        };
        pool.install(|| column.extend_in_place(1000, 3, || 0, fill)).unwrap();
    }
    assert_eq!(*before, [7, 8]);
    assert_eq!(column.as_slice()[..2], [7, 8]);
    assert_eq!(column.len(), 2 + 2 * 3000);
    for (at, run) in column.as_slice()[2..].chunks(3).enumerate() {
        let number = at % 1000;
        let expected: Vec<u32> = (0..3).map(|place| if place < number % 4 { number as u32 } else { 0 }).collect();
        assert_eq!(run, expected, "run {at}");
    }
    assert!(column.extend_in_place(usize::MAX / 2, 3, || (), |(), _, _| ()).is_err());
    assert_eq!(column.len(), 2 + 2 * 3000);
}

#[test]
fn memory_is_aligned_to_cache_lines_and_large_blocks_to_huge_pages() {
    for (elements, align) in [(3, 64), (1_000, 64), (2 << 20, 2 << 20)] {
        let mut column = Appender::<f32>::with_capacity(elements).unwrap();
        column.extend(&[1.0]).unwrap();
        assert_eq!(column.view().as_ptr() as usize % align, 0, "{elements} elements");
    }
}

#[test]
fn a_size_that_cannot_be_had_is_an_error_and_changes_nothing() {
    let mut column = Appender::<u64>::new();
    column.extend(&[1, 2, 3]).unwrap();
    assert!(column.reserve_exact(usize::MAX / 4).is_err());
    assert!(column.reserve(usize::MAX).is_err());
    assert_eq!(column.as_slice(), [1, 2, 3]);
}

#[test]
fn readers_on_other_threads_see_whole_elements_only() {
    let mut column = Appender::<[u64; 4]>::new();
    let (send, receive) = std::sync::mpsc::channel::<View<[u64; 4]>>();
    let reader = std::thread::spawn(move || {
        let mut checked = 0u64;
        for view in receive {
            for (i, row) in view.iter().enumerate() {
                assert_eq!(*row, [i as u64; 4]);
                checked += 1;
            }
        }
        checked
    });
    for i in 0..3_000u64 {
        column.extend(&[[i; 4]]).unwrap();
        if i % 50 == 0 {
            send.send(column.view()).unwrap();
        }
    }
    drop(send);
    assert!(reader.join().unwrap() > 80_000);
}

#[test]
fn words_start_filled_and_change_under_a_shared_reference() {
    use std::sync::atomic::Ordering::Relaxed;
    let words = Words::new(100, u32::MAX).unwrap();
    assert_eq!(words.as_ptr() as usize % 64, 0);
    words[3].store(5, Relaxed);
    let seen: Vec<u32> = words.iter().map(|w| w.load(Relaxed)).collect();
    assert_eq!((seen.len(), seen[2], seen[3]), (100, u32::MAX, 5));
    assert_eq!(Words::new(0, 0).unwrap().len(), 0);
}
