use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};

use task::Cancel;

use super::{Fate, Job, Queue};

/// A job that says what became of it.
fn note(name: &'static str, to: &Sender<(&'static str, &'static str)>) -> Job {
    let to = to.clone();
    Job { cancel: None, run: Box::new(move |fate| to.send((name, word(&fate))).unwrap()) }
}

fn word(fate: &Fate) -> &'static str {
    match fate {
        Fate::Run => "run",
        Fate::Aborted => "aborted",
        Fate::Closed => "closed",
        Fate::NoThread(_) => "no thread",
    }
}

/// Keeps one thread of the queue busy until the sender is dropped; returns once the thread is at it.
fn occupy(queue: &Queue) -> Sender<()> {
    let (release, released): (Sender<()>, Receiver<()>) = channel();
    let (started, at_work) = channel();
    let run = move |_| {
        started.send(()).unwrap();
        let _ = released.recv();
    };
    queue.push(Job { cancel: None, run: Box::new(run) });
    at_work.recv().unwrap();
    release
}

#[test]
fn one_thread_keeps_the_order() {
    let queue = Queue::new("test", 1);
    let (to, from) = channel();
    let numbers: Vec<usize> = (0..100).collect();
    for &number in &numbers {
        let to = to.clone();
        queue.push(Job { cancel: None, run: Box::new(move |_| to.send(number).unwrap()) });
    }
    drop(to);
    assert_eq!(from.iter().collect::<Vec<_>>(), numbers);
}

#[test]
fn several_threads_work_at_once() {
    let queue = Queue::new("test", 3);
    let (to, from) = channel();
    // None gets past it unless three run at a time.
    let barrier = Arc::new(Barrier::new(3));
    for _ in 0..3 {
        let (to, barrier) = (to.clone(), barrier.clone());
        let run = move |_| {
            barrier.wait();
            to.send(()).unwrap();
        };
        queue.push(Job { cancel: None, run: Box::new(run) });
    }
    drop(to);
    assert_eq!(from.iter().count(), 3);
}

#[test]
fn given_up_jobs_end_at_once_and_others_keep_their_order() {
    let queue = Queue::new("test", 1);
    let release = occupy(&queue);
    let (to, from) = channel();
    let cancel = Cancel::new();
    queue.push(note("first", &to));
    queue.push(Job { cancel: Some(cancel.clone()), ..note("second", &to) });
    queue.push(note("third", &to));
    queue.sweep();
    assert!(from.try_recv().is_err(), "nothing is given up yet");
    cancel.cancel();
    queue.sweep();
    assert_eq!(from.recv(), Ok(("second", "aborted")));
    drop((release, to));
    assert_eq!(from.iter().collect::<Vec<_>>(), [("first", "run"), ("third", "run")]);
}

#[test]
fn a_job_given_up_without_a_sweep_is_not_run() {
    let queue = Queue::new("test", 1);
    let release = occupy(&queue);
    let (to, from) = channel();
    let cancel = Cancel::new();
    queue.push(Job { cancel: Some(cancel.clone()), ..note("it", &to) });
    cancel.cancel();
    drop(release);
    assert_eq!(from.recv(), Ok(("it", "aborted")));
}

#[test]
fn closing_ends_what_waits_and_waits_for_what_runs() {
    let queue = Queue::new("test", 1);
    let release = occupy(&queue);
    let (to, from) = channel();
    queue.push(note("waiting", &to));
    queue.close();
    assert_eq!(from.recv(), Ok(("waiting", "closed")));
    queue.push(note("late", &to));
    assert_eq!(from.recv(), Ok(("late", "closed")));
    drop(release);
    queue.wait();
    assert_eq!(queue.0.lock().running, 0);
}

#[test]
fn dropping_ends_what_waits() {
    let queue = Queue::new("test", 1);
    let release = occupy(&queue);
    let (to, from) = channel();
    queue.push(note("waiting", &to));
    drop(queue);
    assert_eq!(from.recv(), Ok(("waiting", "closed")));
    drop(release);
}
