//! The bytes of a file, in pages that files which are nearly the same share.

use std::sync::{Arc, LazyLock, OnceLock};

const PAGE: usize = 4096;

/// The bytes of a file. A clone shares all pages until one side changes them; hashes are taken once a page.
#[derive(Debug, Clone, Default)]
pub struct Bytes {
    pages: Vec<Arc<Page>>,
    len: usize,
}

/// What is beyond the end of the file is zero.
#[derive(Debug)]
struct Page {
    data: [u8; PAGE],
    hash: OnceLock<u64>,
}

impl Clone for Page {
    /// Made to be changed: the hash stays behind.
    fn clone(&self) -> Self {
        Self { data: self.data, hash: OnceLock::new() }
    }
}

static ZEROS: LazyLock<Arc<Page>> = LazyLock::new(|| Arc::new(Page { data: [0; PAGE], hash: OnceLock::new() }));

impl From<&[u8]> for Bytes {
    fn from(data: &[u8]) -> Self {
        let mut bytes = Self::default();
        bytes.put(0, data);
        bytes
    }
}

impl Bytes {
    /// Length of the file.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = vec![0; self.len];
        self.read(0, &mut all);
        all
    }

    /// Copies what there is from `at` on, and says how much.
    pub fn read(&self, at: u64, buf: &mut [u8]) -> usize {
        let Some(rest) = usize::try_from(at).ok().and_then(|at| self.len.checked_sub(at)) else { return 0 };
        let count = rest.min(buf.len());
        let (mut at, mut buf) = (at as usize, &mut buf[..count]);
        while !buf.is_empty() {
            let (page, start) = (at / PAGE, at % PAGE);
            let some = buf.len().min(PAGE - start);
            buf[..some].copy_from_slice(&self.pages[page].data[start..start + some]);
            (at, buf) = (at + some, &mut buf[some..]);
        }
        count
    }

    /// Writes at `at`; a gap before it becomes zeros.
    pub fn put(&mut self, at: u64, mut bytes: &[u8]) {
        let mut at = at as usize;
        self.grow(at + bytes.len());
        while !bytes.is_empty() {
            let (page, start) = (at / PAGE, at % PAGE);
            let (some, rest) = bytes.split_at(bytes.len().min(PAGE - start));
            if some == ZEROS.data {
                self.pages[page] = ZEROS.clone();
            } else {
                self.page(page)[start..start + some.len()].copy_from_slice(some);
            }
            (at, bytes) = (at + some.len(), rest);
        }
    }

    /// Makes the file longer, with zeros, if it is shorter than `len`.
    pub fn grow(&mut self, len: usize) {
        if len > self.len {
            self.pages.resize(len.div_ceil(PAGE), ZEROS.clone());
            self.len = len;
        }
    }

    /// Makes the file shorter if it is longer than `len`.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len {
            self.pages.truncate(len.div_ceil(PAGE));
            self.len = len;
            if !len.is_multiple_of(PAGE) {
                self.page(len / PAGE)[len % PAGE..].fill(0);
            }
        }
    }

    /// The same for equal bytes, and for others by no more than chance.
    pub fn hash(&self) -> u64 {
        let page = |page: &Arc<Page>| *page.hash.get_or_init(|| hash_bytes(&page.data));
        self.pages.iter().fold(self.len as u64, |sum, one| mix(sum.rotate_left(17) ^ page(one)))
    }

    fn page(&mut self, number: usize) -> &mut [u8; PAGE] {
        let page = Arc::make_mut(&mut self.pages[number]);
        page.hash = OnceLock::new();
        &mut page.data
    }
}

/// One step of a 64-bit hash.
pub fn mix(word: u64) -> u64 {
    let z = (word ^ (word >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    z ^ (z >> 29)
}

/// A hash of bytes; quick, and not made to withstand anybody.
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let words = words.iter().chain([&last]);
    words.fold(bytes.len() as u64 + 1, |sum, word| mix(sum.rotate_left(23) ^ u64::from_le_bytes(*word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn pages_behave_as_a_vector_does() {
        let mut random = Random::new(1);
        let (mut bytes, mut plain) = (Bytes::default(), Vec::new());
        for _ in 0..500 {
            let kept = bytes.clone();
            let before = plain.clone();
            if random.once_in(4) {
                let len = random.below(plain.len() + 1);
                bytes.truncate(len);
                plain.truncate(len);
            } else {
                let (at, len) = (random.below(20_000), random.below(9_000));
                let data = vec![if random.once_in(3) { 0 } else { random.word() as u8 }; len];
                bytes.put(at as u64, &data);
                plain.resize(plain.len().max(at + len), 0);
                plain[at..at + len].copy_from_slice(&data);
            }
            assert!(bytes.to_vec() == plain);
            assert_eq!(bytes.hash(), Bytes::from(&plain[..]).hash());
            assert!(kept.to_vec() == before);
        }
    }

    #[test]
    fn equal_hashes_mean_equal_bytes() {
        let all = [&b""[..], b"\0", b"x", b"12345678", b"12345678\0", &[0; 4096], &[0; 4097]];
        let hashes: std::collections::BTreeSet<u64> = all.iter().map(|data| Bytes::from(*data).hash()).collect();
        assert_eq!(hashes.len(), all.len());
    }
}
