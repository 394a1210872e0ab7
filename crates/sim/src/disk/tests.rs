use super::*;

fn path(name: &str) -> PathBuf {
    PathBuf::from(name)
}

/// What every power loss at the end of the journal can leave: nothing or everything of what was not synced.
fn extremes(disk: &SimDisk) -> [Image; 2] {
    let mut pending = Pending::new(&Image::default());
    disk.journal().iter().for_each(|op| pending.apply(op));
    [(Fate::Absent, false), (Fate::Whole, true)].map(|(fate, name)| {
        let (writes, names) = (vec![fate; pending.writes().len()], vec![name; pending.names()]);
        pending.image(&Selection { writes, names, short: 0 })
    })
}

fn text(image: &Image, name: &str) -> Option<String> {
    image.files.get(&path(name)).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

fn recording() -> SimDisk {
    SimDisk::recording(&Image::default())
}

#[test]
fn only_what_was_synced_is_sure_to_survive() {
    let disk = recording();
    disk.create_dir(&path("/d")).unwrap();
    disk.sync_dir(&path("/")).unwrap();
    let file = disk.create(&path("/d/a")).unwrap();
    file.write_at(b"one", 0).unwrap();
    file.sync_data().unwrap();
    // The name is not durable yet.
    let [least, most] = extremes(&disk);
    assert_eq!((text(&least, "/d/a"), text(&most, "/d/a")), (None, Some("one".into())));
    disk.sync_dir(&path("/d")).unwrap();
    file.write_at(b"two", 3).unwrap();
    let [least, most] = extremes(&disk);
    assert_eq!((text(&least, "/d/a"), text(&most, "/d/a")), (Some("one".into()), Some("onetwo".into())));
    assert_eq!(most.hash(), disk.image().hash());
}

#[test]
fn renames_and_removals_wait_for_the_directory() {
    let disk = recording();
    let file = disk.create(&path("/a")).unwrap();
    file.write_at(b"x", 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(&path("/")).unwrap();
    disk.rename(&path("/a"), &path("/b")).unwrap();
    let [least, most] = extremes(&disk);
    assert_eq!((text(&least, "/a"), text(&least, "/b")), (Some("x".into()), None));
    assert_eq!((text(&most, "/a"), text(&most, "/b")), (None, Some("x".into())));
    disk.sync_dir(&path("/")).unwrap();
    disk.remove(&path("/b")).unwrap();
    let [least, most] = extremes(&disk);
    assert_eq!((text(&least, "/b"), text(&most, "/b")), (Some("x".into()), None));
    // Whoever has the file open goes on reading.
    let mut byte = [0];
    assert_eq!((file.read_at(&mut byte, 0).unwrap(), byte), (1, *b"x"));
}

#[test]
fn a_failed_sync_forgets_what_it_should_have_written() {
    let disk = recording();
    let file = disk.create(&path("/a")).unwrap();
    disk.sync_dir(&path("/")).unwrap();
    file.write_at(b"one", 0).unwrap();
    disk.plan(vec![Fault { call: 0, way: Way::Sync, lasting: false }]);
    assert!(file.sync_data().is_err());
    assert!(file.sync_data().is_ok());
    assert_eq!(disk.heal().retried_syncs, 1);
    file.write_at(b"two", 3).unwrap();
    file.sync_data().unwrap();
    let [least, most] = extremes(&disk);
    assert_eq!((text(&least, "/a"), text(&most, "/a")), (Some("\0\0\0two".into()), Some("onetwo".into())));
}

#[test]
fn writes_tear_at_sectors_of_the_file() {
    let disk = recording();
    let file = disk.create(&path("/a")).unwrap();
    disk.sync_dir(&path("/")).unwrap();
    file.write_at(&[1; 1000], 300).unwrap();
    let mut pending = Pending::new(&Image::default());
    disk.journal().iter().for_each(|op| pending.apply(op));
    assert_eq!(pending.writes(), [(300, 1000)]);
    let torn = |kept, zeros, short| {
        let tear = Tear { sector: 512, kept, zeros };
        let image = pending.image(&Selection { writes: vec![Fate::Torn(tear)], names: vec![], short });
        let bytes = image.files[&path("/a")].to_vec();
        (bytes.len(), bytes.iter().position(|&b| b == 1), bytes.iter().filter(|&&b| b == 1).count())
    };
    // 300..512, 512..1024, 1024..1300
    assert_eq!(torn(0b001, false, 0), (512, Some(300), 212));
    assert_eq!(torn(0b001, true, 0), (1300, Some(300), 212));
    assert_eq!(torn(0b110, false, 0), (1300, Some(512), 788));
    assert_eq!(torn(0b000, true, 0), (1300, None, 0));
    assert_eq!(torn(0b111, false, 128), (650, Some(300), 350));
}

#[test]
fn the_nine_ways_fail_as_they_say() {
    let disk = recording();
    let file = disk.create(&path("/a")).unwrap();
    file.write_at(&[7; 10], 0).unwrap();
    let with = |way| {
        disk.plan(vec![Fault { call: 0, way, lasting: false }]);
    };
    with(Way::ShortRead);
    assert_eq!(file.read_at(&mut [0; 10], 0).unwrap(), 5);
    with(Way::ShortWrite);
    assert_eq!(file.write_at(&[8; 10], 10).unwrap(), 5);
    with(Way::NoSpace);
    assert_eq!(file.write_at(&[9; 10], 15).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 15);
    with(Way::Eio);
    assert!(file.write_at(&[9; 10], 15).is_err());
    assert_eq!(file.len().unwrap(), 20);
    with(Way::Rename);
    assert!(disk.rename(&path("/a"), &path("/b")).is_err());
    with(Way::Open);
    assert!(disk.open(&path("/a")).is_err());
    with(Way::DirSync);
    assert!(disk.sync_dir(&path("/")).is_err());
    with(Way::Lock);
    assert!(disk.try_lock(&path("/LOCK")).is_err());
    assert!(disk.try_lock(&path("/LOCK")).unwrap().is_some());
}

#[test]
fn one_holds_the_lock_until_it_is_dropped() {
    let disk = recording();
    let held = disk.try_lock(&path("/LOCK")).unwrap();
    assert!(held.is_some());
    assert!(disk.try_lock(&path("/LOCK")).unwrap().is_none());
    drop(held);
    assert!(disk.try_lock(&path("/LOCK")).unwrap().is_some());
}

#[test]
fn a_resumed_disk_is_the_same_disk() {
    let disk = recording();
    disk.create_dir(&path("/d")).unwrap();
    for name in ["/d/a", "/d/b", "/d/c"] {
        disk.create(&path(name)).unwrap().write_at(name.as_bytes(), 0).unwrap();
    }
    disk.rename(&path("/d/a"), &path("/d/x")).unwrap();
    disk.remove(&path("/d/b")).unwrap();
    let resumed = SimDisk::resumed(&Image::default(), &disk.journal());
    assert_eq!(resumed.image().hash(), disk.image().hash());
    // Syncing makes durable what was written before.
    resumed.open(&path("/d/x")).unwrap().sync_data().unwrap();
    resumed.sync_dir(&path("/d")).unwrap();
    resumed.sync_dir(&path("/")).unwrap();
    let [least, _] = extremes(&resumed);
    assert_eq!((text(&least, "/d/x"), text(&least, "/d/c")), (Some("/d/a".into()), Some(String::new())));
}
