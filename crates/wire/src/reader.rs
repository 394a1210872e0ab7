use crate::Error;

/// Reads values from untrusted bytes, front to back. Every method that fails leaves the place where it
/// began, and says in the error what it wanted.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    base: u64,
}

macro_rules! numbers {
    ($($one:ident $many:ident $type:ty),*) => {$(
        #[doc = concat!("The next `", stringify!($type), "`.")]
        pub fn $one(&mut self) -> Result<$type, Error> {
            Ok(<$type>::from_le_bytes(self.array(stringify!($type))?))
        }

        #[doc = concat!("The next array of `", stringify!($type), "`, with its count in front.")]
        pub fn $many(&mut self) -> Result<Vec<$type>, Error> {
            const WIDTH: usize = size_of::<$type>();
            let mut ahead = self.clone();
            let count = ahead.count(WIDTH)?;
            let bytes = ahead.raw(count * WIDTH)?;
            let mut values = ahead.vec(count)?;
            values.extend(bytes.as_chunks::<WIDTH>().0.iter().map(|value| <$type>::from_le_bytes(*value)));
            *self = ahead;
            Ok(values)
        }
    )*};
}

impl<'a> Reader<'a> {
    /// A reader at the first of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::with_base(bytes, 0)
    }

    /// What `read` makes of `bytes`, all of them.
    ///
    /// # Errors
    /// What `read` gives, and bytes that it left.
    pub fn whole<T>(bytes: &'a [u8], read: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let mut reader = Self::new(bytes);
        let value = read(&mut reader)?;
        reader.finish().map(|()| value)
    }

    /// A reader of bytes that begin at offset `base` of some file, so that errors name the place there.
    pub fn with_base(bytes: &'a [u8], base: u64) -> Self {
        Self { bytes, at: 0, base }
    }

    numbers!(u16 u16s u16, u32 u32s u32, u64 u64s u64, i8 i8s i8, i32 i32s i32, f32 f32s f32, f64 f64s f64);

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>("u8")?[0])
    }

    /// The next array of bytes, with its count (`u64`) in front.
    pub fn u8s(&mut self) -> Result<&'a [u8], Error> {
        let mut ahead = self.clone();
        let count = ahead.count(1)?;
        let bytes = ahead.raw(count)?;
        *self = ahead;
        Ok(bytes)
    }

    /// The next byte as a truth value; anything but 0 and 1 is an error.
    pub fn bool(&mut self) -> Result<bool, Error> {
        Ok(self.variant(2)? == 1)
    }

    /// The next byte as the number of one of `variants` alternatives: less than `variants`, or an error.
    pub fn variant(&mut self, variants: u8) -> Result<u8, Error> {
        let mut ahead = self.clone();
        let value = ahead.u8()?;
        if value >= variants {
            return Err(self.error(format!("a byte below {variants} was wanted, {value} found")));
        }
        *self = ahead;
        Ok(value)
    }

    /// The next short byte string, with its length (`u32`) in front.
    pub fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let mut ahead = self.clone();
        let len = ahead.u32()?;
        let bytes = ahead.raw(len as usize)?;
        *self = ahead;
        Ok(bytes)
    }

    /// The next text: a short byte string that must be UTF-8.
    pub fn str(&mut self) -> Result<&'a str, Error> {
        let mut ahead = self.clone();
        let text = std::str::from_utf8(ahead.bytes()?).map_err(|e| self.error(format!("a text that is not UTF-8: {e}")))?;
        *self = ahead;
        Ok(text)
    }

    /// The next `len` bytes as they are.
    pub fn raw(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let left = self.remaining();
        if len > left {
            return Err(self.error(format!("{len} bytes were wanted, {left} are left")));
        }
        let bytes = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(bytes)
    }

    /// A `u64` that counts things of at least `width` bytes each that follow: an error when so many cannot
    /// be in the bytes that are left. (`width` 0 counts as 1.)
    pub fn count(&mut self, width: usize) -> Result<usize, Error> {
        let mut ahead = self.clone();
        let count = ahead.u64()?;
        let most = ahead.remaining() / width.max(1);
        if count > most as u64 {
            return Err(self.error(format!("a count of {count} with room for {most} of {width} bytes")));
        }
        *self = ahead;
        Ok(count as usize)
    }

    /// An empty vector with room for `count` elements, or an error where memory is short: never an abort.
    pub fn vec<T>(&self, count: usize) -> Result<Vec<T>, Error> {
        let mut vec = Vec::new();
        vec.try_reserve_exact(count).map_err(|_| self.error(format!("no memory for {count} elements")))?;
        Ok(vec)
    }

    /// Succeeds when nothing is left to read.
    pub fn finish(self) -> Result<(), Error> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(self.error(format!("{left} bytes too many"))),
        }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Where the next value begins, counted as errors count.
    pub fn position(&self) -> u64 {
        self.base + self.at as u64
    }

    /// An error that names the present place, for what callers find wrong with a value they read.
    pub fn error(&self, what: impl Into<String>) -> Error {
        Error { what: what.into(), at: self.position() }
    }

    fn array<const N: usize>(&mut self, name: &str) -> Result<[u8; N], Error> {
        let Some((value, _)) = self.bytes[self.at..].split_first_chunk::<N>() else {
            return Err(self.error(format!("{name} wanted, {} bytes are left", self.remaining())));
        };
        self.at += N;
        Ok(*value)
    }
}
