//! Valid inputs made invalid: bits, numbers, lengths, order.

use super::targets::random_bytes;
use crate::random::Random;

/// The longest input.
const LONGEST: usize = 1 << 16;

/// Changes `bytes` in one to eight places. `other` is an input of the same kind, to take parts from.
pub fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let most = 1 << random.below(4);
    for _ in 0..1 + random.below(most) {
        mutate_once(bytes, other, random);
    }
    bytes.truncate(LONGEST);
}

fn mutate_once(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = place(bytes.len(), random);
    match random.below(16) {
        0..=2 => flip(bytes, at, random),
        3..=6 => put_number(bytes, at, random),
        7 | 8 => nudge(bytes, at, random),
        9 => bytes.truncate(at),
        10 => {
            let count = 1 + random.below(40);
            bytes.extend(random_bytes(random, count));
        }
        11 => drop(bytes.drain(at..(at + 1 + random.below(32)).min(bytes.len()))),
        12 => {
            let count = 1 + random.below(32);
            let new = if random.once_in(2) { vec![0; count] } else { random_bytes(random, count) };
            bytes.splice(at..at, new);
        }
        13 => {
            let part = part(bytes, random).to_vec();
            bytes.splice(at..at, part);
        }
        14 => overwrite(bytes, at, part(other, random)),
        _ => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[place(other.len(), random)..]);
        }
    }
}

/// A place of 0 to `len`: anywhere, or near the beginning, where lengths and counts are, or at a multiple of 4.
fn place(len: usize, random: &mut Random) -> usize {
    match random.below(4) {
        0 => random.below(len.min(64) + 1),
        1 => random.below(len / 4 + 1) * 4,
        _ => random.below(len + 1),
    }
}

/// Some bytes in a row.
fn part<'a>(bytes: &'a [u8], random: &mut Random) -> &'a [u8] {
    let from = place(bytes.len(), random);
    &bytes[from..(from + 1 + random.below(64)).min(bytes.len())]
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    bytes[at..].iter_mut().zip(with).for_each(|(byte, new)| *byte = *new);
}

fn flip(bytes: &mut [u8], at: usize, random: &mut Random) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

/// A number that lies at some border, in 1, 2, 4 or 8 bytes.
fn put_number(bytes: &mut [u8], at: usize, random: &mut Random) {
    let left = (bytes.len() - at) as u64;
    let number = match random.below(8) {
        0 => 0,
        1 => u64::MAX,
        2 => 1 << random.below(64),
        3 => (1 << random.below(64)) - 1,
        4 => left.wrapping_add_signed(random.below(5) as i64 - 2),
        5 => left / (1 + random.below(16) as u64),
        6 => u64::from([f32::NAN, f32::INFINITY, f32::MAX, -0.0, f32::MIN_POSITIVE / 2.0][random.below(5)].to_bits()),
        _ => random.below(300) as u64,
    };
    overwrite(bytes, at, &number.to_le_bytes()[..1 << random.below(4)]);
}

/// A number that is there, a little larger or smaller.
fn nudge(bytes: &mut [u8], at: usize, random: &mut Random) {
    let width = 1 << random.below(4);
    let Some(place) = bytes.get_mut(at..at + width) else { return };
    let mut number = [0; 8];
    number[..width].copy_from_slice(place);
    let nudged = u64::from_le_bytes(number).wrapping_add_signed(random.below(9) as i64 - 4);
    place.copy_from_slice(&nudged.to_le_bytes()[..width]);
}
