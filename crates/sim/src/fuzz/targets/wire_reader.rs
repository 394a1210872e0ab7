//! `wire::Reader`: its methods in any order over any bytes.

use wire::{Error, Reader, Writer};

use super::input::{Input, put_part, random_bytes};
use crate::random::Random;

/// Methods that read.
const METHODS: u8 = 24;

/// A list of methods, and the bytes that they read.
pub fn run(bytes: &[u8]) -> bool {
    let mut input = Input::new(bytes);
    let (methods, base) = (input.part(), u64::from(input.u16()));
    let data = input.rest();
    let mut reader = Reader::with_base(data, base);
    let mut accepted = true;
    for method in methods {
        let before = reader.clone();
        let mut again = Writer::new();
        let read = call(*method, &mut reader, &mut again);
        let (start, end) = (data.len() - before.remaining(), data.len() - reader.remaining());
        assert_eq!(reader.position(), base + end as u64);
        match read {
            Ok(()) => assert_eq!(again.as_slice(), &data[start..end], "method {method} does not write what it read"),
            Err(error) => {
                assert_eq!(start, end, "method {method} failed and moved");
                assert!((base..=base + data.len() as u64).contains(&error.at), "{error}");
                accepted = false;
            }
        }
    }
    assert_eq!(reader.remaining() == 0, reader.clone().finish().is_ok());
    accepted
}

/// Reads one value and writes it again.
fn call(method: u8, r: &mut Reader<'_>, w: &mut Writer) -> Result<(), Error> {
    match method % METHODS {
        0 => w.u8(r.u8()?),
        1 => w.u16(r.u16()?),
        2 => w.u32(r.u32()?),
        3 => w.u64(r.u64()?),
        4 => w.i8(r.i8()?),
        5 => w.i32(r.i32()?),
        6 => w.f32(r.f32()?),
        7 => w.f64(r.f64()?),
        8 => w.u16s(&r.u16s()?),
        9 => w.u32s(&r.u32s()?),
        10 => w.u64s(&r.u64s()?),
        11 => w.i8s(&r.i8s()?),
        12 => w.i32s(&r.i32s()?),
        13 => w.f32s(&r.f32s()?),
        14 => w.f64s(&r.f64s()?),
        15 => w.u8s(r.u8s()?),
        16 => w.bool(r.bool()?),
        17 => w.u8(r.variant(1 + method / METHODS)?),
        18 => w.bytes(r.bytes()?),
        19 => w.str(r.str()?),
        20 => w.raw(r.raw(usize::from(method / METHODS))?),
        21 => w.raw(r.raw(usize::MAX - usize::from(method))?),
        22 => w.u64(r.count(usize::from(method / METHODS))? as u64),
        _ => {
            let room: Vec<[u64; 3]> = r.vec(r.remaining())?;
            assert!(room.capacity() >= r.remaining());
        }
    }
    Ok(())
}

/// Every method once, in some order, over what it reads.
pub fn seed(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let (mut methods, mut w) = (Vec::new(), Writer::new());
    for _ in 0..1 + random.below(12) {
        let method = random.below(usize::from(METHODS)) as u8;
        let many = random.below(5);
        match method {
            0 => w.u8(random.word() as u8),
            1 => w.u16(random.word() as u16),
            2 => w.u32(random.word() as u32),
            3 => w.u64(random.word()),
            4 => w.i8(random.word() as i8),
            5 => w.i32(random.word() as i32),
            6 => w.f32(random.value()),
            7 => w.f64(f64::from(random.value())),
            8 => w.u16s(&vec![random.word() as u16; many]),
            9 => w.u32s(&vec![random.word() as u32; many]),
            10 => w.u64s(&vec![random.word(); many]),
            11 => w.i8s(&vec![random.word() as i8; many]),
            12 => w.i32s(&vec![random.word() as i32; many]),
            13 => w.f32s(&random.vector(many)),
            14 => w.f64s(&vec![0.5; many]),
            15 => w.u8s(&random_bytes(&mut random, many)),
            16 => w.bool(random.once_in(2)),
            17 => w.u8(0),
            18 => w.bytes(&random_bytes(&mut random, many)),
            19 => w.str(["", "a", "ß", "日本", "🐟"][many]),
            22 => w.u64(0),
            21 => continue,
            _ => {}
        }
        methods.push(method);
    }
    let mut bytes = Vec::new();
    put_part(&mut bytes, &methods);
    bytes.extend_from_slice(&(random.word() as u16).to_le_bytes());
    bytes.extend_from_slice(w.as_slice());
    bytes
}
