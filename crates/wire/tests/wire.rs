//! Round trips, bounds, and damage.

use wire::{Error, Reader, Writer, crc32c, crc32c_append};

fn sample() -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(7);
    w.u16(0xBEEF);
    w.u32(0xDEAD_BEEF);
    w.u64(u64::MAX - 1);
    w.i8(-5);
    w.i32(i32::MIN);
    w.f32(-0.0);
    w.f64(f64::MIN_POSITIVE);
    w.bool(true);
    w.bytes(b"\x00\xff");
    w.str("Gr\u{fc}\u{df}e");
    w.u8s(&[1, 2, 3]);
    w.u16s(&[1, 65535]);
    w.u32s(&[]);
    w.u64s(&[9]);
    w.i8s(&[-1, 1]);
    w.f32s(&[1.5, f32::from_bits(0x7fc0_1234)]);
    w.f64s(&[2.5]);
    w.raw(b"tail");
    w.into_bytes()
}

fn read(bytes: &[u8]) -> Result<(), Error> {
    let mut r = Reader::new(bytes);
    let same = r.u8()? == 7
        && r.u16()? == 0xBEEF
        && r.u32()? == 0xDEAD_BEEF
        && r.u64()? == u64::MAX - 1
        && r.i8()? == -5
        && r.i32()? == i32::MIN
        && r.f32()?.to_bits() == (-0.0f32).to_bits()
        && r.f64()? == f64::MIN_POSITIVE
        && r.bool()?
        && r.bytes()? == b"\x00\xff"
        && r.str()? == "Gr\u{fc}\u{df}e"
        && r.u8s()? == [1, 2, 3]
        && r.u16s()? == [1, 65535]
        && r.u32s()?.is_empty()
        && r.u64s()? == [9]
        && r.i8s()? == [-1, 1]
        && r.f32s()?.iter().map(|v| v.to_bits()).eq([1.5f32.to_bits(), 0x7fc0_1234])
        && r.f64s()? == [2.5]
        && r.raw(4)? == b"tail";
    if !same {
        return Err(r.error("another value"));
    }
    r.finish()
}

#[test]
fn what_was_written_is_read() {
    assert_eq!(read(&sample()), Ok(()));
}

#[test]
fn numbers_are_little_endian_and_counts_are_u64() {
    let mut w = Writer::new();
    w.u32(0x0102_0304);
    w.u16s(&[0x0506]);
    w.str("a");
    assert_eq!(w.as_slice(), [4, 3, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 6, 5, 1, 0, 0, 0, b'a']);
}

#[test]
fn every_truncation_and_every_surplus_is_an_error() {
    let bytes = sample();
    for len in 0..bytes.len() {
        assert!(read(&bytes[..len]).is_err(), "cut to {len}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(read(&longer), Err(Error { what: "1 bytes too many".into(), at: bytes.len() as u64 }));
}

#[test]
fn every_flipped_bit_gives_an_error_or_another_value() {
    let bytes = sample();
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&bad).is_err(), "bit {bit}");
    }
}

#[test]
fn a_count_is_held_against_the_bytes_left() {
    for count in [3u64, u64::MAX, u64::MAX / 4, 1 << 61, 1 << 40] {
        let mut w = Writer::new();
        w.u64(count);
        w.raw(&[0; 8]);
        let mut r = Reader::new(w.as_slice());
        let error = r.u32s().unwrap_err();
        assert_eq!((error.what.as_str(), error.at), (format!("a count of {count} with room for 2 of 4 bytes").as_str(), 0));
        assert!(r.f64s().is_err());
        assert_eq!(r.position(), 0, "a failed read moves nothing");
        assert_eq!(r.u64(), Ok(count));
    }
}

#[test]
fn lengths_bools_and_variants_are_checked() {
    let mut r = Reader::with_base(&[255, 255, 255, 255, 1], 100);
    assert_eq!(r.bytes().unwrap_err().what, "4294967295 bytes were wanted, 1 are left");
    assert_eq!(r.bool().unwrap_err(), Error { what: "a byte below 2 was wanted, 255 found".into(), at: 100 });
    assert_eq!(r.variant(4).unwrap_err().at, 100);
    assert!(r.raw(4).is_ok());
    assert_eq!(r.variant(2), Ok(1));
    assert_eq!(r.u8().unwrap_err(), Error { what: "u8 wanted, 0 bytes are left".into(), at: 105 });
    assert!(Reader::new(&[2, 0, 0, 0, 0xC3, 0x28]).str().unwrap_err().what.contains("UTF-8"));
}

#[test]
fn impossible_allocations_are_errors() {
    assert!(Reader::new(&[]).vec::<u64>(usize::MAX / 16).is_err());
    assert!(Reader::new(&[]).vec::<u64>(usize::MAX).is_err());
}

#[test]
fn random_bytes_never_panic() {
    let mut state = 1u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..next() % 64).map(|_| if next() % 2 == 0 { 0 } else { next() as u8 }).collect();
        let mut r = Reader::new(&bytes);
        let _ = (r.clone().u8s(), r.clone().u16s(), r.clone().u32s(), r.clone().u64s(), r.clone().f32s(), r.clone().f64s());
        let _ = (r.clone().str(), r.clone().bytes(), r.clone().bool(), r.clone().count(0), r.clone().raw(next() as usize));
        let _ = r.u32();
        let before = r.remaining();
        assert!(r.finish().is_ok() == (before == 0));
    }
}

/// The check value of CRC-32C over "123456789" (RFC 3720's polynomial) and RFC 3720 B.4's 32 zeros.
#[test]
fn the_checksum_is_crc32c() {
    assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
    assert_eq!(crc32c_append(crc32c(b"1234"), b"56789"), crc32c(b"123456789"));
}
